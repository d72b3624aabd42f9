"""A server of line protocol that acknowledges a second late, as InfluxDB 3 Core does; prints its port.

With a file's name it acknowledges at once, has nothing of what is asked, and appends the packed bodies to the file.
"""

import asyncio
import gzip
import sys
from pathlib import Path

from aiohttp import web

ACKNOWLEDGES_AFTER_S = 1.0
LINE_END = gzip.compress(b"\n")  # a body has none after its last line


async def write(request: web.Request) -> web.Response:
    """Takes everything."""
    await request.read()
    await asyncio.sleep(ACKNOWLEDGES_AFTER_S)
    return web.Response(status=204)


def keeping(path: Path) -> web.Application:
    """Takes everything at once into a file of gzip members."""

    async def keep(request: web.Request) -> web.Response:
        with path.open("ab") as file:
            file.write(await request.read() + LINE_END)
        return web.Response(status=204)

    async def nothing(_: web.Request) -> web.Response:
        return web.json_response({"results": [{"statement_id": 0}]})

    app = web.Application(client_max_size=1 << 28, handler_args={"auto_decompress": False})
    app.router.add_post("/api/v2/write", keep)
    app.router.add_post("/query", nothing)
    return app


def late() -> web.Application:
    """Takes everything, late."""
    app = web.Application(client_max_size=1 << 28)
    app.router.add_post("/api/v2/write", write)
    return app


async def main(words: list[str]) -> None:
    """Serves until it is killed."""
    app = keeping(Path(words[0])) if words else late()
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
