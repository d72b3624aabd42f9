"""What is computed window by window costs nothing for years in which nothing was seen."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from events import counted, state
from modbus_plant import STATION, plant_file

from adapters.reading import ControllerId
from mes.calendar import WindowKind
from mes.config.load import load
from mes.influx.backfill import _days
from mes.influx.points.windows import station_points
from mes.intervals import Interval
from mes.journal import Entry, Journal, JournalReader
from mes.journal.hourly import HourlyFile
from mes.journal.names import Names
from mes.model import State, StationEvent, StationId
from mes.report.rows import Request, rows
from mes.results.history import SILENT
from mes.results.hourly import Hourly
from mes.results.plant import PlantResults
from mes.results.stations import Results

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = datetime(2026, 3, 2, 6, tzinfo=UTC)


def an_hour(at: datetime, station: StationId = STATION) -> list[StationEvent]:
    """The station produces from `at` on, makes five parts in half an hour, and is down after that."""
    return [
        state(at, State.PRODUCING, station=station),
        counted(at + HOUR / 2, 5, raw=5, previous_raw=0, station=station),
        state(at + HOUR / 2, State.DOWN, station=station),
    ]


async def journal_of(folder: Path, *hours: datetime) -> Path:
    path = folder / "journal.sqlite"
    async with Journal.open(path) as journal:
        for hour in hours:
            await journal.append(Entry(events=an_hour(hour), observed={ControllerId("plc"): hour + HOUR}))
    return path


@pytest.mark.parametrize("other", [datetime(1970, 1, 2, tzinfo=UTC), datetime(2038, 1, 19, 3, 14, tzinfo=UTC)])
async def test_a_report_has_the_windows_that_hold_data(tmp_path: Path, other: datetime) -> None:
    """One hour of 1970 or 2038 beside one of today: the default report lists a few windows, and each part once."""
    journal, config = await journal_of(tmp_path, other, TODAY), load(plant_file(tmp_path, 1502)).config
    first, last = sorted((other, TODAY))
    with PlantResults(config, journal, now=last + HOUR) as query:
        assert len(query.windows(WindowKind.DAY, Interval(first, last + HOUR))) <= 3
        found = list(rows(query, Request("shift", None, None)))
        to_send = _days(query, Interval(first, last + HOUR))
        points = station_points(query.results, STATION, Interval(first, last + HOUR), last + HOUR)

    assert len(found) <= 6
    assert len(to_send) <= 3
    assert len(points) < 500
    assert sum(row.kpi.good for row in found) == 10


async def test_stored_components_leave_the_silence_out_and_lose_nothing(tmp_path: Path) -> None:
    """Over 56 years the stored cells are those of a few days, and the figures are those of the events alone."""
    journal, config = (
        await journal_of(tmp_path, datetime(1970, 1, 2, tzinfo=UTC), TODAY),
        load(plant_file(tmp_path, 1502)).config,
    )
    made: list[float] = []
    with PlantResults(config, journal, now=TODAY + HOUR) as query, HourlyFile(None) as file:
        hourly = Hourly(query.reader, file, config.calendar, lambda _, share: made.append(share))
        stored = Results(query.reader, config.standards, config.calendar, hourly=hourly, at_once=None)
        alone = Results(query.reader, config.standards, config.calendar)
        for window in (
            Interval(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 2, 1, tzinfo=UTC)),
            Interval(datetime(1971, 6, 1, tzinfo=UTC), datetime(1971, 7, 1, tzinfo=UTC)),
            Interval(TODAY - 30 * DAY, TODAY + HOUR),
            Interval(datetime(1970, 1, 1, tzinfo=UTC), TODAY + HOUR),
        ):
            assert stored.kpi(STATION, window, until=TODAY + HOUR) == alone.kpi(STATION, window, until=TODAY + HOUR)

    assert len(made) <= 4


async def test_what_was_caught_up_over_years_counts_when_it_was_read(tmp_path: Path) -> None:
    """Two parts that are caught up after a start in 1970 count today, in a window that the report lists."""
    began = datetime(1970, 1, 2, tzinfo=UTC)
    journal, config = await journal_of(tmp_path, began), load(plant_file(tmp_path, 1502)).config
    late = counted(TODAY, 2, raw=7, previous_raw=5, since=began + HOUR, station=STATION)
    async with Journal.open(journal) as opened:
        await opened.append(Entry(events=[late]))
    with PlantResults(config, journal, now=TODAY + HOUR) as query:
        found = list(rows(query, Request("day", None, None)))

    assert [(row.window.day.year, row.kpi.good) for row in found if row.kpi.good] == [(1970, 5), (2026, 2)]
    assert len(found) <= 4


async def test_a_renamed_station_was_not_silent_under_its_former_name(tmp_path: Path) -> None:
    """Hours under a former and the present name, a year apart each, are one history; each name alone has silences."""
    path, before = tmp_path / "journal.sqlite", StationId("plant/area/line/before")
    async with Journal.open(path) as journal:
        for year, station in enumerate((STATION, before, STATION)):
            events = an_hour(TODAY + 365 * year * DAY, station)
            await journal.append(Entry(events=events))
    whole = Interval(TODAY, TODAY + 730 * DAY + HOUR / 2)
    with JournalReader(path, Names({before: STATION})) as reader:
        assert reader.stretches(STATION, SILENT) == [whole]
        assert reader.last_before(STATION, TODAY + 366 * DAY) == TODAY + 365 * DAY + HOUR / 2
    with JournalReader(path) as reader:
        assert len(reader.stretches(STATION, SILENT)) == 2


async def test_a_late_event_in_the_silence_makes_its_cells(tmp_path: Path) -> None:
    """What comes later into the middle of a silence is in the figures, and so is what it makes part of the history."""
    journal, config = await journal_of(tmp_path, TODAY - 600 * DAY, TODAY), load(plant_file(tmp_path, 1502)).config
    whole = Interval(TODAY - 601 * DAY, TODAY + HOUR)
    with PlantResults(config, journal, now=TODAY + HOUR) as query, HourlyFile(None) as file:
        hourly = Hourly(query.reader, file, config.calendar)
        stored = Results(query.reader, config.standards, config.calendar, hourly=hourly, at_once=None)
        before = stored.kpi(STATION, whole, until=TODAY + HOUR)
        await journal_of(tmp_path, TODAY - 300 * DAY)
        alone = Results(query.reader, config.standards, config.calendar)
        after = stored.kpi(STATION, whole, until=TODAY + HOUR)
        assert after == alone.kpi(STATION, whole, until=TODAY + HOUR)

    assert (before.good, after.good) == (10, 15)
