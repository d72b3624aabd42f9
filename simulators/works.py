"""A plant as it is built: its stations, the ways between them with their places, and when it works."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from simulators import shift
from simulators.line import StationSpec
from simulators.shift import Span


class Hours(Protocol):
    """When the plant works."""

    def stretches(self, start: datetime) -> Iterator[Span]:
        """All work from `start` on, for ever; the first stretch begins at `start` if that is within work."""
        ...

    def planned(self, start: datetime, end: datetime) -> list[Span]:
        """The work within `[start, end)`, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """What `Plant` simulates. Stations are in an order in which each comes after those before it on the way.

    `places`: in front of each station but the first ones, how many there are and how many are taken at the start.
    `ways`: to which stations a unit may go from a station; it leaves the plant where none of them takes its product.
    `id_length`: how many characters of a unit's id, from its end, the controllers have room for.
    """

    stations: tuple[StationSpec, ...]
    places: Mapping[str, tuple[int, int]]
    ways: Mapping[str, tuple[str, ...]]
    products: tuple[str, ...]
    hours: Hours = field(default_factory=lambda: shift)
    repaint_to: str = ""
    repaint_places: int = 0
    id_length: int = 17

    def from_line(self, code: str) -> tuple[str, ...]:
        """The products that other stations hand on to a station."""
        return self._taken(code, by_line=True)

    def as_kits(self, code: str) -> tuple[str, ...]:
        """The products that enter the plant at a station."""
        return self._taken(code, by_line=False)

    def spec(self, code: str) -> StationSpec:
        """The station of a code. Raises StopIteration where there is none."""
        return next(spec for spec in self.stations if spec.code == code)

    def _taken(self, code: str, *, by_line: bool) -> tuple[str, ...]:
        ideal = self.spec(code).ideal
        before = [self.spec(other).ideal for other, nexts in self.ways.items() if code in nexts]
        return tuple(
            product
            for product in self.products
            if product in ideal and any(product in other for other in before) is by_line
        )
