"""Events and figures as line protocol: declared types, fixed tags, a time stamp that is unique in its series; pure.

A point's identity (measurement, tags, time stamp) depends on the journaled event alone. So a resend is byte-identical,
and InfluxDB overwrites the point. A unit id is a field, never a tag.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import assert_never

from mes.influx.schema import MEASUREMENTS, Measurement, Type
from mes.intervals import EPOCH, MICROSECOND, MILLISECOND
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountReconciled,
    CountUnreconciled,
    FaultCleared,
    FaultRaised,
    Journaled,
    ProcessValue,
    ProductChanged,
    QualityChanged,
    ReasonAssigned,
    ShiftClosed,
    ShiftReopened,
    StateChanged,
    StationEvent,
    StationId,
    UnitCompleted,
    UnitEntered,
    UnitLeft,
    UnitsCounted,
    UnitsUnidentified,
)

KEPT_HEADS, KEPT_KEYS = 2**13, 2**10
NONE = "none"  # a tag is never left out: that would be another series

Field = bool | int | float | str


TYPES: Mapping[Type, type] = {Type.INT: int, Type.FLOAT: float, Type.TEXT: str, Type.FLAG: bool}


@dataclass(frozen=True, slots=True)
class Point:
    """One point as the schema declares it; `stamp_ns` is its time in nanoseconds since 1970 in UTC.

    Raises ValueError for a tag or a field that the schema does not have, that is missing, or of another type.
    """

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, Field]
    stamp_ns: int

    def __post_init__(self) -> None:
        declared = _DECLARED.get(self.measurement)
        if declared is None:
            raise ValueError(f"the schema has no measurement {self.measurement}")
        if self.tags.keys() != declared.tags:
            raise ValueError(f"{self.measurement} has the tags {sorted(declared.tags)}, not {sorted(self.tags)}")
        if missing := declared.always - self.fields.keys():
            raise ValueError(f"a point of {self.measurement} without {', '.join(sorted(missing))}")
        for name, value in self.fields.items():
            if declared.types.get(name) is not type(value):
                raise ValueError(f"{self.measurement} has no field {name} of the type {type(value).__name__}")

    @property
    def head(self) -> str:
        """Measurement and tags as in line protocol; raises ValueError for an empty tag."""
        return _head(self.measurement, tuple(self.tags.items()))

    @property
    def line(self) -> str:
        """As line protocol; raises ValueError for a value that the protocol cannot carry."""
        return line(self.measurement, self.tags, self.fields, self.stamp_ns)


@dataclass(frozen=True, slots=True)
class _Declared:
    """A measurement, ready for looking up."""

    tags: frozenset[str]
    types: Mapping[str, type]
    always: frozenset[str]

    @staticmethod
    def of(measurement: Measurement) -> "_Declared":
        return _Declared(
            frozenset(tag.name for tag in measurement.tags),
            {field.name: TYPES[field.type] for field in measurement.fields},
            frozenset(field.name for field in measurement.fields if not field.maybe),
        )


_DECLARED = {name: _Declared.of(measurement) for name, measurement in MEASUREMENTS.items()}


def timestamp_ns(time: datetime, seq: int) -> int:
    """Microseconds × 1000 + seq mod 1000: two events of one series in the same microsecond stay two points."""
    return (time - EPOCH) // MICROSECOND * 1000 + seq % 1000


def timestamp_ms(time: datetime) -> int:
    """Milliseconds since 1970, cut off: for fields that panels use as times."""
    return (time - EPOCH) // MILLISECOND


def event_line(journaled: Journaled) -> str:
    """One event as one line."""
    event = journaled.event
    measurement, tags, fields = _event_point(event)
    stamp = timestamp_ns(event.time, journaled.seq)
    shared: dict[str, Field] = {"time_source": str(event.time_source), "seq": journaled.seq}
    return Point(measurement, {**place(event.station), **tags}, {**fields, **shared}, stamp).line


def _event_point(event: StationEvent) -> tuple[str, Mapping[str, str], Mapping[str, Field]]:
    match event:
        case StateChanged():
            return "state_change", {}, {"state": str(event.state), "raw": event.raw}
        case UnitsCounted():
            tags = {"kind": str(event.kind), "product": event.product or NONE}
            return "count", tags, {"delta": event.delta, "raw": event.raw, "flag": str(event.flag)}
        case CountUnreconciled():
            return (
                "unreconciled",
                {"kind": str(event.kind)},
                {
                    "raw": event.raw,
                    "previous_raw": event.previous_raw,
                    "explanation": event.explanation,
                    **({} if event.totaliser_product is None else {"product": event.totaliser_product}),
                },
            )
        case UnitCompleted():
            cycle = {"cycle_s": event.cycle_time.total_seconds()} if event.cycle_time is not None else {}
            return (
                "unit",
                {"product": event.product or NONE, "result": str(event.result)},
                {"unit": event.unit, **cycle},
            )
        case UnitsUnidentified():
            return "unidentified", {}, {"missing": event.missing}
        case FaultRaised() | FaultCleared():
            return "fault", {}, {"code": event.code, "active": isinstance(event, FaultRaised)}
        case ProductChanged():
            return "product", {}, {"product": event.product or NONE}
        case ConnectionLost() | ConnectionRestored():
            return "connection", {}, {"up": isinstance(event, ConnectionRestored), "cause": str(event.cause)}
        case QualityChanged():
            return "quality", {"signal": event.signal}, {"quality": str(event.quality)}
        case UnitEntered() | UnitLeft():
            return "presence", {}, {"unit": event.unit, "present": isinstance(event, UnitEntered)}
        case ReasonAssigned() | ShiftClosed() | ShiftReopened() | CountReconciled():
            return _said(event)
        case _:
            assert_never(event)


def _said(
    event: ReasonAssigned | ShiftClosed | ShiftReopened | CountReconciled,
) -> tuple[str, Mapping[str, str], Mapping[str, Field]]:
    """What a person said; the stretch that it is about stands in the fields."""
    if isinstance(event, CountReconciled):
        return "reconciled", {"kind": str(event.kind)}, _decided(event)
    about: dict[str, Field] = {"by": event.by, "start_s": _epoch_s(event.start)}
    if event.end is not None:
        about["end_s"] = _epoch_s(event.end)
    if isinstance(event, ReasonAssigned):
        return "reason", {}, {**about, "reason": event.reason or NONE, "comment": event.comment}
    return "shift_closing", {}, {**about, "closed": isinstance(event, ShiftClosed)}


def _decided(event: CountReconciled) -> Mapping[str, Field]:
    """What a person decided of a count; each decision stays a point, the figures know which one holds."""
    return {
        "parts": event.parts,
        "raw": event.raw,
        "previous_raw": event.previous_raw,
        "by": event.by,
        "why": event.why,
        "product": event.product or NONE,
        "recorded_s": _epoch_s(event.recorded_time),
    }


def _epoch_s(instant: datetime) -> float:
    return (instant - EPOCH).total_seconds()


def process_line(value: ProcessValue, row: int) -> str:
    """One telemetry value; `row` is its number in the journal."""
    tags = {**place(value.station), "name": value.name}
    return Point("process", tags, {"value": value.value}, timestamp_ns(value.time, row)).line


def window_ns(start: datetime) -> int:
    """The time stamp of a window or a stretch that begins at an instant."""
    return timestamp_ns(start, 0)


@lru_cache(KEPT_HEADS)
def place(station: StationId) -> Mapping[str, str]:
    """The four levels of a station's path as tags."""
    return dict(zip(("site", "area", "line", "station"), station.split("/"), strict=True))


def line(measurement: str, tags: Mapping[str, str], fields: Mapping[str, Field], stamp_ns: int) -> str:
    """One line of line protocol. Raises ValueError for a value that the protocol cannot carry (NaN, empty tag)."""
    head = _head(measurement, tuple(tags.items()))
    body = fields_text(fields)
    if not body:
        raise ValueError(f"a point of {measurement} without fields")
    return f"{head} {body} {stamp_ns}"


def fields_text(fields: Mapping[str, Field]) -> str:
    """The fields of a line, by their names. Raises ValueError for a number that the protocol cannot carry."""
    return ",".join([f"{_key(name)}={_field(value)}" for name, value in sorted(fields.items())])


@lru_cache(KEPT_HEADS)
def _head(measurement: str, tags: tuple[tuple[str, str], ...]) -> str:
    """Measurement and tags; the points of a few series come one after the other."""
    return ",".join([_name(measurement), *(f"{_key(name)}={_tag(value)}" for name, value in sorted(tags))])


def body(lines: Iterable[str]) -> bytes:
    """Lines as the body of one request."""
    return "\n".join(lines).encode()


_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\x85]")


def _clean(text: str) -> str:
    """Without control characters: a newline would end the line in the middle of a value."""
    return _CONTROL.sub(" ", text)


@lru_cache(maxsize=2**10)  # there are as many as the schema and the plant's file have
def _name(text: str) -> str:
    return _clean(text).replace(",", "\\,").replace(" ", "\\ ")


@lru_cache(KEPT_KEYS)
def _key(text: str) -> str:
    return _name(text).replace("=", "\\=")


@lru_cache(maxsize=2**12)
def _tag(text: str) -> str:
    cleaned = _clean(text)
    if not cleaned:
        raise ValueError("an empty tag value would change the series")
    # a backslash at the end would swallow the separator after it
    return _key(cleaned) if not cleaned.endswith("\\") else _key(cleaned + "_")


def _field(value: Field) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            if not -(2**63) <= value < 2**63:
                raise ValueError(f"{value} does not fit the 64 bits of an integer field")
            return f"{value}i"
        case float():
            if not math.isfinite(value):
                raise ValueError("line protocol knows neither NaN nor infinity")
            return repr(value)
        case str():
            escaped = _clean(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case _:
            assert_never(value)
