"""Simulated time: an event loop that never waits and can pause the program, and the edge server's clock."""

import asyncio
import contextvars
import heapq
import math
import selectors
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

_OF_THE_PROGRAM = contextvars.ContextVar("of_the_program", default=False)


def program_context() -> contextvars.Context:
    """The context of the program's tasks: whatever runs in it, or is begun from it, is paused with the program."""
    context = contextvars.copy_context()
    context.run(_OF_THE_PROGRAM.set, True)
    return context


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
        self.pauses = 0
        self.resumed_s = -math.inf  # when the last pause ended
        self._paused: list[asyncio.Handle] | None = None  # what the paused program has to do; None: it runs

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

    @property
    def is_paused(self) -> bool:
        """Whether the program is paused."""
        return self._paused is not None

    def pause_program(self) -> None:
        """From now on nothing of the program runs, as after SIGSTOP or on a paused machine; all else goes on."""
        if self._paused is None:
            self._paused = []
            self.pauses += 1

    def resume_program(self) -> None:
        """The program goes on; all timers that ran out meanwhile are due now."""
        waiting, self._paused = self._paused or [], None
        self.resumed_s = self.time()
        ready: Any = self._ready  # type: ignore[attr-defined]  # asyncio's own queue
        ready.extendleft(reversed(waiting))

    def _run_once(self) -> None:
        """One turn of the loop; while the program is paused, asyncio's own turn with its handles put aside."""
        loop: Any = self
        if self._paused is None:
            loop_turn: Any = super()
            loop_turn._run_once()
            return
        while loop._scheduled and loop._scheduled[0]._cancelled:
            loop._timer_cancelled_count -= 1
            heapq.heappop(loop._scheduled)._scheduled = False
        timeout = None
        if loop._ready or loop._stopping:
            timeout = 0.0
        elif loop._scheduled:
            timeout = max(0.0, loop._scheduled[0].when() - self.time())
        self._jumping.select(timeout)
        until = self.time() + self._clock_resolution
        while loop._scheduled and loop._scheduled[0].when() < until:
            handle = heapq.heappop(loop._scheduled)
            handle._scheduled = False
            loop._ready.append(handle)
        for _ in range(len(loop._ready)):
            self._run_handle(loop._ready.popleft())

    def _run_handle(self, handle: Any) -> None:  # its context is not public
        if handle._cancelled:
            return
        if self._paused is not None and handle._context.get(_OF_THE_PROGRAM, False):
            self._paused.append(handle)
        else:
            handle._run()

    def _write_to_self(self) -> None:
        """Nobody sleeps who had to be woken."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a simulation to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class EdgeClock:
    """The machine's clock of the edge server: simulated time, and how far it was set wrong."""

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

    def true_s(self) -> float:
        """The plant's time as seconds since the start."""
        return self._loop.time()

    def at_s(self, instant: datetime) -> float:
        """The loop's time of an instant of the plant."""
        return (instant - self._start).total_seconds()
