"""What the benchmarks share: sources in other processes, the processor time of this one, and the printed table."""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured way of doing the work: how many items, in how many real and processor seconds of this process."""

    name: str
    items: int
    wall_s: float
    cpu_s: float

    @property
    def cpu_us(self) -> float:
        """Processor microseconds for one item."""
        return self.cpu_s / max(self.items, 1) * 1e6


class Stopwatch:
    """Real and processor seconds of this process since it was made."""

    def __init__(self) -> None:
        """Starts at once."""
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def stop(self, name: str, items: int) -> Figure:
        """The figure for what was done meanwhile."""
        return Figure(name, items, time.perf_counter() - self._wall_s, time.process_time() - self._cpu_s)


@contextmanager
def source(script: str, *words: str) -> Iterator[int]:
    """A source process for the time of the block; yields the port that it prints."""
    with subprocess.Popen([sys.executable, str(HERE / script), *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def seconds(description: str) -> float:
    """How long to measure each way, from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=10.0, help="real seconds for each measurement (10)")
    return float(parser.parse_args().seconds)


def show(title: str, unit: str, floor: Figure, *products: Figure) -> None:
    """Prints all ways, each with the ratio of its processor time for one item to the floor's."""
    print(f"{title}\n{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}")
    for figure in (floor, *products):
        rate, share, ratio = figure.items / figure.wall_s, figure.cpu_s / figure.wall_s, figure.cpu_us / floor.cpu_us
        cost = f"{figure.cpu_us:8.2f} us CPU each {share:6.1%} of a core"
        print(f"  {figure.name:40}{rate:10,.0f} {unit}/s {cost}   ratio {ratio:.1f}")
