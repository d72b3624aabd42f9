"""The evaluator of the common subset answers as a real server does, so that it may judge the dashboards' answers."""

import math
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from influxd import private_influxd

from mes.demo.influxql import Row, evaluate, parse
from mes.influx.encode import body, line
from mes.influx.server import InfluxServer, Target

SEED = 11
START = datetime(2026, 3, 2, 3, tzinfo=UTC)
NOW = START + timedelta(hours=6)
START_NS = int(START.timestamp()) * 10**9
NUMBERS = ("good", "down_s", "oee")
POINTS, QUERIES = 400, 400

pytestmark = [pytest.mark.influxd, pytest.mark.timeout(60)]


def points(rng: random.Random) -> list[Row]:
    """Points of three tags with fields of all types, some missing, times that coincide, and empty stretches."""
    found: dict[tuple[str, int, str, str], Row] = {}
    for _ in range(POINTS):
        line_, station = rng.choice(["weld-1", "paint-1"]), rng.choice(["a", "b c", "d/e"])
        minutes = rng.choice([*range(100), *range(200, 330)])
        time_ns = START_NS + minutes * 60 * 10**9 + rng.choice([0, 0, 1, 999_999_999])
        fields: dict[str, bool | int | float | str] = {
            "good": rng.randrange(-3, 50),
            "down_s": rng.choice([0.0, 0.1, 1 / 3, 1e6, rng.random() * 100]),
            "oee": rng.random(),
            "state": rng.choice(["down", "producing", "it's"]),
            "up": rng.random() < 0.5,
        }
        for name in list(fields)[:-1]:
            if rng.random() < 0.3:
                del fields[name]
        # one series at an instant is one point; series of one instant would leave the order of a selector open
        found["m", time_ns, "", ""] = Row("m", time_ns, {"line": line_, "station": station}, fields)
    return list(found.values())


def query(rng: random.Random) -> str:
    """Some query of the subset."""
    if rng.random() < 0.1:
        narrowed = rng.choice(["", " WHERE \"line\" = 'weld-1'", ' WHERE "line" =~ /^(weld|x)-1$/'])
        return f'SHOW TAG VALUES FROM "m" WITH KEY = "station"{narrowed}'
    tags = rng.choice(["", '"station"', '"line", "station"', '"line"'])
    where = " AND ".join([*_where(rng), *_times(rng)])
    if rng.random() < 0.3:
        columns = rng.sample(['"good"', '"down_s"', '"state"', '"up"', '"station"', '"good" * 2 + "down_s" AS "x"'], 2)
        if columns in (['"station"'], []) or all("station" in each for each in columns):
            columns = ['"good"']
        ending = rng.choice(["", " ORDER BY time DESC", " LIMIT 3", " ORDER BY time DESC LIMIT 2"])
        group = f" GROUP BY {tags}" if tags else ""
        return f'SELECT {", ".join(columns)} FROM "m" WHERE {where}{group}{ending}'
    columns = [f'{_aggregate(rng)} AS "c{place}"' for place in range(rng.choice([1, 1, 2, 3]))]
    interval = rng.choice(["", "time(1h)", "time(20m)"])
    group = ", ".join(each for each in (interval, tags) if each)
    fills = [" fill(none)", " fill(null)"]
    if not any("/" in each for each in columns):  # with arithmetic servers differ, and the linter says so
        fills += [" fill(previous)"]
        fills += [] if any("state" in each for each in columns) else [" fill(0)"]
    fill = rng.choice(fills) if interval else ""
    return f'SELECT {", ".join(columns)} FROM "m" WHERE {where}{f" GROUP BY {group}" if group else ""}{fill}'


def _aggregate(rng: random.Random) -> str:
    def one() -> str:
        function = rng.choice(["count", "sum", "mean", "min", "max", "first", "last"])
        fields = ("state", "up", *NUMBERS) if function in {"count", "first", "last"} else NUMBERS
        return f'{function}("{rng.choice(fields)}")'

    def number() -> str:
        return f'{rng.choice(["sum", "mean"])}("{rng.choice(NUMBERS)}")'

    return rng.choice([one(), one(), f"{number()} / {number()}", f"({number()} - {number()}) * 60 / 2"])


def _where(rng: random.Random) -> list[str]:
    choices = [
        "\"line\" = 'weld-1'",
        "\"station\" != 'a'",
        '"station" =~ /^(a|d\\/e)$/',
        '"good" > 10',
        '"down_s" <= 1',
        "\"state\" = 'down'",
        "\"state\" = 'it\\'s'",
        '"up" = true',
        '("line" = \'weld-1\' OR "good" = 3)',
    ]
    return rng.sample(choices, rng.choice([0, 0, 1, 2]))


def _times(rng: random.Random) -> list[str]:
    until = rng.choice([NOW, START + timedelta(minutes=rng.randrange(30, 300))])
    since = START - timedelta(minutes=rng.choice([0, 7, 60]))
    first = rng.choice(
        [f"time >= {int(since.timestamp())}s", f"time > '{since.isoformat().replace('+00:00', 'Z')}' - 10m"]
    )
    return [first, f"time {rng.choice(['<', '<='])} {int(until.timestamp() * 1000)}ms"]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[InfluxServer]:
    """A private influxd with an empty database."""
    async with private_influxd(tmp_path) as influxd, InfluxServer(Target(influxd.url, "plant")) as client:
        await client.ensure()
        yield client


async def test_every_query_is_answered_as_the_server_does(server: InfluxServer) -> None:
    """Hundreds of queries over points that are nasty: texts, whole numbers and times are equal, floats to 1e-9."""
    rng = random.Random(SEED)
    rows = points(rng)
    await server.write(body(line("m", each.tags, each.fields, each.time_ns) for each in rows))
    answered = 0
    for _ in range(QUERIES):
        text = query(rng)
        told = await server.query(text)
        found = [
            {**series.tags, **dict(zip(series.columns, values, strict=True))}
            for series in evaluate(parse(text), rows, NOW)
            for values in series.values
        ]
        assert len(found) == len(told), text
        for one, other in zip(by_tags(found), by_tags(told), strict=True):
            assert same(one, other), f"{text}: {one} for {other}"
        answered += bool(told)
    assert answered > QUERIES / 2


def by_tags(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Series in the order of their tags, each as it came; servers order series in their own ways."""
    return sorted(rows, key=lambda row: [str(row[tag]) for tag in ("line", "station") if tag in row])


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """A server's answer in JSON has no types: 3.0 is 3 there."""
    return one.keys() == other.keys() and all(
        math.isclose(value, other[name], rel_tol=1e-9, abs_tol=1e-9)
        if isinstance(value, float) and isinstance(other[name], (int, float))
        else value == other[name]
        for name, value in one.items()
    )
