"""What is marked on time axes."""

import json
from typing import Any

import pytest

from dashboards.annotations import WITH_TIME_AXIS
from dashboards.checks.influxql.lint import lint
from dashboards.write import FOLDER

BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("dashboards/*.json"))
}


def marks(board: dict[str, Any]) -> list[dict[str, Any]]:
    return list(board.get("annotations", {}).get("list", []))


@pytest.mark.parametrize("uid", BOARDS)
def test_every_time_axis_has_the_starts_of_shifts(uid: str) -> None:
    """A dashboard with a time axis marks them, one without marks nothing."""
    board = BOARDS[uid]
    has_axis = any(panel["type"] in WITH_TIME_AXIS for panel in board["panels"])

    assert ("Shift starts" in [mark["name"] for mark in marks(board)]) is has_axis
    assert bool(marks(board)) is has_axis


@pytest.mark.parametrize("uid", ["taktline-line", "taktline-station", "taktline-paint"])
def test_long_stops_are_marked_where_stations_are_chosen(uid: str) -> None:
    """They are those of the chosen stations, counted from ten minutes on, with their reason as text."""
    (stops,) = (mark for mark in marks(BOARDS[uid]) if mark["name"].startswith("Stops"))

    assert '"stop_s" >= 600' in stops["target"]["query"]
    assert '"area" =~' in stops["target"]["query"]
    assert stops["target"]["textColumn"] == "reason"


@pytest.mark.parametrize("uid", BOARDS)
def test_an_annotation_is_one_that_grafana_9_4_can_ask(uid: str) -> None:
    """It is of the shared InfluxQL; 9.4 puts `$timeFilter` in once only, and asks only what has `fromAnnotations`."""
    for mark in marks(BOARDS[uid]):
        target = mark["target"]
        filled = target["query"]
        for name in ("__from", "__to"):
            filled = filled.replace(f"${{{name}}}", "1772391600000")
        for name in ("area", "line", "station"):
            filled = filled.replace(f"${{{name}:regex}}", "x")

        assert "${" not in filled
        assert "$timeFilter" not in filled
        assert lint(filled) == []
        assert target["fromAnnotations"] is True
        assert mark["datasource"] == {"type": "influxdb", "uid": "taktline"}
        assert target["textColumn"] in filled
