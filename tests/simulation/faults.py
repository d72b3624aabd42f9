"""What goes wrong and when: drawn from the seed before the plant begins, most of it while people work."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

START = datetime(2026, 3, 2, 2, 50, tzinfo=UTC)  # a Monday, ten minutes before the shift
WORK_FROM, WORK_UNTIL = timedelta(minutes=10), timedelta(hours=8, minutes=40)  # after a day's 02:50 UTC
QUIET = timedelta(minutes=2)  # at the start: the first baseline comes before the first unit
WORKDAYS = 5
AT_WORK = 0.85


class Fault(StrEnum):
    """One kind of thing that goes wrong."""

    KILL = "kill"
    POWER_CUT = "power cut"
    LINK_CUT = "link cut"
    HALF_OPEN = "half-open link"
    RESTART = "controller restart"
    STUCK = "stuck controller"
    BAD_QUALITY = "bad quality"
    RESET = "counter reset"
    CONTROLLER_CLOCK = "controller clock step"
    EDGE_CLOCK = "edge clock step"
    INFLUX = "InfluxDB outage"
    DISK_FULL = "full disk"
    DISK_ERROR = "disk error"
    DISK_STALL = "disk stall"
    STOP = "orderly stop"
    PAUSE = "pause"
    LATE = "late delivery"
    REMAP = "remap"
    CLOCK_START = "clock start"


WEEKLY: Mapping[Fault, float] = {
    Fault.KILL: 60,
    Fault.POWER_CUT: 40,
    Fault.LINK_CUT: 80,
    Fault.HALF_OPEN: 20,
    Fault.RESTART: 20,
    Fault.STUCK: 10,
    Fault.BAD_QUALITY: 20,
    Fault.RESET: 10,
    Fault.CONTROLLER_CLOCK: 10,
    Fault.EDGE_CLOCK: 5,
    Fault.INFLUX: 10,
    Fault.DISK_FULL: 5,
    Fault.DISK_ERROR: 5,
    Fault.DISK_STALL: 10,
    Fault.STOP: 50,
    Fault.PAUSE: 30,
    Fault.LATE: 30,
    Fault.REMAP: 10,
    Fault.CLOCK_START: 4,
}
TYPICAL_S: Mapping[Fault, float] = {  # the median; one in fifty lasts thirty times as long
    Fault.KILL: 10,
    Fault.POWER_CUT: 60,
    Fault.LINK_CUT: 40,
    Fault.HALF_OPEN: 20,
    Fault.RESTART: 60,
    Fault.STUCK: 60,
    Fault.BAD_QUALITY: 60,
    Fault.INFLUX: 600,
    Fault.DISK_FULL: 60,
    Fault.DISK_STALL: 15,
    Fault.EDGE_CLOCK: 600,
    Fault.STOP: 10,
    Fault.PAUSE: 30,
    Fault.LATE: 6,
    Fault.REMAP: 20,
    Fault.CLOCK_START: 90,
}
LEAST_S: Mapping[Fault, float] = {Fault.PAUSE: 5, Fault.DISK_STALL: 5, Fault.LATE: 2, Fault.CLOCK_START: 3}
MOST_S: Mapping[Fault, float] = {Fault.PAUSE: 120, Fault.DISK_STALL: 60, Fault.LATE: 15, Fault.CLOCK_START: 600}


@dataclass(frozen=True, slots=True)
class Plan:
    """One simulated stretch of plant. `rates`: faults by kind in a week of work; `outage`: InfluxDB is gone all along.

    `careless`: commits do not wait for the disk, which must be found out. `forgetful`: what a failed sync should have
    brought to the disk never gets there. It can still be read until the power is cut (as Linux does it).
    """

    seed: int
    length: timedelta = timedelta(days=7)
    rates: Mapping[Fault, float] = field(default_factory=lambda: WEEKLY)
    outage: bool = False
    careless: bool = False
    forgetful: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Stroke:
    """A fault at a time of the loop; `pick` chooses what it falls on."""

    at_s: float
    fault: Fault
    lasts_s: float
    pick: int


def strokes(plan: Plan) -> list[Stroke]:
    """Everything that goes wrong, in order of time."""
    rng = random.Random(f"{plan.seed}:faults")
    found: list[Stroke] = []
    for fault, weekly in plan.rates.items():
        wanted = weekly * _work(plan.length) / _work(timedelta(days=7))
        count = int(wanted) + (rng.random() < wanted % 1)
        for _ in range(count):
            median_s = TYPICAL_S.get(fault, 0.0)
            longer = 30.0 if rng.random() < 0.02 else 1.0
            lasts_s = median_s * rng.lognormvariate(0.0, 1.0) * longer
            lasts_s = min(max(lasts_s, LEAST_S.get(fault, 0.0)), MOST_S.get(fault, math.inf))
            found.append(Stroke(_time_s(plan.length, rng), fault, lasts_s, rng.randrange(2**31)))
    return sorted(found)


def _work(length: timedelta) -> float:
    """Hours of shifts within a length from the start on."""
    hours = 0.0
    for day in range(length.days + 1):
        begin = timedelta(days=day) + WORK_FROM
        if day % 7 < WORKDAYS and begin < length:
            hours += (min(timedelta(days=day) + WORK_UNTIL, length) - begin) / timedelta(hours=1)
    return hours


def _time_s(length: timedelta, rng: random.Random) -> float:
    while True:
        if rng.random() < AT_WORK:
            day = timedelta(days=rng.randrange(length.days + 1))
            at = day + WORK_FROM + rng.random() * (WORK_UNTIL - WORK_FROM)
        else:
            at = rng.random() * length
        if QUIET < at < length:
            return at.total_seconds()
