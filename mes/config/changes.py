"""What differs between two configurations: what restarts for it, and what cannot change in a running program."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace

from adapters.reading import ControllerId
from mes.collect.signals import ProductSignal, StationSetup, UnitLogSignal
from mes.config.build import PlantConfig
from mes.model import StationId

_COLLECTING = frozenset({"controllers", "tags", "setups", "station_controllers"})
_BOARD_ONLY = frozenset({"web", "team_leader_days"})


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reload does. Of controllers, by name: `started` and `ended` ones, and `restarted` sessions.

    `needs_restart`: keys of the plant's file that cannot change while the program runs; then nothing is changed at all.
    """

    started: tuple[ControllerId, ...] = ()
    restarted: tuple[ControllerId, ...] = ()
    ended: tuple[ControllerId, ...] = ()
    board: bool = False
    forwarding: bool = False
    needs_restart: tuple[str, ...] = ()

    @property
    def affected(self) -> frozenset[ControllerId]:
        """The controllers whose session begins or ends."""
        return frozenset((*self.started, *self.restarted, *self.ended))

    def sentences(self) -> tuple[str, ...]:
        """The same for a person, one line for each thing."""
        if self.needs_restart:
            keys = ", ".join(f"`{key}`" for key in self.needs_restart)
            return (f"{keys}: needs a restart of the service; nothing was changed",)
        controllers = (("restarted", self.restarted), ("started", self.started), ("ended", self.ended))
        said = [f"{what}: controller {name}" for what, names in controllers for name in names]
        said += [f"restarted: {part}" for part in ("board", "forwarding") if getattr(self, part)]
        return tuple(said) or ("nothing changed, nothing was restarted",)


def changes(before: PlantConfig, after: PlantConfig) -> Changes:
    """Compares two configurations; the order of what the file lists counts, for pages show it."""
    differing = {
        field.name
        for field in fields(PlantConfig)
        if _ordered(getattr(before, field.name)) != _ordered(getattr(after, field.name))
    }
    affected = set(_affected(before, after))
    old, new = before.controllers.keys(), after.controllers.keys()
    return Changes(
        started=tuple(sorted(new - old)),
        restarted=tuple(sorted(affected & old & new)),
        ended=tuple(sorted(old - new)),
        board=before.web is not None and bool(differing),
        forwarding=before.influx is not None and bool(differing - _COLLECTING - _BOARD_ONLY),
        needs_restart=_needs_restart(before, after, differing),
    )


def _needs_restart(before: PlantConfig, after: PlantConfig, differing: set[str]) -> tuple[str, ...]:
    """What the program takes up once, when it starts."""
    keys = {
        "site.name": "site" in differing,
        "formerly": "former" in differing,
        "journal.path": "journal_path" in differing,
        "journal.process_values_days": "keep_process_values" in differing,
        "web": (before.web is None) is not (after.web is None),
        "influx": (before.influx is None) is not (after.influx is None),
    }
    return tuple(key for key, changed in keys.items() if changed)


def _affected(before: PlantConfig, after: PlantConfig) -> Iterable[ControllerId]:
    """The controllers with other settings or tags, and those that show a station which is read in another way."""
    for controller in before.controllers.keys() | after.controllers.keys():
        for part in ("controllers", "tags"):
            if _ordered(getattr(before, part).get(controller)) != _ordered(getattr(after, part).get(controller)):
                yield controller
    for station in before.setups.keys() | after.setups.keys():
        if _read_as(before, station) != _read_as(after, station):
            yield from (*_shown_by(before, station), *_shown_by(after, station))


def _read_as(config: PlantConfig, station: StationId) -> object:
    """How a station is read; products matter only where something names them."""
    setup = config.setups.get(station)
    if setup is not None and not _names_products(setup):
        setup = replace(setup, products={}, patterns=())
    return config.station_controllers.get(station), _ordered(setup)


def _names_products(setup: StationSetup) -> bool:
    return any(isinstance(signal, ProductSignal | UnitLogSignal) for signal in setup.signals.values())


def _shown_by(config: PlantConfig, station: StationId) -> Iterable[ControllerId]:
    setup = config.setups.get(station)
    return () if setup is None else (config.station_controllers[station], *setup.elsewhere.values())


def _ordered(value: object) -> object:
    """The same value, with the order of its mappings, which their own comparison leaves out."""
    if isinstance(value, Mapping):
        return tuple((key, _ordered(item)) for key, item in value.items())
    if is_dataclass(value) and not isinstance(value, type):
        compared = (field.name for field in fields(value) if field.compare)
        return type(value), tuple(_ordered(getattr(value, name)) for name in compared)
    if isinstance(value, list | tuple):
        return tuple(map(_ordered, value))
    return value
