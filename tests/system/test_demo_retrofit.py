"""The demo on a plant of older machines: coils, bit fields, two controllers a station, a shared line, a bare count."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from demos import demo_command, demonstrated

from mes.config.load import config_folder
from mes.demo.plants import demo_plant
from mes.demo.run import parse_breakdown
from mes.model import State, StationId
from simulators.faults import parse_fault

pytestmark = pytest.mark.timeout(120)

RETROFIT = config_folder() / "retrofit.yaml"
PRESS = StationId("retrofit/press/press-1/blanking")
GUN, SEALING = StationId("retrofit/body/finish-1/gun"), StationId("retrofit/body/finish-1/sealing")


def test_a_plant_of_older_machines_agrees_with_the_truth(tmp_path: Path) -> None:
    """Counts and OEE are exact and states agree; a press that shows only strokes is down when none come."""
    result_file = tmp_path / "result.json"

    words = ("--config", str(RETROFIT), "--for", "1h", "--break", "blanking@15m+20m", "--json", str(result_file))
    run = demo_command(*words, speed=240)

    result = json.loads(result_file.read_text())
    assert (run.exit_code, result["verdict"], result["problems"]) == (0, "ok", []), run.output
    stations = result["stations"]
    assert all(station["truth"]["good"] == station["measured"]["good"] > 5 for station in stations.values())
    assert all(station["measured"]["unobserved_s"] == 0 for station in stations.values())
    assert stations[PRESS]["measured"]["seconds"]["down"] > 15 * 60
    assert stations[PRESS]["truth"]["good"] % 2 == 0  # two parts a stroke


async def test_faults_of_units_on_a_line_and_of_second_controllers_are_survived() -> None:
    """A unit that is off the line and a controller that restarts cost time without data at their stations alone."""
    plant = demo_plant(RETROFIT)
    controllers = list(plant.config.controllers)
    words = ("link-cut:unit-12@10m+5m", "controller-restart:cell-plc@25m+5m", "link-cut:timer-2@10m+5m")

    finished = await demonstrated(
        timedelta(hours=1),
        speed=240,
        seed=5,
        plant=plant,
        faults=tuple(parse_fault(word, controllers) for word in words),
        breakdowns=(parse_breakdown("sealing@15m+30m", plant),),
    )

    assert finished.outcome.problems == ()
    measured = {station: both.measured for station, both in finished.outcome.stations.items()}
    blind = {
        station: sum((span.length for span, state in seen.states if state is State.NO_DATA), timedelta())
        for station, seen in measured.items()
    }
    assert blind[GUN] > timedelta(minutes=2)
    assert blind[SEALING] == blind[PRESS] == timedelta()
    down = (span.length for span, state in measured[SEALING].states if state is State.DOWN)
    assert max(down) > timedelta(minutes=15)
