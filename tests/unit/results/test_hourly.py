"""Stored hourly components beside a journal: what they give, and what happens while their file cannot be used."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest
from events import STATION, at, counted, state
from list_reader import ListReader
from oee_histories import between, standard

from mes.calendar import Calendar, Shift
from mes.errors import DerivedError
from mes.journal.hourly import HourlyFile
from mes.model import State, StationEvent, StationId
from mes.results.hourly import Hourly
from mes.results.stations import Results

CALENDAR = Calendar(ZoneInfo("Asia/Qostanay"), (Shift("day", time(8), time(17)),))
HOURS = [between(0, 60), between(60, 120), between(120, 180)]
EVENTS: list[StationEvent] = [
    state(0, State.PRODUCING),
    counted(30, 3),
    counted(90, 5),
    counted(170, 7),
    state(200, State.PRODUCING),
]


class DamagedFile(HourlyFile):
    """Is damaged whenever it is read, also when it was made again."""

    made_again = 0

    def progress(self, station: StationId, variant: str) -> tuple[int, datetime] | None:
        raise DerivedError("damaged", damaged=True)

    def renew(self, error: DerivedError) -> None:
        self.made_again += 1


class WatchedFile(HourlyFile):
    """Notes how far it was found to be filled."""

    def __init__(self, path: None) -> None:
        super().__init__(path)
        self.found: list[tuple[int, datetime] | None] = []

    def progress(self, station: StationId, variant: str) -> tuple[int, datetime] | None:
        self.found.append(super().progress(station, variant))
        return self.found[-1]


def test_hours_are_summed_from_their_cells() -> None:
    """3, 5 and 7 units in three hours: each hour has its own, the three together 15; no window has none."""
    with HourlyFile(None) as file:
        hourly = Hourly(ListReader(*EVENTS), file, CALENDAR)
        assert hourly.produced(STATION, standard(), HOURS) == dict(zip(HOURS, (3, 5, 7), strict=True))
        assert [kpi.good for kpi in hourly.kpis(STATION, standard(), between(0, 180))] == [15]
        assert hourly.produced(STATION, standard(), []) == {}


def test_a_window_inside_an_hour_has_no_whole_cell() -> None:
    """From ten to twenty past: nothing of it is read from cells, and no hour is read for it."""
    with HourlyFile(None) as file:
        hourly = Hourly(ListReader(*EVENTS), file, CALENDAR)
        assert hourly.kpis(STATION, standard(), between(10, 20)) == []
        assert [kpi.good for kpi in hourly.kpis(STATION, standard(), between(10, 130))] == [5]


def test_news_of_an_hour_that_is_not_over_reads_none_again() -> None:
    """A unit in the running hour leaves the three hours before it as they are, and reads none of them again."""
    made = dict(zip(HOURS, (3, 5, 7), strict=True))
    with WatchedFile(None) as file:
        for news in ([], [counted(210, 1)], [counted(210, 1), counted(220, 1)]):
            reader = ListReader(*EVENTS, *news)
            assert Hourly(reader, file, CALENDAR).produced(STATION, standard(), HOURS) == made
        assert [progress and progress[1] for progress in file.found] == [None, at(180), at(180)]
        assert file.found[1] == file.found[2]
        later = ListReader(*EVENTS, counted(210, 1), counted(250, 1))
        assert Hourly(later, file, CALENDAR).produced(STATION, standard(), [between(180, 240)]) == {
            between(180, 240): 1
        }


@pytest.mark.parametrize("is_damaged", [True, False])
def test_without_a_usable_file_figures_come_from_the_events(*, is_damaged: bool) -> None:
    """A damaged file is made again once; a closed one is left alone. The figures are those of the events: 15 units."""
    reader = ListReader(*EVENTS)
    with DamagedFile(None) if is_damaged else HourlyFile(None) as file:
        if not is_damaged:
            file.close()
        hourly = Hourly(reader, file, CALENDAR)
        assert hourly.kpis(STATION, standard(), between(0, 180)) == []
        assert hourly.produced(STATION, standard(), HOURS) == {}
        if isinstance(file, DamagedFile):
            assert file.made_again == 2
        results = Results(reader, {STATION: standard()}, CALENDAR, hourly=hourly, at_once=None)
        assert results.kpi(STATION, between(0, 180), until=at(300)).good == 15
        assert results.produced(STATION, HOURS, until=at(300)) == dict(zip(HOURS, (3, 5, 7), strict=True))
