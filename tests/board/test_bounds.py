"""What clients may use of the board, over real sockets; beyond the limits they are refused or closed."""

import asyncio
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from patience import eventually, patiently, promised_s
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from tls_files import certificate

from adapters.operating_system import raise_open_files_limit
from mes.board.bounds import HANDSHAKE_SPARED_S, HANDSHAKES, HANDSHAKES_OF_ONE, Limits, quiet_accept_errors
from mes.board.refusals import refusal_text
from mes.board.server import Tls, serve
from mes.daemon import OPEN_FILES_WANTED
from mes.translations import LANGUAGES

pytestmark = pytest.mark.timeout(60)

SMALL = Limits(connections=8, per_client=6, streams=2, head_s=0.3, body_s=0.3, idle_s=0.3, body_bytes=1000)
IMPATIENT = Limits(connections=8, per_client=6, streams=2, answer_s=0.3, stream_s=0.3)
PATIENT = Limits(connections=8, per_client=6, streams=2, head_bytes=4096, body_bytes=1000)
HALF_A_HEAD = "GET / HTTP/1.1\r\nhost: lo"
NO_BODY = "POST /form HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n"
LARGE = b"\xff" * 2**24  # more than the system's buffers of both sides hold
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Plain:
    """An application with a page, a stream, a form and a question that never ends, and what it saw."""

    def __init__(self) -> None:
        self.left = 0
        self.asked = 0
        self.ended = 0
        self.application = Starlette(
            routes=[
                Route("/", self.page),
                Route("/live/wall", self.stream),
                Route("/live/changes", self.flood),
                Route("/large", self.large),
                Route("/parts", self.parts),
                Route("/form", self.form, methods=["POST"]),
                Route("/long", self.long),
            ]
        )

    async def page(self, _: Request) -> Response:
        """A page."""
        return PlainTextResponse("page")

    async def form(self, request: Request) -> Response:
        """Says how long the body was."""
        return PlainTextResponse(str(len(await request.body())))

    async def stream(self, _: Request) -> Response:
        """Never ends."""

        async def parts() -> AsyncIterator[bytes]:
            yield b"data: begun\n\n"
            await asyncio.Event().wait()

        return StreamingResponse(parts(), media_type="text/event-stream")

    async def large(self, _: Request) -> Response:
        """All of a large answer at once."""
        self.asked += 1
        return Response(LARGE)

    async def parts(self, _: Request) -> Response:
        """The same in parts."""
        self.asked += 1

        async def parts() -> AsyncIterator[bytes]:
            try:
                for at in range(0, len(LARGE), 2**16):
                    yield LARGE[at : at + 2**16]
            finally:
                self.ended += 1

        return StreamingResponse(parts())

    async def flood(self, _: Request) -> Response:
        """A stream that always has something to say."""

        async def parts() -> AsyncIterator[bytes]:
            self.asked += 1
            try:
                while True:
                    yield b"data: " + b"x" * 2**16 + b"\n\n"
                    await asyncio.sleep(0)
            finally:
                self.ended += 1

        return StreamingResponse(parts(), media_type="text/event-stream")

    async def long(self, _: Request) -> Response:
        """A question whose answer never comes."""
        self.asked += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.left += 1
        raise AssertionError


@asynccontextmanager
async def served(limits: Limits, tls: Tls | None = None) -> AsyncIterator[tuple[Plain, int]]:
    """The application on a port."""
    plain = Plain()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(plain.application, host="127.0.0.1", port=0, listening=port.set_result, limits=limits, tls=tls)
    )
    try:
        yield plain, await port
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def connect(port: int) -> Client:
    """A connection on which nothing was sent."""
    return await asyncio.open_connection("127.0.0.1", port)


async def ask(port: int, request: str, trust: ssl.SSLContext | None = None) -> bytes:
    """Sends something and reads until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    writer.write(request.encode())
    async with patiently():
        answer = await reader.read()
    writer.close()
    return answer


def slow_socket() -> socket.socket:
    """One that holds little of what its owner does not read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    return client


def get(path: str, more: str = "") -> str:
    """A request after which the connection ends."""
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}connection: close\r\n\r\n"


async def test_the_oldest_idle_connection_makes_room() -> None:
    """More idle connections than a client may have: the newest is answered, the oldest are closed."""
    async with served(PATIENT) as (_, port):
        idle = [await connect(port) for _ in range(3 * PATIENT.connections)]
        assert b"200 OK" in await ask(port, get("/"))
        reader, _writer = idle[0]
        async with patiently():
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        for _, writer in idle:
            writer.close()


async def test_where_none_is_idle_a_new_one_is_refused_in_three_languages() -> None:
    """Every connection is in use: 503 at once, in English, Russian and Kazakh."""
    async with served(PATIENT) as (plain, port):
        busy = [await connect(port) for _ in range(PATIENT.per_client)]
        for _, writer in busy:
            writer.write(get("/long").encode())
        await eventually(lambda: plain.asked == PATIENT.per_client)
        answer = await ask(port, "")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert all(refusal_text(language, "too_many_clients").encode() in answer for language in LANGUAGES)
        for _, writer in busy:
            writer.close()
        await eventually(lambda: plain.left == PATIENT.per_client)
        assert b"200 OK" in await ask(port, get("/"))


async def test_a_flood_takes_no_more_descriptors_than_its_share() -> None:
    """Two hundred connections at once: the server holds its limit and the handshakes' share, never more."""
    async with served(PATIENT) as (_, port):
        before = descriptors()
        flood = []
        for _ in range(200):
            plug = socket.socket()
            plug.setblocking(False)
            plug.connect_ex(("127.0.0.1", port))
            flood.append(plug)
        most = 0
        for _ in range(200):
            most = max(most, descriptors() - before - len(flood))
            await asyncio.sleep(0)
        assert most <= PATIENT.connections + HANDSHAKES + 1
        for plug in flood:
            plug.close()
        await eventually(lambda: descriptors() <= before + PATIENT.connections)
        assert b"200 OK" in await ask(port, get("/"))


async def test_by_tls_who_never_shakes_hands_keeps_nobody_out(tmp_path: Path) -> None:
    """More connections than there are places begin no handshake: the oldest make room, and browsers are answered.

    They hold no more descriptors than there are places, and one address no more than its share.
    """
    tls = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=tls.certificate)
    async with served(PATIENT, tls) as (_, port):
        before = descriptors()
        idle: list[Client] = []
        while len(idle) < PATIENT.connections + 2 * HANDSHAKES:
            idle += [await connect(port) for _ in range(HANDSHAKES_OF_ONE)]
            await asyncio.sleep(1.5 * HANDSHAKE_SPARED_S)
            assert b"200 OK" in await ask(port, get("/"), trust)
            assert descriptors() - before - len(idle) <= HANDSHAKES_OF_ONE + 2
        for _, writer in idle:
            writer.close()
        await eventually(lambda: descriptors() <= before + 1)


async def test_by_tls_a_handshake_ends_in_time(tmp_path: Path) -> None:
    """Who says nothing, or not enough, is ended as by plain HTTP."""
    async with served(SMALL, certificate(tmp_path)) as (_, port):
        for sent in (b"", b"\x16\x03\x01"):
            reader, writer = await connect(port)
            writer.write(sent)
            async with patiently():
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""
            writer.close()


async def test_by_tls_the_limits_are_the_same(tmp_path: Path) -> None:
    """After its handshake a connection that idles makes room, and ends in time."""
    tls = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=tls.certificate)
    async with served(PATIENT, tls) as (_, port):
        idle = [await asyncio.open_connection("127.0.0.1", port, ssl=trust) for _ in range(3 * PATIENT.connections)]
        assert b"200 OK" in await ask(port, get("/"), trust)
        for _, writer in idle:
            writer.transport.abort()
    async with served(SMALL, tls) as (_, port):
        assert (await ask(port, HALF_A_HEAD, trust)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "sent", ["", "GET / HTTP/1.1\r\nhost: lo", "POST /form HTTP/1.1\r\nhost: l\r\ncontent-length: 9\r\n\r\n"]
)
async def test_what_does_not_arrive_in_time_is_ended(sent: str) -> None:
    """Nothing, half a head, no body: 408, and the connection ends."""
    async with served(SMALL) as (_, port):
        assert (await ask(port, sent)).startswith(b"HTTP/1.1 408 ")


async def test_a_connection_that_is_kept_alive_ends_when_it_idles() -> None:
    """After an answer the connection ends by itself, also when a further head never becomes whole."""
    for further in ("", "GET / HT"):
        async with served(SMALL) as (_, port):
            answer = await ask(port, f"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n{further}")
            assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_bodies_and_heads_are_bounded() -> None:
    """A body that is announced or becomes too large is refused with 413, a head with 431; in the client's language."""
    async with served(PATIENT) as (_, port):
        form = "POST /form HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        assert (await ask(port, f"{form}content-length: 5\r\n\r\n12345")).endswith(b"\r\n5")
        announced = await ask(port, f"{form}accept-language: kk\r\ncontent-length: 400000000\r\n\r\n")
        assert announced.startswith(b"HTTP/1.1 413 ")
        assert refusal_text("kk", "request_too_large").encode() in announced
        chunk = "1f4\r\n" + "a" * 500 + "\r\n"
        assert (await ask(port, f"{form}transfer-encoding: chunked\r\n\r\n{chunk * 3}")).startswith(b"HTTP/1.1 413 ")
        assert (await ask(port, f"GET / HTTP/1.1\r\nx: {'a' * 5000}")).startswith(b"HTTP/1.1 431 ")
        assert b"200 OK" in await ask(port, get("/"))


async def test_streams_are_bounded_in_number() -> None:
    """The third of two streams is refused with 503; when one ends there is room again."""
    async with served(PATIENT) as (_, port):
        streams = [await connect(port) for _ in range(PATIENT.streams)]
        for reader, writer in streams:
            writer.write(get("/live/wall").encode())
            async with patiently():
                await reader.readuntil(b"begun")
        assert (await ask(port, get("/live/wall", "accept-language: ru\r\n"))).startswith(b"HTTP/1.1 503 ")
        streams[0][1].close()

        async def again() -> bool:
            reader, writer = await connect(port)
            writer.write(get("/live/wall").encode())
            answer = await reader.readline()
            writer.close()
            return b"200" in answer

        await eventually(again)
        streams[1][1].close()


async def test_a_question_ends_when_its_client_leaves() -> None:
    """A question whose client closes the connection is cancelled."""
    async with served(PATIENT) as (plain, port):
        _, writer = await connect(port)
        writer.write(get("/long").encode())
        await eventually(lambda: plain.asked == 1)
        writer.close()
        await eventually(lambda: plain.left == 1)


@pytest.mark.parametrize(
    ("path", "times"), [("/large", 1), ("/large", 9), ("/parts", 1), ("/parts", 9), ("/live/changes", 1)]
)
async def test_a_client_that_never_reads_is_ended(path: str, times: int) -> None:
    """An answer at once, an answer in parts and a stream: nothing is taken of it, and the connection is given up.

    However many answers were asked for at once.
    """
    async with served(IMPATIENT) as (plain, port):
        before = descriptors()
        with slow_socket() as client:
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
            client.send(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() * times)
            await eventually(lambda: plain.asked >= 1)
            await eventually(lambda: descriptors() == before + 1)
            await eventually(lambda: plain.ended == (plain.asked if path != "/large" else 0))
        assert b"200 OK" in await ask(port, get("/"))


@pytest.mark.parametrize("path", ["/large", "/parts"])
async def test_a_large_answer_is_whole_for_who_reads(path: str) -> None:
    """A client that reads late, but within the limit, has all of a large answer, and the next one on the same line."""
    async with served(PATIENT) as (plain, port):
        reader, writer = await connect(port)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n{get('/')}".encode())
        await eventually(lambda: plain.asked == 1)
        async with patiently():
            answer = await reader.read()
        assert answer.count(b"\xff") == len(LARGE)
        assert answer.endswith(b"\r\n\r\npage")
        writer.close()


async def test_a_stream_that_is_read_goes_on() -> None:
    """A stream's client that takes less than there is, but takes a part again and again, is never ended."""
    limits = replace(IMPATIENT, stream_s=promised_s(0.5))
    async with served(limits) as (plain, port):
        loop = asyncio.get_running_loop()
        with slow_socket() as client:
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, get("/live/changes").encode())
            until = loop.time() + 5 * limits.stream_s
            async with patiently():
                while loop.time() < until:
                    assert await loop.sock_recv(client, 2**12)
                    await asyncio.sleep(0)  # the server has its turn, and more to say than was taken
            assert plain.ended == 0
        await eventually(lambda: plain.ended == 1)


async def test_failed_accepts_are_one_line(logged: list[dict[str, object]]) -> None:
    """A thousand refusals by the system are one line of the log; every other failure is told as before."""
    loop = asyncio.get_running_loop()
    others: list[object] = []
    loop.set_exception_handler(lambda _, context: others.append(context["message"]))
    quiet_accept_errors(loop)
    for _ in range(1000):
        loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": OSError(24, "")})
    loop.call_exception_handler({"message": "another"})
    loop.set_exception_handler(None)
    assert [line["event"] for line in logged] == ["connections_not_accepted"]
    assert others == ["another"]


@pytest.mark.parametrize(("allowed", "connections"), [(64, 8), (256, 64), (600, 236), (2048, 512)])
def test_the_board_takes_half_of_the_descriptors(allowed: int, connections: int) -> None:
    """Whatever the limit, at least half of the descriptors is left for collecting; eight connections there always are.

    Handshakes, 64 of them, are part of the board's half. Raising the limit is harmless.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        limits = Limits.of_this_process()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        raise_open_files_limit(OPEN_FILES_WANTED)
    assert limits.connections == connections
    assert 0 < limits.per_client <= limits.connections // 2
    assert 0 < limits.streams <= limits.connections // 2
