"""Reports as one printable page: waterfall, state strips, losses in two levels, hour by hour, definitions, causes."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mes.calendar import Window, WindowKind
from mes.intervals import Interval
from mes.model import State, StationId
from mes.oee.components import LOSSES, Bucket, Kpi
from mes.oee.programme import hour_by_hour
from mes.report.rows import Request, definitions, windows
from mes.report.text import title
from mes.report.words import words
from mes.results.fields import reason_of
from mes.results.plant import Node, PlantResults, Row
from mes.terminal import label, percent, units

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
    def words(self) -> Mapping[str, str]:
        return words(self.language)

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
        for window in windows(query, request)
        for node in query.nodes(request.level, request.parts)
    ]
    environment = Environment(
        loader=PackageLoader("mes.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    zone = query.config.calendar.zone
    made = f"{query.until.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone.key}" if query.known else ""
    return environment.get_template("page.html").render(
        words=words(language),
        language=language,
        site=query.config.site,
        made_at=made,
        sheets=[_content(each) for each in sheets],
        states=[(str(state), LETTERS[state]) for state in State],
    )


def _content(sheet: _Sheet) -> dict[str, Any]:
    kpi = sheet.row.kpi
    return {
        "scope": sheet.node.path,
        "period": title(sheet.window, sheet.query.config.calendar.zone),
        "team": sheet.window.team,
        "headline": _headline(sheet),
        "counts": _counts(sheet),
        "flags": [sheet.words[flag] for flag in sorted(kpi.flags)],
        "waterfall": _waterfall(kpi, sheet.words),
        "strips": [_strip(sheet, each) for each in sheet.node.stations] if sheet.is_short else [],
        "ticks": list(_ticks(sheet)) if sheet.is_short else [],
        "pareto": _pareto(sheet),
        "hours": _hours(sheet) if sheet.is_short and sheet.window.kind is not WindowKind.HOUR else [],
        "stations": [_station(sheet, each) for each in sheet.node.stations] if len(sheet.node.stations) > 1 else [],
        "losses": [sheet.words[each] for each in LOSSES],
        "definitions": _definitions(sheet),
        "culprits": _culprits(sheet) if sheet.window.interval.length <= WEEK else [],
        "unexplained": list(_unexplained(sheet)) if sheet.is_short else None,
    }


def _headline(sheet: _Sheet) -> list[tuple[str, str]]:
    first, kpi, text = sheet.row.figures[0], sheet.row.kpi, sheet.words
    ratios = {
        f"{text['oee']} ({first.definition.title})": first.oee,
        text["availability"]: first.availability,
        text["performance"]: first.performance,
        text["quality"]: first.quality,
        text["standalone"]: kpi.oee_standalone,
        text["teep"]: sheet.row.further.teep,
        text["coverage"]: kpi.coverage,
    }
    return [(name, text["not_defined"] if each is None else f"{percent(each)} %") for name, each in ratios.items()]


def _counts(sheet: _Sheet) -> list[tuple[str, str]]:
    kpi, text = sheet.row.kpi, sheet.words
    first = text["good"] if sheet.node.level == "station" else text["out"]
    target = [] if sheet.row.target is None else [(text["target"], f"{float(sheet.row.target):.1f}")]
    rejected = [(text[name], units(kpi.count(name))) for name in ("rework", "scrap")]
    return [(first, units(sheet.row.out)), *target, *rejected]


def _waterfall(kpi: Kpi, text: Mapping[str, str]) -> list[dict[str, object]]:
    """From calendar time down to valuable time; a loss below zero gives time back, and says so by its sign."""
    steps: list[tuple[str, timedelta, bool]] = [("calendar", kpi.length, True)]
    steps += [(str(each), kpi.spent(each), False) for each in (Bucket.NOT_PLANNED, Bucket.PLANNED_STOP)]
    steps.append(("pbt", kpi.pbt, True))
    steps += [(str(each), kpi.spent(each), False) for each in LOSSES if each is not Bucket.MINOR_STOPS]
    steps.append((str(Bucket.MINOR_STOPS), kpi.minor_stops, False))
    steps.append(("apt", kpi.apt, True))
    if kpi.speed_loss is not None and kpi.sum_pri_rejected is not None and kpi.sum_pri_good is not None:
        steps += [("speed_loss", kpi.speed_loss, False), ("quality_loss", kpi.sum_pri_rejected, False)]
        steps.append(("valuable", kpi.sum_pri_good, True))
    whole, left, found = kpi.length, kpi.length, []
    for name, time, is_total in steps:
        start = timedelta() if is_total else left - max(time, timedelta())
        left = time if is_total else left - time
        found.append(
            {
                "name": text[name],
                "minutes": f"{time / MINUTE:.1f}" if is_total else _signed(-time),
                "left": _share(start, whole),
                "width": _share(abs(time), whole),
                "kind": "total" if is_total else "gain" if time < timedelta() else "loss",
            }
        )
    return found


def _signed(time: timedelta) -> str:
    """Minutes with their sign; nothing is neither lost nor gained."""
    return f"{time / MINUTE:+.1f}" if time else "0.0"


def _share(part: timedelta, whole: timedelta) -> float:
    """In per cent of a bar's width, never outside of it."""
    return round(min(max(part / whole * 100, 0.0), 100.0), 4) if whole else 0.0


def _strip(sheet: _Sheet, station: StationId) -> dict[str, object]:
    window, zone = sheet.window.interval, sheet.query.config.calendar.zone
    segments = []
    for piece in sheet.query.results.pieces(station, sheet.seen, until=sheet.query.until):
        width = _share(piece.interval.length, window.length)
        start, end = (each.astimezone(zone) for each in (piece.interval.start, piece.interval.end))
        reason = _reason(sheet, reason_of(piece.bucket, piece.reason or ""))
        segments.append(
            {
                "state": str(piece.state),
                "left": _share(piece.interval.start - window.start, window.length),
                "width": max(width, LEAST_SHARE),
                "letter": LETTERS[piece.state] if width >= LETTER_SHARE else "",
                "words": f"{start:%H:%M:%S}–{end:%H:%M:%S} {sheet.words[piece.state]}, {reason}",
            }
        )
    planned = [
        {"left": _share(each.start - window.start, window.length), "width": _share(each.length, window.length)}
        for each in sheet.query.config.calendar.planned(window)
    ]
    return {"name": label(station), "segments": segments, "planned": planned}


def _ticks(sheet: _Sheet) -> Iterator[dict[str, object]]:
    window, zone = sheet.window.interval, sheet.query.config.calendar.zone
    for hour in sheet.query.config.calendar.hours(window):
        start = hour.interval.start
        if start >= window.start:
            yield {
                "left": _share(start - window.start, window.length),
                "text": f"{start.astimezone(zone):%H}",
            }


def _reason(sheet: _Sheet, code: str) -> str:
    """The text of a reason, or of what needs none, in the page's language."""
    for standard in sheet.query.config.standards.values():
        for reason in standard.reasons.reasons.values():
            if reason.code == code:
                return reason.text(sheet.language)
    return sheet.words.get(code, code)


def _pareto(sheet: _Sheet) -> list[dict[str, Any]]:
    """Categories by their time, and in each its reasons by theirs."""
    sums: dict[Bucket, list[tuple[timedelta, int, str]]] = defaultdict(list)
    for each in sheet.row.kpi.losses:
        sums[each.bucket].append((each.time, each.stops, reason_of(each.bucket, each.reason)))
    times = {bucket: sum((each[0] for each in reasons), timedelta()) for bucket, reasons in sums.items()}
    largest = max(times.values(), default=timedelta())
    return [
        {
            "name": sheet.words[bucket],
            "minutes": f"{times[bucket] / MINUTE:.1f}",
            "stops": sum(each[1] for each in sums[bucket]),
            "width": _share(times[bucket], largest),
            "reasons": [
                {
                    "name": _reason(sheet, code),
                    "minutes": f"{time / MINUTE:.1f}",
                    "stops": stops,
                    "width": _share(time, largest),
                }
                for time, stops, code in sorted(sums[bucket], reverse=True)
            ],
        }
        for bucket in sorted(times, key=lambda each: (-times[each], each))
    ]


def _hours(sheet: _Sheet) -> list[dict[str, object]]:
    """The last station of the node, hour by hour, against the plan."""
    last = sheet.node.stations[-1]
    own = Node(last, (last,))
    cut = [
        Window(each.kind, each.name, each.day, part)
        for each in sheet.query.config.calendar.hours(sheet.seen)
        if (part := each.interval.clip(sheet.seen))
    ]
    kpis = [(each, sheet.query.kpis(own, each.interval)[0]) for each in cut]
    targets = [sheet.query.target(own, each.interval) for each in cut]
    rows = hour_by_hour(kpis, [each or Fraction(0) for each in targets])
    has_target = all(each is not None for each in targets)
    return [
        {
            "hour": each.window.name[-5:],
            "target": f"{float(each.target):.1f}" if has_target else "–",
            "actual": units(each.actual),
            "target_sum": f"{float(each.cumulative_target):.1f}" if has_target else "–",
            "actual_sum": units(each.cumulative_actual),
            "loss": "–" if each.largest_loss is None else _loss(sheet, str(each.largest_loss)),
            "minutes": f"{each.largest_loss_time / MINUTE:.1f}",
        }
        for each in rows
        if each.planned or each.actual
    ]


def _loss(sheet: _Sheet, name: str) -> str:
    return sheet.words.get(name) or sheet.words.get(f"{name}_loss") or name


def _station(sheet: _Sheet, station: StationId) -> dict[str, object]:
    kpi = sheet.query.kpis(Node(station, (station,)), sheet.window.interval)[0]
    return {
        "name": label(station),
        "counts": [units(kpi.count(name)) for name in ("good", "rework", "scrap")],
        "ratios": [percent(each) for each in (kpi.oee, kpi.availability, kpi.performance, kpi.quality)],
        "losses": [f"{kpi.spent(each) / MINUTE:.1f}" for each in LOSSES],
    }


def _definitions(sheet: _Sheet) -> list[dict[str, object]]:
    return [
        {
            "title": each.definition.title,
            "source": each.definition.source,
            "ratios": [percent(value) for value in (each.oee, each.availability, each.performance, each.quality)],
            "answers": list(each.definition.answers().values()),
        }
        for each in sheet.row.figures
    ]


def _culprits(sheet: _Sheet) -> list[dict[str, object]]:
    if sheet.node.level != "line":
        return []
    return [
        {
            "station": label(each.station) if each.station else sheet.words["outside"],
            "cause": sheet.words[each.cause],
            "minutes": f"{each.lost / MINUTE:.1f}",
            "cars": f"{each.cars:.2f}",
        }
        for each in sheet.query.culprits(sheet.node, sheet.window.interval)
    ]


def _unexplained(sheet: _Sheet) -> Iterator[dict[str, str]]:
    """Stops that a person should explain."""
    zone = sheet.query.config.calendar.zone
    for station in sheet.node.stations:
        for stop in sheet.query.stops(station, sheet.seen):
            if stop.needs_reason:
                yield {
                    "station": label(station),
                    "start": _clock(stop.interval.start.astimezone(zone)),
                    "end": _clock(stop.interval.end.astimezone(zone)),
                    "minutes": f"{stop.planned / MINUTE:.1f}",
                }


def _clock(instant: datetime) -> str:
    return f"{instant:%H:%M:%S}"
