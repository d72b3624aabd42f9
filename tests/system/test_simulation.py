"""The whole plant in simulated time. Whatever is cut, killed, paused, filled up or set wrong, no part is lost or
doubled. No second is shown that is not known.
"""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from simulation.faults import WEEKLY, Fault, Plan
from simulation.ledger import Ledger
from simulation.world import simulate

MORNING = timedelta(hours=3)
DENSE: Mapping[Fault, float] = {fault: max(3 * weekly, 20) for fault, weekly in WEEKLY.items()}
SEEDS = (1, 2, 3, 5)


def judged(plan: Plan) -> Ledger:
    """The ledger of a plan; what is printed is shown when the test fails."""
    ledger = simulate(plan)
    print(f"{plan}\n{ledger.sentence}")  # noqa: T201  # the seed replays the failure
    print("\n".join(ledger.problems))  # noqa: T201
    return ledger


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_part_is_lost_or_doubled(seed: int) -> None:
    """Under kills, stops, pauses, cut and late links, restarts, remaps, outages, bad disks and wrong clocks. Journal
    and InfluxDB have every part, id and event once, but for what the journal itself says it could not decide; no second
    that no look covers is shown as known, and none in a state that the station was not in.
    """
    ledger = judged(Plan(seed, MORNING, DENSE))

    assert ledger.problems == []
    assert (ledger.lost, ledger.doubled) == (0, 0)
    assert (ledger.time.unknown_shown, ledger.time.wrong) == (0, 0)
    assert ledger.time.dark < 0.05 * ledger.time.judged
    assert set(ledger.faults) == set(Fault)
    assert ledger.parts > 100
    assert ledger.faults[Fault.KILL] + ledger.faults[Fault.POWER_CUT] > 10
    assert ledger.points == ledger.events + ledger.process_values


@pytest.mark.timeout(120)
def test_a_quiet_plant_needs_no_flag() -> None:
    """Where nothing goes wrong nothing is undecided, and the program starts once."""
    ledger = judged(Plan(11, timedelta(hours=2), {}))

    assert ledger.problems == []
    assert (ledger.unreconciled, ledger.overrun, ledger.starts) == (0, 0, 1)
    assert (ledger.time.wrong_clock, ledger.time.unknown) == (0, 0)
    assert ledger.time.dark < 30  # until everybody is connected


@pytest.mark.timeout(120)
def test_pauses_alone_are_unknown_where_nobody_queued() -> None:
    """Of a paused program's polled stations the pauses are no data, and of subscribed ones nothing is missing."""
    pauses: Mapping[Fault, float] = {Fault.PAUSE: 600}
    ledger = judged(Plan(13, timedelta(hours=2), pauses))

    assert ledger.problems == []
    assert ledger.time.unknown > 600
    assert ledger.faults[Fault.PAUSE] > 20
    assert ledger.starts == 1


@pytest.mark.timeout(120)
def test_late_deliveries_move_no_state() -> None:
    """What subscriptions deliver 2 to 15 s late, in one bunch, is shown when it happened."""
    late: Mapping[Fault, float] = {Fault.LATE: 4000}
    ledger = judged(Plan(23, timedelta(hours=2), late))

    assert ledger.problems == []
    assert ledger.faults[Fault.LATE] > 100
    assert ledger.time.unknown == 0


@pytest.mark.timeout(120)
def test_orderly_stops_end_in_time_and_cost_nothing() -> None:
    """SIGTERM at random moments, with links cut, late and half-open: it ends within its limit, and all is counted."""
    faults = (Fault.STOP, Fault.LINK_CUT, Fault.LATE, Fault.HALF_OPEN, Fault.STUCK)
    stops: Mapping[Fault, float] = dict.fromkeys(faults, 300)
    ledger = judged(Plan(17, timedelta(hours=2), stops))

    assert ledger.problems == []
    assert ledger.starts > 10
    assert ledger.ends == 0


@pytest.mark.timeout(120)
def test_another_register_counts_no_part_of_its_own() -> None:
    """Counters that the plant's file reads from other registers, and back. Each change is flagged, nothing is counted
    twice, and no more is open than was made since the last reading.
    """
    remaps: Mapping[Fault, float] = {Fault.REMAP: 300, Fault.RESET: 30}
    ledger = judged(Plan(19, timedelta(hours=2), remaps))

    assert ledger.problems == []
    assert ledger.remapped > 10


@pytest.mark.timeout(120)
def test_a_seed_is_one_history() -> None:
    """Equal plans lead to the same journal, byte for byte; another seed leads to another."""
    plan = Plan(7, timedelta(hours=1), DENSE)

    assert judged(plan).digest == judged(plan).digest != judged(Plan(8, timedelta(hours=1), DENSE)).digest


@pytest.mark.timeout(120)
def test_a_commit_that_does_not_wait_for_the_disk_is_found_out() -> None:
    """With SQLite's `synchronous = NORMAL` a power cut takes what was acknowledged, and the simulation sees it."""
    cuts: Mapping[Fault, float] = {Fault.POWER_CUT: 400}
    careful, careless = (
        judged(Plan(4, timedelta(hours=2), cuts, careless=is_careless)) for is_careless in (False, True)
    )

    assert careful.problems == []
    assert careless.lost > 0
    assert any("acknowledged events are gone" in problem for problem in careless.problems)
