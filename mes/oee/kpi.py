"""The key figures of a station in a window, after ISO 22400-2: exact numerators and denominators, and their ratios.

Counts belong to the instant of their event, seconds to the states of the time line. Nothing is rounded and no ratio
is capped, so that finer windows add up to coarser ones and stations to lines.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar, assert_never

from mes.intervals import Interval, intersect, subtract, total, union
from mes.model import CountFlag, CountKind, ProductId, State, StationStandard
from mes.oee.timeline import Count, Slice, Span, Timeline

NO_TIME = timedelta()
T = TypeVar("T")


class Bucket(StrEnum):
    """Where a second goes; every second of a window goes into exactly one."""

    APT = "apt"
    MINOR_STOPS = "minor_stops"
    DOWN = "down"
    SETUP = "setup"
    IDLE = "idle"
    STARVED = "starved"
    BLOCKED = "blocked"
    NO_DATA = "no_data"
    NOT_PLANNED = "not_planned"


class KpiFlag(StrEnum):
    """What a reader of the figures should know."""

    PERFORMANCE_ABOVE_ONE = "performance_above_one"  # a wrong ideal cycle time, or units counted twice
    NO_IDEAL_CYCLE = "no_ideal_cycle"  # a product was made for which no ideal cycle time is set
    UNRECONCILED = "unreconciled"  # counts that a person has to decide are not in the figures
    RESET = "reset"  # a totaliser started anew: units before that may be missing
    COUNTS_DISAGREE = "counts_disagree"  # all units made are not the sum of good, rework and scrap


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """Figures of a station in a window, or their sums over several; ratios are None where they are not defined.

    `length` = `not_planned` + `pbt`; `pbt` = `apt` + all losses; `inferred` is the part of `apt` that was concluded
    from caught-up units. The ideal times Σ(PRI·units) are None where a product without ideal cycle time was made.
    """

    window: Interval
    length: timedelta
    not_planned: timedelta
    apt: timedelta
    minor_stops: timedelta
    down: timedelta
    setup: timedelta
    idle: timedelta
    starved: timedelta
    blocked: timedelta
    no_data: timedelta
    inferred: timedelta
    good: int
    rework: int
    scrap: int
    produced: int
    sum_pri_good: timedelta | None
    sum_pri_produced: timedelta | None
    unreconciled: int
    resets: int

    @property
    def pbt(self) -> timedelta:
        """Planned busy time: the window less what the calendar and planned stops take out."""
        return self.length - self.not_planned

    @property
    def ot(self) -> timedelta:
        """Operating time: APT and minor stops, which so cost performance and not availability."""
        return self.apt + self.minor_stops

    @property
    def sum_pri_rejected(self) -> timedelta | None:
        """The ideal time of all units that were not good."""
        if self.sum_pri_produced is None or self.sum_pri_good is None:
            return None
        return self.sum_pri_produced - self.sum_pri_good

    @property
    def speed_loss(self) -> timedelta | None:
        """APT beyond the ideal time of what was made; negative where machines beat their ideal cycle time."""
        return None if self.sum_pri_produced is None else self.apt - self.sum_pri_produced

    @property
    def availability(self) -> float | None:
        """OT / PBT, 0..1."""
        return _ratio(self.ot, self.pbt)

    @property
    def performance(self) -> float | None:
        """Σ(PRI·PQ) / OT, ISO's effectiveness; may be above 1."""
        return _ratio(self.sum_pri_produced, self.ot)

    @property
    def quality(self) -> float | None:
        """Σ(PRI·GQ) / Σ(PRI·PQ)."""
        return _ratio(self.sum_pri_good, self.sum_pri_produced)

    @property
    def quality_count(self) -> float | None:
        """GQ / PQ, every unit weighing the same."""
        return self.good / self.produced if self.produced else None

    @property
    def oee(self) -> float | None:
        """Σ(PRI·GQ) / PBT, which is availability · performance · quality."""
        return _ratio(self.sum_pri_good, self.pbt)

    @property
    def equipment_time(self) -> timedelta:
        """PBT less starved and blocked, which are losses of the line and not of the station's equipment."""
        return self.pbt - self.starved - self.blocked

    @property
    def technical_availability(self) -> float | None:
        """OT / equipment time: availability as if the station stood alone."""
        return _ratio(self.ot, self.equipment_time)

    @property
    def oee_standalone(self) -> float | None:
        """Σ(PRI·GQ) / equipment time: OEE as if the station stood alone."""
        return _ratio(self.sum_pri_good, self.equipment_time)

    @property
    def observed(self) -> timedelta:
        """The part of PBT in which the station was seen."""
        return self.pbt - self.no_data - self.inferred

    @property
    def coverage(self) -> float | None:
        """Observed time / PBT, 0..1."""
        return _ratio(self.observed, self.pbt)

    @property
    def flags(self) -> frozenset[KpiFlag]:
        """What a reader should know before believing the figures."""
        above = self.sum_pri_produced is not None and self.sum_pri_produced > self.ot
        raised = {
            KpiFlag.PERFORMANCE_ABOVE_ONE: above,
            KpiFlag.NO_IDEAL_CYCLE: self.sum_pri_produced is None or self.sum_pri_good is None,
            KpiFlag.UNRECONCILED: self.unreconciled > 0,
            KpiFlag.RESET: self.resets > 0,
            KpiFlag.COUNTS_DISAGREE: self.produced != self.good + self.rework + self.scrap,
        }
        return frozenset(flag for flag, is_raised in raised.items() if is_raised)


def kpi(
    timeline: Timeline, window: Interval, planned: Sequence[Interval], standard: StationStandard, *, until: datetime
) -> Kpi:
    """The figures of `window`, as far as it lies before `until`, the present instant of whoever asks.

    `planned`: when the calendar plans work. A stop is an unbroken stretch of `down` or of `idle`; it is a minor stop
    if its whole length, inside and outside of `window` and of planned time, is below the standard's threshold. A stop
    that is still open is as long as it has lasted at `until` or at the last event, whichever is later.
    """
    window = Interval(min(window.start, until), min(window.end, until))
    horizon = until if timeline.end is None else max(until, timeline.end)
    buckets, inferred = _laid_out(timeline, window, standard, horizon)
    busy = subtract(intersect(union(planned), (window,)), buckets[Bucket.NOT_PLANNED])
    spent = {bucket: total(intersect(parts, busy)) for bucket, parts in buckets.items()}
    counts = _inside(timeline.counts, window, lambda each: each.time)
    units = _Units.of(counts, timeline.kinds, standard)
    return Kpi(
        window=window,
        length=window.length,
        not_planned=window.length - total(busy),
        apt=spent[Bucket.APT],
        minor_stops=spent[Bucket.MINOR_STOPS],
        down=spent[Bucket.DOWN],
        setup=spent[Bucket.SETUP],
        idle=spent[Bucket.IDLE],
        starved=spent[Bucket.STARVED],
        blocked=spent[Bucket.BLOCKED],
        no_data=spent[Bucket.NO_DATA],
        inferred=total(intersect(inferred, busy)),
        good=units.good,
        rework=units.rework,
        scrap=units.scrap,
        produced=units.produced,
        sum_pri_good=units.sum_pri_good,
        sum_pri_produced=units.sum_pri_produced,
        unreconciled=len(_inside(timeline.unreconciled, window, lambda each: each)),
        resets=sum(each.flag is CountFlag.RESET for each in counts),
    )


def combine(kpis: Sequence[Kpi]) -> Kpi:
    """The sums over finer windows, or over the stations of a line: ratios become Σ/Σ, never averages of ratios.

    `window` reaches from the first start to the last end. Raises ValueError for no kpis.
    """
    if not kpis:
        raise ValueError("there is nothing to combine")
    return Kpi(
        window=Interval(min(each.window.start for each in kpis), max(each.window.end for each in kpis)),
        length=sum((each.length for each in kpis), NO_TIME),
        not_planned=sum((each.not_planned for each in kpis), NO_TIME),
        apt=sum((each.apt for each in kpis), NO_TIME),
        minor_stops=sum((each.minor_stops for each in kpis), NO_TIME),
        down=sum((each.down for each in kpis), NO_TIME),
        setup=sum((each.setup for each in kpis), NO_TIME),
        idle=sum((each.idle for each in kpis), NO_TIME),
        starved=sum((each.starved for each in kpis), NO_TIME),
        blocked=sum((each.blocked for each in kpis), NO_TIME),
        no_data=sum((each.no_data for each in kpis), NO_TIME),
        inferred=sum((each.inferred for each in kpis), NO_TIME),
        good=sum(each.good for each in kpis),
        rework=sum(each.rework for each in kpis),
        scrap=sum(each.scrap for each in kpis),
        produced=sum(each.produced for each in kpis),
        sum_pri_good=_sum(each.sum_pri_good for each in kpis),
        sum_pri_produced=_sum(each.sum_pri_produced for each in kpis),
        unreconciled=sum(each.unreconciled for each in kpis),
        resets=sum(each.resets for each in kpis),
    )


def _laid_out(
    timeline: Timeline, window: Interval, standard: StationStandard, horizon: datetime
) -> tuple[dict[Bucket, list[Interval]], tuple[Interval, ...]]:
    """All of the window in buckets, as sorted and disjoint intervals, and the producing that was inferred."""
    buckets: dict[Bucket, list[Interval]] = {bucket: [] for bucket in Bucket}
    for span in _overlapping(timeline.spans, window):
        if part := span.interval.clip(window):
            buckets[_bucket(span, standard, horizon)].append(part)
    known = union(part for parts in buckets.values() for part in parts)
    blind = union([*buckets[Bucket.NO_DATA], *subtract((window,), known)])
    inferred = intersect(union(_credit(timeline.slices, window, standard)), blind)
    buckets[Bucket.NO_DATA] = list(subtract(blind, inferred))
    buckets[Bucket.APT] = list(union([*buckets[Bucket.APT], *inferred]))
    return buckets, inferred


def _bucket(span: Span, standard: StationStandard, horizon: datetime) -> Bucket:
    match span.state:
        case State.DOWN | State.IDLE:
            if min(span.interval.end, horizon) - span.interval.start < standard.minor_stop:
                return Bucket.MINOR_STOPS
            return Bucket.DOWN if span.state is State.DOWN else Bucket.IDLE
        case State.PRODUCING:
            return Bucket.APT
        case State.STARVED:
            return Bucket.STARVED
        case State.BLOCKED:
            return Bucket.BLOCKED
        case State.SETUP:
            return Bucket.SETUP
        case State.PLANNED_STOP:
            return Bucket.NOT_PLANNED
        case State.NO_DATA:
            return Bucket.NO_DATA
        case _:
            assert_never(span.state)


def _credit(slices: Sequence[Slice], window: Interval, standard: StationStandard) -> Iterable[Interval]:
    """Inferred producing: from the start of each unit's slice its ideal time, and never more than the slice."""
    for each in slices:
        ideal = standard.ideal(each.product)
        if ideal is not None and each.interval.clip(window):
            start = each.interval.start
            yield Interval(start, start + min(ideal, each.interval.length))


def _overlapping(spans: Sequence[Span], window: Interval) -> Sequence[Span]:
    first = bisect_left(spans, window.start, key=lambda each: each.interval.end)
    last = bisect_left(spans, window.end, key=lambda each: each.interval.start)
    return spans[first:last]


def _inside(items: Sequence[T], window: Interval, time: Callable[[T], datetime]) -> Sequence[T]:
    return items[bisect_left(items, window.start, key=time) : bisect_left(items, window.end, key=time)]


def _ratio(part: timedelta | None, whole: timedelta | None) -> float | None:
    return part / whole if part is not None and whole else None


def _sum(parts: Iterable[timedelta | None]) -> timedelta | None:
    """None as soon as one part is not known."""
    whole = NO_TIME
    for each in parts:
        if each is None:
            return None
        whole += each
    return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """Counts and ideal times. Made are all units of the total, else the sum; good is counted, else the rest."""

    good: int
    rework: int
    scrap: int
    produced: int
    sum_pri_good: timedelta | None
    sum_pri_produced: timedelta | None

    @staticmethod
    def of(counts: Sequence[Count], kinds: frozenset[CountKind], standard: StationStandard) -> "_Units":
        units: dict[CountKind, int] = dict.fromkeys(CountKind, 0)
        ideal: dict[CountKind, timedelta | None] = dict.fromkeys(CountKind, NO_TIME)
        for each in counts:
            units[each.kind] += each.units
            ideal[each.kind] = _sum((ideal[each.kind], _ideal_time(standard, each.product, each.units)))
        good, produced = units[CountKind.GOOD], units[CountKind.TOTAL]
        ideal_good, ideal_produced = ideal[CountKind.GOOD], ideal[CountKind.TOTAL]
        rejected = units[CountKind.REWORK] + units[CountKind.SCRAP]
        ideal_rejected = _sum((ideal[CountKind.REWORK], ideal[CountKind.SCRAP]))
        if CountKind.TOTAL not in kinds:
            produced, ideal_produced = good + rejected, _sum((ideal_good, ideal_rejected))
        elif CountKind.GOOD not in kinds:
            good = produced - rejected
            ideal_good = None if ideal_rejected is None else _sum((ideal_produced, -ideal_rejected))
        return _Units(
            good=good,
            rework=units[CountKind.REWORK],
            scrap=units[CountKind.SCRAP],
            produced=produced,
            sum_pri_good=ideal_good,
            sum_pri_produced=ideal_produced,
        )


def _ideal_time(standard: StationStandard, product: ProductId | None, units: int) -> timedelta | None:
    ideal = standard.ideal(product)
    return None if ideal is None else ideal * units
