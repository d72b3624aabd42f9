"""The running journal: one thread owns the file, and everything that waits at a moment becomes one commit."""

import asyncio
import contextlib
import itertools
import math
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import apsw

from adapters.reading import ControllerId
from mes.errors import DerivedError, JournalBlocked, JournalDamaged, JournalError
from mes.intervals import Interval
from mes.journal.codec import Unreadable, encode_event, to_us
from mes.journal.commit_times import Commits, CommitTimes
from mes.journal.hourly import hourly_file
from mes.journal.names import NO_NAMES
from mes.journal.salvage import salvage
from mes.journal.store import Footprint, Future, RejectedPoint, Rows, Store, locked
from mes.logs import get_logger
from mes.model import Journaled, ProcessValue, StationEvent, StationId

log = get_logger()

T = TypeVar("T")

GROUP_LIMIT = 10_000  # requests in one transaction: bounds the memory and the time of a commit
BLOCKED_REMEDY = "make room on the disk, or mount it writable; collecting then goes on by itself"
RETRY_S = 1.0  # real seconds between tries while the disk takes nothing


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

    Open it with `async with Journal.open(path) as journal`. While the disk is full or read-only whoever appends waits,
    and so do the controllers' acknowledgements; `blocked` says why. After any other failure that a fresh connection
    does not mend, every request raises JournalError. The program must stop then, and start again from what is on disk.
    """

    def __init__(self, path: Path, *, vfs: str | None = None, retry_s: float = RETRY_S) -> None:
        """Starts the owning thread; call inside the running loop. `open` is the way in."""
        self.last_seq = 0  # of the last committed event
        self.blocked: str | None = None  # why nothing can be written now
        self.names = NO_NAMES  # what the stations were called before
        self.salvaged: str | None = None  # what was saved out of a damaged file when this one was opened
        self.path = path
        self._vfs = vfs
        self._retry_s = retry_s
        self._busy_since_s: float | None = None
        self._closing = threading.Event()
        self._commit_times = CommitTimes()
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
    async def open(cls, path: Path, *, vfs: str | None = None, retry_s: float = RETRY_S) -> AsyncIterator["Journal"]:
        """Opens or creates the journal; leaving the block waits until everything appended is on disk.

        A damaged file is put aside, and what can be read of it is saved into a new one (`salvaged`).
        `vfs`: the name of SQLite's layer to the disk, None for the system's; `retry_s`: real seconds between tries
        while the disk takes nothing. Raises JournalError when another program has it open, or it is of another version.
        """
        journal = cls(path, vfs=vfs, retry_s=retry_s)
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
            events=[encode_event(event) for event in entry.events],
            states=list(entry.states.items()),
            telemetry=[
                (value.station, value.name, to_us(value.time), value.value)
                for value in entry.telemetry
                if math.isfinite(value.value)
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

    async def remember(self, name: str, note: str) -> None:
        """Keeps a word about a consumer, for after a restart; returns when that is on disk."""
        await self._ask(lambda store: store.remember(name, note))

    async def remembered(self, name: str) -> str:
        """The word that was kept; empty if none was."""
        return await self._ask(lambda store: store.remembered(name))

    async def read(self, after: int, limit: int) -> list[Journaled]:
        """At most `limit` committed events after sequence number `after`, in order."""
        found = await self._ask(lambda store: store.read(after, limit))
        return [self.names.journaled(journaled) for journaled in found]

    async def read_rows(self, after: int, limit: int) -> list[Journaled | Unreadable]:
        """The same, and what this version cannot read."""
        found = await self._ask(lambda store: store.read_rows(after, limit))
        return [self.names.journaled(read) if isinstance(read, Journaled) else read for read in found]

    async def read_telemetry(self, after_rowid: int, limit: int) -> list[tuple[int, ProcessValue]]:
        """At most `limit` process values after row `after_rowid`, with their rows' numbers, in order."""
        found = await self._ask(lambda store: store.read_telemetry(after_rowid, limit))
        return [(row, replace(value, station=self.names.now(value.station))) for row, value in found]

    async def last_telemetry(self) -> int:
        """The number of the last process value; 0 if there is none."""
        return await self._ask(Store.last_telemetry)

    async def affected_windows(self, after: int, limit: int) -> tuple[int, dict[StationId, Interval]]:
        """Up to which number the next events go, at most `limit`, and the time of each station that they bear on."""
        until, found = await self._ask(lambda store: store.affected_windows(after, limit))
        spans: dict[StationId, Interval] = {}
        for written, span in found.items():
            station = self.names.now(written)
            known = spans.get(station, span)
            spans[station] = Interval(min(known.start, span.start), max(known.end, span.end))
        return until, spans

    async def changed_beyond_units(self, after: int, until: int) -> frozenset[StationId]:
        """The stations with events after a number, up to another, that say more than which units were made."""
        found = await self._ask(lambda store: store.changed_beyond_units(after, until))
        return frozenset(map(self.names.now, found))

    async def cursors(self) -> dict[str, int]:
        """Where every consumer stands."""
        return await self._ask(Store.cursors)

    async def refused(self, sink: str) -> list[RejectedPoint]:
        """All lines that a sink refuses by themselves, the oldest first."""
        return await self._ask(lambda store: store.refused(sink))

    async def quarantine(self, sink: str, lines: Sequence[RejectedPoint]) -> None:
        """Puts lines aside that a sink refuses, so that the queue goes on; returns when that is on disk."""
        await self._write(
            Rows(refused=[(sink, line.point, line.line, line.status, line.answer, line.since_us) for line in lines])
        )

    async def release(self, sink: str, points: Sequence[str]) -> None:
        """Takes points out of quarantine; returns when that is on disk."""
        await self._write(Rows(accepted=[(sink, point) for point in points]))

    async def thin_telemetry(self, before: datetime, limit: int, *, now: datetime) -> tuple[int, int]:
        """Drops at most `limit` of the oldest process values, those from before an instant: how many, and the last."""
        return await self._ask(lambda store: store.thin_telemetry(to_us(before), to_us(now), limit))

    async def future(self, now: datetime) -> Future | None:
        """What is stamped later than `now`, and whose clock is wrong; None if nothing is."""
        return await self._ask(lambda store: store.future(now))

    async def forget_future(self, now: datetime) -> Future | None:
        """Brings what a clock that was ahead has stamped back to `now`, and drops the stored components.

        Returns what was found; nothing is changed where the machine's clock is behind. While the disk takes nothing it
        waits.
        """
        found = await self.future(now)
        if found is not None and not found.is_behind:
            # before, so that none is left if we die in between; and after, for those that somebody made meanwhile
            await asyncio.to_thread(_forget_components, self.path)
            await self._ask_until_written(lambda store: store.forget_future(now))
            await asyncio.to_thread(_forget_components, self.path)
        return found

    async def tidy(self, pages: int) -> Footprint:
        """Gives unused pages back to the disk and keeps the write-ahead log short; what is then left."""
        return await self._ask(lambda store: store.tidy(pages))

    @property
    def waiting_s(self) -> float:
        """For how many real seconds the journal has owed its present answers; 0 when it owes none."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def commits(self) -> Commits:
        """How many commits there were, and how long they took."""
        return self._commit_times.present()

    async def station_states(self) -> dict[StationId, bytes]:
        """Every station's state as it was last written."""
        return self.names.states(await self._ask(Store.station_states))

    async def last_counts(self) -> list[Journaled]:
        """The last event of each station's totalisers."""
        return [self.names.journaled(journaled) for journaled in await self._ask(Store.last_counts)]

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

    async def _ask_until_written(self, run: Callable[[Store], T]) -> T:
        """For what changes the journal without being a commit of rows."""
        began = time.monotonic()
        while True:
            try:
                answer = await self._ask(run)
            except JournalBlocked as error:
                self._note_blocked(str(error))
                await asyncio.sleep(self._retry_s)
            else:
                self._note_written(began)
                return answer

    def _put(self, request: _Write | _Call) -> None:
        # Put, then look: a thread that ends first sets the failure and then empties the queue, so a request
        # is either refused here or found there.
        self._requests.put(request)
        if self._failure is not None:
            raise JournalError(*self._failure.args)

    async def _close(self) -> None:
        self._closing.set()
        self._requests.put(_Stop())
        try:
            await asyncio.shield(self._ended)
        finally:
            self._thread.join()  # at most the last commit, even when the wait above was cancelled
            if self._opened.done() and not self._opened.cancelled():
                self._opened.exception()  # marks it as seen

    # Below: the owning thread.

    def _own(self) -> None:
        failure = JournalError(f"{self.path} is closed")
        try:
            with self._opened_store() as store:
                self.last_seq = store.last_seq
                self._answer([(self._opened, None)])
                while self._serve(store):
                    pass
        except JournalError as error:
            failure = error
        finally:
            self._failure = failure
            self._refuse(failure)

    def _opened_store(self) -> Store:
        try:
            return Store(self.path, vfs=self._vfs)
        except JournalDamaged as error:
            with locked(self.path):
                self.salvaged = salvage(self.path, str(error), vfs=self._vfs)
            return Store(self.path, vfs=self._vfs)

    def _serve(self, store: Store) -> bool:
        """Everything that waits: what writes first, as one commit, then what reads; False when it is to stop."""
        self._taken = self._take()
        self._busy_since_s = time.monotonic()
        writes = [write for write in self._taken if isinstance(write, _Write)]
        if writes:
            last_seqs = self._commit(store, [write.rows for write in writes])
            self.last_seq = store.last_seq
            self._answer([(write.future, seq) for write, seq in zip(writes, last_seqs, strict=True)])
        for request in self._taken:
            if isinstance(request, _Call):
                self._answer([(request.future, _answered(request, store))])
        self._busy_since_s = None
        return not any(isinstance(request, _Stop) for request in self._taken)

    def _commit(self, store: Store, requests: Sequence[Rows]) -> list[int]:
        """Writes until it is on disk. What the disk refused is tried on; what it failed at, once, by a new connection.

        After a failed fsync nobody knows what is on disk but the disk: so the file is opened again and asked.
        """
        began = time.monotonic()
        before, mended = store.last_seq, False
        while True:
            try:
                if not store.is_open:
                    store.reopen()
                last_seqs = store.write(requests) if store.last_seq == before else _numbers(before, requests, store)
                break
            except JournalBlocked as error:
                self._note_blocked(str(error))
                if self._closing.wait(self._retry_s):
                    raise
                if not isinstance(error.__cause__, apsw.FullError):  # a full disk leaves the connection as it was
                    with contextlib.suppress(JournalBlocked):
                        store.reopen()
            except JournalDamaged:
                raise
            except JournalError:
                if mended:
                    raise
                mended = True
                with contextlib.suppress(JournalBlocked):
                    store.reopen()
        self._note_written(began)
        self._commit_times.add(time.monotonic() - began)
        return last_seqs

    def _note_blocked(self, why: str) -> None:
        if self.blocked is None:
            log.error("journal_blocked", path=str(self.path), detail=why, remedy=BLOCKED_REMEDY)
        self.blocked = why

    def _note_written(self, began: float) -> None:
        if self.blocked is not None:
            log.info("journal_writes_again", path=str(self.path), blocked_s=round(time.monotonic() - began, 1))
        self.blocked = None

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
        futures = [self._opened, *(request.future for request in left if not isinstance(request, _Stop))]
        self._answer([(future, JournalError(*failure.args)) for future in futures])
        self._answer([(self._ended, None)])


def _forget_components(journal: Path) -> None:
    """Those of hours that were in the future are wrong; they are derived, and made again when they are asked for."""
    with contextlib.suppress(DerivedError), hourly_file(journal) as file:
        file.forget()


def _answered(call: _Call, store: Store) -> object:
    try:
        return call.run(store)
    except JournalBlocked as error:  # who asked may ask again; nothing that was promised is at stake
        return error
    except (ArithmeticError, TypeError, ValueError) as error:  # of a damaged row: who asked cannot have it
        return JournalError(f"a row of the journal cannot be read ({type(error).__name__}: {error})")


def _numbers(before: int, requests: Sequence[Rows], store: Store) -> list[int]:
    """The last sequence number of each request, of a commit that was on disk though it seemed to fail.

    Raises JournalError for a file that holds neither what was there before nor what was to be.
    """
    last_seqs = list(itertools.accumulate((len(request.events) for request in requests), initial=before))[1:]
    if last_seqs[-1] != store.last_seq:
        raise JournalError(
            f"the journal holds events up to {store.last_seq}, and should hold them up to {before} or {last_seqs[-1]}: "
            "it is another file than the one that was opened"
        )
    return last_seqs


def _deliver(answers: Sequence[tuple[asyncio.Future[Any], object]]) -> None:
    """In the loop: gives each waiter its answer, unless it has one or went away."""
    for future, answer in answers:
        if future.done():
            continue
        if isinstance(answer, JournalError):
            future.set_exception(answer)
        else:
            future.set_result(answer)
