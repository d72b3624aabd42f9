"""The demo's board: a visitor pulls a cable of the simulated plant, and no car is lost."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from patience import eventually

from mes.demo.board import DemoBoard
from mes.demo.result import Finished
from mes.demo.run import Options, run_demo

pytestmark = pytest.mark.timeout(120)
GONE = timedelta(minutes=5)  # of the plant's time


async def press(url: str, controller: str, pull: str) -> int:
    """The board's button."""
    async with (
        aiohttp.ClientSession(headers={"origin": url.rstrip("/")}) as browser,
        browser.post(url + "cable", data={"controller": controller, "pull": pull}) as answer,
    ):
        return answer.status


async def wall(url: str) -> dict[str, Any]:
    """What the board's wall shows now."""
    async with aiohttp.ClientSession() as browser, browser.get(url + "api/v1/wall") as answer:
        return dict(await answer.json())


async def weld_has_counted(url: str) -> bool:
    """Whether every station of the weld shop has made a unit; before it is seen its count is not known."""
    stations = [tile for line in (await wall(url))["lines"] for tile in line["tiles"]]
    return all(tile["good"] for tile in stations if "/weld/" in tile["station"])


async def gone_by(url: str, instant: datetime) -> bool:
    """Whether the plant's clock has reached an instant."""
    return datetime.fromisoformat((await wall(url))["now"]) >= instant


async def test_a_cable_is_pulled_on_the_board() -> None:
    """The gap is no data, every car is there, and at the end the board stays until the visitor has seen enough."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[str] = []

    async def visit() -> None:
        url = await ready
        await eventually(lambda: weld_has_counted(url), within_s=60, every_s=0.2)
        assert await press(url, "no-such-plc", "yes") == 404
        assert await press(url, "weld-plc", "yes") == 200
        plugged_in = datetime.fromisoformat((await wall(url))["now"]) + GONE
        await eventually(lambda: gone_by(url, plugged_in), within_s=60, every_s=0.2)
        async with aiohttp.ClientSession() as browser, browser.get(url) as answer:
            assert 'aria-pressed="true">Plug in weld-plc' in await answer.text()
        assert await press(url, "weld-plc", "no") == 200
        assert await press(url, "paint-plc", "yes") == 200  # and stays pulled to the end of the run

    async def stays(finished: Finished) -> None:
        async with aiohttp.ClientSession() as browser, browser.get(ready.result()) as answer:
            seen.append(await answer.text())
        assert await press(ready.result(), "weld-plc", "yes") == 409
        seen.append(finished.verdict)

    visiting = asyncio.create_task(visit())
    finished = await run_demo(
        Options(timedelta(minutes=90), speed=240, seed=3, board=DemoBoard(0, ready.set_result, stays))
    )
    await visiting
    page, verdict = seen
    assert verdict == finished.verdict == "ok", finished.problems
    assert finished.outcome.missing == finished.outcome.extra == ()
    assert "Pull the cable of weld-plc" in page
    # a unit that was made meanwhile proves that a part of the gap was work
    blind = {station: (kpi.no_data + kpi.inferred).total_seconds() for station, kpi in finished.kpis.items()}
    assert min(lasted for station, lasted in blind.items() if "/weld/" in station) > 60
    assert min(lasted for station, lasted in blind.items() if "/final/" in station) == 0.0
