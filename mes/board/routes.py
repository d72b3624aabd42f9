"""Which address leads where, and what stands between: the guard, refusals as pages, the interface under /api/v1."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from mes.board.accounts.middleware import Headers, Hosts, SameSite, Sessions
from mes.board.accounts.users import AccountsError, Permission
from mes.board.api.build import api
from mes.board.context import Board, HttpProblem
from mes.board.pages import audit, controllers, forms, handover, views
from mes.board.pages.rendering import Localizer
from mes.board.refusals import accounts_unavailable, code_of, language_of, refusal, sentence
from mes.errors import ConfigError

Page = Callable[[Board, Request], Awaitable[Response]]
Failed = Callable[[Request, Exception], Awaitable[Response]]

READ: Sequence[tuple[str, Page]] = (
    ("/", views.wall),
    ("/shift", views.shift),
    ("/station", views.station),
    ("/stops", views.stops),
    ("/car", views.car),
    ("/handover", handover.handover),
    ("/programme", handover.programme),
    ("/counters", handover.counters),
    ("/controllers", controllers.page),
    ("/glossary", views.glossary_page),
    ("/audit", audit.page),
)
OPEN: Sequence[tuple[str, Page]] = (
    ("/login", forms.login_page),
    ("/enrol", forms.enrol_page),
    ("/language/{code}", forms.language),
)
SENT: Sequence[tuple[str, Page]] = (
    ("/stops/reason", forms.reason),
    ("/stops/undo", forms.undo),
    ("/handover/close", forms.close),
    ("/handover/reopen", forms.reopen),
    ("/counters", forms.count),
    ("/login", forms.login),
    ("/logout", forms.logout),
    ("/enrol", forms.enrol_tablet),
)
SIMULATED: Sequence[tuple[str, Page]] = (("/cable", forms.cable),)
BEHIND: dict[str, tuple[str, Callable[..., Awaitable[Response]]]] = {  # where a form that is refused is shown again
    "/stops/reason": ("/stops", views.stops),
    "/stops/undo": ("/stops", views.stops),
    "/handover/close": ("/handover", handover.handover),
    "/handover/reopen": ("/handover", handover.handover),
    "/counters": ("/counters", handover.counters),
    "/cable": ("/", views.wall),
    "/login": ("/login", forms.login_page),
    "/enrol": ("/enrol", forms.enrol_page),
}
STREAM = {"cache-control": "no-store", "x-accel-buffering": "no"}


def with_board(more: Sequence[BaseRoute], board: Board, failed: Failed) -> ASGIApp:
    """The whole application."""
    sent = SENT if board.cables is None else (*SENT, *SIMULATED)
    routes: list[BaseRoute] = [*more]
    routes += [Route(path, _shown(board, page, reads=True), methods=["GET"]) for path, page in READ]
    routes += [Route(path, _shown(board, page, reads=False), methods=["GET"]) for path, page in OPEN]
    routes += [Route(path, _sent(board, page, path), methods=["POST"]) for path, page in sent]
    routes += [
        Route("/live/wall", _shown(board, _walls, reads=True), methods=["GET"]),
        Route("/live/changes", _shown(board, _changes, reads=True), methods=["GET"]),
        Mount("/api/v1", api(board)),
        Mount("/static", _Static(packages=[("mes.board", "static")])),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(Headers, tls=board.tls),
            Middleware(Hosts, allowed=board.hosts),
            Middleware(Sessions, accounts=board.accounts, tls=board.tls),
            Middleware(SameSite),
        ],
        exception_handlers={HTTPException: partial(_missing, board), Exception: failed},
    )


class _Static(StaticFiles):
    """Files of the package: kept by browsers for a day."""

    def file_response(self, *given: object, **named: object) -> Response:
        answer = super().file_response(*given, **named)  # type: ignore[arg-type]  # handed through as they come
        answer.headers["cache-control"] = "public, max-age=86400"
        return answer


def _shown(board: Board, page: Page, *, reads: bool) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            if reads:
                board.require(views.person_of(request), Permission.READ)
            return await page(board, request)
        except HttpProblem as refused:
            if refused.status == 401:
                return RedirectResponse(f"/login?back={request.url.path}", status_code=303)
            return _told(board, request, refused.status, _sentence(board, request, refused))
        except AccountsError as error:
            return _told(board, request, 503, _sentence(board, request, accounts_unavailable(error)))
        except ConfigError:  # the journal is empty
            localizer = Localizer(language_of(request), board.config)
            return _told(board, request, 200, localizer.texts["empty_journal"])

    return answer


def _sent(board: Board, page: Page, path: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            try:
                return await page(board, request)
            except AccountsError as error:
                raise accounts_unavailable(error) from error
        except HttpProblem as refused:
            behind = BEHIND.get(path)
            if behind is None or (refused.status == 401 and path not in {"/login", "/enrol"}):
                return RedirectResponse("/login", status_code=303)
            shown, page_behind = behind
            seen = await _seen(request, shown)
            problem = _sentence(board, request, refused)
            return await page_behind(board, seen, problem=problem, status=refused.status)

    return answer


def _sentence(board: Board, request: Request, refused: HttpProblem) -> str:
    return sentence(refused, Localizer(language_of(request), board.config))


async def _seen(request: Request, path: str) -> Request:
    """The page on which a form was sent, asked for as it was then."""
    back = forms.back_to(await request.form())
    parts = urlsplit(back)
    query = parts.query if parts.path == path else urlencode({"back": back}) if path == "/login" else ""
    return Request(
        {**request.scope, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode()}
    )


def _told(board: Board, request: Request, status: int, message: str) -> Response:
    return views.page(board, request, "message.html", status=status, message=message)


async def _missing(board: Board, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = code_of(error.status_code)
    facts = {"problems": f"HTTP {error.status_code}"}
    if request.url.path.startswith("/api"):
        return refusal(request.scope, error.status_code, code, error.headers, **facts)
    refused = HttpProblem(error.status_code, code, facts)
    answer = _told(board, request, error.status_code, _sentence(board, request, refused))
    answer.headers.update(error.headers or {})
    return answer


async def _walls(board: Board, request: Request) -> Response:
    language = language_of(request)
    return _stream(board.live.walls(language, lambda wall, spoken: views.wall_part(board, wall, spoken)))


async def _changes(board: Board, _: Request) -> Response:
    return _stream(board.live.changes())


def _stream(parts: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(parts, media_type="text/event-stream", headers=STREAM)
