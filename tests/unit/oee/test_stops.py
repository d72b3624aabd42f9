"""Stops and what people say of them: which need a reason, what an assignment keeps, when a shift can be closed."""

import json
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from asked_commands import answer
from events import STATION, at, counted, raised, state
from journals import journal_of
from oee_histories import CATALOGUE, between

from mes.intervals import Interval
from mes.model import Explained, ReasonId, State, StationEvent, StationStandard
from mes.oee.kpi import kpi
from mes.oee.segments import Piece, pieces
from mes.oee.stops import NotAllowed, Stop, assign, close, is_closed, reopen, stops
from mes.oee.timeline import timeline

STANDARD = StationStandard(ideal_cycle={None: timedelta(minutes=2)}, minor_stop=timedelta(minutes=2), reasons=CATALOGUE)
HOUR = between(0, 60)
P, D = State.PRODUCING, State.DOWN
HISTORY: list[StationEvent] = [
    *(state(0, P), state(10, D), raised(10, "101"), state(20, P), state(30, D), state(31, P), state(40, D)),
    *(state(50, State.STARVED), state(55, P)),
]


def laid(*more: StationEvent) -> list[Piece]:
    """The pieces of the hour after more was said."""
    return list(pieces(timeline([*HISTORY, *more]), HOUR, STANDARD, horizon=at(60)))


def found(*more: StationEvent) -> tuple[Stop, ...]:
    """The stops of the hour."""
    return stops(laid(*more), [HOUR], STANDARD)


def test_only_a_long_stop_without_a_reason_needs_one() -> None:
    """A fault explains its stop, a minor stop and a wait explain themselves; off the plan nothing needs a word."""
    assert [(stop.interval, stop.needs_reason) for stop in found()] == [
        (between(10, 20), False),
        (between(30, 31), False),
        (between(40, 50), True),
        (between(50, 55), False),
    ]
    assert stops(laid(), [between(0, 5)], STANDARD) == ()
    assert [stop.needs_reason for stop in stops(laid(), [between(40, 41)], STANDARD)] == [False]


def test_an_assignment_keeps_who_when_before_and_after() -> None:
    """Over two stops it is one word; the producing between them is not touched, and what held before is kept."""
    event = assign(STATION, laid(), STANDARD, between(30, 45), ReasonId("tips"), by="aigul", now=at(70), together=True)

    assert (event.by, event.time, event.reason, event.comment) == ("aigul", at(70), "tips", "")
    assert event.before == (
        Explained(at(30), at(31), None),
        Explained(at(40), at(45), None),
    )
    assert [(stop.interval, stop.reason) for stop in found(event)] == [
        (between(10, 20), "robot"),
        (between(30, 31), "tips"),
        (between(40, 45), "tips"),
        (between(45, 50), None),
        (between(50, 55), None),
    ]
    back = assign(STATION, laid(event), STANDARD, between(30, 45), None, by="serik", now=at(80), together=True)
    assert found(event, back) == found()


def test_a_correction_moves_time_and_leaves_all_else() -> None:
    """What a word moves from one bucket to another stays the same sum, and counts are not touched."""
    event = assign(STATION, laid(), STANDARD, between(40, 50), ReasonId("service"), by="aigul", now=at(70))
    counts = [counted(15, 3), counted(58, 4)]
    before, after = (
        kpi(timeline([*HISTORY, *counts, *more]), HOUR, [HOUR], STANDARD, until=at(60)) for more in ([], [event])
    )

    assert (after.good, after.apt, after.starved) == (before.good, before.apt, before.starved)
    assert before.down - after.down == after.planned_stops == timedelta(minutes=10)
    assert after.pbt == before.pbt - timedelta(minutes=10)


def test_nonsense_is_refused() -> None:
    """Unknown reasons, empty stretches, the future, and time in which nothing stood."""
    for about, reason, said in (
        (between(40, 50), "coffee", "reason_unknown .*reason=coffee"),
        (between(40, 40), "tips", "reason_in_future"),
        (between(80, 90), "tips", "reason_in_future"),
        (between(45, 90), "tips", "reason_in_future"),
        (between(0, 5), "tips", "reason_outside_stop"),
    ):
        with pytest.raises(NotAllowed, match=said):
            assign(STATION, laid(), STANDARD, about, ReasonId(reason), by="aigul", now=at(70))


@pytest.mark.parametrize(
    ("minutes", "together", "is_taken"),
    [
        ((40, 50), False, True),
        ((42, 55), False, False),  # the wait after it is a stop of its own
        ((42, 55), True, True),
        ((39, 50), False, False),
        ((40, 56), False, False),
        ((31, 40), False, False),
        ((30, 50), False, False),
        ((30, 50), True, True),
        ((29, 50), True, False),
        ((30, 56), True, False),
        ((15, 45), True, False),  # over three stops
    ],
)
def test_a_reason_holds_within_one_stop(minutes: tuple[int, int], together: bool, is_taken: bool) -> None:
    """A stretch that reaches beyond its stop is refused; `together` takes the stop before along and no more."""
    about = between(*minutes)

    def said() -> None:
        event = assign(STATION, laid(), STANDARD, about, ReasonId("tips"), by="aigul", now=at(70), together=together)
        assert (event.start, event.end) == (about.start, about.end)

    if is_taken:
        said()
        return
    with pytest.raises(NotAllowed, match="reason_outside_stop") as refused:
        said()
    assert refused.value.code == "reason_outside_stop"


def test_a_stop_that_was_open_on_the_page_is_explained_to_its_end() -> None:
    """`until_over` is about the stop at its start, also where the station produces again meanwhile."""
    event = assign(STATION, laid(), STANDARD, between(40, 60), ReasonId("tips"), by="a", now=at(60), until_over=True)
    assert (event.end, event.before) == (None, (Explained(at(40), at(50), None),))
    with pytest.raises(NotAllowed, match="reason_outside_stop"):
        assign(STATION, laid(), STANDARD, between(35, 60), ReasonId("tips"), by="a", now=at(60), until_over=True)


def test_nothing_is_said_of_the_time_before_the_first_event() -> None:
    """What nobody saw has no reason: the refusal names the station's first event."""
    about = Interval(at(-5), at(5))
    early = list(pieces(timeline([state(5, P)]), Interval(at(-10), at(10)), STANDARD, horizon=at(60)))
    with pytest.raises(NotAllowed, match="reason_before_history") as refused:
        assign(STATION, early, STANDARD, about, ReasonId("tips"), by="a", now=at(70), known_since=at(5))
    assert refused.value.facts == {"station": STATION, "since": at(5)}


def test_a_shift_is_closed_when_all_is_explained_and_opened_with_a_reason() -> None:
    """Closing waits for the shift's end and for every reason; the last word on the closing holds."""
    with pytest.raises(NotAllowed, match="shift_not_over"):
        close(STATION, HOUR, found(), (), by="aigul", now=at(50), known=at(50))
    with pytest.raises(NotAllowed, match="stops_without_reason stops=1"):
        close(STATION, HOUR, found(), (), by="aigul", now=at(70), known=at(60))
    event = assign(STATION, laid(), STANDARD, between(40, 50), ReasonId("tips"), by="aigul", now=at(70))
    closed = close(STATION, HOUR, found(event), (event,), by="aigul", now=at(71), known=at(60))
    assert is_closed([event, closed], HOUR)
    with pytest.raises(NotAllowed, match="shift_closed_already"):
        close(STATION, HOUR, found(event), (closed,), by="aigul", now=at(72), known=at(60))
    with pytest.raises(NotAllowed, match="reopen_without_why"):
        reopen(STATION, HOUR, [closed], by="serik", why=" ", now=at(73))
    opened = reopen(STATION, HOUR, [closed], by="serik", why="a late reason", now=at(73))
    assert not is_closed([opened, closed], HOUR)
    with pytest.raises(NotAllowed, match="shift_not_closed"):
        reopen(STATION, HOUR, [opened, closed], by="serik", why="again", now=at(74))


def test_the_commands_do_the_same(tmp_path: Path) -> None:
    """Listed, explained, closed and opened from the command line; what is not allowed is said."""
    path = tmp_path / "journal.sqlite"
    events = [*HISTORY, state(520, D)]  # to the end of the shift
    journal_of(path, events)
    say = partial(answer, path)

    shift = "2026-03-02/day"
    assert "unexplained" in say("stops", shift, "--unexplained")
    assert "Stops without a reason: 1, the first from 2026-03-02 08:40:00." in say(
        "shift", "close", "framing", shift, "--by", "aigul"
    )
    start, end = at(40).isoformat(), at(50).isoformat()
    assert "has no reason coffee. Choose one of" in say("reason", "framing", start, end, "coffee", "--by", "aigul")
    assert "said by aigul" in say("reason", "framing", start, end, "tip-change", "--by", "aigul")
    assert "Every stop has its reason." in say("stops", shift, "--unexplained", "--of", "framing")
    assert "is closed" in say("shift", "close", "framing", shift, "--by", "aigul")
    again = say("shift", "close", "framing", shift, "--by", "aigul")
    assert "closed already" in again
    assert "mes shift reopen" in again
    assert "is open again" in say("shift", "reopen", "framing", shift, "--by", "serik", "--why", "late")
    assert '"needs_reason": false' in say("stops", shift, "--of", "framing", "--json")
    assert "Tip change" in say("stops", shift, "--of", "framing")
    assert "No stops." in say("stops", "2026-03-01", "--of", "framing")
    assert "several stations" in say("reason", "weld-1", start, end, "tip-change", "--by", "aigul")
    assert "not after the start" in say("reason", "framing", end, start, "tip-change", "--by", "aigul")
    assert "first-time quality" in say("flow", shift).lower()
    assert '"rolled"' in say("flow", shift, "--json")


def test_commands_take_a_reason_back_and_see_that_it_changed(tmp_path: Path) -> None:
    """`--seen` refuses where somebody was quicker; `mes undo` puts back what held before, once."""
    path = tmp_path / "journal.sqlite"
    events = [state(0, State.PRODUCING), state(40, State.DOWN), state(50, State.PRODUCING), state(500, State.PRODUCING)]
    journal_of(path, events)
    say = partial(answer, path)

    def reason_of_the_stop() -> str:
        return str(json.loads(say("stops", "2026-03-02/day", "--of", "framing", "--json"))[0]["reason"])

    stop = (at(40).isoformat(), at(50).isoformat())
    assert "mes undo 5 " in say("reason", "framing", *stop, "tip-change", "--by", "aigul", "--seen", "-")
    assert "Look again" in say("reason", "framing", *stop, "no-parts", "--by", "serik", "--seen", "-")
    assert "mes undo 6 " in say("reason", "framing", *stop, "no-parts", "--by", "serik", "--seen", "tip-change")
    assert "Somebody has given another reason for this time since" in say("undo", "5", "--by", "aigul")
    assert reason_of_the_stop() == "no-parts"

    assert "is taken back by serik" in say("undo", "6", "--by", "serik")
    assert reason_of_the_stop() == "tip-change"
    assert "Entry 1 gives no reason" in say("undo", "1", "--by", "serik")
