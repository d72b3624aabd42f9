"""Which events a stretch of time needs."""

import pytest
from events import STATION, counted, restored, state
from list_reader import ListReader
from oee_histories import between

from mes.model import State, StationEvent
from mes.oee.timeline import timeline
from mes.results.history import FIRST_LOOK, history

REPEATED = FIRST_LOOK + 10


@pytest.mark.parametrize(("said", "other"), [(State.DOWN, State.PRODUCING), (State.PRODUCING, State.DOWN)])
@pytest.mark.parametrize("minute", [1.5, REPEATED / 2, REPEATED + 0.5])
def test_a_state_that_is_said_again_and_again_is_followed_to_its_ends(minute: float, said: State, other: State) -> None:
    """A controller says its state every minute, more often than a first look reads: it is one state all the same."""
    repeated: list[StationEvent] = [state(at, said) for at in range(1, REPEATED + 1)]
    events = [state(0, other), *repeated, state(REPEATED + 1, other), counted(REPEATED + 10)]

    line = timeline(history(ListReader(*events), STATION, between(minute, minute + 0.1)))

    assert [span.interval for span in line.spans if span.state is said] == [between(1, REPEATED + 1)]


def test_a_loss_that_only_its_end_tells_of_reaches_back() -> None:
    """The collector was killed at minute 30 and says so at minute 90: what it said between is not believed."""
    before: list[StationEvent] = [state(0, State.PRODUCING), state(40, State.DOWN)]
    events = [*before, restored(90, since=30), state(90, State.PRODUCING)]

    line = timeline(history(ListReader(*events), STATION, between(60, 61)))

    assert [span.interval for span in line.spans if span.state is State.NO_DATA] == [between(30, 90)]
    assert [span.state for span in line.spans] == [State.PRODUCING, State.NO_DATA, State.PRODUCING]
