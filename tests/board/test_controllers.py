"""The controllers on the board: what is to be corrected, and what every tag shows, by HTTP and in three languages."""

import html
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from board_plant import PlantBoard, plant_board
from controller_scenes import HOSTILE, PLACE, SHOWN, TROUBLED, WELD

from mes.translations import LANGUAGES, texts

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[PlantBoard]:
    async with plant_board(tmp_path, status=TROUBLED, shows=SHOWN) as made:
        yield made


async def test_the_interface_says_what_is_to_be_corrected(plant: PlantBoard) -> None:
    """Connection, clock and polls, and each present sentence with code, tags, remedy and since when."""
    visitor = await plant.enter(None)
    status, [found] = await visitor.get("/controllers")
    assert status == 200
    assert (found["controller"], found["state"], found["clock_offset_s"]) == (WELD, "running", -1.5)
    assert (found["polls_late"], found["answers_in_doubt"], found["reconnects"]) == (17, {"late_answer": 3}, 2)
    assert found["diagnostics"] == [
        {
            "code": "value_unmapped",
            "text": f"tag {PLACE}:product: no map names the product code S9",
            "remedy": "give a product this `raw` code; until then units are counted without a product",
            "tags": [f"{PLACE}:product"],
            "since": "2026-03-02T04:40:00Z",
        }
    ]


async def test_the_interface_says_what_every_tag_shows(plant: PlantBoard) -> None:
    """Address, raw value, quality and age, and what is made of it; a tag that was never read has none of these."""
    visitor = await plant.enter(None)
    _, found = await visitor.get(f"/controllers/{WELD}/tags")
    assert [row["tag"] for row in found] == list(plant.config.tags[WELD])
    by_tag = {row["tag"]: row for row in found}
    state = by_tag[f"{PLACE}:state"]
    assert (state["raw"], state["quality"], state["means"], state["problem"]) == ("6", "good", "producing", None)
    assert state["address"] == "nsu=urn:kostanay:weld;s=W010.StateCurrent"
    assert state["age_s"] == (plant.clock.now() - SHOWN[0].received_time).total_seconds()
    assert (by_tag[f"{PLACE}:rework_count"]["means"], by_tag[f"{PLACE}:rework_count"]["raw"]) == ("4", "4")
    wrong = {tag: row["problem"] for tag, row in by_tag.items() if row["problem"]}
    assert wrong == {
        f"{PLACE}:product": "value_unmapped",
        f"{PLACE}:good_count": "value_unusable",
        f"{PLACE}:reject_count": "no_value",
    }
    never = by_tag[f"{WELD}:heartbeat"]
    assert {never[name] for name in ("station", "raw", "quality", "received_time", "age_s", "means")} == {None}
    assert (await visitor.get("/controllers/nowhere/tags"))[0] == 404


async def test_a_controller_of_modbus_has_its_addresses(plant: PlantBoard) -> None:
    """Table, number and type of each register."""
    visitor = await plant.enter(None)
    _, found = await visitor.get("/controllers/paint-plc/tags")
    addresses = {row["signal"]: row["address"] for row in reversed(found)}
    assert addresses["state"] == "holding 1000 bits"
    assert addresses["unit_id"] == "holding 1010 string"


async def test_what_a_controller_says_is_not_believed(plant: PlantBoard) -> None:
    """A text of a controller reaches the page and the interface short, printable, and as text."""
    visitor = await plant.enter(None)
    _, found = await visitor.get(f"/controllers/{WELD}/tags")
    [raw] = [row["raw"] for row in found if row["tag"] == f"{PLACE}:unit_id"]
    assert raw.startswith("<script>alert(1)</script>�")
    assert len(raw) <= 120
    assert raw.isprintable()
    _, text = await visitor.page("/controllers", controller=WELD)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert HOSTILE[-200:] not in text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_speaks_three_languages(plant: PlantBoard, language: str) -> None:
    """The sentence by its code, the tags' problems, the connection and what a state means, in the reader's language."""
    visitor = await plant.enter(None)
    await visitor.page(f"/language/{language}")
    status, text = await visitor.page("/controllers", controller=WELD)
    assert status == 200
    text, said = html.unescape(text), texts(language)
    keys = ("diagnostic_value_unmapped", "remedy_value_unmapped", "diagnostic_no_value", "connection_running")
    for key in (*keys, "producing", "never_read"):
        assert said[key] in text, key
    detail = f"tag {PLACE}:product: no map names the product code S9. Give a product"
    assert f'<p class="facts">{said["technical_detail"]}: <span lang="en">{detail}' in text
    assert (await visitor.page("/controllers", controller="nowhere"))[0] == 404
