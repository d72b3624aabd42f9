"""Reasons, definitions, programme and flow as the program uses them; every name that they refer to is looked up."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from mes.collect.values import code
from mes.config.findings import Findings
from mes.config.models.production import DefinitionShape, FlowShape, PlanShape, ProgrammeShape, ReasonShape
from mes.config.problems import did_you_mean
from mes.config.source import Place
from mes.model import Catalogue, ProductId, Reason, ReasonId, StationId
from mes.oee.definitions import BUILT_IN, Definition
from mes.oee.programme import BuildProgramme

OWN_ANSWERS = (
    *("starved", "blocked", "planned_stops", "setup", "minor_stops"),
    *("rework_is_good", "capped", "roll_up", "no_data"),
)


@dataclass(frozen=True, slots=True)
class Buffer:
    """The way between two stations, with its number of places where that is known."""

    upstream: StationId
    downstream: StationId
    places: int | None = None


@dataclass(frozen=True, slots=True)
class Programme:
    """What is to be built, and the station at which a car is built when it is good there."""

    built_at: StationId
    plan: BuildProgramme


def catalogues(
    shapes: Mapping[str, ReasonShape], stations: Sequence[StationId], findings: Findings
) -> Mapping[StationId, Catalogue]:
    """The reasons of each station, and what its fault codes mean."""
    parts = {part for station in stations for part in _parts(station)}
    for name, shape in shapes.items():
        for index, part in enumerate(shape.stations):
            if part not in parts:
                what = f"there is no part of the plant `{part}`"
                findings.problem(("reasons", name, "stations", index), what, did_you_mean(part, sorted(parts)))
    return {station: _catalogue(station, shapes, findings) for station in stations}


def _parts(station: StationId) -> Sequence[str]:
    """A station's area, its line and itself, without the site."""
    area, line, name = station.split("/")[1:]
    return (area, f"{area}/{line}", f"{area}/{line}/{name}")


def _catalogue(station: StationId, shapes: Mapping[str, ReasonShape], findings: Findings) -> Catalogue:
    reasons: dict[ReasonId, Reason] = {}
    by_fault: dict[str, ReasonId] = {}
    for name, shape in shapes.items():
        if shape.stations and not set(shape.stations) & set(_parts(station)):
            continue
        reason = ReasonId(name)
        texts = {"en": shape.en, "ru": shape.ru, "kk": shape.kk}
        reasons[reason] = Reason(
            reason, {language: text for language, text in texts.items() if text}, shape.category, shape.planned
        )
        for index, fault in enumerate(map(code, shape.faults)):
            if by_fault.setdefault(fault, reason) != reason:
                what = f"fault {fault} means `{by_fault[fault]}` already"
                remedy = "give each code to one reason, or say with `stations` where it means which"
                findings.problem(("reasons", name, "faults", index), what, remedy, station=station)
    return Catalogue(reasons, by_fault)


def definitions(shapes: Mapping[str, DefinitionShape], default: str, findings: Findings) -> Mapping[str, Definition]:
    """The built-in ones and the plant's own."""
    found = dict(BUILT_IN)
    for name, shape in shapes.items():
        place: Place = ("definitions", name)
        if name in BUILT_IN:
            findings.problem(place, f"`{name}` is built in", "choose another name; `like` takes over a built-in one")
        elif shape.like not in BUILT_IN:
            what = f"there is no built-in definition `{shape.like}`"
            findings.problem((*place, "like"), what, did_you_mean(shape.like, BUILT_IN))
        else:
            found[name] = _definition(name, shape)
    if default not in found:
        what = f"there is no definition `{default}`"
        findings.problem(("figures", "definition"), what, did_you_mean(default, found))
    return found


def _definition(name: str, shape: DefinitionShape) -> Definition:
    own: dict[str, Any] = {key: value for key in OWN_ANSWERS if (value := getattr(shape, key)) is not None}
    if shape.minor_stop_s is not None:
        own["minor_stop"] = timedelta(seconds=shape.minor_stop_s)
    source = f"the plant's own, after {BUILT_IN[shape.like].title}"
    return replace(BUILT_IN[shape.like], name=name, title=shape.title, source=source, like=shape.like, **own)


def programme(
    shape: ProgrammeShape | None, site: str, stations: Iterable[StationId], products: Iterable[str], findings: Findings
) -> Programme | None:
    """The build programme; None where there is none, or where it contradicts itself."""
    if shape is None:
        return None
    built_at = _station(shape.built_at, ("programme", "built_at"), site, stations, findings)
    plan: dict[tuple[int, int | None], dict[ProductId, int]] = {}
    for index, planned in enumerate(shape.plan):
        place: Place = ("programme", "plan", index)
        if (planned.year, planned.month) in plan:
            findings.problem(place, f"{_when(planned)} is planned twice", "keep one of the two")
        for product in planned.cars:
            if product not in products:
                remedy = did_you_mean(product, products)
                findings.problem((*place, "cars", product), f"there is no product `{product}`", remedy)
        plan[planned.year, planned.month] = {ProductId(product): cars for product, cars in planned.cars.items()}
    try:
        build = BuildProgramme(plan)
    except ValueError as error:
        findings.problem(("programme", "plan"), str(error), "let the months of a year add up to the year's figure")
        return None
    return None if built_at is None else Programme(built_at, build)


def _when(shape: PlanShape) -> str:
    return str(shape.year) if shape.month is None else f"{shape.year}-{shape.month:02}"


def buffers(
    shapes: Sequence[FlowShape], site: str, stations: Sequence[StationId], findings: Findings
) -> tuple[Buffer, ...]:
    """The ways of the cars: from each station of a line to the next, and those between lines as given."""
    found = [
        Buffer(earlier, later)
        for earlier, later in itertools.pairwise(stations)
        if earlier.rpartition("/")[0] == later.rpartition("/")[0]
    ]
    for index, shape in enumerate(shapes):
        place: Place = ("flow", index)
        start = _station(shape.from_, (*place, "from"), site, stations, findings)
        end = _station(shape.to, (*place, "to"), site, stations, findings)
        if start is None or end is None:
            continue
        if start == end:
            findings.problem(place, f"{shape.to} follows itself", "correct `from` or `to`")
        inside = [buffer for buffer in found if (buffer.upstream, buffer.downstream) == (start, end)]
        found = [buffer for buffer in found if buffer not in inside]
        found.append(Buffer(start, end, shape.places))
    return tuple(found)


def _station(path: str, place: Place, site: str, stations: Iterable[StationId], findings: Findings) -> StationId | None:
    station = StationId(f"{site}/{path}")
    if station in stations:
        return station
    known = [existing.partition("/")[2] for existing in stations]
    findings.problem(place, f"there is no station `{path}`", did_you_mean(path, known))
    return None
