"""Two hours of the whole example plant in which every page of the board has figures of every kind to show."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

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
    raised,
    shift_closed,
    shift_reopened,
    state,
    unreconciled,
)
from influx_example import CAR, CURRENTS, EVENTS, EXIT, FINISH, made

from mes.config.build import PlantConfig
from mes.model import (
    CountKind,
    ProcessValue,
    ProductId,
    State,
    StationEvent,
    StationId,
    UnitId,
    UnitResult,
)

S2 = ProductId("S2")
SIDES = StationId("kostanay/weld/weld-1/body-sides")
TRIM = StationId("kostanay/final/final-1/trim")
WINTER = ((-41, 3), (-40, 2), (-33, 1), (-12, 2))  # days before, cars of the S2
SHIFT_END = 510  # minutes after its start


def scene(config: PlantConfig) -> list[StationEvent]:
    """What happened: at every station something else, so that no two rows of a table are alike."""
    found: list[StationEvent] = [*EVENTS]
    for index, station in enumerate(config.standards):
        if station not in (STATION, FINISH, EXIT):
            found += _station(station, index)
    found += [
        *_cars(list(config.standards)),
        *_finish(),
        *_framing(),
        *_winter(),
        *_shift_closings(list(config.standards)),
    ]
    return found


def telemetry() -> list[ProcessValue]:
    """Some inside, some outside of their limits."""
    torques = ((30, 111.5), (32, 121.25), (38, 108.125))
    return [
        *CURRENTS,
        *(
            ProcessValue(station=FINISH, name="weld_current", time=at(t), value=v)
            for t, v in ((11, 10.25), (15, 10.75))
        ),
        *(ProcessValue(station=TRIM, name="torque", time=at(t), value=v) for t, v in torques),
    ]


def at_station(station: StationId, *events: StationEvent) -> list[StationEvent]:
    """The same, there."""
    return [replace(event, station=station) for event in events]


def _station(station: StationId, index: int) -> list[StationEvent]:
    """Blocked, starved, down for a fault, idle: for so long as nowhere else."""
    own = index * 0.217
    return at_station(
        station,
        state(0, State.PRODUCING),
        state(30 + own, State.BLOCKED),
        state(33.7 + 2 * own, State.PRODUCING),
        state(50 + own, State.STARVED),
        state(56.1 + 3 * own, State.PRODUCING),
        raised(70 + own, "101" if index % 2 else "777"),
        state(70 + own, State.DOWN),
        cleared(76.3 + 2 * own, "101" if index % 2 else "777"),
        state(76.3 + 2 * own, State.SETUP if index % 3 else State.PRODUCING),
        state(82 + own, State.PRODUCING),
        state(90 + own, State.DOWN),
        state(91.2 + own, State.PRODUCING),
        *([state(100 + own, State.IDLE), state(105.5 + 2 * own, State.PRODUCING)] if index % 4 == 0 else []),
        *([state(112 + own, State.STARVED)] if index % 5 == 4 else []),
        counted(12 + own, 2 + index % 3),
        counted(64 + own, 3),
        counted(66 + own, 1 + index % 2, CountKind.REWORK),
        *([counted(67 + own, 1, CountKind.SCRAP)] if index % 3 == 1 else []),
        *([counted(68, 9, CountKind.TOTAL, raw=1209, previous_raw=1200)] if index == 3 else []),
    )


def _cars(stations: list[StationId]) -> Iterator[StationEvent]:
    """Five cars go through the plant, one after the other; the third and the fifth stay where they are."""
    for number, last in enumerate((14, 14, 7, 10, 0)):
        unit = UnitId(f"LJ12EKR24T19{number:05}")
        product = S2 if number == 1 else S3
        for index, station in enumerate(stations[: last + 1]):
            start = 1.5 + 6.3 * index + 9.9 * number
            yield entered(start, unit, product=product, station=station)
            if index == last and number in (2, 4):
                continue  # it is there still
            result = UnitResult.REWORK if index == 5 * number else UnitResult.GOOD
            cycle = None if number == 1 and index == 4 else timedelta(seconds=251.25 + 7.5 * index)
            yield completed(start + 4.4, unit, result, product=product, cycle_time=cycle, station=station)
            yield left(start + 5.1, unit, station=station)
    yield entered(29, CAR, product=S3, station=TRIM)
    yield made(37, CAR, UnitResult.REWORK, TRIM)
    yield made(39.5, CAR, UnitResult.GOOD, TRIM)
    yield left(40.25, CAR, station=TRIM)
    yield entered(58, CAR, product=S3)  # it comes again
    yield made(63, CAR, station=STATION)


def _finish() -> list[StationEvent]:
    """A count that nobody has decided, one that two persons did, and one that was a stale value."""
    first, second = unreconciled(71, raw=3, previous_raw=58), unreconciled(93, CountKind.SCRAP, raw=1, previous_raw=40)
    moved = counted(95, 1, CountKind.SCRAP, raw=2, previous_raw=1)
    return at_station(
        FINISH,
        state(60, State.STARVED),
        state(63.2, State.PRODUCING),
        state(84, State.DOWN),
        state(88.5, State.PRODUCING),
        counted(10, 1, raw=58, previous_raw=57),
        first,
        counted(91, 1, raw=4, previous_raw=3),
        counted(9, 1, CountKind.SCRAP, raw=40, previous_raw=39),
        second,
        moved,
        decided(second, 1, when=97, by="anna", why="1 of 2 was double"),
        decided(second, 0, when=98, by="boris", why="counted by hand"),
        unreconciled(110, CountKind.REWORK, raw=7, previous_raw=9),
    )


def _framing() -> list[StationEvent]:
    """Words of persons: one taken back, one for as long as it lasts, planned service at another station."""
    return [
        assigned(36, 20, 32, "weld-timer", comment="timer 7 <again> & again"),
        assigned(37, 20, 32, None, comment="=1+1"),
        *at_station(EXIT, state(118.5, State.STARVED)),
        *at_station(SIDES, assigned(101, 50, 51, "planned-service"), assigned(102, 90, None, "no-parts")),
        state(105, State.DOWN),
        state(107, State.PRODUCING),
        state(108, State.SETUP),
        state(111, State.PRODUCING),
        state(113, State.DOWN),
        counted(44, 2, CountKind.REWORK),
    ]


def _winter() -> Iterator[StationEvent]:
    """Cars of the months before, and a few of this morning."""
    for days, cars in WINTER:
        for number in range(cars):
            unit = UnitId(f"LJ12EKR24T17{-days:02}{number:03}")
            when = days * 1440 + 60 + 13 * number
            yield completed(when, unit, product=S2, cycle_time=timedelta(seconds=431.5), station=EXIT)
    yield made(-31 * 1440 + 200, "LJ12EKR24T1700001", station=EXIT)


def _shift_closings(stations: list[StationId]) -> Iterator[StationEvent]:
    """Two stations whose shift was closed, one of which was opened again."""
    yield shift_closed(515, 0, SHIFT_END, by="aigul 2", station=stations[7])
    yield shift_closed(516, 0, SHIFT_END, by="aigul 2", station=stations[8])
    yield shift_reopened(521, 0, SHIFT_END, by="boris", why="a count was wrong", station=stations[8])


def until(events: list[StationEvent], now: datetime) -> list[StationEvent]:
    """Those that have been told by then."""
    return [event for event in events if event.received_time <= now]
