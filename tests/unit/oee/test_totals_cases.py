"""Published examples with totals: each folder of tests/cases/totals goes through `mes oee` and must come out."""

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mes.commands.oee import oee_command
from mes.oee.from_totals import mean_time, seconds

CASES = sorted(path for path in (Path(__file__).parents[2] / "cases" / "totals").iterdir() if path.is_dir())
AS_GIVEN_PCT = 0.00006
CLEARLY_PCT = 0.05


def words(given: dict[str, Any], folder: Path) -> list[str]:
    """The command line of a case; runs are written as a file in `folder`."""
    if "runs" in given:
        file = folder / "runs.csv"
        with file.open("w", encoding="utf-8", newline="") as stream:
            rows = csv.DictWriter(stream, list(given["runs"][0]))
            rows.writeheader()
            rows.writerows(given["runs"])
        return ["--runs", str(file)]
    every = [(name, value) for name, value in given["totals"].items()]
    flat = [(name, one) for name, value in every for one in (value if isinstance(value, list) else [value])]
    return [word for name, one in flat for word in (f"--{name}", str(one))]


def length(text: str) -> timedelta:
    return timedelta(seconds=float(seconds(text)))


def test_all_cases_are_found() -> None:
    """The folders of cases are where they are looked for, of each kind as many as were written."""
    kinds = [next(iter(json.loads((case / "input.json").read_text()))) for case in CASES]

    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"totals": 9, "runs": 4, "lengths": 1}


@pytest.mark.parametrize("case", CASES, ids=lambda folder: folder.name)
def test_a_published_example_comes_out(case: Path, tmp_path: Path) -> None:
    """Ratios are equal to the places in which they were computed, and are not those of the known wrong ways."""
    given: dict[str, Any] = json.loads((case / "input.json").read_text())
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text())
    if "lengths" in given:
        means = {name: mean_time([length(one) for one in lengths]) for name, lengths in given["lengths"].items()}
        assert means == {name: length(mean) for name, mean in expected["means"].items()}
        return

    result = CliRunner().invoke(oee_command, [*words(given, tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)

    pct = {name: found[name] * 100 for name in expected["ratios_pct"]}
    assert pct == pytest.approx(expected["ratios_pct"], abs=AS_GIVEN_PCT)
    assert [found[name] for name in expected.get("undefined", ())] == [None] * len(expected.get("undefined", ()))
    runs_pct = [run["oee"] * 100 for run in found.get("runs", ())]
    assert runs_pct == pytest.approx(expected.get("runs_oee_pct", runs_pct), abs=AS_GIVEN_PCT)
    for name, wrong in expected.get("must_not_pct", {}).items():
        assert all(abs(found[name] * 100 - wrong_pct) > CLEARLY_PCT for wrong_pct in wrong)
