"""What takes the place of wrong parts of a plant's file, so that all the rest is checked in the same go."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mes.config.models.plant import PlantShape
from mes.config.problems import Problem
from mes.config.source import Place, Plain, at
from mes.config.state_maps import BUILT_IN as BUILT_IN_MAPS
from mes.oee.definitions import BUILT_IN as BUILT_IN_DEFINITIONS

STAND_IN = "stand-in"  # below it nothing is of the file
REFERRED_TO = ("products", "controllers", "state_maps", "alarm_tables", "definitions")
REFERRING = {"controllers": "controller", "state_maps": "map", "alarm_tables": "alarms", "definitions": "definition"}
BUILT_IN = {"state_maps": BUILT_IN_MAPS.keys(), "definitions": BUILT_IN_DEFINITIONS.keys()}
_TO_A_SIGNAL: Mapping[str | int, int] = {
    "products": 2,
    "templates": 4,
    "areas": 8,
}  # so long is the place of one, or of what it is in


@dataclass(slots=True)
class Shaped:
    """The outcome: `data` without what was wrong, `broken` the places that were; `plant` None if too much was."""

    data: dict[str | int, Plain]
    plant: PlantShape | None = None
    problems: list[Problem] = field(default_factory=list)
    broken: set[Place] = field(default_factory=set)

    def explains(self, place: Place) -> bool:
        """Whether a problem found later at `place` may only follow from one there, or from one of its own keys."""
        return place in self.broken or any(
            (place[: len(broken) - 1] if broken[-1] == STAND_IN else place) == broken[:-1]
            for broken in self.broken
            if broken
        )

    def lacks_template(self, station: Place) -> bool:
        """Whether a station's template was wrong as a whole, so that nothing is known of the station's signals."""
        name = at(self.data, (*station, "template"))
        template: Place = ("templates", str(name))
        return name is not None and not self.broken.isdisjoint({template[:1], template, (*template, "signals")})

    def lacks_stations(self) -> bool:
        """Whether what seems to be used by no station may be used by one that was wrong."""
        return any(len(place) <= _TO_A_SIGNAL.get(place[0], 0) for place in self.broken if place)

    def lacks_part(self, path: object) -> bool:
        """Whether a value names a part of the plant, as area/line/station, that was wrong or in which one was."""
        if not isinstance(path, str):
            return False
        levels = zip(("areas", "lines", "stations"), path.split("/"), strict=False)
        place = tuple(part for level in levels for part in level)
        wrong = [broken for broken in self.broken if broken[:1] == place[:1]]
        return any(place[: len(broken)] == broken[: len(place)] for broken in wrong)


def section_stand_in(shaped: Shaped, section: str | int) -> None:
    """Puts in the place of a section that is none what the rest of the file refers to there."""
    if section == "areas":
        shaped.data[section] = {STAND_IN: {"lines": {}}}
    elif section in REFERRED_TO:
        names = set(_values_of(shaped.data, REFERRING[section])) if section in REFERRING else _products(shaped.data)
        held: dict[str | int, Plain] = {name: None for name in names if name not in BUILT_IN.get(section, ())}
        shaped.data[section] = held
        for name in held:
            stand_in(shaped, section, name)


def _values_of(data: Plain, key: str) -> Iterator[str]:
    """All texts that stand at a key, wherever it is."""
    for members in _mappings(data):
        if isinstance(value := members.get(key), str):
            yield value


def _products(data: Plain) -> set[str]:
    """The products that ideal cycle times and the programme name; one, where they name none."""
    named = [members.get(key) for members in _mappings(data) for key in ("ideal_cycle_s", "cars")]
    return {str(name) for names in named if isinstance(names, dict) for name in names if name != "any"} or {STAND_IN}


def _mappings(data: Plain) -> Iterator[dict[str | int, Plain]]:
    if isinstance(data, dict):
        yield data
    for member in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _mappings(member)


def stand_in(shaped: Shaped, section: str | int, name: str | int) -> None:
    """Puts an entry in the place of a wrong one that others refer to; the rest of a wrong site, in its place."""
    held = shaped.data.get(section)
    if section == "site":
        given, zone = (at(shaped.data, ("site", key)) for key in ("name", "time_zone"))
        shift: Plain = {"name": "any", "start": "00:00", "end": "00:00", "days": ["mon"]}
        calendar: Plain = {"shifts": [shift]}
        shaped.data["site"] = {"name": str(given or "site"), "time_zone": str(zone or "UTC"), "calendar": calendar}
        shaped.broken.add(("site", "calendar", STAND_IN))
    elif section in REFERRED_TO and isinstance(held, dict) and name in held:
        held[name] = _entry(section, name, held[name], shaped.data)
        shaped.broken.add((section, name, STAND_IN))


def _is_opc_ua(name: str | int, entry: Plain, data: Plain) -> bool:
    """Whether a controller seems to be an OPC UA server: by its kind, else by what is read from it."""
    kind = str(entry.get("kind")) if isinstance(entry, dict) else ""
    if kind == "opcua" or kind.startswith("modbus"):
        return kind == "opcua"
    if isinstance(entry, dict) and "security" in entry:
        return True
    users: list[Plain] = [members for members in _mappings(data) if members.get("controller") == name]
    return any("node" in shape or "path" in shape for shape in _mappings(users))


def _entry(section: str | int, name: str | int, old: Plain, data: Plain) -> dict[str | int, Plain]:
    if section == "products":
        return {"name": str(name), "assembly_method": "CKD", "raw": [f"stand-in {name}"]}
    if section == "state_maps":
        return {"numbers": {0: "idle"}}
    if section == "alarm_tables":
        return {}
    if section == "definitions":
        return {"title": str(name)}
    if _is_opc_ua(name, old, data):
        return {
            "kind": "opcua",
            "url": f"opc.tcp://stand-in:4840/{name}",
            "security": {"policy": "None", "insecure": True},
        }
    return {"kind": "modbus-tcp", "host": f"stand-in {name}"}
