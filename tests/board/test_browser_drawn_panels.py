"""Each panel over its real answer, drawn in a browser: texts fit, units are said, stations stand in flow order."""

import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from board_scene import scene, telemetry, until
from drawn_panels import SCREEN, Drawn, draw, shown, stretched
from driven_board import chromium
from events import START, at
from influx_example import CAR, looks_at
from panel_frames import Frame, Value
from panel_texts import with_unit
from playwright.async_api import Page

from adapters.reading import ControllerId
from dashboards.checks.panels import Chosen, Dashboard, Screen, dashboards
from dashboards.write import FOLDER
from mes.config.build import PlantConfig
from mes.config.load import default_config, load
from mes.demo.influxd import private_influxd
from mes.influx.backfill import backfill
from mes.influx.encode import body
from mes.influx.figures_file import FiguresFile
from mes.influx.server import InfluxServer, Target
from mes.intervals import Interval
from mes.journal import Entry, Journal
from mes.model import ProcessValue, StationId
from mes.results.plant import PlantResults

pytestmark = [pytest.mark.influxd, pytest.mark.chromium, pytest.mark.timeout(180)]

NOW = at(119.5)  # some stations stand, and no break is on
WINDOW = Interval(NOW - timedelta(hours=24), NOW)
PAGE = Path(__file__).parents[1] / "helpers" / "panel_page.html"
PICTURES = os.environ.get("TAKTLINE_PANEL_PICTURES", "")  # a folder: pictures of all dashboards are kept there
BATHS = [
    ProcessValue(station=StationId("kostanay/paint/paint-1/pretreatment"), name="bath_temperature", time=at(t), value=v)
    for t, v in ((38, 50.5), (41, 55.25), (44, 51.125), (60, 49.0))
]
CHOSEN = {"taktline-line": {"area": "weld"}, "taktline-station": {"area": "weld", "station": "framing"}}


async def filled(server: InfluxServer, config: PlantConfig, folder: Path) -> None:
    """Two hours of the whole example plant, and the program's health."""
    journal = folder / "journal.sqlite"
    scenes = [event for event in until(scene(config), NOW) if event.received_time >= START]
    happened = sorted(scenes, key=lambda batch: batch.received_time)
    seen = {ControllerId(name): NOW for name in ("weld-plc", "paint-plc", "final-plc")}
    async with Journal.open(journal) as store:
        await store.append(Entry(events=happened, telemetry=[*telemetry(), *BATHS], observed=seen))
    await server.ensure()
    with PlantResults(config, journal, now=NOW) as results, FiguresFile(folder / "figures") as file:
        await backfill(results, server, file)
    await server.write(body(look.line for look in await looks_at(journal, config, NOW)))
    await server.write("\n".join(health(config)).encode())


def health(config: PlantConfig) -> Iterator[str]:
    """What the program says of itself: a controller without a clock, and counters of which little is known."""
    edge, now_s = "site=kostanay,edge=edge-1", int(NOW.timestamp())
    known = "reconnects=2i,items_configured=140i,items_active=139i"
    for place, name in enumerate(("weld-plc", "paint-plc", "final-plc")):
        clock = "" if place == 1 else f",clock_offset_s=-{place}.0625"
        for minutes in range(0, 60, 5):
            fields = f"running={place % 2}i,age_s={1 + place / 4},{known}{clock}"
            yield f"collector,{edge},controller={name} {fields} {now_s - 60 * minutes}000000000"
    journal = "backlog=1234i,lag_s=312.5,quarantined=0i,commit_p99_s=0.0123,free_bytes=123456789012i"
    yield f"journal,{edge} {journal} {now_s}000000000"
    for place, station in enumerate(config.standards):
        site, area, line, name = str(station).split("/")
        counter = f"site={site},area={area},line={line},station={name},kind=good"
        audit = f"unreconciled=0i,resets=0i,rollovers=0i,position={place}i" + (
            ",stored=12i,difference=0i" if place else ""
        )
        yield f"count_audit,{counter} counted=1234i,{audit} {now_s}000000000"


@pytest.fixture(scope="module")
def config() -> PlantConfig:
    return load(default_config()).config


@pytest.fixture
async def server(tmp_path: Path, config: PlantConfig) -> AsyncIterator[InfluxServer]:
    async with private_influxd(tmp_path) as influxd, InfluxServer(Target(influxd.url, "plant")) as made:
        await filled(made, config, tmp_path)
        yield made


@dataclass(slots=True)
class Looks:
    """Dashboards as they are looked at, over one server."""

    server: InfluxServer
    longest: Mapping[str, Sequence[Value]]

    async def drawn(self, board: Dashboard) -> tuple[list[Drawn], list[Drawn]]:
        """Every panel, over the answers to its queries, and the same with the longest names."""
        screen = Screen(board, board.time_range(WINDOW), NOW, self._values, {"vin": str(CAR)})
        wanted = CHOSEN.get(board.path.stem, {})
        found, full = [], []
        for panel in board.model["panels"]:
            chosen = await screen.choose(wanted)
            if repeated := panel.get("repeat"):
                chosen = await screen.choose({**wanted, repeated: chosen[repeated].options[0].text})
            answers = [
                (target, text, await self.server.query(text))
                for target in panel["targets"]
                for text in (screen.fill(target["query"], chosen),)
            ]
            named = {**panel, "fieldConfig": json.loads(with_choice(json.dumps(panel["fieldConfig"]), chosen))}
            title, frames = with_choice(panel["title"], chosen), shown(named, answers)
            found.append(draw(named, title, frames))
            full.append(draw(named, title, stretched(named, frames, self.longest)))
        return found, full

    async def _values(self, text: str) -> list[str]:
        rows = await self.server.query(text)
        return [str(next(value for name, value in row.items() if name not in {"time", "key"})) for row in rows]


def with_choice(text: str, chosen: Mapping[str, Chosen]) -> str:
    """A title with the names of what is chosen."""
    for name, choice in chosen.items():
        said = " + ".join(option.text for option in choice.options if option.value in choice.values)
        for form in (f"${{{name}:text}}", f"${{{name}:raw}}", f"${name}"):
            text = text.replace(form, said)
    return text


async def looked_at(page: Page, drawn: list[Drawn], name: str) -> list[str]:
    """Draws panels on the page and says what is wrong with them; keeps a picture where one is wanted."""
    await page.goto(PAGE.as_uri())
    found: list[list[str]] = await page.evaluate("(panels) => drawAll(panels)", [asdict(panel) for panel in drawn])
    if PICTURES and name:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)
    return [
        f"{name} / {panel.title}: {fault}"
        for panel, seen in zip(drawn, found, strict=True)
        for fault in (*panel.wrong, *seen)
    ]


def longest(config: PlantConfig) -> dict[str, Sequence[Value]]:
    """The longest names that columns have, and times by their unit: a day, a month and a year full of bars."""
    stations = [str(station) for station in config.standards]
    reasons = {str(reason) for standard in config.standards.values() for reason in standard.reasons.reasons}
    return {
        "station": [station.rpartition("/")[2] for station in stations if "/weld/" in station],
        "culprit": sorted((station.partition("/")[2] for station in stations), key=len)[-8:],
        "reason": sorted(reasons, key=len)[-10:],
        "loss": ["no_data", "planned_stop", "minor_stops", "not_planned"],
        "state": ["planned_stop", "producing"],
        "time:HH:mm": times(24, timedelta(hours=1)),
        "time:D MMM": times(31, timedelta(days=1)),
        "time:MMMM": times(12, timedelta(days=30)),
    }


def times(number: int, apart: timedelta) -> list[int]:
    """So many instants in milliseconds."""
    return [int(1000 * (START + apart * place).timestamp()) for place in range(number)]


def out_of_flow(drawn: Drawn, config: PlantConfig) -> str:
    """The names of stations or lines that do not stand from upstream to downstream, or none."""
    parts = [str(station).split("/") for station in config.standards]
    flow = list(dict.fromkeys(name for of in parts for name in ("/".join(of[1:]), of[3], of[2])))
    listed = [name for name in drawn.listed if name in flow]
    return "" if listed == sorted(listed, key=flow.index) else f"out of the flow's order: {listed}"


async def test_every_panel_is_drawn_well(server: InfluxServer, config: PlantConfig) -> None:
    """Over two hours of the whole plant no text is cut, unknown, without its unit, or over another."""
    wrong: list[str] = []
    empty: list[str] = []
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": SCREEN, "height": 1080})
        for board in dashboards(FOLDER / "dashboards"):
            found, full = await Looks(server, longest(config)).drawn(board)
            wrong += [f"{panel.title}: {out_of_flow(panel, config)}" for panel in found if out_of_flow(panel, config)]
            empty += [panel.title for panel in found if panel.body.get("empty")]
            wrong += await looked_at(page, found, board.path.stem)
            wrong += await looked_at(page, full, f"{board.path.stem}-full")
    assert not wrong, "\n".join(wrong)
    assert empty == []


async def test_a_running_shift_is_planned_to_its_end(server: InfluxServer, config: PlantConfig) -> None:
    """Hours have a plan once they have begun: two hours after its start, the whole shift's plan is far more."""
    board = next(
        candidate for candidate in dashboards(FOLDER / "dashboards") if candidate.path.stem == "taktline-plant"
    )
    found, _ = await Looks(server, longest(config)).drawn(board)
    (output,) = (panel for panel in found if panel.title.startswith("Output of the lines"))
    so_far, whole = (
        [int(text) for text, _ in column["cells"]]
        for column in output.body["columns"]
        if column["header"] in {"planned so far", "planned"}
    )

    assert len(whole) == 3
    assert all(3 * one < other < 5 * one for one, other in zip(so_far, whole, strict=True))
    (built,) = (panel for panel in found if panel.title.startswith("Cars built"))
    tiles = {tile["title"]: int(tile["text"]) for tile in built.body["tiles"]}
    assert tiles.keys() == {"built", "planned so far", "planned"}
    assert 3 * tiles["planned so far"] < tiles["planned"] < 5 * tiles["planned so far"]


def panel_of(kind: str, options: Mapping[str, Any] | None = None, **defaults: object) -> dict[str, Any]:
    """A panel of half the screen."""
    custom = {"minWidth": 80, "cellOptions": {"type": "auto"}}
    given = {"unit": "none", "color": {}, "custom": custom, "mappings": [], **defaults}
    place = {"x": 0, "y": 0, "w": 12, "h": 8}
    return {
        "type": kind,
        "gridPos": place,
        "options": options or {},
        "fieldConfig": {"defaults": given, "overrides": []},
    }


def bars_of(orientation: str = "auto", spacing: int = 0, **defaults: object) -> dict[str, Any]:
    """Bars by `of`."""
    options: dict[str, Any] = {
        "xField": "of",
        "orientation": orientation,
        "stacking": "none",
        "legend": {"showLegend": True},
    }
    options |= {"xTickLabelRotation": 0, "xTickLabelSpacing": spacing}
    return panel_of("barchart", options, **defaults)


TILES = {"reduceOptions": {"values": True, "fields": "/^state$/"}, "textMode": "auto"}
MANY: dict[str, list[Value]] = {"of": [f"a long label {number}" for number in range(24)], "lost": [1] * 24}
FAULTY: list[tuple[dict[str, Any], dict[str, list[Value]], str]] = [
    (panel_of("table"), {"A": ["much too long " * 20], "B": [1]}, "wider than its column"),
    (panel_of("table"), {"a much too long header " * 9: [1], "B": [1]}, "wider than its column"),
    (panel_of("table"), {"unit": ["A", None]}, "may be unknown"),
    (panel_of("table"), {"unit": ["A", None]}, "a reader sees 'null'"),
    (panel_of("table", unit="suffix:s", decimals=3), {"for": [1.25]}, "finer than anybody reads"),
    (panel_of("table"), {"for": [1.25]}, "has no number of decimals"),
    (panel_of("table"), {"loss": ["no_data"]}, "a program's word"),
    (panel_of("table"), {str(number): [number] for number in range(20)}, "px too wide for 20 columns"),
    (bars_of(), MANY, "labels lie over others"),
    (bars_of("horizontal"), {"of": ["a long label " * 10], "lost": [1]}, "only 40 % of the width"),
    (bars_of(unit="percentunit", decimals=1), {"of": ["A"], "lost": [0.001]}, "labels of the axis are alike"),
    (panel_of("stat", TILES), {"station": ["A"] * 200, "state": ["not planned"] * 200}, "px high"),
]


async def test_what_is_drawn_badly_is_found() -> None:
    """Each kind of fault is named; what the model does not know, as a newer transformation, is an error."""
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": SCREEN, "height": 1080})
        for panel, columns, fault in FAULTY:
            found = await looked_at(page, [draw(panel, "A", [Frame(columns)])], "")
            assert any(fault in text for text in found), (fault, found)
    with pytest.raises(KeyError):
        shown({"transformations": [{"id": "newer", "options": {}}]}, [])
    with pytest.raises(ValueError, match="unit"):
        draw(panel_of("table", unit="newer"), "A", [Frame({"A": [1]})])


def test_times_are_those_of_the_plant() -> None:
    """Each text of a time and a number is as Grafana writes it."""
    written = [
        ("time:HH:mm", None, 1000 * START.timestamp(), "08:00"),
        ("time:D MMM HH:mm:ss", None, 1000 * START.timestamp(), "2 Mar 08:00:00"),
        ("suffix:min", 0, 12.5, "13 min"),
        ("percentunit", 1, 0.38461, "38.5%"),
        ("none", None, 0.0625, "0.0625"),
        ("none", None, 1234.5, "1235"),
        ("bytes", None, 3 * 2**30, "3 GiB"),
    ]
    assert [with_unit(value, unit, decimals) for unit, decimals, value, _ in written] == [text for *_, text in written]
