"""Every error of the interface has a stable code beside its sentence, from every layer and in every language."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from board_plant import PlantBoard, plant_board
from events import STATION, at
from status_scenes import STATUS

from mes.health.status import ControllerStatus
from mes.translations import LANGUAGES

pytestmark = pytest.mark.timeout(60)
FOREIGN = {"origin": "http://evil.example"}
JSON = {"content-type": "application/json"}
REASON = {"station": STATION, "start": at(10).isoformat(), "end": at(20).isoformat(), "reason": "no-parts"}
SHIFT = {"station": STATION, "window": "2026-03-02/day"}


class Breaking(Sequence[ControllerStatus]):
    """A list that cannot be read, so that a route fails."""

    def __getitem__(self, index: Any) -> Any:
        raise RuntimeError("a defect")

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[ControllerStatus]:
        raise RuntimeError("a defect")


# who asks, method, path, what is sent beside; status and code of the answer
Asked = tuple[str | None, str, str, Mapping[str, Any], int, str]
ERRORS: list[Asked] = [
    ("engineer", "GET", "/nowhere", {}, 404, "not_found"),
    ("engineer", "DELETE", "/site", {}, 405, "method_not_allowed"),
    ("engineer", "GET", "/kpi?of=moon", {}, 404, "part_unknown"),
    ("engineer", "GET", "/kpi?level=galaxy", {}, 422, "request_invalid"),
    ("engineer", "GET", "/kpi?start=yesterday", {}, 422, "request_invalid"),
    ("engineer", "GET", "/collector", {}, 500, "page_failed"),
    ("engineer", "GET", "/site", {"headers": {"host": "evil.example"}}, 400, "host_unknown"),
    ("engineer", "POST", "/reasons", {"data": b"{", "headers": JSON}, 422, "request_invalid"),
    ("engineer", "POST", "/reasons", {"data": b"\xff", "headers": JSON}, 400, "request_invalid"),
    ("engineer", "POST", "/reasons", {"json": {}}, 422, "request_invalid"),
    ("engineer", "POST", "/reasons", {"json": REASON, "headers": {"X-CSRF-Token": "x"}}, 403, "session_changed"),
    (
        "engineer",
        "POST",
        "/reasons",
        {"json": REASON, "headers": FOREIGN},
        403,
        "foreign_page",
    ),
    ("engineer", "POST", "/shift-closing/close", {"json": SHIFT}, 422, "shift_not_over"),
    ("viewer", "POST", "/reasons", {"json": REASON}, 403, "not_allowed"),
    (None, "POST", "/reasons", {"json": REASON}, 401, "sign_in_first"),
    (None, "GET", "/site", {}, 401, "sign_in_first"),
    (None, "POST", "/session", {"json": {"name": "engineer", "password": "wrong"}}, 401, "wrong_password"),
]


async def answer(plant: PlantBoard, asked: Asked, language: str) -> tuple[int, Any]:
    """Status and JSON of an error."""
    name, method, path, sent, _, _ = asked
    visitor = await plant.enter(name)
    headers = {"accept-language": language, **sent.get("headers", {})}
    if name is not None:
        headers.setdefault("X-CSRF-Token", visitor.csrf)
    address = f"{plant.url}/api/v1{path}"
    async with visitor.session.request(method, address, **{**sent, "headers": headers}) as given:
        return given.status, json.loads(await given.text())


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_error_has_a_code(tmp_path: Path, language: str) -> None:
    """From the layers before, validation, rights, routes and their defects: a sentence and a code."""
    wrong = []
    status = replace(STATUS, controllers=Breaking())
    async with plant_board(tmp_path, everybody_reads=False, status=status) as plant:
        for asked in ERRORS:
            found, problem = await answer(plant, asked, language)
            if (found, set(problem), problem.get("code")) != (asked[4], {"detail", "code"}, asked[5]):
                wrong.append(f"{asked[1]} {asked[2]}: {found} {problem}")
            elif language != "en" and problem["detail"].isascii():
                wrong.append(f"{asked[1]} {asked[2]}: in English: {problem['detail']}")
    assert not wrong, "\n".join(wrong)


async def test_a_defect_is_logged_once(tmp_path: Path, logged: list[structlog.typing.EventDict]) -> None:
    """A route of the interface that fails is one line of the log, though two applications see its exception."""
    async with plant_board(tmp_path, status=replace(STATUS, controllers=Breaking())) as plant:
        visitor = await plant.enter(None)
        async with visitor.session.get(f"{plant.url}/api/v1/collector") as given:
            assert given.status == 500
    assert [line["event"] for line in logged if line["event"] == "page_failed"] == ["page_failed"]
