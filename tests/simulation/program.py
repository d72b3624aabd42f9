"""The real program in simulated time: started, killed, and started again, as the service manager would."""

import asyncio
import random
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from adapters.ports import Adapter
from adapters.reading import ControllerId
from mes.collect.signals import StationSetup
from mes.errors import JournalError
from mes.influx.writer import InfluxWriter, Pace
from mes.model import StationId
from mes.pipeline import Pipeline
from mes.supervisor import keep, supervise
from simulation.clockwork import EdgeClock
from simulation.controllers import KNOWN_TROUBLE, Controller, SimulatedAdapter
from simulation.disk import Disk, after_a_crash
from simulation.faults import Plan
from simulation.influx import NoFigures, SimulatedInflux
from simulation.journal import Medium, Promises, SimulatedJournal, simulated_journal
from simulation.ledger import Ledger

PACE = Pace(idle_s=90.0)  # a look at an empty queue costs real time
RESTART_S = 5.0  # the service manager's pause
FUSE_S = 120.0  # a fuse that nothing has burnt down by then goes out, and the program is killed as it stands


class Surroundings(Protocol):
    """What the program is put into."""

    plan: Plan
    path: Path
    disk: Disk
    ledger: Ledger
    clock: EdgeClock
    promises: Promises
    watch: "Watch"
    station_controllers: Mapping[StationId, ControllerId]
    setups: dict[StationId, StationSetup]
    influx: SimulatedInflux
    controllers: dict[ControllerId, Controller]


class Watch:
    """Notes what the supervisor tells health; what no simulated controller can cause is a defect."""

    def __init__(self, ledger: Ledger) -> None:
        """The ledger takes the defects."""
        self._ledger = ledger

    def connecting(self, controller: ControllerId, adapter: Adapter) -> None:
        """A connection is being made."""

    def seen(self, controller: ControllerId, received_time: datetime) -> None:
        """A batch is journaled."""

    def lost(self, controller: ControllerId, detail: str) -> None:
        """The connection ended."""
        if detail not in KNOWN_TROUBLE:
            self._ledger.problem(f"{controller} was lost for {detail!r}")

    def parked(self, controller: ControllerId, detail: str) -> None:
        """No simulated controller is ever misconfigured."""
        self._ledger.problem(f"{controller} was parked for {detail!r}")


class Program:
    """The real program, started again whenever it ends: as the service manager would."""

    def __init__(self, world: Surroundings) -> None:
        """Starts nothing yet."""
        self.journal: SimulatedJournal | None = None
        self._world = world
        self._life: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._power_lost = False
        self._down_s = RESTART_S
        self._starts = 0

    async def run(self) -> None:
        """Runs until `stop`; raises what is neither a death by command nor a failing disk."""
        world = self._world
        while not self._stopping.is_set():
            world.disk.dead, world.disk.fuse = False, None
            world.ledger.starts += 1
            self._starts += 1
            self._life = asyncio.create_task(self._live())
            await asyncio.wait((self._life,))
            if not self._life.cancelled() and (error := self._life.exception()) is not None:
                if not _only_journal(error):
                    raise error
                world.ledger.ends += 1
            if self._stopping.is_set():
                return
            if self._power_lost:
                world.disk.cut_power()
                after_a_crash(world.path)
            self._power_lost = False
            await asyncio.sleep(self._down_s)
            self._down_s = RESTART_S

    def die(self, *, power: bool, down_s: float) -> None:
        """SIGKILL, or with all of the machine."""
        self._down_s = down_s
        self._power_lost = power
        if self.journal is not None:
            self.journal.kill()
        if self._life is not None:
            self._life.cancel()

    def die_writing(self, *, after: int, down_s: float) -> None:
        """The power fails in the middle of what is written next."""
        self._down_s = down_s
        self._world.disk.fuse = after
        asyncio.get_running_loop().call_later(FUSE_S, self._fizzle, self._starts, down_s)

    def _power_failed(self) -> None:
        self.die(power=True, down_s=self._down_s)

    def _fizzle(self, starts: int, down_s: float) -> None:
        if self._starts == starts and not self._stopping.is_set():
            self.die(power=True, down_s=down_s)

    async def stop(self) -> None:
        """As by SIGTERM."""
        self._stopping.set()
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait((self._life,))

    async def _live(self) -> None:
        world, number = self._world, self._starts
        rng = random.Random(f"{world.plan.seed}:program:{number}")
        medium = Medium(world.path, world.disk, rng, world.promises, self._power_failed, careless=world.plan.careless)
        async with simulated_journal(medium, self._begun) as journal:
            setups = world.setups
            pipeline = Pipeline(
                setups,
                journal,
                world.clock,
                controllers=world.station_controllers,
                monotonic_s=asyncio.get_running_loop().time,
            )
            await pipeline.recover()
            writer = InfluxWriter(
                world.influx,
                journal,
                NoFigures(world.clock),
                rng=random.Random(f"{world.plan.seed}:influx:{number}"),
                pace=PACE,
                clock=world.clock,
            )
            async with asyncio.TaskGroup() as group:
                for name, plc in world.controllers.items():
                    own = random.Random(f"{world.plan.seed}:{name}:{number}")
                    make = partial(SimulatedAdapter, plc, own)
                    group.create_task(supervise(name, make, pipeline, world.watch, rng=own))
                group.create_task(keep("influx", partial(self._forward, writer)))

    def _begun(self, journal: SimulatedJournal) -> None:
        self.journal = journal

    async def _forward(self, writer: InfluxWriter) -> None:
        try:
            await writer.run()
        except Exception as error:
            if not _only_journal(error):
                self._world.ledger.problem(f"the writer failed: {error!r}")
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # `keep` would take this for a defect, and never end
                raise asyncio.CancelledError from error
            raise


def _only_journal(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_only_journal(each) for each in error.exceptions)
    return isinstance(error, JournalError)
