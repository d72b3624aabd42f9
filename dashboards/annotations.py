"""What is marked on every time axis: the beginnings of shifts, and stops of some length."""

from collections.abc import Mapping
from typing import Any

from dashboards.common import AREA, GREY, LINE, RED, SOURCE, STATION
from mes.influx.select import select

WITH_TIME_AXIS = frozenset({"timeseries", "state-timeline", "status-history"})
LONG_STOP_MIN = 10
# Grafana 9.4 puts the time picker's range only once into the query of an annotation.
RANGE = "time >= ${__from}ms AND time <= ${__to}ms"
IN_PLACE = {  # of which stations a dashboard shows stops
    "taktline-line": f"{AREA} AND {LINE}",
    "taktline-station": f"{AREA} AND {LINE} AND {STATION}",
    "taktline-paint": f"{AREA} AND {STATION}",
}
SHIFTS = select('"name"', "period", f"\"kind\" = 'shift' AND {RANGE}")
OFF_AT_FIRST = frozenset({"taktline-trend", "taktline-car", "taktline-collector"})  # many, or beside the point


def annotations(uid: str) -> list[Mapping[str, Any]]:
    """Those of a dashboard with a time axis, as Grafana reads them."""
    enabled = uid not in OFF_AT_FIRST
    found = [_annotation("Shift starts", GREY, SHIFTS, text="name", tags="", enabled=enabled)]
    if uid in IN_PLACE:
        stops = (
            f'("loss" = \'down\' OR "loss" = \'setup\' OR "loss" = \'idle\') AND "begins" = 1 AND '
            f'"stop_s" >= {LONG_STOP_MIN * 60} AND {IN_PLACE[uid]} AND {RANGE}'
        )
        query = select('"station", "loss", "reason"', "state", stops)
        name = f"Stops of {LONG_STOP_MIN} min and more"
        found.append(_annotation(name, RED, query, text="reason", tags="station,loss", enabled=enabled))
    return found


def _annotation(name: str, color: str, query: str, *, text: str, tags: str, enabled: bool) -> Mapping[str, Any]:
    """`text`, `tags`: the columns of which Grafana makes the mark's text and its labels."""
    return {
        "name": name,
        "datasource": {"type": SOURCE.type_val, "uid": SOURCE.uid},
        "enable": enabled,
        "hide": False,
        "iconColor": color,
        "target": {
            "refId": "annotation",
            "name": name,
            "fromAnnotations": True,
            "queryType": "tags",
            "rawQuery": True,
            "query": query,
            "textColumn": text,
            "tagsColumn": tags,
        },
    }
