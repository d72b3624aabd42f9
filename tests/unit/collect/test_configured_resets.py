"""Totalisers that their controller sets to zero at known times of day: a press shop, three shifts, no unit log."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from collect_scenes import at, lost, watched
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.reading import Gap, Quality, Reading, TagId
from mes.collect.resets import ResetSchedule
from mes.collect.signals import CounterSignal
from mes.collect.station import Observation, StationSetup, Step
from mes.config.load import load
from mes.intervals import Interval
from mes.model import CountFlag, CountUnreconciled, StationId, UnitsCounted

PLANT = """
site:
  name: monterrey
  time_zone: America/Monterrey
  calendar: {shifts: [{name: one, days: [mon, tue, wed, thu, fri, sat], start: "06:30", end: "14:30"}]}
products: {bracket: {name: Bracket, assembly_method: CKD, raw: [7]}}
state_maps: {press: {numbers: {0: idle, 1: producing}}}
controllers: {press-plc: {kind: modbus-tcp, host: 10.0.0.6, heartbeat: {address: 0}}}
areas:
  press:
    lines:
      press-1:
        stations:
          stamping:
            controller: press-plc
            ideal_cycle_s: {bracket: 4}
            signals:
              state: {address: 100, map: press}
              good_count:
                address: 101
                type: uint16
                max_per_hour: 1200
                reset: never
                resets_at: ["06:30", "14:30", "22:30"]
                reset_tolerance_s: 120
journal: {path: journal.sqlite}
"""
STAMPING = StationId("monterrey/press/press-1/stamping")
TAG = TagId(f"{STAMPING}:good_count")
HOUR_S = 3600
CHANGE_S = 90 * 60  # the tests' clock starts at 21:00 in Monterrey
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def setup(tmp_path: Path) -> StationSetup:
    file = tmp_path / "plant.yaml"
    file.write_text(PLANT, encoding="utf-8")
    return load(file).config.setups[STAMPING]


def shows(seconds: float, raw: int | None = None, *, baseline: bool = False) -> Observation:
    """What the press said then, or nothing but a sign of life."""
    readings = () if raw is None else (Reading(TAG, raw, Quality.GOOD, None, at(seconds)),)
    return Observation(readings, at(seconds), baseline)


def polled(begin_s: float, end_s: float, raw: int) -> list[Observation]:
    """The press stands from then until then, its counter at one value; the last looks are told."""
    return [shows(begin_s, raw, baseline=begin_s == 0), *(shows(end_s - back_s) for back_s in (6, 4, 2, 0))]


def outcome(done: Step) -> tuple[int, list[str], list[tuple[int, int]]]:
    """Units, the flags that are not normal, and what was flagged for a person."""
    counted = [event for event in done.events if isinstance(event, UnitsCounted)]
    flags = [str(count.flag) for count in counted if count.flag not in (CountFlag.BASELINE, CountFlag.NORMAL)]
    doubts = [(event.previous_raw, event.raw) for event in done.events if isinstance(event, CountUnreconciled)]
    return sum(count.delta for count in counted), flags, doubts


def test_the_file_gives_the_times(setup: StationSetup) -> None:
    """Times are the site's local ones; what is allowed at other times is given beside them."""
    (counter,) = (signal.setup for signal in setup.signals.values() if isinstance(signal, CounterSignal))

    assert counter.schedule == ResetSchedule(
        ZoneInfo("America/Monterrey"), (time(6, 30), time(14, 30), time(22, 30)), timedelta(minutes=2)
    )


@pytest.mark.parametrize(("old", "first"), [(240, 0), (240, 1), (3, 0), (3, 1), (2, 0)])
@pytest.mark.parametrize("off_s", [-110, 0, 110])
def test_a_fall_to_zero_when_it_is_due_is_a_reset(setup: StationSetup, old: int, first: int, off_s: float) -> None:
    """Near a configured time a fall to zero, or to what was made since, is a reset that no person needs to decide."""
    reset_s = CHANGE_S + off_s
    scenes = [*polled(0, reset_s, old), shows(reset_s + 2, first), shows(reset_s + 5, first + 1), shows(reset_s + 90)]

    assert outcome(watched(setup, *scenes)) == (first + 1, ["reset"], [])


@pytest.mark.parametrize("off_s", [-1800, -130, 130, 1800])
def test_the_same_fall_at_another_time_is_flagged(setup: StationSetup, off_s: float) -> None:
    """`reset: never` holds at all other times, and a value of close below is no reset without the time."""
    reset_s = CHANGE_S + off_s
    scenes = [*polled(0, reset_s, 240), shows(reset_s + 2, 1), shows(reset_s + 5, 2), shows(reset_s + 90)]

    assert outcome(watched(setup, *scenes)) == (1, [], [(240, 1)])


def test_a_zero_at_the_time_of_a_reset_that_goes_back_was_misread(setup: StationSetup) -> None:
    """The time alone proves no reset: the value must last, or the totaliser go on from it."""
    scenes = [*polled(0, CHANGE_S, 240), shows(CHANGE_S + 2, 0), shows(CHANGE_S + 4, 240), shows(CHANGE_S + 9, 241)]

    assert outcome(watched(setup, *scenes)) == (1, [], [])


def test_one_time_explains_one_reset(setup: StationSetup) -> None:
    """A second fall within the same stretch is not due; the next configured time explains one again."""
    scenes = [*polled(0, CHANGE_S, 240), *(shows(CHANGE_S + 2 + 4 * made, made) for made in range(11))]
    scenes += [shows(CHANGE_S + 46, 1), shows(CHANGE_S + 50, 2)]
    next_s = CHANGE_S + 8 * HOUR_S
    scenes += [*polled(next_s - 60, next_s, 2), shows(next_s + 2, 0), shows(next_s + 90)]

    assert outcome(watched(setup, *scenes)) == (11, ["reset", "reset"], [(10, 1)])


def after_gap(setup: StationSetup, old: int, new: int, until_s: float, *, since_s: float = CHANGE_S - 300) -> Step:
    """One value before a gap, another one after it, and one part more."""
    gap: list[Observation | Gap] = [lost(since_s), lost(since_s, until_s), shows(until_s, new, baseline=True)]
    return watched(setup, *polled(0, since_s, old), *gap, shows(until_s + 4, new + 1))


@pytest.mark.parametrize(("old", "new", "found"), [(240, 12, 12), (240, 0, 0), (20, 12, 12), (0, 12, 12)])
def test_a_reset_in_a_gap_is_known_by_its_time(setup: StationSetup, old: int, new: int, found: int) -> None:
    """After a gap over a configured time a lower value is what was made since, if it can have been made."""
    units, flags, doubts = outcome(after_gap(setup, old, new, CHANGE_S + 300))

    assert (units, doubts) == (found + 1, [])
    assert flags[0] == ("reset" if new < old else "catch_up")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (400, 395),  # more than can have been made since the reset: a retained value
        (20, 32),  # 12 units more, or 32 since the reset
        (20, 20),  # none, or 20 since the reset
        (65530, 5),  # a turn, or a reset
    ],
)
def test_what_a_reset_in_a_gap_may_hide_is_flagged(setup: StationSetup, old: int, new: int) -> None:
    """Where the totaliser may have been reset or gone on, and no unit log tells, a person decides."""
    units, _, doubts = outcome(after_gap(setup, old, new, CHANGE_S + 300))

    assert (units, doubts) == (1, [(old, new)])


@pytest.mark.parametrize(
    ("old", "new", "until_s", "since_s"),
    [
        (400, 410, CHANGE_S + 300, CHANGE_S - 300),  # 410 units were not made since the reset
        (200, 200, CHANGE_S + 60, CHANGE_S - 300),  # it will come yet
        (20, 32, CHANGE_S - 400, CHANGE_S - 1000),  # not at the time of a reset
    ],
)
def test_an_ordinary_gap_is_counted(setup: StationSetup, old: int, new: int, until_s: float, since_s: float) -> None:
    """Configured times make no doubt where a reset is impossible, or is to come yet."""
    units, flags, doubts = outcome(after_gap(setup, old, new, until_s, since_s=since_s))

    assert (units, doubts) == (new - old + 1, [])
    assert set(flags) <= {"catch_up"}


def test_a_turn_when_a_reset_is_due_is_flagged(setup: StationSetup) -> None:
    """A watched turn at the very time of a reset may be either."""
    for begin_s, expected in ((CHANGE_S - 1800, (2, ["rollover"], [])), (CHANGE_S, (1, [], [(65535, 0)]))):
        turn = [*polled(0, begin_s, 65535), shows(begin_s + 2, 0), shows(begin_s + 5, 1), shows(begin_s + 90)]
        assert outcome(watched(setup, *turn)) == expected


MINUTE = timedelta(minutes=1)
MARCH, NOVEMBER = datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)  # clocks change in New York


@given(
    st.sampled_from([MARCH, NOVEMBER, datetime(2026, 7, 4, tzinfo=UTC)]),
    st.integers(0, 2 * 1440),
    st.integers(0, 1600),
    st.lists(st.integers(0, 1439).filter(lambda minute: not 120 <= minute < 180), min_size=1, max_size=3),
    st.integers(1, 60),
)
@example(NOVEMBER, 6 * 60, 120, [90], 5)
def test_the_last_due_time_is_the_last_minute_of_that_name(
    day: datetime, begin: int, length: int, minutes: list[int], tolerance: int
) -> None:
    """Minute by minute, the last one whose local name is a configured time, on days of 23, 24 and 25 hours."""
    times = tuple(time(minute // 60, minute % 60) for minute in minutes)
    since = day + begin * MINUTE
    until = since + length * MINUTE
    around = timedelta(minutes=tolerance)

    instant, expected = until + around, None
    while instant >= since - around and expected is None:
        if instant.astimezone(NEW_YORK).time() in times:
            expected = Interval(instant - around, instant + around)
        instant -= MINUTE

    assert ResetSchedule(NEW_YORK, times, around).last_due(since, until) == expected


def test_a_time_that_clocks_leave_out_is_due_on_both_sides() -> None:
    """02:30 does not exist when clocks are put forward at 02:00: a controller may take 01:30 or 03:30 for it."""
    schedule = ResetSchedule(NEW_YORK, (time(2, 30),), timedelta(minutes=5))
    for minute in (30, 90):
        due = MARCH + timedelta(hours=6, minutes=minute)
        assert schedule.last_due(due - MINUTE, due + MINUTE) == Interval(due - 5 * MINUTE, due + 5 * MINUTE)
