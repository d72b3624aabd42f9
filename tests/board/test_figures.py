"""Every figure on the pages of shifts and stations is the interface's: whole tables, no digit left over."""

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
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
    share,
    short_clock,
    units,
    word,
)
from board_look import Look, looking, marked, nothing_left
from board_pages import Page
from board_plant import LINE, WINDOW
from board_scene import S2
from influx_example import FINISH
from oee_histories import STATION, counted

from mes.translations import texts

pytestmark = pytest.mark.timeout(60)
DAY, SUNDAY = "2026-03-02", "2026-03-01"
FLAGS = {
    "performance_above_one": "performance above 100 %: check the ideal cycle time",
    "no_ideal_cycle": "a product without ideal cycle time was made",
    "unreconciled": "counts that a person has to decide are not in the figures",
    "reset": "a totaliser started anew: units before that may be missing",
    "counts_not_read": "a counter was not read: units are missing, or not known",
    "after_closing": "the shift is closed; what came after closing is not in the figures",
    "counts_disagree": "all units are not the sum of good, rework and scrap",
}
LOSSES = ("down", "setup", "idle", "starved", "blocked", "no_data", "minor_stops")
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
            assert page.take("p", class_="flag").text == f"Mind: {FLAGS[flag]}"
        members = await look.answer("/kpi", of=of, window=window, level="station", **asked)
        await _strips(look, page, [each["scope"] for each in members], kpi["window"])
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
        assert [each.text for each in page.main.all("p") if each.attributes.get("class") == "flag"] == [
            f"Mind: {FLAGS[flag]}" for flag in kpi["flags"]
        ]
        await _tables(look, page, kpi)


async def _tables(look: Look, page: Page, kpi: Answer) -> None:
    """Hours, fall of time, losses and culprits; where nothing was lost there are no tables of it."""
    of, window = kpi["scope"], kpi["window"]["name"]
    hours = await look.answer("/hours", of=of, window=window)
    assert page.table("Hour by hour: plan and actual") == _hours(hours)
    assert page.table("Where the time went") == _fall(kpi)
    assert bool(kpi["losses"]) == (window != SUNDAY)
    if kpi["losses"]:
        assert page.table("Losses and their reasons") == _pareto(look, kpi["losses"])
    if kpi["level"] == "line":
        culprits = await look.answer("/line-stops", of=of, window=window)
        assert bool(culprits) == (window != SUNDAY)
        if culprits:
            assert page.table("Who stopped the line") == expected(culprits, CULPRITS)


async def _head(look: Look, page: Page, kpi: Answer, of: str) -> None:
    """Heading, choices, and up to when the figures go by which definition."""
    (shown,) = kpi["figures"]
    assert page.take("h1").text == f"{place(of)}: {heading(kpi['window'])}"
    assert of == "kostanay" or page.take("p", class_="id").text == of
    form = page.main.all("form")[0]
    titles = []
    for name in [each for each in look.plant.config.definitions if each in look.site["definitions"]]:
        (other,) = await look.answer("/kpi", of=STATION, window=WINDOW, definition=name)
        titles.append(f"[{marked(name, shown['definition'])}] {other['figures'][0]['title']}")
    assert [each.text for each in form.all("select")[2].all("option")] == titles
    await look.chosen(page, of, kpi["window"], shifts_only=False)
    up_to = f"data up to {moment(kpi['until'])}"
    assert page.take("p", class_="soft").text == f"{up_to} · {shown['title']}: {shown['source']}"


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
        assert page.take("h3", class_="strip-name").text == own(station)
        assert page.take("div", class_="strip").text == look.strip(timeline)
    hours = await look.answer("/windows", kind="hour", window=window["name"])
    every, whole, begin = max(1, len(hours) // 12), length_s(window), instant(window["start"])
    axis = [
        f"[left:{share((instant(each['start']) - begin).total_seconds(), whole)}%] {short_clock(each['start'])[:2]}"
        for each in hours[::every]
        if instant(each["start"]) >= begin
    ]
    assert page.take("div", class_="axis").text == " ".join(axis)


def _hours(hours: list[dict[str, Any]]) -> list[list[str]]:
    most = max([1.0, *(max(each["good"] or 0, each["target"] or 0.0) for each in hours)])

    def drawn(each: Answer) -> str:
        good = each["good"] or 0
        kind = "good-bar" if each["target"] is None or good >= each["target"] else "short-bar"
        return bar(0, share(good, most), kind)

    columns: list[Column] = [
        ("hour", lambda each: short_clock(each["window"]["start"])),
        ("plan", lambda each: number(each["target"], 1)),
        ("actual", lambda each: units(each["good"])),
        ("actual / plan", drawn),
        ("sum plan", lambda each: number(each["target_sum"], 1)),
        ("sum actual", lambda each: units(each["good_sum"])),
        ("largest loss", lambda each: word(each["largest_loss"]) if each["largest_loss"] else "–"),
        ("min", lambda each: minutes(each["largest_loss_s"])),
    ]
    return expected(hours, columns)


def _fall(kpi: Answer) -> list[list[str]]:
    """From calendar time down to valuable time; a bar begins where the one before it ended."""
    whole = kpi["window_s"]
    rows = [
        ["reason", "min", ""],
        ["calendar time", minutes(whole), bar(share(0, whole), share(whole, whole), "total")],
    ]
    left = whole

    def lost(title: str, time_s: float) -> None:
        nonlocal left
        drawn = bar(share(min(left - time_s, left), whole), share(abs(time_s), whole), "gain" if time_s < 0 else "loss")
        rows.append([title, minutes(-time_s, signed=True), drawn])
        left -= time_s

    def stays(title: str, time_s: float) -> None:
        nonlocal left
        rows.append([title, minutes(time_s), bar(share(0, whole), share(time_s, whole), "total")])
        left = time_s

    lost("not planned", kpi["not_planned_s"])
    lost("planned stops", kpi["planned_stop_s"])
    stays("planned busy time", kpi["pbt_s"])
    for each in LOSSES:
        lost(word(each), kpi[f"{each}_s"])
    stays("producing", kpi["apt_s"])
    if kpi["speed_loss_s"] is not None:
        lost("speed loss", kpi["speed_loss_s"])
        lost("quality loss", kpi["quality_loss_s"])
        stays("valuable time", kpi["ideal_good_s"])
    return rows


def _pareto(look: Look, losses: list[dict[str, Any]]) -> list[list[str]]:
    """By bucket, in each by reason, the largest first; the buckets add their reasons up."""
    groups = []
    for bucket, members in groupby(
        sorted(losses, key=lambda each: str(each["bucket"])), key=lambda each: each["bucket"]
    ):
        inside = sorted(members, key=lambda each: (-each["time_s"], each["reason"]))
        groups.append((sum(each["time_s"] for each in inside), bucket, inside))
    groups.sort(key=lambda each: -each[0])
    largest = groups[0][0]
    rows = [["reason", "min", "stops", ""]]
    for time_s, bucket, inside in groups:
        stops = sum(each["stops"] for each in inside)
        rows.append([word(bucket), minutes(time_s), str(stops), bar(0, share(time_s, largest), "total")])
        for each in inside:
            drawn = bar(0, share(each["time_s"], largest), "loss")
            rows.append([look.reason(each["reason"]), minutes(each["time_s"]), str(each["stops"]), drawn])
    return rows


CULPRITS: list[Column] = [
    ("caused by", lambda each: own(each["station"])),
    ("how", lambda each: word(each["cause"])),
    ("min", lambda each: minutes(each["lost_s"])),
    ("cars", lambda each: number(each["cars"], 2)),
]
STATIONS: list[Column] = [
    ("station", lambda each: own(each["scope"])),
    ("good", lambda each: units(each["good"])),
    ("rework", lambda each: units(each["rework"])),
    ("scrap", lambda each: units(each["scrap"])),
    ("OEE", lambda each: percent(each["figures"][0]["oee"])),
    ("A", lambda each: percent(each["figures"][0]["availability"])),
    ("E", lambda each: percent(each["figures"][0]["performance"])),
    ("Q", lambda each: percent(each["figures"][0]["quality"])),
    ("down", lambda each: minutes(each["down_s"])),
    ("starved", lambda each: minutes(each["starved_s"])),
    ("blocked", lambda each: minutes(each["blocked_s"])),
    ("no data", lambda each: minutes(each["no_data_s"])),
]
CYCLES: list[Column] = [
    ("time", lambda each: clock(each["time"])),
    ("VIN", lambda each: str(each["unit"])),
    ("results", lambda each: word(each["result"])),
    ("cycle, s", lambda each: number(each["cycle_s"], 1)),
    ("ideal, s", lambda each: number(each["ideal_cycle_s"], 1)),
]
COUNTS: list[Column] = [
    ("#", lambda each: str(each["seq"])),
    ("time", lambda each: clock(each["time"])),
    ("counter", lambda each: word(each["facts"]["kind"])),
    ("before", lambda each: str(each["facts"]["previous_raw"]) if each["facts"]["previous_raw"] is not None else "–"),
    ("showed", lambda each: str(each["facts"]["raw"])),
    ("units", lambda each: str(each["facts"]["delta"])),
    ("remark", lambda each: COUNTED[each["facts"]["flag"]]),
]
EVENTS: list[Column] = [
    ("#", lambda each: str(each["seq"])),
    ("time", lambda each: clock(each["time"])),
    ("what", lambda each: texts("en")[f"event.{each['kind']}"]),
    (
        "Technical detail",
        lambda each: ", ".join(f"{name}: {fact(value)}" for name, value in each["facts"].items() if known(value)),
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
        assert page.take("h1").text == f"{place(of)}: {heading(kpi['window'])}"
        assert page.take("p", class_="id").text == of
        assert len(page.main.all("form")[0].all("option")) > len(look.site["stations"])
        await look.chosen(page, of, kpi["window"], whole=False, shifts_only=False)
        assert page.take("p").text == f"OEE {percent(kpi['figures'][0]['oee'])}, good {kpi['good']} · Stops"
        timeline = await look.answer(f"/stations/{of}/timeline", window=window)
        assert page.take("div", class_="strip").text == look.strip(timeline)
        cycles = await look.answer(f"/stations/{of}/cycles", window=window)
        assert cycles
        assert page.take("div", class_="chart").text == _chart(cycles)
        assert page.table("Cycle times against the ideal") == expected(cycles, CYCLES)
        begin, end = (instant(kpi["window"][each]) for each in ("start", "end"))
        events = await look.answer(f"/stations/{of}/events", window=window)
        inside = [each for each in events if begin <= instant(each["time"]) < end]
        counts = [each for each in inside if each["kind"] == "UnitsCounted"]
        assert counts
        assert page.table("Raw readings") == expected(counts, COUNTS)
        spans: list[Column] = [
            ("from", lambda each: clock(each["start"])),
            ("to", lambda each: clock(each["end"])),
            ("lasted", lambda each: lasting(length_s(each))),
            ("state", lambda each: word(each["state"])),
            ("counts as", lambda each: word(each["bucket"])),
            ("reason", lambda each: look.reason(each["reason"]) if each["reason"] else ""),
            ("fault code", lambda each: each["fault"] or ""),
        ]
        assert page.table("Every state") == expected(timeline["spans"], spans)
        assert page.take("summary", within=page.section("Events")).text == f"Events: {len(inside)}"
        assert page.table("Events") == expected(inside, EVENTS)
        nothing_left(page)


def _chart(cycles: list[dict[str, Any]]) -> str:
    """The numbers that the drawing of the cycles is made of."""
    series = (
        [round(instant(each["time"]).timestamp(), 3) for each in cycles],
        [each["cycle_s"] for each in cycles],
        [each["ideal_cycle_s"] for each in cycles],
    )
    return f"[{' '.join(','.join(str(value) for value in each) for each in series)}]"
