"""Vendor profiles: what controllers and stations of one make have in common, for what a plant's file leaves open."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mes.config.problems import ConfigProblems, did_you_mean
from mes.config.source import Place, Plain, Source, at, read
from mes.config.stations import beside, station_places

FOLDER = "profiles"
PARTS = ("about", "protocol", "controller", "station", "state_maps", "example")
PROTOCOLS = {"opcua": "OPC UA", "modbus": "Modbus"}
Values = dict[str | int, Plain]


@dataclass(slots=True)
class _Library:
    """The profiles of some folders; of two with one name the first folder's is taken. Each is read once."""

    folders: Sequence[Path]
    _read: dict[str, Source | None] = field(default_factory=dict)

    def names(self) -> list[str]:
        """All profiles that there are."""
        return sorted({path.stem for folder in self.folders for path in folder.glob("*.yaml")})

    def get(self, name: str, plant: Source) -> Source | None:
        """A profile by its name; the mistakes in its own text go to the plant's problems, once."""
        if name not in self._read:
            self._read[name] = self._load(name, plant)
        return self._read[name]

    def _load(self, name: str, plant: Source) -> Source | None:
        path = next(path for folder in self.folders if (path := folder / f"{name}.yaml").is_file())
        try:
            profile = read(path)
        except ConfigProblems as error:
            plant.problems += error.problems
            return None
        plant.problems += profile.problems
        for key in profile.data.keys() - set(PARTS):
            plant.problems.append(profile.problem((key,), f"unknown key `{key}`", did_you_mean(key, PARTS)))
        for key in ("controller", "station", "state_maps"):
            if not isinstance(profile.data.setdefault(key, {}), dict):
                what = f"`{key}` of a profile is no mapping of keys to values"
                plant.problems.append(profile.problem((key,), what, "look at the profiles that the program brings"))
                profile.data[key] = {}
        if profile.data.get("protocol") not in PROTOCOLS:
            what, remedy = "a profile names its protocol", "write `protocol: opcua` or `protocol: modbus`"
            plant.problems.append(profile.problem(("protocol",), what, remedy))
            return None
        return profile


def apply_profiles(plant: Source, folders: Sequence[Path]) -> set[Place]:
    """Puts the values of the profiles that a plant's file names into it; what the file says itself stays.

    Returns the entries whose profile cannot be used: what seems to be missing there is no mistake of its own.
    """
    library = _Library(folders)
    unfilled = {place for place in list(_places(plant.data)) if not _apply(library, place, plant)}
    for _, place in station_places(plant.data, ""):
        template: Place = ("templates", str(at(plant.data, (*place, "template"))))
        if template in unfilled:
            unfilled.add(place)
        elif (named := at(plant.data, (*template, "profile"))) is not None and at(plant.data, (*place, "controller")):
            profile = library.get(str(named), plant)
            if profile is not None and (wrong := _wrong_protocol(profile, str(named), place, plant)) is not None:
                plant.problems.append(plant.problem((*place, "controller"), *wrong))
                unfilled |= {place, template}
    return unfilled


def _places(data: Values) -> Iterator[Place]:
    for section in ("controllers", "templates"):
        entries = data.get(section)
        yield from ((section, name) for name in (entries if isinstance(entries, dict) else ()))
    yield from (place for _, place in station_places(data, ""))


def _apply(library: _Library, place: Place, plant: Source) -> bool:
    """Fills one entry; False where it names a profile that cannot be used."""
    entry = at(plant.data, place)
    if not isinstance(entry, dict) or "profile" not in entry:
        return True
    name, controller = entry["profile"], place[0] == "controllers"
    if not isinstance(name, str):
        return False  # which is a mistake of its shape
    if name not in (known := library.names()):
        problem = f"there is no profile `{name}`", did_you_mean(name, known)
    elif not controller and "template" in entry:
        problem = "a profile stands beside a template", "write it at the template, or give the station no template"
    elif (profile := library.get(name, plant)) is None:
        return False
    elif (wrong := _wrong_protocol(profile, name, place, plant)) is None:
        _take(profile, entry, place, plant)
        return True
    else:
        problem = wrong
    plant.problems.append(plant.problem((*place, "profile"), *problem))
    return False


def _take(profile: Source, entry: Values, place: Place, plant: Source) -> None:
    controller = place[0] == "controllers"
    part = "controller" if controller else "station"
    _fill(entry, _values(profile, part), place, (part,), profile, plant)
    if not controller and isinstance(maps := plant.data.setdefault("state_maps", {}), dict):
        _fill(maps, _values(profile, "state_maps"), ("state_maps",), ("state_maps",), profile, plant, deep=False)


def _values(profile: Source, part: str) -> Values:
    values = profile.data[part]
    assert isinstance(values, dict)
    return values


def _wrong_protocol(profile: Source, name: str, place: Place, plant: Source) -> tuple[str, str] | None:
    """That a controller, or the one that a template or a station is read from, speaks another protocol."""
    entry, protocol = place, str(profile.data["protocol"])
    if place[0] != "controllers":
        entry = ("controllers", str(at(plant.data, (*place, "controller"))))
    kind = at(plant.data, (*entry, "kind"))
    if not isinstance(kind, str) or kind.partition("-")[0] == protocol:
        return None  # a kind that is missing or unknown is a mistake of its own, and so is a controller
    if entry is place:
        what = f"the profile `{name}` is for {PROTOCOLS[protocol]}, and this controller is of kind {kind}"
        return what, "correct `profile`, or `kind`"
    what = f"the profile `{name}` is for {PROTOCOLS[protocol]}, and the controller {entry[1]} is of kind {kind}"
    return what, "correct `profile`, or `controller`"


def _fill(
    target: Values, values: Values, place: Place, origin: Place, profile: Source, plant: Source, *, deep: bool = True
) -> None:
    """Puts `values` where `target` has none, with the lines of the profile; `deep`: in mappings within it, too."""
    for key in beside(values, target):
        value, own = values[key], target.get(key)
        if key in target:
            if deep and isinstance(own, dict) and isinstance(value, dict):
                _fill(own, value, (*place, key), (*origin, key), profile, plant)
            continue
        target[key] = value
        plant.take_lines((*place, key), profile, (*origin, key))
