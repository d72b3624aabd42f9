"""Clients flood the board of the real program: it keeps descriptors and memory for the collecting."""

import asyncio
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from small_plant import SmallPlant, small_plant

pytestmark = pytest.mark.timeout(120)

DESCRIPTORS = 256
MB = 2**20
BODY_MB = 64
MOST_GROWTH_KB = 16 * 1024  # of the peak, while bodies of 64 MB each are sent
CHUNK = b"10000\r\n" + b"a" * 2**16 + b"\r\n"


def descriptors(plant: SmallPlant) -> int:
    """How many files the program has open."""
    return len(list((plant.process / "fd").iterdir()))


def peak_kb(plant: SmallPlant) -> int:
    """The most memory that the program has had."""
    lines = (plant.process / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


async def test_idle_connections_hinder_no_reconnecting(tmp_path: Path) -> None:
    """More idle connections than the program may have files: a controller that was away is connected and counted.

    Health answers meanwhile, and the log stays short.
    """
    async with small_plant(tmp_path) as plant:
        plant.descriptors = DESCRIPTORS
        await plant.start()
        await plant.collects()
        await plant.page("/healthz")
        with ExitStack() as opened:
            for _ in range(DESCRIPTORS + 50):
                client = opened.enter_context(socket.socket())
                client.setblocking(False)
                with suppress(BlockingIOError):
                    client.connect(("127.0.0.1", plant.board))
            assert (await plant.page("/healthz"))[0] == 200
            await plant.device.restart(down_s=0.2)
            await plant.collects()
            assert (await plant.page("/healthz"))[0] == 200
            assert descriptors(plant) < DESCRIPTORS * 3 // 4
        assert await plant.stop() == 0
        assert (tmp_path / "log").stat().st_size < 100_000


async def flood(plant: SmallPlant, head: str, part: bytes) -> bytes:
    """Sends a head and a body without end, as long as the server takes it; what it answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plant.board)
    writer.write(head.encode())
    with suppress(ConnectionError):
        for _ in range(BODY_MB * MB // len(part)):
            writer.write(part)
            await writer.drain()
    answer = b""
    with suppress(ConnectionError):
        answer = await reader.read(100)
    writer.close()
    return answer


async def test_huge_bodies_take_no_memory(tmp_path: Path) -> None:
    """Bodies of 64 MB by nobody, announced and not, as JSON and as forms: refused, the peak of memory stays, parts are
    counted meanwhile.
    """
    async with small_plant(tmp_path) as plant:
        await plant.start()
        await plant.collects()
        await plant.page("/")
        before = peak_kb(plant)
        for path, kind in (
            ("/api/v1/session", "application/json"),
            ("/login", "application/x-www-form-urlencoded"),
            ("/login", "multipart/form-data; boundary=x"),
            ("/stops/reason", "application/x-www-form-urlencoded"),
        ):
            head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n"
            announced = await flood(plant, f"{head}content-length: {BODY_MB * MB}\r\n\r\n", b"a" * MB)
            chunked = await flood(plant, f"{head}transfer-encoding: chunked\r\n\r\n", CHUNK)
            for answer in (announced, chunked):  # a client that still sends may find the connection reset
                assert answer == b"" or answer.startswith(b"HTTP/1.1 413 "), answer
            await plant.collects(1)
        assert peak_kb(plant) - before < MOST_GROWTH_KB
        assert await plant.stop() == 0
