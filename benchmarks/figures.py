"""What the figures of running windows cost for each part, where each of 40 stations counts one a second.

No socket: events are written to a journal; the figures that they bear on are made and kept on disk as wanted, and
revisions that are due become lines. The floor encodes and packs the same events. Both are measured for some seconds,
some minutes after the first part; what lies between is made at one go and not measured. Then the writer of the product
runs in real time, without and with figures.
"""

import argparse
import asyncio
import gzip
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from common import Figure, Stopwatch, show

from adapters.clock import ManualClock
from mes.calendar import Calendar
from mes.config.load import default_config, load
from mes.influx.encode import body, event_line
from mes.influx.figures_file import FiguresFile, figures_path
from mes.influx.points.windows import PublishedFigures
from mes.influx.ports import Published
from mes.influx.writer import InfluxWriter
from mes.journal import Entry, Journal
from mes.journal.codec import encode_event
from mes.journal.consumers import FIGURES
from mes.journal.store import Rows, Store
from mes.model import (
    Catalogue,
    CountFlag,
    CountKind,
    Journaled,
    ProductId,
    State,
    StateChanged,
    StationEvent,
    StationId,
    StationStandard,
    TimeSource,
    UnitsCounted,
)

STATIONS = 40
START = datetime(2026, 3, 2, 3, tzinfo=UTC)  # a Monday; the day shift of the example plant begins
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PRODUCT = ProductId("S3")
STOP_S = 5
BATCH = 5000


@dataclass(frozen=True, slots=True)
class Presses:
    """Stations that make a part a second, with a short stop every `stop_every_s`, not all at the same time."""

    reasons: Catalogue
    stop_every_s: int

    @property
    def standards(self) -> dict[StationId, StationStandard]:
        """All alike."""
        standard = StationStandard(ideal_cycle={PRODUCT: SECOND}, minor_stop=timedelta(minutes=2), reasons=self.reasons)
        return {StationId(f"kostanay/press/line-{number % 4}/p{number}"): standard for number in range(STATIONS)}

    def events(self, second: int) -> Iterator[StationEvent]:
        """What all stations tell in a second after START."""
        for number, station in enumerate(self.standards):
            at = START + second * SECOND + number * timedelta(milliseconds=7)
            turn = (second + number * 13) % self.stop_every_s
            state = {0: State.DOWN, STOP_S: State.PRODUCING}.get(turn, State.PRODUCING if second == 0 else None)
            if state is not None:
                yield StateChanged(
                    station=station, time=at, received_time=at, time_source=TimeSource.CONTROLLER, state=state, raw="1"
                )
            if turn >= STOP_S or second == 0:
                yield UnitsCounted(
                    station=station,
                    time=at,
                    received_time=at,
                    time_source=TimeSource.CONTROLLER,
                    kind=CountKind.GOOD,
                    delta=1 if second else 0,
                    raw=1000 + second,
                    previous_raw=999 + second if second else None,
                    product=PRODUCT,
                    flag=CountFlag.NORMAL if second else CountFlag.BASELINE,
                )


class Sink:
    """A server in this process that takes everything, packed as a body would be, and has nothing."""

    async def write(self, lines: bytes) -> None:
        """Packs a body."""
        gzip.compress(lines, 1)

    async def ensure(self) -> bool:
        """Nothing is missing."""
        return True

    async def query(self, influxql: str) -> list[dict[str, Any]]:
        """Has nothing."""
        del influxql
        return []

    async def about(self) -> str:
        """Like a server."""
        return "2.x (none)"


@dataclass(slots=True)
class Plant:
    """The presses, their journal, and how far it goes."""

    presses: Presses
    calendar: Calendar
    folder: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    second: int = 0

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self.folder / "journal.sqlite"

    def next_second(self) -> list[StationEvent]:
        """What the next second tells; the clock goes on."""
        told = list(self.presses.events(self.second))
        self.second += 1
        self.clock.advance(START + self.second * SECOND - self.clock.now())
        return told

    def go_to(self, minute: int, store: Store) -> None:
        """Journals everything up to a minute."""
        waiting = [event for _ in range(minute * 60 - self.second) for event in self.next_second()]
        store.write([Rows(events=[encode_event(event) for event in waiting])])

    def published(self) -> PublishedFigures:
        """The figures of the stations."""
        return PublishedFigures(self.path, self.presses.standards, self.calendar, self.clock)


async def each_look(plant: Plant, marks: Sequence[int], seconds: int) -> None:
    """Prints the floor and what the figures cost when they are made with every part, at each mark, in minutes."""
    with (
        Store(plant.path) as store,
        plant.published() as figures,
        FiguresFile(figures_path(plant.path)) as file,
    ):
        file.knows_everything()
        numbers, done = count(1), 0

        async def look() -> None:
            nonlocal done
            done, spans = store.affected_windows(done, 10**9)
            file.want(await figures.affected_windows(spans))
            while lines := file.lines(plant.clock.now(), BATCH):
                gzip.compress(body(text for _, text in lines), 1)
                file.sent(lines, plant.clock.now())

        for mark in marks:
            plant.go_to(mark, store)
            await look()
            floor, product, parts = [], [], 0
            for _ in range(seconds):
                told = plant.next_second()
                store.write([Rows(events=[encode_event(event) for event in told])])
                parts += len(told)
                watch = Stopwatch()
                gzip.compress(body(event_line(Journaled(next(numbers), event)) for event in told), 1)
                floor.append(watch.stop("", 0))
                watch = Stopwatch()
                await look()
                product.append(watch.stop("", 0))
            both = _whole("the same events as lines, packed", floor, parts), _whole("figures", product, parts)
            show(f"after {mark} min, figures made with every part", "parts", *both)


def _whole(name: str, seconds: Sequence[Figure], parts: int) -> Figure:
    return Figure(name, parts, sum(second.wall_s for second in seconds), sum(second.cpu_s for second in seconds))


async def forwarded(plant: Plant, seconds: int) -> None:
    """Prints what it costs to journal and forward the parts in real time, without and with their figures."""
    with plant.published() as figures, FiguresFile(figures_path(plant.path)) as file:
        async with Journal.open(plant.path) as journal:
            alone = await _run(plant, journal, None, "journaled, and forwarded as events", seconds)
            both = await _run(plant, journal, Published(file, figures), "and their figures", seconds)
    show(f"after {plant.second // 60} min, in real time", "parts", alone, both)


async def _run(plant: Plant, journal: Journal, published: Published | None, name: str, seconds: int) -> Figure:
    writer = InfluxWriter(Sink(), journal, published, rng=random.Random(1), clock=plant.clock)
    await writer.drain()
    task = asyncio.create_task(writer.run())
    while published is not None and FIGURES not in writer.status.stated_until:
        await asyncio.sleep(0.1)  # until what was open at the start is stated once
    watch, parts = Stopwatch(), 0
    for _ in range(seconds):
        told = plant.next_second()
        parts += len(told)
        await journal.append(Entry(events=told, states={}, telemetry=(), observed={}))
        await asyncio.sleep(1)
    found = watch.stop(name, parts)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return found


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 15, 59], help="when it is measured (1 15 59)")
    parser.add_argument("--seconds", type=int, default=20, help="how many seconds at each of them (20)")
    parser.add_argument("--stop-every-s", type=int, default=600, help="each station stops so often for 5 s (600)")
    parser.add_argument("--real", type=int, default=60, help="and then so many seconds in real time, twice (60)")
    options = parser.parse_args()
    config = load(default_config()).config
    presses = Presses(next(iter(config.standards.values())).reasons, options.stop_every_s)
    with tempfile.TemporaryDirectory(prefix="taktline-") as name:
        plant = Plant(presses, config.calendar, Path(name))
        asyncio.run(each_look(plant, options.minutes, options.seconds))
        if options.real:
            asyncio.run(forwarded(plant, options.real))


if __name__ == "__main__":
    main()
