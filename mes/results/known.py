"""A station's time line around some days, with the events that it was made of, and how it grows by new events."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from operator import attrgetter

from mes.intervals import Interval
from mes.journal.codec import affects
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountKind,
    Journaled,
    ProductChanged,
    ProductId,
    ReasonAssigned,
    ReasonId,
    ShiftClosed,
    StateChanged,
    StationEvent,
    UnitCompleted,
    UnitEntered,
    UnitLeft,
    UnitsCounted,
    UnitsUnidentified,
)
from mes.oee.stops import closed_shifts
from mes.oee.timeline import SAID_LATER, Count, Timeline, counted_at, is_plain_count

LAG = timedelta(seconds=15)  # counts are added up this much later, because signals may arrive out of order
UNTOLD = (UnitCompleted, UnitEntered, UnitLeft, UnitsUnidentified, ProductChanged)  # a time line has only their time

Cell = tuple[int, CountKind, ProductId | None]  # its number, and what is counted in it
Sums = Mapping[Cell, Count]
NO_SUMS: Sums = {}


class Known:
    """The time line, and what else the events say; each is made when it is first asked for.

    `sums`: counts whose events are not in `told` any more.
    """

    def __init__(
        self,
        days: Interval,
        told: Sequence[Journaled],
        make: Callable[[Sequence[Journaled]], Timeline],
        sums: Sums = NO_SUMS,
    ) -> None:
        """`make` gives the time line of events."""
        self.asked_at: datetime | None = None
        self._days = days
        self._told = told
        self._make = make
        self._sums = sums

    @cached_property
    def line(self) -> Timeline:
        """The time line; its sums stand at the instant of their last unit."""
        line = self._make(self._told)
        if not self._sums:
            return line
        return replace(line, counts=tuple(sorted((*self._sums.values(), *line.counts), key=attrgetter("time"))))

    @cached_property
    def cuts(self) -> Sequence[datetime]:
        """The instants that the events make borders of what a station did, in order."""
        return sorted({instant for journaled in self._told for instant in _cuts(journaled.event)})

    @cached_property
    def reasons(self) -> Sequence[ReasonId]:
        """What persons said, sorted."""
        said = {event.event.reason for event in self._told if isinstance(event.event, ReasonAssigned)}
        return sorted(reason for reason in said if reason is not None)

    @cached_property
    def closed(self) -> Mapping[Interval, ShiftClosed]:
        """The closed shifts."""
        return closed_shifts(journaled.event for journaled in self._told)

    def grown(
        self, news: Sequence[Journaled], *, seq: int, now: datetime, cuts: Callable[[Interval], Sequence[datetime]]
    ) -> "Known | None":
        """The same with all events of the station up to `seq`; `news` are those that came since.

        None: older events are needed, and the journal must be read. Counts up to `now` are added up between the `cuts`
        of the calendar, so that what is kept does not grow with them.
        """
        within = [journaled for journaled in news if journaled.event.time < self._days.end]
        later = [journaled for journaled in news if journaled.event.time >= self._days.end]
        if not self._has_all_for(within) or not all(self._tells_only_its_time(journaled.event) for journaled in later):
            return None
        newest = sorted(later, key=lambda journaled: journaled.event.time)[-1:]
        told = {journaled.seq: journaled for journaled in (*self._told, *within, *newest)}
        past = _past(told.values(), seq, now)
        counted = [journaled.event for journaled in past if isinstance(journaled.event, UnitsCounted)]
        sums = _added(self._sums, counted, cuts(self._days)) if counted else self._sums
        gone = {journaled.seq for journaled in past}
        kept = [journaled for number, journaled in told.items() if number not in gone]
        found = Known(self._days, kept, self._make, sums)
        found.asked_at = self.asked_at
        return found

    def _has_all_for(self, news: Sequence[Journaled]) -> bool:
        """Whether the days depend on no more events than these and `news`, which are before their end."""
        if not news:
            return True
        if any(journaled.event.time >= self._days.end for journaled in self._told):
            return False  # of what came after the days only a part was read
        if min(affects(journaled.event).start for journaled in news) < self._days.start:
            return False
        # an event that comes twice counts once: one of those that were added up may come again
        summed = max((count.time for count in self._sums.values()), default=self._days.start)
        return not self._sums or all(
            journaled.event.time > summed for journaled in news if is_plain_count(journaled.event)
        )

    def _tells_only_its_time(self, event: StationEvent) -> bool:
        """Of an event after the days: whether it says of them only that the station was still seen."""
        return isinstance(event, UNTOLD) or (is_plain_count(event) and event.kind in self.line.kinds)


def _past(told: Iterable[Journaled], seq: int, now: datetime) -> list[Journaled]:
    """The events up to `seq` and `now` that a time line needs only as sums or not at all.

    The first count of each kind tells since when there is its totaliser, the last event how far the station was seen.
    """
    ordered = sorted(told, key=lambda journaled: (journaled.event.time, journaled.event.received_time, journaled.seq))
    seen = [journaled.event.time for journaled in ordered if not isinstance(journaled.event, SAID_LATER)]
    border = min(seen[-1] - LAG, now) if seen else now
    found, firsts = [], dict[CountKind, StationEvent]()
    for journaled in ordered:
        event = journaled.event
        if isinstance(event, UnitsCounted) and firsts.setdefault(event.kind, event) == event:
            continue
        if event.time <= border and journaled.seq <= seq and (isinstance(event, UNTOLD) or is_plain_count(event)):
            found.append(journaled)
    return found


def _added(sums: Sums, counted: Iterable[UnitsCounted], cuts: Sequence[datetime]) -> Sums:
    """The sums with further counts, which are in the order of time and later than those in the sums."""
    units: dict[Cell, int] = defaultdict(int)
    last: dict[Cell, UnitsCounted] = {}
    for event in dict.fromkeys(counted):
        if event.delta:
            key = (bisect_right(cuts, event.time), event.kind, event.product)
            units[key] += event.delta
            last[key] = event
    found = dict(sums)
    for key, event in last.items():
        before = found[key].units if key in found else 0
        found[key] = replace(counted_at(event), units=before + units[key])
    return found


def _cuts(event: StationEvent) -> tuple[datetime, ...]:
    match event:
        case StateChanged() | ConnectionLost():
            return (event.time,)
        case ConnectionRestored():
            return (event.since, event.time)
        case ReasonAssigned():
            return (event.start,) if event.end is None else (event.start, event.end)
        case _:
            return ()
