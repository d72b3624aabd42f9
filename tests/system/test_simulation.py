"""The whole plant in simulated time: whatever is cut, killed, filled up or set wrong, no part is lost or doubled."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from simulation.faults import WEEKLY, Fault, Plan
from simulation.ledger import Ledger
from simulation.world import simulate

MORNING = timedelta(hours=4)
DENSE: Mapping[Fault, float] = {fault: 3 * weekly for fault, weekly in WEEKLY.items()}
SEEDS = (1, 2, 3, 5)


def judged(plan: Plan) -> Ledger:
    """The ledger of a plan; what is printed is shown when the test fails."""
    ledger = simulate(plan)
    print(f"{plan}\n{ledger.sentence}")  # noqa: T201  # the seed replays the failure
    print("\n".join(ledger.problems))  # noqa: T201
    return ledger


@pytest.mark.timeout(30)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_part_is_lost_or_doubled(seed: int) -> None:
    """Kills, power cuts, cut links, restarts, outages, bad disks and wrong clocks: the journal and InfluxDB have every
    part, every id and every event once, but for what the journal itself says it could not decide.
    """
    ledger = judged(Plan(seed, MORNING, DENSE))

    assert ledger.problems == []
    assert (ledger.lost, ledger.doubled) == (0, 0)
    assert ledger.parts > 100
    assert ledger.faults[Fault.KILL] + ledger.faults[Fault.POWER_CUT] > 10
    assert ledger.points == ledger.events + ledger.process_values


@pytest.mark.timeout(30)
def test_a_quiet_plant_needs_no_flag() -> None:
    """Where nothing goes wrong nothing is undecided, and the program starts once."""
    ledger = judged(Plan(11, timedelta(hours=2), {}))

    assert ledger.problems == []
    assert (ledger.unreconciled, ledger.overrun, ledger.starts) == (0, 0, 1)


@pytest.mark.timeout(30)
def test_a_seed_is_one_history() -> None:
    """Equal plans lead to the same journal, byte for byte; another seed leads to another."""
    plan = Plan(7, timedelta(hours=2), DENSE)

    assert judged(plan).digest == judged(plan).digest != judged(Plan(8, timedelta(hours=2), DENSE)).digest


@pytest.mark.timeout(30)
def test_a_commit_that_does_not_wait_for_the_disk_is_found_out() -> None:
    """With SQLite's `synchronous = NORMAL` a power cut takes what was acknowledged, and the simulation sees it."""
    cuts: Mapping[Fault, float] = {Fault.POWER_CUT: 400}
    careful, careless = (judged(Plan(4, timedelta(hours=2), cuts, careless=each)) for each in (False, True))

    assert careful.problems == []
    assert careless.lost > 0
    assert any("acknowledged events are gone" in each for each in careless.problems)
