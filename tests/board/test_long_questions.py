"""Long questions of the board: bounded, on a reader of their own, and ended with their client."""

import asyncio
import threading
from contextlib import closing
from datetime import time
from pathlib import Path
from zoneinfo import ZoneInfo

import apsw
import pytest
from board_plant import plant_board
from events import counted, state, unreconciled
from influx_example import EVENTS
from patience import eventually, limit_s, patiently

from mes.board.context import LONG_WAITING, HttpProblem
from mes.board.pages.handover import COUNTS_SHOWN
from mes.calendar import Calendar, Shift
from mes.model import State
from mes.results.plant import PlantResults
from mes.stopping import Interrupted, check_interrupted

pytestmark = pytest.mark.timeout(60)


async def test_a_long_question_keeps_no_short_one_waiting(tmp_path: Path) -> None:
    """While a long question is worked on a short one is answered; further long ones wait, and too many are refused."""
    go, begun, done = threading.Event(), threading.Event(), []

    def long(_: PlantResults) -> None:
        begun.set()
        assert go.wait(limit_s(20))
        done.append("long")

    async with plant_board(tmp_path) as plant:
        asking = [asyncio.create_task(plant.board.ask(long, long=True)) for _ in range(LONG_WAITING + 1)]
        await asyncio.to_thread(begun.wait, limit_s(10))
        async with patiently():
            assert await plant.board.ask(lambda _: "short") == "short"
        with pytest.raises(HttpProblem) as refused:
            await plant.board.ask(long, long=True)
        assert refused.value.status == 503
        assert done == []
        go.set()
        async with patiently():
            await asyncio.gather(*asking)
        assert len(done) == LONG_WAITING + 1


async def test_a_cancelled_question_ends_and_frees_its_reader(tmp_path: Path) -> None:
    """A question that is cancelled is interrupted; the next one has the reader at once."""
    begun, ended = threading.Event(), []

    def endless(_: PlantResults) -> None:
        begun.set()
        try:
            while True:
                check_interrupted()
        except Interrupted:
            ended.append("interrupted")

    async with plant_board(tmp_path) as plant:
        asking = asyncio.create_task(plant.board.ask(endless, long=True))
        await asyncio.to_thread(begun.wait, limit_s(10))
        asking.cancel()
        async with patiently():
            assert await plant.board.ask(lambda _: "next", long=True) == "next"
        await eventually(asking.done)
        assert ended == ["interrupted"]


def forget(journal: Path, seq: int) -> None:
    """Makes an event unreadable, and lets the next board begin its accounts again."""
    with closing(apsw.Connection(str(journal))) as connection:
        connection.execute("UPDATE event SET body = 'gone' WHERE seq = ?", (seq,))
    for accounts in journal.parent.glob("people.sqlite*"):
        accounts.unlink()


async def test_a_year_of_shifts_is_answered_from_stored_components(tmp_path: Path) -> None:
    """A year of shifts and of the stretches in which units were made is one answer, with those of single days.

    After a restart none of the old events is read for it: it is the same when they are not there to be read.
    """
    off_shift = [counted(-2040, 2, raw=2, previous_raw=0), counted(-600, 3, raw=5, previous_raw=2)]
    year = {"kind": "shift", "start": "2025-03-03T00:00:00Z"}
    async with plant_board(tmp_path, events=[state(-2100, State.IDLE), *off_shift, *EVENTS]) as plant:
        visitor = await plant.enter(None)
        status, answer = await visitor.get("/windows", **year)
        assert (status, len(answer) > 250) == (200, True)
        beside = [shift for shift in answer if shift["name"].endswith("/off shift")]
        made = [event.time.isoformat() for event in off_shift]
        assert [shift["start"] <= time < shift["end"] for shift, time in zip(beside, made, strict=True)] == [True, True]
        _, days = await visitor.get("/windows", kind="shift", start="2026-02-28T00:00:00Z")
        assert days == answer[-len(days) :]
        journal = plant.journal.path
    forget(journal, 3)
    async with plant_board(tmp_path, events=[]) as plant:
        visitor = await plant.enter(None)
        assert await visitor.get("/windows", **year) == (status, answer)


async def test_too_many_windows_are_refused_with_the_remedy(tmp_path: Path) -> None:
    """More windows than one answer holds are refused at once, with how many days are allowed; days are given.

    In Russian and Kazakh where the client asks for it.
    """
    short = tuple(Shift(f"{hour:02}", time(hour), time(hour, 30)) for hour in range(24))
    async with plant_board(tmp_path, calendar=Calendar(ZoneInfo("Asia/Qostanay"), short)) as plant:
        visitor = await plant.enter(None)
        year = {"kind": "shift", "start": "2025-03-03T00:00:00Z"}
        status, answer = await visitor.get("/windows", **year)
        assert (status, answer["code"]) == (422, "too_many_windows")
        assert "for at most 83 days at once" in answer["detail"]
        assert "kind=day" in answer["detail"]
        for language, word in (("ru", "Запросите не более 83 дней"), ("kk", "83 күннен артық сұрамаңыз")):
            await visitor.page(f"/language/{language}")
            status, answer = await visitor.get("/windows", **year)
            assert (status, word in answer["detail"]) == (422, True), answer
        status, answer = await visitor.get("/windows", kind="day", start="2023-03-03T00:00:00Z")
        assert status == 200
        assert len(answer) > 1000


async def test_a_board_that_closes_waits_for_the_threads_of_its_questions(tmp_path: Path) -> None:
    """A server that stops cancels its requests and waits for none: the board ends each question and its thread."""
    begun, ended, go = threading.Event(), [], threading.Event()

    def slow_to_end(_: PlantResults) -> None:
        begun.set()
        try:
            while True:
                check_interrupted()
        except Interrupted:
            assert go.wait(limit_s(20))
            ended.append("its thread has ended")

    async with plant_board(tmp_path) as plant:
        asking = [asyncio.create_task(plant.board.ask(slow_to_end)) for _ in range(2)]
        await asyncio.to_thread(begun.wait, limit_s(10))
        ending = asyncio.create_task(plant.board.end_questions())
        await asyncio.sleep(0)
        waits = not ending.done()
        go.set()
        assert waits
        async with patiently():
            await ending
        assert ended == ["its thread has ended"], "the second question was never begun"
        assert all(task.cancelled() for task in asking)


async def test_unreconciled_counts_are_bounded_and_keep_no_short_question_waiting(tmp_path: Path) -> None:
    """The page shows a hundred and how many more there are, the interface as many as it is asked for."""
    go, begun = threading.Event(), threading.Event()

    def short(_: PlantResults) -> None:
        begun.set()
        assert go.wait(limit_s(20))

    told = [unreconciled(minute / 10, raw=5000 + minute, previous_raw=58) for minute in range(COUNTS_SHOWN + 7)]
    async with plant_board(tmp_path, events=[state(0, State.PRODUCING), *told]) as plant:
        visitor = await plant.enter(None)
        asking = asyncio.create_task(plant.board.ask(short))
        await asyncio.to_thread(begun.wait, limit_s(10))
        async with patiently():
            _, text = await visitor.page("/counters")
            _, newest = await visitor.get("/unreconciled-counts", limit="40")
            _, older = await visitor.get("/unreconciled-counts", before=str(newest[0]["number"]))
        go.set()
        await asking
    assert text.count("<article") == COUNTS_SHOWN
    assert "7 more counts are not on this page" in text
    numbers = [[count["number"] for count in answer] for answer in (older, newest)]
    assert [len(page) for page in numbers] == [COUNTS_SHOWN + 7 - 40, 40]
    assert sorted({*numbers[0], *numbers[1]}) == [*numbers[0], *numbers[1]]
