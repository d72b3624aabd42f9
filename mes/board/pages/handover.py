"""The pages of a handover: shift closing, cars against the programme, counts that a person decides."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mes.board.accounts.users import Permission
from mes.board.answers import figures, records
from mes.board.context import Board, HttpProblem
from mes.board.pages import views
from mes.board.pages.rendering import Localizer
from mes.board.refusals import language_of, sentence
from mes.errors import ConfigError
from mes.results.plant import PlantResults
from mes.results.unreconciled import UnreconciledCounts

COUNTS_SHOWN = 100


async def handover(board: Board, request: Request, *, problem: str = "", status: int = 200) -> Response:
    """What a shift hands to the next one, and its closing by station."""
    localizer = Localizer(language_of(request), board.config)

    def asked(query: PlantResults) -> dict[str, Any]:
        chosen, window = views.choice(query, request, level="line")
        node = query.node(chosen.of)
        own = [query.config.definition]
        closings = []
        for place in node.stations:
            kpi = figures.kpi_answer(query, query.node(place), window, own)
            closings.append((records.shift_closing_answer(query, place, window), kpi))
        found = figures.stops_answer(query, node.stations, window.interval)
        kpi = figures.kpi_answer(query, node, window, own)
        closed = records.closing_answers(query, node.stations, window.interval)
        ready = [closing for closing, _ in closings if closing.is_ready]
        return {
            "chosen": chosen,
            "heading": views.heading(window, localizer),
            "parts": views.parts(query, stations=False, whole=True),
            "windows": [option for option in views.offered(query, localizer, window) if "/" in option[0]],
            "kpi": kpi,
            "unread": views.unread_of(query, kpi, node.stations),
            "closings": closings,
            "closable": len(ready),
            "otherwise": [closing for closing in closed if not closing.in_calendar],
            "open_stops": [stop for stop in found if stop.needs_reason],
            "losses": kpi.losses[:10],
            "stores": figures.stores_answer(query, window.interval),
            "may_close": board.may(views.person_of(request), Permission.CLOSE),
        }

    return views.page(board, request, "handover.html", problem=problem, status=status, **await board.ask(asked))


async def programme(board: Board, request: Request) -> Response:
    """Cars built against the programme of a year."""
    localizer = Localizer(language_of(request), board.config)

    def asked(query: PlantResults) -> dict[str, Any]:
        year = request.query_params.get("year", "")
        number = int(year) if year.isascii() and year.isdigit() and len(year) == 4 else query.until.year
        try:
            window = query.window(f"{number:04}")
            found = records.programme_answer(query.programme(window.interval))
        except (ConfigError, ValueError):
            refused = HttpProblem(404, "window_unknown", {"window": f"{number:04}"})
            missing = sentence(refused, localizer) if query.config.programme is not None else ""
            return {"year": number, "programme": None, "missing": missing}
        return {"year": number, "programme": found, "missing": ""}

    return views.page(board, request, "programme.html", **await board.ask(asked))


async def counters(board: Board, request: Request, *, problem: str = "", status: int = 200) -> Response:
    """Counts that a person has to decide."""

    def asked(query: PlantResults) -> dict[str, Any]:
        standards = query.config.standards
        counts = UnreconciledCounts(query.reader, query.config.setups)
        numbers = list(dict.fromkeys([*counts.numbers(undecided=True), *counts.numbers()]))
        found = [records.unreconciled_count_answer(case) for case in counts.cases(numbers[:COUNTS_SHOWN])]
        return {
            "counts": sorted(found, key=lambda count: (bool(count.decisions), -count.number)),
            "more": len(numbers[COUNTS_SHOWN:]),
            "unread": figures.unread_answers(query, standards),
            "unknown": query.reader.unknown_stations(standards),
            "may_reconcile": board.may(views.person_of(request), Permission.RECONCILE),
        }

    content = await board.ask(asked, long=True)
    return views.page(board, request, "counters.html", problem=problem, status=status, **content)
