"""A plant at work, its time laid on the calendar; and the Kostanay plant, its stations and buffers."""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import partial
from itertools import pairwise
from typing import assert_never

import simpy

from simulators.line import (
    FAULTS,
    Breakdown,
    Buffer,
    Change,
    Emit,
    Process,
    Rework,
    SimState,
    Sink,
    Source,
    Station,
    StationSpec,
    Trigger,
)
from simulators.programme import Branch, Exit, Kits, Programme, Supply
from simulators.shift import Span
from simulators.truth import Truth
from simulators.works import Works

__all__ = ["KOSTANAY", "STATIONS", "Breakdown", "Plant"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_CLIMATE_EVERY_MS = 60_000
_NEVER = timedelta(days=36_500)


def _minutes(value: float) -> timedelta:
    return timedelta(minutes=value)


def _weld(name: str, code: str, ideal_s: int, *, mtbf_min: int, mttr_min: int, rework: float = 0.0) -> StationSpec:
    return StationSpec(
        path=f"kostanay/weld/weld-1/{name}",
        code=code,
        controller="weld-plc",
        ideal={"S3": timedelta(seconds=ideal_s)},
        mtbf=_minutes(mtbf_min),
        mttr=_minutes(mttr_min),
        minor_every=_minutes(25),
        rework=rework,
        process=Process("weld_current", mean=10.5, spread=0.12),
    )


def _paint(
    name: str,
    code: str,
    ideal_s: int,
    *,
    mtbf_min: int,
    mttr_min: int,
    climate: tuple[Process, ...],
    rework: float = 0.0,
    setup_at: Trigger = Trigger.NONE,
) -> StationSpec:
    return StationSpec(
        path=f"kostanay/paint/paint-1/{name}",
        code=code,
        controller="paint-plc",
        ideal={"S3": timedelta(seconds=ideal_s)},
        mtbf=_minutes(mtbf_min),
        mttr=_minutes(mttr_min),
        minor_every=_minutes(35),
        rework=rework,
        rework_way=Rework.UPSTREAM,
        setup_at=setup_at,
        setup=_minutes(3),
        climate=climate,
    )


def _booth(air_degc: float) -> tuple[Process, ...]:
    return (Process("booth_temperature", mean=air_degc, spread=0.08), Process("humidity", mean=62.0, spread=0.3))


# Set points as paint shops commonly have them; windows stand in the plant's file. Zone 2 of the oven hunts: it leaves
# its window for some minutes in every shift.
_PRETREATMENT = (
    Process("bath_temperature", mean=50.0, spread=0.12),
    Process("bath_conductivity", mean=3.2, spread=0.02),
)
_ECOAT = (
    Process("bath_temperature", mean=30.0, spread=0.08),
    Process("bath_ph", mean=5.8, spread=0.008),
    Process("bath_solids", mean=20.0, spread=0.08),
    Process("bath_conductivity", mean=1.5, spread=0.01),
    Process("rectifier_voltage", mean=300.0, spread=1.0),
)
_TOPCOAT = (*_booth(23.0), Process("air_speed", mean=0.4, spread=0.004))
_OVEN = (
    Process("zone_1_temperature", mean=140.0, spread=0.12),
    Process("zone_2_temperature", mean=140.0, spread=0.32),
    Process("zone_3_temperature", mean=140.0, spread=0.12),
    Process("conveyor_speed", mean=1.2, spread=0.003),
)


def _final(
    name: str, code: str, *, mtbf_min: int, mttr_min: int, rework: float = 0.0, setup_at: Trigger = Trigger.NONE
) -> StationSpec:
    return StationSpec(
        path=f"kostanay/final/final-1/{name}",
        code=code,
        controller="final-plc",
        ideal={"S3": timedelta(seconds=480), "S2": timedelta(seconds=450)},
        mtbf=_minutes(mtbf_min),
        mttr=_minutes(mttr_min),
        minor_every=_minutes(30),
        rework=rework,
        setup_at=setup_at,
        setup=_minutes(2),
        process=Process("torque", mean=110.0, spread=1.5),
    )


STATIONS: tuple[StationSpec, ...] = (
    _weld("underbody", "W010", 540, mtbf_min=240, mttr_min=12),
    _weld("body-sides", "W020", 555, mtbf_min=220, mttr_min=11),
    _weld("framing", "W030", 570, mtbf_min=200, mttr_min=12),
    _weld("respot", "W040", 555, mtbf_min=180, mttr_min=10),
    _weld("closures", "W050", 540, mtbf_min=260, mttr_min=12),
    _weld("finish", "W060", 540, mtbf_min=400, mttr_min=10, rework=0.04),
    _paint("pretreatment", "P010", 540, mtbf_min=320, mttr_min=15, climate=_PRETREATMENT),
    _paint("sealing", "P020", 555, mtbf_min=280, mttr_min=10, climate=_booth(24.0)),
    _paint("primer", "P030", 555, mtbf_min=260, mttr_min=12, climate=_ECOAT, setup_at=Trigger.COLOUR),
    _paint("topcoat", "P040", 540, mtbf_min=240, mttr_min=12, climate=_TOPCOAT, setup_at=Trigger.COLOUR),
    _paint("oven", "P050", 540, mtbf_min=400, mttr_min=18, climate=_OVEN),
    _paint("inspection", "P060", 540, mtbf_min=220, mttr_min=10, climate=_booth(22.0), rework=0.07),
    _final("trim", "F010", mtbf_min=180, mttr_min=10, setup_at=Trigger.PRODUCT),
    _final("chassis", "F020", mtbf_min=160, mttr_min=10, setup_at=Trigger.PRODUCT),
    _final("end-of-line", "F030", mtbf_min=170, mttr_min=11, rework=0.02),
)
"""The plant as built, along a car's route. Ideal cycle times per product are public: configurations repeat them."""

# Places in front of each station and how many are taken at the start. Underbody takes kits without a buffer.
_PLACES = {
    "W020": (2, 1),
    "W030": (2, 1),
    "W040": (2, 1),
    "W050": (2, 1),
    "W060": (2, 1),
    "P010": (6, 3),
    "P020": (2, 1),
    "P030": (2, 1),
    "P040": (3, 2),
    "P050": (2, 1),
    "P060": (2, 1),
    "F010": (10, 6),
    "F020": (2, 1),
    "F030": (2, 1),
}
KOSTANAY = Works(
    stations=STATIONS,
    places=_PLACES,
    ways={earlier.code: (later.code,) for earlier, later in pairwise(STATIONS)},
    products=("S3", "S2"),
    repaint_to="P040",
    repaint_places=7,  # the loop behind topcoat's buffer: topcoat, two places, oven, two places, inspection
)


class Climate:
    """Slow random walks around set points: what hangs in a booth's air, every 60 s of simulated time."""

    def __init__(self, seed: int, stations: Sequence[StationSpec]) -> None:
        self._walks = [
            (spec.code, f"process.{value.name}", value, random.Random(f"{seed}:{spec.code}:{value.name}"))
            for spec in stations
            for value in spec.climate
        ]
        self._values = [value.mean for *_, value, _ in self._walks]

    def step(self, emit: Emit) -> None:
        """One step of every walk."""
        for index, (code, field, value, rng) in enumerate(self._walks):
            at = self._values[index]
            at += 0.05 * (value.mean - at) + rng.gauss(0, value.spread)
            self._values[index] = at
            emit(code, field, round(at, 2))


class _Step(IntEnum):
    """What comes first among things at one instant."""

    SHIFT = 0
    WORK = 1
    CLIMATE = 2


class Plant:
    """The whole plant; equal seeds and starts give equal changes, however `advance` is cut into steps.

    Each station draws from a stream of its own, so that one station more or less changes no other's draws.
    Booth climate goes on at all hours, everything else stands still outside work.
    """

    def __init__(
        self,
        *,
        seed: int,
        start: datetime,
        breakdowns: Sequence[Breakdown] = (),
        calm: bool = False,
        works: Works = KOSTANAY,
    ) -> None:
        """`start` is aware and is cut to whole milliseconds; `calm`: nothing breaks down but by `breakdowns`.

        Raises ValueError if `start` is naive.
        """
        if start.tzinfo is None:
            raise ValueError("the plant's start needs an aware time")
        self._works = works
        self._now_ms = (start - _EPOCH) // _MS
        self._shown = self._now_ms, self._time(self._now_ms)
        self.start = self._shown[1]
        self._changes: list[Change] = []
        self._present: dict[tuple[str, str], object] = {}
        self._paths = {spec.code: spec.path for spec in works.stations}
        self._climate_ms = self._now_ms - self._now_ms % _CLIMATE_EVERY_MS + _CLIMATE_EVERY_MS
        self._env = simpy.Environment(initial_time=0)
        self._calm = calm
        self._breakdowns = sorted(breakdowns, key=lambda breakdown: breakdown.at)
        self._stretches = works.hours.stretches(self.start)
        # The stretch of work that is on or comes next, and the working time at which it begins.
        self._begin_ms, self._end_ms, self._worked_ms = 0, 0, 0
        self._next_stretch()
        self._working = self._begin_ms == self._now_ms
        self._climate = Climate(seed, works.stations)
        standing = SimState.STARVED if self._working else SimState.IDLE
        self._truth = Truth(((spec, standing) for spec in works.stations), self.start, works.hours)
        for spec in works.stations:
            self._present_at_rest(spec)
        self._supply = Supply(
            self._env,
            random.Random(f"{seed}:supply"),
            year=self.start.year,
            products=works.products,
            painted=[product for product in works.products if product in works.stations[0].ideal],
            id_length=works.id_length,
        )
        self._exit = Exit(self._env)
        self.buffers = {code: self._buffer(code) for code in works.places}
        self.working = [self._station(spec, seed) for spec in works.stations]
        while self._env.peek() <= 0:
            self._env.step()
        self._climate.step(self._emit)
        self._changes.clear()

    @property
    def stations(self) -> tuple[StationSpec, ...]:
        """The plant as built, along the route."""
        return self._works.stations

    @property
    def now(self) -> datetime:
        """How far the plant has come, aware UTC, whole milliseconds."""
        if self._shown[0] != self._now_ms:
            self._shown = self._now_ms, self._time(self._now_ms)
        return self._shown[1]

    @property
    def truth(self) -> Truth:
        """The exact ledger up to now."""
        return self._truth

    @property
    def entered(self) -> int:
        """Cars that have come into the plant, those of the start among them."""
        return self._supply.made

    @property
    def finished(self) -> int:
        """Cars that have left end-of-line."""
        return self._exit.finished

    @property
    def in_process(self) -> int:
        """Cars that stand in stations and buffers."""
        waiting = sum(len(buffer.units) + len(buffer.repaints) for buffer in self.buffers.values())
        return waiting + sum(station.body is not None for station in self.working)

    def snapshot(self) -> list[Change]:
        """The present value of every field, all at the time `now`; `completed` is no value and is not among them."""
        return [Change(self.now, code, field, value) for (code, field), value in self._present.items()]

    def advance(self, until: datetime) -> list[Change]:
        """Everything that happens in (now, until], in order of time; nothing if `until` is not later than now."""
        until_ms = (until - _EPOCH) // _MS
        while (step := self._next_step())[0] <= until_ms:
            at_ms, kind = step
            self._now_ms = at_ms
            match kind:
                case _Step.SHIFT:
                    self._turn()
                case _Step.WORK:
                    self._env.step()
                case _Step.CLIMATE:
                    self._climate_ms += _CLIMATE_EVERY_MS
                    self._climate.step(self._emit)
                case _:
                    assert_never(kind)
        self._now_ms = max(self._now_ms, until_ms)
        self._truth.reach(self.now)
        changes, self._changes = self._changes, []
        return changes

    def _next_step(self) -> "tuple[int, _Step]":
        turn_ms = self._end_ms if self._working else self._begin_ms
        nearest = min((turn_ms, _Step.SHIFT), (self._climate_ms, _Step.CLIMATE))
        if not self._working:
            return nearest
        return min(nearest, (self._begin_ms + round(self._env.peek()) - self._worked_ms, _Step.WORK))

    def _turn(self) -> None:
        """Work ends and every station stands still, or it goes on with the states that the stations had."""
        if self._working:
            self._worked_ms += self._end_ms - self._begin_ms
            self._next_stretch()
            for station in self.working:
                self._emit(station.spec.code, "state", SimState.IDLE)
            self._working = False
        else:
            self._working = True
            for station in self.working:
                self._emit(station.spec.code, "state", station.state)

    def _next_stretch(self) -> None:
        span: Span = next(self._stretches)
        self._begin_ms, self._end_ms = (span.start - _EPOCH) // _MS, (span.end - _EPOCH) // _MS

    def _emit(self, code: str, field: str, value: object) -> None:
        if field == "state" and isinstance(value, SimState):
            if not self._working:
                return
            self._truth.enter(self._paths[code], self.now, value)
        if field == "unit":
            self._truth.show(self._paths[code], self.now, str(value))
        if field in FAULTS and isinstance(value, int):
            self._truth.fail(self._paths[code], self.now, value, field)
        if field != "completed":
            self._present[code, field] = value
        self._changes.append(Change(self.now, code, field, value))

    def _present_at_rest(self, spec: StationSpec) -> None:
        rest = SimState.STARVED if self._working else SimState.IDLE
        values: dict[str, object] = {"good": 0, "rework": 0, "scrap": 0, "unit": "", "product": ""}
        for field, value in {"state": rest, "minor": False, **values, **dict.fromkeys(FAULTS, 0)}.items():
            self._present[spec.code, field] = value
        if spec.process:
            self._present[spec.code, f"process.{spec.process.name}"] = spec.process.mean

    def _buffer(self, code: str) -> Buffer:
        works = self._works
        places, taken = works.places[code]
        repaints = works.repaint_places if code == works.repaint_to else 0
        buffer = Buffer(self._env, capacity=places, repaint_capacity=repaints)
        for _ in range(taken):
            buffer.offer(self._supply.make(works.from_line(code)[0]))
        return buffer

    def _source(self, code: str, seed: int) -> Source:
        kits = self._works.as_kits(code)
        rng = random.Random(f"{seed}:programme")
        if code not in self.buffers:
            return Kits(kits, self._supply, rng)
        return Programme(self.buffers[code], kits, self._supply, rng) if kits else self.buffers[code]

    def _sink(self, spec: StationSpec) -> Sink:
        nexts = [self._works.spec(code) for code in self._works.ways.get(spec.code, ())]
        branches = {
            product: [self.buffers[other.code] for other in nexts if product in other.ideal] for product in spec.ideal
        }
        return Branch(self._env, {product: sinks for product, sinks in branches.items() if sinks}, self._exit)

    def _station(self, spec: StationSpec, seed: int) -> Station:
        station = Station(
            env=self._env,
            spec=replace(spec, mtbf=_NEVER) if self._calm else spec,
            rng=random.Random(f"{seed}:{spec.code}"),
            troubles=random.Random(f"{seed}:{spec.code}:troubles"),
            source=self._source(spec.code, seed),
            sink=self._sink(spec),
            back=self.buffers[self._works.repaint_to] if spec.rework_way is Rework.UPSTREAM else None,
            emit=self._emit,
            record=partial(self._truth.complete, spec.path),
            now=lambda: self.now,
            forced=deque(
                (self._worked_before(breakdown.at), breakdown.lasts // _MS)
                for breakdown in self._breakdowns
                if breakdown.code == spec.code
            ),
        )
        self._env.process(station.run())
        return station

    def _worked_before(self, at: datetime) -> int:
        """Milliseconds of working time from the plant's start to an instant."""
        spans = self._works.hours.planned(self.start, at) if at > self.start else []
        return sum((span.end - span.start for span in spans), timedelta()) // _MS

    @staticmethod
    def _time(at_ms: int) -> datetime:
        return _EPOCH + at_ms * _MS
