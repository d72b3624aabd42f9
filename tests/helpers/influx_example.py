"""Two hours of one station in which everything happens that the schema has a measurement for."""

from datetime import datetime, timedelta
from pathlib import Path

from events import (
    S3,
    STATION,
    assigned,
    at,
    cleared,
    completed,
    counted,
    decided,
    entered,
    left,
    lost,
    product_changed,
    quality,
    raised,
    restored,
    shift_closed,
    state,
    unidentified,
    unreconciled,
)
from oee_histories import between

from adapters.clock import ManualClock
from adapters.reading import ControllerId, Quality
from mes.config.build import PlantConfig
from mes.influx.encode import Point
from mes.influx.points.looks import Looks
from mes.influx.points.windows import PublishedFigures
from mes.journal import Entry, Journal
from mes.model import (
    CountKind,
    ProcessValue,
    State,
    StationEvent,
    StationId,
    UnitId,
    UnitResult,
)

FINISH = StationId("kostanay/weld/weld-1/finish")
EXIT = StationId("kostanay/final/final-1/end-of-line")
CAR = UnitId("LJ12EKR24T1823630")
END = at(120)


def made(minutes: float, unit: str, result: UnitResult = UnitResult.GOOD, station: StationId = STATION) -> StationEvent:
    """A unit got its result."""
    return completed(minutes, unit, result, cycle_time=timedelta(seconds=571.5), station=station)


DOUBT = unreconciled(70, raw=3, previous_raw=58)
EVENTS: list[StationEvent] = [
    state(0, State.PRODUCING),
    state(0, State.PRODUCING, station=FINISH),
    state(0, State.PRODUCING, station=EXIT),
    product_changed(0, S3),
    entered(1, CAR, product=S3),
    counted(10, 1),
    made(10, CAR),
    left(11, CAR),
    entered(12, CAR, product=S3, station=FINISH),
    made(20, CAR, station=FINISH),
    made(25, CAR, station=EXIT),
    counted(20, 1, station=FINISH),
    counted(25, 1, station=EXIT),
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
    quality(75, Quality.BAD, "product"),
    lost(80),
    unidentified(90, missing=1, first_sequence=17),
    counted(90, 1, since=80),
    restored(90, 80),
    state(90, State.PRODUCING),
    decided(DOUBT, 1, when=95),
    shift_closed(119, -60, 0),
    state(120, State.STARVED),
]
CURRENTS = [
    ProcessValue(station=STATION, name="weld_current", time=at(minute), value=value)
    for minute, value in ((0, 10.4), (5, 11.2), (8, 10.5), (70, 10.6))
]


async def example(path: Path) -> None:
    """Journals it, in the order in which it was seen."""
    ordered = sorted(EVENTS, key=lambda event: event.received_time)
    seen = {ControllerId(name): END for name in ("weld-plc", "final-plc")}
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=ordered, telemetry=CURRENTS, observed=seen))


SHIFT = between(0, 510)


async def looks_at(journal: Path, config: PlantConfig, now: datetime) -> list[Point]:
    """How the stations of a journal stand, as the collector says it."""
    with PublishedFigures(
        journal, config.standards, config.calendar, ManualClock(now), display_names=config.names
    ) as figures:
        points, _ = await figures.open()
    return Looks().of(points, all_of_them=True)
