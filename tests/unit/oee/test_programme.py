"""The build programme on chosen days: plans, targets, takt, the hour-by-hour board and the report."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from events import S3, at, counted, state
from oee_histories import between, standard

from mes.calendar import Calendar, Shift, Window, WindowKind
from mes.intervals import Interval
from mes.model import CountKind, ProductId, State, StationEvent, StationStandard, UnitId
from mes.oee.kpi import kpi
from mes.oee.programme import (
    ALL,
    KEPT_SUMS,
    UNKNOWN,
    BuildProgramme,
    Car,
    LocalContent,
    LossKind,
    ProductFacts,
    ProgrammeRow,
    Targets,
    hour_by_hour,
    over_takt,
    programme_report,
    takt,
    target,
)
from mes.oee.timeline import timeline

KOSTANAY = ZoneInfo("Asia/Qostanay")
BERLIN = ZoneInfo("Europe/Berlin")
S5 = ProductId("S5")
T6 = ProductId("T6")
LOST = ProductId("lost")
ROUND_THE_CLOCK = Shift("all", time(0), time(0))
DAY_SHIFT = Shift("day", time(8), time(17), ((time(12), time(13)),))
NIGHT = Shift("night", time(22), time(6))
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TWELVE_CARS: dict[tuple[int, int | None], dict[ProductId, int]] = {(2026, month): {S3: 1} for month in range(1, 13)}


class Facts(NamedTuple):
    name: str
    assembly_method: str
    market: str | None = None
    local_content_pct: float | None = None


PRODUCTS: Mapping[ProductId, ProductFacts] = {
    S3: Facts("Sedan", "CKD", "KZ", 41.3),
    S5: Facts("Wagon", "CKD", "UZ", 30.0),
    T6: Facts("Pickup", "DKD"),
}


def kostanay(wall: datetime) -> datetime:
    return Calendar(KOSTANAY, ()).to_utc(wall)


def car(number: int, product: ProductId | None, when: datetime) -> Car:
    return Car(UnitId(f"VIN{number}"), product, when)


def told(rows: tuple[ProgrammeRow, ...]) -> list[tuple[object, ...]]:
    return [(entry.label, entry.built, entry.plan, entry.plan_to_date) for entry in rows]


def row(rows: tuple[ProgrammeRow, ...], label: str) -> ProgrammeRow:
    return next(entry for entry in rows if entry.label == label)


def test_a_month_takes_its_own_figure_and_the_others_share_the_rest() -> None:
    """A month planned by itself has that figure; the rest of the year's is spread by planned time."""
    programme = BuildProgramme({(2026, None): {S3: 1200}, (2026, 1): {S3: 100}})
    targets = Targets(programme, Calendar(BERLIN, (DAY_SHIFT,)))

    assert targets.target((S3,), targets.month(2026, 1)) == 100
    assert targets.target((S3,), targets.month(2026, 2)) == Fraction(1100 * 28, 334)
    assert targets.target((S3,), targets.month(2026, 3)) == Fraction(1100 * 31, 334)
    assert targets.target((S3,), targets.year(2026)) == 1200
    assert targets.unplaced(2026) == 0


def test_each_product_stands_for_itself() -> None:
    """A month that names one product leaves another's share of the year as it is; products are chosen, None is all."""
    programme = BuildProgramme({(2026, None): {S5: 365}, (2026, 1): {S3: 62}})
    calendar = Calendar(BERLIN, (DAY_SHIFT,))
    january = Targets(programme, calendar).month(2026, 1)

    assert target(programme, (S3,), january, calendar) == 62
    assert target(programme, (S5,), january, calendar) == 31
    assert target(programme, None, january, calendar) == 93
    assert target(programme, (), january, calendar) == 0
    assert Targets(programme, calendar).by_product(january) == {S3: 62, S5: 31}


def test_without_a_figure_for_the_year_a_month_not_named_has_no_cars() -> None:
    """No plan is a target of zero: months not named, products not named, years not named, and a plan of zero."""
    targets = Targets(BuildProgramme({(2026, 1): {S3: 62, S5: 0}}), Calendar(BERLIN, (DAY_SHIFT,)))

    assert targets.target(None, targets.month(2026, 2)) == 0
    assert targets.target((T6,), targets.year(2026)) == 0
    assert targets.target((S5,), targets.year(2026)) == 0
    assert targets.target(None, targets.year(2027)) == 0
    assert targets.by_product(targets.year(2027)) == {}
    assert targets.target(None, targets.year(2026)) == 62


def test_whole_cars_do_not_depend_on_what_was_asked_before() -> None:
    """A minute's whole cars are the same before and after more borders than are kept."""
    targets = Targets(BuildProgramme({(2026, None): {S3: 500_000}}), Calendar(KOSTANAY, (ROUND_THE_CLOCK,)))
    start = targets.year(2026).start
    minutes = [Interval(start + MINUTE * number, start + MINUTE * (number + 1)) for number in range(KEPT_SUMS + 5)]
    first = [targets.whole_by_product(minute)[S3] for minute in minutes]

    assert [targets.whole_by_product(minute)[S3] for minute in minutes] == first
    assert sum(first) == targets.whole_by_product(Interval(start, minutes[-1].end))[S3]
    assert set(first) == {0, 1}


def test_an_empty_window_has_no_cars() -> None:
    """Nothing is planned for no time at all."""
    targets = Targets(BuildProgramme({(2026, None): {S3: 1200}}), Calendar(BERLIN, (ROUND_THE_CLOCK,)))
    noon = datetime(2026, 5, 5, 12, tzinfo=UTC)

    assert targets.target(None, Interval(noon, noon)) == 0


@pytest.mark.parametrize(
    ("zone", "year", "month", "hours"),
    [(KOSTANAY, 2024, 2, 29 * 24 + 1), (KOSTANAY, 2024, 3, 31 * 24), (BERLIN, 2026, 3, 743), (BERLIN, 2026, 10, 745)],
)
def test_a_month_in_which_clocks_change_is_as_long_as_it_is(zone: ZoneInfo, year: int, month: int, hours: int) -> None:
    """A car planned for each true hour of a month is one car in each hour, also where clocks change."""
    programme = BuildProgramme({(year, month): {S3: hours}})
    targets = Targets(programme, Calendar(zone, (ROUND_THE_CLOCK,)))
    whole = targets.month(year, month)

    assert whole.length == hours * HOUR
    for start in (whole.start, whole.end - HOUR, whole.end - 2 * HOUR):
        assert targets.target(None, Interval(start, start + HOUR)) == 1


def test_a_month_begins_and_ends_with_its_production_days() -> None:
    """The night after the last of March is March's until the production day ends at 06:00."""
    calendar = Calendar(KOSTANAY, (NIGHT,), time(6))
    targets = Targets(BuildProgramme({(2024, 3): {S3: 31 * 8}}), calendar)
    small_hours = Interval(kostanay(datetime(2024, 4, 1)), kostanay(datetime(2024, 4, 1, 6)))  # noqa: DTZ001
    april = Interval(small_hours.end, kostanay(datetime(2024, 4, 30)))  # noqa: DTZ001

    assert targets.month(2024, 3).start == datetime(2024, 3, 1, 1, tzinfo=UTC)
    assert targets.target(None, small_hours) == 6
    assert targets.target(None, april) == 0
    assert [(year, month) for year, month, _ in targets.parts(Interval(small_hours.start, april.end))] == [
        (2024, 3),
        (2024, 4),
    ]


def test_a_plan_where_no_work_is_planned_is_shown_as_unplaced() -> None:
    """Cars planned for a month without planned time are in no target, and are told."""
    july = {date(2026, 7, day): () for day in range(1, 32)}
    programme = BuildProgramme({(2026, None): {S3: 150}, (2026, 7): {S3: 50}})
    targets = Targets(programme, Calendar(BERLIN, (DAY_SHIFT,), exceptions=july))

    assert targets.target(None, targets.month(2026, 7)) == 0
    assert targets.target(None, targets.year(2026)) == 100
    assert targets.unplaced(2026) == 50
    assert programme.cars(2026) == 150


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({(2026, 13): {S3: 1}}, "there is no month 13"),
        ({(2026, 0): {S3: 1}}, "there is no month 0"),
        ({(2026, 1): {S3: -1}}, "S3 has a negative figure, -1"),
        ({(2026, None): {S3: 9}, (2026, 1): {S3: 10}}, "the months of S3 do not add up"),
        ({**TWELVE_CARS, (2026, None): {S3: 13}}, "the months of S3 do not add"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(
    plan: Mapping[tuple[int, int | None], Mapping[ProductId, int]], message: str
) -> None:
    """A month that does not exist, a negative figure, and months that cannot add up to the year raise ValueError."""
    with pytest.raises(ValueError, match=message):
        BuildProgramme(plan)


def test_takt_is_available_time_per_car() -> None:
    """Takt is net available time / demand to the nearest microsecond, and undefined where nothing is demanded."""
    assert takt(8 * HOUR, Fraction(160)) == timedelta(minutes=3)
    assert takt(HOUR, Fraction(1, 7)) == 7 * HOUR
    assert takt(HOUR, Fraction(7)) == timedelta(microseconds=514285714)
    assert takt(HOUR, Fraction(0)) is None


def test_only_cycles_beyond_takt_count() -> None:
    """A cycle faster than takt does not make up for a slower one."""
    assert over_takt([2 * MINUTE, 5 * MINUTE, 4 * MINUTE], 3 * MINUTE) == 3 * MINUTE
    assert over_takt([], 3 * MINUTE) == timedelta()


def hour(number: int) -> Window:
    return Window(WindowKind.HOUR, f"{number}", date(2026, 3, 2), between(number * 60, number * 60 + 60))


def test_an_hour_shows_its_largest_loss() -> None:
    """A stop, a speed loss or a quality loss is shown, whichever took the most; none where nothing was lost."""
    events: list[StationEvent] = [
        state(0, State.PRODUCING),
        counted(25, 12),
        state(30, State.DOWN),
        state(50, State.PRODUCING),
        counted(90, 10),
        counted(150, 10),
        counted(160, 20, CountKind.SCRAP),
        counted(210, 30),
        state(240, State.PLANNED_STOP),
        state(250, State.STARVED),
    ]
    hours = [hour(number) for number in range(5)]
    line, planned = timeline(events), (between(0, 300),)
    figures = [(window, kpi(line, window.interval, planned, standard(), until=at(300))) for window in hours]

    rows = hour_by_hour(figures, [Fraction(25, 2)] * 5)

    assert [slot.window for slot in rows] == hours
    assert [slot.planned for slot in rows] == [HOUR] * 5
    assert [slot.actual for slot in rows] == [12, 10, 10, 30, 0]
    assert [slot.cumulative_actual for slot in rows] == [12, 22, 32, 62, 62]
    assert [slot.target for slot in rows] == [Fraction(25, 2)] * 5
    assert [slot.cumulative_target for slot in rows] == [Fraction(25 * number, 2) for number in range(1, 6)]
    assert [(slot.largest_loss, slot.largest_loss_time) for slot in rows] == [
        (LossKind.DOWN, 20 * MINUTE),
        (LossKind.SPEED, 40 * MINUTE),
        (LossKind.QUALITY, 40 * MINUTE),
        (None, timedelta()),
        (LossKind.STARVED, 50 * MINUTE),
    ]


def test_a_speed_loss_that_is_not_known_is_not_shown() -> None:
    """Where a product has no ideal cycle time only stops can be the largest loss."""
    events: list[StationEvent] = [state(0, State.PRODUCING), counted(10, 1, product=S5), state(50, State.SETUP)]
    line = timeline(events)
    known = StationStandard(ideal_cycle={S3: 2 * MINUTE}, minor_stop=6 * MINUTE)
    figures = kpi(line, hour(0).interval, (between(0, 60),), known, until=at(60))

    (row,) = hour_by_hour([(hour(0), figures)], [Fraction(1)])

    assert (row.largest_loss, row.largest_loss_time) == (LossKind.SETUP, 10 * MINUTE)


def test_hours_and_targets_must_be_as_many() -> None:
    """A target without its hour raises ValueError."""
    with pytest.raises(ValueError, match="longer"):
        hour_by_hour([], [Fraction(1)])


CALENDAR = Calendar(KOSTANAY, (DAY_SHIFT,), time(6))
PLAN = BuildProgramme({(2026, 1): {S3: 31, S5: 62}, (2026, 2): {S3: 56, T6: 28}})
TARGETS = Targets(PLAN, CALENDAR)
JANUARY, FEBRUARY = TARGETS.month(2026, 1), TARGETS.month(2026, 2)
BOTH = Interval(JANUARY.start, FEBRUARY.end)
MID_FEBRUARY = FEBRUARY.start + timedelta(days=14)


def test_the_report_holds_built_against_plan_to_date() -> None:
    """Each month and all of them: built, plan, plan to date, attainment, cars ahead, and the share of each model."""
    cars = [
        *(car(number, S3, JANUARY.start + number * HOUR) for number in range(30)),
        *(car(100 + number, T6, FEBRUARY.start + number * HOUR) for number in range(10)),
        car(200, S3, MID_FEBRUARY),
    ]

    report = programme_report(cars, PRODUCTS, TARGETS, CALENDAR, BOTH, MID_FEBRUARY)

    january, february = report.months[1], report.months[2]
    assert (report.year, report.until, list(report.months)) == (2026, MID_FEBRUARY, [1, 2])
    assert (january.window, february.window, report.whole.window) == (JANUARY, FEBRUARY, BOTH)
    assert january.total == ProgrammeRow(
        label=ALL, built=30, plan=Fraction(93), plan_to_date=Fraction(93), share=Fraction(1)
    )
    assert january.total.attainment == Fraction(30, 93)
    assert january.total.ahead == -63
    assert told((february.total,)) == [(ALL, 10, 84, 42)]
    assert told(report.whole.by_model) == [("Pickup", 10, 28, 14), ("Sedan", 30, 87, 59), ("Wagon", 0, 62, 62)]
    assert [entry.share for entry in report.whole.by_model] == [Fraction(1, 4), Fraction(3, 4), 0]
    assert told(report.whole.by_assembly_method) == [("CKD", 30, 149, 121), ("DKD", 10, 28, 14)]
    assert [(entry.label, entry.built) for entry in report.whole.by_market] == [("KZ", 30), ("UZ", 0), (UNKNOWN, 10)]
    assert report.forecast == Fraction(40 * 365, 45)
    assert report.unplaced == 0


def test_a_unit_that_is_good_twice_counts_once() -> None:
    """The first time counts, in whatever order cars are told, and in no later month again."""
    cars = [car(1, S3, FEBRUARY.start), car(1, S3, JANUARY.start), car(1, S3, JANUARY.start + HOUR)]

    report = programme_report(cars, PRODUCTS, TARGETS, CALENDAR, BOTH, FEBRUARY.end)

    assert (report.months[1].total.built, report.months[2].total.built, report.whole.total.built) == (1, 0, 1)
    assert programme_report(cars, PRODUCTS, TARGETS, CALENDAR, FEBRUARY, FEBRUARY.end).whole.total.built == 0


def test_what_is_not_known_is_a_line_of_its_own() -> None:
    """A car of no known product is "unknown"; a product without facts goes by its id; unknown comes last."""
    cars = [car(1, None, JANUARY.start), car(2, LOST, JANUARY.start), car(3, S3, JANUARY.start)]

    whole = programme_report(cars, PRODUCTS, TARGETS, CALENDAR, JANUARY, JANUARY.end).whole

    assert [(entry.label, entry.built) for entry in whole.by_model] == [
        ("Pickup", 0),
        ("Sedan", 1),
        ("Wagon", 0),
        ("lost", 1),
        (UNKNOWN, 1),
    ]
    assert row(whole.by_assembly_method, UNKNOWN).built == 2
    assert row(whole.by_market, UNKNOWN).built == 2
    assert row(whole.by_model, UNKNOWN).attainment is None
    assert row(whole.by_model, "lost").ahead == 1


def test_local_content_is_of_cars_with_a_figure() -> None:
    """The mean weighs by cars, takes decimals as written, and says how many cars had no figure."""
    products = [S3, S3, S5, T6, LOST, None]
    cars = [car(number, product, JANUARY.start) for number, product in enumerate(products)]

    whole = programme_report(cars, PRODUCTS, TARGETS, CALENDAR, JANUARY, JANUARY.end).whole

    assert whole.local_content == LocalContent(Fraction("112.6") / 3, 3, 3)


def test_before_anything_is_built_there_is_no_rate() -> None:
    """Nothing built: no forecast, no shares, no local content; nothing planned to date: no attainment."""
    report = programme_report([], PRODUCTS, TARGETS, CALENDAR, BOTH, JANUARY.start - HOUR)

    assert report.forecast is None
    assert report.whole.total == ProgrammeRow(
        label=ALL, built=0, plan=Fraction(177), plan_to_date=Fraction(0), share=None
    )
    assert report.whole.total.attainment is None
    assert report.whole.total.ahead == 0
    assert report.whole.local_content == LocalContent(None, 0, 0)


def test_cars_built_before_any_planned_time_make_no_forecast() -> None:
    """Without planned time so far there is no rate, whatever was built."""
    cars = [car(1, S3, JANUARY.start)]

    report = programme_report(cars, PRODUCTS, TARGETS, CALENDAR, JANUARY, JANUARY.start + HOUR)

    assert (report.whole.total.built, report.forecast) == (1, None)


@pytest.mark.parametrize(
    "window",
    [
        Interval(JANUARY.start, JANUARY.end - HOUR),
        Interval(JANUARY.start + HOUR, JANUARY.end),
        Interval(JANUARY.start, JANUARY.start),
        Interval(TARGETS.month(2025, 12).start, JANUARY.end),
    ],
)
def test_a_report_is_about_whole_months_of_one_year(window: Interval) -> None:
    """Any other window raises ValueError."""
    with pytest.raises(ValueError, match="whole months of one year"):
        programme_report([], PRODUCTS, TARGETS, CALENDAR, window, JANUARY.end)
