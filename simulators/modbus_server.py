"""A Modbus device that can only be read, over TCP or as RTU frames through TCP, with the faults of real ones."""

import asyncio
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

Framing = Literal["tcp", "rtu"]
Table = Literal["coil", "discrete", "holding", "input"]
_TABLES: tuple[Table, ...] = ("coil", "discrete", "holding", "input")  # read by the functions 1 to 4

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
_READ_BITS = (1, 2)
_READ_WORDS = (3, 4)
_MAX_BITS = 2000
_MAX_WORDS = 125
_RTU_REQUEST_BYTES = 8  # unit, function, address, count, CRC: alike for all four read functions


def crc16(data: bytes) -> int:
    """The checksum of an RTU frame (polynomial 0xA001, start 0xFFFF); it travels low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


class ModbusServer:
    """A register map behind a socket on 127.0.0.1 that answers functions 1 to 4 and refuses all others.

    `declared` lists the (address, count) ranges that exist; a request that touches any other address is refused with
    code 2. Holding and input registers share one memory; coil n and discrete input n are on while register n is not 0.
    With `tables` in its place each table has ranges and a memory of its own. `beside`: other units, which answer on the
    same connections, as on a serial line; they need no `start`. `delay_s` holds back each answer. `refuse` answers
    every read with that exception code. `silent`: nothing is answered. These may change at any time.
    """

    def __init__(
        self,
        *,
        declared: Sequence[tuple[int, int]] = (),
        tables: Mapping[Table, Sequence[tuple[int, int]]] | None = None,
        port: int = 0,
        unit: int = 1,
        framing: Framing = "tcp",
        beside: Sequence["ModbusServer"] = (),
    ) -> None:
        self.port = port
        self.delay_s = 0.0
        self.refuse: int | None = None
        self.silent = False
        self.requests = 0
        self.connections = 0
        self._framing: Framing = framing
        self.unit: int = unit
        self._units = {server.unit: server for server in (*beside, self)}
        if tables is None:
            self._memories = dict.fromkeys(_TABLES, _memory(declared))
        else:
            self._memories = {table: _memory(tables.get(table, ())) for table in _TABLES}
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Listens; with port 0 the system chooses one, which `port` shows and which a restart keeps."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the listener and resets every connection at once; the registers keep their values."""
        if self._server is not None:
            self._server.close()
            self._server = None
        serving = list(self._open.items())
        for task, writer in serving:
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*(task for task, _ in serving), return_exceptions=True)

    async def restart(self, *, down_s: float) -> None:
        """A power cycle: away for `down_s` real seconds, then back on the same port."""
        await self.stop()
        await asyncio.sleep(down_s)
        await self.start()

    def declare(self, address: int, count: int) -> None:
        """Makes more addresses exist, as a new program in the device would; present ones keep their values."""
        for step in range(count):
            self._memories["holding"].setdefault(address + step, 0)

    def write(self, address: int, words: Sequence[int], *, table: Table = "holding") -> None:
        """The device's own program sets registers; a read sees all of them or none. Raises KeyError outside the map."""
        memory = self._memories[table]
        for step, word in enumerate(words):
            if address + step not in memory:
                raise KeyError(address + step)
            memory[address + step] = word & 0xFFFF

    def read(self, address: int, count: int, *, table: Table = "holding") -> tuple[int, ...]:
        """The present words of a range; KeyError where one of them is not declared."""
        return tuple(self._memories[table][address + step] for step in range(count))

    async def serve(self, reader: asyncio.StreamReader, send: Callable[[bytes], None]) -> None:
        """Answers requests from any stream of bytes, in its framing, until the stream ends."""
        try:
            while True:
                match self._framing:
                    case "tcp":
                        await self._serve_tcp_frame(reader, send)
                    case "rtu":
                        await self._serve_rtu_frame(reader, send)
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        self.connections += 1
        try:
            await self.serve(reader, writer.write)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            del self._open[task]
            writer.close()

    async def _serve_tcp_frame(self, reader: asyncio.StreamReader, send: Callable[[bytes], None]) -> None:
        transaction, protocol, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
        if protocol != 0 or not 2 <= length <= 254:
            raise ConnectionAbortedError  # the frame boundary is lost; a real device hangs up too
        pdu = await reader.readexactly(length - 1)
        device = self._units.get(unit, self)
        answer = await device.answer_in_time(pdu)
        if unit in self._units and not device.silent:
            send(struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer)

    async def _serve_rtu_frame(self, reader: asyncio.StreamReader, send: Callable[[bytes], None]) -> None:
        frame = await reader.readexactly(_RTU_REQUEST_BYTES)
        while crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
            frame = frame[1:] + await reader.readexactly(1)  # noise on the line: look for the next whole frame
        device = self._units.get(frame[0])
        if device is None:
            return
        body = frame[:1] + await device.answer_in_time(frame[1:-2])
        if not device.silent:
            send(body + crc16(body).to_bytes(2, "little"))

    async def answer_in_time(self, pdu: bytes) -> bytes:
        """What is answered to a request, after `delay_s`."""
        self.requests += 1
        if self.delay_s > 0:
            await asyncio.sleep(self.delay_s)
        return self._answer(pdu)

    def _answer(self, pdu: bytes) -> bytes:
        function = pdu[0]
        if function not in (*_READ_BITS, *_READ_WORDS):
            return bytes((function | 0x80, ILLEGAL_FUNCTION))
        if self.refuse is not None:
            return bytes((function | 0x80, self.refuse))
        if len(pdu) != 5:
            return bytes((function | 0x80, ILLEGAL_VALUE))
        address, count = struct.unpack(">HH", pdu[1:])
        if not 1 <= count <= (_MAX_BITS if function in _READ_BITS else _MAX_WORDS):
            return bytes((function | 0x80, ILLEGAL_VALUE))
        try:
            words = self.read(address, count, table=_TABLES[function - 1])
        except KeyError:
            return bytes((function | 0x80, ILLEGAL_ADDRESS))
        if function in _READ_WORDS:
            return struct.pack(f">BB{count}H", function, 2 * count, *words)
        packed = sum(1 << place for place, word in enumerate(words) if word)
        size_bytes = (count + 7) // 8
        return bytes((function, size_bytes)) + packed.to_bytes(size_bytes, "little")


def _memory(ranges: Sequence[tuple[int, int]]) -> dict[int, int]:
    return {first + step: 0 for first, count in ranges for step in range(count)}
