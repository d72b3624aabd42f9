"""`mes user` as a person meets it: who may sign in and as what, tablets, and a sentence for each mistake."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mes.board.accounts.users import Accounts, AccountsError, AuditLine, Role
from mes.cli import mes
from mes.config.load import default_config
from mes.errors import ConfigError

SECRET = "correct horse"


class Desk:
    """The command line of one plant, whose journal lies in the working folder."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "plant.yaml"
        written = re.sub(r"path: \S+journal\S*", "path: desk.sqlite", default_config().read_text())
        assert "desk.sqlite" in written
        self.config.write_text(written)
        self.file = folder / "people.sqlite"

    def run(self, *words: str, typed: str = "") -> Result:
        return CliRunner().invoke(mes, ["user", *words, "--config", str(self.config)], input=typed)

    def say(self, *words: str, typed: str = "") -> str:
        """What a command that goes well prints, with single spaces."""
        result = self.run(*words, typed=typed)
        assert result.exit_code == 0, (result.output, result.exception)
        return re.sub(r"[│\s]+", " ", result.stdout).strip()

    def refusal(self, *words: str, typed: str = "") -> str:
        result = self.run(*words, typed=typed)
        assert isinstance(result.exception, ConfigError), (result.output, result.exception)
        return str(result.exception)

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.file, lambda: datetime.now(UTC))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("LOGNAME", "boss")
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


def test_a_user_from_nobody_to_removed(desk: Desk) -> None:
    """Somebody is added, listed, given another role and password, and removed; each step says what holds now."""
    assert desk.say("list") == "Nobody can sign in yet. Begin with yourself: mes user add NAME --role engineer"
    assert desk.say("add", "Anna", "--role", "operator", typed=f"{SECRET}\n") == "Anna may sign in now, as operator."
    assert re.search(r"Anna operator \d{4}-\d\d-\d\d \d\d:\d\d", desk.say("list"))
    assert desk.say("role", "anna", "team_leader") == "anna is team_leader now."
    assert desk.accounts.users()[0].role is Role.TEAM_LEADER
    assert "is changed" in desk.say("password", "Anna", typed="battery staple\r\n")
    assert desk.accounts.login("Anna", SECRET) is None
    assert desk.accounts.login("Anna", "battery staple") is not None
    assert desk.say("remove", "Anna") == "Anna cannot sign in any more."
    assert desk.accounts.users() == []


def test_the_audit_names_the_command_line(desk: Desk) -> None:
    """What is done here stands in the audit under the system's name of who did it."""
    desk.say("add", "Anna", "--role", "viewer", typed=SECRET)

    (line,) = desk.accounts.audit()
    assert line == AuditLine(line.time, "boss (command line)", "user added", "Anna, viewer")


def test_a_name_that_looks_like_markup_is_shown_as_it_is(desk: Desk) -> None:
    """Brackets in a name are letters."""
    desk.say("add", "[red]Anna", "--role", "viewer", typed=SECRET)

    assert "[red]Anna" in desk.say("list")


def test_a_tablet_from_its_code_to_its_end(desk: Desk) -> None:
    """A code is made and explained, the tablet it enrols is listed, and revoked by its number."""
    assert desk.say("tablets") == "No tablet is enrolled yet. Make a code for one: mes user tablet STATION"
    told = desk.say("tablet", "framing")
    assert "at /enrol" in told
    assert "weld/weld-1/framing" in told
    assert "15 minutes" in told
    done = desk.accounts.enrol(told.split()[0])
    assert done is not None
    assert done[1].station is not None
    assert done[1].station.endswith("/weld/weld-1/framing")
    assert re.search(r" 1 weld/weld-1/framing \d{4}-.* boss \(command line\) ", desk.say("tablets"))
    assert "Tablet 1 is signed out" in desk.say("revoke", "1")
    assert desk.accounts.person(done[0]) is None


@pytest.mark.parametrize(
    ("words", "typed", "why"),
    [
        (("add", "Anna", "--role", "viewer"), "short\n", "a password has 8 to 256 characters, this one has 5"),
        (("add", "Anna", "--role", "viewer"), "\n", "this one has 0"),
        (("add", "Anna", "--role", "viewer"), "", "standard input is empty"),
        (("add", " ", "--role", "viewer"), SECRET, "a name has 1 to 64 characters"),
        (("add", "BERT", "--role", "viewer"), SECRET, "there is a user BERT already"),
        (("password", "Anna"), SECRET, "there is no user `Anna`"),
        (("role", "Bort", "viewer"), "", "did you mean `Bert`?"),
        (("remove", "Anna"), "", "there is: Bert"),
        (("tablet", "framin"), "", "unknown station `framin`: did you mean `framing`?"),
        (("tablet", ""), "", "unknown station ``"),
        (("tablet", "weld-1"), "", "`weld-1` is several stations: weld/weld-1/"),
        (("revoke", "7"), "", "there is no tablet 7"),
    ],
)
def test_each_mistake_has_a_sentence(desk: Desk, words: tuple[str, ...], typed: str, why: str) -> None:
    """What cannot be accepted is bad input with the reason, and changes nothing."""
    desk.say("add", "Bert", "--role", "viewer", typed=SECRET)

    assert why in desk.refusal(*words, typed=typed)
    assert [line.what for line in desk.accounts.audit()] == ["user added"]


@pytest.mark.parametrize(
    "words",
    [("add", "Anna"), ("add", "Anna", "--role", "boss"), ("add", "Anna", SECRET, "--role", "viewer"), ("revoke", "0")],
)
def test_a_password_is_no_argument_and_a_role_is_one_of_four(desk: Desk, words: tuple[str, ...]) -> None:
    """A missing or unknown role, a password on the command line and a number that cannot be are wrong usage."""
    assert desk.run(*words, typed=SECRET).exit_code == 2
    assert not desk.file.exists()


def test_only_the_first_line_of_a_pipe_is_the_password(desk: Desk) -> None:
    """What follows the first line is not part of the password; spaces in it are."""
    desk.say("add", "Anna", "--role", "viewer", typed=f"  {SECRET} \nmore\n")

    assert desk.accounts.login("Anna", f"  {SECRET} ") is not None


def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(desk: Desk) -> None:
    """On a terminal both questions come, two different answers are asked again, and no answer is seen."""
    words = ["user", "add", "Anna", "--role", "viewer", "--config", str(desk.config)]
    command = [sys.executable, "-c", "from mes.cli import main; main()", *words]
    ours, theirs = os.openpty()
    answers = iter([SECRET, "another one", SECRET, SECRET])
    shown = b""
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        asked = 0
        while chunk := read(ours):
            shown += chunk
            while shown.count(b": ") - shown.count(b"Error: ") > asked:
                asked += 1
                os.write(ours, next(answers).encode() + b"\n")
    os.close(ours)

    assert process.returncode == 0, shown
    assert asked == 4
    assert SECRET.encode() not in shown
    assert desk.accounts.login("Anna", SECRET) is not None


def read(terminal: int) -> bytes:
    """What a program wrote to a terminal; nothing once it has ended."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_a_file_of_a_newer_program_is_refused(desk: Desk) -> None:
    """A file that cannot be used is no bad input: it has its own sentence, and the file is named."""
    desk.say("list")
    with closing(sqlite3.connect(desk.file)) as db:
        db.execute("PRAGMA user_version = 9")
    result = desk.run("list")

    assert isinstance(result.exception, AccountsError)
    assert f"{desk.file.name} is of format 9" in str(result.exception)


@pytest.mark.posix
def test_the_file_is_the_folder_s_owner_s(desk: Desk) -> None:
    """The administrator adds people; the service, whose user owns the folder, reads and writes them."""
    if os.geteuid() == 0:
        os.chown(desk.file.parent, 12345, 12345)
    desk.say("add", "anna", "--role", "operator", typed=f"{SECRET}\n")
    folder, file = desk.file.parent.stat(), desk.file.stat()
    assert (file.st_uid, file.st_gid) == (folder.st_uid, folder.st_gid)
    assert file.st_mode & 0o777 == 0o600
