"""Registers from Modbus polls to decoded and journaled readings, against the same reads with a bare pymodbus client."""

import asyncio
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from common import Figure, Stopwatch, seconds, show, source
from pymodbus.client import AsyncModbusTcpClient

from adapters.clock import SystemClock
from adapters.modbus.adapter import ModbusAdapter
from adapters.reading import Batch, ControllerId, TagId
from adapters.settings import ModbusTag, ModbusTcpController
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.signals import CounterSignal, StationSetup
from mes.journal import Journal
from mes.model import CountKind, StationId
from mes.pipeline import Pipeline

REGISTERS, BLOCK, EVERY_S = 1000, 125, 0.1
CONTROLLER = ControllerId("bench")


async def floor(port: int, length_s: float) -> Figure:
    """The same blocks as often, and nothing done with them."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    watch, read, due_s = Stopwatch(), 0, asyncio.get_running_loop().time()
    end_s = due_s + length_s
    while due_s < end_s:
        for address in range(0, REGISTERS, BLOCK):
            read += len((await client.read_holding_registers(address, count=BLOCK, device_id=1)).registers)
        due_s += EVERY_S
        await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
    figure = watch.stop("pymodbus, read and thrown away", read)
    client.close()
    return figure


async def product(port: int, length_s: float, folder: Path, *, name: str) -> Figure:
    """Every register a totaliser; those that moved become journaled events."""
    setup = CounterSetup(CountKind.GOOD, 2**16, ResetPolicy.NEVER, max_per_hour=1e6)
    tags = {TagId(f"t{number}"): ModbusTag(address=number) for number in range(REGISTERS)}
    setups = {}
    for tag in tags:
        station = StationId(f"bench/area/line/{tag}")
        setups[station] = StationSetup(station, {tag: CounterSignal(setup)}, {}, timedelta(minutes=1))
    settings = ModbusTcpController(
        kind="modbus-tcp", host="127.0.0.1", port=port, poll_interval_ms=round(EVERY_S * 1000)
    )
    clock, cycles = SystemClock(), 0
    async with Journal.open(folder / "journal.sqlite") as journal:
        pipeline = Pipeline(setups, journal, clock, controllers=dict.fromkeys(setups, CONTROLLER))

        async def emit(batch: Batch, /) -> None:
            nonlocal cycles
            await pipeline.accept(batch)
            cycles += 1

        running = asyncio.create_task(
            ModbusAdapter(CONTROLLER, settings, tags, clock=clock, secret=lambda _: "").run(emit)
        )
        async with asyncio.timeout(10):
            while not cycles:
                await asyncio.sleep(0.05)
        watch, before, first = Stopwatch(), cycles, journal.last_seq
        await asyncio.sleep(length_s)
        figure = watch.stop(name, (cycles - before) * REGISTERS)
        print(f"  {journal.last_seq - first:,} events were journaled")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return figure


async def main() -> None:
    """Measures the floor, then the product with nothing moving and with everything moving between two polls."""
    length_s = seconds(__doc__ or "")
    ours = []
    for moving in (0, REGISTERS):
        name = f"taktline, {moving} of them moving"
        with source("source_modbus.py", str(REGISTERS), str(moving)) as port, TemporaryDirectory() as folder:
            lowest = await floor(port, length_s)
            ours.append(await product(port, length_s, Path(folder), name=name))
    show(f"{REGISTERS} registers in blocks of {BLOCK}, polled every {EVERY_S:g} s", "registers", lowest, *ours)


if __name__ == "__main__":
    asyncio.run(main())
