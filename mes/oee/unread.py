"""Totalisers that cannot be read: since when a station's counts are not known, and which figures that takes away."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mes.collect.signals import StationState
from mes.intervals import Interval
from mes.model import CountKind
from mes.oee.components import Kpi


@dataclass(frozen=True, slots=True)
class UnreadCount:
    """A totaliser that cannot be read now. `since` None: not since the program knows it; `ever`: it was read before."""

    kind: CountKind
    since: datetime | None
    ever: bool

    def affects(self, window: Interval) -> bool:
        """Whether counts of a part of the window are missing."""
        return not self.ever or self.since is None or self.since < window.end

    def hides(self, window: Interval) -> bool:
        """Whether it was never read in the window, so that its count there is not known at all."""
        return not self.ever or self.since is None or self.since <= window.start


def unread_counts(state: StationState, counted: Iterable[CountKind]) -> tuple[UnreadCount, ...]:
    """Those of the totalisers that the station has by the plant's file, in the order of their kinds."""
    read = state.counters.keys() | state.remapped.keys() | state.held.keys()
    missing = state.unread.keys() | (set(counted) - read)
    return tuple(
        UnreadCount(kind, state.unread.get(kind), kind in read)
        for kind in CountKind
        if kind in missing and kind in set(counted)
    )


def unknown_figures(unread: Sequence[UnreadCount], counted: Iterable[CountKind], window: Interval) -> frozenset[str]:
    """Which of good, rework, scrap and produced are not known at all in a window; `counted`: the totalisers there are.

    Made are all units of the total, else the sum; good is counted, else the rest.
    """
    kinds = frozenset(counted)
    hidden = {each.kind for each in unread if each.hides(window)}
    found = {"rework" if kind is CountKind.REWORK else "scrap" for kind in hidden & {CountKind.REWORK, CountKind.SCRAP}}
    parts = {CountKind.REWORK, CountKind.SCRAP}
    if hidden & ({CountKind.GOOD} if CountKind.GOOD in kinds else {CountKind.TOTAL, *parts}):
        found.add("good")
    if hidden & ({CountKind.TOTAL} if CountKind.TOTAL in kinds else {CountKind.GOOD, *parts}):
        found.add("produced")
    return frozenset(found)


def without_unread(kpi: Kpi, unread: Sequence[UnreadCount], counted: Iterable[CountKind]) -> Kpi:
    """A station's figures without those that are not known, marked where units of a part of the window are missing."""
    affecting = [each for each in unread if each.affects(kpi.window)]
    if not affecting:
        return kpi
    unknown = unknown_figures(affecting, counted, kpi.window)
    return without_unknown(replace(kpi, unknown=unknown, units_missing=True))


def without_unknown(kpi: Kpi) -> Kpi:
    """The same without the ideal times of counts that are not known."""
    unknown = kpi.unknown
    return replace(
        kpi,
        sum_pri_good=None if "good" in unknown else kpi.sum_pri_good,
        sum_pri_produced=None if "produced" in unknown else kpi.sum_pri_produced,
        sum_pri_rework=None if "rework" in unknown else kpi.sum_pri_rework,
    )
