"""A station's events as an exclusive, gapless sequence of states and as single counted units, each at one instant."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TypeGuard

from mes.intervals import END_OF_TIME, Interval, subtract, union
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountFlag,
    CountKind,
    CountReconciled,
    CountUnreconciled,
    FaultCleared,
    FaultRaised,
    Journaled,
    ProductId,
    ReasonAssigned,
    ReasonId,
    ShiftClosed,
    ShiftReopened,
    State,
    StateChanged,
    StationEvent,
    UnitsCounted,
)
from mes.oee.count_decisions import count_key, decided
from mes.oee.unread import UnreadSpan, unread_spans

SAID_LATER = (ReasonAssigned, ShiftClosed, ShiftReopened, CountReconciled)
SPREAD_WITHIN = timedelta(days=366)  # a longer gap began under a wrong clock, and says nothing of when units were made


@dataclass(frozen=True, slots=True)
class Span:
    """A station was in `state` all through `interval`."""

    interval: Interval
    state: State


@dataclass(frozen=True, slots=True)
class Count:
    """`units` of `product` were counted at `time`; of a catch-up each unit is a count of its own.

    `flag` None: a person decided that they were made.
    """

    time: datetime
    kind: CountKind
    product: ProductId | None
    units: int
    flag: CountFlag | None


@dataclass(frozen=True, slots=True)
class Slice:
    """The even share of a gap that belongs to one caught-up unit of `product`."""

    interval: Interval
    product: ProductId | None


@dataclass(frozen=True, slots=True)
class Fault:
    """The controller reported `code` all through `interval`."""

    interval: Interval
    code: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """A person said that `reason` was why, all through `interval`."""

    interval: Interval
    reason: ReasonId


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is known of one station. All sequences are in the order of time.

    `spans` touch each other, neighbours differ in state, and the last one is open: its end is `END_OF_TIME`.
    `kinds`: the totalisers that the station has. `unreconciled`: when counts could not be told
    and nobody has decided yet.
    `faults` may overlap, `assigned` are disjoint: what was said last. `end`: when something
    of the station was seen last, None without; what persons say of it later is nothing that was seen. `unread`: when
    its totalisers were not read.
    """

    spans: tuple[Span, ...]
    counts: tuple[Count, ...]
    slices: tuple[Slice, ...]
    kinds: frozenset[CountKind]
    unreconciled: tuple[datetime, ...]
    faults: tuple[Fault, ...]
    assigned: tuple[Assigned, ...]
    end: datetime | None
    unread: tuple[UnreadSpan, ...] = ()

    def states(self, until: datetime) -> tuple[Span, ...]:
        """The states from the first event to `until`; the last one runs on. Before them nothing is known."""
        return tuple(
            Span(part, span.state) for span in self.spans if (part := span.interval.before(until)).start < part.end
        )


def timeline(events: Iterable[StationEvent] | Iterable[Journaled], *, known_since: datetime | None = None) -> Timeline:
    """The time line of the station that all `events` are about, whatever the order in which they come.

    They are ordered by (time, received_time) and, where both are equal, as they come. An event that comes twice counts
    once. A connection is lost from ConnectionLost until it is restored and the state is stated again. Where the program
    was killed first, it is lost from the `since` of ConnectionRestored. `known_since`: the first thing that was seen of
    the station, where `events` are not all that there are.
    """
    ordered = _ordered(events)
    counted = [event for event in ordered if isinstance(event, UnitsCounted)]
    by_persons = decided(ordered)
    counts, slices = _counts(counted, by_persons.values())
    states = _spans(ordered)
    seen = [event for event in ordered if not isinstance(event, SAID_LATER)]
    return Timeline(
        spans=states,
        counts=counts,
        slices=slices,
        kinds=frozenset(count.kind for count in counted),
        unreconciled=tuple(
            event.time
            for event in ordered
            if isinstance(event, CountUnreconciled) and count_key(event) not in by_persons
        ),
        faults=_faults(ordered),
        assigned=_assigned(ordered, states),
        end=max((event.time for event in seen), default=None),
        unread=unread_spans(ordered, seen, known_since),
    )


def spans(events: Iterable[Journaled]) -> tuple[Span, ...]:
    """The states alone of the time line that `events` make."""
    return _spans(_ordered(events))


Ordered = Sequence[StationEvent]


def _ordered(events: Iterable[StationEvent] | Iterable[Journaled]) -> Ordered:
    """Once each, in the order of time; `seq` decides between what happened and was seen at the same instants."""
    numbered = (
        (event.seq, event.event) if isinstance(event, Journaled) else (place, event)
        for place, event in enumerate(events)
    )
    by_time = sorted(numbered, key=lambda item: (item[1].time, item[1].received_time, item[0]))
    kept: list[StationEvent] = []
    first = 0  # of those that bear the same two times
    for _, event in by_time:
        if kept and (kept[-1].time, kept[-1].received_time) != (event.time, event.received_time):
            first = len(kept)
        if event not in kept[first:]:
            kept.append(event)
    return kept


def _spans(ordered: Ordered) -> tuple[Span, ...]:
    """States laid end to end, then the blind stretches laid over them, then equal neighbours joined."""
    said = [event for event in ordered if isinstance(event, StateChanged)]
    blind = union(_blind(ordered, said))
    pieces: list[Span] = []
    for place, change in enumerate(said, start=1):
        end = said[place].time if place < len(said) else END_OF_TIME
        if change.time < end:
            pieces.append(Span(Interval(change.time, end), change.state))
    seen: list[Span] = [Span(span, State.NO_DATA) for span in blind]
    for piece in pieces:
        holes = _overlapping(blind, piece.interval)
        if holes:
            seen.extend(Span(part, piece.state) for part in subtract((piece.interval,), holes))
        else:
            seen.append(piece)
    return tuple(_joined(sorted(seen, key=lambda span: span.interval.start)))


def _overlapping(ordered: Sequence[Interval], window: Interval) -> Sequence[Interval]:
    """Those of `ordered`, which are sorted and disjoint, that reach into `window`."""
    first = bisect_left(ordered, window.start, key=lambda interval: interval.end)
    return ordered[first : bisect_left(ordered, window.end, key=lambda interval: interval.start)]


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Neighbours in the same state become one."""
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].state is span.state:
            joined[-1] = Span(Interval(joined[-1].interval.start, span.interval.end), span.state)
        else:
            joined.append(span)
    return joined


def _blind(ordered: Ordered, said: Sequence[StateChanged]) -> Iterator[Interval]:
    """Each loss of connection, up to the instant from which the state is known again."""
    latest = list(accumulate((change.received_time for change in said), max))
    lost: datetime | None = None
    for gap in ordered:
        match gap:
            case ConnectionLost():
                lost = lost or gap.time
            case ConnectionRestored():
                # a loss that was never journaled begins at `since`
                since = min(lost or gap.since, gap.since)
                yield Interval(since, max(since, _known_again(since, gap.time, said, latest)))
                lost = None
            case _:
                pass
    if lost is not None:
        yield Interval(lost, END_OF_TIME)


def _known_again(
    since: datetime, restored: datetime, said: Sequence[StateChanged], latest: Sequence[datetime]
) -> datetime:
    """The first instant, not before `restored`, at which a state is in force that was seen or began after the loss.

    `latest`: up to each place of `said`, when the last of them was received.
    """
    after = bisect_right(said, since, key=lambda event: event.time)
    if after and latest[after - 1] > since:
        return restored
    return max(restored, said[after].time) if after < len(said) else END_OF_TIME


def _faults(ordered: Ordered) -> tuple[Fault, ...]:
    """A code is on from its raising to its clearing, or until it is raised again; one that was never cleared is on."""
    raised: dict[str, datetime] = {}
    found: list[Fault] = []
    for fault in ordered:
        match fault:
            case FaultRaised():
                if fault.code in raised:
                    found.append(Fault(Interval(raised[fault.code], fault.time), fault.code))
                raised[fault.code] = fault.time
            case FaultCleared() if fault.code in raised:
                found.append(Fault(Interval(raised.pop(fault.code), fault.time), fault.code))
            case _:
                pass
    found += [Fault(Interval(start, END_OF_TIME), code) for code, start in raised.items()]
    return tuple(sorted(found, key=lambda span: (span.interval, span.code)))


def _assigned(ordered: Ordered, spans: Sequence[Span]) -> tuple[Assigned, ...]:
    """What persons said, in the order in which they said it; a later word takes its stretch from the earlier ones."""
    known: list[Assigned] = []
    for event in ordered:
        if not isinstance(event, ReasonAssigned):
            continue
        end = event.end if event.end is not None else _end_of_stop(spans, event.start)
        if end <= event.start:
            continue
        about = Interval(event.start, end)
        known = [Assigned(part, was.reason) for was in known for part in subtract((was.interval,), (about,))]
        if event.reason is not None:
            known.append(Assigned(about, event.reason))
    return tuple(sorted(known, key=lambda assignment: assignment.interval))


def _end_of_stop(spans: Sequence[Span], instant: datetime) -> datetime:
    """When the state that is in force at an instant ends; the instant itself where none is known."""
    at = bisect_right(spans, instant, key=lambda span: span.interval.start) - 1
    return spans[at].interval.end if at >= 0 else instant


def is_plain_count(event: StationEvent) -> TypeGuard[UnitsCounted]:
    """Whether an event only says that units were counted at its instant, so that such events may be added up."""
    return isinstance(event, UnitsCounted) and event.since is None and event.flag is CountFlag.NORMAL


def counted_at(event: UnitsCounted) -> Count:
    """The units of a count that is not spread over a gap."""
    return Count(event.time, event.kind, event.product, event.delta, event.flag)


def _counts(
    counted: Sequence[UnitsCounted], by_persons: Iterable[CountReconciled]
) -> tuple[tuple[Count, ...], tuple[Slice, ...]]:
    """All counts at their instants, those that persons decided among them; what was caught up is spread over its gap.

    What was caught up over more than a year counts when it was read.
    Good, rework and scrap of one gap are spread together, in the order of their events. A totaliser of all units
    counts the same units once more and is spread by itself; in a gap where there is one, its units make the slices.
    """
    counts = [Count(count.time, count.kind, count.product, count.parts, None) for count in by_persons if count.parts]
    slices: list[Slice] = []
    gaps: dict[tuple[datetime, bool], list[UnitsCounted]] = {}
    for event in counted:
        is_spread = event.since is not None and event.since < event.time <= event.since + SPREAD_WITHIN
        if event.since is not None and is_spread and event.delta > 0:
            gaps.setdefault((event.since, event.kind is CountKind.TOTAL), []).append(event)
        elif event.delta:
            counts.append(counted_at(event))
    for (since, is_total), filled in gaps.items():
        spread = _spread(since, filled)
        counts.extend(count for count, _ in spread)
        if is_total or (since, True) not in gaps:
            slices.extend(part for _, part in spread)
    counts.sort(key=lambda count: count.time)
    slices.sort(key=lambda part: part.interval)
    return tuple(counts), tuple(slices)


def _spread(since: datetime, filled: Sequence[UnitsCounted]) -> list[tuple[Count, Slice]]:
    """Unit i of n at since + (i + 1/2) / n of the gap, in whole microseconds; its slice is the n-th part around it."""
    length = max(count.time for count in filled) - since
    units = [count for count in filled for _ in range(count.delta)]
    n = len(units)
    # Nobody saw when in the gap they were made. An even spread favours no part, and the middle of a slice is never
    # at an end of the gap, where the unit would be counted in the window before or after it.
    return [
        (
            Count(since + length * (2 * i + 1) // (2 * n), unit.kind, unit.product, 1, unit.flag),
            Slice(Interval(since + length * i // n, since + length * (i + 1) // n), unit.product),
        )
        for i, unit in enumerate(units)
    ]
