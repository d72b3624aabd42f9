"""A closed shift is closed: nothing that a person does changes it, by whatever way, until it is opened again."""

from dataclasses import replace
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
from asked_commands import answer
from board_plant import LINE, WINDOW, PlantBoard, Visitor, plant_board
from driven_board import ARTEFACTS, chromium, open_page
from events import STATION, at, counted, shift_closed, shift_reopened, state
from journals import journal_of
from oee_histories import shift_with_a_stop_and_an_unreconciled_count
from playwright.async_api import expect

from mes.calendar import Calendar, Shift
from mes.collect.counters import CounterState
from mes.collect.signals import StationState
from mes.collect.station import encode_state
from mes.errors import ConfigError
from mes.influx.points.plant import PlantPoints
from mes.journal import Entry, JournalReader
from mes.journal.import_export import header, line
from mes.model import CountKind, Journaled, State, StationEvent, totaliser_id
from mes.report.page import page
from mes.report.rows import Request, rows
from mes.results.plant import PlantResults
from mes.translations import LANGUAGES, texts

pytestmark = pytest.mark.timeout(60)
SHIFT_END = 510  # minutes; the day shift of the example plant
NOW = at(600)
EVENTS = shift_with_a_stop_and_an_unreconciled_count(1, raw=58)
CLOSING = {"station": STATION, "window": WINDOW}
REASON = {"station": STATION, "start": at(40).isoformat(), "end": at(50).isoformat(), "reason": "no-parts"}


async def close(plant: PlantBoard) -> int:
    """Every stop gets its reason and the shift is closed; the number of the reason."""
    engineer = await plant.enter("engineer")
    assert (await engineer.post("/api/v1/reasons", REASON))[0] == 201
    number = plant.journal.last_seq
    status, closed = await engineer.post("/api/v1/shift-closing/close", CLOSING)
    assert status == 201, closed
    assert closed["closed"]
    return number


async def doubt(visitor: Visitor) -> str:
    """The number of the count that a person has to decide."""
    _, found = await visitor.get("/unreconciled-counts", undecided="true")
    return str(found[0]["number"])


async def oee(visitor: Visitor) -> Any:
    """What the interface says of the station's shift."""
    _, found = await visitor.get("/kpi", of=STATION, window=WINDOW)
    return [found[0][name] for name in ("figures", "good", "down_s", "idle_s")]


@pytest.mark.parametrize("role", ["operator", "team_leader", "engineer"])
async def test_nobody_changes_a_closed_shift_on_the_board(tmp_path: Path, role: str) -> None:
    """Reasons, undo and decisions of counts are refused with 409, on pages and in the interface."""
    async with plant_board(tmp_path, events=EVENTS, telemetry=(), now=NOW) as plant:
        said = await close(plant)
        visitor = await plant.enter(role)
        before, last = await oee(visitor), plant.journal.last_seq
        tried: list[tuple[int, Any]] = [
            await visitor.post("/api/v1/reasons", {**REASON, "reason": "planned-service"}),
            await visitor.post("/api/v1/reasons", {**REASON, "reason": None}),
            await visitor.post("/api/v1/undo", {"seq": said}),
        ]
        if role == "engineer":
            number = await doubt(visitor)
            tried.append(await visitor.post(f"/api/v1/unreconciled-counts/{number}", {"parts": 1, "why": "counted"}))
            status, text, _ = await visitor.send("/counters", number=number, parts="1", why="counted")
            assert (status, "is closed" in text) == (409, True)
        assert [(status, problem["code"]) for status, problem in tried] == [(409, "shift_closed")] * len(tried)
        for language, words in (("en", "opens it again"), ("ru", "закрыта"), ("kk", "жабық")):
            await visitor.page(f"/language/{language}")
            status, text, _ = await visitor.send("/stops/reason", **REASON, seen="no-parts")
            assert (status, words in text) == (409, True), language
        assert (await oee(visitor), plant.journal.last_seq) == (before, last)


async def test_a_shift_that_is_opened_again_can_be_changed(tmp_path: Path) -> None:
    """After a team leader has opened it with a reason, the same word is taken and moves the figures."""
    async with plant_board(tmp_path, events=EVENTS, telemetry=(), now=NOW) as plant:
        await close(plant)
        leader = await plant.enter("team_leader")
        before = await oee(leader)
        assert (await leader.post("/api/v1/shift-closing/reopen", {**CLOSING, "why": "a wrong reason"}))[0] == 201
        assert (await leader.post("/api/v1/reasons", {**REASON, "reason": "planned-service"}))[0] == 201
        assert await oee(leader) != before


def journal(folder: Path, *more: StationEvent) -> Path:
    """A journal of the events."""
    path = folder / "journal.sqlite"
    return journal_of(path, (*EVENTS, *more))


def last(path: Path) -> int:
    """The number of the last event."""
    with JournalReader(path) as reader:
        return reader.last_seq()


def test_commands_change_no_closed_shift(tmp_path: Path) -> None:
    """`mes reason` and `mes reconcile` are refused until `mes shift reopen`, and write nothing."""
    path = journal(tmp_path, shift_closed(595, 0, SHIFT_END))
    start, end = at(40).isoformat(), at(50).isoformat()
    reason = ("reason", "framing", start, end, "no-parts", "--by", "aigul")
    decide = ("reconcile", "5", "--parts", "1", "--by", "aigul", "--why", "counted")
    before = last(path)
    for words in (reason, decide):
        said = answer(path, *words)
        assert "is closed" in said, said
        assert "mes shift reopen" in said
    assert last(path) == before
    assert "is open again" in answer(path, "shift", "reopen", "framing", WINDOW, "--by", "serik", "--why", "late")
    for words in (reason, decide):
        assert "is closed" not in answer(path, *words)
    assert last(path) == before + 3


def late(*events: StationEvent) -> str:
    """The lines of an import."""
    return "\n".join([header(NOW), *(line(Journaled(0, event)) for event in events)]) + "\n"


@pytest.mark.parametrize(
    ("event", "is_taken"),
    [
        (state(100, State.DOWN), False),
        (counted(100, 3), False),
        (counted(530, 3, since=505), False),  # a part of the gap lies in the shift
        (state(530, State.DOWN), True),
        (counted(530, 3), True),
        (counted(SHIFT_END, 3), True),  # a shift ends before its end
        (state(-10, State.DOWN), True),  # another state begins before the shift does
        (EVENTS[1], True),  # is known already
        (shift_reopened(596, 0, SHIFT_END), True),
    ],
)
def test_an_import_into_a_closed_shift_is_refused_whole(tmp_path: Path, event: StationEvent, is_taken: bool) -> None:
    """What is new and affects a closed shift stops the import before its first line is written; all else is taken."""
    path = journal(tmp_path, shift_closed(595, 0, SHIFT_END))
    file = tmp_path / "late.jsonl"
    file.write_text(late(state(592, State.DOWN), event))
    before = last(path)
    said = answer(path, "journal", "import", str(file))
    assert ("is closed" in said) != is_taken, said
    assert (last(path) > before) == is_taken
    if not is_taken:
        assert "Nothing was imported" in said


def test_a_closed_journal_is_imported_whole_elsewhere(tmp_path: Path) -> None:
    """An export with closings and what came after them goes into an empty journal, and again without a change."""
    file, path = tmp_path / "all.jsonl", tmp_path / "copy.sqlite"
    file.write_text(late(*EVENTS, shift_closed(595, 0, SHIFT_END), counted(100, 2)))
    assert "Nothing was imported" not in answer(path, "journal", "import", str(file))
    before = last(path)
    assert before == len(EVENTS) + 2
    assert "0 events are new" in answer(path, "journal", "import", str(file))
    assert last(path) == before


async def test_late_events_are_kept_and_shown_after_closing(tmp_path: Path) -> None:
    """What controllers send after closing is journaled; every place shows the closed figures, flagged, and the others.

    Board, interface, report and the points for InfluxDB have the same good units as before.
    """
    async with plant_board(tmp_path, events=EVENTS, telemetry=(), now=NOW) as plant:
        await close(plant)
        leader = await plant.enter("team_leader")
        before, shown = await oee(leader), await everywhere(plant)
        last_number = plant.journal.last_seq
        await plant.add(counted(200, 2, raw=6, previous_raw=4), state(300, State.DOWN))
        assert plant.journal.last_seq == last_number + 2
        assert await oee(leader) == before
        assert await everywhere(plant) == shown
        _, found = await leader.get("/kpi", of=STATION, window=WINDOW)
        assert "after_closing" in found[0]["flags"]
        _, closing = await leader.get(f"/stations/{STATION}/shift-closing", window=WINDOW)
        after = closing["after_closing"]
        assert (after["good"], after["scrap"], closing["closed"]) == (2, 0, True)
        assert after["oee_closed"] == before[0][0]["oee"] != after["oee_now"]
        _, text = await leader.page("/handover", of=LINE, window=WINDOW)
        assert "after closing" in text
        assert "+2 good" in text
        _, text = await leader.page("/shift", of=STATION, window=WINDOW)
        assert "Its hours show the data as they are now" in text
        _, hours = await leader.get("/hours", of=STATION, window=WINDOW)
        assert sum(hour["good"] for hour in hours) == before[1] + 2
        assert (await leader.post("/api/v1/shift-closing/reopen", {**CLOSING, "why": "late counts"}))[0] == 201
        _, found = await leader.get("/kpi", of=STATION, window=WINDOW)
        assert found[0]["good"] == before[1] + 2
        _, text = await leader.page("/shift", of=STATION, window=WINDOW)
        assert "Its hours show the data as they are now" not in text
        assert "after_closing" not in found[0]["flags"]


READ = StationState(counters={totaliser_id(kind): CounterState(1, at(0)) for kind in CountKind})
UNREAD = replace(READ, unread={totaliser_id(CountKind.GOOD): at(-9)})


@pytest.mark.parametrize("at_closing", [READ, UNREAD])
async def test_a_closed_shift_keeps_which_counts_were_not_read(tmp_path: Path, at_closing: StationState) -> None:
    """A counter that fails, or is read again, after closing changes neither the counts of a closed shift nor its OEE.

    What came after closing has no difference of a count that was not known at both times.
    """
    later = READ if at_closing is UNREAD else UNREAD
    async with plant_board(tmp_path, events=EVENTS, telemetry=(), now=NOW) as plant:

        async def keeps(now: StationState, *events: StationEvent) -> None:
            await plant.journal.append(Entry(events=events, states={STATION: encode_state(now)}))
            await plant.board.live.refresh()

        await keeps(at_closing, state(591, State.PRODUCING))
        await close(plant)
        leader = await plant.enter("team_leader")
        before = await oee(leader)
        assert (before[1] is None) == (before[0][0]["oee"] is None) == (at_closing is UNREAD)
        await keeps(later, state(592, State.IDLE))
        assert await oee(leader) == before
        assert (await leader.get(f"/stations/{STATION}/shift-closing", window=WINDOW))[1]["after_closing"] is None
        await keeps(later, counted(200, 2, CountKind.SCRAP, raw=6, previous_raw=4))
        assert await oee(leader) == before
        _, closing = await leader.get(f"/stations/{STATION}/shift-closing", window=WINDOW)
        after = closing["after_closing"]
        assert (after["good"], after["scrap"]) == (None, 2)
        assert [after["oee_closed"], after["oee_now"]].count(None) == 1
        _, text = await leader.page("/handover", of=LINE, window=WINDOW)
        assert "– good, +0 rework, +2 scrap" in text


async def everywhere(plant: PlantBoard) -> list[float]:
    """OEE of the shift in the report, and the line's output of the shift as InfluxDB gets it."""

    def asked(query: PlantResults) -> list[float]:
        shift = query.window(WINDOW)
        request = Request("shift", shift.interval.start, shift.interval.end, (STATION,))
        reported = [row.kpi.oee or 0.0 for row in rows(query, request)]
        points = PlantPoints(query).points(shift.interval)
        return reported + [
            float(point.fields.get("good", -1.0))
            for point in points
            if point.measurement == "output" and point.tags["window"] == "shift" and point.tags["line"] == "weld-1"
        ]

    found = await plant.board.ask(asked)
    assert len(found) == 2
    return found


@pytest.mark.chromium
@pytest.mark.parametrize("width", [390, 1280])
async def test_a_phone_shows_what_came_after_closing(tmp_path: Path, width: int) -> None:
    """The closed figures stand on the handover page with what would change them beside."""
    async with plant_board(tmp_path, events=EVENTS, telemetry=(), now=NOW) as plant, chromium() as browser:
        await close(plant)
        await plant.add(counted(200, 2, raw=6, previous_raw=4))
        page = await open_page(browser, f"{plant.url}/handover?of={LINE}&window={WINDOW}", width=width)
        await expect(page.get_by_text("after closing").first).to_be_visible()
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=ARTEFACTS / f"after-closing-{width}.png", full_page=True)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_closed_shift_stays_retrievable_when_the_calendar_moves(tmp_path: Path, language: str) -> None:
    """The shift begins an hour earlier by another calendar: interface, handover and report list what was closed."""
    async with plant_board(tmp_path, events=EVENTS, telemetry=(), now=NOW) as plant:
        await close(plant)
        visitor = await plant.enter(None)
        [closed] = (await visitor.get("/kpi", of=STATION, window=WINDOW))[1]
        [listed] = (await visitor.get("/shift-closings", of=STATION, window=WINDOW))[1]
        assert (listed["window"], listed["in_calendar"]) == (closed["window"], True)
    moved = Calendar(plant.config.calendar.zone, (Shift("day", time(7), time(15, 30)),))
    (tmp_path / "people.sqlite").unlink()
    async with plant_board(tmp_path, events=(), telemetry=(), now=NOW, calendar=moved) as plant:
        await plant.add(counted(30, 100))  # late: it is not in what was closed
        visitor = await plant.enter(None)
        [found] = (await visitor.get("/shift-closings", of=STATION, window=WINDOW))[1]
        times = {name: found["window"][name] for name in ("start", "end")}
        assert times == {name: closed["window"][name] for name in ("start", "end")}
        assert (found["in_calendar"], found["closed_by"]) == (False, "engineer")
        assert [found[name] for name in ("good", "scrap", "oee")] == [
            closed["good"],
            closed["scrap"],
            closed["figures"][0]["oee"],
        ]
        [whole] = (await visitor.get("/kpi", of=STATION, **times))[1]
        assert whole["figures"] == closed["figures"]
        await visitor.page(f"/language/{language}")
        _, text = await visitor.page("/handover", of=LINE, window=WINDOW)
        section = text.partition(texts(language)["closed_otherwise"])[2].partition("</section>")[0]
        assert f"<td>{closed['good']}</td>" in section
        with PlantResults(plant.config, plant.config.journal_path, now=NOW) as query:
            [row] = rows(query, Request(by="closing", start=None, end=None, parts=(STATION,)))
            assert (row.out, row.kpi.oee, row.window.interval.start) == (
                closed["good"],
                closed["figures"][0]["oee"],
                datetime.fromisoformat(times["start"]),
            )
            with pytest.raises(ConfigError, match="station by station"):
                list(rows(query, Request(by="closing", start=None, end=None, level="line")))
            assert "2026-03-02 08:00" in page(query, Request(by="closing", start=None, end=None), language=language)
