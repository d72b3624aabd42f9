"""A missing journal: begun at the first start, refused where there was one."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from mes.cli import mes
from mes.commands.options import beginning
from mes.config.load import default_config
from mes.errors import ConfigError, JournalMissing
from mes.journal.beginning import MARKER, Beginning, marker_of
from mes.journal.replace import READY
from mes.journal.store import Store


@pytest.fixture
def start(tmp_path: Path) -> Beginning:
    plant = tmp_path / "etc" / "plant.yaml"
    plant.parent.mkdir()
    plant.touch()
    return Beginning(tmp_path / "disk" / "journal.sqlite", plant)


def begin(start: Beginning, *, new: bool = False) -> None:
    """What a start of the collector does."""
    start.allow(new=new)
    with Store(start.path):
        start.remember()


@pytest.mark.parametrize("gone", ["file", "folder", "empty"])
def test_a_journal_that_was_there_is_missed(start: Beginning, gone: str) -> None:
    """Removed, unmounted or emptied: the start is refused, names both places and remedies, and makes nothing."""
    begin(start)
    begin(start)
    match gone:
        case "folder":
            shutil.rmtree(start.path.parent)
        case "file":
            start.path.unlink()
        case _:
            start.path.write_bytes(b"")

    with pytest.raises(JournalMissing, match="mount it") as refused:
        start.allow(new=False)

    for named in (str(start.path), "mes run --new", "mes journal restore", str(start.plant_file)):
        assert named in str(refused.value)
    assert not start.path.exists() or start.path.stat().st_size == 0
    assert start.path.parent.exists() == (gone != "folder")


def test_a_new_one_is_made_when_a_person_asks(start: Beginning) -> None:
    """With --new a new journal begins in the place of the missing one, and is missed in its turn."""
    begin(start)
    shutil.rmtree(start.path.parent)

    begin(start, new=True)
    begin(start)
    start.path.unlink()

    with pytest.raises(JournalMissing):
        start.allow(new=False)


def test_a_path_that_leads_elsewhere_is_no_first_start(start: Beginning, tmp_path: Path) -> None:
    """Another path, or another working folder, begins no second journal; a journal that was moved there goes on."""
    begin(start)
    moved = Beginning(tmp_path / "other" / "journal.sqlite", start.plant_file)
    with pytest.raises(JournalMissing, match="disk/journal"):
        moved.allow(new=False)

    shutil.move(start.path.parent, moved.path.parent)
    begin(moved)

    with pytest.raises(JournalMissing, match="other/journal"):
        start.allow(new=False)


def test_a_marker_that_cannot_be_read_still_says_that_there_was_one(start: Beginning) -> None:
    """Whatever stands in the marker, its being there is enough."""
    begin(start)
    assert start.plant_file is not None
    shutil.rmtree(start.path.parent)
    for text in ("", "[]", "\0\0", json.dumps({"journal": 5})):
        marker_of(start.plant_file).write_text(text)
        with pytest.raises(JournalMissing):
            start.allow(new=False)


def test_where_no_marker_can_be_left_nothing_begins_by_itself(tmp_path: Path) -> None:
    """A plant's file whose folder is not there or not writable: only a person begins a journal."""
    start = Beginning(tmp_path / "disk" / "journal.sqlite", tmp_path / "nowhere" / "plant.yaml")
    with pytest.raises(JournalMissing, match="cannot be written"):
        start.allow(new=False)

    begin(start, new=True)
    begin(start)


def test_a_replacement_that_was_interrupted_is_a_journal(start: Beginning) -> None:
    """A restored journal that a power cut kept from its place is finished at the start, not refused."""
    begin(start)
    start.path.rename(start.path.with_name(f"{start.path.name}{READY}restored-20260302T080000"))
    assert not start.path.exists()

    start.allow(new=False)  # raises JournalMissing where nothing waits to take the journal's place


def test_the_example_plant_is_only_tried(tmp_path: Path) -> None:
    """The packaged example leaves no marker beside itself, whether it is named or not."""
    for file in (None, default_config()):
        tried = beginning(file, tmp_path / "journal.sqlite")
        tried.allow(new=False)
        tried.remember()
    assert not marker_of(default_config()).exists()


def test_create_makes_the_journal_of_a_service(tmp_path: Path) -> None:
    """`mes journal create` makes it once, leaves the marker, and refuses to make a second."""
    plant = tmp_path / "plant.yaml"
    text = default_config().read_text(encoding="utf-8")
    plant.write_text(text.replace("var/taktline/journal.sqlite", f"{tmp_path}/disk/journal.sqlite"), encoding="utf-8")
    words = ["journal", "create", "--config", str(plant)]

    made = CliRunner().invoke(mes, words)
    again = CliRunner().invoke(mes, words)
    shutil.rmtree(tmp_path / "disk")
    run = CliRunner().invoke(mes, ["run", "--config", str(plant)])

    assert made.exit_code == 0, made.output
    assert (tmp_path / f"plant.yaml{MARKER}").exists()
    assert isinstance(again.exception, ConfigError)
    assert isinstance(run.exception, JournalMissing)
    assert not (tmp_path / "disk").exists()
