"""Simulated controllers: what the plant's PLCs show, how they fail, and the adapter that reads one of them."""

import asyncio
import contextvars
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.clock import Clock
from adapters.errors import ControllerUnavailable
from adapters.ports import AdapterStatus, Emit
from adapters.reading import Batch, ControllerId, GapCause, Quality, Reading, TagId, Value
from simulation.clockwork import EdgeClock
from simulation.observations import POLL_S, Observations
from simulators import mapping
from simulators.line import Change, SimState, StationSpec
from simulators.mapping import Image

SIGNALS: Mapping[str, str] = {
    "StateCurrent": "state",
    "Status": "state",
    "GoodCount": "good_count",
    "ReworkCount": "rework_count",
    "ScrapCount": "reject_count",
    "BodyId": "unit_id",
    "Model": "product",
    "FaultCode": "fault_code",
    "UnitLog": "unit_log",
    "WeldCurrent": "process.weld_current",
    "Torque": "process.torque",
}
KINDS = ("good", "rework", "scrap")
COUNTS = ("good_count", "rework_count", "reject_count")
POLLED_EVERY = timedelta(seconds=POLL_S)
SESSION_S = 60.0  # a client that stands still for longer finds that the server has ended its session
SILENCE_S, HEARTBEAT_S, KEEPALIVE_S = 15.0, 10.0, 60.0
PUBLISH_S = (0.05, 1.0)
PUBLISHED_WITHIN = timedelta(seconds=PUBLISH_S[1])
SPLIT, TWICE, AGAIN, STALE = 0.03, 0.01, 0.3, 0.002  # how often a publish is cut in two, comes twice, and so on
NO_ANSWER, CUT, RESTARTED = "no answer", "the connection was cut", "the controller went down"
SILENT, HUNG, OVERFLOWN = "no sign of life", "the heartbeat stands still", "a notification was lost"
PAUSED = "this program stood still, and then the session was over"
KNOWN_TROUBLE = (NO_ANSWER, CUT, RESTARTED, SILENT, HUNG, OVERFLOWN, PAUSED)

Totals = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as the controller shows it, by its own clock."""

    value: Value
    time: datetime


@dataclass(slots=True)
class Session:
    """What one connection has yet to be told; `trouble` ends it. `clock` is the program's.

    Readings in the queue bear the plant's time as that of their reception, until they are received.
    """

    clock: Clock
    queue: list[Reading] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: ControllerUnavailable | None = None
    cut: bool = False  # the last delivery left something behind
    reached: dict[Reading, datetime] = field(default_factory=dict)  # when the program read it off the wire
    of_the_program: contextvars.Context = field(default_factory=contextvars.copy_context)

    def deliver(self) -> None:
        """What is queued reaches the program now, or once it is no longer paused, whatever the program waits for."""
        self.news.set()
        asyncio.get_running_loop().call_soon(self._receive, context=self.of_the_program)

    def _receive(self) -> None:
        now = self.clock.now()
        for reading in self.queue:
            self.reached.setdefault(reading, now)

    def end(self, detail: str, *, cause: GapCause = GapCause.CONNECTION, since: datetime | None = None) -> None:
        """The adapter sees that it is over."""
        self.trouble = self.trouble or ControllerUnavailable(detail, cause=cause, blind_since=since)
        self.news.set()


@dataclass(slots=True, eq=False)
class Controller:
    """One PLC with the images of its stations, and everything that may be wrong with it or the way to it.

    `at_risk`: units that were made, and then no longer shown by a totaliser that started again, before a collector
    had acknowledged them; a loss of at most so many, by station and kind, is nobody's fault.
    `late`: deliveries are held up on the way. `rebased`: what another register than the first one shows more, by
    station and signal, since the plant's file was changed to read it. `quality_at`: when values went bad or good.
    `unread`: other registers that were not read yet, and whether the program cannot but see the change; `rereads`: how
    many of these were read.
    """

    name: ControllerId
    stations: Mapping[str, StationSpec]
    modbus: bool
    weld: bool
    clock: EdgeClock
    rng: random.Random
    stale_tags: frozenset[TagId] = frozenset()
    linked: bool = True
    deaf: bool = False
    powered: bool = True
    stuck: bool = False
    late: bool = False
    bad: set[str] = field(default_factory=set)
    quality_at: dict[str, datetime] = field(default_factory=dict)
    rebased: dict[tuple[str, str], int] = field(default_factory=dict)
    unread: dict[tuple[str, str], bool] = field(default_factory=dict)
    rereads: int = 0
    offset: timedelta = timedelta()
    images: dict[str, Image] = field(default_factory=dict)
    shown: dict[TagId, Shown] = field(default_factory=dict)
    before: dict[TagId, Shown] = field(default_factory=dict)
    acknowledged: dict[str, Totals] = field(default_factory=dict)
    at_risk: dict[tuple[str, str], int] = field(default_factory=dict)
    session: Session | None = None
    silence: asyncio.TimerHandle | None = None
    stale: int = 0
    repeated: int = 0
    seen: Observations = field(init=False)

    def __post_init__(self) -> None:
        self.seen = Observations(polled=self.modbus)

    def begin(self, present: Iterable[Change]) -> None:
        """Takes up the plant's present values."""
        specs = tuple(self.stations.values())
        zeros = mapping.first_zeros(specs, modbus=self.modbus, seed=self.rng.randrange(2**31))
        self.images = {code: Image(zeros=zeros[code]) for code in self.stations}
        for change in present:
            if change.station in self.stations:
                self.images[change.station] = self.images[change.station].after(change)
        for code in self.stations:
            self.acknowledged[code] = self._totals(code)
            self._show(code)

    def apply(self, code: str, changes: Sequence[Change]) -> None:
        """What happened to a station at this instant."""
        image = self.images[code]
        for change in changes:
            image = image.after(change)
        self.images[code] = image
        self._show(code)

    def reset(self, codes: Iterable[str]) -> None:
        """Totalisers start again; what nobody has acknowledged of them by now may be gone."""
        if self.stuck or not self.powered:
            return
        for code in codes:
            pairs = zip(KINDS, self._totals(code), self.acknowledged[code], strict=True)
            for kind, made, told in pairs:
                key = (self.stations[code].path, kind)
                self.at_risk[key] = self.at_risk.get(key, 0) + made - told
            self.images[code] = self.images[code].reset()
            self.rebased.update({key: 0 for key in self.rebased if key[0] == code})
            self._show(code)

    def read_elsewhere(self, code: str, signal: str, more: int) -> None:
        """The plant's file reads a totaliser from another register now, which shows `more`; while nobody is connected.

        0: from the first one again.
        """
        self.rebased[code, signal] = more
        self.unread[code, signal] = (code, signal) not in self.unread  # else it may be the register of before
        self._show(code)

    def hold_up(self, *, on: bool) -> None:
        """What it says is on the way for a while, and then arrives at once."""
        self.late = on
        if not on and self.session is not None:
            self.session.deliver()

    def paused(self, since: datetime) -> None:
        """The program stood still for so long that the server has ended its session."""
        if self.session is not None and not self.modbus:
            self.session.end(PAUSED, cause=GapCause.COLLECTOR, since=since)

    def set_clock(self, offset: timedelta) -> None:
        """Its clock is set."""
        self.offset = offset
        self.seen.controller_clock.append((self.clock.true_s(), offset.total_seconds()))

    def cut(self) -> None:
        """The cable is out, and both sides notice."""
        self.linked = False
        self._end(CUT)

    def mute(self) -> None:
        """Nothing is heard any more, and nobody notices at first."""
        self.deaf = True
        session = self.session
        if session is not None:
            self.silence = asyncio.get_running_loop().call_later(SILENCE_S, session.end, SILENT)

    def heal(self) -> None:
        """The cable is in again; what a half-open connection missed comes now, or its loss is noticed."""
        was_deaf, self.linked, self.deaf = self.deaf, True, False
        if self.silence is not None:
            self.silence.cancel()
        if was_deaf and self.session is not None:
            if self.rng.random() < 0.3:
                self._end(OVERFLOWN, cause=GapCause.OVERFLOW)
            else:
                self.session.deliver()

    def power(self, *, on: bool) -> None:
        """Off: every session is gone; on: the values are those of before, and what happened meanwhile."""
        self.powered = on
        if not on:
            self._end(RESTARTED)
        self._show_all()

    def hang(self, *, on: bool) -> None:
        """The program stands still, the network answers."""
        self.seen.hang(self.clock.true_s(), on=on)
        if on and self.session is not None:
            since = self.session.clock.now()
            asyncio.get_running_loop().call_later(HEARTBEAT_S, self._hung, self.session, since)
        self.stuck = on
        self._show_all()

    def spoil(self, codes: Iterable[str], *, on: bool) -> None:
        """The values of stations are bad, or good again."""
        codes = list(codes)
        self.bad = self.bad | set(codes) if on else self.bad - set(codes)
        self.seen.spoil(codes, self.clock.true_s(), on=on)
        self.quality_at.update(dict.fromkeys(codes, self.clock.true() + self.offset))
        if self.session is not None:
            for code in codes:
                self._tell([self._reading(tag) for tag in self.shown if self._code(tag) == code])

    def present(self) -> tuple[Reading, ...]:
        """All values as they are now."""
        return tuple(self._reading(tag) for tag in self.shown)

    def told(self) -> None:
        """Everything that is shown now has been journaled by the collector."""
        for code in self.stations:
            if code not in self.bad and not self.stuck:
                self.acknowledged[code] = self._totals(code)
                for key in [unread for unread in self.unread if unread[0] == code]:
                    self.rereads += self.unread.pop(key)

    def heard(self) -> bool:
        """Whether what it says arrives."""
        return not self.deaf and not self.late

    def stamp(self) -> object:
        """Changes whenever a total does; for `told`."""
        return tuple(self._totals(code) for code in self.stations)

    def _hung(self, session: Session, since: datetime) -> None:
        if self.stuck:
            session.end(HUNG, cause=GapCause.STUCK, since=since)

    def _end(self, detail: str, *, cause: GapCause = GapCause.CONNECTION) -> None:
        if self.session is not None:
            self.session.end(detail, cause=cause)

    def _show_all(self) -> None:
        for code in self.stations:
            self._show(code)

    def _show(self, code: str) -> None:
        if self.stuck or not self.powered:
            return
        time = self.clock.true() + self.offset
        path, news = self.stations[code].path, []
        for signal, value in self._values(code).items():
            tag = TagId(f"{path}:{signal}")
            known = self.shown.get(tag)
            if known is None or known.value != value:
                if known is not None:
                    self.before[tag] = known
                self.shown[tag] = Shown(value, time)
                news.append(self._reading(tag))
        self._tell(news)

    def _tell(self, news: Sequence[Reading]) -> None:
        if self.session is None or not news:
            return
        if self.modbus:  # a poll shows the present and knows no past
            tags = {reading.tag for reading in news}
            self.session.queue = [reading for reading in self.session.queue if reading.tag not in tags]
        self.session.queue.extend(news)
        if self.heard() and not self.modbus:
            self.session.deliver()

    def _reading(self, tag: TagId) -> Reading:
        shown, code = self.shown[tag], self._code(tag)
        source = None if self.modbus else max(shown.time, self.quality_at.get(code, shown.time))
        if code in self.bad:
            return Reading(tag, None, Quality.BAD, source, self.clock.true())
        return Reading(tag, shown.value, Quality.GOOD, source, self.clock.true())

    def _code(self, tag: TagId) -> str:
        path = tag.partition(":")[0]
        return next(code for code, spec in self.stations.items() if spec.path == path)

    def _totals(self, code: str) -> Totals:
        image = self.images[code]
        return image.good, image.rework, image.scrap

    def _values(self, code: str) -> dict[str, Value]:
        values = self._first_values(code)
        for (other, signal), more in self.rebased.items():
            if other == code:
                value = values[signal]
                assert isinstance(value, int)
                values[signal] = (value + more) % (2**16 if self.modbus else 2**32)
        return values

    def _first_values(self, code: str) -> dict[str, Value]:
        image = self.images[code]
        if not self.modbus:
            values = mapping.node_values(code, image, "weld" if self.weld else "final")
            return {SIGNALS[name.partition(".")[2]]: _value(value) for name, value in values.items()}
        good, rework, scrap = image.totalisers(2**16)
        return {
            "unit_log": tuple(mapping.log_entry(unit, milliseconds=False) for unit in image.log),
            "good_count": good,
            "rework_count": rework,
            "reject_count": scrap,
            "state": _status_word(image.state),
            "product": {"": 0, "S2": 2, "S3": 3}[image.product],
            "unit_id": image.unit,
            "fault_code": image.fault,
            **{f"process.{name}": value for name, value in image.climate.items()},
        }


def _value(value: object) -> Value:
    if isinstance(value, list):
        return tuple(value)
    assert isinstance(value, bool | int | float | str)
    return value


_WORDS: dict[SimState, int] = {}


def _status_word(state: SimState) -> int:
    if state not in _WORDS:
        _WORDS[state] = mapping.register_values("P010", Image(state=state))[mapping.base_register("P010")][0]
    return _WORDS[state]


@dataclass(slots=True)
class SimulatedAdapter:
    """One connection to a simulated controller; see the port `Adapter`."""

    controller: Controller
    rng: random.Random
    clock: Clock

    def status(self) -> AdapterStatus:
        """Nothing."""
        return AdapterStatus(0, 0)

    async def run(self, emit: Emit) -> None:
        """Connects, emits the baseline, then what comes. Raises ControllerUnavailable."""
        plc = self.controller
        await asyncio.sleep(self.rng.uniform(0.02, 0.5))
        await self._reach()
        session = plc.session = Session(self.clock)
        try:
            baseline, received = plc.present(), self.clock.now()
            shown = tuple(_received(reading, received) for reading in baseline)
            await self._emit(emit, session, shown, baseline=True)
            if self.rng.random() < AGAIN:  # a subscription repeats what the baseline said
                session.queue[:0] = [reading for reading in baseline if self.rng.random() < 0.5]
                session.news.set()
            while True:
                await self._emit(emit, session, await self._next(session))
        finally:
            if plc.session is session:
                plc.session = None

    async def _reach(self) -> None:
        plc = self.controller
        if not plc.linked or plc.deaf or not plc.powered:
            await asyncio.sleep(self.rng.uniform(0.01, 4.0))
            raise ControllerUnavailable(NO_ANSWER)
        if plc.stuck:
            await asyncio.sleep(HEARTBEAT_S)
            raise ControllerUnavailable(HUNG, cause=GapCause.STUCK)

    async def _next(self, session: Session) -> tuple[Reading, ...]:
        """One publish or poll; empty when all that came was a sign of life."""
        while True:
            if not await (self._polled(session) if self.controller.modbus else self._published(session)):
                return ()
            if self.controller.heard():
                break
        if not session.queue:
            return ()
        cut = self.rng.randrange(len(session.queue)) + 1 if self.rng.random() < SPLIT else len(session.queue)
        session.cut = cut < len(session.queue)
        news, session.queue = session.queue[:cut], session.queue[cut:]
        now = self.clock.now()
        # what was read off the wire while an earlier batch was being journaled came then
        came = {reading: min(now, session.reached.pop(reading, now) + PUBLISHED_WITHIN) for reading in news}
        return tuple(_received(reading, came.get(reading, now)) for reading in self._with_stale(session, news))

    async def _published(self, session: Session) -> bool:
        """Waits until there is something to tell; False when it is only time for a sign of life, and that is heard."""
        while True:
            try:
                async with asyncio.timeout(KEEPALIVE_S * self.rng.uniform(0.5, 1.5)):
                    while not session.queue or not self.controller.heard():
                        session.news.clear()
                        self._check(session)
                        await session.news.wait()
                        self._check(session)
            except TimeoutError:
                self._check(session)
                if self.controller.heard():
                    return False
            else:
                await asyncio.sleep(self.rng.uniform(*PUBLISH_S))
                self._check(session)
                return True

    async def _polled(self, session: Session) -> bool:
        """Waits for the next poll, sooner for the blocks that the one before left out, and until it is answered."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + (self.rng.uniform(*PUBLISH_S) if session.cut else POLL_S)
        due = loop.call_at(due_s, session.news.set)
        self._check(session)
        try:
            while loop.time() < due_s - 1e-3 or not self.controller.heard():
                session.news.clear()
                await session.news.wait()
                self._check(session)
        finally:
            due.cancel()
        return True

    def _with_stale(self, session: Session, news: list[Reading]) -> list[Reading]:
        """Now and then a totaliser's last value but one comes after its last, and then that again."""
        plc = self.controller
        for reading in news:
            if reading.tag in plc.stale_tags and reading.value is not None and self.rng.random() < STALE * len(news):
                old = plc.before.get(reading.tag)
                if old is not None:
                    plc.stale += 1
                    session.queue.append(reading)
                    session.news.set()
                    source = None if plc.modbus else old.time
                    return [*news, Reading(reading.tag, old.value, Quality.GOOD, source, reading.received_time)]
        return news

    def _check(self, session: Session) -> None:
        if session.trouble is not None:
            raise session.trouble

    async def _emit(
        self, emit: Emit, session: Session, readings: tuple[Reading, ...], *, baseline: bool = False
    ) -> None:
        plc, now = self.controller, self.clock.now()
        stamp = plc.stamp()
        whole = baseline or (plc.session is not None and not plc.session.queue and not plc.deaf)
        true_s, offset = plc.clock.true_s(), now - plc.clock.true()
        covered_s = true_s
        if not baseline and session.queue and not plc.modbus:  # up to the first change that is yet to be told
            first = min(reading.received_time for reading in session.queue)
            covered_s = min(true_s, plc.clock.at_s(first))
        plc.seen.look(true_s, covered_s, begins=baseline, received=now, offset_s=offset.total_seconds())
        batch = Batch(
            plc.name,
            now,
            readings,
            baseline=baseline,
            polled_every=POLLED_EVERY if plc.modbus else None,
            clock_offset=plc.offset - offset if baseline and not plc.modbus else None,
        )
        await emit(batch)
        if whole and plc.stamp() == stamp:
            plc.told()
        if not baseline and self.rng.random() < TWICE:
            plc.repeated += 1
            await emit(batch)


def _received(reading: Reading, received: datetime) -> Reading:
    return Reading(reading.tag, reading.value, reading.quality, reading.source_time, received)
