"""Follows the journal and keeps InfluxDB up to date: events first, then the figures that they touch."""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from mes.errors import SinkRejected, SinkUnavailable
from mes.influx.encode import KpiPoint, body, event_line, kpi_line, process_line
from mes.influx.server import InfluxServer
from mes.intervals import Interval
from mes.journal.codec import bears_on
from mes.model import Journaled, ProcessValue, StationId

log = structlog.get_logger()

EVENTS = "influx-events"
FIGURES = "influx-kpi"
TELEMETRY = "influx-process"


class Followed(Protocol):
    """What the writer needs of the journal."""

    async def read(self, after: int, limit: int) -> Sequence[Journaled]:
        """Events after a sequence number, in order."""
        ...

    async def read_telemetry(self, after_rowid: int, limit: int) -> Sequence[tuple[int, ProcessValue]]:
        """Telemetry after a row, with the rows' numbers."""
        ...

    async def cursor(self, name: str) -> int:
        """Where a consumer stands; 0 at first."""
        ...

    async def advance(self, name: str, seq: int) -> None:
        """Moves a consumer on."""
        ...


class Figures(Protocol):
    """Where figures come from: the one door, handed in by whoever builds the program."""

    async def touched(self, spans: Mapping[StationId, Interval], revision: int) -> Sequence[KpiPoint]:
        """Every window that the spans bear on, computed anew."""
        ...

    async def open(self, revision: int) -> tuple[Sequence[KpiPoint], datetime]:
        """The windows of all stations in which time has passed since the last `stated`, and the present instant."""
        ...

    def stated(self, until: datetime) -> None:
        """The server has everything up to this instant."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Real seconds and lines; a refusal (`hold_s`) waits longer than an outage, for it needs a person."""

    batch_lines: int = 5000
    idle_s: float = 1.0
    restate_s: float = 30.0
    first_s: float = 1.0
    cap_s: float = 60.0
    hold_s: float = 30.0


@dataclass(slots=True)
class SinkStatus:
    """How the writer stands, for health; `held` is the server's refusal in words, None while it takes what we send."""

    sent_seq: int = 0
    held: str | None = None
    unavailable: str | None = None


class InfluxWriter:
    """One consumer of the journal. A cursor moves only after the server said that it has stored what came before."""

    def __init__(
        self,
        server: InfluxServer,
        journal: Followed,
        figures: Figures,
        *,
        rng: random.Random,
        pace: Pace | None = None,
    ) -> None:
        """Reads nothing and connects to nothing yet."""
        self.status = SinkStatus()
        self._server = server
        self._journal = journal
        self._figures = figures
        self._rng = rng
        self._pace = pace or Pace()
        self._restated = 0.0

    async def run(self) -> None:
        """Forwards for ever; ends only by cancellation."""
        failures = 0
        ensured = False
        while True:
            try:
                if not ensured:
                    with suppress(SinkRejected):  # only an administrator may; what is missing shows at the write
                        await self._server.ensure()
                    ensured = True
                moved = await self.forward()
                await self.restate()
            except SinkUnavailable as error:
                failures += 1
                self._report(unavailable=str(error), held=None)
                await asyncio.sleep(error.retry_after_s or self._backoff_s(failures))
            except SinkRejected as error:
                self._report(unavailable=None, held=str(error))
                ensured = False  # the database may be what is missing
                await asyncio.sleep(self._pace.hold_s)
            else:
                failures = 0
                self._report(unavailable=None, held=None)
                if not moved:
                    await asyncio.sleep(self._pace.idle_s)

    async def forward(self) -> bool:
        """Sends one batch of each kind; False when there was nothing. Raises SinkError, with no cursor moved."""
        events = await self._forward_events()
        telemetry = await self._forward_telemetry()
        figures = await self._forward_figures()
        return events or telemetry or figures

    async def drain(self) -> None:
        """Sends until nothing is left; raises SinkError. For the end of a run, and tests."""
        while await self.forward():
            pass

    async def _forward_events(self) -> bool:
        after = await self._journal.cursor(EVENTS)
        found = await self._journal.read(after, self._pace.batch_lines)
        if not found:
            return False
        await self._server.write(body(event_line(each) for each in found))
        await self._journal.advance(EVENTS, found[-1].seq)
        self.status.sent_seq = found[-1].seq
        return True

    async def _forward_telemetry(self) -> bool:
        after = await self._journal.cursor(TELEMETRY)
        found = await self._journal.read_telemetry(after, self._pace.batch_lines)
        if not found:
            return False
        await self._server.write(body(process_line(value, row) for row, value in found))
        await self._journal.advance(TELEMETRY, found[-1][0])
        return True

    async def _forward_figures(self) -> bool:
        """Figures have a cursor of their own, so that a crash between events and figures loses no figure."""
        after = await self._journal.cursor(FIGURES)
        found = await self._journal.read(after, self._pace.batch_lines)
        if not found:
            return False
        await self._send(await self._figures.touched(touched(found), found[-1].seq))
        await self._journal.advance(FIGURES, found[-1].seq)
        return True

    async def restate(self) -> None:
        """States the windows that are still open again: time passes in them though nothing happens."""
        clock = asyncio.get_running_loop().time()
        if clock - self._restated < self._pace.restate_s:
            return
        points, until = await self._figures.open(await self._journal.cursor(FIGURES))
        await self._send(points)
        self._figures.stated(until)
        self._restated = clock

    async def _send(self, points: Sequence[KpiPoint]) -> None:
        for some in range(0, len(points), self._pace.batch_lines):
            await self._server.write(body(kpi_line(each) for each in points[some : some + self._pace.batch_lines]))

    def _backoff_s(self, failures: int) -> float:
        ceiling = min(self._pace.cap_s, self._pace.first_s * 2 ** min(failures, 16))
        return self._rng.uniform(self._pace.first_s / 2, ceiling)

    def _report(self, *, unavailable: str | None, held: str | None) -> None:
        """One log line per change of standing, not per try."""
        before = (self.status.unavailable is None, self.status.held is None)
        self.status.unavailable, self.status.held = unavailable, held
        if before == (unavailable is None, held is None):
            return
        if held is not None:
            log.error("influx_refused", answer=held)
        elif unavailable is not None:
            log.info("influx_lost", detail=unavailable)
        else:
            log.info("influx_restored", sent_seq=self.status.sent_seq)


def touched(found: Iterable[Journaled]) -> dict[StationId, Interval]:
    """The stretch of time that the events of each station bear on, from the earliest to the latest."""
    spans: dict[StationId, Interval] = {}
    for each in found:
        about = bears_on(each.event)
        known = spans.get(each.event.station, about)
        spans[each.event.station] = Interval(min(about.start, known.start), max(about.end, known.end))
    return spans
