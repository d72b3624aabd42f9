"""A shift of the simulated plant before the eyes of people: real controllers, a real Chromium, a real InfluxDB."""

import asyncio
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from board_plant import PASSWORD
from driven_board import ARTEFACTS, DrivenBoard, chromium, driven_board, keep, open_page, seen_within
from patience import limit_s, promised_s
from playwright.async_api import Page, expect

from mes.daemon import credential, influx_target
from mes.demo.forwarding import settled
from mes.demo.run import START
from mes.influx.select import select
from mes.influx.server import InfluxServer
from mes.model import StationId
from mes.results.plant import PlantResults
from simulators.line import Breakdown

pytestmark = [pytest.mark.timeout(180), pytest.mark.influxd, pytest.mark.chromium]
SPEED = 240
STATION = StationId("kostanay/weld/weld-1/framing")
TILE = "#tile-" + STATION.replace("/", "-")
SHIFT = "2026-03-02/day"
BREAKS = [
    Breakdown("W030", START + timedelta(minutes=minute), timedelta(minutes=lasts))
    for minute, lasts in ((40, 15), (80, 15), (120, 60))
]


async def sign_in(page: Page, name: str) -> None:
    """By the form, as everybody does."""
    here = page.url
    await page.goto(here.split("/", 3)[0] + "//" + here.split("/", 3)[2] + "/login?back=/")
    await page.fill("input[name=name]", name)
    await page.fill("input[name=password]", PASSWORD)
    await page.click("main button")
    await page.wait_for_selector(".tiles")


async def everywhere(board: DrivenBoard, page: Page) -> dict[str, float | None]:
    """The station's OEE of the shift in each of the places where people find it."""
    await settled(board.running)
    now = board.clock.now()
    await page.goto(f"{board.url}/shift?of={STATION}&window={SHIFT}")
    shown = (await page.inner_text("#oee")).replace("\xa0", "").replace("%", "").replace(",", ".")
    answer = await page.request.get(f"{board.url}/api/v1/kpi?of={STATION}&window={SHIFT}")
    told = (await answer.json())[0]["figures"][0]["oee"]
    return {
        "page": float(shown) / 100,
        "interface": told,
        "report": await asyncio.to_thread(_reported, board, now),
        "core": await asyncio.to_thread(_core, board, now),
        "InfluxDB": await _published(board),
    }


def _reported(board: DrivenBoard, now: datetime) -> float | None:
    asked = ["report", "--journal", str(board.config.journal_path), "--now", now.isoformat(), "--by", "shift"]
    words = [str(Path(sys.executable).with_name("mes")), *asked, "--of", STATION, "--format", "json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=limit_s(50), check=True)
    (row,) = json.loads(done.stdout)
    assert row["station"] == STATION
    return float(row["oee"])


def _core(board: DrivenBoard, now: datetime) -> float | None:
    with PlantResults(board.config, board.config.journal_path, now=now) as core:
        ratio = core.results.kpi(STATION, core.window(SHIFT).interval, until=now).oee
    return None if ratio is None else float(ratio)


async def _published(board: DrivenBoard) -> float | None:
    target = influx_target(board.config, credential)
    assert target is not None
    area, line, station = STATION.split("/")[1:]
    where = f""""area" = '{area}' AND "line" = '{line}' AND "station" = '{station}' AND "window" = 'hour'"""
    async with InfluxServer(target) as server:
        rows = await server.query(select('sum("ideal_good_s") / sum("pbt_s") AS "oee"', "kpi", where))
    return float(rows[0]["oee"])


async def test_a_stop_is_seen_and_explained_in_russian(tmp_path: Path) -> None:
    """A stop is on the wall within a second, two taps explain it, and every place shows the same new figure."""
    async with driven_board(tmp_path, speed=SPEED, breakdowns=BREAKS) as board, chromium() as browser:
        wall = await open_page(browser, board.url, width=1920, height=1080)
        operator = await open_page(browser, board.url, language="ru-RU", width=360, height=740)
        await sign_in(operator, "operator")
        board.clock.release()

        def stands() -> bool:
            return board.state_of(STATION) == "down"

        delays_s = []
        for stop in BREAKS:
            await board.until(stop.at - timedelta(minutes=1))
            delays_s.append(await seen_within(stands, wall, f"{TILE}.state-down"))
        await board.until(board.clock.now() + timedelta(minutes=10))  # now it is no minor stop any more
        board.clock.hold()
        keep("delays.txt", f"seconds until the wall shows a stop: {[round(delay_s, 3) for delay_s in delays_s]}\n")
        assert min(delays_s) < promised_s(1.0)

        await expect(operator.locator(f"{TILE}.asks .word")).to_have_text("отказ", timeout=1000 * limit_s(20))
        await wall.screenshot(path=ARTEFACTS / "a-line-stands.png")
        before = await everywhere(board, wall)
        assert len({None if oee is None else round(oee, 3) for oee in before.values()}) == 1, before

        await wall.goto(f"{board.url}/stops?of={STATION}")
        await expect(wall.locator(".stop.asks")).to_have_count(len(BREAKS))
        await operator.locator(f"{TILE} .ask").tap()
        await operator.get_by_role("button", name="Плановое обслуживание").first.tap()
        await expect(operator.locator(".note")).to_have_text("Записано.")
        await expect(wall.locator(".stop.asks")).to_have_count(len(BREAKS) - 1)
        await expect(wall.locator(".stop .reason", has_text="Planned service")).to_have_count(1)
        await wall.reload()
        await expect(wall.locator(".stop.asks")).to_have_count(len(BREAKS) - 1)

        stale = wall.locator(".stale-note")
        board.link.black_hole()
        board.clock.release()
        await expect(stale).to_be_visible(timeout=1000 * limit_s(30))
        await board.until(BREAKS[-1].at + timedelta(minutes=75))
        board.clock.hold()
        await board.link.heal()
        await expect(stale).to_be_hidden(timeout=1000 * limit_s(30))
        await expect(wall.locator(".stop .reason", has_text="Planned service")).to_have_count(1)
        after = await everywhere(board, wall)
        assert len({None if oee is None else round(oee, 3) for oee in after.values()}) == 1, after
        assert after["core"] != before["core"]
