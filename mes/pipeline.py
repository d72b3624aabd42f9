"""A batch in, committed events out: routes readings to stations, steps them, journals what came of it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from adapters.clock import Clock, ScaledClock, SteadyClock, boot_time_s
from adapters.reading import Batch, ControllerId, Gap, GapCause, PolledPart, Quality, Reading, TagId, longest_observed
from mes.collect.delivery import Delivery
from mes.collect.looks import Looks
from mes.collect.places import Vacated, adopt, vacated
from mes.collect.signals import Closed, CounterSignal, totaliser_of_signal
from mes.collect.station import (
    Observation,
    StationSetup,
    StationState,
    encode_state,
    initial_state,
    readable_state,
    rebuilt,
    step,
)
from mes.journal import Entry, Future, Journal
from mes.journal.future import NOT_BEFORE, TOLERANCE, not_after
from mes.logs import get_logger
from mes.model import ProcessValue, StationEvent, StationId, TotaliserId

log = get_logger()

A_DAY = timedelta(days=1)
RELOADED = "the plant's file was reloaded"
OBSERVED_EVERY_S = 2.0  # real seconds between proofs of life on disk while nothing happens


@dataclass(slots=True)
class _Work:
    """What a batch or a gap does to stations, before any of it is true."""

    before: Mapping[StationId, StationState]
    states: dict[StationId, StationState] = field(default_factory=dict)
    events: list[StationEvent] = field(default_factory=list)
    telemetry: list[ProcessValue] = field(default_factory=list)

    def step(self, setup: StationSetup, seen: Observation | Gap) -> None:
        """One station sees one thing."""
        station = setup.station
        done = step(setup, self.states.get(station, self.before[station]), seen)
        self.telemetry.extend(done.telemetry)
        self.take(station, done.state, done.events)

    def take(self, station: StationId, state: StationState, events: Sequence[StationEvent]) -> None:
        """What came of it for one station."""
        self.events.extend(events)
        if state != self.before[station]:
            self.states[station] = state
        else:
            self.states.pop(station, None)

    def is_empty(self) -> bool:
        """Whether there is nothing to journal."""
        return not (self.events or self.states or self.telemetry)


def _unknown(_batch: Batch) -> timedelta | None:
    return None


class Pipeline:
    """The stations' states in memory, always as the journal has them or is about to have them.

    Nothing is awaited between a step and its append, so that the journal's order is the order of the steps.
    Call `recover` once before anything else. Every method that writes raises JournalError.
    """

    def __init__(
        self,
        setups: Mapping[StationId, StationSetup],
        journal: Journal,
        clock: Clock,
        *,
        controllers: Mapping[StationId, ControllerId],
        offset: Callable[[Batch], timedelta | None] = _unknown,
        monotonic_s: Callable[[], float] = boot_time_s,
    ) -> None:
        """`controllers`: each station's own controller, without which nothing is known of it.

        `offset`: takes every batch, and gives its controller's clock minus ours as far as that is known then.
        `monotonic_s`: real seconds that only grow, those in which the machine slept included.
        """
        self._journal = journal
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._states: dict[StationId, StationState] = {station: initial_state() for station in setups}
        self._route(setups, controllers)
        self._offset = offset
        self._deliveries: dict[ControllerId, Delivery] = {}
        self._observed: dict[ControllerId, datetime] = {}
        self._looks: dict[ControllerId, Looks] = {controller: Looks() for controller in self._stations}
        self._gaps: dict[ControllerId, Gap] = {}  # the controllers we are blind to now
        self._unsaved: set[ControllerId] = set()  # whose proof of life on disk is older than the one in memory
        self._saved_at_s = monotonic_s()
        self._speed = clock.speed if isinstance(clock, ScaledClock) else 1.0
        self._present: dict[ControllerId, dict[TagId, Reading]] = {}  # the last reading of each tag
        self._parts: dict[ControllerId, tuple[PolledPart, float]] = {}  # the last poll of some tags, in real time
        self._batch_at_s: dict[ControllerId, float] = {}  # the real time of the last batch
        self._commit_took_s: dict[ControllerId, float] = {}  # how long that waited for its commit
        self._longest_commit_s: dict[ControllerId, float] = {}  # of those since the last poll of some tags

    def _route(self, setups: Mapping[StationId, StationSetup], controllers: Mapping[StationId, ControllerId]) -> None:
        """Which controller shows what of which station."""
        self._setups = setups
        others = (controller for setup in setups.values() for controller in setup.elsewhere.values())
        known = dict.fromkeys((*controllers.values(), *others))
        self._stations: dict[ControllerId, list[StationId]] = {controller: [] for controller in known}
        self._guests: dict[ControllerId, dict[StationId, list[TagId]]] = {controller: {} for controller in known}
        self._routes: dict[ControllerId, dict[TagId, list[StationId]]] = {controller: {} for controller in known}
        self._pulsed: dict[ControllerId, set[StationId]] = {controller: set() for controller in known}  # by polls
        for station, setup in setups.items():
            self._stations[controllers[station]].append(station)
            for tag, signal in setup.signals.items():
                shown_by = setup.elsewhere.get(tag, controllers[station])
                self._routes[shown_by].setdefault(tag, []).append(station)
                if isinstance(signal, CounterSignal) and signal.shortest_pulse is not None:
                    self._pulsed[shown_by].add(station)
            for tag, controller in setup.elsewhere.items():
                self._guests[controller].setdefault(station, []).append(tag)

    def last_observed(self, controller: ControllerId) -> datetime | None:
        """The last proof of life, by our clock; None if there never was one."""
        return self._observed.get(controller)

    async def recover(self) -> None:
        """Takes up what the journal holds; the time since then is a gap, for this program was not running.

        A state that is damaged, or was lost with a damaged file, is rebuilt from the station's last counts.
        """
        now = self._clock.now()
        future = await self._journal.forget_future(now)
        if future is not None:
            _tell(future, now)
        if future is not None and future.is_behind and isinstance(self._clock, SteadyClock):
            self._clock.go_on_from(future.latest)
        last_right = None if future is None else future.last_right
        is_behind = future is not None and future.is_behind

        def right(station: StationId, state: StationState) -> StationState:
            return state if is_behind else _corrected(state, self._setups.get(station), last_right, now)

        bodies = await self._journal.station_states()
        states = {station: readable_state(body) for station, body in bodies.items() if station in self._states}
        self._states.update({station: state for station, state in states.items() if state is not None})
        damaged = {station for station, state in states.items() if state is None}
        if damaged or self._journal.salvaged is not None:
            counted = [count.event for count in await self._journal.last_counts()]
            lost = (self._states.keys() - bodies.keys()) & {event.station for event in counted}
            self._states.update({station: rebuilt(station, counted) for station in lost | damaged})
        if damaged:
            log.error("station_states_damaged", stations=sorted(damaged), remedy="none needed: rebuilt from the counts")
        corrected = {station: right(station, state) for station, state in self._states.items()}
        work = _Work(
            self._states, {station: state for station, state in corrected.items() if state != self._states[station]}
        )
        self._states.update(corrected)
        observed = await self._journal.observed()
        others = vacated(self._leave_out(bodies, right, observed, work))
        for controller, stations in self._stations.items():
            # a controller of a new name: its stations were seen through another, no later than the last proof of life
            seen = observed.get(controller, max(observed.values(), default=None))
            known = [station for station in stations if station in damaged or self._states[station] != initial_state()]
            self._adopt(stations, known, others, min(seen or self._clock.now(), self._clock.now()), work)
            if seen is not None and known:
                if seen < NOT_BEFORE <= now:
                    for station in known:
                        state = work.states.get(station, self._states[station])
                        work.take(station, _last_read_some_time(state, self._setups[station], now), ())
                began = self._observed[controller] = min(seen, self._clock.now())
                self._blind(controller, Gap(began, None, GapCause.COLLECTOR, "the collector was not running"), work)
        await self._commit(work)

    async def reconfigure(
        self,
        setups: Mapping[StationId, StationSetup],
        *,
        controllers: Mapping[StationId, ControllerId],
        affected: Set[ControllerId],
    ) -> None:
        """Takes over another configuration, as a restart does, while the controllers that are not `affected` go on.

        No session of an affected controller may run meanwhile; of their stations nothing is known until the next one
        gives a baseline. `affected`: all that show a station, before or now, which is read in another way.
        """
        bodies = await self._journal.station_states()
        read = {station: readable_state(body) for station, body in bodies.items() if station not in self._states}
        counted = [count.event for count in await self._journal.last_counts()] if None in read.values() else []
        # from here to the append nothing is awaited: batches of other controllers come before it or after it
        for station, state in read.items():
            self._states[station] = rebuilt(station, counted) if state is None else state
        for station in setups:
            self._states.setdefault(station, initial_state())
        work, now = _Work(self._states), self._clock.now()
        ended = sorted(affected & self._observed.keys() & self._stations.keys())
        last_seen = self._part_from(ended, setups, now, work)
        self._route(setups, controllers)
        for controller in affected:
            self._forget(controller)
        absent = {station: state for station, state in self._states.items() if station not in setups}
        others = vacated({station: work.states.get(station, state) for station, state in absent.items()})
        for controller in sorted(affected & self._stations.keys()):
            stations = self._stations[controller]
            known = [station for station in stations if station in bodies]
            for station in stations:
                self._adopt([station], known, others, last_seen.get(station, now), work)
            if known:
                began = self._observed.setdefault(controller, min(last_seen.get(station, now) for station in known))
                self._blind(controller, Gap(min(began, now), None, GapCause.COLLECTOR, RELOADED), work)
        await self._commit(work)

    def _part_from(
        self, ended: Sequence[ControllerId], setups: Mapping[StationId, StationSetup], now: datetime, work: _Work
    ) -> dict[StationId, datetime]:
        """Nothing is known of the stations of these controllers from the last proof of life on, which is returned."""
        last_seen: dict[StationId, datetime] = {}
        for controller in ended:
            began = self._observed[controller] = min(self._observed[controller], now)
            self._unsaved.add(controller)
            for station in self._stations[controller]:
                last_seen[station] = began
                gap = Gap(began, None, GapCause.COLLECTOR, RELOADED)
                if station not in setups:
                    gap = Gap(began, None, GapCause.NOT_CONFIGURED, "not in the plant's file")
                work.step(self._setups[station], gap)
        for controller in ended:  # stations of other controllers, which go on without what these show of them
            for station, tags in self._guests[controller].items():
                self._unread(station, tags, self._observed[controller], work)
        return last_seen

    def _forget(self, controller: ControllerId) -> None:
        """What was known of its session."""
        self._gaps.pop(controller, None)
        self._deliveries.pop(controller, None)
        self._present.pop(controller, None)
        self._parts.pop(controller, None)
        self._batch_at_s.pop(controller, None)
        self._commit_took_s.pop(controller, None)
        self._longest_commit_s.pop(controller, None)
        self._looks[controller] = Looks()

    def _leave_out(
        self,
        states: Mapping[StationId, bytes],
        right: Callable[[StationId, StationState], StationState],
        observed: Mapping[ControllerId, datetime],
        work: _Work,
    ) -> dict[StationId, StationState]:
        """The stations that the plant's file does not have: from the last proof of life on nothing is known of them."""
        read = {station: readable_state(body) for station, body in states.items() if station not in self._setups}
        absent = {station: state for station, state in read.items() if state is not None}
        seen = max(observed.values(), default=None)
        for station, written in absent.items():
            state = right(station, written)
            if seen is not None and state != initial_state():
                gap = Gap(min(seen, self._clock.now()), None, GapCause.NOT_CONFIGURED, "not in the plant's file")
                done = step(StationSetup(station, {}, {}, timedelta()), state, gap)
                work.events.extend(done.events)
                if done.state != written:
                    work.states[station] = done.state
        return absent

    def _adopt(
        self,
        stations: Sequence[StationId],
        known: Collection[StationId],
        others: Mapping[str, Vacated],
        at: datetime,
        work: _Work,
    ) -> None:
        """Takes over the places of the plant's file; only what is `known` of a station is worth a row."""
        for station in stations:
            adopted = adopt(self._setups[station], work.states.get(station, self._states[station]), at, others)
            if station not in known:
                self._states[station] = adopted.state
                continue
            work.take(station, adopted.state, adopted.events)
            for signal, (before, now) in adopted.remapped.items():
                what = "signal_remapped" if totaliser_of_signal(signal) is None else "counter_remapped"
                log.warning(what, station=station, signal=signal, before=before, now=now)

    async def accept(self, batch: Batch) -> None:
        """One batch of one controller; returns when what came of it is on disk. It is the adapters' `emit`."""
        work = _Work(self._states)
        came_at_s = self._monotonic_s()
        present = self._present.setdefault(batch.controller, {})
        if batch.baseline:
            present.clear()
        present.update((reading.tag, reading) for reading in batch.readings)
        dark = self._dark(batch, came_at_s, work)
        if batch.polled_every is not None:
            batch = self._polled(batch, batch.polled_every, came_at_s, work)
        gap = self._gaps.get(batch.controller)
        if batch.baseline and gap is not None:
            # our clock may have been set back meanwhile; a gap never ends before it began
            closed = replace(gap, until=max(gap.since, batch.received_time))
            for station in self._stations[batch.controller]:
                work.step(self._setups[station], closed)
        offset = self._offset(batch)
        oldest = self._deliveries.setdefault(batch.controller, Delivery()).take(batch, offset)
        looks = self._looks[batch.controller]
        looked = looks.before(batch.received_time)
        previous = None if batch.baseline else self._observed.get(batch.controller)
        for station, readings in self._shares(batch, dark).items():
            seen = Observation(
                readings=tuple(readings),
                received_time=batch.received_time,
                baseline=station in dark or (batch.baseline and station not in self._guests[batch.controller]),
                clock_offset=offset,
                oldest=oldest,
                looked=looked,
                previous=previous,
                guest=batch.controller if station in self._guests[batch.controller] else None,
            )
            work.step(self._setups[station], seen)
        looks.add(batch.received_time)
        if batch.baseline:
            self._gaps.pop(batch.controller, None)
        self._observed[batch.controller] = batch.received_time
        self._unsaved.add(batch.controller)
        self._batch_at_s[batch.controller] = came_at_s
        await self._commit(work)
        took_s = self._commit_took_s[batch.controller] = self._monotonic_s() - came_at_s
        self._longest_commit_s[batch.controller] = max(self._longest_commit_s.get(batch.controller, 0.0), took_s)

    def _dark(self, batch: Batch, came_at_s: float, work: _Work) -> Collection[StationId]:
        """The stations with tags that are polled beside notified ones, and were polled too late: their gap is over now.

        What the controller notified of their other tags meanwhile does not tell what these did.
        """
        part, before = batch.polled_part, self._parts.get(batch.controller)
        if batch.baseline:
            self._parts.pop(batch.controller, None)
            before = None
        if part is None:
            return ()
        self._parts[batch.controller] = (part, came_at_s)
        longest_commit_s = self._longest_commit_s.pop(batch.controller, 0.0)
        if before is None or batch.controller in self._gaps:
            return ()
        polled, at_s = before
        routes = self._routes[batch.controller]
        guests = self._guests[batch.controller]
        both = part.tags & polled.tags
        affected = dict.fromkeys(station for tag in both for station in routes.get(tag, ()))
        silence_s = max(came_at_s - at_s, (part.time - polled.time).total_seconds() / self._speed)
        if silence_s <= longest_observed(part.every).total_seconds() or not affected:
            return ()
        for station in affected.keys() & guests.keys():
            self._unread(station, [tag for tag in guests[station] if tag in both], polled.time, work)
        dark = [station for station in affected if station not in guests]
        gap = _not_observed(batch.controller, polled.time, silence_s, part.every, longest_commit_s, part.answered_in)
        until = max(polled.time, batch.received_time)
        for station in dark:
            work.step(self._setups[station], gap)
            work.step(self._setups[station], replace(gap, until=until))
        self._parts[batch.controller] = (replace(part, time=max(part.time, until)), came_at_s)
        return dark

    def _polled(self, batch: Batch, every: timedelta, came_at_s: float, work: _Work) -> Batch:
        """The batch of a poll; one that comes too late ends a gap, and as a baseline says what is so after it.

        Whoever was late, this program, the disk or the link: nobody knows what happened since the last poll.
        """
        seen, at_s = self._observed.get(batch.controller), self._batch_at_s.get(batch.controller)
        if batch.baseline or seen is None or at_s is None or batch.controller in self._gaps:
            return batch
        # by both clocks: a machine that was paused may have missed the time by one of them
        silence_s = max(came_at_s - at_s, (batch.received_time - seen).total_seconds() / self._speed)
        if silence_s <= longest_observed(every).total_seconds():
            return batch
        committed_s = self._commit_took_s.get(batch.controller, 0.0)
        since = min(seen, batch.received_time)
        gap = _not_observed(batch.controller, since, silence_s, every, committed_s, batch.answered_in)
        self._blind(batch.controller, gap, work)
        readings = tuple(
            replace(reading, received_time=batch.received_time) for reading in self._present[batch.controller].values()
        )
        return replace(batch, readings=readings, baseline=True)

    async def lost(self, controller: ControllerId, *, cause: GapCause, detail: str, since: datetime | None) -> None:
        """From the last proof of life on (`since`, where that is earlier than the last batch) we are blind.

        Nothing happens for a controller that never was seen or is known to be lost.
        """
        seen = self._observed.get(controller)
        if seen is None or controller in self._gaps:
            return
        work = _Work(self._states)
        # our clock may have been set back since the last batch: no gap begins in the future
        began = self._observed[controller] = min(seen, since or seen, self._clock.now())
        self._unsaved.add(controller)
        self._blind(controller, Gap(began, None, cause, detail), work)
        await self._commit(work)

    def _blind(self, controller: ControllerId, gap: Gap, work: _Work) -> None:
        self._gaps[controller] = gap
        self._looks[controller].end()
        for station in self._stations[controller]:
            work.step(self._setups[station], gap)
        for station, tags in self._guests[controller].items():
            self._unread(station, tags, gap.since, work)

    def _unread(self, station: StationId, tags: Iterable[TagId], since: datetime, work: _Work) -> None:
        """What another controller than the station's own shows cannot be read; all else of the station is known."""
        if work.states.get(station, self._states[station]).blind is None:
            bad = tuple(Reading(tag, None, Quality.BAD, None, since) for tag in tags)
            work.step(self._setups[station], Observation(bad, since, baseline=False))

    def _shares(self, batch: Batch, dark: Collection[StationId]) -> dict[StationId, list[Reading]]:
        """The readings of each station; of the `dark` ones, whose gap is over, all that is known now.

        A baseline concerns all of them, even those of whom nothing can be read; time alone those that hold a count,
        wait for one that tells their state, or have pulses that a late poll misses.
        """
        stations = self._stations[batch.controller]
        shares: dict[StationId, list[Reading]] = {
            station: []
            for station in stations
            if batch.baseline or self._states[station].held or self._setups[station].told_by_counts is not None
        }
        pulsed = self._pulsed[batch.controller]
        shares |= {station: [] for station in pulsed if self._states[station].blind is None}
        guests = self._guests[batch.controller]
        routes = self._routes[batch.controller]
        for reading in batch.readings:
            for station in routes.get(reading.tag, ()):  # a heartbeat belongs to no station
                if station not in guests or self._states[station].blind is None:
                    shares.setdefault(station, []).append(reading)
        if batch.baseline:
            for station in stations:
                shares[station] += self._shown_elsewhere(station, batch.received_time)
        present = self._present[batch.controller]
        for station in dark:
            known = [present[tag] for tag in self._setups[station].signals if tag in present]
            shares[station] = [replace(reading, received_time=batch.received_time) for reading in known]
        return shares

    def _shown_elsewhere(self, station: StationId, now: datetime) -> Iterator[Reading]:
        """What other controllers show of a station whose own one is there again."""
        for tag, controller in self._setups[station].elsewhere.items():
            reading = None if controller in self._gaps else self._present.get(controller, {}).get(tag)
            yield Reading(tag, None, Quality.BAD, None, now) if reading is None else replace(reading, received_time=now)

    async def _commit(self, work: _Work) -> None:
        overdue = self._unsaved and self._monotonic_s() - self._saved_at_s >= OBSERVED_EVERY_S
        if work.is_empty() and not overdue:
            return
        queued = self._journal.append(
            Entry(
                events=work.events,
                states={station: encode_state(state) for station, state in work.states.items()},
                telemetry=work.telemetry,
                observed={controller: self._observed[controller] for controller in self._unsaved},
            )
        )
        self._states.update(work.states)
        self._unsaved.clear()
        self._saved_at_s = self._monotonic_s()
        await queued


def _not_observed(
    controller: ControllerId,
    since: datetime,
    silence_s: float,
    every: timedelta,
    committed_s: float,
    answered_in: timedelta | None,
) -> Gap:
    """The gap that begins with too long a silence between two polls; says who took more than half of the time."""
    cause, who = GapCause.COLLECTOR, "the collector stood still"
    if committed_s > silence_s / 2:
        cause, who = GapCause.DISK, "the disk took nothing"
    elif answered_in is not None and answered_in.total_seconds() > silence_s / 2:
        cause, who = GapCause.CONNECTION, "the controller, or the link to it, answered late"
    detail = f"no observation for {silence_s:.1f} s, polled every {every.total_seconds():g} s: {who}"
    log.warning("not_observed", controller=controller, cause=str(cause), silence_s=silence_s, detail=detail)
    return Gap(since, None, cause, detail)


def _last_read_some_time(state: StationState, setup: StationSetup, now: datetime) -> StationState:
    """A state whose last reading was stamped by a clock of a time before this program existed."""
    read = _read_at_some_time(state, setup, now)
    return replace(state, closed=Closed(min(read.values()), now, read)) if read else state


def _read_at_some_time(state: StationState, setup: StationSetup | None, now: datetime) -> dict[TotaliserId, datetime]:
    """When totalisers were last read, where nobody knows it: a day ago, and less than a full turn.

    A time that is not known gives no reason to doubt a reading.
    """
    signals = () if setup is None else setup.signals.values()
    counters = [signal.setup for signal in signals if isinstance(signal, CounterSignal)]
    half_turns = {
        counter.totaliser: timedelta(hours=counter.modulus / counter.max_per_hour / 2) for counter in counters
    }
    return {totaliser: now - min(A_DAY, half_turns.get(totaliser, A_DAY)) for totaliser in state.counters}


def _tell(future: Future, now: datetime) -> None:
    ahead_s = (future.latest - now).total_seconds()
    if future.is_behind:
        log.error(
            "machine_clock_is_behind",
            behind_s=ahead_s,
            remedy="set the machine's clock: what is journaled is later, and its time goes on until then",
        )
    else:
        log.error(
            "machine_clock_was_ahead",
            events=future.events,
            ahead_s=ahead_s,
            remedy="none is needed: what it stamped in the future is read as of now; look at the clock's battery "
            "and time service",
        )


def _corrected(
    state: StationState, setup: StationSetup | None, last_right: datetime | None, now: datetime
) -> StationState:
    """A state that a clock stamped which was ahead: nothing in it is later than now.

    How long its totalisers were not read is not known: since the last right stamp at most, where there is one.
    """
    if not_after(replace(state, log=None), now + TOLERANCE) == replace(state, log=None):
        return state
    read = _read_at_some_time(state, setup, now)
    if last_right is not None:
        read = dict.fromkeys(state.counters, min(now, last_right))
    right = not_after(state, now)
    earlier = {} if right.closed is None else right.closed.unseen
    unseen = {totaliser: min(at, earlier.get(totaliser, at)) for totaliser, at in read.items()}
    return replace(
        right,
        counters={
            totaliser: not_after(counter, read[totaliser]) if counter.time > now else counter
            for totaliser, counter in state.counters.items()
        },
        closed=Closed(min(read.values(), default=min(now, last_right or now)), now, unseen),
        log=state.log,  # by the controller's clock
        unit_since=None if state.unit_since is None or state.unit_since > now else state.unit_since,
    )
