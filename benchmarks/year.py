"""A year of the example plant: replay of every event into hourly components, and reports over the year from those."""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict

from mes.calendar import WindowKind
from mes.config.build import PlantConfig
from mes.config.load import default_config, load
from mes.intervals import Interval
from mes.journal import JournalReader
from mes.journal.codec import encode_event
from mes.journal.hourly import HourlyFile
from mes.journal.store import Rows, Store
from mes.model import (
    CountFlag,
    CountKind,
    FaultCleared,
    FaultRaised,
    ProductChanged,
    ProductId,
    State,
    StateChanged,
    StationEvent,
    StationId,
    TimeSource,
    UnitCompleted,
    UnitEntered,
    UnitId,
    UnitLeft,
    UnitResult,
    UnitsCounted,
)
from mes.results.hourly import Hourly
from mes.results.stations import Results
from simulators.line import Change, UnitRecord
from simulators.plant import Plant

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
YEAR = Interval(START, END)
DAY = timedelta(days=1)
LAST = timedelta(milliseconds=1)  # the plant counts in these
AT_ONCE = 10_000  # events of one read
JOURNAL, STORED = "year.db", "year.db.hourly"
REPLAY_S, REPLAY_MB, REPORT_S = 60.0, 300.0, 1.0


class Common(TypedDict):
    """What every event says."""

    station: StationId
    time: datetime
    received_time: datetime
    time_source: TimeSource


class Teller:
    """What the changes of one station's fields mean as events; keeps the last value of each field."""

    def __init__(self, station: StationId) -> None:
        self._station = station
        self._unit, self._product, self._fault = "", "", 0
        self._raw: dict[CountKind, int] = {}

    def events(self, change: Change) -> Iterator[StationEvent]:
        """Nothing for a field that is no event: process values, and the notice of a minor stop."""
        at = change.time
        match change.field, change.value:
            case "state", str() as value:
                yield StateChanged(**self._when(at), state=State(value), raw=value)
            case ("good" | "rework" | "scrap") as kind, int() as raw:
                yield self._counted(at, CountKind(kind), raw)
            case "completed", UnitRecord() as record:
                yield UnitCompleted(
                    **self._when(at),
                    unit=UnitId(record.unit),
                    product=ProductId(record.product),
                    result=UnitResult(record.result),
                    cycle_time=None,
                    sequence=record.sequence,
                )
            case "unit", str() as unit:
                yield from self._shown(at, unit)
            case "fault", int() as code:
                yield from self._reported(at, code)
            case "product", str() as product:
                self._product = product
                yield ProductChanged(**self._when(at), product=ProductId(product) if product else None)
            case _:
                pass

    def _when(self, at: datetime) -> Common:
        return {"station": self._station, "time": at, "received_time": at, "time_source": TimeSource.CONTROLLER}

    def _counted(self, at: datetime, kind: CountKind, raw: int) -> UnitsCounted:
        previous = self._raw.get(kind)
        self._raw[kind] = raw
        return UnitsCounted(
            **self._when(at),
            kind=kind,
            delta=0 if previous is None else raw - previous,
            raw=raw,
            previous_raw=previous,
            product=ProductId(self._product) if self._product else None,
            flag=CountFlag.BASELINE if previous is None else CountFlag.NORMAL,
        )

    def _shown(self, at: datetime, unit: str) -> Iterator[StationEvent]:
        if self._unit:
            yield UnitLeft(**self._when(at), unit=UnitId(self._unit))
        if unit:
            yield UnitEntered(**self._when(at), unit=UnitId(unit))
        self._unit = unit

    def _reported(self, at: datetime, code: int) -> Iterator[StationEvent]:
        if self._fault:
            yield FaultCleared(**self._when(at), code=str(self._fault))
        if code:
            yield FaultRaised(**self._when(at), code=str(code))
        self._fault = code


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process did: events or figures, its real seconds without the start of Python, its peak of memory."""

    items: int
    wall_s: float
    peak_mb: float


def make(folder: Path, days: int = (END - START) // DAY) -> None:
    """Writes the journal of the year, or of its first days, a day in each transaction."""
    unfinished = folder / "unfinished.db"
    unfinished.unlink(missing_ok=True)
    plant = Plant(seed=7, start=START)
    tellers = {spec.code: Teller(StationId(spec.path)) for spec in plant.stations}
    changes = plant.snapshot()
    with Store(unfinished) as store:
        for number in range(days):
            changes += plant.advance(START + (number + 1) * DAY - LAST)
            events = [encode_event(event) for change in changes for event in tellers[change.station].events(change)]
            store.write([Rows(events=events)])
            changes = []
            if (START + number * DAY).day == 1:
                print(f"  {START + number * DAY:%B}: {store.last_seq:,} events", file=sys.stderr, flush=True)
    unfinished.rename(folder / JOURNAL)


def read(folder: Path, _: PlantConfig) -> int:
    """The floor: reads and decodes every event; their number."""
    seq = 0
    with JournalReader(folder / JOURNAL) as reader:
        while found := reader.read(seq, AT_ONCE):
            seq = found[-1].seq
    return seq


def replay(folder: Path, config: PlantConfig) -> int:
    """Computes the components of all stations into a new file; the number of events."""
    stored = folder / STORED
    stored.unlink(missing_ok=True)
    with JournalReader(folder / JOURNAL) as reader, HourlyFile(stored) as file:
        hourly = Hourly(reader, file, config.calendar)
        for station, standard in config.standards.items():
            hourly.kpis(station, standard, YEAR)
        return reader.last_seq()


def report(folder: Path, config: PlantConfig) -> int:
    """The year and each of its months for all stations, out of the stored components; the number of figures."""
    with JournalReader(folder / JOURNAL) as reader, HourlyFile(folder / STORED) as file:
        results = Results(reader, config.standards, config.calendar, hourly=Hourly(reader, file, config.calendar))
        known = reader.span()
        assert known is not None
        middle = Interval(START + DAY, END - DAY)  # the production year and its months overlap it whole
        windows = [
            *results.windows(WindowKind.YEAR, middle),
            *results.windows(WindowKind.MONTH, middle),
        ]
        found = [results.kpi(station, one.interval, until=known.end) for station in config.standards for one in windows]
        return len(found)


STEPS: Mapping[str, Callable[[Path, PlantConfig], int]] = {"floor": read, "replay": replay, "report": report}


def step(name: str, folder: Path) -> None:
    """Does one step in this process and prints what it took."""
    config = load(default_config()).config
    begun_s = time.perf_counter()
    items = STEPS[name](folder, config)
    wall_s = time.perf_counter() - begun_s
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"items": items, "wall_s": wall_s, "peak_mb": peak_kb / 1024}))


def apart(name: str, folder: Path) -> Measured:
    """The same in a process of its own."""
    words = [sys.executable, __file__, "--folder", str(folder), "--step", name]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return Measured(**json.loads(done.stdout))


def measure(folder: Path) -> None:
    """Makes the journal if it is not there, does every step and prints the table."""
    if not (folder / JOURNAL).exists():
        print("makes the journal, which is not measured", file=sys.stderr)
        subprocess.run([sys.executable, __file__, "--folder", str(folder), "--step", "make"], check=True)
    floor, replayed, reported = (apart(name, folder) for name in STEPS)
    print(f"a year of the example plant, {floor.items:,} events")
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}")
    rows = (
        ("read and decode", floor),
        ("replay into components", replayed),
        ("year and months, all stations", reported),
    )
    for name, measured in rows:
        print(f"  {name:32}{measured.wall_s:8.2f} s {measured.peak_mb:8.1f} MB")
    print(f"  replay, ratio to the floor: {replayed.wall_s / floor.wall_s:.1f}")
    limits = (
        ("replay below 60 s", replayed.wall_s < REPLAY_S),
        ("replay below 300 MB", replayed.peak_mb < REPLAY_MB),
        (f"{reported.items} figures below 1 s", reported.wall_s < REPORT_S),
    )
    for name, is_met in limits:
        print(f"  {name:32}{'met' if is_met else 'missed'}")


def main() -> None:
    """Measures all steps, or does the one that a process of its own was started for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="keeps the journal for the next time (a temporary folder)")
    parser.add_argument("--step", choices=["make", *STEPS], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step == "make":
        make(options.folder)
    elif options.step:
        step(options.step, options.folder)
    elif options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
        measure(options.folder)
    else:
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name))


if __name__ == "__main__":
    main()
