"""From the start of `mes run` to its first reading, with a million events waiting for InfluxDB; the floor: with none.

The program was killed before: its file is checked, and what waits is read by the sink, which cannot be reached.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mes.config.load import default_config
from mes.journal.codec import encode_event
from mes.journal.store import Rows, Store
from mes.model import CountFlag, CountKind, ProductId, StationId, TimeSource, UnitsCounted

MES = str(Path(sys.executable).with_name("mes"))
START = datetime(2025, 3, 3, 3, 0, tzinfo=UTC)
NOWHERE = "\ninflux:\n  url: http://127.0.0.1:9\n  database: plant\n"
ROUNDS = 5


def event(number: int) -> UnitsCounted:
    """A counted unit of one of 15 stations, long ago."""
    at = START + timedelta(seconds=3 * number)
    return UnitsCounted(
        station=StationId(f"kostanay/weld/weld-1/s{number % 15}"),
        time=at,
        received_time=at,
        time_source=TimeSource.EDGE,
        kind=CountKind.GOOD,
        delta=1,
        raw=number,
        previous_raw=number - 1,
        product=ProductId("S3"),
        flag=CountFlag.NORMAL,
    )


def fill(path: Path, events: int) -> None:
    """A journal with that many events."""
    with Store(path) as store:
        for first in range(0, events, 5000):
            store.write([Rows(events=[encode_event(event(n)) for n in range(first, min(first + 5000, events))])])


def first_reading_s(config: Path) -> float:
    """Real seconds from the start of the process to the first controller's baseline in the journal; then kills it."""
    began = time.monotonic()
    with subprocess.Popen([MES, "run", "--config", str(config)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if json.loads(line).get("event") == "controller_connected":
                took_s = time.monotonic() - began
                process.kill()
                return took_s
    raise SystemExit("the collector ended before it read anything")


def main(events: int) -> None:
    """Floor first, then the product; the best of some rounds each, for the machine is noisy."""
    with (
        tempfile.TemporaryDirectory(prefix="taktline-") as folder,
        subprocess.Popen([MES, "simulate"], stdout=subprocess.PIPE, text=True) as plant,
    ):
        assert plant.stdout is not None
        plant.stdout.readline()
        configs = []
        for name, held in (("empty", 0), ("full", events)):
            journal = Path(folder) / f"{name}.sqlite"
            fill(journal, held)
            config = Path(folder) / f"{name}.yaml"
            text = default_config().read_text().replace("var/taktline/journal.sqlite", str(journal))
            config.write_text(text + NOWHERE)
            configs.append(config)
        floor_s, full_s = (min(first_reading_s(path) for _ in range(ROUNDS)) for path in configs)
        plant.kill()
    print(f"floor, an empty journal:        {floor_s:6.2f} s")
    print(f"{events:,} events waiting:     {full_s:6.2f} s   {full_s / floor_s:.2f} x the floor")
    print(f"below 2 s                       {'met' if full_s < 2 else 'NOT MET'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="how many wait (1000000)")
    main(parser.parse_args().events)
