"""The long campaign: what was lost and doubled under every fault, written to docs/loss-ledger.md.

First weeks of the whole plant in simulated time, each a world of its own, seeded from the campaign's seed and its
number; in the last one InfluxDB is gone for seven days. Then real processes: `mes run` is killed with SIGKILL again and
again against the simulated controllers and a real InfluxDB that goes and comes. `--only N` replays week N alone.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import structlog

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from simulation.faults import Fault, Plan  # noqa: E402  # found through the path above
from simulation.ledger import Ledger  # noqa: E402
from simulation.world import simulate  # noqa: E402

TARGET = ROOT / "docs" / "loss-ledger.md"
STORM = "tests/system/test_run_against_simulate.py"
WEEK = timedelta(days=7)
WEEKS_HEAD = (
    *("week", "seed", "kills", "power cuts", "link cuts", "half-open", "restarts", "stuck", "bad quality", "resets"),
    *("clock steps", "InfluxDB outages", "disk faults", "parts", "events", "points", "resent"),
    *("lost", "doubled", "unreconciled", "ids overrun"),
)
STORMS_HEAD = ("seed", "kills", "InfluxDB outages", "parts", "lost", "doubled", "unreconciled")


@dataclass(frozen=True, slots=True)
class Week:
    """One simulated week: its seed, its ledger, and the real seconds that it took."""

    number: int
    seed: int
    ledger: Ledger
    wall_s: float

    def row(self) -> Sequence[str]:
        """Its line of the table."""
        count, ledger = self.ledger.faults, self.ledger
        figures = (
            *(self.seed, count[Fault.KILL], count[Fault.POWER_CUT], count[Fault.LINK_CUT], count[Fault.HALF_OPEN]),
            *(count[Fault.RESTART], count[Fault.STUCK], count[Fault.BAD_QUALITY], count[Fault.RESET]),
            *(count[Fault.CONTROLLER_CLOCK] + count[Fault.EDGE_CLOCK], count[Fault.INFLUX]),
            *(count[Fault.DISK_FULL] + count[Fault.DISK_ERROR], ledger.parts, ledger.events, ledger.points),
            *(ledger.resent, ledger.lost, ledger.doubled, ledger.unreconciled, ledger.overrun),
        )
        return [str(self.number), *(f"{each:,}" for each in figures)]


@dataclass(frozen=True, slots=True)
class Storm:
    """One storm of SIGKILL over real processes; `lost` and `doubled` count parts and unit ids."""

    seed: int
    kills: int
    outages: int
    parts: int
    lost: int
    doubled: int
    unreconciled: int

    def row(self) -> Sequence[str]:
        """Its line of the table."""
        return [f"{each:,}" for each in asdict(self).values()]


def main() -> int:
    """Runs the campaign; 1 if anything was lost or doubled, or a part of it did not come to its end."""
    options = _options()
    print(
        f"seed {options.seed}: {options.weeks} weeks, then {options.storms} storms of {options.kills} kills", flush=True
    )
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    weeks = list(_weeks(options))
    if options.only is not None:
        return 1 if any(each.ledger.problems for each in weeks) else 0
    storms = list(_storms(options))
    wrong = [each.number for each in weeks if each.ledger.problems]
    for number in wrong:
        print(f"replay: python benchmarks/torture.py --seed {options.seed} --weeks {options.weeks} --only {number}")
    complete = len(storms) == options.storms
    last = _last_line(weeks, storms)
    print(last)
    if complete and not options.no_file:
        _write(options.seed, weeks, storms, last)
    return 1 if wrong or not complete or any(each.lost or each.doubled for each in storms) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weeks", type=int, default=20, help="simulated weeks (default: 20)")
    parser.add_argument("--storms", type=int, default=10, help="storms of SIGKILL over real processes (default: 10)")
    parser.add_argument("--kills", type=int, default=100, help="kills in each storm (default: 100)")
    parser.add_argument("--jobs", type=int, default=2, help="weeks at a time (default: 2)")
    parser.add_argument("--only", type=int, help="replay one week of the campaign")
    parser.add_argument("--no-file", action="store_true", help="leave docs/loss-ledger.md as it is")
    return parser.parse_args()


def _weeks(options: argparse.Namespace) -> Iterable[Week]:
    numbers = range(options.weeks) if options.only is None else [options.only]
    plans = [(number, Plan(options.seed * 10_000 + number, outage=number == options.weeks - 1)) for number in numbers]
    with ProcessPoolExecutor(options.jobs) as pool:
        for done in pool.map(_week, plans):
            print(f"week {done.number}: {done.ledger.sentence} ({done.wall_s:.0f} s)", flush=True)
            for problem in done.ledger.problems:
                print(f"  {problem}", flush=True)
            yield done


def _week(numbered: tuple[int, Plan]) -> Week:
    number, plan = numbered
    began_s = time.perf_counter()
    try:
        ledger = simulate(plan)
    except Exception:  # noqa: BLE001  # a crash of one week must not hide the others
        ledger = Ledger(problems=[f"the program failed:\n{traceback.format_exc()}"])
    return Week(number, plan.seed, ledger, time.perf_counter() - began_s)


def _storms(options: argparse.Namespace) -> Iterable[Storm]:
    for number in range(options.storms):
        seed = options.seed * 1000 + number
        with tempfile.TemporaryDirectory(prefix="taktline-") as folder:
            ledger = Path(folder) / "ledger.json"
            settings = {
                "TAKTLINE_KILLS": str(options.kills),
                "TAKTLINE_SEED": str(seed),
                "TAKTLINE_LEDGER": str(ledger),
            }
            words = [sys.executable, "-m", "pytest", "-q", "-x", STORM]
            ran = subprocess.run(
                words, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False
            )
            if ran.returncode or not ledger.exists():
                print(f"storm {number} failed:\n{ran.stdout[-6000:]}", flush=True)
            if ledger.exists():
                storm = Storm(**json.loads(ledger.read_text(encoding="utf-8")))
                print(f"storm {number}: {asdict(storm)}", flush=True)
                yield storm


def _last_line(weeks: Sequence[Week], storms: Sequence[Storm]) -> str:
    whole = Ledger()
    for each in weeks:
        whole.add(each.ledger)
    count, killed = whole.faults, sum(each.kills for each in storms)
    said = {
        "kills": count[Fault.KILL] + count[Fault.POWER_CUT] + killed,
        "link cuts": count[Fault.LINK_CUT] + count[Fault.HALF_OPEN],
        "controller restarts": count[Fault.RESTART],
        "InfluxDB outages": count[Fault.INFLUX] + sum(each.outages for each in storms),
        "disk faults": count[Fault.DISK_FULL] + count[Fault.DISK_ERROR],
        "parts": whole.parts + sum(each.parts for each in storms),
    }
    found = {
        "lost": whole.lost + sum(each.lost for each in storms),
        "doubled": whole.doubled + sum(each.doubled for each in storms),
        "unreconciled": whole.unreconciled + sum(each.unreconciled for each in storms),
    }
    happened, became = (", ".join(f"{number:,} {name}" for name, number in each.items()) for each in (said, found))
    return f"{happened}: {became}."


def _write(seed: int, weeks: Sequence[Week], storms: Sequence[Storm], last: str) -> None:
    text = f"""# Loss ledger

`make torture` writes this page anew; it was run with seed {seed}. Parts are results at stations. Lost and doubled count
parts, unit ids, events and points alike; any of them makes the command fail.

## Simulated weeks

The real pipeline, journal, supervisor and InfluxDB writer in simulated time over simulated controllers, disk and
InfluxDB (tests/simulation). A kill ends the program at any instant, before or after each of its commits; a power cut
takes what was not synced, in half of the cases in the middle of a write. InfluxDB is gone for all of the last week.
Unreconciled are parts that the journal itself says it could not decide; ids overrun are parts that were counted and
whose id the controller forgot before anybody could read it.

{_table(WEEKS_HEAD, weeks)}

## Real processes

`mes run` against the simulated controllers over OPC UA and Modbus, killed with SIGKILL after 0.2 to 3 s of life each
time, with a real InfluxDB that goes and comes ({STORM}).

{_table(STORMS_HEAD, storms)}

## All of it

{last}
"""
    TARGET.write_text(text, encoding="utf-8")


def _table(head: Sequence[str], rows: Sequence[Week] | Sequence[Storm]) -> str:
    lines = (head, ["---:"] * len(head), *(each.row() for each in rows))
    return "\n".join("| " + " | ".join(each) + " |" for each in lines)


if __name__ == "__main__":
    sys.exit(main())
