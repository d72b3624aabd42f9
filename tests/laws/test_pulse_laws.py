"""Laws of counted pulses: every edge that was watched is one unit, and every time that was not is flagged."""

from dataclasses import replace

from collect_scenes import live, lost, seen, station
from hypothesis import given
from hypothesis import strategies as st

from adapters.reading import Gap, TagId
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.signals import CounterSignal, Observation
from mes.model import CountKind, CountUnreconciled, UnitsCounted

BROKEN = "gap"


@given(story=st.lists(st.sampled_from([True, False, None, BROKEN]), max_size=60))
def test_watched_edges_are_units_and_every_other_time_is_flagged(story: list[bool | str | None]) -> None:
    """Of any history of a bit: the sum is that of the edges between two values that were watched one after the other.

    A value after a gap or a bad one is a doubt, and one doubt only; the totaliser never goes back.
    """
    counter = CounterSetup(CountKind.GOOD, 2**50, ResetPolicy.NEVER, 3600)
    setup = station(log=False)
    setup = replace(setup, signals={**setup.signals, TagId("good"): CounterSignal(counter, pulse=True)})
    edges = flagged = 0
    known: bool | None = None  # the last value, if it is still watched
    was_seen = False
    told: list[Observation | Gap] = []
    for second, value in enumerate(story, start=1):
        if value == BROKEN:
            told += [lost(10 * second - 5), lost(10 * second - 5, 10 * second), seen(10 * second, baseline=True)]
            known = None
        else:
            told.append(seen(10 * second, good=value))
            edges += known is False and value is True
            flagged += was_seen and known is None and value is not None
            was_seen = was_seen or value is not None
            known = value if isinstance(value, bool) else None
    events = live(setup, *told).events
    counts = [event for event in events if isinstance(event, UnitsCounted)]

    assert sum(count.delta for count in counts) == edges
    assert [count.raw for count in counts] == sorted(count.raw for count in counts)
    assert sum(isinstance(event, CountUnreconciled) for event in events) == flagged
