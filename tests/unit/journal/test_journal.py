"""The journal: order, durability, one writer, cursors, and what it says when it cannot."""

import asyncio
import math
import stat
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from events import raised
from fakes import PLC, START

from mes.errors import JournalError
from mes.intervals import Interval
from mes.journal import Entry, Journal, JournalReader
from mes.model import FaultRaised, ProcessValue, StationId

WELD = StationId("kostanay/weld/weld-1/framing")
PAINT = StationId("kostanay/paint/paint-1/oven")


def fault(code: int, *, station: StationId = WELD) -> FaultRaised:
    return raised(START + timedelta(seconds=code), str(code), station=station, received=START)


async def test_the_order_of_calls_is_the_order_in_the_journal(tmp_path: Path) -> None:
    """Appends that nobody awaits in between are numbered in the order of the calls, without holes."""
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        queued = [journal.append(Entry(events=[fault(2 * n), fault(2 * n + 1)])) for n in range(200)]

        assert await asyncio.gather(*queued) == [2 * n + 2 for n in range(200)]
        assert [journaled.event for journaled in await journal.read(0, 1000)] == [fault(n) for n in range(400)]
        assert [journaled.seq for journaled in await journal.read(398, 1000)] == [399, 400]
        assert journal.last_seq == 400


async def test_cancelling_who_waits_loses_nothing(tmp_path: Path) -> None:
    """An append whose waiter is cancelled is written all the same, and so is everything after it."""
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        queued = journal.append(Entry(events=[fault(1)]))
        queued.cancel()
        await journal.append(Entry(events=[fault(2)]))

        assert [journaled.event for journaled in await journal.read(0, 10)] == [fault(1), fault(2)]


async def test_leaving_waits_for_what_is_queued(tmp_path: Path) -> None:
    """What was appended and not awaited is there after closing and opening again, with states and proofs of life."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        journal.append(Entry(events=[fault(1)], states={WELD: b"one"}, observed={PLC: START}))
        journal.append(Entry(states={WELD: b"two"}, observed={PLC: START + timedelta(seconds=1)}))
    async with Journal.open(path) as journal:
        assert journal.last_seq == 1
        assert await journal.station_states() == {WELD: b"two"}
        assert await journal.observed() == {PLC: START + timedelta(seconds=1)}


async def test_cursors_never_go_back(tmp_path: Path) -> None:
    """A consumer's cursor starts at 0, moves on and never backwards, each for itself, and is kept."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        assert await journal.cursor("influx") == 0
        await journal.advance("influx", 7)
        await journal.advance("influx", 5)
    async with Journal.open(path) as journal:
        assert (await journal.cursor("influx"), await journal.cursor("other")) == (7, 0)


async def test_telemetry_is_kept_where_it_says_something(tmp_path: Path) -> None:
    """Process values come back exactly, in order; values that are no finite number are left out."""
    values = [
        ProcessValue(station=PAINT, name="temperature", time=START, value=value)
        for value in (140.25, math.nan, math.inf, 0.1)
    ]
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        await journal.append(Entry(telemetry=values))

        assert await journal.read_telemetry(0, 10) == [(1, values[0]), (2, values[3])]
        assert await journal.read_telemetry(1, 10) == [(2, values[3])]


async def test_only_one_writer(tmp_path: Path) -> None:
    """A second writer is refused with the file's name and what to do, and gets in once the first has gone."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path):
        with pytest.raises(JournalError, match=r"journal\.sqlite is in use.*stop that one first"):
            async with Journal.open(path):
                pass
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=[fault(1)]))


async def test_nobody_else_may_read(tmp_path: Path) -> None:
    """A new folder is for its owner only, and so are the files in it."""
    path = tmp_path / "data" / "journal.sqlite"
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=[fault(1)]))

        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


async def test_a_reader_sees_what_is_committed(tmp_path: Path) -> None:
    """A reader beside the writer gives a station's events in order, those before a time only, and the whole span."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        with JournalReader(path) as reader:
            assert (reader.span(), reader.last_seq(), reader.stations()) == (None, 0, ())

            await journal.append(Entry(events=[fault(9), fault(5, station=PAINT), fault(7)], observed={PLC: START}))

            assert [event.event for event in reader.events(WELD)] == [fault(9), fault(7)]
            assert [event.event for event in reader.events(WELD, until=fault(9).time)] == [fault(7)]
            assert reader.stations() == (PAINT, WELD)
            assert reader.span() == Interval(fault(5).time, fault(9).time)
            assert [journaled.seq for journaled in reader.read(1, 10)] == [2, 3]

            await journal.append(Entry(observed={PLC: START + timedelta(hours=1)}))

            assert reader.span() == Interval(fault(5).time, START + timedelta(hours=1))


async def test_a_reader_works_on_a_stopped_journal(tmp_path: Path) -> None:
    """After the writer has gone, a report reads all the same; where there is no journal, it is told so."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=[fault(1)]))

    with JournalReader(path) as reader:
        assert reader.last_seq() == 1
    with pytest.raises(JournalError, match=r"nowhere\.sqlite"):
        JournalReader(tmp_path / "nowhere.sqlite")


async def test_a_failure_is_told_to_all_and_final(tmp_path: Path) -> None:
    """When SQLite reports an error, everyone who waits gets JournalError, and so does everyone after."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=[fault(1)]))
        other = apsw.Connection(str(path))
        other.execute("DROP TABLE station_state")
        other.close()

        queued = [journal.append(Entry(events=[fault(n)], states={WELD: b""})) for n in (2, 3)]
        answers = await asyncio.gather(*queued, return_exceptions=True)

        assert [type(answer) for answer in answers] == [JournalError, JournalError]
        with pytest.raises(JournalError, match="station_state"):
            await journal.append(Entry())
        with pytest.raises(JournalError, match="station_state"):
            await journal.read(0, 1)
    with JournalReader(path) as reader:
        assert reader.last_seq() == 1


async def test_closed_means_closed(tmp_path: Path) -> None:
    """After the block, a request is refused rather than left waiting."""
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        pass

    with pytest.raises(JournalError, match="closed"):
        journal.append(Entry(events=[fault(1)]))


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("PRAGMA user_version = 99", "format 99.*run the version that wrote it"),
        ("PRAGMA application_id = 7", "some other program"),
    ],
)
async def test_a_foreign_file_is_refused(tmp_path: Path, statement: str, says: str) -> None:
    """A database of another program or format is refused by writer and reader, and is not touched."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path):
        pass
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()

    with pytest.raises(JournalError, match=says):
        async with Journal.open(path):
            pass
    with pytest.raises(JournalError, match=says):
        JournalReader(path)
