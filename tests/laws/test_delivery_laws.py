"""Late deliveries: what a controller says of when something happened is believed, whenever it reaches us."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from collect_scenes import at, live, only, said, station
from hypothesis import given
from hypothesis import strategies as st

from adapters.reading import Batch, ControllerId, Quality, Reading, TagId, Value
from mes.collect.delivery import Delivery
from mes.collect.station import Observation
from mes.model import (
    FaultCleared,
    FaultRaised,
    ProductChanged,
    QualityChanged,
    StateChanged,
    TimeSource,
    UnitEntered,
    UnitLeft,
)
from mes.oee.timeline import timeline

PLC = ControllerId("plc")
SETUP = replace(station(), max_source_offset=timedelta(seconds=2))
STATES = (6, 9)  # execute, aborted


def observed(delivery: Delivery, batch: Batch, offset: timedelta | None) -> Observation:
    """What a station is given of a batch."""
    oldest = delivery.take(batch, offset)
    return Observation(batch.readings, batch.received_time, batch.baseline, clock_offset=offset, oldest=oldest)


def batch(received: float, *changes: tuple[float, int], baseline: bool = False, ahead: float = 0.0) -> Batch:
    """State changes that happened at these instants, received then."""
    readings = tuple(
        Reading(TagId("state"), value, Quality.GOOD, at(second + ahead), at(received)) for second, value in changes
    )
    return Batch(PLC, at(received), readings, baseline=baseline)


@st.composite
def stalls(draw: st.DrawFn) -> tuple[list[float], float, float, int]:
    """When a state changes while the link holds everything back; when it lets go; the clock's offset; batches."""
    gaps = draw(st.lists(st.floats(0.2, 4), min_size=1, max_size=6))
    happened = [sum(gaps[: place + 1]) for place in range(len(gaps))]
    released = happened[-1] + draw(st.floats(0, 10))
    return happened, released, draw(st.floats(-1.9, 1.9)), draw(st.integers(1, 6))


@given(stalls(), st.booleans())
def test_a_late_delivery_keeps_the_times_of_the_controller(
    story: tuple[list[float], float, float, int], keepalives: bool
) -> None:
    """However long a link holds back what happened, each change stands at the controller's own time."""
    happened, released, ahead, parts = story
    offset, delivery = timedelta(seconds=ahead), Delivery()
    scenes = [observed(delivery, batch(-60, (-100, 6), baseline=True), offset)]
    scenes += [observed(delivery, batch(second), offset) for second in (-55, -50, -45, -5, 0)]
    if keepalives:  # they were held back as well, and come first
        scenes += [observed(delivery, batch(released + 0.001 * number), offset) for number in range(3)]
    changes = [(second, STATES[(place + 1) % 2]) for place, second in enumerate(happened)]
    for part in range(parts):
        share = changes[part * len(changes) // parts : (part + 1) * len(changes) // parts]
        scenes.append(observed(delivery, batch(released + 0.01 + 0.01 * part, *share, ahead=ahead), offset))
    changed = only(StateChanged, live(SETUP, *scenes))[1:]

    assert [change.time for change in changed] == [at(second + ahead) for second in happened]
    assert {change.time_source for change in changed} == {TimeSource.CONTROLLER}
    assert all(one.time <= other.time for one, other in pairwise(changed))


@given(stalls(), st.floats(2, 120), st.booleans())
def test_what_a_late_delivery_left_behind_may_come_after_another_silence(
    story: tuple[list[float], float, float, int], silent_s: float, on_time: bool
) -> None:
    """A late delivery in two parts, the second after a disk that took nothing: the controller's times hold.

    Once a reading has come on time nothing is left behind.
    """
    happened, released, ahead, _ = story
    offset, delivery, released = timedelta(seconds=ahead), Delivery(), released + 10.0
    scenes = [observed(delivery, batch(-60, (-100, 6), baseline=True), offset)]
    scenes += [observed(delivery, batch(second), offset) for second in (-5, 0)]
    scenes.append(observed(delivery, batch(released, (happened[0], 9), ahead=ahead), offset))
    if on_time:
        scenes.append(observed(delivery, batch(released + 0.1, (released, 9), ahead=ahead), offset))
    left, last = released - 5.0, released + 0.1 + silent_s
    scenes.append(observed(delivery, batch(last, (left, 6), ahead=ahead), offset))
    *_, changed = only(StateChanged, live(SETUP, *scenes))

    believed = (at(left + ahead), TimeSource.CONTROLLER)
    assert (changed.time, changed.time_source) == ((at(last), TimeSource.EDGE) if on_time else believed)


@given(st.floats(0.5, 60), st.floats(0.0, 0.9), st.floats(0, 120), st.floats(-1.9, 1.9), st.booleans())
def test_what_waited_for_a_commit_came_before_it(
    silent_s: float, apart_s: float, held_s: float, ahead: float, on_time: bool
) -> None:
    """A notification comes just after a sign of life, whose commit then takes long: when it came is what counts.

    What came on time meanwhile ends the doubt as ever.
    """
    offset, delivery = timedelta(seconds=ahead), Delivery()
    scenes = [observed(delivery, batch(-60, (-100, 6), baseline=True), offset)]
    scenes += [observed(delivery, batch(second), offset) for second in (0, silent_s)]
    came, happened = silent_s + apart_s, silent_s / 2
    (late,) = batch(came, (happened, 9), ahead=ahead).readings
    complete = came + held_s + 0.1
    (newer,) = batch(came + held_s, (came + held_s, 6), ahead=ahead).readings
    readings = (late, newer) if on_time else (late,)
    scenes.append(observed(delivery, Batch(PLC, at(complete), readings), offset))
    scenes.append(observed(delivery, batch(complete + 5, (happened + 0.1, 10), ahead=ahead), offset))
    changed = only(StateChanged, live(SETUP, *scenes))[1:]
    believed = [(change.time, change.time_source) for change in changed]

    assert believed[0] == (at(happened + ahead), TimeSource.CONTROLLER)
    if on_time:
        assert believed[1] == (at(came + held_s + ahead), TimeSource.CONTROLLER)
        assert believed[2][1] is TimeSource.EDGE


SHOWN: dict[str, list[Value | None]] = {
    "state": [6, 9, 10],
    "fault": ["F1", "F2", "0"],
    "unit": ["A", "B", ""],
    "product": ["S2", "S3"],
    "current": [1.0, None],
}


@given(
    st.sampled_from(sorted(SHOWN)).flatmap(
        lambda tag: st.tuples(st.just(tag), st.lists(st.lists(st.sampled_from(SHOWN[tag]), min_size=1), min_size=1))
    ),
    st.sampled_from((None, 9.5, -70.0)),
    st.sampled_from((0.0, 0.5, -5.0)),
)
def test_the_last_change_holds_whatever_the_times(
    shown: tuple[str, list[list[Value | None]]], stamped: float | None, apart: float
) -> None:
    """Whoever reads a station's events by their times comes to what it shows, for each kind of signal.

    Changes of one batch, or of several, may bear one time, and a clock, the controller's or ours, may be set back.
    """
    tag, batches = shown
    scenes = [Observation((said("state", 6, -60), said(tag, SHOWN[tag][-1], -60)), at(-60), baseline=True)]
    for place, values in enumerate(batches):
        second = 10 + apart * place
        stamp = None if stamped is None else stamped + apart * place
        readings = tuple(said(tag, value, second, stamped=stamp) for value in values)
        scenes.append(Observation(readings, at(second), baseline=False, clock_offset=timedelta()))
    done = live(station(), *scenes)
    by_time = sorted(dict.fromkeys(done.events), key=lambda event: (event.time, event.received_time))
    state = fault = unit = product = None
    quality = Quality.GOOD
    for event in by_time:
        match event:
            case StateChanged():
                state = event.raw
            case FaultRaised():
                fault = event.code
            case FaultCleared():
                assert event.code == fault, "what was not raised is cleared"
                fault = None
            case UnitEntered():
                unit = event.unit
            case UnitLeft():
                assert event.unit == unit, "who is not in the station leaves it"
                unit = None
            case ProductChanged():
                product = event.product
            case QualityChanged(signal="process.current"):
                quality = event.quality
            case _:
                pass
    last = batches[-1][-1]
    assert timeline(done.events).spans[-1].state is only(StateChanged, done)[-1].state
    known = {"state": state, "fault": fault or "0", "unit": unit or "", "product": product}
    if tag == "current":
        assert (quality is Quality.GOOD) == (last is not None)
    else:
        assert known[tag] == (str(last) if tag == "state" else last)


@given(st.floats(8, 3600), st.booleans())
def test_a_stamp_from_before_the_last_delivery_is_not_believed(age: float, known: bool) -> None:
    """A value stamped older than the delivery before it counts from when it came, whatever is known of the clock."""
    delivery, offset = Delivery(), timedelta() if known else None
    scenes = [observed(delivery, batch(-600, (-601, 6), baseline=True), offset)]
    scenes += [observed(delivery, batch(second), offset) for second in range(-595, 0, 5)]
    done = live(SETUP, *scenes, observed(delivery, batch(0, (-age, 9)), offset))

    assert [(change.time, change.time_source) for change in only(StateChanged, done)[1:]] == [(at(0), TimeSource.EDGE)]


@given(st.floats(2.1, 1e8), st.sampled_from([-1, 1]))
def test_nothing_is_early_and_no_far_clock_is_believed(far: float, sign: int) -> None:
    """After a silence of an hour: no stamp of the future, and none of a clock that is measured far from ours."""
    for ahead, offset in ((far, timedelta()), (sign * far, timedelta(seconds=sign * far))):
        delivery = Delivery()
        scenes = [observed(delivery, batch(-3600, (-3601, 6), baseline=True), offset)]
        done = live(SETUP, *scenes, observed(delivery, batch(0, (0, 9), ahead=ahead), offset))

        assert [change.time for change in only(StateChanged, done)[1:]] == [at(0)]


def test_what_is_on_time_ends_the_doubt() -> None:
    """Once a reading came on time, what follows in the same burst cannot be from before it."""
    delivery = Delivery()
    scenes = [observed(delivery, scene, timedelta()) for scene in (batch(0, (0, 6), baseline=True), batch(20, (20, 9)))]
    scenes += [observed(delivery, batch(20.2, (12, 6)), timedelta())]
    changed = only(StateChanged, live(SETUP, *scenes))

    assert [change.time for change in changed] == [at(0), at(20), at(20.2)]


def test_a_clock_of_ours_that_is_set_back_opens_no_door() -> None:
    """After our own clock went back nothing is believed that is older than the new time by more than the tolerance."""
    delivery = Delivery()
    scenes = [observed(delivery, scene, timedelta()) for scene in (batch(0, (0, 6), baseline=True), batch(100))]
    done = live(SETUP, *scenes, observed(delivery, batch(50, (40, 9)), timedelta()))

    assert [change.time for change in only(StateChanged, done)[1:]] == [at(50)]
