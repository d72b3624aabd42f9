"""What clients may use: connections, sizes and times are bounded, so that collecting never lacks a descriptor."""

import asyncio
import contextlib
import socket
import sys
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers as Fields
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from adapters.cancelling import end_tasks
from adapters.operating_system import open_files_limit
from mes.board.accounts.middleware import replayed
from mes.board.refusals import refusal, refusal_text
from mes.logs import get_logger
from mes.translations import LANGUAGES

log = get_logger()

CONNECTIONS_MOST = 512
HANDSHAKES = 64  # accepted connections beyond the limit: they are told 503, or are in their TLS handshake
HANDSHAKES_OF_ONE = HANDSHAKES // 2  # by address
HANDSHAKE_SPARED_S = 0.2  # one that has just begun gives no room to another
ACCEPT_LOG_S = 60.0
DIGITS_MOST = 12
STREAM_PATHS = frozenset({"/live/wall", "/live/changes", "/api/v1/events"})

CODES: Mapping[int, str] = {
    408: "request_too_slow",
    413: "request_too_large",
    431: "head_too_large",
    503: "too_many_clients",
}
RETRY: Mapping[str, str] = {"connection": "close", "retry-after": "60", "cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one server; times in real seconds, sizes in bytes. `connections` over all clients, `per_client` by address.

    `answer_s`: in which a client takes an answer, once this process has to keep a part of it; `stream_s`: in which the
    client of an event stream takes a part of what is kept for it.
    """

    connections: int = CONNECTIONS_MOST
    per_client: int = CONNECTIONS_MOST // 2
    streams: int = CONNECTIONS_MOST // 2
    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 15.0
    answer_s: float = 60.0
    stream_s: float = 60.0
    head_bytes: int = 16 * 1024
    body_bytes: int = 64 * 1024

    @classmethod
    def of_this_process(cls) -> "Limits":
        """Half of the descriptors that the process may open, CONNECTIONS_MOST at most; the rest is for collecting."""
        allowed = open_files_limit()
        half = CONNECTIONS_MOST if allowed is None else allowed // 2 - HANDSHAKES
        connections = max(8, min(CONNECTIONS_MOST, half))
        return cls(connections, per_client=connections // 2, streams=connections // 2)


@dataclass(slots=True)
class _Handshake:
    """A connection that is accepted, and not yet one of the server's."""

    connection: socket.socket
    since_s: float

    def end(self) -> None:
        """Its transport sees the end of the stream, and closes the socket."""
        with contextlib.suppress(OSError):  # it has ended by itself
            self.connection.shutdown(socket.SHUT_RDWR)


class BoundedListener(socket.socket):
    """Accepts a connection beyond `most` only to close it at once; so descriptors are left whatever clients do.

    With `handshake_s`, TLS handshakes are bounded in time and number, by address too: the oldest makes room.
    """

    most = CONNECTIONS_MOST + HANDSHAKES
    handshake_s: float | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises BlockingIOError where there is none, or none more is taken."""
        accepted, address = super().accept()
        opened: weakref.WeakSet[socket.socket] = self.__dict__.setdefault("_opened", weakref.WeakSet())
        if sum(connection.fileno() >= 0 for connection in opened) >= self.most or not self._begins(accepted, address):
            accepted.close()
            raise BlockingIOError
        opened.add(accepted)
        return accepted, address

    def _begins(self, accepted: socket.socket, address: Any) -> bool:
        """Whether its handshake may begin."""
        if self.handshake_s is None:
            return True
        loop, under_way = asyncio.get_running_loop(), self._under_way()
        for other in [other for other, handshake in under_way.items() if handshake.connection.fileno() < 0]:
            del under_way[other]
        for most, of_one in ((HANDSHAKES_OF_ONE, True), (HANDSHAKES, False)):
            group = [other for other in under_way if not of_one or other[0] == address[0]]
            if len(group) >= most and not self._made_room(group, loop.time()):
                return False
        handshake = under_way[address] = _Handshake(accepted, loop.time())
        loop.call_later(self.handshake_s, self._late, address, handshake)
        return True

    def _made_room(self, group: list[Any], now_s: float) -> bool:
        oldest = min(group, key=lambda other: self._under_way()[other].since_s)
        if now_s - self._under_way()[oldest].since_s < HANDSHAKE_SPARED_S:
            return False
        self._under_way().pop(oldest).end()
        return True

    def _late(self, address: Any, handshake: _Handshake) -> None:
        if self._under_way().get(address) is handshake:
            self._under_way().pop(address).end()

    def shook_hands(self, address: Any) -> None:
        """The connection of this client is one of the server's now."""
        self._under_way().pop(address, None)

    def _under_way(self) -> dict[Any, _Handshake]:
        """By the client's address and port."""
        known: dict[Any, _Handshake] = self.__dict__.setdefault("_handshakes", {})
        return known


def quiet_accept_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Logs that connections cannot be accepted once a minute, where asyncio would log every try with a traceback."""
    before, said_s = loop.get_exception_handler(), float("-inf")

    def handle(running: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal said_s
        if "accept" not in str(context.get("message", "")):
            if before is None:
                running.default_exception_handler(context)
            else:
                before(running, context)
            return
        if time.monotonic() - said_s >= ACCEPT_LOG_S:
            said_s = time.monotonic()
            remedy = "raise LimitNOFILE of the service, and look who holds connections"
            log.error("connections_not_accepted", error=str(context.get("exception")), remedy=remedy)

    loop.set_exception_handler(handle)


def bounded_protocol(limits: Limits, listener: BoundedListener) -> type[H11Protocol]:
    """The protocol of a server with these limits, whose connections a listener accepts."""

    class Bounded(_BoundedProtocol):
        of = limits
        accepted_by = listener

    return Bounded


class _BoundedProtocol(H11Protocol):
    """One connection; beyond the limits the oldest idle one is closed, and a new one refused where none is idle."""

    of: Limits
    accepted_by: BoundedListener
    since_s = 0.0
    refused = False
    deadline: asyncio.TimerHandle | None = None
    unsent: asyncio.TimerHandle | None = None  # ends the connection unless its client takes what is kept for it

    @property
    def idle(self) -> bool:
        """No request of it is under way."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.accepted_by.shook_hands(transport.get_extra_info("peername"))
        self.since_s = self.loop.time()
        known = [connection for connection in self.connections if isinstance(connection, _BoundedProtocol)]
        own = [connection for connection in known if self.client is not None and connection.address == self.address]
        for group, most in ((own, self.of.per_client), (known, self.of.connections)):
            if len(group) > most and not self._made_room(group):
                self.refused = True
                self._end(503)
                return
        self._expect_head()

    @property
    def address(self) -> str | None:
        """The client's."""
        return None if self.client is None else self.client[0]

    def _made_room(self, group: list["_BoundedProtocol"]) -> bool:
        idle = [
            connection
            for connection in group
            if connection is not self and connection.idle and not connection.transport.is_closing()
        ]
        if not idle:
            return False
        min(idle, key=lambda connection: connection.since_s).transport.abort()
        return True

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        if not self.transport.get_write_buffer_size():  # its client has taken all answers, and asks for more
            self._cancel_unsent()
        super().data_received(data)
        if not self.idle:
            self._cancel_deadline()
        elif self.deadline is None and not self.transport.is_closing():
            self._expect_head()  # the head of a further request has begun

    def on_response_complete(self) -> None:
        self.since_s = self.loop.time()
        self._cancel_deadline()
        if self.transport.get_write_buffer_size():
            self._expect_taken()
        else:
            self._cancel_unsent()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._cancel_unsent()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_taken()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._streams():
            self._cancel_unsent()

    def _streams(self) -> bool:
        """Its answer is an event stream, which never ends."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete and cycle.scope["path"] in STREAM_PATHS

    def _expect_taken(self) -> None:
        if self.unsent is None:
            limit_s = self.of.stream_s if self._streams() else self.of.answer_s
            self.unsent = self.loop.call_later(limit_s, self._not_taken)

    def _not_taken(self) -> None:
        self.unsent = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _cancel_unsent(self) -> None:
        if self.unsent is not None:
            self.unsent.cancel()
            self.unsent = None

    def _expect_head(self) -> None:
        self.deadline = self.loop.call_later(self.of.head_s, self._late)

    def _cancel_deadline(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _late(self) -> None:
        self.deadline = None
        if self.idle and not self.transport.is_closing():
            self._end(408)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for a head that it cannot read; h11 hints at the status."""
        hint = getattr(sys.exc_info()[1], "error_status_hint", HTTPStatus.BAD_REQUEST)
        if hint in CODES:
            self._end(hint)
        else:
            super().send_400_response(msg)

    def _end(self, status: int) -> None:
        """Nobody has said yet which language he reads: the answer is in all."""
        body = "".join(f"{refusal_text(language, CODES[status])}\n" for language in LANGUAGES).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\nretry-after: 60\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class Bounds:
    """Refuses bodies that are too large (413) or too slow (408), and more open streams than allowed (503)."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on within the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in STREAM_PATHS:
            await self._stream(scope, receive, send)
            return
        body: bytes | int = 413
        announced = Fields(scope=scope).get("content-length", "0")
        if announced.isdigit() and len(announced) <= DIGITS_MOST and int(announced) <= self._limits.body_bytes:
            body = await self._body(receive)
        if isinstance(body, int):
            await refusal(scope, body, CODES[body], RETRY)(scope, receive, send)
        elif scope["method"] in {"GET", "HEAD"}:
            await _unless_left(self._app, scope, replayed(body, receive), send, receive)
        else:
            await self._app(scope, replayed(body, receive), send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._streams >= self._limits.streams:
            await refusal(scope, 503, CODES[503], RETRY)(scope, receive, send)
            return
        self._streams += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._streams -= 1

    async def _body(self, receive: Receive) -> bytes | int:
        """The whole body, or the status of its refusal."""
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self._limits.body_s):
                while more:
                    message = await receive()
                    body += message.get("body", b"")
                    more = message["type"] == "http.request" and message.get("more_body", False)
                    if len(body) > self._limits.body_bytes:
                        return 413
        except TimeoutError:
            return 408
        return bytes(body)


async def _unless_left(app: ASGIApp, scope: Scope, receive: Receive, send: Send, leaves: Receive) -> None:
    """Answers a question, which ends when its client leaves; what changes something is always ended."""

    async def left() -> None:
        while (await leaves())["type"] != "http.disconnect":
            pass

    answering = asyncio.ensure_future(app(scope, receive, send))
    leaving = asyncio.ensure_future(left())
    try:
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        unfinished = [task for task in (answering, leaving) if not task.done()]
        await end_tasks(unfinished)
    if not answering.cancelled():
        answering.result()
