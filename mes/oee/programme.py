"""The build programme: cars planned for any window, takt, the hour-by-hour board, and what was built against the plan.

Shares of cars are exact fractions, so that hours add up to shifts and months to the year without a remainder.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from math import floor
from typing import Protocol

from mes.calendar import Calendar, Window
from mes.intervals import BEGINNING_OF_TIME, MICROSECOND, Interval, total
from mes.model import ProductId, UnitId
from mes.oee.components import LOSSES, NO_TIME, Kpi

ALL = "all"
UNKNOWN = "unknown"
NO_PRODUCT = ProductId("")
MONTHS = range(1, 13)
NOTHING = Fraction(0)
HALF = Fraction(1, 2)
KEPT_SUMS = 1024


@dataclass(frozen=True, slots=True)
class BuildProgramme:
    """Planned cars by (year, month) and product; (year, None) is the figure of the whole year.

    Each product is planned by itself. A month that names it takes that figure. The rest of the year's figure belongs to
    all months of the year that do not name it. Without a figure for the year those months have none. Raises ValueError
    for a month outside 1..12, a negative figure, or months that exceed their year. It also does for a year that exceeds
    its months where each has a figure.
    """

    plan: Mapping[tuple[int, int | None], Mapping[ProductId, int]]

    def __post_init__(self) -> None:
        for (year, month), cars in self.plan.items():
            if month is not None and month not in MONTHS:
                raise ValueError(f"the plan of {year}: there is no month {month}")
            for product, figure in cars.items():
                if figure < 0:
                    raise ValueError(f"the plan of {year}: {product} has a negative figure, {figure}")
        for year in {year for year, _ in self.plan}:
            for product in self.products(year):
                rest, months = self._rest(product, year), self._open_months(product, year)
                if rest < 0 or (rest > 0 and not months):
                    raise ValueError(f"the plan of {year}: the months of {product} do not add up to the year's figure")

    def products(self, year: int) -> tuple[ProductId, ...]:
        """All that the plan names for a year, sorted."""
        return tuple(
            sorted(
                {product for (planned_year, _), cars in self.plan.items() if planned_year == year for product in cars}
            )
        )

    def cars(self, year: int) -> int:
        """All cars planned for a year."""
        own = sum(sum(self.plan.get((year, month), {}).values()) for month in MONTHS)
        return own + sum(self._rest(product, year) for product in self.products(year))

    def figure(self, product: ProductId, year: int, month: int) -> tuple[int, tuple[int, ...]]:
        """The cars planned for a month, and the months (1..12) that share them: itself alone if it is named."""
        own = self.plan.get((year, month), {}).get(product)
        return (self._rest(product, year), self._open_months(product, year)) if own is None else (own, (month,))

    def _open_months(self, product: ProductId, year: int) -> tuple[int, ...]:
        return tuple(month for month in MONTHS if product not in self.plan.get((year, month), {}))

    def _rest(self, product: ProductId, year: int) -> int:
        whole = self.plan.get((year, None), {}).get(product)
        return 0 if whole is None else whole - sum(self.plan.get((year, month), {}).get(product, 0) for month in MONTHS)


@dataclass(frozen=True, slots=True)
class Targets:
    """The programme laid over the calendar; it remembers how much time is planned in a month.

    Months and years are those of production days: the first of a month begins at the calendar's `day_start`.
    """

    programme: BuildProgramme
    calendar: Calendar
    _planned: dict[tuple[int, int], timedelta] = field(default_factory=dict, init=False, repr=False, compare=False)
    _whole: dict[tuple[int, datetime], Mapping[ProductId, int]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def target(self, products: Collection[ProductId] | None, window: Interval) -> Fraction:
        """Cars planned for `window`, of some products or (None) of all; exactly additive over adjoining windows.

        The figure of the month × planned time in the window / planned time of the months that share the figure.
        """
        found = self.by_product(window)
        return sum((cars for product, cars in found.items() if products is None or product in products), NOTHING)

    def by_product(self, window: Interval) -> dict[ProductId, Fraction]:
        """The same for each product that the plan names for a year in which the window has a part."""
        found: dict[ProductId, Fraction] = defaultdict(Fraction)
        for year, month, part in self.parts(window):
            is_whole = part == self.month(year, month)
            time = self.planned(year, month) if is_whole else total(self.calendar.planned(part))
            for product in self.programme.products(year):
                cars, months = self.programme.figure(product, year, month)
                whole = sum((self.planned(year, planned_month) for planned_month in months), NO_TIME)
                found[product] += cars * _fraction(time, whole) if whole else NOTHING
        return dict(found)

    def whole_by_product(self, window: Interval) -> dict[ProductId, int]:
        """The same in whole cars: each counts in the window in which the plan since New Year rounds up to it.

        Additive like the exact shares, and less than one car away from them.
        """
        found: dict[ProductId, int] = defaultdict(int)
        for year in dict.fromkeys(year for year, _, _ in self.parts(window)):
            whole = self.year(year)
            edges = (max(whole.start, window.start), min(whole.end, window.end))
            before, after = (self._whole_since_new_year(year, at) for at in edges)
            for product, cars in after.items():
                found[product] += cars - before.get(product, 0)
        return dict(found)

    def _whole_since_new_year(self, year: int, until: datetime) -> Mapping[ProductId, int]:
        """Kept for a while: windows share their borders, and lines their windows."""
        if (year, until) not in self._whole:
            if len(self._whole) >= KEPT_SUMS:
                self._whole.clear()
            exact = self.by_product(Interval(self.year(year).start, until))
            self._whole[year, until] = {product: floor(cars + HALF) for product, cars in exact.items()}
        return self._whole[year, until]

    def unplaced(self, year: int) -> int:
        """Cars that the plan puts where the calendar plans no work at all, so that no target can hold them."""
        return int(self.programme.cars(year) - self.target(None, self.year(year)))

    def planned(self, year: int, month: int) -> timedelta:
        """Planned time of a month."""
        if (year, month) not in self._planned:
            self._planned[year, month] = total(self.calendar.planned(self.month(year, month)))
        return self._planned[year, month]

    def month(self, year: int, month: int) -> Interval:
        """From the start of the production day of the first to that of the next month's."""
        return Interval(self._first(year, month), self._first(*_next(year, month)))

    def year(self, year: int) -> Interval:
        """Twelve months."""
        return Interval(self._first(year, 1), self._first(year + 1, 1))

    def parts(self, window: Interval) -> Iterator[tuple[int, int, Interval]]:
        """`window` cut into months: year, month and what of the window lies there, in the order of time."""
        day = self.calendar.day_of(window.start)
        year, month = day.year, day.month
        while (whole := self.month(year, month)).start < window.end:
            if part := whole.clip(window):
                yield year, month, part
            year, month = _next(year, month)

    def _first(self, year: int, month: int) -> datetime:
        return self.calendar.to_utc(datetime.combine(date(year, month, 1), self.calendar.day_start))


def target(
    programme: BuildProgramme, products: Collection[ProductId] | None, window: Interval, calendar: Calendar
) -> Fraction:
    """Cars planned for one window; who asks for many keeps a `Targets`."""
    return Targets(programme, calendar).target(products, window)


def takt(planned: timedelta, demand: Fraction) -> timedelta | None:
    """Net available time / cars demanded in it, to the nearest microsecond; None where nothing is demanded."""
    return MICROSECOND * round((planned // MICROSECOND) / demand) if demand > 0 else None


def over_takt(cycle_times: Iterable[timedelta], takt: timedelta) -> timedelta:
    """Σ max(0, cycle − takt): the time by which cycles overran; faster cycles do not make up for it."""
    return sum((max(NO_TIME, cycle_time - takt) for cycle_time in cycle_times), NO_TIME)


class LossKind(StrEnum):
    """What can take the most from an hour; where two took the same, the one named first here is shown."""

    MINOR_STOPS = "minor_stops"
    DOWN = "down"
    SETUP = "setup"
    IDLE = "idle"
    STARVED = "starved"
    BLOCKED = "blocked"
    NO_DATA = "no_data"
    SPEED = "speed"  # running time beyond the ideal time of what was made
    QUALITY = "quality"  # the ideal time of what was not good


@dataclass(frozen=True, slots=True, kw_only=True)
class HourRow:
    """An hour of the board. `planned` is the calendar's, as far as the hour's figures reach; `actual` are good units.

    `largest_loss` is None, and its time zero, where nothing was lost. `actual` is None where it is not known, and so is
    the sum from that hour on. `at_least`: a counter was not read in a part of the hour, so that `actual` is at least so
    much; `cumulative_at_least`: so it was in this hour or one before.
    """

    window: Window
    planned: timedelta
    target: Fraction
    actual: int | None
    at_least: bool
    cumulative_target: Fraction
    cumulative_actual: int | None
    cumulative_at_least: bool
    largest_loss: LossKind | None
    largest_loss_time: timedelta


def hour_by_hour(kpis: Sequence[tuple[Window, Kpi]], targets: Sequence[Fraction]) -> tuple[HourRow, ...]:
    """A row for each hour with sums since the first. Raises ValueError unless there are as many targets as hours.

    An hour of which nothing is known takes the sum away, unless nothing was planned in it.
    """
    rows: list[HourRow] = []
    planned_cars = NOTHING
    good: int | None = 0
    at_least = False
    for (window, kpi), hour_target in zip(kpis, targets, strict=True):
        actual = kpi.count("good")
        planned_cars += hour_target
        planned = kpi.pbt + kpi.planned_stops
        if actual is not None or planned:
            good = None if good is None or actual is None else good + actual
        at_least = at_least or kpi.units_missing
        loss, time = _largest_loss(kpi)
        rows.append(
            HourRow(
                window=window,
                planned=planned,
                target=hour_target,
                actual=actual,
                at_least=kpi.units_missing,
                cumulative_target=planned_cars,
                cumulative_actual=good,
                cumulative_at_least=at_least,
                largest_loss=loss,
                largest_loss_time=time,
            )
        )
    return tuple(rows)


def _largest_loss(kpi: Kpi) -> tuple[LossKind | None, timedelta]:
    """Speed and quality losses count only where they are known and above zero."""
    lost = {LossKind(loss.value): kpi.spent(loss) for loss in LOSSES}
    lost |= {LossKind.SPEED: kpi.speed_loss or NO_TIME, LossKind.QUALITY: kpi.sum_pri_rejected or NO_TIME}
    largest = max(lost, key=lost.__getitem__)
    return (largest, lost[largest]) if lost[largest] > NO_TIME else (None, NO_TIME)


@dataclass(frozen=True, slots=True)
class Car:
    """A unit that left the exit station good at `time`; `product` None: which one it is could not be told."""

    unit: UnitId
    product: ProductId | None
    time: datetime


class ProductFacts(Protocol):
    """What the report must know of a product; `local_content_pct` is the home-made share of its value, 0..100."""

    @property
    def name(self) -> str: ...  # noqa: D102 - the class says it
    @property
    def assembly_method(self) -> str: ...  # noqa: D102
    @property
    def market(self) -> str | None: ...  # noqa: D102
    @property
    def local_content_pct(self) -> float | None: ...  # noqa: D102


Products = Mapping[ProductId, ProductFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeRow:
    """Cars under one label; `plan` is the whole window's, `share` the part of all cars built, None without any.

    `built` None: not known, for the station was first seen later.
    """

    label: str
    built: int | None
    plan: Fraction
    plan_to_date: Fraction
    share: Fraction | None

    @property
    def attainment(self) -> Fraction | None:
        """Built / plan to date; None where nothing was planned, or what was built is not known."""
        return self.built / self.plan_to_date if self.built is not None and self.plan_to_date else None

    @property
    def ahead(self) -> Fraction | None:
        """Cars built beyond the plan to date; negative: behind it; None where it is not known what was built."""
        return None if self.built is None else self.built - self.plan_to_date


@dataclass(frozen=True, slots=True)
class LocalContent:
    """Σ(cars·local content) / Σ cars in percent, None without such cars, over the `cars` whose product has a figure.

    Both numbers of cars are None where it is not known what was built.
    """

    mean_pct: Fraction | None
    cars: int | None
    cars_without_figure: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeSection:
    """Built against plan in a window, in all and split three ways; the rows of each split add up to `total`.

    `at_least`: the station was first seen in the window, so that at least so many cars were built.
    """

    window: Interval
    at_least: bool
    total: ProgrammeRow
    by_model: tuple[ProgrammeRow, ...]
    by_assembly_method: tuple[ProgrammeRow, ...]
    by_market: tuple[ProgrammeRow, ...]
    local_content: LocalContent


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeReport:
    """Months of one year, by their number, and the `whole` of them, as things stood at `until`.

    `forecast`: cars in the whole year if each hour of planned time brings what it brought since the station was first
    seen in the window; None before anything is built. `unplaced`: cars of the year's plan for which the calendar plans
    no work; no row has them.
    """

    year: int
    until: datetime
    months: Mapping[int, ProgrammeSection]
    whole: ProgrammeSection
    forecast: Fraction | None
    unplaced: int


def programme_report(
    cars: Sequence[Car],
    products: Products,
    targets: Targets,
    calendar: Calendar,
    window: Interval,
    until: datetime,
    *,
    known_since: datetime = BEGINNING_OF_TIME,
) -> ProgrammeReport:
    """Cars built before `until` against the plan; `calendar` is that of `targets`.

    `known_since`: when the station was first seen; what was built before is not known.
    A unit counts once, when it first comes: let `cars` reach back as far as one may come again. A product that is not
    in `products` goes by its id, its method and market are "unknown". Raises ValueError unless `window` is made of
    whole months of one year.
    """
    parts = tuple(targets.parts(window))
    if len({year for year, _, _ in parts}) != 1 or any(part != targets.month(*month) for *month, part in parts):
        raise ValueError("a programme report is about whole months of one year")
    year = parts[0][0]
    once = first_time_built(cars)
    seen = Interval(min(known_since, until), until)
    whole = _section(once, products, targets, window, seen)
    passed = seen.clip(window)
    so_far = total(calendar.planned(passed)) if passed else NO_TIME
    in_year = total(calendar.planned(targets.year(year)))
    built = whole.total.built
    return ProgrammeReport(
        year=year,
        until=until,
        months={month: _section(once, products, targets, part, seen) for _, month, part in parts},
        whole=whole,
        forecast=built * _fraction(in_year, so_far) if built and so_far else None,
        unplaced=targets.unplaced(year),
    )


def first_time_built(cars: Iterable[Car]) -> tuple[Car, ...]:
    """Each unit once, when it first came, in the order of time."""
    first: dict[UnitId, Car] = {}
    for car in sorted(cars, key=lambda car: car.time):
        first.setdefault(car.unit, car)
    return tuple(first.values())


@dataclass(frozen=True, slots=True)
class _Figures:
    """Cars of a window by product; those of no known product under NO_PRODUCT; `made` None: not known."""

    made: Mapping[ProductId, int] | None
    plan: Mapping[ProductId, Fraction]
    to_date: Mapping[ProductId, Fraction]

    @property
    def products(self) -> frozenset[ProductId]:
        return frozenset(self.made or ()) | frozenset(self.plan)

    def rows(self, labels: Mapping[ProductId, str | None]) -> tuple[ProgrammeRow, ...]:
        """One for each label, in their order, the unknown last."""
        labelled: dict[str, list[ProductId]] = defaultdict(list)
        for product in self.products:
            labelled[labels.get(product) or UNKNOWN].append(product)
        return tuple(self.row(label, labelled[label]) for label in sorted(labelled, key=lambda it: (it == UNKNOWN, it)))

    def row(self, label: str, products: Collection[ProductId]) -> ProgrammeRow:
        made = self.made
        built = None if made is None else sum(made.get(product, 0) for product in products)
        of_all = sum((made or {}).values())
        return ProgrammeRow(
            label=label,
            built=built,
            plan=sum((self.plan.get(product, NOTHING) for product in products), NOTHING),
            plan_to_date=sum((self.to_date.get(product, NOTHING) for product in products), NOTHING),
            share=Fraction(built, of_all) if built is not None and of_all else None,
        )


def _section(
    cars: Iterable[Car], products: Products, targets: Targets, window: Interval, known: Interval
) -> ProgrammeSection:
    """`known`: the time in which it is known what was built."""
    passed = window.before(known.end)
    made = Counter(car.product or NO_PRODUCT for car in cars if car.time in passed)
    is_known = not passed.length or known.start < passed.end
    figures = _Figures(made if is_known else None, targets.by_product(window), targets.by_product(passed))
    return ProgrammeSection(
        window=window,
        at_least=passed.start < known.start < passed.end,
        total=figures.row(ALL, figures.products),
        by_model=figures.rows(
            {product: products[product].name if product in products else product for product in figures.products}
        ),
        by_assembly_method=figures.rows({product: str(facts.assembly_method) for product, facts in products.items()}),
        by_market=figures.rows({product: facts.market for product, facts in products.items()}),
        local_content=_local_content(made, products) if is_known else LocalContent(None, None, None),
    )


def _local_content(made: Mapping[ProductId, int], products: Products) -> LocalContent:
    """Percentages are taken as the decimals that were written down, not as their nearest binary numbers."""
    known = [
        (number, Fraction(str(pct)))
        for product, number in made.items()
        if product in products and (pct := products[product].local_content_pct) is not None
    ]
    cars = sum(number for number, _ in known)
    mean_pct = sum((number * pct for number, pct in known), NOTHING) / cars if cars else None
    return LocalContent(mean_pct, cars, sum(made.values()) - cars)


def _fraction(part: timedelta, whole: timedelta) -> Fraction:
    return Fraction(part // MICROSECOND, whole // MICROSECOND)


def _next(year: int, month: int) -> tuple[int, int]:
    return (year, month + 1) if month < len(MONTHS) else (year + 1, 1)
