"""What is reported: nodes of the plant in windows, with everything that is said of each, by stable names."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mes.calendar import Window, WindowKind
from mes.errors import ConfigError
from mes.inquiry import Inquiry, Row
from mes.intervals import Interval
from mes.oee.components import LOSSES, Bucket, Kpi
from mes.oee.definitions import Definition, Figures
from mes.oee.further import Further
from mes.results import LEAST

WHOLE = "interval"  # one window from the start to the end that were asked for

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Request:
    """What to report; times are aware UTC, None: as far as the journal knows.

    `by` is a kind of window or `interval`. Windows that reach beyond the times are whole; `interval` is not.
    """

    by: str
    start: datetime | None
    end: datetime | None
    parts: tuple[str, ...] = ()
    level: str = "station"
    definitions: tuple[str, ...] = ()


def rows(inquiry: Inquiry, request: Request) -> Iterator[Row]:
    """All rows, window by window; none for an empty journal. Raises ConfigError for names that are not there."""
    chosen = definitions(inquiry, request.definitions)
    nodes = inquiry.nodes(request.level, request.parts)
    for window in windows(inquiry, request):
        for node in nodes:
            yield inquiry.row(node, window, chosen)


def definitions(inquiry: Inquiry, names: Sequence[str]) -> tuple[Definition, ...]:
    """The definitions by name, the plant's own choice for none. Raises ConfigError for one that is not there."""
    known = inquiry.config.definitions
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no definition `{name}`; there are: {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names)) or (inquiry.config.definition,)


def windows(inquiry: Inquiry, request: Request) -> tuple[Window, ...]:
    """The windows that the request is about. Raises ConfigError where the end comes before the start."""
    if inquiry.known is None:
        return ()
    # what happened at the last known instant is reported, too
    start, end = request.start or inquiry.known.start, request.end or inquiry.known.end + LEAST
    if request.start and request.end and end <= start:
        raise ConfigError(f"the end, {end.isoformat()}, is not after the start, {start.isoformat()}")
    span = Interval(start, max(start, end))
    if request.by == WHOLE:
        return (Window(WindowKind.DAY, WHOLE, inquiry.config.calendar.day_of(start), span),)
    return inquiry.windows(WindowKind(request.by), span)


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


def further_figures(more: Further) -> dict[str, Value]:
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


def place(row: Row) -> dict[str, Value]:
    """Which node and which window a row is about."""
    window = row.window
    return {
        row.node.level: row.node.path,
        "window": window.name,
        "team": window.team,
        "start": window.interval.start.isoformat(),
        "end": window.interval.end.isoformat(),
        "out": row.out,
        "target": None if row.target is None else float(row.target),
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


def as_json(found: Sequence[Row]) -> str:
    """A list of objects; times are UTC, seconds floats, ratios 0..1 (performance may be above) or null."""
    return json.dumps([_nested(each) for each in found], indent=2, ensure_ascii=False)


def _nested(row: Row) -> dict[str, object]:
    return {
        **place(row),
        **figures(row.kpi),
        **further_figures(row.further),
        "flags": sorted(row.kpi.flags),
        "losses": [
            {"bucket": str(each.bucket), "reason": reason_of(each.bucket, each.reason), "s": seconds(each.time)}
            | {"stops": each.stops}
            for each in row.kpi.losses
        ],
        "definitions": {
            each.definition.name: {
                **ratios(each),
                "where": {str(bucket): str(each.definition.place(bucket)) for bucket in Bucket},
            }
            for each in row.figures
        },
    }


def reason_of(bucket: Bucket, reason: str) -> str:
    """The reason's code; a stop that has none is unexplained, other losses say what they are by themselves."""
    if reason:
        return reason
    return "unexplained" if bucket in {Bucket.DOWN, Bucket.IDLE} else str(bucket)


def as_csv(found: Sequence[Row]) -> str:
    """One line a row under a heading; times are UTC; an undefined ratio is empty; definitions as `oee.iso22400`."""
    text = io.StringIO()
    flat = [_flat(each) for each in found]
    if flat:
        writer = csv.DictWriter(text, fieldnames=list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)
    return text.getvalue()


def _flat(row: Row) -> dict[str, Value]:
    named = {f"{key}.{each.definition.name}": value for each in row.figures for key, value in ratios(each).items()}
    return {**place(row), **figures(row.kpi), **further_figures(row.further), **named}
