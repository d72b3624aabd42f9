"""Reports of a journal written by hand: rows, forms, the page, explanations, biographies, causes, programme."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from board_pages import parsed
from click.testing import CliRunner
from events import S3, at, completed, counted, entered, left, raised, state
from journals import journal_of
from oee_histories import between

from adapters.reading import ControllerId
from mes.cli import mes
from mes.config.load import default_config, load
from mes.errors import ConfigError
from mes.intervals import Interval
from mes.journal.codec import encode_event, to_us
from mes.journal.store import Rows, Store
from mes.model import (
    CountKind,
    State,
    StationEvent,
    StationId,
    UnitId,
)
from mes.oee.components import Bucket
from mes.report.page import page
from mes.report.rows import Request, as_csv, as_json, rows
from mes.results.explain import explain
from mes.results.plant import Node, PlantResults
from mes.translations import LANGUAGES, texts

CONFIG = load(default_config()).config
FRAMING, RESPOT = StationId("kostanay/weld/weld-1/framing"), StationId("kostanay/weld/weld-1/respot")
END = StationId("kostanay/final/final-1/end-of-line")
MINUTE = timedelta(minutes=1)
SHIFT = "2026-03-02/day"  # START of the histories is its first instant
VIN = UnitId("LJ12EKR21T1823640")


def of(station: StationId, *events: StationEvent) -> list[StationEvent]:
    """The same events at another station."""
    return [replace(event, station=station) for event in events]


def passing(station: StationId, enters: float, leaves: float) -> list[StationEvent]:
    """A car in a station, finished right before it leaves."""
    return [
        entered(enters, VIN, product=S3, station=station),
        completed(leaves, VIN, cycle_time=(leaves - enters) * MINUTE, station=station),
        left(leaves, VIN, station=station),
    ]


def history() -> list[StationEvent]:
    """Framing breaks for 20 of 60 minutes and starves respot, a car passes; `101` is a robot fault."""
    framing: list[StationEvent] = [
        state(0, State.PRODUCING),
        counted(9.5, 1),
        state(10, State.DOWN),
        raised(10, "101"),
        state(30, State.PRODUCING),
        counted(39, 1),
        counted(48, 1, CountKind.REWORK),
        state(50, State.IDLE),
        state(60, State.PRODUCING),
    ]
    respot: list[StationEvent] = [state(0, State.PRODUCING), state(12, State.STARVED), state(39, State.PRODUCING)]
    return [
        *framing,
        *passing(FRAMING, 0, 9.5),
        *of(RESPOT, *respot, counted(50, 2)),
        *passing(RESPOT, 39, 50),
        *of(END, state(0, State.PRODUCING), counted(20, 1)),
        *passing(END, 12, 20),
    ]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That history on disk."""
    path = tmp_path_factory.mktemp("plant") / "journal.sqlite"
    return journal_of(path, history())


@pytest.fixture
def query(journal: Path) -> Iterator[PlantResults]:
    """The journal opened under the example plant's file."""
    with PlantResults(CONFIG, journal) as opened:
        yield opened


def test_a_line_is_the_sum_of_its_stations(query: PlantResults) -> None:
    """Seconds and counts of lines, areas and the site are sums; what leaves a line is what its last station made."""
    hour = Request("interval", at(0), at(60))
    stations = list(rows(query, hour))
    for level in ("line", "area", "site"):
        nodes = list(rows(query, replace(hour, level=level)))
        assert {node.node.level for node in nodes} == {level}
        for bucket in Bucket:
            whole = sum((node.kpi.spent(bucket) for node in nodes), timedelta())
            assert whole == sum((station.kpi.spent(bucket) for station in stations), timedelta())
    final = next(row for row in rows(query, replace(hour, level="line", parts=("final",))))
    assert (final.node.path, final.out) == ("kostanay/final/final-1", 1)
    assert final.target is not None
    assert 0 < final.target < 10


def test_what_nobody_collected_is_no_data(tmp_path: Path) -> None:
    """From the last proof of life of a dead collector to the present there is no data; until then all is as was."""
    path = tmp_path / "journal.sqlite"
    with Store(path) as store:
        rows_ = [encode_event(event) for event in history()]
        store.write([Rows(events=rows_, observed=[(ControllerId("weld-plc"), to_us(at(70)))])])
    window = between(0, 90)
    with PlantResults(CONFIG, path, present=at(71)) as alive:
        before = alive.results.kpi(FRAMING, window, until=alive.until)
    with PlantResults(CONFIG, path, present=at(85)) as dead:
        after = dead.results.kpi(FRAMING, window, until=dead.until)
        assert (dead.until, dead.known) == (at(85), between(0, 70))

    assert (before.window, after.window) == (between(0, 70), between(0, 85))
    assert (before.no_data, after.no_data) == (timedelta(), 15 * MINUTE)
    assert (after.apt, after.down, after.idle, after.good) == (before.apt, before.down, before.idle, before.good)


def test_windows_follow_the_calendar_or_are_exactly_what_was_asked(query: PlantResults) -> None:
    """Hours to years are whole windows of the calendar, an interval is to the instant."""
    names = {
        by: next(iter(rows(query, Request(by, at(0), at(60))))).window.name
        for by in ("hour", "shift", "day", "week", "month", "year", "interval")
    }
    assert names == {
        "hour": "2026-03-02 08:00",
        "shift": "day",
        "day": "2026-03-02",
        "week": "2026-W10",
        "month": "2026-03",
        "year": "2026",
        "interval": "interval",
    }
    exact = next(iter(rows(query, Request("interval", at(1), at(2)))))
    assert exact.window.interval == between(1, 2)
    assert exact.kpi.length == MINUTE


def test_long_windows_say_what_the_events_say(query: PlantResults) -> None:
    """Stored hourly components give a month the figures of its only hour."""
    hour = {row.node.path: row.kpi for row in rows(query, Request("interval", at(0), at(60)))}
    for row in rows(query, Request("month", at(0), at(60), parts=("framing", "respot", "end-of-line"))):
        assert (row.kpi.good, row.kpi.rework) == (hour[row.node.path].good, hour[row.node.path].rework)
        assert row.kpi.down == hour[row.node.path].down
        assert row.kpi.apt == hour[row.node.path].apt


def test_json_and_csv_hold_the_same_figures(query: PlantResults) -> None:
    """Both forms have every figure under its own name; definitions stand beside each other."""
    request = Request("interval", at(0), at(60), ("framing",), definitions=("taktline", "nee"))
    found = list(rows(query, request))
    (row,) = json.loads(as_json(found))
    header, line = as_csv(found).splitlines()
    flat = dict(zip(header.split(","), line.split(","), strict=True))

    assert (row["station"], row["good"], row["rework"]) == (str(FRAMING), 2, 1)
    assert row["down_s"] == float(flat["down_s"]) == 1200
    assert row["oee"] == float(flat["oee"]) == 2 * 570 / 3600
    assert row["definitions"]["taktline"]["oee"] == row["oee"]
    assert float(flat["oee.nee"]) == row["definitions"]["nee"]["oee"]
    assert row["definitions"]["nee"]["where"]["setup"] == "no loss"
    assert {"bucket": "down", "reason": "robot-fault", "s": 1200.0, "stops": 1} in row["losses"]
    assert {"bucket": "idle", "reason": "unexplained", "s": 600.0, "stops": 1} in row["losses"]
    assert as_csv([]) == ""


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request("hour", None, None, ("nowhere",)), "unknown station or part of the plant `nowhere`"),
        (Request("hour", None, None, definitions=("oee",)), "there is no definition `oee`"),
        (Request("hour", at(5), at(5)), "is not after the start"),
    ],
)
def test_what_is_not_there_is_said(query: PlantResults, request_: Request, said: str) -> None:
    """Names and times that make no sense are refused with what there is instead."""
    with pytest.raises(ConfigError, match=re.escape(said)):
        list(rows(query, request_))


def test_an_explanation_adds_up_to_the_figures(query: PlantResults) -> None:
    """Ideal times, planned seconds of the spans and counts of the raw readings are the row's figures exactly."""
    found = explain(query, FRAMING, query.window("2026-03-02T08:00"))
    kpi = found.row.kpi

    good = [ideal.time for ideal in found.ideal if ideal.kind is CountKind.GOOD]
    assert sum((length or timedelta() for length in good), timedelta()) == kpi.sum_pri_good
    for bucket in (Bucket.APT, Bucket.DOWN, Bucket.IDLE):
        assert sum((stretch.planned for stretch in found.stretches if stretch.piece.bucket is bucket), timedelta()) == (
            kpi.spent(bucket)
        )
    assert sum(inside for _, inside in found.counts) == kpi.produced == 3
    down = next(stretch for stretch in found.stretches if stretch.piece.bucket is Bucket.DOWN)
    assert down.begun_by is not None
    assert down.ended_by is not None
    assert (down.begun_by.event.time, down.ended_by.event.time) == (at(10), at(30))


def test_windows_are_found_by_their_names(query: PlantResults) -> None:
    """Every kind of window has a name by which it is asked for; others are refused."""
    for name, length_h in {
        "2026-03-02": 24,
        SHIFT: 8.5,
        "2026-03-02T08:00": 1,
        "2026-W10": 168,
        "2026-03": 744,
    }.items():
        assert query.window(name).interval.length == timedelta(hours=length_h)
    assert query.window("2026").name == "2026"
    for name in ("bogus", "2026-13", "2026-03-02/night", "2026-03-02T08:30", ""):
        with pytest.raises(ConfigError, match="there is no window"):
            query.window(name)


def test_a_biography_goes_through_the_stations(query: PlantResults) -> None:
    """A car's stays come in order, with times in and out and results."""
    (life,) = query.biography(VIN)

    assert [visit.station for visit in life.visits] == [FRAMING, END, RESPOT]
    assert (life.visits[0].entered, life.visits[0].left) == (at(0), at(9.5))
    assert query.biography(UnitId("nobody")) == ()


def test_the_starved_station_charges_the_one_that_stopped(query: PlantResults) -> None:
    """Respot starved because framing was down; the bottleneck of the moment is framing."""
    line = Node("kostanay/weld/weld-1", (FRAMING, RESPOT))
    window = Interval(at(0), at(48))
    worst = query.culprits(line, window)[0]

    assert (worst.station, str(worst.cause)) == (FRAMING, "down")
    assert worst.lost == 20 * MINUTE
    charged = [charge.length for charge in query.charges(window) if charge.victim == RESPOT]
    assert sum(charged, timedelta()) == 27 * MINUTE
    assert query.bottleneck(line, at(38)) == FRAMING


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("level", ["station", "line", "site"])
def test_a_page_is_whole_in_every_language(query: PlantResults, language: str, level: str) -> None:
    """Tags are balanced, bars stay inside, nothing undefined shows, figures stand as the report has them."""
    text = page(query, Request("shift", at(0), at(60), level=level), language=language)
    styles = " ".join(str(element["style"]) for element in parsed(text).select("[style]"))
    extents = [float(extent) for extent in re.findall(r"(?:left|width):([-\d.]+)", styles)]

    assert extents
    assert all(0 <= extent <= 100 for extent in extents)
    assert not re.search(r"\b(None|nan|Undefined)\b", text)
    assert f'lang="{language}"' in text
    assert texts(language)["waterfall"] in text
    assert texts(language)["largest_loss"] in text
    if level == "station":
        assert {"en": "Robot fault", "ru": "Отказ робота", "kk": "Робот ақауы"}[language] in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_shows_a_fault_with_its_text(tmp_path: Path, language: str) -> None:
    """In the strip of states, and at a stop that nobody explained, in the page's language and with no tag in force."""
    texts = {"en": "Gun <b>sticks</b>", "ru": "Клещи <b>залипли</b>", "kk": "Қысқыш <b>жабысты</b>"}
    config = replace(CONFIG, names=replace(CONFIG.names, faults={f"{FRAMING}:E7": texts}))
    path = journal_of(tmp_path / "journal.sqlite", [state(0, State.DOWN), raised(0, "E7"), state(30, State.PRODUCING)])
    with PlantResults(config, path) as opened:
        found = parsed(page(opened, Request("shift", at(0), at(60), parts=("framing",)), language=language))
    titles = [str(span["title"]) for span in found.select(".strip span[title]")]
    assert [title for title in titles if title.endswith(f" E7 {texts[language]}")]
    assert [cell for cell in found.select("td") if cell.get_text() == f"E7 {texts[language]}"]


def test_a_page_over_nothing_says_so(tmp_path: Path) -> None:
    """An empty journal makes a page that says that there is nothing."""
    path = tmp_path / "journal.sqlite"
    with Store(path):
        pass
    with PlantResults(CONFIG, path) as opened:
        text = page(opened, Request("shift", None, None), language="en")
        with pytest.raises(ConfigError, match="the journal is empty"):
            opened.nodes(str(opened.until), ())

    assert texts("en")["nothing_known"] in text


def test_commands_answer(journal: Path, tmp_path: Path) -> None:
    """Each command prints its figures, and as JSON what other programs read."""
    run = CliRunner()

    def said(*words_: str) -> str:
        found = run.invoke(mes, [*words_, "--journal", str(journal)], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.output

    assert "weld/weld-1/framing" in said("report", "--by", "hour", "--definition", "iso22400,vorne,standalone,kostanay")
    assert "Σ(PRI·GQ) / PBT = 1140 / 3600" in said("explain", "framing", "2026-03-02T08:00")
    assert "Each sum is that of the stations" in said("explain", "weld-1", SHIFT)
    assert json.loads(said("explain", "framing", SHIFT, "--json"))[0]["counts"][0]["raw_after"] == 0
    assert "weld/weld-1/respot" in said("unit", VIN)
    assert json.loads(said("unit", VIN, "--json"))[0]["visits"][0]["results"][0]["result"] == "good"
    assert "robot" not in said("causes", SHIFT)
    assert json.loads(said("causes", SHIFT, "--of", "weld-1", "--json"))[0]["culprits"]
    assert "Programme 2026" in said("programme")
    assert json.loads(said("programme", "--period", "2026-03", "--json"))["whole"]["total"]["built"] == 1
    stores = json.loads(said("flow", SHIFT, "--json"))
    assert stores["stations"][FRAMING]["inspected"] == 1
    assert stores["cars"] == {"inspected": 1, "first_time_good": 1}
    written = tmp_path / "page.html"
    said("report", "--format", "html", "--language", "kk", "-o", str(written))
    assert 'lang="kk"' in written.read_text()


@pytest.mark.parametrize(
    "words_", [("programme", "--period", "soon"), ("explain", "framing", "soon"), ("report", "-o", "x.txt")]
)
def test_bad_input_is_refused(journal: Path, words_: tuple[str, ...]) -> None:
    """What a command cannot do is a ConfigError, which ends with exit code 2."""
    found = CliRunner().invoke(mes, [*words_, "--journal", str(journal)])

    assert isinstance(found.exception, ConfigError)
