"""The one exclusive time line behind every figure: what each second of a station was, and why.

Where facts overlap, the first of these decides:

1. inferred producing: units that were caught up after a gap prove it;
2. no data: nothing is known of the second; a reason that a person gave stands beside it and moves it nowhere;
3. a reason that a person gave, for any second that was not producing: planned, or the bucket of its category;
4. for a stop (`down`, `idle`) the reason that its fault code means; its category counts like a given one;
5. the state.

A failure or an organisational stop that is shorter than the station's `minor_stop` is a minor stop, whatever explains
it; the length is that of the whole unbroken stop. The calendar is laid over all of this in `mes.oee.kpi`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from mes.intervals import BEGINNING_OF_TIME, Interval, intersect, subtract, union
from mes.model import LossCategory, Reason, ReasonId, State, StationStandard
from mes.oee.components import Bucket
from mes.oee.timeline import Assigned, Fault, Slice, Span, Timeline

FAULT_COMES_BEFORE = timedelta(minutes=1)  # its stop at most; what is raised longer is not why it stopped now
STOPS = frozenset({State.DOWN, State.IDLE})
BY_STATE = {
    State.PRODUCING: Bucket.APT,
    State.STARVED: Bucket.STARVED,
    State.BLOCKED: Bucket.BLOCKED,
    State.DOWN: Bucket.DOWN,
    State.SETUP: Bucket.SETUP,
    State.IDLE: Bucket.IDLE,
    State.PLANNED_STOP: Bucket.PLANNED_STOP,
    State.NO_DATA: Bucket.NO_DATA,
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one state, bucket and reason; `stop` is the whole unbroken state that it is a part of.

    `fault` is the code that the controller showed for it, if any.
    """

    interval: Interval
    state: State
    bucket: Bucket
    reason: ReasonId | None
    stop: Interval
    fault: str | None = None
    is_inferred: bool = False


def pieces(timeline: Timeline, window: Interval, standard: StationStandard, *, horizon: datetime) -> Iterator[Piece]:
    """Gapless and in order, covering `window`, whole: the first may begin before it and the last end after it.

    `horizon`: up to when a stop that is still open is known to have lasted.
    """
    spans = timeline.spans
    if not spans or window.start < spans[0].interval.start:
        end = min(window.end, spans[0].interval.start) if spans else window.end
        before = Span(Interval(BEGINNING_OF_TIME, end), State.NO_DATA)
        yield from _blind(timeline, before, standard)
    for span in overlapping(spans, window):
        match span.state:
            case State.NO_DATA:
                yield from _blind(timeline, span, standard)
            case State.PRODUCING:
                yield Piece(span.interval, span.state, Bucket.APT, None, span.interval)
            case _:
                yield from _stood(timeline, span, standard, horizon)


def overlapping(spans: Sequence[Span], window: Interval) -> Sequence[Span]:
    """Those that reach into `window`; `spans` are gapless and in order."""
    first = bisect_left(spans, window.start, key=lambda span: span.interval.end)
    while first < len(spans) and spans[first].interval.end <= window.start:
        first += 1
    return spans[first : bisect_left(spans, window.end, key=lambda span: span.interval.start)]


def _blind(timeline: Timeline, span: Span, standard: StationStandard) -> Iterator[Piece]:
    credit = intersect(union(_credit(timeline.slices, span.interval, standard)), (span.interval,))
    dark = subtract((span.interval,), credit)
    found = [Piece(interval, State.NO_DATA, Bucket.APT, None, span.interval, is_inferred=True) for interval in credit]
    for interval in dark:
        found.extend(_said(timeline.assigned, span, interval, standard, Bucket.NO_DATA, None, None))
    yield from sorted(found, key=lambda segment: segment.interval)


def _stood(timeline: Timeline, span: Span, standard: StationStandard, horizon: datetime) -> Iterator[Piece]:
    fault, reason = _fault(timeline.faults, span, standard) if span.state in STOPS else (None, None)
    is_minor = span.state in STOPS and min(span.interval.end, horizon) - span.interval.start < standard.minor_stop
    own = Bucket.MINOR_STOPS if is_minor else BY_STATE[span.state]
    if reason is not None:
        own = _bucket(reason, own, is_minor=is_minor)
    yield from _said(timeline.assigned, span, span.interval, standard, own, reason, fault)


def _said(
    assigned: Sequence[Assigned],
    span: Span,
    part: Interval,
    standard: StationStandard,
    own: Bucket,
    reason: Reason | None,
    fault: str | None,
) -> Iterator[Piece]:
    """`part` of a span, cut where persons said why; the rest is as it would be without them."""
    at = part.start
    code = reason.code if reason is not None else None
    first = bisect_left(assigned, part.start, key=lambda assignment: assignment.interval.end)
    for assignment in assigned[
        first : bisect_left(assigned, part.end, key=lambda assignment: assignment.interval.start)
    ]:
        said = assignment.interval.clip(part)
        given = standard.reasons.reasons.get(assignment.reason)
        if said is None:
            continue
        if at < said.start:
            yield Piece(Interval(at, said.start), span.state, own, code, span.interval, fault)
        # a reason that the catalogue has no more keeps its name, and the time stays where it is
        # and a word about time that nobody observed makes it no observation
        is_known = own is not Bucket.NO_DATA
        bucket = _bucket(given, own, is_minor=own is Bucket.MINOR_STOPS) if given is not None and is_known else own
        yield Piece(said, span.state, bucket, assignment.reason, span.interval, fault)
        at = said.end
    if at < part.end:
        yield Piece(Interval(at, part.end), span.state, own, code, span.interval, fault)


def _bucket(reason: Reason, own: Bucket, *, is_minor: bool) -> Bucket:
    if reason.planned:
        return Bucket.PLANNED_STOP
    match reason.category:
        case LossCategory.EQUIPMENT_FAILURE:
            return own if is_minor else Bucket.DOWN
        case LossCategory.ORGANISATION:
            return own if is_minor else Bucket.IDLE
        case LossCategory.SETUP_ADJUSTMENT:
            return Bucket.SETUP
        case LossCategory.MINOR_STOPS:
            return Bucket.MINOR_STOPS
        case LossCategory.STARVED:
            return Bucket.STARVED
        case LossCategory.BLOCKED:
            return Bucket.BLOCKED
        case _:
            assert_never(reason.category)


def _fault(faults: Sequence[Fault], span: Span, standard: StationStandard) -> tuple[str | None, Reason | None]:
    """The first fault of a stop that means something, else the first; raised in it, or shortly before and still on."""
    first = bisect_left(faults, span.interval.start - FAULT_COMES_BEFORE, key=lambda fault: fault.interval.start)
    code: str | None = None
    for fault in faults[first:]:
        if fault.interval.start >= span.interval.end:
            break
        if fault.interval.end <= span.interval.start:
            continue
        code = code or fault.code
        if (reason := standard.reasons.of_fault(fault.code)) is not None:
            return fault.code, reason
    return code, None


def _credit(slices: Sequence[Slice], window: Interval, standard: StationStandard) -> Iterable[Interval]:
    """Inferred producing: from the start of each unit's slice its ideal time, and never more than the slice."""
    # slices of different gaps may overlap, so that only their starts are in order
    for part in slices[: bisect_left(slices, window.end, key=lambda part: part.interval.start)]:
        ideal = standard.ideal(part.product)
        if ideal is not None and part.interval.end > window.start:
            start = part.interval.start
            yield Interval(start, start + min(ideal, part.interval.length))
