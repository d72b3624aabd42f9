"""The time line on chosen histories."""

from datetime import timedelta

import pytest
from events import at, counted, lost, restored, state, unreconciled
from oee_histories import between

from mes.intervals import BEGINNING_OF_TIME, END_OF_TIME, Interval
from mes.model import CountFlag, CountKind, Journaled, State, StationEvent
from mes.oee.timeline import Span, Timeline, timeline
from mes.oee.unread import UnreadSpan

PRODUCING, DOWN, NO_DATA = State.PRODUCING, State.DOWN, State.NO_DATA


def states(*events: StationEvent, until: float = 60) -> list[tuple[float, float, State]]:
    minute = timedelta(minutes=1)
    spans = timeline(events).states(at(until))
    return [
        ((span.interval.start - at(0)) / minute, (span.interval.end - at(0)) / minute, span.state) for span in spans
    ]


def test_no_events() -> None:
    """Without events nothing is known."""
    nothing = timeline(())

    always = Interval(BEGINNING_OF_TIME, END_OF_TIME)
    unread = (UnreadSpan(None, always, units_missing=False),)
    assert nothing == Timeline((), (), (), frozenset(), (), (), (), None, unread)
    assert nothing.states(at(5)) == ()


def test_the_last_state_runs_on_and_repeated_states_are_one() -> None:
    """A state lasts until another one is said, the last one until the present."""
    assert states(state(0, PRODUCING), state(5, PRODUCING), state(10, DOWN)) == [(0, 10, PRODUCING), (10, 60, DOWN)]
    assert states(state(0, PRODUCING), state(10, DOWN), until=10) == [(0, 10, PRODUCING)]


def test_a_late_event_takes_its_place_in_time() -> None:
    """Events are ordered by their time, then by their seq; a repeated seq changes nothing."""
    events = [Journaled(1, state(0, PRODUCING)), Journaled(2, state(20, PRODUCING)), Journaled(3, state(10, DOWN))]

    spans = timeline([*events, events[1]]).states(at(30))

    assert spans == (
        Span(between(0, 10), PRODUCING),
        Span(between(10, 20), DOWN),
        Span(between(20, 30), PRODUCING),
    )


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([lost(10), restored(20, 10), state(20, DOWN)], [(10, 20, NO_DATA), (20, 60, DOWN)]),
        ([lost(10), state(20, DOWN), restored(20, 10)], [(10, 20, NO_DATA), (20, 60, DOWN)]),
        ([lost(10), restored(20, 10), state(15, DOWN)], [(10, 20, NO_DATA), (20, 60, DOWN)]),
        ([lost(10), restored(20, 10), state(25, DOWN)], [(10, 25, NO_DATA), (25, 60, DOWN)]),
        ([lost(10), restored(20, 10)], [(10, 60, NO_DATA)]),
        ([lost(10)], [(10, 60, NO_DATA)]),
        ([lost(10), lost(12), restored(20, 10), state(20, DOWN)], [(10, 20, NO_DATA), (20, 60, DOWN)]),
        ([restored(20, 10), state(20, DOWN)], [(10, 20, NO_DATA), (20, 60, DOWN)]),
        ([lost(15), restored(20, 10), state(20, DOWN)], [(10, 20, NO_DATA), (20, 60, DOWN)]),
        ([restored(20, 25), state(30, DOWN)], [(25, 30, NO_DATA), (30, 60, DOWN)]),
        (
            [lost(10), restored(20, 10), state(20, PRODUCING), lost(30), restored(40, 30), state(40, PRODUCING)],
            [(10, 20, NO_DATA), (20, 30, PRODUCING), (30, 40, NO_DATA), (40, 60, PRODUCING)],
        ),
    ],
)
def test_blind_from_the_loss_until_the_state_is_said_again(
    events: list[StationEvent], expected: list[tuple[float, float, State]]
) -> None:
    """Nothing is known from the loss of the connection until it is back and the state was said again."""
    found = states(state(0, PRODUCING), *events)

    assert found[1:] == expected
    assert found[0] == (0, expected[0][0], PRODUCING)


def test_a_station_that_was_never_seen_in_a_state() -> None:
    """A loss before any state is no data from there."""
    assert states(lost(5)) == [(5, 60, NO_DATA)]


def test_caught_up_units_are_spread_over_the_gap() -> None:
    """Units of all kinds share the gap evenly, one instant and one slice each; nothing is counted twice."""
    line = timeline(
        [
            counted(20, 3, since=10),
            counted(20, 1, CountKind.SCRAP, since=10),
            counted(20, 0, CountKind.REWORK, since=10),
        ]
    )

    assert [(count.time, count.kind, count.units) for count in line.counts] == [
        (at(11.25), CountKind.GOOD, 1),
        (at(13.75), CountKind.GOOD, 1),
        (at(16.25), CountKind.GOOD, 1),
        (at(18.75), CountKind.SCRAP, 1),
    ]
    assert [part.interval for part in line.slices] == [between(10 + 2.5 * i, 12.5 + 2.5 * i) for i in range(4)]


def test_a_total_is_spread_by_itself_and_makes_the_slices() -> None:
    """A totaliser of all units counts the same units again: it alone is credited."""
    line = timeline([counted(20, 5, CountKind.TOTAL, since=10), counted(20, 1, CountKind.SCRAP, since=10)])

    assert len(line.slices) == 5
    assert [count.time for count in line.counts if count.kind is CountKind.SCRAP] == [at(15)]
    assert line.kinds == {CountKind.TOTAL, CountKind.SCRAP}


def test_a_gap_without_length_is_not_spread() -> None:
    """Units caught up after a gap that the clocks make empty count when they were seen."""
    line = timeline([counted(20, 2, since=20)])

    assert [(count.time, count.units) for count in line.counts] == [(at(20), 2)]
    assert line.slices == ()


def test_unreconciled_counts_are_remembered() -> None:
    """What a person has to decide is kept with its time; a baseline counts nothing."""
    events: list[StationEvent] = [unreconciled(7), counted(8, 0, flag=CountFlag.BASELINE)]
    line = timeline(events)

    assert (line.unreconciled, line.counts, line.end) == ((at(7),), (), at(8))


def test_a_state_that_was_seen_after_the_loss_ends_it() -> None:
    """A state that began before the connection was lost, and was read only after it, is known from the return on."""
    late = state(8, DOWN, received=20)

    assert states(state(0, PRODUCING), late, lost(10), restored(20, 10))[1:] == [
        (8, 10, DOWN),
        (10, 20, State.NO_DATA),
        (20, 60, DOWN),
    ]
