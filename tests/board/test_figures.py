"""Every figure on the pages of shifts and stations is the interface's: whole tables, no digit left over."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from board_core import core_of
from board_figures import (
    Answer,
    Column,
    bar,
    clock,
    expected,
    fact,
    heading,
    instant,
    known,
    lasting,
    length_s,
    minutes,
    moment,
    number,
    own,
    percent,
    place,
    short_clock,
    units,
    word,
)
from board_look import Look, looking, marked, nothing_left
from board_pages import Page, text_of
from board_plant import LINE, WINDOW
from board_scene import S2
from events import STATION, counted
from influx_example import FINISH

from mes.oee.components import Kpi, Loss, combine
from mes.results.charts import StepKind, pareto, share, waterfall
from mes.translations import texts

pytestmark = pytest.mark.timeout(60)
DAY, SUNDAY = "2026-03-02", "2026-03-01"
FLAGS = {
    "performance_above_one": "performance above 100 %: check the ideal cycle time",
    "no_ideal_cycle": "a product without ideal cycle time was made",
    "unreconciled": "counts that a person has to decide are not in the figures",
    "reset": "a totaliser started again: units before that may be missing",
    "counts_not_read": "a counter was not read: units are missing, or not known",
    "after_closing": "the shift is closed; what came after closing is not in the figures",
    "counts_disagree": "all units are not the sum of good, rework and scrap",
}
COUNTED = {"normal": "as usual", "catch_up": "counted after a connection gap"}


@pytest.mark.parametrize(
    ("of", "window", "definition"),
    [
        (STATION, WINDOW, ""),
        (FINISH, DAY, "vorne"),
        (LINE, WINDOW, "vorne"),
        (LINE, DAY, "taktline"),
        ("kostanay/weld", WINDOW, "standalone"),
        ("kostanay/final", DAY, "nee"),
        ("kostanay", WINDOW, "iso22400"),
        ("kostanay", DAY, "kostanay"),
        (LINE, SUNDAY, ""),
    ],
)
async def test_the_page_of_a_shift_shows_the_interface_s_figures(
    tmp_path: Path, of: str, window: str, definition: str
) -> None:
    """Its figures, hours, fall of time, losses, culprits, stations, strips and all that it offers to choose."""
    level = ("site", "area", "line", "station")[of.count("/")]
    asked = {"definition": definition} if definition else {}
    async with looking(tmp_path) as look:
        page = await look.page("/shift", of=of, window=window, **asked)
        (kpi,) = await look.answer("/kpi", of=of, window=window, level=level, **asked)
        await _head(look, page, kpi, of)
        assert page.figures() == _figures(kpi)
        for flag in kpi["flags"]:
            assert page.take_text("p", class_="flag") == f"Mind: {FLAGS[flag]}"
        members = await look.answer("/kpi", of=of, window=window, level="station", **asked)
        await _strips(look, page, [member["scope"] for member in members], kpi["window"])
        await _tables(look, page, kpi)
        if level != "station":
            assert page.table("Stations") == expected(members, STATIONS)
        nothing_left(page)


async def test_a_shift_s_page_without_ideal_cycles_shows_dashes(tmp_path: Path) -> None:
    """Where a product has no ideal cycle time there, what needs it is not defined, and the fall of time ends before."""
    async with looking(tmp_path, more=[counted(50, 1, product=S2)]) as look:
        page = await look.page("/shift", of=STATION, window=WINDOW)
        (kpi,) = await look.answer("/kpi", of=STATION, window=WINDOW)
        assert (kpi["figures"][0]["oee"], kpi["speed_loss_s"]) == (None, None)
        await _head(look, page, kpi, STATION)
        assert page.figures() == _figures(kpi)
        assert "no_ideal_cycle" in kpi["flags"]
        assert [text_of(tag) for tag in page.main.select('p[class="flag"]')] == [
            f"Mind: {FLAGS[flag]}" for flag in kpi["flags"]
        ]
        await _tables(look, page, kpi)


async def test_the_waterfall_of_a_page_has_known_values(tmp_path: Path) -> None:
    """Two hours of framing by hand: 21 minutes down, 3 of set-up, 10 idle; of a gap of 10, 9.5 made its one unit.

    76 minutes of production were seen, so 85.5 in all. 7 units of 9.5 minutes were made, 4 of them good.
    """
    async with looking(tmp_path) as look:
        page = await look.page("/shift", of=STATION, window=WINDOW)
    assert page.table("Where the time went")[1:] == [
        ["calendar time", "120.0", "[0.0 100.0 total]"],
        ["not planned", "0.0", "[100.0 0.2 loss]"],
        ["planned stops", "0.0", "[100.0 0.2 loss]"],
        ["planned busy time", "120.0", "[0.0 100.0 total]"],
        ["down", "-21.0", "[82.5 17.5 loss]"],
        ["setup", "-3.0", "[80.0 2.5 loss]"],
        ["idle", "-10.0", "[71.667 8.333 loss]"],
        ["starved", "0.0", "[71.667 0.2 loss]"],
        ["blocked", "0.0", "[71.667 0.2 loss]"],
        ["no data", "-0.5", "[71.25 0.417 loss]"],
        ["minor stops", "0.0", "[71.25 0.2 loss]"],
        ["producing", "85.5", "[0.0 71.25 total]"],
        ["speed loss", "-19.0", "[55.417 15.833 loss]"],
        ["quality loss", "-28.5", "[31.667 23.75 loss]"],
        ["valuable time", "38.0", "[0.0 31.667 total]"],
    ]


async def _tables(look: Look, page: Page, kpi: Answer) -> None:
    """Hours, fall of time, losses and culprits; where nothing was lost there are no tables of it."""
    of, window = kpi["scope"], kpi["window"]["name"]
    hours = await look.answer("/hours", of=of, window=window)
    assert page.table("Hour by hour: plan and actual") == _hours(hours)
    with core_of(look) as core:
        (node,) = [part for part in core.nodes(kpi["level"], []) if part.path == of]
        whole = combine(core.kpis(node, core.window(window).interval))
    assert page.table("Where the time went") == _waterfall(whole)
    assert bool(whole.losses) == (window != SUNDAY)
    if whole.losses:
        assert page.table("Losses and their reasons") == _pareto(look, whole.losses)
    if kpi["level"] == "line":
        culprits = await look.answer("/line-stops", of=of, window=window)
        assert bool(culprits) == (window != SUNDAY)
        if culprits:
            assert page.table("Who stopped the line") == expected(culprits, CULPRITS)


async def _head(look: Look, page: Page, kpi: Answer, of: str) -> None:
    """Heading, choices, and up to when the figures go by which definition."""
    (shown,) = kpi["figures"]
    assert page.take_text("h1") == f"{place(of)}: {heading(kpi['window'])}"
    assert of == "kostanay" or page.take_text("p", class_="id") == of
    form = page.main.select("form")[0]
    titles = []
    for name in [definition for definition in look.plant.config.definitions if definition in look.site["definitions"]]:
        (other,) = await look.answer("/kpi", of=STATION, window=WINDOW, definition=name)
        titles.append(f"[{marked(name, shown['definition'])}] {other['figures'][0]['title']}")
    assert [text_of(tag) for tag in form.select("select")[2].select("option")] == titles
    await look.chosen(page, of, kpi["window"], shifts_only=False)
    up_to = f"data up to {moment(kpi['until'])}"
    assert page.take_text("p", class_="soft") == f"{up_to} · {shown['title']}: {shown['source']}"


def _figures(kpi: Answer) -> list[tuple[str, str]]:
    (shown,) = kpi["figures"]
    planned = "" if kpi["target"] is None else f" / {number(kpi['target'], 1)}"
    return [
        ("OEE", percent(shown["oee"])),
        ("Availability", percent(shown["availability"])),
        ("Performance", percent(shown["performance"])),
        ("Quality", percent(shown["quality"])),
        ("Stand-alone", percent(kpi["oee_standalone"])),
        ("data coverage", percent(kpi["coverage"])),
        ("good" if kpi["level"] == "station" else "out", f"{units(kpi['out'])}{planned}"),
        ("rework", units(kpi["rework"])),
        ("scrap", units(kpi["scrap"])),
    ]


async def _strips(look: Look, page: Page, stations: list[str], window: Answer) -> None:
    """What each station did, drawn, over an axis of hours."""
    for station in stations:
        timeline = await look.answer(f"/stations/{station}/timeline", window=window["name"])
        assert page.take_text("h3", class_="strip-name") == own(station)
        assert page.take_text("div", class_="strip") == look.strip(timeline)
    hours = await look.answer("/windows", kind="hour", window=window["name"])
    every, whole, begin = max(1, len(hours) // 12), length_s(window), instant(window["start"])
    axis = [
        f"[left:{share((instant(hour['start']) - begin).total_seconds(), whole)}%] {short_clock(hour['start'])[:2]}"
        for hour in hours[::every]
        if instant(hour["start"]) >= begin
    ]
    assert page.take_text("div", class_="axis") == " ".join(axis)


def _hours(hours: list[dict[str, Any]]) -> list[list[str]]:
    most = max([1.0, *(max(hour["good"] or 0, hour["target"] or 0.0) for hour in hours)])

    def drawn(hour: Answer) -> str:
        good = hour["good"] or 0
        kind = "good-bar" if hour["target"] is None or good >= hour["target"] else "short-bar"
        return bar(0, share(good, most), kind)

    columns: list[Column] = [
        ("hour", lambda hour: short_clock(hour["window"]["start"])),
        ("plan", lambda hour: number(hour["target"], 1)),
        ("actual", lambda hour: units(hour["good"])),
        ("actual / plan", drawn),
        ("sum plan", lambda hour: number(hour["target_sum"], 1)),
        ("sum actual", lambda hour: units(hour["good_sum"])),
        ("largest loss", lambda hour: word(hour["largest_loss"]) if hour["largest_loss"] else "–"),
        ("min", lambda hour: minutes(hour["largest_loss_s"])),
    ]
    return expected(hours, columns)


TITLES = {
    "calendar": "calendar time",
    "planned_stop": "planned stops",
    "pbt": "planned busy time",
    "valuable": "valuable time",
}


def _waterfall(kpi: Kpi) -> list[list[str]]:
    """From calendar time down to valuable time; tests/unit/results/test_charts.py has the numbers."""
    rows = [["reason", "min", ""]]
    for step in waterfall(kpi):
        time_s, is_total = step.time.total_seconds(), step.kind is StepKind.TOTAL
        shown = minutes(time_s) if is_total else minutes(-time_s, signed=True)
        rows.append([TITLES.get(step.name) or word(step.name), shown, bar(step.left, step.width, step.kind)])
    return rows


def _pareto(look: Look, losses: Sequence[Loss]) -> list[list[str]]:
    """By bucket, in each by reason, each as a share of the largest bucket."""
    groups = pareto(losses)
    largest, rows = groups[0].time, [["reason", "min", "stops", ""]]
    for group in groups:
        drawn = bar(0, share(group.time, largest), "total")
        rows.append([word(group.bucket), minutes(group.time.total_seconds()), str(group.stops), drawn])
        for reason in group.reasons:
            drawn = bar(0, share(reason.time, largest), "loss")
            time_s = reason.time.total_seconds()
            rows.append([look.reason(reason.reason), minutes(time_s), str(reason.stops), drawn])
    return rows


CULPRITS: list[Column] = [
    ("caused by", lambda culprit: own(culprit["station"])),
    ("how", lambda culprit: word(culprit["cause"])),
    ("min", lambda culprit: minutes(culprit["lost_s"])),
    ("cars", lambda culprit: number(culprit["cars"], 2)),
]
STATIONS: list[Column] = [
    ("station", lambda member: own(member["scope"])),
    ("good", lambda member: units(member["good"])),
    ("rework", lambda member: units(member["rework"])),
    ("scrap", lambda member: units(member["scrap"])),
    ("OEE", lambda member: percent(member["figures"][0]["oee"])),
    ("A", lambda member: percent(member["figures"][0]["availability"])),
    ("E", lambda member: percent(member["figures"][0]["performance"])),
    ("Q", lambda member: percent(member["figures"][0]["quality"])),
    ("down", lambda member: minutes(member["down_s"])),
    ("starved", lambda member: minutes(member["starved_s"])),
    ("blocked", lambda member: minutes(member["blocked_s"])),
    ("no data", lambda member: minutes(member["no_data_s"])),
]
CYCLES: list[Column] = [
    ("time", lambda cycle: clock(cycle["time"])),
    ("VIN", lambda cycle: str(cycle["unit"])),
    ("results", lambda cycle: word(cycle["result"])),
    ("cycle, s", lambda cycle: number(cycle["cycle_s"], 1)),
    ("ideal, s", lambda cycle: number(cycle["ideal_cycle_s"], 1)),
]
COUNTS: list[Column] = [
    ("#", lambda event: str(event["seq"])),
    ("time", lambda event: clock(event["time"])),
    ("counter", lambda event: word(event["facts"]["kind"])),
    (
        "before",
        lambda event: str(event["facts"]["previous_raw"]) if event["facts"]["previous_raw"] is not None else "–",
    ),
    ("showed", lambda event: str(event["facts"]["raw"])),
    ("units", lambda event: str(event["facts"]["delta"])),
    ("remark", lambda event: COUNTED[event["facts"]["flag"]]),
]
EVENTS: list[Column] = [
    ("#", lambda event: str(event["seq"])),
    ("time", lambda event: clock(event["time"])),
    ("what", lambda event: texts("en")[f"event.{event['kind']}"]),
    (
        "Technical detail",
        lambda event: ", ".join(f"{name}: {fact(value)}" for name, value in event["facts"].items() if known(value)),
    ),
]


@pytest.mark.parametrize("window", [WINDOW, DAY])
@pytest.mark.parametrize(
    "name", ["weld/weld-1/framing", "weld/weld-1/closures", "weld/weld-1/finish", "final/final-1/chassis"]
)
async def test_the_page_of_a_station_shows_the_interface_s_figures(tmp_path: Path, name: str, window: str) -> None:
    """Its OEE, its cycles as a drawing and as a table, its readings, states and events, one by one."""
    of = f"kostanay/{name}"
    async with looking(tmp_path) as look:
        page = await look.page("/station", of=of, window=window)
        (kpi,) = await look.answer("/kpi", of=of, window=window)
        assert page.take_text("h1") == f"{place(of)}: {heading(kpi['window'])}"
        assert page.take_text("p", class_="id") == of
        assert len(page.main.select("form")[0].select("option")) > len(look.site["stations"])
        await look.chosen(page, of, kpi["window"], whole=False, shifts_only=False)
        assert page.take_text("p") == f"OEE {percent(kpi['figures'][0]['oee'])}, good {kpi['good']} · Stops"
        timeline = await look.answer(f"/stations/{of}/timeline", window=window)
        assert page.take_text("div", class_="strip") == look.strip(timeline)
        cycles = await look.answer(f"/stations/{of}/cycles", window=window)
        assert cycles
        assert page.take_text("div", class_="chart") == _chart(cycles)
        assert page.table("Cycle times against the ideal") == expected(cycles, CYCLES)
        begin, end = (instant(kpi["window"][bound]) for bound in ("start", "end"))
        events = await look.answer(f"/stations/{of}/events", window=window)
        inside = [event for event in events if begin <= instant(event["time"]) < end]
        counts = [event for event in inside if event["kind"] == "UnitsCounted"]
        assert counts
        assert page.table("Raw readings") == expected(counts, COUNTS)
        spans: list[Column] = [
            ("from", lambda span: clock(span["start"])),
            ("to", lambda span: clock(span["end"])),
            ("lasted", lambda span: lasting(length_s(span))),
            ("state", lambda span: word(span["state"])),
            ("counts as", lambda span: word(span["bucket"])),
            ("reason", lambda span: look.reason(span["reason"]) if span["reason"] else ""),
            ("fault code", lambda span: span["fault"] or ""),
        ]
        assert page.table("Every state") == expected(timeline["spans"], spans)
        assert page.take_text("summary", within=page.section("Events")) == f"Events: {len(inside)}"
        assert page.table("Events") == expected(inside, EVENTS)
        nothing_left(page)


def _chart(cycles: list[dict[str, Any]]) -> str:
    """The numbers that the drawing of the cycles is made of."""
    series = (
        [round(instant(cycle["time"]).timestamp(), 3) for cycle in cycles],
        [cycle["cycle_s"] for cycle in cycles],
        [cycle["ideal_cycle_s"] for cycle in cycles],
    )
    return f"[{' '.join(','.join(str(value) for value in column) for column in series)}]"
