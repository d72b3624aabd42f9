"""The plant of a demo: its file, what is simulated of it, and what its controllers can show of the truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.reading import ControllerId
from mes.config.build import PlantConfig
from mes.config.load import default_config, is_example, load
from mes.demo.derived import Codes, start_of, works_of
from mes.demo.shapes import shapes_of, shown_codes
from mes.demo.states import states_of
from mes.demo.truth import Codes as ShownCodes
from mes.model import StationId
from simulators.line import BREAKDOWN_FAULTS, FAULTS, FORCED_FAULT, MINOR_FAULTS, SimState
from simulators.plant import KOSTANAY
from simulators.shape import ControllerShape
from simulators.works import Works

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)  # Monday 08:00 in Kostanay, the beginning of a shift

EXAMPLE_CODES = {FAULTS[0]: {fault: str(fault) for fault in (*BREAKDOWN_FAULTS, *MINOR_FAULTS, FORCED_FAULT)}}


@dataclass(frozen=True, slots=True)
class DemoPlant:
    """A plant to simulate and to collect from. `shapes` is empty for Kostanay, whose controllers are built by hand.

    `seen_as`: for each station, as which state its controllers show each true one. `by_counts`: the stations without a
    state, with the time without a part after which they count as stopped. `codes`: for each station, what its
    controllers show for its faults.
    """

    config: PlantConfig
    works: Works = KOSTANAY
    start: datetime = START
    shapes: tuple[ControllerShape, ...] = ()
    seen_as: Mapping[StationId, Mapping[SimState, SimState]] = field(default_factory=dict)
    by_counts: Mapping[StationId, timedelta] = field(default_factory=dict)
    codes: Mapping[StationId, ShownCodes] = field(default_factory=dict)

    def controllers_of(self, station: StationId) -> tuple[ControllerId, ...]:
        """The controllers that show something of a station, the one that shows its state first."""
        own = self.config.station_controllers[station]
        return tuple(dict.fromkeys([own, *self.config.setups[station].elsewhere.values()]))


def demo_plant(file: Path | None) -> DemoPlant:
    """The plant of a file, or the example plant. Raises ConfigError for what cannot be simulated."""
    config = replace(load(file or default_config()).config, influx=None)  # what is simulated is not the plant's
    if is_example(file):
        return DemoPlant(config, codes=dict.fromkeys(config.setups, EXAMPLE_CODES))
    codes = Codes.made(list(config.setups))
    works = works_of(config, codes)
    shapes = shapes_of(config, works.stations, codes)
    return DemoPlant(
        config,
        works,
        start_of(works),
        tuple(shapes),
        {station: states_of(setup).seen_as for station, setup in config.setups.items()},
        {
            station: setup.told_by_counts.stopped_after
            for station, setup in config.setups.items()
            if setup.told_by_counts is not None
        },
        {station: shown_codes(config, station) for station in config.setups},
    )
