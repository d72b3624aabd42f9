"""A station's figures in a window as exact numerators and denominators, after ISO 22400-2, and the ratios they make.

Nothing is rounded and no ratio is capped, so that finer windows add up to coarser ones and stations to lines.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from mes.intervals import Interval
from mes.model import CountKind, ReasonId

NO_TIME = timedelta()


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
    PLANNED_STOP = "planned_stop"  # taken out of planned time by the station or by a reason
    NOT_PLANNED = "not_planned"  # off shift, breaks: the calendar's


LOSSES = (
    Bucket.MINOR_STOPS,
    Bucket.DOWN,
    Bucket.SETUP,
    Bucket.IDLE,
    Bucket.STARVED,
    Bucket.BLOCKED,
    Bucket.NO_DATA,
)


class KpiFlag(StrEnum):
    """What a reader of the figures should know."""

    PERFORMANCE_ABOVE_ONE = "performance_above_one"  # a wrong ideal cycle time, or units counted twice
    NO_IDEAL_CYCLE = "no_ideal_cycle"  # a product was made for which no ideal cycle time is set
    UNRECONCILED = "unreconciled"  # counts that a person has to decide are not in the figures
    RESET = "reset"  # a totaliser started again: units before that may be missing
    COUNTS_NOT_READ = "counts_not_read"  # a totaliser could not be read: units are missing, or none are known
    AFTER_CLOSING = "after_closing"  # what came after the shift was closed is not in the figures
    COUNTS_DISAGREE = "counts_disagree"  # all units made are not the sum of good, rework and scrap


@dataclass(frozen=True, slots=True, order=True)
class Loss:
    """Planned time that went into `bucket` for `reason` ("" where none is known), and the stops that began then."""

    bucket: Bucket
    reason: ReasonId
    time: timedelta
    stops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """Figures of a station in a window, or their sums over several; ratios are None where they are not defined.

    `length` = `not_planned` + `pbt`; `pbt` = `apt` + all losses; `inferred` is the part of `apt` that was concluded
    from caught-up units. The ideal times Σ(PRI·units) are None where a product without ideal cycle time was made.
    `planned_stops` is the part of `not_planned` that stations and reasons take out of the calendar's planned time,
    `in_shift` the time inside shifts, their breaks included. `losses` tells the same time by reason; a stop counts
    where its first planned second lies. `unknown`: which of good, rework, scrap and produced are not known at all, for
    their totaliser was never read in the window; `units_missing`: it was not read in a part of it, so they are at least
    so many. `unread_kinds`: the totalisers that were never read in the window; `unread`: for how long one of them was
    not read. `after_closing`: closed shifts whose figures would be others if they were computed now.
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
    sum_pri_rework: timedelta | None
    unreconciled: int
    resets: int
    planned_stops: timedelta
    in_shift: timedelta
    failures: int
    losses: tuple[Loss, ...]
    unknown: frozenset[str] = frozenset()
    units_missing: bool = False
    after_closing: int = 0
    unread: timedelta = NO_TIME
    unread_kinds: frozenset[CountKind] = frozenset()

    def count(self, name: str) -> int | None:
        """Units by name: good, rework, scrap or produced; None where they are not known."""
        units: int = getattr(self, name)
        return None if name in self.unknown else units

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
        return ratio(self.ot, self.pbt)

    @property
    def performance(self) -> float | None:
        """Σ(PRI·PQ) / OT, ISO's effectiveness; may be above 1."""
        return ratio(self.sum_pri_produced, self.ot)

    @property
    def quality(self) -> float | None:
        """Σ(PRI·GQ) / Σ(PRI·PQ)."""
        return ratio(self.sum_pri_good, self.sum_pri_produced)

    @property
    def quality_count(self) -> float | None:
        """GQ / PQ, every unit weighing the same."""
        known = not self.unknown.intersection(("good", "produced"))
        return self.good / self.produced if known and self.produced else None

    @property
    def oee(self) -> float | None:
        """Σ(PRI·GQ) / PBT, which is availability · performance · quality."""
        return ratio(self.sum_pri_good, self.pbt)

    @property
    def equipment_time(self) -> timedelta:
        """PBT less starved and blocked, which are losses of the line and not of the station's equipment."""
        return self.pbt - self.starved - self.blocked

    @property
    def technical_availability(self) -> float | None:
        """OT / equipment time: availability as if the station stood alone."""
        return ratio(self.ot, self.equipment_time)

    @property
    def oee_standalone(self) -> float | None:
        """Σ(PRI·GQ) / equipment time: OEE as if the station stood alone."""
        return ratio(self.sum_pri_good, self.equipment_time)

    @property
    def observed(self) -> timedelta:
        """The part of PBT in which the station was seen."""
        return self.pbt - self.no_data - self.inferred

    @property
    def coverage(self) -> float | None:
        """Observed time / PBT, 0..1."""
        return ratio(self.observed, self.pbt)

    @property
    def flags(self) -> frozenset[KpiFlag]:
        """What a reader should know before believing the figures."""
        above = self.sum_pri_produced is not None and self.sum_pri_produced > self.ot
        raised = {
            KpiFlag.PERFORMANCE_ABOVE_ONE: above,
            KpiFlag.NO_IDEAL_CYCLE: not self.unknown and (self.sum_pri_produced is None or self.sum_pri_good is None),
            KpiFlag.COUNTS_NOT_READ: bool(self.unknown) or self.units_missing,
            KpiFlag.UNRECONCILED: self.unreconciled > 0,
            KpiFlag.RESET: self.resets > 0,
            KpiFlag.AFTER_CLOSING: self.after_closing > 0,
            KpiFlag.COUNTS_DISAGREE: not self.unknown and self.produced != self.good + self.rework + self.scrap,
        }
        return frozenset(flag for flag, is_raised in raised.items() if is_raised)

    def spent(self, bucket: Bucket) -> timedelta:
        """The seconds of a bucket; NOT_PLANNED is without the planned stops, so that all buckets sum to `length`."""
        match bucket:
            case Bucket.NOT_PLANNED:
                return self.not_planned - self.planned_stops
            case Bucket.PLANNED_STOP:
                return self.planned_stops
            case _:
                spent: timedelta = getattr(self, bucket)
                return spent


TIMES = (
    *("length", "not_planned", "apt", "minor_stops", "down", "setup", "idle", "starved", "blocked", "no_data"),
    *("inferred", "planned_stops", "in_shift", "unread"),
)
IDEAL_TIMES = ("sum_pri_good", "sum_pri_produced", "sum_pri_rework")
NUMBERS = ("good", "rework", "scrap", "produced", "unreconciled", "resets", "failures")


def combine(kpis: Sequence[Kpi]) -> Kpi:
    """The sums over finer windows, or over the stations of a line: ratios become Σ/Σ, never averages of ratios.

    `window` reaches from the first start to the last end. Raises ValueError for no kpis.
    """
    if not kpis:
        raise ValueError("there is nothing to combine")
    if len(kpis) == 1:
        return kpis[0]
    sums: dict[str, object] = {name: sum((getattr(kpi, name) for kpi in kpis), NO_TIME) for name in TIMES}
    sums |= {name: add(getattr(kpi, name) for kpi in kpis) for name in IDEAL_TIMES}
    sums |= {name: sum(getattr(kpi, name) for kpi in kpis) for name in NUMBERS}
    window = Interval(min(kpi.window.start for kpi in kpis), max(kpi.window.end for kpi in kpis))
    sums["unknown"] = frozenset().union(*(kpi.unknown for kpi in kpis))
    sums["unread_kinds"] = frozenset().union(*(kpi.unread_kinds for kpi in kpis))
    sums["units_missing"] = any(kpi.units_missing for kpi in kpis)
    sums["after_closing"] = sum(kpi.after_closing for kpi in kpis)
    return Kpi(window=window, losses=_all_losses(kpis), **sums)  # type: ignore[arg-type]  # the names are its fields


def _all_losses(kpis: Iterable[Kpi]) -> tuple[Loss, ...]:
    times: dict[tuple[Bucket, ReasonId], timedelta] = defaultdict(timedelta)
    stops: dict[tuple[Bucket, ReasonId], int] = defaultdict(int)
    for kpi in kpis:
        for loss in kpi.losses:
            times[loss.bucket, loss.reason] += loss.time
            stops[loss.bucket, loss.reason] += loss.stops
    return tuple(Loss(*key, times[key], stops[key]) for key in sorted(times))


def ratio(part: timedelta | None, whole: timedelta | None) -> float | None:
    """None where a part is not known or the whole is nothing."""
    return part / whole if part is not None and whole else None


def add(parts: Iterable[timedelta | None]) -> timedelta | None:
    """The sum; None as soon as one part is not known."""
    whole = NO_TIME
    for part in parts:
        if part is None:
            return None
        whole += part
    return whole
