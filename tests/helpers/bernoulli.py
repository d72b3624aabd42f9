"""The two-machine Bernoulli line, blocked before service: its analytic figures, and histories that it makes in slots.

The formulas are those of Li & Meerkov's model. In each slot a machine is up with its probability; it works if it is up,
finds a part (or is the first) and a place (or is the last). Here each combination of ups and downs comes as often as it
should for every filling of the buffer. So a history of some ten thousand slots has the figures of an endless one.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from events import counted, state

from mes.model import State, StationEvent, StationId

START = datetime(2026, 1, 1, tzinfo=UTC)
SLOT = timedelta(minutes=1)
FIRST, SECOND = StationId("bernoulli/line/line-1/first"), StationId("bernoulli/line/line-1/second")
ROUND = 100  # slots in which each combination of two probabilities in whole tenths comes a whole number of times


@dataclass(frozen=True, slots=True)
class Analytic:
    """Parts per slot, and the shares of slots in which the first machine is blocked and the second starved."""

    production: float
    blocked: float
    starved: float


def analytic(first: float, second: float, places: int) -> Analytic:
    """For up-probabilities below one and a buffer of so many places."""
    empty, full = _empty(first, second, places), _empty(second, first, places)
    return Analytic(second * (1 - empty), first * full, second * empty)


def _empty(x: float, y: float, places: int) -> float:
    if x == y:
        return (1 - x) / (places + 1 - x)
    alpha = x * (1 - y) / (y * (1 - x))
    return (1 - x) * (1 - alpha) / (1 - (x / y) * alpha**places)


@dataclass(slots=True)
class _Machine:
    station: StationId
    state: State | None = None
    made: int = 0
    events: list[StationEvent] = field(default_factory=list)

    def slot(self, number: int, now: State) -> None:
        """What it does in one slot; a part is counted at its end."""
        time = START + number * SLOT
        if now is not self.state:
            self.state = now
            self.events.append(state(time, now, station=self.station))
        if now is State.PRODUCING:
            self.made += 1
            self.events.append(counted(time + SLOT, raw=self.made, previous_raw=self.made - 1, station=self.station))


def histories(
    first: float, second: float, places: int, *, slots: int, seed: int
) -> tuple[list[StationEvent], list[StationEvent]]:
    """The events of both machines over so many slots."""
    rng = random.Random(seed)
    combinations = [_combinations(first, second, rng) for _ in range(places + 1)]
    machines = _Machine(FIRST), _Machine(SECOND)
    filled = 0
    for number in range(slots):
        first_up, second_up = next(combinations[filled])
        takes = second_up and filled > 0
        puts = first_up and (filled < places or takes)
        machines[0].slot(number, _state(up=first_up, works=puts, waits=State.BLOCKED))
        machines[1].slot(number, _state(up=second_up, works=takes, waits=State.STARVED))
        filled += puts - takes
    return machines[0].events, machines[1].events


def _state(*, up: bool, works: bool, waits: State) -> State:
    if works:
        return State.PRODUCING
    return waits if up else State.DOWN


def _combinations(first: float, second: float, rng: random.Random) -> Iterator[tuple[bool, bool]]:
    """Which of both is up, each combination in every round as often as it should come; the order is by chance."""
    tenths = round(first * 10), round(second * 10)
    rounds = [(a < tenths[0], b < tenths[1]) for a in range(10) for b in range(10)]
    while True:
        rng.shuffle(rounds)
        yield from rounds
