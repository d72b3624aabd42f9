"""Proxies in front of a controller that keep what a client asks for: function codes of Modbus, services of OPC UA."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

BAD_ENDPOINT_URL = 0x80830000
_HEADER = 8
_SERVICE_AT = 24  # of an unsecured message: header, channel, token, sequence number, request


@dataclass
class Recorded:
    """What went through. `path`: the only path of an OPC UA address that is let through; None: any."""

    port: int = 0
    functions: set[int] = field(default_factory=set)
    services: set[int] = field(default_factory=set)
    path: str | None = None


@asynccontextmanager
async def recording(port: int, *, opcua: bool, path: str | None = None) -> AsyncIterator[Recorded]:
    """A proxy of a port on this machine."""
    recorded = Recorded(path=path)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        back = asyncio.create_task(_pass(inner, writer))
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    message = await (_opcua(reader, recorded) if opcua else _modbus(reader, recorded))
                    if message is None:
                        text = b"no such endpoint"
                        size = _HEADER + 8 + len(text)
                        writer.write(struct.pack("<4sIII", b"ERRF", size, BAD_ENDPOINT_URL, len(text)) + text)
                        await writer.drain()
                        break
                    outer.write(message)
                    await outer.drain()
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            outer.close()
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    recorded.port = server.sockets[0].getsockname()[1]
    try:
        yield recorded
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


async def _modbus(reader: asyncio.StreamReader, recorded: Recorded) -> bytes:
    head = await reader.readexactly(6)
    body = await reader.readexactly(int.from_bytes(head[4:6], "big"))
    recorded.functions.add(body[1])
    return head + body


async def _opcua(reader: asyncio.StreamReader, recorded: Recorded) -> bytes | None:
    head = await reader.readexactly(_HEADER)
    body = await reader.readexactly(int.from_bytes(head[4:8], "little") - _HEADER)
    if head[:3] == b"HEL" and recorded.path is not None:
        url = body[24:].decode()
        if "/" + url.removeprefix("opc.tcp://").partition("/")[2] != recorded.path:
            return None
    if head[:3] == b"MSG":
        recorded.services.add(int.from_bytes((head + body)[_SERVICE_AT + 2 : _SERVICE_AT + 4], "little"))
    return head + body
