"""What a controller said: readings with quality and both times, in batches, and the gaps between them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

ControllerId = NewType("ControllerId", str)
TagId = NewType("TagId", str)

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...]


class Quality(StrEnum):
    """How far a value may be believed; the three levels of OPC UA's status codes."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class GapCause(StrEnum):
    """Why we were blind."""

    CONNECTION = "connection"  # link, session or device lost
    STUCK = "stuck"  # the device answers, its heartbeat stands still
    OVERFLOW = "overflow"  # the controller's queue, or ours, dropped values
    COLLECTOR = "collector"  # this program was not running


@dataclass(frozen=True, slots=True)
class Reading:
    """One observation of one tag.

    `value` is scaled and decoded; None if and only if nothing can be said (always None when quality is bad).
    `source_time` is the controller's own clock, None where the protocol carries none (Modbus).
    `received_time` is ours. `overflow`: the controller dropped values of this tag before this one.
    """

    tag: TagId
    value: Value | None
    quality: Quality
    source_time: datetime | None
    received_time: datetime
    overflow: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time in which we were blind; `until` is None while it lasts. Both times are ours."""

    since: datetime
    until: datetime | None
    cause: GapCause
    detail: str


@dataclass(frozen=True, slots=True)
class Batch:
    """One observation of one controller: one publish or one poll cycle, in the order in which things happened.

    An empty batch means "seen alive, nothing new". `baseline` marks the first batch of a connection:
    it holds the present value of every tag that can be read, and nothing in it is a change by itself.
    """

    controller: ControllerId
    received_time: datetime
    readings: tuple[Reading, ...]
    baseline: bool = False
