"""How the program ends: signals, a time limit, and questions in threads that can be interrupted."""

import asyncio
import contextlib
import contextvars
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any, TypeVar

from mes.logs import get_logger

log = get_logger()

T = TypeVar("T")

STOP_WITHIN_S = 10.0  # real seconds from the first signal to the end of the process
EXIT_OVERDUE = 1
INTERRUPT_AGAIN_S = 0.05
NAMES_MOST = 20  # of what still runs, in one log line


class Interrupted(Exception):
    """The question is not wanted any more: its client left, or the program stops."""


class Interrupt:
    """Ends one question in a thread; `request` is called by another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = False
        self._running: Callable[[], None] | None = None

    def request(self) -> None:
        """Interrupts what runs now, and whatever this question begins later."""
        with self._lock:
            self._requested = True
            if self._running is not None:
                self._running()

    def check(self) -> None:
        """Raises Interrupted after `request`."""
        if self._requested:
            raise Interrupted

    @contextlib.contextmanager
    def during(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """While the block runs, `request` calls `interrupt`. Raises Interrupted if it was called."""
        with self._lock:
            self.check()
            self._running = interrupt
        try:
            yield
        finally:
            with self._lock:  # an interruption must not hit what the connection is asked next
                self._running = None
            self.check()


_present: contextvars.ContextVar[Interrupt | None] = contextvars.ContextVar("present", default=None)


@contextlib.contextmanager
def interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """A step of a question that `interrupt` ends early, e.g. one SQL statement. Raises Interrupted.

    Outside of `in_thread` nothing interrupts it.
    """
    present = _present.get()
    if present is None:
        yield
        return
    with present.during(interrupt):
        yield


def check_interrupted() -> None:
    """For long computations between two statements. Raises Interrupted."""
    present = _present.get()
    if present is not None:
        present.check()


async def in_thread(work: Callable[..., T], *values: Any) -> T:
    """Runs `work` in a thread. Ends only when the thread has: a cancellation interrupts it and waits.

    So whatever the thread uses, e.g. a reader of the journal, can be closed afterwards.
    """
    interrupt = Interrupt()
    context = contextvars.copy_context()
    context.run(_present.set, interrupt)
    run = partial(context.run, partial(_begun, interrupt, work, *values))
    running = asyncio.get_running_loop().run_in_executor(None, run)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():  # again and again: SQLite forgets an interruption just before a statement begins
            interrupt.request()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running], timeout=INTERRUPT_AGAIN_S)
        if not running.cancelled():
            running.exception()  # marks it as seen
        raise


def _begun(interrupt: Interrupt, work: Callable[..., T], *values: Any) -> T:
    interrupt.check()  # it may have waited for a free thread
    return work(*values)


def stop_on_signal(*, within_s: float | None = None) -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets; the second ends the process at once with 128 + its number.

    `within_s`: real seconds after the first signal. What runs then is named in the log, and the process ends with
    EXIT_OVERDUE. A journal in WAL mode is safe in both cases. Call inside the running loop, in the main thread.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    first = threading.Event()

    def received(number: int, _: FrameType | None) -> None:
        if first.is_set():
            os.write(2, b"A second signal: the program ends at once; the journal has everything it acknowledged.\n")
            os._exit(128 + number)
        first.set()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends already
            loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, received)
    if within_s is not None:
        threading.Thread(target=_limit, args=(first, loop, within_s), name="stop limit", daemon=True).start()
    return stop


def set_on_hangup() -> asyncio.Event:
    """An event that each SIGHUP sets, which asks for a reload; never on a system without that signal.

    Call inside the running loop, in the main thread.
    """
    hangup, loop = asyncio.Event(), asyncio.get_running_loop()

    def received(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends already
            loop.call_soon_threadsafe(hangup.set)

    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, received)
    return hangup


def _limit(first: threading.Event, loop: asyncio.AbstractEventLoop, within_s: float) -> None:
    first.wait()
    threading.Event().wait(within_s)
    log.error("stop_overdue", after_s=within_s, running=still_running(loop))
    sys.stderr.flush()
    os._exit(EXIT_OVERDUE)


def still_running(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Names of the loop's tasks and of the other threads, NAMES_MOST at most."""
    tasks = [_task_name(task) for task in asyncio.all_tasks(loop) if not task.done()]
    frames = sys._current_frames()  # noqa: SLF001  # the one way to say what a thread does
    threads = [
        f"thread {thread.name}: {frames[thread.ident].f_code.co_qualname}"
        for thread in threading.enumerate()
        if thread not in {threading.main_thread(), threading.current_thread()} and thread.ident in frames
    ]
    return sorted([*tasks, *threads])[:NAMES_MOST]


def _task_name(task: asyncio.Task[Any]) -> str:
    coroutine = getattr(task.get_coro(), "__qualname__", "?")
    return f"task {task.get_name()}: {coroutine}"
