"""Events that cannot be read: passed over by all who read, counted, named, and kept as they are."""

import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from events import STATION, counted, state
from structlog.typing import EventDict

from mes.cli import mes
from mes.health.count_audit import CountAudit
from mes.journal import Entry, Journal, JournalReader
from mes.journal.backup import backup, check
from mes.journal.codec import Unreadable
from mes.journal.salvage import salvage
from mes.model import (
    CountFlag,
    CountKind,
    State,
    StateChanged,
    StationEvent,
    UnitsCounted,
    totaliser_id,
)

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
DAMAGED = 4  # a count of one part
ROT = {
    "no JSON": "body = 'X' || substr(body, 2)",
    "truncated": "body = substr(body, 1, length(body) / 2)",
    "empty": "body = ''",
    "another type": 'body = replace(body, \'"delta":1\', \'"delta":"one"\')',
    "a list": "body = '[1, 2]'",
    "a field is missing": "body = replace(body, '\"delta\":1,', '')",
    "no UTF-8": "body = CAST(x'7b22ff227d' AS TEXT)",
    "bytes": "body = x'7b22ff227d'",
    "a number without end": "body = replace(body, '\"delta\":1', '\"delta\":1e999')",
    "a number of 400 digits": "body = replace(body, '\"delta\":1', '\"delta\":1' || printf('%0400d', 0))",
    "a number beyond 64 bits": "body = replace(body, '\"raw\":4', '\"raw\":99999999999999999999')",
    "no month": "body = replace(body, '2026-03', '2026-13')",
    "no zone": "body = replace(body, 'Z\"', '\"')",
    "before all time": "body = replace(body, '2026-03-02T06:00:04Z', '0001-01-01T00:00:00+14:00')",
    "its kind is no UTF-8": "kind = CAST(x'ff' AS TEXT)",
    "its kind is no word": "kind = 'units counted!'",
}
NEWER = {
    "another kind": "kind = 'robot_moved'",
    "another word": 'body = replace(body, \'"flag":"normal"\', \'"flag":"estimated"\')',
}


def part(number: int) -> UnitsCounted:
    seen = START + timedelta(seconds=number)
    flag = CountFlag.NORMAL if number > 1 else CountFlag.BASELINE
    previous = number - 1 if number > 1 else None
    return counted(seen, 1 if number > 1 else 0, raw=number, previous_raw=previous, product=None, flag=flag)


async def written(path: Path, events: Sequence[StationEvent] | None = None) -> None:
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=[part(number) for number in range(1, 9)] if events is None else events))


def changed(path: Path, *assignments: str, seq: int = DAMAGED) -> None:
    """A row is another one."""
    with contextlib.closing(sqlite3.connect(path)) as journal, journal:
        for assignment in assignments:
            journal.execute(f"UPDATE event SET {assignment} WHERE seq = ?", (seq,))


@pytest.mark.parametrize(("how", "newer"), [*((seq, False) for seq in ROT), *((seq, True) for seq in NEWER)])
async def test_one_event_that_cannot_be_read_is_passed_over_and_named(
    tmp_path: Path, how: str, logged: list[EventDict], *, newer: bool
) -> None:
    """Every reader gives the other seven, the InfluxDB cursor can go on, the count audit differs, health names it."""
    path = tmp_path / "journal.sqlite"
    await written(path)
    changed(path, (NEWER if newer else ROT)[how])
    async with Journal.open(path) as journal:
        assert [journaled.seq for journaled in await journal.read(0, 100)] == [1, 2, 3, 5, 6, 7, 8]
        assert [journaled.seq for journaled in await journal.read(2, 3)] == [3, 5, 6]
        assert [row.seq for row in await journal.read_rows(0, 100)] == list(range(1, 9))
        assert [count.seq for count in await journal.last_counts()] == [8]
        assert (await journal.affected_windows(0, 100))[0] == 8
        count_audit = CountAudit(path, journal)
        await count_audit.catch_up()
        await count_audit.catch_up()
    assert (count_audit.unread.damaged, count_audit.unread.newer) == ((0, 1) if newer else (1, 0))
    (sentence,) = count_audit.unread.sentences().values()
    assert f"event {DAMAGED} (" in sentence
    assert (f"of {STATION} at 2026-03-02 06:00:04 UTC" in sentence, "newer version" in sentence) == (True, newer)
    assert [line["event"] for line in logged] == ["journal_events_passed_over"]
    assert [line.difference for line in count_audit.lines()] == [1]
    with JournalReader(path) as reader:
        assert [event.seq for event in reader.events(STATION)] == [1, 2, 3, 5, 6, 7, 8]
        assert [journaled.seq for journaled in reader.between(STATION, START, START + timedelta(days=1))][2:4] == [3, 5]
        assert len(reader.one_of_each_count(STATION)) == 1
        assert [
            journaled and journaled.seq for journaled in reader.counts_around(STATION, totaliser_id(CountKind.GOOD), 5)
        ] == [3, 6]
        assert reader.stations() == (STATION,)


@pytest.mark.parametrize(("how", "code"), [("no JSON", 1), ("no UTF-8", 1), ("another kind", 3), ("another word", 3)])
async def test_the_check_lists_it(tmp_path: Path, how: str, code: int) -> None:
    """`mes journal check` says number, station, time and why; damaged ends with 1, of a newer version with 3."""
    path = tmp_path / "journal.sqlite"
    await written(path)
    changed(path, {**ROT, **NEWER}[how])
    ran = CliRunner().invoke(mes, ["journal", "check", "--journal", str(path)])

    assert ran.exit_code == code
    assert f"event {DAMAGED} (" in ran.output
    assert f"of {STATION} at 2026-03-02 06:00:04 UTC): " in ran.output
    assert ("NOT SOUND" in ran.output, "newer version" in ran.output) == (code == 1, code == 3)


async def test_many_in_a_row_stop_nobody(tmp_path: Path) -> None:
    """Whole chunks that cannot be read are passed over, by those who ask for a few at a time, too."""
    path = tmp_path / "journal.sqlite"
    await written(path, [part(number) for number in range(1, 1001)])
    with contextlib.closing(sqlite3.connect(path)) as journal, journal:
        journal.execute("UPDATE event SET body = '{' WHERE seq BETWEEN 2 AND 999")
    async with Journal.open(path) as journal_:
        assert [journaled.seq for journaled in await journal_.read(0, 2)] == [1, 1000]
        assert [count.seq for count in await journal_.last_counts()] == [1000]
        count_audit = CountAudit(path, journal_)
        await count_audit.catch_up()
        assert count_audit.unread.damaged == 998
        assert len(count_audit.unread.sentences()["events"]) < 1500
    changed(path, "body = '{'", seq=1000)
    async with Journal.open(path) as journal_:
        assert [count.seq for count in await journal_.last_counts()] == [1]


async def test_a_state_that_cannot_be_read_is_no_data(tmp_path: Path) -> None:
    """From an unreadable change of state on the state is not known, until the next one: never the one before it."""
    path = tmp_path / "journal.sqlite"
    states = [state(part(number).time, State.PRODUCING if number % 2 else State.DOWN) for number in range(1, 5)]
    await written(path, states)
    changed(path, "body = replace(body, 'down', 'cleaning')", seq=2)
    with JournalReader(path) as reader:
        found = [event.event for event in reader.events(STATION)]
        assert [event.state for event in found if isinstance(event, StateChanged)] == [
            *(State.PRODUCING, State.NO_DATA, State.PRODUCING, State.DOWN)
        ]
        before = reader.states_before(STATION, START + timedelta(seconds=2.5), 1)
        assert [journaled.seq for journaled in before] == [2]


async def test_backup_salvage_export_and_import_keep_an_event_of_a_newer_version(tmp_path: Path) -> None:
    """Its row is the same everywhere, under its number where the numbers are kept; importing twice changes nothing."""
    path = tmp_path / "journal.sqlite"
    await written(path)
    changed(path, "kind = 'robot_moved'", 'body = \'{"axis": 6, "name": "Қостанай"}\'')
    backup(path, tmp_path / "copy.sqlite")
    for file in (path, tmp_path / "copy.sqlite"):
        with JournalReader(file) as reader:
            assert [row.kind for row in reader.read_rows(0, 100) if isinstance(row, Unreadable)] == ["robot_moved"]
    exported, other = tmp_path / "lines", tmp_path / "other.sqlite"
    invoke = CliRunner().invoke
    assert invoke(mes, ["journal", "export", "--journal", str(path), "-o", str(exported)]).exit_code == 0
    for _ in range(2):
        ran = invoke(mes, ["journal", "import", str(exported), "--journal", str(other)])
        assert ran.exit_code == 0, ran.output
    with JournalReader(path) as one, JournalReader(other) as two:
        (there,) = [row for row in two.read_rows(0, 100) if isinstance(row, Unreadable)]
        assert two.raw(there.seq) == one.raw(DAMAGED)
        assert len(two.read_rows(0, 100)) == 8
    salvage(path, "a test")
    with JournalReader(path) as reader:
        assert [row.seq for row in reader.read_rows(0, 100) if isinstance(row, Unreadable)] == [DAMAGED]


@pytest.mark.parametrize("how", ROT)
async def test_a_damaged_event_goes_through_export_and_import(tmp_path: Path, how: str) -> None:
    """What cannot be read is written as it is in the file, and comes back so."""
    path, exported, other = tmp_path / "journal.sqlite", tmp_path / "lines", tmp_path / "other.sqlite"
    await written(path)
    changed(path, ROT[how])
    invoke = CliRunner().invoke
    assert invoke(mes, ["journal", "export", "--journal", str(path), "-o", str(exported)]).exit_code == 0
    ran = invoke(mes, ["journal", "import", str(exported), "--journal", str(other)])
    assert ran.exit_code == 0, ran.output
    with JournalReader(path) as one, JournalReader(other) as two:
        (there,) = [row for row in two.read_rows(0, 100) if isinstance(row, Unreadable)]
        assert two.raw(there.seq)[2:] == one.raw(DAMAGED)[2:]
    copy = tmp_path / "copy.sqlite"
    backup(path, copy)
    assert [unreadable.seq for unreadable in check(copy).damaged] == [DAMAGED]
