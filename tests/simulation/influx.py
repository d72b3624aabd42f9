"""A simulated InfluxDB: points by their identity, and all the ways in which a server does not answer well."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from mes.errors import SinkUnavailable
from mes.influx.delivery import CANARY, point_of


class Mood(Enum):
    """How the server answers now."""

    WELL = auto()
    GONE = auto()  # nobody listens
    BUSY = auto()  # 429 with a time to wait
    FAILING = auto()  # 503
    FORGETFUL = auto()  # stores all or a part, and no answer comes


@dataclass(slots=True)
class SimulatedInflux:
    """The server. `points`: the last line of each point; `differing`: points that were written with two contents."""

    rng: random.Random
    mood: Mood = Mood.WELL
    points: dict[str, str] = field(default_factory=dict)
    differing: list[tuple[str, str]] = field(default_factory=list)
    rewritten: int = 0
    requests: int = 0
    refusals: int = 0

    async def ensure(self) -> bool:
        """Makes the database."""
        await self._answer()
        return True

    async def query(self, influxql: str) -> list[dict[str, Any]]:
        """It is asked for figures alone, and there are none."""
        del influxql
        await self._answer()
        return []

    async def about(self) -> str:
        """What it is."""
        await self._answer()
        return "2.x (simulated)"

    async def write(self, body: bytes) -> None:
        """Stores lines; raises SinkUnavailable."""
        self.requests += 1
        lines = body.decode().split("\n")
        ambiguous = self.mood is Mood.FORGETFUL or (self.mood is Mood.WELL and self.rng.random() < 0.01)
        if ambiguous:
            await asyncio.sleep(self.rng.uniform(0.01, 10.0))
            self._store(lines[: self.rng.randrange(len(lines) + 1)])
            self.refusals += 1
            raise SinkUnavailable("no answer came")
        await self._answer()
        self._store(lines)
        await asyncio.sleep(self.rng.uniform(0.0, 0.02))  # stored, and the answer is on its way

    async def _answer(self) -> None:
        slow = self.rng.random() < 0.01
        await asyncio.sleep(self.rng.uniform(1.0, 9.0) if slow else self.rng.uniform(0.002, 0.05))
        if self.mood is Mood.WELL or self.mood is Mood.FORGETFUL:
            return
        self.refusals += 1
        if self.mood is Mood.GONE:
            raise SinkUnavailable("nobody listens")
        if self.mood is Mood.BUSY:
            raise SinkUnavailable("HTTP 429", retry_after_s=self.rng.uniform(1.0, 30.0))
        raise SinkUnavailable("HTTP 503")

    def _store(self, lines: Sequence[str]) -> None:
        for line in lines:
            if line == CANARY.decode():
                continue
            point = point_of(line)
            known = self.points.get(point)
            self.rewritten += known is not None
            if known is not None and known != line:
                self.differing.append((known, line))
            self.points[point] = line
