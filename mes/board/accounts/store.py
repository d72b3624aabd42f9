"""The SQLite file of the board's people: for its owner only, opened for each use, changed in whole transactions."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from adapters.operating_system import give_to_owner_of, to_disk
from mes.errors import MesError

VERSION = 1
APPLICATION = 0x54414B50  # "TAKP", so that no other file is taken for one of ours
BUSY_S = 5.0
REMEDY = "`mes journal restore` brings back the accounts of a backup"
SCHEMA = """
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, key TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
        hash TEXT NOT NULL, created INTEGER NOT NULL);
    CREATE TABLE tablets (id INTEGER PRIMARY KEY AUTOINCREMENT, station TEXT NOT NULL, invited_by TEXT NOT NULL);
    CREATE TABLE sessions (
        token BLOB PRIMARY KEY, user INTEGER REFERENCES users ON DELETE CASCADE,
        tablet INTEGER REFERENCES tablets ON DELETE CASCADE, created INTEGER NOT NULL, seen INTEGER NOT NULL,
        CHECK ((user IS NULL) <> (tablet IS NULL))) WITHOUT ROWID;
    CREATE INDEX sessions_of_users ON sessions (user);
    CREATE INDEX sessions_of_tablets ON sessions (tablet);
    CREATE TABLE invitations (
        code BLOB PRIMARY KEY, station TEXT NOT NULL, invited_by TEXT NOT NULL, ends INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
        detail TEXT NOT NULL);
"""  # times are milliseconds since 1970; tokens and codes are digests
SESSION = """
    SELECT users.name, users.role, tablets.id, tablets.station, sessions.created, sessions.seen
    FROM sessions LEFT JOIN users ON users.id = sessions.user LEFT JOIN tablets ON tablets.id = sessions.tablet
    WHERE sessions.token = ?
"""
TABLETS = """
    SELECT tablets.id, station, invited_by, sessions.created, seen
    FROM tablets JOIN sessions ON sessions.tablet = tablets.id ORDER BY tablets.id
"""


class AccountsError(MesError):
    """The file of the board's people cannot be used; mend what the line below names, collecting goes on meanwhile."""


def accounts_path(journal: Path) -> Path:
    """Where the accounts of a plant are: beside its journal."""
    return journal.with_name("people.sqlite")


def prepare(path: Path) -> None:
    """Makes the file where there is none, and lets nobody but its owner read it. Raises AccountsError."""
    try:
        if not path.exists():
            _create(path)
        if not path.is_file():
            raise AccountsError(f"{path} is no file: move it away")
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise AccountsError(f"{path}: {error.strerror}") from error
    with _opened(path) as db:
        if _is_empty(db):
            with db:
                db.execute("BEGIN IMMEDIATE")
                if _is_empty(db):  # still: another process may have been quicker
                    for statement in SCHEMA.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {APPLICATION}")
                    db.execute(f"PRAGMA user_version = {VERSION}")
        _check(path, db)


def check(path: Path) -> None:
    """Raises AccountsError unless the accounts in the file can be read."""
    with reading(path) as db:
        db.execute("SELECT name, role, hash, created FROM users").fetchall()
        db.execute(SESSION, (b"",)).fetchall()


def backup(path: Path, target: Path) -> None:
    """Copies the accounts as they are at this moment, checked, for the owner only. Raises AccountsError.

    The copy gets its name when it is whole and on disk.
    """
    begun = target.with_name(target.name + ".part")
    begun.unlink(missing_ok=True)
    with reading(path) as db:
        os.close(os.open(begun, os.O_CREAT | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(begun)) as copy:
            db.backup(copy)
    try:
        sound(begun)
    except AccountsError:
        begun.unlink()
        raise
    to_disk(begun)
    begun.rename(target)
    to_disk(target.parent)


def sound(path: Path) -> None:
    """Raises AccountsError unless the file is whole, and one of accounts."""
    check(path)
    with reading(path) as db:
        found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise AccountsError(f"{path} is damaged: {found}; take another backup")


def restore(source: Path, path: Path) -> Path | None:
    """Puts a backup of the accounts in their place; what was there is kept and returned, None if nothing was.

    Everybody signs in again, for a session of then may have been ended since. Raises AccountsError.
    """
    sound(source)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    backup(source, fresh)
    with changing(fresh) as db:
        db.execute("DELETE FROM sessions WHERE user IS NOT NULL")
        db.execute("DELETE FROM invitations")
    to_disk(fresh)
    kept = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    there = path.exists()
    if there:
        path.rename(kept)
    fresh.rename(path)
    to_disk(path.parent)
    return kept if there else None


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, to read. Raises AccountsError."""
    with _opened(path) as db:
        _check(path, db)
        yield db


@contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """The file in a transaction of its own, which holds only if the block ends well. Raises AccountsError."""
    with _opened(path) as db, db:
        db.execute("BEGIN IMMEDIATE")
        _check(path, db)
        yield db


def begin_session(
    db: sqlite3.Connection, secret: bytes, now_ms: int, *, user: int | None = None, tablet: int | None = None
) -> None:
    """A session of a user or of a tablet, under the digest of its token."""
    db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", (secret, user, tablet, now_ms, now_ms))


def drop_ended(db: sqlite3.Connection, now_ms: int, *, idle_ms: int, most_ms: int) -> None:
    """Forgets users' sessions and invitations that are over; tablets stay, so that they are seen in the list."""
    ended = (now_ms - idle_ms, now_ms - most_ms)
    db.execute("DELETE FROM sessions WHERE user IS NOT NULL AND (seen < ? OR created < ?)", ended)
    db.execute("DELETE FROM invitations WHERE ends <= ?", (now_ms,))


def write_line(db: sqlite3.Connection, now_ms: int, who: str, what: str, detail: str) -> None:
    """One line of the audit."""
    line = (text.encode(errors="replace").decode() for text in (who, what, detail))
    db.execute("INSERT INTO audit (time, who, what, detail) VALUES (?, ?, ?, ?)", (now_ms, *line))


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Never makes a file: one that is removed while the program runs is missed, not replaced by an empty one."""
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)) as db:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA secure_delete = ON")
            db.execute("PRAGMA synchronous = FULL")
            yield db
    except sqlite3.OperationalError as error:  # busy, full, gone
        raise AccountsError(f"{path}: {error}") from error
    except sqlite3.Error as error:
        raise AccountsError(f"{path}: {error}; {REMEDY}") from error


def _create(path: Path) -> None:
    """An empty file. What root makes belongs to the owner of the folder, so that the collector can use it."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o700)
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        give_to_owner_of(path.parent, handle)
    finally:
        os.close(handle)


def _is_empty(db: sqlite3.Connection) -> bool:
    return (_number(db, "application_id"), _number(db, "schema_version")) == (0, 0)


def _check(path: Path, db: sqlite3.Connection) -> None:
    if _number(db, "application_id") != APPLICATION:
        raise AccountsError(f"{path} is a database, but not one of the board's people: move it away")
    version = _number(db, "user_version")
    if version > VERSION:
        raise AccountsError(
            f"{path} is of format {version}, this program knows format {VERSION}: a newer one has written it, use that"
        )


def _number(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])
