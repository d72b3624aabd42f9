"""Stations as the file means them: templates filled in, with the place in the file that every value came from."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mes.config.addresses import REGISTERS
from mes.config.findings import Findings
from mes.config.models.plant import StationShape
from mes.config.problems import did_you_mean
from mes.config.source import Hexadecimal, Place, Plain, at

_PLACEHOLDER = re.compile(r"\{\s*([A-Za-z_]\w*)\s*(?:([+-])\s*(\d+)\s*)?\}")
WHERE = frozenset({"node", "path", "address", "addresses"})  # of a signal: ways to say where its value is
_SEVERAL = frozenset({"rules", "parts"})  # of a signal: several values, each with a place of its own
BY_PRODUCT = "by_product"  # of a counter: one for each product, with what stands beside it
_BRACE = re.compile(r"(\{\{|\}\})")
_ANY_BRACES = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Resolved:
    """One station; `origins` gives for a place within it the place in the file where the value stands."""

    path: str
    place: Place
    shape: StationShape
    origins: Mapping[Place, Place]

    def origin(self, *within: str | int) -> Place:
        """Where a value of this station stands in the file; for what is not there, the mapping around it."""
        return _origin(self.origins, within) or self.place


def _origin(origins: Mapping[Place, Place], within: Place) -> Place:
    """Where a value within a station stands in the file; a list comes whole from one place."""
    place = within
    while place and place not in origins:
        place = place[:-1]
    left = within[len(place) :]
    return (*origins.get(place, ()), *(left if left and isinstance(left[0], int) else ()))


def resolve(data: Mapping[str | int, Plain], site: str, findings: Findings) -> list[Resolved]:
    """All stations in the order of the file; one whose template is not there or not filled is left out and reported."""
    templates = at(data, ("templates",))
    known = templates if isinstance(templates, dict) else {}
    found = []
    for path, place in station_places(data, site):
        station = _resolve(data, path, place, known, findings)
        if station is not None:
            found.append(station)
    return found


def station_places(data: Mapping[str | int, Plain], site: str) -> Iterator[tuple[str, Place]]:
    """Each station's path and its place in the file, in the order of the file."""
    for area in _keys(data, ("areas",)):
        for line in _keys(data, ("areas", area, "lines")):
            for station in _keys(data, ("areas", area, "lines", line, "stations")):
                yield f"{site}/{area}/{line}/{station}", ("areas", area, "lines", line, "stations", station)


def beside(base: Mapping[str | int, Plain], own: Mapping[str | int, Plain]) -> list[str | int]:
    """The keys of a template or a profile that hold beside what stands in `own`.

    Where that names the place of a signal, another way to say it does not hold, be it one value or several.
    """
    placed = WHERE & own.keys()
    if _SEVERAL & own.keys() or (_SEVERAL & base.keys() and (placed or "map" in own)):
        return []
    over = {*(WHERE if placed or BY_PRODUCT in own else ()), *([BY_PRODUCT] if placed else ())}
    return [key for key in base if key in own or key not in over]


def _keys(data: Mapping[str | int, Plain], place: Place) -> list[str | int]:
    held = at(data, place)
    return list(held) if isinstance(held, dict) else []


def _resolve(
    data: Mapping[str | int, Plain],
    path: str,
    place: Place,
    templates: Mapping[str | int, Plain],
    findings: Findings,
) -> Resolved | None:
    own = at(data, place)
    assert isinstance(own, dict)
    name, given = own.get("template"), own.get("with")
    own = {key: value for key, value in own.items() if key not in ("template", "with", "names")}
    origins: dict[Place, Place] = {(): place}
    if name is None:
        merged = _merge({}, (), own, place, (), origins)
    elif isinstance(name, str) and isinstance(template := templates.get(name), dict):
        merged = _merge(template, ("templates", name), own, place, (), origins)
    else:
        findings.problem(
            (*place, "template"), f"there is no template `{name}`", did_you_mean(name, map(str, templates))
        )
        return None
    filling = _Filling(path, given if isinstance(given, dict) else {}, origins, findings)
    filled = filling.fill(merged, ())
    _spread(filled, origins)
    for unused in filling.values.keys() - filling.used:
        findings.warning((*place, "with", unused), f"nothing uses `{unused}`", f"delete it, or write {{{unused}}}")
    if filling.failed:
        return None
    origins[()] = place
    return Resolved(path, place, StationShape.model_validate(filled), origins)


def _merge(
    base: dict[str | int, Plain],
    base_place: Place,
    over: dict[str | int, Plain],
    over_place: Place,
    within: Place,
    origins: dict[Place, Place],
) -> dict[str | int, Plain]:
    """`over` on top of `base`, mapping by mapping; notes where each value came from."""
    merged: dict[str | int, Plain] = {}
    base = {key: base[key] for key in beside(base, over)}
    for key in [*base, *(key for key in over if key not in base)]:
        low, high = base.get(key), over.get(key)
        here = (*within, key)
        origins[here] = (*over_place, key) if key in over else (*base_place, key)
        if isinstance(low, dict) and (isinstance(high, dict) or key not in over):
            upper = high if isinstance(high, dict) else {}
            merged[key] = _merge(low, (*base_place, key), upper, (*over_place, key), here, origins)
        elif isinstance(high, dict):
            merged[key] = _merge({}, (), high, (*over_place, key), here, origins)
        else:
            merged[key] = high if key in over else low
    return merged


def _is_address(within: Place) -> bool:
    """Whether a value is an address of a register or a coil."""
    return within[-1] in REGISTERS or "addresses" in within[-2:-1]


def _spread(station: Plain, origins: dict[Place, Place]) -> None:
    """What stands beside `by_product` goes to each of its counters that does not say otherwise."""
    signals = station.get("signals") if isinstance(station, dict) else None
    for name, signal in signals.items() if isinstance(signals, dict) else ():
        counters = signal.get(BY_PRODUCT) if isinstance(signal, dict) else None
        if not isinstance(signal, dict) or not isinstance(counters, dict):
            continue
        for product, counter in counters.items():
            if not isinstance(counter, dict):
                continue
            for key in signal.keys() - counter.keys() - WHERE - {BY_PRODUCT}:
                counter[key] = signal[key]
                origins["signals", name, BY_PRODUCT, product, key] = origins["signals", name, key]


class _Filling:
    """Puts the values of `with` in place of `{name}`, `{name+10}` and `{name-1}`; `{{` and `}}` are braces."""

    def __init__(
        self, path: str, values: Mapping[str | int, Plain], origins: Mapping[Place, Place], findings: Findings
    ) -> None:
        self.values = values
        self.used: set[str | int] = set()
        self.failed = False
        self._path = path
        self._origins = origins
        self._findings = findings

    def fill(self, value: Plain, within: Place) -> Plain:
        """The value with every placeholder filled; texts stay texts, but an address becomes a number."""
        match value:
            case dict():
                return {key: self.fill(item, (*within, key)) for key, item in value.items()}
            case list():
                return [self.fill(item, (*within, number)) for number, item in enumerate(value)]
            case str():
                text = self._text(value, within)
                return int(text) if _is_address(within) and re.fullmatch(r"-?\d+", text) else text
            case _:
                return value

    def _text(self, text: str, within: Place) -> str:
        return "".join(part[0] if part in ("{{", "}}") else self._filled(part, within) for part in _BRACE.split(text))

    def _filled(self, text: str, within: Place) -> str:
        filled = _PLACEHOLDER.sub(lambda match: self._one(match, within), text)
        if left := _ANY_BRACES.search(filled):
            remedy = f"write {{name}}, {{name+10}} or {{name-1}}; braces of a name are doubled: {{{left[0]}}}"
            failed = self.failed
            self._fail(within, f"`{left[0]}` is no placeholder", remedy)
            if within[-1] == "node":  # an id may hold braces: the rest of the station is checked in the same go
                self.failed = failed
        return filled

    def _one(self, match: re.Match[str], within: Place) -> str:
        name, sign, number = match[1], match[2], match[3]
        if name not in self.values:
            given = ", ".join(map(str, self.values)) or "nothing"
            self._fail(
                within, f"`{match[0]}` has no value", f"give it at the station: `with: {{{name}: …}}` (given: {given})"
            )
            return ""
        self.used.add(name)
        value = self.values[name]
        if isinstance(value, Hexadecimal) and _is_address(within):
            return hex(value + int(f"{sign or '+'}{number or 0}"))  # a negative one is no address, and is named
        if sign is None:
            return str(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self._fail(within, f"`{match[0]}` adds to `{value}`, which is no whole number", f"give {name} as a number")
            return ""
        return str(value + int(number) if sign == "+" else value - int(number))

    def _fail(self, within: Place, what: str, remedy: str) -> None:
        self.failed = True
        self._findings.problem(_origin(self._origins, within), what, remedy, station=self._path)
