"""What people change: reasons of stops, the books of shifts, doubtful counts. Each becomes an event of the journal.

Whatever is changed is checked against the journal as it is at that moment, one deed after the other.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from mes.board.accounts.permitted_time import demand_recent
from mes.board.accounts.users import Permission, Person
from mes.board.answers.record_models import ReasonLogAnswer, ShiftClosingAnswer, UnreconciledCountAnswer
from mes.board.answers.records import doubt_answer, reason_log_answer, shift_closing_answer
from mes.board.answers.requests import CountDecisionRequest, ReasonRequest, ShiftClosingRequest, UndoRequest
from mes.board.context import Board, HttpProblem
from mes.calendar import Window
from mes.errors import ConfigError
from mes.intervals import Interval
from mes.model import Journaled, ProductId, ReasonAssigned, ReasonId, StationEvent, StationId
from mes.oee.stops import NotAllowed, assign, close, reopen, undo
from mes.oee.timeline import timeline
from mes.oee.unreconciled_counts import decide
from mes.results.plant import PlantResults
from mes.results.shift_closing import Closings
from mes.results.unreconciled import cases

T = TypeVar("T")


def station_of(query: PlantResults, path: str) -> StationId:
    """A station by its whole path. Raises Refused (404)."""
    station = StationId(path)
    if station not in query.config.standards:
        raise HttpProblem(404, f"there is no station `{path}`", "part_unknown", {"part": path})
    return station


def _may_be(make: Callable[[], T]) -> T:
    try:
        return make()
    except NotAllowed as error:
        status = 409 if error.code == "shift_closed" else 422
        raise HttpProblem(status, str(error), error.code, error.facts) from error


def _open(query: PlantResults, *events: StationEvent) -> None:
    """Raises Refused (409) where an event affects a closed shift."""
    _may_be(lambda: Closings(query.reader).require_open(events))


async def give_reason(board: Board, person: Person | None, asked: ReasonRequest) -> ReasonLogAnswer:
    """Says why a station stood, corrects it, or takes it back."""
    board.require(person, Permission.EXPLAIN, StationId(asked.station))
    assert person is not None
    by = person.name

    def made(query: PlantResults) -> ReasonAssigned:
        station = station_of(query, asked.station)
        now = query.until
        end = now if asked.end is None else asked.end
        if asked.start >= now:
            text = f"a reason is given to a stretch of the past; now it is {now.isoformat()}"
            raise HttpProblem(422, text, "reason_in_future", {"now": now})
        if end <= asked.start:
            raise HttpProblem(422, "the end is not after the start", "end_not_after_start")
        demand_recent(query.config, person, asked.start, now)
        about = Interval(asked.start, end)
        laid = query.results.pieces(station, about, until=now)
        shown = next((each.reason for each in laid if asked.start in each.interval), None)
        if asked.check_seen and shown != asked.seen_reason:
            raise HttpProblem(409, "somebody has said something else meanwhile; look again", "said_meanwhile")
        reason = None if asked.reason is None else ReasonId(asked.reason)
        standard = query.config.standards[station]
        event = _may_be(
            lambda: assign(
                station,
                laid,
                standard,
                about,
                reason,
                by=by,
                now=now,
                comment=asked.comment,
                until_over=asked.end is None,
                together=asked.together,
                known_since=query.results.known_since(station),
            )
        )
        _open(query, event)
        return event

    async with board.writing:
        event = await board.ask(made)
        await board.append([event])
        return await board.ask(lambda query: reason_log_answer(_journaled(query, event)))


def _journaled(query: PlantResults, event: ReasonAssigned) -> Journaled:
    """The event with its number."""
    about = Interval(min(event.start, event.time), max(event.time, event.end or event.time))
    told = query.reader.reaching(event.station, about.start, about.end)
    return max((each for each in told if each.event == event), key=lambda each: each.seq)


async def take_back(board: Board, person: Person | None, asked: UndoRequest) -> list[ReasonLogAnswer]:
    """Undoes one word about a stop, where nobody has said anything about the same time since."""
    if person is None:
        raise HttpProblem(401, "sign in first", "sign_in_first")
    board.require(person, Permission.EXPLAIN, person.station)
    by = person.name

    def made(query: PlantResults) -> tuple[ReasonAssigned, ...]:
        told = query.reader.read(asked.seq - 1, 1)
        said = told[0].event if told and told[0].seq == asked.seq else None
        if not isinstance(said, ReasonAssigned):
            raise HttpProblem(404, f"event {asked.seq} gives no reason", "no_such_reason", {"seq": asked.seq})
        board.require(person, Permission.EXPLAIN, said.station)
        if said.station not in query.config.standards:
            text = f"there is no station `{said.station}` any more"
            raise HttpProblem(404, text, "part_unknown", {"part": said.station})
        demand_recent(query.config, person, said.start, query.until)
        end = said.end or query.until
        window = Interval(said.start, max(said.start, end))
        events = query.events(said.station, window)
        if any(_overlaps(each, said) for each in events if each.seq > asked.seq):
            text = "somebody has said something else of this time since; correct that instead"
            raise HttpProblem(409, text, "said_since")
        line = timeline([each for each in events if each.seq != asked.seq])
        comment = f"undo of {asked.seq}"
        back = undo(said, line, by=by, now=query.until, comment=comment)
        _open(query, *back)
        return back

    async with board.writing:
        events = await board.ask(made)
        await board.append(list(events))
        return await board.ask(lambda query: [reason_log_answer(_journaled(query, event)) for event in events])


def _overlaps(later: Journaled, said: ReasonAssigned) -> bool:
    event = later.event
    if not isinstance(event, ReasonAssigned):
        return False
    ends = [each.end for each in (event, said)]
    return (ends[1] is None or event.start < ends[1]) and (ends[0] is None or said.start < ends[0])


async def close_shift(board: Board, person: Person | None, asked: ShiftClosingRequest) -> ShiftClosingAnswer:
    """Closes the books of a station's shift; all its stops must have their reason."""
    board.require(person, Permission.CLOSE, StationId(asked.station))
    assert person is not None
    by = person.name

    def made(query: PlantResults, station: StationId, shift: Window) -> StationEvent:
        told = [each.event for each in query.events(station, shift.interval)]
        found = query.stops(station, _seen(query, shift.interval))
        now = query.until
        figures = query.closing_figures(station, shift.interval)
        return close(station, shift.interval, found, told, by=by, now=now, known=now, figures=figures)

    return await _book(board, asked, made)


async def reopen_shift(board: Board, person: Person | None, asked: ShiftClosingRequest) -> ShiftClosingAnswer:
    """Opens the books of a station's shift again."""
    board.require(person, Permission.CLOSE, StationId(asked.station))
    assert person is not None
    by = person.name

    def made(query: PlantResults, station: StationId, shift: Window) -> StationEvent:
        told = [event.event for event in query.events(station, shift.interval)]
        return reopen(station, shift.interval, told, by=by, why=asked.why, now=query.until)

    return await _book(board, asked, made)


async def _book(
    board: Board, asked: ShiftClosingRequest, made: Callable[[PlantResults, StationId, Window], StationEvent]
) -> ShiftClosingAnswer:
    def event_of(query: PlantResults) -> StationEvent:
        station, shift = station_of(query, asked.station), window_of(query, asked.window)
        return _may_be(lambda: made(query, station, shift))

    async with board.writing:
        event = await board.ask(event_of)
        await board.append([event])
    return await board.ask(
        lambda query: shift_closing_answer(query, StationId(asked.station), window_of(query, asked.window))
    )


def _seen(query: PlantResults, window: Interval) -> Interval:
    return window.before(query.until)


def window_of(query: PlantResults, name: str) -> Window:
    """A window by its name. Raises Refused (404)."""
    try:
        return query.window(name)
    except ConfigError as error:
        raise HttpProblem(404, str(error), "window_unknown", {"window": name}) from error


async def decide_count(
    board: Board, person: Person | None, number: int, asked: CountDecisionRequest
) -> UnreconciledCountAnswer:
    """Decides how many parts a doubtful count stands for."""
    board.require(person, Permission.RECONCILE)
    assert person is not None
    by = person.name

    def made(query: PlantResults, now: datetime) -> StationEvent:
        config = query.config
        about = next((each for each in cases(query.reader, config.setups) if each.seq == number), None)
        if about is None:
            text = f"event {number} is no count that a person has to decide"
            raise HttpProblem(404, text, "no_doubtful_count", {"number": number})
        if asked.product is not None and asked.product not in config.products:
            text = f"the plant's file has no product `{asked.product}`"
            raise HttpProblem(422, text, "product_unknown", {"product": asked.product})
        product = ProductId(asked.product) if asked.product is not None else None
        standard = config.standards.get(about.event.station)
        event = _may_be(lambda: decide(about, asked.parts, product, standard, by=by, why=asked.why, now=now))
        _open(query, event)
        return event

    async with board.writing:
        event = await board.ask(lambda query: made(query, query.until))
        await board.append([event])
    return await board.ask(
        lambda query: next(
            doubt_answer(case) for case in cases(query.reader, query.config.setups) if case.seq == number
        )
    )
