"""Puts the interface together."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mes.board.accounts.users import AccountsError
from mes.board.api import changing, reading, session, stream
from mes.board.context import Board, HttpProblem
from mes.board.pages.rendering import Localizer
from mes.board.refusals import NO_STORE, accounts_unavailable, code_of, language_of, refusal, sentence
from mes.errors import ConfigError

ABOUT = (
    "Shop-floor data of one plant. Times are UTC in ISO 8601, durations seconds (`_s`), ratios between 0 and 1 "
    "(performance may be above 1). Figures are those of the board, the reports and InfluxDB: one function makes all. "
    "Names and units stay as they are within /api/v1; new fields may come."
)


def api(board: Board) -> FastAPI:
    """The application that is mounted at /api/v1. A defect of a route is answered here, and logged by the board."""
    made = FastAPI(
        title="Taktline",
        version="1",
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        root_path_in_servers=False,
        servers=[{"url": "/api/v1"}],
        separate_input_output_schemas=False,
    )
    made.state.board = board
    for router in (reading.router, changing.router, session.router, stream.router):
        made.include_router(router)
    made.add_exception_handler(HttpProblem, _refused)
    made.add_exception_handler(AccountsError, _unreachable)
    made.add_exception_handler(ConfigError, _empty)
    made.add_exception_handler(RequestValidationError, _nonsense)
    made.add_exception_handler(HTTPException, _http)
    made.add_exception_handler(Exception, _failed)
    return made


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """In the client's language, with times in the plant's time zone."""
    assert isinstance(error, HttpProblem)
    board: Board = request.app.state.board
    detail = sentence(error, Localizer(language_of(request), board.config))
    return JSONResponse({"detail": detail, "code": error.code}, status_code=error.status)


async def _failed(request: Request, error: Exception) -> Response:
    del error  # it is raised again once this is sent
    return refusal(request.scope, 500, "page_failed", NO_STORE)


async def _empty(request: Request, error: Exception) -> JSONResponse:
    del error  # the sentence says the same
    return await _refused(request, HttpProblem(404, "journal_empty"))


async def _unreachable(request: Request, error: Exception) -> JSONResponse:
    return await _refused(request, accounts_unavailable(error))


async def _nonsense(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = "; ".join(map(_problem, error.errors()))
    return await _refused(request, HttpProblem(422, "request_invalid", {"problems": problems}))


def _problem(found: Mapping[str, Any]) -> str:
    """Place, name and limits of a problem in any language, such as `query.of (string_too_long, max_length: 200)`."""
    limits = "".join(f", {name}: {limit}" for name, limit in found.get("ctx", {}).items())
    return f"{'.'.join(map(str, found['loc']))} ({found['type']}{limits})"


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    problems = f"body (HTTP {error.status_code})"  # FastAPI could not read it
    refused = HttpProblem(error.status_code, code_of(error.status_code), {"problems": problems})
    answer = await _refused(request, refused)
    answer.headers.update(error.headers or {})
    return answer
