"""Requests that change something: reasons, shift closing, count decisions. They need a session and its CSRF token."""

from typing import Annotated

from fastapi import APIRouter, Path

from mes.board import actions
from mes.board.answers.record_models import ReasonLogAnswer, ShiftClosingAnswer, UnreconciledCountAnswer
from mes.board.answers.requests import CountDecisionRequest, ReasonRequest, ShiftClosingRequest, UndoRequest
from mes.board.api.common import CHANGES, OnBoard, Someone

router = APIRouter(responses=CHANGES)

Number = Annotated[int, Path(ge=1, lt=2**53)]


@router.post("/reasons", summary="Give the reason of a stop", status_code=201)
async def reasons(board: OnBoard, person: Someone, asked: ReasonRequest) -> ReasonLogAnswer:
    """Splits a stop where the stretch is a part of it, merges where it reaches over several, corrects, takes back."""
    return await actions.give_reason(board, person, asked)


@router.post("/undo", summary="Put back what was said before", status_code=201)
async def undo(board: OnBoard, person: Someone, asked: UndoRequest) -> list[ReasonLogAnswer]:
    """Undoes one reason that was given, while nobody has said anything of the same time since."""
    return await actions.take_back(board, person, asked)


@router.post("/shift-closing/close", summary="Close a shift", status_code=201)
async def close(board: OnBoard, person: Someone, asked: ShiftClosingRequest) -> ShiftClosingAnswer:
    """All stops of the shift must have their reason."""
    return await actions.close_shift(board, person, asked)


@router.post("/shift-closing/reopen", summary="Open a closed shift again", status_code=201)
async def reopen(board: OnBoard, person: Someone, asked: ShiftClosingRequest) -> ShiftClosingAnswer:
    """With the reason why."""
    return await actions.reopen_shift(board, person, asked)


@router.post("/unreconciled-counts/{number}", summary="Decide an unreconciled count", status_code=201)
async def counters(
    board: OnBoard, person: Someone, number: Number, asked: CountDecisionRequest
) -> UnreconciledCountAnswer:
    """Decides how many parts were made; deciding once more replaces what was decided before."""
    return await actions.decide_count(board, person, number, asked)
