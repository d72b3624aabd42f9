"""8 Trend on a real server: several days, weeks and revisions, whose right answers are sums on paper."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from influxd import private_influxd

from dashboards.checks.panels import Chosen, Option, fill
from dashboards.write import FOLDER
from mes.influx.server import InfluxServer, Target
from mes.intervals import Interval

pytestmark = [pytest.mark.influxd, pytest.mark.timeout(120)]

BOARD: dict[str, Any] = json.loads((FOLDER / "dashboards" / "taktline-trend.json").read_text(encoding="utf-8"))
MONDAY = datetime(2026, 3, 1, 19, tzinfo=UTC)  # in Kostanay, midnight
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = MONDAY + 9 * DAY
PLACE = "site=kostanay,area=weld,line=weld-1,station=framing"
TRUE_OF = {1: (10, 100), 2: (20, 100), 3: (60, 200)}  # a day's number, its ideal time of good units, its planned time


def ns(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


def kpi(window: str, at: datetime, good: float, planned: float, *, revision: int = 0, hour: int = 0) -> str:
    fields = f"ideal_good_s={float(good)},pbt_s={float(planned)},local_hour={hour}i,revision={revision}i"
    return f"kpi,{PLACE},window={window} {fields} {ns(at) + revision}"


def loss(at: datetime, seconds: float) -> str:
    fields = f"seconds={float(seconds)},down_s={float(seconds)},idle_s=0,setup_s=0,revision=0i"
    return f"loss,{PLACE},reason=robot-fault {fields} {ns(at)}"


LINES = [
    kpi("day", MONDAY, 0, 0),
    kpi("day", MONDAY + DAY, 99, 100),  # revised below
    *(kpi("day", MONDAY + day * DAY, *of, revision=1) for day, of in TRUE_OF.items()),
    *(kpi("hour", MONDAY + day * DAY + 8 * HOUR, day, 10, hour=8) for day in range(7)),
    kpi("hour", MONDAY + 9 * HOUR, 5, 10, hour=9),
    kpi("hour", MONDAY + 7 * DAY + 8 * HOUR, 9, 10, hour=8),  # of the next week
    kpi("shift", MONDAY + 8 * HOUR, 30, 100),
    f'period,site=kostanay,kind=shift name="day",label="x",revision=0i {ns(MONDAY + 8 * HOUR)}',
    loss(MONDAY - HOUR, 60),
    loss(MONDAY, 120),
    loss(MONDAY + 6 * DAY + 23 * HOUR, 180),
    loss(MONDAY + 7 * DAY, 240),
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[InfluxServer]:
    """A server that has the lines."""
    async with private_influxd(tmp_path) as influxd, InfluxServer(Target(influxd.url, "plant")) as made:
        await made.ensure()
        await made.write("\n".join(LINES).encode())
        yield made


def chosen(by: str, mean: str) -> Mapping[str, Chosen]:
    """What a person chose."""
    start_ms, end_ms = (int(at.timestamp()) * 1000 for at in (MONDAY, MONDAY + 7 * DAY))
    values = {
        "area": "weld",
        "line": "weld-1",
        "station": "framing",
        "by": by,
        "mean": mean,
        "week_is": f"time >= {start_ms}ms AND time < {end_ms}ms",
        "week_start": str(start_ms),
    }
    return {name: Chosen((Option(value, value),), (value,), multi=False) for name, value in values.items()}


async def answers(server: InfluxServer, title: str, *, by: str = "day", mean: str = "3") -> list[list[dict[str, Any]]]:
    """The rows of each query of a panel; times as days after the Monday."""
    (panel,) = (panel for panel in BOARD["panels"] if panel["title"].startswith(title))
    found = []
    for target in panel["targets"]:
        text = fill(target["query"], chosen(by, mean), Interval(MONDAY - 60 * DAY, NOW), NOW)
        found.append(
            [{**row, "time": (row["time"] - ns(MONDAY)) / (86_400 * 10**9)} for row in await server.query(text)]
        )
    return found


async def test_a_moving_mean_is_a_sum_over_a_sum(server: InfluxServer) -> None:
    """Days of 10/100, 20/100 and 60/200: together 90/400, whereas the mean of the ratios would be 0.2."""
    single, moving = await answers(server, "OEE by $by")

    assert [(row["time"], row["OEE"]) for row in single if row["divisor"]] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert moving[-1]["mean of 3"] == pytest.approx(90 / 400)
    assert [row["time"] for row in moving] == [2, 3]


async def test_the_heat_map_puts_hours_side_by_side(server: InfluxServer) -> None:
    """Eight o'clock has a value on each day of the week, nine only on Monday; the next week is not in it."""
    days = await answers(server, "OEE by weekday and hour")
    found = [
        {(row["hour"], name): row[name] for row in rows for name in row.keys() - {"time", "hour", "divisor"}}
        for rows in days
    ]

    assert found == [
        {(8, "Mon"): 0, (9, "Mon"): 0.5},
        *({(8, name): day / 10} for day, name in enumerate(("Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), start=1)),
    ]


async def test_a_week_begins_on_the_plants_monday(server: InfluxServer) -> None:
    """An hour before Monday's midnight in Kostanay is in the week before, Sunday's last hour in the same week."""
    (weeks,) = await answers(server, "Stops by reason and week")

    assert [(row["time"], row["lost"]) for row in weeks] == [(-7, 1), (0, 5), (7, 4)]


async def test_a_shift_and_its_name_have_the_same_time(server: InfluxServer) -> None:
    """So the panel can join them."""
    names, figures = await answers(server, "OEE of the same shift")

    assert [(row["time"], row["name"]) for row in names] == [(8 / 24, "day")]
    assert [(row["time"], row["Value"]) for row in figures] == [(8 / 24, 0.3)]
