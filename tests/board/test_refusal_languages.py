"""What is refused is refused in the language of whoever asked, with the same code, on pages and in the interface."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from board_plant import PlantBoard, plant_board
from catalogues import forms, messages
from events import STATION, at

from mes.board.refusals import refusal_text
from mes.translations import LANGUAGES, texts

pytestmark = pytest.mark.timeout(60)
GAP = re.compile(r"\{[a-z]+\}")
REASON = {"station": STATION, "start": at(0).isoformat(), "end": at(-1).isoformat(), "reason": "no-parts"}
# path and parameters, or what is sent, and the code of the refusal
READ: list[tuple[str, Mapping[str, str], int, str]] = [
    ("/nowhere", {}, 404, "not_found"),
    ("/kpi", {"of": "kostanay/moon"}, 404, "part_unknown"),
    ("/kpi", {"window": "2026-99-99"}, 404, "window_unknown"),
    ("/kpi", {"definition": "best"}, 404, "definition_unknown"),
    ("/kpi", {"level": "galaxy"}, 422, "request_invalid"),
    ("/hours", {"of": "kostanay", "window": "2026"}, 422, "span_too_long"),
    ("/kpi", {"start": "2020-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, 422, "span_too_long"),
    ("/controllers/moon/tags", {}, 404, "controller_unknown"),
    ("/units/NOBODY", {}, 404, "unit_unknown"),
    ("/programme", {"window": "2026-03-02"}, 422, "programme_months"),
]
SENT: list[tuple[str, Mapping[str, Any], int, str]] = [
    ("/api/v1/site", {}, 405, "method_not_allowed"),
    ("/api/v1/session", {"name": "engineer", "password": "wrong"}, 401, "wrong_password"),
    ("/api/v1/reasons", REASON, 422, "end_not_after_start"),
    ("/api/v1/undo", {"seq": 1}, 404, "no_such_reason"),
    ("/api/v1/shift-closing/close", {"station": STATION, "window": "2026-03-02/day"}, 422, "shift_not_over"),
    ("/api/v1/shift-closing/reopen", {"station": STATION, "window": "2026-03-02/day"}, 422, "shift_not_closed"),
    ("/api/v1/unreconciled-counts/1", {"parts": 1, "why": "seen"}, 404, "no_unreconciled_count"),
]
PAGES: list[tuple[str, Mapping[str, str], int, str]] = [
    ("/nowhere", {}, 404, "not_found"),
    ("/shift", {"of": "kostanay/moon"}, 404, "part_unknown"),
    ("/shift", {"window": "2026-99-99"}, 404, "window_unknown"),
    ("/shift", {"window": "2026"}, 422, "page_too_long"),
    ("/language/de", {}, 404, "language_unknown"),
    ("/audit", {}, 403, "not_allowed"),
    ("/programme", {"year": "0000"}, 200, "window_unknown"),
]
FORMS: list[tuple[str, Mapping[str, str], int, str]] = [
    ("/stops/undo", {"seq": "one"}, 422, "form_unreadable"),
    ("/login", {"name": "engineer", "password": "wrong"}, 401, "wrong_password"),
    ("/enrol", {"code": "WRONG"}, 401, "wrong_code"),
    ("/handover/close", {"station": STATION, "window": "2026-03-02/day"}, 422, "shift_not_over"),
    ("/stops/undo", {"seq": "1", "csrf": "another"}, 403, "session_changed"),
]
# what the interface is asked for, and what its refusal names in every language
NAMED: list[tuple[str, Mapping[str, str], Sequence[str]]] = [
    ("/kpi", {"level": "galaxy"}, ["query.level", "literal_error", "'line'", "'station'"]),
    ("/kpi", {"of": "x" * 201}, ["query.of", "string_too_long", "200"]),
    ("/kpi", {"definition": "iso2240"}, ["iso2240", "`iso22400, ", "taktline"]),
    ("/kpi", {"window": "2026-99-99"}, ["2026-99-99", "`2026-W10`", "`2026-03-02/day`", "`2026-03-02T08:00`"]),
    ("/hours", {"of": "kostanay", "window": "2026"}, [" 8 "]),
]


def says(text: str, code: str, language: str) -> bool:
    """Whether a text is or holds the sentence, whatever its gaps are filled with."""
    message = messages(None if language == "en" else language)[f"refusal.{code}"]
    for sentence in forms(message.id if language == "en" else message.string):
        parts = [re.escape(part).replace("'", "(?:'|&#39;)") for part in GAP.split(sentence)]
        if re.search(".*".join(parts), text, re.DOTALL) is not None:
            return True
    return False


async def every_refusal(plant: PlantBoard, language: str) -> None:
    """Asks for all of them."""
    visitor = await plant.enter("team_leader")
    await visitor.page(f"/language/{language}")
    found = [(await visitor.get(path, **asked), status, code) for path, asked, status, code in READ]
    engineer = await plant.enter("engineer")
    await engineer.page(f"/language/{language}")
    found += [(await engineer.post(path, asked), status, code) for path, asked, status, code in SENT]
    for (status, problem), expected, code in found:
        assert (status, problem["code"]) == (expected, code), problem
        assert says(problem["detail"], code, language), problem
    shown = [(await visitor.page(path, **asked), status, code) for path, asked, status, code in PAGES]
    sent = [((await visitor.send(path, **fields))[:2], status, code) for path, fields, status, code in FORMS]
    for (status, text), expected, code in shown + sent:
        assert (status, says(text, code, language)) == (expected, True), (code, text)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_refusal_speaks_the_language_of_its_reader(tmp_path: Path, language: str) -> None:
    """Pages and interface say the same sentence in English, Russian or Kazakh, under the same code and status."""
    async with plant_board(tmp_path) as plant:
        await every_refusal(plant, language)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_refusal_names_what_is_wrong_and_what_is_possible(tmp_path: Path, language: str) -> None:
    """Fields and their limits, names that exist, the permission, the cause: no language tells less than another."""
    async with plant_board(tmp_path) as plant:
        viewer, engineer, visitor = await plant.enter("viewer"), await plant.enter("engineer"), await plant.enter(None)
        for client in (viewer, engineer, visitor):
            await client.page(f"/language/{language}")
        told = [((await viewer.get(path, **parameters))[1], names) for path, parameters, names in NAMED]
        tea = {**REASON, "start": at(105).isoformat(), "end": at(107).isoformat(), "reason": "tea"}
        told.append(((await engineer.post("/api/v1/reasons", tea))[1], ["tea", "no-parts"]))
        _, forbidden = await viewer.post(
            "/api/v1/shift-closing/close", {"station": STATION, "window": "2026-03-02/day"}
        )
        told.append((forbidden, ["viewer", texts(language)["permission.close"]]))
        (tmp_path / "people.sqlite").rename(tmp_path / "aside")
        _, unavailable = await visitor.post("/api/v1/session", {"name": "engineer", "password": "wrong"})
        told.append((unavailable, ["people.sqlite"]))
    assert not [(problem, name) for problem, names in told for name in names if name not in problem["detail"]]


@pytest.mark.parametrize(
    ("header", "language"), [("ru-RU,ru;q=0.9", "ru"), ("kk", "kk"), ("de, kk;q=0.5", "kk"), ("de", "en")]
)
async def test_a_program_chooses_by_its_header(tmp_path: Path, header: str, language: str) -> None:
    """Without the board's cookie Accept-Language decides, before anybody has signed in, too."""
    async with plant_board(tmp_path, everybody_reads=False) as plant:
        visitor = await plant.enter(None)
        async with visitor.session.get(f"{plant.url}/api/v1/site", headers={"accept-language": header}) as answer:
            problem = await answer.json()
        assert answer.status == 401
        assert problem == {"code": "sign_in_first", "detail": refusal_text(language, "sign_in_first")}
        foreign = {"accept-language": header, "origin": "http://evil.example"}
        async with visitor.session.post(f"{plant.url}/login", headers=foreign) as refused:
            assert (refused.status, await refused.text()) == (403, refusal_text(language, "foreign_page") + "\n")
