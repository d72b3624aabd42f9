"""One backup holds the journal and the accounts; a restore puts back both."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner, Result

from mes.board.accounts.users import Accounts, Role
from mes.cli import mes
from mes.journal import Journal

QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
PASSWORD = "correct horse"


def accounts_of(folder: Path) -> Accounts:
    return Accounts(folder / "people.sqlite", lambda: datetime.now(UTC), hasher=QUICK)


def ran(folder: Path, command: str, file: Path) -> Result:
    return CliRunner().invoke(mes, ["journal", command, str(file), "--journal", str(folder / "journal.sqlite")])


@pytest.fixture
async def plant(tmp_path: Path) -> Path:
    """A folder with a journal and one account."""
    async with Journal.open(tmp_path / "journal.sqlite"):
        accounts_of(tmp_path).add("Anna", PASSWORD, Role.ENGINEER, "a test")
    return tmp_path


@pytest.mark.parametrize("lost", ["garbage", "gone", "another account"])
def test_a_restore_brings_back_the_accounts(plant: Path, lost: str) -> None:
    """Whoever had an account at the backup has it again, signed out; what was there is kept; nobody else reads it."""
    accounts, target = plant / "people.sqlite", plant / "copy.sqlite"
    login = accounts_of(plant).login("Anna", PASSWORD)
    assert login is not None
    first = ran(plant, "backup", target)
    assert first.exit_code == 0, first.output
    match lost:
        case "garbage":
            accounts.write_bytes(b"garbage" * 1000)
        case "gone":
            accounts.unlink()
        case _:
            accounts_of(plant).remove("Anna", "a test")
    before = accounts.read_bytes() if accounts.exists() else None
    again = ran(plant, "restore", target)

    assert again.exit_code == 0, again.output
    assert accounts_of(plant).login("Anna", PASSWORD) is not None
    assert accounts_of(plant).person(login[0]) is None
    assert [file.read_bytes() for file in plant.glob("people.sqlite.before-*")] == ([before] if before else [])
    for path in (accounts, plant / "copy.sqlite.people"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_backup_without_accounts_restores_still(plant: Path) -> None:
    """A backup of before, with no file of accounts beside it, leaves the accounts as they are."""
    target = plant / "copy.sqlite"
    assert ran(plant, "backup", target).exit_code == 0
    (plant / "copy.sqlite.people").unlink()
    again = ran(plant, "restore", target)

    assert again.exit_code == 0, again.output
    assert accounts_of(plant).login("Anna", PASSWORD) is not None


def test_accounts_that_cannot_be_copied_are_named(plant: Path) -> None:
    """The journal is copied all the same, the exit code says that something is missing; no half file is left."""
    (plant / "people.sqlite").write_bytes(b"garbage" * 1000)
    first = ran(plant, "backup", plant / "copy.sqlite")

    assert (first.exit_code, "NO ACCOUNTS" in first.output) == (1, True)
    assert [path.name for path in plant.glob("copy*")] == ["copy.sqlite"]


def test_a_damaged_file_of_accounts_changes_nothing(plant: Path) -> None:
    """Journal and accounts stay as they are where the backup's accounts cannot be read."""
    target = plant / "copy.sqlite"
    assert ran(plant, "backup", target).exit_code == 0
    (plant / "copy.sqlite.people").write_bytes(b"garbage" * 1000)
    assert ran(plant, "restore", target).exit_code != 0
    assert not list(plant.glob("*.before-*"))
    assert accounts_of(plant).login("Anna", PASSWORD) is not None
