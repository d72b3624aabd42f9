"""Totalisers and the record of units, side by side: what was made, how many, of which product, and which units."""

from dataclasses import replace
from datetime import datetime, timedelta

from adapters.reading import Quality, Reading
from mes.collect.counters import Counted, CounterSetup, CounterState, Unreconciled, count
from mes.collect.signals import UnitLogSignal
from mes.collect.units import UnitRecord, forget, parse, read_log, take, waiting_units
from mes.collect.values import NO_PRODUCT, whole
from mes.collect.work import Work
from mes.model import (
    CountKind,
    CountUnreconciled,
    ProductId,
    TimeSource,
    UnitCompleted,
    UnitId,
    UnitResult,
    UnitsCounted,
    UnitsUnidentified,
)

RESULT_OF = {CountKind.GOOD: UnitResult.GOOD, CountKind.REWORK: UnitResult.REWORK, CountKind.SCRAP: UnitResult.SCRAP}


def read_counter(work: Work, setup: CounterSetup, reading: Reading) -> None:
    """Books what a totaliser moved by; only a usable value of good quality counts, any other is held."""
    raw, kind, held = whole(reading.value), setup.kind, work.state.held
    if raw is None or reading.quality is not Quality.GOOD:
        work.state = replace(work.state, held={kind: reading.received_time, **held})
        return
    known = work.state.counters.get(kind)
    if known is not None:
        _forget(work, kind, known.time - work.setup.max_source_offset)
    when = work.when(reading)
    since = work.state.closed.unseen.get(kind) if work.state.closed is not None else None
    counter, outcome = count(
        setup,
        known,
        raw,
        when[0],
        # a totaliser that could be read only after the gap was unseen until then
        gap=max(when[0] - since, timedelta()) if since is not None else None,
        unread=reading.received_time - held.get(kind, reading.received_time),
        slack=work.setup.max_source_offset if reading.source_time is not None else timedelta(),
        recorded=_recorded(work, kind),
    )
    if since is not None and work.state.closed is not None:
        when = (work.state.closed.until, TimeSource.EDGE)
    if counter is not None and setup.holds(raw):
        _seen(work, kind, counter)
    if isinstance(outcome, Counted):
        _booked(work, setup, outcome, raw, when, since)
    elif isinstance(outcome, Unreconciled):
        explained = {"previous_raw": outcome.previous_raw, "explanation": outcome.explanation}
        work.emit(CountUnreconciled, when, kind=kind, raw=raw, **explained)


def _seen(work: Work, kind: CountKind, counter: CounterState) -> None:
    """The totaliser was read: what it moves by from now on was not made in a gap, nor while it could not be read."""
    state = work.state
    closed = state.closed
    work.state = replace(
        state,
        counters={**state.counters, kind: counter},
        held={each: since for each, since in state.held.items() if each is not kind},
        closed=closed and replace(closed, unseen={each: at for each, at in closed.unseen.items() if each is not kind}),
    )


def _forget(work: Work, kind: CountKind, before: datetime) -> None:
    if work.state.log is not None and kind in RESULT_OF:
        work.state = replace(work.state, log=forget(work.state.log, RESULT_OF[kind], before))


def _recorded(work: Work, kind: CountKind) -> int | None:
    """Units of this kind that the controller recorded and no count has claimed; None where it does not say."""
    if work.state.log is None or kind not in RESULT_OF or "unit_log" in work.state.qualities:
        return None
    return waiting_units(work.state.log, RESULT_OF[kind])


def _booked(
    work: Work,
    setup: CounterSetup,
    counted: Counted,
    raw: int,
    when: tuple[datetime, TimeSource],
    since: datetime | None,
) -> None:
    """One event for each run of units of one product; their raw values follow each other."""
    products = _products(work, setup.kind, counted.delta, when[0])
    runs = _runs(products) or [(work.state.product, 0)]
    at = counted.previous_raw
    for index, (product, units) in enumerate(runs):
        last = index == len(runs) - 1
        reached = raw if last or at is None else (at + units) % setup.modulus
        work.emit(
            UnitsCounted,
            when,
            kind=setup.kind,
            delta=units,
            raw=reached,
            previous_raw=at,
            product=product,
            flag=counted.flag,
            since=since,
        )
        at = reached
    if counted.delta == 1 and since is None and not work.setup.has_unit_log:
        _completed_by_count(work, setup.kind, when)


def _products(work: Work, kind: CountKind, units: int, time: datetime) -> list[ProductId | None]:
    """The product of each counted unit: as recorded, else the one that is in the station."""
    recorded: list[str] = []
    if work.state.log is not None and kind in RESULT_OF:
        log, recorded = take(work.state.log, RESULT_OF[kind], units, time=time)
        work.state = replace(work.state, log=log)
    named = [work.state.product if each in NO_PRODUCT else work.setup.products.get(each) for each in recorded]
    return [*named, *([work.state.product] * (units - len(named)))]


def _completed_by_count(work: Work, kind: CountKind, when: tuple[datetime, TimeSource]) -> None:
    """Without a record of units, the one that is in the station when a count moves is the one that was counted."""
    if not work.state.unit or kind not in RESULT_OF:
        return
    since = work.state.unit_since
    work.emit(
        UnitCompleted,
        when,
        unit=UnitId(work.state.unit),
        product=work.state.product,
        result=RESULT_OF[kind],
        cycle_time=when[0] - since if since is not None and since <= when[0] else None,
    )


def read_unit_log(work: Work, signal: UnitLogSignal, reading: Reading) -> None:
    """Completes the units that are new in the controller's record; they wait there for their counts."""
    records, malformed = parse(reading.value if isinstance(reading.value, tuple) else ())
    work.judge(signal, reading, malformed=malformed > 0 or not isinstance(reading.value, tuple))
    if not isinstance(reading.value, tuple):
        return
    log, news = read_log(
        work.state.log,
        records,
        signal.modulus,
        tolerance=work.setup.max_source_offset,
        malformed=malformed,
        empty=len(reading.value) - len(records) - malformed,
    )
    work.state = replace(work.state, log=log)
    if news.missing:
        work.emit(UnitsUnidentified, work.when(reading), missing=news.missing, first_sequence=news.first_missing)
    for record in news.records:
        _completed(work, record, reading)


def _completed(work: Work, record: UnitRecord, reading: Reading) -> None:
    time, source = record.time, TimeSource.CONTROLLER
    closed = work.state.closed
    in_gap = closed is not None and closed.since - work.setup.max_source_offset <= time <= closed.until
    if not in_gap and not work.is_sane(time):
        time, source = reading.received_time, TimeSource.EDGE
    since = work.state.unit_since if record.unit == work.state.unit else None
    work.emit(
        UnitCompleted,
        (time, source),
        unit=UnitId(record.unit),
        product=work.setup.products.get(record.product),
        result=record.result,
        cycle_time=time - since if since is not None and since <= time else None,
        sequence=record.sequence,
    )


def _runs(products: list[ProductId | None]) -> list[tuple[ProductId | None, int]]:
    """Neighbours of one product together."""
    runs: list[tuple[ProductId | None, int]] = []
    for product in products:
        if runs and runs[-1][0] == product:
            runs[-1] = (product, runs[-1][1] + 1)
        else:
            runs.append((product, 1))
    return runs
