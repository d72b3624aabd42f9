"""What the plant builds: where cars come from, in which order the final line takes them, and where they go."""

import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import simpy

from simulators.line import Body, Buffer, Sink
from simulators.vin import LENGTH, vins

_FROM_LINE = ""  # in the order of lots: a unit that the line hands on
_LOOK_AHEAD = 6
_COLOURS = ("white", "silver", "graphite", "blue", "red")


class Supply:
    """The cars to build: body kits for the first stations in lots of one colour, and kits that enter further on."""

    def __init__(
        self,
        env: simpy.Environment,
        rng: random.Random,
        *,
        year: int,
        products: Sequence[str] = ("S3", "S2"),
        painted: Sequence[str] = ("S3",),
        id_length: int = LENGTH,
    ) -> None:
        """`painted`: the products that are painted here; `id_length`: characters of an id, from its end."""
        self._never = env.event()
        self._rng = rng
        self._painted = frozenset(painted)
        self._id_length = id_length
        self._vins = {product: vins(product, year=year, first_serial=rng.randrange(900_000)) for product in products}
        self._lot: deque[str] = deque()
        self.made = 0

    def make(self, product: str) -> Body:
        """A new car with a number of its own."""
        if not self._lot:
            self._lot.extend([self._rng.choice(_COLOURS)] * self._rng.randint(4, 8))
        self.made += 1
        colour = self._lot.popleft() if product in self._painted else ""
        return Body(unit=next(self._vins[product])[-self._id_length :], product=product, colour=colour)

    def changed(self) -> simpy.Event:
        """Never comes, because nobody ever waits for a kit."""
        return self._never


class Kits:
    """Kits for the first station of a line, in lots of 3 to 9 of one product; the store of kits is never empty."""

    def __init__(self, products: Sequence[str], supply: Supply, rng: random.Random) -> None:
        self._products = products
        self._supply = supply
        self._rng = rng
        self._lot: deque[str] = deque()

    def take(self) -> Body:
        """The next kit."""
        if not self._lot:
            product, length = self._products[0], 1
            if len(self._products) > 1:
                product, length = self._rng.choice(self._products), self._rng.randint(3, 9)
            self._lot.extend([product] * length)
        return self._supply.make(self._lot.popleft())

    def changed(self) -> simpy.Event:
        """Never comes."""
        return self._supply.changed()


class Programme:
    """What a station builds next where kits join the line: lots of 3 to 9 from the line and of 1 to 3 kits.

    The next car may not be there yet (its body is not painted). Then the first of the next six cars that is
    there is pulled forward; the skipped ones keep their turn. If none is there, the station starves.
    """

    def __init__(self, painted: Buffer, kits: Sequence[str], supply: Supply, rng: random.Random) -> None:
        self._painted = painted
        self._supply = supply
        self._lots = self._sequence(kits, rng)
        self._next = deque(next(self._lots) for _ in range(_LOOK_AHEAD))

    @staticmethod
    def _sequence(kits: Sequence[str], rng: random.Random) -> Iterator[str]:
        while True:
            yield from [_FROM_LINE] * rng.randint(3, 9)
            kit = kits[0] if len(kits) == 1 else rng.choice(kits)
            yield from [kit] * rng.randint(1, 3)

    def take(self) -> Body | None:
        """The first car of the programme that can be had."""
        for index, product in enumerate(self._next):
            body = self._painted.take() if product == _FROM_LINE else self._supply.make(product)
            if body is not None:
                del self._next[index]
                self._next.append(next(self._lots))
                return body
        return None

    def changed(self) -> simpy.Event:
        """Comes when the store of painted bodies changes; kits are always there."""
        return self._painted.changed()


class Branch:
    """Where a line divides: a unit goes to the first branch that takes its product and has room, else out."""

    def __init__(self, env: simpy.Environment, branches: Mapping[str, Sequence[Sink]], out: Sink) -> None:
        """`branches` by product; each product has one at least, or is not among them and leaves the plant by `out`."""
        self._env = env
        self._branches = branches
        self._out = out

    def offer(self, body: Body) -> bool:
        """Hands the unit on if there is room."""
        branches = self._branches.get(body.product)
        return self._out.offer(body) if branches is None else any(branch.offer(body) for branch in branches)

    def changed(self) -> simpy.Event:
        """Comes when something changes in one of the branches."""
        sinks = {id(sink): sink for branches in self._branches.values() for sink in branches}
        changes = [sink.changed() for sink in sinks.values()]
        return changes[0] if len(changes) == 1 else self._env.any_of(changes)


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
