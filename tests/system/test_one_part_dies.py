"""Any one part dies: every other part goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from faulty_disk import NAME, Disk, faulty_disk

from mes.demo.run import Options, run_demo
from mes.journal import Journal
from simulators.faults import parse_fault

pytestmark = pytest.mark.timeout(120)

LENGTH = timedelta(minutes=40)
FULL_AFTER_S, FULL_FOR_S = 4.0, 3.0


@pytest.mark.parametrize("fault", ["stuck:weld-plc", "link-cut:paint-plc", "bad-quality:final-plc"])
async def test_a_controller_that_dies_costs_its_own_stations_only(fault: str) -> None:
    """The stations of the other controllers have no second without data, and every count is exact."""
    finished = await run_demo(Options(LENGTH, speed=240, seed=13, faults=(parse_fault(f"{fault}@10m+10m"),)))

    assert finished.outcome.problems == ()
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
