"""What is published to InfluxDB, over random histories: it adds up, and a correction leaves no point behind."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from events import STATION, at
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from list_reader import ListReader
from random_histories import CALENDAR, WINDOW, histories, standards

from mes.calendar import WindowKind
from mes.influx.encode import Point
from mes.influx.points.stations import cells
from mes.influx.points.windows import station_points
from mes.intervals import Interval
from mes.model import CountKind, Journaled, StationStandard, UnitsCounted
from mes.oee.components import LOSSES, Bucket
from mes.results.stations import Results

WHOLE = Interval(at(-120), at(300))
BEFORE_THE_BREAK = timedelta(minutes=30)


def published(events: Sequence[Journaled], standard: StationStandard) -> list[Point]:
    """All points of a stretch that holds everything."""
    results = Results(_reader(events), {STATION: standard}, CALENDAR)
    return station_points(results, STATION, WHOLE, WINDOW.end)


def _reader(events: Sequence[Journaled]) -> ListReader:
    return ListReader(*(event.event for event in events))


def us(point: Point, field: str) -> int:
    """A field of seconds, in whole microseconds."""
    value = point.fields[field]
    assert isinstance(value, float)
    return round(value * 1_000_000)


@given(histories(), standards)
@settings(max_examples=examples(60))
def test_stretches_add_up_to_the_figures(events: list[Journaled], standard: StationStandard) -> None:
    """The stretches of an hour are gapless, and their seconds are its key figures, bucket by bucket."""
    points = published(events, standard)
    kpis = {
        point.stamp_ns: point for point in points if (point.measurement, point.tags.get("window")) == ("kpi", "hour")
    }
    starts = sorted(kpis)
    spent: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for state_point in (point for point in points if point.measurement == "state"):
        hour = max(start for start in starts if start <= state_point.stamp_ns)
        spent[hour][str(state_point.fields["loss"])] += us(state_point, "seconds")
        if state_point.fields["loss"] != "not_planned":
            spent[hour][str(state_point.fields["loss"])] -= us(state_point, "inferred_s")
            spent[hour]["apt"] += us(state_point, "inferred_s")

    for start, kpi in kpis.items():
        for bucket in LOSSES:
            assert spent[start][bucket] == us(kpi, f"{bucket}_s")
        assert spent[start][Bucket.APT] == us(kpi, "apt_s")
        assert sum(spent[start].values()) == us(kpi, "window_s")


@given(histories(), standards)
@settings(max_examples=examples(60))
def test_losses_by_reason_add_up_to_the_figures(events: list[Journaled], standard: StationStandard) -> None:
    """All reasons of an hour together are its losses."""
    points = published(events, standard)
    losses: dict[tuple[int, Bucket], int] = defaultdict(int)
    for loss_point in (point for point in points if point.measurement == "loss"):
        assert us(loss_point, "seconds") == sum(us(loss_point, f"{bucket}_s") for bucket in LOSSES)
        for bucket in LOSSES:
            losses[loss_point.stamp_ns, bucket] += us(loss_point, f"{bucket}_s")
    for point in points:
        if (point.measurement, point.tags.get("window")) == ("kpi", "hour"):
            assert [losses[point.stamp_ns, bucket] for bucket in LOSSES] == [
                us(point, f"{bucket}_s") for bucket in LOSSES
            ]


@given(histories(), standards, st.data())
@settings(max_examples=examples(80))
def test_no_correction_leaves_a_point_behind(
    events: list[Journaled], standard: StationStandard, data: st.DataObject
) -> None:
    """What was published before an event came is published again after it: no point stays that nobody writes again."""
    before = data.draw(st.integers(0, len(events)))

    early = {
        (point.measurement, *sorted(point.tags.items()), point.stamp_ns)
        for point in published(events[:before], standard)
    }
    late = {(point.measurement, *sorted(point.tags.items()), point.stamp_ns) for point in published(events, standard)}

    assert early <= late


@given(histories(), standards)
@settings(max_examples=examples(60))
def test_hours_make_shifts_and_days(events: list[Journaled], standard: StationStandard) -> None:
    """The hours inside a shift add up to the shift, in seconds and in units: none reaches over a shift's border."""
    counted = {event.event.kind for event in events if isinstance(event.event, UnitsCounted)}
    derived = {"produced"} if CountKind.GOOD in counted else {"produced", "good"}
    points = [point for point in published(events, standard) if point.measurement == "kpi"]
    for shift in CALENDAR.windows(WindowKind.SHIFT, WHOLE):
        hours = list(cells(CALENDAR, shift.interval))
        assert (hours[0].interval.start, hours[-1].interval.end) == (shift.interval.start, shift.interval.end)
    for longer in (point for point in points if point.tags["window"] == "shift"):
        end = longer.stamp_ns + us(longer, "window_s") * 1000
        inside = [
            point
            for point in points
            if point.tags["window"] == "hour" and longer.stamp_ns <= point.stamp_ns < max(end, 1)
        ]
        for field in ("pbt_s", "apt_s", "down_s", "no_data_s"):
            assert sum(us(point, field) for point in inside) == us(longer, field)
        for field in ("good", "scrap", "produced", "failures"):
            known = [int(point.fields[field]) for point in inside if field in point.fields]
            if field in derived and len(known) < len(inside):
                continue  # where one of its counters was not read for an hour, the others still count in the shift
            assert (sum(known) if known else None) == longer.fields.get(field)
