"""What of the truth a plant's controllers can show: states without a signal, and stations that are told by counts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from mes.demo.plants import DemoPlant
from mes.intervals import Interval
from mes.model import StationId
from simulators.line import SimState
from simulators.truth import Truth

Turn = tuple[datetime, SimState]
NO_TIME = timedelta()


def as_shown(plant: DemoPlant, told: Truth, known: Mapping[StationId, Sequence[Interval]]) -> Truth:
    """The truth in the states that the controllers can show. `known`: where each station was observed.

    A state without a signal is shown as another one (`mes.demo.states`). A station without any state follows the rule
    of the plant's file by its true counts. It is producing while a part comes within the limit, else down since the
    last one. After time without data the rule begins again.
    """
    turns: dict[str, list[Turn]] = {}
    for station, seen_as in plant.seen_as.items():
        limit = plant.by_counts.get(station)
        if limit is None:
            turns[station] = [(span.start, seen_as[span.state]) for span in told.states(station)]
        else:
            parts = [unit.time for unit in told.units(station)]
            turns[station] = [turn for interval in known[station] for turn in told_by_counts(parts, interval, limit)]
    return told.with_states(turns)


def told_by_counts(parts: Iterable[datetime], known: Interval, limit: timedelta) -> list[Turn]:
    """The states within one observed interval, by the rule."""
    marks = [known.start, *(part for part in parts if known.start < part < known.end), known.end]
    return [
        (earlier, SimState.PRODUCING if later - earlier <= limit else SimState.DOWN)
        for earlier, later in pairwise(marks)
    ]


def doubtful(
    parts: Iterable[datetime], known: Sequence[Interval], limit: timedelta, late: Callable[[datetime], timedelta]
) -> timedelta:
    """How much time may be told otherwise, for the parts around it are seen `late`: gaps of nearly the limit.

    A part at the edge of time without data may count as seen or as caught up, so the gap behind it may be longer.
    """
    found = NO_TIME
    for interval in known:
        marks = [interval.start, *(part for part in parts if interval.start < part < interval.end), interval.end]
        for earlier, later in pairwise(marks):
            if abs(later - earlier - limit) <= late(earlier) + late(later):
                found += later - earlier
        if len(marks) > 2 and marks[1] - marks[0] <= late(marks[0]):
            found += marks[2] - marks[0]
    return found
