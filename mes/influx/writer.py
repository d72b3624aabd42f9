"""Follows the journal and keeps InfluxDB up to date: events, process values, and the figures that events touch.

Each goes its own way at its own pace. After a long outage new points go first, and the waiting ones are sent beside
them. Points have an identity, so their order does not matter.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from adapters.clock import Clock, SystemClock
from mes.errors import SinkRejected, SinkUnavailable, SinkUnknown
from mes.influx.delivery import Delivery
from mes.influx.encode import Point, event_line, process_line
from mes.influx.figures_file import FiguresFile
from mes.influx.points.looks import Looks
from mes.influx.ports import Figures, Followed, Published, Server
from mes.influx.stored_figures import has_figures, stored_revisions
from mes.intervals import Interval
from mes.journal.codec import Unreadable
from mes.journal.consumers import EVENTS, FIGURES, LIVE, LIVE_FROM, PLANT, TELEMETRY
from mes.logs import get_logger
from mes.model import Journaled, StationId
from mes.stopping import in_thread

log = get_logger()

UNKNOWN = "unknown"
KEPT_EVERY = timedelta(minutes=10)
SERVER = "influx-server"  # under this name the journal remembers what the server said that it is
CHUNK = 500  # rows read from the journal at once

IN_FLIGHT = 2  # batches of what waited, beside the new: a server that acknowledges once a second shall not set the pace
T = TypeVar("T")

Step = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Pace:
    """Real seconds and lines; a refusal (`hold_s`) waits longer than an outage, for it needs a person.

    `behind_lines`: with more than so many waiting, what is new goes first. `units_s`: figures of stations that only
    made units are computed so often at most.
    """

    batch_lines: int = 5000
    behind_lines: int = 20_000
    figures_events: int = 20_000
    units_s: float = 15.0
    idle_s: float = 1.0
    restate_s: float = 30.0
    first_s: float = 1.0
    cap_s: float = 60.0
    hold_s: float = 30.0


@dataclass(slots=True)
class SinkStatus:
    """How the writer stands, for health.

    `held` is the server's refusal in words, `unavailable` why it cannot be reached; both None while it takes what we
    send. `sent_until` is the received time of the newest event that is stored. `stated_until`: up to when the figures
    of each kind were stated, by the program's clock. `server`: what it said last that it is, maybe before a restart.
    """

    sent_seq: int = 0
    sent_until: datetime | None = None
    held: str | None = None
    unavailable: str | None = None
    stated_until: dict[str, datetime] = field(default_factory=dict)
    server: str | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str
    received: datetime | None


@dataclass(frozen=True, slots=True)
class _Stream:
    """A kind of rows that become lines: how they are read after a number, and the number of the last one."""

    name: str
    read: Callable[[int, int], Awaitable[Sequence[_Line]]]
    last: Callable[[], Awaitable[int]]


@dataclass(slots=True)
class _Stated:
    """A kind of figures; `at`: when what is open was stated last, by the event loop's clock.

    `kept`: up to when the journal remembers that they were stated. `waiting`: what the events up to the number
    `looked_at` bear on and is not computed yet; `computed_at`: when that of all stations was computed last.
    """

    name: str
    source: Figures
    file: FiguresFile
    at: float | None = None
    kept: datetime | None = None
    looked_at: int = 0
    waiting: dict[StationId, Interval] = field(default_factory=dict)
    computed_at: float | None = None

    def take(self, spans: Mapping[StationId, Interval]) -> None:
        """Further stretches, joined with those of the same stations that wait."""
        for station, span in spans.items():
            known = self.waiting.get(station, span)
            self.waiting[station] = Interval(min(known.start, span.start), max(known.end, span.end))

    @property
    def memo(self) -> str:
        """Under this name the journal remembers it, for after an outage time has passed of which no event tells."""
        return f"influx-stated-{self.name}"


class InfluxWriter:
    """A consumer of the journal. A cursor moves only after the server said that it has stored what came before it."""

    def __init__(
        self,
        server: Server,
        journal: Followed,
        published: Published | None = None,
        health: Callable[[], Sequence[Point]] | None = None,
        *,
        rng: random.Random,
        pace: Pace | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Reads nothing and connects to nothing yet."""
        self.status = SinkStatus()
        self._server = server
        self._journal = journal
        self._published = published
        self._looks = Looks()
        self._wanting, self._sending = asyncio.Lock(), asyncio.Lock()
        self._clock = clock or SystemClock()
        self._figures = None if published is None else _Stated(FIGURES, published.figures, published.file)
        self._plant = (
            None if published is None or published.plant is None else _Stated(PLANT, published.plant, published.file)
        )
        self._health = health
        self._rng = rng
        self._pace = pace or Pace()
        self._delivery = Delivery(server, journal, self._clock)
        self._troubles: dict[str, SinkRejected | SinkUnavailable] = {}
        self._events = _Stream(EVENTS, self._read_events, self._last_event)
        self._process = _Stream(TELEMETRY, self._read_telemetry, journal.last_telemetry)

    @property
    def quarantined(self) -> int:
        """Lines that the server refuses by themselves."""
        return len(self._delivery.aside)

    async def run(self) -> None:
        """Forwards for ever; ends only by cancellation."""
        self.status.server = await self._journal.remembered(SERVER) or None
        await self._delivery.look()
        await self._follow("quarantine", self._retry, once=True)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(EVENTS, lambda: self._forward(self._events)), name=EVENTS)
            group.create_task(self._follow(TELEMETRY, lambda: self._forward(self._process)), name=TELEMETRY)
            if self._figures is not None:
                group.create_task(self._follow(FIGURES, partial(self._state, self._figures)), name=FIGURES)
            group.create_task(self._follow("health", self._state_health), name="influx health")
            if self._plant is not None:
                group.create_task(self._follow(PLANT, partial(self._state_now_and_then, self._plant)), name=PLANT)

    async def _follow(self, name: str, step: Step, *, once: bool = False) -> None:
        """Repeats a step: at once while it moves something, slower while the server cannot or will not."""
        failures = 0
        ensured = False
        while True:
            try:
                if not ensured:
                    with suppress(SinkRejected):  # only an administrator may; what is missing shows at the write
                        await self._server.ensure()
                    ensured = True
                await self._look_who_it_is()
                moved = await step()
            except SinkUnavailable as error:
                failures += 1
                ensured = False  # another server may come back
                self._report(name, error)
                await asyncio.sleep(error.retry_after_s or self._backoff_s(failures))
            except SinkRejected as error:
                self._report(name, error)
                ensured = False  # the database may be what is missing
                await asyncio.sleep(self._pace.hold_s)
            else:
                failures = 0
                self._report(name, None)
                if once:
                    return
                if not moved:
                    await asyncio.sleep(self._pace.idle_s)

    async def _look_who_it_is(self) -> None:
        try:
            await self._note_who_it_is(await self._server.about())
        except SinkUnknown:
            await self._note_who_it_is(UNKNOWN)
            raise

    async def _note_who_it_is(self, about: str) -> None:
        before = self.status.server
        if about == before:
            return
        self.status.server = about
        await self._journal.remember(SERVER, about)
        if before is None or UNKNOWN in (before, about) or before.partition(" ")[0] == about.partition(" ")[0]:
            log.info("influx_known", server=about)
        else:
            remedy = "`mes influx backfill` writes there what the journal holds; its secret may be another one"
            log.warning("influx_replaced", before=before, server=about, remedy=remedy)

    async def _state_health(self) -> bool:
        """How the program stands; what cannot be sent now is not kept, for the next look says more."""
        if self._health is not None:
            await self._send_points(self._health())
        await asyncio.sleep(self._pace.restate_s)
        return False

    async def forward(self) -> bool:
        """Sends one batch of each kind; False when there was nothing. Raises SinkError, with no cursor moved."""
        events = await self._forward(self._events)
        telemetry = await self._forward(self._process)
        figures = self._figures is not None and await self._forward_figures(self._figures)
        plant = self._plant is not None and await self._forward_figures(self._plant)
        return events or telemetry or figures or plant

    async def drain(self) -> None:
        """Sends until nothing is left; raises SinkError. For the end of a run, and tests."""
        while await self.forward():
            pass
        await self.flush()

    async def flush(self) -> None:
        """Sends every figure that is owed, however short a time ago it was written last. Raises SinkError."""
        if self._published is not None:
            await self._send_owed(self._published.file, all_of_them=True)

    async def _forward(self, stream: _Stream) -> bool:
        """One batch; of a stream that is far behind, one of what is new and one of what waits."""
        done = await self._journal.cursor(stream.name)
        live_from = await self._journal.cursor(stream.name + LIVE_FROM)
        if live_from <= done:
            last = await stream.last()
            if last - done <= self._pace.behind_lines:
                return await self._send(stream, stream.name, after=done) is not None
            await self._journal.advance(stream.name + LIVE, last)
            await self._journal.advance(stream.name + LIVE_FROM, last)
            live_from = last
        live = max(live_from, await self._journal.cursor(stream.name + LIVE))
        sent, caught_up = await _together(
            self._send(stream, stream.name + LIVE, after=live),
            self._send(stream, stream.name, after=done, until=live_from, batches=IN_FLIGHT),
        )
        if caught_up is None or caught_up >= live_from:  # both meet, and go on as one
            await self._journal.advance(stream.name, max(live, sent or 0))
        return True

    async def _send(
        self, stream: _Stream, cursor: str, *, after: int, until: int | None = None, batches: int = 1
    ) -> int | None:
        """The lines after a number, up to another; returns the last one's number, None if there was nothing to send."""
        batch = self._pace.batch_lines
        found = await stream.read(after, batch * batches)
        if until is not None:
            found = [line for line in found if line.number <= until]
        if not found:
            return None
        texts = [line.text for line in found if line.text]
        parts = [texts[start : start + batch] for start in range(0, len(texts), batch)]
        await _together(*(self._delivery.send(part) for part in parts))
        last = found[-1]
        await self._journal.advance(cursor, last.number)
        if stream is self._events:
            self.status.sent_seq = max(self.status.sent_seq, last.number)
            self.status.sent_until = last.received or self.status.sent_until
        return last.number

    async def _last_event(self) -> int:
        return self._journal.last_seq

    async def _read_events(self, after: int, limit: int) -> Sequence[_Line]:
        lines: list[_Line] = []
        while len(lines) < limit:  # in small chunks, for the collecting comes first
            found = await self._journal.read_rows(after, min(CHUNK, limit - len(lines)))
            lines += [await self._line(row) for row in found]
            if len(found) < CHUNK:
                break
            after = found[-1].seq
        return lines

    async def _line(self, row: Journaled | Unreadable) -> _Line:
        """What cannot be read is passed over; the count audit names it, and the journal keeps it."""
        if isinstance(row, Unreadable):
            return _Line(row.seq, "", None)
        return _Line(row.seq, await self._said(row), row.event.received_time)

    async def _said(self, journaled: Journaled) -> str:
        """The event's line; empty for one that holds what the protocol cannot carry, so that it holds up nothing."""
        try:
            return event_line(journaled)
        except ValueError as error:
            await self._delivery.put_aside(f"event {journaled.seq}", repr(journaled.event), str(error))
            return ""

    async def _read_telemetry(self, after: int, limit: int) -> Sequence[_Line]:
        lines: list[_Line] = []
        while len(lines) < limit:
            found = await self._journal.read_telemetry(after, min(CHUNK, limit - len(lines)))
            lines += [_Line(row, process_line(value, row), None) for row, value in found]
            if len(found) < CHUNK:
                break
            after = found[-1][0]
        return lines

    async def _forward_figures(self, figures: "_Stated", *, units_wait: bool = False) -> bool:
        """Figures have a cursor of their own, so that a crash between events and figures loses no figure.

        It moves once they are on disk as wanted. After a crash before that they are computed again, to the same.
        `units_wait`: stations that only made units wait for the next time.
        """
        after = max(await self._journal.cursor(figures.name), figures.looked_at)
        until, spans = await self._journal.affected_windows(after, self._pace.figures_events)
        if until <= after and (units_wait or not figures.waiting):
            return False
        figures.take(spans)
        due = await self._journal.changed_beyond_units(after, until) if units_wait else frozenset(figures.waiting)
        figures.looked_at = until
        if not due:
            return True
        points = await figures.source.affected_windows({station: figures.waiting[station] for station in due})
        await self._want(figures.file, points)
        for station in due:
            del figures.waiting[station]
        if not figures.waiting:
            await self._journal.advance(figures.name, until)
        await self._send_owed(figures.file)
        await self._send_points(self._looks.of(points, all_of_them=False))
        return True

    async def _state(self, figures: "_Stated") -> bool:
        now = asyncio.get_running_loop().time()
        units_wait = figures.computed_at is not None and now - figures.computed_at < self._pace.units_s
        moved = await self._forward_figures(figures, units_wait=units_wait)
        if not figures.waiting:
            figures.computed_at = now
        await self._restate(figures)
        await self._send_owed(figures.file)
        return moved

    async def _state_now_and_then(self, figures: "_Stated") -> bool:
        """What is dear to compute is not computed at each event."""
        if not self._is_due(figures):
            return False
        while await self._forward_figures(figures):
            pass
        await self._restate(figures)
        return False

    async def restate(self) -> None:
        """States the windows that are still open again: time passes in them though nothing happens."""
        for figures in (self._figures, self._plant):
            if figures is not None:
                await self._restate(figures)

    async def _restate(self, figures: "_Stated") -> None:
        if not self._is_due(figures):
            return
        if figures.at is None and (stated := await self._journal.remembered(figures.memo)):
            with suppress(ValueError):  # a damaged memo: what is open is stated from a day back on
                figures.source.resume(datetime.fromisoformat(stated))
        points, until = await figures.source.open()
        await self._want(figures.file, points)
        await self._send_owed(figures.file)
        await self._send_points(self._looks.of(points, all_of_them=True))
        figures.source.stated(until)
        if figures.kept is None or until - figures.kept >= KEPT_EVERY:
            await self._journal.remember(figures.memo, until.isoformat())
            figures.kept = until
        figures.at = asyncio.get_running_loop().time()
        self.status.stated_until[figures.name] = until

    def _is_due(self, figures: "_Stated") -> bool:
        return figures.at is None or asyncio.get_running_loop().time() - figures.at >= self._pace.restate_s

    async def _want(self, file: FiguresFile, points: Sequence[Point]) -> None:
        """Keeps on disk what the server is to have; what the file does not know of it, the server is asked."""
        async with self._wanting:
            if await in_thread(file.is_new) and not await has_figures(self._server):
                await in_thread(file.knows_everything)
            unknown = await in_thread(file.unknown, points)
            if unknown:
                await in_thread(file.learn, unknown, await stored_revisions(self._server, unknown))
            await in_thread(file.want, points)

    async def _send_owed(self, file: FiguresFile, *, all_of_them: bool = False) -> None:
        """Revisions that are due; what an earlier run left on its way goes out again, byte for byte."""
        async with self._sending:
            owed = partial(file.lines, self._clock.now(), self._pace.batch_lines, all_of_them=all_of_them)
            while lines := await in_thread(owed):
                await self._delivery.send([text for _, text in lines])
                await in_thread(file.sent, lines, self._clock.now())

    async def _send_points(self, points: Sequence[Point]) -> None:
        for some in range(0, len(points), self._pace.batch_lines):
            lines = [point.line for point in points[some : some + self._pace.batch_lines]]
            await self._delivery.send(lines)

    async def _retry(self) -> bool:
        """What was refused before may be taken now, after somebody has mended the server or this program is newer."""
        await self._delivery.retry()
        return False

    def _backoff_s(self, failures: int) -> float:
        ceiling = min(self._pace.cap_s, self._pace.first_s * 2 ** min(failures, 16))
        return self._rng.uniform(self._pace.first_s / 2, ceiling)

    def _report(self, name: str, trouble: SinkRejected | SinkUnavailable | None) -> None:
        """One log line per change of state, not per try."""
        if trouble is None:
            self._troubles.pop(name, None)
        else:
            self._troubles[name] = trouble
        before = (self.status.unavailable is None, self.status.held is None)
        troubles = list(self._troubles.values())
        self.status.held = next((str(fault) for fault in troubles if isinstance(fault, SinkRejected)), None)
        self.status.unavailable = next((str(fault) for fault in troubles if isinstance(fault, SinkUnavailable)), None)
        if before == (self.status.unavailable is None, self.status.held is None):
            return
        if self.status.held is not None:
            log.error("influx_refused", answer=self.status.held)
        elif self.status.unavailable is not None:
            log.info("influx_lost", detail=self.status.unavailable)
        else:
            log.info("influx_restored", sent_seq=self.status.sent_seq)


async def _together(*works: Awaitable[T]) -> list[T]:
    """The results of all; if any failed, its error once all have ended."""
    found = await asyncio.gather(*works, return_exceptions=True)
    for error in found:
        if isinstance(error, BaseException):
            raise error
    return [result for result in found if not isinstance(result, BaseException)]
