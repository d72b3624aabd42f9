"""The door to the figures, over a list of events in place of a journal."""

from datetime import time, timedelta
from zoneinfo import ZoneInfo

from events import STATION, at, counted, state
from list_reader import ListReader
from oee_histories import between, standard

from mes.calendar import Calendar, Shift
from mes.intervals import END_OF_TIME
from mes.model import Journaled, State, StationEvent
from mes.results.stations import KEPT_TIMELINES, Results, WindowKind


def results(reader: ListReader) -> Results:
    shift = Shift("day", time(8), time(17), ((time(8, 30), time(8, 45)),))
    return Results(reader, {STATION: standard()}, Calendar(ZoneInfo("Asia/Qostanay"), (shift,)))


def test_figures_use_the_calendar() -> None:
    """Planned time is the calendar's: START is 08:00 in Kostanay, and the break is no loss."""
    found = results(ListReader(state(0, State.PRODUCING), counted(5, 3)))

    hour = found.kpi(STATION, between(0, 60), until=at(60))

    assert (hour.pbt, hour.apt, hour.good) == (timedelta(minutes=45), timedelta(minutes=45), 3)
    assert list(found.stations) == [STATION]
    assert [window.name for window in found.windows(WindowKind.SHIFT, between(0, 60))] == ["day"]


def test_the_time_line_is_kept_until_the_journal_grows() -> None:
    """Events are read once for many figures, and again when there are new ones."""
    reader = ListReader(state(0, State.PRODUCING))
    found = results(reader)

    before = found.timeline(STATION, between(0, 60))
    reads = reader.reads
    assert found.timeline(STATION, between(60, 90)) is before
    assert reader.reads == reads
    reader.journal.append(Journaled(2, state(10, State.DOWN)))
    assert len(found.timeline(STATION, between(0, 60)).spans) == 2


def test_the_time_lines_that_were_asked_for_last_are_kept() -> None:
    """After as many other days as are kept the first day is read again, the last one is not."""
    reader = ListReader(state(0, State.PRODUCING))
    found = results(reader)
    days = [between(day * 1440, day * 1440 + 60) for day in range(KEPT_TIMELINES + 1)]
    first, last = [found.timeline(STATION, day) for day in days][:: len(days) - 1]

    assert found.timeline(STATION, days[-1]) is last
    assert found.timeline(STATION, days[0]) is not first


def test_the_state_in_force_has_its_limits() -> None:
    """Down from minute 10 to 30, producing before it and open-ended after it; of another station nothing is known."""
    events: list[StationEvent] = [state(0, State.PRODUCING), state(10, State.DOWN), state(30, State.PRODUCING)]
    found = results(ListReader(*events))
    other = Results(ListReader(), {STATION: standard()}, found.calendar)

    assert [found.in_force_since(STATION, at(minute)) for minute in (-5, 10, 10.5, 30, 31)] == [
        at(minute) for minute in (0, 0, 10, 10, 30)
    ]
    assert [found.in_force_until(STATION, at(minute)) for minute in (0, 10, 29, 30)] == [
        *(at(10), at(30), at(30), END_OF_TIME)
    ]
    assert found.known_since(STATION) == at(0)
    assert (other.known_since(STATION), other.in_force_since(STATION, at(5))) == (None, None)
    assert [event.event for event in found.events(STATION)] == events
