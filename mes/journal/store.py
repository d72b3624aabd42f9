"""The journal's file: its tables, its one writing connection, and every statement that changes it."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import apsw

from adapters.operating_system import hold, to_disk
from adapters.reading import ControllerId
from mes.errors import JournalError
from mes.intervals import MICROSECOND, Interval
from mes.journal.codec import LATEST_US, EventRow, Unreadable, from_us, read_row, to_us
from mes.journal.future import TOLERANCE, is_behind
from mes.journal.replace import finish_replacing
from mes.journal.schema import (
    COUNT_KIND,
    COUNT_PRODUCT,
    COUNTS,
    EVENT,
    ONLY_UNITS,
    SELECT_LAST_SEQ,
    SELECT_OBSERVED,
    SELECT_STATES,
    failed,
    fetch,
    prepare,
    read_events,
    read_rows,
)
from mes.model import Journaled, ProcessValue, StationId, TotaliserId, UnitsCounted, totaliser_of

WAL_TIDY_BYTES = 16 * 1024 * 1024
INSERT_EVENT = (
    "INSERT INTO event (seq, station, kind, time_us, received_us, from_us, to_us, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
UPSERT_STATE = (
    "INSERT INTO station_state (station, body) VALUES (?, ?) ON CONFLICT (station) DO UPDATE SET body = excluded.body"
)
UPSERT_OBSERVED = (
    "INSERT INTO observed (controller, time_us) VALUES (?, ?) "
    "ON CONFLICT (controller) DO UPDATE SET time_us = excluded.time_us"
)
CORRECT_EVENTS = (
    "UPDATE event SET time_us = min(time_us, ?1), received_us = ?1, from_us = min(from_us, ?1), to_us = min(to_us, ?1) "
    f"WHERE received_us > ?2 AND received_us <= {LATEST_US}"
)
LATER = f"received_us > ? AND received_us <= {LATEST_US}"  # a damaged row may say anything
INSERT_TELEMETRY = "INSERT INTO telemetry (station, name, time_us, value) VALUES (?, ?, ?, ?)"
UPSERT_CONSUMER = (
    "INSERT INTO consumer (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE "
    "SET seq = CASE WHEN typeof(seq) = 'integer' THEN max(seq, excluded.seq) ELSE excluded.seq END"
)
UPSERT_QUARANTINE = (
    "INSERT INTO quarantine (sink, point, line, status, answer, since_us) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT "
    "(sink, point) DO UPDATE SET line = excluded.line, status = excluded.status, answer = excluded.answer"
)
REFUSED = "SELECT point, line, status, answer, since_us FROM quarantine WHERE sink = ? ORDER BY since_us, point"
DELETE_QUARANTINE = "DELETE FROM quarantine WHERE sink = ? AND point = ?"


@dataclass(frozen=True, slots=True)
class RejectedPoint:
    """A line that a sink refuses by itself; `point` is its identity there, `since_us` when it was first refused."""

    point: str
    line: str
    status: int
    answer: str
    since_us: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of the file and of its write-ahead log, and how many of the file's are free to be used again."""

    file: int
    log: int
    unused: int


@dataclass(frozen=True, slots=True)
class Future:
    """Stamps that are later than now: how many events have them, the latest of them, and the last that is not so.

    `is_behind`: they are right and the machine's clock is not; else they are of a clock that was ahead.
    """

    events: int
    latest: datetime
    last_right: datetime | None
    is_behind: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """What one request wants written, already encoded; all of it in one transaction or none."""

    events: Sequence[EventRow] = ()
    states: Sequence[tuple[str, bytes]] = ()
    telemetry: Sequence[tuple[str, str, int, float]] = ()
    observed: Sequence[tuple[str, int]] = ()
    cursors: Sequence[tuple[str, int]] = ()
    refused: Sequence[tuple[str, str, str, int, str, int]] = ()  # sink, then the fields of RejectedPoint
    accepted: Sequence[tuple[str, str]] = ()  # sink and point of what it takes after all


class Store:
    """The one connection that writes and checkpoints, under a lock that keeps a second program out.

    Used by one thread at a time. Every method raises JournalError for whatever SQLite or the disk reports.
    """

    def __init__(self, path: Path, *, vfs: str | None = None) -> None:
        """Creates or opens, checks and locks the file; what it holds is then known to be readable.

        `vfs`: the name of SQLite's layer to the disk, None for the system's.
        """
        self._path = path
        self._vfs = vfs
        with contextlib.ExitStack() as undo:
            try:
                _make_folder(path.parent)
                self._lock = _lock(path)
                undo.callback(os.close, self._lock)
                finish_replacing(path)
                _create(path)
                self._connection = apsw.Connection(str(path), vfs=vfs)
                undo.callback(self._connection.close, force=True)
                prepare(self._connection, path)
            except (apsw.Error, OSError) as error:
                raise failed(path, error) from error
            self.last_seq = int(self._fetch(SELECT_LAST_SEQ)[0][0])
            self.is_open = True
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Moves what is in the write-ahead log into the file and unlocks it."""
        try:
            self._connection.close()
        except apsw.Error as error:
            raise failed(self._path, error) from error
        finally:
            os.close(self._lock)

    def reopen(self) -> None:
        """A fresh connection under the same lock, after the disk refused something; what is on disk decides.

        Until it succeeds the store is not open. It creates no file: where that is gone its disk is, and may come back.
        """
        self.is_open = False
        try:
            with contextlib.suppress(apsw.Error):
                self._connection.close(force=True)
            self._connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=self._vfs)
            prepare(self._connection, self._path, check=False)
        except (apsw.Error, OSError) as error:
            raise failed(self._path, error) from error
        self.last_seq = int(self._fetch(SELECT_LAST_SEQ)[0][0])
        self.is_open = True

    def write(self, requests: Sequence[Rows]) -> list[int]:
        """One transaction, one fsync; returns the last sequence number of each request when all is on disk."""
        last_seqs: list[int] = []
        seq = self.last_seq
        events: list[tuple[int, str, str, int, int, int, int, str]] = []
        for rows in requests:
            for row in rows.events:
                seq += 1
                events.append((seq, *row))
            last_seqs.append(seq)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(INSERT_EVENT, events)
            for statement, part in (
                (UPSERT_STATE, [row for rows in requests for row in rows.states]),
                (UPSERT_OBSERVED, [row for rows in requests for row in rows.observed]),
                (INSERT_TELEMETRY, [row for rows in requests for row in rows.telemetry]),
                (UPSERT_CONSUMER, [row for rows in requests for row in rows.cursors]),
                (UPSERT_QUARANTINE, [row for rows in requests for row in rows.refused]),
                (DELETE_QUARANTINE, [row for rows in requests for row in rows.accepted]),
            ):
                self._connection.executemany(statement, part)
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            if self._connection.in_transaction:
                with contextlib.suppress(apsw.Error):
                    self._connection.execute("ROLLBACK")
            raise failed(self._path, error) from error
        self.last_seq = seq
        return last_seqs

    def read(self, after: int, limit: int) -> list[Journaled]:
        """At most `limit` events after sequence number `after`, in order."""
        return read_events(self._connection, self._path, after, limit)

    def read_rows(self, after: int, limit: int) -> list[Journaled | Unreadable]:
        """The same, and what this version cannot read."""
        return read_rows(self._connection, self._path, after, limit)

    def read_telemetry(self, after_rowid: int, limit: int) -> list[tuple[int, ProcessValue]]:
        """At most `limit` process values after row `after_rowid`, with their rows' numbers, in order."""
        statement = "SELECT id, station, name, time_us, value FROM telemetry WHERE id > ? ORDER BY id LIMIT ?"
        return [
            (row, ProcessValue(station=StationId(station), name=name, time=from_us(time_us), value=value))
            for row, station, name, time_us, value in self._fetch(statement, after_rowid, limit)
        ]

    def station_states(self) -> dict[StationId, bytes]:
        """Every station's state as it was last written."""
        return {StationId(station): body for station, body in self._fetch(SELECT_STATES)}

    def last_counts(self) -> list[Journaled]:
        """The last event of each station's totalisers."""
        newest = f"SELECT max(seq) FROM event WHERE {COUNTS} AND {COUNT_KIND} IS NOT NULL AND seq < ?"
        statement = f"{EVENT} WHERE seq IN ({newest} GROUP BY station, {COUNT_KIND}, {COUNT_PRODUCT}) ORDER BY seq"
        before = self.last_seq + 1
        found: dict[tuple[StationId, TotaliserId], Journaled] = {}
        while rows := [read_row(*row) for row in self._fetch(statement, before)]:
            for journaled in rows:
                if isinstance(journaled, Journaled) and isinstance(journaled.event, UnitsCounted):
                    found.setdefault((journaled.event.station, totaliser_of(journaled.event)), journaled)
            damaged = [row.seq for row in rows if isinstance(row, Unreadable)]
            if not damaged:
                break
            before = max(damaged)  # an older one of the same totaliser counts
        return list(found.values())

    def future(self, now: datetime) -> Future | None:
        """What is stamped later than `now`; None if nothing is: no event as the newest one, and no proof of life."""
        latest_us = to_us(now + TOLERANCE)
        seen = max(self.observed().values(), default=now)
        newest = f"SELECT 1 FROM (SELECT received_us FROM event ORDER BY seq DESC LIMIT 1) WHERE {LATER}"
        if seen <= now + TOLERANCE and not self._fetch(newest, latest_us):
            return None
        later = f"SELECT count(*), max(received_us), min(seq) FROM event WHERE {LATER}"
        events, furthest_us, first_seq = self._fetch(later, latest_us)[0]
        right_us = self._fetch("SELECT max(received_us) FROM event WHERE received_us <= ?", latest_us)[0][0]
        jump = None if not events or right_us is None else self._largest_jump(first_seq)
        latest = seen if furthest_us is None else max(seen, from_us(furthest_us))
        last_right = None if right_us is None else from_us(right_us)
        return Future(int(events), latest, last_right, bool(events) and is_behind(now, latest, jump))

    def _largest_jump(self, seq: int) -> timedelta | None:
        """The largest from one event's stamp to the next one's, from the one before `seq` on; None without any."""
        before = "SELECT max(seq) FROM event WHERE seq < ?"
        stamps = "SELECT received_us - lag(received_us) OVER (ORDER BY seq) AS jump_us FROM event WHERE seq >="
        jump_us = self._fetch(f"SELECT max(jump_us) FROM ({stamps} ({before}))", seq)[0][0]
        return None if jump_us is None else jump_us * MICROSECOND

    def forget_future(self, now: datetime) -> None:
        """Brings everything that was stamped later than `now` back to `now`, in one transaction.

        Events keep their numbers, their order and in their bodies what was stamped.
        """
        now_us, latest_us = to_us(now), to_us(now + TOLERANCE)
        try:
            with self._connection:
                self._connection.execute(CORRECT_EVENTS, (now_us, latest_us))
                self._connection.execute("UPDATE observed SET time_us = min(time_us, ?)", (now_us,))
        except apsw.Error as error:
            raise failed(self._path, error) from error

    def observed(self) -> dict[ControllerId, datetime]:
        """When each controller was last known to have been seen."""
        found = self._fetch(SELECT_OBSERVED)
        return {ControllerId(controller): from_us(time_us) for controller, time_us in found}

    def cursor(self, name: str) -> int:
        """How far a consumer has come; 0 if it never was here, or the row is damaged."""
        found = self._fetch("SELECT seq FROM consumer WHERE name = ? AND typeof(seq) = 'integer'", name)
        return int(found[0][0]) if found else 0

    def remember(self, name: str, note: str) -> None:
        """Keeps a word about a consumer."""
        kept = "INSERT INTO consumer (name, seq, note) VALUES (?, 0, ?)"
        self._change(f"{kept} ON CONFLICT (name) DO UPDATE SET note = excluded.note", name, note)

    def remembered(self, name: str) -> str:
        """The word that was kept; empty if none was."""
        found = self._fetch("SELECT note FROM consumer WHERE name = ?", name)
        return str(found[0][0]) if found else ""

    def cursors(self) -> dict[str, int]:
        """Where every consumer stands."""
        statement = "SELECT name, seq FROM consumer WHERE note = '' AND typeof(seq) = 'integer'"
        return {name: int(seq) for name, seq in self._fetch(statement)}

    def refused(self, sink: str) -> list[RejectedPoint]:
        """All lines that a sink refuses, the oldest first."""
        return [RejectedPoint(*row) for row in self._fetch(REFUSED, sink)]

    def last_telemetry(self) -> int:
        """The number of the last process value; 0 if there is none."""
        return int(self._fetch("SELECT coalesce(max(id), 0) FROM telemetry")[0][0])

    def affected_windows(self, after: int, limit: int) -> tuple[int, dict[StationId, Interval]]:
        """Up to which number the next events go, and the stretch of each station's time that they bear on."""
        until = min(after + limit, self.last_seq)
        spans = (
            "SELECT CAST(station AS BLOB), min(from_us), max(to_us) FROM event NOT INDEXED WHERE seq > ? AND seq <= ?"
        )
        found = self._fetch(f"{spans} GROUP BY station", after, until)
        names = [StationId(station.decode(errors="replace")) for station, _, _ in found]
        return until, {
            name: Interval(from_us(first), from_us(max(first, last)))
            for name, (_, first, last) in zip(names, found, strict=True)
        }

    def changed_beyond_units(self, after: int, until: int) -> frozenset[StationId]:
        """The stations with events after a number, up to another, that say more than which units were made."""
        events = "SELECT DISTINCT CAST(station AS BLOB) FROM event NOT INDEXED WHERE seq > ? AND seq <= ?"
        found = self._fetch(f"{events} AND NOT ({ONLY_UNITS})", after, until)
        return frozenset(StationId(station.decode(errors="replace")) for (station,) in found)

    def thin_telemetry(self, before_us: int, now_us: int, limit: int) -> tuple[int, int]:
        """Drops the oldest process values, as far as they are from before an instant, at most `limit` at once.

        Those that were stamped later than now, by a clock that was ahead, go with the first old ones after them.
        Returns how many went, and the number of the last of them (0 if none did).
        """
        oldest = "SELECT id, time_us FROM telemetry WHERE time_us <= ? ORDER BY id LIMIT ?"
        old = [row for row, time_us in self._fetch(oldest, now_us, limit) if time_us < before_us]
        if not old:
            return 0, 0
        gone = "DELETE FROM telemetry WHERE id <= ? AND (time_us < ? OR time_us > ?)"
        self._change(gone, old[-1], before_us, now_us)
        return len(old), int(old[-1])

    def tidy(self, pages: int) -> Footprint:
        """Gives at most `pages` unused pages back to the disk, empties a long write-ahead log; what is then left."""
        self._change(f"PRAGMA incremental_vacuum({int(pages)})")
        log = self._path.with_name(self._path.name + "-wal")
        if log.exists() and log.stat().st_size > WAL_TIDY_BYTES:
            self._change("PRAGMA wal_checkpoint(TRUNCATE)")  # does nothing while somebody reads
        unused = int(self._connection.pragma("freelist_count")) * int(self._connection.pragma("page_size"))
        return Footprint(self._path.stat().st_size, log.stat().st_size if log.exists() else 0, unused)

    def _change(self, statement: str, *values: int | str) -> None:
        try:
            self._connection.execute(statement, values).fetchall()
        except apsw.Error as error:
            raise failed(self._path, error) from error

    def _fetch(self, statement: str, *values: str | int) -> list[tuple[Any, ...]]:
        return fetch(self._connection, self._path, statement, *values)


def _make_folder(folder: Path) -> None:
    """For its owner only, where it is new."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o700)


def _create(path: Path) -> None:
    """An empty file for its owner only."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        to_disk(path.parent)  # the name itself must survive a power cut too


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps every collector out while the block runs. Raises JournalError when one is in."""
    lock = _lock(path)
    try:
        yield
    finally:
        os.close(lock)


def _lock(path: Path) -> int:
    """Holds `<path>.lock` until the descriptor is closed, which the system does even for a killed process."""
    name = path.with_name(path.name + ".lock")
    lock = os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        hold(lock)
    except BlockingIOError as error:
        os.close(lock)
        raise JournalError(
            f"{path} is in use by another collector, which holds {name}: stop that one first, "
            "or give this one a journal of its own"
        ) from error
    return lock
