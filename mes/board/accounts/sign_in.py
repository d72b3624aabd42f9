"""How people come in and go out: by name and password, or with a tablet's code; too many failures have to wait."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import Response

from mes.board.accounts.middleware import SESSION_DAYS, TABLET_DAYS, clear_session, session_cookie, set_session
from mes.board.accounts.users import AccountsError, Person
from mes.board.context import Board, HttpProblem
from mes.board.refusals import accounts_unavailable
from mes.stopping import in_thread


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _try(board: Board, name: str | None, address: str) -> None:
    """Counts as a failure until it has succeeded, so that tries at the same time count as well."""
    left_s = board.tries.wait_s(name, address, time.monotonic())
    if left_s > 0:
        minutes = math.ceil(left_s / 60)
        raise HttpProblem(429, "too_many_failures", {"minutes": minutes})
    board.tries.failed(name, address, time.monotonic())


@contextmanager
def _reachable(board: Board, name: str | None, address: str) -> Iterator[None]:
    """Refuses while the accounts cannot be read, which is no failure of whoever tries."""
    try:
        yield
    except AccountsError as error:
        board.tries.succeeded(name, address)
        raise accounts_unavailable(error) from error


async def sign_in(board: Board, request: Request, response: Response, name: str, password: str) -> Person:
    """Signs somebody in and sets the cookie. Raises HttpProblem: 401 for a wrong name or password, 429 for too many."""
    address = _address(request)
    _try(board, name, address)
    with _reachable(board, name, address):
        found = await in_thread(board.accounts.login, name, password)
    if found is None:
        raise HttpProblem(401, "wrong_password")
    board.tries.succeeded(name, address)
    token, person = found
    set_session(response, token, tls=board.tls, days=SESSION_DAYS)
    return person


async def enrol(board: Board, request: Request, response: Response, code: str) -> Person:
    """Makes this browser the tablet of a station. Raises HttpProblem."""
    address = _address(request)
    _try(board, None, address)
    with _reachable(board, None, address):
        found = await in_thread(board.accounts.enrol, code)
    if found is None:
        raise HttpProblem(401, "wrong_code")
    board.tries.succeeded(None, address)
    token, person = found
    set_session(response, token, tls=board.tls, days=TABLET_DAYS)
    return person


async def leave(board: Board, request: Request, response: Response) -> None:
    """Ends the session and takes the cookie away."""
    token = request.cookies.get(session_cookie(tls=board.tls))
    if token is not None:
        await in_thread(board.accounts.logout, token)
    clear_session(response, tls=board.tls)
