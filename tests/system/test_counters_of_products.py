"""Two counters of one kind at a station, one for each product: from real sockets through the daemon to the reports."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from patience import eventually, patiently

from adapters.clock import SystemClock
from mes.calendar import Window, WindowKind
from mes.commands.reconcile import reconcile_command
from mes.config.build import PlantConfig
from mes.config.load import load
from mes.daemon import Collector, collector
from mes.health.controllers import ConnectionState
from mes.intervals import Interval
from mes.model import StationId, UnitsCounted
from mes.results.explain import explain
from mes.results.plant import PlantResults
from mes.supervisor import Backoff
from simulators.modbus_server import ModbusServer
from simulators.opcua_server import Node, OpcUaServer

PLANT = """
site:
  name: acme
  time_zone: UTC
  calendar: {{shifts: [{{name: all, days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", end: "00:00"}}]}}
products:
  S2: {{name: JAC S2, assembly_method: DKD, raw: [2]}}
  S3: {{name: JAC S3, assembly_method: CKD, raw: [3]}}
state_maps: {{small: {{numbers: {{0: idle, 1: producing}}}}}}
controllers:
  plc:
{controller}
areas:
  a: {{lines: {{l: {{stations: {{st: {{
    controller: plc, ideal_cycle_s: {{S2: 1, S3: 2}},
    signals: {{
      state: {{{state}, map: small}},
      good_count: {{max_per_hour: 360000, reset: never, {of_all}by_product: {{S2: {{{s2}}}, S3: {{{s3}}}}}}}}}}}}}}}}}}}
journal: {{path: {journal}}}
web: null
"""
STATION = StationId("acme/a/l/st")
FIRST = {"S2": 65533, "S3": 100}
BACKOFF = Backoff(first_s=0.05, cap_s=0.2)

pytestmark = pytest.mark.timeout(120)


@dataclass
class Controller:
    """A controller on a real socket: how its plant's file reads it, and how its values change."""

    text: dict[str, str]
    show: Callable[[str, int], Awaitable[None]]
    power_off: Callable[[], Awaitable[None]]
    power_on: Callable[[], Awaitable[None]]


Protocol = Callable[[], AbstractAsyncContextManager[Controller]]


@asynccontextmanager
async def modbus() -> AsyncIterator[Controller]:
    """Totalisers in registers 10 and 12, the state in 1."""
    server = ModbusServer(declared=[(0, 20)])
    addresses = {"state": 1, "S2": 10, "S3": 12}

    async def show(name: str, value: int) -> None:
        server.write(addresses[name], [value])

    await server.start()
    text = {
        "controller": f"    {{kind: modbus-tcp, host: 127.0.0.1, port: {server.port}, poll_interval_ms: 20}}",
        "state": "address: 1, type: uint16",
        "of_all": "type: uint16, ",
        "s2": "address: 10",
        "s3": "address: 12",
    }
    try:
        yield Controller(text, show, server.stop, server.start)
    finally:
        await server.stop()


@asynccontextmanager
async def opc_ua() -> AsyncIterator[Controller]:
    """Variables S2, S3 and state of an OPC UA server."""
    nodes = [Node("state", "uint16", 0), *(Node(name, "uint16", raw) for name, raw in FIRST.items())]
    server = OpcUaServer(namespace="urn:plc", nodes=nodes)

    async def show(name: str, value: int) -> None:
        await server.write(name, value, source_time=datetime.now(UTC))

    await server.start()
    text = {
        "controller": f'    {{kind: opcua, url: "{server.url}", publish_interval_ms: 50, sampling_interval_ms: 10, '
        "security: {policy: None, insecure: true}}",
        "state": 'node: "nsu=urn:plc;s=state"',
        "of_all": "modulus: 65536, ",
        "s2": 'node: "nsu=urn:plc;s=S2"',
        "s3": 'node: "nsu=urn:plc;s=S3"',
    }
    try:
        yield Controller(text, show, server.power_off, server.power_on)
    finally:
        await server.stop()


async def counted(running: Collector) -> Counter[str]:
    """Units by product, as the journal has them."""
    events = [journaled.event for journaled in await running.journal.read(0, 10_000)]
    found: Counter[str] = Counter()
    for event in events:
        if isinstance(event, UnitsCounted):
            assert event.product == event.totaliser_product
            found[str(event.product)] += event.delta
    return found


async def connected(running: Collector) -> None:
    """Waits until the controller gives readings."""

    def is_connected() -> bool:
        return [one.state for one in running.monitor.status().controllers] == [ConnectionState.RUNNING]

    await eventually(is_connected, within_s=20)


def reported(config: PlantConfig) -> tuple[int, timedelta | None, dict[str, int]]:
    """Good units, their ideal time, and how many there are of each product, in the reports."""
    now = datetime.now(UTC)
    window = Window(
        WindowKind.HOUR, "all", now.date(), Interval(now - timedelta(minutes=30), now + timedelta(minutes=1))
    )
    with PlantResults(config, config.journal_path, now=now) as query:
        found = explain(query, STATION, window)
        kpi = query.live_kpi(STATION, window.interval)
    return kpi.good, kpi.sum_pri_good, {str(ideal.product): ideal.units for ideal in found.ideal}


@pytest.mark.parametrize("protocol", [modbus, opc_ua])
async def test_each_product_is_counted_by_its_own_counter(protocol: Protocol, tmp_path: Path) -> None:
    """Through turns, a cut and a restart each product has its units in the reports, and good is their sum."""
    file, raw, made = tmp_path / "plant.yaml", dict(FIRST), Counter[str]()
    async with protocol() as plc:
        file.write_text(PLANT.format(**plc.text, journal=tmp_path / "journal.sqlite"), encoding="utf-8")
        config = load(file).config

        async def make(product: str, units: int) -> None:
            made[product] += units
            raw[product] = (raw[product] + units) % 65536
            await plc.show(product, raw[product])

        async def all_counted(running: Collector) -> None:
            async def is_so() -> bool:
                return await counted(running) == made

            await eventually(is_so, within_s=20, every_s=0.05)

        for name, value in {"state": 1, **raw}.items():
            await plc.show(name, value)
        async with patiently(60), collector(config, SystemClock(), backoff=BACKOFF) as running:
            await connected(running)
            await until_baseline(running)
            for product, units in (("S2", 1), ("S3", 1), ("S2", 2), ("S3", 3), ("S2", 1)):
                await make(product, units)
                await all_counted(running)
            await plc.power_off()
            await make("S3", 4)
            await plc.power_on()
            await all_counted(running)
        await make("S2", 5)  # nobody looks
        await make("S3", 1)
        async with patiently(60), collector(config, SystemClock(), backoff=BACKOFF) as running:
            await all_counted(running)
            await running.monitor.count_audit.catch_up()
            lines = running.monitor.count_audit.lines()
            assert [(line.totaliser, line.counted, line.difference, line.rollovers) for line in lines] == [
                ("good:S2", made["S2"], 0, 1),
                ("good:S3", made["S3"], 0, 0),
            ]

    good, ideal_time, products = reported(config)
    assert (good, products) == (made.total(), dict(made))
    assert ideal_time == timedelta(seconds=made["S2"] + 2 * made["S3"])
    told = CliRunner().invoke(reconcile_command, ["--config", str(file)])
    assert told.output == "Every count is decided.\n"


async def until_baseline(running: Collector) -> None:
    """Waits until both totalisers were read once."""

    async def is_so() -> bool:
        events = [journaled.event for journaled in await running.journal.read(0, 100)]
        return {event.product for event in events if isinstance(event, UnitsCounted)} == {"S2", "S3"}

    await eventually(is_so, within_s=20, every_s=0.05)
