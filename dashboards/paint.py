"""4 Paint process: baths, booths and ovens against their windows, and the bodies that were there meanwhile."""

from grafana_foundation_sdk.builders import dashboard

from dashboards.common import (
    AREA,
    GREEN,
    MINUTES,
    POSITION,
    RED,
    SERIES,
    SHIFT,
    STATION,
    Panel,
    Query,
    board,
    car_link,
    field,
    in_flow_order,
    legend,
    limit_lines,
    panel,
    shift_variable,
    tag_values,
    thresholds,
    tooltip,
    variable,
    with_fields,
    without_time,
)
from mes.influx.select import select

NAME = '"name" =~ /^${value:regex}$/'
HERE = f"{AREA} AND {STATION} AND {NAME}"
CAR_LINK = car_link()


def build() -> dashboard.Dashboard:
    """The dashboard; of any area that has process values, of paint at first."""
    made = board("taktline-paint", "Baths, booths and ovens against their windows, and which bodies were there.")
    area = variable("area", "Area", tag_values("area", "limit"), at_first="paint")
    stations = tag_values("station", "limit", AREA)
    names = tag_values("name", "limit", AREA, STATION)
    for choice in (
        area,
        variable("station", "Station", stations, multi=True),
        variable("value", "Process value", names, multi=True),
        *shift_variable(),
    ):
        made = made.with_variable(choice)
    return made.with_panel(_share()).with_panel(_affected()).with_panel(_curves())


def _share() -> Panel:
    what = (
        'count("affected") AS "bodies", sum("affected") AS "affected", sum("outside_s") / 60 AS "time outside", '
        'min("minimum") AS "min", max("maximum") AS "max", max("low") AS "low", min("high") AS "high", '
        f"{POSITION}"
    )
    made = panel(
        "table",
        "Windows and bodies, ${shift_is:text}",
        "For each process value: bodies that were at the station, those that were there while it was outside its window, "
        "for how long in all, and the extremes beside the limits.",
        Query(select(what, "exposure", f"{HERE} AND {SHIFT}", group='"station", "name"')),
        span=24,
        height=8,
        empty="No body got a result at these stations",
        limits=thresholds((None, "text")),
    )
    red = {"mode": "absolute", "steps": [{"value": None, "color": GREEN}, {"value": 1, "color": RED}]}
    cell = {"type": "color-background", "mode": "basic"}
    numbers = [field(name, decimals=2) for name in ("min", "max", "low", "high")]
    affected = field("affected", thresholds=red, custom__cellOptions=cell)
    return with_fields(
        in_flow_order(without_time(made, "station", "name")),
        affected,
        field("time outside", unit=MINUTES, decimals=1),
        *numbers,
    )


def _affected() -> Panel:
    what = '"station", "name", "unit", "minimum" AS "min", "maximum" AS "max", "low", "high", "outside_s" / 60 AS "outside"'
    made = panel(
        "table",
        "Bodies affected, ${shift_is:text}",
        "Bodies that were at a station while one of its process values was outside its window, the newest first. Click a "
        "body for its whole way.",
        Query(select(what, "exposure", f'{HERE} AND "affected" = 1 AND {SHIFT}', ending="ORDER BY time DESC")),
        span=24,
        height=8,
        empty="No body was affected",
        links=[CAR_LINK],
        link_on="unit",
    )
    return with_fields(made.decimals(2), field("outside", unit=MINUTES, decimals=1))


def _curves() -> Panel:
    made = panel(
        "timeseries",
        "$value, over the time picker's range",
        "Smallest, mean and largest value in each step, so that no excursion is hidden, and the window of the plant's "
        "file. The unit is the signal's own.",
        Query(
            select(
                'min("value") AS "min", mean("value") AS "mean", max("value") AS "max"',
                "process",
                f"{HERE} AND $timeFilter",
                group='time($__interval), "station", "name"',
                ending="fill(none)",
            ),
            SERIES,
            "$tag_station $col",
            "A",
        ),
        Query(
            select(
                'last("low") AS "low", last("high") AS "high"',
                "limit",
                f"{HERE} AND $timeFilter",
                group='time($__interval), "station", "name"',
                ending="fill(none)",
            ),
            SERIES,
            "$tag_station $col",
            "B",
        ),
        span=24,
        height=9,
        empty="No process value was seen in this time",
    )
    made = made.legend(legend()).tooltip(tooltip()).decimals(2).repeat("value").repeat_direction("h").max_per_row(2)
    return limit_lines(made)
