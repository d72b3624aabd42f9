"""Looking after a journal's file by hand: is it sound, a copy of it while it is in use, and back from a copy."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import apsw

from adapters.operating_system import to_disk
from mes.errors import ConfigError, JournalDamaged, JournalError
from mes.journal.codec import Unreadable, from_us, to_us
from mes.journal.future import TOLERANCE
from mes.journal.replace import replace
from mes.journal.schema import check_identity, failed, fetch, placed, read_rows
from mes.journal.store import locked

AT_ONCE = 5_000  # events


@dataclass(frozen=True, slots=True)
class Contents:
    """What a journal holds; `damage`: the numbers of events that were lost once, as stretches.

    `unreadable`: the rows that this version cannot read, damaged ones and those of a newer version.
    `future`: events that were received later than now, by the machine's clock.
    """

    events: int
    first: datetime | None
    last: datetime | None
    stations: int
    process_values: int
    damage: tuple[tuple[int, int], ...]
    unreadable: tuple[Unreadable, ...]
    consumers: tuple[tuple[str, int], ...]
    future: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `faults`: SQLite's findings, empty if the file is sound; `contents` None: not readable."""

    path: Path
    format: int
    faults: tuple[str, ...]
    contents: Contents | None
    bytes_file: int
    bytes_log: int

    @property
    def sound(self) -> bool:
        """Whether all of the file can be read as it was written, by this version or a newer one."""
        return not self.faults and not self.damaged

    @property
    def damaged(self) -> tuple[Unreadable, ...]:
        """The events that no version can read."""
        return tuple(row for row in self._unreadable if not row.newer)

    @property
    def newer(self) -> tuple[Unreadable, ...]:
        """The events that a newer version has written."""
        return tuple(row for row in self._unreadable if row.newer)

    @property
    def _unreadable(self) -> tuple[Unreadable, ...]:
        return () if self.contents is None else self.contents.unreadable


def check(path: Path) -> Checked:
    """Reads the whole file beside whoever uses it; about a second for a million events.

    Raises ConfigError where there is no file, JournalError for one that is no journal.
    """
    connection = _readable(path)
    try:
        version = check_identity(connection, path)
        faults, contents = _faults(connection, path), None
        with suppress(JournalDamaged):
            contents = _contents(connection, path, version)
    except apsw.Error as error:
        raise failed(path, error) from error
    finally:
        connection.close()
    return Checked(path, version, faults, contents, path.stat().st_size, _size(path.with_name(path.name + "-wal")))


def _faults(connection: apsw.Connection, path: Path) -> tuple[str, ...]:
    try:
        verdict = [str(row[0]) for row in fetch(connection, path, "PRAGMA integrity_check(20)")]
    except JournalError as error:  # damaged pages, or rows of which an index cannot be made
        return (str(error),)
    return tuple(line for text in verdict for line in text.splitlines() if text != "ok")


def _contents(connection: apsw.Connection, path: Path, version: int) -> Contents:
    count = "SELECT count(*), min(time_us), max(time_us), count(DISTINCT station) FROM event"
    (events, first_us, last_us, stations), *_ = fetch(connection, path, count)
    (values,), *_ = fetch(connection, path, "SELECT count(*) FROM telemetry")
    holes = "SELECT first_seq, last_seq FROM damage ORDER BY first_seq"
    damage = fetch(connection, path, holes) if version >= 3 else []
    consumers = fetch(
        connection, path, "SELECT name, seq FROM consumer WHERE note = '' AND typeof(seq) = 'integer' ORDER BY name"
    )
    first, last = (from_us(time_us) if isinstance(time_us, int) else None for time_us in (first_us, last_us))
    latest_us = to_us(datetime.now(UTC) + TOLERANCE)
    (future,), *_ = fetch(connection, path, "SELECT count(*) FROM event WHERE received_us > ?", latest_us)
    return Contents(
        events=events,
        first=first,
        last=last,
        stations=stations,
        process_values=values,
        damage=tuple((int(one), int(other)) for one, other in damage),
        unreadable=tuple(_unreadable(connection, path)),
        consumers=tuple((str(name), int(seq)) for name, seq in consumers),
        future=int(future),
    )


def _unreadable(connection: apsw.Connection, path: Path) -> Iterator[Unreadable]:
    after = 0
    while rows := read_rows(connection, path, after, AT_ONCE):
        yield from (placed(connection, path, row) for row in rows if isinstance(row, Unreadable))
        after = rows[-1].seq


def backup(path: Path, target: Path) -> int:
    """Copies the journal as it is at this moment, while it is in use; returns the bytes of the copy.

    The copy is checked and on disk before it gets its name. Raises ConfigError if `target` exists or there is no
    journal, JournalError for what SQLite reports.
    """
    if target.exists():
        raise ConfigError(f"{target} exists already: name a new file for the backup")
    if not target.parent.is_dir():
        raise ConfigError(f"there is no folder {target.parent}: make it first, on another disk if there is one")
    begun = target.with_name(target.name + ".part")
    begun.unlink(missing_ok=True)
    connection = _readable(path)
    try:
        check_identity(connection, path)
        connection.execute("VACUUM INTO ?", (str(begun),))
    except apsw.Error as error:
        begun.unlink(missing_ok=True)
        raise failed(path, error) from error
    finally:
        connection.close()
    found = check(begun)
    if found.faults:
        begun.unlink()
        raise JournalError(f"the copy of {path} is not sound ({found.faults[0]}): run `mes journal check`")
    begun.chmod(0o600)
    to_disk(begun)
    begun.rename(target)
    to_disk(target.parent)
    return found.bytes_file


def restore(source: Path, path: Path) -> Path | None:
    """Puts a backup in the journal's place; what was there is kept beside it and returned, None if nothing was.

    Raises ConfigError for a backup that is none, JournalError while a collector uses the journal.
    """
    found = check(source)
    if found.faults:
        raise ConfigError(f"{source} is damaged ({found.faults[0]}): take another backup")
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        fresh = path.with_name(path.name + ".new")
        shutil.copyfile(source, fresh)
        fresh.chmod(0o600)
        return replace(path, fresh, "before")


def _readable(path: Path) -> apsw.Connection:
    if not path.is_file():
        raise ConfigError(f"there is no journal at {path}: run `mes run` first, or name another with --journal")
    try:
        return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error as error:
        raise failed(path, error) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
