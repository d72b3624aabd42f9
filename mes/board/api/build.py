"""Puts the interface together."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mes.board.accounts.users import PeopleError
from mes.board.api import changing, reading, session, stream
from mes.board.context import Board, HttpProblem
from mes.board.pages.rendering import Localizer
from mes.board.refusals import NO_STORE, code_of, language_of, refusal, sentence
from mes.errors import ConfigError
from mes.translations import LANGUAGES

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
    for each in (reading.router, changing.router, session.router, stream.router):
        made.include_router(each)
    made.add_exception_handler(HttpProblem, _refused)
    made.add_exception_handler(PeopleError, _unreachable)
    made.add_exception_handler(ConfigError, _empty)
    made.add_exception_handler(RequestValidationError, _nonsense)
    made.add_exception_handler(HTTPException, _http)
    made.add_exception_handler(Exception, _failed)
    return made


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """In English with times in UTC, unless the client asks for Russian or Kazakh."""
    assert isinstance(error, HttpProblem)
    language = language_of(request)
    board: Board = request.app.state.board
    detail = error.detail if language == LANGUAGES[0] else sentence(error, Localizer(language, board.config))
    return JSONResponse({"detail": detail, "code": error.code}, status_code=error.status)


async def _failed(request: Request, error: Exception) -> Response:
    del error  # it is raised again once this is sent
    return refusal(request.scope, 500, "page_failed", NO_STORE)


async def _empty(request: Request, error: Exception) -> JSONResponse:
    return await _refused(request, HttpProblem(404, str(error), "journal_empty"))


async def _unreachable(request: Request, error: Exception) -> JSONResponse:
    return await _refused(request, HttpProblem(503, str(error), "accounts_unavailable"))


async def _nonsense(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
    named = [f"{'.'.join(str(part) for part in each['loc'])} ({each['type']})" for each in error.errors()]
    refused = HttpProblem(422, "; ".join(found), "request_invalid", {"problems": "; ".join(named)})
    return await _refused(request, refused)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    problems = f"HTTP {error.status_code}"
    refused = HttpProblem(error.status_code, error.detail, code_of(error.status_code), {"problems": problems})
    answer = await _refused(request, refused)
    answer.headers.update(error.headers or {})
    return answer
