"""The web application of the daemon, and how it is served inside the daemon's own event loop."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from adapters.cancelling import end_tasks, outlast
from mes.board.bounds import HANDSHAKES, BoundedListener, Bounds, Limits, bounded_protocol, quiet_accept_errors
from mes.board.context import Board
from mes.board.refusals import NO_STORE, code_of, refusal
from mes.board.routes import with_board
from mes.errors import ConfigError
from mes.health.prometheus import exposition
from mes.health.status import REASON_SHOWN, Status, Verdict, alive, ready
from mes.logs import get_logger

log = get_logger()

REASONS_SHOWN = 20
STARTING_RETRY_S = "5"
CLOSE_WITHIN_S = 1  # for answers that are under way when the program stops


def app(status: Callable[[], Status], board: Board | None = None) -> ASGIApp:
    """`/healthz`, `/readyz` and `/metrics`, and the board; without one every other page says that the program starts.

    `status` is asked again for each request, in the event loop.
    """

    async def healthz(_: Request) -> Response:
        return _verdict("alive", alive(status()))

    async def readyz(_: Request) -> Response:
        now = status()
        diagnostics = [f"{part}: {why}"[:REASON_SHOWN] for part, why in sorted(now.diagnostics.items())]
        return _verdict("ready", ready(now), diagnostics)

    async def metrics(request: Request) -> Response:
        page, content_type = exposition(status(), request.headers.get("accept", ""))
        return Response(page, headers={**NO_STORE, "content-type": content_type})

    found = (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics))
    routes = [Route(path, page, methods=["GET"]) for path, page in found]  # and HEAD with it
    if board is None:
        handlers = {HTTPException: _refused, Exception: _failed}
        return Starlette(routes=routes, exception_handlers=handlers)
    return with_board(routes, board, _failed)


def _verdict(name: str, verdict: Verdict, diagnostics: Sequence[str] = ()) -> Response:
    """200 or 503, with the reasons; more than twenty are only counted. `diagnostics`: what does not work beside it."""
    reasons = list(verdict.reasons[:REASONS_SHOWN])
    if len(verdict.reasons) > REASONS_SHOWN:
        reasons.append(f"and {len(verdict.reasons) - REASONS_SHOWN} more")
    said: dict[str, object] = {name: verdict.holds, "reasons": reasons}
    if diagnostics:
        said["diagnostics"] = list(diagnostics[:REASONS_SHOWN])
    return JSONResponse(said, status_code=200 if verdict.holds else 503, headers=NO_STORE)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = {**(error.headers or {}), **NO_STORE}
    if error.status_code == 404:  # a page of the board, which is not open yet
        return refusal(request.scope, 503, "starting", {**NO_STORE, "retry-after": STARTING_RETRY_S})
    return refusal(
        request.scope, error.status_code, code_of(error.status_code), headers, problems=f"HTTP {error.status_code}"
    )


async def _failed(request: Request, error: Exception) -> Response:
    """A defect of a page is logged and ends nothing else."""
    log.error("page_failed", path=request.url.path, exc_info=error)
    return refusal(request.scope, 500, "page_failed", NO_STORE)


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a certificate with its chain, and of its key, both PEM."""

    certificate: str
    key: str


class _Server(uvicorn.Server):
    """uvicorn, but that the signals stay the daemon's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


async def serve(
    application: ASGIApp,
    *,
    host: str,
    port: int,
    listening: Callable[[int], None] | None = None,
    tls: Tls | None = None,
    limits: Limits | None = None,
) -> None:
    """Serves until it is cancelled, and then ends within about a second whatever is under way.

    `limits`: what clients may use, by default what this process can spare.
    `port` 0 lets the system choose; `listening` is told the port as soon as clients can connect to it.
    Raises ConfigError where the address cannot be had, or the files of the certificate cannot be used.
    """
    if tls is not None:
        await asyncio.to_thread(_check_tls, tls)
    limits = limits or Limits.of_this_process()
    listener = _listener(host, port, limits)
    listener.handshake_s = None if tls is None else limits.head_s
    quiet_accept_errors(asyncio.get_running_loop())
    server = _Server(
        uvicorn.Config(
            Bounds(application, limits),
            loop="none",
            http=bounded_protocol(limits, listener),
            h11_max_incomplete_event_size=limits.head_bytes,
            timeout_keep_alive=limits.idle_s,  # type: ignore[arg-type]  # it goes to call_later, which takes a float
            backlog=HANDSHAKES,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="critical",  # a page's own failure is logged above; what clients send wrongly is not ours
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=CLOSE_WITHIN_S,
            ssl_certfile=None if tls is None else tls.certificate,
            ssl_keyfile=None if tls is None else tls.key,
        )
    )
    try:
        if listening is not None:
            listening(listener.getsockname()[1])
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="board")
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            try:
                await outlast(serving)
            finally:
                await end_tasks(server.server_state.tasks)  # requests that uvicorn cancelled, and waited for no longer
    finally:
        listener.close()


def _check_tls(tls: Tls) -> None:
    """Raises ConfigError that names the file; a key that asks for a password is refused, for nobody would answer."""
    remedy = "put the file there and let the collector read it; the board is then served by itself"
    for name, file in (("certificate", tls.certificate), ("key", tls.key)):
        try:
            Path(file).read_bytes()
        except OSError as error:
            raise ConfigError(f"the board's {name} {file} cannot be read: {error.strerror}; {remedy}") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the board's certificate {tls.certificate} and its key {tls.key} do not work together: {error}; "
            "write both again as PEM, the key without a password"
        ) from error


def _listener(host: str, port: int, limits: Limits) -> BoundedListener:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as created:
            listener = BoundedListener(created.family, created.type, created.proto, created.detach())
        listener.most = limits.connections + HANDSHAKES
        return listener  # noqa: TRY300  # what follows is the refusal
    except OSError as error:
        known = error.errno is not None and error.errno > 0
        why = os.strerror(error.errno or 0).lower() if known else str(error)  # a name that is not known has its text
        raise ConfigError(
            f"health and metrics cannot be served at {host} port {port}: {why}; "
            "stop the program that has this address, or name another one in the plant's file"
        ) from error
