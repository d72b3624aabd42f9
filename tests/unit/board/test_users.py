"""Who may do what on the board: rights, sessions, tablets, the audit, and the file that holds them."""

import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from argon2 import PasswordHasher

from mes.board.accounts.users import (
    CODE_LETTERS,
    RIGHTS,
    TRIES_KEPT,
    Accounts,
    AccountsError,
    LoginRateLimit,
    NotAccepted,
    Permission,
    Person,
    Role,
)
from mes.model import StationId

FRAMING, PAINT = StationId("site/weld/weld-1/framing"), StationId("site/paint/line/booth")
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
SECRET = "correct horse"
BOSS = "boss (command line)"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.sqlite"


@pytest.fixture
def accounts(path: Path, clock: Hand) -> Accounts:
    return Accounts(path, clock, hasher=QUICK)


def signed_in(accounts: Accounts, name: str = "Anna", role: Role = Role.OPERATOR) -> str:
    """The token of a new user's session."""
    accounts.add(name, SECRET, role, BOSS)
    return again(accounts, name)


def again(accounts: Accounts, name: str = "Anna") -> str:
    done = accounts.login(name, SECRET)
    assert done is not None
    return done[0]


def tablet(accounts: Accounts, station: StationId = FRAMING) -> str:
    """The token of a newly enrolled tablet."""
    done = accounts.enrol(accounts.invite(station, BOSS))
    assert done is not None
    return done[0]


def known(accounts: Accounts, token: str) -> Person:
    found = accounts.person(token)
    assert found is not None
    return found


# Rights


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.VIEWER, {"read"}),
        (Role.OPERATOR, {"read", "explain"}),
        (Role.TEAM_LEADER, {"read", "explain", "close"}),
        (Role.ENGINEER, {"read", "explain", "close", "reconcile", "audit"}),
    ],
)
def test_each_role_may_what_its_rights_say_and_nothing_else(role: Role, rights: set[str]) -> None:
    """A person may exactly what RIGHTS gives the role, at every station and at none."""
    person = Person("Anna", role, None, "")

    for station in (None, FRAMING):
        assert {permission for permission in Permission if person.may(permission, station)} == RIGHTS[role] == rights
    assert set(RIGHTS) == set(Role)


def test_a_tablet_explains_at_its_own_station_only(accounts: Accounts) -> None:
    """A station's tablet reads everything, explains there, and nothing where no station is named or another one."""
    person = known(accounts, tablet(accounts))

    assert (person.role, person.station, person.name) == (Role.OPERATOR, FRAMING, "tablet 1")
    assert person.may(Permission.EXPLAIN, FRAMING)
    assert not person.may(Permission.EXPLAIN, PAINT)
    assert not person.may(Permission.EXPLAIN)
    assert person.may(Permission.READ)
    assert person.may(Permission.READ, PAINT)
    assert not any(
        person.may(permission, FRAMING) for permission in (Permission.CLOSE, Permission.RECONCILE, Permission.AUDIT)
    )


# Names and passwords


@pytest.mark.parametrize("name", ["", "   ", "a" * 65, "An\nna", "An\x00na", "An\u202ena", "An\u200bna", "An\ud800na"])
def test_names_that_mislead_are_not_accepted(accounts: Accounts, name: str) -> None:
    """A name has 1 to 64 characters, all of which can be seen."""
    with pytest.raises(NotAccepted, match="a name "):
        accounts.add(name, SECRET, Role.VIEWER, BOSS)
    assert accounts.users() == []


@pytest.mark.parametrize(("length", "fits"), [(7, False), (8, True), (256, True), (257, False)])
def test_a_password_has_8_to_256_characters(accounts: Accounts, length: int, *, fits: bool) -> None:
    """Shorter and longer passwords are not accepted, neither at first nor later, and the text says how long it was."""
    password = "п" * length
    accounts.add("Old", SECRET, Role.VIEWER, BOSS)
    if fits:
        accounts.add("Anna", password, Role.VIEWER, BOSS)
        accounts.set_password("Old", password, BOSS)
        assert accounts.login("Anna", password) is not None
        assert accounts.login("Old", password) is not None
        return
    with pytest.raises(NotAccepted, match=f"8 to 256 characters, this one has {length}"):
        accounts.add("Anna", password, Role.VIEWER, BOSS)
    with pytest.raises(NotAccepted, match="8 to 256"):
        accounts.set_password("Old", password, BOSS)
    assert accounts.login("Old", SECRET) is not None


@pytest.mark.parametrize("other", ["айгүл", "АЙГҮЛ", "  Айгүл ", "А\u0438\u0306гүл"])
def test_a_name_is_one_name_however_it_is_written(accounts: Accounts, other: str) -> None:
    """Case, spaces around it and how a letter is put together make no second user, and no difference at login."""
    accounts.add(" Айгүл ", SECRET, Role.VIEWER, BOSS)

    assert [user.name for user in accounts.users()] == ["Айгүл"]
    with pytest.raises(NotAccepted, match="already"):
        accounts.add(other, SECRET, Role.ENGINEER, BOSS)
    assert accounts.login(other, SECRET) is not None


def test_a_password_is_the_same_however_a_keyboard_composes_it(accounts: Accounts) -> None:
    """Letters with marks match in both forms of Unicode; case does matter."""
    accounts.add("Anna", "й" * 8, Role.VIEWER, BOSS)

    assert accounts.login("Anna", "и\u0306" * 8) is not None
    assert accounts.login("Anna", "Й" * 8) is None


@pytest.mark.parametrize("name", ["Nobody", "", "x" * 100_000, "\ud800", "' OR 1=1 --"])
@pytest.mark.parametrize("password", [SECRET, "", "x" * 100_000, "\ud800"])
def test_what_is_wrong_is_refused_whatever_it_is(accounts: Accounts, name: str, password: str) -> None:
    """An unknown name signs nobody in, and nothing that can be typed fails otherwise."""
    accounts.add("Anna", SECRET, Role.VIEWER, BOSS)

    assert accounts.login(name, password) is None
    assert accounts.person(name) is None
    assert accounts.enrol(password) is None


class Counting(PasswordHasher):
    """Counts how often a password is held against a hash."""

    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002  as the library calls it
        """Counts and verifies."""
        self.verified += 1
        return super().verify(hash, password)


def test_an_unknown_name_costs_what_a_wrong_password_costs(path: Path, clock: Hand) -> None:
    """For both, one password is held against one hash of the same cost."""
    hasher = Counting(time_cost=1, memory_cost=64, parallelism=1)
    accounts = Accounts(path, clock, hasher=hasher)
    accounts.add("Anna", SECRET, Role.VIEWER, BOSS)

    for name in ("Anna", "Nobody"):
        hasher.verified = 0
        assert accounts.login(name, "wrong password") is None
        assert hasher.verified == 1


def test_a_hash_of_another_cost_is_replaced_at_login(path: Path, clock: Hand, accounts: Accounts) -> None:
    """Signing in brings a password's hash to today's cost, and the password stays the same."""
    accounts.add("Anna", SECRET, Role.VIEWER, BOSS)
    before = stored_hash(path)
    stronger = PasswordHasher(time_cost=2, memory_cost=128, parallelism=1)

    assert Accounts(path, clock, hasher=stronger).login("Anna", "wrong password") is None
    assert stored_hash(path) == before
    assert Accounts(path, clock, hasher=stronger).login("Anna", SECRET) is not None
    assert not stronger.check_needs_rehash(stored_hash(path))
    assert accounts.login("Anna", SECRET) is not None


def stored_hash(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        return str(db.execute("SELECT hash FROM users").fetchone()[0])


def test_the_hasher_is_argon2id_at_its_defaults(path: Path, clock: Hand) -> None:
    """Without another hasher, passwords are kept as Argon2id with the library's recommended cost."""
    Accounts(path, clock).add("Anna", SECRET, Role.VIEWER, BOSS)

    assert stored_hash(path).startswith("$argon2id$")
    assert not PasswordHasher().check_needs_rehash(stored_hash(path))


def test_who_is_removed_while_the_password_is_looked_at_gets_no_session(path: Path, clock: Hand) -> None:
    """A login that a removal overtakes signs nobody in, and says nothing else in the audit."""

    class Slow(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            opened.remove("Anna", BOSS)
            return super().verify(hash, password)

    opened = Accounts(path, clock, hasher=Slow(time_cost=1, memory_cost=64, parallelism=1))
    opened.add("Anna", SECRET, Role.VIEWER, BOSS)

    assert opened.login("Anna", SECRET) is None
    assert [line.what for line in opened.audit()] == ["user removed", "user added"]


# Sessions


def test_a_session_has_its_person_and_a_token_for_its_forms(accounts: Accounts) -> None:
    """Each session has a token of its own for forms, which stays the same and does not tell the session's token."""
    token = signed_in(accounts)
    other = again(accounts)
    person = known(accounts, token)

    assert (person.name, person.role, person.station) == ("Anna", Role.OPERATOR, None)
    assert person.csrf == known(accounts, token).csrf != known(accounts, other).csrf
    assert token not in person.csrf
    assert len(person.csrf) == 64
    assert accounts.person(token + "x") is None
    assert accounts.person("") is None


def test_another_role_holds_at_once(accounts: Accounts) -> None:
    """Who is signed in may at once what the new role says, and no more."""
    token = signed_in(accounts, role=Role.ENGINEER)
    accounts.set_role("anna", Role.VIEWER, BOSS)

    assert known(accounts, token).role is Role.VIEWER


@pytest.mark.parametrize(
    "end",
    [
        lambda accounts, _: accounts.remove("ANNA", BOSS),
        lambda accounts, _: accounts.set_password("anna", "another password", BOSS),
        lambda accounts, token: accounts.logout(token),
    ],
    ids=["removed", "password", "signed out"],
)
def test_sessions_end_at_once(accounts: Accounts, end: Callable[[Accounts, str], None]) -> None:
    """A removed user, one with another password, and who signs out: the session is dead, others' are not."""
    bert, anna = signed_in(accounts, "Bert"), signed_in(accounts)
    end(accounts, anna)

    assert accounts.person(anna) is None
    assert known(accounts, bert).name == "Bert"


def test_a_name_that_is_given_again_has_no_old_sessions(accounts: Accounts) -> None:
    """Sessions belong to a user, not to a name: who gets the name of a removed user does not get those."""
    token = signed_in(accounts)
    accounts.remove("Anna", BOSS)
    accounts.add("Anna", SECRET, Role.ENGINEER, BOSS)

    assert accounts.person(token) is None


def test_a_session_ends_after_twelve_idle_hours(accounts: Accounts, clock: Hand) -> None:
    """Twelve hours after its last use a session still holds, a moment later it does not, nor ever again."""
    token = signed_in(accounts)
    clock.at += 12 * HOUR
    assert accounts.person(token) is not None
    clock.at += 12 * HOUR
    assert accounts.person(token) is not None
    clock.at += 12 * HOUR + timedelta(milliseconds=1)
    assert accounts.person(token) is None
    assert accounts.person(token) is None


def test_a_session_ends_after_seven_days_however_busy(accounts: Accounts, clock: Hand) -> None:
    """Use does not keep a session longer than seven days."""
    token = signed_in(accounts)
    for _ in range(7 * 24):
        clock.at += HOUR
        assert accounts.person(token) is not None
    clock.at += timedelta(milliseconds=1)
    assert accounts.person(token) is None


def test_ended_sessions_are_forgotten(path: Path, accounts: Accounts, clock: Hand) -> None:
    """A login forgets sessions that are over, so that they do not pile up, and keeps those that are not."""
    signed_in(accounts)
    clock.at += 13 * HOUR
    first, second = again(accounts), again(accounts)

    assert accounts.person(first) is not None
    assert accounts.person(second) is not None
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM sessions").fetchone() == (2,)


def test_use_is_written_at_most_once_a_minute(path: Path, accounts: Accounts, clock: Hand) -> None:
    """Requests within a minute only read the file."""
    token = signed_in(accounts)
    before = path.read_bytes()
    clock.at += timedelta(seconds=59)
    assert accounts.person(token) is not None
    assert path.read_bytes() == before
    clock.at += timedelta(seconds=1)
    assert accounts.person(token) is not None
    assert path.read_bytes() != before


def test_a_session_outlives_a_file_that_cannot_be_written(path: Path, accounts: Accounts, clock: Hand) -> None:
    """Where its use cannot be written down, as on a full disk, whoever is signed in stays so."""
    token = signed_in(accounts)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TRIGGER full BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    clock.at += HOUR

    assert known(accounts, token).name == "Anna"


# Tablets


def test_a_code_is_readable_and_enrols_once(accounts: Accounts) -> None:
    """Eight characters that are not taken for each other enrol one tablet, however they are spaced and cased."""
    code = accounts.invite(FRAMING, BOSS)

    assert len(code) == 8
    assert not set(code) & set("0O1IL")
    assert set(code) <= set(CODE_LETTERS)
    done = accounts.enrol(f" {code[:4].lower()}-{code[4:]} ")
    assert done is not None
    assert done[1] == known(accounts, done[0])
    assert accounts.enrol(code) is None


def test_a_code_holds_for_fifteen_minutes(accounts: Accounts, clock: Hand) -> None:
    """Just before fifteen minutes are over a code enrols, then it does not."""
    early, late = accounts.invite(FRAMING, BOSS), accounts.invite(FRAMING, BOSS)
    clock.at += 15 * MINUTE - timedelta(milliseconds=1)
    assert accounts.enrol(early) is not None
    clock.at += timedelta(milliseconds=1)
    assert accounts.enrol(late) is None


def test_a_tablet_stays_for_ninety_idle_days(accounts: Accounts, clock: Hand) -> None:
    """Each use gives a tablet ninety days more; afterwards it is in the list, with the day on which it ended."""
    token = tablet(accounts)
    for _ in range(5):
        clock.at += 90 * DAY
        assert accounts.person(token) is not None
    used = clock.at
    clock.at += 90 * DAY + timedelta(milliseconds=1)

    assert accounts.person(token) is None
    (found,) = accounts.tablets()
    assert (found.number, found.station, found.invited_by) == (1, FRAMING, BOSS)
    assert (found.enrolled, found.seen, found.ends) == (used - 450 * DAY, used, used + 90 * DAY)


def test_a_revoked_tablet_is_dead(accounts: Accounts) -> None:
    """Revoking ends a tablet at once and leaves the others; a number that is not there is not accepted."""
    first, second = tablet(accounts), tablet(accounts, PAINT)
    accounts.revoke(1, BOSS)

    assert accounts.person(first) is None
    assert known(accounts, second).station == PAINT
    assert [account.number for account in accounts.tablets()] == [2]
    for number in (1, 0, 10**30):
        with pytest.raises(NotAccepted, match=f"there is no tablet {number}"):
            accounts.revoke(number, BOSS)


def test_a_tablet_that_signs_out_is_no_tablet_any_more(accounts: Accounts) -> None:
    """Signing out on a tablet takes it from the list; its number is not given again."""
    token = tablet(accounts)
    accounts.logout(token)
    accounts.logout(token)

    assert accounts.person(token) is None
    assert accounts.tablets() == []
    assert known(accounts, tablet(accounts)).name == "tablet 2"


# Audit


def test_everything_that_changes_is_in_the_audit(accounts: Accounts, clock: Hand) -> None:
    """Each change has a line with time, who and what, the newest first; what was refused has none."""
    token = signed_in(accounts)
    accounts.set_role("Anna", Role.VIEWER, BOSS)
    accounts.logout(token)
    accounts.set_password("Anna", "another password", BOSS)
    accounts.remove("Anna", BOSS)
    board = tablet(accounts)
    clock.at += HOUR
    accounts.revoke(1, BOSS)
    accounts.logout(board)
    with pytest.raises(NotAccepted):
        accounts.remove("Nobody", BOSS)

    lines = accounts.audit()
    assert [(line.who, line.what, line.detail) for line in reversed(lines)] == [
        (BOSS, "user added", "Anna, operator"),
        ("Anna", "signed in", ""),
        (BOSS, "role set", "Anna, viewer"),
        ("Anna", "signed out", ""),
        (BOSS, "password set", "Anna"),
        (BOSS, "user removed", "Anna"),
        (BOSS, "tablet invited", FRAMING),
        ("tablet 1", "tablet enrolled", f"{FRAMING}, invited by {BOSS}"),
        (BOSS, "tablet revoked", "tablet 1"),
    ]
    assert (lines[0].time, lines[1].time) == (clock.at, clock.at - HOUR)
    assert accounts.audit(limit=2) == lines[:2]


@pytest.mark.parametrize(
    "change",
    [
        lambda accounts: accounts.set_role("Ana", Role.VIEWER, BOSS),
        lambda accounts: accounts.set_password("Ana", SECRET, BOSS),
        lambda accounts: accounts.remove("Ana", BOSS),
    ],
    ids=["role", "password", "remove"],
)
def test_an_unknown_user_is_answered_with_the_nearest(accounts: Accounts, change: Callable[[Accounts], None]) -> None:
    """A name that is not there is not accepted, and the text offers the one that was meant."""
    signed_in(accounts)
    with pytest.raises(NotAccepted, match="there is no user `Ana`: did you mean `Anna`"):
        change(accounts)


# The file


def test_the_file_is_its_owners(tmp_path: Path, clock: Hand) -> None:
    """The file is made with its folder, both for the owner only; one that others may read is closed to them."""
    path = tmp_path / "new" / "people.sqlite"
    Accounts(path, clock)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    path.chmod(0o644)
    Accounts(path, clock)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_secret_is_in_the_file(tmp_path: Path, accounts: Accounts) -> None:
    """Passwords, tokens, codes and the forms' tokens are nowhere in the bytes of the file, before and after use."""
    token, code = signed_in(accounts), accounts.invite(PAINT, BOSS)
    spent = accounts.invite(FRAMING, BOSS)
    done = accounts.enrol(spent)
    assert done is not None
    accounts.set_password("Anna", "another password", BOSS)
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    secrets = (SECRET, "another password", token, code, spent, done[0], done[1].csrf)
    assert [secret for secret in secrets if secret.encode() in written] == []
    assert [bytes.fromhex(csrf) for csrf in (done[1].csrf,) if bytes.fromhex(csrf) in written] == []
    assert b"Anna" in written


def test_what_is_removed_is_wiped_out(path: Path, accounts: Accounts) -> None:
    """The hash of a removed user is not left in unused parts of the file."""
    accounts.add("Anna", SECRET, Role.VIEWER, BOSS)
    digest = stored_hash(path).rpartition("$")[2].encode()
    assert digest in path.read_bytes()

    accounts.remove("Anna", BOSS)
    assert digest not in path.read_bytes()


def test_threads_and_openings_add_side_by_side(path: Path, clock: Hand) -> None:
    """Users that are added at once through several openings are all there, and of one name only one."""

    def add(number: int) -> bool:
        opened = Accounts(path, clock, hasher=QUICK)
        opened.add(f"user {number}", SECRET, Role.VIEWER, BOSS)
        try:
            opened.add("The One", SECRET, Role.VIEWER, BOSS)
        except NotAccepted:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(add, range(16)))

    assert sum(first) == 1
    accounts = Accounts(path, clock)
    assert {user.name for user in accounts.users()} == {f"user {number}" for number in range(16)} | {"The One"}
    assert len(accounts.audit()) == 17


def test_one_code_enrols_one_tablet_whoever_is_quicker(accounts: Accounts) -> None:
    """Of several tablets that give the same code at once, one is enrolled."""
    code = accounts.invite(FRAMING, BOSS)
    with ThreadPoolExecutor(8) as pool:
        done = [token for token in pool.map(accounts.enrol, [code] * 8) if token is not None]

    assert len(done) == len(accounts.tablets()) == 1


def test_another_opening_sees_what_was_changed(path: Path, accounts: Accounts, clock: Hand) -> None:
    """What the command line changes holds at once for the daemon that has the file, too."""
    token = signed_in(accounts)
    Accounts(path, clock).remove("Anna", BOSS)

    assert accounts.person(token) is None


def test_a_newer_file_is_not_touched(path: Path, accounts: Accounts, clock: Hand) -> None:
    """A file of a newer format is refused with both numbers, when it is opened and while it is open."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    before = path.read_bytes()

    with pytest.raises(AccountsError, match="is of format 2, this program knows format 1"):
        Accounts(path, clock)
    with pytest.raises(AccountsError, match="format 2"):
        accounts.add("Anna", SECRET, Role.VIEWER, BOSS)
    with pytest.raises(AccountsError, match="format 2"):
        accounts.users()
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path: Path, clock: Hand) -> None:
    """Text in the place of the file is refused by name, and stays as it is."""
    path.write_text("this is a letter, and no database at all\n" * 100)
    with pytest.raises(AccountsError, match=r"people\.sqlite: file is not a database"):
        Accounts(path, clock)
    assert path.read_text().startswith("this is a letter")


def test_a_database_of_something_else_is_refused(path: Path, clock: Hand) -> None:
    """Another program's database is not taken for one of people."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE apples (id INTEGER)")
    with pytest.raises(AccountsError, match="not one of the board's people: move it away"):
        Accounts(path, clock)


def test_a_folder_in_the_place_of_the_file_is_refused(path: Path, clock: Hand) -> None:
    """A folder of that name is named, and keeps its mode."""
    path.mkdir(mode=0o755)
    with pytest.raises(AccountsError, match="is no file"):
        Accounts(path, clock)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_a_place_that_cannot_be_is_refused(tmp_path: Path, clock: Hand) -> None:
    """Where no folder can be made, the error names the file and why."""
    (tmp_path / "file").write_text("")
    with pytest.raises(AccountsError, match=r"people\.sqlite: "):
        Accounts(tmp_path / "file" / "people.sqlite", clock)


def test_a_file_that_is_taken_away_is_missed(path: Path, accounts: Accounts) -> None:
    """While it runs, the program does not go on with an empty file in the place of one that is gone."""
    path.unlink()
    with pytest.raises(AccountsError, match="unable to open"):
        accounts.users()
    assert not path.exists()


# Tries


def test_a_name_has_five_failures_in_five_minutes() -> None:
    """After five failures a name waits until the first of them is five minutes old, from whatever address."""
    tries = LoginRateLimit()
    for second in range(5):
        assert tries.wait_s("Anna", f"10.0.0.{second}", float(second)) == 0
        tries.failed("Anna", f"10.0.0.{second}", float(second))

    assert tries.wait_s("Anna", "10.0.0.9", 10.0) == 290
    assert tries.wait_s(" ANNA ", "10.0.0.9", 299.5) == 0.5
    assert tries.wait_s("Anna", "10.0.0.9", 300.0) == 0
    assert tries.wait_s("Bert", "10.0.0.9", 10.0) == 0
    tries.failed("Anna", "10.0.0.9", 300.0)
    assert tries.wait_s("Anna", "10.0.0.9", 300.0) == 1


def test_an_address_has_twenty_failures_in_five_minutes() -> None:
    """After twenty failures with whatever names an address waits, other addresses do not."""
    tries = LoginRateLimit()
    for number in range(20):
        assert tries.wait_s(None, "10.0.0.1", 0.0) == 0
        tries.failed(None if number % 2 else f"user {number}", "10.0.0.1", 0.0)

    assert tries.wait_s("Anna", "10.0.0.1", 100.0) == 200
    assert tries.wait_s(None, "10.0.0.1", 100.0) == 200
    assert tries.wait_s("Anna", "10.0.0.2", 100.0) == 0


def test_success_clears_a_name_but_not_an_address() -> None:
    """Who signs in has no failures any more; an address that signs in now and then still has those of other names."""
    tries = LoginRateLimit()
    for number in range(20):
        assert tries.wait_s("mine", "10.0.0.1", 0.0) == 0
        tries.failed("mine", "10.0.0.1", 0.0)
        tries.succeeded("mine", "10.0.0.1")
        tries.failed(f"user {number}", "10.0.0.1", 0.0)

    assert tries.wait_s("mine", "10.0.0.2", 0.0) == 0
    assert tries.wait_s("mine", "10.0.0.1", 0.0) == 300
    tries.succeeded("never tried", "10.0.0.3")
    assert tries.wait_s("never tried", "10.0.0.3", 0.0) == 0


def test_tries_are_bounded() -> None:
    """The failures that are longest ago make room, so that names without end take no memory without end."""
    tries = LoginRateLimit()
    for _ in range(5):
        tries.failed("first", "10.0.0.1", 0.0)
    for number in range(TRIES_KEPT - 2):
        tries.failed(f"user {number}", "10.0.0.1", 0.0)
    assert tries.wait_s("first", "10.0.0.2", 0.0) == 300
    tries.failed("one more", "10.0.0.1", 0.0)

    assert tries.wait_s("first", "10.0.0.2", 0.0) == 0
    assert tries.wait_s("one more", "10.0.0.1", 0.0) == 300
