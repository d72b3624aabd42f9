"""A private influxd (Debian's influxdb package) on loopback, started and stopped by the tests."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  index-version = "tsi1"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
[monitor]
  store-enabled = false
"""


def free_port() -> int:
    """A port of the system's choice that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Influxd:
    """One server process with its own folder; it can be stopped and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "influxd.conf"
        self._config.write_text(CONFIG.format(folder=folder, http=self.port, rpc=free_port()))
        self._log = folder / "influxd.log"

    async def start(self) -> None:
        """Returns when it answers; fails, and does not skip, where the program is not installed."""
        program = shutil.which("influxd")
        assert program is not None, "influxd is not installed: `make test` does it, or install Debian's influxdb"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - starting is quick, the waiting is below
                [program, "run", "-config", str(self._config)], stdout=log, stderr=log
            )
        async with asyncio.timeout(10), aiohttp.ClientSession() as session:
            while not await self._answers(session):
                await asyncio.sleep(0.05)

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/ping") as answer:
                return answer.status == 204
        except aiohttp.ClientError:
            return False

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._process is not None

    async def stop(self) -> None:
        """Ends the process as a plant's power cut would."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            self._process = None


@asynccontextmanager
async def private_influxd(folder: Path) -> AsyncIterator[Influxd]:
    """An influxd for the time of the block."""
    server = Influxd(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
