"""Laws of visits, flow and process values, over histories of any kind."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta

import pytest
from events import START, STATION, at, completed, entered, left, lost, restored, state
from hypothesis import given
from hypothesis import strategies as st

from mes.intervals import Interval
from mes.model import (
    Journaled,
    ProcessValue,
    State,
    StationEvent,
    StationId,
    UnitCompleted,
    UnitId,
    UnitResult,
)
from mes.oee.biography import Outcome, ProcessLimit, Visit, all_biographies, process_summary, visits
from mes.oee.flow import dwells, first_time_quality, wip

DOWNSTREAM = StationId("downstream")
units = st.sampled_from([UnitId(letter) for letter in "ABC"])
results = st.sampled_from(UnitResult)
waits = st.sampled_from([0.0, 0.01, 0.05, 0.4, 1.0, 9.0])


@st.composite
def events(draw: st.DrawFn) -> list[Journaled]:
    """Anything in any order, sensible or not."""
    found: list[StationEvent] = []
    minute = 0.0
    for kind in draw(st.lists(st.sampled_from(["entered", "left", "completed", "state", "lost", "restored"]))):
        minute += draw(waits)
        found.append(event(draw, kind, minute))
    return [Journaled(seq, station_event) for seq, station_event in enumerate(found, 1)]


def event(draw: st.DrawFn, kind: str, minute: float) -> StationEvent:
    late = minute + draw(waits)
    match kind:
        case "entered":
            return entered(minute, draw(units), baseline=draw(st.booleans()), received=late)
        case "left":
            return left(minute, draw(units), baseline=draw(st.booleans()), received=late)
        case "completed":
            return completed(minute, draw(units), draw(results), product=None, received=late)
        case "state":
            return state(minute, draw(st.sampled_from(State)))
        case "lost":
            return lost(minute)
        case _:
            return restored(minute, minute)


@given(events())
def test_every_result_is_in_one_visit(history: list[Journaled]) -> None:
    """Every result is in exactly one visit, and in one of its own unit."""
    found = [(stay.unit, outcome.time, outcome.result) for stay in visits(STATION, history) for outcome in stay.results]
    said = [journaled.event for journaled in history]

    assert Counter(found) == Counter(
        (station_event.unit, station_event.time, station_event.result)
        for station_event in said
        if isinstance(station_event, UnitCompleted)
    )


@given(events())
def test_visits_are_in_order(history: list[Journaled]) -> None:
    """Visits come in the order of their first instants, results in that of their times, passages count from one."""
    found = visits(STATION, history)
    passages: Counter[UnitId] = Counter()

    assert [stay.first_seen for stay in found] == sorted(stay.first_seen for stay in found)
    for stay in found:
        passages[stay.unit] += 1
        assert stay.passage == passages[stay.unit]
        times = [outcome.time for outcome in stay.results]
        assert times == sorted(times)
        known = [stay.entered, stay.left, *times]
        assert all(stay.first_seen <= time <= stay.last_seen for time in known if time is not None)


@given(events(), st.data())
def test_arrival_and_repeats_change_nothing(history: list[Journaled], data: st.DataObject) -> None:
    """However events arrive, and however often, the visits are the same."""
    repeats = data.draw(st.lists(st.sampled_from(history))) if history else []
    mixed = data.draw(st.permutations([*history, *repeats]))

    assert visits(STATION, mixed) == visits(STATION, history)


@given(events())
def test_lives_lose_no_visit(history: list[Journaled]) -> None:
    """Every visit is in one life, and as many of them are loops as come after the first of each life."""
    found = visits(STATION, history)
    lives = all_biographies({STATION: found}, [STATION])

    assert sorted((stay.unit, stay.first_seen) for life in lives for stay in life.visits) == sorted(
        (stay.unit, stay.first_seen) for stay in found
    )
    assert sum(live.loops for live in lives) == len(found) - len(lives)


def visit(unit: UnitId, station: StationId, entered: int, result: UnitResult, *, passage: int = 1) -> Visit:
    """Five minutes at a station."""
    left = at(entered + 5)
    return Visit(
        station=station,
        unit=unit,
        product=None,
        entered=at(entered),
        left=left,
        first_seen=at(entered),
        last_seen=left,
        results=(Outcome(result, left, None, None),),
        passage=passage,
    )


@st.composite
def flows(draw: st.DrawFn) -> tuple[list[Visit], list[Visit]]:
    """Units that pass upstream, some several times, and come downstream some time after a good result, or not yet."""
    upstream: list[Visit] = []
    downstream: list[Visit] = []
    for number in range(draw(st.integers(0, 6))):
        unit = UnitId(str(number))
        minute = draw(st.integers(0, 30))
        for passage in range(1, draw(st.integers(1, 4)) + 1):
            result = draw(results)
            upstream.append(visit(unit, STATION, minute, result, passage=passage))
            minute += 5
            if result is UnitResult.GOOD:
                minute += draw(st.integers(0, 30))
                downstream.append(visit(unit, DOWNSTREAM, minute, UnitResult.GOOD, passage=passage))
            minute += draw(st.integers(10, 30))
    last = draw(st.integers(0, 200))
    kept = [stay for stay in downstream if stay.first_seen <= at(last)]
    return [stay for stay in upstream if stay.last_seen <= at(last)], kept


def of_unit(found: list[Visit]) -> Counter[UnitId]:
    return Counter(stay.unit for stay in found)


@given(flows(), st.integers(0, 200))
def test_what_came_and_did_not_go_is_there(flow: tuple[list[Visit], list[Visit]], minute: int) -> None:
    """At any instant the units between two stations are those sent on until then less those that have come."""
    upstream, downstream = flow
    instant = at(minute)
    sent = [
        stay for stay in upstream if stay.results[-1].result is UnitResult.GOOD and stay.results[-1].time <= instant
    ]
    come = [stay for stay in downstream if stay.first_seen <= instant]

    assert Counter(wip(upstream, downstream, instant)) == of_unit(sent) - of_unit(come)
    assert len(wip(upstream, downstream, instant)) == len(sent) - len(come)


@given(flows())
def test_every_arrival_ends_a_wait(flow: tuple[list[Visit], list[Visit]]) -> None:
    """Each visit downstream ends exactly one wait, and none is shorter than nothing."""
    upstream, downstream = flow
    found = dwells(upstream, downstream)
    ended = [(dwell.unit, dwell.until) for dwell in found if dwell.until is not None]

    assert Counter(ended) == Counter((stay.unit, stay.entered) for stay in downstream)
    assert all(dwell.length is None or dwell.length >= timedelta() for dwell in found)


@given(flows(), st.integers(0, 200))
def test_windows_share_out_first_times(flow: tuple[list[Visit], list[Visit]], minute: int) -> None:
    """The units of two windows that touch are those of both together, each unit once."""
    upstream, _ = flow
    parts = [Interval(START, at(minute)), Interval(at(minute), at(999))]
    one, two = (first_time_quality(upstream, part) for part in parts)
    whole = first_time_quality(upstream, Interval(START, at(999)))

    assert one.inspected + two.inspected == whole.inspected == len(of_unit(upstream))
    assert one.first_time_good + two.first_time_good == whole.first_time_good <= whole.inspected


values = st.lists(
    st.builds(
        ProcessValue,
        station=st.just(STATION),
        name=st.sampled_from(["temperature", "humidity"]),
        time=st.integers(0, 100).map(at),
        value=st.floats(-1e6, 1e6),
    )
)


def spent(held: list[ProcessValue], start: datetime, end: datetime) -> dict[str, list[timedelta]]:
    limits = {"temperature": ProcessLimit(0, None), "humidity": ProcessLimit(None, 10)}
    found: dict[str, list[timedelta]] = defaultdict(list)
    for summary in process_summary(held, start, end, limits):
        found[summary.name] = [summary.length, summary.in_limits or timedelta()]
    return found


@given(values, st.lists(st.integers(0, 100), min_size=3, max_size=3).map(sorted))
def test_process_values_add_up(held: list[ProcessValue], cuts: list[int]) -> None:
    """Known time and time in limits of two stretches that touch are those of both together."""
    start, middle, end = (at(cut) for cut in cuts)
    one, two, whole = spent(held, start, middle), spent(held, middle, end), spent(held, start, end)

    for name, lengths in whole.items():
        assert [a + b for a, b in zip(one[name], two[name], strict=True)] == lengths
        assert lengths[1] <= lengths[0] <= end - start


@given(values, st.lists(st.integers(0, 100), min_size=2, max_size=2).map(sorted))
def test_means_lie_between(held: list[ProcessValue], cuts: list[int]) -> None:
    """A mean is not below the minimum and not above the maximum; all three are known together or not at all."""
    for summary in process_summary(held, at(cuts[0]), at(cuts[1]), {}):
        if summary.minimum is None or summary.mean is None or summary.maximum is None:
            assert (summary.minimum, summary.mean, summary.maximum, summary.length) == (None, None, None, timedelta())
        else:
            slack = pytest.approx(summary.mean, rel=1e-9, abs=1e-9)
            assert summary.minimum < summary.mean or summary.minimum == slack
            assert summary.mean < summary.maximum or summary.maximum == slack
