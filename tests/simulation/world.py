"""The whole plant in simulated time: the real program over simulated controllers, disk and InfluxDB, from one seed."""

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import apsw

from adapters.reading import ControllerId, TagId
from mes.collect.counters import ResetPolicy
from mes.collect.signals import CounterSignal, SignalSetup, StationSetup
from mes.config.load import default_config, load
from mes.errors import JournalError
from mes.journal.consumers import EVENTS, LIVE_FROM, TELEMETRY
from mes.model import StationId
from simulation.clockwork import EdgeClock, VirtualLoop, run
from simulation.controllers import COUNTS, SESSION_S, Controller
from simulation.disk import Disk, simulated_disk
from simulation.faults import START, Fault, Plan, Stroke, strokes
from simulation.influx import Mood, SimulatedInflux
from simulation.journal import Promises
from simulation.ledger import Ledger
from simulation.oracle import judge, judge_points
from simulation.program import Program, TroubleListener
from simulation.time_oracle import judge_time
from simulators.plant import STATIONS, Plant

AHEAD = timedelta(minutes=1)
QUIET_S = 600.0
PATIENCE_S = 2 * 86_400.0
YEAR = timedelta(days=365)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class World:
    """One simulated stretch of plant; `live` runs it to its end."""

    def __init__(self, plan: Plan, folder: Path, disk: Disk) -> None:
        """Call inside the loop."""
        config = load(default_config()).config
        self.plan = plan
        self.path = folder / "journal.sqlite"
        self.disk = disk
        self.ledger = Ledger()
        self.clock = EdgeClock(START)
        self.promises = Promises()
        self.watch = TroubleListener(self.ledger)
        self.station_controllers = config.station_controllers
        self.setups, self.resettable = _with_policies(config.setups, random.Random(f"{plan.seed}:policies"))
        self._first_places = {station: setup.places for station, setup in self.setups.items()}
        self.influx = SimulatedInflux(random.Random(f"{plan.seed}:server"))
        self.plant = Plant(seed=plan.seed, start=START)
        self.controllers = {name: self._controller(name) for name in config.controllers}
        self.program = Program(self)
        self._rng = random.Random(f"{plan.seed}:world")
        self._influx_down = 0
        self._refits: dict[tuple[str, str], int] = {}  # station and signal, and what is drawn for the other register
        self._by_code = {code: controller for controller in self.controllers.values() for code in controller.stations}

    def refit(self) -> None:
        """The plant's file reads totalisers from other registers, or from the first ones again."""
        for (code, signal), drawn in self._refits.items():
            plc = self._by_code[code]
            station = StationId(plc.stations[code].path)
            setup = self.setups[station]
            first, is_back = self._first_places[station][signal], drawn % 2 and plc.rebased.get((code, signal))
            plc.read_elsewhere(code, signal, 0 if is_back else drawn)
            place = first if is_back else f"{first} or the register with {drawn} more"
            self.setups[station] = replace(setup, places={**setup.places, signal: place})
        self._refits.clear()

    async def live(self) -> Ledger:
        """The stretch, then quiet, then the verdict."""
        present = self.plant.snapshot()
        for controller in self.controllers.values():
            controller.begin(present)
        program = asyncio.create_task(self.program.run())
        others = [asyncio.create_task(self._physics()), asyncio.create_task(self._misfortune())]
        try:
            await self._watched(program, asyncio.gather(*others))
            await self._watched(program, asyncio.create_task(self._calm()))
        finally:
            for other in others:
                other.cancel()
            await self.program.stop()
            with suppress(asyncio.CancelledError):
                await program
        return self._verdict()

    async def _watched(self, program: asyncio.Task[None], work: asyncio.Future[Any]) -> None:
        """Some work, unless the program ends by a defect of its own."""
        await asyncio.wait((program, work), return_when=asyncio.FIRST_COMPLETED)
        if program.done():
            work.cancel()
            program.result()
        await work

    async def _physics(self) -> None:
        loop, end = asyncio.get_running_loop(), START + self.plan.length
        while (now := self.clock.true()) < end:
            changes = self.plant.advance(min(now + AHEAD, end))
            for (time, code), group in groupby(changes, key=lambda change: (change.time, change.station)):
                loop.call_at(self.clock.at_s(time), self._by_code[code].apply, code, list(group))
            await asyncio.sleep(AHEAD.total_seconds())

    async def _misfortune(self) -> None:
        loop = asyncio.get_running_loop()
        if self.plan.outage:
            self._influx_ill(Mood.GONE)
            self.ledger.faults[Fault.INFLUX] += 1
        for stroke in strokes(self.plan):
            await asyncio.sleep(max(stroke.at_s - loop.time(), 0.0))
            self.ledger.faults[stroke.fault] += 1
            self._strike(stroke)
        await asyncio.sleep(max(self.plan.length.total_seconds() - loop.time(), 0.0))

    def _strike(self, stroke: Stroke) -> None:
        rng = random.Random(stroke.pick)
        later = partial(asyncio.get_running_loop().call_later, stroke.lasts_s)
        if not self._strike_program(stroke, rng, later) and not self._strike_server(stroke, rng, later):
            self._strike_controller(stroke.fault, list(self.controllers.values()), rng, later)

    def _strike_program(
        self, stroke: Stroke, rng: random.Random, later: Callable[[Callable[[], None]], object]
    ) -> bool:
        """What ends or pauses the program; False if it is something else."""
        match stroke.fault:
            case Fault.KILL:
                self.program.die(power=False, down_s=stroke.lasts_s)
            case Fault.POWER_CUT if rng.random() < 0.5:
                self.program.die_writing(after=rng.randrange(12), down_s=stroke.lasts_s)
            case Fault.POWER_CUT:
                self.program.die(power=True, down_s=stroke.lasts_s)
            case Fault.STOP:
                self.program.stop_orderly(stroke.lasts_s)
            case Fault.REMAP:
                code = rng.choice(sorted(self._by_code))
                self._refits |= {(code, count): rng.randrange(1, 2**31) for count in COUNTS if rng.random() < 0.7}
                self.program.stop_orderly(stroke.lasts_s)
            case Fault.PAUSE:
                self._pause(stroke.lasts_s, later)
            case Fault.CLOCK_START:
                self.program.die(power=False, down_s=rng.uniform(1.0, 60.0))
                self.clock.offset = rng.choice([YEAR, 12 * YEAR, EPOCH - self.clock.true()])
                later(self._clock_right)
                if rng.random() < 0.3:
                    later(partial(self.program.die, power=False, down_s=rng.uniform(1.0, 60.0)))
            case _:
                return False
        return True

    def _strike_server(self, stroke: Stroke, rng: random.Random, later: Callable[[Callable[[], None]], object]) -> bool:
        """What falls on the edge server and on InfluxDB; False if it is meant for a controller."""
        match stroke.fault:
            case Fault.EDGE_CLOCK:
                self.clock.offset = timedelta(seconds=_step_s(rng))
                later(self._clock_right)
            case Fault.INFLUX:
                self._influx_ill(rng.choice([mood for mood in Mood if mood is not Mood.WELL]))
                later(self._influx_well)
            case Fault.DISK_FULL:
                self.disk.refuse = rng.choice([apsw.FullError, apsw.FullError, apsw.ReadOnlyError])
                self._disk_ill(stroke.lasts_s)
                later(self._disk_well)
            case Fault.DISK_STALL:
                self.disk.stalled_until_s = asyncio.get_running_loop().time() + stroke.lasts_s
                self._disk_ill(stroke.lasts_s)
            case Fault.DISK_ERROR:
                self._disk_ill(0.0)
                self.disk.fails += rng.choice([1, 1, 2, 3])
            case _:
                return False
        return True

    def _strike_controller(
        self,
        fault: Fault,
        controllers: Sequence[Controller],
        rng: random.Random,
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        plc = rng.choice(controllers)
        codes = sorted(plc.stations)
        match fault:
            case Fault.LINK_CUT:
                plc.cut()
                later(plc.heal)
            case Fault.HALF_OPEN:
                plc.mute()
                later(plc.heal)
            case Fault.RESTART:
                plc.power(on=False)
                later(partial(plc.power, on=True))
            case Fault.STUCK:
                plc.hang(on=True)
                later(partial(plc.hang, on=False))
            case Fault.BAD_QUALITY:
                some = codes if rng.random() < 0.5 else rng.sample(codes, 1)
                plc.spoil(some, on=True)
                later(partial(plc.spoil, some, on=False))
            case Fault.RESET:
                plc.reset([code for code in codes if code in self.resettable])
            case Fault.CONTROLLER_CLOCK:
                plc.set_clock(timedelta(seconds=_step_s(rng)))
            case Fault.LATE:
                plc = rng.choice([controller for controller in controllers if not controller.modbus])
                plc.hold_up(on=True)
                later(partial(plc.hold_up, on=False))
            case _:
                raise ValueError(f"nobody knows what {fault} falls on")

    def _pause(self, lasts_s: float, later: Callable[[Callable[[], None]], object]) -> None:
        """Nothing of the program runs for a while; after a long time the servers have ended its sessions."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        if loop.is_paused:
            return
        pauses, since = loop.pauses, None if self.program.clock is None else self.program.clock.now()

        def resume() -> None:
            if not loop.is_paused or loop.pauses != pauses + 1:
                return
            if lasts_s > SESSION_S and since is not None:
                for controller in self.controllers.values():
                    controller.paused(since)
            loop.resume_program()

        loop.pause_program()
        later(resume)

    def _clock_right(self) -> None:
        self.clock.offset = timedelta()

    def _influx_ill(self, mood: Mood) -> None:
        self._influx_down += 1
        if not self.plan.outage or mood is Mood.GONE:
            self.influx.mood = mood

    def _influx_well(self) -> None:
        self._influx_down -= 1
        if self._influx_down == 0:
            self.influx.mood = Mood.WELL

    def _disk_ill(self, lasts_s: float) -> None:
        self.disk.trouble_s = max(self.disk.trouble_s, asyncio.get_running_loop().time() + lasts_s)

    def _disk_well(self) -> None:
        self.disk.refuse = None

    async def _calm(self) -> None:
        """Everything is mended; each controller is seen again twice, and InfluxDB catches up."""
        self.influx.mood, self._influx_down = Mood.WELL, 0
        self.disk.refuse, self.disk.fails = None, 0
        self.clock.offset = timedelta()
        self.disk.stalled_until_s = 0.0
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        if loop.is_paused:
            loop.resume_program()
        await asyncio.sleep(QUIET_S)
        for controller in self.controllers.values():
            controller.heal()
            controller.hold_up(on=False)
            controller.hang(on=False)
            controller.power(on=True)
            controller.spoil(sorted(controller.stations), on=False)
        for _ in range(3):
            await asyncio.sleep(QUIET_S)
            for controller in self.controllers.values():
                controller.cut()
                controller.heal()
        await asyncio.sleep(QUIET_S)
        waited_s = 0.0
        while not await self._caught_up():
            if waited_s > PATIENCE_S:
                self.ledger.problem("InfluxDB has not caught up after two days of quiet")
                return
            await asyncio.sleep(QUIET_S)
            waited_s += QUIET_S

    async def _caught_up(self) -> bool:
        journal = self.program.journal
        if journal is None:
            return False
        try:
            cursors, last = await journal.cursors(), await journal.last_telemetry()
        except JournalError:
            return False
        ends = {EVENTS: journal.last_seq, TELEMETRY: last}
        return all(
            cursors.get(name, 0) >= end and cursors.get(name + LIVE_FROM, 0) <= cursors.get(name, 0)
            for name, end in ends.items()
        )

    def _verdict(self) -> Ledger:
        ledger, at_risk = self.ledger, {}
        ledger.weeks = self.plan.length / timedelta(days=7)
        for controller in self.controllers.values():
            at_risk.update(controller.at_risk)
            ledger.stale += controller.stale
        ledger.resent = self.influx.rewritten
        for broken in self.promises.broken:
            ledger.problem(broken)
        ledger.lost += self.promises.missing
        seen = {
            StationId(spec.path): (controller.seen, code)
            for controller in self.controllers.values()
            for code, spec in controller.stations.items()
        }
        lines = judge(self.path, self.setups, self.plant.truth, at_risk, seen, ledger)
        for controller in self.controllers.values():
            judge_time(self.path, controller, self.plant.truth, self.plan.length.total_seconds(), ledger)
        rereads = sum(controller.rereads for controller in self.controllers.values())
        if ledger.remapped < rereads:
            ledger.problem(f"{rereads} registers were changed, and the journal tells of {ledger.remapped}")
        judge_points(lines, self.influx.points, ledger)
        if self.influx.differing:
            ledger.problem(f"points were resent with another content: {self.influx.differing[:3]}")
        return ledger

    def _controller(self, name: ControllerId) -> Controller:
        stations = {spec.code: spec for spec in STATIONS if spec.controller == name}
        stale = {
            TagId(f"{spec.path}:{signal}")
            for code, spec in stations.items()
            for signal in COUNTS
            if code not in self.resettable
        }
        return Controller(
            name=name,
            stations=stations,
            modbus=name.startswith("paint"),
            weld=name.startswith("weld"),
            clock=self.clock,
            rng=random.Random(f"{self.plan.seed}:{name}"),
            stale_tags=frozenset(stale),
        )


def _step_s(rng: random.Random) -> float:
    """How wrong a clock is after a step: mostly little, seldom an hour."""
    return rng.choice([0.0, rng.uniform(-1.5, 1.5), rng.uniform(-60, 60), rng.uniform(-3600, 3600)])


def _with_policies(
    setups: Mapping[StationId, StationSetup], rng: random.Random
) -> tuple[dict[StationId, StationSetup], frozenset[str]]:
    """Half of the stations may start their totalisers again, the others never do; their codes are told."""
    chosen: dict[StationId, StationSetup] = {}
    resettable = set()
    codes = {spec.path: spec.code for spec in STATIONS}
    for station, setup in setups.items():
        never = rng.random() < 0.5
        if not never:
            resettable.add(codes[station])
        signals: dict[TagId, SignalSetup] = {
            tag: CounterSignal(replace(signal.setup, reset=ResetPolicy.NEVER))
            if never and isinstance(signal, CounterSignal)
            else signal
            for tag, signal in setup.signals.items()
        }
        chosen[station] = replace(setup, signals=signals)
    return chosen, frozenset(resettable)


@contextmanager
def _folder() -> Iterator[Path]:
    memory = Path("/dev/shm")  # a file system in memory, where there is one
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def simulate(plan: Plan) -> Ledger:
    """One stretch of plant from its seed; equal plans lead to equal ledgers, to the last byte of the journal."""

    async def main(folder: Path, disk: Disk) -> Ledger:
        return await World(plan, folder, disk).live()

    rng = random.Random(f"{plan.seed}:disk")
    with _folder() as folder, simulated_disk(rng, forgetful=plan.forgetful) as disk:
        return run(main(folder, disk))
