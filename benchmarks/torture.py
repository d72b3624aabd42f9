"""The long campaign: what was lost, doubled and shown wrong under every fault.

It is written to docs/loss-ledger.md, and its last line to README.md.

First weeks of the whole plant in simulated time, each a world of its own, seeded from the campaign's seed and its
number; in the last one InfluxDB is gone for seven days. Then real processes: `mes run` is killed, stopped and paused
again and again against the simulated controllers and a real InfluxDB that goes and comes. `--jobs` weeks run at a
time, storms one by one. `--only N` replays week N alone.
"""

import argparse
import json
import logging
import math
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import structlog

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/helpers")]

from simulation.faults import Fault, Plan  # noqa: E402  # found through the path above
from simulation.ledger import DISK_FAULTS, Ledger  # noqa: E402
from simulation.observations import ALIVE_WITHIN_S, POLL_S, POLLED_UNKNOWN_S  # noqa: E402
from simulation.time_oracle import POLLED_S, PUBLISHED_S, STAMPED_S  # noqa: E402
from simulation.world import simulate  # noqa: E402

TARGET = ROOT / "docs" / "loss-ledger.md"
README = ROOT / "README.md"
QUOTED = r"(?<=its last line:\n\n)(> .*\n)+"  # what README.md says of it
STORM = "tests/system/test_run_against_simulate.py"
WEEK = timedelta(days=7)
WEEKS_HEAD = (
    *("week", "seed", "kills", "power cuts", "orderly stops", "pauses", "link cuts", "half-open", "late", "restarts"),
    *("stuck", "bad quality", "resets", "remaps", "clock steps", "clock starts", "InfluxDB outages", "full disks"),
    *("disk errors", "disk stalls", "parts", "events", "points", "resent", "lost", "doubled", "unreconciled"),
    *("registers changed", "ids overrun"),
)
TIME_HEAD = (
    *("week", "seconds judged", "clock wrong", "unknown", "unknown, shown as known", "known, shown as no data"),
    *("shown in a wrong state", "near a change"),
)
STORMS_HEAD = (
    *("seed", "kills", "orderly stops", "pauses", "InfluxDB outages", "parts", "lost", "doubled", "unreconciled"),
    "ids overrun",
)


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
            *(self.seed, count[Fault.KILL], count[Fault.POWER_CUT], count[Fault.STOP], count[Fault.PAUSE]),
            *(count[Fault.LINK_CUT], count[Fault.HALF_OPEN], count[Fault.LATE], count[Fault.RESTART]),
            *(count[Fault.STUCK], count[Fault.BAD_QUALITY], count[Fault.RESET], count[Fault.REMAP]),
            *(count[Fault.CONTROLLER_CLOCK] + count[Fault.EDGE_CLOCK], count[Fault.CLOCK_START]),
            *(count[Fault.INFLUX], count[Fault.DISK_FULL], count[Fault.DISK_ERROR], count[Fault.DISK_STALL]),
            *(ledger.parts, ledger.events, ledger.points, ledger.resent, ledger.lost, ledger.doubled),
            *(ledger.unreconciled, ledger.remapped, ledger.overrun),
        )
        return [str(self.number), *(f"{figure:,}" for figure in figures)]

    def time_row(self) -> Sequence[str]:
        """Its line of the table of time; what must be 0 is rounded up."""
        time = self.ledger.time
        figures = (
            *(round(time.judged), round(time.wrong_clock), round(time.unknown), math.ceil(time.unknown_shown)),
            *(round(time.dark), math.ceil(time.wrong), round(time.near)),
        )
        return [str(self.number), *(f"{figure:,}" for figure in figures)]


@dataclass(frozen=True, slots=True)
class Storm:
    """One storm over real processes; `lost` and `doubled` count parts and unit ids."""

    seed: int
    kills: int
    stops: int
    pauses: int
    outages: int
    parts: int
    lost: int
    doubled: int
    unreconciled: int
    overrun: int

    def row(self) -> Sequence[str]:
        """Its line of the table."""
        return [f"{number:,}" for number in asdict(self).values()]


def main() -> int:
    """Runs the campaign; 1 if anything was lost, doubled or shown wrong, or a part did not come to its end."""
    options = _options()
    began_s = time.perf_counter()
    print(
        f"seed {options.seed}: {options.weeks} weeks, then {options.storms} storms of {options.kills} ends, "
        f"{options.jobs} weeks at a time",
        flush=True,
    )
    weeks = _weeks(options)
    if options.only is not None:
        return 1 if any(week.ledger.problems for week in weeks) else 0
    storms = _storms(options)
    wrong = [week.number for week in weeks if week.ledger.problems]
    for number in wrong:
        print(f"replay: python benchmarks/torture.py --seed {options.seed} --weeks {options.weeks} --only {number}")
    complete = len(storms) == options.storms
    last = _last_line(weeks, storms)
    print(f"{last}\n{time.perf_counter() - began_s:.0f} s")
    if complete and not options.no_file:
        _write(options.seed, weeks, storms, last)
    return 1 if wrong or not complete or any(storm.lost or storm.doubled for storm in storms) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weeks", type=int, default=20, help="simulated weeks (default: 20)")
    parser.add_argument("--storms", type=int, default=4, help="storms over real processes (default: 4)")
    parser.add_argument("--kills", type=int, default=100, help="ends of the program in each storm (default: 100)")
    parser.add_argument("--jobs", type=int, default=2, help="weeks at a time (default: 2)")
    parser.add_argument("--only", type=int, help="replay one week of the campaign")
    parser.add_argument("--no-file", action="store_true", help="leave docs/loss-ledger.md as it is")
    return parser.parse_args()


def _weeks(options: argparse.Namespace) -> Sequence[Week]:
    numbers = range(options.weeks) if options.only is None else [options.only]
    plans = [(number, Plan(options.seed * 10_000 + number, outage=number == options.weeks - 1)) for number in numbers]
    weeks: list[Week] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for running in as_completed([pool.submit(_week, plan) for plan in plans]):
            done = running.result()
            weeks.append(done)
            print(f"{len(weeks)} of {len(plans)}, week {done.number}: {done.ledger.sentence} ({done.wall_s:.0f} s)")
            for problem in done.ledger.problems:
                print(f"  {problem}")
            sys.stdout.flush()
    return sorted(weeks, key=lambda week: week.number)


def _week(numbered: tuple[int, Plan]) -> Week:
    number, plan = numbered
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began_s = time.perf_counter()
    try:
        ledger = simulate(plan)
    except Exception:  # noqa: BLE001  # a crash of one week must not hide the others
        ledger = Ledger(problems=[f"the program failed:\n{traceback.format_exc()}"])
    return Week(number, plan.seed, ledger, time.perf_counter() - began_s)


def _storms(options: argparse.Namespace) -> Sequence[Storm]:
    """Those that came to their end; one after the other, for the simulated controllers have fixed ports."""
    found = [_storm(options.seed * 1000 + number, options.kills) for number in range(options.storms)]
    return [storm for storm in found if storm is not None]


def _storm(seed: int, kills: int) -> Storm | None:
    with tempfile.TemporaryDirectory(prefix="taktline-") as folder:
        ledger = Path(folder) / "ledger.json"
        settings = {"TAKTLINE_KILLS": str(kills), "TAKTLINE_SEED": str(seed), "TAKTLINE_LEDGER": str(ledger)}
        words = [sys.executable, "-m", "pytest", "-q", "-x", STORM]
        ran = subprocess.run(words, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False)
        storm = Storm(**json.loads(ledger.read_text(encoding="utf-8"))) if ledger.exists() else None
    if ran.returncode or storm is None:
        print(f"storm {seed} failed:\n{ran.stdout[-6000:]}", flush=True)
    else:
        print(f"storm {seed}: {asdict(storm)}", flush=True)
    return None if ran.returncode else storm


def _last_line(weeks: Sequence[Week], storms: Sequence[Storm]) -> str:
    whole = Ledger()
    for week in weeks:
        whole.add(week.ledger)
    count, killed = whole.faults, sum(storm.kills for storm in storms)
    said = {
        "kills": count[Fault.KILL] + count[Fault.POWER_CUT] + killed,
        "orderly stops": count[Fault.STOP] + sum(storm.stops for storm in storms),
        "pauses": count[Fault.PAUSE] + sum(storm.pauses for storm in storms),
        "link cuts": count[Fault.LINK_CUT] + count[Fault.HALF_OPEN],
        "late deliveries": count[Fault.LATE],
        "controller restarts": count[Fault.RESTART],
        "InfluxDB outages": count[Fault.INFLUX] + sum(storm.outages for storm in storms),
        "disk faults": sum(count[fault] for fault in DISK_FAULTS),
        "remaps": count[Fault.REMAP],
        "clock starts": count[Fault.CLOCK_START],
        "parts": whole.parts + sum(storm.parts for storm in storms),
    }
    found = {
        "lost": whole.lost + sum(storm.lost for storm in storms),
        "doubled": whole.doubled + sum(storm.doubled for storm in storms),
        "unreconciled": whole.unreconciled + sum(storm.unreconciled for storm in storms),
        "seconds unknown and shown as known": math.ceil(whole.time.unknown_shown),
        "seconds shown in a wrong state": math.ceil(whole.time.wrong),
    }
    happened, became = (", ".join(f"{number:,} {name}" for name, number in totals.items()) for totals in (said, found))
    return f"{happened}: {became}."


def _write(seed: int, weeks: Sequence[Week], storms: Sequence[Storm], last: str) -> None:
    text = f"""# Loss ledger

`make torture` writes this page; it was run with seed {seed}. Parts are results at stations. Lost and doubled count
parts, unit ids, events and points alike. Any of them makes the command fail, and so does a second that is shown wrong.

## Simulated weeks

The real pipeline, journal, supervisor and InfluxDB writer in simulated time over simulated controllers, disk and
InfluxDB (tests/simulation). A kill ends the program at any instant, before or after each of its commits; a power cut
takes what was not synced, in half of the cases in the middle of a write. An orderly stop is SIGTERM at any instant,
under whatever else is wrong: the program must end within 10 s and without an error, unless the disk takes nothing. In a
pause, of 5 to 120 s, nothing of the program runs. A late delivery is 2 to 15 s of one subscription that arrive at once.
A remap changes the plant's file at a restart: counters are read from other registers, or from the first ones again. At
a clock start the machine's clock is a year or twelve ahead, or shows 1970, and is set right up to 10 minutes later. A
stalled disk takes 5 to 60 s for a commit. InfluxDB is gone for all of the last week.

Unreconciled are parts that the journal itself says it could not decide; registers changed are counters that were read
from another one, each with a flag; ids overrun are parts that were counted and whose id the controller forgot before
anybody could read it.

{_table(WEEKS_HEAD, [week.row() for week in weeks])}

## Time

Seconds of stations: fifteen stations make fifteen of each. The world notes when a delivery or poll of a controller
truly reached the program, and what each station truly did; tests/simulation/time_oracle.py holds what is journaled
against that, and knows nothing of how the program decides on gaps.

- Unknown is what no delivery and no poll covers. A subscription covers the time between two deliveries, since its
  server queues what changes. Modbus is polled every {_s(POLL_S)} here, and two polls cover the time between them if it
  is at most three intervals, {_s(POLLED_UNKNOWN_S)}. Nothing is covered while values are bad, while a controller's
  program hangs for longer than its heartbeat may take, {_s(ALIVE_WITHIN_S)}, and while the machine's clock is off by
  more than a day.
- Unknown and shown as known, and shown in a wrong state: beyond one observation interval at each end of a stretch and
  around each change of state. That is {_s(POLLED_S)} for polls, or until the poll that shows the change, and
  {_s(PUBLISHED_S)} for deliveries. A change that the controller has stamped with a clock that is believed is held to
  {_s(STAMPED_S)} and that clock's error. One stamp alone does not tell a clock that was set back from a late delivery:
  just after a controller's clock was set, a change may be shown anywhere between two deliveries.
- Known and shown as no data is what care costs: e.g. the last 2 s before a kill, whose proof of life was not on disk.
- Clock wrong: where times of a machine's clock that was set wrong, by up to an hour, lie over times of the right one.
  Nothing can be judged there. Where such a clock alone was used, its error is taken off and the time is judged.

{_table(TIME_HEAD, [week.time_row() for week in weeks])}

## Real processes

`mes run` against the simulated controllers over OPC UA and Modbus, after 0.2 to 3 s of life each time killed with
SIGKILL or stopped with SIGTERM, now and then paused with SIGSTOP before, with a real InfluxDB that goes and comes
({STORM}).

{_table(STORMS_HEAD, [storm.row() for storm in storms])}

## All of it

{last}
"""
    TARGET.write_text(text, encoding="utf-8")
    quoted = textwrap.indent(textwrap.fill(last, 117), "> ")
    README.write_text(re.sub(QUOTED, f"{quoted}\n", README.read_text(encoding="utf-8")), encoding="utf-8")


def _s(seconds: float) -> str:
    return f"{seconds:g} s"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (head, ["---:"] * len(head), *rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
