"""What can go wrong between a plant and its collector: a closed set of faults, and how they are written down."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

CONTROLLERS = ("weld-plc", "paint-plc", "final-plc")
DEFAULT_DURATION = timedelta(minutes=10)
SLOW_S = 0.2

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_DURATION_HELP = "write it as 90m, 2h30m or 45s"
_LONGEST = timedelta(days=365)


class FaultName(StrEnum):
    """The faults. All but the counter reset last for a while."""

    CONTROLLER_RESTART = "controller-restart"
    """The server is away, then back with its namespaces in another order; counters are retentive."""
    LINK_CUT = "link-cut"
    """Connections are reset and new ones refused."""
    STUCK = "stuck"
    """The server answers, but values and heartbeat stand still; at the end the present values appear at once."""
    SLOW = "slow"
    """Answers take 0.2 s of real time longer, on OPC UA in each direction."""
    COUNTER_RESET = "counter-reset"
    """Good, rework and scrap totalisers start again from 0, once; the unit log's sequence goes on."""
    BAD_QUALITY = "bad-quality"
    """OPC UA: the stations' variables have a bad status. Modbus: all reads are refused with exception 4."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to come: `at` after the plant's start and its `duration`, both simulated; None: every controller.

    A counter reset has no duration: it ends when all totalisers of the controller have been reset.
    """

    name: FaultName
    at: timedelta
    duration: timedelta = DEFAULT_DURATION
    controller: str | None = None

    def controllers(self, plant: Sequence[str] = CONTROLLERS) -> tuple[str, ...]:
        """Whom of the plant's controllers it strikes."""
        return tuple(plant) if self.controller is None else (self.controller,)


def parse_duration(text: str) -> timedelta:
    """`90m`, `2h30m`, `45s`: whole hours, minutes and seconds in this order, up to 365 days. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        raise ValueError(f"{text!r} is not a duration; {_DURATION_HELP}")
    try:
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except (OverflowError, ValueError):  # so many digits that no timedelta, or not even an int, takes them
        length = timedelta.max
    if length > _LONGEST:
        raise ValueError(f"{text[:20]!r} is too long; at most {_LONGEST.days} days are allowed")
    return length


def parse_name(text: str) -> FaultName:
    """One of the faults' names. Raises ValueError, which lists them."""
    try:
        return FaultName(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a fault; allowed are {', '.join(FaultName)}") from None


def parse_controller(text: str, controllers: Sequence[str] = CONTROLLERS) -> str:
    """One of the plant's controllers. Raises ValueError, which lists them."""
    if text not in controllers:
        raise ValueError(f"{text!r} is not a controller; allowed are {', '.join(controllers)}")
    return text


def parse_fault(text: str, controllers: Sequence[str] = CONTROLLERS) -> Fault:
    """`NAME[:CONTROLLER]@TIME[+DURATION]`, as in `stuck:paint-plc@90m+5m`; a ValueError says what is allowed.

    Without a controller all of `controllers` are struck; without a duration the fault lasts ten minutes.
    """
    what, at_sign, when = text.partition("@")
    if not at_sign:
        raise ValueError(f"{text!r} lacks a time; write NAME[:CONTROLLER]@TIME[+DURATION], as in link-cut@2h+5m")
    name, colon, controller = what.partition(":")
    at, plus, duration = when.partition("+")
    lasts = parse_duration(duration) if plus else DEFAULT_DURATION
    if not lasts:
        raise ValueError(f"{text!r} would last no time at all; {_DURATION_HELP}")
    return Fault(
        parse_name(name), parse_duration(at), lasts, parse_controller(controller, controllers) if colon else None
    )
