"""What pages and reports draw: the waterfall of a window, its losses by reason, and a line hour by hour."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from typing import TypeVar

from mes.calendar import Window
from mes.intervals import Interval
from mes.oee.components import LOSSES, NO_TIME, Bucket, Kpi, Loss
from mes.oee.programme import HourRow, hour_by_hour
from mes.results.fields import reason_of
from mes.results.plant import Node, PlantResults

PERCENT_DIGITS = 3
Extent = TypeVar("Extent", float, timedelta)


class StepKind(StrEnum):
    """What a step of the waterfall does: a total stays, a loss takes time, a gain gives time back."""

    TOTAL = "total"
    LOSS = "loss"
    GAIN = "gain"


@dataclass(frozen=True, slots=True)
class Step:
    """A bar of the waterfall. `time` is below zero for a gain; `left`, `width`: per cent of the window, 0..100."""

    name: str
    kind: StepKind
    time: timedelta
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class ReasonLoss:
    """The time of one reason in one bucket, and the stops that began."""

    reason: str
    time: timedelta
    stops: int


@dataclass(frozen=True, slots=True)
class BucketLoss:
    """The time of a bucket with its reasons, the largest first."""

    bucket: Bucket
    time: timedelta
    stops: int
    reasons: tuple[ReasonLoss, ...]


def share(part: Extent, whole: Extent) -> float:
    """Per cent of a bar's width, 0..100; 0 where the whole is nothing."""
    return round(min(max(part / whole * 100, 0.0), 100.0), PERCENT_DIGITS) if whole else 0.0


def waterfall(kpi: Kpi) -> tuple[Step, ...]:
    """From the window down to valuable time; without the last steps where a product has no ideal cycle time."""
    steps: list[tuple[str, timedelta, bool]] = [("calendar", kpi.length, True)]
    steps += [(str(bucket), kpi.spent(bucket), False) for bucket in (Bucket.NOT_PLANNED, Bucket.PLANNED_STOP)]
    steps.append(("pbt", kpi.pbt, True))
    order = [*(bucket for bucket in LOSSES if bucket is not Bucket.MINOR_STOPS), Bucket.MINOR_STOPS]
    steps += [(str(bucket), kpi.spent(bucket), False) for bucket in order]
    steps.append(("apt", kpi.apt, True))
    if kpi.speed_loss is not None and kpi.sum_pri_rejected is not None and kpi.sum_pri_good is not None:
        steps += [("speed_loss", kpi.speed_loss, False), ("quality_loss", kpi.sum_pri_rejected, False)]
        steps.append(("valuable", kpi.sum_pri_good, True))
    left, bars = kpi.length, []
    for name, time, is_total in steps:
        start = NO_TIME if is_total else left - max(time, NO_TIME)
        left = time if is_total else left - time
        kind = StepKind.TOTAL if is_total else StepKind.GAIN if time < NO_TIME else StepKind.LOSS
        bars.append(Step(name, kind, time, share(start, kpi.length), share(abs(time), kpi.length)))
    return tuple(bars)


def pareto(losses: Sequence[Loss]) -> tuple[BucketLoss, ...]:
    """Losses by bucket, and in each by reason; the largest first, equal ones by name."""
    by_bucket: dict[Bucket, list[ReasonLoss]] = defaultdict(list)
    for loss in losses:
        by_bucket[loss.bucket].append(ReasonLoss(reason_of(loss.bucket, loss.reason), loss.time, loss.stops))
    groups = [
        BucketLoss(
            bucket,
            sum((reason.time for reason in reasons), NO_TIME),
            sum(reason.stops for reason in reasons),
            tuple(sorted(reasons, key=lambda reason: (-reason.time, reason.reason))),
        )
        for bucket, reasons in by_bucket.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-group.time, group.bucket)))


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of a node's last station in which work was planned or units were made; `has_target`: with a plan."""

    rows: tuple[HourRow, ...]
    has_target: bool


def hours(query: PlantResults, node: Node, window: Interval) -> Hours:
    """The last station of a node hour by hour against the plan, up to the present."""
    last = Node(node.stations[-1], node.stations[-1:])
    seen = window.before(query.until)
    cut = [
        Window(hour.kind, hour.name, hour.day, part)
        for hour in query.config.calendar.hours(seen)
        if (part := hour.interval.clip(seen))
    ]
    kpis = [(hour, query.kpis(last, hour.interval)[0]) for hour in cut]
    targets = [query.target(last, hour.interval) for hour in cut]
    rows = hour_by_hour(kpis, [target or Fraction(0) for target in targets])
    has_target = all(target is not None for target in targets)
    return Hours(tuple(row for row in rows if row.planned or row.actual), has_target)
