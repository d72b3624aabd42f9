"""Signing in and out, and who is signed in."""

from fastapi import APIRouter, Request, Response

from mes.board.accounts.sign_in import leave, sign_in
from mes.board.accounts.users import Permission, Person
from mes.board.answers.models import SessionAnswer
from mes.board.answers.requests import Credentials
from mes.board.api.common import CHANGES, OnBoard, Someone
from mes.board.context import Board

router = APIRouter(prefix="/session", tags=["session"])


def session_answer(board: Board, person: Person | None) -> SessionAnswer:
    """Who somebody is to the board."""
    return SessionAnswer(
        name=None if person is None else person.name,
        role="nobody" if person is None else str(person.role),
        station=None if person is None else person.station,
        csrf=None if person is None else person.csrf,
        may=[
            str(permission)
            for permission in Permission
            if board.may(person, permission, person.station if person else None)
        ],
    )


@router.get("", summary="Who is signed in, and what they may")
async def who(board: OnBoard, person: Someone) -> SessionAnswer:
    """`csrf` goes into the header X-CSRF-Token of whatever changes something."""
    return session_answer(board, person)


@router.post("", summary="Sign in", status_code=201, responses=CHANGES | {429: CHANGES[401]})
async def enter(board: OnBoard, request: Request, response: Response, asked: Credentials) -> SessionAnswer:
    """Sets the session's cookie."""
    person = await sign_in(board, request, response, asked.name, asked.password)
    return session_answer(board, person)


@router.delete("", summary="Sign out", status_code=204, responses=CHANGES)
async def out(board: OnBoard, request: Request, response: Response) -> None:
    """Ends the session."""
    await leave(board, request, response)
