"""A plant of 500 stations with 20,000 tags on 25 controllers in real time: what is lost, how late, at what cost."""

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import structlog
from asyncua.client.client import Client
from common import HERE, Figure, Stopwatch, show
from ruamel.yaml import YAML
from source_load import BLOCK, PROCESS, SIGNALS, STATIONS

from adapters.clock import SystemClock
from mes.config.build import PlantConfig
from mes.config.load import load
from mes.daemon import collector
from mes.journal import Entry, Journal, JournalReader
from mes.model import CountKind, StateChanged, StationId, UnitsCounted
from mes.supervisor import run_forever

OPCUA_PROCESSES, OPCUA_EACH, MODBUS = 2, 10, 5
CONTROLLERS = OPCUA_PROCESSES * OPCUA_EACH + MODBUS
DRAIN_S, FLOOR_S = 5.0, 10.0
Truth = dict[str, Any]  # the line of JSON that a source tells


@dataclass(frozen=True, slots=True)
class Source:
    """A process with controllers."""

    kind: str
    process: subprocess.Popen[str]
    ports: tuple[int, ...]

    def say(self, word: str) -> None:
        """`go` or `stop`."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def truth(self) -> Truth:
        """What it did from `go` to `stop`."""
        assert self.process.stdout is not None
        told: Truth = json.loads(self.process.stdout.readline())
        return told


@contextmanager
def source(kind: str, controllers: int, changes_per_s: float) -> Iterator[Source]:
    """A source process for the time of the block."""
    words = [sys.executable, str(HERE / "source_load.py"), kind, str(controllers), str(changes_per_s)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Source(kind, process, tuple(json.loads(process.stdout.readline())))
        finally:
            process.kill()


class TimedJournal(Journal):
    """The journal, with the real seconds from each append to its answer."""

    took_s: ClassVar[list[float]] = []

    def append(self, entry: Entry) -> asyncio.Future[int]:
        """As the journal does it."""
        began = time.perf_counter()
        future = super().append(entry)
        future.add_done_callback(lambda _: self.took_s.append(time.perf_counter() - began))
        return future


def _signals(kind: str) -> dict[str, object]:
    """The signals of a station, as a template of the plant's file has them."""
    count = {"modulus": 2**32, "max_per_hour": 1000}

    def at(name: str, place: int, **modbus: object) -> dict[str, object]:
        if kind == "opcua":
            return {"node": f"nsu=urn:load;s={{code}}.{name}"}
        return {"address": f"{{base+{place}}}", **modbus}

    def place(name: str, **modbus: object) -> dict[str, object]:
        return at(name, SIGNALS[name], **modbus)

    process = {
        f"p{number}": at(f"p{number}", 20 + 2 * number, type="float32") | {"unit_symbol": "A"}
        for number in range(PROCESS)
    }
    return {
        "state": place("state", type="uint16") | {"map": "load"},
        "good_count": place("good", type="uint32") | count,
        "reject_count": place("reject", type="uint32") | count,
        "fault_code": place("fault", type="uint16"),
        "product": place("product", type="uint16"),
        "unit_id": place("unit", type="string", length=17),
        "process": process,
    }


def plant(sources: list[Source], folder: Path) -> PlantConfig:
    """The plant's file, written and loaded."""
    controllers: dict[str, object] = {}
    lines: dict[str, object] = {}
    for simulator in sources:
        for port in simulator.ports:
            name = f"c{len(controllers)}"
            if simulator.kind == "opcua":
                security = {"policy": "None", "insecure": True}
                controllers[name] = {"kind": "opcua", "url": f"opc.tcp://127.0.0.1:{port}", "security": security}
            else:
                controllers[name] = {"kind": "modbus-tcp", "host": "127.0.0.1", "port": port}
            lines[name] = {
                "stations": {
                    f"s{station}": {
                        "template": simulator.kind,
                        "controller": name,
                        "with": {"code": f"s{station}"} if simulator.kind == "opcua" else {"base": BLOCK * station},
                    }
                    for station in range(STATIONS)
                }
            }
    shift = {"name": "all", "start": "00:00", "end": "00:00", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
    file = folder / "plant.yaml"
    content = {
        "site": {"name": "load", "time_zone": "UTC", "calendar": {"shifts": [shift]}},
        "products": {"S3": {"name": "S3", "assembly_method": "CKD", "raw": [3]}},
        "state_maps": {"load": {"numbers": {0: "idle", 1: "producing", 2: "starved"}}},
        "controllers": controllers,
        "templates": {
            kind: {"ideal_cycle_s": {"S3": 25}, "minor_stop_s": 10, "signals": _signals(kind)}
            for kind in ("opcua", "modbus")
        },
        "areas": {"a": {"lines": lines}},
        "journal": {"path": str(folder / "journal.sqlite")},
        "web": None,
    }
    YAML(typ="safe").dump(content, file)
    return load(file).config


def resident_mb() -> tuple[float, float]:
    """Now, and at most so far."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(told["VmRSS"].split()[0]) / 1024, int(told["VmHWM"].split()[0]) / 1024


async def collect(config: PlantConfig, sources: list[Source], length_s: float) -> tuple[Figure, list[Truth]]:
    """Collects as `mes run` does, without board and database, while the sources change and until they are quiet."""
    async with collector(config, SystemClock(), open_journal=TimedJournal.open) as running:
        monitor = running.monitor
        works = [
            run_forever("maintenance", monitor.maintenance.run),
            run_forever("count_audit", monitor.count_audit.follow),
            run_forever("monitor", monitor.follow),
        ]
        tasks = [asyncio.create_task(work) for work in works]
        async with asyncio.timeout(120):
            while any(running.pipeline.last_observed(controller) is None for controller in config.controllers):
                await asyncio.sleep(0.1)
        await asyncio.sleep(DRAIN_S)
        TimedJournal.took_s.clear()
        watch = Stopwatch()
        for simulator in sources:
            simulator.say("go")
        await asyncio.sleep(length_s)
        for simulator in sources:
            simulator.say("stop")
        truths = [await asyncio.to_thread(simulator.truth) for simulator in sources]
        figure = watch.stop("taktline, committed to the journal", sum(truth["changes"] for truth in truths))
        await asyncio.sleep(DRAIN_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return figure, truths


def compare(config: PlantConfig, truths: list[Truth]) -> None:
    """Holds the journal against what the sources say that they did."""
    stations = [expected for truth in truths for expected in truth["stations"]]
    wrong_counts = wrong_states = twice = values = units = 0
    lost = {"opcua": 0, "modbus": 0}
    with JournalReader(config.journal_path) as reader:
        for number, (good, reject, states, process) in enumerate(stations):
            station = StationId(f"load/a/c{number // STATIONS}/s{number % STATIONS}")
            events = [event.event for event in reader.events(station)]
            for kind, true in ((CountKind.GOOD, good), (CountKind.SCRAP, reject)):
                counted = sum(event.delta for event in events if isinstance(event, UnitsCounted) and event.kind is kind)
                wrong_counts += counted != true
                units += counted
            wrong_states += sum(isinstance(event, StateChanged) for event in events) != states + 1
            now = datetime.now(UTC)
            seen: dict[str, list[int]] = {}
            for value in reader.process_values(station, now - timedelta(hours=1), now):
                seen.setdefault(value.name, []).append(int(value.value))
            for place, last in enumerate(process):
                kept = seen.get(f"p{place}", [])
                lost["opcua" if number // STATIONS < OPCUA_PROCESSES * OPCUA_EACH else "modbus"] += len(
                    set(range(last + 1)) - set(kept)
                )
                twice += len(kept) - len(set(kept))
                values += len(kept)
    print(f"  compared: {units:,} units of {2 * len(stations)} totalisers, {values:,} process values")
    print(f"  totalisers that differ: {wrong_counts}; stations whose state changes differ: {wrong_states}")
    print(f"  process values lost: OPC UA {lost['opcua']}, Modbus {lost['modbus']}; stored twice: {twice}")


class Nothing:
    """A handler that counts."""

    seen = 0

    def datachange_notification(self, node: object, val: object, data: object) -> None:
        """One change."""
        self.seen += 1


async def floor(ports: list[int]) -> None:
    """Asyncua alone: the same items of the OPC UA controllers, and nothing done with them."""
    logging.disable(logging.CRITICAL)
    handler = Nothing()
    for port in ports:
        client = Client(f"opc.tcp://127.0.0.1:{port}", timeout=10)
        await client.connect()
        index = await client.get_namespace_index("urn:load")
        names = [*SIGNALS, *(f"p{number}" for number in range(PROCESS))]
        nodes = [client.get_node(f"ns={index};s=s{station}.{name}") for station in range(STATIONS) for name in names]
        subscription = await client.create_subscription(500, handler)
        await subscription.subscribe_data_change(nodes, queuesize=50)
    await asyncio.sleep(2)
    watch, before = Stopwatch(), handler.seen
    await asyncio.sleep(FLOOR_S)
    figure = watch.stop("", handler.seen - before)
    print(json.dumps([figure.items, figure.wall_s, figure.cpu_s]), flush=True)
    os._exit(0)  # the sources are about to be killed: no goodbye


def measured_floor(sources: list[Source]) -> Figure:
    """The floor in a process of its own, while the sources change again."""
    ports = [str(port) for simulator in sources if simulator.kind == "opcua" for port in simulator.ports]
    for simulator in sources:
        simulator.say("go")
    told = subprocess.run(
        [sys.executable, __file__, "--floor", *ports], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    items, wall_s, cpu_s = json.loads(told)
    return Figure("asyncua, a handler that does nothing", items, wall_s, cpu_s)


def report(config: PlantConfig, figure: Figure, truths: list[Truth], *, now_mb: float, most_mb: float) -> None:
    """Prints what was seen."""
    took = sorted(TimedJournal.took_s)
    p50, p99 = (took[len(took) * part // 100] * 1000 for part in (50, 99))
    print(
        f"  {len(took):,} appends, to the commit: median {p50:.1f} ms, p99 {p99:.1f} ms, most {took[-1] * 1000:.0f} ms"
    )
    print(f"  memory of the collector: {now_mb:.0f} MB at the end, {most_mb:.0f} MB at most")
    for truth in truths:
        rate, share = truth["changes"] / truth["seconds"], truth["cpu_s"] / truth["seconds"]
        told = f"{len(truth['stations']) // STATIONS} controllers, {rate:,.0f} changes/s, {share:.1%} of a core"
        print(f"  a source: {told}, {truth['resident_mb']:.0f} MB, at most {truth['late_s'] * 1000:.0f} ms late")
    compare(config, truths)
    for text, met in (("commit p99 below 250 ms", p99 < 250), ("memory below 400 MB", most_mb < 400)):
        print(f"  {text:24}{'met' if met else 'NOT MET'}")


def main() -> None:
    """Measures the product, compares with the truth, then the floor on the same sources."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="real seconds of change (60)")
    parser.add_argument("--changes", type=float, default=1700.0, help="process values that change a second (1700)")
    parser.add_argument("--floor", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        asyncio.run(floor(options.floor))
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    share = options.changes / CONTROLLERS
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sources = [stack.enter_context(source("opcua", OPCUA_EACH, share * OPCUA_EACH)) for _ in range(OPCUA_PROCESSES)]
        sources.append(stack.enter_context(source("modbus", MODBUS, share * MODBUS)))
        config = plant(sources, Path(folder))
        tags = sum(len(tag) for tag in config.tags.values())
        print(f"  {len(config.setups)} stations, {tags:,} tags, {len(config.controllers)} controllers")
        figure, truths = asyncio.run(collect(config, sources, options.seconds))
        now_mb, most_mb = resident_mb()
        lowest = measured_floor(sources)
        report(config, figure, truths, now_mb=now_mb, most_mb=most_mb)
        show(f"{options.changes:,.0f} process values a second and a unit every 30 s", "changes", lowest, figure)


if __name__ == "__main__":
    main()
