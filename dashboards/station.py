"""3 Station: its states, its cycles against the ideal, faults, counts down to raw readings, process values with limits."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import common as commonmodels

from dashboards.common import (
    AREA,
    FACTORS,
    GREEN,
    HOURS,
    JUST_NOW,
    LINE,
    MINUTES,
    OEE_TEXT,
    OTHER_REASON,
    RATIO,
    REASONS,
    RED,
    SECONDS,
    SERIES,
    SHIFT,
    STATE_MAPPING,
    STATION,
    TEXTS,
    UNJUDGED,
    YELLOW,
    Panel,
    Query,
    area_variable,
    board,
    board_variables,
    car_link,
    colored,
    field,
    last_value,
    legend,
    limit_lines,
    line_variable,
    mapping,
    no_legend,
    panel,
    shift_variable,
    station_variable,
    tag_values,
    tooltip,
    variable,
    where_planned,
    with_fields,
    with_reason_link,
)
from mes.influx.select import select

HERE = f"{AREA} AND {LINE} AND {STATION}"
NAME = '"name" =~ /^${value:regex}$/'
RAISED = mapping({"true": ("raised", RED), "false": ("cleared", GREEN), "1": ("raised", RED), "0": ("cleared", GREEN)})
CAR_LINK = car_link()
# The board's page of a day, and the stop's place on it, which is named by its beginning.
DAY_OF_STOP = "${__value.time:date:YYYY-MM-DD}"
STOP = "${site}-${area}-${line}-${station}-${__value.time}"


def build() -> dashboard.Dashboard:
    """The dashboard."""
    made = board("taktline-station", "One station, from its OEE down to the raw readings of its counters.")
    value = variable(
        "value",
        "Process value",
        tag_values("name", "process", HERE),
        multi=True,
    )
    for choice in (area_variable(), line_variable(), station_variable(), *shift_variable(), value, *board_variables()):
        made = made.with_variable(choice)
    made = made.with_panel(_factors()).with_panel(_units()).with_panel(_now())
    made = made.with_panel(_timeline()).with_panel(_cycles())
    made = made.with_panel(_cycle_distribution()).with_panel(_cycle_figures()).with_panel(_process())
    return made.with_panel(_stops()).with_panel(_faults()).with_panel(_finished()).with_panel(_readings())


def _factors() -> Panel:
    made = panel(
        "stat",
        "OEE, ${shift_is:text}",
        OEE_TEXT,
        Query(select(FACTORS, "kpi", f"{HERE} AND {HOURS}")),
        span=12,
        height=5,
        unit=RATIO,
        empty="Nothing was planned in this shift",
        limits=UNJUDGED,
    )
    return where_planned(made.reduce_options(last_value()).decimals(1))


def _units() -> Panel:
    what = (
        'sum("good") AS "good", sum("rework") AS "rework", sum("scrap") AS "scrap", sum("unreconciled") AS "to decide"'
    )
    made = panel(
        "stat",
        "Units, ${shift_is:text}",
        "Units by their result. `To decide`: readings of a counter that only a person can decide (`mes reconcile`); no "
        "unit is counted for them.",
        Query(select(what, "kpi", f"{HERE} AND {HOURS}")),
        span=12,
        height=5,
        empty="Nothing was counted",
    )
    return made.reduce_options(last_value()).decimals(0)


def _now() -> Panel:
    made = panel(
        "stat",
        "State, now",
        "What it does at this moment, whatever the time picker says; outside of planned time `not planned`.",
        Query(select('last("loss") AS "state"', "now", f"{HERE} AND {JUST_NOW}"), SERIES, "state"),
        span=24,
        height=4,
        empty="No word from the collector: is it running?",
    )
    made = made.mappings([STATE_MAPPING]).reduce_options(last_value(TEXTS))
    return made.color_mode(commonmodels.BigValueColorMode.BACKGROUND)


def _timeline() -> Panel:
    made = panel(
        "state-timeline",
        "States and reasons, over the time picker's range",
        "What the station did, how its time counts (`loss`), and why it stopped (`reason`).",
        Query(select('"state", "loss", "reason"', "state", f"{HERE} AND $timeFilter"), SERIES, "$col"),
        span=24,
        height=7,
        empty="The station was not seen in this time",
    )
    made = (
        made.mappings([STATE_MAPPING, REASONS, OTHER_REASON])
        .merge_values(True)
        .show_value(commonmodels.VisibilityMode.NEVER)
        .row_height(0.9)
    )
    return made.legend(legend()).tooltip(tooltip()).fill_opacity(90).line_width(0)


def _cycles() -> Panel:
    made = panel(
        "timeseries",
        "Cycle times against the ideal, over the time picker's range",
        "Each unit's cycle as the controller told it, and the ideal cycle time of what was made, by the hour. Points "
        "above the line are speed loss.",
        Query(select('"cycle_s" AS "cycle"', "unit", f"{HERE} AND $timeFilter"), SERIES, "cycle", "A"),
        Query(
            select(
                'sum("ideal_produced_s") / sum("produced") AS "ideal"',
                "kpi",
                f'{HERE} AND "window" = \'hour\' AND "produced" > 0 AND $timeFilter',
                group="time(1h)",
                ending="fill(none)",
            ),
            SERIES,
            "ideal",
            "B",
        ),
        span=24,
        unit=SECONDS,
        empty="No unit was finished in this time",
    )
    made = made.legend(legend()).tooltip(tooltip()).min(0)
    points = field(
        "cycle", custom__drawStyle="points", custom__pointSize=6, color={"mode": "fixed", "fixedColor": GREEN}
    )
    line = field(
        "ideal",
        custom__lineInterpolation="stepAfter",
        custom__showPoints="never",
        color={"mode": "fixed", "fixedColor": YELLOW},
    )
    return with_fields(made, points, line)


def _cycle_distribution() -> Panel:
    made = panel(
        "histogram",
        "Cycle times, ${shift_is:text}",
        "How many units took how long, as the controller told each cycle. Beside it the ideal cycle: what lies to the right of "
        "it is speed loss. A second hump is another product, or a fault that comes again and again.",
        Query(select('"cycle_s" AS "cycle"', "unit", f"{HERE} AND {SHIFT}")),
        span=12,
        unit=SECONDS,
        empty="The controller told no cycle time",
    )
    made = made.legend(no_legend()).tooltip(tooltip()).decimals(0).combine(False)
    return with_fields(made, colored("cycle", GREEN))


def _cycle_figures() -> Panel:
    made = panel(
        "stat",
        "Cycle and ideal, ${shift_is:text}",
        "The ideal cycle time of what was made (Σ ideal time of all units / units), and the shortest, the mean and the longest "
        "cycle that the controller told.",
        Query(
            select(
                'sum("ideal_produced_s") / sum("produced") AS "ideal"', "kpi", f'{HERE} AND "produced" > 0 AND {HOURS}'
            )
        ),
        Query(
            select(
                'min("cycle_s") AS "shortest", mean("cycle_s") AS "mean", max("cycle_s") AS "longest"',
                "unit",
                f"{HERE} AND {SHIFT}",
            ),
            ref="B",
        ),
        span=12,
        unit=SECONDS,
        empty="No unit was finished",
        limits=UNJUDGED,
    )
    # of two measurements Grafana would put their names before those of the columns
    names = [field(name, displayName=name) for name in ("ideal", "shortest", "mean", "longest")]
    return with_fields(made.reduce_options(last_value()).decimals(0), *names, colored("ideal", YELLOW))


def _process() -> Panel:
    made = panel(
        "timeseries",
        "$value, over the time picker's range",
        "Smallest, mean and largest value in each step, so that no excursion is hidden, and the limits of the plant's "
        "file. The unit is the signal's own. One panel for each process value.",
        Query(
            select(
                'min("value") AS "min", mean("value") AS "mean", max("value") AS "max"',
                "process",
                f"{HERE} AND {NAME} AND $timeFilter",
                group='time($__interval), "name"',
                ending="fill(none)",
            ),
            SERIES,
            "$tag_name $col",
            "A",
        ),
        Query(
            select(
                'last("low") AS "low", last("high") AS "high"',
                "limit",
                f"{HERE} AND {NAME} AND $timeFilter",
                group='time($__interval), "name"',
                ending="fill(none)",
            ),
            SERIES,
            "$tag_name $col",
            "B",
        ),
        span=24,
        height=9,
        empty="No process value was seen in this time",
    )
    made = made.legend(legend()).tooltip(tooltip()).decimals(2).repeat("value").repeat_direction("h").max_per_row(2)
    return limit_lines(made)


def _stops() -> Panel:
    where = f'{HERE} AND "begins" = 1 AND "loss" != \'apt\' AND "loss" != \'not_planned\' AND {SHIFT}'
    made = panel(
        "table",
        "Stops, ${shift_is:text}",
        "Every stretch of planned time that did not produce, as it began; the newest first. `none`: nobody said why yet. "
        "Click the reason to give it on the board.",
        Query(
            select(
                '"state", "loss", "reason", "fault", "fault_text", "stop_s" / 60 AS "length"',
                "state",
                where,
                ending="ORDER BY time DESC",
            )
        ),
        span=12,
        height=9,
        empty="The station did not stop in planned time",
    )
    made = with_reason_link(made, "${area}/${line}/${station}", more=f"&window={DAY_OF_STOP}#stop-{STOP}")
    states = [field(name, mappings=[STATE_MAPPING]) for name in ("state", "loss")]
    return with_fields(made, field("length", unit=MINUTES, decimals=1), *states)


def _faults() -> Panel:
    made = panel(
        "table",
        "Faults, ${shift_is:text}",
        "Fault codes that the controller raised and cleared, the newest first.",
        Query(select('"code", "active"', "fault", f"{HERE} AND {SHIFT}", ending="ORDER BY time DESC LIMIT 100")),
        span=12,
        height=9,
        empty="The controller raised no fault",
    )
    return with_fields(made, field("active", mappings=[RAISED]))


def _finished() -> Panel:
    made = panel(
        "table",
        "Units finished, ${shift_is:text}",
        "Each unit with its result, the newest first. Click one for its whole way.",
        Query(
            select(
                '"unit", "product", "result", "cycle_s" AS "cycle"',
                "unit",
                f"{HERE} AND {SHIFT}",
                ending="ORDER BY time DESC LIMIT 100",
            )
        ),
        span=12,
        height=9,
        empty="No unit was finished",
        links=[CAR_LINK],
        link_on="unit",
    )
    return with_fields(made, field("cycle", unit=SECONDS, decimals=0))


def _readings() -> Panel:
    return panel(
        "table",
        "Counter readings, ${shift_is:text}",
        "The raw readings behind the units, the newest first: what the totaliser showed, and how many units that was. "
        "`catch_up`: counted after a connection gap; `rollover`, `reset`: the totaliser started again; "
        "`remapped`: another place is read.",
        Query(
            select(
                '"kind", "raw", "delta" AS "units", "flag"',
                "count",
                f"{HERE} AND {SHIFT}",
                ending="ORDER BY time DESC LIMIT 100",
            )
        ),
        span=12,
        height=9,
        empty="Nothing was counted",
    )
