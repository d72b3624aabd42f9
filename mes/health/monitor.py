"""Reads how the running program stands off its parts, for health, metrics and the watchdog."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from adapters.clock import Clock, SteadyClock
from adapters.reading import ControllerId
from mes.collect.present import PresentTags
from mes.health.controllers import Health
from mes.health.count_audit import CountAudit
from mes.health.status import JournalStatus, Sink, Status, controller_status
from mes.influx.writer import InfluxWriter
from mes.journal import Journal
from mes.journal.consumers import EVENTS, FIGURES, PLANT, TELEMETRY, backlog
from mes.journal.maintenance import Maintenance
from mes.logs import get_logger
from mes.model import StationId

log = get_logger()

EVERY_S = 5.0  # real seconds between two looks at the consumers' cursors


def _no_offsets() -> Mapping[ControllerId, float]:
    return {}


@dataclass(slots=True)
class StatusMonitor:
    """The parts of a running program; `writer` is None where there is no sink.

    `recovered`: what the journal held was taken up. `offsets`: seconds by which controllers' clocks are ahead.
    `unknown_stations`: those of the journal that the plant's file does not have.
    `tags`: what each controller's tags show.
    """

    journal: Journal
    health: Health
    maintenance: Maintenance
    count_audit: CountAudit
    clock: Clock
    writer: InfluxWriter | None = None
    offsets: Callable[[], Mapping[ControllerId, float]] = _no_offsets
    tags: dict[ControllerId, PresentTags] = field(default_factory=dict)
    recovered: asyncio.Event = field(default_factory=asyncio.Event)
    troubles: dict[str, str] = field(default_factory=dict)  # why a part beside the collecting does not work now
    unknown_stations: tuple[StationId, ...] = ()
    _cursors: Mapping[str, int] = field(default_factory=dict, init=False)
    _last_telemetry: int = field(default=0, init=False)
    _stepped: bool = field(default=False, init=False)

    def failing(self, part: str) -> Callable[[str], None]:
        """Notes why a part does not work; whoever makes it work again takes that out of `troubles`."""
        return partial(self.troubles.__setitem__, part)

    async def follow(self) -> NoReturn:
        """Looks at the consumers' cursors for ever; raises JournalError."""
        while True:
            self._cursors = await self.journal.cursors()
            self._last_telemetry = await self.journal.last_telemetry()
            self._tell_of_a_step()
            await asyncio.sleep(EVERY_S)

    def status(self) -> Status:
        """As of now, without waiting for anything."""
        offsets = self.offsets()
        return Status(
            controllers=tuple(controller_status(controller, offsets) for controller in self.health.snapshot()),
            journal=self._journal_status(),
            sinks=() if self.writer is None else (self._sink(self.writer),),
            count_audit=self.count_audit.lines(),
            clock_step_s=self._step_s(),
            troubles=dict(self.troubles),
            unknown_stations=self.unknown_stations,
        )

    def _step_s(self) -> float:
        stepped = self.clock.stepped if isinstance(self.clock, SteadyClock) else None
        return 0.0 if stepped is None else stepped.total_seconds()

    def _tell_of_a_step(self) -> None:
        """Once for each: a person decides when to begin again under the machine's new time."""
        step_s = self._step_s()
        if bool(step_s) is self._stepped:
            return
        self._stepped = bool(step_s)
        if step_s:
            log.error("machine_clock_stepped", ahead_s=step_s, remedy="none if it is right now; else set it")
        else:
            log.info("machine_clock_right")

    def _journal_status(self) -> JournalStatus:
        room = self.maintenance.room
        return JournalStatus(
            recovered=self.recovered.is_set(),
            last_seq=self.journal.last_seq,
            blocked=self.journal.blocked,
            waiting_s=self.journal.waiting_s,
            commits=self.journal.commits(),
            file_bytes=room.file if room else None,
            log_bytes=room.log if room else None,
            free_bytes=room.free if room else None,
            full_in_s=room.full_in_s if room else None,
            events_per_hour=room.events_per_hour if room else None,
            damaged_events=self.count_audit.damaged_events,
            unreadable_events=self.count_audit.unread.damaged,
            newer_events=self.count_audit.unread.newer,
            passed_over=self.count_audit.unread.sentences(),
        )

    def _sink(self, writer: InfluxWriter) -> Sink:
        last = dict.fromkeys((EVENTS, FIGURES, PLANT), self.journal.last_seq) | {TELEMETRY: self._last_telemetry}
        oldest = self.count_audit.oldest_not_stored
        return Sink(
            name="influx",
            server=writer.status.server,
            backlogs={name: backlog(self._cursors, name, number) for name, number in last.items()},
            lag_s=max(0.0, (self.clock.now() - oldest).total_seconds()) if oldest is not None else 0.0,
            held=writer.status.held,
            unavailable=writer.status.unavailable,
            quarantined_lines=writer.quarantined,
        )
