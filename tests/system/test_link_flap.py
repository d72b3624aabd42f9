"""Cables that fail at random: cut, black and half open, for as long as TAKTLINE_FLAP_S says (real seconds)."""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest
from patience import eventually, patiently

from adapters.clock import ScaledClock
from adapters.reading import ControllerId
from mes.config.build import for_simulation
from mes.config.load import default_config, load
from mes.daemon import Collector, collector
from mes.demo.run import START
from mes.health.controllers import ConnectionState
from mes.model import UnitCompleted, UnitsCounted
from mes.supervisor import Backoff
from simulators.controllers import OpcUaDevice
from simulators.link import Link
from simulators.opcua_server import OpcUaServer
from simulators.plant import Plant
from simulators.served import ServedPlant

FLAP_S = float(os.environ.get("TAKTLINE_FLAP_S", "25"))
SEED = int(os.environ.get("TAKTLINE_SEED", "3"))
SPEED = 240.0
BACKOFF = Backoff(first_s=0.5, cap_s=2.0)

pytestmark = pytest.mark.timeout(90 + int(2 * FLAP_S))


class Watched:
    """What the controllers' servers bear meanwhile: the most sessions at a time, and how many were opened."""

    def __init__(self, servers: dict[str, OpcUaServer]) -> None:
        self.servers = servers
        self.most = dict.fromkeys(servers, 0)

    async def run(self) -> None:
        """Looks at them often, until it is cancelled."""
        while True:
            for name, server in self.servers.items():
                self.most[name] = max(self.most[name], server.sessions())
            await asyncio.sleep(0.02)

    def opened(self) -> dict[str, int]:
        """Sessions opened so far."""
        return {name: server.sessions_created() for name, server in self.servers.items()}


async def flap(link: Link, rng: random.Random, until_s: float) -> int:
    """One cable: now well, now not; returns how often it failed."""
    loop, failures = asyncio.get_running_loop(), 0
    while loop.time() < until_s:
        await asyncio.sleep(rng.uniform(0.3, 3.0))
        failures += 1
        if rng.random() < 0.5:
            await link.cut()
        else:
            link.black_hole()
        await asyncio.sleep(rng.uniform(0.05, 2.5))
        if rng.random() < 0.3:  # what waited in the black hole never arrives
            await link.cut()
        await link.heal()
    return failures


def resources() -> tuple[int, int]:
    """Tasks and open files of this process; a simulated server's own tasks for its clients come and go."""
    tasks = [task for task in asyncio.all_tasks() if "UaProcessor" not in repr(task.get_coro())]
    return len(tasks), len(list(Path("/proc/self/fd").iterdir()))


def piled_up(before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Whether there are more than a few tasks or open files more."""
    return after[0] > before[0] + 2 or after[1] > before[1] + 2


async def all_connected(running: Collector) -> None:
    """Waits until every controller is."""
    async with patiently(60):
        while [controller.state for controller in running.monitor.status().controllers] != [
            ConnectionState.RUNNING
        ] * 3:
            await asyncio.sleep(0.1)


async def counted(running: Collector) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Parts by station and kind, and unit ids by station."""
    events = [journaled.event for journaled in await running.journal.read(0, 1_000_000)]
    parts: Counter[tuple[str, str]] = Counter()
    for event in events:
        if isinstance(event, UnitsCounted):
            parts[str(event.station), str(event.kind)] += event.delta
    return +parts, Counter(
        (str(event.station), str(event.unit)) for event in events if isinstance(event, UnitCompleted)
    )


def made(plant: Plant) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """The same in truth."""
    units = [(spec.path, unit) for spec in plant.stations for unit in plant.truth.units(spec.path)]
    return Counter((path, str(record.result)) for path, record in units), Counter(
        (path, record.unit) for path, record in units
    )


async def test_cables_that_fail_at_random_cost_nothing(tmp_path: Path) -> None:
    """Every part and id once; at a controller at most two sessions, at most one opened a second; nothing piles up."""
    print(f"seed {SEED}, {FLAP_S:g} s")  # noqa: T201  # shown when the test fails
    rng, loop = random.Random(SEED), asyncio.get_running_loop()
    clock = ScaledClock(START, speed=SPEED, held=True)
    plant = Plant(seed=SEED, start=START)
    served = ServedPlant(plant, clock)
    await served.start()
    try:
        ports = {ControllerId(name): port for name, port in served.ports.items()}
        config = for_simulation(load(default_config()).config, ports=ports, journal=tmp_path / "journal.sqlite")
        servers = {
            name: controller.device.server
            for name, controller in served.controllers.items()
            if isinstance(controller.device, OpcUaDevice)
        }
        watched = Watched(servers)
        async with collector(config, clock, backoff=BACKOFF) as running:
            await all_connected(running)
            await asyncio.sleep(1)
            before, opened = resources(), watched.opened()
            clock.release()
            followers = [asyncio.create_task(served.run()), asyncio.create_task(watched.run())]
            links = [controller.link for controller in served.controllers.values()]
            began_s = loop.time()
            failures = await asyncio.gather(
                *(flap(link, random.Random(rng.random()), began_s + FLAP_S) for link in links)
            )
            took_s = loop.time() - began_s
            for follower in followers:
                follower.cancel()
            await asyncio.gather(*followers, return_exceptions=True)
            await all_connected(running)
            truth = made(plant)
            async with patiently(30):
                while await counted(running) != truth:
                    await asyncio.sleep(0.5)
            await eventually(lambda: not piled_up(before, resources()))
    finally:
        await served.stop()

    assert min(failures) > FLAP_S / 10
    assert truth[0].total() > FLAP_S
    assert len(servers) == 2
    assert max(watched.most.values()) <= 2, watched.most
    for name, count in watched.opened().items():
        assert 3 <= count - opened[name] <= took_s
