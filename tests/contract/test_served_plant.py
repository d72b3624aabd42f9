"""The plant behind its controllers, looked at with plain clients that know nothing of our adapters."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua
from asyncua.client.client import Client
from patience import eventually, promised_s
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from adapters.clock import ManualClock, ScaledClock
from simulators import mapping
from simulators.faults import CONTROLLERS, FaultName, parse_fault
from simulators.line import SimState, StationSpec
from simulators.plant import Plant
from simulators.served import ServedPlant

pytestmark = pytest.mark.timeout(40)

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)  # Monday 08:00 in Kostanay
URIS = {"weld-plc": "urn:kostanay:weld", "final-plc": "urn:kostanay:final"}
STEP = timedelta(seconds=20)


class Bench:
    """A served plant whose time goes on only when it is told to."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.plant = Plant(seed=7, start=START)
        self.served = ServedPlant(self.plant, self.clock)

    async def go(self, length: timedelta) -> None:
        """Time passes, in steps as `run` would make them; the others get their turn in between."""
        end = self.clock.now() + length
        while self.clock.now() < end:
            self.clock.advance(min(STEP, end - self.clock.now()))
            await self.served.follow()
            await asyncio.sleep(0)

    def specs(self, controller: str) -> list[StationSpec]:
        """The controller's stations."""
        return [spec for spec in self.plant.stations if spec.controller == controller]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A served plant at 08:00."""
    bench = Bench()
    await bench.served.start()
    yield bench
    await bench.served.stop()
    for port in bench.served.ports.values():
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


class Opc:
    """A client of one OPC UA controller."""

    def __init__(self, client: Client, index: int) -> None:
        self.client = client
        self.index = index

    async def data(self, name: str) -> ua.DataValue:
        """A variable with status and times, whatever its status."""
        node = self.client.get_node(ua.NodeId(ua.String(name), ua.Int16(self.index)))
        found = await node.read_data_value(raise_on_bad_status=False)
        assert isinstance(found, ua.DataValue)
        return found

    async def value(self, name: str) -> object:
        """A variable's value."""
        data = await self.data(name)
        assert data.Value is not None
        return data.Value.Value


@asynccontextmanager
async def opc(bench: Bench, controller: str) -> AsyncIterator[Opc]:
    """Connects over the link, at the index that the namespace has now."""
    async with Client(f"opc.tcp://127.0.0.1:{bench.served.ports[controller]}/", timeout=5) as client:
        yield Opc(client, await client.get_namespace_index(URIS[controller]))


@asynccontextmanager
async def modbus(bench: Bench) -> AsyncIterator[AsyncModbusTcpClient]:
    """Connects to the paint controller over the link."""
    client = AsyncModbusTcpClient("127.0.0.1", port=bench.served.ports["paint-plc"], retries=0, reconnect_delay=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def words(client: AsyncModbusTcpClient, address: int, count: int = 1) -> list[int]:
    """Holding registers."""
    answer = await client.read_holding_registers(address, count=count, device_id=1)
    assert not answer.isError(), answer
    return list(answer.registers)


def text(registers: list[int]) -> str:
    """ASCII out of registers."""
    return struct.pack(f">{len(registers)}H", *registers).rstrip(b"\0").decode()


def log_of(bench: Bench, spec: StationSpec, *, milliseconds: bool) -> list[str]:
    """The ring that the truth implies."""
    ring = [""] * 16
    for unit in bench.plant.truth.units(spec.path):
        ring[unit.sequence % 16] = mapping.log_entry(unit, milliseconds=milliseconds)
    return ring


@pytest.mark.parametrize("controller", list(URIS))
async def test_opc_ua_shows_the_truth(bench: Bench, controller: str) -> None:
    """After three hours totalisers, states with their source times, unit logs and body ids are those of the truth."""
    state_node, numbers = {
        "weld-plc": ("StateCurrent", {6: "producing", 4: "starved", 17: "blocked", 9: "down", 11: "down", 2: "idle"}),
        "final-plc": ("Status", {1: "producing", 2: "starved", 3: "blocked", 4: "down", 5: "setup", 0: "idle"}),
    }[controller]
    specs = bench.specs(controller)
    async with opc(bench, controller) as plc:
        first = {spec.code: await plc.value(f"{spec.code}.GoodCount") for spec in specs}
        await bench.go(timedelta(hours=3))

        for spec in specs:
            counts = bench.plant.truth.counts(spec.path, START, bench.plant.now)
            now_good, then_good = await plc.value(f"{spec.code}.GoodCount"), first[spec.code]
            assert isinstance(now_good, int)
            assert isinstance(then_good, int)
            assert (now_good - then_good) % 2**32 == counts["good"] > 5
            span = bench.plant.truth.states(spec.path)[-1]
            state = await plc.data(f"{spec.code}.{state_node}")
            assert state.Value is not None
            assert numbers[state.Value.Value] == span.state
            assert state.SourceTimestamp == span.start
            assert await plc.value(f"{spec.code}.UnitLog") == log_of(bench, spec, milliseconds=True)
            shown = bench.plant.working[bench.plant.stations.index(spec)].body
            if span.state is SimState.PRODUCING:
                assert shown is not None
                assert await plc.value(f"{spec.code}.BodyId") == shown.unit


async def test_modbus_shows_the_truth(bench: Bench) -> None:
    """After three hours totalisers, status, log and VIN are those of the truth; other registers refuse."""
    specs = bench.specs("paint-plc")
    async with modbus(bench) as plc:
        first = {spec.code: await words(plc, mapping.base_register(spec.code) + 1, 3) for spec in specs}
        await bench.go(timedelta(hours=3))

        for spec in specs:
            base = mapping.base_register(spec.code)
            status, *totals = await words(plc, base, 4)
            counts = bench.plant.truth.counts(spec.path, START, bench.plant.now)
            moved = [(now - then) % 65_536 for now, then in zip(totals, first[spec.code], strict=True)]
            assert moved == [counts["good"], counts["rework"], counts["scrap"]]
            span = bench.plant.truth.states(spec.path)[-1]
            bit = {"producing": 0, "starved": 1, "blocked": 2, "down": 3, "setup": 4, "idle": 5}[span.state]
            assert status == 1 << bit | 1 << 15
            entries = [text(await words(plc, base + 100 + 20 * slot, 20)) for slot in range(16)]
            assert entries == log_of(bench, spec, milliseconds=False)
            shown = bench.plant.working[bench.plant.stations.index(spec)].body
            if span.state is SimState.PRODUCING:
                assert shown is not None
                assert text(await words(plc, base + 10, 9)) == shown.unit
        refused = await plc.read_holding_registers(1006, count=1, device_id=1)
        assert refused.exception_code == 2


async def test_a_restart_moves_the_namespace_and_keeps_the_values(bench: Bench) -> None:
    """A restarted controller is away, then back at another index with the present totals; the log says when."""
    spec = bench.specs("weld-plc")[0]
    async with opc(bench, "weld-plc") as plc:
        old_index, first = plc.index, await plc.value(f"{spec.code}.GoodCount")
    assert isinstance(first, int)
    await bench.served.switch("controller-restart", "weld-plc", on=True)
    with pytest.raises((ConnectionError, TimeoutError, OSError)):
        async with opc(bench, "weld-plc"):
            pass
    assert bench.served.active_faults() == (("controller-restart", "weld-plc"),)
    await bench.go(timedelta(minutes=40))
    coming = asyncio.create_task(bench.served.switch("controller-restart", "weld-plc", on=False))
    await bench.go(timedelta(minutes=20))  # the plant waits for no server
    await coming

    async with opc(bench, "weld-plc") as plc:
        now = await plc.value(f"{spec.code}.GoodCount")
        written = (await plc.data(f"{spec.code}.GoodCount")).SourceTimestamp
        assert written is not None
        assert written >= bench.plant.truth.units(spec.path)[-1].time
        assert isinstance(now, int)
        assert plc.index != old_index
        assert (now - first) % 2**32 == bench.plant.truth.counts(spec.path, START, bench.plant.now)["good"] > 0
    name, where, start, end = bench.served.fault_log[0]
    assert (name, where, start) == (FaultName.CONTROLLER_RESTART, "weld-plc", START)
    assert timedelta(minutes=40) <= end - start <= timedelta(hours=1)


async def test_a_planned_cut_comes_and_goes(bench: Bench) -> None:
    """A planned fault strikes every controller at its time, is logged for each, and is over when it says so."""
    bench.served.inject(parse_fault("link-cut@5m+10m"))
    async with modbus(bench) as plc:
        await words(plc, 0)
        await bench.go(timedelta(minutes=5))
        await asyncio.sleep(0.05)
        with pytest.raises(ModbusException):
            await words(plc, 0)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", bench.served.ports["weld-plc"])
    assert {where for _, where in bench.served.active_faults()} == set(CONTROLLERS)

    await bench.go(timedelta(minutes=10))
    waiting = asyncio.create_task(bench.served.faults_over())
    while not waiting.done():
        await bench.served.follow()
        await asyncio.sleep(0.01)

    async with modbus(bench) as plc:
        await words(plc, 0)
    minutes = [(where, start - START, end - START) for _, where, start, end in bench.served.fault_log]
    assert sorted(minutes) == [(name, timedelta(minutes=5), timedelta(minutes=15)) for name in sorted(CONTROLLERS)]


async def test_a_stuck_controller_answers_with_the_past_then_jumps(bench: Bench) -> None:
    """Values and heartbeat stand still; at the end the present appears, with the time of the recovery."""
    spec, paint = bench.specs("weld-plc")[0], bench.specs("paint-plc")[0]
    await bench.go(timedelta(minutes=1))
    await bench.served.switch("stuck", None, on=True)
    async with opc(bench, "weld-plc") as plc, modbus(bench) as registers:
        names = ["Heartbeat", f"{spec.code}.GoodCount", f"{spec.code}.UnitLog", f"{spec.code}.StateCurrent"]
        before = [await plc.value(name) for name in names], await words(registers, 0), await words(registers, 1000, 6)
        await bench.go(timedelta(minutes=30))
        await asyncio.sleep(0.3)
        after = [await plc.value(name) for name in names], await words(registers, 0), await words(registers, 1000, 6)
        assert after == before

        recovery = bench.clock.now()
        await bench.served.switch("stuck", None, on=False)
        good = await plc.data(f"{spec.code}.GoodCount")
        assert good.SourceTimestamp == recovery
        assert await plc.value(f"{spec.code}.UnitLog") == log_of(bench, spec, milliseconds=True)
        done = bench.plant.truth.counts(paint.path, START, bench.plant.now)["good"]
        moved = (await words(registers, 1001))[0] - before[2][1]
        assert moved % 65_536 == done > 0
        await asyncio.sleep(0.3)
        assert await words(registers, 0) != before[1]


async def test_a_slow_controller_answers_late(bench: Bench) -> None:
    """Modbus takes 0.2 s for each answer, OPC UA 0.2 s in each direction; afterwards both are quick."""
    loop = asyncio.get_running_loop()

    async with opc(bench, "weld-plc") as plc, modbus(bench) as registers:

        async def seconds() -> tuple[float, float]:
            began_s = loop.time()
            await words(registers, 0)
            between_s = loop.time()
            await plc.value("Heartbeat")
            return between_s - began_s, loop.time() - between_s

        await bench.served.switch("slow", None, on=True)
        slow_s = await seconds()
        await bench.served.switch("slow", None, on=False)
        quick_s = await seconds()

    assert slow_s[0] >= 0.2
    assert slow_s[1] >= 0.4
    assert max(quick_s) < promised_s(0.2)


async def test_a_reset_waits_for_a_quiet_moment_and_spares_the_log(bench: Bench) -> None:
    """Totalisers start again from 0, never within 30 s after a completion; the log's sequence goes on."""
    spec = bench.specs("weld-plc")[0]
    while not bench.plant.truth.units(spec.path):
        bench.clock.advance(timedelta(seconds=1))
        await bench.served.follow()
    completed = bench.plant.truth.units(spec.path)[-1].time
    await bench.served.switch("counter-reset", "weld-plc", on=True)
    await asyncio.sleep(0.6)  # the half second in which a collector may look
    async with opc(bench, "weld-plc") as plc:
        name = f"{spec.code}.GoodCount"
        while await plc.value(name):
            assert bench.served.active_faults() == (("counter-reset", "weld-plc"),)
            bench.clock.advance(timedelta(seconds=1))
            await bench.served.follow()
        assert bench.clock.now() - completed > timedelta(seconds=30)
        at = bench.clock.now()
        assert (await plc.data(name)).SourceTimestamp == at

        await bench.go(timedelta(minutes=40))
        since = bench.plant.truth.counts(spec.path, at, bench.plant.now)["good"]
        assert await plc.value(name) == since > 0
        assert await plc.value(f"{spec.code}.UnitLog") == log_of(bench, spec, milliseconds=True)
    assert [(name, where) for name, where, _, _ in bench.served.fault_log] == [("counter-reset", "weld-plc")]


async def test_bad_quality_hides_values_and_not_the_plant(bench: Bench) -> None:
    """OPC UA stations have a bad status and a good heartbeat, Modbus refuses with 4; afterwards the present is good."""
    spec = bench.specs("final-plc")[0]
    await bench.served.switch("bad-quality", None, on=True)
    async with opc(bench, "final-plc") as plc, modbus(bench) as registers:
        await bench.go(timedelta(minutes=30))
        for node in ("Status", "GoodCount", "UnitLog", "BodyId"):
            status = (await plc.data(f"{spec.code}.{node}")).StatusCode
            assert status is not None
            assert status.is_bad()
        heartbeat = (await plc.data("Heartbeat")).StatusCode
        assert heartbeat is not None
        assert heartbeat.is_good()
        refused = await registers.read_holding_registers(1000, count=1, device_id=1)
        assert refused.exception_code == 4

        await bench.served.switch("bad-quality", None, on=False)
        good = await plc.data(f"{spec.code}.GoodCount")
        assert good.StatusCode is not None
        assert good.StatusCode.is_good()
        assert good.SourceTimestamp == bench.clock.now()
        assert await plc.value(f"{spec.code}.UnitLog") == log_of(bench, spec, milliseconds=True)
        assert len(await words(registers, 1000)) == 1


async def test_it_runs_by_itself_and_stands_still_when_frozen() -> None:
    """With a fast clock `run` keeps up; frozen, the plant stands still, what was planned is dropped, hearts beat on."""
    fast = ScaledClock(START, speed=3600)
    plant = Plant(seed=7, start=START)
    served = ServedPlant(plant, fast)
    served.inject(parse_fault("slow@720h"))
    await served.start()
    running = asyncio.create_task(served.run())
    await eventually(lambda: plant.now >= START + timedelta(minutes=30))
    served.freeze()
    stood = plant.now
    await served.faults_over()
    memory = served.controllers["paint-plc"]
    reader = AsyncModbusTcpClient("127.0.0.1", port=memory.link.port, retries=0)
    assert await reader.connect()
    beat = await words(reader, 0)
    await asyncio.sleep(0.3)
    assert await words(reader, 0) != beat
    assert plant.now == stood
    reader.close()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await served.stop()
    assert served.fault_log == []


async def test_a_taken_port_is_an_error_and_leaves_nothing(bench: Bench) -> None:
    """A port that is in use raises OSError, and no server of the second plant stays behind."""
    second = ServedPlant(Plant(seed=7, start=START), bench.clock, ports=bench.served.ports)

    with pytest.raises(OSError, match="in use"):
        await second.start()

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", second.controllers["weld-plc"].device.port)


async def test_unknown_names_are_refused() -> None:
    """A fault or controller that does not exist is refused with the choices."""
    bench = Bench()

    with pytest.raises(ValueError, match="link-cut"):
        await bench.served.switch("smoke", None, on=True)
    with pytest.raises(ValueError, match="paint-plc"):
        await bench.served.switch("stuck", "robot", on=True)
