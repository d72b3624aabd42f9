"""6 Programme: cars built against plan in a year and its months, by model, method and market, and the local content."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import common as commonmodels

from dashboards.common import (
    DAY,
    UNJUDGED,
    Panel,
    Query,
    against_plan,
    board,
    by_time,
    field,
    last_value,
    legend,
    panel,
    period,
    tooltip,
    with_fields,
    without_time,
)
from mes.influx.select import select

MONTH_NAME = "time:MMMM"
YEAR, MONTH = "${year_is:raw}", "${month_is:raw}"
CARS = 'sum("built") AS "built", sum("planned_units_to_date") AS "planned so far", sum("planned_units") AS "planned"'
ANY = '("built" > 0 OR "planned_units" > 0)'
CONTENT = 'sum("content_pct") / sum("content_cars") AS "local content"'


def build() -> dashboard.Dashboard:
    """The dashboard."""
    made = board("taktline-programme", "Cars built against the programme, and their local content.", refresh="5m")
    periods = (
        *period("year", "Year", ("year",), 1100, "this year"),
        *period("month", "Month", ("month",), 400, "this month"),
    )
    for variable in periods:
        made = made.with_variable(variable)
    made = made.with_panel(_cars("year", YEAR)).with_panel(_content("year", YEAR))
    made = made.with_panel(_cars("month", MONTH)).with_panel(_content("month", MONTH))
    made = made.with_panel(_months()).with_panel(_days())
    for tag, title in (("product", "Models"), ("assembly_method", "CKD and DKD"), ("market", "Markets")):
        made = made.with_panel(_split(tag, title))
    return made


def _cars(name: str, condition: str) -> Panel:
    made = panel(
        "stat",
        f"Cars, ${{{name}_is:text}}",
        "Cars that were good at the last station for the first time, beside those planned up to now and for the whole time.",
        Query(select(CARS, "built", f"\"window\" = '{name}' AND {condition}")),
        span=6,
        height=5,
        empty="No programme in the plant's file",
    )
    return made.reduce_options(last_value()).decimals(0)


def _content(name: str, condition: str) -> Panel:
    made = panel(
        "stat",
        f"Local content, ${{{name}_is:text}}",
        "Mean share of a car's value that is made in the country: Σ(share · cars) / Σ cars, over cars whose product has a "
        "figure.",
        Query(select(CONTENT, "built", f'"window" = \'{name}\' AND "content_cars" > 0 AND {condition}')),
        span=6,
        height=5,
        unit="percent",
        empty="No car built yet",
        limits=UNJUDGED,
    )
    return made.reduce_options(last_value()).decimals(1)


def _months() -> Panel:
    made = panel(
        "barchart",
        "Months of ${year_is:text}",
        "Cars built in each month beside those planned for it.",
        Query(
            select(
                'sum("built") AS "built", sum("planned_units") AS "planned"',
                "built",
                f"\"window\" = 'month' AND {YEAR}",
                group="time(1h)",
                ending="fill(none)",
            )
        ),
        span=12,
        empty="No programme in the plant's file",
    )
    made = by_time(made, MONTH_NAME).legend(legend()).tooltip(tooltip()).decimals(0)
    return against_plan(made, "built")


def _days() -> Panel:
    made = panel(
        "barchart",
        "Days of ${month_is:text}",
        "Cars built on each day beside those planned for it.",
        Query(
            select(
                'sum("built") AS "built", sum("planned_units") AS "planned"',
                "built",
                f"\"window\" = 'day' AND {MONTH}",
                group="time(1h)",
                ending="fill(none)",
            )
        ),
        span=12,
        empty="Nothing was built in this month",
    )
    made = by_time(made, DAY).legend(legend()).tooltip(tooltip()).decimals(0)
    return against_plan(made, "built")


def _split(tag: str, title: str) -> Panel:
    made = panel(
        "table",
        f"{title}, ${{year_is:text}}",
        "Cars built beside those planned up to now and for the year. `none` and `unknown`: what could not be told.",
        Query(select(CARS, "built", f"\"window\" = 'year' AND {ANY} AND {YEAR}", group=f'"{tag}"')),
        span=8,
        empty="No programme in the plant's file",
    )
    return with_fields(
        without_time(made.decimals(0).align(commonmodels.FieldTextAlignment.AUTO)), field(tag, displayName=title)
    )
