"""Notices that this process stood still: a stopped process, a suspended machine, an event loop that was held up."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

PERIOD_S = 0.5  # real seconds between two looks
_LEAST_S = 1.0  # a look that comes later than this is a pause; a busy machine is late by less


class PauseMeter:
    """Judges by how much a look comes late; pure, the time is handed in.

    `real_s` is any steadily growing count of real seconds (asyncio's loop time).
    """

    def __init__(self, *, real_s: float) -> None:
        """Looks from now on; somebody must look at least every `PERIOD_S`."""
        self._looked_s = real_s

    def look(self, *, real_s: float) -> float:
        """Seconds for which this process stood still since the last look; 0.0 if it did not."""
        late_s = real_s - self._looked_s - PERIOD_S
        self._looked_s = real_s
        return late_s if late_s >= _LEAST_S else 0.0


class Pauses:
    """Sums up for how long this process stood still, with looks of its own until it is closed."""

    def __init__(self) -> None:
        """To be made inside of a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._meter = PauseMeter(real_s=self._loop.time())
        self._total_s = 0.0
        self._timer = self._loop.call_later(PERIOD_S, self._tick)

    def total_s(self) -> float:
        """Real seconds until now."""
        self._total_s += self._meter.look(real_s=self._loop.time())
        return self._total_s

    def close(self) -> None:
        """Looks no more."""
        self._timer.cancel()

    def _tick(self) -> None:
        self.total_s()
        self._timer = self._loop.call_later(PERIOD_S, self._tick)


class Answer:
    """Measures how long a controller takes to answer, less what this process stands still meanwhile."""

    def __init__(self, stood_still_s: Callable[[], float]) -> None:
        """The controller is asked now, inside of a running event loop. `stood_still_s`: real seconds until now."""
        self._real_s, self._stood_still_s = asyncio.get_running_loop().time, stood_still_s
        self._asked_s, self._before_s = self._real_s(), stood_still_s()

    def took(self) -> timedelta:
        """It has answered; in real time."""
        paused_s = self._stood_still_s() - self._before_s
        return timedelta(seconds=max(self._real_s() - self._asked_s - paused_s, 0.0))
