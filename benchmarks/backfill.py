"""Days of the example plant written to InfluxDB again from the journal: events and figures, into an empty database.

The server is another process that acknowledges at once and has nothing. The floor joins, packs and sends the same
lines. With `--disk` a private influxd takes them too, and what it keeps is measured.
"""

import argparse
import asyncio
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from pathlib import Path

from common import Figure, Stopwatch, show, source
from year import JOURNAL, make

from mes.config.load import default_config, load
from mes.demo.influxd import CONFIG, private_influxd
from mes.influx.backfill import BATCH, backfill
from mes.influx.encode import body
from mes.influx.figures_file import FiguresFile
from mes.influx.schema import EVENTS, FIGURES
from mes.influx.server import InfluxServer, ServerKind, Target
from mes.results.plant import PlantResults

TAKEN, FILE = "taken.gz", "figures.sqlite"
YEAR = 365  # days
SETTLED_S = 2  # without a write; then influxd 1.x packs what it has
SETTLING = CONFIG.replace(
    "[data]",
    f'[data]\n  cache-snapshot-write-cold-duration = "{SETTLED_S}s"\n'
    f'  compact-full-write-cold-duration = "{SETTLED_S}s"',
)


def taken(folder: Path) -> list[str]:
    """The lines that the server took."""
    return [line for line in gzip.decompress((folder / TAKEN).read_bytes()).decode().split("\n") if line]


def target(port: int) -> Target:
    """The server in the other process."""
    return Target(f"http://127.0.0.1:{port}", "plant", secret="none", kind=ServerKind.V2)  # noqa: S106


async def product(folder: Path, port: int) -> Figure:
    """The backfill of all that the journal has."""
    (folder / FILE).unlink(missing_ok=True)
    config = load(default_config()).config
    async with InfluxServer(target(port)) as server:
        watch = Stopwatch()
        with PlantResults(config, folder / JOURNAL) as query, FiguresFile(folder / FILE) as file:
            written = await backfill(query, server, file)
        return watch.stop("taktline, from the journal to the server", written.events + written.figures)


async def floor(folder: Path, port: int) -> Figure:
    """The same lines once more."""
    lines = taken(folder)
    async with InfluxServer(target(port)) as server:
        watch = Stopwatch()
        for first in range(0, len(lines), BATCH):
            await server.write(body(lines[first : first + BATCH]))
        return watch.stop("joined, packed and sent, one after the other", len(lines))


STEPS: Mapping[str, Callable[[Path, int], Coroutine[None, None, Figure]]] = {"product": product, "floor": floor}


def apart(step: str, folder: Path) -> Figure:
    """A step in a process of its own, against a server in another one."""
    kept = str(folder / TAKEN) if step == "product" else os.devnull
    with source("source_influx.py", kept) as port:
        words = [sys.executable, __file__, "--folder", str(folder), "--step", step, "--port", str(port)]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return Figure(**json.loads(done.stdout))


async def disk_bytes(folder: Path) -> tuple[int, int]:
    """What an influxd keeps of the same lines, once it has packed them: of rows, and of the index of series.

    The index grows with the series and not with the rows; its files are as large as they ever need be from the start.
    """
    lines = taken(folder)
    with tempfile.TemporaryDirectory(prefix="taktline-") as name:
        async with private_influxd(Path(name), SETTLING) as influxd:
            async with InfluxServer(Target(influxd.url, "plant")) as server:
                await server.ensure()
                for first in range(0, len(lines), BATCH):
                    await server.write(body(lines[first : first + BATCH]))
            sizes = [-1, 0]
            while sizes[-1] != sizes[-2] or _size(Path(name) / "wal"):
                await asyncio.sleep(SETTLED_S * 3)
                sizes.append(_size(Path(name) / "data", "*.tsm"))
            return sizes[-1], _size(Path(name) / "data") - sizes[-1]


def _size(folder: Path, which: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.rglob(which) if path.is_file())


def measure(folder: Path, days: int, *, disk: bool) -> None:
    """Makes the journal if it is not there, does both steps and prints the tables."""
    if not (folder / JOURNAL).exists():
        make(folder, days)
    (folder / TAKEN).unlink(missing_ok=True)
    filled, least = apart("product", folder), apart("floor", folder)
    show(f"{days} days of the example plant", "lines", least, filled)
    year_min = filled.cpu_s / days * YEAR / 60
    print(f"  a year at that rate: {year_min:.1f} min CPU; the file beside the journal {_size_of(folder / FILE)}")
    rows = Counter[str]()
    size = Counter[str]()
    for line in taken(folder):
        name = line.partition(",")[0]
        rows[name] += 1
        size[name] += len(line.encode()) + 1
    packed = (folder / TAKEN).stat().st_size
    for title, declared in (("events", EVENTS), ("figures", FIGURES)):
        names = [measurement.name for measurement in declared]
        print(f"  {title:10}{_a_day(sum(rows[name] for name in names), sum(size[name] for name in names), days)}")
        for name in sorted(names, key=lambda measurement: -size[measurement]):
            if rows[name]:
                print(f"    {name:14}{_a_day(rows[name], size[name], days)}")
    print(f"  all sent: {rows.total():,} rows, {size.total() / 1e6:,.1f} MB, packed {packed / 1e6:,.1f} MB")
    if disk:
        kept, index = asyncio.run(disk_bytes(folder))
        a_year = f"{kept / days * YEAR / 1e6:,.0f} MB"
        print(f"  influxd keeps {kept / 1e6:,.1f} MB, {kept / rows.total():.1f} bytes a row; of a year {a_year}")
        print(f"  and an index of {index / 1e6:,.1f} MB")


def _a_day(rows: int, size: int, days: int) -> str:
    return f"{rows / days:10,.0f} rows a day {size / days:12,.0f} bytes of line protocol"


def _size_of(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.1f} MB"


def main() -> None:
    """Measures all, or does the step that a process of its own was started for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="how many days the journal has (30)")
    parser.add_argument("--folder", type=Path, help="keeps the journal for the next time (a temporary folder)")
    parser.add_argument("--disk", action="store_true", help="also what an influxd keeps on disk")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(asdict(asyncio.run(STEPS[options.step](options.folder, options.port)))))
    elif options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
        measure(options.folder, options.days, disk=options.disk)
    else:
        with tempfile.TemporaryDirectory(prefix="taktline-") as name:
            measure(Path(name), options.days, disk=options.disk)


if __name__ == "__main__":
    main()
