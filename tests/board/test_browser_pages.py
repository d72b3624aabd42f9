"""Every page in a real Chromium: nothing overlaps on a phone, a tablet or a wall, and nobody is kept out."""

from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path
from typing import Literal

import pytest
from board_plant import LINE, PASSWORD, PlantBoard, config_of, plant_board, stopped_since
from browser_looks import barriers, faults, focus
from controller_scenes import SHOWN, TROUBLED, WELD
from driven_board import ARTEFACTS, chromium
from events import STATION, at
from influx_example import CAR, EVENTS
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, expect

from mes.config.models.names import MOST_CHARACTERS
from mes.config.names import DisplayNames

pytestmark = [pytest.mark.timeout(120), pytest.mark.chromium]
Scheme = Literal["light", "dark"]
WIDTHS = {360: 740, 1024: 768, 1920: 1080, 3840: 2160}
LANGUAGES = {"en": "en-GB", "ru": "ru-RU", "kk": "kk-KZ"}
DAY = "2026-03-02/day"
TILE = "#tile-" + STATION.replace("/", "-")
HAPPENED = [*EVENTS, stopped_since(100)]
PAGES = {
    "wall": "/",
    "shift": f"/shift?of={LINE}&window={DAY}",
    "shift-station": f"/shift?of={STATION}&window={DAY}",
    "station": f"/station?of={STATION}&window={DAY}",
    "stops": f"/stops?of={STATION}&window={DAY}",
    "car-none": "/car",
    "car": f"/car?vin={CAR}",
    "handover": f"/handover?of={LINE}&window={DAY}",
    "programme": "/programme",
    "counters": "/counters",
    "controllers": f"/controllers?controller={WELD}",
    "audit": "/audit",
    "glossary": "/glossary",
    "login": "/login",
    "enrol": "/enrol",
    "missing": "/no-such-page",
}


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[PlantBoard]:
    async with plant_board(tmp_path, events=HAPPENED, now=at(119), status=TROUBLED, shows=SHOWN) as made:
        yield made


async def visit(browser: Browser, plant: PlantBoard, width: int, language: str, scheme: Scheme) -> BrowserContext:
    """An engineer's browser, which sees everything."""
    size: ViewportSize = {"width": width, "height": WIDTHS[width]}
    context = await browser.new_context(viewport=size, locale=LANGUAGES[language], color_scheme=scheme)
    page = await context.new_page()
    await page.goto(plant.url + "/login")
    await page.fill("input[name=name]", "engineer")
    await page.fill("input[name=password]", PASSWORD)
    await page.click("main button")
    await page.wait_for_selector("form[action='/logout']")
    await page.close()
    return context


async def looked_at(page: Page, url: str, name: str) -> list[str]:
    """Opens everything that can be opened, keeps a picture, and says what is wrong."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"a script failed: {error}"))
    page.on(
        "console", lambda said: wrong.append(said.text) if said.type == "error" and "404" not in said.text else None
    )
    await page.goto(url)
    await page.evaluate("() => document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
    await page.wait_for_timeout(150)  # charts are drawn
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)
    return [*wrong, *await faults(page), *await barriers(page)]


@pytest.mark.parametrize("width", [360, 1920])
async def test_the_longest_names_fit(tmp_path: Path, width: int) -> None:
    """Display names as long as the plant's file allows, in one word or in several, neither stick out nor overlap."""
    wrong: list[str] = []
    example = config_of(tmp_path).names
    longest = {
        kind.name: {
            key: {"ru": (("Шумовиброизоляция" if index % 2 else "Длинное имя ") * 5)[:MOST_CHARACTERS]}
            for index, key in enumerate(getattr(example, kind.name))
        }
        for kind in fields(DisplayNames)
    }
    names = DisplayNames(**longest)
    async with plant_board(tmp_path, events=HAPPENED, now=at(119), names=names) as plant, chromium() as browser:
        context = await visit(browser, plant, width, "ru", "light")
        for name, path in PAGES.items():
            page = await context.new_page()
            await page.goto(plant.url + path)
            await page.screenshot(path=ARTEFACTS / f"{name}-{width}-long-names.png", full_page=True)
            wrong += [f"{name}: {fault}" for fault in await faults(page)]
            await page.close()
    assert not wrong, "\n".join(wrong)


async def press(page: Page, *keys: str) -> None:
    """One key after another."""
    for key in keys:
        await page.keyboard.press(key)


async def chosen(page: Page, selector: str) -> None:
    """Goes there by Tab and presses Enter, which leads to a page."""
    await focus(page, selector)
    await entered(page)


async def entered(page: Page) -> None:
    """Enter, and the page to which it leads."""
    async with page.expect_navigation():
        await press(page, "Enter")


@pytest.mark.parametrize(
    ("width", "language", "scheme"),
    [(360, "ru", "light"), (360, "kk", "dark"), (1024, "en", "light"), (3840, "en", "dark")],
)
async def test_every_page_is_whole_and_open_to_all(
    plant: PlantBoard, width: int, language: str, scheme: Scheme
) -> None:
    """No text lies over another, sticks out or is cut off; axe-core finds nothing at AA; no script fails."""
    wrong: list[str] = []
    async with chromium() as browser:
        context = await visit(browser, plant, width, language, scheme)
        for name, path in PAGES.items():
            page = await context.new_page()
            found = await looked_at(page, plant.url + path, f"{name}-{width}-{language}-{scheme}")
            wrong += [f"{name}: {fault}" for fault in found]
            await page.close()
    assert not wrong, "\n".join(wrong)


async def test_the_keyboard_alone_is_enough(plant: PlantBoard) -> None:
    """Signing in, a language, a stop explained and taken back, a car, a count, a shift closed: no mouse, no finger."""
    async with chromium() as browser:
        page = await browser.new_page(locale="en-GB")
        await page.goto(plant.url)
        await press(page, "Tab", "Enter")
        assert await page.evaluate("() => document.activeElement.id") == "content"
        await chosen(page, ".who a")
        await expect(page.locator("input[name=name]")).to_be_focused()
        await page.keyboard.type("engineer")
        await press(page, "Tab")
        await page.keyboard.type(PASSWORD)
        await entered(page)
        await chosen(page, "a[lang=ru]")
        await expect(page.locator("html")).to_have_attribute("lang", "ru")

        await chosen(page, f"{TILE} .ask")
        await chosen(page, ".stop.asks button[value=no-parts]")
        await expect(page.locator(".note")).to_have_text("Записано.")
        await expect(page.locator(".stop.asks")).to_have_count(0)
        await chosen(page, "form[action='/stops/undo'] button")
        await expect(page.locator(".stop.asks")).to_have_count(1)

        await page.locator("body").focus()
        await page.keyboard.type(CAR)
        await entered(page)
        await expect(page.locator("h1")).to_contain_text(CAR)

        await chosen(page, "nav a[href='/counters']")
        await focus(page, "input[name=parts]")
        await page.keyboard.type("5")
        await focus(page, "input[name=why]")
        await page.keyboard.type("counted by hand")
        await entered(page)
        await expect(page.locator(".unreconciled")).to_contain_text("counted by hand")

        plant.clock.shown = at(600)
        await page.goto(f"{plant.url}/stops?of={STATION}&window={DAY}")
        while await page.locator(".stop.asks").count():
            left = await page.locator(".stop.asks").count()
            if not await page.locator(".stop.asks details[open]").count():
                await focus(page, ".stop.asks summary")
                await press(page, "Enter")
            await chosen(page, ".stop.asks button[value=no-operator]")
            await expect(page.locator(".stop.asks")).to_have_count(left - 1)
        await page.goto(f"{plant.url}/handover?of={LINE}&window={DAY}")
        await chosen(page, f"form:has(input[value='{STATION}']) button")
        await expect(page.locator("tr", has_text="Сборка каркаса").first).to_contain_text("engineer")
        await chosen(page, "form[action='/logout'] button")
        await expect(page.locator(".who a")).to_be_visible()
