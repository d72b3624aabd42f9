"""Several published definitions of OEE over the same figures: where each counts which time, and what comes out.

Models of OEE disagree on eight points; a `Definition` answers each of them, so that two numbers that differ can be
laid side by side and the difference found:

(a) time starved and blocked; (b) planned stops; (c) setup; (d) minor stops and how long they are; (e) reworked units;
(f) performance above one; (g) how windows and stations are summed up, (h) time without data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction

from mes.intervals import MICROSECOND
from mes.oee.components import NO_TIME, Bucket, Kpi, add, combine


class Place(StrEnum):
    """Where a definition counts a second."""

    RUN = "run"  # what the units were made in
    AVAILABILITY = "availability"  # a loss before the run time
    PERFORMANCE = "performance"  # in the run time, and so a loss of speed
    NO_LOSS = "no loss"  # neither lost nor run: NEE's setup
    EXCLUDED = "excluded"  # not in the planned time that the definition starts from


class RollUp(StrEnum):
    """How several windows or stations become one."""

    SUMS = "sums"  # numerators and denominators are summed
    MEAN = "mean"  # the mean of the ratios; what many tools do, and wrong where windows differ in length


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One definition with its source. `minor_stop` None: each station's own threshold.

    `like`: the built-in definition that one of the plant's own takes its other answers from; None: it is built in.
    """

    name: str
    title: str
    source: str
    like: str | None = None
    starved: Place = Place.AVAILABILITY
    blocked: Place = Place.AVAILABILITY
    planned_stops: Place = Place.EXCLUDED
    setup: Place = Place.AVAILABILITY
    minor_stops: Place = Place.PERFORMANCE
    minor_stop: timedelta | None = None
    rework_is_good: bool = False
    capped: bool = False
    roll_up: RollUp = RollUp.SUMS
    no_data: Place = Place.AVAILABILITY

    def place(self, bucket: Bucket) -> Place:
        """Where the seconds of a bucket are counted."""
        match bucket:
            case Bucket.APT:
                return Place.RUN
            case Bucket.DOWN | Bucket.IDLE:
                return Place.AVAILABILITY
            case Bucket.NOT_PLANNED:
                return Place.EXCLUDED
            case Bucket.PLANNED_STOP:
                return self.planned_stops
            case _:
                place: Place = getattr(self, bucket)
                return place


TAKTLINE = Definition(
    name="taktline",
    title="Taktline",
    source="ISO 22400-2 with minor stops in performance; losses are never hidden",
)
ISO22400 = Definition(
    name="iso22400",
    title="ISO 22400-2, OEE index",
    source="ISO 22400-2: availability APT/PBT, effectiveness PRI·PQ/APT, quality ratio GQ/PQ",
    minor_stops=Place.AVAILABILITY,
)
NEE = Definition(
    name="nee",
    title="ISO 22400-2, NEE index",
    source="ISO 22400-2: AUPT/PBT · effectiveness · quality ratio; setup is not a loss",
    minor_stops=Place.AVAILABILITY,
    setup=Place.NO_LOSS,
)
VORNE = Definition(
    name="vorne",
    title="Six big losses (Vorne)",
    source="oee.com: planned production time less stops is run time; stops under two minutes are slow cycles",
    minor_stop=timedelta(minutes=2),
)
STANDALONE = Definition(
    name="standalone",
    title="Stand-alone",
    source="technical availability: starved and blocked time is the line's loss and not the station's",
    starved=Place.EXCLUDED,
    blocked=Place.EXCLUDED,
)
BUILT_IN: Mapping[str, Definition] = {
    definition.name: definition for definition in (TAKTLINE, ISO22400, NEE, VORNE, STANDALONE)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What comes out under one definition; ratios are None where undefined, above 1 where they are.

    `planned` is the time that the definition starts from, `run` the time that performance is measured over.
    """

    definition: Definition
    planned: timedelta
    run: timedelta
    availability: float | None
    performance: float | None
    quality: float | None
    oee: float | None


def apply(definition: Definition, kpis: Sequence[Kpi]) -> Figures:
    """The figures of one window of one station, or of several together, rolled up as the definition has it.

    `kpis` must have been made with the definition's `minor_stop`, where it has one. Raises ValueError for no kpis.
    """
    whole = _exact(definition, combine(kpis))
    if definition.roll_up is RollUp.SUMS:
        return _figures(definition, whole)
    parts = [_exact(definition, kpi) for kpi in kpis]
    means = _Exact(
        whole.planned,
        whole.run,
        *(_mean([getattr(part, name) for part in parts]) for name in ("availability", "performance", "quality", "oee")),
    )
    return _figures(definition, means)


@dataclass(frozen=True, slots=True)
class _Exact:
    planned: timedelta
    run: timedelta
    availability: Fraction | None
    performance: Fraction | None
    quality: Fraction | None
    oee: Fraction | None


def _exact(definition: Definition, kpi: Kpi) -> _Exact:
    by_place = dict.fromkeys(Place, NO_TIME)
    for bucket in Bucket:
        by_place[definition.place(bucket)] += kpi.spent(bucket)
    planned = kpi.length - by_place[Place.EXCLUDED]
    run = by_place[Place.RUN] + by_place[Place.PERFORMANCE]
    good = add((kpi.sum_pri_good, kpi.sum_pri_rework)) if definition.rework_is_good else kpi.sum_pri_good
    availability = _fraction(run + by_place[Place.NO_LOSS], planned)
    performance = _fraction(kpi.sum_pri_produced, run)
    if definition.capped and performance is not None:
        performance = min(performance, Fraction(1))
    quality = _fraction(good, kpi.sum_pri_produced)
    return _Exact(planned, run, availability, performance, quality, _oee(availability, performance, quality, good))


def _oee(
    availability: Fraction | None, performance: Fraction | None, quality: Fraction | None, good: timedelta | None
) -> Fraction | None:
    """A·E·Q; nothing good was made in planned time: 0, though a factor is undefined for want of run time or units."""
    if availability is None or good is None:
        return None
    if performance is None or quality is None:
        return Fraction(0) if not good else None
    return availability * performance * quality


def _fraction(part: timedelta | None, whole: timedelta | None) -> Fraction | None:
    return Fraction(part // MICROSECOND, whole // MICROSECOND) if part is not None and whole else None


def _mean(ratios: Sequence[Fraction | None]) -> Fraction | None:
    known = [ratio for ratio in ratios if ratio is not None]
    return sum(known, Fraction(0)) / len(known) if known else None


def _figures(definition: Definition, exact: _Exact) -> Figures:
    def number(ratio: Fraction | None) -> float | None:
        return None if ratio is None else float(ratio)

    return Figures(
        definition=definition,
        planned=exact.planned,
        run=exact.run,
        availability=number(exact.availability),
        performance=number(exact.performance),
        quality=number(exact.quality),
        oee=number(exact.oee),
    )
