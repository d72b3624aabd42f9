"""The Kostanay plant: its stations and buffers, its build programme, and its time laid on the calendar."""

import random
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

import simpy

from simulators.layout import ROUTES, STATIONS
from simulators.line import Body, Buffer, Change, Emit, Process, SimState, Sink, Source, Station, StationSpec
from simulators.shift import Span, stretches
from simulators.truth import Truth
from simulators.vin import vins

__all__ = ["STATIONS", "Plant"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_CLIMATE_EVERY_MS = 60_000
_NEVER_MS = 1 << 62
_LOOK_AHEAD = 6
_COLOURS = ("white", "silver", "graphite", "blue", "red")


class Supply:
    """The cars to build: body kits for the weld line in lots of one colour, and DKD kits for the final line."""

    def __init__(self, env: simpy.Environment, rng: random.Random, *, year: int) -> None:
        self._never = env.event()
        self._rng = rng
        self._vins = {
            product: vins(product, year=year, first_serial=rng.randrange(900_000)) for product in ("S3", "S2")
        }
        self._lot: deque[str] = deque()
        self.made = 0

    def make(self, product: str) -> Body:
        """A new car with a number of its own."""
        if not self._lot:
            self._lot.extend([self._rng.choice(_COLOURS)] * self._rng.randint(4, 8))
        self.made += 1
        colour = self._lot.popleft() if product == "S3" else ""
        return Body(unit=next(self._vins[product]), product=product, colour=colour)

    def take(self) -> Body:
        """The next body kit for underbody; the store of kits is never empty."""
        return self.make("S3")

    def changed(self) -> simpy.Event:
        """Never comes, because nobody ever waits for a kit."""
        return self._never


class Programme:
    """What trim builds next: lots of 3 to 9 S3 and of 1 to 3 S2, so three S3 to one S2.

    If the next car cannot be had (an S3 whose body is not painted yet), the first of the next six cars of the
    programme that can be had is pulled forward; the skipped ones keep their turn. If none can be had, trim starves.
    """

    def __init__(self, painted: Buffer, supply: Supply, rng: random.Random) -> None:
        self._painted = painted
        self._supply = supply
        self._lots = self._sequence(rng)
        self._next = deque(next(self._lots) for _ in range(_LOOK_AHEAD))

    @staticmethod
    def _sequence(rng: random.Random) -> Iterator[str]:
        while True:
            yield from ["S3"] * rng.randint(3, 9)
            yield from ["S2"] * rng.randint(1, 3)

    def take(self) -> Body | None:
        """The first car of the programme that can be had."""
        for index, product in enumerate(self._next):
            body = self._painted.take() if product == "S3" else self._supply.make(product)
            if body is not None:
                del self._next[index]
                self._next.append(next(self._lots))
                return body
        return None

    def changed(self) -> simpy.Event:
        """Comes when the store of painted bodies changes; DKD kits are always there."""
        return self._painted.changed()


class Exit:
    """Takes every finished car."""

    def __init__(self, env: simpy.Environment) -> None:
        self._never = env.event()
        self.finished = 0

    def offer(self, body: Body) -> bool:  # noqa: ARG002  # the car drives away, only the count remains
        """There is always room in the yard."""
        self.finished += 1
        return True

    def changed(self) -> simpy.Event:
        """Never comes, because nobody ever waits to leave."""
        return self._never


class Climate:
    """Slow random walks around set points: what hangs in a booth's air, every 60 s of simulated time."""

    def __init__(self, seed: int) -> None:
        self._walks = [
            (spec.code, value, random.Random(f"{seed}:{spec.code}:{value.name}"))
            for spec in STATIONS
            for value in spec.climate
        ]
        self._values = {(code, value.name): value.mean for code, value, _ in self._walks}

    def step(self, emit: Emit) -> None:
        """One step of every walk."""
        for code, value, rng in self._walks:
            at = self._values[code, value.name]
            at += 0.05 * (value.mean - at) + rng.gauss(0, value.spread)
            self._values[code, value.name] = at
            emit(code, f"process.{value.name}", round(at, 2))
