"""The demo on a plant of older machines: coils, bit fields, two controllers a station, a shared line, a bare count."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest
from demos import demo_command, demonstrated

from mes.config.load import config_folder, load
from mes.demo.plants import demo_plant
from mes.demo.run import Options, parse_breakdown, run_demo
from mes.model import State, StationId
from simulators.faults import parse_fault

pytestmark = pytest.mark.timeout(120)

RETROFIT = config_folder() / "retrofit.yaml"
PRESS = StationId("retrofit/press/press-1/blanking")
CELL, OTHER_CELL = StationId("retrofit/body/respot-1/cell-1"), StationId("retrofit/body/respot-1/cell-2")
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


async def test_a_reader_with_a_wrong_alarm_table_differs(tmp_path: Path) -> None:
    """Two bits with their codes exchanged: every other figure agrees, and the faults of the cells do not."""
    text = RETROFIT.read_text(encoding="utf-8")
    for wrong, right in (("bit: 3, code: C17", "bit: 3, code: C03"), ("bit: 17, code: C03", "bit: 17, code: C17")):
        assert right in text
        text = text.replace(right, wrong)
    file = tmp_path / "plant.yaml"
    file.write_text(text, encoding="utf-8")
    plant = replace(demo_plant(RETROFIT), config=load(file).config)

    finished = await run_demo(Options(timedelta(hours=2), speed=240, seed=7, plant=plant))

    assert finished.outcome.verdict == "differs"
    assert {problem.partition(": fault C")[0] for problem in finished.outcome.problems} <= {CELL, OTHER_CELL}
    assert all(" was seen for " in problem or " was not seen " in problem for problem in finished.outcome.problems)


async def test_faults_that_come_together_and_take_each_other_s_place_are_seen() -> None:
    """Alarm words with two bits at once, and a bit that goes as another comes, in the journal as in truth."""
    plant = demo_plant(RETROFIT)
    finished = await demonstrated(timedelta(hours=2), speed=240, seed=7, plant=plant)

    assert finished.outcome.problems == ()
    together, changed = 0, 0
    for station in (CELL, OTHER_CELL):
        seen = [
            (code, shown)
            for code, spans in finished.outcome.stations[station].measured.faults.items()
            for shown in spans
        ]
        for (code, one), (other_code, other) in permutations(seen, 2):
            together += code != other_code and one.start < other.start < one.end
            changed += code != other_code and abs(other.start - one.end) <= timedelta(milliseconds=1)
    assert together
    assert changed


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

    assert not finished.outcome.problems, "\n".join(finished.outcome.problems)
    measured = {station: both.measured for station, both in finished.outcome.stations.items()}
    blind = {
        station: sum((span.length for span, state in seen.states if state is State.NO_DATA), timedelta())
        for station, seen in measured.items()
    }
    assert blind[GUN] > timedelta(minutes=2)
    assert blind[SEALING] == blind[PRESS] == timedelta()
    down = (span.length for span, state in measured[SEALING].states if state is State.DOWN)
    assert max(down) > timedelta(minutes=15)


async def test_a_line_that_dies_costs_all_its_units_and_nobody_else() -> None:
    """Four units fall silent at once, as when their RS-485 line is cut; then a weld timer is away alone."""
    plant = demo_plant(RETROFIT)
    controllers = list(plant.config.controllers)
    units = [name for name in controllers if name.startswith("unit-")]
    words = [*(f"link-cut:{unit}@10m+30m" for unit in units), "link-cut:timer-1@55m+5m"]

    finished = await demonstrated(
        timedelta(minutes=75),
        speed=240,
        seed=6,
        plant=plant,
        faults=tuple(parse_fault(word, controllers) for word in words),
    )

    assert finished.outcome.problems == ()
    dark = {
        station
        for station, both in finished.outcome.stations.items()
        if any(state is State.NO_DATA for _, state in both.measured.states)
    }
    on_line = {station for station, name in plant.config.station_controllers.items() if name in units}
    assert len(units) == len(on_line) == 4
    assert on_line <= dark
    assert OTHER_CELL not in dark


async def test_a_reader_with_a_wrong_file_differs(tmp_path: Path) -> None:
    """The truth is the line's and not the reader's: a wrong factor and a wrong lamp are found, each at its station."""
    text = RETROFIT.read_text(encoding="utf-8")
    wrong = text.replace("units_per_count: 2", "units_per_count: 1").replace(
        "state: producing, and", "state: setup, and"
    )
    file = tmp_path / "plant.yaml"
    file.write_text(wrong, encoding="utf-8")
    plant = replace(demo_plant(RETROFIT), config=load(file).config)

    finished = await run_demo(Options(timedelta(minutes=20), speed=240, seed=7, plant=plant))

    problems = finished.outcome.problems
    assert finished.outcome.verdict == "differs"
    assert any(problem.startswith(f"{PRESS}: good") for problem in problems)
    assert any(problem.startswith(f"{CELL}: setup") for problem in problems)
