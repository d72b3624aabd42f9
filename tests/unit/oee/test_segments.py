"""What each second was and why: the priority of overlapping facts."""

from datetime import timedelta

import pytest
from events import assigned, at, cleared, counted, lost, raised, restored, state
from oee_histories import CATALOGUE, between

from mes.model import ReasonId, State, StationEvent, StationStandard
from mes.oee.components import Bucket
from mes.oee.kpi import kpi
from mes.oee.segments import pieces
from mes.oee.timeline import timeline

STANDARD = StationStandard(ideal_cycle={None: timedelta(minutes=2)}, minor_stop=timedelta(minutes=2), reasons=CATALOGUE)
P, D = State.PRODUCING, State.DOWN
Row = tuple[float, float, Bucket, str | None]


def rows(*events: StationEvent, end: float = 60, until: float | None = None) -> list[Row]:
    """From and to in minutes within the hour, bucket and reason of each piece."""
    minute, window = timedelta(minutes=1), between(0, end)
    found = pieces(timeline(events), window, STANDARD, horizon=at(end if until is None else until))
    clipped = [(part, piece) for piece in found if (part := piece.interval.clip(window))]
    return [
        ((part.start - at(0)) / minute, (part.end - at(0)) / minute, piece.bucket, piece.reason)
        for part, piece in clipped
    ]


def test_a_stop_has_the_reason_of_its_fault() -> None:
    """A fault raised with the stop, or shortly before it, explains it; one without a meaning leaves it unexplained."""
    assert rows(state(0, P), state(10, D), raised(10, "101"), cleared(20, "101"), state(20, P)) == [
        (0, 10, Bucket.APT, None),
        (10, 20, Bucket.DOWN, "robot"),
        (20, 60, Bucket.APT, None),
    ]
    assert rows(state(0, D), raised(1, "7"), end=10) == [(0, 10, Bucket.DOWN, None)]
    assert rows(state(0, D), raised(1, "404"), end=10) == [(0, 10, Bucket.DOWN, None)]
    assert rows(state(0, D), raised(1, "7"), raised(2, "101"), end=10) == [(0, 10, Bucket.DOWN, "robot")]
    assert rows(state(0, P), raised(2, "101"), state(10, D), end=20)[1] == (10, 20, Bucket.DOWN, None)
    assert rows(state(0, P), raised(9.5, "101"), state(10, D), end=20)[1] == (10, 20, Bucket.DOWN, "robot")
    assert rows(state(0, P), raised(9.5, "101"), cleared(9.6, "101"), state(10, D), end=20)[1][3] is None
    assert rows(state(0, P), state(10, D), state(20, P), raised(20, "101"))[1][3] is None


def test_the_category_of_a_reason_decides_the_bucket() -> None:
    """A fault that means a setup is a setup; whoever stops for want of an operator idles; and so on."""
    expected = {
        "robot": Bucket.DOWN,
        "tips": Bucket.SETUP,
        "jam": Bucket.MINOR_STOPS,
        "nobody": Bucket.IDLE,
        "no-parts": Bucket.STARVED,
        "no-skid": Bucket.BLOCKED,
        "service": Bucket.PLANNED_STOP,
        "forgotten": Bucket.DOWN,
    }
    for reason, bucket in expected.items():
        assert rows(state(0, D), assigned(70, 0, 10, reason), end=10) == [(0, 10, bucket, reason)]
    assert rows(state(0, D), raised(0, "905"), end=10) == [(0, 10, Bucket.SETUP, "tips")]


def test_a_short_failure_stays_a_minor_stop_whatever_explains_it() -> None:
    """The threshold decides between failure and minor stop, the reason stays for the Pareto."""
    short = (state(0, D), state(1, P))

    assert rows(*short, raised(0, "101"))[0] == (0, 1, Bucket.MINOR_STOPS, "robot")
    assert rows(*short, assigned(70, 0, 1, "nobody"))[0] == (0, 1, Bucket.MINOR_STOPS, "nobody")
    assert rows(*short, assigned(70, 0, 1, "tips"))[0] == (0, 1, Bucket.SETUP, "tips")


def test_a_persons_word_splits_merges_and_corrects() -> None:
    """What is said last holds; what was said before keeps the rest; None gives the word back to the fault."""
    stop = (state(0, D), raised(0, "101"))

    assert rows(*stop, assigned(61, 20, 30, "tips")) == [
        (0, 20, Bucket.DOWN, "robot"),
        (20, 30, Bucket.SETUP, "tips"),
        (30, 60, Bucket.DOWN, "robot"),
    ]
    assert rows(*stop, assigned(61, 0, 60, "tips"), assigned(62, 0, 30, "nobody")) == [
        (0, 30, Bucket.IDLE, "nobody"),
        (30, 60, Bucket.SETUP, "tips"),
    ]
    assert rows(*stop, assigned(61, 0, 60, "tips"), assigned(62, 0, 60, None)) == [(0, 60, Bucket.DOWN, "robot")]
    assert rows(*stop, assigned(61, 30, 20, "tips")) == [(0, 60, Bucket.DOWN, "robot")]


def test_a_word_without_an_end_lasts_as_long_as_its_stop() -> None:
    """Whoever explains a stop that still lasts need not come back when it is over."""
    assert rows(state(0, P), state(10, D), assigned(12, 10, None, "tips"), state(20, P), state(30, D)) == [
        (0, 10, Bucket.APT, None),
        (10, 20, Bucket.SETUP, "tips"),
        (20, 30, Bucket.APT, None),
        (30, 60, Bucket.DOWN, None),
    ]
    assert rows(assigned(12, 10, None, "tips"), end=20) == [(0, 20, Bucket.NO_DATA, None)]


def test_producing_is_never_explained_away() -> None:
    """A reason that reaches over good time takes only what was not producing."""
    assert rows(state(0, P), state(10, D), state(20, P), assigned(61, 0, 60, "service")) == [
        (0, 10, Bucket.APT, None),
        (10, 20, Bucket.PLANNED_STOP, "service"),
        (20, 60, Bucket.APT, None),
    ]


def test_units_prove_producing_and_a_word_stands_beside_the_rest_of_the_dark() -> None:
    """In a gap the ideal time of what was caught up is producing; what a person says of the rest makes it not known."""
    gap = (state(0, P), lost(10), restored(20, 10), state(20, P), counted(20, 1, since=10))

    assert rows(*gap) == [
        (0, 10, Bucket.APT, None),
        (10, 12, Bucket.APT, None),
        (12, 20, Bucket.NO_DATA, None),
        (20, 60, Bucket.APT, None),
    ]
    for reason in ("service", "robot", "tips", "jam", "nobody", "no-parts"):
        assert rows(*gap, assigned(70, 10, 20, reason))[2] == (12, 20, Bucket.NO_DATA, reason)


def test_no_reason_makes_known_time_of_time_without_data() -> None:
    """Coverage and planned time are what they were, whatever a person says; the words stay with the seconds."""
    window = between(0, 60)
    gap: list[StationEvent] = [state(0, P), lost(10), restored(40, 10), state(40, P)]
    found, said = (
        kpi(timeline([*gap, *more]), window, [window], STANDARD, until=at(60))
        for more in ([], [assigned(70, 10, 25, "service"), assigned(71, 25, 40, "robot")])
    )
    assert (said.no_data, said.pbt, said.coverage) == (found.no_data, found.pbt, found.coverage)
    assert said.no_data == timedelta(minutes=30)
    assert {(loss.bucket, loss.reason, loss.time) for loss in said.losses} == {
        (Bucket.NO_DATA, ReasonId("service"), timedelta(minutes=15)),
        (Bucket.NO_DATA, ReasonId("robot"), timedelta(minutes=15)),
    }


def test_a_planned_reason_takes_time_out_of_the_plan() -> None:
    """Planned busy time shrinks by it, and the planned stops say by how much."""
    window = between(0, 60)
    events: list[StationEvent] = [state(0, D), assigned(61, 0, 20, "service"), assigned(62, 20, 40, "robot")]
    found = kpi(timeline(events), window, [window], STANDARD, until=at(60))

    assert (found.pbt, found.planned_stops, found.down) == (
        timedelta(minutes=40),
        timedelta(minutes=20),
        timedelta(minutes=40),
    )
    assert {(loss.bucket, loss.reason, loss.stops) for loss in found.losses} == {
        (Bucket.PLANNED_STOP, ReasonId("service"), 1),
        (Bucket.DOWN, ReasonId("robot"), 1),
        (Bucket.DOWN, ReasonId(""), 1),
    }
    assert found.failures == 1  # one stop, though two stretches of it have reasons of their own


@pytest.mark.parametrize(("start", "stops"), [(0, 1), (30, 0)])
def test_a_stop_counts_where_its_first_planned_second_lies(start: float, stops: int) -> None:
    """A stop over the whole hour is one stop of the first half and none of the second."""
    window = between(start, start + 30)
    found = kpi(timeline([state(-10, D)]), window, [between(0, 60)], STANDARD, until=at(60))

    assert [loss.stops for loss in found.losses] == [stops]
    assert found.failures == stops
