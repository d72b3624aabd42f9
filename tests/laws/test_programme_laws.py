"""Laws of the build programme, over zones, plans and cuttings."""

from datetime import UTC, datetime, time, timedelta, timezone
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mes.calendar import Calendar, Shift
from mes.intervals import Interval
from mes.model import ProductId, UnitId
from mes.oee.programme import BuildProgramme, Car, ProgrammeSection, Targets, over_takt, programme_report, takt, target

YEAR = 2024  # Asia/Qostanay changed its offset on 1 March
S3, S5, T6 = (ProductId(name) for name in ("S3", "S5", "T6"))
SHIFTS = (
    Shift("day", time(8), time(17), ((time(12), time(13)),), frozenset(range(5))),
    Shift("night", time(22), time(6), ((time(1, 45), time(2, 30)),)),
)
CALENDARS = [
    Calendar(ZoneInfo(name), SHIFTS, start)
    for name in ("Asia/Qostanay", "Europe/Berlin")
    for start in (time(), time(6))
]


class Facts(NamedTuple):
    name: str
    assembly_method: str
    market: str | None = None
    local_content_pct: float | None = None


FACTS = {S3: Facts("Sedan", "CKD", "KZ", 41.3), S5: Facts("Pickup", "DKD")}
calendars = st.sampled_from(CALENDARS)
seconds = st.integers(0, 366 * 86400)
few = settings(deadline=None, max_examples=examples(25))


@st.composite
def programmes(draw: st.DrawFn) -> BuildProgramme:
    """Some months named, or all, with or without a figure for the year."""
    plan: dict[tuple[int, int | None], dict[ProductId, int]] = {}
    for product in (S3, S5):
        own = draw(st.dictionaries(st.integers(1, 12), st.integers(0, 500), max_size=12))
        for month, cars in own.items():
            plan.setdefault((YEAR, month), {})[product] = cars
        if draw(st.booleans()):
            rest = draw(st.integers(0, 5000)) if len(own) < 12 else 0
            plan.setdefault((YEAR, None), {})[product] = sum(own.values()) + rest
    return BuildProgramme(plan)


@few
@given(programmes(), calendars, st.lists(seconds, min_size=2, max_size=8))
def test_targets_add_up_under_any_cutting(programme: BuildProgramme, calendar: Calendar, cuts: list[int]) -> None:
    """The targets of adjoining windows add up to the target of the whole, for all products and for each."""
    targets = Targets(programme, calendar)
    start = targets.year(YEAR).start - timedelta(days=3)
    edges = [start + timedelta(seconds=cut) for cut in sorted(cuts)]
    whole = Interval(edges[0], edges[-1])

    for products in (None, (S3,), (S5,)):
        parts = [targets.target(products, Interval(*pair)) for pair in pairwise(edges)]
        assert sum(parts) == targets.target(products, whole)
    assert targets.target((S3,), whole) + targets.target((S5,), whole) == targets.target(None, whole)


@few
@given(programmes(), calendars, st.lists(seconds, min_size=2, max_size=8))
def test_whole_cars_add_up_under_any_cutting(programme: BuildProgramme, calendar: Calendar, cuts: list[int]) -> None:
    """Whole cars of adjoining windows add up to those of the whole; each is less than one car from the exact share."""
    targets = Targets(programme, calendar)
    start = targets.year(YEAR).start - timedelta(days=3)
    windows = [Interval(*pair) for pair in pairwise(start + timedelta(seconds=cut) for cut in sorted(cuts))]
    whole = targets.whole_by_product(Interval(windows[0].start, windows[-1].end))

    for product in (S3, S5):
        assert sum(targets.whole_by_product(window).get(product, 0) for window in windows) == whole.get(product, 0)
        for window in windows:
            exact = targets.target((product,), window)
            assert abs(targets.whole_by_product(window).get(product, 0) - exact) < 1
    year = targets.whole_by_product(targets.year(YEAR))
    assert sum(year.values()) == targets.target(None, targets.year(YEAR))


@few
@given(programmes(), calendars)
def test_months_add_up_to_the_year(programme: BuildProgramme, calendar: Calendar) -> None:
    """The twelve months hold the year's figure exactly, and a month with a figure of its own holds that."""
    targets = Targets(programme, calendar)
    for product in programme.products(YEAR):
        months = [targets.target((product,), targets.month(YEAR, month)) for month in range(1, 13)]
        own = [programme.plan.get((YEAR, month), {}).get(product) for month in range(1, 13)]
        planned = sum(figure or 0 for figure in own)

        assert sum(months) == programme.plan.get((YEAR, None), {}).get(product, planned)
        assert [cars for cars, figure in zip(months, own, strict=True) if figure is not None] == [
            figure for figure in own if figure is not None
        ]
    assert targets.target(None, targets.year(YEAR)) == programme.cars(YEAR)
    assert targets.unplaced(YEAR) == 0


@few
@given(programmes(), calendars, seconds)
def test_hours_add_up_to_the_shift(programme: BuildProgramme, calendar: Calendar, second: int) -> None:
    """The targets of a shift's hours, cut at its edges, add up to the shift's target."""
    targets = Targets(programme, calendar)
    instant = targets.year(YEAR).start + timedelta(seconds=second)
    for shift in calendar.shifts(Interval(instant, instant + timedelta(days=3))):
        hours = [hour.interval.clip(shift.interval) for hour in calendar.hours(shift.interval)]

        assert sum(targets.target(None, hour) for hour in hours if hour) == targets.target(None, shift.interval)


@few
@given(programmes(), calendars, seconds, seconds, st.integers(-12, 14))
def test_the_label_of_a_zone_changes_nothing(
    programme: BuildProgramme, calendar: Calendar, one: int, other: int, offset_h: int
) -> None:
    """The same instants have the same target, whatever offset they are written with and whoever remembers months."""
    targets = Targets(programme, calendar)
    start, end = (targets.year(YEAR).start + timedelta(seconds=second) for second in sorted((one, other)))
    zone = timezone(timedelta(hours=offset_h))
    labelled = Interval(start.astimezone(zone), end.astimezone(zone))

    assert targets.target(None, labelled) == targets.target(None, Interval(start, end))
    assert target(programme, None, labelled, calendar) == targets.target(None, labelled)


def test_zones_of_one_offset_are_one() -> None:
    """Asia/Qostanay after its change and a zone that always was at UTC+5 have the same targets."""
    programme = BuildProgramme({(2025, None): {S3: 5000}, (2025, 2): {S3: 100}})
    one, other = (Targets(programme, Calendar(ZoneInfo(name), SHIFTS)) for name in ("Asia/Qostanay", "Etc/GMT-5"))

    for month in range(1, 13):
        assert one.month(2025, month) == other.month(2025, month)
        assert one.target(None, one.month(2025, month)) == other.target(None, other.month(2025, month))


@given(st.integers(1, 10**6), st.fractions(Fraction(1, 100), 1000), st.lists(st.integers(0, 10**4), max_size=9))
def test_takt_times_demand_is_the_time(planned_s: int, demand: Fraction, cycles_s: list[int]) -> None:
    """Takt × demand is the available time within half a microsecond a car; cycles at takt overrun by nothing."""
    planned = timedelta(seconds=planned_s)
    found = takt(planned, demand)
    cycles = [timedelta(seconds=cycle_s) for cycle_s in cycles_s]

    assert found is not None
    assert abs(found // timedelta(microseconds=1) * demand - planned_s * 10**6) <= demand / 2
    assert over_takt([found] * len(cycles), found) == timedelta()
    assert over_takt(cycles, found) >= sum(cycles, timedelta()) - found * len(cycles)


def splits(section: ProgrammeSection) -> list[tuple[int, Fraction, Fraction]]:
    rows = (section.by_model, section.by_assembly_method, section.by_market)
    return [
        (
            sum(row.built or 0 for row in split),
            sum((row.plan for row in split), Fraction(0)),
            sum((row.plan_to_date for row in split), Fraction(0)),
        )
        for split in rows
    ]


@few
@given(
    programmes(),
    calendars,
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from([S3, S5, T6, None]), seconds), max_size=30),
    seconds,
)
def test_the_report_adds_up(
    programme: BuildProgramme, calendar: Calendar, built: list[tuple[int, ProductId | None, int]], second: int
) -> None:
    """Models, methods, markets and months each add up to the whole; every unit before the present counts once."""
    targets = Targets(programme, calendar)
    year = targets.year(YEAR)
    until = year.start + timedelta(seconds=second)
    cars = [Car(UnitId(f"{unit}"), product, year.start + timedelta(seconds=at)) for unit, product, at in built]

    report = programme_report(cars, FACTS, targets, calendar, year, until)

    for section in (report.whole, *report.months.values()):
        all_cars = section.total
        assert splits(section) == [(all_cars.built, all_cars.plan, all_cars.plan_to_date)] * 3
        shares = [row.share for row in section.by_model if row.share is not None]
        assert sum(shares) == (1 if all_cars.built else 0)
        content = section.local_content
        assert (content.cars or 0) + (content.cars_without_figure or 0) == all_cars.built
    assert report.whole.total.built == len({car.unit for car in cars if car.time < min(until, year.end)})
    assert report.whole.total.built == sum(month.total.built or 0 for month in report.months.values())
    assert report.whole.total.plan == programme.cars(YEAR)
    assert report.whole.total.plan_to_date == sum(month.total.plan_to_date for month in report.months.values())


@few
@given(programmes(), calendars, seconds, seconds)
def test_what_was_built_before_the_station_was_seen_is_not_known(
    programme: BuildProgramme, calendar: Calendar, first_second: int, second: int
) -> None:
    """No section that has passed before then has a number, and the one in which it was first seen says so."""
    targets = Targets(programme, calendar)
    year = targets.year(YEAR)
    since, until = (year.start + timedelta(seconds=after) for after in (first_second, second))
    cars = [Car(UnitId("1"), S3, since)] if since < until else []

    report = programme_report(cars, FACTS, targets, calendar, year, until, known_since=since)

    for section in (report.whole, *report.months.values()):
        passed = section.window.before(until)
        is_unknown = passed.start < passed.end <= since
        rows = [section.total, *section.by_model, *section.by_assembly_method, *section.by_market]
        assert {(row.built is None, row.ahead is None) for row in rows} == {(is_unknown, is_unknown)}
        assert not is_unknown or {(row.attainment, row.share) for row in rows} == {(None, None)}
        assert (section.local_content.cars is None) == is_unknown
        assert section.at_least == (passed.start < since < passed.end)
    assert sum(month.total.built or 0 for month in report.months.values()) == len(cars)
    assert report.forecast is None or cars


@few
@given(programmes(), calendars, st.integers(1, 9))
def test_at_the_end_of_the_year_the_forecast_is_what_was_built(
    programme: BuildProgramme, calendar: Calendar, number: int
) -> None:
    """With all of the year's planned time spent, the present rate foretells what is there."""
    targets = Targets(programme, calendar)
    year = targets.year(YEAR)
    cars = [Car(UnitId(f"{index}"), S3, year.start + timedelta(days=30 * index)) for index in range(number)]

    report = programme_report(cars, FACTS, targets, calendar, year, datetime(YEAR + 1, 3, 1, tzinfo=UTC))

    assert report.forecast == report.whole.total.built == number
