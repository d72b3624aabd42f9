"""Saves what can be read of a damaged journal into a new one; the damaged file is put aside and kept."""

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw

from mes.errors import JournalError
from mes.journal.codec import read_row, to_us
from mes.journal.replace import replace
from mes.journal.schema import BUSY_MS, prepare
from mes.model import Journaled

CHUNK = 500  # rows read at once; a chunk that cannot be read is halved until the damage is found
TABLES = {
    "station_state": ("station", "body"),
    "observed": ("controller", "time_us"),
    "consumer": ("name", "seq", "note"),
    "quarantine": ("sink", "point", "line", "status", "answer", "since_us"),
    "damage": ("first_seq", "last_seq", "found_us"),
}
EVENT = ("seq", "station", "kind", "time_us", "received_us", "body", "from_us", "to_us")
LEAST_ROW_BYTES = 20
PROBES = 200
# A number that was handed on is never given to another event, nor to another process value.
EVENT_CONSUMERS = "name IN ('influx-kpi', 'influx-plant') OR name LIKE 'influx-events%'"
TELEMETRY_CONSUMERS = "name LIKE 'influx-process%'"
TELEMETRY = ("id", "station", "name", "time_us", "value")


def salvage(path: Path, damage: str, *, vfs: str | None = None) -> str:
    """Puts the damaged file aside and begins a new one with all that can be read; says what was done, for the log.

    Events keep their numbers; the numbers that are lost stand in the table `damage` and are told by
    `mes journal check`. Raises JournalError when not even the file's head can be read.
    """
    now = datetime.now(UTC)
    fresh = path.with_name(path.name + ".new")
    for old in _files(fresh):
        old.unlink(missing_ok=True)
    with contextlib.ExitStack() as opened:
        try:
            source = apsw.Connection(str(path), vfs=vfs)
            opened.callback(source.close, force=True)
            source.set_busy_timeout(BUSY_MS)
            os.close(os.open(fresh, os.O_CREAT | os.O_WRONLY, 0o600))
            target = apsw.Connection(str(fresh), vfs=vfs)
            opened.callback(target.close, force=True)
            prepare(target, fresh)
            with target:
                lost = _copy(source, target, to_us(now))
        except apsw.Error as error:
            raise JournalError(
                f"{path} is damaged ({damage}) and cannot be read at all ({error}): `mes journal restore` brings back "
                "a backup; or move the file aside, keep it, and start with a new journal"
            ) from error
    aside = replace(path, fresh, "damaged")
    assert aside is not None
    gone = ", ".join(f"{first} to {last}" for first, last in lost) or "none"
    return f"{damage}; the damaged file is kept as {aside.name}; events that could not be read: {gone}"


def _files(path: Path) -> tuple[Path, Path, Path]:
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _copy(source: apsw.Connection, target: apsw.Connection, now_us: int) -> list[tuple[int, int]]:
    """Copies all rows that can be read; returns the stretches of event numbers that are lost."""
    for table, columns in TABLES.items():
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        with contextlib.suppress(apsw.Error, UnicodeDecodeError):  # a small table is read as far as it goes
            for row in source.execute(f"SELECT {names} FROM {table}"):
                target.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", row)
    _copy_numbered(source, target, "telemetry", TELEMETRY)
    _number_on(source, target)
    _copy_numbered(source, target, "event", EVENT)
    lost = _holes(target)
    known = {row[0] for row in target.execute("SELECT first_seq FROM damage")}
    target.executemany(
        "INSERT INTO damage (first_seq, last_seq, found_us) VALUES (?, ?, ?)",
        [(first, last, now_us) for first, last in lost if first not in known],
    )
    return [stretch for stretch in lost if stretch[0] not in known]


def _copy_numbered(source: apsw.Connection, target: apsw.Connection, table: str, columns: tuple[str, ...]) -> None:
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    stretch = f"SELECT {names} FROM {table} WHERE {columns[0]} BETWEEN ? AND ?"
    for rows in _readable(source, stretch, _last(source, table, columns[0])):
        target.executemany(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", rows)


def _number_on(source: apsw.Connection, target: apsw.Connection) -> None:
    """Process values go on after the highest number that there ever was, though it was lost, or thinned out."""
    known = [_number(target, f"SELECT coalesce(max(seq), 0) FROM consumer WHERE {TELEMETRY_CONSUMERS}")]
    for connection in (source, target):
        with contextlib.suppress(apsw.Error, IndexError):
            known.append(_number(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'telemetry'"))
    target.execute("DELETE FROM sqlite_sequence WHERE name = 'telemetry'")
    target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('telemetry', ?)", (max(known),))


def _last(source: apsw.Connection, table: str, number: str) -> int:
    """The highest number that can be in the table; a damaged page may claim any."""
    possible = _number(source, "PRAGMA page_count") * _number(source, "PRAGMA page_size") // LEAST_ROW_BYTES
    for first in (f"SELECT min({number}) FROM {table}", f"SELECT min(last_seq) FROM damage WHERE '{table}' = 'event'"):
        with contextlib.suppress(apsw.Error, TypeError):
            possible += _number(source, first)
    with contextlib.suppress(apsw.Error):
        return min(_number(source, f"SELECT coalesce(max({number}), 0) FROM {table}"), possible)
    return possible


def _number(connection: apsw.Connection, statement: str) -> int:
    rows: list[tuple[Any, ...]] = connection.execute(statement).fetchall()
    return int(rows[0][0])


def _readable(source: apsw.Connection, statement: str, last: int) -> Iterator[list[tuple[object, ...]]]:
    """Rows by stretches of their numbers, without those that cannot be read."""

    def read(first: int, until: int) -> list[tuple[object, ...]] | None:
        with contextlib.suppress(apsw.Error, UnicodeDecodeError):
            return [row for row in source.execute(statement, (first, until)).fetchall() if _is_sound(row)]
        return None

    if last and all(read(number, number) is None for number in range(1, last + 1, max(1, last // PROBES))):
        return  # the way into the table is gone
    waiting = [(first, min(first + CHUNK - 1, last)) for first in range(1, last + 1, CHUNK)][::-1]
    while waiting:
        first, until = waiting.pop()
        rows = read(first, until)
        if rows is not None:
            yield rows
        elif first < until:
            middle = (first + until) // 2
            waiting += [(middle + 1, until), (first, middle)]


def _is_sound(row: tuple[object, ...]) -> bool:
    """Whether an event's body is what it was; a torn page may still look like rows."""
    if len(row) != len(EVENT):
        return True
    read = read_row(int(str(row[0])), row[2], row[5])
    return isinstance(read, Journaled) or read.newer


def _holes(target: apsw.Connection) -> list[tuple[int, int]]:
    """The numbers that are missing between the first event and the last, and those that a consumer has seen beyond."""
    numbered = "SELECT seq, lag(seq, 1, 0) OVER (ORDER BY seq) AS before FROM event"
    rows: list[tuple[Any, ...]] = target.execute(
        f"SELECT before + 1, seq - 1 FROM ({numbered}) WHERE seq > before + 1"
    ).fetchall()
    last = _number(target, "SELECT coalesce(max(seq), 0) FROM event")
    seen = _number(target, f"SELECT coalesce(max(seq), 0) FROM consumer WHERE {EVENT_CONSUMERS}")
    return [*rows, *([(last + 1, seen)] if seen > last else [])]
