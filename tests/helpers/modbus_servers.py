"""Modbus devices of four kinds behind one face, and what the contract tests need to watch an adapter."""

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from patience import limit_s, patiently
from pyModbusTCP.server import ModbusServer as ForeignServer  # type: ignore[import-untyped]  # it has no types

from adapters.clock import ManualClock
from adapters.modbus.adapter import ModbusAdapter
from adapters.modbus.line import Line
from adapters.reading import Batch, ControllerId, TagId
from adapters.settings import (
    ModbusController,
    ModbusRtuController,
    ModbusRtuOverTcpController,
    ModbusTag,
    ModbusTcpController,
)
from simulators.modbus_server import ModbusServer

DECLARED = ((0, 1), (100, 200), (1000, 20))
NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


class Device(Protocol):
    """A device to be polled."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def write(self, address: int, words: Sequence[int]) -> None: ...

    def settings(self, **changes: Any) -> ModbusController: ...


@dataclass
class OurDevice:
    """Our server on a socket."""

    server: ModbusServer
    rtu: bool

    async def start(self) -> None:
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop()

    def write(self, address: int, words: Sequence[int]) -> None:
        self.server.write(address, words)

    def settings(self, **changes: Any) -> ModbusController:
        where = {"host": "127.0.0.1", "port": self.server.port, "poll_interval_ms": 20, "request_timeout_s": 1.0}
        if self.rtu:
            return ModbusRtuOverTcpController.model_validate({"kind": "modbus-rtu-over-tcp", **where, **changes})
        return ModbusTcpController.model_validate({"kind": "modbus-tcp", **where, **changes})


@dataclass
class ForeignDevice:
    """The server of an independent stack, in threads of its own; it has every address."""

    port: int = 0
    server: Any = None
    bank: Any = None

    async def start(self) -> None:
        self.server = ForeignServer(host="127.0.0.1", port=self.port, no_block=True, data_bank=self.bank)
        self.server.start()
        while not self.server.is_run:
            await asyncio.sleep(0.01)
        self.port = self.server._service.socket.getsockname()[1]
        self.bank = self.server.data_bank

    async def stop(self) -> None:
        await asyncio.to_thread(self.server.stop)

    def write(self, address: int, words: Sequence[int]) -> None:
        self.bank.set_holding_registers(address, list(words))
        self.bank.set_input_registers(address, list(words))
        self.bank.set_coils(address, [word != 0 for word in words])
        self.bank.set_discrete_inputs(address, [word != 0 for word in words])

    def settings(self, **changes: Any) -> ModbusController:
        where = {"host": "127.0.0.1", "port": self.port, "poll_interval_ms": 20, "request_timeout_s": 1.0}
        return ModbusTcpController.model_validate({"kind": "modbus-tcp", **where, **changes})


@dataclass
class SerialDevice:
    """Our server at one end of a pseudo terminal, the adapter's serial port at the other."""

    server: ModbusServer
    path: str = ""
    _ends: tuple[int, int] = (-1, -1)
    _serving: "asyncio.Task[None] | None" = None
    _pipe: asyncio.ReadTransport | None = None

    async def start(self) -> None:
        if not self.path:
            self._ends = os.openpty()
            tty.setraw(self._ends[1])
            self.path = os.ttyname(self._ends[1])
        reader = asyncio.StreamReader()
        plug = os.fdopen(os.dup(self._ends[0]), "rb", buffering=0)
        self._pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), plug
        )
        self._serving = asyncio.create_task(self.server.serve(reader, self._send))

    def _send(self, data: bytes) -> None:
        os.write(self._ends[0], data)

    async def stop(self) -> None:
        if self._serving is None or self._pipe is None:
            return
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
        self._pipe.close()
        self._serving = None
        await asyncio.sleep(0)

    def unplug(self) -> None:
        """Closes both ends for good."""
        for end in self._ends:
            os.close(end)

    def write(self, address: int, words: Sequence[int]) -> None:
        self.server.write(address, words)

    def settings(self, **changes: Any) -> ModbusController:
        where = {"device": self.path, "parity": "N", "poll_interval_ms": 20, "request_timeout_s": 1.0}
        return ModbusRtuController.model_validate({"kind": "modbus-rtu", **where, **changes})


KINDS = ("tcp", "rtu-over-tcp", "foreign", "serial")


@asynccontextmanager
async def device(kind: str) -> AsyncIterator[Device]:
    """A started device of one of the KINDS, stopped afterwards."""
    made: Device
    match kind:
        case "tcp":
            made = OurDevice(ModbusServer(declared=DECLARED), rtu=False)
        case "rtu-over-tcp":
            made = OurDevice(ModbusServer(declared=DECLARED, framing="rtu"), rtu=True)
        case "serial":
            made = SerialDevice(ModbusServer(declared=DECLARED, framing="rtu"))
        case _:
            made = ForeignDevice()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
        if isinstance(made, SerialDevice):
            made.unplug()


@dataclass
class Watched:
    """An adapter at work: its batches, and how it ended."""

    adapter: ModbusAdapter
    task: "asyncio.Task[None]"
    batches: "asyncio.Queue[Batch]" = field(default_factory=asyncio.Queue)

    async def batch(self) -> Batch:
        """The next batch; what ended the adapter, if it ended first."""
        getting = asyncio.ensure_future(self.batches.get())
        await asyncio.wait((getting, self.task), return_when=asyncio.FIRST_COMPLETED, timeout=limit_s(5))
        if getting.done():
            return getting.result()
        getting.cancel()
        if self.task.done():
            self.task.result()
        raise AssertionError("no batch came")

    async def news(self) -> Batch:
        """The next batch that holds readings."""
        while True:
            batch = await self.batch()
            if batch.readings:
                return batch

    async def end(self) -> None:
        """Waits for the adapter to end, and raises what it raised."""
        async with patiently(5):
            await self.task


def names(tags: Mapping[str, ModbusTag]) -> dict[TagId, ModbusTag]:
    """Tags under plain names."""
    return {TagId(name): tag for name, tag in tags.items()}


@asynccontextmanager
async def watched(
    settings: ModbusController,
    tags: Mapping[str, ModbusTag],
    *,
    clock: ManualClock | None = None,
    refused_retry_s: float = 30.0,
    line: Line | None = None,
) -> AsyncIterator[Watched]:
    """Runs an adapter until the block is left."""
    adapter = ModbusAdapter(
        ControllerId("paint-plc"),
        settings,
        names(tags),
        clock=clock or ManualClock(NOW),
        secret=lambda _: "",
        refused_retry_s=refused_retry_s,
        line=line,
    )
    batches: asyncio.Queue[Batch] = asyncio.Queue()
    task = asyncio.create_task(adapter.run(batches.put))
    try:
        yield Watched(adapter, task, batches)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(task, return_exceptions=True)
