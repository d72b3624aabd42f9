"""7 Collector: whether every reading arrives, every unit is booked, and InfluxDB has it."""

from grafana_foundation_sdk.builders import dashboard

from dashboards.common import (
    GREEN,
    JUST_NOW,
    RED,
    RUNS,
    SECONDS,
    SERIES,
    YELLOW,
    Panel,
    Query,
    board,
    dashed,
    field,
    last_value,
    legend,
    panel,
    property_,
    select,
    thresholds,
    tooltip,
    with_fields,
    without_time,
)

CELL = {"type": "color-background", "mode": "basic"}


def build() -> dashboard.Dashboard:
    """The dashboard."""
    made = board(
        "taktline-collector",
        "Whether every reading arrives, every unit is booked, and InfluxDB has it.",
        since="now-6h",
    )
    made = made.with_panel(_controllers()).with_panel(_journal()).with_panel(_ages()).with_panel(_offsets())
    return made.with_panel(_backlog()).with_panel(_count_audit())


def _controllers() -> Panel:
    what = (
        'last("running") AS "running", last("age_s") AS "last reading", last("clock_offset_s") AS "clock offset", '
        'last("reconnects") AS "reconnects", last("items_active") AS "tags", last("items_configured") AS "tags configured"'
    )
    made = panel(
        "table",
        "Controllers, now",
        "The last word on each controller. Clock offset: its clock minus ours.",
        Query(select(what, "collector", JUST_NOW, group='"edge", "controller"')),
        span=14,
        height=7,
        empty="No word from the collector: is it running?",
        limits=thresholds((None, "text")),
    )
    seconds = [field(each, unit=SECONDS, decimals=1) for each in ("last reading", "clock offset")]
    return with_fields(
        without_time(made, "edge", "controller"),
        field("running", mappings=[RUNS], custom__cellOptions={"type": "color-text"}),
        *seconds,
    )


def _journal() -> Panel:
    what = (
        'last("backlog") AS "events not in InfluxDB", last("lag_s") AS "age of the oldest", '
        'last("quarantined") AS "refused lines", last("commit_p99_s") AS "commit p99", last("free_bytes") AS "free disk"'
    )
    made = panel(
        "stat",
        "Journal, now",
        "What the journal holds that InfluxDB has not, lines that InfluxDB refuses, the time of a commit (99th percentile) "
        "and the free disk. Nothing in the journal is lost while InfluxDB is away.",
        Query(select(what, "journal", JUST_NOW)),
        span=10,
        height=7,
        empty="No word from the collector: is it running?",
        limits=thresholds((None, GREEN)),
    )
    made = made.reduce_options(last_value())
    yellow = {"mode": "absolute", "steps": [{"value": None, "color": GREEN}, {"value": 600, "color": RED}]}
    refused = {"mode": "absolute", "steps": [{"value": None, "color": GREEN}, {"value": 1, "color": RED}]}
    return with_fields(
        made,
        field("age of the oldest", unit=SECONDS, decimals=1, thresholds=yellow),
        field("commit p99", unit=SECONDS, decimals=3),
        field("free disk", unit="bytes"),
        field("refused lines", thresholds=refused),
    )


def _ages() -> Panel:
    made = panel(
        "timeseries",
        "Age of the last reading",
        "The largest age in each step, by controller. A line that climbs is a controller that says nothing.",
        Query(
            select(
                'max("age_s") AS "age"',
                "collector",
                "$timeFilter",
                group='time($__interval), "controller"',
                ending="fill(none)",
            ),
            SERIES,
            "$tag_controller",
        ),
        span=12,
        unit=SECONDS,
        empty="No word from the collector: is it running?",
        limits=thresholds((None, GREEN), (30, YELLOW), (120, RED)),
    )
    return made.legend(legend()).tooltip(tooltip()).min(0).thresholds_style(dashed())


def _offsets() -> Panel:
    what = 'min("clock_offset_s") AS "least offset", max("clock_offset_s") AS "largest offset", last("running") AS "running"'
    made = panel(
        "timeseries",
        "Clock offsets",
        "Each controller's clock minus ours; beyond the limit of the plant's file (2 s) its times are not believed. "
        "`running` is 1 while the controller gives data.",
        Query(
            select(what, "collector", "$timeFilter", group='time($__interval), "controller"', ending="fill(none)"),
            SERIES,
            "$tag_controller $col",
        ),
        span=12,
        unit=SECONDS,
        empty="No controller tells its time",
        limits=thresholds((None, RED), (-2, GREEN), (2, RED)),
    )
    made = made.legend(legend()).tooltip(tooltip()).thresholds_style(dashed())
    return made.override_by_regexp(
        "/ running$/", [property_("unit", "none"), property_("custom.axisPlacement", "right")]
    )


def _backlog() -> Panel:
    what = 'max("backlog") AS "events", max("lag_s") AS "age of the oldest"'
    made = panel(
        "timeseries",
        "What InfluxDB has not yet",
        "Events in the journal that InfluxDB does not have, and the age of the oldest. They grow while InfluxDB is away, and "
        "go back to zero after it.",
        Query(
            select(what, "journal", "$timeFilter", group='time($__interval), "edge"', ending="fill(none)"),
            SERIES,
            "$tag_edge $col",
        ),
        span=12,
        empty="No word from the collector: is it running?",
    )
    made = made.legend(legend()).tooltip(tooltip()).min(0)
    return made.override_by_regexp(
        "/ age of the oldest$/", [property_("unit", SECONDS), property_("custom.axisPlacement", "right")]
    )


def _count_audit() -> Panel:
    what = (
        'last("counted") AS "booked", last("stored") AS "in InfluxDB", last("unreconciled") AS "to decide", '
        'last("difference") AS "difference", last("resets") AS "resets", last("rollovers") AS "rollovers"'
    )
    made = panel(
        "table",
        "Count audit, now",
        "The count audit of every counter: units booked in the journal, those that InfluxDB was given, those that only a person "
        "can decide. Difference is what the counter shows and nobody accounts for: it must be 0.",
        Query(select(what, "count_audit", JUST_NOW, group='"line", "station", "kind"')),
        span=12,
        empty="No counter has been read yet",
        limits=thresholds((None, "text")),
    )
    wrong = {
        "mode": "absolute",
        "steps": [
            {"value": None, "color": "text"},  # not known
            {"value": -1e12, "color": RED},
            {"value": 0, "color": GREEN},
            {"value": 0.5, "color": RED},
        ],
    }
    return with_fields(
        without_time(made, "line", "station", "kind"), field("difference", thresholds=wrong, custom__cellOptions=CELL)
    )
