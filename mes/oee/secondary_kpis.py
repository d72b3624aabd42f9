"""The other key figures of ISO 22400-2 and of the trade that the same sums give: TEEP, OOE, MTBF, setup rate."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from mes.oee.components import Kpi, ratio


class FailureCount(StrEnum):
    """What mean times are divided by: open sources of ISO 22400-2 do not settle it, so it is an option and is said."""

    FAILURES = "failures"
    FAILURES_AND_ONE = "failures + 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryKpis:
    """Ratios are None where undefined, mean times None without a failure (or where nothing is divided by).

    In terms of ISO 22400-2: AUST is setup, ADET down and minor stops, AUPT = AUST + APT, AUBT = AUPT + ADET.
    """

    teep: float | None  # Σ(PRI·GQ) / calendar time: OEE · utilisation
    ooe: float | None  # Σ(PRI·GQ) / time inside shifts, breaks and planned stops included
    utilisation: float | None  # PBT / calendar time
    utilisation_efficiency: float | None  # APT / AUBT
    allocation_efficiency: float | None  # AUBT / PBT
    technical_efficiency: float | None  # APT / (APT + ADET)
    setup_rate: float | None  # AUST / AUPT
    scrap_ratio: float | None  # SQ / PQ
    rework_ratio: float | None  # RQ / PQ
    failures: int
    mtbf: timedelta | None  # APT / denominator
    mttr: timedelta | None  # down / denominator
    denominator: FailureCount


def secondary_kpis(kpi: Kpi, denominator: FailureCount = FailureCount.FAILURES) -> SecondaryKpis:
    """From a window's sums, or from those of several."""
    delay = kpi.down + kpi.minor_stops
    busy = kpi.setup + kpi.apt + delay
    divisor = kpi.failures + (denominator is FailureCount.FAILURES_AND_ONE)
    return SecondaryKpis(
        teep=ratio(kpi.sum_pri_good, kpi.length),
        ooe=ratio(kpi.sum_pri_good, kpi.in_shift),
        utilisation=ratio(kpi.pbt, kpi.length),
        utilisation_efficiency=ratio(kpi.apt, busy),
        allocation_efficiency=ratio(busy, kpi.pbt),
        technical_efficiency=ratio(kpi.apt, kpi.apt + delay),
        setup_rate=ratio(kpi.setup, kpi.setup + kpi.apt),
        scrap_ratio=_share(kpi.count("scrap"), kpi.count("produced")),
        rework_ratio=_share(kpi.count("rework"), kpi.count("produced")),
        failures=kpi.failures,
        mtbf=kpi.apt / divisor if divisor else None,
        mttr=kpi.down / divisor if divisor else None,
        denominator=denominator,
    )


def _share(part: int | None, whole: int | None) -> float | None:
    """None where one of them is not known, or there is no whole."""
    return part / whole if part is not None and whole else None
