"""Counts that the controller's unit log does not show: counted at once, flagged when their record does not come."""

import pytest
from collect_scenes import entry, lost, only, ring, seen, station, watched

from mes.collect.station import Observation, Step
from mes.model import CountUnreconciled, UnitsCounted

SETUP = station(max_per_hour=3600)
RECORDS = [entry(number, number - 100) for number in range(1, 6)]


def log(*more: str) -> tuple[str, ...]:
    return ring(*[*RECORDS, *more][-16:])


def begin() -> list[Observation]:
    """Five units made before, then one that is counted and recorded, in this order."""
    first = seen(0, baseline=True, good=5, log=log())
    return [first, seen(10, good=6), seen(10.5, log=log(entry(6, 10)))]


def alive(begin_s: float, end_s: float) -> list[Observation]:
    return [seen(begin_s), *(seen(end_s - back_s) for back_s in (3, 2, 1, 0))]


def units(done: Step) -> int:
    return sum(count.delta for count in only(UnitsCounted, done))


def doubts(done: Step) -> list[tuple[int, int, str]]:
    return [
        (doubt.previous_raw, doubt.raw, doubt.explanation.split(" of ")[0]) for doubt in only(CountUnreconciled, done)
    ]


@pytest.mark.parametrize("more", [1, 2])
def test_a_count_that_a_later_record_passes_is_flagged(more: int) -> None:
    """Two units ahead of the unit log, and then the record of the unit after them: theirs will not come."""
    ahead = 6 + more
    scenes = [
        *begin(),
        seen(20, good=ahead),
        *alive(21, 100),
        seen(100.2, good=ahead + 1, log=log(entry(6, 10), entry(7, 100))),
    ]
    done = watched(SETUP, *scenes, *alive(101, 300))

    assert (units(done), doubts(done)) == (2 + more, [(ahead + 1, ahead + 1, str(more))])


def test_a_count_without_a_record_is_flagged_when_no_unit_follows() -> None:
    """The station stands after a count that its unit log does not show: flagged ten minutes later, once."""
    scenes = [*begin(), seen(20, good=7)]
    waits = watched(SETUP, *scenes, *alive(21, 600))
    assert (units(waits), doubts(waits)) == (2, [])

    done = watched(SETUP, *alive(619, 630), *alive(631, 9000), state=waits.state)
    assert doubts(done) == [(7, 7, "1")]


def test_a_record_that_comes_late_leaves_no_flag() -> None:
    """A record that comes minutes after its count is still the count's own."""
    done = watched(
        SETUP,
        *begin(),
        *alive(11, 20),
        seen(20, good=7),
        *alive(21, 300),
        seen(301, log=log(entry(6, 10), entry(7, 19))),
    )

    assert (units(done), doubts(watched(SETUP, *alive(302, 2000), state=done.state))) == (2, [])


def test_a_record_of_another_result_is_not_the_counts_own() -> None:
    """A good unit was counted and the unit log shows a rejected one: the good one has no record."""
    scenes = [*begin(), seen(20, good=7), seen(30, scrap=0, log=log(entry(6, 10), entry(7, 19, result="S")))]
    done = watched(SETUP, *scenes, *alive(31, 900))

    assert (units(done), doubts(done)) == (2, [(7, 7, "1")])


def test_a_unit_log_that_cannot_be_read_flags_nothing_until_it_can() -> None:
    """While the unit log is bad no record can come; what it shows when it is back is held against the counts."""
    bad = [*begin(), seen(12, log=None), seen(20, good=7), seen(30, good=8), *alive(31, 2000)]
    waits = watched(SETUP, *bad)
    assert doubts(waits) == []

    entries = (entry(6, 10), entry(7, 19), entry(8, 29))
    for shown, flagged in ((entries, []), (entries[:2], [(8, 8, "1")])):
        done = watched(SETUP, seen(2001, log=log(*shown)), *alive(2002, 2700), state=waits.state)
        assert doubts(done) == flagged


def test_a_gap_gives_the_unit_log_time_to_be_read() -> None:
    """After a gap the unit log may be read later than the totaliser: its records of before are waited for."""
    waits = watched(SETUP, *begin(), seen(20, good=7), lost(21), lost(21, 2000), seen(2000, baseline=True, good=7))
    assert doubts(waits) == []

    in_time = watched(SETUP, seen(2001, log=log(entry(6, 10), entry(7, 19))), *alive(2002, 2700), state=waits.state)
    assert doubts(in_time) == []
    never = watched(SETUP, *alive(2002, 2100), state=waits.state)
    assert doubts(never) == [(7, 7, "1")]


def test_a_record_that_was_there_at_the_first_look_is_no_flag() -> None:
    """The unit log may be read just after its totaliser at the start: the next count's record is known already."""
    done = watched(SETUP, seen(0, baseline=True, good=4, log=log()), seen(1, good=5), *alive(2, 900))
    assert (units(done), doubts(done)) == (1, [])

    later = watched(SETUP, seen(1000, good=6), *alive(1001, 2000), state=done.state)
    assert doubts(later) == [(6, 6, "1")]


def test_an_empty_unit_log_flags_nothing() -> None:
    """A unit log that never held a record says nothing of a count."""
    done = watched(SETUP, seen(0, baseline=True, good=4, log=ring()), seen(10, good=5), *alive(11, 900))

    assert (units(done), doubts(done)) == (1, [])


def test_a_count_of_a_totaliser_that_is_read_elsewhere_now_is_not_flagged() -> None:
    """Where the totaliser begins with a new baseline, its former counts are the former place's."""
    waits = watched(SETUP, *begin(), seen(20, good=7))
    state = type(waits.state)(
        **{name: getattr(waits.state, name) for name in waits.state.__dataclass_fields__ if name != "counters"}
    )

    assert doubts(watched(SETUP, *alive(21, 900), state=state)) == []
