"""The pages of the books: what a shift hands over, cars against the programme, counts that a person decides."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mes.board.accounts.users import May
from mes.board.answers import figures, records
from mes.board.context import Board, Refused
from mes.board.pages import views
from mes.board.pages.rendering import Speech
from mes.board.refusals import language_of, sentence
from mes.errors import ConfigError
from mes.results.plant import Inquiry


async def handover(board: Board, request: Request, *, problem: str = "", status: int = 200) -> Response:
    """What a shift hands to the next one, and its books."""
    speech = Speech(language_of(request), board.config)

    def asked(inquiry: Inquiry) -> dict[str, Any]:
        chosen, window = views.choice(inquiry, request, level="line")
        node = figures.node_of(inquiry, chosen.of)
        own = [inquiry.config.definition]
        books = []
        for place in node.stations:
            kpi = figures.kpi_answer(inquiry, figures.node_of(inquiry, place), window, own)
            books.append((records.book_answer(inquiry, place, window), kpi))
        found = figures.stops_answer(inquiry, node.stations, window.interval)
        kpi = figures.kpi_answer(inquiry, node, window, own)
        ready = [each for each, _ in books if each.over and not each.closed and not each.stops_without_reason]
        return {
            "chosen": chosen,
            "heading": views.heading(window, speech),
            "parts": views.parts(inquiry, stations=False, whole=True),
            "windows": [each for each in views.offered(inquiry, speech, window) if "/" in each[0]],
            "kpi": kpi,
            "books": books,
            "closable": len(ready),
            "open_stops": [each for each in found if each.needs_reason],
            "losses": kpi.losses[:10],
            "stores": figures.stores_answer(inquiry, window.interval),
            "may_close": board.may(views.person_of(request), May.CLOSE),
        }

    return views.page(board, request, "handover.html", problem=problem, status=status, **await board.ask(asked))


async def programme(board: Board, request: Request) -> Response:
    """Cars built against the programme of a year."""
    speech = Speech(language_of(request), board.config)

    def asked(inquiry: Inquiry) -> dict[str, Any]:
        year = request.query_params.get("year", "")
        number = int(year) if year.isascii() and year.isdigit() and len(year) == 4 else inquiry.until.year
        try:
            window = inquiry.window(f"{number:04}")
            found = records.programme_answer(inquiry.programme(window.interval))
        except (ConfigError, ValueError) as error:
            refused = Refused(404, str(error), "window_unknown", {"window": f"{number:04}"})
            missing = sentence(refused, speech) if inquiry.config.programme is not None else ""
            return {"year": number, "programme": None, "missing": missing}
        return {"year": number, "programme": found, "missing": ""}

    return views.page(board, request, "programme.html", **await board.ask(asked))


async def counters(board: Board, request: Request, *, problem: str = "", status: int = 200) -> Response:
    """Counts that a person has to decide."""

    def asked(inquiry: Inquiry) -> dict[str, Any]:
        standards = inquiry.config.standards
        found = records.doubt_answers(inquiry)
        return {
            "doubts": sorted(found, key=lambda each: (bool(each.decisions), -each.number)),
            "unread": figures.unread_answers(inquiry, standards),
            "unknown": inquiry.reader.unknown_stations(standards),
            "may_reconcile": board.may(views.person_of(request), May.RECONCILE),
        }

    return views.page(board, request, "counters.html", problem=problem, status=status, **await board.ask(asked))
