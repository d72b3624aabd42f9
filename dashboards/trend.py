"""8 Trend: OEE over shifts, days, weeks and months, when it is lost and to what, and lines and shifts side by side."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.builders.common import StackingConfig
from grafana_foundation_sdk.models import common as commonmodels
from grafana_foundation_sdk.models import dashboard as models

from dashboards.common import (
    AREA,
    BLUE,
    DARK,
    FACTORS,
    GREY,
    LINE,
    MINUTES,
    OEE_TEXT,
    POSITION,
    RATIO,
    REASON_COLORS,
    SERIES,
    STATION,
    UNJUDGED,
    Panel,
    Query,
    board,
    colored,
    field,
    fixed,
    in_flow_order,
    legend,
    mapping,
    no_legend,
    only,
    panel,
    period,
    property_,
    tag_values,
    to_line,
    to_station,
    tooltip,
    transform,
    variable,
    where_planned,
    with_fields,
    without_time,
)
from mes.influx.select import select

HERE = f"{AREA} AND {LINE} AND {STATION}"
PERIODS = f"{HERE} AND \"window\" = '${{by:raw}}' AND $timeFilter"
DAYS = f"{HERE} AND \"window\" = 'day' AND $timeFilter"
WHOLE_DAYS = "Production days that begin in the time picker's range."
EACH = "time(1m)"  # windows begin at whole minutes, so each has a row of its own
MEAN = "mean of ${mean:raw}"
DIVISOR = "divisor"  # a column that is not shown: where it is 0, InfluxQL divides to 0
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEKS_BACK = 70  # days in which a week can be chosen
# A mapping, for Grafana puts a space before a unit.
HOURS_OF_DAY = mapping({str(hour): (f"{hour:02}:00", "text") for hour in range(24)})
SPENT = '("down_s" > 0 OR "idle_s" > 0 OR "setup_s" > 0)'
SIX = {
    "Equipment failure": 'sum("down_s") / 60',
    "Set-up and adjustment": 'sum("setup_s") / 60',
    "Minor stops": 'sum("minor_stops_s") / 60',
    "Reduced speed": '(sum("apt_s") - sum("ideal_produced_s")) / 60',
    "Rejects": '(sum("ideal_produced_s") - sum("ideal_good_s")) / 60',
    "Organisation": 'sum("idle_s") / 60',
    "Starved": 'sum("starved_s") / 60',
    "Blocked": 'sum("blocked_s") / 60',
    "No data": 'sum("no_data_s") / 60',
}
LINE_LINK, STATION_LINK = to_line(has_shift=False), to_station(has_shift=False)
OEE = f'sum("ideal_good_s") / sum("pbt_s") AS "Value", sum("pbt_s") AS "{DIVISOR}"'


def build() -> dashboard.Dashboard:
    """The dashboard."""
    made = board(
        "taktline-trend",
        "How OEE goes on over shifts, days, weeks and months, and where and when it is lost.",
        since="now-90d",
        refresh="15m",
    )
    for choice in (
        # any number of each, whereas other dashboards choose one
        variable("area", "Area", tag_values("area", "kpi"), multi=True),
        variable("line", "Line", tag_values("line", "kpi", AREA), multi=True),
        variable("station", "Station", tag_values("station", "kpi", AREA, LINE), multi=True),
        _custom("by", "By", "shift", "day", "week", "month"),
        _custom("mean", "Moving mean of", "7", "3", "4", "14", "28"),
        *period("week", "Week", ("week",), WEEKS_BACK, "this week"),
        _week_start(),
    ):
        made = made.with_variable(choice)
    made = made.with_panel(_ratio("OEE", "ideal_good_s", "pbt_s", OEE_TEXT, span=24))
    made = made.with_panel(_ratio("Availability", "ot_s", "pbt_s", "Operating time / planned busy time.", span=8))
    made = made.with_panel(
        _ratio("Performance", "ideal_produced_s", "ot_s", "Σ ideal time of all units / operating time.", span=8)
    )
    made = made.with_panel(
        _ratio("Quality", "ideal_good_s", "ideal_produced_s", "Σ ideal time of good units / that of all units.", span=8)
    )
    made = made.with_panel(_heat_map()).with_panel(_losses()).with_panel(_lines()).with_panel(_lines_over_time())
    made = made.with_panel(_windows()).with_panel(_same_shift()).with_panel(_failures())
    made = made.with_panel(_between_failures()).with_panel(_to_repair())
    made = made.with_panel(_reasons()).with_panel(_reasons_by_week())
    return made.with_panel(_first_time()).with_panel(_route())


def _custom(name: str, label: str, *values: str) -> dashboard.CustomVariable:
    """A choice between a few values; the first one at first."""
    first = models.VariableOption(selected=True, text=values[0], value=values[0])
    return dashboard.CustomVariable(name).label(label).values(",".join(values)).current(first)


def _week_start() -> dashboard.QueryVariable:
    """When the chosen week begins, in milliseconds: weeks of a query begin at the same time of the week."""
    same = f"\"label\" = '${{week:raw}}' AND \"kind\" = 'week' AND time > now() - {WEEKS_BACK}d"
    text = select('"choice"', "period", same, ending="ORDER BY time DESC LIMIT 1")
    return variable("week_start", "", text, regex="/>= (\\d+)ms/").hide(models.VariableHide.HIDE_VARIABLE)


def _divided(made: Panel) -> Panel:
    """Without rows that nothing divides, and without the column that says so."""
    return only(made, DIVISOR, "greater", 0)


def _by_window(what: str, *, where: str = PERIODS, group: str = EACH, ref: str = "A") -> Query:
    """Figures of each window by itself."""
    return Query(select(what, "kpi", where, group=group, ending="fill(none)"), ref=ref)


def _ratio(name: str, numerator: str, denominator: str, about: str, *, span: int) -> Panel:
    """A ratio of each window as bars, and its moving mean as a line: both are sums divided by sums."""
    single = f'sum("{numerator}") / sum("{denominator}") AS "{name}", sum("{denominator}") AS "{DIVISOR}"'
    above, below = (f'moving_average(sum("{column}"), ${{mean:raw}})' for column in (numerator, denominator))
    moving = f'{above} / {below} AS "{MEAN}", {below} AS "{DIVISOR}"'
    made = panel(
        "timeseries",
        f"{name} by $by, over the time picker's range",
        f"{about} Each bar is one window of the plant's calendar, as the collector computed it: a shift, a production day, "
        "a week from Monday, or a month. The line is the sum over the last windows divided by their sum, "
        "not a mean of ratios; it begins once there are so many windows.",
        _by_window(single),
        _by_window(moving, ref="B"),
        span=span,
        height=9 if span == 24 else 7,
        unit=RATIO,
        empty="Nothing was planned in this time",
    )
    made = _divided(made.legend(legend()).tooltip(tooltip()).min(0).decimals(1))
    made = with_fields(
        made,
        field(
            name,
            custom__drawStyle="bars",
            custom__fillOpacity=50,
            custom__lineWidth=0,
            color={"mode": "fixed", "fixedColor": BLUE},
        ),
    )
    line = [
        property_("color", {"mode": "fixed", "fixedColor": GREY}),
        property_("custom.lineWidth", 2),
        property_("custom.showPoints", "auto"),
    ]
    return made.override_by_regexp("/^mean of/", line)


def _heat_map() -> Panel:
    """A query for each day of the week; the hour of the plant's clock puts them side by side."""
    made = panel(
        "table",
        "OEE by weekday and hour, ${week_is:text}",
        "OEE of each planned hour of the chosen week, by the plant's clock. A darker cell has a higher OEE; the colour has no "
        "limit, for no target is set. Hours without planned time are empty.",
        *(_weekday(number, name) for number, name in enumerate(WEEKDAYS)),
        span=12,
        height=13,
        unit=RATIO,
        empty="Nothing was planned in this week",
    )
    made = _divided(made.decimals(0))
    made = without_time(made)
    made = transform(made, "merge")  # by the one column that all have: the hour
    made = transform(made, "sortBy", fields={}, sort=[{"field": "hour"}])
    made = made.override_by_regexp(
        f"/^({'|'.join(WEEKDAYS)})$/",
        [
            property_("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
            property_("custom.align", "center"),
            property_("color", {"mode": "continuous-blues"}),
            property_("min", 0),
            property_("max", 1),
        ],
    )
    return with_fields(made, field("hour", unit="none", decimals=0, mappings=[HOURS_OF_DAY]))


def _weekday(number: int, name: str) -> Query:
    start, end = (f"${{week_start:raw}}ms{days}d" for days in (number, number + 1))
    where = f"{HERE} AND \"window\" = 'hour' AND ${{week_is:raw}} AND time >= {start} AND time < {end}"
    what = f'last("local_hour") AS "hour", sum("ideal_good_s") / sum("pbt_s") AS "{name}", sum("pbt_s") AS "{DIVISOR}"'
    return _by_window(what, where=where, group="time(1h)", ref="ABCDEFG"[number])


def _losses() -> Panel:
    made = panel(
        "barchart",
        "The big losses, over the time picker's range",
        "Planned time that was lost, by the six big losses: failures, set-up, minor stops, reduced speed (production time "
        "beyond ideal cycles; negative where machines beat them), and rejects (ideal time of units that were not good; "
        f"those of the start are not told apart). Behind them what lies outside the equipment. {WHOLE_DAYS}",
        Query(select(", ".join(f'{sums} AS "{name}"' for name, sums in SIX.items()), "kpi", DAYS)),
        span=12,
        height=13,
        unit=MINUTES,
        empty="Nothing was planned in this time",
    )
    made = transform(made, "reduce", reducers=["lastNotNull"], mode="seriesToRows", labelsToFields=False)
    made = transform(made, "organize", excludeByName={}, indexByName={}, renameByName={"Last *": "lost"})
    made = made.decimals(0).orientation(commonmodels.VizOrientation.HORIZONTAL).x_field("Field").legend(no_legend())
    return made.color_scheme(fixed(BLUE))


def _lines() -> Panel:
    made = panel(
        "table",
        "Lines side by side, over the time picker's range",
        f"{OEE_TEXT} {WHOLE_DAYS} Click a line.",
        Query(
            select(
                f'{FACTORS}, sum("good") AS "good", {POSITION}',
                "kpi",
                DAYS,
                group='"area", "line"',
            )
        ),
        span=12,
        unit=RATIO,
        empty="Nothing was planned in this time",
        limits=UNJUDGED,
        links=[LINE_LINK],
        link_on="line",
    )
    made = in_flow_order(without_time(where_planned(made.decimals(1)), "area", "line"))
    return with_fields(made, field("good", unit="none", decimals=0))


def _lines_over_time() -> Panel:
    made = panel(
        "timeseries",
        "OEE of the lines by $by, over the time picker's range",
        f"{OEE_TEXT} One curve for each line, all of its chosen stations together.",
        _by_window(f"{OEE}, {POSITION}", group=f'{EACH}, "area", "line"'),
        span=12,
        unit=RATIO,
        empty="Nothing was planned in this time",
    )
    made = transform(in_flow_order(_divided(made)), "partitionByValues", fields=["line"])
    return made.legend(legend()).tooltip(tooltip()).min(0).decimals(1)


def _windows() -> Panel:
    made = panel(
        "table",
        "Each $by, over the time picker's range",
        f"{OEE_TEXT} One row for each window of the plant's calendar, the newest first; its name can be filtered.",
        _names("${by:raw}"),
        _by_window(
            f'{FACTORS}, sum("good") AS "good", sum("produced") AS "made", sum("failures") AS "failures"', ref="B"
        ),
        span=24,
        height=10,
        unit=RATIO,
        empty="Nothing was planned in this time",
        limits=UNJUDGED,
    )
    made = _named(made)
    made = where_planned(made.decimals(1))
    made = transform(made, "sortBy", fields={}, sort=[{"field": "Time", "desc": True}])
    counts = [field(name, unit="none", decimals=0) for name in ("good", "made", "failures")]
    return with_fields(
        made, *counts, field("name", custom__filterable=True), field("Time", unit="time:ddd D MMM, HH:mm")
    )


def _names(kind: str) -> Query:
    """What the calendar's windows of a kind are called; joined by the time at which they begin."""
    return Query(select('"name"', "period", f"\"kind\" = '{kind}' AND $timeFilter"))


def _named(made: Panel) -> Panel:
    """One row for each window with its name, by its time; a join by a field would add the measurements' names."""
    return transform(made, "merge")


def _same_shift() -> Panel:
    made = panel(
        "timeseries",
        "OEE of the same shift, over the time picker's range",
        f"{OEE_TEXT} One curve for each shift by its name: the same shift from day to day, and the shifts side by side. "
        "A closed shift keeps the figures with which it was closed.",
        _names("shift"),
        _by_window(OEE, where=f"{HERE} AND \"window\" = 'shift' AND $timeFilter", ref="B"),
        span=24,
        height=9,
        unit=RATIO,
        empty="Nothing was planned in this time",
    )
    made = _divided(_named(made))
    made = transform(made, "partitionByValues", fields=["name"])
    return made.legend(legend()).tooltip(tooltip()).min(0).decimals(1)


MTBF = 'sum("apt_s") / sum("failures") / 60'
MTTR = 'sum("down_s") / sum("failures") / 60'
MTBF_TEXT = (
    "MTBF = actual production time / failures; MTTR = down time / failures (ISO 22400). A failure is a stop in `down`. Here the "
    "divisor is always the number of failures, also where the plant's file has reports divide by one more."
)


def _failures() -> Panel:
    made = panel(
        "table",
        "MTBF and MTTR of the stations, over the time picker's range",
        f"{MTBF_TEXT} {WHOLE_DAYS} Click a station.",
        Query(
            select(
                f'sum("failures") AS "failures", sum("down_s") / 60 AS "down", {MTBF} AS "MTBF", {MTTR} AS "MTTR", {POSITION}',
                "kpi",
                DAYS,
                group='"area", "line", "station"',
            )
        ),
        span=24,
        height=9,
        unit=MINUTES,
        empty="Nothing was planned in this time",
        links=[STATION_LINK],
        link_on="station",
    )
    none = mapping({"0": ("no failure", "text")})
    return with_fields(
        in_flow_order(without_time(made.decimals(0), "area", "line", "station")),
        field("failures", unit="none"),
        field("MTBF", mappings=[none]),
        field("MTTR", mappings=[none], decimals=1),
    )


def _per_failure(name: str, sums: str, about: str, decimals: int) -> Panel:
    made = panel(
        "timeseries",
        f"{name} by $by, over the time picker's range",
        f"{about} {MTBF_TEXT} All chosen stations together; choose one to see it alone. A window without a failure has no point.",
        _by_window(f'{sums} AS "{name}", sum("failures") AS "{DIVISOR}"'),
        span=12,
        unit=MINUTES,
        empty="No failure began in this time",
    )
    made = _divided(made.legend(no_legend()).tooltip(tooltip()).min(0).decimals(decimals))
    return with_fields(
        made, field(name, custom__showPoints="always", custom__pointSize=6, color={"mode": "fixed", "fixedColor": BLUE})
    )


def _between_failures() -> Panel:
    return _per_failure("MTBF", MTBF, "Mean production time from one failure to the next.", 0)


def _to_repair() -> Panel:
    return _per_failure("MTTR", MTTR, "Mean time for which a failure lasts.", 1)


def _reasons() -> Panel:
    made = panel(
        "table",
        "Stops by reason, ${week_is:text}",
        "Stops of the chosen week by station and reason: failures, set-up and organisation, without minor stops and waiting. "
        "`unexplained`: nobody gave a reason.",
        Query(
            select(
                'sum("stops") AS "stops", sum("seconds") / 60 AS "lost"',
                "loss",
                f"{HERE} AND {SPENT} AND ${{week_is:raw}}",
                group='"area", "line", "station", "reason"',
            )
        ),
        span=12,
        height=11,
        empty="No station stopped in this week",
        links=[STATION_LINK],
        link_on="station",
    )
    made = transform(made, "sortBy", fields={}, sort=[{"field": "lost", "desc": True}])
    return with_fields(without_time(made, "area", "line", "station", "reason"), field("lost", unit=MINUTES, decimals=0))


def _reasons_by_week() -> Panel:
    made = panel(
        "timeseries",
        "Stops by reason and week, over the time picker's range",
        "Minutes lost to failures, set-up and organisation in each week, by reason. A week begins as the chosen one does, on "
        "Monday by the plant's clock; where clocks change between summer and winter, an hour at its border may be in the other.",
        Query(
            select(
                'sum("seconds") / 60 AS "lost"',
                "loss",
                f"{HERE} AND {SPENT} AND $timeFilter",
                group='time(7d, ${week_start:raw}ms), "reason"',
                ending="fill(none)",
            ),
            SERIES,
            "$tag_reason",
        ),
        span=12,
        height=11,
        unit=MINUTES,
        empty="No station stopped in this time",
    )
    made = (
        made.legend(legend())
        .tooltip(tooltip())
        .min(0)
        .decimals(0)
        .draw_style(commonmodels.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .line_width(0)
        .color_scheme(fixed(DARK))
    )
    made = made.stacking(StackingConfig().mode(commonmodels.StackingMode.NORMAL).group("A"))
    return with_fields(made, *(colored(reason, color) for reason, color in REASON_COLORS.items()))


def _first_time() -> Panel:
    made = panel(
        "table",
        "First-time yield of the stations, over the time picker's range",
        "Units that were good at the first attempt / units that got their first result at the station. Rework, scrap and a "
        f"second passage are not first time. {WHOLE_DAYS} Click a station.",
        Query(
            select(
                'sum("inspected") AS "inspected", sum("first_time_good") AS "good at once", '
                f'sum("first_time_good") / sum("inspected") AS "yield", {POSITION}',
                "first_time",
                f'{HERE} AND "inspected" > 0 AND "window" = \'day\' AND $timeFilter',
                group='"area", "line", "station"',
            )
        ),
        span=12,
        height=13,
        empty="No unit got a result in this time",
        links=[STATION_LINK],
        link_on="station",
    )
    made = in_flow_order(without_time(made.decimals(0), "area", "line", "station"))
    return with_fields(made, field("yield", unit=RATIO, decimals=1))


def _route() -> Panel:
    made = panel(
        "timeseries",
        "First-time yield of the whole plant by day, over the time picker's range",
        "Rolled: the product of the first-time yields of all stations of the plant, on days on which each of them inspected "
        "units. Good everywhere: of the cars that were finished on the day, those that were good at once at every station. "
        "The chosen area, line and station change nothing here.",
        Query(
            select(
                'last("rolled") AS "rolled", sum("first_time_good") / sum("inspected") AS "good everywhere", '
                f'sum("inspected") AS "{DIVISOR}"',
                "first_time_route",
                "\"window\" = 'day' AND $timeFilter",
                group=EACH,
                ending="fill(none)",
            )
        ),
        span=12,
        height=13,
        unit=RATIO,
        empty="No car was finished in this time",
    )
    made = _divided(made.legend(legend()).tooltip(tooltip()).min(0).max(1).decimals(1))
    shown = {"custom__showPoints": "always", "custom__pointSize": 6}
    return with_fields(
        made,
        field("rolled", color={"mode": "fixed", "fixedColor": BLUE}, **shown),
        field("good everywhere", color={"mode": "fixed", "fixedColor": GREY}, **shown),
    )
