"""What people change becomes an event, or is refused with a code and its facts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from asked_commands import answer
from events import STATION, assigned, at, counted, raised, state
from journals import journal_of
from oee_histories import adjoining_stops

from mes.config.load import default_config, load
from mes.model import Explained, ReasonId, State, StationEvent, StationId
from mes.oee.stops import NotAllowed
from mes.results.changes import given_reason, reason_numbered, undone
from mes.results.plant import PlantResults

CONFIG = load(default_config()).config
GONE = StationId("kostanay/weld/weld-1/gone")
EVENTS: list[StationEvent] = [  # their numbers count from 1
    assigned(40, 10, 30, "tip-change"),
    state(0, State.PRODUCING),
    state(10, State.DOWN),
    state(30, State.PRODUCING),
    raised(41, "101"),
    assigned(42, 10, 30, "tip-change", station=GONE),
    counted(43, 1),
]
GIVEN, OF_GONE = 1, 6


@pytest.fixture
def query(tmp_path: Path) -> Iterator[PlantResults]:
    path = tmp_path / "journal.sqlite"
    journal_of(path, EVENTS)
    with PlantResults(CONFIG, path, now=at(60)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        (60, None, "reason_in_future"),
        (61, 62, "reason_in_future"),
        (20, 20, "end_not_after_start"),
        (20, 19, "end_not_after_start"),
        (20, 25, None),
        (20, None, None),
    ],
)
def test_a_reason_is_given_to_the_past(query: PlantResults, start: float, end: float | None, code: str | None) -> None:
    """At minute 60 a stretch has to begin before, and to end after it began."""
    until, reason = None if end is None else at(end), ReasonId("tip-change")

    def give() -> None:
        given_reason(query, STATION, at(start), until, reason, by="aigul", now=at(60))

    if code is None:
        give()
        return
    with pytest.raises(NotAllowed) as refusal:
        give()
    assert refusal.value.code == code


ADJOINING = adjoining_stops(10)


@pytest.mark.parametrize(
    ("minutes", "together", "is_taken"),
    [
        ((10, 20), False, True),
        ((22, 28), False, True),
        ((10, 30), False, False),
        ((15, 25), False, False),
        ((40, 60), False, False),
        ((40, 70), False, False),
        ((15, 25), True, True),
        ((40, 70), True, True),  # the stop before is found across a wait
        ((20, 50), True, True),
        ((10, 50), True, False),  # three stops
    ],
)
def test_a_reason_stays_within_one_shown_stop(
    tmp_path: Path, minutes: tuple[float, float], together: bool, is_taken: bool
) -> None:
    """Adjoining stops are listed one by one, and a reason is for one; the command line asks the same action."""
    path = tmp_path / "journal.sqlite"
    journal_of(path, ADJOINING)
    start, end = (at(minute) for minute in minutes)
    with PlantResults(CONFIG, path, now=at(80)) as query:
        if is_taken:
            given_reason(query, STATION, start, end, ReasonId("no-parts"), by="aigul", now=at(80), together=together)
        else:
            with pytest.raises(NotAllowed, match="reason_outside_stop"):
                given_reason(query, STATION, start, end, None, by="aigul", now=at(80), together=together)
    options = ["--by", "aigul", *(["--together"] if together else [])]
    said = answer(path, "reason", "framing", start.isoformat(), end.isoformat(), "no-parts", *options)
    assert ("said by aigul" if is_taken else "was not in one stop") in said


def test_an_open_end_is_the_end_of_the_shown_stop(tmp_path: Path) -> None:
    """`end` None: neither the idle time after it is meant, nor a part with a reason of its own."""
    path = tmp_path / "journal.sqlite"
    journal_of(path, ADJOINING[:3])
    with PlantResults(CONFIG, path, now=at(25)) as query:
        event = given_reason(query, STATION, at(10), None, ReasonId("no-parts"), by="aigul", now=at(25))
    assert event.before == (Explained(at(10), at(20), None),)
    split = tmp_path / "split.sqlite"
    journal_of(split, [*ADJOINING[:3], assigned(21, 13, 16, "tip-change")])
    with PlantResults(CONFIG, split, now=at(25)) as query, pytest.raises(NotAllowed, match="reason_outside_stop"):
        given_reason(query, STATION, at(10), None, ReasonId("no-parts"), by="aigul", now=at(25))


@pytest.mark.parametrize("number", [0, 2, 5, 8, 999])
def test_only_a_reason_can_be_taken_back(query: PlantResults, number: int) -> None:
    """A state, a fault code and numbers that no event has are no reasons."""
    with pytest.raises(NotAllowed, match=f"no_such_reason seq={number}") as refusal:
        reason_numbered(query, number)
    assert (refusal.value.code, refusal.value.facts) == ("no_such_reason", {"seq": number})


def test_the_reason_of_a_station_that_is_gone_stays(query: PlantResults) -> None:
    """What a station said that is not in the plant's file any more is not taken back."""
    with pytest.raises(NotAllowed) as refusal:
        reason_numbered(query, OF_GONE)
    assert (refusal.value.code, refusal.value.facts) == ("part_unknown", {"part": GONE})


def test_a_reason_is_taken_back_whatever_controllers_say_later(query: PlantResults) -> None:
    """A fault code and a count after it do not forbid it; the stop has its former reason again, which is none."""
    given = reason_numbered(query, GIVEN)
    (back,) = undone(query, GIVEN, given, by="boris", now=at(50))
    assert (back.start, back.end, back.reason) == (at(10), at(30), None)
    assert (back.by, back.time, back.comment) == ("boris", at(50), "undo of 1")


@pytest.mark.parametrize(
    ("start", "end", "is_forbidden"),
    [(0, 10, False), (0, 11, True), (29, 35, True), (30, 35, False), (29, None, True), (30, None, False)],
)
def test_a_later_reason_of_the_same_time_forbids_it(
    tmp_path: Path, start: float, end: float | None, is_forbidden: bool
) -> None:
    """The stop lasts from minute 10 to 30; another reason was given to a stretch since."""
    path = tmp_path / "journal.sqlite"
    journal_of(path, (*EVENTS, assigned(45, start, end, "no-parts")))
    with PlantResults(CONFIG, path, now=at(60)) as query:
        given = reason_numbered(query, GIVEN)
        if not is_forbidden:
            assert undone(query, GIVEN, given, by="boris", now=at(50))
            return
        with pytest.raises(NotAllowed) as refusal:
            undone(query, GIVEN, given, by="boris", now=at(50))
        assert refusal.value.code == "said_since"
