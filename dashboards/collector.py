"""7 Collector: whether every reading arrives, every unit is counted, and InfluxDB has it."""

from grafana_foundation_sdk.builders import dashboard

from dashboards.common import (
    GREEN,
    JUST_NOW,
    MILLISECONDS,
    MINUTES,
    POSITION,
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
    in_flow_order,
    last_value,
    legend,
    panel,
    thresholds,
    tooltip,
    with_fields,
    without_time,
)
from mes.influx.select import select

CELL = {"type": "color-background", "mode": "basic"}


def build() -> dashboard.Dashboard:
    """The dashboard."""
    made = board(
        "taktline-collector",
        "Whether every reading arrives, every unit is counted, and InfluxDB has it.",
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
        span=24,
        height=6,
        empty="No word from the collector: is it running?",
        limits=thresholds((None, "text")),
    )
    seconds = [field("last reading", unit=SECONDS, decimals=1), field("clock offset", unit=SECONDS, decimals=2)]
    return with_fields(
        without_time(made, "edge", "controller"),
        field("running", mappings=[RUNS]),
        *seconds,
    )


def _journal() -> Panel:
    what = (
        'last("backlog") AS "events not in InfluxDB", last("lag_s") / 60 AS "age of the oldest", '
        'last("quarantined") AS "refused lines", last("commit_p99_s") * 1000 AS "commit p99", last("free_bytes") AS "free disk"'
    )
    made = panel(
        "stat",
        "Journal, now",
        "What the journal holds that InfluxDB has not, lines that InfluxDB refuses, the time of a commit (99th percentile) "
        "and the free disk. Nothing in the journal is lost while InfluxDB is away.",
        Query(select(what, "journal", JUST_NOW)),
        span=24,
        height=4,
        empty="No word from the collector: is it running?",
        limits=thresholds((None, GREEN)),
    )
    made = made.reduce_options(last_value())
    yellow = {"mode": "absolute", "steps": [{"value": None, "color": GREEN}, {"value": 10, "color": RED}]}
    refused = {"mode": "absolute", "steps": [{"value": None, "color": GREEN}, {"value": 1, "color": RED}]}
    return with_fields(
        made,
        field("age of the oldest", unit=MINUTES, decimals=1, thresholds=yellow),
        field("commit p99", unit=MILLISECONDS, decimals=0),
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
    made = panel(
        "timeseries",
        "Clock offsets",
        "Each controller's clock minus ours, the last one in each step. Beyond the limit of the plant's file (2 s) its times "
        "are not believed.",
        Query(
            select(
                'last("clock_offset_s") AS "offset"',
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
        empty="No controller tells its time",
        limits=thresholds((None, RED), (-2, GREEN), (2, RED)),
    )
    return made.legend(legend()).tooltip(tooltip()).thresholds_style(dashed())


def _backlog() -> Panel:
    made = panel(
        "timeseries",
        "Events not in InfluxDB",
        "Events in the journal that InfluxDB does not have. They grow while InfluxDB is away, and go back to zero after it.",
        Query(
            select(
                'max("backlog") AS "events"',
                "journal",
                "$timeFilter",
                group='time($__interval), "edge"',
                ending="fill(none)",
            ),
            SERIES,
            "$tag_edge",
        ),
        span=24,
        empty="No word from the collector: is it running?",
    )
    return made.legend(legend()).tooltip(tooltip()).min(0)


def _count_audit() -> Panel:
    what = (
        'last("counted") AS "counted", last("stored") AS "in InfluxDB", last("unreconciled") AS "to decide", '
        'last("difference") AS "difference", last("resets") AS "resets", last("rollovers") AS "rollovers", '
        f"{POSITION}"
    )
    made = panel(
        "table",
        "Count audit, now",
        "The count audit of every counter: units recorded in the journal, those that InfluxDB was given, those that only a person "
        "can decide. Difference is what the counter shows and nobody accounts for: it must be 0.",
        Query(select(what, "count_audit", JUST_NOW, group='"line", "station", "kind"')),
        span=24,
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
        in_flow_order(without_time(made, "line", "station", "kind")),
        field("difference", thresholds=wrong, custom__cellOptions=CELL),
    )
