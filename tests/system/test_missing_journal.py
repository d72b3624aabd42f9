"""Where the disk of the journal is not mounted, no command makes a file in its place."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from events import at, counted

from mes.cli import mes
from mes.config.load import default_config
from mes.errors import JournalMissing
from mes.journal.beginning import MARKER
from mes.journal.import_export import header, line
from mes.journal.store import Store
from mes.model import Journaled

pytestmark = pytest.mark.timeout(120)

BY_A_PERSON = {"journal create", "journal restore"}  # asked for by name, as the refusal proposes it
OF_THEIR_OWN = {"demo", "simulate", "run"}  # another journal or none; `run` has its own test in test_beginning
BY = ("--by", "serik")
WINDOW = "2026-03-02:A"
WORDS: dict[str, tuple[str, ...]] = {
    "causes": (WINDOW,),
    "certs check": (),
    "certs create": (),
    "certs renew": (),
    "certs show": (),
    "certs trust": ("weld-plc",),
    "check": (),
    "explain": ("framing", WINDOW),
    "flow": (WINDOW,),
    "influx backfill": ("--from", "2026-03-02T00:00:00Z", "--to", "2026-03-03T00:00:00Z"),
    "influx check": (),
    "influx setup": ("--secrets", "secrets"),
    "journal backup": ("copy.sqlite",),
    "journal check": (),
    "journal export": (),
    "journal import": ("late.jsonl",),
    "journal quarantine": (),
    "look": ("weld-plc",),
    "oee": (),
    "programme": (),
    "reason": ("framing", at(40).isoformat(), at(50).isoformat(), "planned-service", *BY),
    "reconcile": ("5", "--parts", "1", "--why", "counted", *BY),
    "reload": (),
    "replay": (),
    "report": (),
    "shift close": ("framing", WINDOW, *BY),
    "shift reopen": ("framing", WINDOW, "--why", "late", *BY),
    "stops": (WINDOW,),
    "undo": ("5", *BY),
    "unit": ("VIN",),
    "user add": ("anna", "--role", "engineer"),
    "user list": (),
    "user password": ("anna",),
    "user remove": ("anna",),
    "user revoke": ("1",),
    "user role": ("anna", "viewer"),
    "user tablet": ("framing",),
    "user tablets": (),
}


def commands(group: click.Group, *before: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, *before, name)
        elif command is not None:
            yield " ".join((*before, name)), command


COMMANDS = dict(commands(mes))


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plant whose journal was there; its disk is `disk`, an empty folder now."""
    text = default_config().read_text(encoding="utf-8")
    assert "var/taktline/journal.sqlite" in text
    file = tmp_path / "plant.yaml"
    influx = "\ninflux:\n  url: http://127.0.0.1:1\n  database: taktline\n"
    file.write_text(text.replace("var/taktline/journal.sqlite", f"{tmp_path}/disk/journal.sqlite") + influx)
    (tmp_path / f"plant.yaml{MARKER}").write_text(json.dumps({"journal": f"{tmp_path}/disk/journal.sqlite"}))
    (tmp_path / "disk").mkdir()
    late = Journaled(1, counted(40, 3))
    (tmp_path / "late.jsonl").write_text(f"{header(at(50))}\n{line(late)}\n")
    monkeypatch.chdir(tmp_path)
    return file


def test_every_command_is_among_them() -> None:
    """A new command has a row here."""
    assert COMMANDS.keys() == WORDS.keys() | BY_A_PERSON | OF_THEIR_OWN


@pytest.mark.parametrize("words", WORDS)
def test_no_command_makes_a_file_where_the_disk_is_not_mounted(plant: Path, words: str) -> None:
    """Neither in the empty mount point nor, where that is gone too, in a folder of the same name."""
    options = {option for parameter in COMMANDS[words].params for option in parameter.opts}
    config = ["--config", str(plant)] if "--config" in options else []
    for gone in (False, True):
        if gone:
            (plant.parent / "disk").rmdir()
        CliRunner().invoke(mes, [*words.split(), *WORDS[words], *config], input="a long password\n")
        assert list((plant.parent / "disk").glob("**")) == ([] if gone else [plant.parent / "disk"])
        assert list((plant.parent / "disk").glob("*")) == []


@pytest.mark.parametrize("words", ["journal import", "user add", "user list"])
def test_what_would_make_one_is_refused_like_the_daemon(plant: Path, words: str) -> None:
    """The sentence names the place and the remedies; a journal that is there takes the same command."""
    asked = [*words.split(), *WORDS[words], "--config", str(plant)]

    refused = CliRunner().invoke(mes, asked, input="a long password\n")

    assert isinstance(refused.exception, JournalMissing), refused.output
    assert "mount it" in str(refused.exception)
    with Store(plant.parent / "disk" / "journal.sqlite"):
        pass
    taken = CliRunner().invoke(mes, asked, input="a long password\n")
    assert taken.exit_code == 0, taken.output


def test_an_imported_journal_is_missed_in_its_turn(plant: Path) -> None:
    """An import that makes the plant's first journal leaves the marker; one into another file leaves none."""
    marker = plant.with_name(f"plant.yaml{MARKER}")
    marker.unlink()
    words = ["journal", "import", "late.jsonl", "--config", str(plant)]

    other = CliRunner().invoke(mes, [*words, "--journal", "other.sqlite"])
    assert other.exit_code == 0, other.output
    assert not marker.exists()
    first = CliRunner().invoke(mes, words)
    assert first.exit_code == 0, first.output
    (plant.parent / "disk" / "journal.sqlite").unlink()

    again = CliRunner().invoke(mes, words)
    assert isinstance(again.exception, JournalMissing)
    elsewhere = CliRunner().invoke(mes, [*words, "--journal", "another.sqlite"])
    assert elsewhere.exit_code == 0, elsewhere.output
