"""5 Car: the biography of one car by its VIN."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from dashboards.common import (
    GREEN,
    MINUTES,
    RED,
    SECONDS,
    Panel,
    Query,
    board,
    field,
    mapping,
    panel,
    to_station,
    with_fields,
)
from mes.influx.select import select

CAME = mapping({"true": ("came", GREEN), "false": ("went", "#999999"), "1": ("came", GREEN), "0": ("went", "#999999")})
RESULTS = mapping({"good": ("good", GREEN), "rework": ("rework", "#E6B800"), "scrap": ("scrap", RED)})
OF_CAR = "\"unit\" = '${vin}' AND $timeFilter"
THIS_CAR = dashboard.DashboardLink("This car").url("/d/taktline-car?var-vin=${__data.fields.unit}&${__url_time_range}")


def build() -> dashboard.Dashboard:
    """The dashboard."""
    made = board(
        "taktline-car", "Where a car has been, with its results and process values.", since="now-30d", refresh=""
    )
    vin = dashboard.TextBoxVariable("vin").label("VIN").default_value("")
    made = made.with_variable(vin.current(models.VariableOption(selected=True, text="", value="")))
    return made.with_panel(_results()).with_panel(_stays()).with_panel(_values()).with_panel(_newest())


def _results() -> Panel:
    what = '"area", "line", "station", "product", "result", "cycle_s" AS "cycle"'
    made = panel(
        "table",
        "Results of the car",
        "Every result that the car got, in the order of time; a station that stands twice was a repair loop. Type or scan "
        "the VIN above; the time picker must reach back to the car's first station.",
        Query(select(what, "unit", OF_CAR)),
        span=12,
        height=12,
        empty="No result: is the VIN right, and does the time picker reach back far enough?",
        links=[
            to_station(has_shift=False),
        ],
        link_on="station",
    )
    return with_fields(made, field("cycle", unit=SECONDS, decimals=0), field("result", mappings=[RESULTS]))


def _stays() -> Panel:
    made = panel(
        "table",
        "Arrivals and departures of the car",
        "The moments at which stations named the car as theirs, and did no more.",
        Query(select('"area", "line", "station", "present"', "presence", OF_CAR)),
        span=12,
        height=12,
        empty="No station named this car in this time",
    )
    return with_fields(made, field("present", mappings=[CAME]))


def _values() -> Panel:
    what = (
        '"station", "name", "minimum" AS "min", "mean" AS "mean", "maximum" AS "max", "low", "high", '
        '"known_s" / 60 AS "known for", "outside_s" / 60 AS "outside for"'
    )
    made = panel(
        "table",
        "Process values at the car's stations",
        "Extremes and mean of each process value while the car was at the station, beside its limits, and for how long it "
        "was outside them.",
        Query(select(what, "exposure", OF_CAR)),
        span=24,
        height=11,
        empty="No process value is known of this car",
    )
    red = {"mode": "absolute", "steps": [{"value": None, "color": "text"}, {"value": 0.01, "color": RED}]}
    outside = field("outside for", unit=MINUTES, decimals=1, thresholds=red)
    return with_fields(made.decimals(2), field("known for", unit=MINUTES, decimals=1), outside)


def _newest() -> Panel:
    made = panel(
        "table",
        "Cars seen last",
        "The newest results of the plant; click a car to see its way.",
        Query(select('"unit", "station", "result"', "unit", "$timeFilter", ending="ORDER BY time DESC LIMIT 25")),
        span=24,
        empty="No car got a result in this time",
        links=[THIS_CAR],
        link_on="unit",
    )
    return with_fields(made, field("result", mappings=[RESULTS]))
