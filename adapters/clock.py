"""Time is passed in, never imported: the system's clock, a scaled one for simulation, or a test's."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the program knows of time. Network time-outs do not use it: they are always in real seconds."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)


class ScaledClock:
    """A clock that runs `speed` times as fast as the machine's from `start` on; it can be held still.

    Built on the monotonic clock, so that a step of the machine's clock moves nothing.
    """

    def __init__(self, start: datetime, *, speed: float, held: bool = False) -> None:
        """`start` is what the clock shows at this moment; `speed` > 0."""
        self._base = start
        self._speed = speed
        self._since: float | None = None if held else time.monotonic()

    @classmethod
    def anchored(cls, shown: datetime, *, real: datetime, speed: float) -> "ScaledClock":
        """The clock that shows `shown` when the machine's shows `real`; equal arguments, equal clocks everywhere."""
        return cls(shown + (datetime.now(UTC) - real) * speed, speed=speed)

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    def now(self) -> datetime:
        """The present simulated instant, aware, in UTC."""
        if self._since is None:
            return self._base
        return self._base + timedelta(seconds=(time.monotonic() - self._since) * self._speed)

    def release(self) -> None:
        """Lets a held clock run on from where it stands."""
        if self._since is None:
            self._since = time.monotonic()


class ManualClock:
    """A clock that moves only when it is told to; for tests and for replays."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The instant it was last set to."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Moves it by a span, which may be negative: clocks do jump back."""
        self._now += by
