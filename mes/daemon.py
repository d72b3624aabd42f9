"""The composition root: builds the whole program from the configuration, runs it, and shuts it down in order."""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from adapters import registry
from adapters.cancelling import end_tasks
from adapters.clock import Clock, SteadyClock
from adapters.operating_system import raise_open_files_limit
from adapters.ports import Adapter
from adapters.reading import Batch, ControllerId, GapCause
from mes.collect.present import PresentTags, longest_without_count
from mes.config.build import PlantConfig
from mes.config.changes import Changes, changes
from mes.config.models.plant import InfluxShape
from mes.errors import EXIT_BAD_INPUT, ConfigError, JournalError
from mes.health.clock_offsets import ControllerClocks
from mes.health.controllers import Health
from mes.health.count_audit import CountAudit, moduli
from mes.health.influx_points import LookTimes, health_points
from mes.health.monitor import StatusMonitor
from mes.health.reload_file import ReloadFile
from mes.health.status import alive
from mes.health.systemd import Manager, watch
from mes.influx.encode import Point
from mes.influx.figures_file import FiguresFile, figures_path
from mes.influx.points.windows import PublishedFigures, PublishedPlant
from mes.influx.ports import Published
from mes.influx.server import InfluxServer, ServerKind, Target, load_client
from mes.influx.writer import InfluxWriter, Pace
from mes.journal import Journal, JournalReader
from mes.journal.consumers import EVENTS
from mes.journal.maintenance import Maintenance
from mes.journal.names import Names, formerly
from mes.logs import get_logger
from mes.model import StationId, flow_positions
from mes.pipeline import Pipeline
from mes.stopping import STOP_WITHIN_S, in_thread, set_on_hangup, stop_on_signal
from mes.supervisor import Backoff, failure_of, run_forever, supervise

log = get_logger()

SETTLES_WITHIN_S = 5.0
OPEN_FILES_WANTED = 65_536  # and connections
BOARD_RETRY_S = 5.0  # real seconds: its port may be free again, its certificate be there
SET_FOR_S = 30.0  # real seconds for which the machine's clock is elsewhere before the program goes by it
SET_BY = timedelta(minutes=1)  # by less than that it is left alone, until the next start

OpenJournal = Callable[[Path], AbstractAsyncContextManager[Journal]]


@dataclass(frozen=True, slots=True)
class Collector:
    """The running program, as seen by those who watch it.

    `prepare` says what another configuration changes and changes nothing; `reload` takes over what was prepared.
    """

    pipeline: Pipeline
    journal: Journal
    health: Health
    monitor: StatusMonitor
    prepare: Callable[[PlantConfig], Awaitable[tuple[Changes, "Makers"]]]
    reload: Callable[[PlantConfig, Changes, "Makers"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Tapped:
    """A pipeline whose batches somebody looks at once they are journaled."""

    pipeline: Pipeline
    taps: Sequence[Callable[[Batch], None]]

    async def accept(self, batch: Batch, /) -> None:
        await self.pipeline.accept(batch)
        for tap in self.taps:
            tap(batch)

    async def lost(self, controller: ControllerId, *, cause: GapCause, detail: str, since: datetime | None) -> None:
        await self.pipeline.lost(controller, cause=cause, detail=detail, since=since)


def credential(name: str) -> str:
    """A secret from the folder that the service manager hands over ($CREDENTIALS_DIRECTORY); raises ConfigError."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise ConfigError(
            f"the credential {name!r} is needed and $CREDENTIALS_DIRECTORY is not set: "
            "start the program by its systemd unit, or set it to a folder that holds a file of this name"
        )
    try:
        return (Path(folder) / name).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise ConfigError(f"the credential {name!r} cannot be read: {error.strerror}; look into {folder}") from error
    except UnicodeDecodeError:  # whose own text and traceback would show what is in it
        raise ConfigError(f"the credential {name!r} is no UTF-8 text: write it again into {folder}") from None


@asynccontextmanager
async def collector(
    config: PlantConfig,
    clock: Clock,
    *,
    backoff: Backoff | None = None,
    open_journal: OpenJournal = Journal.open,
    secret: Callable[[str], str] = credential,
    tap: Callable[[Batch], None] | None = None,
    pace: Pace | None = None,
) -> AsyncIterator[Collector]:
    """Collects while the block runs; on leaving, closes the controllers' sessions first and the journal last.

    The block begins before the journal was taken up: on a full disk that takes until there is room (`recovered`).
    `tap` sees every batch after it was journaled; `pace` is that of the forwarding to InfluxDB.
    A credential that cannot be read parks what needs it, and is asked for again. Raises JournalError.
    """
    if config.influx is not None:
        load_client()
    async with open_journal(config.journal_path) as journal:
        if journal.salvaged is not None:
            log.error("journal_salvaged", detail=journal.salvaged)
        journal.names = Names(config.former)
        tags = present_tags(config)
        health = Health(clock, findings=lambda controller: tags[controller].findings())
        monitor = _status_monitor(config, journal, health, clock, forwarded=config.influx is not None)
        monitor.tags = tags
        clocks = ControllerClocks(measures=isinstance(clock, SteadyClock))
        pipeline = Pipeline(config.setups, journal, clock, controllers=config.station_controllers, offset=clocks.take)
        taps: list[Callable[[Batch], None]] = [lambda batch: tags[batch.controller].take(batch)]
        taps += [tap] if tap is not None else []
        if clocks.measures:
            monitor.offsets = clocks.offsets
        taker = _Tapped(pipeline, taps)
        async with asyncio.TaskGroup() as group:
            parts = _Parts(group, config, clock, pipeline, taker, monitor, secret, backoff, pace)
            parts.beginning = group.create_task(parts.begin(), name="recovery")
            yield Collector(pipeline, journal, health, monitor, parts.prepare, parts.reload)
            await end_tasks([parts.beginning, *parts.tasks.values(), *parts.forwarding])


Makers = Mapping[ControllerId, Callable[[], Adapter]]


@dataclass(slots=True)
class _Parts:
    """The tasks of a collector: one for each controller, by its name, and the forwarding."""

    group: asyncio.TaskGroup
    config: PlantConfig
    clock: Clock
    pipeline: Pipeline
    taker: _Tapped
    monitor: StatusMonitor
    secret: Callable[[str], str]
    backoff: Backoff | None
    pace: Pace | None
    beginning: asyncio.Task[None] | None = None
    lines: registry.Lines = field(default_factory=dict)
    tasks: dict[ControllerId, asyncio.Task[None]] = field(default_factory=dict)
    forwarding: list[asyncio.Task[None]] = field(default_factory=list)

    async def begin(self) -> None:
        """Takes up the journal, for as long as its disk takes nothing, and then connects."""
        await self.pipeline.recover()
        self.monitor.recovered.set()
        self.monitor.unknown_stations = await in_thread(_unknown_stations, self.config)
        self._connect(self._makers(self.config, list(self.config.controllers)))
        self._forward()

    async def prepare(self, after: PlantConfig) -> tuple[Changes, Makers]:
        """What another configuration changes, and its connections, not begun yet; nothing is changed."""
        found = await in_thread(changes, self.config, after)
        if found.needs_restart:
            return found, {}
        return found, await in_thread(self._makers, after, (*found.started, *found.restarted))

    async def reload(self, after: PlantConfig, found: Changes, makers: Makers) -> None:
        """Takes over another configuration; what is prepared must be of the present one. Raises JournalError."""
        if self.beginning is not None:
            await asyncio.wait([self.beginning])
        self.config = after
        ended = (*found.ended, *found.restarted)
        await end_tasks([self.tasks.pop(controller) for controller in ended])
        await self.pipeline.reconfigure(after.setups, controllers=after.station_controllers, affected=found.affected)
        self._follow(after, found)
        self._connect(makers)
        if found.forwarding:
            await end_tasks(self.forwarding)
            self.monitor.troubles.pop("influx", None)
            self._forward()
        self.monitor.unknown_stations = await in_thread(_unknown_stations, after)

    def _follow(self, after: PlantConfig, found: Changes) -> None:
        """Health, and what tags show, of the controllers that there are now."""
        tags, fresh = self.monitor.tags, present_tags(after)
        for controller in found.ended:
            self.monitor.health.forget(controller)
            tags.pop(controller, None)
        for controller, shown in fresh.items():
            if controller in found.affected:
                tags[controller] = shown
            else:
                tags[controller].use(_longest(after))
        self.monitor.count_audit.use(moduli(after.setups))

    def _makers(self, config: PlantConfig, controllers: Iterable[ControllerId]) -> Makers:
        return {
            controller: registry.maker(
                controller,
                config.controllers[controller],
                config.tags[controller],
                clock=self.clock,
                secret=self.secret,
                lines=self.lines,
            )
            for controller in controllers
        }

    def _connect(self, makers: Makers) -> None:
        for controller, make in makers.items():
            running = supervise(
                controller, make, self.taker, self.monitor.health, rng=random.Random(), backoff=self.backoff
            )
            self.tasks[controller] = self.group.create_task(running, name=f"controller {controller}")

    def _forward(self) -> None:
        if self.config.influx is not None:
            work = partial(_forward, self.secret, self.config, self.monitor, self.pace)
            forwarding = run_forever("influx", work, failing=self.monitor.failing("influx"))
            self.forwarding = [self.group.create_task(forwarding, name="influx")]


def _unknown_stations(config: PlantConfig) -> tuple[StationId, ...]:
    """The stations of the journal that the plant's file does not have; each is said in the log."""
    unknown: tuple[StationId, ...] = ()
    with contextlib.suppress(JournalError), JournalReader(config.journal_path, Names(config.former)) as reader:
        unknown = reader.unknown_stations(config.standards)
    for station in unknown:
        log.warning("station_not_in_the_plant_file", station=station, remedy=formerly(station))
    return unknown


def present_tags(config: PlantConfig) -> dict[ControllerId, PresentTags]:
    """Of each controller, what its tags show; nothing yet."""
    longest = _longest(config)
    return {
        controller: PresentTags(
            config.tags[controller],
            [shown for setup in config.setups.values() if (shown := config.shown_by(setup, controller)).signals],
            longest,
        )
        for controller in config.controllers
    }


def _longest(config: PlantConfig) -> dict[StationId, timedelta]:
    return {station: longest_without_count(standard) for station, standard in config.standards.items()}


def influx_target(config: PlantConfig, secret: Callable[[str], str]) -> Target | None:
    """Where InfluxDB is; None if the plant's file does not say. Raises ConfigError for a missing credential."""
    return None if config.influx is None else target_of(config.influx, secret)


def target_of(influx: InfluxShape, secret: Callable[[str], str]) -> Target:
    """Where InfluxDB is. Raises ConfigError for a missing credential."""
    return Target(
        url=influx.url,
        database=influx.database,
        retention_policy=influx.retention_policy,
        org=influx.org or "-",
        user=influx.user,
        secret=secret(influx.credential) if influx.credential else None,
        kind=None if influx.server == "auto" else ServerKind(influx.server),
    )


def _status_monitor(
    config: PlantConfig, journal: Journal, health: Health, clock: Clock, *, forwarded: bool
) -> StatusMonitor:
    path = config.journal_path
    return StatusMonitor(
        journal=journal,
        health=health,
        maintenance=Maintenance(journal, path, clock, keep=config.keep_process_values, forwarded=forwarded),
        count_audit=CountAudit(
            path, journal, moduli=moduli(config.setups), consumer=EVENTS if forwarded else None, names=journal.names
        ),
        clock=clock,
    )


async def _settled(monitor: StatusMonitor, config: PlantConfig) -> None:
    """Until each controller gave its first reading or could not be reached, a few seconds at most: that comes first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLES_WITHIN_S):
            while not monitor.health.all_tried(config.controllers):
                await asyncio.sleep(0.05)


async def _forward(
    secret: Callable[[str], str], config: PlantConfig, monitor: StatusMonitor, pace: Pace | None
) -> None:
    await _settled(monitor, config)
    target = influx_target(config, secret)
    assert target is not None

    positions, times = flow_positions(config.standards), LookTimes()

    def health() -> list[Point]:
        now = times.next(monitor.clock.now())
        return list(health_points(monitor.status(), config.site, socket.gethostname(), now, positions))

    published = PublishedFigures(
        config.journal_path,
        config.standards,
        config.calendar,
        monitor.clock,
        monitor.journal.names,
        config.names,
    )
    with published as figures, PublishedPlant(config, monitor.clock) as plant:
        async with InfluxServer(target) as server:
            monitor.troubles.pop("influx", None)
            with FiguresFile(figures_path(config.journal_path)) as file:
                monitor.writer = InfluxWriter(
                    server,
                    monitor.journal,
                    Published(file, figures, plant),
                    health,
                    rng=random.Random(),
                    pace=pace,
                    clock=monitor.clock,
                )
                await monitor.writer.run()


async def _look_after(monitor: StatusMonitor, config: PlantConfig) -> None:
    """Everything beside the collecting, once that has begun."""
    await monitor.recovered.wait()
    log.info("collector_started", controllers=len(config.controllers), stations=len(config.setups))
    await _settled(monitor, config)
    async with asyncio.TaskGroup() as group:
        group.create_task(run_forever("maintenance", monitor.maintenance.run))
        group.create_task(run_forever("count_audit", monitor.count_audit.follow))
        group.create_task(run_forever("monitor", monitor.follow))


def _standstill(monitor: StatusMonitor) -> str | None:
    """What stands still, None while the program makes progress."""
    reasons = alive(monitor.status()).reasons
    return reasons[0] if reasons else None


async def _clock_set(clock: Clock, journal: Journal, for_s: float) -> None:
    """Returns when the machine's clock was set far away, has stayed there for some real seconds, and is to be followed.

    One that is behind the journal is not followed: its time would be in the past of what is known.
    """
    loop = asyncio.get_running_loop()
    right_s, refused = loop.time(), timedelta()
    while isinstance(clock, SteadyClock):
        now, stepped = clock.now(), clock.stepped or timedelta()
        if abs(stepped) < SET_BY or (refused and abs(stepped - refused) < SET_BY):
            right_s = loop.time()
        elif loop.time() - right_s >= for_s:
            is_behind = await _is_behind(journal, now + stepped)
            if is_behind is False:
                return
            right_s, refused = loop.time(), stepped if is_behind else refused
        await asyncio.sleep(for_s / 10)
    await asyncio.Event().wait()


async def _is_behind(journal: Journal, machine_now: datetime) -> bool | None:
    """Whether the journal shows a later time; None while it cannot be asked."""
    try:
        found = await journal.future(machine_now)
    except JournalError as error:
        log.warning("machine_clock_not_judged", detail=str(error))
        return None
    return found is not None and found.is_behind


async def told_or_set(stop: asyncio.Event, clock: Clock, journal: Journal, set_for_s: float) -> None:
    """Returns when `stop` is set, or the machine's clock is and has to be followed."""
    set_far = asyncio.create_task(_clock_set(clock, journal, set_for_s))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopped, set_far}, return_when=asyncio.FIRST_COMPLETED)
        if set_far.done():
            set_far.result()
    finally:
        await end_tasks([stopped, set_far])


@dataclass(slots=True)
class _Plant:
    """The configuration that runs now; `read_again` gives the one of the file, and `hangup` asks for that."""

    config: PlantConfig
    read_again: Callable[[], PlantConfig] | None
    hangup: asyncio.Event


async def run(
    config: PlantConfig,
    clock: Clock,
    *,
    opened: Callable[[], None],
    set_for_s: float = SET_FOR_S,
    read_again: Callable[[], PlantConfig] | None = None,
) -> None:
    """The daemon: collects until SIGTERM or SIGINT, then stops in order; calls `opened` once the journal is there.

    When the machine's clock was set far away and stays there, collecting begins again by that clock. The time between
    is a gap, and stamps in its future are brought back. `set_for_s`: real seconds. `read_again`: the configuration
    that SIGHUP asks for; it may raise ConfigError. Without it SIGHUP ends the program, as the system has it.
    """
    stop = stop_on_signal(within_s=STOP_WITHIN_S)
    plant = _Plant(config, read_again, asyncio.Event() if read_again is None else set_on_hangup())
    raise_open_files_limit(OPEN_FILES_WANTED)
    while True:
        await _collect(plant, clock, stop, opened, set_for_s)
        if stop.is_set() or not isinstance(clock, SteadyClock):
            return
        before = clock.now()
        clock.follow()
        log.error("machine_clock_followed", moved_s=(clock.now() - before).total_seconds())


async def _collect(
    plant: _Plant, clock: Clock, stop: asyncio.Event, opened: Callable[[], None], set_for_s: float
) -> None:
    """Until `stop` is set, or the machine's clock is."""
    if plant.config.web is not None:
        import mes.board.serving  # noqa: F401  # takes a second, so that it is done before anything is read
    async with collector(plant.config, clock) as running, asyncio.TaskGroup() as group:
        await asyncio.to_thread(opened)
        monitor = running.monitor
        tasks: list[asyncio.Task[None]] = [group.create_task(_look_after(monitor, plant.config))]
        board = _BoardTask(group, monitor)
        board.start(plant.config)
        manager = Manager()
        tasks.append(group.create_task(watch(manager, partial(_standstill, monitor))))
        tasks.append(group.create_task(_reload_on_request(plant, running, board, manager)))
        await told_or_set(stop, clock, running.journal, set_for_s)
        if stop.is_set():
            manager.tell("STOPPING=1")
        log.info("collector_stopping", last_seq=running.journal.last_seq)
        await end_tasks(tasks)
        await board.end()
    log.info("collector_stopped")


@dataclass(slots=True)
class _BoardTask:
    """The board, if the plant's file has one."""

    group: asyncio.TaskGroup
    monitor: StatusMonitor
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, config: PlantConfig) -> None:
        """Serves it until `end`."""
        if config.web is not None:
            from mes.board.serving import serve_board

            serving = partial(serve_board, config, self.monitor, config.web)
            trying = run_forever("board", serving, pause_s=BOARD_RETRY_S, failing=self.monitor.failing("board"))
            self.tasks = [self.group.create_task(trying)]

    async def end(self) -> None:
        """Returns when its requests have ended."""
        await end_tasks(self.tasks)


async def _reload_on_request(plant: _Plant, running: Collector, board: _BoardTask, manager: Manager) -> None:
    """Takes over the plant's file at each request, one after the other; a mistake in it changes nothing."""
    if plant.read_again is None:
        return
    async with ReloadFile.open(plant.config.journal_path) as answers:
        while True:
            await plant.hangup.wait()
            plant.hangup.clear()  # a request from here on is one more: it may be about a later version of the file
            try:
                manager.tell_reloading()
                answers.begin()
                code, lines = await _reload(plant, plant.read_again, running, board)
            except asyncio.CancelledError:
                plant.hangup.set()  # collecting may begin again by another clock
                raise
            manager.tell("READY=1")
            answers.end(code, lines)


async def _reload(
    plant: _Plant, read_again: Callable[[], PlantConfig], running: Collector, board: _BoardTask
) -> tuple[int, Sequence[str]]:
    """The exit code of the command, and what it says."""
    prepared: list[tuple[PlantConfig, Changes, Makers]] = []

    async def prepare() -> None:
        after = await in_thread(read_again)
        prepared.append((after, *await running.prepare(after)))

    failure = await failure_of(prepare)
    if failure is not None:
        log.error("reload_refused", detail=failure, remedy="correct the file and reload it; nothing was changed")
        return EXIT_BAD_INPUT, (failure, "nothing was changed")
    ((after, found, makers),) = prepared
    if found.needs_restart:
        log.error("reload_refused", detail=" ".join(found.sentences()), remedy="restart the service")
        return EXIT_BAD_INPUT, found.sentences()
    plant.config = after
    await running.reload(after, found, makers)
    if found.board:
        await board.end()
        running.monitor.troubles.pop("board", None)
        board.start(after)
    log.info("reloaded", changes=list(found.sentences()))
    return 0, found.sentences()
