"""What people change, as events: reasons of stops, shift closings, decisions of unreconciled counts.

Board, interface and command line come here for the same checks. Who may change what is checked by them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mes.errors import nearest
from mes.intervals import Interval
from mes.model import (
    CountReconciled,
    ProductId,
    ReasonAssigned,
    ReasonId,
    ShiftClosed,
    ShiftReopened,
    StationEvent,
    StationId,
)
from mes.oee.stops import NotAllowed, assign, close, reopen, undo
from mes.oee.timeline import timeline
from mes.oee.unreconciled_counts import Case, decide
from mes.results.plant import PlantResults
from mes.results.shift_closing import Closings
from mes.results.unreconciled import UnreconciledCounts

NAMED = 20  # undecided counts that a refusal names, the newest ones


@dataclass(frozen=True, slots=True)
class Seen:
    """The reason that a person saw at the start of a stretch before giving another one; None: no reason."""

    reason: str | None


def given_reason(
    query: PlantResults,
    station: StationId,
    start: datetime,
    end: datetime | None,
    reason: ReasonId | None,
    *,
    by: str,
    now: datetime,
    comment: str = "",
    together: bool = False,
    seen: Seen | None = None,
) -> ReasonAssigned:
    """Says why a station stopped from `start` to `end`, corrects it, or takes it back with `reason` None.

    `end` None: until the stop is over. `together`: the time begins in the stop before and ends in this one.
    `seen`: refuse if the reason at `start` is another one by now. Raises NotAllowed.
    """
    until_over = end is None
    end = now if end is None else end
    if start >= now:
        raise NotAllowed("reason_in_future", now=now)
    if end <= start:
        raise NotAllowed("end_not_after_start")
    about = Interval(start, end)
    pieces = query.results.pieces(station, about, until=query.until)
    present = next((piece.reason for piece in pieces if start in piece.interval), None)
    if seen is not None and present != seen.reason:
        raise NotAllowed("said_meanwhile")
    event = assign(
        station,
        pieces,
        query.config.standards[station],
        about,
        reason,
        by=by,
        now=now,
        comment=comment,
        until_over=until_over,
        together=together,
        known_since=query.results.known_since(station),
    )
    _require_open(query, [event])
    return event


def reason_numbered(query: PlantResults, seq: int) -> ReasonAssigned:
    """The reason that a person gave in event `seq`. Raises NotAllowed if it gives none, or of no present station."""
    events = query.reader.read(seq - 1, 1)
    given = events[0].event if events and events[0].seq == seq else None
    if not isinstance(given, ReasonAssigned):
        raise NotAllowed("no_such_reason", seq=seq)
    if given.station not in query.config.standards:
        raise NotAllowed("part_unknown", part=given.station)
    return given


def undone(
    query: PlantResults, seq: int, given: ReasonAssigned, *, by: str, now: datetime
) -> tuple[ReasonAssigned, ...]:
    """Takes back a reason, so that holds what held before it; `seq`: its number, see `reason_numbered`.

    Raises NotAllowed where somebody has given another reason to a part of the time since.
    """
    window = Interval(given.start, max(given.start, given.end or now))
    events = query.events(given.station, window)
    if any(_overlap(event.event, given) for event in events if event.seq > seq):
        raise NotAllowed("said_since")
    line = timeline([event for event in events if event.seq != seq])
    back = undo(given, line, by=by, now=now, comment=f"undo of {seq}")
    _require_open(query, back)
    return back


def _require_open(query: PlantResults, events: Sequence[StationEvent]) -> None:
    Closings(query.reader).require_open(events)


def _overlap(later: object, given: ReasonAssigned) -> bool:
    if not isinstance(later, ReasonAssigned):
        return False
    return (given.end is None or later.start < given.end) and (later.end is None or given.start < later.end)


def closed_shift(query: PlantResults, station: StationId, shift: Interval, *, by: str, now: datetime) -> ShiftClosed:
    """Closes a shift of a station with its figures. Raises NotAllowed, as while a stop has no reason."""
    events = [event.event for event in query.events(station, shift)]
    stops = query.stops(station, shift.before(query.until))
    figures = query.closing_figures(station, shift)
    return close(station, shift, stops, events, by=by, now=now, known=query.until, figures=figures)


def reopened_shift(
    query: PlantResults, station: StationId, shift: Interval, *, by: str, why: str, now: datetime
) -> ShiftReopened:
    """Opens a closed shift of a station again. Raises NotAllowed."""
    events = [event.event for event in query.events(station, shift)]
    return reopen(station, shift, events, by=by, why=why, now=now)


def unreconciled_count(query: PlantResults, number: int) -> Case:
    """The count that a person has to decide, by the number of its event. Raises NotAllowed if it is none."""
    counts = UnreconciledCounts(query.reader, query.config.setups)
    if found := counts.cases([number]):
        return found[0]
    newest = counts.numbers(undecided=True)[:NAMED]
    undecided = ", ".join(str(seq) for seq in reversed(newest)) or "–"
    raise NotAllowed("no_unreconciled_count", number=number, undecided=undecided)


def decided_count(
    query: PlantResults, about: Case, parts: int, product: str | None, *, by: str, why: str, now: datetime
) -> CountReconciled:
    """Decides how many parts an unreconciled count stands for; `about`: see `unreconciled_count`. Raises NotAllowed."""
    if product is not None and product not in query.config.products:
        raise NotAllowed("product_unknown", product=product, products=nearest(product, query.config.products))
    made = None if product is None else ProductId(product)
    standard = query.config.standards.get(about.event.station)
    event = decide(about, parts, made, standard, by=by, why=why, now=now)
    _require_open(query, [event])
    return event
