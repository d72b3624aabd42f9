"""Several units behind one address: a gateway that allows one connection, a converter, an RS-485 line."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from modbus_servers import NOW, Watched, watched
from odd_modbus_device import OddDevice, Request, Script, Step, odd_device, odd_line
from patience import promised_s

from adapters.clock import ManualClock
from adapters.errors import ControllerUnavailable
from adapters.modbus.adapter import ModbusAdapter
from adapters.modbus.line import Line
from adapters.reading import ControllerId, Quality
from adapters.registry import Lines, maker
from adapters.settings import ModbusTag

TAGS = {"one": ModbusTag(address=100), "two": ModbusTag(address=200)}
POLLS = 10
WAYS = ("gateway", "converter", "serial")
every_way = pytest.mark.parametrize("way", WAYS)


@asynccontextmanager
async def units(way: str, script: Script) -> AsyncIterator[OddDevice]:
    """Units behind a gateway or converter with one connection, or on a serial line."""
    if way == "serial":
        async with odd_line({}, script) as plc:
            yield plc
    else:
        async with odd_device({}, script, rtu=way == "converter", one_connection=True) as plc:
            yield plc


def answer(plc: OddDevice, request: Request) -> bytes:
    """A value tells unit, tag and a running number: 12345 is the 345th of unit 1, tag two."""
    plc.registers = {100: request.unit * 10_000 + 1000, 200: request.unit * 10_000 + 2000}
    plc.registers = {at: value + plc.requests % 900 for at, value in plc.registers.items()}
    return plc.frame(request)


class Turns:
    """A script that notes when a request comes before the last one is answered."""

    def __init__(self, answer_s: float = 0.002) -> None:
        self.answer_s = answer_s
        self.under_way = 0
        self.overlaps = 0
        self.asked: list[int] = []

    def __call__(self, plc: OddDevice, request: Request) -> Sequence[Step]:
        self.asked.append(request.unit)
        self.overlaps += self.under_way > 0
        self.under_way += 1
        asyncio.get_running_loop().call_later(self.answer_s, self._answered)
        return [self.answer_s, answer(plc, request)]

    def _answered(self) -> None:
        self.under_way -= 1


async def join(stack: AsyncExitStack, plc: OddDevice, line: Line, *numbers: int, **changes: object) -> list[Watched]:
    """An adapter for each unit, on one line."""
    return [
        await stack.enter_async_context(watched(plc.settings(unit=number, **changes), TAGS, line=line))
        for number in numbers
    ]


async def values(seen: Watched, polls: int) -> list[object]:
    """What so many polls bring; all of them are good."""
    readings = [reading for _ in range(polls) for reading in (await seen.news()).readings]
    assert all(reading.quality is Quality.GOOD for reading in readings)
    return [reading.value for reading in readings]


def of_unit(number: int, found: Sequence[object]) -> bool:
    """Whether there are values, all of them of this unit."""
    return bool(found) and all(isinstance(value, int) and value // 10_000 == number for value in found)


@every_way
@pytest.mark.parametrize("numbers", [(1, 2), (1, 2, 3, 4)])
async def test_units_share_one_connection_and_take_turns(way: str, numbers: tuple[int, ...]) -> None:
    """All units are collected over one connection, one request at a time, each gets its own values."""
    turns = Turns()
    async with units(way, turns) as plc, AsyncExitStack() as stack:
        seen = await join(stack, plc, Line(), *numbers)
        found = await asyncio.gather(*(values(unit, POLLS) for unit in seen))
        asked, overlaps = [turns.asked.count(number) for number in numbers], turns.overlaps

    assert all(of_unit(number, value) for number, value in zip(numbers, found, strict=True))
    assert overlaps == 0
    assert plc.connections == 1
    assert min(asked) > max(asked) / 3


@every_way
async def test_a_silent_unit_costs_the_others_one_time_out_at_a_time(way: str) -> None:
    """A unit that is off is away by itself: the other one goes on, and waits no longer than one request takes."""
    silent: Script = lambda plc, request: [] if request.unit == 2 else [answer(plc, request)]  # noqa: E731
    timeout_s = promised_s(0.3)
    async with units(way, silent) as plc, AsyncExitStack() as stack:
        line = Line()
        (good,) = await join(stack, plc, line, 1, request_timeout_s=timeout_s)
        await values(good, 2)
        (off,) = await join(stack, plc, line, 2, request_timeout_s=timeout_s)
        waits_s: list[float] = []
        while not off.task.done():
            began_s = time.monotonic()
            assert of_unit(1, await values(good, 1))
            waits_s.append(time.monotonic() - began_s)
        assert of_unit(1, await values(good, POLLS))
        with pytest.raises(ControllerUnavailable, match="no answer for holding 100 within"):
            await off.end()
        connections = plc.connections

    assert max(waits_s) < 1.8 * timeout_s
    assert connections == 1


@every_way
async def test_late_answers_of_one_unit_are_never_taken_for_another(way: str) -> None:
    """A unit that answers after its time-out harms nobody: the other one goes on with its own values."""

    def late(plc: OddDevice, request: Request) -> Sequence[Step]:
        return [0.25 if request.unit == 2 else 0.0, answer(plc, request)]

    async with units(way, late) as plc, AsyncExitStack() as stack:
        line = Line()
        (good,) = await join(stack, plc, line, 1, request_timeout_s=1.0)
        await values(good, 2)
        for _ in range(3):
            (slow,) = await join(stack, plc, line, 2, request_timeout_s=0.2)
            found: list[object] = []
            while not slow.task.done() and len(found) < 2 * POLLS:
                found += await values(good, 1)
            assert of_unit(1, found)
            slow.task.cancel()
            await asyncio.gather(slow.task, return_exceptions=True)
            batches = [slow.batches.get_nowait() for _ in range(slow.batches.qsize())]
            assert all(of_unit(2, [reading.value]) for batch in batches for reading in batch.readings)
        assert not good.task.done()


async def test_a_unit_that_is_off_behind_a_gateway_is_named() -> None:
    """Exception 11 for one unit: it is said not to answer the gateway, and the other one is collected."""

    def off(plc: OddDevice, request: Request) -> Sequence[Step]:
        return [plc.frame(request, bytes((0x83, 11))) if request.unit == 2 else answer(plc, request)]

    async with units("gateway", off) as plc, AsyncExitStack() as stack:
        good, away = await join(stack, plc, Line(), 1, 2)
        with pytest.raises(ControllerUnavailable, match="unit 2 does not answer the gateway"):
            await away.end()
        assert of_unit(1, await values(good, POLLS))
        assert not good.task.done()


async def test_units_of_a_gateway_that_always_says_zero_keep_their_values_apart() -> None:
    """Without transaction ids each request of units that share an address has a connection of its own."""

    def zero(plc: OddDevice, request: Request) -> Sequence[Step]:
        right = answer(plc, request)
        again = b"\0\0" + right[2:]
        return [again, 0.001 * (request.number % 9), again if request.number % 5 == 4 else b""]

    async with odd_device({}, zero) as plc, AsyncExitStack() as stack:
        seen = await join(stack, plc, Line(), 1, 2)
        found = await asyncio.gather(*(values(unit, POLLS) for unit in seen))

    assert of_unit(1, found[0])
    assert of_unit(2, found[1])


async def test_the_last_unit_ends_the_connection() -> None:
    """One unit that is left out ends nothing; with the last one the connection ends."""
    turns = Turns()
    async with units("gateway", turns) as plc:
        line = Line()
        async with watched(plc.settings(unit=1), TAGS, line=line) as first:
            async with watched(plc.settings(unit=2), TAGS, line=line) as second:
                await values(second, 2)
            await values(first, POLLS)
            assert (plc.connections, plc.open) == (1, 1)
        while plc.open:
            await asyncio.sleep(0.01)


async def test_the_registry_gives_units_of_one_address_one_line() -> None:
    """Controllers that name the same host and port, however it is written, share a line; others do not."""
    async with odd_device({}, Turns()) as plc:
        lines: Lines = {}
        for host, unit in (("127.0.0.1", 1), ("127.0.0.1", 2), ("LOCALHOST", 1), ("localhost", 3)):
            make = maker(
                ControllerId(f"{host}-{unit}"),
                plc.settings(host=host, unit=unit),
                {},
                clock=ManualClock(NOW),
                secret=lambda _: "",
                lines=lines,
            )
            assert isinstance(make(), ModbusAdapter)

    assert sorted(lines) == [f"modbus-tcp 127.0.0.1:{plc.port}", f"modbus-tcp localhost:{plc.port}"]
