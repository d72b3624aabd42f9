"""Counters that cannot be read, over HTTP: never 0 on wall, shift page, counters page, report or interface."""

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from board_plant import LINE, WINDOW, PlantBoard, plant_board
from events import STATION, at, quality, state

from adapters.reading import Quality
from mes.collect.counters import CounterState
from mes.collect.signals import StationState
from mes.collect.station import encode_state
from mes.journal import Entry
from mes.model import CountKind, State
from mes.report.page import page
from mes.report.rows import Request, as_csv, as_json, rows
from mes.results.plant import PlantResults
from mes.translations import LANGUAGES, texts

pytestmark = pytest.mark.timeout(60)
READ = StationState(counters={kind: CounterState(1, at(0)) for kind in CountKind})
NEVER = replace(
    READ,
    counters={kind: CounterState(0, at(0)) for kind in CountKind if kind is not CountKind.GOOD},
    unread={CountKind.GOOD: at(1)},
)
REPORT = Request(by="shift", start=None, end=None, parts=(STATION,))
SINCE = replace(READ, unread={CountKind.GOOD: at(100)})


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[PlantBoard]:
    async with plant_board(tmp_path) as made:
        yield made


async def keeps(plant: PlantBoard, now: StationState) -> None:
    """The collector writes the station's state with what happened last."""
    await plant.journal.append(Entry(events=[state(119.9, State.PRODUCING)], states={STATION: encode_state(now)}))
    await plant.board.live.refresh()


async def figures(plant: PlantBoard) -> tuple[dict[str, Any], dict[str, Any]]:
    """The station's tile on the wall, and its figures of the shift."""
    visitor = await plant.enter(None)
    _, wall = await visitor.get("/wall")
    [tile] = [candidate for line in wall["lines"] for candidate in line["tiles"] if candidate["station"] == STATION]
    _, [kpi] = await visitor.get("/kpi", of=STATION, window=WINDOW)
    return tile, kpi


async def test_a_counter_that_was_never_read_is_null_everywhere(plant: PlantBoard) -> None:
    """The interface and its CSV have no number for it, no OEE is made of it, and both say why."""
    await keeps(plant, NEVER)
    tile, kpi = await figures(plant)
    assert (tile["good"], tile["oee"], tile["unread"][0]["ever"]) == (None, None, False)
    assert (kpi["good"], kpi["produced"], kpi["out"], kpi["figures"][0]["oee"]) == (None, None, None, None)
    assert "counts_not_read" in kpi["flags"]
    assert isinstance(kpi["scrap"], int)
    assert kpi["figures"][0]["availability"] is not None

    visitor = await plant.enter(None)
    query = {"of": STATION, "window": WINDOW, "format": "csv"}
    async with visitor.session.get(f"{plant.url}/api/v1/kpi", params=query) as answer:
        [row] = csv.DictReader(io.StringIO(await answer.text()))
    assert (row["good"], row["produced"]) == ("", "")
    _, hours = await visitor.get("/hours", of=STATION, window=WINDOW)
    assert {(hour["good"], hour["good_sum"]) for hour in hours} == {(None, None)}
    _, [line] = await visitor.get("/kpi", of=LINE, level="line", window=WINDOW)
    assert (line["good"], line["figures"][0]["oee"]) == (None, None)


async def test_a_counter_that_turned_bad_keeps_its_number_with_a_mark(plant: PlantBoard) -> None:
    """What was counted before stands, as at least so many, with the time since when it is not read."""
    before, was = await figures(plant)
    await keeps(plant, SINCE)
    tile, kpi = await figures(plant)
    assert tile["good"] == before["good"] > 0
    assert tile["unread"] == [{"station": STATION, "kind": "good", "since": "2026-03-02T04:40:00Z", "ever": True}]
    assert (kpi["good"], "counts_not_read" in kpi["flags"]) == (was["good"], True)
    visitor = await plant.enter(None)
    _, wall = await visitor.page("/")
    assert f'<strong title="good: not read since 2 Mar 09:40:00">≥ {tile["good"]}</strong>' in wall
    await keeps(plant, READ)
    assert (await figures(plant))[0]["unread"] == []


async def test_a_shift_keeps_its_mark_after_the_counter_is_read_again(plant: PlantBoard) -> None:
    """By the journal's events alone: on the wall, on the page of the shift, in the interface and in the report."""
    before, _ = await figures(plant)
    events = [quality(30, Quality.BAD), quality(40, Quality.GOOD)]
    await plant.journal.append(Entry(events=events, states={STATION: encode_state(READ)}))
    await plant.board.live.refresh()
    tile, kpi = await figures(plant)
    assert (tile["good"], tile["unread"], before["at_least"], tile["at_least"]) == (before["good"], [], False, True)
    assert "counts_not_read" in kpi["flags"]
    visitor, why = await plant.enter(None), texts("en")["counts_not_read"]
    _, wall = await visitor.page("/")
    assert f'<strong title="{why}">≥ {tile["good"]}</strong>' in wall
    _, shift = await visitor.page("/shift", of=STATION, window=WINDOW)
    assert why in shift
    with PlantResults(plant.config, plant.config.journal_path) as query:
        [row] = json.loads(as_json(list(rows(query, REPORT))))
    assert "counts_not_read" in row["flags"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_pages_show_a_dash_and_since_when(plant: PlantBoard, language: str) -> None:
    """Wall, shift, station and counters page, in the reader's language; none says that every count is decided."""
    await keeps(plant, NEVER)
    visitor, said = await plant.enter(None), texts(language)
    await visitor.page(f"/language/{language}")
    where = {"of": STATION, "window": WINDOW}
    for path, query in (("/", {}), ("/shift", where), ("/station", where), ("/counters", {})):
        _, text = await visitor.page(path, **query)
        assert f"{said['good']}: {said['never_read']}" in text, path
        assert said["counters_none"] not in text, path
    _, wall = await visitor.page("/")
    assert ">–</strong>" in wall
    _, found = await visitor.get("/unread-counters")
    assert [(row["station"], row["kind"], row["ever"]) for row in found] == [(STATION, "good", False)]


async def test_the_report_has_no_number_for_it(plant: PlantBoard) -> None:
    """Its rows, of which JSON and CSV are made, hold nothing where nothing is known."""
    await keeps(plant, NEVER)
    with PlantResults(plant.config, plant.config.journal_path) as query:
        found = list(rows(query, REPORT))
        pages = page(query, REPORT, language="en")
    [row] = json.loads(as_json(found))
    assert (row["out"], row["good"], row["produced"], row["oee"]) == (None, None, None, None)
    assert "counts_not_read" in row["flags"]
    [line] = csv.DictReader(io.StringIO(as_csv(found)))
    assert (line["out"], line["good"], line["oee"]) == ("", "", "")
    assert "a counter was not read" in pages
