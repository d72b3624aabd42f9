"""A station's events as an exclusive, gapless sequence of states and as single counted units, each at one instant."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from mes.intervals import Interval, subtract, union
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountFlag,
    CountKind,
    CountUnreconciled,
    Journaled,
    ProductId,
    State,
    StateChanged,
    StationEvent,
    UnitsCounted,
)

END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """A station was in `state` all through `interval`."""

    interval: Interval
    state: State


@dataclass(frozen=True, slots=True)
class Count:
    """`units` of `product` were counted at `time`; of a catch-up each unit is a count of its own."""

    time: datetime
    kind: CountKind
    product: ProductId | None
    units: int
    flag: CountFlag


@dataclass(frozen=True, slots=True)
class Slice:
    """The even share of a gap that belongs to one caught-up unit of `product`."""

    interval: Interval
    product: ProductId | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is known of one station. All sequences are in the order of time.

    `spans` touch each other, neighbours differ in state, and the last one is open: its end is `END_OF_TIME`.
    `kinds`: the totalisers that the station has. `unreconciled`: when counts could not be told.
    `end`: the time of the last event, None without events.
    """

    spans: tuple[Span, ...]
    counts: tuple[Count, ...]
    slices: tuple[Slice, ...]
    kinds: frozenset[CountKind]
    unreconciled: tuple[datetime, ...]
    end: datetime | None

    def states(self, until: datetime) -> tuple[Span, ...]:
        """The states from the first event to `until`; the last one runs on. Before them nothing is known."""
        return tuple(
            Span(part, each.state)
            for each in self.spans
            if (part := Interval(min(each.interval.start, until), min(each.interval.end, until))).start < part.end
        )


def timeline(events: Iterable[StationEvent] | Iterable[Journaled]) -> Timeline:
    """The time line of the station that all `events` are about, whatever the order in which they come.

    They are ordered by (time, seq); bare events take their place in `events` for a seq. An event that comes twice
    with the same seq counts once. A connection is lost from ConnectionLost, or from the `since` of
    ConnectionRestored where the program was killed before it could say so, until it is restored and the state is
    stated anew.
    """
    ordered = _ordered(events)
    counted = [each for _, each in ordered if isinstance(each, UnitsCounted)]
    counts, slices = _counts(counted)
    return Timeline(
        spans=_spans(ordered),
        counts=counts,
        slices=slices,
        kinds=frozenset(each.kind for each in counted),
        unreconciled=tuple(each.time for _, each in ordered if isinstance(each, CountUnreconciled)),
        end=ordered[-1][1].time if ordered else None,
    )


Ordered = Sequence[tuple[int, StationEvent]]


def _ordered(events: Iterable[StationEvent] | Iterable[Journaled]) -> Ordered:
    by_seq: dict[int, StationEvent] = {}
    for place, each in enumerate(events, start=1):
        if isinstance(each, Journaled):
            by_seq[each.seq] = each.event
        else:
            by_seq[place] = each
    return sorted(by_seq.items(), key=lambda item: (item[1].time, item[0]))


def _spans(ordered: Ordered) -> tuple[Span, ...]:
    """States laid end to end, then the blind stretches laid over them, then equal neighbours joined."""
    said = [(seq, each) for seq, each in ordered if isinstance(each, StateChanged)]
    blind = union(_blind(ordered, said))
    starts = [each.time for _, each in said]
    pieces = [
        Span(Interval(start, end), each.state)
        for (_, each), (start, end) in zip(said, pairwise([*starts, END_OF_TIME]), strict=True)
    ]
    seen: list[Span] = [Span(each, State.NO_DATA) for each in blind]
    for piece in pieces:
        holes = _overlapping(blind, piece.interval)
        seen.extend(Span(part, piece.state) for part in subtract((piece.interval,), holes))
    return tuple(_joined(sorted(seen, key=lambda each: each.interval)))


def _overlapping(ordered: Sequence[Interval], window: Interval) -> Sequence[Interval]:
    """Those of `ordered`, which are sorted and disjoint, that reach into `window`."""
    first = bisect_left(ordered, window.start, key=lambda each: each.end)
    return ordered[first : bisect_left(ordered, window.end, key=lambda each: each.start)]


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Neighbours in the same state become one."""
    joined: list[Span] = []
    for each in spans:
        if joined and joined[-1].state is each.state:
            joined[-1] = Span(Interval(joined[-1].interval.start, each.interval.end), each.state)
        else:
            joined.append(each)
    return joined


def _blind(ordered: Ordered, said: Sequence[tuple[int, StateChanged]]) -> Iterator[Interval]:
    """Each loss of connection, up to the instant from which the state is known again."""
    lost: tuple[int, datetime] | None = None
    for seq, each in ordered:
        match each:
            case ConnectionLost():
                lost = lost or (seq, each.time)
            case ConnectionRestored():
                # a loss that was never journaled begins at `since`; what came before this event has a lower seq
                opened = min(lost or (seq, each.since), (seq, each.since), key=lambda item: item[1])
                known = _known_again(opened[0], opened[1], each.time, said)
                yield Interval(opened[1], max(opened[1], known))
                lost = None
            case _:
                pass
    if lost is not None:
        yield Interval(lost[1], END_OF_TIME)


def _known_again(seq: int, since: datetime, restored: datetime, said: Sequence[tuple[int, StateChanged]]) -> datetime:
    """The first instant, not before `restored`, at which a state is in force that was said after the loss."""
    first = (each.time for place, each in said if place > seq or each.time > since)
    return max(restored, next(first, END_OF_TIME))


def _counts(counted: Sequence[UnitsCounted]) -> tuple[tuple[Count, ...], tuple[Slice, ...]]:
    """All counts at their instants; what was caught up is spread over its gap.

    Good, rework and scrap of one gap are spread together, in the order of their events. A totaliser of all units
    counts the same units once more and is spread by itself; where there is one, its units make the slices.
    """
    counts: list[Count] = []
    slices: list[Slice] = []
    gaps: dict[tuple[datetime, bool], list[UnitsCounted]] = {}
    has_total = any(each.kind is CountKind.TOTAL for each in counted)
    for each in counted:
        if each.since is not None and each.since < each.time and each.delta > 0:
            gaps.setdefault((each.since, each.kind is CountKind.TOTAL), []).append(each)
        elif each.delta:
            counts.append(Count(each.time, each.kind, each.product, each.delta, each.flag))
    for (since, is_total), filled in gaps.items():
        spread = _spread(since, filled)
        counts.extend(count for count, _ in spread)
        if is_total == has_total:
            slices.extend(part for _, part in spread)
    counts.sort(key=lambda each: each.time)
    slices.sort(key=lambda each: each.interval)
    return tuple(counts), tuple(slices)


def _spread(since: datetime, filled: Sequence[UnitsCounted]) -> list[tuple[Count, Slice]]:
    """Unit i of n at since + (i + 1/2) / n of the gap, in whole microseconds; its slice is the n-th part around it."""
    length = max(each.time for each in filled) - since
    units = [each for each in filled for _ in range(each.delta)]
    n = len(units)
    return [
        (
            Count(since + length * (2 * i + 1) // (2 * n), each.kind, each.product, 1, each.flag),
            Slice(Interval(since + length * i // n, since + length * (i + 1) // n), each.product),
        )
        for i, each in enumerate(units)
    ]
