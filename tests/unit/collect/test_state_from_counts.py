"""A station that shows no state: its parts tell it, and what they do not tell is no data."""

from dataclasses import replace
from datetime import timedelta

from collect_scenes import at, live, lost, only, said, seen, station
from hypothesis import given
from hypothesis import strategies as st

from adapters.reading import Gap, TagId
from mes.collect.signals import StationSetup, ToldByCounts
from mes.collect.station import Observation
from mes.model import State, StateChanged

AFTER_S = 90.0


def press() -> StationSetup:
    """A station with nothing but a counter; 30 s a part, three of which may be missing."""
    good = {TagId("good"): station(max_per_hour=3600).signals[TagId("good")]}
    return replace(station(), signals=good, told_by_counts=ToldByCounts(timedelta(seconds=AFTER_S)))


def tick(seconds: float) -> Observation:
    """A look at which nothing had changed."""
    return Observation((), at(seconds), baseline=False)


def changes(*scenes: Observation | Gap) -> list[tuple[State, float]]:
    """What the station was told to do since when, in seconds."""
    told = only(StateChanged, live(press(), *scenes))
    return [(change.state, round((change.time - at(0)).total_seconds(), 3)) for change in told]


def test_it_produces_while_parts_come_and_stands_since_the_last_one() -> None:
    """The stop begins with the last part, whenever it is told; it ends with the next part."""
    scenes = [seen(0, baseline=True, good=10), seen(30, good=11), seen(60, good=12), tick(149), tick(151), tick(300)]

    assert changes(*scenes, seen(400, good=13)) == [
        (State.PRODUCING, 0),
        (State.DOWN, 60),
        (State.PRODUCING, 400),
    ]


def test_nothing_is_told_before_a_part_or_the_time_without_one() -> None:
    """After a connection is made the station is unknown; then it is known from the connection on."""
    assert changes(seen(0, baseline=True, good=10), tick(89)) == []
    assert changes(seen(0, baseline=True, good=10), tick(91)) == [(State.DOWN, 0)]
    assert changes(seen(0, baseline=True, good=10), seen(200, good=11)) == [(State.DOWN, 0), (State.PRODUCING, 200)]


def test_a_gap_is_no_stop() -> None:
    """What was made in a gap, and when, tells no state; it begins again behind it."""
    before = (seen(0, baseline=True, good=10), seen(30, good=11))
    after = (lost(40), lost(40, 500), seen(500, baseline=True, good=25), seen(520, good=26))

    assert changes(*before, *after) == [(State.PRODUCING, 0), (State.PRODUCING, 500)]


def test_a_counter_that_cannot_be_read_tells_nothing() -> None:
    """From then on the state is no data, and no stop; it is told again when the counter is back."""
    scenes = (seen(0, baseline=True, good=10), seen(30, good=11), seen(50, good=None), tick(400))

    assert changes(*scenes, seen(500, good=20), tick(560), seen(570, good=21)) == [
        (State.PRODUCING, 0),
        (State.NO_DATA, 50),
        (State.PRODUCING, 500),
    ]


@given(st.lists(st.floats(1, 400), min_size=1, max_size=12), st.floats(1, 60), st.floats(0, 300))
def test_time_without_a_part_for_too_long_is_down_and_no_other(
    apart_s: list[float], looks_s: float, rest_s: float
) -> None:
    """However often it is looked at: between two parts that are too far apart the station stood, else it produced."""
    made_s = [sum(apart_s[: place + 1]) for place in range(len(apart_s))]
    end_s = made_s[-1] + rest_s
    looks = [(number * looks_s, None) for number in range(1, int(end_s / looks_s) + 1)]
    scenes: list[Observation] = [seen(0, baseline=True, good=0)]
    for second, count in sorted(
        [*looks, *zip(made_s, range(1, len(made_s) + 1), strict=True)], key=lambda look: look[0]
    ):
        readings = () if count is None else (said("good", count, second),)
        scenes.append(Observation(readings, at(second), baseline=False))
    done = live(press(), *scenes, tick(end_s))
    truth = []
    for begin_s, until_s in zip([0.0, *made_s], [*made_s, end_s], strict=True):
        stood = until_s - begin_s > AFTER_S
        told = stood or until_s in made_s  # after the last part nothing is known yet
        truth += [(begin_s, until_s, State.DOWN if stood else State.PRODUCING)] if told or begin_s > 0 else []
    told_states = sorted(only(StateChanged, done), key=lambda change: change.time)
    for begin_s, until_s, state in truth:
        middle = at((begin_s + until_s) / 2)
        if until_s - begin_s > 0.01:
            assert [change.state for change in told_states if change.time <= middle][-1:] == [state]
