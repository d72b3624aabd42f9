"""Two hours of one station in which everything happens that the schema has a measurement for."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from oee_histories import (
    STATION,
    assigned,
    at,
    between,
    cleared,
    counted,
    decided,
    lost,
    raised,
    restored,
    state,
    unreconciled,
)

from adapters.reading import ControllerId, Quality
from mes.journal import Entry, Journal
from mes.model import (
    CountKind,
    ProcessValue,
    ProductChanged,
    ProductId,
    QualityChanged,
    ShiftClosed,
    State,
    StationEvent,
    StationId,
    TimeSource,
    UnitCompleted,
    UnitEntered,
    UnitId,
    UnitLeft,
    UnitResult,
    UnitsUnidentified,
)

FINISH = StationId("kostanay/weld/weld-1/finish")
EXIT = StationId("kostanay/final/final-1/end-of-line")
CAR = UnitId("LJ12EKR24T1823630")
S3 = ProductId("S3")
END = at(120)


def when(minutes: float, station: StationId = STATION) -> dict[str, Any]:
    """What every event has."""
    return {"station": station, "time": at(minutes), "received_time": at(minutes), "time_source": TimeSource.CONTROLLER}


def made(minutes: float, unit: str, result: UnitResult = UnitResult.GOOD, station: StationId = STATION) -> StationEvent:
    """A unit got its result."""
    return UnitCompleted(
        **when(minutes, station), unit=UnitId(unit), product=S3, result=result, cycle_time=timedelta(seconds=571.5)
    )


DOUBT = unreconciled(70, raw=3, previous_raw=58)
EVENTS: list[StationEvent] = [
    state(0, State.PRODUCING),
    replace(state(0, State.PRODUCING), station=FINISH),
    replace(state(0, State.PRODUCING), station=EXIT),
    ProductChanged(**when(0), product=S3),
    UnitEntered(**when(1), unit=CAR, product=S3),
    counted(10, 1),
    made(10, CAR),
    UnitLeft(**when(11), unit=CAR),
    UnitEntered(**when(12, FINISH), unit=CAR, product=S3),
    made(20, CAR, station=FINISH),
    made(25, CAR, station=EXIT),
    replace(counted(20, 1), station=FINISH),
    replace(counted(25, 1), station=EXIT),
    counted(20, 1, CountKind.SCRAP),
    made(20, "LJ12EKR24T1823631", UnitResult.SCRAP),
    state(20, State.DOWN),
    raised(20, "101"),
    cleared(32, "101"),
    state(32, State.PRODUCING),
    counted(42, 1),
    state(45, State.IDLE),
    state(55, State.PRODUCING),
    assigned(60, 45, 55, "no-operator"),
    DOUBT,
    QualityChanged(**when(75), signal="product", quality=Quality.BAD),
    lost(80),
    UnitsUnidentified(**when(90), missing=1, first_sequence=17),
    counted(90, 1, since=80),
    restored(90, 80),
    state(90, State.PRODUCING),
    decided(DOUBT, 1, minutes=95),
    ShiftClosed(**when(119), start=at(-60), end=at(0), by="aigul"),
    state(120, State.STARVED),
]
CURRENTS = [
    ProcessValue(station=STATION, name="weld_current", time=at(minute), value=value)
    for minute, value in ((0, 10.4), (5, 11.2), (8, 10.5), (70, 10.6))
]


async def example(path: Path) -> None:
    """Journals it, in the order in which it was seen."""
    ordered = sorted(EVENTS, key=lambda each: each.received_time)
    seen = {ControllerId(each): END for each in ("weld-plc", "final-plc")}
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=ordered, telemetry=CURRENTS, observed=seen))


SHIFT = between(0, 510)
