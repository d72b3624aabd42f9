"""Records of units that no count followed: a person is told that the totaliser may be short."""

import pytest
from collect_scenes import entry, lost, only, ring, seen, station, watched

from mes.collect.station import Observation, Step
from mes.model import CountFlag, CountUnreconciled, UnitCompleted, UnitsCounted

SETUP = station(max_per_hour=3600)
RECORDS = [entry(number, number - 100) for number in range(1, 6)]


def log(*more: str) -> tuple[str, ...]:
    return ring(*[*RECORDS, *more][-16:])


def begin() -> list[Observation]:
    """Five units made before, then one that is counted and recorded."""
    first = seen(0, baseline=True, good=5, log=log())
    return [first, seen(10, good=6), seen(10.5, log=log(entry(6, 10)))]


def alive(begin_s: float, end_s: float) -> list[Observation]:
    return [seen(begin_s), *(seen(end_s - back_s) for back_s in (3, 2, 1, 0))]


def doubts(done: Step) -> list[tuple[int, int, str]]:
    return [
        (doubt.previous_raw, doubt.raw, doubt.explanation.split(" of ")[0]) for doubt in only(CountUnreconciled, done)
    ]


@pytest.mark.parametrize("more", [1, 2])
def test_a_record_that_a_watched_totaliser_never_shows_is_flagged(more: int) -> None:
    """Ten minutes after the record, once: the unit is completed, it is not counted, and it is named."""
    records = [entry(6 + number, 20 + number) for number in range(1, more + 1)]
    waits = watched(SETUP, *begin(), seen(25, log=log(entry(6, 10), *records)), *alive(26, 600))
    assert doubts(waits) == []

    done = watched(SETUP, *alive(626, 640), *alive(641, 9000), state=waits.state)
    assert doubts(done) == [(6, 6, str(more))]
    assert (only(UnitsCounted, done), only(UnitCompleted, done)) == ([], [])
    assert (len(only(UnitsCounted, waits)), len(only(UnitCompleted, waits))) == (2, 1 + more)


def test_a_unit_that_was_never_counted_shows_at_the_next_standstill() -> None:
    """Each later count takes the record before its own; what is left over at the end is as many as were not counted."""
    entries = [entry(6, 10), entry(7, 40)]
    scenes = [*begin(), seen(40.2, log=log(*entries))]
    for number in range(8, 20):
        at_s = 60 * (number - 7) + 40.0
        entries.append(entry(number, at_s))
        scenes += [*alive(at_s - 50, at_s - 1), seen(at_s + 0.1, good=number - 1), seen(at_s + 0.3, log=log(*entries))]
    done = watched(SETUP, *scenes, *alive(at_s + 1, at_s + 2000))

    assert doubts(done) == [(18, 18, "1")]


def test_a_count_that_comes_late_leaves_no_flag() -> None:
    """The totaliser follows its record by minutes."""
    done = watched(
        SETUP,
        *begin(),
        seen(20, log=log(entry(6, 10), entry(7, 19))),
        *alive(21, 500),
        seen(501, good=7),
        *alive(502, 3000),
    )
    assert doubts(done) == []


def test_a_record_just_after_a_gap_may_have_been_counted_in_it() -> None:
    """The totaliser was read after the gap, and the unit log a little later."""
    done = watched(
        SETUP,
        *begin(),
        lost(20),
        lost(20, 200),
        seen(200, baseline=True, good=7),
        seen(230, log=log(entry(6, 10), entry(7, 19), entry(8, 20))),
        *alive(231, 3000),
    )
    assert doubts(done) == []


def test_while_the_totaliser_cannot_be_read_no_count_can_come() -> None:
    """What it does not show when it is read again the record proves: counted, and flagged as a reset."""
    waits = watched(
        SETUP, *begin(), seen(20, good=None), seen(30, log=log(entry(6, 10), entry(7, 29))), *alive(31, 3000)
    )
    assert doubts(waits) == []

    counted = watched(SETUP, seen(3001, good=7), *alive(3002, 5000), state=waits.state)
    assert (doubts(counted), [count.flag for count in only(UnitsCounted, counted)]) == ([], [CountFlag.NORMAL])
    never = watched(SETUP, seen(3001, good=6), *alive(3002, 5000), state=waits.state)
    assert (doubts(never), [count.flag for count in only(UnitsCounted, never)]) == ([], [CountFlag.RESET])


def test_a_gap_after_the_record_leaves_it_to_the_count_after_the_gap() -> None:
    """What moved in a gap is judged by the records that wait; nothing is told twice."""
    waits = watched(SETUP, *begin(), seen(20, log=log(entry(6, 10), entry(7, 19))), lost(21), lost(21, 2000))
    done = watched(
        SETUP,
        seen(2000, baseline=True, good=7, log=log(entry(6, 10), entry(7, 19))),
        *alive(2001, 4000),
        state=waits.state,
    )
    assert doubts(done) == []


def test_results_without_a_totaliser_wait_for_no_count() -> None:
    """A station may record rejects and count none of them."""
    done = watched(SETUP, *begin(), seen(20, log=log(entry(6, 10), entry(7, 19, result="R"))), *alive(21, 3000))
    assert doubts(done) == []
