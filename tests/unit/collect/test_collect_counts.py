"""Counts and unit records of one station: tests 9 and 12 of the pitfalls, and what a late or torn record does."""

from dataclasses import replace
from datetime import timedelta

import pytest
from collect_scenes import S2, S3, at, counts_of, entry, live, lost, only, ring, said, seen, station

from adapters.reading import Quality
from mes.collect.counters import (
    Counted,
    CounterSetup,
    CounterState,
    Outcome,
    ResetPolicy,
    Unchanged,
    Undecided,
    Unreconciled,
    count,
)
from mes.collect.station import Observation
from mes.model import (
    CountFlag,
    CountKind,
    CountUnreconciled,
    QualityChanged,
    TimeSource,
    UnitCompleted,
    UnitsCounted,
    UnitsUnidentified,
)

SETUP = CounterSetup(CountKind.GOOD, 65536, ResetPolicy.ALLOWED, max_per_hour=60)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("old", "new", "reset", "expected"),
    [
        (100, 100, ResetPolicy.ALLOWED, Unchanged()),
        (100, 110, ResetPolicy.ALLOWED, Counted(10, CountFlag.NORMAL, 100)),
        (65535, 0, ResetPolicy.ALLOWED, Counted(1, CountFlag.ROLLOVER, 65535)),
        (65530, 4, ResetPolicy.NEVER, Counted(10, CountFlag.ROLLOVER, 65530)),
        (5000, 3, ResetPolicy.ALLOWED, Counted(3, CountFlag.RESET, 5000)),
        (5000, 0, ResetPolicy.ALLOWED, Counted(0, CountFlag.RESET, 5000)),
    ],
)
def test_two_readings_within_an_hour(old: int, new: int, reset: ResetPolicy, expected: Outcome) -> None:
    """What two readings prove follows E.1's order: the same, more, a rollover, a reset."""
    _, outcome = count(replace(SETUP, reset=reset), CounterState(old, at(0)), new, at(3600))

    assert outcome == expected


@pytest.mark.parametrize(
    ("old", "new", "reset"),
    [
        (5000, 3, ResetPolicy.NEVER),
        (5000, 4990, ResetPolicy.ALLOWED),
        (100, 300, ResetPolicy.ALLOWED),
        (100, 65536, ResetPolicy.ALLOWED),
        (100, -1, ResetPolicy.ALLOWED),
    ],
)
def test_what_cannot_be_told_is_not_counted(old: int, new: int, reset: ResetPolicy) -> None:
    """A fall without an explanation, a jump beyond belief and an impossible value count nothing and say so."""
    state, outcome = count(replace(SETUP, reset=reset), CounterState(old, at(0)), new, at(3600))

    assert isinstance(outcome, Unreconciled)
    assert state is not None
    assert state.raw == old


def test_a_full_turn_while_blind_is_not_guessed() -> None:
    """Blind for longer than a full turn takes: even an equal or a higher reading proves nothing; counting goes on."""
    fast = replace(SETUP, max_per_hour=3600)
    state, outcome = count(fast, CounterState(100, at(0)), 110, at(3600 * 19), gap=19 * HOUR)
    assert isinstance(outcome, Unreconciled)

    assert count(fast, state, 111, at(3600 * 19 + 1))[1] == Counted(1, CountFlag.NORMAL, 110)


def test_standing_still_does_not_make_a_stale_value_a_rollover() -> None:
    """However long a watched station stood still, a value that falls a little did not go round."""
    fast = replace(SETUP, max_per_hour=3600, reset=ResetPolicy.NEVER)
    _, outcome = count(fast, CounterState(100, at(0)), 90, at(3600 * 17))

    assert isinstance(outcome, Unreconciled)


def test_a_restart_after_standing_still_is_a_reset() -> None:
    """A short gap after hours of standing still proves no turn: the low value is a reset."""
    fast = replace(SETUP, max_per_hour=3600)
    _, outcome = count(fast, CounterState(100, at(0)), 3, at(3600 * 13), gap=timedelta(minutes=1))

    assert outcome == Counted(3, CountFlag.RESET, 100)


def test_a_suspect_is_resolved_by_what_follows() -> None:
    """A stale sample or a glitch is flagged once and forgotten; a true new base is flagged once and counted from."""
    never = replace(SETUP, reset=ResetPolicy.NEVER)
    state, outcome = count(never, CounterState(5000, at(0)), 4000, at(60))
    assert isinstance(outcome, Unreconciled)
    assert count(never, state, 4000, at(90)) == (state, Unchanged())
    assert count(never, state, 5001, at(120))[1] == Counted(1, CountFlag.NORMAL, 5000)

    after, outcome = count(never, state, 4001, at(120))
    assert outcome == Counted(1, CountFlag.NORMAL, 4000)
    assert after == CounterState(4001, at(120))

    after, outcome = count(never, state, 3000, at(120))
    assert isinstance(outcome, Unreconciled)
    assert after is not None
    assert (after.raw, after.suspect_raw) == (5000, 3000)


def test_the_record_of_units_tells_a_rollover_from_a_reset() -> None:
    """Where both are possible it was a rollover if enough units are recorded, and not before records had their time."""
    state = CounterState(65530, at(0))

    assert count(SETUP, state, 4, at(3600), recorded=10)[1] == Counted(10, CountFlag.ROLLOVER, 65530)
    assert count(SETUP, state, 4, at(3600), recorded=6, settled=False) == (state, Undecided())
    assert count(SETUP, state, 4, at(3600), recorded=6)[1] == Counted(6, CountFlag.RESET, 65530)
    assert count(SETUP, CounterState(5000, at(0)), 4, at(3600), recorded=6)[1] == Counted(6, CountFlag.RESET, 5000)


def test_a_rollover_whose_record_comes_later_is_one() -> None:
    """The count waits for its record, through other observations and a restart, and is counted at its own time."""
    done = live(
        station(),
        seen(0, baseline=True, good=65535, product="S3", log=ring(entry(10, -5))),
        seen(120, good=0),
        seen(121, current=9.0),
        seen(122, log=ring(entry(10, -5), entry(11, 120))),
    )

    assert counts_of(done) == [(1, "rollover", S3)]
    assert only(UnitsCounted, done)[-1].time == at(120)
    assert (done.state.held, done.state.log and done.state.log.owed) == ({}, ())


def test_a_unit_after_a_reset_does_not_count_twice() -> None:
    """A unit that was finished after the reset, and is reported together with it, is no tail of the time before."""
    log = ring(entry(10, -5), entry(11, 130))
    together = (
        said("log", log, 140, stamped=130),
        said("good", 0, 140, stamped=120),
        said("good", 1, 140, stamped=130),
    )
    done = live(
        station(),
        seen(0, baseline=True, good=5000, product="S3", log=ring(entry(10, -5))),
        Observation(together, at(140), baseline=False),
    )

    assert counts_of(done) == [(1, "reset", S3)]


@pytest.mark.parametrize("later", [seen(180, current=9.0), seen(240, good=1)])
def test_a_reset_before_the_turn_is_one(later: Observation) -> None:
    """A totaliser that starts again just before its turn counts no unit that no record shows."""
    done = live(
        station(),
        seen(0, baseline=True, good=65533, scrap=7, product="S3", log=ring(entry(10, -5))),
        seen(120, good=0),
        seen(181),
        later,
    )

    assert sum(units for units, _, _ in counts_of(done)) == (1 if "good" in {r.tag for r in later.readings} else 0)
    assert counts_of(done)[0][:2] == (0, "reset")


def test_a_reset_in_a_gap_is_told_after_it() -> None:
    """What waits for its record after a gap still belongs into that gap."""
    done = live(
        station(),
        seen(0, baseline=True, good=65530, scrap=7, product="S3", log=ring(entry(10, -5))),
        lost(10),
        lost(10, 600),
        seen(600, baseline=True, good=1, scrap=7, log=ring(entry(10, -5), entry(11, 300))),
        seen(700, current=9.0),
    )

    last = only(UnitsCounted, done)[-1]
    assert (last.delta, last.flag, last.since, last.time) == (1, CountFlag.RESET, at(10), at(600))
    assert done.state.closed is not None
    assert not done.state.closed.unseen


def test_only_good_values_count() -> None:
    """Good 100, bad, uncertain 7, good 103 (pitfalls 9): three units, no reset, and the changes of quality are told."""
    uncertain = replace(said("good", 7, 20), quality=Quality.UNCERTAIN)
    done = live(
        station(log=False),
        seen(0, baseline=True, good=100),
        seen(10, good=None),
        Observation((uncertain,), at(20), baseline=False),
        seen(200, good=103),
    )

    assert counts_of(done) == [(3, "normal", None)]
    assert [(change.signal, change.quality) for change in only(QualityChanged, done)] == [
        ("good_count", Quality.BAD),
        ("good_count", Quality.UNCERTAIN),
        ("good_count", Quality.GOOD),
    ]


@pytest.mark.parametrize("value", ["many", True, 2.5, float("nan"), (1, 2)])
def test_a_value_that_cannot_be_a_total_is_of_bad_quality(value: str | bool | float | tuple[int, ...]) -> None:
    """A totaliser that says something else than a whole number is held and told; a whole float is taken."""
    done = live(station(log=False), seen(0, baseline=True, good=100), seen(9, good=value), seen(60, good=101.0))

    assert [change.quality for change in only(QualityChanged, done)] == [Quality.BAD, Quality.GOOD]
    assert counts_of(done) == [(1, "normal", None)]


def test_a_gap_is_caught_up_once() -> None:
    """Units made while we were blind are counted into the gap, rollover or not; after it counting is as before."""
    done = live(
        station(log=False, reset=ResetPolicy.NEVER),
        seen(0, baseline=True, good=65534, product="S3"),
        lost(100),
        lost(100, 700),
        seen(700, baseline=True, good=1),
        seen(760, good=2),
    )

    assert counts_of(done) == [(3, "rollover", S3), (1, "normal", S3)]
    caught, normal = only(UnitsCounted, done)[1:]
    assert (caught.since, caught.time) == (at(100), at(700))
    assert normal.since is None


def test_a_gap_that_might_hide_a_turn_is_unreconciled() -> None:
    """Blind for longer than a turn takes counts nothing and says so once (pitfalls 12)."""
    done = live(
        station(log=False, max_per_hour=36000),
        seen(0, baseline=True, good=5),
        lost(10),
        lost(10, 8000),
        seen(8000, baseline=True, good=9),
    )

    assert counts_of(done) == []
    assert [(doubt.previous_raw, doubt.raw) for doubt in only(CountUnreconciled, done)] == [(5, 9)]


def test_each_totaliser_has_its_own_gap() -> None:
    """One that could not be read after a gap stays unseen since then; the others' later gaps are their own."""
    done = live(
        station(log=False),
        seen(0, baseline=True, good=10, scrap=0),
        lost(10),
        lost(10, 20),
        seen(20, baseline=True, good=10, scrap=None),
        lost(3600),
        lost(3600, 3720),
        seen(3720, baseline=True, good=12, scrap=1),
    )

    moved = {event.kind: event.since for event in only(UnitsCounted, done) if event.delta}
    assert moved == {CountKind.GOOD: at(3600), CountKind.SCRAP: at(10)}
    assert done.state.closed is not None
    assert not done.state.closed.unseen


def test_records_tell_the_products_of_a_delta() -> None:
    """A delta over two products is one event for each run, whose raw values follow each other."""
    done = live(
        station(),
        seen(0, baseline=True, good=10, total=10, product="S3", log=ring(entry(10, -60))),
        lost(1),
        lost(1, 600),
        seen(
            600,
            baseline=True,
            good=13,
            total=13,
            product="S2",
            log=ring(entry(10, -60), entry(11, 100), entry(12, 300, product="S2"), entry(13, 500, product="S2")),
        ),
    )

    runs = [event for event in only(UnitsCounted, done)[2:] if event.kind is CountKind.GOOD]
    assert [(run.product, run.delta, run.previous_raw, run.raw) for run in runs] == [
        (S3, 1, 10, 11),
        (S2, 2, 11, 13),
    ]
    assert counts_of(done, CountKind.TOTAL) == [(3, "catch_up", S3)]
    units = only(UnitCompleted, done)
    assert [(unit.unit, unit.time, unit.time_source) for unit in units] == [
        (f"V{number}", at(seconds), TimeSource.CONTROLLER) for number, seconds in ((11, 100), (12, 300), (13, 500))
    ]


def test_a_record_after_its_count_is_not_counted_again() -> None:
    """A count that comes before its record owes it: neither a later product nor a later reset takes it twice."""
    done = live(
        station(),
        seen(0, baseline=True, good=10, product="S3", log=ring(entry(10, -5))),
        seen(120, good=11),
        seen(121, log=ring(entry(10, -5), entry(11, 120))),
        seen(125, product="S2"),
        seen(240, good=12, log=ring(entry(10, -5), entry(11, 120), entry(12, 240, product="S2"))),
        seen(300, good=1, log=ring(*(entry(n, 120 * (n - 10)) for n in (11, 12)), entry(13, 300, product="S2"))),
        seen(330),
    )

    assert counts_of(done) == [(1, "normal", S3), (1, "normal", S2), (1, "reset", S2)]
    assert done.state.log is not None
    assert (done.state.log.waiting, done.state.log.owed) == ((), ())


def test_a_count_that_was_never_recorded_takes_no_later_record() -> None:
    """What was finished long after a count is not its record; it names the next count."""
    done = live(
        station(),
        seen(0, baseline=True, good=10, product="S3", log=ring(entry(10, -5))),
        seen(120, good=11),
        seen(300, good=12, log=ring(entry(10, -5), entry(11, 300, product="S2"))),
    )

    assert counts_of(done) == [(1, "normal", S3), (1, "normal", S2)]


def test_a_record_that_was_never_counted_names_no_later_count() -> None:
    """A record from before the last count was taken is no part of the next one."""
    done = live(
        station(),
        seen(0, baseline=True, good=10, product="S3", log=ring(entry(10, -5))),
        seen(60, good=11, log=ring(entry(11, 10), entry(12, 20, product="S2"))),
        seen(180, good=12, log=ring(entry(11, 10), entry(12, 20, product="S2"), entry(13, 180))),
    )

    assert counts_of(done) == [(1, "normal", S3), (1, "normal", S3)]


def test_a_reset_hides_no_recorded_unit() -> None:
    """Units recorded before a reset are counted although the totaliser forgot them."""
    done = live(
        station(),
        seen(0, baseline=True, good=500, log=ring(entry(7, -5))),
        seen(600, good=1, log=ring(entry(7, -5), entry(8, 200), entry(9, 400), entry(10, 600))),
    )

    assert counts_of(done) == [(3, "reset", S3)]


def test_a_record_that_cannot_be_read_decides_nothing() -> None:
    """With a bad record of units the totaliser alone decides."""
    done = live(
        station(),
        seen(0, baseline=True, good=500, product="S3", log=ring(entry(7, -5))),
        seen(600, good=1, log=None),
        seen(630),
    )

    assert counts_of(done) == [(1, "reset", S3)]


def test_an_overrun_record_names_what_it_lost() -> None:
    """More units than the ring holds: the counts are right, the ids of the rest are known to be unknown, once."""
    new = ring(*(entry(number, 60 * number) for number in range(5, 21)))
    done = live(
        station(),
        seen(0, baseline=True, good=1, product="S3", log=ring(entry(1, -5))),
        lost(1),
        lost(1, 1300),
        seen(1300, baseline=True, good=20, log=new),
        seen(1400, good=21, log=(*new[1:], entry(21, 1400, product="S2"))),
    )

    assert [(event.missing, event.first_sequence) for event in only(UnitsUnidentified, done)] == [(3, 2)]
    assert [completed.unit for completed in only(UnitCompleted, done)] == [f"V{number}" for number in range(5, 22)]
    assert counts_of(done) == [(19, "catch_up", S3), (1, "normal", S2)]


def test_a_torn_record_is_waited_for() -> None:
    """An entry that is missing although the ring could hold it is not lost: it comes with the next reading."""
    done = live(
        station(),
        seen(0, baseline=True, log=ring(entry(4, -9))),
        seen(60, log=ring(entry(4, -9), "", entry(6, 59))),
        seen(61, log=ring(entry(4, -9), "00005;G;17", entry(6, 59))),
        seen(62, log=ring(entry(4, -9), entry(5, 30), entry(6, 59))),
    )

    assert [completed.unit for completed in only(UnitCompleted, done)] == ["V5", "V6"]
    assert only(UnitsUnidentified, done) == []
    assert [change.quality for change in only(QualityChanged, done)] == [Quality.BAD, Quality.GOOD]


def test_a_record_that_begins_again_is_followed() -> None:
    """After the controller's program was loaded the numbers begin at 1; nothing is missed and nothing comes twice."""
    old = ring(entry(499, -60), entry(500, -9))
    done = live(
        station(),
        seen(0, baseline=True, log=old),
        seen(50, log=ring()),
        seen(55, log=old),
        seen(60, log=ring(entry(1, 58))),
        seen(70, log=ring(entry(1, 58), entry(2, 69))),
    )

    assert [completed.unit for completed in only(UnitCompleted, done)] == ["V1", "V2"]
    assert only(UnitsUnidentified, done) == []


def test_a_number_that_comes_again_is_a_later_unit() -> None:
    """A new record that already reached the old number is told by its time."""
    new = ring(entry(1, 20), entry(2, 30), entry(3, 40))
    done = live(station(), seen(0, baseline=True, log=ring(entry(1, -30), entry(2, -9))), seen(41, log=new))

    assert [completed.unit for completed in only(UnitCompleted, done)] == ["V1", "V2", "V3"]


def test_the_numbers_of_a_record_wrap() -> None:
    """65535 is followed by 0, at first sight and later."""
    done = live(
        station(),
        seen(0, baseline=True, log=ring(entry(65535, -9))),
        seen(60, log=ring(entry(0, 58), entry(65535, -9))),
        seen(90, log=ring(entry(0, 58), entry(1, 88), entry(65535, -9))),
    )
    assert [completed.unit for completed in only(UnitCompleted, done)] == ["V0", "V1"]

    done = live(
        station(),
        seen(0, baseline=True, log=ring(entry(0, -5), entry(65535, -9))),
        seen(60, log=ring(entry(0, -5), entry(1, 58), entry(65535, -9))),
    )
    assert [completed.unit for completed in only(UnitCompleted, done)] == ["V1"]


def test_an_empty_record_at_first_sight_hides_no_unit() -> None:
    """What comes after an empty record is new, all of it."""
    done = live(
        station(),
        seen(0, baseline=True, log=ring()),
        seen(10, log=ring()),
        seen(60, log=ring(entry(1, 30), entry(2, 59))),
    )

    assert [completed.unit for completed in only(UnitCompleted, done)] == ["V1", "V2"]


@pytest.mark.parametrize("garbage", ["00001;G;999999999999;S3;V1", "00001;X;1;S3;V1", "٣;G;1;S3;V1", "\x00\x00"])
def test_garbage_in_a_record_is_told_and_survived(garbage: str) -> None:
    """An entry that makes no sense ends nothing: it is of bad quality, told once."""
    done = live(
        station(),
        seen(0, baseline=True, log=ring()),
        seen(5, log=ring(garbage)),
        seen(6, log=ring(garbage)),
        seen(7, log=3),
    )

    assert [(change.signal, change.quality) for change in only(QualityChanged, done)] == [("unit_log", Quality.BAD)]
    assert only(UnitCompleted, done) == []


def test_one_number_twice_is_one_unit() -> None:
    """Two entries with one number are one unit."""
    done = live(
        station(),
        seen(0, baseline=True, log=ring(entry(1, -9))),
        seen(5, log=ring(entry(1, -9), entry(2, 4), entry(2, 5))),
    )

    assert [completed.unit for completed in only(UnitCompleted, done)] == ["V2"]


def test_a_record_with_an_insane_time_gets_ours() -> None:
    """A controller whose clock is far off still has its units completed, at our time."""
    done = live(
        station(), seen(0, baseline=True, log=ring(entry(1, -9))), seen(60, log=ring(entry(1, -9), entry(2, 9000)))
    )

    assert [(completed.time, completed.time_source) for completed in only(UnitCompleted, done)] == [
        (at(60), TimeSource.EDGE)
    ]


def test_cycle_time_is_from_arrival_to_completion() -> None:
    """A unit that was seen to arrive has a cycle time; one that was there before us has none."""
    done = live(
        station(),
        seen(0, baseline=True, unit="V2", log=ring(entry(1, -9))),
        seen(60, log=ring(entry(1, -9), entry(2, 60))),
        seen(70, unit="V3"),
        seen(190, unit="V3", log=ring(entry(1, -9), entry(2, 60), entry(3, 190))),
    )

    assert [completed.cycle_time for completed in only(UnitCompleted, done)] == [None, timedelta(seconds=120)]


def test_without_a_record_the_unit_in_the_station_is_completed_by_its_count() -> None:
    """One more good unit completes the unit that is there; two at once, a total or an empty station complete none."""
    done = live(
        station(log=False),
        seen(0, baseline=True, good=1, scrap=0, total=1, product=3),
        seen(10, unit="V1"),
        seen(130, good=2, total=2),
        seen(140, unit=None),
        seen(150, unit=""),
        seen(200, good=3),
        seen(210, unit="V4"),
        seen(400, scrap=2),
    )

    assert [(completed.unit, completed.product, completed.cycle_time) for completed in only(UnitCompleted, done)] == [
        ("V1", S3, timedelta(seconds=120))
    ]


def test_an_unknown_product_is_not_the_one_before() -> None:
    """Units of a code that nobody explained are of no product; an empty station keeps that of the unit that left."""
    done = live(
        station(),
        seen(0, baseline=True, good=1, product="S3", log=ring()),
        seen(60, product="", good=2, log=ring(entry(1, 59, product=""))),
        seen(120, product="S9"),
        seen(121, product="S8"),
        seen(180, product=None, good=3),
        seen(240, good=4, log=ring(entry(1, 59, product=""), entry(2, 180), entry(3, 240, product="S7"))),
    )

    assert counts_of(done) == [(1, "normal", S3), (1, "normal", None), (1, "normal", None)]


def test_a_poll_is_one_scan_though_its_blocks_were_read_one_after_the_other() -> None:
    """What comes without the controller's time says itself together: the record of units decides what the count was."""
    polled = Observation(
        (said("good", 0, 120), said("log", ring(entry(10, -5), entry(11, 119)), 120.03)), at(120.03), baseline=False
    )
    done = live(station(), seen(0, baseline=True, good=65535, product="S3", log=ring(entry(10, -5))), polled)

    assert counts_of(done) == [(1, "rollover", S3)]
    assert done.state.held == {}


def test_a_count_of_more_units_than_the_record_holds_leaves_nothing_behind() -> None:
    """Counted first, recorded after: the overwritten records were of units that are counted, and owe no later count."""
    new = ring(*(entry(number, 60 * number) for number in range(185, 201)))
    done = live(
        station(),
        seen(0, baseline=True, good=0, product="S3", log=ring(entry(0, -5))),
        lost(1),
        lost(1, 12000),
        seen(12000, baseline=True, good=200, log=None),
        seen(12001, log=new),
        seen(12100, good=202),
        seen(12101, log=(*new[2:], entry(201, 12060), entry(202, 12100))),
        seen(12160, good=1),
        seen(12161, log=(*new[3:], entry(201, 12060), entry(202, 12100), entry(203, 12160))),
        seen(12190),
    )

    assert counts_of(done) == [(200, "catch_up", S3), (2, "normal", S3), (1, "reset", S3)]
    assert done.state.log is not None
    assert (done.state.log.waiting, done.state.log.owed, done.state.log.overrun) == ((), (), 0)


def test_units_whose_record_was_overwritten_await_their_count_for_a_minute() -> None:
    """The totaliser moved by fewer than were overwritten, so the rest had been counted: no later count is one of them.

    A totaliser that cannot be read is waited for.
    """
    new = ring(*(entry(number, 60 * number) for number in range(5, 21)))
    scenes = (
        seen(0, baseline=True, good=17, product="S3", log=ring(entry(1, -5))),
        lost(1),
        lost(1, 1300),
        seen(1300, baseline=True, good=20, log=new),
    )
    at_once = live(station(), *scenes)
    later = live(station(), *scenes, seen(1400, good=21))
    unread = live(station(), *scenes, seen(1301, scrap=None), seen(1400, good=21))
    logs = [step.state.log for step in (at_once, later, unread)]

    assert [(log.overrun, [debt.units for debt in log.owed]) for log in logs if log] == [(3, []), (0, [1]), (2, [])]
