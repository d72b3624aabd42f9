"""The real program is told to end in the middle of things: it ends in order, or says what keeps it."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from events import state
from modbus_plant import STATION
from patience import eventually, patiently
from small_plant import SmallPlant, small_plant

from adapters.clock import ScaledClock
from adapters.reading import ControllerId
from mes.config.build import PlantConfig, for_simulation
from mes.config.load import default_config, load
from mes.daemon import Collector, collector
from mes.demo.run import START
from mes.journal import Entry, Journal
from mes.model import State
from mes.supervisor import Backoff
from simulators.plant import Plant
from simulators.served import ServedPlant

pytestmark = pytest.mark.timeout(300)

SEED, TRIES = 14, 20
YEAR = timedelta(days=365)
STUBBORN = """
import asyncio, threading
from mes.stopping import stop_on_signal
async def deaf():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
async def main():
    task = asyncio.create_task(deaf(), name="controller deaf-plc")
    stop = stop_on_signal(within_s=WITHIN)
    print("ready", flush=True)
    await stop.wait()
    print("stopping", flush=True)
    task.cancel()
    await task
asyncio.run(main())
"""


async def with_a_year(plant: SmallPlant) -> None:
    """A year of a station that changes its state every twenty minutes."""
    now = datetime.now(UTC)
    times = [now - YEAR + timedelta(minutes=20) * number for number in range(26_250)]
    async with Journal.open(plant.journal) as journal:
        for begin in range(0, len(times), 2_000):
            events = [
                state(time, (State.PRODUCING, State.DOWN)[number % 2], station=STATION)
                for number, time in enumerate(times[begin : begin + 2_000])
            ]
            await journal.append(Entry(events=events))


async def asked(plant: SmallPlant, begun: asyncio.Event) -> None:
    """Asks for the shifts of a year, for which the board reads all of it; the program may end meanwhile."""
    query = {"kind": "shift", "start": (datetime.now(UTC) - YEAR).isoformat()}
    try:
        async with aiohttp.ClientSession() as session:
            sending = session.get(f"http://127.0.0.1:{plant.board}/api/v1/windows", params=query)
            begun.set()
            async with sending as answer:
                await answer.read()
    except aiohttp.ClientError:
        pass


async def test_a_slow_question_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """SIGTERM while the board reads a year: exit code 0 within the time limit, no failure, no write-ahead log left."""
    async with small_plant(tmp_path) as plant:
        await with_a_year(plant)
        await plant.start()
        await plant.until(lambda: plant.counted() >= 0)
        await plant.page("/healthz")
        begun = asyncio.Event()
        questions = [asyncio.create_task(asked(plant, begun)) for _ in range(3)]
        await begun.wait()
        await asyncio.sleep(0.5)  # the question is under way; what it does then does not matter

        assert await plant.stop() == 0
        await asyncio.gather(*questions)
        log = (tmp_path / "log").read_text(encoding="utf-8")
        assert "Unexpected" not in log
        assert "Traceback" not in log
        assert plant.log("collector_stopped")
        assert not plant.log("stop_overdue")
        wal = tmp_path / "journal.sqlite-wal"
        assert not wal.exists() or wal.stat().st_size == 0


async def test_it_ends_at_random_moments_around_the_death_of_its_controllers(tmp_path: Path) -> None:
    """Twenty times the cables of three controllers are cut within 0.1 s of the end: it ends each time."""
    rng = random.Random(SEED)
    clock = ScaledClock(START, speed=1.0)
    served = ServedPlant(Plant(seed=SEED, start=START), clock)
    await served.start()
    try:
        ports = {ControllerId(name): port for name, port in served.ports.items()}
        config = for_simulation(load(default_config()).config, ports=ports, journal=tmp_path / "journal.sqlite")
        for number in range(TRIES):
            beside = AsyncExitStack()
            running = await beside.enter_async_context(
                collector(config, clock, backoff=Backoff(first_s=0.05, cap_s=0.1))
            )
            if number % 2:
                await eventually(partial(all_run, running, config), within_s=30)
            cutting = asyncio.create_task(cut(served, rng.uniform(0, 0.1)))
            await asyncio.sleep(rng.uniform(0, 0.15))
            async with patiently(10):
                await beside.aclose()
            await cutting
            for controller in served.controllers:
                await served.switch("link-cut", controller, on=False)
    finally:
        await served.stop()


def all_run(running: Collector, config: PlantConfig) -> bool:
    """Whether every controller is connected."""
    return all(running.health.is_running(controller) for controller in config.controllers)


async def cut(served: ServedPlant, after_s: float) -> None:
    """All cables, after a moment."""
    await asyncio.sleep(after_s)
    for controller in served.controllers:
        await served.switch("link-cut", controller, on=True)


@asynccontextmanager
async def stubborn(within: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program whose task loses every cancellation; it is killed when the block is left."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STUBBORN.replace("WITHIN", within)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert program.stdout is not None
        assert await program.stdout.readline() == b"ready\n"
        program.terminate()
        assert await program.stdout.readline() == b"stopping\n"
        yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


async def test_a_second_signal_ends_it_at_once() -> None:
    """Whatever keeps the program, a second SIGTERM ends it with exit code 143, and a sentence says so."""
    async with stubborn("600") as program, patiently():
        program.send_signal(signal.SIGTERM)
        said, _ = await program.communicate()
    assert program.returncode == 128 + signal.SIGTERM
    assert b"second signal" in said


async def test_what_is_overdue_is_named() -> None:
    """After the time limit the program names what still runs, and ends with exit code 1."""
    async with stubborn("0.2") as program, patiently():
        said, _ = await program.communicate()
    assert program.returncode == 1
    assert b"stop_overdue" in said
    assert b"controller deaf-plc" in said
