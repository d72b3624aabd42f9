"""A page that brings itself up to date, in a real Chromium: what people entered stays, and so does what is wrong."""

from dataclasses import replace
from pathlib import Path

import pytest
from board_plant import PlantBoard, plant_board, stopped_since
from controller_scenes import TROUBLED
from driven_board import chromium, open_page, signed_in
from events import STATION, at, counted, state, unreconciled
from influx_example import DOUBT, EVENTS, FINISH
from patience import limit_s
from playwright.async_api import Locator, Page, expect

from mes.journal import Entry
from mes.model import CountReconciled, State, StationEvent

pytestmark = [pytest.mark.timeout(120), pytest.mark.chromium]
LINE = "kostanay/weld/weld-1"


async def happens(plant: PlantBoard, *events: StationEvent) -> None:
    """The journal gets news."""
    await plant.journal.append(Entry(events=events))


async def left(page: Page) -> None:
    """The person does something else: no field has the focus."""
    await page.evaluate("() => document.activeElement.blur()")


async def opened(page: Page) -> None:
    """Every part that is folded is open."""
    await page.evaluate("() => document.querySelectorAll('main details').forEach((each) => { each.open = true; })")


async def form_with(page: Page, action: str, name: str, text: str) -> Locator:
    """The one form in which a field holds the text."""
    holding = [
        form
        for form in await page.locator(f"form[action='{action}']").all()
        if await form.locator(f"[name={name}]").count() and await form.locator(f"[name={name}]").input_value() == text
    ]
    assert len(holding) == 1
    return holding[0]


async def test_a_stop_keeps_what_was_entered_for_it(tmp_path: Path) -> None:
    """A comment, times and a tick stay with their stop while another one begins before them in the list."""
    events = [*EVENTS, state(95, State.DOWN), state(98, State.PRODUCING), stopped_since(100)]
    async with plant_board(tmp_path, events=events, now=at(119)) as plant, chromium() as browser:
        page = await open_page(browser, plant.url)
        await signed_in(page, plant.url, "operator")
        await page.goto(f"{plant.url}/stops?of={LINE}")
        await opened(page)
        form = page.locator(".stop.asks form.reasons").filter(has=page.locator("[name=merge_from]")).first
        start = await form.locator("[name=start]").get_attribute("value")
        entered = {"comment": "a wheel broke", "part_from": "04:41", "part_to": "04:45"}
        for name, text in entered.items():
            await form.locator(f"[name={name}]").fill(text)
        await form.locator("[name=merge_from]").check()
        await left(page)
        before = await page.locator(".stop").count()
        await happens(plant, state(99, State.DOWN, station=FINISH))
        await expect(page.locator(".stop")).to_have_count(before + 1)
        form = await form_with(page, "/stops/reason", "comment", "a wheel broke")
        assert {name: await form.locator(f"[name={name}]").input_value() for name in entered} == entered
        assert await form.locator("[name=merge_from]").is_checked()
        assert await form.locator("[name=start]").get_attribute("value") == start


async def test_a_decision_stays_with_its_count(tmp_path: Path) -> None:
    """A newer count that comes to stand first while a person types does not get the decision."""
    async with plant_board(tmp_path, events=EVENTS, now=at(119)) as plant, chromium() as browser:
        page = await open_page(browser, plant.url)
        await signed_in(page, plant.url, "engineer")
        await page.goto(f"{plant.url}/counters")
        before = await page.locator(".unreconciled").count()
        form = page.locator(".unreconciled form").first
        number = await form.locator("[name=number]").get_attribute("value")
        await form.locator("[name=parts]").fill("5")
        await form.locator("[name=why]").fill("counted by hand")  # and has the focus
        await happens(plant, counted(105, 5, raw=8, previous_raw=3), unreconciled(110, raw=1, previous_raw=9))
        await expect(page.locator(".unreconciled")).to_have_count(before + 1)
        form = await form_with(page, "/counters", "why", "counted by hand")
        assert await form.locator("[name=number]").get_attribute("value") == number
        assert await form.locator("[name=parts]").input_value() == "5"
        await form.locator("button").click()
        await expect(page.locator(".note")).to_be_visible()
        said = await plant.board.ask(lambda query: list(query.reader.events(STATION)))
        decision = [journaled.event for journaled in said if isinstance(journaled.event, CountReconciled)][-1]
        assert (decision.parts, decision.raw, decision.previous_raw) == (5, DOUBT.raw, DOUBT.previous_raw)


async def test_a_choice_that_is_not_sent_yet_stays(tmp_path: Path) -> None:
    """Another place and window are chosen, and the page brings itself up to date before the button is pressed."""
    async with plant_board(tmp_path, events=EVENTS, now=at(119)) as plant, chromium() as browser:
        page = await open_page(browser, plant.url)
        await page.goto(f"{plant.url}/stops?of={LINE}")
        place = page.locator("form.choice [name=of]")
        shown = await place.input_value()
        await place.select_option(STATION)
        await left(page)
        assert await place.input_value() != shown
        before = await page.locator(".stop").count()
        await happens(plant, state(99, State.DOWN, station=FINISH))
        await expect(page.locator(".stop")).to_have_count(before + 1)
        assert await place.input_value() == STATION


PAGES = ("/", "/shift", f"/station?of={STATION}", "/stops", "/counters", "/handover", "/controllers")


@pytest.mark.parametrize("path", PAGES)
async def test_a_trouble_is_shown_as_long_as_it_lasts(tmp_path: Path, path: str) -> None:
    """It comes, changes and goes on a page that stands open; so do sentences about a controller."""
    troubles = {"events": "3 events are passed over"}
    status = replace(TROUBLED, troubles=troubles)
    async with plant_board(tmp_path, events=EVENTS, now=at(119), status=status) as plant, chromium() as browser:
        page = await open_page(browser, plant.url + path)
        shown = page.locator("main > .problem[role=status]")
        await expect(shown).to_have_count(1)
        correct = await page.locator("section .problem").all_inner_texts()
        assert bool(correct) == (path == "/controllers")
        for said in ("4 events are passed over", "5 events are passed over"):
            troubles["events"] = said
            await happens(plant, state(115, State.IDLE))
            await expect(shown).to_contain_text(said)
        assert await page.locator("section .problem").all_inner_texts() == correct
        troubles.clear()
        await happens(plant, state(116, State.PRODUCING))
        await expect(shown).to_have_count(0)


async def test_a_refusal_stays_to_be_read(tmp_path: Path) -> None:
    """It does not vanish when the page behind it changes."""
    async with plant_board(tmp_path, events=[*EVENTS, stopped_since(100)], now=at(119)) as plant, chromium() as browser:
        page = await open_page(browser, plant.url)
        await signed_in(page, plant.url, "operator")
        await page.goto(f"{plant.url}/stops?of={LINE}")
        await opened(page)
        form = page.locator(".stop.asks form.reasons").first
        await form.locator("[name=part_from]").fill("08:01")
        await form.locator("button[name=reason]").first.click()
        refusal = page.locator(".problem[role=alert]")
        said = await refusal.inner_text()
        before = await page.locator(".stop").count()
        await happens(plant, state(99, State.DOWN, station=FINISH))
        await expect(page.locator(".stop")).to_have_count(before + 1)
        assert await refusal.inner_text() == said


async def test_a_page_that_cannot_be_brought_up_to_date_says_so(tmp_path: Path) -> None:
    """The server is heard but answers 503 to the page: it is shown as old, and is up to date again by itself."""
    async with plant_board(tmp_path, events=EVENTS, now=at(119)) as plant, chromium() as browser:
        page = await open_page(browser, f"{plant.url}/stops?of={LINE}")
        before = await page.locator(".stop").count()
        await page.route("**/stops?**", lambda route: route.fulfill(status=503, body="busy"))
        await happens(plant, state(99, State.DOWN, station=FINISH))
        stale = page.locator(".stale-note")
        await expect(stale).to_be_visible(timeout=1000 * limit_s(30))
        assert await page.locator(".stop").count() == before
        await page.unroute("**/stops?**")
        await expect(page.locator(".stop")).to_have_count(before + 1, timeout=1000 * limit_s(20))
        await expect(stale).to_be_hidden(timeout=1000 * limit_s(20))
