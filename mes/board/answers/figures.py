"""Answers of the interface, made from a query: the pages are drawn from the same ones."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from mes.board.answers.models import (
    FiguresAnswer,
    HourAnswer,
    KpiAnswer,
    LineStopAnswer,
    LossAnswer,
    ProductAnswer,
    ReasonAnswer,
    SiteAnswer,
    SpanAnswer,
    StationAnswer,
    StopAnswer,
    StoreAnswer,
    StretchAnswer,
    TimelineAnswer,
    UnreadAnswer,
    WindowAnswer,
)
from mes.calendar import Window, WindowKind
from mes.intervals import Interval
from mes.model import ReasonAssigned, StationId
from mes.oee.components import Kpi
from mes.oee.definitions import Definition, Figures
from mes.report.rows import WHOLE
from mes.results import charts
from mes.results.fields import definition_values, kpi_values, reason_of, secondary_values, seconds
from mes.results.plant import Node, PlantResults, Row
from mes.translations import LANGUAGES

LATELY = timedelta(days=30)  # what people said in this time decides which reasons are offered first
LONGEST = timedelta(days=1100)
Value = float | None


def number(value: Fraction | None) -> Value:
    """A planned number of cars, which need not be whole."""
    return None if value is None else float(value)


def window_name(window: Window) -> str:
    """As `PlantResults.window` takes it."""
    match window.kind:
        case WindowKind.SHIFT:
            return f"{window.day.isoformat()}/{window.name}"
        case _:
            return window.name.replace(" ", "T")


def window_answer(window: Window) -> WindowAnswer:
    """A window of the calendar."""
    return WindowAnswer(
        kind="interval" if window.name == WHOLE else window.kind,
        name=window_name(window),
        start=window.interval.start,
        end=window.interval.end,
        day=window.day,
        team=window.team,
    )


def site_answer(query: PlantResults, now: datetime) -> SiteAnswer:
    """The plant as it is configured."""
    config, known = query.config, query.known
    first = config.definition.name
    return SiteAnswer(
        site=config.site,
        time_zone=config.calendar.zone.key,
        now=now,
        known_from=None if known is None else known.start,
        known_until=None if known is None else known.end,
        last_seq=query.reader.last_seq(),
        languages=list(LANGUAGES),
        names={path: {language: config.names.own(path, language) for language in LANGUAGES} for path in _paths(query)},
        stations=[_station(query, station) for station in config.standards],
        products=[
            ProductAnswer(
                product=product,
                name=facts.name,
                names={language: config.names.model(facts.name, language) for language in LANGUAGES},
                assembly_method=str(facts.assembly_method),
                market=facts.market,
                local_content_pct=facts.local_content_pct,
            )
            for product, facts in config.products.items()
        ],
        definitions=[first, *(definition for definition in config.definitions if definition != first)],
    )


def _paths(query: PlantResults) -> Iterator[str]:
    """The paths of the site, its areas, lines and stations, each once."""
    return (node.path for level in ("site", "area", "line", "station") for node in query.nodes(level, []))


def _station(query: PlantResults, station: StationId) -> StationAnswer:
    standard = query.config.standards[station]
    _, area, line, name = station.split("/")
    return StationAnswer(
        station=station,
        area=area,
        line=line,
        name=name,
        minor_stop_s=standard.minor_stop.total_seconds(),
        ideal_cycle_s={product or "*": time.total_seconds() for product, time in standard.ideal_cycle.items()},
        upstream=[buffer.upstream for buffer in query.config.buffers if buffer.downstream == station],
        downstream=[buffer.downstream for buffer in query.config.buffers if buffer.upstream == station],
    )


def unread_answers(query: PlantResults, stations: Iterable[StationId]) -> list[UnreadAnswer]:
    """The counters of stations that cannot be read now."""
    return [
        UnreadAnswer(station=station, kind=unread.kind, product=unread.product, since=unread.since, ever=unread.ever)
        for station in stations
        for unread in query.unread(station)
    ]


def kpi_answer(query: PlantResults, node: Node, window: Window, definitions: Sequence[Definition]) -> KpiAnswer:
    """The figures of a node in a window."""
    return kpi_of_row(query.row(node, window, definitions), query.until)


def kpi_of_row(row: Row, until: datetime) -> KpiAnswer:
    """The figures of a row."""
    kpi = row.kpi
    values = {**kpi_values(kpi), **secondary_values(row.secondary)}
    return KpiAnswer(
        scope=row.node.path,
        level=row.node.level,  # type: ignore[arg-type]  # one of the four, by construction
        window=window_answer(row.window),
        until=until,
        figures=[_figures(figure) for figure in row.figures],
        **{name: value for name, value in values.items() if name in KpiAnswer.model_fields},  # type: ignore[arg-type]
        out=row.out,
        at_least=kpi.units_missing,
        out_at_least=row.out_at_least,
        target=number(row.target),
        flags=sorted(kpi.flags),
        losses=_losses(kpi),
    )


def _figures(figures: Figures) -> FiguresAnswer:
    return FiguresAnswer(
        definition=figures.definition.name,
        title=figures.definition.title,
        source=figures.definition.source,
        **definition_values(figures),  # type: ignore[arg-type]  # the two times are never None
    )


def _losses(kpi: Kpi) -> list[LossAnswer]:
    found = [
        LossAnswer(
            bucket=loss.bucket,
            reason=reason_of(loss.bucket, loss.reason),
            time_s=loss.time.total_seconds(),
            stops=loss.stops,
        )
        for loss in kpi.losses
    ]
    return sorted(found, key=lambda loss: (-loss.time_s, loss.bucket, loss.reason))


def timeline_answer(query: PlantResults, station: StationId, window: Window) -> TimelineAnswer:
    """What a station did in a window, as far as it is known."""
    laid = query.results.pieces(station, window.interval, until=query.until)
    return TimelineAnswer(
        station=station,
        window=window_answer(window),
        spans=[
            SpanAnswer(
                start=piece.interval.start,
                end=piece.interval.end,
                state=piece.state,
                bucket=piece.bucket,
                reason=piece.reason,
                fault=piece.fault,
                fault_texts=query.config.names.fault_texts(station, piece.fault),
                inferred=piece.is_inferred,
            )
            for piece in laid
        ],
        planned=[
            StretchAnswer(start=span.start, end=span.end) for span in query.config.calendar.planned(window.interval)
        ],
    )


def stops_answer(query: PlantResults, stations: Sequence[StationId], window: Interval) -> list[StopAnswer]:
    """The stops of stations in a window, in the order of time; those that still last at the end."""
    seen = window.before(query.until)
    found = [
        StopAnswer(
            station=station,
            start=stop.interval.start,
            end=stop.interval.end,
            planned_s=stop.planned.total_seconds(),
            state=stop.state,
            bucket=stop.bucket,
            reason=stop.reason,
            fault=stop.fault,
            fault_texts=query.config.names.fault_texts(station, stop.fault),
            needs_reason=stop.needs_reason,
            open=stop.interval.end >= query.until,
        )
        for station in stations
        for stop in query.stops(station, seen)
    ]
    return sorted(found, key=lambda stop: (stop.start, stop.station))


def reasons_answer(query: PlantResults, station: StationId) -> list[ReasonAnswer]:
    """The reasons that a station may have: those given most in the last 30 days, then those no controller can tell."""
    now = query.until
    told = query.reader.reaching(station, now - LATELY, now + LATELY)
    used = Counter(journaled.event.reason for journaled in told if isinstance(journaled.event, ReasonAssigned))
    catalogue = query.config.standards[station].reasons
    told_by_controllers = set(catalogue.by_fault.values())
    found = [
        ReasonAnswer(
            reason=code,
            texts=dict(reason.texts),
            category=reason.category,
            planned=reason.planned,
            used=used[code],
        )
        for code, reason in catalogue.reasons.items()
    ]
    return sorted(found, key=lambda reason: (-reason.used, reason.reason in told_by_controllers))


def hours_answer(query: PlantResults, node: Node, window: Interval) -> list[HourAnswer]:
    """The last station of a node, hour by hour, against the plan; hours without work or cars are left out."""
    chart = charts.hours(query, node, window)
    return [
        HourAnswer(
            window=window_answer(row.window),
            planned_s=row.planned.total_seconds(),
            target=number(row.target) if chart.has_target else None,
            good=row.actual,
            at_least=row.at_least,
            target_sum=number(row.cumulative_target) if chart.has_target else None,
            good_sum=row.cumulative_actual,
            sum_at_least=row.cumulative_at_least,
            largest_loss=row.largest_loss,
            largest_loss_s=row.largest_loss_time.total_seconds(),
        )
        for row in chart.rows
    ]


def line_stops_answer(query: PlantResults, node: Node, window: Interval) -> list[LineStopAnswer]:
    """Who cost the last station of a node how much, the largest first."""
    seen = window.before(query.until)
    return [
        LineStopAnswer(
            station=culprit.station, cause=culprit.cause, lost_s=culprit.lost.total_seconds(), cars=culprit.cars
        )
        for culprit in query.culprits(node, seen)
    ]


def stores_answer(query: PlantResults, window: Interval) -> list[StoreAnswer]:
    """What stands between the stations at the end of a window."""
    places = {(buffer.upstream, buffer.downstream): buffer.places for buffer in query.config.buffers}
    return [
        StoreAnswer(
            upstream=store.upstream,
            downstream=store.downstream,
            places=places[store.upstream, store.downstream],
            waiting=list(store.waiting),
            left=store.dwell.count,
            mean_wait_s=seconds(store.dwell.mean),
            longest_wait_s=seconds(store.dwell.longest),
        )
        for store in query.stores(window)
    ]


def windows_answer(query: PlantResults, kind: WindowKind, span: Interval) -> Iterator[WindowAnswer]:
    """The calendar's windows of a kind that overlap a span."""
    return (window_answer(window) for window in query.windows(kind, span))
