"""The dashboards' files: as the code makes them, inside the common subset of InfluxQL, whole, and linked."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dashboards import alerts
from dashboards.checks.influxql.lint import lint
from dashboards.checks.panels import alerts as alert_queries
from dashboards.write import FOLDER, texts

PROVISIONING = FOLDER / "provisioning"
BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((FOLDER / "dashboards").glob("*.json"))
}
A_PERIOD = "time >= 1772420400000ms AND time < 1772451000000ms"
USED = re.compile(r"\$\{?(\w+)")
GIVEN_BY_GRAFANA = re.compile(r"^(__\w+|timeFilter|tag_\w+|col)$")


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from board["panels"]


def every_panel() -> list[Any]:
    return [
        pytest.param(uid, panel, id=f"{uid}: {panel['title']}")
        for uid, board in BOARDS.items()
        for panel in panels(board)
    ]


def written_out(text: str) -> str:
    """A query with its variables filled in somehow, for the linter."""
    text = text.replace("$timeFilter", "time > 0").replace("$__interval", "1m")
    text = re.sub(r"\$\{(shift|year|month)_is:raw\}", A_PERIOD, text)
    return re.sub(r"\$\{?(\w+)(:regex)?\}?", lambda match: "down" if match[1] == "loss" else "x", text)


def test_the_files_are_what_the_code_makes() -> None:
    """Nobody changed a file by hand: `scripts/dashboards` writes the same bytes."""
    made = texts()
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("dashboards/*.json")}

    assert {name for name in made if name.startswith("dashboards/")} == there
    for name, text in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: run scripts/dashboards"


def test_there_are_all_seven() -> None:
    """Plant, line, station, paint, car, programme, collector, each with its own uid and the common tag."""
    assert sorted(board["title"].split(" ")[1] for board in BOARDS.values()) == list("1234567")
    assert all(uid == board["uid"] and board["tags"] == ["taktline"] for uid, board in BOARDS.items())


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_every_query_is_of_the_common_subset(uid: str, panel: dict[str, Any]) -> None:
    """Each query of a panel is one that 1.x, 2.x and 3 answer alike, over fields and tags that the schema has."""
    assert panel["targets"]
    for target in panel["targets"]:
        assert lint(written_out(target["query"])) == []
        assert target["rawQuery"] is True
        assert target["datasource"] == {"type": "influxdb", "uid": "taktline"}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_variable_is_of_the_common_subset() -> None:
    """The same for the queries of variables and of alerts."""
    asked = [
        variable["query"]
        for board in BOARDS.values()
        for variable in board["templating"].get("list", [])
        if variable["type"] == "query"
    ]
    assert len(asked) > 10
    for text in (*asked, *(query.text for query in alert_queries(PROVISIONING / "alerting"))):
        assert lint(written_out(text)) == [], text


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_every_panel_says_what_it_shows(uid: str, panel: dict[str, Any]) -> None:
    """It has a description, a unit, a text for when there is nothing, thresholds, and an id."""
    defaults = panel["fieldConfig"]["defaults"]

    assert len(panel["description"]) > 40
    assert len(defaults["noValue"]) > 10
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"]
    assert panel["id"] > 0


@pytest.mark.parametrize("uid", BOARDS)
def test_every_variable_that_is_used_is_there(uid: str) -> None:
    """Whatever a panel names in a query, a title or a link is a variable of its dashboard, or Grafana's own."""
    board = BOARDS[uid]
    known = {variable["name"] for variable in board["templating"].get("list", [])}
    for panel in panels(board):
        links = panel["fieldConfig"]["defaults"].get("links", [])
        said = [panel["title"], *(each["query"] for each in panel["targets"]), *(link["url"] for link in links)]
        for text in said:
            unknown = {name for name in USED.findall(text) if not GIVEN_BY_GRAFANA.match(name)} - known
            assert not unknown, f"{panel['title']}: {unknown}"


@pytest.mark.parametrize("uid", BOARDS)
def test_panels_do_not_overlap(uid: str) -> None:
    """On the grid of 24 columns each panel has its own place, and ids are unique."""
    places = [panel["gridPos"] for panel in panels(BOARDS[uid])]

    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, f"{one} and {other}"
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in panels(BOARDS[uid])}) == len(places)


def test_every_link_leads_to_a_dashboard() -> None:
    """Links of dashboards, panels and alerts name dashboards that are there; each dashboard links to all others."""
    for uid, board in BOARDS.items():
        leads = {link["url"].removeprefix("/d/") for link in board["links"]}
        assert leads == set(BOARDS) - {uid}
        assert set(re.findall(r"/d/([\w-]+)", json.dumps(board))) <= set(BOARDS)
    assert {rule.board for rule in alerts.RULES} <= set(BOARDS)


def test_provisioning_finds_everything() -> None:
    """The data source has the uid that panels name, for 1.x too; its secret comes from a file alone."""
    for path in (PROVISIONING / "datasources" / "taktline.yaml", FOLDER / "influxdb-1.x" / "taktline.yaml"):
        (source,) = YAML(typ="safe").load(path)["datasources"]
        assert (source["uid"], source["type"], source["jsonData"]["version"]) == ("taktline", "influxdb", "InfluxQL")
        assert all("$__file{/etc/grafana/" in value for value in source["secureJsonData"].values())
    (provider,) = YAML(typ="safe").load(PROVISIONING / "dashboards" / "taktline.yaml")["providers"]
    assert provider["options"]["path"] == "${TAKTLINE_DASHBOARDS}"


def test_every_alert_says_what_to_do() -> None:
    """Each rule asks, reduces and compares, in this order; it has a summary, a remedy and a dashboard."""
    (group,) = YAML(typ="safe").load(PROVISIONING / "alerting" / "taktline.yaml")["groups"]

    assert len(group["rules"]) == len(alerts.RULES) == len({rule["uid"] for rule in group["rules"]})
    for rule in group["rules"]:
        assert [step["refId"] for step in rule["data"]] == ["A", "B", "C"]
        assert rule["condition"] == "C"
        assert rule["noDataState"] in {"OK", "Alerting"}
        assert len(rule["annotations"]["description"]) > 30


def test_the_package_brings_the_dashboards() -> None:
    """Config is shipped with the program, so that a plant without a network has them."""
    assert Path(FOLDER / "dashboards" / "taktline-plant.json").exists()
    assert Path(FOLDER.parent / "kostanay.yaml").exists()


def test_this_shift_stays_this_shift() -> None:
    """What is chosen, and kept in a link, is a name; what that is now is asked for again and kept nowhere."""
    seen = 0
    for path in FOLDER.glob("dashboards/*.json"):
        variables = {each["name"]: each for each in json.loads(path.read_text())["templating"].get("list", [])}
        for name in {"shift", "month", "year"} & variables.keys():
            seen += 1
            assert "choice" not in variables[name]["query"]
            behind = variables[f"{name}_is"]
            assert f"${{{name}:raw}}" in behind["query"]
            assert (behind["hide"], behind["skipUrlSync"]) == (2, True)
            assert list(variables).index(f"{name}_is") == list(variables).index(name) + 1
    assert seen == 6


def test_an_empty_cell_of_a_table_is_a_dash() -> None:
    """The sentence for an empty panel does not stand in each cell that has no value."""
    for path in FOLDER.glob("dashboards/*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] == "table":
                first = panel["fieldConfig"]["overrides"][0]
                assert first["matcher"] == {"id": "byRegexp", "options": "/.*/"}
                assert {"id": "noValue", "value": "–"} in first["properties"]
