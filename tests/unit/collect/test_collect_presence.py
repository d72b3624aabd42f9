"""Units that come into a station and leave it, out of its unit id signal."""

from datetime import timedelta

import pytest
from events import START

from adapters.reading import Quality, Reading, TagId
from mes.collect.signals import Observation, StationSetup, UnitSignal
from mes.collect.station import StationState, initial_state, step
from mes.model import StationEvent, StationId, UnitEntered, UnitLeft

TAG = TagId("unit")
SETUP = StationSetup(StationId("kostanay/weld/weld-1/framing"), {TAG: UnitSignal()}, {}, timedelta(seconds=2))


def seen(
    state: StationState, value: object, minute: int, *, baseline: bool = False
) -> tuple[StationState, list[StationEvent]]:
    """The station after one reading of its unit id."""
    time = START + timedelta(minutes=minute)
    reading = Reading(TAG, value, Quality.GOOD, time, time)  # type: ignore[arg-type]  # any value a controller may say
    done = step(SETUP, state, Observation(readings=(reading,), received_time=time, baseline=baseline))
    return done.state, [event for event in done.events if isinstance(event, UnitEntered | UnitLeft)]


def test_one_unit_leaves_before_the_next_enters() -> None:
    """A new id tells that the old one left and the new one came, at one instant and in this order."""
    state, events = seen(initial_state(), "A", 0, baseline=True)
    assert [(type(event), event.unit, event.baseline) for event in events if isinstance(event, UnitEntered)] == [
        (UnitEntered, "A", True)
    ]
    state, events = seen(state, "A", 1)
    assert events == []
    state, events = seen(state, "B", 2)
    assert [type(event) for event in events] == [UnitLeft, UnitEntered]
    assert {event.time for event in events} == {START + timedelta(minutes=2)}
    state, events = seen(state, "", 3)
    assert [type(event) for event in events] == [UnitLeft]
    state, events = seen(state, "", 4)
    assert events == []


@pytest.mark.parametrize("value", [None])
def test_an_id_that_cannot_be_read_says_nothing(value: object) -> None:
    """A missing value is no empty station."""
    state, _ = seen(initial_state(), "A", 0)
    after, events = seen(state, value, 1)

    assert events == []
    assert after.unit == "A"
