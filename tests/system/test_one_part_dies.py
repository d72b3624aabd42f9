"""Any one part dies: every other part goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from demos import demonstrated
from faulty_disk import NAME, Disk, faulty_disk
from patience import eventually, patiently

from adapters.clock import ScaledClock
from adapters.reading import ControllerId
from adapters.settings import Controller, OpcUaController
from mes.config.build import for_simulation
from mes.config.load import default_config, load
from mes.config.models.plant import InfluxShape
from mes.daemon import Collector, collector
from mes.demo.run import START, Options, run_demo
from mes.health.status import alive, ready
from mes.journal import Journal
from mes.model import ConnectionLost
from simulators.faults import parse_fault
from simulators.plant import Plant
from simulators.served import ServedPlant

pytestmark = pytest.mark.timeout(120)

LENGTH = timedelta(minutes=40)
FULL_AFTER_S, FULL_FOR_S = 4.0, 3.0
SILENT_S = 8.0


@pytest.mark.parametrize("fault", ["stuck:weld-plc", "link-cut:paint-plc", "bad-quality:final-plc"])
async def test_a_controller_that_dies_costs_its_own_stations_only(fault: str) -> None:
    """The stations of the other controllers have no second without data, and every count is exact."""
    finished = await demonstrated(LENGTH, speed=240, seed=13, faults=(parse_fault(f"{fault}@10m+10m"),))

    assert not finished.outcome.problems, "\n".join(finished.outcome.problems)
    dark = {both.controller for both in finished.outcome.stations.values() if both.excused}
    assert dark == {fault.partition(":")[2]}


async def test_a_full_disk_costs_no_unit() -> None:
    """While the disk is full nothing is acknowledged; when there is room every unit is counted once, by its id."""
    with faulty_disk() as disk:

        @asynccontextmanager
        async def on_that_disk(path: Path) -> AsyncIterator[Journal]:
            async with Journal.open(path, vfs=NAME, retry_s=0.05) as journal:
                filling = asyncio.create_task(fill(disk))
                yield journal
                await filling

        finished = await run_demo(Options(LENGTH, speed=240, seed=13), open_journal=on_that_disk)

    outcome = finished.outcome
    assert disk.refusals > 20
    assert (outcome.lost, outcome.doubled, outcome.unreconciled) == (0, 0, 0)
    assert (outcome.missing, outcome.extra) == ((), ())
    assert outcome.truth_units > 30


async def fill(disk: Disk) -> None:
    """The disk is full for a while."""
    await asyncio.sleep(FULL_AFTER_S)
    disk.refuse = apsw.FullError
    await asyncio.sleep(FULL_FOR_S)
    disk.refuse = None


async def test_an_influxdb_that_never_answers_costs_nothing(tmp_path: Path) -> None:
    """Connections are taken and nothing ever comes back: collecting goes on, nobody is lost, health says it.

    A controller is given up after eight silent seconds: longer than a busy computer takes. The sink waits for an answer
    for ten: if it held everything up meanwhile, this would be seen.
    """
    async with black_hole() as url, simulated_plant(tmp_path, InfluxShape(url=url, database="plant")) as running:
        async with patiently(40):
            while not running.monitor.status().sinks or running.monitor.status().sinks[0].unavailable is None:
                await asyncio.sleep(0.1)
        before = running.journal.last_seq
        await eventually(lambda: running.journal.last_seq > before + 20)
        events = [journaled.event for journaled in await running.journal.read(0, 100_000)]
        assert not [event for event in events if isinstance(event, ConnectionLost)]
        status = running.monitor.status()
        assert "TimeoutError" in str(status.sinks[0].unavailable)
        assert (alive(status).holds, ready(status).holds) == (True, True)


@asynccontextmanager
async def black_hole() -> AsyncIterator[str]:
    """A server that takes connections and says nothing."""
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for writer in taken:
            writer.close()
        server.close()


@asynccontextmanager
async def simulated_plant(folder: Path, influx: InfluxShape) -> AsyncIterator[Collector]:
    """A collector with the running plant in the same process."""
    clock = ScaledClock(START, speed=240)
    served = ServedPlant(Plant(seed=3, start=START), clock)
    await served.start()
    running_plant = asyncio.create_task(served.run())
    try:
        ports = {ControllerId(name): port for name, port in served.ports.items()}
        config = for_simulation(load(default_config()).config, ports=ports, journal=folder / "journal.sqlite")
        controllers = {name: patient(controller) for name, controller in config.controllers.items()}
        async with collector(replace(config, influx=influx, controllers=controllers), clock) as running:
            yield running
    finally:
        running_plant.cancel()
        await asyncio.gather(running_plant, return_exceptions=True)
        await served.stop()


def patient(controller: Controller) -> Controller:
    """The controller, given up after eight seconds without a sign of life."""
    heartbeat = controller.heartbeat and controller.heartbeat.model_copy(update={"max_age_s": SILENT_S})
    update: dict[str, object] = {"heartbeat": heartbeat, "request_timeout_s": SILENT_S}
    if isinstance(controller, OpcUaController):
        update["keepalive_s"] = SILENT_S / 3  # given up when three of them are missing
    return controller.model_copy(update=update)
