"""What the figures of running windows cost for each part, where each of 40 stations counts one a second.

No socket: events are written to a journal; the figures that they bear on are made and kept on disk as wanted, and
revisions that are due become lines. The floor encodes and packs the same events. Both are measured for some seconds,
some minutes after the first part; what lies between is made at one go and not measured.
"""

import argparse
import asyncio
import gzip
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from common import Figure, Stopwatch, show

from adapters.clock import ManualClock
from mes.calendar import Calendar
from mes.config.load import default_config, load
from mes.influx.encode import body, event_line
from mes.influx.figures_file import FiguresFile, figures_path
from mes.influx.points.windows import PublishedFigures
from mes.journal.codec import encode_event
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


async def measure(folder: Path, presses: Presses, calendar: Calendar, marks: Sequence[int], seconds: int) -> None:
    """Prints the floor and the product at each mark, in minutes."""
    journal, clock = folder / "journal.sqlite", ManualClock(START)
    with (
        Store(journal) as store,
        PublishedFigures(journal, presses.standards, calendar, clock) as figures,
        FiguresFile(figures_path(journal)) as file,
    ):
        file.knows_everything()
        numbers, second, done = count(1), 0, 0

        async def look() -> None:
            nonlocal done
            done, spans = store.affected_windows(done, 10**9)
            file.want(await figures.affected_windows(spans))
            while lines := file.lines(clock.now(), BATCH):
                gzip.compress(body(text for _, text in lines), 1)
                file.sent(lines, clock.now())

        for mark in marks:
            waiting = [event for each in range(second, mark * 60) for event in presses.events(each)]
            second = max(second, mark * 60)
            store.write([Rows(events=[encode_event(event) for event in waiting])])
            clock.advance(START + second * SECOND - clock.now())
            await look()
            floor, product, parts = [], [], 0
            for _ in range(seconds):
                told = list(presses.events(second))
                store.write([Rows(events=[encode_event(event) for event in told])])
                second += 1
                parts += len(told)
                clock.advance(SECOND)
                watch = Stopwatch()
                gzip.compress(body(event_line(Journaled(next(numbers), event)) for event in told), 1)
                floor.append(watch.stop("", 0))
                watch = Stopwatch()
                await look()
                product.append(watch.stop("", 0))
            both = _whole("the same events as lines, packed", floor, parts), _whole("figures", product, parts)
            show(f"after {mark} min", "parts", *both)


def _whole(name: str, seconds: Sequence[Figure], parts: int) -> Figure:
    return Figure(name, parts, sum(each.wall_s for each in seconds), sum(each.cpu_s for each in seconds))


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 15, 59], help="when it is measured (1 15 59)")
    parser.add_argument("--seconds", type=int, default=20, help="how many seconds at each of them (20)")
    parser.add_argument("--stop-every-s", type=int, default=600, help="each station stops so often for 5 s (600)")
    options = parser.parse_args()
    config = load(default_config()).config
    presses = Presses(next(iter(config.standards.values())).reasons, options.stop_every_s)
    with tempfile.TemporaryDirectory(prefix="taktline-") as name:
        asyncio.run(measure(Path(name), presses, config.calendar, options.minutes, options.seconds))


if __name__ == "__main__":
    main()
