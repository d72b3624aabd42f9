"""Keeps the journal's file in bounds: process values by retention, unused pages given back; knows how long it lasts."""

import asyncio
import collections
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from adapters.clock import Clock
from mes.errors import JournalBlocked
from mes.journal import Journal
from mes.journal.consumers import TELEMETRY
from mes.logs import get_logger

log = get_logger()

EVERY_S = 60.0  # real seconds
ROWS_AT_ONCE = 2_000  # dropped in one go, so that no commit waits long for it
GOES_AT_ONCE = 50
PAGES_AT_ONCE = 1_000  # given back to the disk in one go
REMEMBERED = 24 * 60  # looks: a day
TELLING = timedelta(hours=1)  # growth over less says nothing: the file grows by leaps
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The journal's room on its disk: bytes of the file, of its log, free on the disk; how fast it fills, if known."""

    file: int
    log: int
    free: int
    events_per_hour: float | None = None
    bytes_per_hour: float | None = None

    @property
    def full_in_s(self) -> float | None:
        """Seconds until the disk is full at the present rate; None while nothing grows, and while that is not known."""
        return self.free / self.bytes_per_hour * 3600 if self.bytes_per_hour and self.bytes_per_hour > 0 else None


@dataclass(frozen=True, slots=True)
class _Look:
    time: datetime
    used: int
    seq: int


class Maintenance:
    """Looks after the journal while it is in use. Counts, states and every other event are never dropped.

    `keep`: how long process values are kept; those that a sink has not had by then are lost to it, and said to be.
    """

    def __init__(
        self,
        journal: Journal,
        path: Path,
        clock: Clock,
        *,
        keep: timedelta,
        forwarded: bool,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path.parent).free,
    ) -> None:
        """`forwarded`: somebody takes the process values; `free`: the bytes free on a file's disk."""
        self.room: DiskSpace | None = None
        self.lost_to_the_sink = 0  # process values dropped before the sink had them
        self._journal = journal
        self._path = path
        self._clock = clock
        self._keep = keep
        self._forwarded = forwarded
        self._free = free
        self._looks: collections.deque[_Look] = collections.deque(maxlen=REMEMBERED)

    async def run(self) -> NoReturn:
        """Looks after it once a minute, for ever; ends only by cancellation, or by the journal's failure."""
        while True:
            try:
                await self.once()
            except JournalBlocked as error:  # a full disk: the journal itself waits and says so
                log.warning("upkeep_waits", detail=str(error))
            await asyncio.sleep(EVERY_S)

    async def once(self) -> DiskSpace:
        """Drops what is old, tidies up, and takes the measure of what is left."""
        await self._thin()
        found = await self._journal.tidy(PAGES_AT_ONCE)
        self._looks.append(_Look(self._clock.now(), found.file + found.log - found.unused, self._journal.last_seq))
        first, last = self._looks[0], self._looks[-1]
        hours = (last.time - first.time) / HOUR
        known = last.time - first.time >= TELLING
        self.room = DiskSpace(
            found.file,
            found.log,
            self._free(self._path),
            (last.seq - first.seq) / hours if known else None,
            (last.used - first.used) / hours if known else None,
        )
        return self.room

    async def _thin(self) -> None:
        before = self._clock.now() - self._keep
        sent = await self._journal.cursor(TELEMETRY)
        lost = 0
        for _ in range(GOES_AT_ONCE):
            dropped, last = await self._journal.thin_telemetry(before, ROWS_AT_ONCE, now=self._clock.now())
            if self._forwarded:
                lost += min(dropped, max(0, last - sent))
            if dropped < ROWS_AT_ONCE:
                break
        if lost:
            self.lost_to_the_sink += lost
            log.warning("process_values_dropped_unsent", values=lost, kept_days=self._keep / timedelta(days=1))
