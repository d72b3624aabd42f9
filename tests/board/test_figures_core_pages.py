"""The wall, shift closings, the programme and the counters are the core's, field by field; every CSV is its JSON."""

import csv
import io
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from board_core import core_of, same, window_of
from board_look import looking
from board_plant import LINE, WINDOW
from events import STATION, at
from influx_example import END, EXIT, FINISH
from status_scenes import STATUS

from mes.calendar import WindowKind
from mes.health.status import ready
from mes.intervals import Interval
from mes.model import ShiftClosed, ShiftReopened, StationId
from mes.oee.biography import VisitFlag
from mes.oee.components import combine
from mes.oee.flow import wip
from mes.oee.programme import ProgrammeRow, ProgrammeSection
from mes.oee.stops import is_closed
from mes.results.plant import Node, PlantResults
from mes.results.unreconciled import cases

pytestmark = pytest.mark.timeout(60)
DAY = "2026-03-02"
MOMENT = timedelta(microseconds=1)
SEEN = timedelta(days=4)


async def test_the_andon_board_is_the_core_s(tmp_path: Path) -> None:
    """Every tile, line and way at this moment; the age of what the controllers said."""
    async with looking(tmp_path) as look:
        wall = await look.answer("/wall")
        with core_of(look) as core:
            shift = core.window(WINDOW)
            lines = core.nodes("line", [])
            seen = Interval(shift.interval.start, END)
            expected = {
                "now": END,
                "seq": core.reader.last_seq(),
                "shift": window_of(shift),
                "lines": [_line(core, line, seen, shift.interval) for line in lines],
                "ways": [
                    {
                        "upstream": buffer.upstream,
                        "downstream": buffer.downstream,
                        "waiting": len(wip(_visits(core, buffer.upstream), _visits(core, buffer.downstream), END)),
                        "places": buffer.places,
                    }
                    for buffer in core.config.buffers
                ],
            }
            same(wall, expected)
            assert any(way["waiting"] for way in wall["ways"])
            assert any(line["stopped"] for line in wall["lines"])
            verdict = ready(STATUS)
            controllers = [
                {
                    "controller": controller.controller,
                    "state": str(controller.state),
                    "age_s": controller.last_reading_age_s,
                }
                for controller in STATUS.controllers
            ]
            alive = {"ready": verdict.holds, "reasons": list(verdict.reasons), "controllers": controllers}
            same(await look.answer("/collector"), {**alive, "oldest_age_s": STATUS.controllers[0].last_reading_age_s})


def _visits(core: PlantResults, station: StationId) -> Any:
    return core.visits(station, Interval(END - SEEN, END + MOMENT))


def _line(core: PlantResults, line: Node, seen: Interval, shift: Interval) -> dict[str, object]:
    kpis = core.kpis(line, seen)
    guilty = [culprit for culprit in core.culprits(line, Interval(END - timedelta(minutes=1), END)) if culprit.lost]
    return {
        "line": line.path,
        "tiles": [_tile(core, station, seen, shift) for station in line.stations],
        "stopped": bool(guilty),
        "stopped_by": guilty[0].station if guilty else None,
        "cause": guilty[0].cause if guilty else None,
        "good": kpis[-1].good,
        "at_least": kpis[-1].units_missing,
        "target": core.target(line, seen),
        "target_whole": core.target(line, shift),
        "oee": combine(kpis).oee,
    }


def _tile(core: PlantResults, station: StationId, seen: Interval, shift: Interval) -> dict[str, object]:
    piece = core.results.pieces(station, seen, until=END)[-1]
    stops = core.stops(station, seen)
    kpi = core.results.kpi(station, seen, until=END)
    visits = _visits(core, station)
    inside = [visit for visit in visits if visit.left is None and VisitFlag.LEFT_UNSEEN not in visit.flags]
    unit = inside[-1] if inside else None
    ended = sorted(
        (result.time, number, result, visit) for number, visit in enumerate(visits) for result in visit.results
    )
    last = max(ended, key=lambda result: result[0]) if ended else None
    product = unit.product if unit is not None else last[3].product if last else None
    node = Node(station, (station,))
    return {
        "station": station,
        "state": piece.state,
        "bucket": piece.bucket,
        "since": piece.stop.start,
        "reason": piece.reason,
        "fault": piece.fault,
        "fault_texts": {},
        "needs_reason": any(stop.needs_reason and stop.interval.end == END for stop in stops),
        "planned": bool(core.config.calendar.planned(Interval(END, END + MOMENT))),
        "unit": unit.unit if unit is not None else None,
        "product": product,
        "last_cycle_s": last[2].cycle_time if last else None,
        "ideal_cycle_s": core.config.standards[station].ideal(product),
        "good": kpi.count("good"),
        "target": core.target(node, seen),
        "target_whole": core.target(node, shift),
        "oee": kpi.oee,
        "unexplained": sum(stop.needs_reason for stop in stops),
        "unread": [],
        "at_least": kpi.units_missing,
    }


@pytest.mark.parametrize("over", [False, True])
async def test_shift_closings_and_stores_are_the_core_s(tmp_path: Path, *, over: bool) -> None:
    """Whether each station's shift is closed, by whom, and what keeps it open; what waits between the stations."""
    now = at(600) if over else END
    async with looking(tmp_path, now=now) as look:
        with core_of(look, now) as core:
            shift = core.window(WINDOW)
            seen = Interval(shift.interval.start, min(shift.interval.end, now))
            closed_ones = 0
            for place in core.config.standards:
                told = [event.event for event in core.events(place, shift.interval)]
                last = [
                    closing
                    for closing in told
                    if isinstance(closing, ShiftClosed | ShiftReopened) and closing.start == at(0)
                ][-1:]
                closed = is_closed(told, shift.interval)
                closed_ones += closed
                expected = {
                    "station": place,
                    "window": window_of(shift),
                    "closed": closed,
                    "closed_by": last[0].by if closed else None,
                    "closed_at": last[0].time if closed else None,
                    "stops_without_reason": sum(stop.needs_reason for stop in core.stops(place, seen)),
                    "after_closing": None,  # these closings carry no figures
                    "over": over,
                }
                same(await look.answer(f"/stations/{place}/shift-closing", window=WINDOW), expected)
            assert closed_ones == int(over)
            places = {(buffer.upstream, buffer.downstream): buffer.places for buffer in core.config.buffers}
            stores = [
                {
                    "upstream": store.upstream,
                    "downstream": store.downstream,
                    "places": places[store.upstream, store.downstream],
                    "waiting": list(store.waiting),
                    "left": store.dwell.count,
                    "mean_wait_s": store.dwell.mean,
                    "longest_wait_s": store.dwell.longest,
                }
                for store in core.flow(shift.interval).stores
            ]
            same(await look.answer("/stores", window=WINDOW), stores)


@pytest.mark.parametrize("window", ["2026", "2026-02"])
async def test_the_programme_is_the_core_s(tmp_path: Path, window: str) -> None:
    """Built against planned, month by month and split three ways."""
    async with looking(tmp_path) as look:
        with core_of(look) as core:
            found = core.programme(core.window(window).interval)
            expected = {
                "year": found.year,
                "until": found.until,
                "months": {str(number): _section(month) for number, month in found.months.items()},
                "whole": _section(found.whole),
                "forecast": found.forecast,
                "unplaced": found.unplaced,
            }
            assert (found.whole.total.built or 0) > 1
            same(await look.answer("/programme", window=window), expected)


def _section(section: ProgrammeSection) -> dict[str, object]:
    splits = ("by_model", "by_assembly_method", "by_market")
    return {
        "start": section.window.start,
        "end": section.window.end,
        "at_least": section.at_least,
        "total": _row(section.total),
        **{name: [_row(row) for row in getattr(section, name)] for name in splits},
        "local_content_pct": section.local_content.mean_pct,
        "cars_without_local_content": section.local_content.cars_without_figure,
    }


def _row(row: ProgrammeRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in ("label", "built", "plan", "plan_to_date", "attainment", "share")}


async def test_unreconciled_counts_are_the_core_s(tmp_path: Path) -> None:
    """Their readings, what can be, and every decision."""
    async with looking(tmp_path) as look:
        with core_of(look) as core:
            decided = ("parts", "product", "by", "why", "recorded_time")
            expected = [
                {
                    "number": case.seq,
                    **{name: getattr(case.event, name) for name in ("station", "kind", "time", "explanation")},
                    "product": case.event.totaliser_product,
                    "raw_before": case.event.previous_raw,
                    "raw_after": case.event.raw,
                    "assessment": case.assessment,
                    "at_most": case.most,
                    "shown": list(case.shown),
                    "possible": case.possible,
                    "decisions": [{name: getattr(said, name) for name in decided} for said in case.said],
                }
                for case in cases(core.reader, core.config.setups)
            ]
            same(await look.answer("/unreconciled-counts"), expected)
            waiting = [count for count in expected if not count["decisions"]]
            same(await look.answer("/unreconciled-counts", undecided="true"), waiting)
            assert waiting


async def test_the_plant_and_its_calendar_are_the_core_s(tmp_path: Path) -> None:
    """Stations, products, definitions as configured; windows of each kind."""
    async with looking(tmp_path) as look:
        with core_of(look) as core:
            config, known = core.config, core.known
            assert known is not None
            expected = {
                "site": config.site,
                "time_zone": config.calendar.zone.key,
                "now": END,
                "known_from": known.start,
                "known_until": known.end,
                "last_seq": core.reader.last_seq(),
                "languages": ["en", "ru", "kk"],
                "names": config.names.places,  # complete in the example plant
                "stations": [_station(core, station) for station in config.standards],
                "products": [
                    {
                        "product": product,
                        **{name: getattr(facts, name) for name in ("name", "assembly_method", "market")},
                        "local_content_pct": facts.local_content_pct,
                        "names": config.names.products[product],
                    }
                    for product, facts in config.products.items()
                ],
                "definitions": ["taktline", "iso22400", "nee", "vorne", "standalone", "kostanay"],
            }
            same(look.site, expected)
            for kind in WindowKind:
                windows = [window_of(window) for window in core.windows(kind, core.window("2026-03-02").interval)]
                same(await look.answer("/windows", kind=str(kind), window=DAY), windows)


def _station(core: PlantResults, station: StationId) -> dict[str, object]:
    standard = core.config.standards[station]
    _, area, line, name = station.split("/")
    return {
        "station": station,
        "area": area,
        "line": line,
        "name": name,
        "minor_stop_s": standard.minor_stop,
        "ideal_cycle_s": {product or "*": time for product, time in standard.ideal_cycle.items()},
        "upstream": [buffer.upstream for buffer in core.config.buffers if buffer.downstream == station],
        "downstream": [buffer.downstream for buffer in core.config.buffers if buffer.upstream == station],
    }


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/kpi", {"window": WINDOW}),
        ("/kpi", {"window": WINDOW, "level": "line", "definition": "vorne"}),
        ("/hours", {"of": LINE, "window": WINDOW}),
        ("/line-stops", {"of": LINE, "window": WINDOW}),
        ("/stores", {"window": WINDOW}),
        ("/stops", {"window": WINDOW}),
        ("/windows", {"window": "2026-03"}),
        ("/unreconciled-counts", {}),
        ("/units", {}),
        (f"/stations/{STATION}/events", {"window": WINDOW}),
        (f"/stations/{FINISH}/events", {"window": WINDOW}),
        (f"/stations/{STATION}/reasons", {}),
        (f"/stations/{STATION}/reason-log", {"window": WINDOW}),
        (f"/stations/{EXIT}/cycles", {"window": WINDOW}),
    ],
)
async def test_every_table_as_csv_is_its_json(tmp_path: Path, path: str, parameters: dict[str, str]) -> None:
    """The same rows, the same fields, the same text of every value, what lies inside of a row included."""
    async with looking(tmp_path) as look:
        found = await look.answer(path, **parameters)
        url, asked = f"{look.plant.url}/api/v1{path}", {**parameters, "format": "csv"}
        async with look.visitor.session.get(url, params=asked) as answer:
            table = csv.DictReader(io.StringIO(await answer.text()))
            rows = list(table)
        assert found
        flat = [_flat(item) for item in found]
        assert set(table.fieldnames or ()) == {name for cells in flat for name in cells}
        for row, cells in zip(rows, flat, strict=True):
            assert row == {name: cells.get(name, "") for name in row}


def _flat(value: object, name: str = "") -> dict[str, str]:
    """Each value under its whole name, as a spreadsheet shows it."""
    below = f"{name}." if name else ""
    match value:
        case Mapping():
            return {k: text for key, item in value.items() for k, text in _flat(item, f"{below}{key}").items()}
        case [Mapping(), *_]:
            return {k: t for at, item in enumerate(value, 1) for k, t in _flat(item, f"{below}{at}").items()}
        case list():
            return {name: ";".join(map(str, value))}
        case bool():
            return {name: "true" if value else "false"}
        case None:
            return {name: ""}
        case str() if value.startswith(("=", "+", "-", "@")):
            return {name: f"'{value}"}
        case _:
            return {name: str(value)}
