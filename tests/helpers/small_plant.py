"""A plant of one Modbus station and the real program beside it, for faults of files and ports."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from modbus_plant import FILE, STATION
from patience import patiently

from mes.demo.influxd import free_port
from mes.errors import JournalError
from mes.journal import JournalReader
from mes.model import UnitsCounted
from simulators.modbus_server import ModbusServer

WITHIN_S = 10.0  # of a quiet machine: a condition is waited for, not a time
MES = Path(sys.executable).with_name("mes")


@dataclass(slots=True)
class SmallPlant:
    """The station's device, and `mes run` in a folder of its own."""

    folder: Path
    device: ModbusServer
    board: int
    web: str = ""
    tail: str = ""
    made: int = 0
    descriptors: int = 0  # how many the program may open; 0: as many as this process
    program: tuple[str, ...] = (str(MES),)
    text: str = ""  # of the plant's file, if it is another one
    _running: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        """The journal of the plant's file."""
        return self.folder / "journal.sqlite"

    @property
    def plant(self) -> Path:
        """The plant's file."""
        return self.folder / "plant.yaml"

    def make(self, parts: int = 1) -> None:
        """The totaliser goes on."""
        self.made += parts
        self.device.write(0, [1, self.made])

    async def start(self, **environment: str) -> None:
        """Begins `mes run`."""
        web = self.web or f"{{host: 127.0.0.1, port: {self.board}}}"
        journal = "path: journal.sqlite, process_values_days: 30"
        text = FILE.format(port=self.device.port, poll_ms=50, ideal_s=30, max_per_hour=100000, journal=journal, web=web)
        self.plant.write_text(self.text or text + self.tail, encoding="utf-8")
        limit = f"ulimit -n {self.descriptors}; " if self.descriptors else ""
        with (self.folder / "log").open("ab") as log:
            self._running.append(
                await asyncio.create_subprocess_exec(
                    *("/bin/sh", "-c", f'{limit}exec "$0" "$@"', *self.program, "run", "--config", str(self.plant)),
                    cwd=self.folder,
                    env={**os.environ, **environment},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    @property
    def process(self) -> Path:
        """What the system says of the running program."""
        return Path("/proc") / str(self._running[-1].pid)

    async def stop(self) -> int:
        """Ends it by SIGTERM; its exit code."""
        running = self._running.pop()
        if running.returncode is None:
            running.terminate()
        return await running.wait()

    def signal(self, number: int) -> None:
        """Sends the running program a signal."""
        self._running[-1].send_signal(number)

    async def ends(self) -> int:
        """Waits for the end of the program, which somebody else brought about; its exit code."""
        return await self._running.pop().wait()

    async def kill(self) -> None:
        """Ends whatever still runs."""
        for running in self._running:
            if running.returncode is None:
                running.kill()
            await running.wait()

    def log(self, event: str) -> list[dict[str, str]]:
        """The lines of an event in the program's log."""
        lines = (self.folder / "log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and f'"event": "{event}"' in line]

    def counted(self) -> int:
        """Parts in the journal; -1 before the totaliser was read for the first time."""
        try:
            with JournalReader(self.journal) as reader:
                events = [event.event for event in reader.events(STATION)]
        except JournalError:
            return -1
        counts = [event.delta for event in events if isinstance(event, UnitsCounted)]
        return sum(counts) if counts else -1

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits; fails with the end of the log where it does not come, or the program has ended."""
        with suppress(TimeoutError):
            async with patiently(WITHIN_S):
                while not condition() and self._running[-1].returncode is None:
                    await asyncio.sleep(0.05)
        assert condition(), (self.folder / "log").read_text(encoding="utf-8")[-4000:]

    async def collects(self, parts: int = 3) -> None:
        """Parts that are made now are counted, each once."""
        await self.until(lambda: self.counted() >= 0)
        for _ in range(parts):
            self.make()
            await self.until(lambda: self.counted() == self.made)

    async def page(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the board; waits until it is served."""
        async with patiently(WITHIN_S), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{self.board}{path}", allow_redirects=False) as answer:
                        return answer.status, await answer.text()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.1)


@asynccontextmanager
async def small_plant(folder: Path) -> AsyncIterator[SmallPlant]:
    """The device runs; the program does not yet."""
    device = ModbusServer(declared=[(0, 10)])
    await device.start()
    plant = SmallPlant(folder, device, free_port())
    device.write(0, [1, 0])
    try:
        yield plant
    finally:
        await plant.kill()
        await device.stop()
