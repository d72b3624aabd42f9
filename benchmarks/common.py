"""What the benchmarks share: a source in another process, and the processor time of this one."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(slots=True)
class Meter:
    """Real and processor seconds of this process between start and stop."""

    wall_s: float = field(default_factory=lambda: -time.perf_counter())
    cpu_s: float = field(default_factory=lambda: -time.process_time())

    def stop(self) -> None:
        self.wall_s += time.perf_counter()
        self.cpu_s += time.process_time()


@contextmanager
def source(script: str, *words: str) -> Iterator[int]:
    """A source process for the time of the block; yields the port that it prints."""
    with subprocess.Popen(
        [sys.executable, str(HERE / script), *words], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


@asynccontextmanager
async def running(coroutine: "asyncio.Future[None] | asyncio.Task[None]") -> AsyncIterator[None]:
    """A task for the time of the block."""
    try:
        yield
    finally:
        coroutine.cancel()
        await asyncio.gather(coroutine, return_exceptions=True)


def table(title: str, rows: list[tuple[str, float, float]], unit: str) -> None:
    """Name, amount per second, processor microseconds per item; the first row is the floor of the others."""
    floor = rows[0]
    print(f"{title}\n{'':34}{unit + '/s':>14}{'CPU us each':>14}{'of the floor':>14}")
    for name, rate, cpu_us in rows:
        print(f"{name:34}{rate:14.0f}{cpu_us:14.1f}{cpu_us / floor[2]:14.2f}")
