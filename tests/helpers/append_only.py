"""Stands before a real InfluxDB, and fails where a key (measurement, tags, time) gets a second, different content."""

import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from mes.influx.delivery import CANARY, point_of

DROPPED = re.compile(r'DROP DATABASE "?(\w+)"?')
PASSED_ON = ("Content-Type", "X-Influxdb-Version", "X-Influxdb-Error", "Retry-After")
OF_THE_WAY = ("Host", "Content-Length", "Content-Encoding")  # other ones go to the server
MOST_BYTES = 1 << 26


class Watched:
    """A server by its address here; `second`: contents of keys that had another one."""

    def __init__(self, url: str) -> None:
        self.url = ""
        self.second: list[str] = []
        self.lines = 0
        self._url = url
        self._contents: dict[str, dict[str, str]] = {}  # by database and key
        self.session: aiohttp.ClientSession  # to the server

    async def pass_on(self, request: web.Request) -> web.Response:
        """A request as it came, after a look at what it writes."""
        body = await request.read()  # unpacked
        if request.path.endswith("/write"):
            self._look(request.query.get("db") or request.query.get("bucket", ""), body.decode())
        form = await request.post()
        if dropped := DROPPED.match(str(form.get("q") or request.query.get("q", ""))):
            self._contents.pop(dropped[1], None)
        headers = {name: value for name, value in request.headers.items() if name not in OF_THE_WAY}
        asked = self.session.request(
            request.method, self._url + request.path_qs, headers=headers, data=io.BytesIO(body)
        )
        async with asked as answer:
            kept = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    def _look(self, database: str, text: str) -> None:
        contents = self._contents.setdefault(database, {})
        for line in text.split("\n"):
            if not line or line == CANARY.decode():
                continue
            self.lines += 1
            known = contents.setdefault(point_of(line), line)
            if known != line:
                self.second.append(f"{known}, then {line}")


@asynccontextmanager
async def append_only(url: str) -> AsyncIterator[Watched]:
    """The server at `url`, watched for the time of the block."""
    watched = Watched(url)
    app = web.Application(client_max_size=MOST_BYTES)
    app.router.add_route("*", "/{path:.*}", watched.pass_on)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    watched.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as watched.session:
            yield watched
    finally:
        await runner.cleanup()
    assert not watched.second, f"{len(watched.second)} of {watched.lines}: {watched.second[:5]}"
