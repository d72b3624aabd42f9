"""The alert rules: what somebody must hear of though nobody looks."""

from dataclasses import dataclass
from typing import Any

from mes.influx.select import select

EVERY_MINUTE = "1m"
WITHOUT_INSTANCE = (
    "The query failed or found nothing. Is the collector running? `mes influx check` tests the connection to InfluxDB."
)
OVER, UNDER, OUTSIDE = "gt", "lt", "outside_range"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a query, beyond what it is bad, for how long, and what to do then.

    `silence`: the state if the query finds nothing, OK or Alerting. `instance`: a label that every series has. The
    summary names a condition and no moment, so that it is right for an alert that is resolved, too.
    """

    name: str
    title: str
    query: str
    look_back_s: int
    sign: str
    limits: tuple[float, ...]
    lasting: str
    silence: str
    instance: str
    severity: str
    summary: str
    remedy: str
    board: str


RULES = (
    Rule(
        "unexplained-stop",
        "Stop without a reason for 10 minutes",
        select(
            'last("unexplained_s") AS "stop"',
            "now",
            "$timeFilter",
            group='"area", "line", "station"',
        ),
        600,
        OVER,
        (600,),
        "0s",
        "OK",
        "station",
        "warning",
        "Stop without a reason at {{ $labels.line }}/{{ $labels.station }}",
        "Look at the station, then give the stop its reason: `mes reason`, or on the board.",
        "taktline-station",
    ),
    Rule(
        "controller-silent",
        "Controller gives no data",
        select('last("running") AS "running"', "collector", "$timeFilter", group='"edge", "controller"'),
        300,
        UNDER,
        (1,),
        "2m",
        "Alerting",
        "controller",
        "critical",
        "No data from {{ $labels.controller }}",
        "Is the controller on, is its network there? `mes check` and `mes certs check` tell more. No unit is lost: its "
        "counters are read when it is back.",
        "taktline-collector",
    ),
    Rule(
        "ledger-difference",  # an identity in Grafana, whatever the measurement is called
        "Units that nobody accounts for",
        select('last("difference") AS "difference"', "count_audit", "$timeFilter", group='"line", "station", "kind"'),
        300,
        OUTSIDE,
        (-0.5, 0.5),
        "2m",
        "OK",
        "station",
        "critical",
        "Units that are not counted at the {{ $labels.kind }} counter of {{ $labels.line }}/{{ $labels.station }}",
        "A defect of the program or a damaged journal: `mes journal check`, then report it with the journal's backup.",
        "taktline-collector",
    ),
    Rule(
        "influxdb-behind",
        "InfluxDB is behind the journal",
        select('last("lag_s") AS "lag"', "journal", "$timeFilter", group='"edge"'),
        900,
        OVER,
        (600,),
        "5m",
        "Alerting",
        "edge",
        "warning",
        "Events of {{ $labels.edge }} not in InfluxDB for more than 10 minutes",
        "`mes influx check` says whether InfluxDB takes them. Nothing is lost: the journal holds them.",
        "taktline-collector",
    ),
    Rule(
        "clock-offset",
        "A controller's clock is off",
        select('last("clock_offset_s") AS "offset"', "collector", "$timeFilter", group='"edge", "controller"'),
        900,
        OUTSIDE,
        (-2, 2),
        "5m",
        "OK",
        "controller",
        "warning",
        "Clock of {{ $labels.controller }} off by more than 2 seconds",
        "Set its clock, best by NTP. Until then its times are not believed, and ours are taken.",
        "taktline-collector",
    ),
    Rule(
        "bodies-affected",
        "Bodies passed outside a process window",
        select('sum("affected") AS "bodies"', "exposure", "$timeFilter", group='"area", "line", "station", "name"'),
        3600,
        OVER,
        (0,),
        "0s",
        "OK",
        "station",
        "warning",
        "{{ $labels.name }} at {{ $labels.line }}/{{ $labels.station }} outside its window with bodies present",
        "The dashboard of the paint process lists the bodies; hold them for inspection.",
        "taktline-paint",
    ),
    Rule(
        "disk-short",
        "The journal's disk fills up",
        select('last("free_bytes") AS "free"', "journal", "$timeFilter", group='"edge"'),
        900,
        UNDER,
        (2e9,),
        "5m",
        "OK",
        "edge",
        "critical",
        "Less than 2 GB free for the journal of {{ $labels.edge }}",
        "Make room. On a full disk the controllers are not acknowledged any more; nothing is lost, but it waits.",
        "taktline-collector",
    ),
)


def model() -> dict[str, Any]:
    """The rules as Grafana's provisioning takes them."""
    group = {
        "orgId": 1,
        "name": "taktline",
        "folder": "Taktline",
        "interval": EVERY_MINUTE,
        "rules": [_rule(rule) for rule in RULES],
    }
    return {"apiVersion": 1, "groups": [group]}


def _rule(rule: Rule) -> dict[str, Any]:
    source = {"type": "influxdb", "uid": "taktline"}
    query = {"refId": "A", "datasource": source, "rawQuery": True, "query": rule.query, "resultFormat": "time_series"}
    reduced = {"refId": "B", "type": "reduce", "expression": "A", "reducer": "last", "settings": {"mode": "dropNN"}}
    beyond = {"evaluator": {"type": rule.sign, "params": list(rule.limits)}}
    decided = {"refId": "C", "type": "threshold", "expression": "B", "conditions": [beyond]}
    return {
        "uid": f"taktline-{rule.name}",
        "title": rule.title,
        "condition": "C",
        "data": [_step("taktline", query, rule.look_back_s), _step("__expr__", reduced), _step("__expr__", decided)],
        "noDataState": rule.silence,
        "execErrState": "Error",
        "for": rule.lasting,
        "labels": {"severity": rule.severity, "system": "taktline"},
        "annotations": {
            "summary": _of_instance(rule, rule.summary, f"No instance is known: {rule.title}"),
            "description": _of_instance(rule, rule.remedy, WITHOUT_INSTANCE),
            "dashboard": f"/d/{rule.board}",
        },
        "isPaused": False,
    }


def _of_instance(rule: Rule, text: str, otherwise: str) -> str:
    """An alert of a query that failed or found nothing has none of the labels of its series."""
    return f"{{{{ if $labels.{rule.instance} }}}}{text}{{{{ else }}}}{otherwise}{{{{ end }}}}"


def contact_points() -> dict[str, Any]:
    """A contact point for e-mail and one for a webhook; no notification policy names them, so they send nothing."""
    email = {"uid": "taktline-email", "type": "email", "settings": {"addresses": "alerts@example.org"}}
    webhook = {"uid": "taktline-webhook", "type": "webhook", "settings": {"url": "https://example.org/alerts"}}
    points = [("Taktline e-mail", email), ("Taktline webhook", webhook)]
    return {
        "apiVersion": 1,
        "contactPoints": [{"orgId": 1, "name": name, "receivers": [receiver]} for name, receiver in points],
    }


def _step(source: str, query: dict[str, Any], look_back_s: int = 0) -> dict[str, Any]:
    return {
        "refId": query["refId"],
        "datasourceUid": source,
        "relativeTimeRange": {"from": look_back_s, "to": 0},
        "model": query,
    }
