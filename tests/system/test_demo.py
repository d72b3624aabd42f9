"""The demo as a whole, over real protocols: it says ok when all is well, and differs when something is lost."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from demos import demo_command, demonstrated

from mes.cli import mes
from mes.demo.run import Options, run_demo
from mes.journal import Entry, Journal
from mes.model import UnitsCounted
from simulators.faults import parse_fault

pytestmark = pytest.mark.timeout(120)

FAULTS = ("controller-restart", "link-cut", "stuck", "slow", "counter-reset", "bad-quality")


def test_an_hour_of_plant_agrees_with_the_truth(tmp_path: Path) -> None:
    """`mes demo` exits with 0 and writes every promised key; something was made everywhere."""
    result_file = tmp_path / "result.json"

    run = demo_command("--for", "1h", "--seed", "3", "--json", str(result_file), speed=240)

    result = json.loads(result_file.read_text())
    assert (run.exit_code, result["verdict"], result["problems"]) == (0, "ok", []), run.output
    assert len(result["stations"]) == 15
    assert all(station["truth"]["good"] > 0 for station in result["stations"].values())
    assert result["units"]["truth"] == result["units"]["measured"] > 50
    assert all(station["measured"]["unobserved_s"] == 0 for station in result["stations"].values())


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_survived(fault: str) -> None:
    """With a fault on all controllers the counts, ids and OEE are still exact."""
    planned = (parse_fault(f"{fault}@20m+10m"),)

    finished = await demonstrated(timedelta(hours=1), speed=240, seed=11, faults=planned)

    assert not finished.outcome.problems, "\n".join(finished.outcome.problems)
    assert finished.outcome.truth_units > 50


@contextmanager
def busy_cores(number: int) -> Iterator[None]:
    """So many processes that do nothing but compute; they end by themselves if nobody ends them."""
    burn = "import time\nend = time.monotonic() + 300\nwhile time.monotonic() < end: pass"
    burners = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(number)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.timeout(400)
def test_a_busy_computer_is_no_difference(tmp_path: Path) -> None:
    """With every core burning the plant slows down, or the demo says that the computer is too slow."""
    result_file = tmp_path / "result.json"
    with busy_cores(max(2, os.cpu_count() or 2)):
        run = CliRunner().invoke(
            mes, ["demo", "--for", "1h", "--speed", "1000", "--seed", "7", "--json", str(result_file)]
        )

    assert run.exit_code in (0, 3), run.output
    if run.exit_code == 3:
        assert "this computer was too slow for --speed 1000; try --speed 250" in " ".join(run.output.split())
        return
    result = json.loads(result_file.read_text())
    assert (result["verdict"], result["problems"]) == ("ok", [])
    assert result["units"]["truth"] == result["units"]["measured"] > 50


class _Forgetful(Journal):
    """A journal that forgets one counted unit."""

    forgotten = False

    def append(self, entry: Entry):  # type: ignore[no-untyped-def]
        counted = [event for event in entry.events if isinstance(event, UnitsCounted) and event.delta]
        if counted and not self.forgotten:
            self.forgotten = True
            entry = replace(entry, events=[event for event in entry.events if event is not counted[0]])
        return super().append(entry)


@asynccontextmanager
async def open_forgetful(path: Path) -> AsyncIterator[Journal]:
    """Opens a journal that forgets."""
    async with _Forgetful.open(path) as journal:
        yield journal


async def test_a_collector_that_drops_one_event_differs() -> None:
    """The check can fail: one event lost on purpose is found, and named."""
    finished = await run_demo(Options(timedelta(minutes=45), speed=240, seed=3), open_journal=open_forgetful)

    assert finished.outcome.verdict == "differs"
    assert finished.outcome.lost == 1
