"""What changes something: reasons of stops, books of shifts, doubtful counts. Wants a session and its CSRF token."""

from typing import Annotated

from fastapi import APIRouter, Path

from mes.board import actions
from mes.board.answers.record_models import BookAnswer, DoubtAnswer, SaidAnswer
from mes.board.answers.requests import BookAsked, CountDecided, ReasonGiven, UndoAsked
from mes.board.api.common import CHANGES, OnBoard, Someone

router = APIRouter(responses=CHANGES)

Number = Annotated[int, Path(ge=1, lt=2**53)]


@router.post("/reasons", summary="Say why a station stood", status_code=201)
async def reasons(board: OnBoard, person: Someone, asked: ReasonGiven) -> SaidAnswer:
    """Splits a stop where the stretch is a part of it, merges where it reaches over several, corrects, takes back."""
    return await actions.give_reason(board, person, asked)


@router.post("/undo", summary="Put back what was said before", status_code=201)
async def undo(board: OnBoard, person: Someone, asked: UndoAsked) -> list[SaidAnswer]:
    """Undoes one reason that was given, while nobody has said anything of the same time since."""
    return await actions.take_back(board, person, asked)


@router.post("/books/close", summary="Close a shift's books", status_code=201)
async def close(board: OnBoard, person: Someone, asked: BookAsked) -> BookAnswer:
    """All stops of the shift must have their reason."""
    return await actions.close_books(board, person, asked)


@router.post("/books/reopen", summary="Open a shift's books again", status_code=201)
async def reopen(board: OnBoard, person: Someone, asked: BookAsked) -> BookAnswer:
    """With the reason why."""
    return await actions.reopen_books(board, person, asked)


@router.post("/counters/{number}", summary="Decide a doubtful count", status_code=201)
async def counters(board: OnBoard, person: Someone, number: Number, asked: CountDecided) -> DoubtAnswer:
    """Books how many parts were made; deciding once more replaces what was decided before."""
    return await actions.decide_count(board, person, number, asked)
