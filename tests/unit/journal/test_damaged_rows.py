"""Rows and files that are made from events, whatever became of them: they are made again, and nothing stops."""

import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from events import STATION, at, counted, state
from fakes import PLC, START
from list_reader import ListReader
from structlog.typing import EventDict

from adapters.clock import ManualClock
from adapters.reading import Batch, Quality, Reading, TagId
from mes.calendar import Calendar, Shift
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.signals import CounterSignal, StationSetup
from mes.intervals import Interval
from mes.journal import Journal, JournalReader
from mes.journal.hourly import HourlyFile, hourly_file
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountFlag,
    CountKind,
    State,
    StationEvent,
    StationId,
    StationStandard,
    UnitsCounted,
)
from mes.pipeline import Pipeline
from mes.results.hourly import Hourly
from mes.results.unreconciled import cases

GARBAGE = b"garbage" * 1000
STANDARD = StationStandard(ideal_cycle={None: timedelta(minutes=1)}, minor_stop=timedelta(minutes=2))
WHOLE = Interval(at(0), at(900))
READER = ListReader(
    *(state(minute, State.PRODUCING if minute % 10 else State.DOWN) for minute in range(0, 900, 5)), counted(7, 3)
)
STATES = [
    "'{'",
    "''",
    "'[1]'",
    "'{\"counters\": 7}'",
    "x'ff00ff'",
    "17",
    "1.5",
    '\'{"counters": {"good": {"raw": 1e999}}}\'',
]


FIRST = StationId("kostanay/weld/weld-1/framing")
TAG = TagId("W030.GoodCount")
COUNTER = CounterSetup(kind=CountKind.GOOD, modulus=2**32, reset=ResetPolicy.NEVER, max_per_hour=600)
SETUP = StationSetup(
    station=FIRST, signals={TAG: CounterSignal(COUNTER)}, products={}, max_source_offset=timedelta(seconds=10)
)
CALENDAR = Calendar(ZoneInfo("Asia/Qostanay"), (Shift("day", time(8), time(20)),))


async def collected(journal: Journal, *shown: tuple[int, int]) -> list[StationEvent]:
    """The station's events after a start at which the totaliser showed values at minutes; the first is a baseline."""
    clock = ManualClock(START + timedelta(minutes=shown[0][0]))
    pipeline = Pipeline({FIRST: SETUP}, journal, clock, controllers={FIRST: PLC})
    await pipeline.recover()
    for number, (minute, raw) in enumerate(shown):
        seen = START + timedelta(minutes=minute)
        await pipeline.accept(Batch(PLC, seen, (Reading(TAG, raw, Quality.GOOD, None, seen),), baseline=number == 0))
    assert pipeline.last_observed(PLC) == START + timedelta(minutes=shown[-1][0])
    return [journaled.event for journaled in await journal.read(0, 100)]


def parts(events: Sequence[StationEvent]) -> list[int]:
    return [event.delta for event in events if isinstance(event, UnitsCounted) and event.flag is not CountFlag.BASELINE]


async def before_the_restart(path: Path) -> None:
    """Ten parts, up to a totaliser of 110; then the program ends."""
    async with Journal.open(path) as journal:
        await collected(journal, (0, 100), (1, 110))


def changed(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as journal, journal:
        journal.execute(statement)


@pytest.mark.parametrize("body", STATES)
async def test_a_damaged_station_state_is_rebuilt_from_counts(
    tmp_path: Path, body: str, logged: list[EventDict]
) -> None:
    """Whatever its row holds, what was made is caught up from the last count, and the time is a gap."""
    path = tmp_path / "journal.sqlite"
    await before_the_restart(path)
    changed(path, f"UPDATE station_state SET body = {body} WHERE station = '{FIRST}'")
    async with Journal.open(path) as journal:
        events = await collected(journal, (9, 114))
        with JournalReader(path) as reader:
            assert cases(reader, {}) == []
    assert parts(events) == [10, 4]
    assert [type(event) for event in events if isinstance(event, ConnectionLost | ConnectionRestored)] == [
        ConnectionLost,
        ConnectionRestored,
    ]
    assert [line["stations"] for line in logged if line["event"] == "station_states_damaged"] == [[FIRST]]


@pytest.mark.parametrize("value", ["'yesterday'", "x'ff'", "9223372036854775807", "-9223372036854775808", "1.5"])
async def test_a_damaged_proof_of_life_is_none(tmp_path: Path, value: str) -> None:
    """What is no time says nothing; parts are caught up all the same."""
    path = tmp_path / "journal.sqlite"
    await before_the_restart(path)
    changed(path, f"UPDATE observed SET time_us = {value}")
    async with Journal.open(path) as journal:
        assert await journal.observed() == {}
        assert parts(await collected(journal, (9, 114))) == [10, 4]


@pytest.mark.parametrize("value", ["'many'", "x'ff'", "1.5"])
async def test_a_damaged_cursor_begins_again(tmp_path: Path, value: str) -> None:
    """A consumer whose cursor is no number begins at the first event, and moves on as ever."""
    path = tmp_path / "journal.sqlite"
    await before_the_restart(path)
    changed(path, f"INSERT INTO consumer VALUES ('influx-events', {value}, '')")
    async with Journal.open(path) as journal:
        assert (await journal.cursor("influx-events"), await journal.cursors()) == (0, {})
        await journal.advance("influx-events", 2)
        assert await journal.cursor("influx-events") == 2


def kpi(file: HourlyFile) -> object:
    return Hourly(READER, file, CALENDAR).kpis(STATION, STANDARD, WHOLE)


@pytest.mark.parametrize(
    "content", [GARBAGE, b"", b"SQLite format 3\x00" + GARBAGE], ids=["garbage", "empty", "only its head"]
)
def test_a_damaged_hourly_file_is_rebuilt(tmp_path: Path, content: bytes) -> None:
    """The figures are those of an undamaged one; what was there is kept beside it, three times at most."""
    path = tmp_path / "journal.sqlite.hourly"
    with HourlyFile(None) as sound:
        expected = kpi(sound)
    assert expected is not None
    for _ in range(5):
        path.write_bytes(content)
        with hourly_file(tmp_path / "journal.sqlite") as file:
            assert kpi(file) == expected
            assert file.variants(STATION)
    assert len(list(tmp_path.glob("*.damaged-*"))) <= 3
    assert {copy.read_bytes() for copy in tmp_path.glob("*.damaged-*")} == ({content} if content else set())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cell SET body = 'no bytes'",
        "UPDATE cell SET body = x'00'",
        "UPDATE cell SET body = substr(body, 1, length(body) - 1) || x'07'",
        "UPDATE progress SET seq = 'many'",
        "UPDATE progress SET until_us = x'ff'",
        "DROP TABLE cell",
        "DELETE FROM cell WHERE start_us = (SELECT max(start_us) FROM cell)",
        "ALTER TABLE progress RENAME COLUMN seq TO other",
    ],
)
def test_damaged_rows_of_the_hourly_file_are_rebuilt(tmp_path: Path, statement: str) -> None:
    """A cell that is not as it was written is never added up, though it may still look like one."""
    path = tmp_path / "journal.sqlite.hourly"
    with HourlyFile(path) as file:
        expected = kpi(file)
    changed(path, statement)
    with HourlyFile(path) as file:
        assert kpi(file) == expected
        assert kpi(file) == expected


def test_a_folder_in_the_place_of_the_hourly_file_is_left_alone(tmp_path: Path) -> None:
    """Then components are kept in memory, for this process."""
    (tmp_path / "journal.sqlite.hourly").mkdir()
    with hourly_file(tmp_path / "journal.sqlite") as file, HourlyFile(None) as sound:
        assert kpi(file) == kpi(sound)
