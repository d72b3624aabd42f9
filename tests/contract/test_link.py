"""The cable that can be pulled, with a plain echo server behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from patience import promised_s

from simulators.link import Link

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A link before an echo server."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    link = Link(server.sockets[0].getsockname()[1])
    await link.start()
    yield link
    await link.stop()
    server.close()
    await asyncio.sleep(0.01)  # the echo's own ends see the reset
    assert [task for task in asyncio.all_tasks() if "Link" in repr(task)] == []


@asynccontextmanager
async def connected(link: Link) -> AsyncIterator[Ends]:
    """A client of the link."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def echoed(ends: Ends, data: bytes) -> bytes:
    """What comes back."""
    reader, writer = ends
    writer.write(data)
    return await reader.readexactly(len(data))


async def test_bytes_pass_in_order(link: Link) -> None:
    """A megabyte comes back as it went, over two connections at once."""
    data = bytes(range(256)) * 4096

    async with connected(link) as one, connected(link) as other:
        assert tuple(await asyncio.gather(echoed(one, data), echoed(other, data))) == (data, data)


async def test_the_end_of_a_stream_passes(link: Link) -> None:
    """When the client has finished, all that it sent comes back and then the end."""
    async with connected(link) as (reader, writer):
        writer.write(b"last words")
        writer.write_eof()

        assert await reader.read() == b"last words"


async def test_latency_holds_back_each_way(link: Link) -> None:
    """A round trip takes twice the latency, however many requests are on their way."""
    link.latency_s = 0.1
    loop = asyncio.get_running_loop()

    async with connected(link) as ends:
        began_s = loop.time()
        for _ in range(20):
            ends[1].write(b"x")
            await asyncio.sleep(0.002)
        await ends[0].readexactly(20)
        took_s = loop.time() - began_s

    assert 0.2 <= took_s < 0.2 + promised_s(0.8)


async def test_a_cut_resets_and_refuses(link: Link) -> None:
    """A cut resets connections at once and refuses new ones; healing brings the same port back."""
    port = link.port
    async with connected(link) as ends:
        assert await echoed(ends, b"hello") == b"hello"
        await link.cut()
        with pytest.raises(ConnectionResetError):
            await ends[0].read()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    await link.heal()
    async with connected(link) as ends:
        assert await echoed(ends, b"again") == b"again"
    assert link.port == port


async def test_a_black_hole_is_silent_until_it_is_healed(link: Link) -> None:
    """Nothing passes, nothing fails; what was sent arrives after healing."""
    async with connected(link) as (reader, writer):
        link.black_hole()
        writer.write(b"lost?")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(5), 0.1)

        await link.heal()
        assert await reader.readexactly(5) == b"lost?"


async def test_a_server_that_is_down_looks_like_one() -> None:
    """With no server behind it the link accepts and resets."""
    spare = await asyncio.start_server(_echo, "127.0.0.1", 0)
    target = spare.sockets[0].getsockname()[1]
    spare.close()
    link = Link(target)
    await link.start()

    async with connected(link) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read()

    await link.stop()
