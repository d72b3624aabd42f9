"""Stops get their reasons on the board: by anybody who may, several at once, taken back; everywhere alike."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from board_figures import percent
from board_pages import parsed, text_of
from board_plant import LINE, WINDOW, PlantBoard, Visitor, plant_board, stopped_since
from events import STATION, at, counted, state, unreconciled
from influx_example import END, EVENTS

from mes.model import State, StateChanged, StationEvent
from mes.results.plant import PlantResults

pytestmark = pytest.mark.timeout(30)
STOOD = [*EVENTS, stopped_since(100)]


def iso(minutes: float) -> str:
    """A time as the interface writes it."""
    return at(minutes).isoformat().replace("+00:00", "Z")


async def given(
    visitor: Visitor, reason: str | None, start: float, end: float | None, **more: object
) -> tuple[int, Any]:
    """Says why the station stood."""
    asked = {
        "station": STATION,
        "start": iso(start),
        "end": None if end is None else iso(end),
        "reason": reason,
        **more,
    }
    return await visitor.post("/api/v1/reasons", asked)


async def open_stops(visitor: Visitor) -> list[dict[str, Any]]:
    """The station's stops that need a reason."""
    _, found = await visitor.get("/stops", of=STATION, window=WINDOW, unexplained="true")
    stops: list[dict[str, Any]] = found
    return stops


async def test_an_open_stop_keeps_its_reason_until_it_is_over(tmp_path: Path) -> None:
    """What is said of a stop that still lasts holds to its end, and not for what comes after."""
    stood = [event for event in EVENTS if not (isinstance(event, StateChanged) and event.state is State.STARVED)]
    async with plant_board(tmp_path, events=[*stood, stopped_since(110)], now=at(118)) as plant:
        operator = await plant.enter("operator")
        assert [(stop["start"], stop["open"]) for stop in await open_stops(operator)] == [(iso(110), True)]
        status, said = await given(operator, "no-parts", 110, None)
        assert (status, said["end"], said["by"]) == (201, None, "operator")
        assert await open_stops(operator) == []
        plant.clock.shown = at(150)
        assert await open_stops(operator) == []
        await plant.add(*(event for event in [stopped_since(160)]))
        _, spans = await operator.get(f"/stations/{STATION}/timeline", window=WINDOW)
        last = spans["spans"][-1]
        assert (last["reason"], last["bucket"], last["start"]) == ("no-parts", "idle", iso(110))


async def test_a_reason_changes_every_figure_alike(tmp_path: Path) -> None:
    """Planned service takes a stop out of planned time: page, interface and core show the same new OEE."""
    async with plant_board(tmp_path, events=STOOD) as plant:
        operator, other = await plant.enter("operator"), await plant.enter(None)
        before = await oee(plant, other)
        status, _ = await given(operator, "planned-service", 100, 120)
        assert status == 201
        after = await oee(plant, other)
    assert before != after
    assert len(set(after)) == 1
    assert len(set(before)) == 1


async def oee(plant: PlantBoard, visitor: Visitor) -> list[str]:
    """OEE of the station as the interface, a page and the core have it, in per cent with one decimal."""
    _, found = await visitor.get("/kpi", of=STATION, window=WINDOW)
    _, text = await visitor.page("/shift", of=STATION, window=WINDOW)
    (shown,) = parsed(text).select("dd#oee")
    with PlantResults(plant.config, plant.config.journal_path, now=END) as core:
        ratio = core.results.kpi(STATION, core.window(WINDOW).interval, until=END).oee
    assert found[0]["figures"][0]["oee"] == ratio
    return [percent(found[0]["figures"][0]["oee"]), text_of(shown), percent(ratio)]


async def test_undo_puts_back_what_was_said_before(tmp_path: Path) -> None:
    """A split, then its undo: the time line is what it was; a second undo finds that somebody has spoken since."""
    async with plant_board(tmp_path, events=STOOD) as plant:
        operator = await plant.enter("operator")
        await given(operator, "no-parts", 100, 120)
        _, before = await operator.get(f"/stations/{STATION}/timeline", window=WINDOW)
        status, split = await given(operator, "robot-fault", 105, 110)
        assert status == 201
        _, between = await operator.get(f"/stations/{STATION}/timeline", window=WINDOW)
        assert between["spans"] != before["spans"]
        status, _ = await operator.post("/api/v1/undo", {"seq": split["seq"]})
        assert status == 201
        _, after = await operator.get(f"/stations/{STATION}/timeline", window=WINDOW)
        assert [{**span, "start": "", "end": ""} for span in merged(after["spans"])] == [
            {**span, "start": "", "end": ""} for span in merged(before["spans"])
        ]
        status, problem = await operator.post("/api/v1/undo", {"seq": split["seq"]})
        assert (status, problem["code"]) == (409, "said_since")


def merged(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one kind as one."""
    found: list[dict[str, Any]] = []
    for span in spans:
        same = found and all(found[-1][name] == span[name] for name in ("state", "bucket", "reason", "fault"))
        if same:
            found[-1] = {**found[-1], "end": span["end"]}
        else:
            found.append(span)
    return found


async def test_two_people_at_once_do_not_overwrite_each_other_unseen(tmp_path: Path) -> None:
    """Of two who chose by the same page, one is told that the other has spoken; both words are kept if repeated."""
    async with plant_board(tmp_path, events=STOOD) as plant:
        one, two = await plant.enter("operator"), await plant.enter("team_leader")
        seen = {"check_seen": True, "seen_reason": None}
        answers = await asyncio.gather(
            given(one, "no-parts", 100, 120, **seen), given(two, "no-operator", 100, 120, **seen)
        )
        assert sorted(status for status, _ in answers) == [201, 409]
        status, _ = await given(two, "no-operator", 100, 120)
        assert status == 201
        _, said = await one.get(f"/stations/{STATION}/reason-log", window=WINDOW)
        assert next(entry["reason"] for entry in said if entry["start"] == iso(100)) == "no-operator"
        assert sum(entry["start"] == iso(100) for entry in said) == 2


async def test_forms_do_the_same_with_two_taps(tmp_path: Path) -> None:
    """The page of stops offers the reasons as buttons; pressing one leads back to the page, where it is noted."""
    async with plant_board(tmp_path, events=STOOD) as plant:
        operator = await plant.enter("operator")
        _, text = await operator.page("/stops", of=STATION)
        assert text.count('name="reason" value="no-parts"') >= 1
        status, _, where = await operator.send(
            "/stops/reason",
            station=STATION,
            start=iso(100),
            end=iso(120),
            reason="no-parts",
            seen="",
            back=f"/stops?of={STATION}",
        )
        assert (status, where) == (303, f"/stops?of={STATION}&done=1")
        assert await open_stops(operator) == []
        status, text, _ = await operator.send(
            "/stops/reason", station=STATION, start=iso(100), end=iso(120), reason="earthquake", seen="no-parts"
        )
        assert status == 422
        assert "has no reason earthquake" in text


async def test_a_part_of_a_stop_and_stops_together(tmp_path: Path) -> None:
    """Times of day that are typed split a stop, in the site's zone; the stop before it is taken along where asked."""
    async with plant_board(tmp_path, events=STOOD) as plant:
        operator = await plant.enter("operator")
        _, text = await operator.page("/stops", of=STATION)
        shown = text.partition(f'name="start" value="{at(100).isoformat()}"')[2]
        before = shown.partition('name="merge_from" value="')[2].partition('"')[0]
        form = {"station": STATION, "start": iso(100), "end": iso(120), "seen": ""}
        status, _, _ = await operator.send("/stops/reason", **form, reason="no-parts", merge_from=iso(45))
        assert status == 422  # there is another stop between the two
        status, _, _ = await operator.send("/stops/reason", **form, reason="no-parts", merge_from=before)
        assert status == 303
        form["seen"] = "no-parts"
        status, _, _ = await operator.send(
            "/stops/reason", **form, reason="robot-fault", part_from="09:45", part_to="9:50:30"
        )
        assert status == 303
        status, _, _ = await operator.send("/stops/reason", **form, reason="tip-change")
        assert status == 422  # the stop that this page shows is three by now
        _, said = await operator.get(f"/stations/{STATION}/reason-log", window=WINDOW)
    assert [(entry["start"], entry["end"], entry["reason"]) for entry in said[:2]] == [
        (iso(105), iso(110.5), "robot-fault"),
        (before.replace("+00:00", "Z"), iso(120), "no-parts"),
    ]


async def test_a_shift_is_closed_when_all_is_explained(tmp_path: Path) -> None:
    """A shift with a stop that nobody explained stays open; then it closes, and opens again with a reason."""
    async with plant_board(tmp_path, events=STOOD, now=at(600)) as plant:
        leader = await plant.enter("team_leader")
        closing = {"station": STATION, "window": WINDOW}
        status, problem = await leader.post("/api/v1/shift-closing/close", closing)
        assert (status, problem["code"]) == (422, "stops_without_reason")
        for stop in await open_stops(leader):
            asked = {"station": STATION, "start": stop["start"], "end": stop["end"], "reason": "no-parts"}
            status, _ = await leader.post("/api/v1/reasons", asked)
            assert status == 201
        status, closed = await leader.post("/api/v1/shift-closing/close", closing)
        assert (status, closed["closed"], closed["closed_by"]) == (201, True, "team_leader")
        status, _ = await leader.post("/api/v1/shift-closing/reopen", {**closing, "why": " "})
        assert status == 422
        status, opened = await leader.post("/api/v1/shift-closing/reopen", {**closing, "why": "a count was wrong"})
        assert (status, opened["closed"]) == (201, False)
        _, text = await leader.page("/handover", of=LINE, window=WINDOW)
        assert "team leader" in text


async def test_an_unreconciled_count_is_decided(tmp_path: Path) -> None:
    """An engineer decides it on the page; it is shown with who and why, and counted."""
    doubt = unreconciled(70, raw=3, previous_raw=58)
    went_on = counted(90, 1, raw=4, previous_raw=3)
    events: list[StationEvent] = [
        state(0, State.PRODUCING),
        counted(10, 1, raw=58, previous_raw=57),
        doubt,
        went_on,
    ]
    async with plant_board(tmp_path, events=events) as plant:
        engineer = await plant.enter("engineer")
        _, found = await engineer.get("/unreconciled-counts", undecided="true")
        number = str(found[0]["number"])
        _, kpi = await engineer.get("/kpi", of=STATION, window=WINDOW)
        status, _, _ = await engineer.send(
            "/counters", number=number, parts="1", why="counted by hand", back="/counters"
        )
        assert status == 303
        _, after = await engineer.get("/kpi", of=STATION, window=WINDOW)
        _, text = await engineer.page("/counters")
        status, text_of_refusal, _ = await engineer.send("/counters", number=number, parts="many", why="x")
    assert after[0]["good"] == kpi[0]["good"] + 1
    assert "counted by hand" in text
    assert status == 422
    assert "whole number" in text_of_refusal
