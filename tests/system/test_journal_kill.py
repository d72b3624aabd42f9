"""The journal under SIGKILL: what was acknowledged is there."""

import random
import subprocess
import sys
import time
from pathlib import Path

from mes.journal.store import Store
from mes.model import FaultRaised

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10
SEED = 20260302

# appends for ever, two events at a time and several at once, and prints the last acknowledged number
CHILD = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from mes.journal import Entry, Journal
from mes.model import FaultRaised, StationId, TimeSource

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)

def entry(number):
    events = [
        FaultRaised(station=StationId("s"), time=NOW, received_time=NOW, time_source=TimeSource.EDGE, code=str(code))
        for code in (number, number + 1)
    ]
    return Entry(events=events, states={StationId("s"): str(number + 1).encode()})

async def main():
    async with Journal.open(Path(sys.argv[1])) as journal:
        number = journal.last_seq + 1
        while True:
            queued = [journal.append(entry(number + 2 * n)) for n in range(8)]
            number += 16
            for each in queued:
                print(await each, flush=True)

asyncio.run(main())
"""


def test_a_killed_writer_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Killed at random moments, again and again: every acknowledged event is there, and none is missing in between. The
    station's state is the one of the last event, and the file is sound.
    """
    print(f"seed {SEED}")  # noqa: T201  # shown when the test fails
    rng = random.Random(SEED)
    path = tmp_path / "journal.sqlite"
    for _ in range(KILLS):
        acknowledged = _run_and_kill(path, after_s=rng.uniform(0.0, 0.08))
        with Store(path) as store:  # runs SQLite's quick_check
            found = store.read(0, 10_000_000)
            assert store.last_seq >= acknowledged
            assert store.last_seq % 2 == 0
            assert [journaled.seq for journaled in found] == list(range(1, store.last_seq + 1))
            assert all(
                isinstance(journaled.event, FaultRaised) and journaled.event.code == str(journaled.seq)
                for journaled in found
            )
            assert store.station_states() == {"s": str(store.last_seq).encode()}


def _run_and_kill(path: Path, *, after_s: float) -> int:
    """Lets a child write until some time after its first acknowledgement; returns the last one that it printed."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(after_s)  # the moment of the kill is the point of the test
        child.kill()
        rest = child.stdout.read().splitlines(keepends=True)
    whole = [first, *(line for line in rest if line.endswith("\n"))]
    return int(whole[-1])
