"""Reports as one printable page: waterfall, state strips, losses in two levels, hour by hour, definitions, causes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mes.calendar import Window, WindowKind
from mes.intervals import Interval
from mes.model import State, StationId
from mes.oee.components import LOSSES, Kpi
from mes.oee.definitions import Definition
from mes.report.rows import Request, definitions, nodes_and_windows
from mes.report.rules import rules
from mes.report.text import stretch
from mes.results.charts import StepKind, hours, pareto, share, waterfall
from mes.results.fields import reason_of
from mes.results.plant import Node, PlantResults, Row
from mes.terminal import percent, units
from mes.translations import texts

MINUTE, DAY, WEEK = timedelta(minutes=1), timedelta(days=1), timedelta(days=7)
LETTERS = {
    State.PRODUCING: "",
    State.STARVED: "S",
    State.BLOCKED: "B",
    State.DOWN: "D",
    State.SETUP: "U",
    State.IDLE: "I",
    State.PLANNED_STOP: "P",
    State.NO_DATA: "?",
}
LEAST_SHARE = 0.02  # of a strip's width in per cent: a hair, so that no stop is hidden
LETTER_SHARE = 1.2


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One node in one window, with what the page asks for it."""

    query: PlantResults
    node: Node
    window: Window
    row: Row
    language: str

    @property
    def texts(self) -> Mapping[str, str]:
        return texts(self.language)

    def place(self, path: str) -> str:
        """The name of a part of the plant."""
        return self.query.config.names.place(path, self.language)

    @property
    def seen(self) -> Interval:
        """The window as far as it is known."""
        until = self.query.until
        return self.window.interval.before(until)

    @property
    def is_short(self) -> bool:
        """Whether single states can be shown."""
        return self.window.interval.length <= DAY + timedelta(hours=1)


def page(query: PlantResults, request: Request, *, language: str) -> str:
    """The page of all windows and nodes asked for, whole and self-contained; times in the site's zone.

    Raises ConfigError for names that are not there.
    """
    chosen = definitions(query, request.definitions)
    sheets = [
        _Sheet(query, node, window, query.row(node, window, chosen), language)
        for node, window in nodes_and_windows(query, request)
    ]
    environment = Environment(
        loader=PackageLoader("mes.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    zone = query.config.calendar.zone
    made = f"{query.until.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone.key}" if query.known else ""
    return environment.get_template("page.html").render(
        t=texts(language),
        language=language,
        site=query.config.names.place(query.config.site, language),
        made_at=made,
        sheets=[_content(sheet) for sheet in sheets],
        states=[(str(state), LETTERS[state]) for state in State],
    )


def _content(sheet: _Sheet) -> dict[str, Any]:
    kpi = sheet.row.kpi
    return {
        "scope": sheet.place(sheet.node.path),
        "id": sheet.node.path,
        "period": _period(sheet),
        "team": sheet.window.team,
        "headline": _headline(sheet),
        "counts": _counts(sheet),
        "flags": [sheet.texts[flag] for flag in sorted(kpi.flags)],
        "waterfall": _waterfall(kpi, sheet.texts),
        "strips": [_strip(sheet, station) for station in sheet.node.stations] if sheet.is_short else [],
        "ticks": list(_ticks(sheet)) if sheet.is_short else [],
        "pareto": _pareto(sheet),
        "hours": _hours(sheet) if sheet.is_short and sheet.window.kind is not WindowKind.HOUR else [],
        "stations": [_station(sheet, station) for station in sheet.node.stations]
        if len(sheet.node.stations) > 1
        else [],
        "losses": [sheet.texts[loss] for loss in LOSSES],
        "definitions": _definitions(sheet),
        "culprits": _culprits(sheet) if sheet.window.interval.length <= WEEK else [],
        "unexplained": list(_unexplained(sheet)) if sheet.is_short else None,
    }


def _period(sheet: _Sheet) -> str:
    """The window in words, in local time."""
    window, zone = sheet.window, sheet.query.config.calendar.zone
    name = sheet.query.config.names.shift(window.name, sheet.language)
    team = f", {sheet.texts['team']} {window.team}" if window.team else ""
    return f"{name}{team}: {' – '.join(stretch(window, zone))} {zone.key}"


def _headline(sheet: _Sheet) -> list[tuple[str, str]]:
    first, kpi, text = sheet.row.figures[0], sheet.row.kpi, sheet.texts
    title, _ = _title_and_source(sheet, first.definition)
    ratios = {
        f"{text['oee']} ({title})": first.oee,
        text["availability"]: first.availability,
        text["performance"]: first.performance,
        text["quality"]: first.quality,
        text["standalone"]: kpi.oee_standalone,
        text["teep"]: sheet.row.secondary.teep,
        text["coverage"]: kpi.coverage,
    }
    return [(name, text["not_defined"] if ratio is None else f"{percent(ratio)} %") for name, ratio in ratios.items()]


def _counts(sheet: _Sheet) -> list[tuple[str, str]]:
    kpi, text = sheet.row.kpi, sheet.texts
    first = text["good"] if sheet.node.level == "station" else text["out"]
    target = [] if sheet.row.target is None else [(text["target"], f"{float(sheet.row.target):.1f}")]
    rejected = [(text[name], units(kpi.count(name), at_least=kpi.units_missing)) for name in ("rework", "scrap")]
    return [(first, units(sheet.row.out, at_least=sheet.row.out_at_least)), *target, *rejected]


def _waterfall(kpi: Kpi, text: Mapping[str, str]) -> list[dict[str, object]]:
    return [
        {
            "name": text[step.name],
            "minutes": f"{step.time / MINUTE:.1f}" if step.kind is StepKind.TOTAL else _signed(-step.time),
            "left": step.left,
            "width": step.width,
            "kind": str(step.kind),
        }
        for step in waterfall(kpi)
    ]


def _signed(time: timedelta) -> str:
    """Minutes with their sign; nothing is neither lost nor gained."""
    return f"{time / MINUTE:+.1f}" if time else "0.0"


def _strip(sheet: _Sheet, station: StationId) -> dict[str, object]:
    window, zone = sheet.window.interval, sheet.query.config.calendar.zone
    segments = []
    for piece in sheet.query.results.pieces(station, sheet.seen, until=sheet.query.until):
        width = share(piece.interval.length, window.length)
        start, end = (instant.astimezone(zone) for instant in (piece.interval.start, piece.interval.end))
        reason = _reason(sheet, reason_of(piece.bucket, piece.reason or ""))
        fault = _fault(sheet, station, piece.fault)
        segments.append(
            {
                "state": str(piece.state),
                "left": share(piece.interval.start - window.start, window.length),
                "width": max(width, LEAST_SHARE),
                "letter": LETTERS[piece.state] if width >= LETTER_SHARE else "",
                "title": f"{start:%H:%M:%S}–{end:%H:%M:%S} {sheet.texts[piece.state]}, {reason}{fault}",
            }
        )
    planned = [
        {"left": share(span.start - window.start, window.length), "width": share(span.length, window.length)}
        for span in sheet.query.config.calendar.planned(window)
    ]
    return {"name": sheet.place(station), "segments": segments, "planned": planned}


def _ticks(sheet: _Sheet) -> Iterator[dict[str, object]]:
    window, zone = sheet.window.interval, sheet.query.config.calendar.zone
    for hour in sheet.query.config.calendar.hours(window):
        start = hour.interval.start
        if start >= window.start:
            yield {
                "left": share(start - window.start, window.length),
                "text": f"{start.astimezone(zone):%H}",
            }


def _reason(sheet: _Sheet, code: str) -> str:
    """The text of a reason, or of what needs none, in the page's language."""
    for standard in sheet.query.config.standards.values():
        for reason in standard.reasons.reasons.values():
            if reason.code == code:
                return reason.text(sheet.language)
    return sheet.texts.get(code, code)


def _fault(sheet: _Sheet, station: StationId, code: str | None) -> str:
    """What the controller showed, with its text, after what it explains; nothing without a fault."""
    said = sheet.query.config.names.fault(station, code, sheet.language)
    return f", {sheet.texts['fault']} {said}" if said else ""


def _pareto(sheet: _Sheet) -> list[dict[str, Any]]:
    groups = pareto(sheet.row.kpi.losses)
    largest = groups[0].time if groups else timedelta()
    return [
        {
            "name": sheet.texts[group.bucket],
            "minutes": f"{group.time / MINUTE:.1f}",
            "stops": group.stops,
            "width": share(group.time, largest),
            "reasons": [
                {
                    "name": _reason(sheet, loss.reason),
                    "minutes": f"{loss.time / MINUTE:.1f}",
                    "stops": loss.stops,
                    "width": share(loss.time, largest),
                }
                for loss in group.reasons
            ],
        }
        for group in groups
    ]


def _hours(sheet: _Sheet) -> list[dict[str, object]]:
    """The last station of the node, hour by hour, against the plan."""
    chart = hours(sheet.query, sheet.node, sheet.window.interval)
    return [
        {
            "hour": row.window.name[-5:],
            "target": f"{float(row.target):.1f}" if chart.has_target else "–",
            "actual": units(row.actual, at_least=row.at_least),
            "target_sum": f"{float(row.cumulative_target):.1f}" if chart.has_target else "–",
            "actual_sum": units(row.cumulative_actual, at_least=row.cumulative_at_least),
            "loss": "–" if row.largest_loss is None else _loss(sheet, str(row.largest_loss)),
            "minutes": f"{row.largest_loss_time / MINUTE:.1f}",
        }
        for row in chart.rows
    ]


def _loss(sheet: _Sheet, name: str) -> str:
    return sheet.texts.get(f"{name}_loss") or sheet.texts.get(name) or name


def _station(sheet: _Sheet, station: StationId) -> dict[str, object]:
    kpi = sheet.query.kpis(Node(station, (station,)), sheet.window.interval)[0]
    return {
        "name": sheet.place(station),
        "counts": [units(kpi.count(name), at_least=kpi.units_missing) for name in ("good", "rework", "scrap")],
        "ratios": [percent(ratio) for ratio in (kpi.oee, kpi.availability, kpi.performance, kpi.quality)],
        "losses": [f"{kpi.spent(loss) / MINUTE:.1f}" for loss in LOSSES],
    }


def _definitions(sheet: _Sheet) -> list[dict[str, object]]:
    return [
        {
            "title": title,
            "source": source,
            "ratios": [
                percent(value) for value in (figure.oee, figure.availability, figure.performance, figure.quality)
            ],
            "answers": list(rules(figure.definition, sheet.language).values()),
        }
        for figure in sheet.row.figures
        for title, source in [_title_and_source(sheet, figure.definition)]
    ]


def _title_and_source(sheet: _Sheet, definition: Definition) -> tuple[str, str]:
    """In the page's language."""
    names = sheet.query.config.names
    return names.definition(definition, sheet.language), names.definition_source(definition, sheet.language)


def _culprits(sheet: _Sheet) -> list[dict[str, object]]:
    if sheet.node.level != "line":
        return []
    return [
        {
            "station": sheet.place(culprit.station) if culprit.station else sheet.texts["outside"],
            "cause": sheet.texts[culprit.cause],
            "minutes": f"{culprit.lost / MINUTE:.1f}",
            "cars": f"{culprit.cars:.2f}",
        }
        for culprit in sheet.query.culprits(sheet.node, sheet.window.interval)
    ]


def _unexplained(sheet: _Sheet) -> Iterator[dict[str, str]]:
    """Stops that a person should explain."""
    zone = sheet.query.config.calendar.zone
    for station in sheet.node.stations:
        for stop in sheet.query.stops(station, sheet.seen):
            if stop.needs_reason:
                yield {
                    "station": sheet.place(station),
                    "start": _clock(stop.interval.start.astimezone(zone)),
                    "end": _clock(stop.interval.end.astimezone(zone)),
                    "minutes": f"{stop.planned / MINUTE:.1f}",
                    "fault": sheet.query.config.names.fault(station, stop.fault, sheet.language),
                }


def _clock(instant: datetime) -> str:
    return f"{instant:%H:%M:%S}"
