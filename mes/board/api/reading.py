"""Everything that can be read: the plant, its time, its figures, its cars, its shift closings."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from mes.board.actions import definition_of, station_of
from mes.board.answers import figures, records
from mes.board.answers.andon_board import collector_answer
from mes.board.answers.models import (
    AndonBoardAnswer,
    CollectorAnswer,
    ControllerDetailAnswer,
    HourAnswer,
    KpiAnswer,
    Level,
    LineStopAnswer,
    ReasonAnswer,
    SiteAnswer,
    StopAnswer,
    StoreAnswer,
    TagAnswer,
    TimelineAnswer,
    UnreadAnswer,
    WindowAnswer,
)
from mes.board.answers.record_models import (
    ClosingAnswer,
    CycleAnswer,
    EventAnswer,
    LifeAnswer,
    ProgrammeAnswer,
    ReasonLogAnswer,
    SeenAnswer,
    ShiftClosingAnswer,
    UnreconciledCountAnswer,
)
from mes.board.api.common import REFUSALS, TABLE, Format, OnBoard, Within, bounded, reader_of, table
from mes.board.context import HttpProblem
from mes.board.pages.controllers import controller_answers, tag_answers
from mes.calendar import WindowKind
from mes.errors import ConfigError
from mes.intervals import Interval
from mes.results.plant import Node, PlantResults
from mes.results.unreconciled import UnreconciledCounts

router = APIRouter(dependencies=[Depends(reader_of)], responses=REFUSALS)

FINE = timedelta(days=8)  # single states, stops and events are given for so long at once
NAMES_MOST = 64
COUNTS_MOST = 10_000
WINDOWS_MOST = 4000  # in one answer: a year of three shifts a day and the stretches between them, and more
Path = Annotated[str, Query(max_length=200, description="a part of the plant, as site/area/line; default: all of it")]
Definitions = Annotated[list[str], Query(max_length=20, description="of OEE; default: the plant's own")]


@router.get("/site", summary="The plant: stations, products, time zone, the present")
async def site(board: OnBoard) -> SiteAnswer:
    """What is configured, and how far the journal knows."""
    return await board.ask(lambda query: figures.site_answer(query, board.clock.now()))


@router.get("/collector", summary="State of the collector")
async def alive(board: OnBoard) -> CollectorAnswer:
    """With the age of every controller's last reading."""
    return collector_answer(board.status())


@router.get("/wall", summary="The plant as it stands now")
async def wall(board: OnBoard) -> AndonBoardAnswer:
    """What the andon wall shows."""
    if board.live.wall is None:
        await board.live.refresh()
    if board.live.wall is None:
        raise HttpProblem(404, "journal_empty")
    return board.live.wall


@router.get("/windows", summary="Hours, shifts, days, weeks, months, years of the calendar", responses=TABLE)
async def windows(
    board: OnBoard,
    within: Within,
    kind: WindowKind = WindowKind.SHIFT,
    form: Annotated[Format, Query(alias="format")] = "json",
) -> list[WindowAnswer]:
    """Those that overlap a stretch of time; beside shifts also the time between them in which units were made."""
    longest = FINE if kind is WindowKind.HOUR else figures.LONGEST

    def asked(query: PlantResults) -> list[WindowAnswer]:
        span = bounded(within.of(query), longest).interval
        if kind is WindowKind.SHIFT:
            _require_few(query, span)
        return list(figures.windows_answer(query, kind, span))

    return table(await board.ask(asked, long=True), form)


def _require_few(query: PlantResults, span: Interval) -> None:
    """Raises HttpProblem where shifts and the stretches between them are too many for one answer."""
    calendar = query.config.calendar
    found = len(calendar.shifts(span)) + len(calendar.off_shift(span))
    if found > WINDOWS_MOST:
        days = max(1, span.length.days * WINDOWS_MOST // found)
        raise HttpProblem(422, "too_many_windows", {"windows": found, "most": WINDOWS_MOST, "days": days})


@router.get("/kpi", summary="OEE with its factors, its sums and its losses", responses=TABLE)
async def kpi(
    board: OnBoard,
    within: Within,
    of: Path = "",
    level: Level = "station",
    definition: Definitions = [],  # noqa: B006 - FastAPI reads it, nobody changes it
    form: Annotated[Format, Query(alias="format")] = "json",
) -> list[KpiAnswer]:
    """One answer for each station, line, area or site inside `of`."""

    def asked(query: PlantResults) -> list[KpiAnswer]:
        chosen = [definition_of(query, name) for name in definition or [""]]
        window = within.of(query)
        return [figures.kpi_answer(query, node, window, chosen) for node in _nodes(query, level, of)]

    return table(await board.ask(asked, long=True), form)


@router.get("/hours", summary="Plan against actual, hour by hour, with each hour's largest loss", responses=TABLE)
async def hours(
    board: OnBoard, of: Path, within: Within, form: Annotated[Format, Query(alias="format")] = "json"
) -> list[HourAnswer]:
    """Good units of the last station of a part of the plant."""
    return table(
        await board.ask(
            lambda query: figures.hours_answer(query, _node(query, of), bounded(within.of(query), FINE).interval)
        ),
        form,
    )


@router.get("/line-stops", summary="Stations that stopped a line, with time and cars lost", responses=TABLE)
async def line_stops(
    board: OnBoard, of: Path, within: Within, form: Annotated[Format, Query(alias="format")] = "json"
) -> list[LineStopAnswer]:
    """Lost time of the last station of a part of the plant, charged through all buffers to its cause."""
    return table(
        await board.ask(
            lambda query: figures.line_stops_answer(query, _node(query, of), bounded(within.of(query), FINE).interval)
        ),
        form,
    )


@router.get("/stores", summary="Cars between the stations", responses=TABLE)
async def stores(
    board: OnBoard, within: Within, form: Annotated[Format, Query(alias="format")] = "json"
) -> list[StoreAnswer]:
    """What waits at the end of the window, and how long those waited that went on in it."""
    return table(
        await board.ask(lambda query: figures.stores_answer(query, bounded(within.of(query), FINE).interval)),
        form,
    )


@router.get("/stops", summary="Stretches that were not producing, with their reasons", responses=TABLE)
async def stops(
    board: OnBoard,
    within: Within,
    of: Path = "",
    unexplained: bool = False,
    form: Annotated[Format, Query(alias="format")] = "json",
) -> list[StopAnswer]:
    """In planned time, in the order of time; `unexplained`: only those that need a reason."""

    def asked(query: PlantResults) -> list[StopAnswer]:
        window = bounded(within.of(query), FINE)
        stations = [node.stations[0] for node in _nodes(query, "station", of)]
        found = figures.stops_answer(query, stations, window.interval)
        return [stop for stop in found if stop.needs_reason or not unexplained]

    return table(await board.ask(asked), form)


@router.get("/stations/{station:path}/timeline", summary="What a station did, second by second")
async def timeline(board: OnBoard, station: str, within: Within) -> TimelineAnswer:
    """Its states with bucket and reason, without a gap."""
    return await board.ask(
        lambda query: figures.timeline_answer(query, station_of(query, station), bounded(within.of(query), FINE))
    )


@router.get("/stations/{station:path}/reasons", summary="Why a station may stand, most used first", responses=TABLE)
async def reasons(
    board: OnBoard, station: str, form: Annotated[Format, Query(alias="format")] = "json"
) -> list[ReasonAnswer]:
    """Its catalogue of reasons."""
    return table(await board.ask(lambda query: figures.reasons_answer(query, station_of(query, station))), form)


@router.get("/stations/{station:path}/reason-log", summary="Reason log of a station", responses=TABLE)
async def reason_log(
    board: OnBoard, station: str, within: Within, form: Annotated[Format, Query(alias="format")] = "json"
) -> list[ReasonLogAnswer]:
    """Reasons given, corrected and taken back, the last word first."""
    return table(
        await board.ask(
            lambda query: records.reason_log_answers(
                query, station_of(query, station), bounded(within.of(query), FINE).interval
            )
        ),
        form,
    )


@router.get("/stations/{station:path}/cycles", summary="Units that got a result, with their cycles", responses=TABLE)
async def cycles(
    board: OnBoard, station: str, within: Within, form: Annotated[Format, Query(alias="format")] = "json"
) -> list[CycleAnswer]:
    """In the order of time, each beside the ideal cycle of its product."""
    return table(
        await board.ask(
            lambda query: records.cycle_answers(
                query, station_of(query, station), bounded(within.of(query), FINE).interval
            )
        ),
        form,
    )


@router.get("/stations/{station:path}/events", summary="The raw events behind the figures", responses=TABLE)
async def events(
    board: OnBoard, station: str, within: Within, form: Annotated[Format, Query(alias="format")] = "json"
) -> list[EventAnswer]:
    """Those that bear on a stretch of a station's time, in the order of time."""
    return table(
        await board.ask(
            lambda query: records.event_answers(
                query.events(station_of(query, station), bounded(within.of(query), FINE).interval), query.config.names
            )
        ),
        form,
    )


@router.get("/stations/{station:path}/shift-closing", summary="Whether a station's shift is closed")
async def shift_closing(board: OnBoard, station: str, within: Within) -> ShiftClosingAnswer:
    """And what still keeps it open."""
    return await board.ask(
        lambda query: records.shift_closing_answer(query, station_of(query, station), bounded(within.of(query), FINE))
    )


@router.get("/shift-closings", summary="Closed shifts, each in the window that it was closed for", responses=TABLE)
async def shift_closings(
    board: OnBoard, within: Within, of: Path = "", form: Annotated[Format, Query(alias="format")] = "json"
) -> list[ClosingAnswer]:
    """Those that overlap a stretch of time, also where the calendar was changed since."""

    def asked(query: PlantResults) -> list[ClosingAnswer]:
        stations = [node.stations[0] for node in _nodes(query, "station", of)]
        return records.closing_answers(query, stations, bounded(within.of(query), figures.LONGEST).interval)

    return table(await board.ask(asked, long=True), form)


@router.get("/units", summary="Cars that got a result lately", responses=TABLE)
async def recent(board: OnBoard, form: Annotated[Format, Query(alias="format")] = "json") -> list[SeenAnswer]:
    """The last twelve of the last two hours at most, the newest first."""
    return table(await board.ask(records.recent_answers), form)


@router.get("/units/{unit}", summary="A car's way, with results and process values")
async def units(board: OnBoard, unit: str) -> list[LifeAnswer]:
    """All lives of a VIN or body number."""
    if not unit or len(unit) > NAMES_MOST:
        raise HttpProblem(404, "unit_unknown", {"unit": unit[:NAMES_MOST]})
    found = await board.ask(lambda query: records.life_answers(query, unit))
    if not found:
        raise HttpProblem(404, "unit_unknown", {"unit": unit})
    return found


@router.get("/unreconciled-counts", summary="Unreconciled counts, for a person to decide", responses=TABLE)
async def counters(
    board: OnBoard,
    form: Annotated[Format, Query(alias="format")] = "json",
    undecided: bool = False,
    before: Annotated[int | None, Query(ge=1, le=2**53 - 1, description="only those with smaller numbers")] = None,
    limit: Annotated[int, Query(ge=1, le=COUNTS_MOST)] = COUNTS_MOST,
) -> list[UnreconciledCountAnswer]:
    """The newest ones, in the order of time; ask for those before the smallest number for more."""

    def asked(query: PlantResults) -> list[UnreconciledCountAnswer]:
        counts = UnreconciledCounts(query.reader, query.config.setups)
        numbers = [number for number in counts.numbers(undecided=undecided) if before is None or number < before]
        return [records.unreconciled_count_answer(case) for case in counts.cases(numbers[:limit])]

    return table(await board.ask(asked, long=True), form)


@router.get("/unread-counters", summary="Counters that cannot be read now", responses=TABLE)
async def unread_counters(
    board: OnBoard, form: Annotated[Format, Query(alias="format")] = "json"
) -> list[UnreadAnswer]:
    """What they count meanwhile is not known: null where nothing of a window is, at least so many otherwise."""
    return table(await board.ask(lambda query: figures.unread_answers(query, query.config.standards)), form)


@router.get("/controllers", summary="Connections, and what is to be corrected there", responses=TABLE)
async def controllers(
    board: OnBoard, form: Annotated[Format, Query(alias="format")] = "json"
) -> list[ControllerDetailAnswer]:
    """Every controller that was tried, with the diagnostics that hold now."""
    return table(controller_answers(board.status()), form)


@router.get("/controllers/{controller}/tags", summary="What every tag of a controller shows now", responses=TABLE)
async def tags(
    board: OnBoard, controller: str, form: Annotated[Format, Query(alias="format")] = "json"
) -> list[TagAnswer]:
    """Address, raw value, quality and age, and what is made of it."""
    return table(tag_answers(board, controller), form)


@router.get("/programme", summary="Cars built against the programme, and their local content")
async def programme(board: OnBoard, within: Within) -> ProgrammeAnswer:
    """Of whole months of one year."""

    def asked(query: PlantResults) -> ProgrammeAnswer:
        window = within.of(query)
        try:
            return records.programme_answer(query.programme(window.interval))
        except ConfigError as error:
            raise HttpProblem(404, "no_programme") from error
        except ValueError as error:
            raise HttpProblem(422, "programme_months") from error

    return await board.ask(asked, long=True)


def _nodes(query: PlantResults, level: str, of: str) -> list[Node]:
    """The nodes of a level inside a part of the plant."""
    inside = set(_node(query, of).stations)
    return [node for node in query.nodes(level, []) if inside.intersection(node.stations)]


def _node(query: PlantResults, of: str) -> Node:
    try:
        return query.node(of or query.config.site)
    except ConfigError as error:
        raise HttpProblem(404, "part_unknown", {"part": of}) from error
