"""Runs plant and collector side by side on loopback and compares what was measured with what is true."""

import asyncio
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO

from adapters.modbus.line import address
from adapters.reading import Batch, ControllerId
from adapters.settings import Controller, OpcUaController
from mes.collect.signals import CounterSignal, StationSetup
from mes.config.build import PlantConfig, for_simulation
from mes.config.models.plant import InfluxShape
from mes.daemon import Collector, OpenJournal, collector
from mes.demo import truth
from mes.demo.board import DemoBoard, PulledByHand, demo_board
from mes.demo.compare import compare
from mes.demo.derived import tells_product
from mes.demo.forwarding import PACE, SETTLED_WITHIN_S, check_given, settled, with_influx
from mes.demo.measured import lives_measured, station_measured
from mes.demo.pacing import Pacemaker, WaitingClock
from mes.demo.plants import START, DemoPlant, demo_plant
from mes.demo.projection import as_shown, doubtful
from mes.demo.result import Finished
from mes.demo.truth import Causes, Lives, Station, blind
from mes.errors import ConfigError, MesError
from mes.intervals import Interval, subtract
from mes.journal import Journal, JournalReader
from mes.journal.names import Names
from mes.model import State, StationId, StationStandard
from mes.oee.causes import Link, charges
from mes.results.stations import Results
from mes.supervisor import Backoff
from simulators import truth as plant_truth
from simulators.faults import Fault, FaultName, parse_duration
from simulators.line import Breakdown, SimState
from simulators.plant import Plant
from simulators.served import ServedPlant

__all__ = ["START", "Breakdown", "Options", "Progress", "parse_breakdown", "run_demo"]

BACKOFF = Backoff(first_s=0.2, cap_s=0.5)  # real seconds; at 240 times speed one of them is four minutes of the plant
RECOVERY_REAL_S = 4.0  # what a reconnect may take after a fault has ended, and what detection looks back before it
LEAST_FAULT_REAL_S = 3.0  # a shorter one could not be noticed, however long it seems to a fast plant
CONNECT_DEADLINE_S = 30.0
DRAIN_DEADLINE_S = 60.0
SHARED_S = 1.0
PATIENT_S = 6.0  # real seconds without a heartbeat, an answer or a notification, where none is kept back on purpose
LOOKS = 3  # at each controller after the plant stood still: one may be under way, the next sees everything
AFTERWARDS = timedelta(milliseconds=1)  # a window ends before its end: what was seen last must lie within it
JOURNAL = "journal.sqlite"


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Everything is forwarded to InfluxDB as well; `server` None: to a private influxd that ends with the run."""

    server: InfluxShape | None


@dataclass(frozen=True, slots=True)
class Options:
    """One run: `length` and the times of faults and of `breakdowns` on purpose are the plant's own time."""

    length: timedelta
    speed: float
    seed: int
    faults: tuple[Fault, ...] = ()
    journal: Path | None = None
    breakdowns: tuple[Breakdown, ...] = ()
    influx: Forwarding | None = None
    board: DemoBoard | None = None
    plant: DemoPlant = field(default_factory=lambda: demo_plant(None))


@dataclass(frozen=True, slots=True)
class Progress:
    """What a watcher may show while the demo runs."""

    now: datetime
    share: float
    window: Interval
    results: Results
    faults: tuple[str, ...]


@dataclass(slots=True)
class _Observations:
    """When each controller was looked at; a tap that changes nothing."""

    times: dict[ControllerId, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    keep: bool = True

    def note(self, batch: Batch) -> None:
        times = self.times[batch.controller]
        if not self.keep:
            times.clear()
        times.append(batch.received_time)


def parse_breakdown(text: str, plant: DemoPlant | None = None) -> Breakdown:
    """`STATION@TIME+LENGTH`, as in `W030@1h+40m`, from the demo's start; a ValueError says what is allowed."""
    plant = plant or demo_plant(None)
    code, at_sign, when = text.partition("@")
    at, plus, length = when.partition("+")
    if not at_sign or not plus:
        raise ValueError(f"{text!r} lacks a time or a length; write STATION@TIME+LENGTH, as in W030@1h+40m")
    codes = [station.code for station in plant.works.stations]
    if code not in codes:
        raise ValueError(f"{code!r} is no station of the plant; there are {', '.join(codes)}")
    return Breakdown(code, plant.start + parse_duration(at), parse_duration(length))


async def run_demo(
    options: Options,
    *,
    open_journal: OpenJournal = Journal.open,
    watch: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Finished:
    """Runs to the end of `length`, or until `stop` is set, and compares; every figure comes through `Results`.

    Raises ConfigError if the journal's folder is in use or a given InfluxDB takes nothing, MesError if the controllers
    cannot be reached.
    """
    began = time.monotonic()
    if options.journal is not None and (options.journal / JOURNAL).exists():
        raise ConfigError(f"{options.journal} holds a journal already; a demo needs a new folder")
    if options.influx is not None and options.influx.server is not None:
        await check_given(options.influx.server)
    stop = stop or asyncio.Event()
    with ExitStack() as stack:
        folder = options.journal or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taktline-")))
        run = _Run(options, began)
        await run.served.start()
        try:
            config = for_simulation(
                options.plant.config,
                ports={ControllerId(name): port for name, port in run.served.ports.items()},
                journal=folder / JOURNAL,
            )
            config = _patient(config, options.faults)
            async with AsyncExitStack() as beside:
                if options.influx is not None:
                    config = await beside.enter_async_context(with_influx(config, options.influx.server))
                async with (
                    collector(
                        config, run.clock, backoff=BACKOFF, open_journal=open_journal, tap=run.seen.note, pace=PACE
                    ) as running,
                    demo_board(options.board, config, running, run.served) as cables,
                    _watched(running, watched=options.influx is not None),
                    run.moving(config, stop),
                ):
                    window = await run.live(cables, running, config, watch)
                    finished = _finish(config, run, window)  # not in a thread: nothing is journaled meanwhile
                    if options.influx is not None:
                        await run.within(SETTLED_WITHIN_S, settled(running), "InfluxDB did not take everything")
                    if options.board is not None and options.board.stays is not None and not stop.is_set():
                        run.go_on()
                        await options.board.stays(finished)
        finally:
            await run.served.stop()
        return finished


@asynccontextmanager
async def _watched(running: Collector, *, watched: bool) -> AsyncIterator[None]:
    """Lets the collector watch its own health while the block runs, which the dashboard of the collector shows."""
    monitor = running.monitor
    works = [monitor.count_audit.follow(), monitor.follow()] if watched else []
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _patient(config: PlantConfig, faults: Sequence[Fault]) -> PlantConfig:
    """The same plant with limits that a stall of this computer does not reach, unless a heartbeat stops on purpose.

    Heartbeats, answers and notifications are waited for in real seconds, in the process that serves them as well. It
    can be late by seconds, and no controller is stuck because of that.
    """
    if any(fault.name is FaultName.STUCK for fault in faults):
        return config
    controllers: dict[ControllerId, Controller] = {}
    silent = {FaultName.CONTROLLER_RESTART, FaultName.LINK_CUT} & {fault.name for fault in faults}
    lines = Counter(address(one) for one in config.controllers.values() if not isinstance(one, OpcUaController))
    for name, settings in config.controllers.items():
        heartbeat = settings.heartbeat and settings.heartbeat.model_copy(update={"max_age_s": PATIENT_S})
        update: dict[str, object] = {"heartbeat": heartbeat, "request_timeout_s": PATIENT_S}
        if isinstance(settings, OpcUaController):
            update["keepalive_s"] = PATIENT_S / 3  # three of them may be missing
        elif silent and lines[address(settings)] > 1:
            update["request_timeout_s"] = SHARED_S  # the other units wait for so long at each request to a silent one
        controllers[name] = settings.model_copy(update=update)
    return replace(config, controllers=controllers)


class _Run:
    """The plant of one run, its clock, and what was noted of both."""

    def __init__(self, options: Options, began: float) -> None:
        self.options = options
        self.began = began
        self.clock = WaitingClock(options.plant.start, speed=options.speed)
        self.plant = Plant(
            seed=options.seed, start=options.plant.start, breakdowns=options.breakdowns, works=options.plant.works
        )
        self.pacemaker = Pacemaker(self.clock, self._looked, self._excused, self._settling)
        self.served = ServedPlant(self.plant, self.clock, scanned=self.pacemaker.scanned, shapes=options.plant.shapes)
        self.seen = _Observations()
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    @asynccontextmanager
    async def moving(self, config: PlantConfig, stop: asyncio.Event) -> AsyncIterator[None]:
        """Lets the plant follow the clock, and the clock follow plant and collector, while the block runs."""
        self._stop = stop
        for controller in config.controllers:
            self.seen.times[controller] = []
        with tempfile.TemporaryFile(dir=config.journal_path.parent, buffering=0) as file:
            self._tasks = [
                asyncio.create_task(self.served.run(), name="simulated plant"),
                asyncio.create_task(self.pacemaker.run(), name="pacemaker"),
                asyncio.create_task(self.pacemaker.watch_disk(partial(_write, file)), name="watch of the disk"),
            ]
            try:
                yield
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def live(
        self,
        cables: PulledByHand,
        running: Collector,
        config: PlantConfig,
        watch: Callable[[Progress], None] | None,
    ) -> Interval:
        """Lets the plant run; returns the window from its first instant to the one at which the last reading was in.

        A fault that is on at the end, and what the collector needs to see its controller again, prolong the run.
        """
        options, clock, served = self.options, self.clock, self.served
        await self.within(CONNECT_DEADLINE_S, self._looks(1), "the simulated controllers could not be reached")
        least = timedelta(seconds=LEAST_FAULT_REAL_S * options.speed)
        faults = [replace(fault, duration=max(fault.duration, least)) for fault in options.faults]
        for fault in faults:
            served.inject(fault)
        longest_s = max((fault.duration.total_seconds() / options.speed for fault in faults), default=0.0)
        clock.release()
        beside: list[asyncio.Task[None]] = []
        if watch is not None:
            beside.append(asyncio.create_task(_watch(options, clock, config, served, watch), name="watch"))
        try:
            await self._until(options.plant.start + options.length)
            served.begin_no_fault()
            await cables.end()
            await self.within(longest_s + DRAIN_DEADLINE_S, served.faults_over(), "a fault did not end")
            await self.within(DRAIN_DEADLINE_S, _connected(running, config), "a controller was not seen again")
            return await self.stop_plant()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def stop_plant(self) -> Interval:
        """Stops the plant and waits for its last readings; returns the window that holds them all.

        In the plant a state lasts no longer than it did; in the figures it goes on until the next look. At the demo's
        speed that is up to a minute, and a minor stop becomes a failure. So the clock runs in real time then.
        """
        self.served.freeze()
        self.clock.set_speed(1.0)
        await self.within(DRAIN_DEADLINE_S, self._looks(LOOKS), "the collector did not see all controllers again")
        self.clock.hold()
        self.clock.skip(AFTERWARDS)
        return Interval(self.options.plant.start, self.clock.now())

    def go_on(self) -> None:
        """After the verdict: the plant goes on in real time, for whoever looks at the board."""
        self.pacemaker.record = self.seen.keep = False  # what comes now is judged by nobody
        self.clock.release()
        self.served.thaw()

    def _looked(self) -> dict[str, datetime | None]:
        return {str(controller): times[-1] if times else None for controller, times in self.seen.times.items()}

    def _excused(self) -> dict[str, datetime | None]:
        ended: dict[str, datetime | None] = {
            entry.controller: entry.end for entry in self.served.fault_log if entry.name is not FaultName.COUNTER_RESET
        }
        return ended | {
            controller: None for name, controller in self.served.active_faults() if name != FaultName.COUNTER_RESET
        }

    def _settling(self) -> bool:
        return any(name == FaultName.COUNTER_RESET for name, _ in self.served.active_faults())

    async def _until(self, end: datetime) -> None:
        """Waits for the end or an interruption, however often the clock stops."""
        while not self._stop.is_set() and (remaining := (end - self.clock.now()).total_seconds()) > 0:
            self._check()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), min(remaining / self.clock.speed, 1.0) + 0.001)

    async def _looks(self, number: int) -> None:
        """Until each controller was looked at so many times from now on."""
        before = {controller: len(times) for controller, times in self.seen.times.items()}
        while any(len(times) < before[controller] + number for controller, times in self.seen.times.items()):
            await asyncio.sleep(0.02)

    async def within(self, deadline_s: float, work: Awaitable[None], otherwise: str) -> None:
        try:
            async with asyncio.timeout(deadline_s):
                await work
        except TimeoutError as error:
            self._check()
            raise self.pacemaker.overdue(f"{otherwise} within {deadline_s:g} s") from error

    def _check(self) -> None:
        """Raises what ended the plant or its clock."""
        for task in self._tasks:
            if task.done():
                task.result()


def _write(file: IO[bytes]) -> None:
    """A byte that is on the disk on return. Raises OSError."""
    file.seek(0)
    file.write(b".")
    os.fsync(file.fileno())


async def _connected(running: Collector, config: PlantConfig) -> None:
    while not all(running.health.is_running(controller) for controller in config.controllers):
        await asyncio.sleep(0.02)


async def _watch(
    options: Options,
    clock: WaitingClock,
    config: PlantConfig,
    served: ServedPlant,
    watch: Callable[[Progress], None],
) -> None:
    """Shows the state of things every second, or a fifth of the time; figures are read in a thread beside."""
    while True:
        start = options.plant.start
        now = max(clock.now(), start + timedelta(seconds=1))
        share = min(1.0, (now - start) / options.length)
        active = tuple(f"{name} {controller}" for name, controller in served.active_faults())
        progress = Progress(now, share, Interval(start, now), _results(config), active)
        began_s = time.monotonic()
        await asyncio.to_thread(watch, progress)
        await asyncio.sleep(max(1.0, 4 * (time.monotonic() - began_s)))


def _results(config: PlantConfig) -> Results:
    return Results(JournalReader(config.journal_path, Names(config.former)), config.standards, config.calendar)


def _finish(config: PlantConfig, run: _Run, window: Interval) -> Finished:
    """Compares. What differs is the computer's fault if nothing does once the stalls of the event loop are excused."""
    options, plant = run.options, run.plant
    results = _results(config)
    if unwatched := {spec.path for spec in plant.stations} - set(config.setups):
        raise MesError(f"stations of the plant that nobody watches: {', '.join(sorted(unwatched))}")
    plant.truth.reach(window.end)  # it stood still since the last reading
    kpis = {station: results.kpi(station, window, until=window.end) for station in config.setups}
    measured = {station: station_measured(results, station, window, kpis[station]) for station in config.setups}
    known = {station: subtract((window,), blind(seen.states, window)) for station, seen in measured.items()}
    told = as_shown(options.plant, plant.truth, known)
    logged = [station for station, setup in config.setups.items() if setup.has_unit_log]
    stations = {
        station: _both(station, told, measured[station], known[station], run, window) for station in config.setups
    }
    causes = _causes(config, run, told, results, stations, window)
    lives = Lives(truth.lives(told, logged), lives_measured(results, config, logged))
    outcome = compare(stations, window, lives, causes)
    excuses = run.pacemaker.excuses()
    too_slow = False
    if outcome.problems and excuses:
        forgiven = {name: replace(both, excused=(*both.excused, *excuses)) for name, both in stations.items()}
        too_slow = not compare(forgiven, window, lives, causes).problems
    return Finished(
        outcome=outcome,
        window=window,
        kpis=kpis,
        wall_s=time.monotonic() - run.began,
        stopped_early=window.length < options.length,
        slowness=run.pacemaker.slowness(),
        too_slow=too_slow,
        influx=None if options.influx is None else config.influx,
    )


def _both(
    station: StationId,
    told: plant_truth.Truth,
    measured: truth.Measured,
    known: Sequence[Interval],
    run: _Run,
    window: Interval,
) -> Station:
    """Truth and measurement of a station, and by what its controllers and their faults excuse a difference.

    Units are compared by id where the controller keeps a record of them; without one the last of a gap are not known.
    """
    plant, looks = run.options.plant, run.seen.times
    setup, standard = plant.config.setups[station], plant.config.standards[station]
    own, *others = plant.controllers_of(station)
    limit = plant.by_counts.get(station)
    recovery = timedelta(seconds=RECOVERY_REAL_S * run.options.speed)
    excused = tuple(
        Interval(start - recovery, end + recovery + (limit or timedelta()))  # by counts it is not known before
        for _, where, start, end in run.served.fault_log
        if where in (own, *others)
    )
    true = truth.station_truth(told, station, standard, window, plant.codes.get(station, {}))
    if not setup.has_unit_log:
        true, measured = replace(true, units=()), replace(measured, units=())
    both = Station(
        truth=true,
        measured=measured,
        observations=looks[own],
        excused=excused,
        scans=run.pacemaker.scans,
        controller=str(own),
        others=tuple(looks[other] for other in others),
        counted=frozenset(map(str, standard.counted)),
        scattered=setup.state_rules is not None,
        ideal_known=_is_ideal_known(setup, standard, gaps=bool(excused)),
    )
    if limit is None:
        return both
    parts = [unit.time for unit in told.units(station)]
    return replace(both, doubt=doubtful(parts, known, limit, both.late))


def _is_ideal_known(setup: StationSetup, standard: StationStandard, *, gaps: bool) -> bool:
    """Whether each counted unit has its ideal time. After a gap all units count for the product that is seen then."""
    counters = [signal.setup for signal in setup.signals.values() if isinstance(signal, CounterSignal)]
    if all(counter.product is not None for counter in counters):
        return True
    if None in standard.ideal_cycle and not tells_product(setup):
        return True
    return setup.has_unit_log or (tells_product(setup) and (len(set(standard.ideal_cycle.values())) == 1 or not gaps))


def _causes(
    config: PlantConfig,
    run: _Run,
    told: plant_truth.Truth,
    results: Results,
    stations: Mapping[StationId, Station],
    window: Interval,
) -> Causes:
    links = [Link(buffer.upstream, buffer.downstream) for buffer in config.buffers]
    planned = config.calendar.planned(window)
    seen = {station: results.timeline(station, window) for station in config.setups}
    true = {station: truth.perfect(told, station) for station in config.setups}
    seen_as, by_counts = run.options.plant.seen_as, run.options.plant.by_counts

    def shows(station: StationId, state: SimState) -> bool:
        return station not in by_counts and seen_as.get(station, {}).get(state, state) is state

    return Causes(
        truth=charges(true, links, config.standards, planned, window, until=window.end),
        measured=charges(seen, links, config.standards, planned, window, until=window.end),
        waits={
            (station, state): both.measured.figures[f"{state}_s"]
            for station, both in stations.items()
            for state in (State.STARVED, State.BLOCKED)
        },
        broken=truth.broken(run.plant, run.options.breakdowns, window, links, shows),
    )
