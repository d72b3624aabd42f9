"""After a long outage: how fast what waited is sent, and how late the new is meanwhile.

The server acknowledges each write after a second. The floor sends the same lines, encoded beforehand, as fast as the
same number of requests in flight allows.
"""

import argparse
import asyncio
import random
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from common import source

from mes.influx.encode import Point, body, event_line
from mes.influx.server import InfluxServer, ServerKind, Target
from mes.influx.writer import IN_FLIGHT, InfluxWriter, Pace
from mes.intervals import Interval
from mes.journal import Entry, Journal
from mes.journal.consumers import EVENTS, LIVE
from mes.model import CountFlag, CountKind, Journaled, ProductId, StationId, TimeSource, UnitsCounted

GROWS_PER_S = 500  # events
BEAT_S = 0.1
START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def event(number: int) -> UnitsCounted:
    """One counted unit of one of 500 stations."""
    at = START + timedelta(seconds=number / GROWS_PER_S)
    return UnitsCounted(
        station=StationId(f"kostanay/weld/weld-1/s{number % 500}"),
        time=at,
        received_time=at,
        time_source=TimeSource.CONTROLLER,
        kind=CountKind.GOOD,
        delta=1,
        raw=number,
        previous_raw=number - 1,
        product=ProductId("S3"),
        flag=CountFlag.NORMAL,
    )


class NoFigures:
    """Publishes nothing: the figures go their own way."""

    async def affected_windows(self, spans: Mapping[StationId, Interval]) -> Sequence[Point]:
        """No window."""
        return ()

    async def open(self) -> tuple[Sequence[Point], datetime]:
        """No window."""
        return (), START

    def stated(self, until: datetime) -> None:
        """Nothing."""

    def resume(self, until: datetime) -> None:
        """Nothing was stated."""


@dataclass(slots=True)
class Seen:
    """The worst of what was seen while it drained."""

    drained_s: float = 0.0
    late_s: float = 0.0
    log_bytes: int = 0


async def floor(server: InfluxServer, waiting: int) -> float:
    """Lines a second with nothing but sending."""
    size = Pace().batch_lines
    bodies = [
        body(event_line(Journaled(n, event(n))) for n in range(first, first + size))
        for first in range(1, min(waiting, 20 * size), size)
    ]
    began = time.perf_counter()
    for some in range(0, len(bodies), IN_FLIGHT):
        await asyncio.gather(*(server.write(payload) for payload in bodies[some : some + IN_FLIGHT]))
    return len(bodies) * size / (time.perf_counter() - began)


async def drain(server: InfluxServer, path: Path, waiting: int) -> Seen:
    """Sends what waits while new events come at their rate."""
    seen, loop = Seen(), asyncio.get_running_loop()
    async with Journal.open(path) as journal:
        for first in range(1, waiting + 1, 5000):
            await journal.append(Entry(events=[event(n) for n in range(first, min(first + 5000, waiting + 1))]))
        writer = InfluxWriter(server, journal, rng=random.Random(1))
        task = asyncio.create_task(writer.run())
        appended: list[tuple[int, float]] = []
        began, number = loop.time(), waiting
        while await journal.cursor(EVENTS) < waiting:
            await journal.append(
                Entry(events=[event(n) for n in range(number + 1, number + 1 + int(GROWS_PER_S * BEAT_S))])
            )
            number = journal.last_seq
            appended.append((number, loop.time()))
            sent = await journal.cursor(EVENTS + LIVE)
            unsent = [at for seq, at in appended if seq > sent]
            seen.late_s = max(seen.late_s, loop.time() - unsent[0] if unsent else 0.0)
            appended = [commit for commit in appended if commit[0] > sent]
            seen.log_bytes = max(seen.log_bytes, path.with_name(path.name + "-wal").stat().st_size)
            await asyncio.sleep(BEAT_S)
        seen.drained_s = loop.time() - began
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return seen


async def main(waiting: int) -> None:
    """Floor first, then the product."""
    with tempfile.TemporaryDirectory(prefix="taktline-") as folder, source("source_influx.py") as port:
        target = Target(f"http://127.0.0.1:{port}", "plant", secret="none", kind=ServerKind.V2)  # noqa: S106
        async with InfluxServer(target) as server:
            least = await floor(server, waiting)
            before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            seen = await drain(server, Path(folder) / "journal.sqlite", waiting)
        grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    rate = waiting / seen.drained_s
    print(f"waited: {waiting:,} events; new ones: {GROWS_PER_S} a second; the server acknowledges after 1 s")
    print(f"floor (only sending, {IN_FLIGHT} in flight):   {least:10,.0f} lines/s")
    print(f"product, what waited:              {rate:10,.0f} lines/s   {least / rate:.2f} x the floor's time")
    print(f"drain to growth:                   {rate / GROWS_PER_S:10.1f} x")
    print(f"the new is late by at most:        {seen.late_s:10.1f} s")
    print(
        f"memory grew by:                    {grown_mb:10.0f} MB; write-ahead log at most {seen.log_bytes / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="how many wait (300000)")
    asyncio.run(main(parser.parse_args().events))
