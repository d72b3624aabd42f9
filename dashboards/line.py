"""2 Line: its stations as tiles and strips, what blocks and starves them, its buffers, where its time goes."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import common as commonmodels
from grafana_foundation_sdk.models import dashboard as models

from dashboards.common import (
    AREA,
    BLUE,
    DAYS_BACK,
    FACTORS,
    GOOD_IS_HIGH,
    HOURS,
    LINE,
    LOSSES,
    OEE_TEXT,
    RATIO,
    SECONDS,
    SERIES,
    SHIFT,
    SKY,
    STATE_MAPPING,
    TEXTS,
    THIS_HOUR,
    Panel,
    Query,
    against_plan,
    area_variable,
    board,
    colored,
    field,
    fixed,
    last_value,
    legend,
    line_variable,
    no_legend,
    panel,
    select,
    shift_variable,
    to_dashboard,
    tooltip,
    transform,
    where_planned,
    with_fields,
    without_time,
)

HERE = f"{AREA} AND {LINE}"
FIGURES = f"{HERE} AND {HOURS}"
STATION_LINK = to_dashboard(
    "taktline-station", "Station", area="${area}", line="${line}", station="${__data.fields.station}"
)
TILE_LINK = to_dashboard(
    "taktline-station", "Station", area="${area}", line="${line}", station="${__field.labels.station}"
)


def build() -> dashboard.Dashboard:
    """The dashboard."""
    made = board("taktline-line", "One line: where its stations stand, what they wait for, and where the time goes.")
    for each in (area_variable(), line_variable(), *shift_variable(), _second_level()):
        made = made.with_variable(each)
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
        "The state of each station, by colour and by word, whatever the time picker says. Click a tile.",
        Query(
            select('last("state") AS "state"', "state", f"{HERE} AND {THIS_HOUR}", group='"station"'),
            SERIES,
            "$tag_station",
        ),
        span=24,
        height=4,
        empty="No station of this line was seen in the last hour",
        links=[TILE_LINK],
    )
    made = (
        made.mappings([STATE_MAPPING])
        .reduce_options(last_value(TEXTS))
        .color_mode(commonmodels.BigValueColorMode.BACKGROUND)
    )
    return made.text_mode(commonmodels.BigValueTextMode.VALUE_AND_NAME)


def _strips() -> Panel:
    made = panel(
        "state-timeline",
        "States, over the time picker's range",
        "What each station did. Choose a range at the top right, or click a shift in the table at the end.",
        Query(select('"state"', "state", f"{HERE} AND $timeFilter", group='"station"'), SERIES, "$tag_station"),
        span=24,
        height=9,
        empty="No station of this line was seen in this time",
    )
    made = (
        made.mappings([STATE_MAPPING]).merge_values(True).show_value(commonmodels.VisibilityMode.AUTO).row_height(0.9)
    )
    return made.legend(legend()).tooltip(tooltip()).fill_opacity(90).line_width(0)


def _stations() -> Panel:
    made = panel(
        "table",
        "Stations, $shift",
        f"{OEE_TEXT} Click a station.",
        Query(
            select(f'{FACTORS}, sum("good") AS "good", sum("produced") AS "made"', "kpi", FIGURES, group='"station"')
        ),
        span=12,
        unit=RATIO,
        empty="Nothing was planned in this shift",
        limits=GOOD_IS_HIGH,
        links=[STATION_LINK],
    )
    plain = {"mode": "absolute", "steps": [{"value": None, "color": "text"}]}
    counts = [field(each, unit="none", decimals=0, thresholds=plain) for each in ("good", "made")]
    cell = {"type": "color-background", "mode": "basic"}
    return with_fields(without_time(where_planned(made.decimals(1))), field("OEE", custom__cellOptions=cell), *counts)


def _waits() -> Panel:
    made = panel(
        "barchart",
        "Starved and blocked, $shift",
        "Planned time in which a station waited for the one before it (starved) or the one after it (blocked).",
        Query(
            select('sum("starved_s") AS "Starved", sum("blocked_s") AS "Blocked"', "kpi", FIGURES, group='"station"')
        ),
        span=12,
        unit=SECONDS,
        empty="Nothing was planned in this shift",
    )
    made = made.x_field("station").stacking(commonmodels.StackingMode.NORMAL).legend(legend()).tooltip(tooltip())
    made = made.x_tick_label_rotation(-45)
    return with_fields(made, colored("Starved", SKY), colored("Blocked", BLUE))


def _waterfall() -> Panel:
    """Planned time on the left, valuable time on the right; each bar is what the loss before it left over."""
    left = 'sum("pbt_s")'
    steps = [f'{left} AS "Planned"']
    for name, (loss, _) in sorted(LOSSES.items(), key=lambda each: each[1][0] == "minor_stops"):
        left = f'{left} - sum("{loss}_s")'
        steps.append(f'{left} AS "- {name}"')
    steps += ['sum("ideal_produced_s") AS "- Speed"', 'sum("ideal_good_s") AS "- Quality"']
    made = panel(
        "barchart",
        "Waterfall of losses, $shift",
        "All stations of the line together: from planned busy time, loss by loss, down to valuable time (Σ ideal time "
        "of good units). Each bar is what is left after its loss. Speed is the time beyond ideal cycles; the bar rises "
        "there where machines beat them. The last bar, valuable time, over the first is OEE.",
        Query(select(", ".join(steps), "kpi", FIGURES)),
        span=16,
        height=9,
        unit=SECONDS,
        empty="Nothing was planned in this shift",
    )
    made = _turned(made, "Loss", "left")
    return made.x_field("Loss").legend(no_legend()).tooltip(tooltip()).color_scheme(fixed(BLUE))


def _turned(made: Panel, first: str, rest: str) -> Panel:
    """Columns become rows: one bar each."""
    made = transform(made, "filterFieldsByName", exclude={"names": ["Time"]})
    made = transform(made, "transpose", firstFieldName=first, restFieldsName=rest)
    # Grafana numbers the new column: its name is `lost 1`, by which nothing would be sorted
    return transform(made, "organize", excludeByName={}, indexByName={}, renameByName={f"{rest} 1": rest})


def _buffers() -> Panel:
    made = panel(
        "table",
        "Buffers, $shift",
        "What stands between two stations at the end of the chosen shift, or now; how many units went on in it and how "
        "long those had waited in all.",
        Query(
            select(
                'last("waiting") AS "waiting", last("places") AS "places", sum("left") AS "went on", '
                'sum("waited_s") / sum("left") AS "mean wait"',
                "buffer",
                f'"upstream" =~ /^${{area:regex}}\\/${{line:regex}}\\// AND {SHIFT}',
                group='"upstream", "downstream"',
            )
        ),
        span=8,
        height=9,
        empty="No way between stations begins in this line",
    )
    return with_fields(without_time(made, "upstream", "downstream"), field("mean wait", unit=SECONDS))


def _pareto() -> Panel:
    columns = ", ".join(f'sum("{loss}_s") AS "{name}"' for name, (loss, _) in LOSSES.items())
    made = panel(
        "barchart",
        "Losses, first level, $shift",
        "Planned time of the line's stations that was lost, by kind. Choose a kind above to take it apart on the right.",
        Query(select(columns, "kpi", FIGURES)),
        span=12,
        unit=SECONDS,
        empty="Nothing was planned in this shift",
    )
    made = _turned(made, "Loss", "lost")
    made = transform(made, "sortBy", fields={}, sort=[{"field": "lost", "desc": True}])
    made = made.orientation(commonmodels.VizOrientation.HORIZONTAL).x_field("Loss").legend(no_legend())
    return made.color_scheme(fixed(BLUE))


def _reasons() -> Panel:
    made = panel(
        "barchart",
        "$loss by reason, second level, $shift",
        "The chosen kind of loss by its reason; what nobody explained is `unexplained`.",
        Query(select('sum("${loss}_s") AS "lost"', "loss", f"{HERE} AND {SHIFT}", group='"reason"')),
        span=12,
        unit=SECONDS,
        empty="Nothing was planned in this shift",
    )
    made = transform(made, "sortBy", fields={}, sort=[{"field": "lost", "desc": True}])
    made = transform(made, "limit", limitField=10)
    made = made.orientation(commonmodels.VizOrientation.HORIZONTAL).x_field("reason").legend(no_legend())
    return made.color_scheme(fixed(BLUE))


def _hours() -> Panel:
    made = panel(
        "barchart",
        "Output against plan by the hour, $shift",
        "Good units of the line's last station in each hour beside those planned for it.",
        Query(
            select(
                'sum("good") AS "good", sum("plan_whole") AS "planned"',
                "output",
                FIGURES,
                group="time(1h)",
                ending="fill(none)",
            )
        ),
        span=16,
        empty="No plan reaches this line",
    )
    made = made.x_field("Time").legend(legend()).tooltip(tooltip()).decimals(1)
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
        span=8,
        empty="The collector has published no calendar yet",
        links=[
            dashboard.DashboardLink("Show this shift").url(
                "/d/taktline-line?${__all_variables}&from=${__data.fields.from.numeric}&to=${__data.fields.to.numeric}"
            )
        ],
    )
    times = [field(each, unit="dateTimeAsIso") for each in ("from", "to")]
    return with_fields(without_time(made), *times)
