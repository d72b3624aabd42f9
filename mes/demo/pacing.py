"""The plant's clock waits for whoever cannot keep up, so that a slow computer makes the plant slow and no figure wrong.

Every limit here is in real seconds, for it is the machine that is measured.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from adapters.clock import ScaledClock
from mes.errors import MesError
from mes.intervals import Interval

TICK_S = 0.01
SCAN_LEAD_S = 0.1  # how far the clock may be ahead of the controllers' last scan, which takes place every 0.01 s
LOOK_LEAD_S = 0.3  # how far ahead of the collector's last look at a controller, which is every 0.1 s at the latest
RECOVERY_LEAD_S = 3.0  # the same after a fault, while the collector connects again
STALL_S = 0.3  # the event loop was late by so much: something else had the computer, or a part of this program
BUSY = 5  # in a second there were so many times fewer ticks than there should be: it is late at every turn
DISK_STALL_S = 1.0  # a byte was so long on its way to the disk
DISK_EVERY_S = 0.5
SETTLING_SCAN = timedelta(seconds=5)  # plant time, in place of the leads above while a totaliser waits for its reset:
SETTLING_LOOK = timedelta(seconds=10)  # its last unit is 30 s old then, and must have been seen
PATIENCE_S = 60.0  # how long the clock waits for one controller


class TooSlow(MesError):
    """This computer cannot keep up with the simulated plant; the figures are not at fault, ask for less speed."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """The clock showed `shown` at `since_s`; it stands while that is None, and never passes `limit`."""

    shown: datetime
    since_s: float | None
    limit: datetime


class WaitingClock(ScaledClock):
    """A scaled clock that stops at a limit until the limit is moved on; then it goes on from where it stopped.

    Starts held. Threads may ask for the time; one task moves it.
    """

    def __init__(self, start: datetime, *, speed: float, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """`start` is both what it shows and its first limit; `speed` > 0; `monotonic_s`: real seconds."""
        super().__init__(start, speed=speed, held=True)
        self._monotonic_s = monotonic_s
        self._mark = _Mark(start, None, start)
        self._ran_s = 0.0
        self._waited_s = 0.0

    @property
    def ran_s(self) -> float:
        """Real seconds for which it was released, up to the last change of its limit."""
        return self._ran_s

    @property
    def waited_s(self) -> float:
        """Of those, the real seconds for which it stood at its limit."""
        return self._waited_s

    def now(self) -> datetime:
        """The present simulated instant, aware, in UTC; never later than the limit."""
        mark = self._mark
        return mark.shown if mark.since_s is None else min(self._free(mark, self._monotonic_s()), mark.limit)

    def allow(self, limit: datetime) -> None:
        """Moves the limit on; an earlier limit than the present one changes nothing."""
        self._settle()
        self._mark = replace(self._mark, limit=max(limit, self._mark.limit))

    def hold(self) -> None:
        """Stops it where it is until it is released."""
        self._settle()
        self._mark = replace(self._mark, since_s=None)

    def release(self) -> None:
        """Lets a held clock run on from where it is, as far as its limit."""
        if self._mark.since_s is None:
            self._mark = replace(self._mark, since_s=self._monotonic_s())

    def skip(self, by: timedelta) -> None:
        """Moves a held clock on at once, past its limit where need be."""
        shown = self._mark.shown + by
        self._mark = _Mark(shown, None, max(shown, self._mark.limit))

    def set_speed(self, speed: float) -> None:
        """Simulated seconds per real second from now on."""
        self._settle()
        self._speed = speed

    def _free(self, mark: _Mark, now_s: float) -> datetime:
        passed_s = 0.0 if mark.since_s is None else now_s - mark.since_s
        return mark.shown + timedelta(seconds=passed_s * self._speed)

    def _settle(self) -> None:
        mark = self._mark
        if mark.since_s is None:
            return
        now_s = self._monotonic_s()
        free = self._free(mark, now_s)
        shown = min(free, mark.limit)
        self._ran_s += now_s - mark.since_s
        self._waited_s += (free - shown).total_seconds() / self._speed
        self._mark = replace(mark, shown=shown, since_s=now_s)


@dataclass(frozen=True, slots=True)
class Slowness:
    """How far the computer fell behind: what the clock waited for it, and when event loop or disk was late.

    `stalls`: how often that was; `longest_s`: the longest, in real seconds.
    """

    speed: float
    ran_s: float = 0.0
    waited_s: float = 0.0
    stalls: int = 0
    longest_s: float = 0.0

    @property
    def reached(self) -> float:
        """The speed that the plant really had, on average."""
        return self.speed * (1 - self.waited_s / self.ran_s) if self.ran_s else self.speed

    def sentence(self) -> str:
        """For people: what was too slow, and what to do."""
        return f"this computer was too slow for --speed {self.speed:g}; try --speed {max(1.0, self.speed // 4):g}"


@dataclass(slots=True)
class Pacemaker:
    """Lets the clock run no further than the controllers' scans and the collector's looks at them have come.

    `looked`: the last look at each controller; `excused`: since when (plant time) a controller needs not be seen, as a
    fault is on (None) or has just ended; `settling`: a totaliser waits for its reset. Measures how late the event loop
    and the disk are.
    """

    clock: WaitingClock
    looked: Callable[[], Mapping[str, datetime | None]]
    excused: Callable[[], Mapping[str, datetime | None]]
    settling: Callable[[], bool] = lambda: False
    scans: list[tuple[datetime, datetime]] = field(default_factory=list)
    """The controllers' scans: up to when the plant had come, and when all of that was shown."""
    stalls: list[Interval] = field(default_factory=list)
    longest_s: float = 0.0
    record: bool = True
    """Whether the run is still to be judged; after it nothing more is noted."""
    asked: float = field(init=False)

    def __post_init__(self) -> None:
        """The speed at the beginning is the one that was asked for."""
        self.asked = self.clock.speed

    def scanned(self, reached: datetime, shown: datetime) -> None:
        """A scan of the controllers took place."""
        if self.record or not self.scans:
            self.scans.append((reached, shown))
        else:
            self.scans[-1] = (reached, shown)

    async def run(self) -> None:
        """Moves the clock's limit until it is cancelled. Raises MesError when a controller stays away for no reason."""
        before, before_s = self.clock.now(), time.monotonic()
        moved_s = before_s
        second, second_s, ticks = before, before_s, 0
        while True:
            await asyncio.sleep(TICK_S)
            now, now_s = self.clock.now(), time.monotonic()
            self.stalled(before, now_s - before_s - TICK_S, least_s=STALL_S)
            ticks += 1
            if now_s - second_s >= 1.0:
                missing_s = now_s - second_s - BUSY * ticks * TICK_S
                self.stalled(second, missing_s, least_s=0.0)
                second, second_s, ticks = now, now_s, 0
            moved_s = now_s if now > before else moved_s
            if self.record and now_s - moved_s > PATIENCE_S and self._limiting():
                raise self.overdue(f"{' and '.join(self._limiting())} not seen for {PATIENCE_S:g} s without a fault")
            before, before_s = now, now_s
            self.clock.allow(self.limit())

    async def watch_disk(self, write: Callable[[], None]) -> None:
        """Measures the disk until it is cancelled; `write` puts something onto it, in a thread."""
        while True:
            before, before_s = self.clock.now(), time.monotonic()
            await asyncio.to_thread(write)
            self.stalled(before, time.monotonic() - before_s, least_s=DISK_STALL_S)
            await asyncio.sleep(DISK_EVERY_S)

    def stalled(self, since: datetime, late_s: float, *, least_s: float) -> None:
        """Notes that from `since` (plant time) to now something was late by more than `least_s` real seconds."""
        if late_s > least_s and self.record:
            self.longest_s = max(self.longest_s, late_s)
            self.stalls.append(Interval(since, self.clock.now()))

    def limit(self) -> datetime:
        """How far the clock may run now."""
        scan = self.scans[-1][0] if self.scans else self.clock.now()
        return min([self._ahead(scan, SCAN_LEAD_S, SETTLING_SCAN), *self._limits().values()])

    def excuses(self) -> tuple[Interval, ...]:
        """Plant time in which the collector may have lost a controller because the event loop or the disk stood."""
        margin = timedelta(seconds=2 * LOOK_LEAD_S * self.asked)
        return tuple(Interval(stall.start - margin, stall.end + margin) for stall in self.stalls)

    def slowness(self) -> Slowness:
        """What was measured until now."""
        clock = self.clock
        return Slowness(self.asked, clock.ran_s, clock.waited_s, len(self.stalls), self.longest_s)

    def overdue(self, what: str) -> MesError:
        """The error for work that took too long: the computer's fault if it was seen to be late, else not."""
        if self.stalls:
            return TooSlow(f"{what}: {self.slowness().sentence()}")
        return MesError(what)

    def _ahead(self, of: datetime, lead_s: float, settling: timedelta) -> datetime:
        lead = timedelta(seconds=lead_s * self.clock.speed)
        return of + (min(lead, settling) if self.settling() else lead)

    def _limits(self) -> dict[str, datetime]:
        """How far each controller lets the clock run; one with a fault does not limit it."""
        found, excused = {}, self.excused()
        for controller, seen in self.looked().items():
            limit = self._ahead(seen or self.clock.now(), LOOK_LEAD_S, SETTLING_LOOK)
            ended = excused.get(controller)
            if controller not in excused:
                found[controller] = limit
            elif ended is not None:
                found[controller] = max(limit, ended + timedelta(seconds=RECOVERY_LEAD_S * self.clock.speed))
        return found

    def _limiting(self) -> list[str]:
        """The controllers that the clock waits for."""
        return [controller for controller, limit in self._limits().items() if limit <= self.clock.now()]
