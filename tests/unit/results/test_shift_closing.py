"""Which events affect a closed shift: the day shift from minute 0 to 510, closed at minute 595."""

import pytest
from events import (
    STATION,
    assigned,
    at,
    counted,
    decided,
    lost,
    raised,
    restored,
    shift_closed,
    shift_reopened,
    state,
    unreconciled,
)
from list_reader import ListReader

from mes.model import State, StationEvent, StationId
from mes.oee.stops import NotAllowed
from mes.results.shift_closing import Closings

CLOSED = shift_closed(595, 0, 510)
OTHER = StationId("kostanay/weld/weld-1/respot")
PRODUCING, DOWN = State.PRODUCING, State.DOWN


def refused(event: StationEvent, *before: StationEvent) -> bool:
    """Whether a closed shift forbids an event; `before`: what the journal has beside the closing."""
    try:
        Closings(ListReader(*before, CLOSED)).require_open([event])
    except NotAllowed:
        return True
    return False


@pytest.mark.parametrize(
    ("event", "is_refused"),
    [
        (raised(-0.01, "101"), False),
        (raised(0, "101"), True),
        (raised(509.99, "101"), True),
        (raised(510, "101"), False),
        (counted(509, 1), True),
        (counted(600, 1), False),
        (counted(600, 1, since=509), True),
        (counted(600, 1, since=510), False),
        (counted(-10, 1, since=500), False),  # a clock that was set: it says nothing of later times
        (assigned(600, -20, 0, "tips"), False),
        (assigned(600, -20, 0.01, "tips"), True),
        (assigned(600, 509, 600, "tips"), True),
        (assigned(600, 510, 600, "tips"), False),
        (assigned(600, 509, None, "tips"), True),
        (assigned(600, 510, None, None), False),
        (assigned(-5, -10, None, "tips"), False),  # until it was said
        (assigned(5, -10, None, "tips"), True),
        (decided(unreconciled(500), 3), True),
        (decided(unreconciled(511), 3), False),
        (shift_reopened(600, 0, 510), False),
        (shift_closed(600, 0, 510), False),
    ],
)
def test_what_says_something_of_the_shift_is_refused(event: StationEvent, is_refused: bool) -> None:
    """Facts at an instant, counts back to their gap, reasons over their stretch; closings themselves never."""
    assert refused(event) is is_refused


@pytest.mark.parametrize(
    ("event", "following", "is_refused"),
    [
        (state(-10, DOWN), 0, False),  # the next state begins with the shift
        (state(-10, DOWN), 0.01, True),
        (state(-10, DOWN), None, True),  # no state follows, so it lasts
        (state(510, DOWN), None, False),
        (lost(-10), -5, False),
        (lost(-10), 5, True),
        (restored(600, 509), 700, True),
        (restored(600, 511), 700, False),
        (restored(-10, -20), -5, False),
    ],
)
def test_a_state_holds_until_the_next_one(event: StationEvent, following: float | None, is_refused: bool) -> None:
    """A change of state or connection affects the time up to the one that follows it in the journal."""
    before = [] if following is None else [state(following, PRODUCING)]
    assert refused(event, *before) is is_refused


def test_only_a_closed_shift_of_the_same_station_forbids() -> None:
    """Another station's shift, and one that was opened again, forbid nothing."""
    closings = Closings(ListReader(CLOSED))
    assert (closings.has_closed(STATION), closings.has_closed(OTHER)) == (True, False)
    closings.require_open([counted(100, 1, station=OTHER)])

    reopened = Closings(ListReader(CLOSED, shift_reopened(600, 0, 510)))
    assert not reopened.has_closed(STATION)
    reopened.require_open([counted(100, 1)])


def test_the_first_forbidden_event_refuses_all_of_them() -> None:
    """Events are written together or not at all."""
    with pytest.raises(NotAllowed, match="shift_closed station=") as refusal:
        Closings(ListReader(CLOSED)).require_open([counted(600, 1), counted(100, 1)])
    assert refusal.value.code == "shift_closed"
    assert refusal.value.facts == {"station": STATION, "start": at(0), "end": at(510)}
