"""Events as rows and back, exactly: times to the microsecond, every field as it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_type_hints

import msgspec

from mes.errors import JournalError
from mes.intervals import EPOCH, MICROSECOND, Interval
from mes.journal.future import not_after
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

SMALLEST, LARGEST = -(2**63), 2**64 - 1  # the widest signed and unsigned totalisers have 64 bits
UNKNOWN_WORD = "Invalid enum value"  # so msgspec begins what it says of a word that is not one of ours
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

# A totaliser of every product is written as it was before there were others.
_OF_EVERY_PRODUCT = b',"totaliser_product":null}'
_kind_of = {event_type: kind for kind, event_type in KINDS.items()}
_encoder = msgspec.json.Encoder()
_decoders = {kind: msgspec.json.Decoder(event_type) for kind, event_type in KINDS.items()}


def _fields(event_type: type[StationEvent], sort: type) -> tuple[str, ...]:
    return tuple(name for name, hint in get_type_hints(event_type).items() if hint in (sort, sort | None))


_times = {kind: _fields(event_type, datetime) for kind, event_type in KINDS.items()}
_wholes = {kind: _fields(event_type, int) for kind, event_type in KINDS.items()}


def to_us(instant: datetime) -> int:
    """Whole microseconds since 1970-01-01 UTC; raises TypeError for a naive time."""
    return (instant - EPOCH) // MICROSECOND


def from_us(instant_us: int) -> datetime:
    """The aware UTC time of whole microseconds since 1970; what is beyond the years 1 to 9999 becomes their border."""
    return EPOCH + min(max(instant_us, EARLIEST_US), LATEST_US) * MICROSECOND


def event_body(event: StationEvent) -> bytes:
    """The fields of an event as JSON; `totaliser_product` only where a totaliser counts one product alone."""
    body = _encoder.encode(event)
    return body.removesuffix(_OF_EVERY_PRODUCT) + b"}" if body.endswith(_OF_EVERY_PRODUCT) else body


def encode_event(event: StationEvent) -> EventRow:
    """The row of an event; raises TypeError for naive times.

    An event bears on the time at which it was; a catch-up, a restored connection, a reason on a stretch before it.
    """
    about = affects(event)
    return (
        event.station,
        _kind_of[type(event)],
        to_us(event.time),
        to_us(event.received_time),
        to_us(about.start),
        to_us(about.end),
        event_body(event).decode(),
    )


def affects(event: StationEvent) -> Interval:
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


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that is no event to this version, and why; it keeps its number, and its place in the file.

    `newer`: the row looks whole, and as if a newer version had written it. `station` and `time` as far as its other
    columns tell; `kind` as it is written there.
    """

    seq: int
    kind: str
    why: str
    newer: bool
    station: str = ""
    time: datetime | None = None

    def __str__(self) -> str:
        at = f" of {self.station}" if self.station else ""
        when = f" at {self.time:%Y-%m-%d %H:%M:%S} UTC" if self.time is not None else ""
        return f"event {self.seq} ({self.kind}{at}{when}): {self.why}"


def read_row(seq: int, kind: object, body: object) -> Journaled | Unreadable:
    """The event of a row, or why there is none. The one place where rows become events; takes text and bytes."""
    name = kind.decode(errors="replace") if isinstance(kind, bytes) else str(kind)
    decoder = _decoders.get(name)
    if decoder is None:
        newer = name.isidentifier() and _is_object(body)
        why = "its kind is not known to this version" if newer else "it has no kind of event"
        return Unreadable(seq, name, why, newer)
    if not isinstance(body, bytes | str):
        return Unreadable(seq, name, f"its body is {type(body).__name__}, no text", newer=False)
    try:
        event = decoder.decode(body)
    except (ValueError, RecursionError) as error:
        return Unreadable(seq, name, str(error), newer=UNKNOWN_WORD in str(error))
    wrong = _impossible(name, event)
    return Journaled(seq, event) if wrong is None else Unreadable(seq, name, wrong, newer=False)


def decode_event(seq: int, kind: str, body: str) -> Journaled:
    """The event of a row; raises JournalError when this version of the program cannot read it."""
    read = read_row(seq, kind, body)
    if isinstance(read, Unreadable):
        newer = ": was the journal written by a newer version?" if read.newer else ""
        raise JournalError(f"event {seq} of kind {kind!r} cannot be read ({read.why}){newer}")
    return read


def _is_object(body: object) -> bool:
    try:
        return isinstance(body, bytes | str) and isinstance(msgspec.json.decode(body), dict)
    except (ValueError, RecursionError):
        return False


def _impossible(kind: str, event: StationEvent) -> str | None:
    """What no event holds though its types are right: a time without a zone or outside of UTC's, a number too large."""
    for name in _times[kind]:
        instant = getattr(event, name)
        if instant is None or instant.tzinfo is UTC:
            continue
        if instant.tzinfo is None:
            return f"`{name}` has no zone"
        if not EARLIEST_US <= to_us(instant) <= LATEST_US:
            return f"`{name}` is {instant.isoformat()}, which is no time in UTC"
    for name in _wholes[kind]:
        number = getattr(event, name)
        if number is not None and not SMALLEST <= number <= LARGEST:
            return f"`{name}` is too large for a count"
    return None


def read_corrected(seq: int, kind: object, body: object, received_us: object) -> Journaled | Unreadable:
    """As `read_row`, and `corrected`."""
    read = read_row(seq, kind, body)
    return read if isinstance(read, Unreadable) else corrected(read, received_us)


def corrected(read: Journaled, received_us: object) -> Journaled:
    """The event with no instant later than the one at which a clock that was ahead was found out.

    The body keeps what was stamped; the row's `received_us` is earlier than the body's where that was in the future.
    """
    if not isinstance(received_us, int) or to_us(read.event.received_time) <= received_us:
        return read
    return Journaled(read.seq, not_after(read.event, from_us(received_us)))
