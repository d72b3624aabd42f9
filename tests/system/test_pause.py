"""The program stands still, as on a paused machine: nobody observed that time, and no report says otherwise."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from modbus_plant import DOWN, GOOD_AT, PRODUCING, STATE_AT, STATION, device, plant_file
from patience import patiently

from mes.errors import JournalError
from mes.journal import JournalReader
from mes.model import ConnectionLost, ConnectionRestored, Journaled, StateChanged, UnitsCounted

pytestmark = pytest.mark.timeout(120)

MES = Path(sys.executable).with_name("mes")
STOPPED_S, DOWN_S = 12.0, 8.0
IDEAL_S = 3.0


def journaled(journal: Path) -> list[Journaled]:
    """What is committed so far; nothing before the journal is made."""
    if not journal.exists():
        return []
    try:
        with JournalReader(journal) as reader:
            return list(reader.events(STATION))
    except JournalError:
        return []


async def until(happens: Callable[[], bool]) -> None:
    """Waits until something is so."""
    async with patiently(12):
        while not happens():
            await asyncio.sleep(0.1)


async def test_what_happened_while_the_program_stood_still_is_not_known(tmp_path: Path) -> None:
    """Stopped for 12 s over Modbus, down for 8 of them: no second of it is observed, and the part is caught up."""
    server = device()
    await server.start()
    server.write(STATE_AT, [PRODUCING])
    config, journal, log = plant_file(tmp_path, server.port), tmp_path / "journal.sqlite", tmp_path / "log"
    with log.open("wb") as output:
        words = [str(MES), "run", "--config", str(config)]
        running = await asyncio.create_subprocess_exec(*words, cwd=tmp_path, stdout=output, stderr=output)
    try:
        await until(lambda: any(isinstance(record.event, StateChanged) for record in journaled(journal)))
        start = datetime.now(UTC)
        running.send_signal(signal.SIGSTOP)
        server.write(STATE_AT, [DOWN])
        await asyncio.sleep(DOWN_S)
        server.write(STATE_AT, [PRODUCING])
        server.write(GOOD_AT, [1])
        await asyncio.sleep(STOPPED_S - DOWN_S)
        running.send_signal(signal.SIGCONT)
        await until(lambda: any(isinstance(record.event, ConnectionRestored) for record in journaled(journal)))
        end = datetime.now(UTC)
        asked = ("--by", "interval", "--from", start.isoformat(), "--to", end.isoformat(), "--now", end.isoformat())
        words = [str(MES), "report", "--config", str(config), "--format", "json", *asked]
        asking = await asyncio.create_subprocess_exec(*words, cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
        said, _ = await asking.communicate()
    finally:
        running.kill()
        await running.wait()
        await server.stop()

    events = [record.event for record in journaled(journal)]
    lost = next(event for event in events if isinstance(event, ConnectionLost))
    caught_up = [event for event in events if isinstance(event, UnitsCounted) and event.delta]
    [row] = json.loads(said)
    assert lost.cause == "collector", log.read_text()
    assert [(count.delta, count.flag) for count in caught_up] == [(1, "catch_up")]
    assert row["no_data_s"] >= STOPPED_S - IDEAL_S - 1  # one part proves as much of it producing as it takes
    assert row["no_data_s"] + row["apt_s"] == pytest.approx(row["window_s"])
    assert row["apt_s"] <= row["window_s"] - STOPPED_S + IDEAL_S + 1
