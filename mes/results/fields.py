"""The figures of a window by name: what reports, interface, InfluxDB and comparisons call each number."""

from datetime import timedelta

from mes.oee.components import LOSSES, Bucket, Kpi
from mes.oee.definitions import Figures
from mes.oee.secondary_kpis import SecondaryKpis

Value = str | int | float | None


def seconds(span: timedelta | None) -> float | None:
    """As a number; None stays None."""
    return None if span is None else span.total_seconds()


def figures(kpi: Kpi) -> dict[str, Value]:
    """The sums and ratios of a row by name: counts, seconds, ratios (None where undefined)."""
    return {
        "good": kpi.count("good"),
        "rework": kpi.count("rework"),
        "scrap": kpi.count("scrap"),
        "produced": kpi.count("produced"),
        **{f"{name}_s": seconds(getattr(kpi, name)) for name in ("pbt", "apt", "ot")},
        **{f"{each}_s": seconds(kpi.spent(each)) for each in LOSSES},
        "not_planned_s": seconds(kpi.not_planned),
        "planned_stops_s": seconds(kpi.planned_stops),
        "calendar_s": seconds(kpi.length),
        "speed_loss_s": seconds(kpi.speed_loss),
        "quality_loss_s": seconds(kpi.sum_pri_rejected),
        "valuable_s": seconds(kpi.sum_pri_good),
        "availability": kpi.availability,
        "performance": kpi.performance,
        "quality": kpi.quality,
        "quality_count": kpi.quality_count,
        "oee": kpi.oee,
        "oee_standalone": kpi.oee_standalone,
        "coverage": kpi.coverage,
        "unreconciled": kpi.unreconciled,
    }


def secondary_kpi_fields(more: SecondaryKpis) -> dict[str, Value]:
    """The further figures by name; mean times in seconds, with what they are divided by."""
    names = ("teep", "ooe", "utilisation", "utilisation_efficiency", "allocation_efficiency", "technical_efficiency")
    return {
        **{name: getattr(more, name) for name in names},
        "setup_rate": more.setup_rate,
        "scrap_ratio": more.scrap_ratio,
        "rework_ratio": more.rework_ratio,
        "failures": more.failures,
        "mtbf_s": seconds(more.mtbf),
        "mttr_s": seconds(more.mttr),
        "mean_times_per": str(more.denominator),
    }


def ratios(found: Figures) -> dict[str, Value]:
    """What a definition makes of a row."""
    return {
        "planned_s": seconds(found.planned),
        "run_s": seconds(found.run),
        "availability": found.availability,
        "performance": found.performance,
        "quality": found.quality,
        "oee": found.oee,
    }


def reason_of(bucket: Bucket, reason: str) -> str:
    """The reason's code; a stop that has none is unexplained, other losses say what they are by themselves."""
    if reason:
        return reason
    return "unexplained" if bucket in {Bucket.DOWN, Bucket.IDLE} else str(bucket)
