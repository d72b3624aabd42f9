"""The pages that are read: wall, shift, station, stops, car; each drawn from answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mes.board.accounts.users import Permission, Person
from mes.board.actions import definition_of, window_of
from mes.board.answers import figures, records
from mes.board.answers.andon_board import collector_answer, last_shift
from mes.board.answers.models import AndonBoardAnswer, KpiAnswer, StopAnswer, UnreadAnswer
from mes.board.context import Board, HttpProblem
from mes.board.pages.rendering import Localizer, draw, stamp_ms
from mes.board.refusals import language_of
from mes.calendar import Window, WindowKind
from mes.errors import ConfigError
from mes.health.status import Status
from mes.intervals import MICROSECOND, Interval
from mes.model import StationId, UnitsCounted
from mes.oee.components import Bucket, KpiFlag
from mes.results import charts
from mes.results.plant import PlantResults

NAV = (
    ("/", "wall"),
    ("/shift", "shift"),
    ("/stops", "stops_page"),
    ("/car", "car"),
    ("/handover", "handover"),
    ("/programme", "programme"),
    ("/counters", "counters"),
    ("/controllers", "controllers"),
)
OFFERED = timedelta(days=14)
EVENTS_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Choice:
    """What a page is about, as its address says it."""

    of: str
    window: str


def person_of(request: Request) -> Person | None:
    """Who is signed in."""
    person: Person | None = getattr(request.state, "person", None)
    return person


def page(
    board: Board, request: Request, template: str, *, status: int = 200, problem: str = "", **content: Any
) -> Response:
    """A page with all that every page has."""
    localizer = Localizer(language_of(request), board.config)
    now = board.clock.now()
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    person = person_of(request)
    nav = [*NAV, ("/audit", "audit")] if board.may(person, Permission.AUDIT) else list(NAV)
    common: dict[str, Any] = {
        "localizer": localizer,
        "t": localizer.texts,
        "site": localizer.place(board.config.site),
        "nav": nav,
        "here": request.url.path,
        "back": address if request.method == "GET" else "/",
        "person": person,
        "now": now,
        "now_ms": stamp_ms(now),
        "speed": board.speed,
        "note": localizer.texts["thanks"] if request.query_params.get("done") else "",
        "problem": problem,
        "troubles": troubles(localizer, board.status()),
    }
    return HTMLResponse(draw(template, **{**common, **content}), status_code=status)


def troubles(localizer: Localizer, status: Status) -> list[tuple[str, str]]:
    """Parts of the program that do not work now: a sentence, and the reason as the log has it, in English."""
    return [(localizer.texts.get(f"trouble_{part}", part), why) for part, why in sorted(status.diagnostics.items())]


def wall_part(board: Board, wall: AndonBoardAnswer | None, language: str) -> str:
    """The inside of the wall's page; the same for everybody who reads this language."""
    localizer, now, status = Localizer(language, board.config), board.clock.now(), board.status()
    common = {
        "localizer": localizer,
        "t": localizer.texts,
        "now": now,
        "now_ms": stamp_ms(now),
        "cables": cables_of(board),
    }
    told = troubles(localizer, status)
    return draw(
        "_wall_page.html", wall=wall, alive=collector_answer(status), troubles=told, note="", problem="", **common
    )


def cables_of(board: Board) -> Mapping[str, bool]:
    """The cables that can be pulled; none but in a simulation."""
    return {} if board.cables is None else board.cables.pulled()


async def wall(board: Board, request: Request, *, problem: str = "", status: int = 200) -> Response:
    """The andon wall."""
    if board.live.wall is None:
        await board.live.refresh()
    alive = collector_answer(board.status())
    shown = {"wall": board.live.wall, "alive": alive, "cables": cables_of(board)}
    return page(board, request, "wall.html", problem=problem, status=status, **shown)


def choice(query: PlantResults, request: Request, *, level: str) -> tuple[Choice, Window]:
    """The part of the plant and the window that are asked for. Raises HttpProblem."""
    now = query.until
    of = request.query_params.get("of", "")
    if not of:
        tablet = person_of(request)
        own = tablet.station if tablet is not None else None
        if own is not None and own not in query.config.standards:
            raise HttpProblem(410, "tablet_station_gone", {"part": own})
        of = own or {"line": query.nodes("line", [])[0].path, "site": query.config.site}.get(level, "")
        of = of or query.nodes("station", [])[0].path
    try:
        query.node(of)
    except ConfigError as error:
        raise HttpProblem(404, "part_unknown", {"part": of}) from error
    name = request.query_params.get("window", "")
    window = window_of(query, name) if name else last_shift(query, now)
    if window.interval.length > timedelta(days=8):
        raise HttpProblem(422, "page_too_long")
    return Choice(of, figures.window_name(window)), window


def offered(query: PlantResults, localizer: Localizer, chosen: Window) -> list[tuple[str, str]]:
    """The windows to choose from, the newest first."""
    now = query.until
    span = Interval(now - OFFERED, now)
    known = query.known
    if known is not None:
        span = Interval(min(max(known.start, span.start), now), now + MICROSECOND)
    shifts = query.config.calendar.windows(WindowKind.SHIFT, span)
    days = query.config.calendar.windows(WindowKind.DAY, span)
    found = [*reversed(shifts), *reversed(days)]
    if chosen not in found:
        found.insert(0, chosen)
    return [(figures.window_name(window), heading(window, localizer)) for window in found]


def heading(window: Window, localizer: Localizer) -> str:
    """A window in words."""
    day = localizer.day(window.interval.start)
    team = f", {localizer.texts['team']} {window.team}" if window.team else ""
    if window.kind is WindowKind.SHIFT:
        return f"{day}, {localizer.shift(window.name)}{team}"
    if window.kind is WindowKind.HOUR:
        return f"{day}, {localizer.short_clock(window.interval.start)}"
    return window.name


def parts(query: PlantResults, *, stations: bool, whole: bool) -> list[str]:
    """The parts of the plant to choose from: lines; also the site with its areas, and the stations."""
    lines = [node.path for node in query.nodes("line", [])]
    areas = [node.path for node in query.nodes("area", [])]
    found = [query.config.site] if whole else []
    found += [*(area for area in areas if whole and not any(line == area for line in lines)), *lines]
    return found + (list(query.config.standards) if stations else [])


async def shift(board: Board, request: Request) -> Response:
    """The shift of a line, a station, an area or the site."""
    localizer = Localizer(language_of(request), board.config)

    def asked(query: PlantResults) -> dict[str, Any]:
        chosen, window = choice(query, request, level="line")
        node = query.node(chosen.of)
        definition = definition_of(query, request.query_params.get("definition", ""))
        row = query.row(node, window, [definition])
        kpi = figures.kpi_of_row(row, query.until)
        members = query.nodes("station", [])
        hours = figures.hours_answer(query, node, window.interval)
        return {
            "chosen": chosen,
            "heading": heading(window, localizer),
            "parts": parts(query, stations=True, whole=True),
            "windows": offered(query, localizer, window),
            "definitions": [(name, localizer.definition(name)) for name in query.config.definitions],
            "definition": definition.name,
            "kpi": kpi,
            "timelines": [figures.timeline_answer(query, place, window) for place in node.stations],
            "ticks": _ticks(query, window, localizer),
            "hours": hours,
            "hours_most": max([1.0, *(max(hour.good or 0, hour.target or 0.0) for hour in hours)]),
            "unread": unread_of(query, kpi, node.stations),
            "waterfall": charts.waterfall(row.kpi),
            "pareto": charts.pareto(row.kpi.losses),
            "culprits": figures.line_stops_answer(query, node, window.interval) if node.level == "line" else None,
            "members": [
                figures.kpi_answer(query, member, window, [definition])
                for member in members
                if member.stations[0] in node.stations
            ],
        }

    return page(board, request, "shift.html", **await board.ask(asked))


def _ticks(query: PlantResults, window: Window, localizer: Localizer) -> list[tuple[float, str]]:
    whole = window.interval.length
    starts = [hour.interval.start for hour in query.config.calendar.hours(window.interval)]
    every = max(1, len(starts) // 12)
    return [
        (charts.share(start - window.interval.start, whole), localizer.short_clock(start)[:2])
        for start in starts[::every]
        if start >= window.interval.start
    ]


def unread_of(query: PlantResults, kpi: KpiAnswer, stations: Sequence[StationId]) -> list[UnreadAnswer]:
    """The counters that are not read now, where that takes units from these figures."""
    return figures.unread_answers(query, stations) if KpiFlag.COUNTS_NOT_READ in kpi.flags else []


async def station(board: Board, request: Request) -> Response:
    """One station, down to the raw readings."""
    localizer = Localizer(language_of(request), board.config)

    def asked(query: PlantResults) -> dict[str, Any]:
        chosen, window = choice(query, request, level="station")
        place = StationId(chosen.of)
        if place not in query.config.standards:
            raise HttpProblem(404, "part_unknown", {"part": chosen.of})
        node = query.node(chosen.of)
        told = query.events(place, window.interval)
        inside = [
            journaled for journaled in told if window.interval.start <= journaled.event.time < window.interval.end
        ]
        cycles = records.cycle_answers(query, place, window.interval)
        kpi = figures.kpi_answer(query, node, window, [query.config.definition])
        return {
            "chosen": chosen,
            "heading": heading(window, localizer),
            "parts": list(query.config.standards),
            "windows": offered(query, localizer, window),
            "kpi": kpi,
            "unread": unread_of(query, kpi, node.stations),
            "timeline": figures.timeline_answer(query, place, window),
            "cycles": cycles,
            "times_s": [round(cycle.time.timestamp(), 3) for cycle in cycles],
            "counts": records.event_answers(
                [journaled for journaled in inside if isinstance(journaled.event, UnitsCounted)], query.config.names
            ),
            "events": records.event_answers(inside[-EVENTS_SHOWN:], query.config.names),
            "events_all": len(inside),
        }

    return page(board, request, "station.html", **await board.ask(asked))


async def stops(board: Board, request: Request, *, problem: str = "", status: int = 200) -> Response:
    """The stops of a part of the plant, those first that need a reason."""
    localizer = Localizer(language_of(request), board.config)
    person = person_of(request)

    def may_explain_at(place: str) -> bool:
        return person is not None and person.may(Permission.EXPLAIN, StationId(place))

    def asked(query: PlantResults) -> dict[str, Any]:
        chosen, window = choice(query, request, level="site")
        node = query.node(chosen.of)
        found = figures.stops_answer(query, node.stations, window.interval)
        shown = [stop for stop in found if stop.bucket not in (Bucket.STARVED, Bucket.BLOCKED, Bucket.MINOR_STOPS)]
        words = [
            said_answer
            for place in node.stations
            for said_answer in records.reason_log_answers(query, place, window.interval)
        ]
        return {
            "chosen": chosen,
            "parts": parts(query, stations=True, whole=True),
            "windows": offered(query, localizer, window),
            "open_stops": [stop for stop in found if stop.needs_reason][::-1],
            "other_stops": [stop for stop in shown if not stop.needs_reason][::-1],
            "before": _before(found),
            "reasons_of": {place: figures.reasons_answer(query, place) for place in node.stations},
            "said": sorted(words, key=lambda word: -word.seq),
            "may_explain": person is not None and any(may_explain_at(place) for place in node.stations),
        }

    content = await board.ask(asked)
    return page(board, request, "stops.html", problem=problem, status=status, may_explain_at=may_explain_at, **content)


def _before(found: Sequence[StopAnswer]) -> dict[str, dict[str, str]]:
    """For each stop of a station the beginning of the one before it, if there is one."""
    last: dict[str, str] = {}
    earlier: dict[str, dict[str, str]] = {}
    for stop in found:
        if stop.bucket in (Bucket.STARVED, Bucket.BLOCKED):
            continue
        if stop.station in last:
            earlier.setdefault(stop.station, {})[stop.start.isoformat()] = last[stop.station]
        last[stop.station] = stop.start.isoformat()
    return earlier


async def car(board: Board, request: Request) -> Response:
    """A car's way."""
    vin = request.query_params.get("vin", "").strip()[:64]

    def asked(query: PlantResults) -> dict[str, Any]:
        return {
            "vin": vin,
            "lives": records.life_answers(query, vin) if vin else [],
            "recent": [] if vin or query.known is None else records.recent_answers(query),
            "products": query.config.products,
        }

    content = await board.ask(asked)
    return page(board, request, "car.html", status=404 if vin and not content["lives"] else 200, **content)


async def glossary_page(board: Board, request: Request) -> Response:
    """What abbreviations and signs mean."""
    return page(board, request, "glossary.html")
