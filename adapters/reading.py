"""What a controller said: readings with quality and both times, in batches, and the gaps between them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

ControllerId = NewType("ControllerId", str)
TagId = NewType("TagId", str)

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...]

OBSERVATION_INTERVALS = 3  # so many polls may fail to come before the time in between counts as not observed
UNOBSERVED_LEAST = timedelta(seconds=5)  # a shorter delay is a busy machine, however often a controller is polled


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
    COLLECTOR = "collector"  # this program was not running, or stood still
    DISK = "disk"  # the disk took nothing, so that this program could not go on
    NOT_CONFIGURED = "not_configured"  # the plant's file did not have the station


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
class PolledPart:
    """Tags that were polled at `time`, by our clock, beside others that the controller notifies.

    `every`: how often that is done (real time). `answered_in`: as in `Batch`.
    """

    tags: frozenset[TagId]
    time: datetime
    every: timedelta
    answered_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """One observation of one controller: one publish or one poll cycle, in the order in which things happened.

    An empty batch means "seen alive, nothing new". `baseline` marks the first batch of a connection. It holds the
    present value of every tag that can be read; none of them is a change by itself. `clock_offset`: the controller's
    clock minus ours, where the adapter could measure it for this batch.

    `polled_every`: the controller was polled, and is polled this often (real time). A poll tells the present only: the
    time since the previous poll is unknown. A tag that is not in the batch reads as it did then. None: the controller
    queued all changes since the previous batch, so the time in between is known. `polled_part`: only these tags were
    polled. `answered_in`: how long the controller took to answer the poll, in real time, less what this process stood
    still meanwhile; None where that is not known.
    """

    controller: ControllerId
    received_time: datetime
    readings: tuple[Reading, ...]
    baseline: bool = False
    polled_every: timedelta | None = None
    clock_offset: timedelta | None = None
    polled_part: PolledPart | None = None
    answered_in: timedelta | None = None


def bit_field(number: int, first: int, last: int) -> int:
    """The number that the bits of a whole number are, from the first to the last one."""
    return (number >> first) & ((1 << (last - first + 1)) - 1)


def longest_observed(polled_every: timedelta) -> timedelta:
    """How far two polls may be apart, in real time, for the time in between to count as observed."""
    return max(OBSERVATION_INTERVALS * polled_every, UNOBSERVED_LEAST)
