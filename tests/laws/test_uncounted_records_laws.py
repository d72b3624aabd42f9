"""Whatever a watched totaliser leaves out of the unit log is told at the next standstill, and nothing else is."""

from collect_scenes import entry, only, ring, seen, station, watched
from hypothesis import given
from hypothesis import strategies as st

from mes.collect.station import Observation
from mes.model import CountUnreconciled, UnitsCounted

SETUP = station(max_per_hour=3600)
CYCLE_S = 60.0
STANDSTILL_S = 1200.0


@st.composite
def units(draw: st.DrawFn) -> list[tuple[bool, float, float]]:
    """Of units in their order: whether the totaliser moves, and after how long its record and its count are seen."""
    lag_s = st.floats(0.1, 20.0)
    return draw(st.lists(st.tuples(st.booleans(), lag_s, lag_s), max_size=8))


@given(units(), st.integers(1, 3))
def test_as_many_are_told_as_were_recorded_and_not_counted(made: list[tuple[bool, float, float]], blocks: int) -> None:
    """In several stretches of work, with a standstill after each of them."""
    count, at_s, entries = 5, 0.0, [entry(number, number - 100) for number in range(1, 6)]
    scenes: list[tuple[float, Observation]] = [(0.0, seen(0, baseline=True, good=5, log=ring(*entries)))]

    def unit(*, moves: bool, record_s: float, count_s: float) -> None:
        nonlocal count, at_s
        at_s += CYCLE_S
        entries.append(entry(len(entries) + 1, at_s))
        scenes.append((at_s + record_s, seen(at_s + record_s, log=ring(*entries[-16:]))))
        if moves:
            count += 1
            scenes.append((at_s + count_s, seen(at_s + count_s, good=count)))

    unit(moves=True, record_s=1.0, count_s=0.5)  # the record of the first look's next unit may be known already
    for _ in range(blocks):
        for moves, record_s, count_s in made:
            unit(moves=moves, record_s=record_s, count_s=count_s)
        looks = int(STANDSTILL_S / 10)
        scenes += [(at_s + 25 + 10 * look, seen(at_s + 25 + 10 * look)) for look in range(looks)]
        at_s += STANDSTILL_S

    done = watched(SETUP, *(scene for _, scene in sorted(scenes, key=lambda one: one[0])))
    told = sum(int(doubt.explanation.split(" of ")[0]) for doubt in only(CountUnreconciled, done))
    assert told == blocks * sum(not moves for moves, _, _ in made)
    assert sum(counted.delta for counted in only(UnitsCounted, done)) == count - 5
