"""Weeks of simulated plant under hundreds of faults each; writes what was lost and doubled to docs/loss-ledger.md.

`python benchmarks/torture.py --seed 1 --weeks 14`. Each week is a world of its own, seeded from the campaign's seed and
its number; in the last one InfluxDB is gone for seven days. `--only N` replays week N alone.
"""

import argparse
import logging
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from simulation.faults import WEEKLY, Fault, Plan  # noqa: E402  # found through the path above
from simulation.ledger import Ledger  # noqa: E402
from simulation.world import simulate  # noqa: E402

TARGET = ROOT / "docs" / "loss-ledger.md"
WEEK = timedelta(days=7)
COLUMNS = (
    *("seed", "weeks", "kills", "power cuts", "link cuts", "half-open", "restarts", "stuck", "bad quality", "resets"),
    *("clock steps", "InfluxDB outages", "disk faults", "parts", "events", "points", "resent"),
    *("lost", "doubled", "unreconciled", "ids overrun"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """One week: its ledger, and the real seconds that it took."""

    number: int
    ledger: Ledger
    wall_s: float


def main() -> int:
    """Runs the campaign; 1 if anything was lost or doubled."""
    options = _options()
    print(f"seed {options.seed}, {options.weeks} weeks, faults x {options.faults:g}", flush=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    numbers = range(options.weeks) if options.only is None else [options.only]
    plans = [(number, _plan(options, number)) for number in numbers]
    whole, wrong = Ledger(), []
    with ProcessPoolExecutor(options.jobs) as pool:
        for result in pool.map(_week, plans):
            whole.add(result.ledger)
            print(f"week {result.number}: {result.ledger.sentence} ({result.wall_s:.0f} s)", flush=True)
            for problem in result.ledger.problems:
                print(f"  {problem}", flush=True)
            if result.ledger.problems:
                wrong.append(result.number)
    if options.only is None and not options.no_file:
        _write(options.seed, whole)
    print(f"seed {options.seed}: {whole.sentence}")
    for number in wrong:
        print(f"replay: {_again(options)} --only {number}")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weeks", type=int, default=14)
    parser.add_argument("--faults", type=float, default=1.0, help="times as many as usual")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, help="replay one week of the campaign")
    parser.add_argument("--forgetful", action="store_true", help="what a failed sync gave up never comes to the disk")
    parser.add_argument("--no-file", action="store_true", help="leave docs/loss-ledger.md as it is")
    return parser.parse_args()


def _again(options: argparse.Namespace) -> str:
    chosen = f"--seed {options.seed} --weeks {options.weeks} --faults {options.faults:g}"
    return f"python benchmarks/torture.py {chosen}" + (" --forgetful" if options.forgetful else "")


def _plan(options: argparse.Namespace, number: int) -> Plan:
    rates = {fault: weekly * options.faults for fault, weekly in WEEKLY.items()}
    outage = number == options.weeks - 1
    return Plan(options.seed * 10_000 + number, WEEK, rates, outage=outage, forgetful=options.forgetful)


def _week(numbered: tuple[int, Plan]) -> Result:
    number, plan = numbered
    began_s = time.perf_counter()
    try:
        ledger = simulate(plan)
    except Exception:  # noqa: BLE001  # a crash of one week must not hide the others
        ledger = Ledger(problems=[f"the program failed:\n{traceback.format_exc()}"])
    return Result(number, ledger, time.perf_counter() - began_s)


def _row(seed: int, ledger: Ledger) -> Sequence[str]:
    count = ledger.faults
    figures: Sequence[float] = (
        *(count[Fault.KILL], count[Fault.POWER_CUT], count[Fault.LINK_CUT], count[Fault.HALF_OPEN]),
        *(count[Fault.RESTART], count[Fault.STUCK], count[Fault.BAD_QUALITY], count[Fault.RESET]),
        *(count[Fault.CONTROLLER_CLOCK] + count[Fault.EDGE_CLOCK], count[Fault.INFLUX]),
        *(count[Fault.DISK_FULL] + count[Fault.DISK_ERROR], ledger.parts, ledger.events, ledger.points, ledger.resent),
        *(ledger.lost, ledger.doubled, ledger.unreconciled, ledger.overrun),
    )
    return [str(seed), f"{ledger.weeks:g}", *(f"{each:,}" for each in figures)]


def _write(seed: int, ledger: Ledger) -> None:
    """Adds the campaign's row in place of an earlier one of the same seed, and sums all rows anew."""
    rows = _rows()
    rows[str(seed)] = _row(seed, ledger)
    sums = dict.fromkeys(COLUMNS, 0)
    for row in rows.values():
        for name, text in zip(COLUMNS[2:], row[2:], strict=True):
            sums[name] += int(text.replace(",", ""))
    kills, cuts = sums["kills"] + sums["power cuts"], sums["link cuts"] + sums["half-open"]
    table = ["| " + " | ".join(each) + " |" for each in (COLUMNS, ["---:"] * len(COLUMNS), *rows.values())]
    text = (
        "# Loss ledger\n\n"
        "Simulated weeks of the whole plant under faults: `python benchmarks/torture.py --seed N` repeats a row.\n"
        "Parts are results at stations; lost and doubled count parts, unit ids, events and points alike. Unreconciled\n"
        "are parts that the journal itself says it could not decide; ids overrun are parts that were counted and\n"
        "whose id the controller forgot before anybody could read it.\n\n"
        + "\n".join(table)
        + f"\n\n{kills:,} kills, {cuts:,} link cuts, {sums['restarts']:,} controller restarts, "
        f"{sums['InfluxDB outages']:,} InfluxDB outages, {sums['disk faults']:,} disk faults, {sums['parts']:,} parts: "
        f"{sums['lost']:,} lost, {sums['doubled']:,} doubled, {sums['unreconciled']:,} unreconciled.\n"
    )
    TARGET.write_text(text, encoding="utf-8")


def _rows() -> dict[str, Sequence[str]]:
    if not TARGET.exists():
        return {}
    lines = [line.strip("|").split("|") for line in TARGET.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    rows = [[cell.strip() for cell in line] for line in lines[2:]]
    return {row[0]: row for row in rows if len(row) == len(COLUMNS)}


if __name__ == "__main__":
    sys.exit(main())
