"""The pages of health served on a real socket, over any status."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from patience import patiently
from status_scenes import STATUS

from mes.board.server import app, serve
from mes.health.status import Status

HOST = "127.0.0.1"


@dataclass(slots=True)
class Shown:
    """The status that the pages show; it may change."""

    now: Status = STATUS

    def __call__(self) -> Status:
        return self.now


@asynccontextmanager
async def served(status: Callable[[], Status], *, host: str = HOST) -> AsyncIterator[str]:
    """The address of the pages while the block runs."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app(status), host=host, port=0, listening=port.set_result))
    try:
        async with patiently(5):
            yield f"http://{host if ':' not in host else f'[{host}]'}:{await port}"
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
