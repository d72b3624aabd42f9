"""A bit that is set for each unit: edges are counted, and what was not watched is flagged."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from changing_plant import MODBUS, NORMAL, Plant
from collect_scenes import at, live, lost, said, seen, station

from adapters.reading import ControllerId, Gap, TagId, Value
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.signals import CounterSignal, Observation, StationSetup
from mes.model import CountKind, CountUnreconciled, StationEvent, UnitsCounted

SHORTEST = timedelta(seconds=2)


def pulsed(*, shortest: timedelta | None = None, units_per_count: int = 1, log: bool = False) -> StationSetup:
    """A station whose good units are pulses."""
    setup = station(log=log)
    counter = CounterSetup(
        CountKind.GOOD, 2**50 * units_per_count, ResetPolicy.NEVER, 3600, units_per_count=units_per_count
    )
    signals = {**setup.signals, TagId("good"): CounterSignal(counter, pulse=True, shortest_pulse=shortest)}
    return replace(setup, signals=signals)


def run(setup: StationSetup, story: Iterable[Observation | Gap]) -> list[StationEvent]:
    """All events of a story; the state goes through the journal after each step."""
    return list(live(setup, *story).events)


def counted(events: Iterable[StationEvent]) -> list[tuple[int, int]]:
    """Units and the totaliser after them, for each count."""
    return [(event.delta, event.raw) for event in events if isinstance(event, UnitsCounted)]


def doubts(events: Iterable[StationEvent]) -> list[CountUnreconciled]:
    """What a person has to decide."""
    return [event for event in events if isinstance(event, CountUnreconciled)]


def levels(*values: Value | None) -> list[Observation]:
    """The bit shows this, second by second; the first is the baseline."""
    return [seen(second, baseline=second == 0, good=value) for second, value in enumerate(values)]


def test_each_rising_edge_is_a_unit() -> None:
    """A bit that is set already counts nothing; 0 and 1 are a bit as well; two parts a stroke are two units."""
    assert counted(run(pulsed(), levels(True, False, 1, 1, 0, 1.0, False))) == [(0, 0), (1, 1), (1, 2)]
    assert counted(run(pulsed(units_per_count=2), levels(False, True))) == [(0, 0), (2, 2)]
    assert doubts(run(pulsed(), levels(False, True, False))) == []


@pytest.mark.parametrize("after", [True, False])
def test_a_gap_is_flagged_and_its_edge_is_not_counted(*, after: bool) -> None:
    """What was pulsed meanwhile is not known, whatever the bit shows after it; then counting goes on."""
    story: list[Observation | Gap] = [
        *levels(False, True, False),
        lost(3),
        lost(3, 60),
        seen(60, baseline=True, good=after),
    ]
    events = run(pulsed(), [*story, seen(61, good=False), seen(62, good=True)])

    assert counted(events) == [(0, 0), (1, 1), (1, 2)]
    (doubt,) = doubts(events)
    assert (doubt.raw, doubt.previous_raw, doubt.time) == (1, 1, at(60))
    assert "pulses in this time are not known" in doubt.explanation


def test_a_time_of_bad_quality_is_flagged_once_it_is_over() -> None:
    """Nothing is known of it, also where it is no bit; before the first value there is nothing to doubt."""
    events = run(pulsed(), levels(None, False, True, None, 7, True, False, True))

    assert counted(events) == [(0, 0), (1, 1), (1, 2)]
    (doubt,) = doubts(events)
    assert "for 0:00:02" in doubt.explanation


def test_a_bit_that_is_bad_after_a_gap_was_not_seen_since_the_gap_began() -> None:
    """One doubt, from the beginning of the gap on; another totaliser that waits for its first value waits on."""
    story: list[Observation | Gap] = [
        seen(0, baseline=True, good=False, scrap=5),
        lost(3),
        lost(3, 60),
        seen(60, baseline=True, good=None),
    ]
    events = run(pulsed(), [*story, seen(65, good=True), seen(66, scrap=6)])

    (doubt,) = doubts(events)
    assert "for 0:01:02" in doubt.explanation
    assert [(event.kind, event.delta) for event in events if isinstance(event, UnitsCounted)][-1] == ("scrap", 1)


def test_pulses_that_the_controller_dropped_are_flagged() -> None:
    """An overflow of the queue says that edges are missing."""
    dropped = Observation((said("good", True, 9, overflow=True),), at(9), baseline=False)
    events = run(pulsed(), [*levels(False), dropped])

    assert counted(events) == [(0, 0)]
    assert len(doubts(events)) == 1


def polls(*times: float, guest: ControllerId | None = None) -> list[Observation]:
    """Polls that show nothing new, at these times, each after the one before."""
    return [replace(seen(now), previous=at(before), guest=guest) for before, now in pairwise(times)]


def test_two_polls_too_far_apart_are_flagged() -> None:
    """A whole pulse may have come and gone between them; an edge that is seen is counted all the same."""
    edge = replace(seen(7, good=True), previous=at(4))
    story = [*levels(False), *polls(0, 2, 4), edge, *polls(7, 9)]

    assert [event.explanation.split(" from ")[1] for event in doubts(run(pulsed(shortest=SHORTEST), story))] == [
        f"{at(4)} for 0:00:03: pulses in this time are not known"
    ]
    assert counted(run(pulsed(shortest=SHORTEST), story)) == [(0, 0), (1, 1)]
    assert doubts(run(pulsed(), story)) == []
    assert doubts(run(pulsed(shortest=SHORTEST), polls(0, 9, 10))) == []  # never seen yet


def test_a_device_that_is_always_too_slow_is_flagged_every_ten_minutes() -> None:
    """One doubt for a stretch of late polls, not one for each; a gap after it ends it."""
    late = polls(*(3 * number for number in range(701)))
    story: list[Observation | Gap] = [*levels(False), *late]
    story += [lost(2101), lost(2101, 2200), seen(2200, baseline=True, good=False)]
    found = [event.explanation for event in doubts(run(pulsed(shortest=SHORTEST), story))]

    assert [text.split(" for ")[1].startswith("0:10:00:") for text in found] == [True, True, True, False, False]


def test_polls_of_another_controller_of_the_station_do_not_matter() -> None:
    """A slow PLC beside a fast one with the pulses flags nothing, and slow polls of the pulses are flagged."""
    io = ControllerId("io")
    setup = replace(pulsed(shortest=SHORTEST), elsewhere={TagId("good"): io})
    first = replace(seen(0, baseline=True, good=False), guest=io)
    of_plc = replace(seen(9), previous=at(0))

    assert doubts(run(setup, [first, of_plc])) == []
    assert len(doubts(run(setup, [first, replace(of_plc, guest=io), *polls(9, 10, guest=io)]))) == 1
    assert doubts(run(pulsed(shortest=SHORTEST), [*levels(False), replace(of_plc, guest=io)])) == []


PULSE = "good_count: {table: coil, address: 1, pulse: true, min_pulse_ms: 2000, max_per_hour: 3600}"
GOOD = "good_count: {address: 1, type: uint32, order: ABCD, modulus: 65536, max_per_hour: 3600}"


async def test_pulses_go_through_file_and_journal(tmp_path: Path) -> None:
    """Ten pulses are ten units; a stop of the program in between is flagged, and counting goes on from there."""
    plant, file = Plant(tmp_path), MODBUS.replace(GOOD, PULSE)
    await plant.run(file, *({**NORMAL, "good_count": bool(number % 2)} for number in range(10)))
    events = await plant.run(file, *({**NORMAL, "good_count": bool(number % 2)} for number in range(11)))

    assert [raw for _, raw in counted(events)] == list(range(11))
    assert sum(delta for delta, _ in counted(events)) == 10
    assert "not watched" in doubts(events)[0].explanation
