"""The real program in simulated time: started, killed, and started again, as the service manager would."""

import asyncio
import random
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from adapters.cancelling import end_tasks
from adapters.clock import SteadyClock
from adapters.ports import Adapter
from adapters.reading import ControllerId
from mes.collect.signals import StationSetup
from mes.daemon import SET_FOR_S, told_or_set
from mes.errors import JournalError
from mes.health.clock_offsets import ControllerClocks
from mes.influx.writer import InfluxWriter, Pace
from mes.model import StationId
from mes.pipeline import Pipeline
from mes.stopping import STOP_WITHIN_S
from mes.supervisor import run_forever, supervise
from simulation.clockwork import EdgeClock, VirtualLoop, program_context
from simulation.controllers import KNOWN_TROUBLE, Controller, SimulatedAdapter
from simulation.disk import Disk, after_a_crash
from simulation.faults import Plan
from simulation.influx import SimulatedInflux
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
    watch: "TroubleListener"
    station_controllers: Mapping[StationId, ControllerId]
    setups: dict[StationId, StationSetup]
    influx: SimulatedInflux
    controllers: dict[ControllerId, Controller]

    def refit(self) -> None:
        """The plant's file is changed, if somebody wanted that, while the program does not run."""
        ...


class TroubleListener:
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
        self.clock: SteadyClock | None = None
        self._context = program_context()
        self._life: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._told_to_stop = asyncio.Event()
        self._stop_failed = False
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
            self._told_to_stop.clear()
            self._stop_failed = False
            world.refit()
            self._life = asyncio.create_task(self._live(), context=self._context)
            await asyncio.wait((self._life,))
            self._check_stop(self._life)
            if not self._life.cancelled() and (error := self._life.exception()) is not None:
                if not _only_journal(error):
                    raise error
                world.ledger.ends += not world.disk.dead
            if self._stopping.is_set():
                return
            if self._power_lost:
                world.disk.cut_power()
                after_a_crash(world.path)
            self._power_lost = False
            await asyncio.sleep(self._down_s)
            self._down_s = RESTART_S

    def stop_orderly(self, down_s: float) -> None:
        """SIGTERM: it has STOP_WITHIN_S to end by itself; a paused program hears of it when it goes on."""
        if self._life is None or self._life.done() or self._told_to_stop.is_set():
            return
        self._down_s = down_s
        loop = asyncio.get_running_loop()
        loop.call_soon(self._told_to_stop.set, context=self._context)
        loop.call_later(STOP_WITHIN_S, self._overdue, self._starts, context=self._context)

    def _overdue(self, starts: int) -> None:
        """The program ends itself; only a disk that takes nothing, or a pause meanwhile, excuses that."""
        world, life = self._world, self._life
        if self._starts != starts or life is None or life.done():
            return
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        now_s, within_s = loop.time(), STOP_WITHIN_S
        if not world.disk.is_in_trouble(now_s, within_s=within_s) and now_s - loop.resumed_s > within_s:
            running = sorted(repr(task.get_coro()) for task in asyncio.all_tasks() if not task.done())
            world.ledger.problem(f"at {now_s:.0f} s the program did not stop within {within_s:g} s: {running}")
        self._stop_failed = True
        self.die(power=False, down_s=self._down_s)

    def _check_stop(self, life: asyncio.Task[None]) -> None:
        """Whoever is told to stop ends without an error."""
        if not self._told_to_stop.is_set() or self._stop_failed or self._world.disk.dead:
            return
        loop = asyncio.get_running_loop()
        in_trouble = self._world.disk.is_in_trouble(loop.time(), within_s=STOP_WITHIN_S)
        if not in_trouble and (life.cancelled() or life.exception() is not None):
            self._world.ledger.problem(f"at {loop.time():.0f} s the stopped program ended by {life}")

    def die(self, *, power: bool, down_s: float) -> None:
        """SIGKILL, or with all of the machine."""
        self._down_s = down_s
        self._power_lost = power
        self._stop_failed = True
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        if loop.is_paused:
            loop.resume_program()
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
        """As `mes.daemon.run`: when the machine's clock was set far away, it begins again by that."""
        clock = self.clock = SteadyClock(self._world.clock.now, asyncio.get_running_loop().time)
        while True:
            await self._collect(clock)
            if self._told_to_stop.is_set():
                return
            clock.follow()

    async def _collect(self, clock: SteadyClock) -> None:
        """Until it is told to stop, or the machine's clock is set."""
        world, number = self._world, self._starts
        rng = random.Random(f"{world.plan.seed}:program:{number}")
        medium = Medium(world.path, world.disk, rng, world.promises, self._power_failed, careless=world.plan.careless)
        async with simulated_journal(medium, self._begun) as journal:
            clocks = ControllerClocks()
            pipeline = Pipeline(
                world.setups,
                journal,
                clock,
                controllers=world.station_controllers,
                offset=clocks.take,
                monotonic_s=asyncio.get_running_loop().time,
            )
            await pipeline.recover()
            writer = InfluxWriter(
                world.influx,
                journal,
                rng=random.Random(f"{world.plan.seed}:influx:{number}"),
                pace=PACE,
                clock=clock,
            )
            async with asyncio.TaskGroup() as group:
                tasks: list[asyncio.Task[None]] = []
                for name, plc in world.controllers.items():
                    own = random.Random(f"{world.plan.seed}:{name}:{number}")
                    make = partial(SimulatedAdapter, plc, own, clock)
                    tasks.append(group.create_task(supervise(name, make, pipeline, world.watch, rng=own)))
                tasks.append(group.create_task(run_forever("influx", partial(self._forward, writer))))
                await told_or_set(self._told_to_stop, clock, journal, SET_FOR_S)
                await end_tasks(tasks)

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
        return all(_only_journal(exception) for exception in error.exceptions)
    return isinstance(error, JournalError)
