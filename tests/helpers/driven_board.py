"""A shift of the simulated plant, collected and served by the program itself, and browsers that look at it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from board_plant import PASSWORD, QUICK, ROLES
from patience import limit_s
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from adapters.clock import ScaledClock
from adapters.reading import ControllerId
from mes.board.accounts.users import Accounts
from mes.board.serving import serve_board
from mes.config.build import PlantConfig, for_simulation
from mes.config.load import default_config, load
from mes.config.models.plant import WebShape
from mes.daemon import Collector, collector
from mes.demo.forwarding import PACE, with_influx
from mes.demo.run import BACKOFF, START
from mes.model import StationId
from simulators.line import Breakdown
from simulators.link import Link
from simulators.plant import Plant
from simulators.served import ServedPlant

CHROMIUM = "/usr/bin/chromium"
ARTEFACTS = Path("build/board")  # what a person looks at after the tests
TABLET = 1100  # pixels; narrower screens are touched


@dataclass(slots=True)
class DrivenBoard:
    """The plant, the program that collects from it, and the cable to its board; `clock` moves both."""

    clock: ScaledClock
    plant: Plant
    served: ServedPlant
    running: Collector
    config: PlantConfig
    link: Link

    @property
    def url(self) -> str:
        """The board, as browsers at the far end of the cable have it."""
        return f"http://127.0.0.1:{self.link.port}"

    def state_of(self, station: StationId) -> str:
        """What the simulated station really does now."""
        return str(self.plant.truth.states(station)[-1].state)

    async def until(self, shown: datetime) -> None:
        """Waits until the plant's clock shows a time."""
        while self.clock.now() < shown:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def driven_board(
    folder: Path, *, speed: float, breakdowns: Sequence[Breakdown] = (), seed: int = 7
) -> AsyncIterator[DrivenBoard]:
    """The clock stands at the shift's beginning until it is released; forwarding goes to a private InfluxDB."""
    clock = ScaledClock(START, speed=speed, held=True)
    plant = Plant(seed=seed, start=START, breakdowns=breakdowns)
    served = ServedPlant(plant, clock)
    await served.start()
    async with AsyncExitStack() as beside:
        beside.push_async_callback(served.stop)
        ports = {ControllerId(name): port for name, port in served.ports.items()}
        config = for_simulation(load(default_config()).config, ports=ports, journal=folder / "journal.sqlite")
        config = await beside.enter_async_context(with_influx(config, None))
        running = await beside.enter_async_context(collector(config, clock, backoff=BACKOFF, pace=PACE))
        accounts = Accounts(folder / "people.sqlite", lambda: datetime.now().astimezone(), hasher=QUICK)
        for name, role in ROLES.items():
            accounts.add(name, PASSWORD, role, by="a test")
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        web = WebShape().model_copy(update={"port": 0})  # the system's choice
        serving = serve_board(config, running.monitor, web, accounts=accounts, listening=port.set_result)
        tasks = [
            asyncio.create_task(work)
            for work in (serving, served.run(), running.monitor.count_audit.follow(), running.monitor.follow())
        ]
        try:
            link = Link(await port)
            await link.start()
            beside.push_async_callback(link.stop)
            yield DrivenBoard(clock, plant, served, running, config, link)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a window."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


async def open_page(
    browser: Browser, url: str, *, language: str = "en-GB", width: int = 1280, height: int = 800
) -> Page:
    """A browser of its own, with nothing in it; what goes wrong in its scripts raises in the test."""
    size: ViewportSize = {"width": width, "height": height}
    context = await browser.new_context(viewport=size, locale=language, has_touch=width < TABLET)
    page = await context.new_page()
    page.set_default_timeout(1000 * limit_s(10))
    expect.set_options(timeout=1000 * limit_s(5))
    await page.goto(url)
    return page


async def signed_in(page: Page, url: str, name: str) -> None:
    """By the form."""
    await page.goto(url + "/login")
    await page.fill("input[name=name]", name)
    await page.fill("input[name=password]", PASSWORD)
    await page.click("main button")
    await page.wait_for_selector("form[action='/logout']")


async def seen_within(look: Callable[[], bool], page: Page, selector: str) -> float:
    """Real seconds from the moment at which something is so until the page shows it."""
    while not look():
        await asyncio.sleep(0.002)
    began = time.monotonic()
    await page.wait_for_selector(selector)
    return time.monotonic() - began


def keep(name: str, text: str) -> None:
    """Leaves a text beside the screenshots."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    (ARTEFACTS / name).write_text(text, encoding="utf-8")
