"""Commands that change figures are refused over a closed shift, with exit code, sentence and remedy."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from board_plant import WINDOW
from events import assigned, at, counted, state
from oee_histories import shift_with_a_stop_and_an_unreconciled_count
from small_plant import MES

from mes.cli import main
from mes.config.load import default_config
from mes.journal import JournalReader
from mes.journal.codec import encode_event
from mes.journal.import_export import header, line
from mes.journal.store import Rows, Store
from mes.model import Journaled, State, StationEvent

pytestmark = pytest.mark.timeout(120)

BAD_INPUT = 2
SHIFT = ("framing", WINDOW)
EVENTS = shift_with_a_stop_and_an_unreconciled_count(100, raw=158)
STOP = (at(40).isoformat(), at(50).isoformat())
COMMANDS: dict[str, tuple[str, ...]] = {
    "a reason taken back": ("undo", str(len(EVENTS) + 1), "--by", "serik"),
    "another reason": ("reason", "framing", *STOP, "planned-service", "--by", "serik"),
    "no reason": ("reason", "framing", *STOP, "-", "--by", "serik"),
    "a part of a stop": ("reason", "framing", STOP[0], at(45).isoformat(), "planned-service", "--by", "serik"),
    "a decided count": ("reconcile", "5", "--parts", "1", "--by", "serik", "--why", "counted"),
    "closing again": ("shift", "close", *SHIFT, "--by", "serik"),
    "counts of a file": ("journal", "import", "counts.jsonl"),
    "states of a file": ("journal", "import", "states.jsonl"),
    "reasons of a file": ("journal", "import", "reasons.jsonl"),
}
LATE: dict[str, StationEvent] = {
    "counts.jsonl": counted(100, 3),
    "states.jsonl": state(100, State.DOWN),
    "reasons.jsonl": assigned(596, 40, 50, "planned-service"),
}


def process(folder: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command on the folder's journal, as the process that it is."""
    done = subprocess.run(
        [str(MES), *words, "--journal", "journal.sqlite"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def say(folder: Path, *words: str) -> tuple[int, str, str]:
    """The same without the second in which a process imports what it needs."""
    output, errors, code = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["mes", *words, "--journal", "journal.sqlite"])
        patch.setattr(sys, "excepthook", sys.excepthook)
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, output.getvalue(), errors.getvalue()


def done(folder: Path, *words: str) -> str:
    """What a command prints that ends well."""
    code, output, errors = say(folder, *words)
    assert code == 0, errors
    return output


def rows(folder: Path) -> int:
    """How many events there are."""
    with JournalReader(folder / "journal.sqlite") as reader:
        return reader.last_seq()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal in which the shift was explained and closed by commands, and files to import."""
    folder = tmp_path_factory.mktemp("closed")
    with Store(folder / "journal.sqlite") as store:
        store.write([Rows(events=[encode_event(event) for event in EVENTS])])
    for name, event in LATE.items():
        (folder / name).write_text("\n".join([header(at(600)), line(Journaled(0, event))]) + "\n")
    done(folder, "reason", "framing", *STOP, "no-parts", "--by", "aigul")
    assert "is closed" in done(folder, "shift", "close", *SHIFT, "--by", "aigul")
    return folder


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_each_command_is_refused_over_a_closed_shift(closed: Path, words: Sequence[str]) -> None:
    """Exit code 2, one sentence that names the station and says who opens the shift again, and no event more."""
    before = rows(closed)
    code, output, errors = say(closed, *words)
    assert (code, output) == (BAD_INPUT, ""), errors
    assert "is closed" in errors
    assert "`mes shift reopen`" in " ".join(errors.split())
    assert "Traceback" not in errors
    assert rows(closed) == before


def report(folder: Path, by: str, *words: str) -> list[dict[str, Any]]:
    """The station's rows of a report of the shift."""
    span = ("--from", at(0).isoformat(), "--to", at(510).isoformat())
    told = done(folder, "report", "--by", by, "--format", "json", "--of", "framing", *span, *words)
    found: list[dict[str, Any]] = json.loads(told)
    return [{name: row[name] for name in ("oee", "good", "flags")} for row in found]


def test_a_process_is_refused_in_the_same_way(closed: Path) -> None:
    """What a shell sees of a refusal is what the commands above were asked for within one process."""
    words = COMMANDS["another reason"]
    assert process(closed, *words) == say(closed, *words)


def test_another_plant_file_leaves_a_closed_shift_as_it_is(closed: Path) -> None:
    """With another ideal cycle in the file the hours have other figures, the closed shift those of before, flagged."""
    text, own = default_config().read_text(encoding="utf-8"), "framing: {template: weld-station, with: {code: W030}"
    assert text.count(own) == 1
    (closed / "plant.yaml").write_text(
        text.replace(f"{own}, ideal_cycle_s: {{S3: 570}}", f"{own}, ideal_cycle_s: {{S3: 60}}"), encoding="utf-8"
    )
    changed = ("--config", "plant.yaml")
    (before,), (after,) = report(closed, "shift"), report(closed, "shift", *changed)
    assert after["oee"] == before["oee"] > 0
    assert ("after_closing" in before["flags"], "after_closing" in after["flags"]) == (False, True)
    hours, other = report(closed, "hour"), report(closed, "hour", *changed)
    assert [hour["oee"] for hour in hours] != [hour["oee"] for hour in other]


def test_a_shift_that_is_opened_again_takes_each_command(closed: Path, tmp_path: Path) -> None:
    """After `mes shift reopen` the same commands end with 0, and each adds an event."""
    folder = tmp_path
    for path in closed.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert "is open again" in done(folder, "shift", "reopen", *SHIFT, "--by", "serik", "--why", "late counts")
    for name, words in COMMANDS.items():
        if name != "closing again":  # stops without a reason are left now
            before = rows(folder)
            done(folder, *words)
            assert rows(folder) == before + 1, name
