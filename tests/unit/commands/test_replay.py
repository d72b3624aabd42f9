"""Replay: computed again, figures are the stored ones; under another plant's file, what differs is shown."""

import json
from pathlib import Path

import apsw
import pytest
from click.testing import CliRunner
from events import STATION, counted, state
from journals import journal_of

from mes.cli import mes
from mes.config.load import default_config
from mes.errors import ConfigError
from mes.journal.store import Store
from mes.model import State, StationEvent

WORDS = ["replay", "--station", "framing"]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """An hour of framing: six units, ten minutes down."""
    path = tmp_path / "journal.sqlite"
    runs: list[StationEvent] = [state(0, State.PRODUCING), counted(30, 6), state(40, State.DOWN)]
    events = [*runs, state(50, State.PRODUCING)]
    journal_of(path, [*events, state(300, State.DOWN)])
    assert all(event.station == STATION for event in events)
    return path


def test_a_replay_finds_what_is_stored(journal: Path) -> None:
    """Nothing differs from what was stored; what somebody changed in the file is found, with exit code 1."""
    words = [*WORDS, "--journal", str(journal)]
    assert "Nothing differs in 1 windows" in CliRunner().invoke(mes, words).output

    connection = apsw.Connection(str(journal) + ".hourly")
    connection.execute("DELETE FROM cell WHERE start_us = (SELECT min(start_us) FROM cell)")
    connection.execute("UPDATE progress SET cells = (SELECT count(*) FROM cell WHERE cell.progress = progress.id)")
    connection.close()
    found = CliRunner().invoke(mes, words)
    assert found.exit_code == 1
    assert "good" in found.output


def test_a_changed_file_changes_what_it_says(journal: Path, tmp_path: Path) -> None:
    """A shorter ideal cycle lowers performance and OEE and nothing else."""
    text = default_config().read_text(encoding="utf-8").replace("ideal_cycle_s: {S3: 570}", "ideal_cycle_s: {S3: 285}")
    changed = tmp_path / "plant.yaml"
    changed.write_text(text, encoding="utf-8")
    words = [*WORDS, "--journal", str(journal), "--was", str(default_config()), "--config", str(changed)]
    found = CliRunner().invoke(mes, [*words, "--json"])
    differences = {
        difference["figure"]: (difference["before"], difference["after"])
        for difference in json.loads(found.output)["differences"]
    }

    assert found.exit_code == 0
    assert set(differences) == {
        "oee",
        "oee_standalone",
        "performance",
        "ideal_good_s",
        "ideal_produced_s",
        "speed_loss_s",
    }
    assert differences["ideal_good_s"] == (6 * 570, 6 * 285)
    assert "windows of stations differ" in CliRunner().invoke(mes, words).output


def test_what_is_not_there_is_said(journal: Path, tmp_path: Path) -> None:
    """No journal, an unknown station, an empty journal: each in a sentence."""
    run = CliRunner()
    empty = tmp_path / "empty.sqlite"
    with Store(empty):
        pass

    assert isinstance(run.invoke(mes, ["replay", "--journal", "nowhere"]).exception, ConfigError)
    unknown = run.invoke(mes, ["replay", "--journal", str(journal), "--station", "nowhere"])
    assert isinstance(unknown.exception, ConfigError)
    assert "is empty" in run.invoke(mes, ["replay", "--journal", str(empty)]).output
