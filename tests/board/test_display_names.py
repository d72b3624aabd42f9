"""The names that the plant's file gives to its parts, on every page: in the reader's language and in no other."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import fields
from html import escape
from pathlib import Path

import pytest
from board_pages import parsed, text_of
from board_plant import LINE, PlantBoard, config_of, plant_board
from board_scene import scene, telemetry, until
from events import STATION, at, raised, state
from influx_example import CAR, END
from page_language import shown

from mes.config.names import DisplayNames
from mes.model import State, StationEvent
from mes.report.page import page as report_page
from mes.report.rows import Request
from mes.results.plant import PlantResults
from mes.translations import LANGUAGES

pytestmark = pytest.mark.timeout(120)
DAY = "2026-03-02/day"
MARK = re.compile(r"<(\w\w):([^>]+)>")
PAGES: Mapping[str, Mapping[str, str]] = {
    "/": {},
    "/shift": {"of": LINE, "window": DAY},
    "/station": {"of": STATION, "window": DAY},
    "/stops": {"of": "kostanay", "window": DAY},
    "/car": {"vin": CAR},
    "/handover": {"of": "kostanay", "window": DAY},
    "/programme": {},
    "/counters": {},
    "/audit": {},
}
EVERYWHERE = {"kostanay"}  # in the page's head and title
WELD = {"kostanay/weld", LINE}


def marked() -> DisplayNames:
    """Names that say what they name in which language, with letters that HTML has to escape."""
    example = config_of(Path()).names
    kinds = {
        field.name: {
            key: {language: f"<{language}:{key}>" for language in LANGUAGES} for key in getattr(example, field.name)
        }
        for field in fields(DisplayNames)
    }
    return DisplayNames(**kinds)


async def read(plant: PlantBoard, language: str, pages: Mapping[str, Mapping[str, str]] = PAGES) -> dict[str, str]:
    """These pages as the server sends them."""
    visitor = await plant.enter("engineer")
    await visitor.page(f"/language/{language}")
    found = {}
    for path, query in pages.items():
        status, found[path] = await visitor.page(path, **query)
        assert status == 200, path
    return found


def names_on(page: str, language: str) -> set[tuple[str, str]]:
    """The languages and the ids of the names that a page shows."""
    return {name for text in shown(parsed(page), language, ()) for name in MARK.findall(text)}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_each_page_shows_names_of_its_language_alone(tmp_path: Path, language: str) -> None:
    """Stations, lines, areas, products, markets, shifts and process values: each page has its own, in one language."""
    events = until(scene(config_of(tmp_path)), END)
    made = plant_board(tmp_path, events=events, telemetry=telemetry(), now=END, names=marked())
    async with made as plant:
        found = {path: names_on(text, language) for path, text in (await read(plant, language)).items()}
        stations = {*map(str, plant.config.standards)}
    parts = {part.rpartition("/")[0] for part in stations} | {"/".join(part.split("/")[:2]) for part in stations}
    models = {"JAC S3", "JAC S2"}
    expected = {
        "/": EVERYWHERE | stations | parts | {"day", "S3"},
        "/shift": EVERYWHERE | stations | parts | {"day"},
        "/station": EVERYWHERE | stations | parts | {"day"},
        "/stops": EVERYWHERE | stations | parts | {"day"},
        "/car": EVERYWHERE | {"JAC S3", "weld_current", "torque"},
        "/handover": EVERYWHERE | stations | parts | {"day"},
        "/programme": EVERYWHERE | models | {"domestic"},
        "/counters": EVERYWHERE | {"kostanay/weld/weld-1/finish"},
        "/audit": EVERYWHERE | WELD | {STATION},
    }
    for path, wanted in expected.items():
        assert {shown_language for shown_language, _ in found[path]} == {language}, path
        assert wanted <= {key for _, key in found[path]}, path


async def test_the_id_of_a_station_is_on_each_page_that_names_it(tmp_path: Path) -> None:
    """An engineer finds the id that errors and logs use: in the title of a name, and small on the station's page."""
    async with plant_board(tmp_path, names=marked(), now=at(119)) as plant:
        found = await read(plant, "ru")
    for path in ("/", "/shift", "/stops", "/car", "/handover", "/counters"):
        named = [tag for tag in parsed(found[path]).select("span") if text_of(tag) == f"<ru:{STATION}>"]
        assert not named or {tag.get("title") for tag in named} == {STATION}, path
        assert named or path == "/counters", path
    for path, of in (("/station", STATION), ("/shift", LINE)):
        (small,) = parsed(found[path]).select("p.id")
        assert (text_of(small), small.get("translate")) == (of, "no")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_fault_has_its_text_beside_its_code(tmp_path: Path, language: str) -> None:
    """On the andon board, at a stop and among the station's stretches; one without a text is its code."""
    texts = {"en": "Gun <b>sticks</b>", "ru": "Клещи <b>залипли</b>", "kk": "Қысқыш <b>жабысты</b>"}
    names = DisplayNames(faults={f"{STATION}:E7": texts})
    events: list[StationEvent] = [state(0, State.PRODUCING), state(10, State.DOWN), raised(10, "E7")]
    async with plant_board(tmp_path, events=events, now=at(119), names=names) as plant:
        found = await read(plant, language, {path: PAGES[path] for path in ("/", "/stops", "/station")})
    for path in found:
        assert f"E7 {texts[language]}" in text_of(parsed(found[path])), path
    (journaled,) = parsed(found["/station"]).select("td:-soup-contains('E7'):has(+ td.facts)")
    assert text_of(journaled).endswith(f": E7 {texts[language]}")


async def test_the_interface_gives_a_fault_s_texts_beside_its_code(tmp_path: Path) -> None:
    """Stops, stretches, tiles and events have the texts by language, as CSV in a column each; without a fault none."""
    texts = {"en": "Gun <b>sticks</b>", "ru": "Клещи залипли"}
    names = DisplayNames(faults={f"{STATION}:E7": texts})
    events: list[StationEvent] = [state(0, State.PRODUCING), state(10, State.DOWN), raised(10, "E7")]
    stretch = {"of": STATION, "window": DAY}
    async with plant_board(tmp_path, events=events, now=at(119), names=names) as plant:
        visitor = await plant.enter("engineer")
        _, stops = await visitor.get("/stops", **stretch)
        _, timeline = await visitor.get(f"/stations/{STATION}/timeline", window=DAY)
        _, told = await visitor.get(f"/stations/{STATION}/events", window=DAY)
        _, wall = await visitor.get("/wall")
        _, table = await visitor.page("/api/v1/stops", **stretch, format="csv")
    (tile,) = [tile for line in wall["lines"] for tile in line["tiles"] if tile["station"] == STATION]
    begun = {event["kind"]: event["fault_texts"] for event in told}
    assert [stop["fault_texts"] for stop in stops] == [texts]
    assert [span["fault_texts"] for span in timeline["spans"] if span["state"] == "down"] == [texts]
    assert [span["fault_texts"] for span in timeline["spans"] if span["state"] == "producing"] == [{}]
    assert (tile["fault"], tile["fault_texts"]) == ("E7", texts)
    assert begun == {"StateChanged": {}, "FaultRaised": texts}
    (row,) = csv.DictReader(io.StringIO(table))
    assert (row["fault"], row["fault_texts.en"], row["fault_texts.ru"]) == ("E7", texts["en"], texts["ru"])


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_plant_without_names_shows_its_ids(tmp_path: Path, language: str) -> None:
    """Nothing of display names is on a page: paths, products and process values stand there as they are written."""
    events = until(scene(config_of(tmp_path)), END)
    made = plant_board(tmp_path, events=events, telemetry=telemetry(), now=END, names=DisplayNames())
    async with made as plant:
        found = await read(plant, language)
    for path, text in found.items():
        assert 'class="id"' not in text, path
        assert not parsed(text).select("[title*=kostanay]"), path
    wall = parsed(found["/"])
    assert [text_of(tag) for tag in wall.select("h2")] == ["weld/weld-1", "paint/paint-1", "final/final-1"]
    assert [text_of(tag) for tag in wall.select("h3")][:3] == ["underbody", "body-sides", "framing"]
    assert " · S3<" in found["/"]
    assert text_of(parsed(found["/station"]).select("h1")[0]).startswith("weld/weld-1/framing: ")
    assert "S3 · JAC S3 · CKD" in found["/car"]
    assert ">weld_current " in found["/car"]
    (markets,) = [tag for tag in parsed(found["/programme"]).select("table") if "domestic" in text_of(tag)]
    assert [text_of(tag) for tag in markets.select("th[scope=row]")] == ["domestic"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_report_shows_names_of_its_language_alone(tmp_path: Path, language: str) -> None:
    """A printed report has the names of the language that was asked for, and the id of what it is about."""
    events = until(scene(config_of(tmp_path)), END)
    made = plant_board(tmp_path, events=events, telemetry=telemetry(), now=END, names=marked())
    async with made as plant:
        with PlantResults(plant.config, plant.config.journal_path) as query:
            query.set_now(END)
            text = report_page(query, Request("shift", at(0), at(60), level="line"), language=language)
        stations = {*map(str, plant.config.standards)}
    found = names_on(text, language)
    assert {shown_language for shown_language, _ in found} == {language}
    assert EVERYWHERE | WELD | stations | {"day"} <= {key for _, key in found}
    assert f'<p class="soft" translate="no">{LINE}</p>' in text
    assert f"<h2>{escape(f'<{language}:kostanay/weld> / <{language}:{LINE}>')}</h2>" in text


async def test_the_interface_keeps_ids_and_adds_names(tmp_path: Path) -> None:
    """A program finds every name by the id of what it names; the ids of stations and products are as ever."""
    async with plant_board(tmp_path) as plant:
        visitor = await plant.enter(None)
        _, found = await visitor.get("/site")
        config = plant.config
    assert [station["station"] for station in found["stations"]] == [*config.standards]
    assert found["stations"][2]["name"] == "framing"
    assert found["names"][STATION] == {"en": "Framing", "ru": "Сборка каркаса", "kk": "Қаңқаны құрастыру"}
    assert {*found["names"]} >= {"kostanay", "kostanay/weld", LINE, *config.standards}
    assert [(product["product"], product["name"], product["names"]["ru"]) for product in found["products"]] == [
        ("S3", "JAC S3", "JAC S3"),
        ("S2", "JAC S2", "JAC S2"),
    ]
