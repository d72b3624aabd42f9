"""2 Line: its stations as tiles and strips, what blocks and starves them, its buffers, where its time goes."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import common as commonmodels
from grafana_foundation_sdk.models import dashboard as models

from dashboards.common import (
    AREA,
    BLUE,
    DAYS_BACK,
    FACTORS,
    HOUR,
    HOURS,
    JUST_NOW,
    LINE,
    LOSSES,
    MINUTES,
    OEE_TEXT,
    OTHER_REASON,
    POSITION,
    RATIO,
    REASONS,
    SHIFT,
    SKY,
    STATE_MAPPING,
    UNJUDGED,
    Panel,
    Query,
    against_plan,
    area_variable,
    board,
    by_time,
    colored,
    each_row,
    field,
    fixed,
    in_flow_order,
    legend,
    line_variable,
    no_legend,
    panel,
    shift_variable,
    to_dashboard,
    tooltip,
    transform,
    where_planned,
    with_fields,
    without_time,
)
from mes.influx.select import select

HERE = f"{AREA} AND {LINE}"
FIGURES = f"{HERE} AND {HOURS}"
STATION_LINK = to_dashboard(
    "taktline-station", "Station", area="${area}", line="${line}", station="${__data.fields.station}"
)


def build() -> dashboard.Dashboard:
    """The dashboard."""
    made = board("taktline-line", "One line: where its stations stand, what they wait for, and where the time goes.")
    for choice in (area_variable(), line_variable(), *shift_variable(), _second_level()):
        made = made.with_variable(choice)
    made = made.with_panel(_tiles()).with_panel(_strips()).with_panel(_stations()).with_panel(_waits())
    made = made.with_panel(_waterfall()).with_panel(_buffers()).with_panel(_pareto()).with_panel(_reasons())
    return made.with_panel(_hours()).with_panel(_shifts())


def _second_level() -> dashboard.CustomVariable:
    """Which loss the second level of the Pareto takes apart; a click in the first sets it."""
    values = ",".join(f"{name} : {loss}" for name, (loss, _) in LOSSES.items())
    first = models.VariableOption(selected=True, text="Down", value="down")
    return dashboard.CustomVariable("loss").label("Loss (second level)").values(values).current(first)


def _tiles() -> Panel:
    made = panel(
        "stat",
        "Stations, now",
        "The state of each station, by colour and by word, whatever the time picker says; outside of planned time `not planned`. "
        "Click a tile.",
        Query(
            select(f'last("loss") AS "state", {POSITION}', "now", f"{HERE} AND {JUST_NOW}", group='"station"'),
        ),
        span=24,
        height=5,  # in lower tiles Grafana puts name and state side by side, too small to read
        empty="No word from the collector: is it running?",
        links=[STATION_LINK],
    )
    made = (
        made.mappings([STATE_MAPPING])
        .reduce_options(each_row("state"))
        .color_mode(commonmodels.BigValueColorMode.BACKGROUND)
    )
    return in_flow_order(without_time(made)).text_mode(commonmodels.BigValueTextMode.VALUE_AND_NAME)


def _strips() -> Panel:
    made = panel(
        "state-timeline",
        "States, over the time picker's range",
        "What each station did in planned time. Choose a range at the top right, or click a shift in the table at the end.",
        # `Value` is the name that Grafana does not put beside the station's in a row's name
        Query(select('"loss" AS "Value", "position"', "state", f"{HERE} AND $timeFilter", group='"station"')),
        span=24,
        height=9,
        empty="No station of this line was seen in this time",
    )
    made = (
        made.mappings([STATE_MAPPING]).merge_values(True).show_value(commonmodels.VisibilityMode.NEVER).row_height(0.9)
    )
    made = transform(in_flow_order(made), "partitionByValues", fields=["station"])
    return made.legend(legend()).tooltip(tooltip()).fill_opacity(90).line_width(0)


def _stations() -> Panel:
    made = panel(
        "table",
        "Stations, ${shift_is:text}",
        f"{OEE_TEXT} Click a station.",
        Query(
            select(
                f'{FACTORS}, sum("good") AS "good", sum("produced") AS "made", {POSITION}',
                "kpi",
                FIGURES,
                group='"station"',
            )
        ),
        span=12,
        unit=RATIO,
        empty="Nothing was planned in this shift",
        limits=UNJUDGED,
        links=[STATION_LINK],
        link_on="station",
    )
    counts = [field(name, unit="none", decimals=0) for name in ("good", "made")]
    made = in_flow_order(without_time(where_planned(made.decimals(1))))
    return with_fields(made, *counts)


def _waits() -> Panel:
    made = panel(
        "barchart",
        "Starved and blocked, ${shift_is:text}",
        "Planned time in which a station waited for the one before it (starved) or the one after it (blocked).",
        Query(
            select(
                f'sum("starved_s") / 60 AS "Starved", sum("blocked_s") / 60 AS "Blocked", {POSITION}',
                "kpi",
                FIGURES,
                group='"station"',
            )
        ),
        span=12,
        unit=MINUTES,
        empty="Nothing was planned in this shift",
    )
    made = (
        made.decimals(0)
        .x_field("station")
        .stacking(commonmodels.StackingMode.NORMAL)
        .legend(legend())
        .tooltip(tooltip())
    )
    made = made.x_tick_label_rotation(-45)
    return with_fields(in_flow_order(made), colored("Starved", SKY), colored("Blocked", BLUE))


def _waterfall() -> Panel:
    """Planned time on the left, valuable time on the right; each bar is what the loss before it left over."""
    left = 'sum("pbt_s")'
    steps = [f'{left} / 60 AS "Planned"']
    for name, (loss, _) in sorted(LOSSES.items(), key=lambda item: item[1][0] == "minor_stops"):
        left = f'{left} - sum("{loss}_s")'
        steps.append(f'({left}) / 60 AS "- {name}"')
    steps += ['sum("ideal_produced_s") / 60 AS "- Speed"', 'sum("ideal_good_s") / 60 AS "- Quality"']
    made = panel(
        "barchart",
        "Waterfall of losses, ${shift_is:text}",
        "All stations of the line together: from planned busy time, loss by loss, down to valuable time (Σ ideal time "
        "of good units). Each bar is what is left after its loss. Speed is the time beyond ideal cycles; the bar rises "
        "there where machines beat them. The last bar, valuable time, over the first is OEE.",
        Query(select(", ".join(steps), "kpi", FIGURES)),
        span=24,
        height=9,
        unit=MINUTES,
        empty="Nothing was planned in this shift",
    )
    made = _as_rows(made, "left")
    return made.decimals(0).x_field("Field").legend(no_legend()).tooltip(tooltip()).color_scheme(fixed(BLUE))


def _as_rows(made: Panel, name: str) -> Panel:
    """One row, and so one bar, for each column: `Field` is its name; the last value of a single row is that row's."""
    made = transform(made, "reduce", reducers=["lastNotNull"], mode="seriesToRows", labelsToFields=False)
    return transform(made, "organize", excludeByName={}, indexByName={}, renameByName={"Last *": name})


def _buffers() -> Panel:
    made = panel(
        "table",
        "Buffers, ${shift_is:text}",
        "What stands between two stations at the end of the chosen shift, or now; how many units went on in it and how "
        "long those had waited in all.",
        Query(
            select(
                'last("waiting") AS "waiting", last("places") AS "places", sum("left") AS "went on", '
                f'sum("waited_s") / sum("left") / 60 AS "mean wait", {POSITION}',
                "buffer",
                f'"upstream" =~ /^${{area:regex}}\\/${{line:regex}}\\// AND {SHIFT}',
                group='"upstream", "downstream"',
            )
        ),
        span=24,
        height=8,
        empty="No way between stations begins in this line",
    )
    return with_fields(
        in_flow_order(without_time(made, "upstream", "downstream")), field("mean wait", unit=MINUTES, decimals=0)
    )


def _pareto() -> Panel:
    columns = ", ".join(f'sum("{loss}_s") / 60 AS "{name}"' for name, (loss, _) in LOSSES.items())
    made = panel(
        "barchart",
        "Losses, ${shift_is:text}",
        "Planned time of the line's stations that was lost, by kind. Choose a kind above to take it apart on the right.",
        Query(select(columns, "kpi", FIGURES)),
        span=12,
        unit=MINUTES,
        empty="Nothing was planned in this shift",
    )
    made = _as_rows(made, "lost")
    made = transform(made, "sortBy", fields={}, sort=[{"field": "lost", "desc": True}])
    made = made.decimals(0).orientation(commonmodels.VizOrientation.HORIZONTAL).x_field("Field").legend(no_legend())
    return made.color_scheme(fixed(BLUE))


def _reasons() -> Panel:
    made = panel(
        "barchart",
        "$loss by reason, ${shift_is:text}",
        "The chosen kind of loss by its reason; stops without a reason are `unexplained`.",
        Query(
            select(
                'sum("${loss}_s") / 60 AS "lost"', "loss", f'{HERE} AND "${{loss}}_s" > 0 AND {SHIFT}', group='"reason"'
            )
        ),
        span=12,
        unit=MINUTES,
        empty="Nothing was planned in this shift",
    )
    made = transform(made, "sortBy", fields={}, sort=[{"field": "lost", "desc": True}])
    made = transform(made, "limit", limitField=10)
    made = made.decimals(0).orientation(commonmodels.VizOrientation.HORIZONTAL).x_field("reason").legend(no_legend())
    made = made.color_by_field("reason").color_scheme(fixed(BLUE))
    return with_fields(made, field("reason", mappings=[REASONS, OTHER_REASON]))


def _hours() -> Panel:
    made = panel(
        "barchart",
        "Output by the hour, ${shift_is:text}",
        "Good units of the line's last station in each hour beside those planned for it.",
        Query(
            select(
                'sum("out") AS "good", sum("planned_units") AS "planned"',
                "output",
                FIGURES,
                group="time(1h)",
                ending="fill(none)",
            )
        ),
        span=14,
        empty="No plan reaches this line",
    )
    made = by_time(made, HOUR).legend(legend()).tooltip(tooltip()).decimals(0)
    return against_plan(made, "good")


def _shifts() -> Panel:
    made = panel(
        "table",
        "Shifts: a click sets the time picker",
        "Click a shift to see its states in the strips above.",
        Query(
            select(
                '"label", "start_ms" AS "from", "end_ms" AS "to"',
                "period",
                f"\"kind\" = 'shift' AND time > now() - {DAYS_BACK}d",
            )
        ),
        span=10,
        empty="The collector has published no calendar yet",
        links=[
            dashboard.DashboardLink("Show this shift").url(
                "/d/taktline-line?${__all_variables}&from=${__data.fields.from.numeric}&to=${__data.fields.to.numeric}"
            )
        ],
        link_on="label",
    )
    times = [field(name, unit="time:ddd D MMM, HH:mm") for name in ("from", "to")]
    return with_fields(without_time(made), *times)
