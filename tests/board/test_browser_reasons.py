"""The reasons of stops in a real Chromium: what Enter does, and how a refusal looks."""

from pathlib import Path

import pytest
from board_plant import PlantBoard, plant_board, stopped_since
from driven_board import ARTEFACTS, chromium, open_page, signed_in
from events import STATION, at
from influx_example import EVENTS
from playwright.async_api import expect

from mes.model import Journaled, ReasonAssigned

pytestmark = [pytest.mark.timeout(120), pytest.mark.chromium]


async def test_enter_never_chooses_a_reason(tmp_path: Path) -> None:
    """In every field of a stop Enter sends nothing; the button that is pressed is the reason."""
    async with plant_board(tmp_path, events=[*EVENTS, stopped_since(100)], now=at(119)) as plant, chromium() as browser:
        page = await open_page(browser, plant.url)
        await signed_in(page, plant.url, "operator")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        await page.goto(f"{plant.url}/stops?of={STATION}")
        form = page.locator(".stop.asks form.reasons").first
        await page.evaluate("() => document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
        buttons = form.locator("button[name=reason]")
        assert await buttons.count() > 1
        for name, text in (("comment", "a wheel broke"), ("part_from", ""), ("part_to", "")):
            field = form.locator(f"input[name={name}]")
            await field.fill(text)
            await field.press("Enter")
        second = buttons.nth(1)
        chosen = await second.get_attribute("value")
        await second.click()
        await expect(page.locator(".note")).to_be_visible()
        assert [path.rpartition("/")[2] for path in sent] == ["reason"]
        with_reason = [event.event for event in await _events(plant) if isinstance(event.event, ReasonAssigned)]
        assert [(reason.reason, reason.comment) for reason in with_reason][-1:] == [(chosen, "a wheel broke")]


async def _events(plant: PlantBoard) -> list[Journaled]:
    return await plant.board.ask(lambda query: list(query.reader.events(STATION)))


@pytest.mark.parametrize("width", [390, 1280])
async def test_a_refusal_is_read_in_russian(tmp_path: Path, width: int) -> None:
    """A time outside the stop comes back to the page with a sentence above it, in the reader's language."""
    async with plant_board(tmp_path, events=[*EVENTS, stopped_since(100)], now=at(119)) as plant, chromium() as browser:
        page = await open_page(browser, plant.url, language="ru-RU", width=width)
        await signed_in(page, plant.url, "operator")
        await page.goto(f"{plant.url}/stops?of={STATION}")
        await page.evaluate("() => document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
        form = page.locator(".stop.asks form.reasons").first
        await form.locator("input[name=part_from]").fill("08:01")
        await form.locator("button[name=reason]").first.click()
        await expect(page.locator(".problem[role=alert]")).to_contain_text("вне показанной остановки")
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=ARTEFACTS / f"reason-refused-{width}.png", full_page=True)
