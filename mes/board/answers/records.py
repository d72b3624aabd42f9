"""Answers about single things: cars, shift closings, what persons said, unreconciled counts, events, the programme."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from mes.board.answers.figures import number, window_answer
from mes.board.answers.record_models import (
    AfterClosing,
    ClosingAnswer,
    CycleAnswer,
    DecisionAnswer,
    EventAnswer,
    LifeAnswer,
    ProcessAnswer,
    ProgrammeAnswer,
    ProgrammeRowAnswer,
    ProgrammeSectionAnswer,
    ReasonLogAnswer,
    ResultAnswer,
    SeenAnswer,
    ShiftClosingAnswer,
    UnreconciledCountAnswer,
    VisitAnswer,
)
from mes.calendar import Window
from mes.config.names import DisplayNames
from mes.intervals import Interval
from mes.journal.codec import event_body
from mes.model import Event, FaultCleared, FaultRaised, Journaled, ReasonAssigned, StationId, UnitCompleted, UnitId
from mes.oee.biography import Biography, Visit
from mes.oee.components import Kpi
from mes.oee.programme import ProgrammeReport, ProgrammeRow, ProgrammeSection
from mes.oee.unreconciled_counts import Case
from mes.results.fields import seconds
from mes.results.plant import PlantResults
from mes.results.shift_closing import Closing

RECENT = timedelta(hours=2)
RECENT_MOST = 12
EPOCH_NAMES = frozenset({"station", "time", "received_time", "time_source"})


def life_answers(query: PlantResults, unit: str) -> list[LifeAnswer]:
    """All lives of a unit id; none for one that no event names."""
    return [_life(query, biography) for biography in query.biography(UnitId(unit))]


def _life(query: PlantResults, life: Biography) -> LifeAnswer:
    return LifeAnswer(
        unit=life.unit,
        life=life.life,
        product=life.product,
        first_seen=life.first_seen,
        last_seen=life.last_seen,
        finished_at=life.finished_at,
        loops=life.loops,
        visits=[_visit(query, visit) for visit in life.visits],
    )


def _visit(query: PlantResults, visit: Visit) -> VisitAnswer:
    limits = query.config.limits.get(visit.station, {})
    process = []
    for summary in query.process(visit):
        limit = limits.get(summary.name)
        process.append(
            ProcessAnswer(
                name=summary.name,
                minimum=summary.minimum,
                mean=summary.mean,
                maximum=summary.maximum,
                low=None if limit is None else limit.low,
                high=None if limit is None else limit.high,
                samples=summary.samples,
                known_s=summary.length.total_seconds(),
                outside_s=None if summary.in_limits is None else (summary.length - summary.in_limits).total_seconds(),
            )
        )
    return VisitAnswer(
        station=visit.station,
        passage=visit.passage,
        entered=visit.entered,
        left=visit.left,
        first_seen=visit.first_seen,
        last_seen=visit.last_seen,
        results=[
            ResultAnswer(result=result.result, time=result.time, cycle_s=seconds(result.cycle_time))
            for result in visit.results
        ],
        flags=sorted(visit.flags),
        process=process,
    )


def cycle_answers(query: PlantResults, station: StationId, window: Interval) -> list[CycleAnswer]:
    """The units that got a result at a station in a window, in the order of time."""
    standard = query.config.standards[station]
    made = [event.event for event in query.events(station, window) if isinstance(event.event, UnitCompleted)]
    return [
        CycleAnswer(
            time=completed.time,
            unit=completed.unit,
            product=completed.product,
            result=completed.result,
            cycle_s=seconds(completed.cycle_time),
            ideal_cycle_s=seconds(standard.ideal(completed.product)),
        )
        for completed in made
        if completed.time in window
    ]


def recent_answers(query: PlantResults) -> list[SeenAnswer]:
    """The last units that got a result anywhere in the last two hours, the newest first."""
    now = query.until
    found = [
        SeenAnswer(unit=journaled.event.unit, station=station, time=journaled.event.time)
        for station in query.config.standards
        for journaled in query.reader.between(station, now - RECENT, now)
        if isinstance(journaled.event, UnitCompleted)
    ]
    return sorted(found, key=lambda event: event.time, reverse=True)[:RECENT_MOST]


def reason_log_answer(told: Journaled) -> ReasonLogAnswer:
    """A word of a person on a station's time."""
    event = told.event
    assert isinstance(event, ReasonAssigned)
    return ReasonLogAnswer(
        seq=told.seq,
        station=event.station,
        time=event.time,
        start=event.start,
        end=event.end,
        reason=event.reason,
        by=event.by,
        comment=event.comment,
    )


def reason_log_answers(query: PlantResults, station: StationId, window: Interval) -> list[ReasonLogAnswer]:
    """What persons said of a station's time in a window, the last word first."""
    told = [event for event in query.events(station, window) if isinstance(event.event, ReasonAssigned)]
    return [reason_log_answer(journaled) for journaled in sorted(told, key=lambda journaled: -journaled.seq)]


def shift_closing_answer(query: PlantResults, station: StationId, shift: Window) -> ShiftClosingAnswer:
    """Whether a station's shift is closed, and what still keeps it open."""
    closing = query.results.closing(station, shift.interval)
    until = query.until
    seen = shift.interval.before(until)
    return ShiftClosingAnswer(
        station=station,
        window=window_answer(shift),
        closed=closing is not None,
        closed_by=closing.by if closing is not None else None,
        closed_at=closing.time if closing is not None else None,
        stops_without_reason=sum(stop.needs_reason for stop in query.stops(station, seen)),
        after_closing=_after_closing(query, station, shift.interval) if closing is not None else None,
        over=until >= shift.interval.end,
    )


def closing_answers(query: PlantResults, stations: Iterable[StationId], span: Interval) -> list[ClosingAnswer]:
    """The closed shifts of stations that overlap a stretch of time."""
    return [
        closing_answer(closing, query.kpi(station, closing.window.interval))
        for station in stations
        for closing in query.closings(station, span)
    ]


def closing_answer(closing: Closing, kpi: Kpi) -> ClosingAnswer:
    """A closed shift; `kpi`: what it was closed with."""
    return ClosingAnswer(
        station=closing.event.station,
        window=window_answer(closing.window),
        in_calendar=closing.in_calendar,
        closed_by=closing.event.by,
        closed_at=closing.event.time,
        good=kpi.count("good"),
        rework=kpi.count("rework"),
        scrap=kpi.count("scrap"),
        at_least=kpi.units_missing,
        oee=kpi.oee,
    )


def _after_closing(query: PlantResults, station: StationId, shift: Interval) -> AfterClosing | None:
    closed = query.kpi(station, shift)
    if not closed.after_closing:
        return None
    live = query.live_kpi(station, shift)
    return AfterClosing(
        good=_difference("good", closed, live),
        rework=_difference("rework", closed, live),
        scrap=_difference("scrap", closed, live),
        oee_closed=closed.oee,
        oee_now=live.oee,
    )


def _difference(name: str, closed: Kpi, live: Kpi) -> int | None:
    before, after = closed.count(name), live.count(name)
    return None if before is None or after is None else after - before


def unreconciled_count_answer(case: Case) -> UnreconciledCountAnswer:
    """An unreconciled count."""
    event = case.event
    return UnreconciledCountAnswer(
        number=case.seq,
        station=event.station,
        kind=event.kind,
        product=event.totaliser_product,
        time=event.time,
        raw_before=event.previous_raw,
        raw_after=event.raw,
        assessment=case.assessment,
        at_most=case.most,
        shown=list(case.shown),
        possible=case.possible,
        explanation=event.explanation,
        decisions=[
            DecisionAnswer(
                parts=said.parts, product=said.product, by=said.by, why=said.why, recorded_time=said.recorded_time
            )
            for said in case.said
        ],
    )


def event_answer(told: Journaled, names: DisplayNames) -> EventAnswer:
    """An event as the journal keeps it; a fault with its texts."""
    event = told.event
    assert isinstance(event, Event)
    facts: dict[str, Any] = msgspec.json.decode(event_body(event))
    code = event.code if isinstance(event, FaultRaised | FaultCleared) else None
    return EventAnswer(
        seq=told.seq,
        kind=type(event).__name__,
        station=event.station,
        time=event.time,
        received_time=event.received_time,
        time_source=event.time_source,
        facts={name: value for name, value in facts.items() if name not in EPOCH_NAMES},
        fault_texts=names.fault_texts(event.station, code),
    )


def event_answers(told: Sequence[Journaled], names: DisplayNames) -> list[EventAnswer]:
    """Events in the order in which they come."""
    return [event_answer(journaled, names) for journaled in told]


def programme_answer(report: ProgrammeReport) -> ProgrammeAnswer:
    """Cars built against the programme."""
    return ProgrammeAnswer(
        year=report.year,
        until=report.until,
        months={month: _section(section) for month, section in report.months.items()},
        whole=_section(report.whole),
        forecast=number(report.forecast),
        unplaced=report.unplaced,
    )


def _section(section: ProgrammeSection) -> ProgrammeSectionAnswer:
    return ProgrammeSectionAnswer(
        start=section.window.start,
        end=section.window.end,
        at_least=section.at_least,
        total=_programme_row(section.total),
        by_model=[_programme_row(row) for row in section.by_model],
        by_assembly_method=[_programme_row(row) for row in section.by_assembly_method],
        by_market=[_programme_row(row) for row in section.by_market],
        local_content_pct=number(section.local_content.mean_pct),
        cars_without_local_content=section.local_content.cars_without_figure,
    )


def _programme_row(row: ProgrammeRow) -> ProgrammeRowAnswer:
    return ProgrammeRowAnswer(
        label=row.label,
        built=row.built,
        plan=float(row.plan),
        plan_to_date=float(row.plan_to_date),
        attainment=number(row.attainment),
        share=number(row.share),
    )
