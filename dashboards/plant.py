"""1 Plant today: how the whole site does, who stops the lines, what stands open."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import common as commonmodels

from dashboards.common import (
    FACTORS,
    HOUR,
    HOURS,
    JUST_NOW,
    MINUTES,
    OEE_TEXT,
    POSITION,
    RATIO,
    RED,
    RUNS,
    SERIES,
    SHIFT,
    SHIFTS,
    STATE_MAPPING,
    UNITS,
    UNJUDGED,
    Panel,
    Query,
    against_plan,
    board,
    board_variables,
    by_time,
    field,
    fixed,
    in_flow_order,
    last_value,
    legend,
    no_legend,
    only,
    panel,
    shift_variable,
    thresholds,
    to_line,
    to_station,
    tooltip,
    transform,
    where_planned,
    with_fields,
    with_reason_link,
    without_time,
)
from mes.influx.select import select

LINE_LINK, STATION_LINK = to_line(), to_station()


def build() -> dashboard.Dashboard:
    """The dashboard."""
    made = board("taktline-plant", "How the site does in a shift or a day, who stops the lines, and what stands now.")
    for variable in (*shift_variable(), *board_variables()):
        made = made.with_variable(variable)
    factors = panel(
        "stat",
        "OEE of the site, ${shift_is:text}",
        f"{OEE_TEXT} All stations of the site together.",
        Query(select(FACTORS, "kpi", HOURS)),
        span=12,
        height=5,
        unit=RATIO,
        empty="Nothing was planned in this shift",
        limits=UNJUDGED,
    )
    cars = panel(
        "stat",
        "Cars built, ${shift_is:text}",
        "Cars that were good at the last station for the first time, beside those planned up to now and for the whole "
        "shift, or for the shifts of a day that have begun. The plan of the month is spread over its planned time.",
        Query(select('sum("built") AS "built", sum("planned_units_to_date") AS "planned so far"', "built", HOURS)),
        Query(select('sum("planned_units") AS "planned"', "built", SHIFTS), ref="B"),
        span=12,
        height=5,
        empty="No programme in the plant's file",
    )
    alive = panel(
        "stat",
        "Collector, now",
        "Whether each controller gives data at this moment, whatever the time picker says.",
        Query(
            select('last("running") AS "running"', "collector", JUST_NOW, group='"controller"'),
            SERIES,
            "$tag_controller",
        ),
        span=24,
        height=3,
        empty="No word from the collector: is it running?",
    )
    made = made.with_panel(where_planned(factors.reduce_options(last_value()).decimals(1)))
    made = made.with_panel(transform(cars.reduce_options(last_value()).decimals(0), "merge"))
    made = made.with_panel(alive.reduce_options(last_value()).mappings([RUNS]))
    made = made.with_panel(_lines()).with_panel(_hours()).with_panel(_culprits()).with_panel(_open())
    return made.with_panel(_output()).with_panel(_stations())


def _lines() -> Panel:
    made = panel(
        "table",
        "Areas and lines, ${shift_is:text}",
        f"{OEE_TEXT} Coverage is the share of planned time that was observed. Click a line.",
        Query(
            select(
                f'{FACTORS}, sum("no_data_s") / sum("pbt_s") AS "No data", {POSITION}',
                "kpi",
                HOURS,
                group='"area", "line"',
            )
        ),
        span=12,
        unit=RATIO,
        empty="Nothing was planned in this shift",
        limits=UNJUDGED,
        links=[LINE_LINK],
        link_on="line",
    )
    return in_flow_order(without_time(where_planned(made.decimals(1)), "area", "line"))


def _hours() -> Panel:
    made = panel(
        "barchart",
        "Cars by the hour, ${shift_is:text}",
        "Cars built in each hour beside those planned for it. An hour without planned time has no plan.",
        Query(
            select(
                'sum("built") AS "built", sum("planned_units") AS "planned"',
                "built",
                HOURS,
                group="time(1h)",
                ending="fill(none)",
            )
        ),
        span=12,
        empty="No programme in the plant's file",
    )
    made = by_time(made, HOUR).legend(legend()).tooltip(tooltip()).decimals(0).group_width(0.8)
    return against_plan(made, "built")


def _culprits() -> Panel:
    made = panel(
        "barchart",
        "Who stops the lines, ${shift_is:text}",
        "Planned time that the last stations of the lines lost, charged to the station that caused it: a starved or "
        "blocked minute counts where it began. `outside` is supply, or the yard.",
        Query(select('sum("lost_s") / 60 AS "lost"', "culprit", f'"lost_s" > 0 AND {SHIFT}', group='"culprit"')),
        span=12,
        unit=MINUTES,
        empty="No line lost any time",
    )
    made = (
        made.x_field("culprit")
        .orientation(commonmodels.VizOrientation.HORIZONTAL)
        .legend(no_legend())
        .color_scheme(fixed(RED))
    )
    made = transform(made.decimals(0), "sortBy", fields={}, sort=[{"field": "lost", "desc": True}])
    return transform(made, "limit", limitField=8)


def _open() -> Panel:
    made = panel(
        "table",
        "Open stops, now",
        "Stations that do not produce at this moment in planned time, with the reason; `none`: no reason yet. Click a "
        "station, or the reason to give it on the board.",
        Query(
            select(
                'last("state") AS "state", last("reason") AS "reason", last("fault") AS "fault", '
                'last("fault_text") AS "fault_text", last("stop_s") / 60 AS "for", last("stopped") AS "stopped"',
                "now",
                JUST_NOW,
                group='"area", "line", "station"',
            )
        ),
        span=12,
        empty="No stop is open",
        limits=thresholds((None, "text"), (10, RED)),
        links=[STATION_LINK],
        link_on="station",
    )
    made = only(made, "stopped", "equal", 1)
    made = transform(made, "sortBy", fields={}, sort=[{"field": "for", "desc": True}])
    made = with_reason_link(made, "${__data.fields.area}/${__data.fields.line}/${__data.fields.station}")
    return with_fields(
        without_time(made, "area", "line", "station"),
        field("for", unit=MINUTES, decimals=1),
        field("state", mappings=[STATE_MAPPING]),
    )


def _output() -> Panel:
    made = panel(
        "table",
        "Output of the lines, ${shift_is:text}",
        "Good units of each line's last station, beside those planned up to now and for the whole shift, or for the "
        "shifts of a day that have begun.",
        Query(
            select(
                f'sum("out") AS "good", sum("planned_units_to_date") AS "planned so far", {POSITION}',
                "output",
                HOURS,
                group='"area", "line"',
            )
        ),
        Query(select('sum("planned_units") AS "planned"', "output", SHIFTS, group='"area", "line"'), ref="B"),
        span=12,
        height=7,
        unit=UNITS,
        empty="No line has given anything yet",
        links=[LINE_LINK],
        link_on="line",
    )
    made = transform(without_time(made.decimals(0), "area", "line"), "merge")
    return in_flow_order(made)


def _stations() -> Panel:
    made = panel(
        "table",
        "Unexplained time, ${shift_is:text}",
        "Stops in planned time that nobody has given a reason for: their number and their length, by station.",
        Query(
            select(
                'sum("stops") AS "stops", sum("seconds") / 60 AS "lost"',
                "loss",
                f'"reason" = \'unexplained\' AND "seconds" > 0 AND {SHIFT}',
                group='"area", "line", "station"',
            )
        ),
        span=12,
        height=7,
        empty="Every stop has its reason",
        links=[STATION_LINK],
        link_on="station",
    )
    made = transform(made, "sortBy", fields={}, sort=[{"field": "lost", "desc": True}])
    return with_fields(without_time(made, "area", "line", "station"), field("lost", unit=MINUTES, decimals=1))
