"""Counters that cannot be read, over HTTP: never 0 on wall, shift page, counters page, report or interface."""

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from board_pages import parsed, text_of
from board_plant import LINE, WINDOW, PlantBoard, config_of, plant_board
from events import STATION, at, counted, quality, shift_closed, state, unreconciled
from influx_example import END, EVENTS
from journals import journal_of
from rich.console import Console

from adapters.reading import Quality
from mes.collect.counters import CounterState
from mes.collect.signals import StationState
from mes.collect.station import encode_state
from mes.influx.points.plant import PlantPoints
from mes.influx.points.windows import station_points
from mes.intervals import Interval
from mes.journal import Entry
from mes.model import CountKind, State, StationId, UnitsCounted, totaliser_id
from mes.oee.closed import encode_closed
from mes.oee.components import KpiFlag
from mes.report.page import page
from mes.report.rows import Request, as_csv, as_json, rows
from mes.report.text import show
from mes.results.plant import PlantResults
from mes.translations import LANGUAGES, texts

pytestmark = pytest.mark.timeout(60)
READ = StationState(counters={totaliser_id(kind): CounterState(1, at(0)) for kind in CountKind})
NEVER = replace(
    READ,
    counters={totaliser_id(kind): CounterState(0, at(0)) for kind in CountKind if kind is not CountKind.GOOD},
    unread={totaliser_id(CountKind.GOOD): at(1)},
)
REPORT = Request(by="shift", start=None, end=None, parts=(STATION,))
SINCE = replace(READ, unread={totaliser_id(CountKind.GOOD): at(100)})


EXIT = StationId("kostanay/weld/weld-1/finish")  # the last station of the line


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
    assert tile["unread"] == [
        {"station": STATION, "kind": "good", "product": None, "since": "2026-03-02T04:40:00Z", "ever": True}
    ]
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


async def doors(plant: PlantBoard, language: str) -> dict[str, list[str]]:
    """The good units of the line's last station in the shift, wherever they are shown."""
    visitor, said = await plant.enter(None), texts(language)
    await visitor.page(f"/language/{language}")
    line = {"of": LINE, "window": WINDOW}
    _, wall = await visitor.get("/wall")
    [shown] = [line for line in wall["lines"] if line["line"] == LINE]
    found = {"/api/v1/wall": [str(shown["good"]), str(shown["tiles"][-1]["good"])]}
    _, text = await visitor.page("/")
    section = parsed(text).select("section")[wall["lines"].index(shown)]
    found["wall"] = [text_of(section.select(f"p.{where} strong")[-1]).split("] ")[-1] for where in ("sum", "count")]
    for path in ("/shift", "/handover"):
        _, text = await visitor.page(path, **line)
        assert said["counts_not_read"] in text, path
        names, numbers = ([text_of(part) for part in parsed(text).select(kind)] for kind in ("dl dt", "dl dd"))
        found[path] = [numbers[names.index(said["out"])].partition(" / ")[0]]
        row = [row for row in parsed(text).select("tr") if said["oee"] not in text_of(row) and "finish" in str(row)]
        found[f"{path}, station"] = [text_of(row[-1].select("td")[0])]
    _, text = await visitor.page("/counters")
    assert said["counters_none"] not in text
    _, [kpi] = await visitor.get("/kpi", **line, level="line")
    _, hours = await visitor.get("/hours", **line)
    found["/api/v1/kpi, hours"] = [str(kpi["out"]), *(str(hours[-1][name]) for name in ("good", "good_sum"))]
    found |= _reported(plant)
    return found


def _reported(plant: PlantBoard) -> dict[str, list[str]]:
    with PlantResults(plant.config, plant.config.journal_path, now=plant.clock.now()) as query:
        [row] = rows(query, replace(REPORT, parts=(LINE,), level="line"))
        points = station_points(query.results, EXIT, row.window.interval, query.until)
        console = Console(record=True, width=160, file=io.StringIO())
        show(console, [row], plant.config.calendar.zone)
    table = console.export_text()
    assert "weld/weld-1: a counter was not read" in table
    [cells] = [line.split("│") for line in table.splitlines() if line.startswith("│ weld/weld-1")]
    [flat], [nested] = csv.DictReader(io.StringIO(as_csv([row]))), json.loads(as_json([row]))
    return {
        "mes report": [cells[2].strip()],
        "mes report, CSV and JSON": [flat["out"], str(nested["out"])],
        "InfluxDB": [str(point.fields.get("good")) for point in points if point.measurement == "kpi"],
    }


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_counter_that_was_never_readable_is_nowhere_zero(tmp_path: Path, language: str) -> None:
    """One law over all doors: wall, pages, counters, handover, report in each form, interface, InfluxDB."""
    events = [event for event in EVENTS if not (isinstance(event, UnitsCounted) and event.station == EXIT)]
    events += [counted(119, 0, kind, station=EXIT) for kind in CountKind if kind is not CountKind.GOOD]
    async with plant_board(tmp_path, events=events) as plant:
        event = state(119.9, State.PRODUCING, station=EXIT)
        await plant.journal.append(Entry(events=[event], states={EXIT: encode_state(NEVER)}))
        await plant.board.live.refresh()
        for door, numbers in (await doors(plant, language)).items():
            assert numbers, door
            assert set(numbers) <= {"–", "", "None"}, (door, numbers)


async def test_a_number_that_is_partly_known_is_marked_at_every_door(plant: PlantBoard) -> None:
    """Pages and the report's table write ≥ before it; the interface says so beside it, and for the hour that it is."""
    events = [
        replace(quality(minutes, value), station=EXIT) for minutes, value in ((70, Quality.BAD), (90, Quality.GOOD))
    ]
    await plant.journal.append(Entry(events=events, states={EXIT: encode_state(READ)}))
    await plant.board.live.refresh()
    found = await doors(plant, "en")
    assert [found[door] for door in ("wall", "/shift", "/handover", "mes report")] == [["≥ 1", "≥ 1"], *[["≥ 1"]] * 3]
    assert [found[f"{door}, station"] for door in ("/shift", "/handover")] == [["≥ 1"], ["≥ 1"]]
    visitor, line = await plant.enter(None), {"of": LINE, "window": WINDOW}
    _, wall = await visitor.get("/wall")
    assert [line["at_least"] for line in wall["lines"] if line["line"] == LINE] == [True]
    _, [kpi] = await visitor.get("/kpi", **line, level="line")
    assert (kpi["out"], kpi["out_at_least"], kpi["at_least"]) == (1, True, True)
    _, hours = await visitor.get("/hours", **line)
    assert [(hour["window"]["start"][11:13], hour["at_least"], hour["sum_at_least"]) for hour in hours] == [
        ("03", False, False),
        ("04", True, True),
    ]


async def test_a_mark_of_another_station_is_not_the_line_s_out(plant: PlantBoard) -> None:
    """What left the line is known where only a counter before its end was not read."""
    await keeps(plant, SINCE)
    visitor = await plant.enter(None)
    _, [kpi] = await visitor.get("/kpi", of=LINE, window=WINDOW, level="line")
    assert (kpi["at_least"], kpi["out_at_least"]) == (True, False)


def test_the_report_s_table_has_a_line_for_each_flag(tmp_path: Path) -> None:
    """So that a shift with counts after its closing, or with doubtful ones, is seen as such on a terminal."""
    path = tmp_path / "journal.sqlite"
    closed = shift_closed(500, 0, 480, figures=encode_closed([]))
    journal_of(path, [state(0, State.PRODUCING), counted(10, 1), unreconciled(70, raw=3, previous_raw=58), closed])
    with PlantResults(config_of(tmp_path), path, now=at(600)) as query:
        [row] = [row for row in rows(query, REPORT) if row.window.name == "day"]
        row = replace(row, kpi=replace(row.kpi, after_closing=1))
        console = Console(record=True, width=160, file=io.StringIO())
        show(console, [row], query.config.calendar.zone)
    table = console.export_text()
    for flag in (KpiFlag.AFTER_CLOSING, KpiFlag.UNRECONCILED):
        assert f"weld/weld-1/framing: {texts('en')[flag]}" in table


async def test_what_was_built_before_the_station_was_seen_is_not_known(plant: PlantBoard) -> None:
    """The journal begins on 2 March: January is null and a dash, March is at least so many, InfluxDB has no field."""
    visitor = await plant.enter(None)
    _, found = await visitor.get("/programme", window="2026")
    january, march, april = (found["months"][number] for number in ("1", "3", "4"))
    assert (january["total"]["built"], january["total"]["attainment"], january["at_least"]) == (None, None, False)
    assert (march["total"]["built"], march["at_least"], april["total"]["built"]) == (1, True, 0)
    assert (found["whole"]["total"]["built"], found["whole"]["at_least"]) == (1, True)
    _, text = await visitor.page("/programme")
    months = [[text_of(cell) for cell in row.select("th,td")[:2]] for row in parsed(text).select("tr")]
    assert ["January", "–"] in months
    assert ["March", "≥ 1"] in months
    assert texts("en")["built_not_known"] in text
    before = Interval(at(-60 * 24 * 30), at(-60 * 24 * 29))
    await plant.add(state(-60 * 24 * 30 + 60, State.PRODUCING))  # another station was seen in January
    with PlantResults(plant.config, plant.config.journal_path, now=END) as query:
        built = [point for point in PlantPoints(query).points(before) if point.measurement == "built"]
    assert {point.tags["window"] for point in built} == {"hour", "day", "month", "year"}
    for point in built:
        assert ("built" in point.fields) == (point.tags["window"] == "year")
        assert "planned_units_to_date" in point.fields
