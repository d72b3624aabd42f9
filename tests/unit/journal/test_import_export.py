"""The journal as JSON lines: what is written is read back; what is wrong is named; nothing comes in twice."""

import json
import random
import re
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner
from events import STATION, assigned, at, counted, lost, raised, restored, state
from hypothesis import given, settings
from journals import journal_of
from oee_histories import between
from random_histories import histories

from mes.cli import mes
from mes.config.load import default_config, load
from mes.errors import ConfigError
from mes.journal import JournalReader
from mes.journal.codec import KINDS
from mes.journal.import_export import Lines, Mistake, line
from mes.model import Journaled, ReasonAssigned, State, StationEvent, StationStandard
from mes.oee.kpi import kpi
from mes.oee.timeline import timeline
from mes.report.rows import Request, rows
from mes.results.plant import PlantResults

FORMAT = Path(__file__).parents[3] / "docs" / "journal-format.md"
EVENT = {"event": "state_changed", "station": str(STATION), "time": "2026-03-02T08:00:00+05:00", "state": "down"}
COUNT = {"event": "units_counted", "station": str(STATION), "time": "2026-03-02T08:00:00Z", "kind": "good", "delta": 1}

DECISION = {
    "station": str(STATION),
    "time": "2026-03-02T08:00:00Z",
    "event": "count_reconciled",
    "kind": "good",
    "raw": 3,
    "previous_raw": 9,
    "parts": -1,
    "by": "aigul",
    "why": "seen",
    "recorded_time": "2026-03-02T09:00:00Z",
}


def bring(text: str, folder: Path, *more: str) -> str:
    """What `mes journal import` says of a text; raises what it raises."""
    file = folder / "events.jsonl"
    file.write_text(text, encoding="utf-8")
    words = ["journal", "import", str(file), "--journal", str(folder / "journal.sqlite"), *more]
    found = CliRunner().invoke(mes, words, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


@settings(deadline=None, max_examples=30)
@given(histories())
def test_every_event_comes_back_from_its_line(events: list[Journaled]) -> None:
    """A line holds all of an event, whatever event it is."""
    lines = Lines()
    told = [event for event in events if not _is_backwards(event.event)]
    assert [lines.event(line(journaled)) for journaled in told] == [journaled.event for journaled in told]


def _is_backwards(event: StationEvent) -> bool:
    return isinstance(event, ReasonAssigned) and event.end is not None and event.end < event.start


def test_a_journal_that_was_exported_and_imported_is_the_same(tmp_path: Path) -> None:
    """Export, import, export: the same lines but for the header; in any order, and twice, nothing is added."""
    events: list[StationEvent] = [
        *(state(0, State.PRODUCING), counted(1, 2), counted(1, 3), state(5, State.DOWN), raised(5, "101")),
        *(lost(6), counted(9, 4, since=6), restored(9, 6), state(9, State.PRODUCING), assigned(20, 5, 6, "tip-change")),
    ]
    first = tmp_path / "first.sqlite"
    journal_of(first, events)
    run = CliRunner()
    text = run.invoke(mes, ["journal", "export", "--journal", str(first)]).output
    shuffled = text.splitlines()[1:]
    random.Random(3).shuffle(shuffled)

    assert f"{len(events)} events are new, 0 were known" in bring(text, tmp_path)
    assert f"0 events are new, {len(events)} were known" in bring(
        "\n".join([*shuffled, *shuffled[:3]]), tmp_path
    ).replace(f"{len(events) + 3} were", f"{len(events)} were")
    again = run.invoke(mes, ["journal", "export", "--journal", str(tmp_path / "journal.sqlite")]).output
    assert again.splitlines()[1:] == text.splitlines()[1:]


def test_the_order_of_lines_changes_no_figure(tmp_path: Path) -> None:
    """A file in any order gives the figures of the file in order."""
    runs: list[StationEvent] = [state(0, State.PRODUCING), counted(4, 2), state(5, State.DOWN)]
    events = [*runs, state(9, State.PRODUCING), counted(12, 3)]
    texts = [line(Journaled(seq, event)) for seq, event in enumerate(events, start=1)]
    standard = StationStandard(ideal_cycle={}, minor_stop=at(2) - at(0))
    found = []
    for name, lines in {"in-order": texts, "reversed": texts[::-1]}.items():
        folder = tmp_path / name
        folder.mkdir()
        bring("\n".join(lines), folder)
        with JournalReader(folder / "journal.sqlite") as reader:
            window = between(0, 60)
            found.append(kpi(timeline(reader.events(STATION)), window, [window], standard, until=at(60)))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("nonsense", "this is no JSON"),
        ("[1]", "an object in braces"),
        ({"format": "other", "version": 1}, "this is not taktline-journal of version 1"),
        ({**EVENT, "event": "state_change"}, "did you mean `state_changed`?"),
        ({**EVENT, "event": None}, "`event` is None"),
        ({**EVENT, "stat": "down"}, "state_changed has no `stat`; did you mean `state`?"),
        ({**EVENT, "state": "broken"}, "there is: producing, starved, blocked, down"),
        ({**EVENT, "station": "weld/framing"}, "write site/area/line/station"),
        ({**EVENT, "time": "2026-03-02T08:00:00"}, "`time` has no zone"),
        ({**EVENT, "time": "yesterday"}, "`time`"),
        ({**EVENT, "time": "0001-01-01T00:00:00+05:00"}, "no time of this calendar"),
        ({"event": "state_changed", "station": str(STATION)}, "lacks `time`"),
        ({**COUNT, "delta": -1}, "a count never goes down"),
        ({**COUNT, "delta": 1.5}, "`delta`"),
        ({**COUNT, "since": "2026-03-02T09:00:00Z"}, "`since` is later than `time`"),
        ({**EVENT, "event": "unit_completed", "unit": "A", "cycle_s": "9"}, "has no `state`"),
        (DECISION, "`parts` is -1"),
    ],
)
def test_a_wrong_line_is_explained(wrong: object, said: str) -> None:
    """What is wrong and what to write instead."""
    with pytest.raises(Mistake, match=re.escape(said)):
        Lines().event(wrong if isinstance(wrong, str) else json.dumps(wrong))


def test_durations_and_stretches_are_checked() -> None:
    """Seconds are numbers, and a stretch does not end before it begins."""
    unit = {"event": "unit_completed", "station": str(STATION), "time": "2026-03-02T08:00:00Z", "unit": "A"}
    reason = {"event": "reason_assigned", "station": str(STATION), "time": "2026-03-02T08:00:00Z", "by": "aigul"}
    stretch = {"start": "2026-03-02T07:00:00Z", "end": "2026-03-02T06:00:00Z", "reason": None}

    for cycle in ("9", -1, True):
        with pytest.raises(Mistake, match="`cycle_s` is"):
            Lines().event(json.dumps({**unit, "cycle_s": cycle}))
    with pytest.raises(Mistake, match="`end` is before `start`"):
        Lines().event(json.dumps({**reason, **stretch}))


def test_all_mistakes_come_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    """Each with file and line, twenty at most; a good line among them is not written either."""
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join([json.dumps(EVENT), *["nonsense"] * 25]), encoding="utf-8")
    journal = tmp_path / "journal.sqlite"
    found = CliRunner().invoke(mes, ["journal", "import", str(file), "--journal", str(journal)])

    assert isinstance(found.exception, ConfigError)
    assert f"{file}:2: this is no JSON" in str(found.exception)
    assert "and 5 more" in str(found.exception)
    assert not journal.exists()
    missing = CliRunner().invoke(mes, ["journal", "import", "nowhere.jsonl", "--journal", str(journal)])
    assert isinstance(missing.exception, ConfigError)
    nothing = CliRunner().invoke(mes, ["journal", "export", "--journal", str(journal)])
    assert isinstance(nothing.exception, ConfigError)


def test_counts_without_a_reading_stay_apart(tmp_path: Path) -> None:
    """Two equal counts at one instant are two; a dry run writes nothing; standard input is a file too."""
    text = "\n".join([json.dumps(COUNT)] * 2)

    assert "2 events are good; nothing was written." in bring(text, tmp_path, "--dry-run")
    assert "2 events are new" in bring(text, tmp_path)
    assert "0 events are new" in bring(text, tmp_path)
    other = {**COUNT, "product": "S2"}
    mixed = [json.dumps(event) for event in (COUNT, other, COUNT, {**COUNT, "delta": 2})]
    assert "2 events are new, 2 were known" in bring("\n".join(mixed), tmp_path)
    assert "0 events are new" in bring("\n".join(mixed[::-1]), tmp_path)
    assert "0 events are new" in bring("\n".join(mixed[2:]), tmp_path)
    journal = str(tmp_path / "other.sqlite")
    found = CliRunner().invoke(mes, ["journal", "import", "-", "--journal", journal], input=text)
    assert "2 events are new" in found.output


def test_the_document_tells_every_event_and_field() -> None:
    """Each event has its heading, and each of its own fields is named below it."""
    text = FORMAT.read_text(encoding="utf-8")
    shared = {"station", "time", "received_time", "time_source"}
    for kind, event_type in KINDS.items():
        section = text.split(f"## {kind}\n")[1].split("\n## ")[0]
        for field in fields(event_type):
            name = "cycle_s" if field.name == "cycle_time" else field.name
            assert name in shared or f"`{name}`" in section, (kind, name)


def test_the_documents_examples_work(tmp_path: Path) -> None:
    """The example file is imported and reported; the example plant for imports loads."""
    text = FORMAT.read_text(encoding="utf-8")
    example, plant = (re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("json", "yaml"))
    assert example is not None
    assert plant is not None
    assert "9 events are new" in bring(example[1], tmp_path)
    with PlantResults(load(default_config()).config, tmp_path / "journal.sqlite") as query:
        (row,) = rows(query, Request("interval", at(0), at(120), ("framing",)))
    assert (row.kpi.good, row.kpi.scrap, row.kpi.down) == (6, 1, at(30) - at(0))
    assert [loss.reason for loss in row.kpi.losses] == ["robot-fault"]
    file = tmp_path / "plant.yaml"
    file.write_text(plant[1], encoding="utf-8")
    assert list(load(file).config.standards) == ["acme/press/press-1/press"]


def test_the_last_state_of_imported_events_lasts_as_long_as_is_asked(tmp_path: Path) -> None:
    """States and counters of a published test: running, running, stopped, running; four hours of eight planned ones."""
    station = "acme/press/press-1/press"
    said = ["producing", "producing", "down", "producing"]
    lines: list[dict[str, object]] = [
        {"event": "state_changed", "station": station, "time": f"2026-03-02T{hour:02}:00:00Z", "state": state_name}
        for hour, state_name in enumerate(said)
    ]
    counts = {"event": "units_counted", "station": station, "time": "2026-03-02T02:30:00Z"}
    lines += [{**counts, "kind": "good", "delta": 236}, {**counts, "kind": "scrap", "delta": 4}]
    bring("\n".join(map(json.dumps, lines)), tmp_path)
    plant = tmp_path / "plant.yaml"
    plant.write_text(
        """
site:
  name: acme
  time_zone: UTC
  calendar: {shifts: [{name: night, days: [mon], start: "00:00", end: "08:00"}]}
products: {P: {name: Part, assembly_method: CKD, raw: [P]}}
areas: {press: {lines: {press-1: {stations: {press: {ideal_cycle_s: {any: 30}}}}}}}
""",
        encoding="utf-8",
    )
    words = ["report", "--config", str(plant), "--journal", str(tmp_path / "journal.sqlite"), "--format", "json"]
    asked = ["--by", "interval", "--from", "2026-03-02T00:00Z", "--to", "2026-03-02T04:00Z"]
    (row,) = json.loads(CliRunner().invoke(mes, [*words, *asked], catch_exceptions=False).output)

    assert (row["apt_s"], row["down_s"], row["pbt_s"]) == (10_800, 3600, 14_400)
    assert (row["performance"], row["quality"]) == (240 * 30 / 10_800, 236 / 240)
    assert row["oee"] == 236 * 30 / 14_400
