"""A Modbus device by hand whose answers a test scripts byte by byte: late, twice, for another, cut off by a reset."""

import asyncio
import os
import socket
import struct
import tty
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.settings import ModbusController, ModbusRtuController, ModbusRtuOverTcpController, ModbusTcpController
from simulators.modbus_server import crc16

RESET = object()  # a step: the connection ends with RST
CLOSE = object()  # a step: the connection ends in order
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
Step = bytes | float | object  # bytes to send, seconds to wait, RESET or CLOSE
Registers = dict[int, int]
Script = Callable[["OddDevice", "Request"], Sequence[Step]]


@dataclass(frozen=True)
class Request:
    """One request as it came; `number` counts all requests of the device, `in_connection` those of its connection."""

    transaction: int
    unit: int
    function: int
    address: int
    count: int
    number: int
    in_connection: int


@dataclass
class OddDevice:
    """Holding registers behind a socket; `script` says what happens to a request, step by step, beside later ones."""

    registers: Registers
    script: Script
    rtu: bool = False
    port: int = 0
    requests: int = 0
    connections: int = 0
    open: int = 0
    most_open: int = 0
    connected_s: float = 0.0  # the loop's time of the last connection
    reset_at_accept: bool = False
    one_connection: bool = False  # a second one is closed at once
    path: str = ""  # of a serial line, with the name of its other end
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    def pdu(self, request: Request) -> bytes:
        """The right answer."""
        words = [self.registers.get(request.address + step) for step in range(request.count)]
        if request.function != 3 or any(word is None for word in words):
            return bytes((request.function | 0x80, 2 if request.function == 3 else 1))
        return struct.pack(f">BB{len(words)}H", 3, 2 * len(words), *words)

    def frame(self, request: Request, pdu: bytes | None = None, **changes: int) -> bytes:
        """A whole answer; `changes`: another `transaction` or `unit` than the request's."""
        pdu = self.pdu(request) if pdu is None else pdu
        unit = changes.get("unit", request.unit)
        if self.rtu:
            body = bytes((unit,)) + pdu
            return body + crc16(body).to_bytes(2, "little")
        return struct.pack(">HHHB", changes.get("transaction", request.transaction), 0, len(pdu) + 1, unit) + pdu

    def settings(self, **changes: Any) -> ModbusController:
        """How an adapter reaches it."""
        where = {"host": "127.0.0.1", "port": self.port, "poll_interval_ms": 20, "request_timeout_s": 1.0}
        if self.path:
            line = {"device": self.path, "parity": "N", "poll_interval_ms": 20, "request_timeout_s": 1.0}
            return ModbusRtuController.model_validate({"kind": "modbus-rtu", **line, **changes})
        if self.rtu:
            return ModbusRtuOverTcpController.model_validate({"kind": "modbus-rtu-over-tcp", **where, **changes})
        return ModbusTcpController.model_validate({"kind": "modbus-tcp", **where, **changes})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self.connected_s = asyncio.get_running_loop().time()
        in_connection = 0
        try:
            if self.reset_at_accept:
                _reset(writer)
                return
            if self.one_connection and self.open > 1:
                return
            while True:
                transaction, unit, body = await self._read(reader)
                function, address, count = struct.unpack(">BHH", body)
                request = Request(transaction, unit, function, address, count, self.requests, in_connection)
                self.requests += 1
                in_connection += 1
                task = asyncio.create_task(_play(self.script(self, request), writer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
        if self.rtu:
            frame = await reader.readexactly(8)
            return 0, frame[0], frame[1:6]
        transaction, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
        return transaction, unit, await reader.readexactly(length - 1)

    async def settle(self) -> None:
        """Ends what is still being sent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    plug = writer.get_extra_info("socket")
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()


async def _play(steps: Sequence[Step], writer: asyncio.StreamWriter) -> None:
    for step in steps:
        if step is RESET:
            _reset(writer)
        elif step is CLOSE:
            writer.close()
        elif isinstance(step, bytes):
            writer.write(step)
        elif isinstance(step, float):
            await asyncio.sleep(step)


@asynccontextmanager
async def odd_device(
    registers: Registers,
    script: Script,
    *,
    rtu: bool = False,
    reset_at_accept: bool = False,
    one_connection: bool = False,
) -> AsyncIterator[OddDevice]:
    """A device that listens until the block is left."""
    device = OddDevice(registers, script, rtu=rtu, reset_at_accept=reset_at_accept, one_connection=one_connection)
    server = await asyncio.start_server(device.serve, "127.0.0.1", 0)
    device.port = server.sockets[0].getsockname()[1]
    try:
        yield device
    finally:
        server.close()
        await device.settle()


@asynccontextmanager
async def odd_line(registers: Registers, script: Script) -> AsyncIterator[OddDevice]:
    """A serial line, a pseudo terminal, with the device at its other end until the block is left."""
    device = OddDevice(registers, script, rtu=True)
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    device.path = os.ttyname(theirs)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    with os.fdopen(os.dup(ours), "rb", buffering=0) as incoming, os.fdopen(ours, "wb", buffering=0) as outgoing:
        receiving, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), incoming)
        sending, protocol = await loop.connect_write_pipe(lambda: asyncio.streams.FlowControlMixin(loop), outgoing)
        serving = asyncio.create_task(device.serve(reader, asyncio.StreamWriter(sending, protocol, None, loop)))
        try:
            yield device
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await device.settle()
            receiving.close()
            sending.close()
            await asyncio.sleep(0)
            os.close(theirs)
