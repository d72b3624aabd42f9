"""Events as rows and back, exactly: times to the microsecond, every field as it was."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from mes.errors import JournalError
from mes.intervals import Interval
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountReconciled,
    CountUnreconciled,
    FaultCleared,
    FaultRaised,
    Journaled,
    ProductChanged,
    QualityChanged,
    ReasonAssigned,
    ShiftClosed,
    ShiftReopened,
    StateChanged,
    StationEvent,
    UnitCompleted,
    UnitEntered,
    UnitLeft,
    UnitsCounted,
    UnitsUnidentified,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

EARLIEST_US = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
LATEST_US = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND

# The names are part of the file format: a class may be renamed, its name here may not.
KINDS: Mapping[str, type[StationEvent]] = {
    "state_changed": StateChanged,
    "units_counted": UnitsCounted,
    "count_unreconciled": CountUnreconciled,
    "unit_completed": UnitCompleted,
    "units_unidentified": UnitsUnidentified,
    "fault_raised": FaultRaised,
    "fault_cleared": FaultCleared,
    "product_changed": ProductChanged,
    "connection_lost": ConnectionLost,
    "connection_restored": ConnectionRestored,
    "quality_changed": QualityChanged,
    "unit_entered": UnitEntered,
    "unit_left": UnitLeft,
    "reason_assigned": ReasonAssigned,
    "shift_closed": ShiftClosed,
    "shift_reopened": ShiftReopened,
    "count_reconciled": CountReconciled,
}

# station, kind, time_us, received_us, the first and the last instant that the event bears on, body
EventRow = tuple[str, str, int, int, int, int, str]

_kind_of = {event_type: kind for kind, event_type in KINDS.items()}
_encoder = msgspec.json.Encoder()
_decoders = {kind: msgspec.json.Decoder(event_type) for kind, event_type in KINDS.items()}


def to_us(instant: datetime) -> int:
    """Whole microseconds since 1970-01-01 UTC; raises TypeError for a naive time."""
    return (instant - EPOCH) // MICROSECOND


def from_us(instant_us: int) -> datetime:
    """The aware UTC time of whole microseconds since 1970; what is beyond the years 1 to 9999 becomes their border."""
    return EPOCH + min(max(instant_us, EARLIEST_US), LATEST_US) * MICROSECOND


def encode_event(event: StationEvent) -> EventRow:
    """The row of an event; raises TypeError for naive times.

    An event bears on the time at which it was; a catch-up, a restored connection, a reason on a stretch before it.
    """
    about = bears_on(event)
    return (
        event.station,
        _kind_of[type(event)],
        to_us(event.time),
        to_us(event.received_time),
        to_us(about.start),
        to_us(about.end),
        _encoder.encode(event).decode(),
    )


def bears_on(event: StationEvent) -> Interval:
    """From the first to the last instant about which an event says something, its own time among them."""
    match event:
        case UnitsCounted() | ConnectionRestored():
            other = (event.since or event.time, event.time)
        case ReasonAssigned():
            other = (event.start, event.end or event.start)
        case ShiftClosed() | ShiftReopened():
            other = (event.start, event.end)
        case _:
            other = (event.time, event.time)
    return Interval(min(other[0], event.time), max(other[1], event.time))


def decode_event(seq: int, kind: str, body: str) -> Journaled:
    """The event of a row; raises JournalError when this version of the program cannot read it."""
    try:
        return Journaled(seq, _decoders[kind].decode(body))
    except (KeyError, msgspec.DecodeError) as error:
        raise JournalError(
            f"event {seq} of kind {kind!r} cannot be read ({error}): was the journal written by a newer version?"
        ) from error
