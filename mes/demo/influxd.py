"""A private influxd (Debian's influxdb package) on loopback, for a demo or a test; it lives as long as its folder."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from mes.errors import MesError

STARTS_WITHIN_S = 10.0
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

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "influxd.conf"
        self._config.write_text(config.format(folder=folder, http=self.port, rpc=free_port()))
        self._log = folder / "influxd.log"

    async def start(self) -> None:
        """Returns when it answers; raises MesError where the program is not installed or does not come up."""
        program = shutil.which("influxd")
        if program is None:
            raise MesError("influxd is not installed: `apt-get install influxdb` brings it, or give a server's URL")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - starting is quick, the waiting is below
                [program, "run", "-config", str(self._config)], stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(STARTS_WITHIN_S), aiohttp.ClientSession() as session:
                while not await self._answers(session):
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise MesError(f"influxd does not answer within {STARTS_WITHIN_S:g} s; its log is {self._log}") from error

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
async def private_influxd(folder: Path, config: str = CONFIG) -> AsyncIterator[Influxd]:
    """An influxd for the time of the block."""
    server = Influxd(folder, config)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
