"""Charging in small scenes: three stations in a row, first, second and third."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from events import at, counted, state
from oee_histories import between

from mes.intervals import Interval
from mes.model import CountKind, State, StationEvent, StationId, StationStandard
from mes.oee.causes import Cause, Link, Worktime, bottleneck, charges, lost_cars
from mes.oee.timeline import Timeline, timeline

FIRST, SECOND, THIRD = (StationId(f"site/area/line/{name}") for name in ("first", "second", "third"))
LINKS = [Link(FIRST, SECOND), Link(SECOND, THIRD)]
STANDARD = StationStandard(ideal_cycle={None: timedelta(minutes=10)}, minor_stop=timedelta(minutes=2))
STANDARDS = {FIRST: STANDARD, SECOND: STANDARD, THIRD: STANDARD}
P, D, STARVED, BLOCKED = State.PRODUCING, State.DOWN, State.STARVED, State.BLOCKED
HOUR = between(0, 60)
MINUTE = timedelta(minutes=1)
Sums = Mapping[tuple[StationId, State, StationId | None, Cause], float]


def lines(
    first: Sequence[StationEvent] = (), second: Sequence[StationEvent] = (), third: Sequence[StationEvent] = ()
) -> dict[StationId, Timeline]:
    """Each station's events; without any it produces all the time."""
    told = {FIRST: first, SECOND: second, THIRD: third}
    return {
        station: timeline([replace(event, station=station) for event in events or (state(0, P),)])
        for station, events in told.items()
    }


def charged(
    found: Mapping[StationId, Timeline],
    window: Interval = HOUR,
    *,
    planned: Sequence[Interval] = (HOUR,),
    links: Sequence[Link] = LINKS,
    standards: Mapping[StationId, StationStandard] = STANDARDS,
) -> Sums:
    """Minutes by victim, loss, culprit and cause."""
    sums: dict[tuple[StationId, State, StationId | None, Cause], float] = defaultdict(float)
    for charge in charges(found, links, standards, planned, window, until=window.end):
        assert charge.length <= charge.interval.length
        sums[charge.victim, charge.loss, charge.culprit, charge.cause] += charge.length / MINUTE
    return sums


def test_a_wait_is_charged_through_the_stations_between() -> None:
    """The third starves because the second starves because the first was down."""
    found = lines(
        [state(0, P), state(10, D), state(30, P)],
        [state(0, P), state(20, STARVED), state(40, P)],
        [state(0, P), state(30, STARVED), state(50, P)],
    )

    assert charged(found) == {
        (SECOND, STARVED, FIRST, Cause.DOWN): 20,
        (THIRD, STARVED, FIRST, Cause.DOWN): 20,
    }


def test_a_blocked_station_charges_what_lies_ahead() -> None:
    """The first is blocked because the second is blocked because the third set up."""
    found = lines(
        [state(0, P), state(30, BLOCKED), state(50, P)],
        [state(0, P), state(20, BLOCKED), state(40, P)],
        [state(0, P), state(10, State.SETUP), state(30, P)],
    )

    assert charged(found) == {
        (SECOND, BLOCKED, THIRD, Cause.SETUP): 20,
        (FIRST, BLOCKED, THIRD, Cause.SETUP): 20,
    }


def test_a_short_stop_is_a_minor_one_and_the_newest_delay_comes_first() -> None:
    """Of two stops before a wait the later one is charged first, and only as much as was lost."""
    found = lines(
        [state(0, P), state(5, D), state(25, P), state(28, D), state(29, P)],
        [state(0, P), state(20, STARVED), state(30, P)],
    )

    assert charged(found) == {
        (SECOND, STARVED, FIRST, Cause.MINOR_STOPS): 1,
        (SECOND, STARVED, FIRST, Cause.DOWN): 9,
    }


def test_a_slow_cycle_and_a_slower_pace_are_told_apart() -> None:
    """Beyond its own ideal a station is slow; an ideal that is longer than the victim's is its pace."""
    found = lines(
        [state(0, P), counted(10, 1), counted(25, 1)],
        [state(0, P), counted(10, 1), state(20, STARVED), state(25, P)],
    )
    paced = {**STANDARDS, FIRST: replace(STANDARD, ideal_cycle={None: timedelta(minutes=13)})}

    assert charged(found) == {(SECOND, STARVED, FIRST, Cause.SLOW): 5}
    assert charged(found, standards=paced) == {
        (SECOND, STARVED, FIRST, Cause.SLOW): 2,
        (SECOND, STARVED, FIRST, Cause.PACE): 3,
    }
    unknown = {**STANDARDS, FIRST: replace(STANDARD, ideal_cycle={})}
    assert charged(found, standards=unknown) == {(SECOND, STARVED, FIRST, Cause.PACE): 5}
    nothing = {**STANDARDS, SECOND: replace(STANDARD, ideal_cycle={})}
    assert charged(found, standards=nothing) == {(SECOND, STARVED, FIRST, Cause.UNKNOWN): 5}


def test_a_neighbour_that_was_blocked_had_delivered() -> None:
    """Time in which the upstream station itself had no room is no delay of its own; what lies before it is."""
    found = lines(
        [state(0, P), state(5, D), state(15, BLOCKED), state(18, P)],
        [state(0, P), state(20, STARVED), state(26, P)],
    )

    assert charged(found)[SECOND, STARVED, FIRST, Cause.DOWN] == 6


def test_a_totaliser_of_all_units_counts_the_cycles() -> None:
    """Where a station has one, its single results are not counted once more."""
    total = [counted(10, 1, CountKind.TOTAL), counted(10, 1), counted(25, 1, CountKind.TOTAL), counted(25, 1)]
    found = lines([state(0, P), *total], [state(0, P), state(20, STARVED), state(25, P)])

    assert charged(found) == {(SECOND, STARVED, FIRST, Cause.SLOW): 5}


def test_what_has_no_neighbour_waits_for_the_world_outside() -> None:
    """The first station's supply and the last one's yard are outside the plant."""
    found = lines(
        [state(0, P), state(10, STARVED), state(20, P)], third=[state(0, P), state(30, BLOCKED), state(40, P)]
    )

    assert charged(found) == {
        (FIRST, STARVED, None, Cause.OUTSIDE): 10,
        (THIRD, BLOCKED, None, Cause.OUTSIDE): 10,
    }


def test_breaks_stand_still() -> None:
    """A break inside a wait or a stop has no length: what touches across it is one."""
    planned = [between(0, 20), between(35, 60)]
    found = lines(
        [state(0, P), state(10, D), state(20, State.IDLE), state(35, D), state(40, P)],
        [state(0, P), state(15, STARVED), state(20, State.IDLE), state(35, STARVED), state(45, P)],
    )

    assert charged(found, planned=planned) == {(SECOND, STARVED, FIRST, Cause.DOWN): 15}


def test_cutting_a_window_changes_no_sum() -> None:
    """A wait is traced as a whole, wherever the window is cut."""
    found = lines(
        [state(0, P), state(5, D), state(25, P), state(28, D), state(29, P)],
        [state(0, P), state(20, STARVED), state(30, P)],
    )
    whole = charged(found)
    for cut in (1, 21, 26, 29.5, 40):
        parts = [charged(found, between(0, cut), planned=(HOUR,)), charged(found, between(cut, 60))]
        later = charges(found, LINKS, STANDARDS, (HOUR,), between(0, cut), until=at(60))
        summed: dict[tuple[StationId, State, StationId | None, Cause], float] = defaultdict(float)
        for charge in (*later, *charges(found, LINKS, STANDARDS, (HOUR,), between(cut, 60), until=at(60))):
            summed[charge.victim, charge.loss, charge.culprit, charge.cause] += charge.length / MINUTE
        assert summed == pytest.approx(whole)
        assert sum(map(len, parts))


def test_a_circle_ends_and_what_lies_too_far_back_is_not_known() -> None:
    """Stations that wait for each other in a circle, and waits from before the first event, are not guessed at."""
    waiting = [state(0, P), state(10, STARVED), state(20, P)]
    circle = [Link(FIRST, SECOND), Link(SECOND, FIRST)]

    assert charged(lines(waiting, waiting), links=circle) == {
        (FIRST, STARVED, SECOND, Cause.UNKNOWN): 10,
        (SECOND, STARVED, FIRST, Cause.UNKNOWN): 10,
    } or charged(lines(waiting, waiting), links=circle) == {
        (FIRST, STARVED, FIRST, Cause.UNKNOWN): 10,
        (SECOND, STARVED, SECOND, Cause.UNKNOWN): 10,
    }
    assert charged(lines(second=waiting)) == {(SECOND, STARVED, FIRST, Cause.UNKNOWN): 10}


def test_lost_cars_are_all_of_the_exits_losses() -> None:
    """Own stops, time without data and charged waits, in cars of its ideal cycle; the largest first."""
    found = lines(
        [state(0, P), state(10, D), state(30, P)],
        [state(0, P), state(20, STARVED), state(40, P)],
        [state(10, P), counted(20, 1), state(30, STARVED), state(50, D), state(55, P)],
    )
    told = charges(found, LINKS, STANDARDS, (HOUR,), HOUR, until=at(60))
    ranked = lost_cars(told, found, STANDARDS, THIRD, (HOUR,), HOUR, until=at(60))

    assert [(culprit.station, culprit.cause, culprit.lost / MINUTE, culprit.cars) for culprit in ranked] == [
        (FIRST, Cause.DOWN, 20, 2),
        (THIRD, Cause.NO_DATA, 10, 1),
        (THIRD, Cause.DOWN, 5, 0.5),
    ]
    idle = {**STANDARDS, THIRD: replace(STANDARD, ideal_cycle={})}
    assert {car.cars for car in lost_cars(told, found, idle, THIRD, (HOUR,), HOUR, until=at(60))} == {0}
    made = lines(third=[state(0, P), counted(-5, 1), counted(0, 1), counted(10, 1), counted(20, 1), state(30, D)])
    (own,) = lost_cars((), made, STANDARDS, THIRD, (HOUR,), HOUR, until=at(60))
    assert own.cars == 3


def test_the_bottleneck_is_the_one_that_is_active_longest() -> None:
    """Of the stations that work or stop of themselves the longest at it; none where all wait."""
    found = lines(
        [state(0, P), state(10, BLOCKED), state(50, P)],
        [state(0, STARVED), state(5, P), state(20, D), state(30, P)],
        [state(0, P), state(40, STARVED)],
    )

    assert bottleneck(found, at(55), (HOUR,)) == SECOND
    assert bottleneck({THIRD: found[THIRD]}, at(55), (HOUR,)) is None
    assert bottleneck({}, at(55), (HOUR,)) is None


def test_planned_time_is_an_axis_of_its_own() -> None:
    """Breaks have no length, and an instant in one is where it began; before the first planned one it is nought."""
    axis = Worktime.of([between(30, 60), between(0, 20)])

    assert [axis.at(at(minute)) / MINUTE for minute in (-5, 0, 10, 20, 25, 30, 60, 90)] == [
        0,
        0,
        10,
        20,
        20,
        20,
        50,
        50,
    ]
    assert axis.real(10 * MINUTE, 30 * MINUTE) == between(10, 40)
    assert axis.real(10 * MINUTE, 20 * MINUTE) == between(10, 20)
    assert axis.real(20 * MINUTE, 30 * MINUTE) == between(30, 40)
