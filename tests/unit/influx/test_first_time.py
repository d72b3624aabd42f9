"""What was good at the first attempt, as it is published."""

from pathlib import Path

from events import STATION, at
from influx_example import EXIT, FINISH, made
from oee_histories import between

from mes.calendar import WindowKind
from mes.config.build import PlantConfig
from mes.config.load import default_config, load
from mes.influx.encode import Point, window_ns
from mes.influx.points.plant import PlantPoints
from mes.journal import Entry, Journal
from mes.model import StationEvent, UnitResult
from mes.results.fields import first_time_values
from mes.results.plant import PlantResults

CONFIG: PlantConfig = load(default_config()).config
GOOD, REWORK, SCRAP = UnitResult.GOOD, UnitResult.REWORK, UnitResult.SCRAP
DAY = 24 * 60
EVENTS: list[StationEvent] = [
    made(10, "A"),
    made(20, "B", REWORK),
    made(60, "B"),  # its second attempt
    made(70, "C", SCRAP),
    made(80, "A", station=FINISH),
    made(90, "A", station=EXIT),
    made(505, "D", REWORK, station=EXIT),
    made(520, "D", station=EXIT),  # in the time after the shift, on the same day
    made(DAY + 10, "B"),  # its third one
    made(DAY + 20, "E"),
    made(DAY + 30, "B", station=EXIT),
]
WHOLE = between(0, 2 * DAY)


async def published(path: Path) -> tuple[list[Point], PlantResults]:
    """The points of both days, and the results that they are compared with, which are to be closed."""
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=EVENTS))
    query = PlantResults(CONFIG, path, now=at(DAY + 120))
    return list(PlantPoints(query).first_times(WHOLE)), query


async def test_only_a_units_first_result_counts(tmp_path: Path) -> None:
    """Of A, B and C at framing one is good at once; next day E alone is new. The route has finished cars."""
    points, query = await published(tmp_path / "journal.sqlite")
    with query:
        of_framing = [
            (point.fields["inspected"], point.fields["first_time_good"])
            for point in points
            if point.measurement == "first_time" and point.tags["window"] == "day"
            if STATION.endswith(point.tags["station"])
        ]
        of_route = [
            (point.fields["inspected"], point.fields["first_time_good"], "rolled" in point.fields)
            for point in points
            if point.measurement == "first_time_route" and point.tags["window"] == "day"
        ]
    assert of_framing == [(3, 1), (1, 1)]
    assert of_route == [(2, 1, False), (1, 0, False)]  # A and D, then B; some station inspected nothing


async def test_published_is_what_the_command_says(tmp_path: Path) -> None:
    """In every shift and day each number is that of `mes flow`, station by station and for the route."""
    points, query = await published(tmp_path / "journal.sqlite")
    with query:
        for kind in (WindowKind.SHIFT, WindowKind.DAY):
            for window in CONFIG.calendar.windows(kind, between(0, DAY + 120)):
                found = query.flow(window.interval).first_times
                here = [
                    point
                    for point in points
                    if (point.stamp_ns, point.tags["window"]) == (window_ns(window.interval.start), str(kind))
                ]
                stations = {point.tags["station"]: point for point in here if point.measurement == "first_time"}
                (route,) = (point for point in here if point.measurement == "first_time_route")
                for station, first_time in found.stations.items():
                    published_values = stations[station.rpartition("/")[2]].fields
                    assert first_time_values(first_time).items() <= published_values.items()
                assert dict(route.fields) == first_time_values(found.cars) | (
                    {} if found.rolled is None else {"rolled": found.rolled}
                )
