"""The interface for programs: its description and its answers agree, nothing that is sent breaks it, tables are CSV."""

import asyncio
import csv
import io
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from board_plant import LINE, WINDOW, PlantBoard, Visitor, plant_board, stopped_since
from events import STATION, at, state
from influx_example import END, EVENTS
from patience import patiently, promised_s

from mes.model import State
from mes.oee.definitions import BUILT_IN, apply
from mes.report.rows import Request, rows
from mes.results.plant import PlantResults

pytestmark = pytest.mark.timeout(180)
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
HERE = Path(__file__).parent


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[PlantBoard]:
    """A board on which a stop waits for its reason."""
    async with plant_board(tmp_path, events=[*EVENTS, stopped_since(100)]) as made:
        yield made


@pytest.mark.parametrize(
    "more",
    [
        ["--phases", "coverage,fuzzing", "--max-examples", "3"],
        ["--phases", "fuzzing", "--max-examples", "15", "--config-file", str(HERE / "schemathesis.toml")],
    ],
    ids=["anything", "what-is-there"],
)
async def test_nothing_that_is_sent_breaks_it(plant: PlantBoard, more: list[str]) -> None:
    """Whatever is sent by whoever may do all: no 500, no answer that its description does not have (schemathesis)."""
    engineer = await plant.enter("engineer")
    cookie = next(morsel.value for morsel in engineer.session.cookie_jar if morsel.key == "taktline-session")
    config = [] if "--config-file" not in more else more[-2:]
    rest = more[: len(more) - len(config)]
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), *config, "run"),
        f"{plant.url}/api/v1/openapi.json",
        *("--url", f"{plant.url}/api/v1"),
        *("--exclude-path", "/events", "--exclude-path-regex", "^/session"),  # without end; the end of this session
        *("--checks", CHECKS, "--suppress-health-check", "all", "--seed", "1", "--no-color"),
        *("-H", f"X-CSRF-Token: {engineer.csrf}", "-H", f"Cookie: taktline-session={cookie}"),
        *rest,
    ]
    run = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=plant.config.journal_path.parent
    )
    said, _ = await run.communicate()
    assert run.returncode == 0, said.decode()[-6000:]
    assert "passed" in said.decode()


async def test_signing_in_by_the_interface(plant: PlantBoard) -> None:
    """A session tells who one is and what one may, and ends."""
    visitor = await plant.enter(None)
    assert (await visitor.get("/session"))[1]["may"] == ["read"]
    leader = await plant.enter("team_leader")
    _, found = await leader.get("/session")
    assert (found["name"], found["role"], found["may"]) == ("team_leader", "team_leader", ["read", "explain", "close"])
    async with leader.session.delete(plant.url + "/api/v1/session", headers={"X-CSRF-Token": leader.csrf}) as answer:
        assert answer.status == 204
    assert (await leader.get("/session"))[1]["name"] is None


async def test_figures_are_those_of_the_core(plant: PlantBoard) -> None:
    """Every number of /kpi is what the core and the report have for the same window, under each definition."""
    visitor = await plant.enter(None)
    with PlantResults(plant.config, plant.config.journal_path, now=END) as core:
        window = core.window(WINDOW)
        request = Request("shift", window.interval.start, window.interval.end, level="station")
        expected = {row.node.path: row for row in rows(core, request) if row.window == window}
        for name, definition in BUILT_IN.items():
            status, found = await visitor.get("/kpi", window=WINDOW, definition=name)
            assert status == 200
            for answered in found:
                row = expected[answered["scope"]]
                kpis = core.kpis(row.node, window.interval, definition)
                figures = apply(definition, kpis if definition.minor_stop is not None else [row.kpi])
                shown = answered["figures"][0]
                assert (shown["oee"], shown["availability"]) == (figures.oee, figures.availability)
                assert (shown["performance"], shown["quality"]) == (figures.performance, figures.quality)
                assert (answered["good"], answered["scrap"]) == (row.kpi.count("good"), row.kpi.count("scrap"))
                assert answered["out"] == row.out
                assert answered["pbt_s"] == row.kpi.pbt.total_seconds()
                whole_s = answered["window_s"] - answered["not_planned_s"] - answered["planned_stop_s"]
                assert whole_s == pytest.approx(answered["pbt_s"], abs=1e-6)


async def test_a_station_s_time_is_told_without_a_gap(plant: PlantBoard) -> None:
    """From the first to the last second, each span once, to the present."""
    visitor = await plant.enter(None)
    _, found = await visitor.get(f"/stations/{STATION}/timeline", window=WINDOW)
    spans = found["spans"]
    assert all(one["end"] == two["start"] for one, two in pairwise(spans))
    assert spans[-1]["end"] == END.isoformat().replace("+00:00", "Z")
    assert {span["state"] for span in spans} <= {str(member) for member in State}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/kpi", {"window": WINDOW}),
        ("/stops", {"window": WINDOW}),
        ("/hours", {"of": LINE, "window": WINDOW}),
        ("/line-stops", {"of": LINE, "window": WINDOW}),
        ("/stores", {"window": WINDOW}),
        ("/windows", {"window": "2026-03-02"}),
        ("/unreconciled-counts", {}),
        ("/controllers", {}),
        ("/controllers/weld-plc/tags", {}),
        (f"/stations/{STATION}/events", {"window": WINDOW}),
        (f"/stations/{STATION}/reasons", {}),
        (f"/stations/{STATION}/reason-log", {"window": WINDOW}),
    ],
)
async def test_every_table_is_csv_too(plant: PlantBoard, path: str, parameters: dict[str, str]) -> None:
    """The same rows in the same order, under the same names."""
    visitor = await plant.enter(None)
    _, found = await visitor.get(path, **parameters)
    async with visitor.session.get(f"{plant.url}/api/v1{path}", params={**parameters, "format": "csv"}) as answer:
        assert answer.content_type == "text/csv"
        table = list(csv.DictReader(io.StringIO(await answer.text())))
    assert len(table) == len(found)
    for row, item in zip(table, found, strict=True):
        for name, value in item.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                assert float(row[name]) == value


async def test_a_spreadsheet_takes_no_formula_from_what_people_typed(plant: PlantBoard) -> None:
    """A comment that begins like a formula is a text in the CSV."""
    operator = await plant.enter("operator")
    asked = {"station": STATION, "start": at(100).isoformat(), "end": None, "reason": "no-parts", "comment": "=1+1"}
    assert (await operator.post("/api/v1/reasons", asked))[0] == 201
    path = f"{plant.url}/api/v1/stations/{STATION}/reason-log"
    async with operator.session.get(path, params={"window": WINDOW, "format": "csv"}) as answer:
        assert "'=1+1" in await answer.text()


async def stream(visitor: Visitor, path: str, until: int, **headers: str) -> list[tuple[str, str]]:
    """The first ids and kinds of a stream's events."""
    found: list[tuple[str, str]] = []
    number = kind = ""
    async with visitor.session.get(visitor.url + path, headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        async for raw in answer.content:
            line = raw.decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if name == "id":
                number = value
            elif name == "event":
                kind = value
            elif not line and kind:
                found.append((number, kind))
                kind = ""
                if len(found) == until:
                    break
    return found


async def test_events_come_as_they_happen_and_resume_by_number(plant: PlantBoard) -> None:
    """After a cut nothing is missing and nothing comes twice, for programs and for browsers."""
    visitor = await plant.enter(None)
    last = plant.journal.last_seq
    first = await stream(visitor, "/api/v1/events?after=0", 6)
    assert first == [("0", "beat"), *((str(number), "event") for number in range(1, 6))]
    resumed = await stream(visitor, "/api/v1/events", 4, **{"Last-Event-ID": "5"})
    assert resumed == [("5", "beat"), ("6", "event"), ("7", "event"), ("8", "event")]

    async def happen() -> None:
        await asyncio.sleep(0.3)
        await plant.add(stopped_since(119))

    happening = asyncio.create_task(happen())
    live = await stream(visitor, "/api/v1/events", 2)
    await happening
    assert live == [(str(last), "beat"), (str(last + 1), "event")]


async def test_the_andon_board_changes_within_a_second(plant: PlantBoard) -> None:
    """A stop that is journaled stands on the wall of everybody who looks, a second later at most."""
    visitor = await plant.enter(None)
    async with visitor.session.get(plant.url + "/live/wall") as answer:
        loop = asyncio.get_running_loop()
        begun = None
        tile = f'id="tile-{STATION.replace("/", "-")}"'
        before: dict[str, Any] = (await visitor.get("/wall"))[1]
        assert before["lines"][0]["tiles"][2]["state"] == "down"
        async with patiently(10):
            async for raw in answer.content:
                line = raw.decode()
                if begun is None:
                    begun = loop.time()
                    plant.clock.shown = at(121)
                    await plant.add(state(120.5, State.BLOCKED))
                if tile in line and "state-blocked" in line:
                    break
    assert begun is not None
    assert loop.time() - begun < promised_s(1.0)


async def test_an_empty_journal_is_no_error(tmp_path: Path) -> None:
    """Before the first reading every page says so, in words."""
    async with plant_board(tmp_path, events=[]) as plant:
        visitor = await plant.enter(None)
        for path in (
            "/",
            "/shift",
            "/station",
            "/stops",
            "/handover",
            "/programme",
            "/car",
            "/counters",
            "/controllers",
        ):
            status, text = await visitor.page(path)
            assert status == 200, path
            assert "<main" in text
        status, problem = await visitor.get("/kpi")
        assert (status, problem["code"]) == (404, "journal_empty")
