"""A cable that can be pulled: a byte proxy on loopback with latency, cuts and black holes."""

import asyncio
import socket
import struct
from collections import deque
from typing import Protocol

_HOST = "127.0.0.1"
_CHUNK_BYTES = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Cable(Protocol):
    """The way to a controller, which can be cut; `latency_s` may change at any time."""

    latency_s: float

    @property
    def port(self) -> int:
        """Where clients find it."""
        ...

    async def start(self) -> None:
        """Passes bytes from now on. Raises OSError if the port is taken."""
        ...

    async def stop(self) -> None:
        """Ends all connections."""
        ...

    async def cut(self) -> None:
        """Passes nothing until it is healed."""
        ...

    async def heal(self) -> None:
        """Passes again."""
        ...


class Link:
    """Passes bytes between clients at `port` and the server at `target_port`, both on 127.0.0.1.

    `latency_s` (real seconds, each way) holds back what arrives from now on; it may change at any time.
    """

    def __init__(self, target_port: int, port: int = 0) -> None:
        """`port` 0: the system chooses at the first start, and the link keeps it."""
        self.target_port = target_port
        self.port = port
        self.latency_s = 0.0
        self._server: asyncio.Server | None = None
        self._passing = asyncio.Event()
        self._passing.set()
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    async def start(self) -> None:
        """Listens. Raises OSError if the port is taken."""
        self._server = await asyncio.start_server(self._connected, _HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Resets all connections, closes the port and leaves no task behind."""
        if self._server is not None:
            self._server.close()
            self._server = None
        serving = list(self._connections)
        for task in serving:
            for writer in self._connections[task]:
                _reset(writer)
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def cut(self) -> None:
        """Resets all connections and refuses new ones until it is healed."""
        await self.stop()

    def black_hole(self) -> None:
        """Nothing arrives any more and nobody is told; new connections open and stay silent."""
        self._passing.clear()

    async def heal(self) -> None:
        """Passes again. What was sent into a black hole arrives now, as TCP would repeat it."""
        self._passing.set()
        if self._server is None:
            await self.start()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ends = self._connections[task] = [writer]
        try:
            inner_reader, inner_writer = await asyncio.open_connection(_HOST, self.target_port)
            ends.append(inner_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, inner_writer))
                group.create_task(self._pass(inner_reader, writer))
        except* (OSError, asyncio.CancelledError):
            # The server is down, one end was reset, or the link is: the other end learns it by a reset too.
            for end in ends:
                _reset(end)
        finally:
            del self._connections[task]
            for end in ends:
                end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction; reading goes on while earlier bytes are on their way, so latency costs no throughput."""
        loop = asyncio.get_running_loop()
        under_way: deque[tuple[float, bytes]] = deque()
        something = asyncio.Event()

        async def read() -> None:
            chunk = b"-"
            while chunk:
                chunk = await reader.read(_CHUNK_BYTES)
                under_way.append((loop.time() + self.latency_s, chunk))
                something.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            while True:
                await something.wait()
                due_s, chunk = under_way.popleft()
                if not under_way:
                    something.clear()
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                await self._passing.wait()
                if not chunk:
                    break
                writer.write(chunk)
                await writer.drain()
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes at once with RST, as a device does that has lost its power."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
