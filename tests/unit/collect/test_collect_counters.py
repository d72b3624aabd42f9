"""Totalisers at the edges: suspects that time makes believable, two clocks, long silences, values out of range."""

from datetime import timedelta

import pytest
from collect_scenes import S3, at, counts_of, entry, live, lost, only, ring, said, seen, station

from mes.collect.counters import Counted, CounterSetup, CounterState, ResetPolicy, Unchanged, Unreconciled, count
from mes.collect.station import Observation
from mes.model import CountFlag, CountKind, CountUnreconciled, TimeSource, UnitCompleted, UnitsCounted

SETUP = CounterSetup(CountKind.GOOD, 65536, ResetPolicy.NEVER, max_per_hour=60)
DAY_S = 86400


@pytest.mark.parametrize(("old", "jump"), [(60000, 0), (100, 300)])
def test_time_does_not_make_a_flagged_jump_true(old: int, jump: int) -> None:
    """A jump that was flagged is not counted when the totaliser has stood still for long enough to explain it."""
    state, outcome = count(SETUP, CounterState(old, at(0)), jump, at(60))
    assert isinstance(outcome, Unreconciled)

    assert count(SETUP, state, jump, at(4 * DAY_S))[1] == Unchanged()
    assert count(SETUP, state, jump + 1, at(4 * DAY_S))[1] == Counted(1, CountFlag.NORMAL, jump)


def test_a_glitch_is_forgotten_however_late() -> None:
    """What follows the old base closely is counted from there, even where the glitch would explain it too."""
    state, _ = count(SETUP, CounterState(100, at(0)), 90, at(1))

    assert count(SETUP, state, 101, at(DAY_S)) == (CounterState(101, at(DAY_S)), Counted(1, CountFlag.NORMAL, 100))
    assert count(SETUP, state, 100, at(DAY_S)) == (CounterState(100, at(0)), Unchanged())


def test_a_reset_after_a_glitch_counts_from_the_base() -> None:
    """A reset says nothing about what came before it: the units that were recorded before it are not lost."""
    setup = CounterSetup(CountKind.GOOD, 65536, ResetPolicy.ALLOWED, max_per_hour=60)
    state, _ = count(setup, CounterState(5000, at(0)), 4990, at(3600))

    assert count(setup, state, 4, at(7200), recorded=6)[1] == Counted(6, CountFlag.RESET, 5000)


@pytest.mark.parametrize("raw", [-1, 65536])
def test_no_baseline_is_taken_from_an_impossible_value(raw: int) -> None:
    """A first value out of range is flagged; the first one in range is the baseline."""
    state, outcome = count(SETUP, None, raw, at(0))
    assert state is None
    assert isinstance(outcome, Unreconciled)

    done = live(station(log=False), seen(0, baseline=True, good=raw), seen(60, good=7), seen(120, good=8))
    assert [event.flag for event in only(UnitsCounted, done)] == [CountFlag.BASELINE, CountFlag.NORMAL]
    assert [doubt.raw for doubt in only(CountUnreconciled, done)] == [raw]


def test_an_impossible_value_does_not_end_a_gap() -> None:
    """What was made in a gap is counted into it, although the first value after it was out of range."""
    done = live(
        station(log=False),
        seen(0, baseline=True, good=10),
        lost(10),
        lost(10, 3600),
        seen(3600, baseline=True, good=99999),
        seen(3601, good=30),
    )

    assert counts_of(done) == [(20, "catch_up", None)]
    assert only(UnitsCounted, done)[1].since == at(10)


def test_a_totaliser_that_comes_back_later_than_the_link_is_believed() -> None:
    """What it moved until it could be read is counted into its gap, and its own time says how much may be believed."""
    done = live(
        station(log=False),
        seen(0, baseline=True, good=10),
        lost(10),
        lost(10, 20),
        seen(20, baseline=True, good=None),
        seen(3600, good=40),
        seen(3660, good=41),
    )

    assert counts_of(done) == [(30, "catch_up", None), (1, "normal", None)]
    caught = only(UnitsCounted, done)[1]
    assert (caught.since, caught.time, caught.time_source) == (at(10), at(20), TimeSource.EDGE)


def test_a_long_bad_stretch_is_not_guessed() -> None:
    """A totaliser that was of bad quality for longer than a turn takes is flagged once, though the link stood."""
    fast = station(log=False, max_per_hour=36000, modulus=1000)
    done = live(fast, seen(0, baseline=True, good=10), seen(10, good=None), seen(20, good=None), seen(7200, good=20))
    assert counts_of(done) == []
    assert len(only(CountUnreconciled, done)) == 1

    assert counts_of(live(fast, seen(7201, good=21), state=done.state))[-1:] == []
    after = live(fast, seen(7201, good=21), state=done.state)
    assert [(event.delta, event.flag) for event in only(UnitsCounted, after)] == [(1, CountFlag.NORMAL)]


def test_a_turn_in_a_gap_completes_no_unit_that_was_there_before() -> None:
    """Without a record of units nobody knows which one was finished while we were blind, rollover or not."""
    done = live(
        station(log=False, reset=ResetPolicy.NEVER),
        seen(0, baseline=True, good=65535, unit="V1"),
        lost(10),
        lost(10, 20),
        seen(20, baseline=True, good=0, unit="V7"),
    )

    assert counts_of(done) == [(1, "rollover", None)]
    assert only(UnitCompleted, done) == []


def test_allowance_grows_with_time_from_a_floor() -> None:
    """Half as much again as the maximum rate, never less than two, and time that runs backwards allows no more."""
    spans = [timedelta(hours=-1), timedelta(), timedelta(hours=1)]

    assert [SETUP.allowance(span) for span in spans] == [2, 2, 90]


@pytest.mark.parametrize("misread", [2**63, 1e30, -(2**63)])
def test_what_no_database_holds_is_no_totaliser(misread: float) -> None:
    """A value beyond 64 bits, read in the wrong byte order, is of bad quality and is journaled nowhere as a count."""
    done = live(station(), seen(0, baseline=True, good=100), seen(60, good=misread), seen(120, good=101))

    assert [event.raw for event in only(UnitsCounted, done) if event.kind is CountKind.GOOD] == [100, 101]
    assert only(CountUnreconciled, done) == []


def test_an_overrun_record_proves_no_reset() -> None:
    """A turn in a gap in which more units were made than the record holds is a turn."""
    done = live(
        station(),
        seen(0, baseline=True, good=65530, product="S3", log=ring(entry(1, -5))),
        lost(10),
        lost(10, 1800),
        seen(1800, baseline=True, good=14, log=tuple(entry(number, 80 * number) for number in range(6, 22))),
    )

    assert counts_of(done) == [(20, "rollover", S3)]


def test_a_value_from_before_the_last_one_is_no_reset() -> None:
    """An old low value that is delivered late is flagged, and its few units are not counted again."""
    late = Observation((said("good", 2, 301, stamped=280),), at(301), baseline=False)
    done = live(
        station(log=False),
        seen(0, baseline=True, good=1),
        Observation((said("good", 2, 280, stamped=280),), at(280), baseline=False),
        Observation((said("good", 3, 300, stamped=300),), at(300), baseline=False),
        late,
        Observation((said("good", 4, 400, stamped=400),), at(400), baseline=False),
    )

    assert counts_of(done) == [(1, "normal", None)] * 3
    assert [(doubt.previous_raw, doubt.raw) for doubt in only(CountUnreconciled, done)] == [(3, 2)]


def test_more_than_half_a_turn_in_a_bad_stretch_is_counted() -> None:
    """A totaliser that could not be read proves no less than one that we were blind for."""
    fast = station(log=False, max_per_hour=3600, modulus=10_000)
    done = live(fast, seen(0, baseline=True, good=10), seen(10, good=None), seen(9000, good=8000))

    assert counts_of(done) == [(7990, "normal", None)]


def test_saying_it_again_does_not_decide_what_waits_for_its_record() -> None:
    """A turn that is told twice before its record came is a turn all the same."""
    done = live(
        station(),
        seen(0, baseline=True, good=65535, product="S3", log=ring(entry(10, -5))),
        seen(120, good=0),
        seen(121, good=0),
        seen(122, log=ring(entry(10, -5), entry(11, 120))),
    )

    assert counts_of(done) == [(1, "rollover", S3)]
