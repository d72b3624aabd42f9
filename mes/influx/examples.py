"""A query for each measurement that answers a question of the floor; docs/influxdb-schema.md shows their answers."""

from mes.influx.select import select

TWO_HOURS = " AND time >= '2026-03-02T03:00:00Z' AND time < '2026-03-02T05:00:00Z'"

EXAMPLES = {
    "state_change": (
        'SELECT "state", "raw" FROM "state_change" WHERE "station" = \'framing\' AND time >= '
        "'2026-03-02T03:00:00Z' AND time < '2026-03-02T04:00:00Z'"
    ),
    "count": (
        'SELECT sum("delta") AS "good" FROM "count" WHERE "kind" = \'good\' AND time >= \'2026-03-02T03:00:00Z\' '
        "AND time < '2026-03-02T05:00:00Z' GROUP BY time(1h), \"station\""
    ),
    "unreconciled": (
        'SELECT "raw", "previous_raw", "explanation" FROM "unreconciled" WHERE time >= \'2026-03-02T00:00:00Z\''
    ),
    "reconciled": ('SELECT "parts", "by", "why" FROM "reconciled" WHERE time >= \'2026-03-02T00:00:00Z\''),
    "unit": (
        'SELECT "station", "result", "cycle_s" FROM "unit" WHERE "unit" = \'LJ12EKR24T1823630\' AND time >= '
        "'2026-03-01T00:00:00Z'"
    ),
    "unidentified": (
        'SELECT sum("missing") AS "missing" FROM "unidentified" WHERE time >= \'2026-03-02T00:00:00Z\' GROUP BY '
        '"station"'
    ),
    "presence": (
        'SELECT "station", "present" FROM "presence" WHERE "unit" = \'LJ12EKR24T1823630\' AND time >= '
        "'2026-03-01T00:00:00Z'"
    ),
    "product": ('SELECT "product" FROM "product" WHERE "station" = \'framing\' AND time >= \'2026-03-02T00:00:00Z\''),
    "fault": (
        'SELECT "code", "active" FROM "fault" WHERE "station" = \'framing\' AND time >= \'2026-03-02T00:00:00Z\''
    ),
    "connection": ('SELECT "up", "cause" FROM "connection" WHERE time >= \'2026-03-02T00:00:00Z\''),
    "quality": ('SELECT "signal", "quality" FROM "quality" WHERE time >= \'2026-03-02T00:00:00Z\''),
    "reason": ('SELECT "by", "reason", "comment" FROM "reason" WHERE time >= \'2026-03-02T00:00:00Z\''),
    "shift_closing": ('SELECT "by", "closed" FROM "shift_closing" WHERE time >= \'2026-03-02T00:00:00Z\''),
    "process": (
        'SELECT min("value") AS "min", mean("value") AS "mean", max("value") AS "max" FROM "process" WHERE '
        "\"name\" = 'weld_current' AND time >= '2026-03-02T03:00:00Z' AND time < '2026-03-02T05:00:00Z' GROUP "
        "BY time(1h)"
    ),
    "kpi": select(
        'sum("ideal_good_s") / sum("pbt_s") AS "OEE"',
        "kpi",
        "\"window\" = 'hour'" + TWO_HOURS,
        group='"station"',
    ),
    "state": select(
        'sum("seconds") AS "down_s", sum("begins") AS "stops"',
        "state",
        "\"loss\" = 'down'" + TWO_HOURS,
        group='"station"',
    ),
    "loss": select(
        'sum("seconds") AS "lost_s", sum("stops") AS "stops"',
        "loss",
        '"line" = \'weld-1\' AND "reason" =~ /robot-fault|unexplained/' + TWO_HOURS,
        group='"reason"',
    ),
    "exposure": select(
        '"station", "name", "low", "high", "minimum", "maximum", "outside_s"',
        "exposure",
        "\"unit\" = 'LJ12EKR24T1823630' AND time >= '2026-03-02T00:00:00Z'",
    ),
    "limit": select(
        'last("low") AS "low", last("high") AS "high"',
        "limit",
        "\"station\" = 'framing' AND \"name\" = 'weld_current'" + TWO_HOURS,
    ),
    "output": select(
        '"out", "planned_units"',
        "output",
        "\"line\" = 'weld-1' AND \"window\" = 'shift' AND time >= '2026-03-02T00:00:00Z'",
    ),
    "buffer": select(
        'last("waiting") AS "waiting", last("places") AS "places"',
        "buffer",
        "\"upstream\" = 'weld/weld-1/finish' AND time >= '2026-03-02T00:00:00Z'",
    ),
    "culprit": select(
        'sum("lost_s") AS "lost_s"',
        "culprit",
        '"line" = \'weld-1\' AND "culprit" =~ /finish|framing/' + TWO_HOURS,
        group='"culprit"',
    ),
    "first_time": select(
        'sum("first_time_good") / sum("inspected") AS "yield"',
        "first_time",
        "\"window\" = 'day' AND \"inspected\" > 0 AND time >= '2026-03-01T00:00:00Z'",
        group='"station"',
    ),
    "first_time_route": select(
        '"inspected", "first_time_good"',
        "first_time_route",
        "\"window\" = 'day' AND time >= '2026-03-01T00:00:00Z'",
    ),
    "built": select(
        'sum("built") AS "built", sum("planned_units_to_date") AS "planned"',
        "built",
        "\"window\" = 'day' AND time >= '2026-03-01T00:00:00Z'",
        group='"product"',
    ),
    "period": select('"name", "label", "choice"', "period", "\"kind\" = 'shift' AND time >= '2026-03-01T00:00:00Z'"),
    "now": (
        'SELECT last("state") AS "state", last("reason") AS "reason", last("stop_s") AS "stop_s" FROM "now" '
        "WHERE time > '2026-03-02T04:50:00Z' AND time <= '2026-03-02T05:00:00Z' GROUP BY \"station\""
    ),
    "collector": (
        'SELECT last("running") AS "running", last("age_s") AS "age_s" FROM "collector" WHERE time > now() - '
        '5m GROUP BY "controller"'
    ),
    "journal": ('SELECT last("backlog") AS "backlog" FROM "journal" WHERE time > now() - 5m GROUP BY "edge"'),
    "count_audit": (
        'SELECT last("difference") AS "difference" FROM "count_audit" WHERE time > now() - 5m '
        'GROUP BY "station", "kind"'
    ),
}
