"""The journal's tables, the file's format and how an older one is brought up to date."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw

from mes.errors import JournalBlocked, JournalDamaged, JournalError
from mes.journal.codec import EARLIEST_US, LATEST_US, Unreadable, encode_event, from_us, read_row
from mes.model import Journaled
from mes.stopping import interruptible

APPLICATION_ID = 0x54414B54  # "TAKT", in the file's header
SCHEMA_VERSION = 3
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
# What a sink refuses by itself, while it takes the rest; and what a damaged disk took from the journal.
SINCE_FORMAT_3 = """
CREATE TABLE quarantine (
    sink TEXT NOT NULL, point TEXT NOT NULL, line TEXT NOT NULL,
    status INTEGER NOT NULL, answer TEXT NOT NULL, since_us INTEGER NOT NULL,
    PRIMARY KEY (sink, point)
) WITHOUT ROWID;
CREATE TABLE damage (first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, found_us INTEGER NOT NULL);
"""

# Stretches of a station's history are read by time; what bears on other times than its own, and states before and
# after a stretch, have small indexes of their own. A car is found by its id.
STATE_KINDS = "kind IN ('state_changed', 'connection_lost', 'connection_restored')"
UNIT_KINDS = "kind IN ('unit_completed', 'unit_entered', 'unit_left')"
LOST = "kind = 'connection_lost'"
RESTORED = "kind = 'connection_restored'"
COUNTS = "kind = 'units_counted'"
COUNT_KIND = "CASE WHEN json_valid(body) THEN json_extract(body, '$.kind') END"  # a damaged body is no error
COUNT_PRODUCT = "CASE WHEN json_valid(body) THEN json_extract(body, '$.totaliser_product') END"
COMPLETED = "kind = 'unit_completed'"
QUALITIES = "kind = 'quality_changed'"
SIGNAL = "CASE WHEN json_valid(body) THEN json_extract(body, '$.signal') END"
UNRECONCILED = "kind IN ('count_unreconciled', 'count_reconciled')"
# units that came, went and were counted at the event's own time; no state, fault or reason changes by them
ONLY_UNITS = (
    "kind IN ('units_counted', 'unit_completed', 'unit_entered', 'unit_left', 'units_unidentified', 'product_changed') "
    "AND from_us = to_us"
)
CLOSINGS = "('shift_closed', 'shift_reopened')"
# persons say the others, later
SEEN = "kind NOT IN ('reason_assigned', 'shift_closed', 'shift_reopened', 'count_reconciled')"
UNIT = "CASE WHEN json_valid(body) THEN json_extract(body, '$.unit') END"
INDEXES = f"""
CREATE INDEX IF NOT EXISTS event_reaching ON event (station, to_us) WHERE from_us <> to_us;
CREATE INDEX IF NOT EXISTS event_begins ON event (station, from_us) WHERE from_us <> to_us AND {SEEN};
CREATE INDEX IF NOT EXISTS event_state ON event (station, time_us) WHERE {STATE_KINDS};
CREATE INDEX IF NOT EXISTS event_lost ON event (station, time_us) WHERE {LOST};
CREATE INDEX IF NOT EXISTS event_restored ON event (station, time_us) WHERE {RESTORED};
CREATE INDEX IF NOT EXISTS event_kind_of_count ON event (station, {COUNT_KIND}) WHERE {COUNTS};
CREATE INDEX IF NOT EXISTS event_quality ON event (station, {SIGNAL}, time_us) WHERE {QUALITIES};
CREATE INDEX IF NOT EXISTS event_completed ON event (station, time_us) WHERE {COMPLETED};
CREATE INDEX IF NOT EXISTS telemetry_by_station ON telemetry (station, time_us);
CREATE INDEX IF NOT EXISTS event_of_unit ON event ({UNIT}) WHERE {UNIT_KINDS};
CREATE INDEX IF NOT EXISTS event_doubt ON event (kind) WHERE {UNRECONCILED};
DROP INDEX IF EXISTS event_count_kind;
DROP INDEX IF EXISTS event_unit;
"""
# As bytes: of what is no UTF-8 the whole answer would fail.
EVENT = "SELECT seq, CAST(kind AS BLOB), CAST(body AS BLOB) FROM event"
SELECT_EVENTS = f"{EVENT} WHERE seq > ? ORDER BY seq LIMIT ?"
PLACE = "SELECT CAST(station AS BLOB), time_us, received_us FROM event WHERE seq = ?"
# Read as bytes, for a damaged row may hold no text; what is no time at all says nothing of a controller.
SELECT_STATES = "SELECT station, CAST(body AS BLOB) FROM station_state"
SELECT_OBSERVED = (
    "SELECT controller, time_us FROM observed "
    f"WHERE typeof(time_us) = 'integer' AND time_us BETWEEN {EARLIEST_US} AND {LATEST_US}"
)
SELECT_LAST_SEQ = (
    "SELECT max(coalesce((SELECT max(seq) FROM event), 0), coalesce((SELECT max(last_seq) FROM damage), 0))"
)


def fetch(
    connection: apsw.Connection, path: Path, statement: str, *values: str | bytes | int | None
) -> list[tuple[Any, ...]]:
    """All rows at once: a read that stays open stops the checkpoints. Raises JournalError."""
    try:
        with interruptible(connection.interrupt):
            return connection.execute(statement, values).fetchall()
    except apsw.Error as error:
        raise failed(path, error) from error
    except UnicodeDecodeError as error:
        raise JournalError(f"{path}: a row is no UTF-8 text ({error}): run `mes journal check`") from error


def read_rows(connection: apsw.Connection, path: Path, after: int, limit: int) -> list[Journaled | Unreadable]:
    """At most `limit` rows after a number, in order, those that are no events among them. Raises JournalError."""
    return [read_row(*row) for row in fetch(connection, path, SELECT_EVENTS, after, limit)]


def read_events(connection: apsw.Connection, path: Path, after: int, limit: int) -> list[Journaled]:
    """The first `limit` events after a number, in order. Raises JournalError."""
    found: list[Journaled] = []
    while len(found) < limit:
        asked = limit - len(found)
        rows = read_rows(connection, path, after, asked)
        found += [row for row in rows if isinstance(row, Journaled)]
        if len(rows) < asked:
            break
        after = rows[-1].seq
    return found


def placed(connection: apsw.Connection, path: Path, row: Unreadable) -> Unreadable:
    """The same with station and time, as far as the row's other columns tell. Raises JournalError."""
    found = fetch(connection, path, PLACE, row.seq)
    station, time_us, _ = found[0] if found else (None, None, None)
    known = isinstance(time_us, int) and EARLIEST_US <= time_us <= LATEST_US
    name = station.decode(errors="replace") if isinstance(station, bytes) else ""
    return replace(row, station=name, time=from_us(time_us) if known else None)


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
    text = f"{path}: {type(error).__name__}: {error}"
    match error:
        case apsw.CorruptError():
            return JournalDamaged(text)
        case apsw.FullError() | apsw.ReadOnlyError() | apsw.CantOpenError():
            return JournalBlocked(text)
        case _:
            return JournalError(text)


def prepare(connection: apsw.Connection, path: Path, *, check: bool = True) -> None:
    """Makes an empty file a journal, brings an older one up to date. Raises JournalError and apsw.Error."""
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
            connection.execute(SCHEMA + SINCE_FORMAT_3 + INDEXES)
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", SCHEMA_VERSION)
        return
    verdict = connection.execute("PRAGMA quick_check(1)").fetchall() if check else [("ok",)]
    if verdict != [("ok",)]:
        found = " ".join(str(verdict[0][0]).split())
        raise JournalDamaged(f"{path} is damaged ({found}): `mes run` saves what can be read into a new journal")
    with connection:
        if connection.pragma("user_version") == 1:
            _from_format_1(connection)
        if connection.pragma("user_version") == 2:
            connection.execute(SINCE_FORMAT_3)
            connection.pragma("user_version", SCHEMA_VERSION)
    # an index that an earlier program of this format did not make only makes faster: a full disk can wait with it
    with suppress(apsw.FullError, apsw.ReadOnlyError):
        connection.execute(INDEXES)


def _from_format_1(connection: apsw.Connection) -> None:
    """Adds what format 2 knows of each event: the stretch that it bears on."""
    connection.execute("ALTER TABLE event ADD COLUMN from_us INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE event ADD COLUMN to_us INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE event SET from_us = time_us, to_us = time_us")
    reaching = f"{EVENT} WHERE kind IN ('units_counted', 'connection_restored')"
    rows: list[tuple[Any, ...]] = connection.execute(reaching).fetchall()
    for seq, kind, body in rows:
        read = read_row(seq, kind, body)
        if isinstance(read, Unreadable):
            continue
        _, _, _, _, first_us, last_us, _ = encode_event(read.event)
        if first_us != last_us:
            connection.execute("UPDATE event SET from_us = ? WHERE seq = ?", (first_us, seq))
    connection.execute(INDEXES)
    connection.pragma("user_version", 2)
