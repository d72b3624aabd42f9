"""A server of line protocol that acknowledges a second late, as InfluxDB 3 Core does; prints its port."""

import asyncio
import sys

from aiohttp import web

ACKNOWLEDGES_AFTER_S = 1.0


async def write(request: web.Request) -> web.Response:
    """Takes everything."""
    await request.read()
    await asyncio.sleep(ACKNOWLEDGES_AFTER_S)
    return web.Response(status=204)


async def main() -> None:
    """Serves until it is killed."""
    app = web.Application(client_max_size=1 << 28)
    app.router.add_post("/api/v2/write", write)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
