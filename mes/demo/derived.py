"""A plant's file as something that can be simulated: its stations and ways as physics, its calendar as hours."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter

from mes.calendar import Calendar
from mes.collect.signals import (
    CounterSignal,
    FaultSignal,
    ProcessSignal,
    ProductSignal,
    StationSetup,
    UnitLogSignal,
    UnitSignal,
)
from mes.config.build import PlantConfig
from mes.errors import ConfigError
from mes.intervals import Interval
from mes.model import CountKind, LossCategory, StationId, StationStandard
from mes.oee.biography import ProcessLimit
from simulators.line import BREAKDOWN_FAULTS, MINOR_FAULTS, Process, StationSpec, Trigger
from simulators.shift import Span
from simulators.works import Works

EARLIEST = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday; the demo begins with the first planned time from here on
LONGEST_REST = timedelta(days=366)
WEEK = timedelta(days=7)
PLACES = 2  # in front of a station, where the file does not say how many
MTBF, MTTR, MINOR_EVERY = timedelta(minutes=150), timedelta(minutes=9), timedelta(minutes=30)
SCRAP, REWORK = 0.01, 0.03  # of the units of a station that counts them
SHORTEST_ID = 6  # the serial number at the end of a VIN
VIN = 17
ANY = ProcessLimit(None, None)


@dataclass(frozen=True, slots=True)
class CalendarHours:
    """The plant works when its file plans it."""

    calendar: Calendar

    def stretches(self, start: datetime) -> Iterator[Span]:
        """All planned time from `start` on. Raises ConfigError after a year without any."""
        at = last = start
        while at - last < LONGEST_REST:
            for part in self.calendar.planned(Interval(at, at + WEEK)):
                last = part.end
                yield Span(part.start, part.end)
            at += WEEK
        raise ConfigError("the calendar plans no work for a year: give `site.calendar` a shift")

    def planned(self, start: datetime, end: datetime) -> list[Span]:
        """The planned time within `[start, end)`."""
        return (
            [Span(part.start, part.end) for part in self.calendar.planned(Interval(start, end))] if start < end else []
        )


@dataclass(frozen=True, slots=True)
class Codes:
    """The short names of stations, as `--break` takes them."""

    of: Mapping[StationId, str] = field(default_factory=dict)

    @staticmethod
    def made(stations: list[StationId]) -> "Codes":
        """The last part of each path that is of one station only."""
        parts = {station: station.split("/")[1:] for station in stations}
        found: dict[StationId, str] = {}
        for station, path in parts.items():
            ends = ("/".join(path[-length:]) for length in range(1, len(path) + 1))
            found[station] = next(
                end for end in ends if sum(f"/{other}".endswith(f"/{end}") for other in stations) == 1
            )
        return Codes(found)


def works_of(config: PlantConfig, codes: Codes) -> Works:
    """The physics of the stations that are collected from controllers. Raises ConfigError where there is nothing."""
    if not config.setups:
        raise ConfigError("no station of this file has a controller: there is nothing to simulate")
    ways: dict[str, list[str]] = defaultdict(list)
    places: dict[str, int] = defaultdict(int)
    for way in config.buffers:
        if way.upstream in config.setups and way.downstream in config.setups:
            ways[codes.of[way.upstream]].append(codes.of[way.downstream])
            places[codes.of[way.downstream]] += way.places or PLACES
    specs = {codes.of[station]: _spec(config, station, codes) for station in config.setups}
    before = {code: [other for other, nexts in ways.items() if code in nexts] for code in specs}
    order = list(TopologicalSorter(before).static_order())
    works = Works(
        stations=tuple(specs[code] for code in order),
        places={},
        ways={code: tuple(nexts) for code, nexts in ways.items()},
        products=tuple(config.products),
        hours=CalendarHours(config.calendar),
        id_length=_id_length(config),
    )
    reached = [code for code in order if works.from_line(code)]
    return Works(
        stations=works.stations,
        places={code: (places[code], (places[code] + 1) // 2) for code in reached},
        ways=works.ways,
        products=works.products,
        hours=works.hours,
        id_length=works.id_length,
    )


def start_of(works: Works) -> datetime:
    """The beginning of the first planned time: a demo starts with a shift."""
    return next(works.hours.stretches(EARLIEST)).start


def _spec(config: PlantConfig, station: StationId, codes: Codes) -> StationSpec:
    setup, standard = config.setups[station], config.standards[station]
    signals = setup.signals.values()
    told = tells_product(setup) or not standard.ideal(None)
    lengths = {str(product): standard.ideal(product if told else None) for product in config.products}
    ideal = {product: length for product, length in lengths.items() if length is not None}
    if not ideal:
        raise ConfigError(f"{station}: no product comes here: give `ideal_cycle_s` a time for one")
    limits = config.limits.get(station, {})
    faults = tuple(fault_codes(setup, standard))
    return StationSpec(
        path=str(station),
        code=codes.of[station],
        controller=str(config.station_controllers[station]),
        ideal=ideal,
        mtbf=MTBF,
        mttr=MTTR,
        minor_every=MINOR_EVERY,
        scrap=SCRAP if CountKind.SCRAP in standard.counted else 0.0,
        rework=REWORK if CountKind.REWORK in standard.counted else 0.0,
        setup_at=Trigger.PRODUCT if len(ideal) > 1 else Trigger.NONE,
        climate=tuple(
            _process(signal.name, limits.get(signal.name, ANY))
            for signal in signals
            if isinstance(signal, ProcessSignal)
        ),
        parts=max((signal.setup.units_per_count for signal in signals if isinstance(signal, CounterSignal)), default=1),
        faults=faults or BREAKDOWN_FAULTS,
        minor_faults=faults or MINOR_FAULTS,
    )


def tells_product(setup: StationSetup) -> bool:
    """Whether it is known for which product a unit is counted."""
    return any(
        isinstance(signal, ProductSignal | UnitLogSignal)
        or (isinstance(signal, CounterSignal) and signal.setup.product is not None)
        for signal in setup.signals.values()
    )


def fault_codes(setup: StationSetup, standard: StationStandard) -> dict[int, str]:
    """The faults that a simulated station may have, as its controller calls them, each with a number.

    These are the bits of its alarm words, or the numbered codes that reasons name, as far as they mean a failure.
    """
    words = [signal for signal in setup.signals.values() if isinstance(signal, FaultSignal) and signal.bits]
    codes = [code for signal in words for _, code in signal.bits if code is not None and _is_failure(code, standard)]
    if codes:
        return dict(enumerate(dict.fromkeys(codes), start=1))
    return {int(code): code for code in standard.reasons.by_fault if code.isdigit() and _is_failure(code, standard)}


def _is_failure(code: str, standard: StationStandard) -> bool:
    """Whether a stop with this fault is a failure, whatever its length; so is one that no reason names."""
    reason = standard.reasons.of_fault(code)
    return reason is None or (not reason.planned and reason.category is LossCategory.EQUIPMENT_FAILURE)


def _process(name: str, limit: ProcessLimit) -> Process:
    low, high = limit.low, limit.high
    lowest = low if low is not None else 0.0 if high is None else high - 10.0
    highest = high if high is not None else lowest + 10.0
    return Process(name, mean=(lowest + highest) / 2, spread=(highest - lowest) / 40)


def _id_length(config: PlantConfig) -> int:
    """How many characters of an id every controller has room for. Raises ConfigError where that is too few."""
    length = VIN
    for station, setup in config.setups.items():
        for tag_id, signal in setup.signals.items():
            if not isinstance(signal, UnitSignal):
                continue
            shown_by = setup.elsewhere.get(tag_id, config.station_controllers[station])
            room = getattr(config.tags[shown_by][tag_id], "length", None) or VIN
            if signal.characters is not None:
                first, last = signal.characters
                room = min(last, room) - first + 1
            if room < SHORTEST_ID:
                raise ConfigError(f"{tag_id}: an id of {room} characters cannot be simulated, {SHORTEST_ID} are needed")
            length = min(length, room)
    return length
