"""The pace of a station beside the takt that the build programme asks of it."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

from events import STATION, at, state
from journals import journal_of
from oee_histories import between

from mes.config.load import default_config, load
from mes.model import State, UnitId
from mes.oee.flow import Cycle
from mes.results.pace import Pace, pace
from mes.results.plant import Node, PlantResults

CONFIG = load(default_config()).config
HOUR = between(0, 60)


def second(number: float) -> timedelta:
    """So many seconds."""
    return timedelta(seconds=number)


CYCLES = [Cycle(UnitId("A"), None, at(10), second(900)), Cycle(UnitId("B"), None, at(30), second(1000))]


def test_cycles_are_held_against_the_takt(tmp_path: Path) -> None:
    """1000 cars are planned in 261 hours, one in 939.6 s. A cycle of 1000 s overran by 60.4 s, one of 900 s did not."""
    path = journal_of(tmp_path / "journal.sqlite", [state(0, State.PRODUCING)])
    with PlantResults(CONFIG, path, now=at(60)) as query:
        assert query.target(Node(STATION, (STATION,)), HOUR) == Fraction(1000, 261)
        assert pace(query, STATION, HOUR, CYCLES) == Pace(second(950), second(939.6), second(60.4))
        assert pace(query, STATION, HOUR, []) == Pace(None, second(939.6), second(0))


def test_without_a_plan_there_is_no_takt(tmp_path: Path) -> None:
    """Neither before the shift, when nothing is planned, nor in a plant without a programme."""
    path = journal_of(tmp_path / "journal.sqlite", [state(0, State.PRODUCING)])
    with PlantResults(CONFIG, path, now=at(60)) as query:
        assert pace(query, STATION, between(-60, 0), CYCLES) == Pace(second(950), None, None)
    with PlantResults(replace(CONFIG, programme=None), path, now=at(60)) as query:
        assert pace(query, STATION, HOUR, CYCLES) == Pace(second(950), None, None)
