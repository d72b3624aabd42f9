"""The journal's file: its tables, its one writing connection, and every statement that changes it."""

import contextlib
import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import apsw

from adapters.reading import ControllerId
from mes.errors import JournalError
from mes.journal.codec import EventRow, decode_event, encode_event, from_us
from mes.model import Journaled, ProcessValue, StationId

APPLICATION_ID = 0x54414B54  # "TAKT", in the file's header
SCHEMA_VERSION = 2
BUSY_MS = 5_000
WAL_LIMIT_BYTES = 64 * 1024 * 1024

SCHEMA = """
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    station TEXT NOT NULL,
    kind TEXT NOT NULL,
    time_us INTEGER NOT NULL,
    received_us INTEGER NOT NULL,
    body TEXT NOT NULL,
    from_us INTEGER NOT NULL DEFAULT 0,
    to_us INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX event_by_station ON event (station, time_us);
CREATE TABLE station_state (station TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE observed (controller TEXT PRIMARY KEY, time_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE telemetry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    station TEXT NOT NULL,
    name TEXT NOT NULL,
    time_us INTEGER NOT NULL,
    value REAL NOT NULL
);
CREATE TABLE consumer (name TEXT PRIMARY KEY, seq INTEGER NOT NULL, note TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
"""

# Stretches of a station's history are read by time; what bears on other times than its own, and states before and
# after a stretch, have small indexes of their own. A car is found by its id.
STATE_KINDS = "kind IN ('state_changed', 'connection_lost', 'connection_restored')"
UNIT_KINDS = "kind IN ('unit_completed', 'unit_entered', 'unit_left')"
LOST = "kind = 'connection_lost'"
RESTORED = "kind = 'connection_restored'"
COUNTS = "kind = 'units_counted'"
COUNT_KIND = "json_extract(body, '$.kind')"
COMPLETED = "kind = 'unit_completed'"
SEEN = "kind NOT IN ('reason_assigned', 'shift_closed', 'shift_reopened')"  # persons say those, later
UNIT = "json_extract(body, '$.unit')"
INDEXES = f"""
CREATE INDEX IF NOT EXISTS event_reaching ON event (station, to_us) WHERE from_us <> to_us;
CREATE INDEX IF NOT EXISTS event_state ON event (station, time_us) WHERE {STATE_KINDS};
CREATE INDEX IF NOT EXISTS event_lost ON event (station, time_us) WHERE {LOST};
CREATE INDEX IF NOT EXISTS event_restored ON event (station, time_us) WHERE {RESTORED};
CREATE INDEX IF NOT EXISTS event_count_kind ON event (station, {COUNT_KIND}) WHERE {COUNTS};
CREATE INDEX IF NOT EXISTS event_completed ON event (station, time_us) WHERE {COMPLETED};
CREATE INDEX IF NOT EXISTS telemetry_by_station ON telemetry (station, time_us);
CREATE INDEX IF NOT EXISTS event_unit ON event ({UNIT}) WHERE {UNIT_KINDS};
"""
SELECT_EVENTS = "SELECT seq, kind, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
SELECT_LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM event"
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
INSERT_TELEMETRY = "INSERT INTO telemetry (station, name, time_us, value) VALUES (?, ?, ?, ?)"
UPSERT_CONSUMER = (
    "INSERT INTO consumer (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = max(seq, excluded.seq)"
)


@dataclass(frozen=True, slots=True)
class Rows:
    """What one request wants written, already encoded; all of it in one transaction or none."""

    events: Sequence[EventRow] = ()
    states: Sequence[tuple[str, bytes]] = ()
    telemetry: Sequence[tuple[str, str, int, float]] = ()
    observed: Sequence[tuple[str, int]] = ()
    cursors: Sequence[tuple[str, int]] = ()


class Store:
    """The one connection that writes and checkpoints, under a lock that keeps a second program out.

    Used by one thread at a time. Every method raises JournalError for whatever SQLite or the disk reports.
    """

    def __init__(self, path: Path) -> None:
        """Creates or opens, checks and locks the file; what it holds is then known to be readable."""
        self._path = path
        with contextlib.ExitStack() as undo:
            try:
                _create(path)
                self._lock = _lock(path)
                undo.callback(os.close, self._lock)
                self._connection = apsw.Connection(str(path))
                undo.callback(self._connection.close, force=True)
                _prepare(self._connection, path)
            except (apsw.Error, OSError) as error:
                raise failed(path, error) from error
            self.last_seq = int(self._fetch(SELECT_LAST_SEQ)[0][0])
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
        return [decode_event(*row) for row in self._fetch(SELECT_EVENTS, after, limit)]

    def read_telemetry(self, after_rowid: int, limit: int) -> list[tuple[int, ProcessValue]]:
        """At most `limit` process values after row `after_rowid`, with their rows' numbers, in order."""
        statement = "SELECT id, station, name, time_us, value FROM telemetry WHERE id > ? ORDER BY id LIMIT ?"
        return [
            (row, ProcessValue(station=StationId(station), name=name, time=from_us(time_us), value=value))
            for row, station, name, time_us, value in self._fetch(statement, after_rowid, limit)
        ]

    def station_states(self) -> dict[StationId, bytes]:
        """Every station's state as it was last written."""
        return {StationId(station): body for station, body in self._fetch("SELECT station, body FROM station_state")}

    def observed(self) -> dict[ControllerId, datetime]:
        """When each controller was last known to have been seen."""
        found = self._fetch("SELECT controller, time_us FROM observed")
        return {ControllerId(controller): from_us(time_us) for controller, time_us in found}

    def cursor(self, name: str) -> int:
        """How far a consumer has come; 0 if it never was here."""
        found = self._fetch("SELECT seq FROM consumer WHERE name = ?", name)
        return int(found[0][0]) if found else 0

    def _fetch(self, statement: str, *values: str | int) -> list[tuple[Any, ...]]:
        return fetch(self._connection, self._path, statement, *values)


def fetch(connection: apsw.Connection, path: Path, statement: str, *values: str | int) -> list[tuple[Any, ...]]:
    """All rows at once: a read that stays open stops the checkpoints. Raises JournalError."""
    try:
        return connection.execute(statement, values).fetchall()
    except apsw.Error as error:
        raise failed(path, error) from error


def check_identity(connection: apsw.Connection, path: Path) -> int:
    """The file's format; raises JournalError unless it is a journal that this version can read."""
    if connection.pragma("application_id") != APPLICATION_ID:
        raise JournalError(f"{path} is a database of some other program: name another file for the journal")
    version = connection.pragma("user_version")
    if not 1 <= version <= SCHEMA_VERSION:
        raise JournalError(
            f"{path} has format {version}, this program reads format {SCHEMA_VERSION}: run the version that wrote it"
        )
    return int(version)


def failed(path: Path, error: Exception) -> JournalError:
    """The error to raise for what SQLite or the disk said."""
    return JournalError(f"{path}: {type(error).__name__}: {error}")


def _create(path: Path) -> None:
    """An empty file for its owner only, in a folder for its owner only where the folder is new."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o700)
    if path.exists():
        return
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name itself must survive a power cut too
    finally:
        os.close(folder)


def _lock(path: Path) -> int:
    """Holds `<path>.lock` until the descriptor is closed, which the system does even for a killed process."""
    name = path.with_name(path.name + ".lock")
    lock = os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise JournalError(
            f"{path} is in use by another collector, which holds {name}: stop that one first, "
            "or give this one a journal of its own"
        ) from error
    return lock


def _prepare(connection: apsw.Connection, path: Path) -> None:
    connection.set_busy_timeout(BUSY_MS)
    fresh = connection.pragma("page_count") == 0
    if fresh:
        connection.pragma("auto_vacuum", "INCREMENTAL")  # must come before anything is in the file
    else:
        check_identity(connection, path)
    connection.pragma("mmap_size", 0)
    connection.pragma("journal_mode", "WAL")
    connection.pragma("journal_size_limit", WAL_LIMIT_BYTES)
    connection.pragma("synchronous", "FULL")  # plants lose power
    if fresh:
        with connection:
            connection.execute(SCHEMA + INDEXES)
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", SCHEMA_VERSION)
        return
    verdict = connection.execute("PRAGMA quick_check(1)").fetchall()
    if verdict != [("ok",)]:
        found = " ".join(str(verdict[0][0]).split())
        raise JournalError(
            f"{path} is damaged ({found}): move it and its -wal file aside, keep them for recovery, "
            "and start again with a new journal"
        )
    if connection.pragma("user_version") == 1:
        with connection:
            _from_format_1(connection)


def _from_format_1(connection: apsw.Connection) -> None:
    """Adds what format 2 knows of each event: the stretch that it bears on."""
    connection.execute("ALTER TABLE event ADD COLUMN from_us INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE event ADD COLUMN to_us INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE event SET from_us = time_us, to_us = time_us")
    reaching = "SELECT seq, kind, body FROM event WHERE kind IN ('units_counted', 'connection_restored')"
    rows: list[tuple[Any, ...]] = connection.execute(reaching).fetchall()
    for seq, kind, body in rows:
        _, _, _, _, from_us, to_us, _ = encode_event(decode_event(seq, kind, body).event)
        if from_us != to_us:
            connection.execute("UPDATE event SET from_us = ? WHERE seq = ?", (from_us, seq))
    connection.execute(INDEXES)
    connection.pragma("user_version", SCHEMA_VERSION)
