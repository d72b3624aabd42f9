"""Which published windows late and corrected events make again."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from events import START, STATION, assigned, at, counted, state
from oee_histories import CATALOGUE, between

from adapters.clock import ManualClock
from mes.calendar import Calendar, Shift
from mes.influx.encode import Point, window_ns
from mes.influx.points.windows import PublishedFigures
from mes.journal.codec import affects, encode_event
from mes.journal.store import Rows, Store
from mes.model import State, StationEvent, StationStandard

CALENDAR = Calendar(ZoneInfo("Asia/Qostanay"), (Shift("day", time(8), time(16)),))
STANDARD = StationStandard(ideal_cycle={None: timedelta(minutes=2)}, minor_stop=timedelta(minutes=2), reasons=CATALOGUE)
RUN: list[StationEvent] = [
    state(0, State.PRODUCING),
    counted(30, 5),
    state(300, State.DOWN),
    state(310, State.PRODUCING),
]


async def hours(path: Path, *events: StationEvent) -> dict[float, tuple[float, float]]:
    """The hours that the last event makes again: minutes from START, with their minutes producing and down."""
    with Store(path) as store:
        store.write([Rows(events=[encode_event(event) for event in events])])
        _, spans = store.affected_windows(len(events) - 1, 1)
    figures = PublishedFigures(path, {STATION: STANDARD}, CALENDAR, ManualClock(at(400)))
    points = await figures.affected_windows(spans)
    return {
        (point.stamp_ns - window_ns(START)) / 60e9: (seconds(point, "apt_s") / 60, seconds(point, "down_s") / 60)
        for point in points
        if point.measurement == "kpi" and point.tags["window"] == "hour"
    }


def seconds(point: Point, field: str) -> float:
    """A field that is a number of seconds."""
    value = point.fields[field]
    assert isinstance(value, float)
    return value


async def test_a_state_that_came_late_changes_all_hours_that_it_lasts(tmp_path: Path) -> None:
    """A stop told days later holds until the next state that is known: its hours are made again, and no others."""
    found = await hours(tmp_path / "journal.sqlite", *RUN, state(90, State.DOWN))

    assert found == {0: (60, 0), 60: (30, 30), 120: (0, 60), 180: (0, 60), 240: (0, 60), 300: (50, 10)}


async def test_a_corrected_reason_reaches_back_to_its_stop(tmp_path: Path) -> None:
    """What is said at minute 390 of a stop at 300 makes the hours between again."""
    found = await hours(tmp_path / "journal.sqlite", *RUN, assigned(390, 300, 310, "tips"))

    assert found[300] == (50.0, 0.0)
    assert affects(assigned(390, 300, 310, "tips")) == between(300, 390)


async def longest(path: Path, now: float, *events: StationEvent) -> tuple[list[str], list[str]]:
    """The beginnings of the weeks and months that the last event makes again, and of those that time does."""
    with Store(path) as store:
        store.write([Rows(events=[encode_event(event) for event in events])])
        _, spans = store.affected_windows(len(events) - 1, 1)
    with PublishedFigures(path, {STATION: STANDARD}, CALENDAR, ManualClock(at(now))) as figures:
        told = await figures.affected_windows(spans)
        passed, _ = await figures.open()
    both = [
        [
            f"{point.tags['window']} {datetime.fromtimestamp(point.stamp_ns // 10**9, UTC):%d %b %H:%M}"
            for point in points
            if point.measurement == "kpi" and point.tags["window"] in {"week", "month"}
        ]
        for points in (told, passed)
    ]
    return both[0], both[1]


async def test_weeks_and_months_are_the_plants(tmp_path: Path) -> None:
    """A station's week begins on Monday and its month on the first, both at the plant's midnight; time states them."""
    told, passed = await longest(tmp_path / "journal.sqlite", 400, *RUN)

    assert (told, passed) == ([], ["week 01 Mar 19:00", "month 28 Feb 19:00"])


async def test_what_is_told_late_changes_weeks_and_months_that_are_over(tmp_path: Path) -> None:
    """A stop of the first week that is told six weeks and three days later makes that week and its month again."""
    told, passed = await longest(tmp_path / "journal.sqlite", 45 * 1440, *RUN, state(90, State.DOWN))

    assert told == ["week 01 Mar 19:00", "month 28 Feb 19:00"]
    assert passed == ["week 12 Apr 19:00", "month 31 Mar 19:00"]


async def test_a_window_has_the_hour_of_the_plants_clock(tmp_path: Path) -> None:
    """Minute 0 is eight o'clock in Kostanay, and the state lasts until one; a day begins at midnight."""
    path = tmp_path / "journal.sqlite"
    with Store(path) as store:
        store.write([Rows(events=[encode_event(event) for event in RUN])])
    figures = PublishedFigures(path, {STATION: STANDARD}, CALENDAR, ManualClock(at(400)))
    points = await figures.affected_windows({STATION: between(0, 130)})
    found = [
        (point.tags["window"], point.fields["local_hour"])
        for point in points
        if point.measurement == "kpi" and point.tags["window"] in {"hour", "day"}
    ]

    assert sorted(found) == [("day", 0), *(("hour", hour) for hour in range(8, 14))]
