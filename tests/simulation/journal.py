"""The real journal in simulated time: its own thread, let run only while the loop stands still.

Only this file knows the inside of the journal. Its queue, its waiting for a full disk and its answers are replaced by
ones in simulated time; the thread, the group commit, the mending and the store are the real ones.
"""

import asyncio
import queue
import random
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mes.errors import JournalError
from mes.journal.store import Rows, Store
from mes.journal.writer import Journal
from simulation.disk import Disk

STUCK_S = 60.0  # real seconds after which the journal's thread is taken for dead
COMMIT_S = (0.002, 0.05)
ANSWER_S = (0.0, 0.005)


class _Killed(BaseException):
    """The process is gone."""


class _Baton:
    """Whoever has it runs: the loop or the journal's thread, never both."""

    def __init__(self) -> None:
        self._thread_may = threading.Semaphore(0)
        self._loop_may = threading.Semaphore(0)
        self.killed = False
        self.ended = False

    def lend(self) -> None:
        """In the loop: lets the thread run until it has nothing left to do."""
        if self.ended:
            return
        self._thread_may.release()
        if not self._loop_may.acquire(timeout=STUCK_S):
            raise RuntimeError("the journal's thread does not come back")

    def begin(self) -> None:
        """In the thread: waits for the first turn."""
        self._thread_may.acquire()

    def give_back(self) -> None:
        """In the thread: nothing to do; returns at the next turn."""
        self._loop_may.release()
        self._thread_may.acquire()
        if self.killed:
            raise _Killed

    def end(self) -> None:
        """In the thread: it will not come again."""
        self.ended = True
        self._loop_may.release()


class _Queue:
    """What the thread takes its requests from."""

    def __init__(self, baton: _Baton, wake: Callable[[], None]) -> None:
        self._baton = baton
        self._wake = wake
        self._waiting: list[Any] = []

    def put(self, request: Any) -> None:  # the journal's own requests
        self._waiting.append(request)
        self._wake()

    def get(self) -> Any:  # the journal's own requests
        while not self._waiting:
            self._baton.give_back()
        return self._waiting.pop(0)

    def get_nowait(self) -> Any:  # the journal's own requests
        if not self._waiting:
            raise queue.Empty
        return self._waiting.pop(0)


class _Closing:
    """Says that the journal is being closed; waiting for that takes simulated time."""

    def __init__(self, baton: _Baton, wake: Callable[[], None]) -> None:
        self._baton = baton
        self._wake = wake
        self._set = False
        self.retry_s: float | None = None

    def set(self) -> None:
        self._set = True
        self._wake()

    def wait(self, timeout: float) -> bool:
        if not self._set:
            self.retry_s = timeout
            self._baton.give_back()
            self.retry_s = None
        return self._set


@dataclass(slots=True)
class Promises:
    """What the journal said is on disk: it must be there after whatever comes.

    `checked`: all events up to this one were found as promised after the last crash. `broken` says what was not.
    """

    bodies: dict[int, str] = field(default_factory=dict)
    telemetry: int = 0
    cursors: dict[str, int] = field(default_factory=dict)
    checked: int = 0
    broken: list[str] = field(default_factory=list)
    missing: int = 0

    def made(self, rows: Rows, last_seq: int) -> None:
        """A request was answered."""
        first = last_seq - len(rows.events) + 1
        self.bodies.update({first + index: row[-1] for index, row in enumerate(rows.events)})
        self.telemetry += len(rows.telemetry)
        for name, seq in rows.cursors:
            self.cursors[name] = max(seq, self.cursors.get(name, 0))

    def check(self, store: Store) -> None:
        """Holds what a store has after a crash against what was promised."""
        have: dict[int, str] = dict(store._fetch("SELECT seq, body FROM event WHERE seq > ?", self.checked))
        wanted = {seq: body for seq, body in self.bodies.items() if seq > self.checked}
        gone = [seq for seq, body in wanted.items() if have.get(seq) != body]
        if gone:
            self.missing += len(gone)
            self.broken.append(f"{len(gone)} acknowledged events are gone, the first is {min(gone)}")
            for seq in gone:
                del self.bodies[seq]
        if store.last_telemetry() < self.telemetry:
            self.broken.append(f"{self.telemetry - store.last_telemetry()} acknowledged process values are gone")
        for name, seq in self.cursors.items():
            if store.cursor(name) < seq:
                self.broken.append(f"the cursor {name} fell from {seq} to {store.cursor(name)}")
        self.telemetry = store.last_telemetry()
        self.cursors = store.cursors()
        self.checked = store.last_seq


@dataclass(frozen=True, slots=True)
class Medium:
    """Where a journal lives: `careless` opens it so that a commit does not wait for the disk.

    `power_failed` is called when the disk died in the middle of a turn of the journal's thread.
    """

    path: Path
    disk: Disk
    rng: random.Random
    promises: Promises
    power_failed: Callable[[], None]
    careless: bool = False


class SimulatedJournal(Journal):
    """The journal of one run of the program."""

    def __init__(self, medium: Medium) -> None:
        """Opens the file at the thread's first turn; `simulated_journal` is the way in."""
        self._medium = medium
        self._baton = _Baton()
        self._queue_in_time = _Queue(self._baton, self._wake)
        self._closing_in_time = _Closing(self._baton, self._wake)
        self._answered_now: list[Sequence[tuple[asyncio.Future[Any], object]]] = []
        self._turn: asyncio.TimerHandle | None = None
        super().__init__(medium.path, vfs=medium.disk.name)
        self._wake()

    @property
    def _requests(self) -> Any:  # the queue in simulated time
        return self._queue_in_time

    @_requests.setter
    def _requests(self, value: object) -> None:
        del value

    @property
    def _closing(self) -> Any:  # the waiting in simulated time
        return self._closing_in_time

    @_closing.setter
    def _closing(self, value: object) -> None:
        del value

    async def opened(self) -> None:
        """Returns when the file is open. Raises JournalError."""
        await self._opened

    async def close(self) -> None:
        """Waits until everything appended is on disk."""
        await self._close()

    def kill(self) -> None:
        """The process is gone at this instant: nothing more is written or answered."""
        if self._baton.ended:
            return
        self._medium.disk.dead = True
        self._baton.killed = True
        self._lend()

    def _wake(self) -> None:
        """The thread gets a turn a little later; what comes until then is one commit with this."""
        if self._turn is None and not self._baton.ended:
            stalled_s = self._medium.disk.stalled_until_s - self._loop.time()
            self._turn = self._loop.call_later(max(self._medium.rng.uniform(*COMMIT_S), stalled_s), self._lend)

    def _lend(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
        self._turn = None
        self._baton.lend()
        answered, self._answered_now = self._answered_now, []
        if self._medium.disk.dead and not self._baton.killed:  # whoever would answer is gone as well
            self._baton.killed = self._baton.ended
            answered = [[answer for answer in some if self._is_an_end(*answer)] for some in answered]
            self._medium.power_failed()
        for batch in answered:
            if self._baton.ended:
                super()._answer(batch)
            else:
                self._loop.call_later(self._medium.rng.uniform(*ANSWER_S), super()._answer, batch)
        retry_s = self._closing_in_time.retry_s
        if retry_s is not None and not self._baton.ended:
            self._turn = self._loop.call_later(retry_s, self._lend)

    def _is_an_end(self, future: asyncio.Future[Any], answer: object) -> bool:
        return future is self._ended or isinstance(answer, JournalError)

    def _write(self, rows: Rows) -> asyncio.Future[int]:
        future = super()._write(rows)
        future.add_done_callback(lambda done: self._promised(rows, done))
        return future

    def _promised(self, rows: Rows, done: asyncio.Future[int]) -> None:
        if not done.cancelled() and done.exception() is None and not self._baton.killed:
            self._medium.promises.made(rows, done.result())

    # Below: in the thread.

    def _own(self) -> None:
        self._baton.begin()
        try:
            if self._baton.killed:
                self._refuse(JournalError("killed before it was open"))
            else:
                super()._own()
        except _Killed:
            pass
        finally:
            self._baton.end()

    def _opened_store(self) -> Store:
        store = super()._opened_store()
        self._medium.promises.check(store)
        if self._medium.careless:
            store._connection.pragma("synchronous", "NORMAL")
        return store

    def _answer(self, answers: Sequence[tuple[asyncio.Future[Any], object]]) -> None:
        self._answered_now.append(answers)


@asynccontextmanager
async def simulated_journal(
    medium: Medium, begun: Callable[[SimulatedJournal], None]
) -> AsyncIterator[SimulatedJournal]:
    """A journal that can be killed from `begun` on; leaving the block closes the file like the real one."""
    journal = SimulatedJournal(medium)
    begun(journal)
    try:
        await journal.opened()
        yield journal
    finally:
        await journal.close()
