"""Totalisers that were not read: when, by the journal and by the collector's present state, and what that hides."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.reading import Quality
from mes.collect.signals import StationState, totaliser_of_signal
from mes.intervals import BEGINNING_OF_TIME, END_OF_TIME, Interval, intersect, total, union
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountFlag,
    CountKind,
    ProductId,
    QualityChanged,
    StationEvent,
    TotaliserId,
    UnitsCounted,
    kind_and_product,
    totaliser_id,
)
from mes.oee.components import Kpi


@dataclass(frozen=True, slots=True)
class UnreadSpan:
    """The totalisers of a kind, None: every one of the station, were not read all through `interval`.

    `units_missing`: the station was seen meanwhile, so that what was made then is in no figure of that time.
    `totaliser`: this one of the kind alone.
    """

    kind: CountKind | None
    interval: Interval
    units_missing: bool
    totaliser: TotaliserId | None = None

    def is_of(self, totaliser: TotaliserId) -> bool:
        """Whether the totaliser was not read."""
        return self.kind in (None, kind_and_product(totaliser)[0]) and self.totaliser in (None, totaliser)


def unread_spans(
    ordered: Sequence[StationEvent], seen: Sequence[StationEvent], known_since: datetime | None
) -> tuple[UnreadSpan, ...]:
    """When totalisers were not read, by the events of a station in the order of time; `seen`: without those of persons.

    `known_since`: when the station was first seen, None: these are all its events.

    That is before the station was first seen, and before the first reading of a totaliser. It is also while its quality
    was not good, and since a loss of connection that is not over. After a gap that is over, the totaliser has told what
    was made.
    """
    first = min((_begins(event) for event in seen), default=END_OF_TIME) if known_since is None else known_since
    found = [UnreadSpan(None, Interval(BEGINNING_OF_TIME, first), units_missing=False)]
    found += _before_the_first_reading(ordered)
    found += _of_bad_quality(ordered)
    lost: datetime | None = None
    for event in ordered:
        if isinstance(event, ConnectionLost):
            lost = lost or event.time
        elif isinstance(event, ConnectionRestored):
            lost = None
    if lost is not None:
        found.append(UnreadSpan(None, Interval(lost, END_OF_TIME), units_missing=False))
    return tuple(found)


def _begins(event: StationEvent) -> datetime:
    """The first instant about which an event says something."""
    since = event.since if isinstance(event, UnitsCounted | ConnectionRestored) else None
    return event.time if since is None else min(since, event.time)


def _before_the_first_reading(ordered: Sequence[StationEvent]) -> Iterator[UnreadSpan]:
    """Imported counts have no first reading. One product's totaliser that came later than another's hides nothing."""
    first: dict[CountKind, UnitsCounted] = {}
    for event in ordered:
        if isinstance(event, UnitsCounted):
            first.setdefault(event.kind, event)
    for kind, count in first.items():
        if count.flag is CountFlag.BASELINE:
            yield UnreadSpan(kind, Interval(BEGINNING_OF_TIME, count.time), units_missing=False)


def _of_bad_quality(ordered: Sequence[StationEvent]) -> Iterator[UnreadSpan]:
    since: dict[TotaliserId, datetime] = {}
    for change in ordered:
        totaliser = totaliser_of_signal(change.signal) if isinstance(change, QualityChanged) else None
        if not isinstance(change, QualityChanged) or totaliser is None:
            continue
        if change.quality is not Quality.GOOD:
            since.setdefault(totaliser, change.time)
        elif totaliser in since:
            yield _bad(totaliser, Interval(since.pop(totaliser), change.time))
    yield from (_bad(totaliser, Interval(start, END_OF_TIME)) for totaliser, start in since.items())


def _bad(totaliser: TotaliserId, interval: Interval) -> UnreadSpan:
    return UnreadSpan(kind_and_product(totaliser)[0], interval, units_missing=True, totaliser=totaliser)


class Unread:
    """The same for one station, ready to be asked for many windows."""

    def __init__(self, spans: Sequence[UnreadSpan], watched: Iterable[TotaliserId]) -> None:
        """`watched`: the totalisers that the station should have."""
        spans_of = {totaliser: [span for span in spans if span.is_of(totaliser)] for totaliser in watched}
        self._of = {totaliser: union(span.interval for span in unread) for totaliser, unread in spans_of.items()}
        self._any = union(part for parts in self._of.values() for part in parts)
        self._missing = union(span.interval for unread in spans_of.values() for span in unread if span.units_missing)

    def mark(self, kpi: Kpi, counted: Iterable[CountKind], kinds: Iterable[CountKind]) -> Kpi:
        """A window's sums with what was not read; `counted`: what was counted in it; `kinds`: the totalisers there are.

        The ideal times are left as they are, so that windows can be summed.
        """
        window, known = kpi.window, frozenset(counted)
        held = [totaliser for totaliser, parts in self._of.items() if _hold(_reaching(parts, window), window)]
        hidden = _hidden(held, self._of) - known
        unread = total(intersect(_reaching(self._any, window), (window,)))
        if not hidden and not unread:
            return kpi
        return replace(
            kpi,
            unknown=unknown_figures(hidden, kinds),
            unread_kinds=hidden,
            unread=unread,
            units_missing=bool(intersect(_reaching(self._missing, window), (window,))),
        )


def _reaching(parts: Sequence[Interval], window: Interval) -> Sequence[Interval]:
    """Those of the parts, which are sorted and disjoint, that reach into a window or touch it."""
    first = bisect_left(parts, window.start, key=lambda part: part.end)
    return parts[first : bisect_right(parts, window.end, key=lambda part: part.start)]


def _hidden(held: Iterable[TotaliserId], watched: Iterable[TotaliserId]) -> frozenset[CountKind]:
    """The kinds of which all totalisers are in `held`; `watched`: all that there are."""
    read = {kind_and_product(totaliser)[0] for totaliser in set(watched) - set(held)}
    return frozenset(kind_and_product(totaliser)[0] for totaliser in held) - read


def _hold(parts: Iterable[Interval], window: Interval) -> bool:
    return any(part.start <= window.start and window.end <= part.end for part in parts)


@dataclass(frozen=True, slots=True)
class UnreadCount:
    """A totaliser that cannot be read now. `since` None: not since the program knows it; `ever`: it was read before.

    `product`: the one that it counts alone.
    """

    kind: CountKind
    since: datetime | None
    ever: bool
    product: ProductId | None = None

    def affects(self, window: Interval) -> bool:
        """Whether counts of a part of the window are missing."""
        return not self.ever or self.since is None or self.since < window.end

    def hides(self, window: Interval) -> bool:
        """Whether it was never read in the window, so that its count there is not known at all."""
        return not self.ever or self.since is None or self.since <= window.start


def unread_counts(state: StationState, watched: Iterable[TotaliserId]) -> tuple[UnreadCount, ...]:
    """Those of the totalisers that the station has by the plant's file, in the order of their kinds and products."""
    read = state.counters.keys() | state.remapped.keys() | state.held.keys()
    missing = set(watched) & (state.unread.keys() | (set(watched) - read))
    return tuple(
        UnreadCount(kind, state.unread.get(totaliser), totaliser in read, kind_and_product(totaliser)[1])
        for kind in CountKind
        for totaliser in sorted(missing)
        if kind_and_product(totaliser)[0] is kind
    )


def unknown_figures(hidden: frozenset[CountKind], counted: Iterable[CountKind]) -> frozenset[str]:
    """Which of good, rework, scrap and produced are not known where totalisers are `hidden`; `counted`: all there are.

    Made are all units of the total, else the sum; good is counted, else the rest.
    """
    kinds = frozenset(counted)
    found = {"rework" if kind is CountKind.REWORK else "scrap" for kind in hidden & {CountKind.REWORK, CountKind.SCRAP}}
    parts = {CountKind.REWORK, CountKind.SCRAP}
    if hidden & ({CountKind.GOOD} if CountKind.GOOD in kinds else {CountKind.TOTAL, *parts}):
        found.add("good")
    if hidden & ({CountKind.TOTAL} if CountKind.TOTAL in kinds else {CountKind.GOOD, *parts}):
        found.add("produced")
    return frozenset(found)


def without_unread(kpi: Kpi, unread: Sequence[UnreadCount], watched: Collection[TotaliserId]) -> Kpi:
    """A station's figures without those that are not known, marked where units of a part of the window are missing."""
    marked = with_unread(kpi, unread, watched)
    return kpi if marked is kpi else without_unknown(marked)


def with_unread(kpi: Kpi, unread: Sequence[UnreadCount], watched: Collection[TotaliserId]) -> Kpi:
    """The same with all ideal times, as a shift is closed with. `watched`: the totalisers that the station has."""
    affecting = [count for count in unread if count.affects(kpi.window)]
    hiding = [totaliser_id(count.kind, count.product) for count in affecting if count.hides(kpi.window)]
    hidden = kpi.unread_kinds | _hidden(hiding, watched)
    if not affecting:
        return kpi
    start = kpi.window.start
    since = min(max(count.since, start) if count.ever and count.since else start for count in affecting)
    return replace(
        kpi,
        unknown=unknown_figures(hidden, {kind_and_product(totaliser)[0] for totaliser in watched}),
        unread_kinds=hidden,
        units_missing=True,
        unread=max(kpi.unread, kpi.window.end - since),
    )


def without_unknown(kpi: Kpi) -> Kpi:
    """The same without the ideal times of counts that are not known."""
    unknown = kpi.unknown
    return replace(
        kpi,
        sum_pri_good=None if "good" in unknown else kpi.sum_pri_good,
        sum_pri_produced=None if "produced" in unknown else kpi.sum_pri_produced,
        sum_pri_rework=None if "rework" in unknown else kpi.sum_pri_rework,
    )


def in_sequence(whole: Kpi, parts: Sequence[Kpi], counted: Iterable[CountKind]) -> Kpi:
    """The sums of a station's windows that follow each other: not known is what was read in none of them."""
    hidden = frozenset.intersection(*(part.unread_kinds for part in parts))
    return replace(whole, unread_kinds=hidden, unknown=unknown_figures(hidden, counted))
