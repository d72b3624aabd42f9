"""The file of hourly components beside a journal: derived, and made again from the journal whenever it is missing."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import apsw

from mes.errors import DerivedError
from mes.journal.codec import from_us, to_us
from mes.journal.replace import put_aside
from mes.journal.schema import BUSY_MS
from mes.logs import get_logger
from mes.model import StationId
from mes.stopping import interruptible

log = get_logger()

FORMAT = 2
MEMORY = ":memory:"
KEPT_VARIANTS = 4  # of a station's standard and calendar; older ones were changed long ago
SCHEMA = """
CREATE TABLE IF NOT EXISTS progress (
    id INTEGER PRIMARY KEY, station TEXT NOT NULL, variant TEXT NOT NULL,
    seq INTEGER NOT NULL, until_us INTEGER NOT NULL, cells INTEGER NOT NULL DEFAULT 0,
    UNIQUE (station, variant)
);
CREATE TABLE IF NOT EXISTS cell (
    progress INTEGER NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (progress, start_us)
) WITHOUT ROWID;
"""

Row = tuple[datetime, datetime, bytes]  # [start, end) and what the caller made of it


class HourlyFile:
    """Cells of stations under a variant of their standard. Every method raises DerivedError for what SQLite reports."""

    def __init__(self, path: Path | None) -> None:
        """Opens or creates the file; None, or a place that cannot be used: in memory, for this process only.

        A damaged file is kept beside it under another name, and an empty one takes its place.
        """
        self._path = path
        try:
            connection = _opened(path)
        except DerivedError as error:
            connection = _renewed(path, error)
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close(force=True)

    def renew(self, error: DerivedError) -> None:
        """Begins with an empty file, or in memory where there cannot be one; a damaged file is kept beside it."""
        self.close()
        self._connection = _renewed(self._path, error)

    def forget(self) -> None:
        """Drops all cells, of all stations."""
        with _told(self._path), self._connection:
            self._connection.execute("DELETE FROM cell; DELETE FROM progress")

    def progress(self, station: StationId, variant: str) -> tuple[int, datetime] | None:
        """Up to which event and which instant the cells are made; None if there are none."""
        held = "(SELECT count(*) FROM cell WHERE cell.progress = progress.id)"
        statement = f"SELECT seq, until_us, cells, {held} FROM progress WHERE station = ? AND variant = ?"
        with _told(self._path):
            found = self._fetch(statement, station, variant)
            if not found:
                return None
            seq, until_us, written, left = found[0]
            if written != left:
                raise ValueError(f"{left} of {written} cells of {station} are left")
            return int(seq), from_us(until_us)

    def variants(self, station: StationId) -> frozenset[str]:
        """Those that there are cells of."""
        with _told(self._path):
            return frozenset(row[0] for row in self._fetch("SELECT variant FROM progress WHERE station = ?", station))

    def cells(self, station: StationId, variant: str, start: datetime, end: datetime) -> list[tuple[datetime, bytes]]:
        """Where each cell inside `[start, end)` begins, and its body; in order."""
        statement = (
            "SELECT start_us, body FROM cell JOIN progress ON progress.id = cell.progress "
            "WHERE station = ? AND variant = ? AND start_us >= ? AND end_us <= ? ORDER BY start_us"
        )
        with _told(self._path):
            rows = self._fetch(statement, station, variant, to_us(start), to_us(end))
            return [(from_us(start_us), bytes(body)) for start_us, body in rows]

    def replace(
        self, station: StationId, variant: str, rows: Sequence[Row], *, after: datetime, seq: int, until: datetime
    ) -> None:
        """Puts `rows` in the place of all cells that end after `after`; the progress is `seq` and `until` then."""
        with _told(self._path), self._connection:
            self._connection.execute(
                "INSERT INTO progress (station, variant, seq, until_us) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (station, variant) DO UPDATE SET seq = excluded.seq, until_us = excluded.until_us",
                (station, variant, seq, to_us(until)),
            )
            found = self._connection.execute(
                "SELECT id FROM progress WHERE station = ? AND variant = ?", (station, variant)
            ).fetchall()
            number = found[0][0]
            self._connection.execute("DELETE FROM cell WHERE progress = ? AND end_us > ?", (number, to_us(after)))
            self._connection.executemany(
                "INSERT INTO cell (progress, start_us, end_us, body) VALUES (?, ?, ?, ?)",
                [(number, to_us(start), to_us(end), body) for start, end, body in rows],
            )
            self._connection.execute(
                "UPDATE progress SET cells = (SELECT count(*) FROM cell WHERE progress = ?) WHERE id = ?",
                (number, number),
            )
            self._forget_old(station)

    def _fetch(self, statement: str, *values: str | int) -> list[tuple[Any, ...]]:
        with interruptible(self._connection.interrupt):
            return self._connection.execute(statement, values).fetchall()

    def _forget_old(self, station: StationId) -> None:
        old = self._connection.execute(
            "SELECT id FROM progress WHERE station = ? ORDER BY id DESC LIMIT -1 OFFSET ?", (station, KEPT_VARIANTS)
        ).fetchall()
        for (number,) in old:
            self._connection.execute("DELETE FROM cell WHERE progress = ?", (number,))
            self._connection.execute("DELETE FROM progress WHERE id = ?", (number,))


def _opened(path: Path | None) -> apsw.Connection:
    with _told(path):
        connection = apsw.Connection(MEMORY if path is None else str(path))
        try:
            connection.set_busy_timeout(BUSY_MS)
            if connection.pragma("user_version") not in {0, FORMAT}:
                connection.execute("DROP TABLE IF EXISTS progress; DROP TABLE IF EXISTS cell")
            connection.pragma("journal_mode", "WAL")
            connection.pragma("synchronous", "NORMAL")  # what is lost is computed again
            connection.execute(SCHEMA)
            connection.pragma("user_version", FORMAT)
        except apsw.Error:
            connection.close(force=True)
            raise
    return connection


def _renewed(path: Path | None, error: DerivedError) -> apsw.Connection:
    aside = None
    if path is not None and error.damaged:
        with contextlib.suppress(OSError):
            aside = put_aside(path)
    log.error("hourly_file_unusable", detail=str(error), kept_as=str(aside or ""), remedy="none needed: made again")
    if aside is not None:
        with contextlib.suppress(DerivedError):
            return _opened(path)
    return _opened(None)


@contextlib.contextmanager
def _told(path: Path | None) -> Iterator[None]:
    """Says what SQLite reports, and what a damaged row cannot be, as DerivedError."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, TypeError, ValueError) as error:
        raise DerivedError(f"{path or MEMORY} is damaged: {error}", damaged=True) from error
    except apsw.Error as error:
        raise DerivedError(f"{path or MEMORY}: {error}", damaged=False) from error


def hourly_file(journal: Path) -> HourlyFile:
    """The one beside a journal, or one in memory where the folder is not ours to write to."""
    with contextlib.suppress(OSError):
        probe = journal.with_name(journal.name + ".hourly")
        with probe.open("ab"):
            return HourlyFile(probe)
    return HourlyFile(None)
