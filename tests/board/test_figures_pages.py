"""Every figure on the wall, a car's page and the handover is the interface's, and no digit is left over."""

from pathlib import Path
from typing import Any

import pytest
from board_figures import (
    NONE,
    Answer,
    Column,
    bar,
    clock,
    expected,
    heading,
    instant,
    lasting,
    length_s,
    market,
    minutes,
    moment,
    number,
    own,
    percent,
    place,
    process_value,
    product,
    short_clock,
    since,
    units,
    word,
)
from board_look import Look, looking, nothing_left
from board_pages import text_of
from board_plant import LINE, WINDOW
from events import at
from influx_example import CAR, END

from mes.results.charts import share

pytestmark = pytest.mark.timeout(60)
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
FLAGS = {
    "baseline": "was there when we looked",
    "in_gap": "nobody saw it come",
    "id_came_late": "its number came late",
    "left_unseen": "nobody saw it leave",
}
LOSSES_SHOWN = 10


async def test_the_andon_board_shows_the_interface_s_figures(tmp_path: Path) -> None:
    """The shift, the clock, the collector; each line with its verdict and sums; each station; what waits between."""
    async with looking(tmp_path) as look:
        page = await look.page("/")
        wall, alive = await look.answer("/wall"), await look.answer("/collector")
        shift = heading(wall["shift"]).partition(", ")[2]
        assert page.take_text("h1") == shift
        now_ms = int(instant(look.now).timestamp() * 1000)
        assert page.take_text("p", class_="clock") == f"[{now_ms}] {clock(look.now)}"
        stands = "collects" if alive["ready"] else "does not collect"
        light = page.take_text("p", class_="light good" if alive["ready"] else "light bad")
        assert light == f"Collector: {stands}, last data {number(alive['oldest_age_s'])} s ago"
        for line in wall["lines"]:
            (section,) = [
                found for found in page.main.select("section") if text_of(found.select("h2")[0]) == place(line["line"])
            ]
            assert page.take_text("div", within=section, class_="line-head") == _line(look, line)
            shown = page.items(section.select("ol")[0])
            assert shown == [text for tile in line["tiles"] for text in _tiles(look, tile, wall["ways"])]
        assert len(wall["lines"]) == len(page.main.select("section"))
        nothing_left(page)


def _line(look: Look, line: Answer) -> str:
    """Its stations that stand in planned time, each with its reason; then what its end waits for; then its sums."""
    planned = [tile for tile in line["tiles"] if tile["planned"]]
    standing = [tile for tile in planned if tile["state"] in ("down", "setup", "idle", "no_data")]
    told = [
        f"{own(tile['station'])}: {word(tile['state'])} {since(tile['since'], look.now)}".strip()
        + (f", {why}" if (why := _why(look, tile)) else "")
        for tile in standing
    ]
    if line["stopped"]:
        told.append(f"The end of the line waits for {own(line['stopped_by'])}: {word(line['cause'])}")
    elif not line["tiles"][0]["planned"]:
        told.append("No work planned now")
    elif not standing:
        told.append("Line runs")
    plan = f" / {number(line['target'], 1)} planned so far / {number(line['target_whole'], 1)} whole shift"
    return f"{place(line['line'])} {' '.join(told)} {line['good']}{plan} · OEE {percent(line['oee'])}"


def _why(look: Look, tile: Answer) -> str:
    if tile["reason"]:
        return look.reason(tile["reason"])
    return f"fault code {tile['fault']}" if tile["fault"] and tile["state"] == "down" else ""


def _tiles(look: Look, tile: Answer, ways: list[dict[str, Any]]) -> list[str]:
    """A station, and before it the ways that lead there."""
    found = []
    for way in ways:
        if way["downstream"] == tile["station"]:
            places = "" if way["places"] is None else f"/{way['places']}"
            found.append(f"{own(way['upstream'])} – {own(way['downstream'])}: {way['waiting']}{places} waiting")
    told = [own(tile["station"]), f"{word(tile['state'])} {since(tile['since'], look.now)}"]
    if tile["needs_reason"]:
        told.append("Why is it stopped?")
    elif tile["state"] not in ("producing", "starved", "blocked") and (why := _why(look, tile)):
        told.append(why)
    made = f" · {product(tile['product'])}" if tile["product"] else ""
    told.append(f"{tile['unit'][-8:]}{made}" if tile["unit"] else "no car")
    told.append(f"cycle {number(tile['last_cycle_s'])} / {number(tile['ideal_cycle_s'])} s")
    plan = "" if tile["target"] is None else f" / {number(tile['target'], 1)}"
    asks = f" · {tile['unexplained']} ? {stops_unexplained(tile['unexplained'])}" if tile["unexplained"] else ""
    return [*found, " ".join([*told, f"{tile['good']}{plan}{asks}"])]


@pytest.mark.parametrize("vin", [CAR, "LJ12EKR24T1900001", "LJ12EKR24T1900002", "LJ12EKR24T17-41000"])
async def test_the_page_of_a_car_shows_the_interface_s_figures(tmp_path: Path, vin: str) -> None:
    """Each life with its times, and each stay with what came of it and what the process was like."""
    async with looking(tmp_path) as look:
        known = {model["product"]: model for model in look.site["products"]}
        vin = vin.replace("-", "")
        page = await look.page("/car", vin=vin)
        assert page.take_text("h1") == f"Car {vin}"
        lives = await look.answer(f"/units/{vin}")
        for life in lives:
            made = known[life["product"]]
            title = f"{life['product']} · {made['name']} · {made['assembly_method']}"
            finished = (
                f"finished {moment(life['finished_at'])}" if life["finished_at"] else "in the plant, or not finished"
            )
            times = "time" if life["loops"] == 1 else "times"
            loops = f" · {life['loops']} {times} through a station again" if life["loops"] else ""
            section = page.section(title)
            seen = f"{moment(life['first_seen'])} – {moment(life['last_seen'])}"
            assert page.take_text("p", within=section) == f"{seen} · {finished}{loops}"
            assert page.table(title) == expected(life["visits"], VISITS)
            assert page.take_text("h2", within=section) == title
        nothing_left(page)


def _lasted(visit: Answer) -> str:
    return lasting(length_s(visit, "entered", "left")) if visit["entered"] and visit["left"] else NONE


def _process(visit: Answer) -> str:
    found = []
    for value in visit["process"]:
        if value["mean"] is not None:
            outside = value["outside_s"]
            where = f"outside its limits {lasting(outside)}" if outside else "inside"
            limits = "" if outside is None else f" ({where})"
            values = " / ".join(number(value[name], 2) for name in ("minimum", "mean", "maximum"))
            found.append(f"{process_value(value['name'])} {values}{limits}")
    return " ".join(found)


VISITS: list[Column] = [
    ("station", lambda visit: own(visit["station"])),
    ("pass", lambda visit: str(visit["passage"])),
    ("came", lambda visit: moment(visit["entered"])),
    ("left", lambda visit: moment(visit["left"])),
    ("lasted", _lasted),
    ("results", lambda visit: ", ".join(f"{word(it['result'])} {clock(it['time'])}" for it in visit["results"])),
    ("process values", _process),
    ("remarks", lambda visit: ", ".join(FLAGS[it] for it in visit["flags"])),
]


async def test_the_page_of_cars_shows_those_seen_last(tmp_path: Path) -> None:
    """Without a number it lists the interface's last cars, with station and time."""
    async with looking(tmp_path) as look:
        page = await look.page("/car")
        recent = await look.answer("/units")
        assert recent
        shown = page.items(page.main.select("ul")[0])
        assert shown == [f"{visit['unit']} · {own(visit['station'])} {clock(visit['time'])}" for visit in recent]
        nothing_left(page)


@pytest.mark.parametrize("name", [None, "team_leader"])
@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("of", [LINE, "kostanay"])
async def test_the_page_of_a_handover_shows_the_interface_s_figures(
    tmp_path: Path, of: str, *, over: bool, name: str | None
) -> None:
    """Its figures, the shift closing of each station with its form, what is open, what was lost, what waits."""
    async with looking(tmp_path, name=name, now=at(600) if over else END) as look:
        page = await look.page("/handover", of=of, window=WINDOW)
        asked = {"of": of, "window": WINDOW}
        (kpi,) = await look.answer("/kpi", **asked, level="site" if of == "kostanay" else "line")
        stops = await look.answer("/stops", **asked, unexplained="true")
        members = await look.answer("/kpi", **asked)
        closings = [
            await look.answer(f"/stations/{member['scope']}/shift-closing", window=WINDOW) for member in members
        ]
        assert page.take_text("h1") == f"Handover: {place(of)}, {heading(kpi['window'])}"
        await look.chosen(page, of, kpi["window"], stations=False, shifts_only=True)
        assert page.take_text("p", class_="soft") == f"data up to {moment(kpi['until'])}"
        assert page.figures() == [
            ("OEE", percent(kpi["figures"][0]["oee"])),
            ("out", f"{kpi['out']} / {number(kpi['target'], 1)}"),
            ("rework", units(kpi["rework"])),
            ("scrap", units(kpi["scrap"])),
            ("without a reason", str(len(stops))),
        ]
        back = f"/handover?of={of}&window={WINDOW}"
        rows = list(zip(closings, members, strict=True))
        assert page.table("Shift closing") == expected(rows, _closings(back if name else None))
        closable = sum(
            closing["over"] and not closing["closed"] and not closing["stops_without_reason"] for closing in closings
        )
        if name and closable > 1:
            form = page.take("form", within=page.section("Shift closing"), action="/handover/close")
            sent = f"[back {back}] [station ] [of {of}] [window {WINDOW}]"
            assert text_of(form) == f"{sent} Close all that are ready ({closable})"
        left = page.section("Stops without a reason").select("ul")[0]
        assert page.items(left) == [
            f"{own(stop['station'])} {short_clock(stop['start'])}–{short_clock(stop['end'])}, {word(stop['state'])}"
            for stop in stops
        ]
        losses: list[Column] = [
            ("reason", lambda loss: look.reason(loss["reason"])),
            ("min", lambda loss: minutes(loss["time_s"])),
            ("stops", lambda loss: str(loss["stops"])),
        ]
        assert page.table("Losses and their reasons") == expected(kpi["losses"][:LOSSES_SHOWN], losses)
        stores = await look.answer("/stores", window=WINDOW)
        assert page.items(page.section("waiting").select("ul")[0]) == [
            _store(store) for store in stores if store["waiting"]
        ]
        nothing_left(page)


def stops_unexplained(number: int) -> str:
    """A number of stops in words."""
    return f"{number} stop{'s' if number != 1 else ''} without a reason"


def _store(store: Answer) -> str:
    places = "" if store["places"] is None else f" / {store['places']}"
    return f"{own(store['upstream'])} → {own(store['downstream'])}: {len(store['waiting'])}{places}"


def _closings(back: str | None) -> list[Column]:
    """Of each station its shift closing and its figures."""

    def stands(row: tuple[Answer, Answer]) -> str:
        closing, _ = row
        if closing["closed"]:
            return f"closed: {closing['closed_by']}, {moment(closing['closed_at'])}"
        if closing["stops_without_reason"]:
            return stops_unexplained(closing["stops_without_reason"])
        return "ready to be closed" if closing["over"] else "shift still running"

    def form(row: tuple[Answer, Answer]) -> str:
        closing, _ = row
        sent = f"[back {back}] [station {closing['station']}] [window {WINDOW}]"
        if back is None:
            return ""
        if closing["closed"]:
            return f"{sent} Why [why] Open again"
        return (
            f"{sent} Close {own(closing['station'])}" if closing["over"] and not closing["stops_without_reason"] else ""
        )

    return [
        ("station", lambda row: own(row[0]["station"])),
        ("good", lambda row: units(row[1]["good"])),
        ("OEE", lambda row: percent(row[1]["figures"][0]["oee"])),
        ("state", stands),
        ("Close", form),
    ]


@pytest.mark.parametrize("year", ["", "2026"])
async def test_the_page_of_the_programme_shows_the_interface_s_figures(tmp_path: Path, year: str) -> None:
    """The year's sums, its splits and its months."""
    async with looking(tmp_path) as look:
        page = await look.page("/programme", **({"year": year} if year else {}))
        found = await look.answer("/programme", window="2026")
        whole = found["whole"]
        assert page.take_text("h1") == "Programme 2026"
        assert page.take_text("p") == "Previous: 2025 · Next: 2027"
        assert page.take_text("p", class_="soft") == f"data up to {moment(found['until'])}"
        pct = whole["local_content_pct"]
        assert page.figures() == [
            ("built", f"≥ {whole['total']['built']}"),  # the journal begins in March
            ("plan to date", number(whole["total"]["plan_to_date"], 1)),
            ("plan 2026", number(whole["total"]["plan"], 1)),
            ("attainment", percent(whole["total"]["attainment"])),
            ("Forecast for the year", number(found["forecast"])),
            ("Local content", NONE if pct is None else percent(pct / 100)),
        ]
        splits = (("Model", "by_model"), ("Assembly method", "by_assembly_method"), ("Market", "by_market"))
        for title, name in splits:
            share_of: Column = ("share", lambda row: percent(row["share"]))
            named = market if name == "by_market" else word
            label: Column = (title, lambda row, named=named: named(row["label"]))  # type: ignore[misc]
            assert whole[name]
            assert page.table(title) == expected(
                [{**row, "at_least": True} for row in whole[name]], [label, *BUILT, share_of]
            )
        drawn: Column = (
            "",
            lambda row: bar(0, share(row["built"] or 0, row["plan"]), "good-bar") if row["plan"] else "",
        )
        assert list(found["months"]) == [str(month) for month in range(1, len(MONTHS) + 1)]
        assert page.take_text("p", class_="flag") == "Mind: cars built before the station was first seen are not known"
        months = [
            {**row["total"], "at_least": row["at_least"], "month": MONTHS[int(key) - 1]}
            for key, row in found["months"].items()
        ]
        assert page.table("Month") == expected(months, [("Month", lambda row: row["month"]), *BUILT, drawn])
        nothing_left(page)


BUILT: list[Column] = [
    ("built", lambda row: NONE if row["built"] is None else f"{'≥ ' if row['at_least'] else ''}{row['built']}"),
    ("plan to date", lambda row: number(row["plan_to_date"], 1)),
    ("plan", lambda row: number(row["plan"], 1)),
    ("attainment", lambda row: percent(row["attainment"])),
]


@pytest.mark.parametrize("name", [None, "engineer"])
async def test_the_page_of_counters_shows_the_interface_s_counts(tmp_path: Path, name: str | None) -> None:
    """Each doubtful count with its readings, what is possible, who decided what, those first that wait."""
    async with looking(tmp_path, name=name) as look:
        page = await look.page("/counters")
        found = await look.answer("/unreconciled-counts")
        assert {len(count["decisions"]) for count in found} == {0, 1, 2}
        found.sort(key=lambda count: -int(count["number"]))
        ordered = [count for count in found if not count["decisions"]] + [
            count for count in found if count["decisions"]
        ]
        for count in ordered:
            kind = "unreconciled" if count["decisions"] else "unreconciled asks"
            assert page.take_text("article", class_=kind) == _doubt(count, form=name is not None)
        nothing_left(page)
        shown = [tag.select("h2")[0]["id"] for tag in page.main.select("article")]
        assert shown == [f"n-{count['number']}" for count in ordered]


def _doubt(doubt: Answer, *, form: bool) -> str:
    told = [f"{own(doubt['station'])}, {word(doubt['kind'])}: {doubt['raw_before']} → {doubt['raw_after']}"]
    told += [f"{moment(doubt['time'])} · possible: {doubt['possible']}", f"Technical detail: {doubt['explanation']}"]
    for decision in doubt["decisions"]:
        parts = f"{decision['parts']} part{'' if decision['parts'] == 1 else 's'}"
        told.append(f"decided: {parts}, {decision['by']}, {moment(decision['recorded_time'])}: {decision['why']}")
    sent = f"[back /counters] [number {doubt['number']}] parts [parts] How is that known? [why] Decide"
    return " ".join([*told, sent] if form else told)
