"""Totalisers at the edges: suspects that time makes believable, two clocks, long silences, values out of range."""

from datetime import timedelta

import pytest
from collect_scenes import at, booked, live, lost, only, seen, station

from mes.collect.counters import Counted, CounterSetup, CounterState, ResetPolicy, Unchanged, Unreconciled, count
from mes.model import CountFlag, CountKind, CountUnreconciled, UnitsCounted

SETUP = CounterSetup(CountKind.GOOD, 65536, ResetPolicy.NEVER, max_per_hour=60)
DAY_S = 86400


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
    assert [each.flag for each in only(UnitsCounted, done)] == [CountFlag.BASELINE, CountFlag.NORMAL]
    assert [each.raw for each in only(CountUnreconciled, done)] == [raw]


def test_an_impossible_value_does_not_end_a_gap() -> None:
    """What was made in a gap is booked into it, although the first value after it was out of range."""
    done = live(
        station(log=False),
        seen(0, baseline=True, good=10),
        lost(10),
        lost(10, 3600),
        seen(3600, baseline=True, good=99999),
        seen(3601, good=30),
    )

    assert booked(done) == [(20, "catch_up", None)]
    assert only(UnitsCounted, done)[1].since == at(10)


def test_allowance_grows_with_time_from_a_floor() -> None:
    """Half as much again as the maximum rate, never less than two, and time that runs backwards allows no more."""
    spans = [timedelta(hours=-1), timedelta(), timedelta(hours=1)]

    assert [SETUP.allowance(each) for each in spans] == [2, 2, 90]
