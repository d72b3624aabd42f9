"""What the plant builds: where cars come from, in which order the final line takes them, and where they go."""

import random
from collections import deque
from collections.abc import Iterator

import simpy

from simulators.line import Body, Buffer
from simulators.vin import vins

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

    The next car may not be there yet (an S3 whose body is not painted). Then the first of the next six cars that is
    there is pulled forward; the skipped ones keep their turn. If none is there, trim starves.
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

    def offer(self, body: Body) -> bool:  # the car drives away, only the count remains
        """There is always room in the yard."""
        self.finished += 1
        return True

    def changed(self) -> simpy.Event:
        """Never comes, because nobody ever waits to leave."""
        return self._never
