"""Published worked examples: each folder of tests/cases/oee holds a history and the figures that must come out."""

import json
from pathlib import Path
from typing import Any

import pytest
from events import at, counted, state
from oee_histories import between, standard

from mes.model import CountKind, State, StationEvent
from mes.oee.kpi import kpi
from mes.oee.timeline import timeline

CASES = sorted(path for path in (Path(__file__).parents[2] / "cases" / "oee").iterdir() if path.is_dir())


def test_all_cases_are_found() -> None:
    """The folders of cases are where they are looked for."""
    assert len(CASES) >= 6


@pytest.mark.parametrize("case", CASES, ids=lambda folder: folder.name)
def test_a_published_example_comes_out(case: Path) -> None:
    """Counts are equal and ratios equal to the four places to which the oracle was computed."""
    given: dict[str, Any] = json.loads((case / "input.json").read_text())
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text())
    events: list[StationEvent] = [
        *(state(change["at_min"], State(change["state"])) for change in given["states"]),
        *(counted(count["at_min"], count["units"], CountKind(count["kind"])) for count in given["counts"]),
    ]
    window = between(*given["window_min"])
    planned = [between(*bounds) for bounds in given["planned_min"]]
    ideal = standard(given["ideal_cycle_s"], given["minor_stop_s"])

    found = kpi(timeline(events), window, planned, ideal, until=at(given["window_min"][1]))

    assert {name: getattr(found, name) for name in expected["counts"]} == expected["counts"]
    assert {name: getattr(found, name) * 100 for name in expected["ratios_pct"]} == pytest.approx(
        expected["ratios_pct"], abs=0.00006
    )
