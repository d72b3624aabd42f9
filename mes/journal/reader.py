"""Reading the journal from another process or thread, without ever standing in the writer's way."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import apsw

from mes.intervals import Interval
from mes.journal.codec import decode_event, from_us, to_us
from mes.journal.store import BUSY_MS, SELECT_EVENTS, SELECT_LAST_SEQ, check_identity, failed, fetch
from mes.model import Journaled, StationId


class JournalReader:
    """A read-only view for reports; sees what is committed, as of each call.

    Every read transaction is short and fetched whole, since one that stays open would stop the writer's
    checkpoints. Not for use by two threads at once. Every method raises JournalError for what SQLite reports.
    """

    def __init__(self, path: Path) -> None:
        """Opens an existing journal."""
        self._path = path
        try:
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            self._connection.set_busy_timeout(BUSY_MS)
            self._connection.pragma("wal_autocheckpoint", 0)
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            check_identity(self._connection, path)
        except apsw.Error as error:
            raise failed(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    def events(self, station: StationId, *, until: datetime | None = None) -> Iterator[Journaled]:
        """The events of a station in journal order, those of before `until` only where that is given."""
        statement = "SELECT seq, kind, body FROM event WHERE station = ? ORDER BY seq"
        values: tuple[str | int, ...] = (station,)
        if until is not None:
            statement = "SELECT seq, kind, body FROM event WHERE station = ? AND time_us < ? ORDER BY seq"
            values = (station, to_us(until))
        for row in self._fetch(statement, *values):
            yield decode_event(*row)

    def read(self, after: int, limit: int) -> list[Journaled]:
        """At most `limit` events after sequence number `after`, in order."""
        return [decode_event(*row) for row in self._fetch(SELECT_EVENTS, after, limit)]

    def last_seq(self, station: StationId | None = None) -> int:
        """The number of the last committed event, of one station or of all; 0 where there is none."""
        if station is None:
            return int(self._fetch(SELECT_LAST_SEQ)[0][0])
        return int(self._fetch(f"{SELECT_LAST_SEQ} WHERE station = ?", station)[0][0])

    def stations(self) -> tuple[StationId, ...]:
        """The stations that have events, sorted by name."""
        # steps from name to name in the index, where DISTINCT would walk through all of it
        found: list[StationId] = []
        name: str | None = ""
        while name is not None:
            name = self._fetch("SELECT min(station) FROM event WHERE station > ?", name)[0][0]
            if name is not None:
                found.append(StationId(name))
        return tuple(found)

    def span(self) -> Interval | None:
        """From the first event's time to the latest that is known of any controller; None for an empty journal."""
        # apart, each is one step in the index; together they would be a walk
        earliest = "SELECT min(time_us) FROM event WHERE station = ?"
        latest = "SELECT max(time_us) FROM event WHERE station = ?"
        stations = self.stations()
        if not stations:
            return None
        start_us = min(self._fetch(earliest, each)[0][0] for each in stations)
        ends_us = [self._fetch(latest, each)[0][0] for each in stations]
        seen_us = [row[0] for row in self._fetch("SELECT time_us FROM observed")]
        return Interval(from_us(start_us), from_us(max(*ends_us, *seen_us, start_us)))

    def _fetch(self, statement: str, *values: str | int) -> list[tuple[Any, ...]]:
        return fetch(self._connection, self._path, statement, *values)
