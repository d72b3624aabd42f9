"""The machine's clock is wrong when the program starts, and right a while later: it recovers by itself."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from events import state
from modbus_plant import DOWN, GOOD_AT, PRODUCING, STATE_AT, STATION, device, plant_file
from patience import patiently

from adapters.clock import SteadyClock
from mes.config.load import load
from mes.daemon import _clock_set, run
from mes.errors import JournalError
from mes.journal import Entry, Future, Journal, JournalReader
from mes.model import State, StateChanged, StationEvent, UnitsCounted

pytestmark = pytest.mark.timeout(120)

YEAR = timedelta(days=365)


class Machine:
    """A machine's clock that is off by `wrong`."""

    def __init__(self, wrong: timedelta) -> None:
        self.wrong = wrong

    def now(self) -> datetime:
        return datetime.now(UTC) + self.wrong


def events(journal: Path) -> list[StationEvent]:
    """What is journaled of the station so far."""
    try:
        with JournalReader(journal) as reader:
            return [event.event for event in reader.events(STATION)]
    except JournalError:
        return []


async def until(happens: Callable[[], bool]) -> None:
    """Waits until something is so."""
    async with patiently(12):
        while not happens():
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("wrong", [YEAR, -20 * YEAR])
async def test_a_clock_that_is_set_right_is_gone_by(tmp_path: Path, wrong: timedelta) -> None:
    """A year ahead or 20 behind at the start, then set right: states have right times again, every part is counted."""
    server, machine, journal = device(), Machine(wrong), tmp_path / "journal.sqlite"
    await server.start()
    server.write(STATE_AT, [PRODUCING])
    config = load(plant_file(tmp_path, server.port)).config
    program = asyncio.create_task(run(config, SteadyClock(machine.now), opened=lambda: None, set_for_s=0.5))

    def counted() -> int:
        return sum(event.delta for event in events(journal) if isinstance(event, UnitsCounted))

    def state() -> StateChanged | None:
        return next((event for event in reversed(events(journal)) if isinstance(event, StateChanged)), None)

    try:
        await until(lambda: state() is not None)
        server.write(GOOD_AT, [1])
        await until(lambda: counted() == 1)
        machine.wrong = timedelta()
        server.write(GOOD_AT, [3])
        right = datetime.now(UTC)
        await until(lambda: any(right <= event.time <= datetime.now(UTC) for event in events(journal)))
        await until(lambda: counted() == 3)
        server.write(STATE_AT, [DOWN])
        await until(lambda: (last := state()) is not None and last.state is State.DOWN)
        last = state()
    finally:
        program.cancel()
        await asyncio.gather(program, return_exceptions=True)
        await server.stop()

    assert last is not None
    assert right <= last.time <= datetime.now(UTC)
    assert max(event.time for event in events(journal)) <= datetime.now(UTC)


class Judge(Journal):
    """A journal that counts how often it was asked which clock is wrong."""

    asked = 0

    async def future(self, now: datetime) -> Future | None:
        found = await super().future(now)
        self.asked += 1
        return found


async def test_a_clock_that_falls_behind_the_journal_is_not_followed(tmp_path: Path) -> None:
    """Twenty years back while it runs: asked once, and not followed; a year ahead after that: followed."""
    machine = Machine(timedelta())
    clock = SteadyClock(machine.now)
    async with Judge.open(tmp_path / "journal.sqlite") as journal:
        assert isinstance(journal, Judge)
        await journal.append(Entry(events=[state(clock.now(), State.DOWN, station=STATION)]))
        watching = asyncio.create_task(_clock_set(clock, journal, 0.1))
        machine.wrong = -20 * YEAR
        await until(lambda: journal.asked == 1 or watching.done())
        assert not watching.done()
        machine.wrong = YEAR
        await until(watching.done)
        assert journal.asked == 2
