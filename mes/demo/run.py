"""Runs plant and collector side by side on loopback and compares what was measured with what is true."""

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from adapters.clock import ScaledClock
from adapters.reading import Batch, ControllerId
from mes.config.build import PlantConfig, for_simulation
from mes.config.load import default_config, load
from mes.config.models import InfluxShape
from mes.daemon import Collector, OpenJournal, collector, credential, influx_target
from mes.demo import truth
from mes.demo.compare import Outcome, compare
from mes.demo.forwarding import PACE, SETTLED_WITHIN_S, settled, with_influx
from mes.demo.panel_check import PanelCheck, check_panels
from mes.demo.shown import BoardShown, PulledByHand, board_shown
from mes.demo.truth import Causes, Counts, Life, Lives, Measured, Ratios, Station, Stay
from mes.errors import ConfigError, MesError
from mes.influx.server import InfluxServer
from mes.intervals import Interval
from mes.journal import Journal, JournalReader
from mes.model import CountUnreconciled, State, StationId, UnitCompleted
from mes.oee.biography import all_biographies, visits
from mes.oee.causes import Link, charges
from mes.oee.definitions import BUILT_IN, apply
from mes.oee.kpi import Kpi
from mes.results import Results
from mes.supervisor import Backoff
from simulators.faults import Fault, parse_duration
from simulators.plant import STATIONS, Breakdown, Plant
from simulators.served import SCAN_S, ServedPlant

__all__ = ["START", "Breakdown", "Finished", "Options", "Progress", "parse_breakdown", "run_demo"]

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)  # Monday 08:00 in Kostanay, the beginning of a shift
BACKOFF = Backoff(first_s=0.2, cap_s=0.5)  # real seconds; at 240 times speed one of them is four minutes of the plant
RECOVERY_REAL_S = 4.0  # what a reconnect may take after a fault has ended, and what detection looks back before it
LEAST_FAULT_REAL_S = 3.0  # a shorter one could not be noticed, however long it seems to a fast plant
CONNECT_DEADLINE_S = 30.0
DRAIN_DEADLINE_S = 60.0
JOURNAL = "journal.sqlite"


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Everything goes to InfluxDB as well, and every panel's answer is held to the core.

    `server` None: a private influxd, for the time of the run. `dashboards`: a folder as config/grafana is.
    """

    server: InfluxShape | None
    dashboards: Path


@dataclass(frozen=True, slots=True)
class Options:
    """One run: `length` and the times of faults and of `breakdowns` on purpose are the plant's own time."""

    length: timedelta
    speed: float
    seed: int
    faults: tuple[Fault, ...] = ()
    journal: Path | None = None
    breakdowns: tuple[Breakdown, ...] = ()
    influx: "Forwarding | None" = None
    board: BoardShown | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a watcher may show while the demo runs."""

    now: datetime
    share: float
    window: Interval
    results: Results
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The comparison, and how it came about."""

    outcome: Outcome
    window: Interval
    kpis: dict[StationId, Kpi]
    wall_s: float
    stopped_early: bool
    panels: PanelCheck | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is not as it should be."""
        return (*self.outcome.problems, *(self.panels.problems if self.panels is not None else ()))

    @property
    def verdict(self) -> str:
        """ok, or differs."""
        return "differs" if self.problems else "ok"


@dataclass(slots=True)
class _Observations:
    """When each controller was looked at; a tap that changes nothing."""

    times: dict[ControllerId, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def note(self, batch: Batch) -> None:
        self.times[batch.controller].append(batch.received_time)


def parse_breakdown(text: str) -> Breakdown:
    """`STATION@TIME+LENGTH`, as in `W030@1h+40m`, from the demo's start; a ValueError says what is allowed."""
    code, at_sign, when = text.partition("@")
    at, plus, length = when.partition("+")
    if not at_sign or not plus:
        raise ValueError(f"{text!r} lacks a time or a length; write STATION@TIME+LENGTH, as in W030@1h+40m")
    codes = [each.code for each in STATIONS]
    if code not in codes:
        raise ValueError(f"{code!r} is no station of the plant; there are {', '.join(codes)}")
    return Breakdown(code, START + parse_duration(at), parse_duration(length))


async def run_demo(
    options: Options,
    *,
    open_journal: OpenJournal = Journal.open,
    watch: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Finished:
    """Runs to the end of `length`, or until `stop` is set, and compares; every figure comes through `Results`.

    Raises ConfigError if the journal's folder is in use, MesError if the controllers cannot be reached.
    """
    began = time.monotonic()
    if options.journal is not None and (options.journal / JOURNAL).exists():
        raise ConfigError(f"{options.journal} holds a journal already; a demo needs a new folder")
    with ExitStack() as stack:
        folder = options.journal or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taktline-")))
        clock = ScaledClock(START, speed=options.speed, held=True)
        plant = Plant(seed=options.seed, start=START, breakdowns=options.breakdowns)
        served = ServedPlant(plant, clock)
        await served.start()
        try:
            config = for_simulation(
                load(default_config()).config,
                ports={ControllerId(name): port for name, port in served.ports.items()},
                journal=folder / JOURNAL,
            )
            seen = _Observations()
            async with AsyncExitStack() as beside:
                if options.influx is not None:
                    config = await beside.enter_async_context(with_influx(config, options.influx.server))
                async with (
                    collector(
                        config, clock, backoff=BACKOFF, open_journal=open_journal, tap=seen.note, pace=PACE
                    ) as running,
                    board_shown(options.board, config, running, served) as cables,
                ):
                    stop = stop or asyncio.Event()
                    window = await _live(options, clock, served, cables, running, config, watch, stop)
                    finish = partial(_finish, config, served, plant, seen, window, options, began)
                    if options.influx is not None:
                        await _within(SETTLED_WITHIN_S, settled(running), "InfluxDB did not take everything")
                    elif options.board is not None and options.board.stays is not None and not stop.is_set():
                        finished = await asyncio.to_thread(finish)
                        await options.board.stays(finished)
                        return finished
                panels = await _panels(options, config, window)  # with the collector gone, nothing writes meanwhile
        finally:
            await served.stop()
        return replace(finish(), panels=panels)


async def _live(
    options: Options,
    clock: ScaledClock,
    served: ServedPlant,
    cables: PulledByHand,
    running: Collector,
    config: PlantConfig,
    watch: Callable[[Progress], None] | None,
    stop: asyncio.Event,
) -> Interval:
    """Lets the plant run; returns the window from its first instant to the one at which the last reading was in."""
    await _within(CONNECT_DEADLINE_S, _all_connected(running, config), "the simulated controllers could not be reached")
    least = timedelta(seconds=LEAST_FAULT_REAL_S * options.speed)
    faults = [replace(each, duration=max(each.duration, least)) for each in options.faults]
    for fault in faults:
        served.inject(fault)
    longest_s = max((each.duration.total_seconds() / options.speed for each in faults), default=0.0)
    clock.release()
    tasks = [asyncio.create_task(served.run(), name="simulated plant")]
    if options.influx is not None:  # the collector's dashboard shows its books
        tasks += [asyncio.create_task(each()) for each in (running.gauge.ledger.follow, running.gauge.follow)]
    if watch is not None:
        tasks.append(asyncio.create_task(_watch(options, clock, config, served, watch), name="watch"))
    try:
        await _until(clock, START + options.length, stop, tasks[0])
        served.freeze()
        await cables.end()
        await _within(longest_s + DRAIN_DEADLINE_S, served.faults_over(), "a fault did not end")
        await _within(DRAIN_DEADLINE_S, _drained(running, config), "the collector did not see all controllers again")
        clock.hold()
        return Interval(START, clock.now())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _panels(options: Options, config: PlantConfig, window: Interval) -> PanelCheck | None:
    """The dashboards' answers beside the core's; None without InfluxDB."""
    target = influx_target(config, credential)
    if options.influx is None or target is None:
        return None
    async with InfluxServer(target) as server:
        return await check_panels(server, config, options.influx.dashboards, window)


async def _within(deadline_s: float, work: Awaitable[None], otherwise: str) -> None:
    try:
        async with asyncio.timeout(deadline_s):
            await work
    except TimeoutError as error:
        raise MesError(f"{otherwise} within {deadline_s:g} s; is this machine overloaded?") from error


async def _until(clock: ScaledClock, end: datetime, stop: asyncio.Event, plant_run: asyncio.Task[None]) -> None:
    """Waits for the end, an interruption, or the plant's failure, which is raised."""
    stopped = asyncio.create_task(stop.wait())
    remaining_s = (end - clock.now()).total_seconds() / clock.speed
    done, _ = await asyncio.wait({stopped, plant_run}, timeout=remaining_s, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if plant_run in done:
        plant_run.result()


async def _all_connected(running: Collector, config: PlantConfig) -> None:
    while any(running.pipeline.last_observed(each) is None for each in config.controllers):
        await asyncio.sleep(0.02)


async def _drained(running: Collector, config: PlantConfig) -> None:
    """Waits until every controller is connected and was looked at three times after the plant stood still."""
    for controller in config.controllers:
        seen = 0
        last = running.pipeline.last_observed(controller)
        while seen < 3 or not running.health.is_running(controller):
            await asyncio.sleep(0.02)
            now = running.pipeline.last_observed(controller)
            if now != last:
                seen, last = seen + 1, now


async def _watch(
    options: Options,
    clock: ScaledClock,
    config: PlantConfig,
    served: ServedPlant,
    watch: Callable[[Progress], None],
) -> None:
    """Shows the state of things every second; figures are read in a thread, beside the collector."""
    while True:
        now = max(clock.now(), START + timedelta(seconds=1))
        share = min(1.0, (now - START) / options.length)
        active = tuple(f"{name} {controller}" for name, controller in served.active_faults())
        progress = Progress(now, share, Interval(START, now), _results(config), active)
        await asyncio.to_thread(watch, progress)
        await asyncio.sleep(1)


def _results(config: PlantConfig) -> Results:
    return Results(JournalReader(config.journal_path), config.standards, config.calendar)


def _finish(
    config: PlantConfig,
    served: ServedPlant,
    plant: Plant,
    seen: _Observations,
    window: Interval,
    options: Options,
    began: float,
) -> Finished:
    results = _results(config)
    if unwatched := {spec.path for spec in plant.stations} - set(config.setups):
        raise MesError(f"stations of the plant that nobody watches: {', '.join(sorted(unwatched))}")
    plant.truth.reach(window.end)  # it stood still since the last reading
    recovery = timedelta(seconds=RECOVERY_REAL_S * options.speed)
    kpis = {station: results.kpi(station, window, until=window.end) for station in config.setups}
    stations = {}
    for station in config.setups:
        controller = config.station_controllers[station]
        excused = tuple(
            Interval(start - recovery, end + recovery)
            for _, where, start, end in served.fault_log
            if where == controller
        )
        stations[station] = Station(
            truth=truth.station_truth(plant, station, config.standards[station], window),
            measured=_measured(results, station, window, kpis[station]),
            observations=seen.times[controller],
            excused=excused,
            scan=timedelta(seconds=SCAN_S * options.speed),
            controller=str(controller),
        )
    causes = _causes(config, plant, results, kpis, window, options)
    return Finished(
        outcome=compare(stations, window, Lives(truth.lives(plant), _lives(results, config)), causes),
        window=window,
        kpis=kpis,
        wall_s=time.monotonic() - began,
        stopped_early=window.length < options.length,
    )


def _measured(results: Results, station: StationId, window: Interval, figures: Kpi) -> Measured:
    timeline = results.timeline(station, window)
    completed = [each.event for each in results.events(station) if isinstance(each.event, UnitCompleted)]
    unreconciled = [each for each in results.events(station) if isinstance(each.event, CountUnreconciled)]
    return Measured(
        counts=Counts(good=figures.good, rework=figures.rework, scrap=figures.scrap),
        states=tuple(
            (part, span.state)
            for span in timeline.states(window.end)
            if (part := span.interval.clip(window)) is not None
        ),
        units=tuple(truth.record(each.unit, each.result, each.sequence) for each in completed),
        oee=figures.oee,
        availability=figures.availability,
        performance=figures.performance,
        quality=figures.quality,
        unreconciled=len(unreconciled),
        definitions=_definitions(results, station, window),
    )


def _definitions(results: Results, station: StationId, window: Interval) -> dict[str, Ratios]:
    found = {}
    for name, definition in BUILT_IN.items():
        each = apply(definition, [results.kpi(station, window, until=window.end, definition=definition)])
        found[name] = Ratios(each.availability, each.performance, each.quality, each.oee)
    return found


def _lives(results: Results, config: PlantConfig) -> dict[str, Life]:
    seen = {station: visits(station, results.events(station)) for station in config.setups}
    return {
        str(each.unit): Life(
            tuple(
                Stay(stay.station, stay.passage, tuple(str(end.result) for end in stay.results), stay.entered)
                for stay in each.visits
            ),
            each.loops,
        )
        for each in all_biographies(seen, list(config.standards))
    }


def _causes(
    config: PlantConfig,
    plant: Plant,
    results: Results,
    kpis: Mapping[StationId, Kpi],
    window: Interval,
    options: Options,
) -> Causes:
    links = [Link(each.upstream, each.downstream) for each in config.buffers]
    planned = config.calendar.planned(window)
    seen = {station: results.timeline(station, window) for station in config.setups}
    true = {station: truth.perfect(plant, station) for station in config.setups}
    return Causes(
        truth=charges(true, links, config.standards, planned, window, until=window.end),
        measured=charges(seen, links, config.standards, planned, window, until=window.end),
        waits={
            (station, state): lasted
            for station, each in kpis.items()
            for state, lasted in ((State.STARVED, each.starved), (State.BLOCKED, each.blocked))
        },
        broken=truth.broken(plant, options.breakdowns, window),
    )
