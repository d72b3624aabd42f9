"""Time is passed in, never imported: the system's clock, a scaled one for simulation, or a test's."""

import time
from collections.abc import Callable
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


class SteadyClock:
    """The machine's time at the start and the monotonic clock since: no step of the machine's clock moves anything.

    A machine's clock that is off by no more than `FOLLOWED` is approached gently, so that a disciplined clock is
    followed. A larger deviation is a step; it is not followed until somebody says `follow`, and shows in `stepped`.
    Time in which the machine slept counts (CLOCK_BOOTTIME): the plant went on meanwhile. Never goes backwards but then.
    """

    FOLLOWED = timedelta(seconds=2)
    SLEW = 500e-6  # of the time that passed: as gently as the operating system disciplines its own clock

    def __init__(
        self, wall: Callable[[], datetime] | None = None, monotonic_s: Callable[[], float] | None = None
    ) -> None:
        """`wall`: the machine's clock, aware, in UTC; `monotonic_s`: seconds that only ever grow."""
        self._wall = wall or SystemClock().now
        self._monotonic_s = monotonic_s or boot_time_s
        self._shown = self._wall()
        self._at_s = self._monotonic_s()
        self._deviation = timedelta()

    def now(self) -> datetime:
        """The present instant, aware, in UTC; no earlier than the last one."""
        at_s = self._monotonic_s()
        passed_s = max(0.0, at_s - self._at_s)
        shown = self._shown + timedelta(seconds=passed_s)
        self._deviation = self._wall() - shown
        if abs(self._deviation) <= self.FOLLOWED:
            most = timedelta(seconds=passed_s * self.SLEW)
            shown += max(-most, min(most, self._deviation))
        if shown > self._shown:
            self._shown, self._at_s = shown, at_s
        return self._shown

    def go_on_from(self, instant: datetime) -> None:
        """Shows `instant` now, for the machine's clock is earlier than what is known to have passed."""
        self._shown, self._at_s = instant, self._monotonic_s()

    def follow(self) -> None:
        """Goes by the machine's clock from now on, wherever it was set; only while nobody collects."""
        self._shown, self._at_s, self._deviation = self._wall(), self._monotonic_s(), timedelta()

    @property
    def stepped(self) -> timedelta | None:
        """By how much the machine's clock is ahead of this one since it was set; None while it is followed."""
        return self._deviation if abs(self._deviation) > self.FOLLOWED else None


def boot_time_s() -> float:
    """Seconds that only grow, those in which the machine slept included, where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


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

    def hold(self) -> None:
        """Keeps it where it stands, until it is released."""
        self._base, self._since = self.now(), None

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
