"""The example station of each vendor profile, collected from a server of that shape into events."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from modbus_servers import SerialDevice
from patience import patiently
from profile_examples import example

from adapters import registry
from adapters.clock import SystemClock
from adapters.settings import Controller, OpcUaController, OpcUaSecurity, OpcUaTag
from mes.config.build import PlantConfig
from mes.config.load import check
from mes.journal import Journal
from mes.model import CountKind, Event, FaultRaised, StateChanged, UnitsCounted
from mes.pipeline import Pipeline
from simulators.modbus_server import ModbusServer
from simulators.opcua_server import Node, NodeType, OpcUaServer

pytestmark = pytest.mark.timeout(90)

HERE = Path(__file__).parent
OPEN = OpcUaSecurity.model_validate({"policy": "None", "insecure": True})
FIRST: dict[str, tuple[NodeType, object]] = {
    "heartbeat": ("uint16", 1),
    "state": ("int16", 4),
    "good_count": ("uint32", 100),
    "rework_count": ("uint32", 3),
    "reject_count": ("uint32", 2),
    "fault_code": ("uint16", 0),
    "unit_id": ("string", "LJ12EKR21T1823640"),
    "product": ("string", "A"),
}


@dataclass
class Collected:
    """The journal of a plant that is being collected."""

    journal: Journal
    adapters: list["asyncio.Task[None]"] = field(default_factory=list)

    async def events(self) -> list[Event]:
        return [journaled.event for journaled in await self.journal.read(0, 10_000)]

    async def until(self, happened: Callable[[list[Event]], bool]) -> list[Event]:
        async with patiently(30):
            while not happened(events := await self.events()):
                for adapter in self.adapters:
                    if adapter.done():
                        adapter.result()
                await asyncio.sleep(0.05)
        return events


@asynccontextmanager
async def collected(config: PlantConfig, folder: Path) -> AsyncIterator[Collected]:
    async with Journal.open(folder / "journal.sqlite") as journal:
        pipeline = Pipeline(config.setups, journal, SystemClock(), controllers=config.station_controllers)
        await pipeline.recover()
        work = Collected(journal)
        for name, settings in config.controllers.items():
            make = registry.maker(name, settings, config.tags[name], clock=SystemClock(), secret=str)
            work.adapters.append(asyncio.create_task(make().run(pipeline.accept)))
        try:
            yield work
        finally:
            for adapter in work.adapters:
                adapter.cancel()
            await asyncio.gather(*work.adapters, return_exceptions=True)


def behind(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, moved: Callable[[Controller], dict[str, object]]
) -> PlantConfig:
    """The example of a profile, its controllers moved to the servers of a test."""
    file = example(name, folder)
    monkeypatch.chdir(folder)
    loaded = check(file).loaded
    assert loaded is not None
    controllers = {
        controller: settings.model_copy(update=moved(settings))
        for controller, settings in loaded.config.controllers.items()
    }
    return replace(loaded.config, controllers=controllers)


def opc_ua_at(url: str) -> Callable[[Controller], dict[str, object]]:
    return lambda _: {
        "url": (url,), "security": OPEN, "user": None, "password_credential": None, "heartbeat": None,
        "publish_interval_ms": 50, "sampling_interval_ms": 50,
    }  # fmt: skip


def states(events: list[Event]) -> list[str]:
    return [str(event.state) for event in events if isinstance(event, StateChanged)]


def counted(events: list[Event], kind: CountKind = CountKind.GOOD) -> int:
    return sum(event.delta for event in events if isinstance(event, UnitsCounted) and event.kind is kind)


@pytest.mark.parametrize("name", ["s7-1500", "kepserverex", "beckhoff-twincat", "codesys", "rockwell-kepware"])
async def test_tags_with_text_ids_are_collected(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The maker's namespace and ids give states, units over the end of the counter, the product and faults."""
    config = behind(name, tmp_path, monkeypatch, lambda _: {})
    [tags] = config.tags.values()
    ids = {tag_id.rpartition(":")[2]: str(tag.node) for tag_id, tag in tags.items() if isinstance(tag, OpcUaTag)}
    names = {signal: node.partition(";s=")[2] for signal, node in ids.items()}
    signed = name == "rockwell-kepware"
    last, first = (2**31 - 1, -(2**31)) if signed else (2**32 - 1, 0)
    shown = FIRST | {"good_count": ("int32" if signed else "uint32", last)}
    server = OpcUaServer(
        namespace=ids["state"].removeprefix("nsu=").partition(";s=")[0],
        nodes=[Node(names[signal], *shown[signal]) for signal in ids],
    )
    await server.start()
    controllers = {
        controller: settings.model_copy(update=opc_ua_at(server.url)(settings))
        for controller, settings in config.controllers.items()
    }
    try:
        async with collected(replace(config, controllers=controllers), tmp_path) as work:
            await work.until(lambda events: states(events) == ["starved"])
            now = SystemClock().now
            await server.write(names["state"], 6, source_time=now())
            await server.write(names["fault_code"], 7, source_time=now())
            await server.write(names["good_count"], first, source_time=now())
            events = await work.until(
                lambda events: (
                    counted(events) == 1
                    and states(events)[-1] == "producing"
                    and any(isinstance(event, FaultRaised) for event in events)
                )
            )
    finally:
        await server.stop()
    assert [event.product for event in events if isinstance(event, UnitsCounted) and event.delta] == ["A"]


@asynccontextmanager
async def companion_server() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "companion_server.py"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield f"opc.tcp://127.0.0.1:{int(await process.stdout.readline())}/"
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("opcua-machinery", CountKind.GOOD, {"down", "idle", "producing"}),
        ("opcua-packml", CountKind.TOTAL, {"down", "idle", "producing", "starved", "blocked"}),
    ],
)
async def test_machines_of_companion_specifications_are_collected(
    name: str, kind: CountKind, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes are found by the names of the specification; inner machines without a state leave the outer's."""
    async with companion_server() as url:
        config = behind(name, tmp_path, monkeypatch, opc_ua_at(url))
        async with collected(config, tmp_path) as work:
            events = await work.until(lambda events: set(states(events)) >= expected and counted(events, kind) >= 3)
    assert "no_data" not in states(events)


async def test_the_generic_table_is_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device with the registers of the table gives states, units, the unit's id and faults."""
    device = ModbusServer(declared=((0, 1), (32, 32)))
    device.write(32, [4, 0, 65535])
    device.write(40, [1])
    await device.start()
    where = {"host": "127.0.0.1", "port": device.port, "poll_interval_ms": 20, "heartbeat": None}
    try:
        async with collected(behind("generic-modbus", tmp_path, monkeypatch, lambda _: where), tmp_path) as work:
            await work.until(lambda events: states(events) == ["starved"])
            device.write(32, [6, 1, 0])
            device.write(39, [7])
            events = await work.until(lambda events: counted(events) == 1 and states(events)[-1] == "producing")
            await work.until(lambda events: any(isinstance(event, FaultRaised) for event in events))
    finally:
        await device.stop()
    assert [event.product for event in events if isinstance(event, UnitsCounted) and event.delta] == ["A"]


async def test_a_weld_timer_is_collected_beside_its_plc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer on its serial line shows the state, the PLC on the network counts."""
    plc = ModbusServer(declared=((0, 4),))
    await plc.start()
    timer = SerialDevice(ModbusServer(declared=((4096, 1), (8194, 1), (8197, 1)), unit=3, framing="rtu"))
    await timer.start()
    timer.write(8194, [1 << 4])

    def moved(settings: Controller) -> dict[str, object]:
        assert not isinstance(settings, OpcUaController)
        if settings.kind == "modbus-rtu":
            return {"device": timer.path, "parity": "N", "poll_interval_ms": 20, "heartbeat": None}
        return {"host": "127.0.0.1", "port": plc.port, "poll_interval_ms": 20, "heartbeat": None}

    try:
        async with collected(behind("weld-timer", tmp_path, monkeypatch, moved), tmp_path) as work:
            await work.until(lambda events: states(events) == ["idle"])
            plc.write(1, [0, 0])
            timer.write(8194, [1 << 4 | 1 << 12])
            await work.until(lambda events: states(events) == ["idle", "producing"])
            plc.write(1, [0, 1])
            await work.until(lambda events: counted(events) == 1)
            timer.write(8194, [0])
            await work.until(lambda events: states(events) == ["idle", "producing", "down"])
    finally:
        await timer.stop()
        timer.unplug()
        await plc.stop()
