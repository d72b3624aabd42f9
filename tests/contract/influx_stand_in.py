"""A stand-in for InfluxDB that answers as the sources say: partial writes, overwriting, refusals.

1.x answers 400 to a body with some bad lines and stores the rest, 2.x answers 422 and stores the rest; 3 answers 400 on
the same path and stores nothing.
Equal measurement, tags and time are one point whose fields are united, the newer value winning.
"""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import web

LINE = re.compile(r"^((?:[^ \\]|\\.)+) ((?:[^ \"\\]|\\.|\"(?:[^\"\\]|\\.)*\")+)(?: (-?\d+))?$")
FIELD = re.compile(r"((?:[^,=\\]|\\.)+)=((?:\"(?:[^\"\\]|\\.)*\")|[^,]+)")

Answer = int | Literal["hang-up-after-storing", "hang-up", "hang"]


class StandIn:
    """What the server holds, and how it is told to answer next."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.url = ""
        self.token = "secret-token"
        self.bucket = "plant"
        self.points: dict[tuple[str, str], dict[str, str]] = {}
        self.types: dict[tuple[str, str], str] = {}
        self.next_answers: list[tuple[Answer, dict[str, str]]] = []
        self.requests = 0
        self.most_bytes = 1 << 26  # of a body, unpacked
        self.broken = False  # a fault of its own: every write is refused as 400
        self.refused_text: str | None = None  # lines that hold it are bad
        self.hung = asyncio.Event()

    @property
    def _is_v1(self) -> bool:
        return self.version.lstrip("v").startswith("1")

    async def query(self, _request: web.Request) -> web.Response:
        return web.json_response({"results": [{}]})

    async def ping(self, _request: web.Request) -> web.Response:
        return web.Response(status=204, headers={"x-influxdb-version": self.version})

    async def write(self, request: web.Request) -> web.Response:
        self.requests += 1
        text = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and text[:2] == b"\x1f\x8b":
            text = gzip.decompress(text)
        answer, headers = self.next_answers.pop(0) if self.next_answers else (204, {})
        if answer == "hang":
            await self.hung.wait()
            answer = 204
        if isinstance(answer, str):
            if answer == "hang-up-after-storing":
                self._store(text.decode())
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        if answer != 204:
            return web.json_response({"code": "told", "message": "as told"}, status=answer, headers=headers)
        if self.broken:
            return web.json_response({"error": "invalid", "message": "write buffer error"}, status=400)
        if len(text) > self.most_bytes:
            return web.json_response({"error": "Request Entity Too Large"}, status=413)
        if not self._is_v1 and request.headers.get("Authorization") != f"Token {self.token}":
            return web.json_response({"code": "unauthorized"}, status=401)
        if request.query.get("db" if self._is_v1 else "bucket") != self.bucket:
            return web.json_response({"code": "not found", "message": "bucket not found"}, status=404)
        return self._store(text.decode())

    def _store(self, text: str) -> web.Response:
        good: list[str] = []
        bad: list[str] = []
        for line in text.split("\n"):
            (good if self._fits(line) else bad).append(line)
        if bad and self.version.startswith("3"):
            return web.json_response({"error": "invalid", "message": f"bad line: {bad[0]}"}, status=400)
        for line in good:
            match = LINE.match(line)
            assert match is not None
            if match[1].startswith("canary"):
                continue
            self.points.setdefault((match[1], match[3]), {}).update(dict(FIELD.findall(match[2])))
        if bad and self._is_v1:
            return web.json_response({"error": f"partial write: {bad[0]} dropped=0"}, status=400)
        if bad:
            return web.json_response({"code": "unprocessable entity", "message": f"partial: {bad[0]}"}, status=422)
        return web.Response(status=204)

    def _fits(self, line: str) -> bool:
        """Well-formed, and every field of the type that its first write fixed."""
        match = LINE.match(line)
        if match is None or (self.refused_text is not None and self.refused_text in line):
            return False
        measurement = match[1].split(",")[0]
        for name, value in FIELD.findall(match[2]):
            kind = "s" if value[0] == '"' else "b" if value in ("true", "false") else "i" if value[-1] == "i" else "f"
            if self.types.setdefault((measurement, name), kind) != kind:
                return False
        return True


@asynccontextmanager
async def stand_in(version: str) -> AsyncIterator[StandIn]:
    """A stand-in for the time of the block, on a port of the system's choice."""
    server = StandIn(version)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_get("/ping", server.ping)
    app.router.add_post("/api/v2/write", server.write)
    app.router.add_post("/write", server.write)
    app.router.add_post("/query", server.query)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.hung.set()
        await runner.cleanup()
