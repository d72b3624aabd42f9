"""Processor time and memory of `mes run` for the example plant at real speed, against Python idle with its modules."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import HERE, seconds

MES = str(Path(sys.executable).with_name("mes"))
IDLE = "import asyncio, mes.daemon, mes.config.load; asyncio.run(asyncio.sleep(3600))"
SETTLE_S = 10.0  # to start and connect, which is not measured


def usage(pid: int) -> tuple[float, float]:
    """Processor seconds so far and resident megabytes of a process, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", maxsplit=1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measured(process: subprocess.Popen[bytes], length_s: float) -> tuple[float, float]:
    """Share of a core and megabytes over a stretch of time."""
    time.sleep(SETTLE_S)
    before, _ = usage(process.pid)
    time.sleep(length_s)
    after, resident_mb = usage(process.pid)
    return (after - before) / length_s, resident_mb


def quiet(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """A process that is neither heard nor asked."""
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(words, cwd=folder, stdin=nowhere, stdout=nowhere, stderr=nowhere)


def main() -> None:
    """Measures the floor, then the daemon against the simulated plant in another process."""
    length_s = seconds(__doc__ or "")
    rows = []
    with quiet([sys.executable, "-c", IDLE], HERE.parent) as idle:
        rows.append(("Python with the modules, idle", *measured(idle, length_s)))
        idle.kill()
    with tempfile.TemporaryDirectory() as name, quiet([MES, "simulate"], folder := Path(name)) as plant:
        time.sleep(SETTLE_S)
        with quiet([MES, "run"], folder) as daemon:
            rows.append(("mes run, the example plant", *measured(daemon, length_s)))
            daemon.terminate()
        plant.kill()
    for name, share, resident_mb in rows:
        print(f"  {name:32}{share:8.2%} of a core {resident_mb:8.1f} MB")
    print(f"  memory, ratio to the floor: {rows[1][2] / rows[0][2]:.2f}")


if __name__ == "__main__":
    main()
