"""What all dashboards share: how a query, a panel, a variable and a link are made, and how a state looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import (
    barchart,
    dashboard,
    histogram,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.cog import builder as cogbuilder
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import common as commonmodels
from grafana_foundation_sdk.models import dashboard as models

from mes.config.load import default_config, load
from mes.influx.select import select

SOURCE = commonmodels.DataSourceRef(type_val="influxdb", uid="taktline")
TABLE, SERIES = "table", "time_series"
RATIO, UNITS = "percentunit", "none"
MINUTES, SECONDS, MILLISECONDS = "suffix:min", "suffix:s", "suffix:ms"  # Grafana's own units change with the value
HOUR, DAY, INSTANT = "time:HH:mm", "time:D MMM", "time:D MMM HH:mm:ss"

# The figures of a chosen shift or day: people choose it by its name, and what that is now is looked up again each time.
# Its condition is stored as data by the collector, for only it knows the calendar.
SHIFT = "${shift_is:raw}"
DAYS_BACK = 9  # as far as a shift or a day can be chosen by its name
RECENT = f"time > now() - {DAYS_BACK + 1}d"  # which areas, lines and stations can be chosen
JUST_NOW = "time > now() - 10m"  # of the program's own health and of looks at stations, which come more often
HOURS = f"\"window\" = 'hour' AND {SHIFT}"
SHIFTS = (
    f"\"window\" = 'shift' AND {SHIFT}"  # for what is planned: hours have figures once they have begun, a shift at once
)
AREA, LINE, STATION = '"area" =~ /^${area:regex}$/', '"line" =~ /^${line:regex}$/', '"station" =~ /^${station:regex}$/'

# Okabe and Ito's palette: told apart by the colour-blind, in light and in dark.
GREEN, RED, YELLOW, PINK = "#009E73", "#D55E00", "#E6B800", "#CC79A7"
SKY, BLUE, GREY, DARK = "#56B4E9", "#0072B2", "#999999", "#6B6B6B"
STATES = {
    "producing": GREEN,
    "starved": SKY,
    "blocked": BLUE,
    "down": RED,
    "setup": YELLOW,
    "idle": PINK,
    "planned_stop": GREY,
    "no_data": DARK,
}
LOSSES = {
    "Minor stops": ("minor_stops", "#F0AB6E"),
    "Down": ("down", RED),
    "Set-up": ("setup", YELLOW),
    "Idle": ("idle", PINK),
    "Starved": ("starved", SKY),
    "Blocked": ("blocked", BLUE),
    "No data": ("no_data", DARK),
}
FACTORS = (
    'sum("ideal_good_s") / sum("pbt_s") AS "OEE", sum("ot_s") / sum("pbt_s") AS "Availability", '
    'sum("ideal_produced_s") / sum("ot_s") AS "Performance", sum("ideal_good_s") / sum("ideal_produced_s") AS "Quality", '
    'sum("pbt_s") AS "Planned time"'
)
OEE_TEXT = (
    "OEE (overall equipment effectiveness) = Σ ideal time of good units / Σ planned busy time. "
    "Availability = operating time / planned busy time; performance = Σ ideal time of all units / operating time; "
    "quality = Σ ideal time of good units / Σ ideal time of all units (ISO 22400)."
)

PANELS: dict[str, Any] = {
    "stat": stat.Panel,
    "table": table.Panel,
    "timeseries": timeseries.Panel,
    "barchart": barchart.Panel,
    "state-timeline": statetimeline.Panel,
    "histogram": histogram.Panel,
}
# Columns of numbers: Grafana aligns a column that has no value at all as a text.
MAY_BE_UNKNOWN = (
    "/^(places|mean wait|time outside|min|mean|max|low|high|cycle|last reading|clock offset|difference|in InfluxDB|"
    "outside|outside for|known for)$/"
)
Panel: TypeAlias = Any  # each kind has a builder of its own, with options of its own
Column: TypeAlias = tuple[models.MatcherConfig, list[models.DynamicConfigValue]]


@dataclass(frozen=True, slots=True)
class Query(cogbuilder.Builder[variants.Dataquery], variants.Dataquery):
    """One InfluxQL query of a panel; `alias` names series by their tags, as in `$tag_station`."""

    text: str
    form: str = TABLE
    alias: str = ""
    ref: str = "A"

    def build(self) -> variants.Dataquery:
        """Itself: the library has no query of InfluxDB's."""
        return self

    def to_json(self) -> dict[str, object]:
        """As Grafana's data source keeps it."""
        named = {"alias": self.alias} if self.alias else {}
        return {
            "refId": self.ref,
            "datasource": SOURCE,
            "rawQuery": True,
            "query": self.text,
            "resultFormat": self.form,
            **named,
        }


def tag_values(key: str, measurement: str, *where: str) -> str:
    """The text of a query for the values of a tag; without a time, InfluxDB 3 looks back for one day only."""
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{key}" WHERE {" AND ".join((RECENT, *where))}'


def thresholds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Colours from a value on; the first step has None."""
    found = [models.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


PLAIN = thresholds((None, BLUE))
UNJUDGED = thresholds((None, "text"))  # without a target no colour says good or bad


def mapping(texts: dict[str, tuple[str, str]]) -> models.ValueMap:
    """Values shown as a text in a colour."""
    return models.ValueMap(
        {
            value: models.ValueMappingResult(text=text, color=color, index=place)
            for place, (value, (text, color)) in enumerate(texts.items())
        }
    )


LOSSES_OF_STATES = {
    "apt": ("producing", GREEN),
    "minor_stops": ("minor stop", "#F0AB6E"),
    "not_planned": ("not planned", "#808080"),
}
STATE_MAPPING = mapping({state: (state.replace("_", " "), color) for state, color in STATES.items()} | LOSSES_OF_STATES)
# Far apart for all eyes; a test measures it. Reasons of the shipped plant's file, and stops without one.
PALETTE = (
    "#668811", "#0000FF", "#77BBEE", "#005544", "#1144AA", "#44CC99", "#CCBB00", "#006688", "#0099FF", "#225511", "#0066FF",
    "#449999", "#CCBB66",
)  # fmt: skip
_STANDARDS = load(default_config()).config.standards.values()
_REASONS = dict.fromkeys(reason for standard in _STANDARDS for reason in standard.reasons.reasons)
REASON_COLORS = {str(reason): color for reason, color in zip((*_REASONS, "unexplained"), PALETTE, strict=False)}
REASONS = mapping(
    {"none": ("no reason", "transparent")} | {reason: (reason, color) for reason, color in REASON_COLORS.items()}
)
OTHER_REASON = models.RegexMap(
    models.DashboardRegexMapOptions(".+", models.ValueMappingResult(color="#808080", index=len(PALETTE) + 1))
)
RUNS = mapping({"0": ("not running", RED), "1": ("running", GREEN)})


def fixed(color: str) -> dashboard.FieldColor:
    """One colour for all values."""
    return dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(color)


def by_series() -> dashboard.FieldColor:
    """A colour of its own for each series."""
    return dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC)


def by_threshold() -> dashboard.FieldColor:
    """Colours by thresholds."""
    return dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def panel(
    kind: str,
    title: str,
    about: str,
    *queries: Query,
    span: int,
    height: int = 8,
    unit: str = UNITS,
    empty: str,
    limits: dashboard.ThresholdsConfig | None = None,
    links: Sequence[dashboard.DashboardLink] = (),
    link_on: str = "",
) -> Panel:
    """A panel with all that every panel has: a description, a unit, and a text for when there is nothing.

    `link_on`: the one column of a table that is a link.
    """
    made = PANELS[kind]().title(title).description(about).datasource(SOURCE).span(span).height(height)
    # The legend of a state timeline names the mapped states only where colours do not come from thresholds.
    colors = by_series() if kind in {"timeseries", "barchart", "state-timeline", "histogram"} else by_threshold()
    made = (
        made.unit(unit)
        .no_value(empty)
        .thresholds(limits or (UNJUDGED if kind == "table" else PLAIN))
        .color_scheme(colors)
    )
    if kind == "stat":
        made = made.graph_mode(commonmodels.BigValueGraphMode.NONE)  # one row has no curve
    if kind == "table":
        made = made.min_width(80)  # pixels a column; Grafana's own 150 makes phones and half-wide panels scroll
        # the sentence for an empty panel would stand in each empty cell, too
        # a column without any value would be shown as JSON, with `null` in each cell
        made = made.override_by_regexp(
            "/.*/", [property_("noValue", "–"), property_("custom.cellOptions", {"type": "color-text"})]
        )
        made = made.override_by_regexp(MAY_BE_UNKNOWN, [property_("custom.align", "right")])
        made = made.override_by_name("Time", [property_("unit", INSTANT)])
    for query in queries:
        made = made.with_target(query)
    if links and link_on:
        built = [link.build() for link in links]
        texts = [{"title": link.title, "url": link.url, "targetBlank": False} for link in built]
        return made.override_by_name(link_on, [property_("links", texts)])
    return made.data_links(list(links)) if links else made


def field(name: str, **properties: object) -> Column:
    """What differs for one column."""
    ids = {key.replace("__", "."): value for key, value in properties.items()}
    return (
        models.MatcherConfig(id_val="byName", options=name),
        [models.DynamicConfigValue(id_val=key, value=value) for key, value in ids.items()],
    )


def with_fields(made: Panel, *fields: Column) -> Panel:
    """The panel with what differs for some of its columns."""
    for matcher, properties in fields:
        made = made.with_override(matcher, properties)
    return made


def property_(name: str, value: object) -> models.DynamicConfigValue:
    """One property of columns that an expression names."""
    return models.DynamicConfigValue(id_val=name, value=value)


def colored(name: str, color: str) -> Column:
    """A series that has the same colour everywhere."""
    return field(name, color={"mode": "fixed", "fixedColor": color})


def by_time(made: Panel, form: str) -> Panel:
    """Bars by time, with as many labels as fit side by side."""
    return with_fields(made.x_field("Time").x_tick_label_spacing(50), field("Time", unit=form))


def against_plan(made: Panel, done: str) -> Panel:
    """What was done in green, what was planned in grey."""
    return with_fields(made, colored(done, GREEN), colored("planned", GREY))


def without_time(made: Panel, *tags: str) -> Panel:
    """Without the time of aggregates, which says nothing; `tags` come first, for Grafana has them in any order."""
    places = {name: place for place, name in enumerate(("Time", *tags))} if tags else {}
    return transform(made, "organize", excludeByName={"Time": True}, indexByName=places, renameByName={})


def where_planned(made: Panel) -> Panel:
    """Without rows in which no work was planned: to InfluxQL 0 / 0 is 0, and a Sunday would be red."""
    return only(made, "Planned time", "greater", 0)


def only(made: Panel, name: str, comparison: str, value: float) -> Panel:
    """Rows whose column of this name compares so, by a comparison of Grafana's; the column is not shown."""
    wanted = {"fieldName": name, "config": {"id": comparison, "options": {"value": value}}}
    made = transform(made, "filterByValue", filters=[wanted], type="include", match="all")
    return transform(made, "filterFieldsByName", exclude={"names": [name]})


POSITION = 'last("position") AS "position"'


def in_flow_order(made: Panel) -> Panel:
    """Rows from upstream to downstream, by the position that the query asks for, which is not shown."""
    made = transform(made, "sortBy", fields={}, sort=[{"field": "position"}])
    return transform(made, "filterFieldsByName", exclude={"names": ["position"]})


def transform(made: Panel, kind: str, **options: object) -> Panel:
    """The panel with a step that names, joins or orders columns; none of them computes."""
    return made.with_transformation(models.DataTransformerConfig(id_val=kind, options=options))


TEXTS = "/^(?!Time$).*/"


def last_value(names: str = "") -> ReduceDataOptions:
    """A tile's value: the last of each series; of numbers, or with TEXTS of all that is no time."""
    return ReduceDataOptions().calcs(["lastNotNull"]).fields(names).values(False)


def each_row(name: str) -> ReduceDataOptions:
    """A tile for each row of a table: the value is the column of that name, the tile's name the row's text."""
    return ReduceDataOptions().calcs([]).fields(f"/^{name}$/").values(True)


def no_legend() -> VizLegendOptions:
    """Where the axis names everything."""
    return (
        VizLegendOptions()
        .show_legend(False)
        .display_mode(commonmodels.LegendDisplayMode.LIST)
        .placement(commonmodels.LegendPlacement.BOTTOM)
        .calcs([])
    )


def legend() -> VizLegendOptions:
    """Below, in one line."""
    return no_legend().show_legend(True)


def limit_lines(made: Panel) -> Panel:
    """Series `low` and `high` as dashed lines between the points in which limits are stored."""
    return made.override_by_regexp(
        "/ (low|high)$/",
        [
            property_("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
            property_("custom.lineInterpolation", "stepAfter"),
            property_("custom.showPoints", "never"),
            property_("custom.spanNulls", True),
            property_("color", {"mode": "fixed", "fixedColor": RED}),
        ],
    )


def dashed() -> GraphThresholdsStyleConfig:
    """Limits as dashed lines."""
    return GraphThresholdsStyleConfig().mode(commonmodels.GraphThresholdsStyleMode.DASHED)


def tooltip() -> VizTooltipOptions:
    """All series at once."""
    return VizTooltipOptions().mode(commonmodels.TooltipDisplayMode.MULTI).sort(commonmodels.SortOrder.NONE)


def to_dashboard(uid: str, title: str, *, has_shift: bool = True, **variables: str) -> dashboard.DashboardLink:
    """A link from a value to another dashboard, with the shift that is chosen, if any, and what the value's row says."""
    given = "".join(f"&var-{name}={value}" for name, value in variables.items())
    shift = "&${shift:queryparam}" if has_shift else ""
    return dashboard.DashboardLink(title).url(f"/d/{uid}?${{__url_time_range}}{shift}{given}")


def to_line(*, has_shift: bool = True) -> dashboard.DashboardLink:
    """A link from a row of a line to the line."""
    return to_dashboard(
        "taktline-line", "Line", has_shift=has_shift, area="${__data.fields.area}", line="${__data.fields.line}"
    )


def to_station(*, has_shift: bool = True) -> dashboard.DashboardLink:
    """A link from a row of a station to the station."""
    return to_dashboard(
        "taktline-station",
        "Station",
        has_shift=has_shift,
        area="${__data.fields.area}",
        line="${__data.fields.line}",
        station="${__data.fields.station}",
    )


def car_link() -> dashboard.DashboardLink:
    """A link from a unit to its way, which began long before the range that one looks at."""
    return dashboard.DashboardLink("Car").url("/d/taktline-car?from=now-30d&to=now&var-vin=${__data.fields.unit}")


BOARD_AT = "http://localhost:8090"  # as the plant's file has it by default; Operation says how to change it


def board_variables() -> tuple[dashboard.QueryVariable, dashboard.ConstantVariable]:
    """What a link to the board needs, not shown: the site's name, and the board's address."""
    site = variable("site", "", tag_values("site", "kpi")).hide(models.VariableHide.HIDE_VARIABLE)
    return site, dashboard.ConstantVariable("board").value(BOARD_AT)


def with_reason_link(made: Panel, path: str, *, more: str = "") -> Panel:
    """The panel with its column `reason` as a link to where the board takes the reason of a stop.

    `path`: the station's area, line and name; `more`: further parameters, and the stop's place on the page.
    """
    link = {"title": "Give the reason on the board", "url": f"${{board}}/stops?of=${{site}}/{path}{more}"}
    return with_fields(made, field("reason", links=[{**link, "targetBlank": True}]))


def variable(
    name: str, label: str, text: str, *, regex: str = "", at_first: str = "", multi: bool = False
) -> dashboard.QueryVariable:
    """A variable whose values are asked for; `multi`: several, or all, which is chosen at first."""
    made = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(text).regex(regex)
    made = made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.DISABLED)
    if multi:
        everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
        return made.multi(True).include_all(True).current(everything)
    return made.current(models.VariableOption(selected=True, text=at_first, value="")) if at_first else made


PERIOD_REGEX = "/(?<text>[^|]*)\\|(?<value>.*)/"


Variables: TypeAlias = tuple[dashboard.QueryVariable, ...]


def period(name: str, label: str, kinds: Sequence[str], days: int, at_first: str) -> Variables:
    """A stretch of the calendar, chosen by what people call it, and the condition of InfluxQL that this is at present.

    So `this shift` stays this shift, on a wall and in a bookmark.
    """
    any_of = " OR ".join(f"\"kind\" = '{kind}'" for kind in kinds)
    where = f"({any_of}) AND time > now() - {days}d"
    names = variable(name, label, select('"label"', "period", where, ending="ORDER BY time DESC"))
    names = names.current(models.VariableOption(selected=True, text=at_first, value=at_first))
    same = f"\"label\" = '${{{name}:raw}}' AND {where}"
    condition = variable(
        f"{name}_is", "", select('"choice"', "period", same, ending="ORDER BY time DESC LIMIT 1"), regex=PERIOD_REGEX
    )
    hidden = models.VariableHide.HIDE_VARIABLE
    return names, condition.hide(hidden)


def shift_variable() -> Variables:
    """This shift, last shift, today, yesterday, and those of the last nine days by their dates."""
    return period("shift", "Shift or day", ("shift", "day"), DAYS_BACK, "this shift")


def area_variable() -> dashboard.QueryVariable:
    """An area."""
    return variable("area", "Area", tag_values("area", "kpi"))


def line_variable() -> dashboard.QueryVariable:
    """A line of the area."""
    return variable("line", "Line", tag_values("line", "kpi", AREA))


def station_variable() -> dashboard.QueryVariable:
    """A station of the line."""
    return variable("station", "Station", tag_values("station", "kpi", AREA, LINE))


NAMES = {
    "taktline-plant": "1 Plant today",
    "taktline-line": "2 Line",
    "taktline-station": "3 Station",
    "taktline-paint": "4 Paint process",
    "taktline-car": "5 Car",
    "taktline-programme": "6 Programme",
    "taktline-collector": "7 Collector",
    "taktline-trend": "8 Trend",
}


def board(uid: str, about: str, *, since: str = "now-24h", refresh: str = "30s") -> dashboard.Dashboard:
    """An empty dashboard with the links to all others; `dashboards.write` adds the choices that go along."""
    made = dashboard.Dashboard(f"Taktline {NAMES[uid]}").uid(uid).description(about).tags(["taktline"]).editable()
    made = made.time(since, "now").refresh(refresh).timezone("").tooltip(models.DashboardCursorSync.CROSSHAIR)
    for other, name in NAMES.items():
        if other != uid:
            link = dashboard.DashboardLink(name[2:]).type(models.DashboardLinkType.LINK).url(f"/d/{other}")
            keeps = "taktline-car" not in (uid, other)  # a car's way is longer than what one looks at elsewhere
            made = made.link(link.icon("dashboard").include_vars(False).keep_time(keeps).tooltip("").tags([]))
    return made
