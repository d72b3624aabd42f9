"""Addresses and values of OPC UA: what the configuration writes and what a DataValue says; no input or output."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from adapters.errors import ControllerMisconfigured
from adapters.reading import Quality, Reading, TagId, Value
from adapters.settings import OpcUaTag

# OPC 10000-4, 7.39: severity in the two highest bits; InfoType DataValue (0x400) with the overflow bit (0x80)
SEVERITY_SHIFT = 30
OVERFLOW = 0x480

_ADDRESS = re.compile(r"^(?:nsu=(?P<uri>[^;]+);|ns=(?P<index>\d+);)?(?P<kind>[isgb])=(?P<identifier>.+)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """A node by namespace URI, so that it survives a controller that numbers its namespaces anew."""

    uri: str  # "" for the standard namespace 0
    identifier: str  # "s=W010.GoodCount"

    def resolve(self, namespaces: Sequence[str]) -> ua.NodeId | None:
        """The node on a server with these namespaces; None while the server lacks the namespace."""
        if not self.uri:
            return ua.NodeId.from_string(f"ns=0;{self.identifier}")
        if self.uri not in namespaces:
            return None
        return ua.NodeId.from_string(f"ns={namespaces.index(self.uri)};{self.identifier}")


def parse_address(text: str) -> Address:
    """Reads `nsu=<URI>;s=<id>`; raises ControllerMisconfigured for anything that would not survive a restart."""
    match = _ADDRESS.match(text)
    if match is None:
        raise ControllerMisconfigured(f"{text!r} is no node address; write it as nsu=<namespace URI>;s=<identifier>")
    if match["index"] not in (None, "0"):
        raise ControllerMisconfigured(
            f"{text!r} names its namespace by number, which changes when the controller restarts; write nsu=<URI>;"
        )
    if match["uri"] is None and match["index"] is None and match["kind"] != "i":
        raise ControllerMisconfigured(f"{text!r} has no namespace; write it as nsu=<namespace URI>;{text}")
    return Address(match["uri"] or "", f"{match['kind']}={match['identifier']}")


def to_reading(tag: TagId, settings: OpcUaTag, data: Any, received_time: datetime) -> Reading:  # asyncua's DataValue
    """One DataValue as a reading; a value of a kind that we do not take is bad, never dropped."""
    status = int(data.StatusCode.value) if data.StatusCode is not None else 0
    quality = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)[status >> SEVERITY_SHIFT & 3]
    value = None if quality is Quality.BAD or data.Value is None else _value(data.Value.Value, settings)
    return Reading(
        tag=tag,
        value=value,
        quality=Quality.BAD if value is None else quality,
        source_time=_utc(data.SourceTimestamp),
        received_time=received_time,
        overflow=status & OVERFLOW == OVERFLOW,
    )


def _utc(time: datetime | None) -> datetime | None:
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _value(raw: object, settings: OpcUaTag) -> Value | None:
    match raw:
        case bool() | str():
            return raw
        case int() | float():
            return _scaled(raw, settings)
        case list() | tuple():
            found = [_value(each, settings) for each in raw]
            flat = [each for each in found if each is not None and not isinstance(each, tuple)]
            return tuple(flat) if len(flat) == len(found) else None
        case _:
            return None


def _scaled(raw: float, settings: OpcUaTag) -> int | float | None:
    """Counts stay integers: a scale of 1 and an offset of 0 touch nothing."""
    scaled = raw if settings.scale == 1 and settings.offset == 0 else raw * settings.scale + settings.offset
    return scaled if math.isfinite(scaled) else None


def in_time_order(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """By source time where every reading has one, else as they came."""
    if any(each.source_time is None for each in readings):
        return tuple(readings)
    return tuple(sorted(readings, key=lambda each: each.source_time or each.received_time))
