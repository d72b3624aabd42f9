"""The running journal: one thread owns the file, and everything that waits at a moment becomes one commit."""

import asyncio
import contextlib
import math
import queue
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from adapters.reading import ControllerId
from mes.errors import JournalError
from mes.journal.codec import encode_event, to_us
from mes.journal.store import Rows, Store
from mes.model import Journaled, ProcessValue, StationEvent, StationId

T = TypeVar("T")

GROUP_LIMIT = 10_000  # requests in one transaction: bounds the memory and the time of a commit


@dataclass(frozen=True, slots=True)
class Entry:
    """What belongs together: events, the station states they imply, process values and proofs of life."""

    events: Sequence[StationEvent] = ()
    states: Mapping[StationId, bytes] = field(default_factory=dict)
    telemetry: Sequence[ProcessValue] = ()
    observed: Mapping[ControllerId, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Write:
    rows: Rows
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Call:
    run: Callable[[Store], object]
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Stop:
    pass


class Journal:
    """Events in the order in which they were appended, durable once an append's future is done.

    Open it with `async with Journal.open(path) as journal`. After any failure of the disk or of SQLite every
    request raises JournalError: the program must stop, and start anew from what is on disk.
    """

    def __init__(self, path: Path) -> None:
        """Starts the owning thread; call inside the running loop. `open` is the way in."""
        self.last_seq = 0  # of the last committed event
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._requests: queue.SimpleQueue[_Write | _Call | _Stop] = queue.SimpleQueue()
        self._taken: Sequence[_Write | _Call | _Stop] = ()
        self._failure: JournalError | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._own, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator["Journal"]:
        """Opens or creates the journal; leaving the block waits until everything appended is on disk.

        Raises JournalError when another program has it open, or it is damaged or of another version.
        """
        journal = cls(path)
        try:
            await journal._opened
            yield journal
        finally:
            await journal._close()

    def append(self, entry: Entry) -> asyncio.Future[int]:
        """Queues an entry at once; the future gives the sequence number of its last event after the commit.

        The order of calls is the order in the journal. Cancelling whoever waits changes nothing of what is
        written. Process values that are not finite numbers say nothing and are left out.
        Raises JournalError, here or from the future.
        """
        rows = Rows(
            events=[encode_event(each) for each in entry.events],
            states=list(entry.states.items()),
            telemetry=[
                (each.station, each.name, to_us(each.time), each.value)
                for each in entry.telemetry
                if math.isfinite(each.value)
            ],
            observed=[(controller, to_us(seen)) for controller, seen in entry.observed.items()],
        )
        return self._write(rows)

    async def advance(self, name: str, seq: int) -> None:
        """Moves a consumer's cursor on to `seq`, never backwards; returns when that is on disk."""
        await self._write(Rows(cursors=[(name, seq)]))

    async def cursor(self, name: str) -> int:
        """How far a consumer has come; 0 if it never was here."""
        return await self._ask(lambda store: store.cursor(name))

    async def read(self, after: int, limit: int) -> list[Journaled]:
        """At most `limit` committed events after sequence number `after`, in order."""
        return await self._ask(lambda store: store.read(after, limit))

    async def read_telemetry(self, after_rowid: int, limit: int) -> list[tuple[int, ProcessValue]]:
        """At most `limit` process values after row `after_rowid`, with their rows' numbers, in order."""
        return await self._ask(lambda store: store.read_telemetry(after_rowid, limit))

    async def station_states(self) -> dict[StationId, bytes]:
        """Every station's state as it was last written."""
        return await self._ask(Store.station_states)

    async def observed(self) -> dict[ControllerId, datetime]:
        """When each controller was last known to have been seen, by our clock."""
        return await self._ask(Store.observed)

    def _write(self, rows: Rows) -> asyncio.Future[int]:
        future: asyncio.Future[int] = self._loop.create_future()
        self._put(_Write(rows, future))
        return future

    async def _ask(self, run: Callable[[Store], T]) -> T:
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(_Call(run, future))
        return await future

    def _put(self, request: _Write | _Call) -> None:
        # Put, then look: a thread that ends first sets the failure and then empties the queue, so a request
        # is either refused here or found there.
        self._requests.put(request)
        if self._failure is not None:
            raise JournalError(*self._failure.args)

    async def _close(self) -> None:
        self._requests.put(_Stop())
        try:
            await asyncio.shield(self._ended)
        finally:
            self._thread.join()  # at most the last commit, even when the wait above was cancelled
            if self._opened.done() and not self._opened.cancelled():
                self._opened.exception()  # marks it as seen

    # Below: the owning thread.

    def _own(self) -> None:
        failure = JournalError(f"{self._path} is closed")
        try:
            with Store(self._path) as store:
                self.last_seq = store.last_seq
                self._answer([(self._opened, None)])
                while self._serve(store):
                    pass
        except JournalError as error:
            failure = error
        finally:
            self._failure = failure
            self._refuse(failure)

    def _serve(self, store: Store) -> bool:
        """Everything that waits: what writes first, as one commit, then what reads; False when it is to stop."""
        self._taken = self._take()
        writes = [each for each in self._taken if isinstance(each, _Write)]
        if writes:
            last_seqs = store.write([each.rows for each in writes])
            self.last_seq = store.last_seq
            self._answer([(each.future, seq) for each, seq in zip(writes, last_seqs, strict=True)])
        for each in self._taken:
            if isinstance(each, _Call):
                self._answer([(each.future, each.run(store))])
        return not any(isinstance(each, _Stop) for each in self._taken)

    def _take(self) -> list[_Write | _Call | _Stop]:
        taken = [self._requests.get()]
        with contextlib.suppress(queue.Empty):
            while len(taken) < GROUP_LIMIT:
                taken.append(self._requests.get_nowait())
        return taken

    def _answer(self, answers: Sequence[tuple[asyncio.Future[Any], object]]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            self._loop.call_soon_threadsafe(_deliver, answers)

    def _refuse(self, failure: JournalError) -> None:
        left = [*self._taken]
        with contextlib.suppress(queue.Empty):
            while True:
                left.append(self._requests.get_nowait())
        futures = [self._opened, *(each.future for each in left if not isinstance(each, _Stop))]
        self._answer([(future, JournalError(*failure.args)) for future in futures])
        self._answer([(self._ended, None)])


def _deliver(answers: Sequence[tuple[asyncio.Future[Any], object]]) -> None:
    """In the loop: gives each waiter its answer, unless it has one or went away."""
    for future, answer in answers:
        if future.done():
            continue
        if isinstance(answer, JournalError):
            future.set_exception(answer)
        else:
            future.set_result(answer)
