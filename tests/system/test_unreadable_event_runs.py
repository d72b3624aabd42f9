"""The real program over a journal with an event that it cannot read: it collects, forwards, and says which one."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest
from influx_stand_in import StandIn, stand_in
from modbus_plant import STATION
from small_plant import MES, SmallPlant, small_plant

pytestmark = pytest.mark.timeout(120)

EVENTS = {"newer": ("robot_moved", f'{{"station":"{STATION}"}}'), "damaged": ("units_counted", '{"station":"')}
PARTS_SHOWN = {"newer": "taktline_journal_newer_events 1.0", "damaged": "taktline_journal_unreadable_events 1.0"}


def add(journal: Path, kind: str, body: str) -> int:
    """One more event, written by hand as the last one; its number."""
    with contextlib.closing(sqlite3.connect(journal)) as opened, opened:
        opened.execute(
            "INSERT INTO event (seq, kind, station, time_us, received_us, from_us, to_us, body) "
            "SELECT max(seq) + 1, ?, ?, max(time_us), max(time_us), max(time_us), max(time_us), ? FROM event",
            (kind, STATION, body),
        )
        return int(opened.execute("SELECT max(seq) FROM event").fetchone()[0])


async def forwards(plant: SmallPlant, influx: StandIn) -> None:
    """Parts that are made now are counted, and arrive at the server."""
    before = len(influx.points)
    await plant.collects()
    await plant.until(lambda: len(influx.points) > before)


@pytest.mark.parametrize(("how", "code"), [("newer", 3), ("damaged", 1)])
async def test_an_event_that_cannot_be_read_ends_no_start(tmp_path: Path, how: str, code: int) -> None:
    """Start after start it collects and forwards; health, metrics, wall and `mes journal check` name the event."""
    async with stand_in("1.8.10") as influx, small_plant(tmp_path) as plant:
        plant.tail = f"influx: {{url: '{influx.url}', database: plant}}"
        await plant.start()
        await forwards(plant, influx)
        assert await plant.stop() == 0
        number = add(plant.journal, *EVENTS[how])
        for _ in range(2):
            await plant.start()
            await forwards(plant, influx)
            status, ready = await plant.page("/readyz")
            assert (status, f"event {number} (" in ready) == (200, True), ready
            assert PARTS_SHOWN[how] in (await plant.page("/metrics"))[1]
            for page in ("/", "/shift"):
                status, text = await plant.page(page)
                assert (status, f"event {number} (" in text, STATION in text) == (200, True, True), page
            assert await plant.stop() == 0
        check = await asyncio.create_subprocess_exec(
            *(str(MES), "journal", "check", "--journal", str(plant.journal)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await check.communicate()
        assert (check.returncode, f"event {number} (".encode() in output) == (code, True)
        assert plant.counted() == plant.made
