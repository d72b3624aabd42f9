"""Looks at stations: what a wall shows now."""

from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from events import STATION, assigned, at, raised, state
from oee_histories import CATALOGUE

from adapters.clock import ManualClock
from mes.calendar import Calendar, Shift
from mes.config.names import NO_DISPLAY_NAMES, DisplayNames
from mes.influx.encode import Field, Point, place, window_ns
from mes.influx.points.looks import Looks
from mes.influx.points.windows import PublishedFigures
from mes.journal.codec import encode_event
from mes.journal.store import Rows, Store
from mes.model import State, StationEvent, StationStandard

CALENDAR = Calendar(ZoneInfo("Asia/Qostanay"), (Shift("day", time(8), time(16)),))
STANDARD = StationStandard(ideal_cycle={None: timedelta(minutes=2)}, minor_stop=timedelta(minutes=5), reasons=CATALOGUE)


async def look(folder: Path, minute: float, *events: StationEvent, names: DisplayNames = NO_DISPLAY_NAMES) -> Point:
    """The look at the station of some events."""
    path = folder / "journal.sqlite"
    with Store(path) as store:
        store.write([Rows(events=[encode_event(event) for event in events])])
    clock = ManualClock(at(minute))
    with PublishedFigures(path, {STATION: STANDARD}, CALENDAR, clock, display_names=names) as figures:
        points, _ = await figures.open()
    (found,) = Looks().of(points, all_of_them=True)
    return found


@pytest.mark.parametrize(
    ("minute", "events", "expected"),
    [
        (9, [state(0, State.PRODUCING)], ("producing", "apt", "none", 540, 0, 0)),
        (9, [state(0, State.PRODUCING), state(7, State.DOWN)], ("down", "minor_stops", "none", 120, 1, 0)),
        (9, [state(0, State.PRODUCING), state(3, State.DOWN)], ("down", "down", "none", 360, 1, 360)),
        (9, [state(0, State.DOWN), assigned(8, 0, 9, "tips")], ("down", "setup", "tips", 540, 1, 0)),
        (590, [state(0, State.DOWN)], ("down", "not_planned", "none", 35_400, 0, 0)),
    ],
)
async def test_a_look_says_how_a_station_stands(
    tmp_path: Path, minute: float, events: list[StationEvent], expected: tuple[object, ...]
) -> None:
    """State, loss, reason, for how long, whether that is a stop in planned time, and one that waits for a reason."""
    found = await look(tmp_path, minute, *events)

    names = ("state", "loss", "reason", "stop_s", "stopped", "unexplained_s")
    assert tuple(found.fields[name] for name in names) == expected
    assert found.tags == place(STATION)
    assert found.stamp_ns == window_ns(at(minute))


async def test_a_fault_has_its_english_text_beside_its_code(tmp_path: Path) -> None:
    """A look has the text that the plant's file gives, and `none` for a code that it does not explain."""
    names = DisplayNames(faults={f"{STATION}:E7": {"en": "Gun sticks", "ru": "Клещи залипли"}})
    found = await look(tmp_path, 9, state(0, State.DOWN), raised(0, "E7"), names=names)
    assert (found.fields["fault"], found.fields["fault_text"]) == ("E7", "Gun sticks")
    found = await look(tmp_path, 9, names=DisplayNames())
    assert (found.fields["fault"], found.fields["fault_text"]) == ("E7", "none")


def stretch(end_ms: int, *, state_name: str = "producing", stop_s: float = 1.0, lasts: bool = True) -> Point:
    """A stretch as it is published."""
    texts: dict[str, Field] = {"state": state_name, "loss": "apt", "reason": "none", "fault": "none"}
    texts["fault_text"] = "none"
    numbers: dict[str, Field] = {"begins": 1, "open": int(lasts), "unexplained": 0, "position": 1, "start_ms": 0}
    times: dict[str, Field] = {"end_ms": end_ms, "seconds": stop_s, "stop_s": stop_s, "inferred_s": 0.0}
    return Point("state", place(STATION), {**texts, **numbers, **times}, 0)


def test_what_has_not_changed_is_said_by_the_clock_alone() -> None:
    """Between two regular looks there is one for each change, and none for a stretch that has grown or has ended."""
    looks = Looks()
    assert len(looks.of([stretch(1000)], all_of_them=False)) == 1

    assert looks.of([stretch(2000, stop_s=2.0)], all_of_them=False) == []
    assert looks.of([stretch(3000, state_name="down", lasts=False)], all_of_them=False) == []
    assert len(looks.of([stretch(4000, state_name="down")], all_of_them=False)) == 1
    assert len(looks.of([stretch(5000, state_name="down")], all_of_them=True)) == 1


def test_no_two_looks_have_one_time_stamp() -> None:
    """A clock that stands, or is set back, does not write over a look."""
    looks = Looks()

    stamps = [looks.of([stretch(end_ms)], all_of_them=True)[0].stamp_ns for end_ms in (7, 7, 3, 8)]

    assert stamps == [7_000_000, 7_000_001, 7_000_002, 8_000_000]
