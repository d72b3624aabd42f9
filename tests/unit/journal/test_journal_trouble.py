"""The journal when the disk is full, read-only, failing or damaged."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner
from events import STATION, counted, raised
from fakes import PLC, START
from faulty_disk import NAME, Disk, faulty_disk

from mes.cli import mes
from mes.collect.station import decode_state
from mes.errors import ConfigError, JournalDamaged, JournalError
from mes.journal import Entry, Journal, JournalReader
from mes.journal.backup import backup, check, restore
from mes.journal.salvage import salvage
from mes.journal.store import RejectedPoint, Rows, Store
from mes.model import FaultRaised, ProcessValue, UnitsCounted

SOON_S = 0.01


@pytest.fixture
def disk() -> Iterator[Disk]:
    with faulty_disk() as made:
        yield made


def fault(code: int) -> FaultRaised:
    return raised(START + timedelta(seconds=code), str(code), received=START)


def part(number: int) -> UnitsCounted:
    return counted(START + timedelta(seconds=number), raw=number, previous_raw=number - 1, received=START)


def damage(path: Path) -> None:
    """Overwrites one page of the file that holds events."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    pages: list[tuple[Any, ...]] = connection.execute(
        "SELECT pageno FROM dbstat WHERE name = 'event' AND pagetype = 'leaf'"
    ).fetchall()
    connection.close()
    with path.open("r+b") as file:
        file.seek((pages[len(pages) // 2][0] - 1) * 4096)
        file.write(b"\xa5" * 4096)


def forget(folder: Path) -> None:
    """Removes a journal and all that stands beside it."""
    for kept in folder.glob("journal.sqlite*"):
        kept.unlink()


async def until(holds: Callable[[], bool]) -> None:
    """Waits for what the journal's own thread does."""
    while not holds():
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("refusal", [apsw.FullError, apsw.ReadOnlyError])
async def test_a_full_disk_stops_acknowledging_and_nothing_else(
    tmp_path: Path, disk: Disk, logged: list[dict[str, object]], refusal: type[apsw.Error]
) -> None:
    """While the disk takes nothing no append is acknowledged; once it does, all are there, in order, once each.

    The log has one line when that begins and one when it ends.
    """
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path, vfs=NAME, retry_s=SOON_S) as journal:
        await journal.append(Entry(events=[fault(1)]))
        disk.refuse = refusal
        queued = [journal.append(Entry(events=[fault(n)])) for n in range(2, 50)]
        await until(lambda: disk.refusals > 3)
        assert not any(append.done() for append in queued)
        assert "takes nothing" in str(journal.blocked)
        assert [line["event"] for line in logged] == ["journal_blocked"]
        assert journal.waiting_s > 0
        disk.refuse = None
        assert await asyncio.gather(*queued) == list(range(2, 50))
        assert journal.blocked is None
        assert [line["event"] for line in logged] == ["journal_blocked", "journal_writes_again"]
        assert sum(journal.commits().counts) >= 2
        assert [journaled.event for journaled in await journal.read(0, 100)] == [fault(n) for n in range(1, 50)]


@pytest.mark.parametrize("refusal", [apsw.FullError, apsw.ReadOnlyError])
async def test_what_a_wrong_clock_stamped_is_brought_back_once_there_is_room(
    tmp_path: Path, disk: Disk, logged: list[dict[str, object]], refusal: type[apsw.Error]
) -> None:
    """A start on a full disk after one under a clock that was ahead waits, says so, and then goes on."""
    async with Journal.open(tmp_path / "journal.sqlite", vfs=NAME, retry_s=SOON_S) as journal:
        later = START + timedelta(days=400)
        observed = {PLC: START}
        await journal.append(Entry(events=[fault(1)], observed=observed))
        await journal.append(Entry(events=[raised(later, "2", received=later)], observed=observed))
        found = await journal.future(START + timedelta(minutes=1))
        assert found is not None
        assert not found.is_behind
        disk.refuse = refusal
        bringing = asyncio.create_task(journal.forget_future(START + timedelta(minutes=1)))
        await until(lambda: disk.refusals > 3)
        assert refusal.__name__ in str(journal.blocked)
        disk.refuse = None
        assert await bringing is not None
        assert await journal.future(START + timedelta(minutes=1)) is None
        assert journal.blocked is None
    assert [line["event"] for line in logged] == ["journal_blocked", "journal_writes_again"]


async def test_a_full_disk_does_not_keep_the_program_from_ending(tmp_path: Path, disk: Disk) -> None:
    """Whoever still waits when the program ends is told that nothing was written."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path, vfs=NAME, retry_s=60) as journal:
        await journal.append(Entry(events=[fault(1)]))
        disk.refuse = apsw.FullError
        queued = journal.append(Entry(events=[fault(2)]))
        await until(lambda: journal.blocked is not None)
    with pytest.raises(JournalError, match="FullError"):
        await queued
    disk.refuse = None
    with JournalReader(path) as reader:
        assert reader.last_seq() == 1


async def test_one_failure_of_the_disk_is_mended_by_asking_it(tmp_path: Path, disk: Disk) -> None:
    """After a failed write the file is opened again, and what waits is written once."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path, vfs=NAME) as journal:
        await journal.append(Entry(events=[fault(1)]))
        disk.fails = [apsw.IOError]
        assert await journal.append(Entry(events=[fault(2)])) == 2
        assert [journaled.event for journaled in await journal.read(0, 10)] == [fault(1), fault(2)]


async def test_a_disk_that_goes_on_failing_ends_the_journal(tmp_path: Path, disk: Disk) -> None:
    """A second failure is final: nobody is acknowledged, and what was before is there."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path, vfs=NAME) as journal:
        await journal.append(Entry(events=[fault(1)]))
        disk.refuse = apsw.IOError
        with pytest.raises(JournalError, match="IOError"):
            await journal.append(Entry(events=[fault(2)]))
        disk.refuse = None
    with JournalReader(path) as reader:
        assert [journaled.event for journaled in reader.read(0, 10)] == [fault(1)]


async def test_telemetry_goes_and_counts_stay(tmp_path: Path) -> None:
    """Old process values are dropped in their order and their room is given back; events and states never are."""
    path = tmp_path / "journal.sqlite"
    values = [
        ProcessValue(station=STATION, name="current", time=START + timedelta(seconds=n), value=n) for n in range(20_000)
    ]
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=[part(1)], states={STATION: b"one"}, telemetry=values, observed={PLC: START}))
        before = await journal.tidy(0)
        cut = START + timedelta(seconds=19_000)
        assert await journal.thin_telemetry(cut, 15_000, now=cut + timedelta(days=1)) == (15_000, 15_000)
        assert await journal.thin_telemetry(cut, 15_000, now=cut + timedelta(days=1)) == (4_000, 19_000)
        assert await journal.thin_telemetry(cut, 15_000, now=cut + timedelta(days=1)) == (0, 0)
        after = await journal.tidy(100_000)

        assert [value for _, value in await journal.read_telemetry(0, 30_000)] == values[19_000:]
        assert [journaled.event for journaled in await journal.read(0, 10)] == [part(1)]
        assert await journal.station_states() == {STATION: b"one"}
    assert path.stat().st_size < (before.file + before.log) / 4
    assert after.unused == 0


async def test_a_damaged_page_costs_what_stood_on_it(tmp_path: Path) -> None:
    """Whatever page is overwritten: the file is kept, what can be read goes on under its numbers, the rest is named."""
    path = tmp_path / "journal.sqlite"
    events = 600
    with Store(path) as store:
        store.write([Rows()])
    async with Journal.open(path) as journal:
        await asyncio.gather(*(journal.append(Entry(events=[part(n)])) for n in range(1, events + 1)))
        await journal.append(Entry(states={STATION: b"{}"}))
        await journal.advance("influx-events", events)
    whole = path.read_bytes()
    damaged = salvaged = lost = 0
    for page in range(1, len(whole) // 4096):
        path.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        async with Journal.open(path) as journal:
            found = await journal.read(0, events + 1)
            states, cursor, last = (
                await journal.station_states(),
                await journal.cursor("influx-events"),
                journal.last_seq,
            )
            damaged += journal.salvaged is not None
            counts = await journal.last_counts()
        assert all(journaled.event == part(journaled.seq) for journaled in found)
        assert last == events or cursor == 0, f"page {page}: a number would be given away twice"
        if len(found) < events:
            lost += 1
            with JournalReader(path) as reader:
                gone = {n for first, until_ in reader.damage() for n in range(first, until_ + 1)}
            assert gone | {journaled.seq for journaled in found} >= set(range(1, last + 1)), f"page {page}"
        salvaged += bool(states) or bool(counts)
        forget(tmp_path)
    assert damaged > 20
    assert lost > 10
    assert salvaged == len(whole) // 4096 - 1


async def test_a_backup_is_a_journal(tmp_path: Path) -> None:
    """A copy made while the journal is written to holds all that was acknowledged, and can take its place."""
    path, copy = tmp_path / "journal.sqlite", tmp_path / "copy"
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=[fault(n) for n in range(1, 100)], states={STATION: b"one"}))
        backup(path, copy)
        await journal.append(Entry(events=[fault(100)]))
        with pytest.raises(JournalError, match="in use"):
            restore(copy, path)
        with pytest.raises(ConfigError, match="exists already"):
            backup(path, copy)
    found = check(copy)
    assert found.sound
    assert found.contents is not None
    assert (found.contents.events, found.contents.damage, found.contents.stations) == (99, (), 1)
    kept = restore(copy, path)
    assert kept is not None
    before = check(kept).contents
    assert before is not None
    assert before.events == 100
    async with Journal.open(path) as journal:
        assert [journaled.event for journaled in await journal.read(0, 200)] == [fault(n) for n in range(1, 100)]
        assert await journal.station_states() == {STATION: b"one"}


async def test_a_check_says_what_is_wrong(tmp_path: Path) -> None:
    """A damaged file is not sound, is no backup, and after it was saved the check tells what was lost."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        await asyncio.gather(*(journal.append(Entry(events=[part(n)])) for n in range(1, 601)))
    damage(path)
    assert not check(path).sound
    with pytest.raises(ConfigError, match="damaged"):
        restore(path, tmp_path / "other.sqlite")
    asked = CliRunner().invoke(mes, ["journal", "check", "--journal", str(path)])
    assert (asked.exit_code, "NOT SOUND" in asked.stderr) == (1, True)
    async with Journal.open(path) as journal:
        assert "kept as journal.sqlite.damaged-" in str(journal.salvaged)
    asked = CliRunner().invoke(mes, ["journal", "check", "--journal", str(path)])
    assert (asked.exit_code, "were lost when the file was damaged" in asked.stdout) == (0, True)


async def test_what_is_refused_is_listed_with_the_reason(tmp_path: Path) -> None:
    """While the journal is in use; the whole line only when it is asked for, and nothing is nothing."""
    path = tmp_path / "journal.sqlite"
    words = ["journal", "quarantine", "--journal", str(path)]
    nowhere = CliRunner().invoke(mes, words)
    async with Journal.open(path) as journal:
        empty = CliRunner().invoke(mes, words)
        refused = RejectedPoint(
            "counts,station=trim 17", "counts,station=trim delta=1i 17", 422, "field type conflict", 10**6
        )
        await journal.quarantine("influx", [refused, RejectedPoint("odd 5", "odd", 0, "no line protocol", 2 * 10**6)])
        listed = CliRunner().invoke(mes, words)
        whole = CliRunner().invoke(mes, [*words, "--lines"])

    assert "there is no journal" in str(nowhere.exception)
    assert (empty.exit_code, empty.stdout) == (0, "no point is refused.\n")
    assert listed.stdout.splitlines() == [
        "1970-01-01 00:00:01 UTC  422  counts,station=trim 17",
        "    field type conflict",
        "1970-01-01 00:00:02 UTC  not sent  odd 5",
        "    no line protocol",
        "2 points are refused.",
    ]
    assert "    counts,station=trim delta=1i 17" in whole.stdout.splitlines()


def test_a_file_that_is_no_journal_is_not_touched(tmp_path: Path) -> None:
    """A text named as the journal by mistake is refused and stays as it is."""
    path = tmp_path / "plant.yaml"
    path.write_text("site: kostanay\n" * 1000)
    with pytest.raises(JournalError, match="NotADBError") as refused:
        Store(path)
    assert not isinstance(refused.value, JournalDamaged)
    assert path.read_text() == "site: kostanay\n" * 1000


async def test_totals_outlive_damaged_states(tmp_path: Path) -> None:
    """Where a station's state is lost its totalisers go on from the last counts."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=[part(7), part(8)]))
    with Store(path) as store:
        assert [count.event for count in store.last_counts()] == [part(8)]
    assert decode_state(b"{}").counters == {}


async def test_a_new_version_opens_an_old_journal(tmp_path: Path) -> None:
    """A journal of format 2 is brought up to date when it is opened, and holds what it held."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=[part(1), fault(2)], states={STATION: b"one"}))
    older = apsw.Connection(str(path))
    older.execute("DROP TABLE quarantine; DROP TABLE damage; PRAGMA user_version = 2")
    older.close()
    with pytest.raises(JournalError, match="older format"):
        JournalReader(path)
    async with Journal.open(path) as journal:
        assert [journaled.event for journaled in await journal.read(0, 10)] == [part(1), fault(2)]
        assert await journal.refused("influx") == []
    assert check(path).format == 3


async def test_numbers_that_were_handed_on_are_not_given_again(tmp_path: Path) -> None:
    """Events that went ahead of a backlog, and process values that were thinned out: what is new has a later number."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        values = [ProcessValue(station=STATION, name="process.current", time=START, value=float(n)) for n in range(50)]
        await journal.append(Entry(events=[part(n) for n in range(1, 101)], telemetry=values))
        await journal.advance("influx-events", 20)
        await journal.advance("influx-events-live", 100)
        await journal.advance("influx-process", 50)
        await journal.thin_telemetry(START + timedelta(days=1), 100, now=START + timedelta(days=2))
    path.with_name(path.name + ".hourly").touch()
    with apsw.Connection(str(path)) as tail:
        tail.execute("DELETE FROM event WHERE seq > 90")
    tail.close()

    said = salvage(path, "for a test")

    assert "events that could not be read: 91 to 100" in said
    assert not path.with_name(path.name + ".hourly").exists()
    async with Journal.open(path) as journal:
        assert await journal.append(Entry(events=[part(101)], telemetry=values[:1])) == 101
        assert [row for row, _ in await journal.read_telemetry(0, 10)] == [51]


def names(folder: Path, pattern: str) -> list[str]:
    """The files of a folder whose names are alike."""
    return sorted(path.name for path in folder.glob(pattern))


def move(name: str, *, of: Path, to: Path) -> None:
    """Moves a journal's files to another folder."""
    for path in of.glob(f"{name}*"):
        path.rename(to / path.name)


async def test_a_file_that_vanishes_is_waited_for_and_none_is_made(tmp_path: Path) -> None:
    """Its disk is gone, and comes back: nothing was acknowledged meanwhile, and all of it is there then."""
    path, away = tmp_path / "journal.sqlite", tmp_path / "away"
    away.mkdir()
    with faulty_disk() as disk:
        async with Journal.open(path, vfs=NAME, retry_s=0.05) as journal:
            await journal.append(Entry(events=[part(1)]))
            move(path.name, of=tmp_path, to=away)
            disk.fails.append(apsw.IOError)
            appended = journal.append(Entry(events=[part(2)]))
            await asyncio.sleep(0.3)
            assert not appended.done()
            assert not path.exists()
            move(path.name, of=away, to=tmp_path)
            assert await appended == 2
            assert [journaled.seq for journaled in await journal.read(0, 10)] == [1, 2]


@pytest.mark.parametrize("left", [("",), ("", "-wal"), ("", "-wal", "-shm"), ()])
async def test_a_replacement_that_was_interrupted_is_finished(tmp_path: Path, left: tuple[str, ...]) -> None:
    """Whatever of the old journal was still in place when the power went: the new one stands there at the next."""
    path, other = tmp_path / "journal.sqlite", tmp_path / "other" / "journal.sqlite"
    async with Journal.open(other) as journal:
        await journal.append(Entry(events=[part(7)]))
    other.rename(tmp_path / "journal.sqlite.ready-damaged-20260302T080000")
    for end in left:
        path.with_name(path.name + end).write_bytes(b"what was there before")
    path.with_name(path.name + ".hourly").touch()

    async with Journal.open(path) as journal:
        assert [journaled.event for journaled in await journal.read(0, 10)] == [part(7)]
    assert names(tmp_path, "*.damaged-*") == sorted(f"journal.sqlite.damaged-20260302T080000{end}" for end in left)
    assert names(tmp_path, "*.ready-*") == []
    assert not path.with_name(path.name + ".hourly").exists()
