"""Simulated time: an event loop that never waits, and the edge server's clock, which may step."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class Standstill(RuntimeError):
    """Nothing is ready and nothing is due: whoever waits would wait for ever."""


class _Jumping(selectors.SelectSelector):
    """Hears of no file at all; told to wait, it lets the time pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Standstill("no task can go on and no timer is set")
        self.now_s += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop in simulated seconds from 0 on; threads' work is done at once, in place."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-6  # of weeks in seconds a float keeps no nanoseconds

    def time(self) -> float:
        """Simulated seconds since the loop was made."""
        return self._jumping.now_s

    def run_in_executor(  # type: ignore[override]  # what runs in place needs no executor and raises in the future
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Does the work now; a thread of its own would end at no certain moment of simulated time."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # it belongs to whoever awaits
            future.set_exception(error)
        return future

    def _write_to_self(self) -> None:
        """Nobody sleeps who had to be woken."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a simulation to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class EdgeClock:
    """The edge server's clock: simulated time, and how far it was set wrong."""

    def __init__(self, start: datetime) -> None:
        """`start` is the plant's time at the loop's 0; call inside the loop."""
        self._start = start
        self._loop = asyncio.get_running_loop()
        self.offset = timedelta()

    def true(self) -> datetime:
        """The plant's time."""
        return self._start + timedelta(microseconds=round(self._loop.time() * 1e6))

    def now(self) -> datetime:
        """What the edge server believes."""
        return self.true() + self.offset

    def at_s(self, instant: datetime) -> float:
        """The loop's time of an instant of the plant."""
        return (instant - self._start).total_seconds()
