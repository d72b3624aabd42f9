"""Who may do what on the board: users, their sessions, the tablets of stations, and the audit of what was changed."""

import hashlib
import hmac
import secrets
import sqlite3
import threading
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from mes.board.accounts.store import (
    REMEDY,
    SESSION,
    TABLETS,
    begin_session,
    changing,
    check,
    drop_ended,
    prepare,
    reading,
    write_line,
)
from mes.board.accounts.store import AccountsError as AccountsError
from mes.errors import did_you_mean
from mes.journal.names import NO_NAMES, Names
from mes.model import StationId

IDLE = timedelta(hours=12)
AT_MOST = timedelta(days=7)
TABLET_IDLE = timedelta(days=90)
TOUCHED_EVERY = timedelta(minutes=1)  # so that most requests only read
INVITED_FOR = timedelta(minutes=15)
CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that is taken for another: 0 O, 1 I L
CODE_LENGTH = 8
INVITED_BY = ", invited by "  # in a line of the audit, between station and name
PASSWORD_LENGTHS = range(8, 257)
NAME_LENGTHS = range(1, 65)
LARGEST = 2**63 - 1  # that SQLite takes; no tablet has this number
TRIES_WINDOW_S = 300.0
TRIES_PER_NAME = 5
TRIES_PER_ADDRESS = 20
TRIES_KEPT = 10_000
HASHING_AT_ONCE = 2  # each takes 64 MiB and a core


class Role(StrEnum):
    """What a person is in the plant."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    TEAM_LEADER = "team_leader"
    ENGINEER = "engineer"


class AuditAction(StrEnum):
    """What a line of the audit says was done; the words are stored, and pages translate by them."""

    USER_ADDED = "user added"
    PASSWORD_SET = "password set"  # noqa: S105 - an action
    ROLE_SET = "role set"
    USER_REMOVED = "user removed"
    SIGNED_IN = "signed in"
    SIGNED_OUT = "signed out"
    TABLET_INVITED = "tablet invited"
    TABLET_ENROLLED = "tablet enrolled"
    TABLET_REVOKED = "tablet revoked"


class Permission(StrEnum):
    """What can be done on the board."""

    READ = "read"
    EXPLAIN = "explain"  # give, split, merge and take back the reasons of stops
    CLOSE = "close"  # close a shift, and open it again
    RECONCILE = "reconcile"  # decide counts that no totaliser could decide
    AUDIT = "audit"  # see who changed what, and enrol tablets


RIGHTS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.EXPLAIN}),
    Role.TEAM_LEADER: frozenset({Permission.READ, Permission.EXPLAIN, Permission.CLOSE}),
    Role.ENGINEER: frozenset(Permission),
}


class NotAccepted(ValueError):
    """A name, a password or a number cannot be taken; the text says why, for the person who gave it."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: a user, or the tablet of one station, which is an operator there. `csrf`: the token of its forms."""

    name: str
    role: Role
    station: StationId | None
    csrf: str

    def may(self, what: Permission, station: StationId | None = None) -> bool:
        """Whether this person may do that, at `station`; a tablet changes nothing but at its own station."""
        if what not in RIGHTS[self.role]:
            return False
        return what is Permission.READ or self.station is None or self.station == station


@dataclass(frozen=True, slots=True)
class User:
    """A name that can sign in."""

    name: str
    role: Role
    created: datetime


@dataclass(frozen=True, slots=True)
class Tablet:
    """A tablet that was enrolled for a station; it stays so until `ends` unless it is used or revoked."""

    number: int
    station: StationId
    invited_by: str
    enrolled: datetime
    seen: datetime

    @property
    def ends(self) -> datetime:
        """When it has to be enrolled again, if it is not used before."""
        return self.seen + TABLET_IDLE


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who did what and when."""

    time: datetime
    who: str
    what: str
    detail: str


class Accounts:
    """The users, sessions and tablets of a plant, in one file that processes and threads share.

    `now` is asked for aware UTC. Passwords are kept as Argon2 hashes, tokens and codes as digests. Every method may
    wait for the disk, and `login` and `enrol` for the processor: call them in a thread. All raise AccountsError where
    the file cannot be used; those that change something raise NotAccepted for what a person has to correct.
    """

    def __init__(
        self,
        path: Path,
        now: Callable[[], datetime],
        *,
        hasher: PasswordHasher | None = None,
        must_open: bool = True,
        names: Names = NO_NAMES,
    ) -> None:
        """Makes the file where there is none. `names`: what stations were called when their tablets were enrolled.

        Without `must_open` a file that cannot be used is asked again each time.

        Such a file is never overwritten: somebody may still save the accounts in it.
        """
        self._path = path
        self._now = now
        self._names = names
        self._hasher = hasher or PasswordHasher()
        self._hashing = threading.BoundedSemaphore(HASHING_AT_ONCE)
        with nullcontext() if must_open else suppress(AccountsError):
            prepare(path)

    def trouble(self) -> str | None:
        """Why nobody can sign in; None while the file can be used."""
        try:
            check(self._path)
        except AccountsError as error:
            return str(error)
        return None

    def add(self, name: str, password: str, role: Role, by: str) -> None:
        """A new user."""
        name, hashed = _name(name), self._hashed(password)
        with self._changing(by, AuditAction.USER_ADDED, f"{name}, {role}") as (db, now_ms):
            if db.execute("SELECT 1 FROM users WHERE key = ?", (_key(name),)).fetchone():
                raise NotAccepted(f"there is a user {name} already")
            db.execute(
                "INSERT INTO users (name, key, role, hash, created) VALUES (?, ?, ?, ?, ?)",
                (name, _key(name), role, hashed, now_ms),
            )

    def set_password(self, name: str, password: str, by: str) -> None:
        """Another password; whoever is signed in under this name has to sign in again."""
        hashed = self._hashed(password)
        with self._changing(by, AuditAction.PASSWORD_SET, name) as (db, _):
            user = _user(db, name)
            db.execute("UPDATE users SET hash = ? WHERE id = ?", (hashed, user))
            db.execute("DELETE FROM sessions WHERE user = ?", (user,))

    def set_role(self, name: str, role: Role, by: str) -> None:
        """Another role; it holds at once, also for whoever is signed in."""
        with self._changing(by, AuditAction.ROLE_SET, f"{name}, {role}") as (db, _):
            db.execute("UPDATE users SET role = ? WHERE id = ?", (role, _user(db, name)))

    def remove(self, name: str, by: str) -> None:
        """Ends a user and all sessions of that name."""
        with self._changing(by, AuditAction.USER_REMOVED, name) as (db, _):
            db.execute("DELETE FROM users WHERE id = ?", (_user(db, name),))

    def users(self) -> list[User]:
        """Everybody, by name."""
        with reading(self._path) as db:
            rows = db.execute("SELECT name, role, created FROM users ORDER BY key").fetchall()
        return [User(name, _role(role), _instant(created)) for name, role, created in rows]

    def login(self, name: str, password: str) -> tuple[str, Person] | None:
        """A token and the person for a name and its password; None if either is wrong, after the same time."""
        with reading(self._path) as db:
            row = db.execute("SELECT id, name, hash FROM users WHERE key = ?", (_key(name),)).fetchone()
        nobody = (None, "", self._nobodys_hash)
        user, known_as, hashed = row or nobody
        if not self._fits(hashed, password) or user is None:
            return None
        fresh = self._hashed(password) if self._hasher.check_needs_rehash(hashed) else hashed
        token = secrets.token_urlsafe(32)
        with changing(self._path) as db:
            changed = db.execute("UPDATE users SET hash = ? WHERE id = ? AND hash = ?", (fresh, user, hashed))
            if not changed.rowcount:  # removed, or given another password, while this one was looked at
                return None
            now_ms = _ms(self._now())
            drop_ended(db, now_ms, idle_ms=_length_ms(IDLE), most_ms=_length_ms(AT_MOST))
            begin_session(db, _digest(token), now_ms, user=user)
            write_line(db, now_ms, known_as, AuditAction.SIGNED_IN, "")
        person = self.person(token)
        return None if person is None else (token, person)

    def person(self, token: str) -> Person | None:
        """Whose session this is, with the role of this moment; None if it ended. To ask is to use it."""
        now_ms, secret = _ms(self._now()), _digest(token)
        with reading(self._path) as db:
            row = db.execute(SESSION, (secret,)).fetchone()
        if row is None:
            return None
        name, role, tablet, station, created, seen = row
        if not isinstance(created, int) or not isinstance(seen, int):
            raise AccountsError(f"{self._path} is damaged: a session has no time; {REMEDY}")
        if tablet is None and now_ms > min(seen + _length_ms(IDLE), created + _length_ms(AT_MOST)):
            return None
        if tablet is not None and now_ms > seen + _length_ms(TABLET_IDLE):
            return None
        if abs(now_ms - seen) >= _length_ms(TOUCHED_EVERY):
            with suppress(AccountsError), changing(self._path) as db:  # a full disk ends no session
                db.execute("UPDATE sessions SET seen = ? WHERE token = ?", (now_ms, secret))
        csrf = hmac.digest(token.encode(errors="replace"), b"csrf", "sha256").hex()
        if tablet is not None:
            return Person(f"tablet {tablet}", Role.OPERATOR, self._names.now(StationId(station)), csrf)
        return Person(name, _role(role), None, csrf)

    def logout(self, token: str) -> None:
        """Ends this session; a tablet has to be enrolled again."""
        with changing(self._path) as db:
            row = db.execute(SESSION, (_digest(token),)).fetchone()
            if row is None:
                return
            name, _, tablet, station, *_ = row
            db.execute("DELETE FROM sessions WHERE token = ?", (_digest(token),))
            db.execute("DELETE FROM tablets WHERE id = ?", (tablet,))
            who = name if tablet is None else f"tablet {tablet}"
            write_line(db, _ms(self._now()), who, AuditAction.SIGNED_OUT, station or "")

    def invite(self, station: StationId, by: str) -> str:
        """A code that enrols one tablet for a station, once, within fifteen minutes."""
        code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
        with self._changing(by, AuditAction.TABLET_INVITED, station) as (db, now_ms):
            drop_ended(db, now_ms, idle_ms=_length_ms(IDLE), most_ms=_length_ms(AT_MOST))
            ends = now_ms + _length_ms(INVITED_FOR)
            db.execute("INSERT INTO invitations VALUES (?, ?, ?, ?)", (_code_digest(code), station, by, ends))
        return code

    def enrol(self, code: str) -> tuple[str, Person] | None:
        """A token and the tablet for a code, however it is spaced; None if there is no such code, or not any more."""
        secret, token = _code_digest(code), secrets.token_urlsafe(32)
        with changing(self._path) as db:
            now_ms = _ms(self._now())
            drop_ended(db, now_ms, idle_ms=_length_ms(IDLE), most_ms=_length_ms(AT_MOST))
            row = db.execute("SELECT station, invited_by FROM invitations WHERE code = ?", (secret,)).fetchone()
            if row is None:
                return None
            db.execute("DELETE FROM invitations WHERE code = ?", (secret,))
            tablet = db.execute("INSERT INTO tablets (station, invited_by) VALUES (?, ?)", row).lastrowid
            begin_session(db, _digest(token), now_ms, tablet=tablet)
            write_line(db, now_ms, f"tablet {tablet}", AuditAction.TABLET_ENROLLED, f"{row[0]}{INVITED_BY}{row[1]}")
        person = self.person(token)
        return None if person is None else (token, person)

    def tablets(self) -> list[Tablet]:
        """Every tablet that was enrolled and not revoked, by number."""
        with reading(self._path) as db:
            rows = db.execute(TABLETS).fetchall()
        return [
            Tablet(number, self._names.now(StationId(at)), by, _instant(begun), _instant(seen))
            for number, at, by, begun, seen in rows
        ]

    def revoke(self, tablet_id: int, by: str) -> None:
        """Ends a tablet's session at once."""
        with self._changing(by, AuditAction.TABLET_REVOKED, f"tablet {tablet_id}") as (db, _):
            if not db.execute("DELETE FROM tablets WHERE id = ?", (min(tablet_id, LARGEST),)).rowcount:
                raise NotAccepted(f"there is no tablet {tablet_id}")

    def audit(self, limit: int = 200) -> list[AuditLine]:
        """The latest lines of the audit, the newest first."""
        with reading(self._path) as db:
            rows = db.execute("SELECT time, who, what, detail FROM audit ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
        return [AuditLine(_instant(time), who, what, detail) for time, who, what, detail in rows]

    @contextmanager
    def _changing(self, who: str, what: AuditAction, detail: str) -> Iterator[tuple[sqlite3.Connection, int]]:
        """A change and its line in the audit, both or neither; gives the time of it in ms, too."""
        with changing(self._path) as db:
            now_ms = _ms(self._now())
            yield db, now_ms
            write_line(db, now_ms, who, what, detail)

    def _hashed(self, password: str) -> str:
        if len(password) not in PASSWORD_LENGTHS:
            raise NotAccepted(f"a password has 8 to 256 characters, this one has {len(password)}")
        with self._hashing:
            return self._hasher.hash(_password(password))

    def _fits(self, hashed: str, password: str) -> bool:
        with self._hashing:
            try:
                return self._hasher.verify(hashed, _password(password))
            except (Argon2Error, InvalidHashError):
                return False

    @cached_property
    def _nobodys_hash(self) -> str:
        """What the password of a name that does not exist is held against, so that this takes as long."""
        return self._hashed(secrets.token_urlsafe(32))


class LoginRateLimit:
    """How often somebody may try to sign in: 5 failures for a name and 20 from an address in 5 minutes.

    So that tries at the same time count as well, call `failed` as soon as `wait_s` is 0 and before the password is
    looked at; `succeeded` takes that back. A code of a tablet has no name: None. Kept in memory, of the latest 10,000
    names and addresses; for several threads.
    """

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], deque[float]] = {}  # the key that failed last stands last
        self._lock = threading.Lock()

    def wait_s(self, name: str | None, address: str, now_monotonic: float) -> float:
        """Seconds until the next try is looked at; 0: it may come now."""
        with self._lock:
            return max(0.0, *(self._wait_s(key, limit, now_monotonic) for key, limit in _keys(name, address)))

    def failed(self, name: str | None, address: str, now_monotonic: float) -> None:
        """One more failure."""
        with self._lock:
            for key, limit in _keys(name, address):
                self._failures[key] = self._failures.pop(key, deque[float](maxlen=limit))
                self._failures[key].append(now_monotonic)
            while len(self._failures) > TRIES_KEPT:
                del self._failures[next(iter(self._failures))]

    def succeeded(self, name: str | None, address: str) -> None:
        """The name has no failures any more; the address has one less, for it may be trying other names."""
        with self._lock:
            for key, _ in _keys(name, address):
                if key[0] == "name":
                    self._failures.pop(key, None)
                elif self._failures.get(key):
                    self._failures[key].pop()

    def _wait_s(self, key: tuple[str, str], limit: int, now_monotonic: float) -> float:
        failures = self._failures.get(key)
        if failures is None or len(failures) < limit:
            return 0.0
        return failures[0] + TRIES_WINDOW_S - now_monotonic


def _keys(name: str | None, address: str) -> list[tuple[tuple[str, str], int]]:
    named = [] if name is None else [(("name", _key(name)), TRIES_PER_NAME)]
    return [*named, (("address", address), TRIES_PER_ADDRESS)]


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise AccountsError(f"the file of accounts is damaged: it has a role {text!r}; {REMEDY}") from None


def _user(db: sqlite3.Connection, name: str) -> int:
    row = db.execute("SELECT id FROM users WHERE key = ?", (_key(name),)).fetchone()
    if row is None:
        names = [user for (user,) in db.execute("SELECT name FROM users ORDER BY key")]
        raise NotAccepted(f"there is no user `{name}`: {did_you_mean(name, names)}")
    return int(row[0])


def _name(name: str) -> str:
    """A name as it is kept. Raises NotAccepted."""
    name = unicodedata.normalize("NFC", name.strip())
    if len(name) not in NAME_LENGTHS:
        raise NotAccepted(f"a name has 1 to 64 characters, this one has {len(name)}")
    if not name.isprintable():
        raise NotAccepted(
            "a name consists of letters, digits, signs and spaces, this one has characters without a look"
        )
    return name


def _key(name: str) -> str:
    """What is the same for two ways to write one name."""
    written = unicodedata.normalize("NFKC", name[:1000].strip()).casefold()
    return unicodedata.normalize("NFKC", written)[:1000].encode(errors="replace").decode()


def _password(password: str) -> bytes:
    """The same bytes for the same characters, however a keyboard puts them together."""
    return unicodedata.normalize("NFKC", password).encode(errors="surrogatepass")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _code_digest(code: str) -> bytes:
    """A code is short, so that its digest has to be slow; it needs no salt, for it is random and lives for minutes."""
    typed = "".join(character for character in code[:100].upper() if character in CODE_LETTERS)
    return hashlib.scrypt(typed.encode(), salt=b"taktline tablet", n=2**14, r=8, p=1)


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def _length_ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
