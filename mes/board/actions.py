"""What people change on the board and through the interface: the event is journaled, and its answer given.

Whatever is changed is checked against the journal as it is at that moment, one change after the other.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from mes.board.accounts.permitted_time import require_recent
from mes.board.accounts.users import Permission, Person
from mes.board.answers.record_models import ReasonLogAnswer, ShiftClosingAnswer, UnreconciledCountAnswer
from mes.board.answers.records import reason_log_answer, shift_closing_answer, unreconciled_count_answer
from mes.board.answers.requests import CountDecisionRequest, ReasonRequest, ShiftClosingRequest, UndoRequest
from mes.board.context import Board, HttpProblem
from mes.calendar import Window
from mes.errors import ConfigError, nearest
from mes.model import CountReconciled, Journaled, ReasonAssigned, ReasonId, StationEvent, StationId
from mes.oee.definitions import Definition
from mes.oee.stops import NotAllowed
from mes.oee.unreconciled_counts import Case
from mes.results import changes
from mes.results.plant import PlantResults

T = TypeVar("T")

STATUSES = {
    "shift_closed": 409,
    "said_meanwhile": 409,
    "said_since": 409,
    "no_such_reason": 404,
    "part_unknown": 404,
    "no_unreconciled_count": 404,
}
"""The HTTP status of a refusal by its code; the others are 422."""


def station_of(query: PlantResults, path: str) -> StationId:
    """A station by its whole path. Raises HttpProblem (404)."""
    station = StationId(path)
    if station not in query.config.standards:
        raise HttpProblem(404, "part_unknown", {"part": path})
    return station


def _allowed(make: Callable[[], T]) -> T:
    try:
        return make()
    except NotAllowed as error:
        raise HttpProblem(STATUSES.get(error.code, 422), error.code, error.facts) from error


async def give_reason(board: Board, person: Person | None, request: ReasonRequest) -> ReasonLogAnswer:
    """Says why a station stopped, corrects it, or takes it back."""
    board.require(person, Permission.EXPLAIN, StationId(request.station))
    assert person is not None
    by = person.name

    def event_of(query: PlantResults) -> ReasonAssigned:
        station = station_of(query, request.station)
        require_recent(query.config, person, request.start, query.until)
        return _allowed(
            lambda: changes.given_reason(
                query,
                station,
                request.start,
                request.end,
                None if request.reason is None else ReasonId(request.reason),
                by=by,
                now=query.until,
                comment=request.comment,
                together=request.together,
                seen=changes.Seen(request.seen_reason) if request.check_seen else None,
            )
        )

    async with board.writing:
        event = await board.ask(event_of)
        seq = await board.append([event])
    return reason_log_answer(Journaled(seq, event))


async def take_back(board: Board, person: Person | None, request: UndoRequest) -> list[ReasonLogAnswer]:
    """Undoes one word about a stop, where nobody has said anything about the same time since."""
    if person is None:
        raise HttpProblem(401, "sign_in_first")
    board.require(person, Permission.EXPLAIN, person.station)
    by = person.name

    def events_of(query: PlantResults) -> tuple[ReasonAssigned, ...]:
        given = _allowed(lambda: changes.reason_numbered(query, request.seq))
        board.require(person, Permission.EXPLAIN, given.station)
        require_recent(query.config, person, given.start, query.until)
        return _allowed(lambda: changes.undone(query, request.seq, given, by=by, now=query.until))

    async with board.writing:
        events = await board.ask(events_of)
        last = await board.append(list(events))
    numbers = range(last - len(events) + 1, last + 1)
    return [reason_log_answer(Journaled(seq, event)) for seq, event in zip(numbers, events, strict=True)]


async def close_shift(board: Board, person: Person | None, request: ShiftClosingRequest) -> ShiftClosingAnswer:
    """Closes a station's shift; all its stops must have their reason."""
    board.require(person, Permission.CLOSE, StationId(request.station))
    assert person is not None
    by = person.name

    def made(query: PlantResults, station: StationId, shift: Window) -> StationEvent:
        return changes.closed_shift(query, station, shift.interval, by=by, now=query.until)

    return await _shift(board, request, made)


async def reopen_shift(board: Board, person: Person | None, request: ShiftClosingRequest) -> ShiftClosingAnswer:
    """Opens a station's shift again."""
    board.require(person, Permission.CLOSE, StationId(request.station))
    assert person is not None
    by = person.name

    def made(query: PlantResults, station: StationId, shift: Window) -> StationEvent:
        return changes.reopened_shift(query, station, shift.interval, by=by, why=request.why, now=query.until)

    return await _shift(board, request, made)


async def _shift(
    board: Board, request: ShiftClosingRequest, made: Callable[[PlantResults, StationId, Window], StationEvent]
) -> ShiftClosingAnswer:
    def event_of(query: PlantResults) -> StationEvent:
        station, shift = station_of(query, request.station), window_of(query, request.window)
        return _allowed(lambda: made(query, station, shift))

    async with board.writing:
        event = await board.ask(event_of)
        await board.append([event])
    return await board.ask(
        lambda query: shift_closing_answer(query, StationId(request.station), window_of(query, request.window))
    )


def window_of(query: PlantResults, name: str) -> Window:
    """A window by its name. Raises HttpProblem (404)."""
    try:
        return query.window(name)
    except ConfigError as error:
        raise HttpProblem(404, "window_unknown", {"window": name}) from error


def definition_of(query: PlantResults, name: str) -> Definition:
    """A definition of OEE by its name; empty: the plant's own choice. Raises HttpProblem (404)."""
    try:
        return query.definition(name)
    except ConfigError as error:
        known = nearest(name, query.config.definitions)
        raise HttpProblem(404, "definition_unknown", {"definition": name, "definitions": known}) from error


async def decide_count(
    board: Board, person: Person | None, number: int, request: CountDecisionRequest
) -> UnreconciledCountAnswer:
    """Decides how many parts an unreconciled count stands for."""
    board.require(person, Permission.RECONCILE)
    assert person is not None
    by = person.name

    def decision(query: PlantResults) -> tuple[Case, CountReconciled]:
        about = _allowed(lambda: changes.unreconciled_count(query, number))
        return about, _allowed(
            lambda: changes.decided_count(
                query, about, request.parts, request.product, by=by, why=request.why, now=query.until
            )
        )

    async with board.writing:
        about, event = await board.ask(decision)
        await board.append([event])
    # a decision changes nothing of what may be decided
    return unreconciled_count_answer(replace(about, said=(*about.said, event)))
