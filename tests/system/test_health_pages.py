"""The pages of the daemon as a client sees them: a real server on a real socket."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
import structlog
from health_server import HOST, Shown, served
from patience import promised_s
from status_scenes import CONTROLLER, JOURNAL, STATUS

from adapters.reading import ControllerId
from mes.board.server import app, serve
from mes.errors import ConfigError
from mes.health.status import Sink, Status

Lines = list[structlog.typing.EventDict]


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """One client with connections that stay open."""
    async with aiohttp.ClientSession() as session:
        yield session


async def test_the_pages_follow_the_status(client: aiohttp.ClientSession) -> None:
    """200 while all is well; a frozen journal makes both pages 503 with the reason, and they recover with it."""
    shown = Shown()
    async with served(shown) as url:

        async def asked(page: str) -> tuple[int, object]:
            async with client.get(url + page) as answer:
                assert answer.content_type == "application/json"
                return answer.status, await answer.json()

        assert await asked("/healthz") == (200, {"alive": True, "reasons": []})
        assert await asked("/readyz") == (200, {"ready": True, "reasons": []})
        shown.now = replace(STATUS, journal=replace(JOURNAL, waiting_s=45.0))
        said = "the journal has committed nothing for 45 s though it was asked to"
        assert await asked("/healthz") == (503, {"alive": False, "reasons": [said]})
        assert (await asked("/readyz"))[0] == 503
        shown.now = replace(STATUS, troubles={"board": "its port is taken"})
        diagnosed = {"ready": True, "reasons": [], "diagnostics": ["board: its port is taken"]}
        assert await asked("/readyz") == (200, diagnosed)
        shown.now = replace(STATUS, sinks=[Sink(name="influx", unavailable="gone")])
        assert (await asked("/healthz"))[0] == (await asked("/readyz"))[0] == 200


async def test_the_answer_stays_small(client: aiohttp.ClientSession) -> None:
    """With a thousand tasks that stand still the reasons are cut and counted."""
    stuck = [replace(CONTROLLER, controller=ControllerId(f"plc-{n}"), quiet_s=1e6) for n in range(1000)]
    async with served(Shown(replace(STATUS, controllers=stuck))) as url, client.get(f"{url}/healthz") as answer:
        assert answer.status == 503
        assert (await answer.json())["reasons"][-1] == "and 980 more"
        assert len(await answer.read()) < 4000


async def test_metrics_are_prometheus_text(client: aiohttp.ClientSession) -> None:
    """The content type is that of the format that was asked for."""
    async with served(Shown()) as url:
        async with client.get(f"{url}/metrics") as answer:
            assert answer.status == 200
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert 'taktline_controller_items_active{controller="weld-plc"} 11.0\n' in await answer.text()
        wanted = {"accept": "application/openmetrics-text; version=1.0.0"}
        async with client.get(f"{url}/metrics", headers=wanted) as answer:
            assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")


@pytest.mark.parametrize("page", ["/healthz", "/readyz", "/metrics"])
async def test_pages_are_for_reading(client: aiohttp.ClientSession, page: str) -> None:
    """GET and HEAD are answered alike, HEAD without content; every other method is 405; nothing is ever stored."""
    async with served(Shown()) as url:
        async with client.get(url + page) as got, client.head(url + page) as head:
            assert (got.status, head.status) == (200, 200)
            assert await head.read() == b""
            assert head.headers["content-length"] == str(len(await got.read()))
            assert got.headers["cache-control"] == head.headers["cache-control"] == "no-store"
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            async with client.request(method, url + page) as answer:
                assert answer.status == 405
                assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
                assert answer.headers["cache-control"] == "no-store"


async def test_without_a_board_other_pages_say_that_it_starts(client: aiohttp.ClientSession) -> None:
    """Every other page is 503, not stored either, and says nothing of the server."""
    async with served(Shown()) as url, client.get(f"{url}/etc/passwd") as answer:
        assert answer.status == 503
        assert "still starting" in await answer.text()
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


async def test_a_page_that_fails_is_logged_and_ends_nothing(client: aiohttp.ClientSession, logged: Lines) -> None:
    """A defect behind one page is a 500 without details; the next request is answered."""
    shown = Shown()

    def status() -> Status:
        if shown.now is not STATUS:
            raise RuntimeError("a secret detail")
        return shown.now

    async with served(status) as url:
        shown.now = replace(STATUS)
        async with client.get(f"{url}/healthz") as answer:
            assert (answer.status, "secret" in await answer.text()) == (500, False)
        shown.now = STATUS
        async with client.get(f"{url}/healthz") as answer:
            assert answer.status == 200
    assert [(line["event"], line["path"]) for line in logged] == [("page_failed", "/healthz")]


async def test_a_taken_port_is_a_sentence() -> None:
    """It says which address, why, and what to do."""
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"at {HOST} port {port}: address already in use; stop the program"):
            await serve(app(Shown()), host=HOST, port=port)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no.such.host.invalid", 0)])
async def test_an_address_that_is_not_ours_is_a_sentence(host: str, port: int) -> None:
    """No address that cannot be had ends in anything but a ConfigError."""
    with pytest.raises(ConfigError, match="cannot be served at"):
        await serve(app(Shown()), host=host, port=port)


async def test_it_stops_promptly_and_gives_the_port_back(client: aiohttp.ClientSession) -> None:
    """With open connections it ends within two seconds, and the address is free at once for the next one."""
    loop = asyncio.get_running_loop()
    async with served(Shown()) as url:
        port = int(url.rpartition(":")[2])
        async with client.get(f"{url}/healthz") as answer:
            assert answer.status == 200
        _, half_asked = await asyncio.open_connection(HOST, port)
        half_asked.write(b"GET /healthz HTTP/1.1\r\n")
        await half_asked.drain()
        began = loop.time()
    assert loop.time() - began < promised_s(2)
    half_asked.close()
    again = asyncio.create_task(serve(app(Shown()), host=HOST, port=port))
    await asyncio.sleep(0.1)
    assert not again.done()
    again.cancel()
    with pytest.raises(asyncio.CancelledError):
        await again


async def test_signals_stay_as_they_are() -> None:
    """While it serves, SIGINT and SIGTERM are handled by whom they were before."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with served(Shown()) as url, aiohttp.ClientSession() as session:
        await session.get(f"{url}/healthz")
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_nothing_is_printed(client: aiohttp.ClientSession, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither good nor broken requests leave a line on the terminal."""
    async with served(Shown()) as url:
        async with client.get(f"{url}/healthz") as answer:
            assert answer.status == 200
        reader, writer = await asyncio.open_connection(HOST, int(url.rpartition(":")[2]))
        writer.write(b"nonsense\r\n\r\n")
        assert b"400" in await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert capfd.readouterr() == ("", "")
