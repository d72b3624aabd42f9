"""The file of hourly components beside a journal: derived, and made anew from the journal whenever it is missing."""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

import apsw

from mes.journal.codec import from_us, to_us
from mes.journal.schema import BUSY_MS, failed, fetch
from mes.model import StationId

FORMAT = 1
KEPT_VARIANTS = 4  # of a station's standard and calendar; older ones were changed long ago
SCHEMA = """
CREATE TABLE IF NOT EXISTS progress (
    id INTEGER PRIMARY KEY, station TEXT NOT NULL, variant TEXT NOT NULL,
    seq INTEGER NOT NULL, until_us INTEGER NOT NULL,
    UNIQUE (station, variant)
);
CREATE TABLE IF NOT EXISTS cell (
    progress INTEGER NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (progress, start_us)
) WITHOUT ROWID;
"""

Row = tuple[datetime, datetime, bytes]  # [start, end) and what the caller made of it


class HourlyFile:
    """Cells of stations under a variant of their standard. Every method raises JournalError for what SQLite reports."""

    def __init__(self, path: Path | None) -> None:
        """Opens or creates the file; None, or a place that cannot be written: in memory, for this process only."""
        self._path = path or Path(":memory:")
        try:
            self._connection = apsw.Connection(str(self._path))
            self._connection.set_busy_timeout(BUSY_MS)
            if self._connection.pragma("user_version") not in {0, FORMAT}:
                self._connection.execute("DROP TABLE progress; DROP TABLE cell")
            self._connection.pragma("journal_mode", "WAL")
            self._connection.pragma("synchronous", "NORMAL")  # what is lost is computed again
            self._connection.execute(SCHEMA)
            self._connection.pragma("user_version", FORMAT)
        except apsw.Error as error:
            raise failed(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    def progress(self, station: StationId, variant: str) -> tuple[int, datetime] | None:
        """Up to which event and which instant the cells are made; None if there are none."""
        found = fetch(
            self._connection,
            self._path,
            "SELECT seq, until_us FROM progress WHERE station = ? AND variant = ?",
            *(station, variant),
        )
        return (found[0][0], from_us(found[0][1])) if found else None

    def variants(self, station: StationId) -> frozenset[str]:
        """Those that there are cells of."""
        found = fetch(self._connection, self._path, "SELECT variant FROM progress WHERE station = ?", station)
        return frozenset(row[0] for row in found)

    def cells(self, station: StationId, variant: str, start: datetime, end: datetime) -> list[bytes]:
        """The bodies of the cells inside `[start, end)`, in order."""
        statement = (
            "SELECT body FROM cell JOIN progress ON progress.id = cell.progress "
            "WHERE station = ? AND variant = ? AND start_us >= ? AND end_us <= ? ORDER BY start_us"
        )
        found = fetch(self._connection, self._path, statement, station, variant, to_us(start), to_us(end))
        return [row[0] for row in found]

    def replace(
        self, station: StationId, variant: str, rows: Sequence[Row], *, after: datetime, seq: int, until: datetime
    ) -> None:
        """Puts `rows` in the place of all cells that end after `after`; the progress is `seq` and `until` then."""
        try:
            with self._connection:
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
                self._forget_old(station)
        except apsw.Error as error:
            raise failed(self._path, error) from error

    def _forget_old(self, station: StationId) -> None:
        old = self._connection.execute(
            "SELECT id FROM progress WHERE station = ? ORDER BY id DESC LIMIT -1 OFFSET ?", (station, KEPT_VARIANTS)
        ).fetchall()
        for (number,) in old:
            self._connection.execute("DELETE FROM cell WHERE progress = ?", (number,))
            self._connection.execute("DELETE FROM progress WHERE id = ?", (number,))


def hourly_file(journal: Path) -> HourlyFile:
    """The one beside a journal, or one in memory where the folder is not ours to write to."""
    with contextlib.suppress(OSError):
        probe = journal.with_name(journal.name + ".hourly")
        with probe.open("ab"):
            return HourlyFile(probe)
    return HourlyFile(None)
