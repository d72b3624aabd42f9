"""How far a reason reaches: within the stop that is shown, in the past, and as far back as the role allows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from board_plant import PlantBoard, Visitor, plant_board
from events import STATION, at, state
from oee_histories import adjoining_stops

from mes.model import State, StationEvent

pytestmark = pytest.mark.timeout(60)
DAY = 1440.0
# the same hour on ten days from Monday, 2 March on: producing, ten minutes down, producing
DAYS: Sequence[StationEvent] = [
    event
    for day in range(10)
    for event in (
        state(day * DAY, State.PRODUCING),
        state(day * DAY + 40, State.DOWN),
        state(day * DAY + 50, State.PRODUCING),
    )
]
ADJOINING = adjoining_stops(40)
NOW = at(9 * DAY + 120)  # Wednesday, 11 March


async def give(visitor: Visitor, start: datetime, end: datetime | None, **more: object) -> tuple[int, str]:
    """Says why the station stood; status and the code of the refusal."""
    asked = {"station": STATION, "start": start.isoformat(), "end": None if end is None else end.isoformat()}
    status, found = await visitor.post("/api/v1/reasons", {**asked, "reason": "no-parts", **more})
    return status, found.get("code", "")


@pytest.mark.parametrize(
    ("minutes", "refused"),
    [((40, 50), ""), ((42, 47), ""), ((39, 50), "outside_stop"), ((40, 51), "outside_stop"), ((0, 90), "outside_stop")],
)
async def test_a_reason_beyond_its_stop_is_refused(tmp_path: Path, minutes: tuple[float, float], refused: str) -> None:
    """The server holds a reason within one stop, whoever asks and whatever a page has sent; nothing is journaled."""
    async with plant_board(tmp_path, events=DAYS, telemetry=(), now=NOW) as plant:
        engineer = await plant.enter("engineer")
        before = plant.journal.last_seq
        start, end = (at(9 * DAY + minute) for minute in minutes)
        answer = await give(engineer, start, end)
        assert answer == ((422, f"reason_{refused}") if refused else (201, ""))
        assert (plant.journal.last_seq == before) == bool(refused)


async def test_a_reason_ends_where_the_stop_ends_that_is_shown(tmp_path: Path) -> None:
    """Stops that adjoin are several, as the list shows them: down and idle; down, starved and setup."""
    async with plant_board(tmp_path, events=ADJOINING, telemetry=(), now=at(110)) as plant:
        operator = await plant.enter("operator")
        _, shown = await operator.get("/stops", of=STATION, start=_iso(at(0)), end=_iso(at(110)))
        borders = [(stop["start"], stop["end"]) for stop in shown]
        assert borders == [(_iso(at(a)), _iso(at(b))) for a, b in ((40, 50), (50, 60), (70, 80), (80, 90), (90, 100))]
        for start, end in ((40, 60), (45, 55), (70, 90), (75, 85), (70, 100)):
            assert await give(operator, at(start), at(end)) == (422, "reason_outside_stop"), (start, end)
        for start, end in ((40, 50), (52, 58), (80, 90)):
            assert await give(operator, at(start), at(end)) == (201, ""), (start, end)


@pytest.mark.parametrize(
    ("role", "days_back", "is_taken"),
    [
        ("operator", 0, True),
        ("operator", 1, True),
        ("operator", 2, False),
        ("team_leader", 6, True),
        ("team_leader", 8, False),
        ("engineer", 9, True),
    ],
)
async def test_who_speaks_of_which_day(tmp_path: Path, role: str, days_back: int, is_taken: bool) -> None:
    """An operator speaks of this shift and the last, a team leader of seven days, an engineer of all that is known.

    The same holds for taking a word back.
    """
    async with plant_board(tmp_path, events=DAYS, telemetry=(), now=NOW) as plant:
        visitor, engineer = await plant.enter(role), await plant.enter("engineer")
        start = at((9 - days_back) * DAY + 40)
        end = start + timedelta(minutes=10)
        assert await give(visitor, start, end) == ((201, "") if is_taken else (403, "reason_too_old"))
        assert await give(engineer, start, end) == (201, "")
        number = plant.journal.last_seq
        status, problem = await visitor.post("/api/v1/undo", {"seq": number})
        assert status == (201 if is_taken else 403), problem


async def test_the_plants_file_says_how_far_a_team_leader_goes(tmp_path: Path) -> None:
    """`board.team_leader_days` is that number of days."""
    async with plant_board(tmp_path, events=DAYS, telemetry=(), now=NOW, team_leader_days=2) as plant:
        leader = await plant.enter("team_leader")
        start = at(6 * DAY + 40)
        assert (await give(leader, start, start + timedelta(minutes=10)))[0] == 403


async def test_nobody_speaks_of_the_future_or_of_what_nobody_saw(tmp_path: Path) -> None:
    """From 2020 to 2026 is refused for everybody, and so is an end that has not come."""
    async with plant_board(tmp_path, events=DAYS, telemetry=(), now=NOW) as plant:
        for role, code in (("operator", "too_old"), ("team_leader", "too_old"), ("engineer", "before_history")):
            visitor = await plant.enter(role)
            long_ago = at(0).replace(year=2020)
            assert (await give(visitor, long_ago, NOW))[1] == f"reason_{code}"
            assert await give(visitor, NOW + timedelta(days=1), None) == (422, "reason_in_future")
            assert (await give(visitor, at(9 * DAY + 40), NOW + timedelta(days=1)))[1] == "reason_in_future"


async def test_a_form_holds_times_within_the_stop_that_it_shows(tmp_path: Path) -> None:
    """A typed time outside is refused in the reader's language; the minute of the stop's own border is the border."""
    async with plant_board(tmp_path, events=DAYS, telemetry=(), now=NOW) as plant:
        operator = await plant.enter("operator")
        start, end = at(9 * DAY + 40), at(9 * DAY + 50)
        form = {
            "station": STATION,
            "start": start.isoformat(),
            "end": end.isoformat(),
            "reason": "no-parts",
            "seen": "",
        }
        for language, words in (
            ("en", "within the stop that is shown"),
            ("ru", "вне показанной остановки"),
            ("kk", "көрсетілген тоқтаудан тыс"),
        ):
            await operator.page(f"/language/{language}")
            status, text, _ = await operator.send("/stops/reason", **form, part_from=_clock(plant, start, -60))
            assert (status, words in text) == (422, True), language
        status, _, _ = await operator.send("/stops/reason", **form, part_from=_clock(plant, start, 0))
        assert status == 303
        said = (await operator.get(f"/stations/{STATION}/reason-log", start=start.isoformat(), end=end.isoformat()))[1]
        assert [(entry["start"], entry["end"]) for entry in said] == [(_iso(start), _iso(end))]


def _clock(plant: PlantBoard, instant: datetime, minutes: float) -> str:
    return f"{(instant + timedelta(minutes=minutes)).astimezone(plant.config.calendar.zone):%H:%M}"


def _iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
