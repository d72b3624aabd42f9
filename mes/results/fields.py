"""The named figures of a window: reports, interface, InfluxDB, replay and explain take names and values from here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from mes.oee.components import Bucket, Kpi
from mes.oee.definitions import Figures
from mes.oee.flow import FirstTime
from mes.oee.secondary_kpis import SecondaryKpis

Value = str | int | float | None
_Exact = timedelta | int | float | None


class Unit(StrEnum):
    """The unit of a figure; a ratio is 0..1, performance may be above 1."""

    SECONDS = "s"
    UNITS = "units"
    NUMBER = "number"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class KpiField:
    """A figure of a station in a window, or of several together.

    `of` gives its exact value, None where it is not known or not defined. `is_stored`: InfluxDB stores it. These are
    the sums that panels add up first and divide last; ratios and what follows from stored figures are not stored.
    """

    name: str
    unit: Unit
    meaning: str
    of: Callable[[Kpi], _Exact]
    is_stored: bool = True


def _count(name: str) -> Callable[[Kpi], int | None]:
    return lambda kpi: kpi.count(name)


def _spent(bucket: Bucket) -> Callable[[Kpi], timedelta]:
    return lambda kpi: kpi.spent(bucket)


def _ratio(name: str, meaning: str, of: Callable[[Kpi], float | None]) -> KpiField:
    return KpiField(name, Unit.RATIO, meaning, of, is_stored=False)


def _time(name: str, meaning: str, of: Callable[[Kpi], timedelta | None], *, is_stored: bool = True) -> KpiField:
    return KpiField(name, Unit.SECONDS, meaning, of, is_stored)


KPI_FIELDS = (
    KpiField("good", Unit.UNITS, "good units", _count("good")),
    KpiField("rework", Unit.UNITS, "units to be reworked", _count("rework")),
    KpiField("scrap", Unit.UNITS, "scrapped units", _count("scrap")),
    KpiField("produced", Unit.UNITS, "all units (PQ)", _count("produced")),
    _time("window_s", "length of the window, as far as it has passed", lambda kpi: kpi.length),
    _time("not_planned_s", "time outside the calendar's planned time: off shift, breaks", _spent(Bucket.NOT_PLANNED)),
    _time("planned_stop_s", "planned time that stations and reasons take out", _spent(Bucket.PLANNED_STOP)),
    _time("pbt_s", "planned busy time (ISO 22400 PBT): the window less the two before", lambda kpi: kpi.pbt),
    _time("apt_s", "actual production time (APT)", _spent(Bucket.APT)),
    _time("inferred_s", "part of `apt_s` that is concluded from units caught up after a gap", lambda kpi: kpi.inferred),
    _time("ot_s", "operating time: APT and minor stops", lambda kpi: kpi.ot),
    _time("minor_stops_s", "loss: stops below the station's threshold", _spent(Bucket.MINOR_STOPS)),
    _time("down_s", "loss: equipment failure", _spent(Bucket.DOWN)),
    _time("setup_s", "loss: set-up and adjustment", _spent(Bucket.SETUP)),
    _time("idle_s", "loss: organisation", _spent(Bucket.IDLE)),
    _time("starved_s", "loss: waiting for the station before", _spent(Bucket.STARVED)),
    _time("blocked_s", "loss: waiting for the station after", _spent(Bucket.BLOCKED)),
    _time("no_data_s", "planned time of which nothing is known", _spent(Bucket.NO_DATA)),
    _time("ideal_produced_s", "Σ(ideal cycle time · produced units)", lambda kpi: kpi.sum_pri_produced),
    _time(
        "ideal_good_s",
        "Σ(ideal cycle time · good units): the numerator of OEE, also called valuable time",
        lambda kpi: kpi.sum_pri_good,
    ),
    _time(
        "speed_loss_s",
        "`apt_s` less `ideal_produced_s`; negative where machines beat their ideal cycle time",
        lambda kpi: kpi.speed_loss,
        is_stored=False,
    ),
    _time(
        "quality_loss_s",
        "`ideal_produced_s` less `ideal_good_s`",
        lambda kpi: kpi.sum_pri_rejected,
        is_stored=False,
    ),
    _time(
        "unread_s",
        "for how long a counter was not read: the counts are at least what is shown",
        lambda kpi: kpi.unread,
    ),
    KpiField("failures", Unit.NUMBER, "failures that began in the window", lambda kpi: kpi.failures),
    KpiField("unreconciled", Unit.NUMBER, "readings that wait for a person's decision", lambda kpi: kpi.unreconciled),
    _ratio("availability", "`ot_s` / `pbt_s`", lambda kpi: kpi.availability),
    _ratio("performance", "`ideal_produced_s` / `ot_s`", lambda kpi: kpi.performance),
    _ratio("quality", "`ideal_good_s` / `ideal_produced_s`", lambda kpi: kpi.quality),
    _ratio("quality_count", "`good` / `produced`: every unit weighs the same", lambda kpi: kpi.quality_count),
    _ratio("oee", "`ideal_good_s` / `pbt_s`", lambda kpi: kpi.oee),
    _ratio(
        "oee_standalone",
        "`ideal_good_s` / (`pbt_s` less starved and blocked time): OEE as if the station stood alone",
        lambda kpi: kpi.oee_standalone,
    ),
    _ratio(
        "technical_availability",
        "`ot_s` / (`pbt_s` less starved and blocked time)",
        lambda kpi: kpi.technical_availability,
    ),
    _ratio("coverage", "share of `pbt_s` in which the station was seen", lambda kpi: kpi.coverage),
)
STORED_FIELDS = tuple(field for field in KPI_FIELDS if field.is_stored)
# Of the build programme, for panels that show whole units. Reports and the interface have the exact shares, which
# have other names: `target`, `plan`, `plan_to_date`.
PLANNED_UNITS = {
    "planned_units": "units planned for the whole window, rounded so that hours add up to shifts and days to months",
    "planned_units_to_date": "the same for the part of the window that has passed",
}
# Of units whose first result lies in the window; `mes flow` divides the second by the first.
FIRST_TIME = {
    "inspected": "units that got their first result in the window, whatever it was",
    "first_time_good": "of them, those that were good at the first attempt",
}
ROLLED = "rolled"


def table() -> str:
    """The figures as a Markdown table, for docs/oee.md."""
    head = "| figure | unit | meaning | in InfluxDB |\n|---|---|---|---|\n"
    rows = (
        f"| `{field.name}` | {field.unit} | {field.meaning} | {'yes' if field.is_stored else 'no'} |\n"
        for field in KPI_FIELDS
    )
    return head + "".join(rows)


def seconds(span: timedelta | None) -> float | None:
    """A duration in seconds; None stays None."""
    return None if span is None else span.total_seconds()


def _value(exact: _Exact) -> int | float | None:
    return exact.total_seconds() if isinstance(exact, timedelta) else exact


def kpi_values(kpi: Kpi) -> dict[str, int | float | None]:
    """Every figure of a window by its name, in its unit; None where it is not known or not defined."""
    return {field.name: _value(field.of(kpi)) for field in KPI_FIELDS}


def stored_values(kpi: Kpi) -> dict[str, int | float]:
    """The figures that InfluxDB stores, without those that are not known."""
    values = ((field.name, _value(field.of(kpi))) for field in STORED_FIELDS)
    return {name: value for name, value in values if value is not None}


def first_time_values(found: FirstTime) -> dict[str, int]:
    """What was good at the first attempt, by the names of these figures."""
    return dict(zip(FIRST_TIME, (found.inspected, found.first_time_good), strict=True))


def planned_values(whole: int | None, passed: int | None) -> dict[str, int]:
    """Units planned for a whole window and for the part that has passed, by their names; nothing without a plan."""
    values = zip(PLANNED_UNITS, (whole, passed), strict=True)
    return {name: value for name, value in values if value is not None}


def secondary_values(kpis: SecondaryKpis) -> dict[str, Value]:
    """The secondary key figures by name; mean times in seconds, with what they are divided by."""
    ratios = ("teep", "ooe", "utilisation", "utilisation_efficiency", "allocation_efficiency", "technical_efficiency")
    return {
        **{name: getattr(kpis, name) for name in (*ratios, "setup_rate", "scrap_ratio", "rework_ratio")},
        "mtbf_s": seconds(kpis.mtbf),
        "mttr_s": seconds(kpis.mttr),
        "mean_times_per": str(kpis.denominator),
    }


def definition_values(figures: Figures) -> dict[str, float | None]:
    """What a definition of OEE makes of a window, by name: times in seconds, ratios."""
    return {
        "planned_s": figures.planned.total_seconds(),
        "run_s": figures.run.total_seconds(),
        "availability": figures.availability,
        "performance": figures.performance,
        "quality": figures.quality,
        "oee": figures.oee,
    }


def reason_of(bucket: Bucket, reason: str) -> str:
    """The reason's code; a stop without one is unexplained, other losses are called by their bucket."""
    if reason:
        return reason
    return "unexplained" if bucket in {Bucket.DOWN, Bucket.IDLE} else str(bucket)
