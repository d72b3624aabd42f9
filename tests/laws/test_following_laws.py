"""Figures that grow by what came in are, to the last digit, those that are worked out from all events."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from events import (
    STATION,
    at,
    completed,
    counted,
    entered,
    left,
    product_changed,
    shift_closed,
    shift_reopened,
    state,
    unidentified,
)
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from list_reader import ListReader
from random_histories import CALENDAR, LENGTH_MIN, S2, histories, instants, kinds, standards

from adapters.clock import ManualClock
from mes.influx.encode import Point
from mes.influx.points.windows import PublishedFigures, longest_points, station_points
from mes.intervals import Interval
from mes.journal.codec import encode_event
from mes.journal.store import Rows, Store
from mes.model import CountFlag, Journaled, State, StationEvent, StationStandard
from mes.oee.closed import ClosedKpi, encode_closed
from mes.results.known import LAG
from mes.results.stations import Results

DAY = timedelta(days=1)
FLAGS = (CountFlag.BASELINE, CountFlag.NORMAL, CountFlag.RESET, CountFlag.ROLLOVER, CountFlag.REMAPPED)


@dataclass(frozen=True)
class Look:
    """What came in, the present instant, and how far back the windows go that are asked for."""

    events: Sequence[StationEvent]
    now: datetime
    back: timedelta
    closes: bool


@st.composite
def looks(draw: st.DrawFn) -> list[Look]:
    """Events of some days in the order of time, but for some that are late, seen at several looks.

    A part a second is counted now and then, units pass, totalisers start again or move, and clocks are set back.
    """
    events: list[StationEvent] = []
    for day in range(draw(st.integers(1, 2))):
        events += [_later(event.event, day * DAY) for event in draw(histories())]
    for minute in draw(st.lists(instants, max_size=3)):
        part = draw(st.sampled_from([S2, None]))
        events += [
            counted(minute + part_no / 60, 1, raw=part_no, product=part) for part_no in range(draw(st.integers(1, 60)))
        ]
    for minute in draw(st.lists(instants, max_size=4)):
        events.append(counted(minute, draw(st.integers(0, 3)), draw(kinds), flag=draw(st.sampled_from(FLAGS))))
    for minute in draw(st.lists(instants, max_size=3)):
        events += [entered(minute, "car"), completed(minute + 1, "car"), left(minute + 1, "car")]
        events += [product_changed(minute, S2), unidentified(minute, 2)]
    events.sort(key=lambda event: event.time)
    for _ in range(draw(st.integers(0, 4)) if events else 0):  # what comes late, and what comes twice
        place = draw(st.integers(0, len(events) - 1))
        late = events[place] if draw(st.booleans()) else events.pop(place)
        events.insert(draw(st.integers(place, len(events))), late)
    ends = sorted(draw(st.lists(st.integers(0, len(events)), min_size=2, max_size=8)))
    found = []
    now = at(0)
    for first, last in zip([0, *ends], [*ends, len(events)], strict=True):
        told = events[first:last]
        now = max([now, *(event.time for event in told)]) + timedelta(seconds=draw(st.integers(-30, 30)))
        back = timedelta(minutes=draw(st.sampled_from([0, 10, LENGTH_MIN, 2 * 24 * 60])))
        found.append(Look(told, now, back, draw(st.booleans())))
    return found


def _later(event: StationEvent, by: timedelta) -> StationEvent:
    """The same event some days later."""
    times = {
        name: getattr(event, name) + by
        for name in ("time", "received_time", "since", "start", "end", "recorded_time")
        if getattr(event, name, None) is not None
    }
    return replace(event, **times)


def closing(results: Results, now: datetime) -> list[StationEvent]:
    """The words by which the last shift that is over is closed with its figures, and one before it opened again."""
    over = [shift.interval for shift in CALENDAR.shifts(Interval(now - 3 * DAY, now)) if shift.interval.end <= now]
    kpi = results.kpi_to_close(STATION, over[-1], until=now)
    figures = encode_closed([ClosedKpi(results.stations[STATION].minor_stop, own=True, kpi=kpi)])
    return [
        shift_closed(now, over[-1].start, over[-1].end, figures=figures),
        shift_reopened(now, over[-2].start, over[-2].end),
    ]


def points(results: Results, look: Look) -> list[Point]:
    """All figures that are forwarded of the windows that overlap a look's stretch."""
    stretch = Interval(min(look.now, look.now - look.back), look.now + timedelta(microseconds=1))
    found = station_points(results, STATION, stretch, look.now)
    return found + longest_points(results, STATION, stretch, look.now)


@pytest.mark.timeout(60)  # each example is a history of its own
@settings(deadline=None, max_examples=examples(60))
@given(looks(), standards)
def test_figures_that_grow_are_those_of_all_events(some: list[Look], standard: StationStandard) -> None:
    """At each look: the same points, whichever events were late, came twice, or said something of other times."""
    reader, numbers = ListReader(), count(1)
    following = Results(reader, {STATION: standard}, CALENDAR)
    for look in some:
        fresh = Results(reader, {STATION: standard}, CALENDAR)
        told = [*look.events, *(closing(fresh, look.now) if look.closes else [])]
        reader.journal.extend(Journaled(next(numbers), event) for event in told)
        following.follow(look.now)
        assert points(following, look) == points(Results(reader, {STATION: standard}, CALENDAR), look)


@pytest.mark.timeout(120)  # each example writes a journal
@settings(deadline=None, max_examples=examples(15))
@given(looks(), standards)
async def test_the_published_figures_are_those_of_a_new_start(some: list[Look], standard: StationStandard) -> None:
    """After each batch of events and as time passes: what a program says that runs on, and one that starts then."""
    with TemporaryDirectory() as folder:
        path, clock, done = Path(folder) / "journal.sqlite", ManualClock(at(0)), 0
        stations = {STATION: standard}
        with Store(path) as store, PublishedFigures(path, stations, CALENDAR, clock) as running:
            for look in some:
                clock.advance(look.now - clock.now())
                store.write([Rows(events=[encode_event(event) for event in look.events])])
                done, spans = store.affected_windows(done, 1000)
                with PublishedFigures(path, stations, CALENDAR, clock) as started:
                    assert await running.affected_windows(spans) == await started.affected_windows(spans)
                    started.resume(clock.now() - look.back)
                    running.stated(clock.now() - max(look.back, DAY))
                    assert (await running.open())[0] == (await started.open())[0]


def test_parts_that_were_counted_are_not_read_again() -> None:
    """A part a second for an hour: after the first look the days of the station are never read again, nor kept."""
    reader = ListReader(*(counted(0, 0, flag=CountFlag.BASELINE), counted(1, 1)))
    standard = StationStandard(ideal_cycle={None: timedelta(seconds=1)}, minor_stop=timedelta(minutes=2))
    results = Results(reader, {STATION: standard}, CALENDAR)
    window = Interval(at(0), at(120))
    reads = []
    for second in range(60, 3600, 60):
        news = [
            counted(at(0) + timedelta(seconds=second + part_no), 1, raw=second + part_no) for part_no in range(1, 61)
        ]
        reader.journal += [Journaled(len(reader.journal) + place, event) for place, event in enumerate(news, start=1)]
        now = news[-1].time
        results.follow(now)
        kpi = results.kpi(STATION, window, until=now)
        assert kpi.good == second + 1
        reads.append(reader.reads)
    assert reads[-1] == reads[0]
    held = results.timeline(STATION, window).counts
    assert len(held) < 60 + LAG.seconds


@pytest.mark.parametrize(
    "late",
    [state(-3 * 24 * 60, State.DOWN), state(2 * 24 * 60, State.DOWN), counted(3, 5, raw=77)],
    ids=["before the days", "after the days, and then within them", "earlier than what was added up"],
)
def test_what_may_need_older_events_is_read_again(late: StationEvent) -> None:
    """What bears on other days, or comes before counts that were added up, is worked out from all events."""
    told: list[StationEvent] = [state(0, State.PRODUCING), *(counted(number, 1, raw=number) for number in range(9))]
    reader = ListReader(*told)
    standard = StationStandard(ideal_cycle={None: timedelta(minutes=1)}, minor_stop=timedelta(minutes=2))
    following = Results(reader, {STATION: standard}, CALENDAR)
    look = Look((), at(3 * 24 * 60), 5 * DAY, closes=False)
    for news in ((), (late,), (state(5, State.DOWN),), (counted(20, 1, raw=99),)):
        reader.journal += [Journaled(len(reader.journal) + place, event) for place, event in enumerate(news, start=1)]
        following.follow(look.now)
        assert points(following, look) == points(Results(reader, {STATION: standard}, CALENDAR), look)
