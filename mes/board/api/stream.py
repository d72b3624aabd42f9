"""What happens, as it happens: the journal's events as server-sent events, resumed by number after a cut."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import StreamingResponse

from mes.board.answers.live_updates import message, stamp
from mes.board.answers.records import event_answer
from mes.board.api.common import REFUSALS, OnBoard, reader_of
from mes.board.context import Board
from mes.model import Journaled
from mes.results.plant import PlantResults

router = APIRouter(dependencies=[Depends(reader_of)])

AT_ONCE = 200
STREAM = "text/event-stream"
Number = Annotated[int | None, Query(ge=0, lt=2**53, description="the last event that is known; default: the present")]


@router.get(
    "/events",
    summary="The journal's events as they come",
    response_class=StreamingResponse,
    responses={
        **REFUSALS,
        200: {"content": {STREAM: {"schema": {"type": "string"}}}, "description": "server-sent events"},
    },
)
async def events(
    board: OnBoard,
    after: Number = None,
    last_event_id: Annotated[str | None, Header(max_length=20, description="sent by browsers after a cut")] = None,
) -> StreamingResponse:
    """Events `event` with the event's number as id, and a `beat` at least every five seconds."""
    known = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else after
    start = board.seq() if known is None else known
    return StreamingResponse(_events(board, min(start, 2**53)), media_type=STREAM)


def _read(after: int, query: PlantResults) -> list[Journaled]:
    return query.reader.read(after, AT_ONCE)


async def _events(board: Board, after: int) -> AsyncIterator[bytes]:
    yield message("beat", str(after), stamp(board.clock))
    while True:
        version = board.live.version
        told = await board.ask(partial(_read, after))
        for journaled in told:
            yield message("event", str(journaled.seq), event_answer(journaled, board.config.names).model_dump_json())
            after = journaled.seq
        if not told and not await board.live.newer(version):
            yield message("beat", str(after), stamp(board.clock))
        await asyncio.sleep(0)
