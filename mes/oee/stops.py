"""Stops as people see them: which there were, which need a reason, what a person says, when a shift is done."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mes.intervals import Interval, intersect, subtract, total
from mes.model import (
    Explained,
    ReasonAssigned,
    ReasonId,
    ShiftClosed,
    ShiftReopened,
    State,
    StationEvent,
    StationId,
    StationStandard,
    TimeSource,
)
from mes.oee.components import Bucket
from mes.oee.segments import STOPS, Piece
from mes.oee.timeline import Timeline

WAITS = frozenset({Bucket.STARVED, Bucket.BLOCKED})  # losses of the line; a list of stops leaves them out


class NotAllowed(ValueError):
    """What somebody wants to say about a stop, a shift or a count contradicts what is known.

    `code`: a stable name of the refusal. The catalogues have its sentence, and `facts` fill the gaps of that.
    """

    def __init__(self, code: str, **facts: str | int | datetime) -> None:
        self.code = code
        self.facts = facts
        super().__init__(" ".join([code, *(f"{name}={value}" for name, value in facts.items())]))


@dataclass(frozen=True, slots=True)
class Stop:
    """A stretch that was not producing, with one reason or none; `planned`: how much of it lies in planned time.

    `needs_reason`: nobody explained it, it does not explain itself, and it lost enough planned time to matter.
    """

    interval: Interval
    state: State
    bucket: Bucket
    reason: ReasonId | None
    fault: str | None
    planned: timedelta
    needs_reason: bool


def stops(pieces: Iterable[Piece], planned: Sequence[Interval], standard: StationStandard) -> tuple[Stop, ...]:
    """Those of the pieces that took planned time and were neither producing nor inferred to be, in order."""
    found = []
    for piece in pieces:
        lost = total(intersect((piece.interval,), planned))
        if piece.bucket is Bucket.APT or not lost:
            continue
        is_open = piece.state in STOPS and piece.reason is None and lost >= standard.minor_stop
        found.append(Stop(piece.interval, piece.state, piece.bucket, piece.reason, piece.fault, lost, is_open))
    return tuple(found)


def assign(
    station: StationId,
    pieces: Sequence[Piece],
    standard: StationStandard,
    about: Interval,
    reason: ReasonId | None,
    *,
    by: str,
    now: datetime,
    comment: str = "",
    until_over: bool = False,
    together: bool = False,
    known_since: datetime | None = None,
) -> ReasonAssigned:
    """The event that says why the station stood in `about`; `pieces` are those of this stretch at least.

    It splits a stop where `about` is a part of it, corrects what was said before, and with `reason` None takes it back.
    `together`: `about` begins in the stop before and ends in this one. It keeps what held until `now`. `until_over`:
    the stop at the start of `about` has this reason until it is over, however long that will be. Raises NotAllowed for
    an unknown reason, an empty stretch, the future, and a start before `known_since` (the station's first event). It
    also does for a stretch that is not within one of the `stops` (with `together`: two).
    """
    if reason is not None and reason not in standard.reasons.reasons:
        known = ", ".join(standard.reasons.reasons) or "–"
        raise NotAllowed("reason_unknown", station=station, reason=reason, reasons=known)
    if not about.length or about.start >= now or about.end > now:
        raise NotAllowed("reason_in_future", now=now)
    if known_since is not None and about.start < known_since:
        raise NotAllowed("reason_before_history", station=station, since=known_since)
    stood = _within(station, pieces, about, until_over=until_over, together=together)
    return ReasonAssigned(
        station=station,
        time=now,
        received_time=now,
        time_source=TimeSource.EDGE,
        start=about.start,
        end=None if until_over else about.end,
        reason=reason,
        by=by,
        comment=comment,
        before=tuple(Explained(part.start, part.end, was) for part, was in stood),
    )


def _within(
    station: StationId, pieces: Sequence[Piece], about: Interval, *, until_over: bool, together: bool
) -> list[tuple[Interval, ReasonId | None]]:
    """The parts of `about` that were not producing, each with its reason.

    A stop is one piece, as `stops` shows it. Raises NotAllowed unless `about` lies within one; with `together`
    within two, which may have producing and waits between them.
    """
    parts = [
        (part, piece)
        for piece in pieces
        if piece.bucket is not Bucket.APT and (part := piece.interval.clip(about)) is not None
    ]
    if until_over:
        parts = [(part, piece) for part, piece in parts if piece.stop == parts[0][1].stop]
    begins = bool(parts) and parts[0][0].start == about.start
    ends = bool(parts) and (until_over or parts[-1][0].end == about.end)
    # as the list of stops does it, the stop before is found across waits
    neighbours = together and not until_over and all(piece.bucket in WAITS for _, piece in parts[1:-1])
    if not begins or not ends or (len(parts) > 1 and not neighbours):
        raise NotAllowed("reason_outside_stop", station=station, start=about.start, end=about.end)
    return [(part, piece.reason) for part, piece in parts]


def undo(said: ReasonAssigned, line: Timeline, *, by: str, now: datetime, comment: str) -> tuple[ReasonAssigned, ...]:
    """The events that put back what persons had said before `said`; `line` is the time line without it.

    What nobody had explained before is taken back, so that the fault codes decide again.
    """
    end = said.end
    if end is None:
        end = next((span.interval.end for span in line.spans if said.start in span.interval), now)
    about = Interval(said.start, max(said.start, min(end, now)))
    known = [
        (part, assigned.reason) for assigned in line.assigned if (part := assigned.interval.clip(about)) is not None
    ]
    silent = subtract((about,), [part for part, _ in known])
    stretches: list[tuple[Interval, ReasonId | None]] = [*known, *((part, None) for part in silent)]
    last = max(stretches, key=lambda stretch: stretch[0].end)[0] if stretches else about
    return tuple(
        ReasonAssigned(
            station=said.station,
            time=now,
            received_time=now,
            time_source=TimeSource.EDGE,
            start=part.start,
            end=None if said.end is None and part == last else part.end,
            reason=reason,
            by=by,
            comment=comment,
            before=(Explained(part.start, part.end, said.reason),),
        )
        for part, reason in sorted(stretches, key=lambda stretch: stretch[0])
    )


def close(
    station: StationId,
    shift: Interval,
    found: Sequence[Stop],
    events: Iterable[StationEvent],
    *,
    by: str,
    now: datetime,
    known: datetime,
    figures: str = "",
) -> ShiftClosed:
    """The event that closes a shift with its `figures`; `known`: up to when the journal knows the station.

    Raises NotAllowed while the shift is not known to its end, is closed, or has a stop that needs a reason.
    """
    if known < shift.end:
        raise NotAllowed("shift_not_over", end=shift.end, known=known)
    if is_closed(events, shift):
        raise NotAllowed("shift_closed_already")
    left = [stop for stop in found if stop.needs_reason]
    if left:
        start = left[0].interval.start
        raise NotAllowed("stops_without_reason", stops=len(left), start=start)
    return ShiftClosed(
        station=station,
        time=now,
        received_time=now,
        time_source=TimeSource.EDGE,
        start=shift.start,
        end=shift.end,
        by=by,
        figures=figures,
    )


def reopen(
    station: StationId, shift: Interval, events: Iterable[StationEvent], *, by: str, why: str, now: datetime
) -> ShiftReopened:
    """The event that opens them again. Raises NotAllowed for a shift that is not closed, and without a reason."""
    if not is_closed(events, shift):
        raise NotAllowed("shift_not_closed")
    if not why.strip():
        raise NotAllowed("reopen_without_why")
    return ShiftReopened(
        station=station,
        time=now,
        received_time=now,
        time_source=TimeSource.EDGE,
        start=shift.start,
        end=shift.end,
        by=by,
        why=why,
    )


def is_closed(events: Iterable[StationEvent], shift: Interval) -> bool:
    """Whether the last word on a shift is that it is closed."""
    return shift in closed_shifts(events)


def closed_shifts(events: Iterable[StationEvent]) -> dict[Interval, ShiftClosed]:
    """The shifts of which the last word is that they are closed, in the order of time, each with that word."""
    said = [event for event in events if isinstance(event, ShiftClosed | ShiftReopened)]
    ordered = sorted(said, key=lambda event: (event.time, event.received_time))  # of two at one instant the later event
    last = {Interval(closing.start, closing.end): closing for closing in ordered}
    return {
        shift: closing
        for shift, closing in sorted(last.items(), key=lambda closing: closing[0])
        if isinstance(closing, ShiftClosed)
    }
