"""A private influxd (Debian's influxdb package) on loopback, for a demo or a test; it lives as long as its folder."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mes.errors import MesError

if TYPE_CHECKING:
    import aiohttp

STARTS_WITHIN_S = 60.0  # a busy machine may stand still for a while
FIRST_STARTS = 5
PING_S = 1.0  # whoever took the port may never answer
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
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._folder, self._template = folder, config
        self._config = folder / "influxd.conf"
        self._log = folder / "influxd.log"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Returns when it answers; raises MesError where the program is not installed or does not come up.

        Until it listens, another program may take a port that was free: at its first start it then tries others.
        """
        program = shutil.which("influxd")
        if program is None:
            raise MesError("influxd is not installed: `apt-get install influxdb` brings it, or give a server's URL")
        first = self.port == 0
        for _ in range(FIRST_STARTS if first else 1):
            if first:
                self.port = free_port()
                text = self._template.format(folder=self._folder, http=self.port, rpc=free_port())
                self._config.write_text(text)
            if await self._comes_up(program):
                return
        last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        raise MesError(f"influxd ended while it started; its log {self._log} ends with {' '.join(last)!r}")

    async def _comes_up(self, program: str) -> bool:
        """Whether it answers rather than ends; raises MesError where it does neither."""
        import aiohttp

        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - starting is quick, the waiting is below
                [program, "run", "-config", str(self._config)], stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(STARTS_WITHIN_S), aiohttp.ClientSession() as session:
                while self._process.poll() is None:
                    if await self._answers(session):
                        return True
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            await self.stop()
            raise MesError(f"influxd does not answer within {STARTS_WITHIN_S:g} s; its log is {self._log}") from error
        self._process = None
        return False

    async def _answers(self, session: "aiohttp.ClientSession") -> bool:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=PING_S)
        try:
            async with session.get(f"{self.url}/ping", timeout=timeout) as answer:
                return answer.status == 204
        except (aiohttp.ClientError, TimeoutError):
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
