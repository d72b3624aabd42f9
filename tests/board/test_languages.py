"""Every page, refusal and printed report in Russian and Kazakh: no English is left on it."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from board_plant import LINE, PlantBoard, Visitor, plant_board
from board_plant import config_of as plant_config
from board_scene import scene, telemetry, until
from controller_scenes import SHOWN, WELD
from driven_board import chromium, open_page, signed_in
from events import STATION, at, state
from influx_example import CAR, END, FINISH
from page_language import latin_words, plant_ids
from status_scenes import CONTROLLER, STATUS

from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.modbus.answers import Doubt
from mes.board.accounts.users import Role
from mes.health.controllers import ConnectionState
from mes.health.diagnostics import PresentDiagnostic
from mes.model import State
from mes.oee.definitions import BUILT_IN
from mes.report.page import page as report_page
from mes.report.rows import Request
from mes.results.plant import PlantResults
from mes.translations import LANGUAGES, texts

pytestmark = pytest.mark.timeout(120)
Addresses = Sequence[tuple[str, Mapping[str, str]]]
OTHERS = [language for language in LANGUAGES if language != "en"]
DAY = "2026-03-02/day"
FINDINGS = tuple(
    PresentDiagnostic(Diagnostic(code, "the tag is wrong", "correct it"), at(100)) for code in DiagnosticCode
)
DOUBTS = {str(doubt): 1 for doubt in Doubt}
CONTROLLERS = [
    replace(CONTROLLER, state=connection, diagnostics=FINDINGS, doubts=DOUBTS) for connection in ConnectionState
]
TROUBLES = dict.fromkeys(("accounts", "board", "influx", "events", "newer"), "why it does not work")
TROUBLED = replace(STATUS, controllers=CONTROLLERS, troubles=TROUBLES)
PAGES: Addresses = [
    ("/", {}),
    *(("/shift", {"of": of, "window": DAY}) for of in (LINE, STATION, FINISH, "kostanay")),
    *(("/shift", {"of": LINE, "window": DAY, "definition": definition}) for definition in (*BUILT_IN, "kostanay")),
    ("/station", {"of": STATION, "window": "2026-03-02"}),
    ("/station", {"of": FINISH, "window": "2026-03-02"}),
    ("/stops", {"of": "kostanay", "window": DAY}),
    ("/car", {}),
    ("/car", {"vin": CAR}),
    ("/car", {"vin": "LJ12EKR24T1900002"}),
    ("/handover", {"of": LINE, "window": DAY}),
    ("/handover", {"of": "kostanay/paint", "window": DAY}),
    ("/programme", {}),
    ("/counters", {}),
    *(("/controllers", {"controller": controller}) for controller in (WELD, "paint-plc")),
    ("/audit", {}),
    ("/glossary", {}),
    ("/login", {}),
    ("/enrol", {}),
]
REFUSED: Addresses = [
    ("/nowhere", {}),
    ("/car", {"vin": "123"}),
    ("/shift", {"of": "123"}),
    ("/shift", {"window": "123"}),
    ("/shift", {"definition": "123"}),
    ("/shift", {"window": "2026"}),
    ("/station", {"of": LINE}),
    ("/controllers", {"controller": "123"}),
    ("/programme", {"year": "0000"}),
    ("/language/123", {}),
]
REASON = {"station": STATION, "reason": "no-parts", "seen": ""}
FORMS: Addresses = [
    ("/stops/reason", {**REASON, "start": "123"}),
    ("/stops/reason", {**REASON, "start": at(10).isoformat(), "end": at(5).isoformat()}),
    ("/stops/reason", {**REASON, "start": at(9000).isoformat()}),
    ("/stops/reason", {**REASON, "start": at(3).isoformat(), "end": at(5).isoformat()}),
    ("/stops/reason", {**REASON, "start": at(-90000).isoformat(), "end": at(-89999).isoformat()}),
    ("/stops/reason", {**REASON, "start": at(105).isoformat(), "end": at(107).isoformat(), "reason": "123"}),
    ("/stops/reason", {**REASON, "start": at(105).isoformat(), "end": at(107).isoformat(), "seen": "123"}),
    ("/stops/reason", {**REASON, "start": at(105).isoformat(), "part_from": "25:61"}),
    ("/stops/reason", {**REASON, "start": at(105).isoformat(), "end": at(107).isoformat(), "part_from": "1:00"}),
    ("/stops/undo", {"seq": "123x"}),
    ("/stops/undo", {"seq": "1"}),
    ("/handover/close", {"station": STATION, "window": DAY}),
    ("/handover/close", {"station": "123", "window": DAY}),
    ("/handover/reopen", {"station": STATION, "window": DAY}),
    ("/counters", {"number": "123", "parts": "x", "why": "123"}),
    ("/counters", {"number": "123", "parts": "1", "why": ""}),
    ("/counters", {"number": "1", "parts": "1", "why": "123"}),
    ("/login", {"name": "engineer", "password": "123"}),
    ("/enrol", {"code": "123"}),
]
SEND = """([path, fields]) => {
  const form = document.createElement("form");
  Object.assign(form, {method: "post", action: path});
  const csrf = document.querySelector("input[name=csrf]").value;
  for (const [name, value] of Object.entries({...fields, csrf})) {
    const input = document.createElement("input");
    Object.assign(input, {type: "hidden", name, value});
    form.append(input);
  }
  document.body.append(form);
  form.submit();
}"""
TYPED = {"counted by hand", "1 of 2 was double", "a count was wrong", "timer 7 <again> & again"}
PEOPLE = {"anna", "boris", "aigul", "aigul 2", "a test", "boss", "clerk", *Role}


def names(plant: PlantBoard) -> set[str]:
    """Names of controllers and of people, and what people have typed."""
    return {*map(str, plant.config.controllers)} | TYPED | PEOPLE


async def left_on(
    visitor: Visitor, plant: PlantBoard, language: str, pages: Addresses, *, repeats: bool = False
) -> list[str]:
    """The English that is left on pages; `repeats`: they repeat what was asked for."""
    left = []
    for path, query in pages:
        _, text = await visitor.page(path, **query)
        found = english(text, language, plant, {*query.values()} if repeats else set())
        left += [f"{path} {dict(query)}: {word}" for word in found]
    return left


def english(text: str, language: str, plant: PlantBoard, repeated: Set[str] = frozenset()) -> list[str]:
    """The English of a page."""
    return latin_words(text, language, names(plant) | repeated, plant_ids(plant.config))


@pytest.mark.parametrize("language", OTHERS)
async def test_no_page_has_english_left(tmp_path: Path, language: str) -> None:
    """Figures, findings, troubles, journal and audit are in the reader's language; details in English are marked so."""
    events = until(scene(plant_config(tmp_path)), END)
    made = plant_board(tmp_path, events=events, telemetry=telemetry(), now=END, status=TROUBLED, shows=SHOWN)
    async with made as plant:
        make_accounts(plant)
        visitor = await plant.enter("engineer")
        await visitor.page(f"/language/{language}")
        left = await left_on(visitor, plant, language, PAGES)
    assert not left, "\n".join(dict.fromkeys(left))


@pytest.mark.parametrize("language", OTHERS)
async def test_no_refusal_has_english_left(tmp_path: Path, language: str) -> None:
    """Pages that do not exist, and forms that are refused, in the reader's language."""
    events = until(scene(plant_config(tmp_path)), END)
    async with plant_board(tmp_path, events=events, telemetry=telemetry(), now=END) as plant:
        visitor = await plant.enter("engineer")
        await visitor.page(f"/language/{language}")
        left = await left_on(visitor, plant, language, REFUSED, repeats=True)
        for path, fields in FORMS:
            status, text, _ = await visitor.send(path, **fields)
            assert status >= 400, (path, fields)
            left += [f"{path} {dict(fields)}: {word}" for word in english(text, language, plant)]
    assert not left, "\n".join(dict.fromkeys(left))


@pytest.mark.chromium
@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", OTHERS)
async def test_a_browser_shows_no_english(tmp_path: Path, language: str) -> None:
    """In a real Chromium: every page as its scripts leave it, and every address and form that is refused."""
    events = until(scene(plant_config(tmp_path)), END)
    made = plant_board(tmp_path, events=events, telemetry=telemetry(), now=END, status=TROUBLED, shows=SHOWN)
    left: list[str] = []
    async with made as plant, chromium() as browser:
        make_accounts(plant)
        page = await open_page(browser, plant.url)
        await signed_in(page, plant.url, "engineer")
        await page.goto(f"{plant.url}/language/{language}")
        for path, query in [*PAGES, *REFUSED]:
            await page.goto(f"{plant.url}{path}?{urlencode(query)}")
            found = english(await page.content(), language, plant, {*query.values()})
            left += [f"{path} {dict(query)}: {word}" for word in found]
        for path, fields in FORMS:
            await page.goto(f"{plant.url}/glossary")
            async with page.expect_navigation() as answered:
                await page.evaluate(SEND, [path, fields])
            answer = await answered.value
            assert answer is not None
            assert answer.status >= 400, (path, fields)
            found = english(await page.content(), language, plant)
            left += [f"{path} {dict(fields)}: {word}" for word in found]
    assert not left, "\n".join(dict.fromkeys(left))


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_time_between_shifts_has_its_name(tmp_path: Path, language: str) -> None:
    """Before the first shift of the day the wall says so in the reader's language, and has no other English either."""
    async with plant_board(tmp_path, events=[state(-120, State.IDLE)], telemetry=(), now=at(-100)) as plant:
        visitor = await plant.enter(None)
        await visitor.page(f"/language/{language}")
        _, text = await visitor.page("/")
        left = english(text, language, plant)
    assert f"<h1>{texts(language)['shift.off_shift']}</h1>" in text
    assert language == "en" or not left, "\n".join(dict.fromkeys(left))


@pytest.mark.parametrize("language", OTHERS)
async def test_no_report_has_english_left(tmp_path: Path, language: str) -> None:
    """The printed report of a shift under every definition is in the language that was asked for."""
    events = until(scene(plant_config(tmp_path)), END)
    async with plant_board(tmp_path, events=events, telemetry=telemetry(), now=END) as plant:
        with PlantResults(plant.config, plant.config.journal_path) as query:
            query.set_now(END)
            request = Request("shift", at(0), at(60), level="line", definitions=tuple(plant.config.definitions))
            text = report_page(query, request, language=language)
        left = english(text, language, plant)
    assert not left, "\n".join(dict.fromkeys(left))


def make_accounts(plant: PlantBoard) -> None:
    """Something of every kind happens to the accounts."""
    plant.accounts.add("clerk", "long enough", Role.VIEWER, by="boss (command line)")
    plant.accounts.set_password("clerk", "longer enough", by="engineer")
    plant.accounts.set_role("clerk", Role.TEAM_LEADER, by="engineer")
    plant.accounts.remove("clerk", by="engineer")
    found = plant.accounts.enrol(plant.accounts.invite(STATION, by="engineer"))
    assert found is not None
    plant.accounts.logout(found[0])
    plant.accounts.enrol(plant.accounts.invite(STATION, by="engineer"))
    plant.accounts.revoke(2, by="engineer")
