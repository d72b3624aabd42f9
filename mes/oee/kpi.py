"""The key figures of a station in windows, after ISO 22400-2: the time line, the calendar and the counts laid together.

Counts belong to the instant of their event, seconds to the pieces of the time line.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from mes.intervals import BEGINNING_OF_TIME, Interval, intersect, total, union
from mes.model import CountFlag, CountKind, ProductId, ReasonId, StationStandard, totaliser_id
from mes.oee.components import LOSSES, NO_TIME, Bucket, Kpi, KpiFlag, Loss, add, combine
from mes.oee.segments import Piece, pieces
from mes.oee.timeline import Count, Timeline
from mes.oee.unread import Unread

__all__ = ["NO_TIME", "Bucket", "Kpi", "KpiFlag", "Loss", "combine", "kpi", "kpis"]

T = TypeVar("T")
NO_REASON = ReasonId("")
BUSY = (Bucket.APT, *LOSSES)


def kpi(
    timeline: Timeline,
    window: Interval,
    planned: Sequence[Interval],
    standard: StationStandard,
    *,
    until: datetime,
    manned: Sequence[Interval] = (),
) -> Kpi:
    """The figures of `window`, as far as it lies before `until`, the present instant of whoever asks.

    Times end at `until`. What was counted at that very instant is known and belongs to the window that holds it.

    `planned`: when the calendar plans work, `manned`: its shifts with their breaks; they may reach beyond `window`,
    and a stop that began before it is counted there only if they do. A stop is an unbroken stretch of `down` or
    of `idle`; it is a minor stop if its whole length, inside and outside of `window` and of planned time, is below the
    standard's threshold. A stop that is still open is as long as it has lasted at `until` or at the last event,
    whichever is later. Counts that are not known are named; the ideal times are not taken out, so that windows sum.
    """
    return kpis(timeline, (window,), planned, standard, until=until, manned=manned)[0]


def kpis(
    timeline: Timeline,
    windows: Sequence[Interval],
    planned: Sequence[Interval],
    standard: StationStandard,
    *,
    until: datetime,
    manned: Sequence[Interval] = (),
) -> list[Kpi]:
    """The same for many windows, which are in order and do not overlap, in one walk along the time line."""
    cells = [_Cell(window.before(until), holds_end=window.start <= until < window.end) for window in windows]
    whole = Interval(cells[0].window.start, cells[-1].window.end)
    horizon = until if timeline.end is None else max(until, timeline.end)
    _spend(cells, pieces(timeline, whole, standard, horizon=horizon), union(planned))
    shifts = union(manned)
    kinds = timeline.kinds | standard.counted
    unread = Unread(timeline.unread, standard.totalisers or map(totaliser_id, timeline.kinds))
    found = []
    for cell in cells:
        counts = _inside(timeline.counts, cell, lambda count: count.time)
        figures = _kpi(cell, timeline, standard, counts, intersect(shifts, (cell.window,)))
        found.append(unread.mark(figures, (count.kind for count in counts), kinds))
    return found


@dataclass(slots=True)
class _Cell:
    """A window being filled, as far as it is known; `holds_end`: its last known instant is not the next window's."""

    window: Interval
    holds_end: bool
    spent: dict[Bucket, timedelta] = field(default_factory=lambda: dict.fromkeys(Bucket, NO_TIME))
    times: dict[tuple[Bucket, ReasonId], timedelta] = field(default_factory=lambda: defaultdict(timedelta))
    stops: dict[tuple[Bucket, ReasonId], int] = field(default_factory=lambda: defaultdict(int))
    inferred: timedelta = NO_TIME
    failures: int = 0

    def take(self, piece: Piece, part: Interval, *, begins: bool, is_failure: bool) -> None:
        """What lies in the window of a planned part of a piece; it `begins` if no planned part came before it."""
        length = min(part.end, self.window.end) - max(part.start, self.window.start)
        if not length:  # an empty window
            return
        self.spent[piece.bucket] += length
        if piece.is_inferred:
            self.inferred += length
        if piece.bucket is Bucket.APT:
            return
        key = (piece.bucket, piece.reason or NO_REASON)
        self.times[key] += length
        if begins and part.start >= self.window.start:
            self.stops[key] += 1
            self.failures += is_failure


def _spend(cells: Sequence[_Cell], laid: Iterable[Piece], planned: Sequence[Interval]) -> None:
    """Every planned second of the pieces into its cell, in one walk along all three."""
    failed: Interval | None = None  # a failure that was given several reasons is one failure
    first = 0
    for piece, part, begins in _planned_parts(laid, planned):
        is_failure = begins and piece.bucket is Bucket.DOWN and piece.stop != failed
        failed = piece.stop if is_failure else failed
        while first < len(cells) and cells[first].window.end <= part.start:
            first += 1
        at = first
        while at < len(cells) and cells[at].window.start < part.end:
            cells[at].take(piece, part, begins=begins, is_failure=is_failure)
            at += 1


def _planned_parts(laid: Iterable[Piece], planned: Sequence[Interval]) -> Iterator[tuple[Piece, Interval, bool]]:
    first = 0
    for piece in laid:
        start, end = piece.interval.start, piece.interval.end
        while first < len(planned) and planned[first].end <= start:
            first += 1
        at = first
        while at < len(planned) and planned[at].start < end:
            # nobody knows how often a station stopped before it was seen
            begins = at == first and piece.stop.start > BEGINNING_OF_TIME
            yield piece, Interval(max(planned[at].start, start), min(planned[at].end, end)), begins
            at += 1


def _kpi(
    cell: _Cell, timeline: Timeline, standard: StationStandard, counts: Sequence[Count], shifts: Sequence[Interval]
) -> Kpi:
    window, spent = cell.window, cell.spent
    units = _Units.of(counts, timeline.kinds | standard.counted, standard)
    return Kpi(
        window=window,
        length=window.length,
        not_planned=window.length - sum((spent[bucket] for bucket in BUSY), NO_TIME),
        apt=spent[Bucket.APT],
        minor_stops=spent[Bucket.MINOR_STOPS],
        down=spent[Bucket.DOWN],
        setup=spent[Bucket.SETUP],
        idle=spent[Bucket.IDLE],
        starved=spent[Bucket.STARVED],
        blocked=spent[Bucket.BLOCKED],
        no_data=spent[Bucket.NO_DATA],
        inferred=cell.inferred,
        good=units.good,
        rework=units.rework,
        scrap=units.scrap,
        produced=units.produced,
        sum_pri_good=units.sum_pri_good,
        sum_pri_produced=units.sum_pri_produced,
        sum_pri_rework=units.sum_pri_rework,
        unreconciled=len(_inside(timeline.unreconciled, cell, lambda instant: instant)),
        resets=sum(count.flag is CountFlag.RESET for count in counts),
        planned_stops=spent[Bucket.PLANNED_STOP],
        in_shift=total(shifts),
        failures=cell.failures,
        losses=tuple(Loss(*key, cell.times[key], cell.stops[key]) for key in sorted(cell.times)),
    )


def _inside(items: Sequence[T], cell: _Cell, time: Callable[[T], datetime]) -> Sequence[T]:
    end = (bisect_right if cell.holds_end else bisect_left)(items, cell.window.end, key=time)
    return items[bisect_left(items, cell.window.start, key=time) : end]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """Counts and ideal times. Made are all units of the total, else the sum; good is counted, else the rest."""

    good: int
    rework: int
    scrap: int
    produced: int
    sum_pri_good: timedelta | None
    sum_pri_produced: timedelta | None
    sum_pri_rework: timedelta | None

    @staticmethod
    def of(counts: Sequence[Count], kinds: frozenset[CountKind], standard: StationStandard) -> "_Units":
        units: dict[CountKind, int] = dict.fromkeys(CountKind, 0)
        ideal: dict[CountKind, timedelta | None] = dict.fromkeys(CountKind, NO_TIME)
        for count in counts:
            units[count.kind] += count.units
            ideal[count.kind] = add((ideal[count.kind], _ideal_time(standard, count.product, count.units)))
        good, produced = units[CountKind.GOOD], units[CountKind.TOTAL]
        ideal_good, ideal_produced = ideal[CountKind.GOOD], ideal[CountKind.TOTAL]
        rejected = units[CountKind.REWORK] + units[CountKind.SCRAP]
        ideal_rejected = add((ideal[CountKind.REWORK], ideal[CountKind.SCRAP]))
        if CountKind.TOTAL not in kinds:
            produced, ideal_produced = good + rejected, add((ideal_good, ideal_rejected))
        elif CountKind.GOOD not in kinds:
            good = produced - rejected
            ideal_good = None if ideal_rejected is None else add((ideal_produced, -ideal_rejected))
        return _Units(
            good=good,
            rework=units[CountKind.REWORK],
            scrap=units[CountKind.SCRAP],
            produced=produced,
            sum_pri_good=ideal_good,
            sum_pri_produced=ideal_produced,
            sum_pri_rework=ideal[CountKind.REWORK],
        )


def _ideal_time(standard: StationStandard, product: ProductId | None, units: int) -> timedelta | None:
    ideal = standard.ideal(product)
    return None if ideal is None else ideal * units
