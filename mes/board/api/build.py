"""Puts the interface together."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mes.board.api import changing, reading, session, stream
from mes.board.people import PeopleError
from mes.board.site import Board, Refused
from mes.errors import ConfigError

ABOUT = (
    "Shop-floor data of one plant. Times are UTC in ISO 8601, durations seconds (`_s`), ratios between 0 and 1 "
    "(performance may be above 1). Figures are those of the board, the reports and InfluxDB: one function makes all. "
    "Names and units stay as they are within /api/v1; new fields may come."
)


def api(board: Board) -> FastAPI:
    """The application to be mounted at /api/v1."""
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
    made.add_exception_handler(Refused, _refused)
    made.add_exception_handler(PeopleError, _unreachable)
    made.add_exception_handler(ConfigError, _empty)
    made.add_exception_handler(RequestValidationError, _nonsense)
    made.add_exception_handler(HTTPException, _http)
    return made


def _problem(status: int, detail: str, code: str = "") -> JSONResponse:
    return JSONResponse({"detail": detail, "code": code}, status_code=status)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return _problem(error.status, error.detail, error.code)


async def _empty(_: Request, error: Exception) -> JSONResponse:
    return _problem(404, str(error))


async def _unreachable(_: Request, error: Exception) -> JSONResponse:
    return _problem(503, str(error))


async def _nonsense(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
    return _problem(422, "; ".join(found))


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, status_code=error.status_code, headers=error.headers)
