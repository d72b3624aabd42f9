"""Every answer of the interface is what the core has for the same window, field by field."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from board_core import CLOSE, core_of, same, window_of
from board_look import looking
from board_plant import LINE, WINDOW
from events import STATION, at
from influx_example import CAR, END

from mes.calendar import Window
from mes.intervals import Interval
from mes.model import Journaled, ReasonAssigned, StationId, UnitCompleted, UnitId
from mes.oee.biography import Biography, Visit
from mes.oee.components import Kpi, combine
from mes.oee.definitions import apply
from mes.oee.programme import hour_by_hour
from mes.oee.secondary_kpis import secondary_kpis
from mes.results.plant import Node, PlantResults

pytestmark = pytest.mark.timeout(60)
DAY = "2026-03-02"
LEVELS = ("site", "area", "line", "station")


def kpi_of(core: PlantResults, node: Node, window: Window, definitions: Sequence[str]) -> dict[str, object]:
    """The figures of a part of the plant, from the sums of its stations."""
    kpis = [core.results.kpi(station, window.interval, until=core.until) for station in node.stations]
    whole = combine(kpis)
    more = secondary_kpis(whole, core.config.mean_times_per)
    found = sorted(whole.losses, key=lambda loss: (-loss.time, loss.bucket, _reason(loss.bucket, loss.reason)))
    losses = [
        {"bucket": e.bucket, "reason": _reason(e.bucket, e.reason), "time_s": e.time, "stops": e.stops} for e in found
    ]
    times = (
        "pbt",
        "apt",
        "ot",
        "unread",
        "inferred",
        "minor_stops",
        "down",
        "setup",
        "idle",
        "starved",
        "blocked",
        "no_data",
    )
    return {
        "scope": node.path,
        "level": node.level,
        "window": window_of(window),
        "until": core.until,
        "figures": [_figures(core, node, window, definition) for definition in definitions],
        **{name: getattr(whole, name) for name in ("oee_standalone", "technical_availability", "coverage")},
        "at_least": whole.units_missing,
        "out_at_least": kpis[-1].units_missing,
        "teep": more.teep,
        "window_s": whole.length,
        "not_planned_s": whole.length - whole.pbt - whole.planned_stops,
        "planned_stop_s": whole.planned_stops,
        **{f"{name}_s": getattr(whole, name) for name in times},
        "speed_loss_s": whole.speed_loss,
        "quality_loss_s": whole.sum_pri_rejected,
        "ideal_good_s": whole.sum_pri_good,
        "ideal_produced_s": whole.sum_pri_produced,
        **{name: getattr(whole, name) for name in ("good", "rework", "scrap", "produced", "unreconciled", "failures")},
        "out": kpis[-1].good,
        "target": core.target(Node(node.stations[-1], node.stations[-1:]), window.interval),
        "mtbf_s": more.mtbf,
        "mttr_s": more.mttr,
        "flags": sorted(whole.flags),
        "losses": losses,
    }


def _reason(bucket: str, reason: str) -> str:
    """What has no reason is called by its bucket, or unexplained where a person could have said why."""
    return reason or ("unexplained" if bucket in ("down", "idle") else str(bucket))


def _figures(core: PlantResults, node: Node, window: Window, name: str) -> dict[str, object]:
    definition = core.config.definitions[name]
    found = apply(definition, core.kpis(node, window.interval, definition))
    return {
        "definition": name,
        "title": definition.title,
        "source": definition.source,
        "planned_s": found.planned,
        "run_s": found.run,
        **{figure: getattr(found, figure) for figure in ("oee", "availability", "performance", "quality")},
    }


@pytest.mark.parametrize("window", [WINDOW, DAY, "2026-03-02T09:00", "2026-03"])
async def test_figures_are_the_core_s(tmp_path: Path, window: str) -> None:
    """/kpi at each level, under all definitions at once; OEE of the plant's own is that of the sums."""
    async with looking(tmp_path) as look:
        names = list(look.plant.config.definitions)
        with core_of(look) as core:
            for level in LEVELS:
                path = look.plant.url + "/api/v1/kpi"
                asked = [("window", window), ("level", level), *(("definition", name) for name in names)]
                async with look.visitor.session.get(path, params=asked) as answer:
                    shown = await answer.json()
                nodes = core.nodes(level, [])
                same(shown, [kpi_of(core, part, core.window(window), names) for part in nodes])
                for row, node in zip(shown, nodes, strict=True):
                    whole = combine(core.kpis(node, core.window(window).interval))
                    assert row["figures"][0]["definition"] == "taktline"
                    assert row["figures"][0]["oee"] == pytest.approx(whole.oee, rel=CLOSE)


@pytest.mark.parametrize("of", [STATION, LINE, "kostanay"])
@pytest.mark.parametrize("window", [WINDOW, DAY])
@pytest.mark.parametrize("now", [END, at(107.5)])
async def test_hours_and_line_stops_are_the_core_s(tmp_path: Path, of: str, window: str, now: datetime) -> None:
    """Hour by hour the last station, up to the present; and what others cost it."""
    async with looking(tmp_path, now=now) as look:
        with core_of(look, now) as core:
            stations = tuple(station for station in core.config.standards if f"{station}/".startswith(f"{of}/"))
            last = Node(stations[-1], stations[-1:])
            seen = Interval(core.window(window).interval.start, now)
            cut = [
                Window(hour.kind, hour.name, hour.day, Interval(max(hour.interval.start, seen.start), now))
                if hour.interval.end > now
                else hour
                for hour in core.config.calendar.hours(seen)
            ]
            kpis: list[tuple[Window, Kpi]] = [
                (hour, core.results.kpi(last.stations[0], hour.interval, until=now)) for hour in cut
            ]
            targets = [core.target(last, hour.interval) or Fraction(0) for hour in cut]
            expected = [
                {
                    "window": window_of(row.window),
                    "planned_s": row.planned,
                    "target": row.target,
                    "good": row.actual,
                    "at_least": row.at_least,
                    "target_sum": row.cumulative_target,
                    "good_sum": row.cumulative_actual,
                    "sum_at_least": row.cumulative_at_least,
                    "largest_loss": row.largest_loss,
                    "largest_loss_s": row.largest_loss_time,
                }
                for row in hour_by_hour(kpis, targets)
                if row.planned or row.actual
            ]
            same(await look.answer("/hours", of=of, window=window), expected)
            culprits = [
                {"station": culprit.station, "cause": culprit.cause, "lost_s": culprit.lost, "cars": culprit.cars}
                for culprit in core.culprits(Node(of, stations), seen)
            ]
            same(await look.answer("/line-stops", of=of, window=window), culprits)


async def test_stops_and_states_are_the_core_s(tmp_path: Path) -> None:
    """Every stop and every stretch of every station, with its reason."""
    async with looking(tmp_path) as look:
        with core_of(look) as core:
            shift = core.window(WINDOW)
            seen = Interval(shift.interval.start, END)
            found = [(place, stop) for place in core.config.standards for stop in core.stops(place, seen)]
            found.sort(key=lambda item: (item[1].interval.start, item[0]))
            names = ("state", "bucket", "reason", "fault", "needs_reason")
            expected = [
                {
                    "station": place,
                    "start": stop.interval.start,
                    "end": stop.interval.end,
                    "planned_s": stop.planned,
                    **{name: getattr(stop, name) for name in names},
                    "open": stop.interval.end == END,
                    "fault_texts": {},
                }
                for place, stop in found
            ]
            same(await look.answer("/stops", window=WINDOW), expected)
            asking = [stop for stop in expected if stop["needs_reason"]]
            same(await look.answer("/stops", window=WINDOW, unexplained="true"), asking)
            assert 0 < len(asking) < len(expected)
            planned = [{"start": e.start, "end": e.end} for e in core.config.calendar.planned(shift.interval)]
            for place in core.config.standards:
                spans = [
                    {
                        "start": piece.interval.start,
                        "end": piece.interval.end,
                        **{name: getattr(piece, name) for name in ("state", "bucket", "reason", "fault")},
                        "inferred": piece.is_inferred,
                        "fault_texts": {},
                    }
                    for piece in core.results.pieces(place, shift.interval, until=END)
                ]
                whole = {"station": place, "window": window_of(shift), "spans": spans, "planned": planned}
                same(await look.answer(f"/stations/{place}/timeline", window=WINDOW), whole)


async def test_reasons_events_and_cycles_are_the_core_s(tmp_path: Path) -> None:
    """What was said, what was journaled and which cycles there were at every station, and its reasons."""
    async with looking(tmp_path) as look:
        with core_of(look) as core:
            window = core.window(WINDOW).interval
            recent = []
            for place in core.config.standards:
                told = core.events(place, window)
                path = f"/stations/{place}"
                same(await look.answer(f"{path}/events", window=WINDOW), [_event(journaled) for journaled in told])
                said = sorted(
                    (journaled for journaled in told if isinstance(journaled.event, ReasonAssigned)),
                    key=lambda e: -e.seq,
                )
                same(await look.answer(f"{path}/reason-log", window=WINDOW), [_said(journaled) for journaled in said])
                done = [event.event for event in core.reader.events(place) if isinstance(event.event, UnitCompleted)]
                made = sorted(
                    (completed for completed in done if completed.time in window), key=lambda event: event.time
                )
                same(
                    await look.answer(f"{path}/cycles", window=WINDOW), [_cycle(core, completed) for completed in made]
                )
                recent += [completed for completed in done if END - timedelta(hours=2) <= completed.time < END]
                given = [
                    event.event.reason for event in core.reader.events(place) if isinstance(event.event, ReasonAssigned)
                ]
                same(look.reasons[place], _reasons(core, place, given))
            recent.sort(key=lambda unit: unit.time, reverse=True)
            shown = [
                {"unit": completed.unit, "station": completed.station, "time": completed.time}
                for completed in recent[:12]
            ]
            same(await look.answer("/units"), shown)


def _event(told: Journaled) -> dict[str, object]:
    own = ("station", "time", "received_time", "time_source")
    facts = msgspec.json.decode(msgspec.json.encode(told.event))
    return {
        "seq": told.seq,
        "kind": type(told.event).__name__,
        **{name: getattr(told.event, name) for name in own},
        # most totalisers count every product, and their events are as they always were
        "facts": {
            name: value
            for name, value in facts.items()
            if name not in own and (name, value) != ("totaliser_product", None)
        },
        "fault_texts": {},
    }


def _said(told: Journaled) -> dict[str, object]:
    names = ("station", "time", "start", "end", "reason", "by", "comment")
    return {"seq": told.seq, **{name: getattr(told.event, name) for name in names}}


def _cycle(core: PlantResults, made: UnitCompleted) -> dict[str, object]:
    return {
        **{name: getattr(made, name) for name in ("time", "unit", "product", "result")},
        "cycle_s": made.cycle_time,
        "ideal_cycle_s": core.config.standards[made.station].ideal(made.product),
    }


def _reasons(core: PlantResults, place: StationId, given: list[Any]) -> list[dict[str, object]]:
    catalogue = core.config.standards[place].reasons
    by_controllers = set(catalogue.by_fault.values())
    found = [
        {
            "reason": code,
            "texts": dict(reason.texts),
            "category": reason.category,
            "planned": reason.planned,
            "used": given.count(code),
        }
        for code, reason in catalogue.reasons.items()
    ]
    return sorted(found, key=lambda reason: (-given.count(reason["reason"]), reason["reason"] in by_controllers))


@pytest.mark.parametrize("vin", [CAR, "LJ12EKR24T1900001", "LJ12EKR24T1900002"])
async def test_cars_are_the_core_s(tmp_path: Path, vin: str) -> None:
    """Each life and stay, with results and process values against their limits."""
    async with looking(tmp_path) as look:
        with core_of(look) as core:
            same(
                await look.answer(f"/units/{vin}"),
                [_life(core, biography) for biography in core.biography(UnitId(vin))],
            )


def _life(core: PlantResults, life: Biography) -> dict[str, object]:
    names = ("unit", "life", "product", "first_seen", "last_seen", "finished_at", "loops")
    return {**{name: getattr(life, name) for name in names}, "visits": [_visit(core, visit) for visit in life.visits]}


def _visit(core: PlantResults, visit: Visit) -> dict[str, object]:
    names = ("station", "passage", "entered", "left", "first_seen", "last_seen")
    process = []
    for summary in core.process(visit):
        limit = core.config.limits[visit.station][summary.name]
        outside = None if summary.in_limits is None else summary.length - summary.in_limits
        values = {name: getattr(summary, name) for name in ("name", "minimum", "mean", "maximum", "samples")}
        process.append(
            {**values, "low": limit.low, "high": limit.high, "known_s": summary.length, "outside_s": outside}
        )
    return {
        **{name: getattr(visit, name) for name in names},
        "results": [{"result": e.result, "time": e.time, "cycle_s": e.cycle_time} for e in visit.results],
        "flags": sorted(visit.flags),
        "process": process,
    }
