"""The door to the figures, over a list of events in place of a journal."""

from datetime import time, timedelta
from zoneinfo import ZoneInfo

from events import STATION, at, counted, state
from list_reader import ListReader
from oee_histories import between, standard

from mes.calendar import Calendar, Shift
from mes.model import Journaled, State
from mes.results.stations import Results, WindowKind


def results(reader: ListReader) -> Results:
    shift = Shift("day", time(8), time(17), ((time(8, 30), time(8, 45)),))
    return Results(reader, {STATION: standard()}, Calendar(ZoneInfo("Asia/Qostanay"), (shift,)))


def test_figures_use_the_calendar() -> None:
    """Planned time is the calendar's: START is 08:00 in Kostanay, and the break is no loss."""
    found = results(ListReader(state(0, State.PRODUCING), counted(5, 3)))

    hour = found.kpi(STATION, between(0, 60), until=at(60))

    assert (hour.pbt, hour.apt, hour.good) == (timedelta(minutes=45), timedelta(minutes=45), 3)
    assert list(found.stations) == [STATION]
    assert [each.name for each in found.windows(WindowKind.SHIFT, between(0, 60))] == ["day"]


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
