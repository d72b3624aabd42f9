"""Totalisers and the record of units, side by side: what was made, how many, of which product, and which units."""

from collections.abc import Mapping, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from adapters.reading import Quality, Reading
from mes.collect.counters import (
    Counted,
    CounterSetup,
    CounterState,
    Evidence,
    Unchanged,
    Undecided,
    Unreconciled,
    follows,
    judge,
    with_suspect,
)
from mes.collect.observation import Work
from mes.collect.places import first_reading
from mes.collect.signals import CounterSignal, Held, UnitLogSignal
from mes.collect.units import (
    RECORDS_COME_WITHIN,
    UNRECORDED_AFTER,
    Claim,
    UnitRecord,
    forget,
    forget_counted,
    forget_overrun,
    parse,
    read_log,
    take,
    take_overdue,
    take_uncounted,
    take_unnamed,
    waiting_units,
)
from mes.collect.values import NO_PRODUCT, whole
from mes.model import (
    CountFlag,
    CountKind,
    ProductId,
    TimeSource,
    TotaliserId,
    UnitCompleted,
    UnitId,
    UnitResult,
    UnitsCounted,
    UnitsUnidentified,
    kind_and_product,
    totaliser_id,
)

RESULT_OF = {CountKind.GOOD: UnitResult.GOOD, CountKind.REWORK: UnitResult.REWORK, CountKind.SCRAP: UnitResult.SCRAP}


RESET_LASTS = timedelta(seconds=30)  # a fall that lasted for so long is no value that was misread


def read_counter(work: Work, setup: CounterSetup, reading: Reading) -> None:
    """Counts what a totaliser moved by; only a usable value of good quality counts, any other is held."""
    raw = whole(reading.value)
    if raw is None or reading.quality is not Quality.GOOD:
        work.state = replace(work.state, unread={setup.totaliser: reading.received_time, **work.state.unread})
        return
    time, source = work.when(reading)
    now = Held(setup.units(raw), time, source, reading.received_time, _looked(work, setup.totaliser))
    held = work.state.held.get(setup.totaliser)
    if held is None:
        _read(work, setup, now, settled=False, confirmed=False)
    elif held.raw != now.raw:  # the same value waits on
        _read_after_held(work, setup, held, now)


def _looked(work: Work, totaliser: TotaliserId) -> datetime | None:
    """The last look at a totaliser before this observation; None where it is not known."""
    closed, looked = work.state.closed, work.seen.looked
    if closed is not None and totaliser in closed.unseen:
        return closed.unseen[totaliser]
    unread = work.state.unread.get(totaliser)
    return unread if looked is not None and unread is not None and unread < looked else looked


def _read_after_held(work: Work, setup: CounterSetup, held: Held, now: Held) -> None:
    """What the next value says about one that waits, and then that value itself.

    It confirms the one that waits if it goes on from it; if it goes on from the value before, the one that waits was
    misread. Where both can be, or neither, the one that waits is flagged.
    """
    known = work.state.counters[setup.totaliser]
    base_looked = held.looked or known.time
    held_looked = max(now.looked or held.received_time, held.received_time)
    from_base = follows(setup, known.raw, now.raw, now.received_time - base_looked)
    from_held = follows(setup, held.raw, now.raw, now.received_time - held_looked)
    # a turn that waits for the unit log lies on the way from the value before
    on_the_way = follows(setup, known.raw, held.raw, held.received_time - base_looked)
    recorded, _ = _recorded(work, setup.totaliser, None)
    if from_held and (on_the_way or not from_base):
        since = held.since or held.received_time
        if recorded is not None:
            # the unit log does not say which of its units belong to which of the two: they are taken together
            settled = now.received_time - since >= RECORDS_COME_WITHIN
            _read(work, setup, replace(now, looked=held.looked, since=since), settled=settled, confirmed=True)
            return
        _read(work, setup, held, settled=True, confirmed=True, earlier=True)
        _read(work, setup, now, settled=False, confirmed=False)
        return
    if not from_held and recorded is not None and _is_shown(setup, known.raw, held.raw, now.raw, recorded):
        # the unit log shows all that the value that waits did: it was true, and this one fell
        _read(work, setup, held, settled=True, confirmed=True, earlier=True)
        _read(work, setup, now, settled=False, confirmed=False)
        return
    if from_base and not from_held:
        work.state = replace(work.state, held=_others(work.state.held, setup.totaliser))
        now = replace(now, looked=held.looked)
    else:
        suspect = with_suspect(known, held.raw, held.received_time)
        _done_with(work, setup.totaliser, suspect, held.received_time, ends_gap=False)
        why = f"fell from {known.raw} to {held.raw} and then showed {now.raw}: a reset, or a value that was misread"
        _emit_unreconciled(work, setup.totaliser, held.raw, (held.time, held.time_source), Unreconciled(known.raw, why))
    _read(work, setup, now, settled=False, confirmed=False)


def _is_shown(setup: CounterSetup, known: int, held: int, now: int, recorded: int) -> bool:
    """Whether the unit log shows all that a value that waits did, by a rise, a turn or a reset.

    By a reset only if the way past it, to the present value, would leave a record over.
    """
    if (held - known) % setup.modulus <= recorded:
        return True
    return 0 < held <= recorded and (now - known) % setup.modulus < recorded


def settle_counters(work: Work, before: Mapping[TotaliserId, Held]) -> None:
    """Decides what was `before` this observation held back, once the unit log spoke or time has told."""
    spoke = any(isinstance(work.setup.signals[reading.tag], UnitLogSignal) for reading in work.seen.readings)
    for signal in work.setup.signals.values():
        if not isinstance(signal, CounterSignal) or signal.setup.totaliser not in before:
            continue
        totaliser = signal.setup.totaliser
        held = work.state.held.get(totaliser)
        if held is None:
            continue
        waited = work.seen.received_time - (held.since or held.received_time)
        confirmed = waited >= RESET_LASTS and totaliser not in work.state.unread
        if spoke or confirmed or waited >= RECORDS_COME_WITHIN:
            settled = waited >= RECORDS_COME_WITHIN
            _read(work, signal.setup, held, settled=settled, confirmed=confirmed, earlier=True)


def flag_unrecorded(work: Work) -> None:
    """Flags units that were counted before their records, and whose records did not come.

    They stay counted, and a person is told that they may be too many.
    """
    log, closed, now = work.state.log, work.state.closed, work.seen.received_time
    if log is None or not log.owed or "unit_log" in work.state.qualities:
        return
    if closed is not None and now - closed.until < RECORDS_COME_WITHIN:
        return  # a record from before the gap may not have been read yet
    log, overdue = take_overdue(log, now - UNRECORDED_AFTER)
    work.state = replace(work.state, log=log)
    for totaliser, counter, claim in _claims(work):
        its = [count for count in overdue if (count.result, count.product) == (claim.result, claim.product)]
        if its:
            units, first = sum(count.units for count in its), min(count.time for count in its)
            why = f"{units} of the units counted from {first} on are not in the unit log: they may be too many"
            _emit_unreconciled(work, totaliser, counter.raw, (now, TimeSource.EDGE), Unreconciled(counter.raw, why))


def _claims(work: Work) -> list[tuple[TotaliserId, CounterState, Claim]]:
    """The totalisers that were read, by the results that the unit log has, and which recorded units each counts."""
    found = []
    for kind in RESULT_OF:
        for totaliser, counter in work.state.counters.items():
            claim = _claim(work, totaliser)
            if claim is not None and kind_and_product(totaliser)[0] is kind:
                found.append((totaliser, counter, claim))
    return found


def _claim(work: Work, totaliser: TotaliserId) -> Claim | None:
    """Which recorded units a totaliser counts; None for one of all units, which the unit log does not tell apart."""
    kind, product = kind_and_product(totaliser)
    return Claim(RESULT_OF[kind], product, work.product_of) if kind in RESULT_OF else None


def flag_uncounted(work: Work) -> None:
    """Flags units that the unit log shows, and that no count followed while their totaliser was watched.

    They stay uncounted, for the totaliser may yet show them, and a person is told that they may be missing.
    """
    state, log, now = work.state, work.state.log, work.seen.received_time
    if log is None or not log.waiting or "unit_log" in state.qualities:
        return
    since, before = state.closed.until if state.closed is not None else None, now - UNRECORDED_AFTER
    undecided = state.held.keys() | state.unread.keys()
    undecided |= {totaliser for totaliser, counter in state.counters.items() if counter.suspect_raw is not None}
    for totaliser, counter, claim in _claims(work):
        if totaliser not in undecided:
            log, units = take_uncounted(log, claim, since, before)
            if units:
                work.state = replace(work.state, log=log)
            _flag_uncounted(work, totaliser, counter, units)
    _flag_unnamed(work, undecided, since, before)


def _flag_unnamed(work: Work, undecided: Set[TotaliserId], since: datetime | None, before: datetime) -> None:
    """The same of units whose records name no product, where each product has its totaliser: each may be of any.

    They are flagged at the totaliser of the product that is in the station, if it has one.
    """
    for kind, result in RESULT_OF.items():
        plain = totaliser_id(kind)
        counters = {
            totaliser: work.state.counters[totaliser]
            for totaliser in work.setup.totalisers
            if kind_and_product(totaliser)[0] is kind and totaliser in work.state.counters
        }
        if work.state.log is None or plain in counters or not counters or undecided & counters.keys():
            continue
        log, units = take_unnamed(work.state.log, result, work.product_of, since, before)
        work.state = replace(work.state, log=log)
        at = totaliser_id(kind, work.state.product)
        totaliser = at if at in counters else next(iter(counters))
        _flag_uncounted(work, totaliser, counters[totaliser], units)


def _flag_uncounted(work: Work, totaliser: TotaliserId, counter: CounterState, units: int) -> None:
    if units:
        why = f"{units} of the units in the unit log were not counted: they may be missing"
        when = (work.seen.received_time, TimeSource.EDGE)
        _emit_unreconciled(work, totaliser, counter.raw, when, Unreconciled(counter.raw, why))


def _read(work: Work, setup: CounterSetup, now: Held, *, settled: bool, confirmed: bool, earlier: bool = False) -> None:
    """One reading. `earlier`: it is of an earlier observation, perhaps of before the last gap."""
    totaliser = setup.totaliser
    known = work.state.counters.get(totaliser)
    if known is not None:
        _forget(work, known, totaliser)
    closed, since, gap = work.state.closed, None, None
    if earlier and closed is not None and now.received_time <= closed.since:
        closed = None
    time, source = now.time, now.time_source
    if closed is not None and totaliser in closed.unseen:
        time, source, since = closed.until, TimeSource.EDGE, closed.unseen[totaliser]
        gap = max(now.time, closed.until) - since  # one that could be read only later was unseen until then
    unread = now.received_time - work.state.unread.get(totaliser, now.received_time)
    _forget_overrun(work, now.received_time - RECORDS_COME_WITHIN)
    recorded, unnamed = _recorded(work, totaliser, time if source is TimeSource.CONTROLLER else None)
    evidence = Evidence(
        seen=now.received_time,
        looked=now.looked,
        gap=gap,
        unread=unread,
        recorded=recorded,
        overrun=unnamed + (work.state.log.overrun if work.state.log is not None else 0),
        settled=settled,
        confirmed=confirmed,
    )
    counter, outcome = judge(setup, known, now.raw, now.time, evidence)
    if isinstance(outcome, Undecided):
        work.state = replace(work.state, held={**work.state.held, totaliser: now})
        return
    if setup.holds(now.raw):  # a value that the totaliser cannot show says nothing, and ends no gap
        _done_with(work, totaliser, counter, now.received_time, ends_gap=closed is not None)
        _forget_counted(work, totaliser, known, counter, outcome, now.time)
    match outcome:
        case Unchanged():
            return
        case Unreconciled():
            outcome = _count_proved(work, setup, outcome, (time, source), since)
            _emit_unreconciled(work, totaliser, now.raw, (time, source), outcome)
        case Counted():
            if outcome.flag is CountFlag.BASELINE:
                outcome = first_reading(work, totaliser, outcome, now.raw, (time, source))
            _count(work, setup, outcome, now.raw, (time, source), since)
        case _:
            assert_never(outcome)


def _count_proved(
    work: Work, setup: CounterSetup, outcome: Unreconciled, when: tuple[datetime, TimeSource], since: datetime | None
) -> Unreconciled:
    """Counts the units that the unit log shows of a flagged reading; what is left is unreconciled from there."""
    if not outcome.proved:
        return outcome
    reached = (outcome.previous_raw + outcome.proved) % setup.modulus
    flag = CountFlag.NORMAL if since is None else CountFlag.CATCH_UP
    _count(work, setup, Counted(outcome.proved, flag, outcome.previous_raw), reached, when, since)
    return replace(outcome, previous_raw=reached)


def _emit_unreconciled(
    work: Work, totaliser: TotaliserId, raw: int, when: tuple[datetime, TimeSource], outcome: Unreconciled
) -> None:
    work.unreconciled(totaliser, when, raw=raw, previous_raw=outcome.previous_raw, explanation=outcome.explanation)


def _others(held: Mapping[TotaliserId, Held], totaliser: TotaliserId) -> dict[TotaliserId, Held]:
    return {other: value for other, value in held.items() if other != totaliser}


def _done_with(
    work: Work, totaliser: TotaliserId, counter: CounterState | None, read_at: datetime, *, ends_gap: bool
) -> None:
    """The totaliser was read: nothing of it is held, and what it was not seen for is over."""
    closed = work.state.closed
    if ends_gap and closed is not None and totaliser in closed.unseen:
        closed = replace(closed, unseen={other: at for other, at in closed.unseen.items() if other != totaliser})
    held = _others(work.state.held, totaliser)
    unread = {other: at for other, at in work.state.unread.items() if other != totaliser or at > read_at}
    counters = {**work.state.counters, totaliser: counter} if counter is not None else work.state.counters
    work.state = replace(work.state, counters=counters, held=held, unread=unread, closed=closed)


def _forget(work: Work, counter: CounterState, totaliser: TotaliserId) -> None:
    """Units that the last count passed over are flagged, unless they may have been counted before, in a gap."""
    claim = _claim(work, totaliser)
    if work.state.log is not None and claim is not None:
        tolerance, now = work.setup.max_source_offset, work.seen.received_time
        log, passed = forget(work.state.log, claim, counter.time, tolerance, now)
        work.state = replace(work.state, log=log)
        _flag_uncounted(work, totaliser, counter, passed)


def _forget_counted(
    work: Work,
    totaliser: TotaliserId,
    known: CounterState | None,
    counter: CounterState | None,
    outcome: Counted | Unchanged | Unreconciled,
    time: datetime,
) -> None:
    """Where counting goes on from a value that was not counted up to, the units in that value await no count."""
    claim = _claim(work, totaliser)
    if work.state.log is None or claim is None or counter is None:
        return
    match outcome:
        case Counted(delta=delta, previous_raw=previous):
            begins = known is None or previous != known.raw
            but = delta
        case Unchanged():
            begins = known is not None and known.suspect_raw is not None and counter.suspect_raw is None
            but = 0
        case Unreconciled(proved=proved):
            begins, but = counter.suspect_raw is None, proved
        case _:
            assert_never(outcome)
    if begins:
        work.state = replace(work.state, log=forget_counted(work.state.log, claim, time, but=but))


def _forget_overrun(work: Work, before: datetime) -> None:
    """A count comes within the same time of its record as a record of its count, if all totalisers can be read."""
    if work.state.log is not None and not work.state.unread:
        work.state = replace(work.state, log=forget_overrun(work.state.log, before))


def _recorded(work: Work, totaliser: TotaliserId, until: datetime | None) -> tuple[int | None, int]:
    """Units of a totaliser that the controller recorded and no count has claimed; None where it does not say.

    A log that never held a record says nothing. Beside them, how many may be of this totaliser or of another one.

    `until`: when the totaliser was read, by the controller's own clock; a unit that was finished later is not in it.
    """
    log, claim = work.state.log, _claim(work, totaliser)
    if log is None or log.last is None or claim is None or "unit_log" in work.state.qualities:
        return None, 0
    return waiting_units(log, claim, until)


def _count(
    work: Work,
    setup: CounterSetup,
    counted: Counted,
    raw: int,
    when: tuple[datetime, TimeSource],
    since: datetime | None,
) -> None:
    """One event for each run of units of one product; their raw values follow each other."""
    products = _products(work, setup, counted.delta, when[0])
    runs = _runs(products) or [(setup.product or work.state.product, 0)]
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
            totaliser_product=setup.product,
        )
        at = reached
    if counted.delta == 1 and since is None and not work.setup.has_unit_log:
        _completed_by_count(work, setup, when)


def _products(work: Work, setup: CounterSetup, units: int, time: datetime) -> list[ProductId | None]:
    """The product of each counted unit: the totaliser's own, else as recorded, else the one that is in the station."""
    recorded: list[str] = []
    claim = _claim(work, setup.totaliser)
    if work.state.log is not None and claim is not None:
        log, recorded = take(work.state.log, claim, units, time=time, now=work.seen.received_time)
        work.state = replace(work.state, log=log)
    if setup.product is not None:
        return [setup.product] * units
    named = [work.state.product if code in NO_PRODUCT else work.setup.product(code) for code in recorded]
    return [*named, *([work.state.product] * (units - len(named)))]


def _completed_by_count(work: Work, setup: CounterSetup, when: tuple[datetime, TimeSource]) -> None:
    """Without a record of units, the one that is in the station when a count moves is the one that was counted."""
    if not work.state.unit or setup.kind not in RESULT_OF:
        return
    since = work.state.unit_since
    work.emit(
        UnitCompleted,
        when,
        unit=UnitId(work.state.unit),
        product=setup.product or work.state.product,
        result=RESULT_OF[setup.kind],
        cycle_time=when[0] - since if since is not None and since <= when[0] else None,
    )


def read_unit_log(work: Work, signal: UnitLogSignal, reading: Reading) -> None:
    """Completes the units that are new in the controller's record; they wait there for their counts."""
    records, malformed = parse(reading.value if isinstance(reading.value, tuple) else ())
    work.judge(signal, reading, malformed=malformed > 0 or not isinstance(reading.value, tuple))
    if not isinstance(reading.value, tuple):
        return
    closed = work.state.closed
    log, news = read_log(
        work.state.log,
        records,
        signal.modulus,
        now=reading.received_time,
        tolerance=work.setup.max_source_offset,
        product_of=work.product_of,
        believes=lambda time: _believes(work, time, reading.received_time),
        watched=closed is None or reading.received_time - closed.until >= RECORDS_COME_WITHIN,
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
    if not _believes(work, time, reading.received_time):
        time, source = reading.received_time, TimeSource.EDGE
    since = work.state.unit_since if record.unit == work.state.unit else None
    work.emit(
        UnitCompleted,
        (time, source),
        unit=UnitId(record.unit),
        product=work.setup.product(record.product),
        result=record.result,
        cycle_time=time - since if since is not None and since <= time else None,
        sequence=record.sequence,
    )


def _believes(work: Work, time: datetime, received: datetime) -> bool:
    """Whether a unit whose record came at `received` can have been finished then: just before, or in the last gap."""
    closed = work.state.closed
    in_gap = closed is not None and closed.since - work.setup.max_source_offset <= time <= closed.until
    return in_gap or work.is_sane(time, received)


def _runs(products: list[ProductId | None]) -> list[tuple[ProductId | None, int]]:
    """Neighbours of one product together."""
    runs: list[tuple[ProductId | None, int]] = []
    for product in products:
        if runs and runs[-1][0] == product:
            runs[-1] = (product, runs[-1][1] + 1)
        else:
            runs.append((product, 1))
    return runs
