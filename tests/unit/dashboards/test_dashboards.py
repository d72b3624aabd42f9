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
from dashboards.checks.influxql.parse import unwrapped
from dashboards.checks.panels import alerts as alert_queries
from dashboards.write import CONTACT_POINTS, FOLDER, texts

PROVISIONING = FOLDER / "provisioning"
BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((FOLDER / "dashboards").glob("*.json"))
}
OLDEST: dict[str, Any] = json.loads((Path(__file__).parent / "grafana_9_4.json").read_text(encoding="utf-8"))
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
    text = re.sub(r"\$\{(shift|year|month|week)_is:raw\}", A_PERIOD, text)
    text = re.sub(r"\$\{(__from|__to|week_start:raw)\}", "1772391600000", text).replace("${mean:raw}", "7")
    return re.sub(r"\$\{?(\w+)(:regex)?\}?", lambda match: "down" if match[1] == "loss" else "x", text)


def test_the_files_are_what_the_code_makes() -> None:
    """Nobody changed a file by hand: `scripts/dashboards` writes the same bytes."""
    made = texts()
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("dashboards/*.json")}

    assert {name for name in made if name.startswith("dashboards/")} == there
    for name, text in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: run scripts/dashboards"


def test_there_are_all_eight() -> None:
    """Plant, line, station, paint, car, programme, collector, trend, each with its own uid and the common tag."""
    assert sorted(board["title"].split(" ")[1] for board in BOARDS.values()) == list("12345678")
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
        said = [panel["title"], *(target["query"] for target in panel["targets"]), *(link["url"] for link in links)]
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
        leads = {link["url"].removeprefix("/d/").partition("?")[0] for link in board["links"]}
        assert leads == set(BOARDS) - {uid}
        assert set(re.findall(r"/d/([\w-]+)", json.dumps(board))) <= set(BOARDS)
    assert {rule.board for rule in alerts.RULES} <= set(BOARDS)


ALONG = {
    ("line", "station"): ["area", "line", "shift"],
    ("station", "line"): ["area", "line", "shift"],
    ("line", "trend"): ["area", "line"],
    ("station", "trend"): ["area", "line", "station"],
    ("trend", "line"): [],  # all lines, or several, are no value of a variable that takes one
    ("trend", "station"): [],
    ("paint", "station"): ["area", "shift"],  # several stations
    ("station", "paint"): ["area", "station", "value", "shift"],
    ("plant", "trend"): [],
    ("plant", "station"): ["shift"],
}


@pytest.mark.parametrize(("source", "target"), ALONG)
def test_a_choice_goes_along_with_a_link(source: str, target: str) -> None:
    """What both dashboards let people choose is passed on where the other can take it; nothing else is."""
    (link,) = (
        link for link in BOARDS[f"taktline-{source}"]["links"] if link["url"].startswith(f"/d/taktline-{target}")
    )
    assert re.findall(r"\$\{(\w+):queryparam\}", link["url"]) == ALONG[source, target]
    assert not link["includeVars"]


def test_provisioning_finds_everything() -> None:
    """The data source has the uid that panels name, for 1.x too; its secret comes from a file alone."""
    for path in (PROVISIONING / "datasources" / "taktline.yaml", FOLDER / "influxdb-1.x" / "taktline.yaml"):
        (source,) = YAML(typ="safe").load(path)["datasources"]
        assert (source["uid"], source["type"], source["jsonData"]["version"]) == ("taktline", "influxdb", "InfluxQL")
        assert source["database"] == source["jsonData"]["dbName"], "Grafana before 9.5 reads `database`"
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
        variables = {
            variable["name"]: variable for variable in json.loads(path.read_text())["templating"].get("list", [])
        }
        for name in {"shift", "month", "year", "week"} & variables.keys():
            seen += 1
            assert "choice" not in variables[name]["query"]
            behind = variables[f"{name}_is"]
            assert f"${{{name}:raw}}" in behind["query"]
            found = re.fullmatch(behind["regex"].strip("/").replace("(?<", "(?P<"), "Fri 27 Nov, ended|time >= 1ms")
            assert found
            assert found.groupdict() == {"text": "Fri 27 Nov, ended", "value": "time >= 1ms"}
            assert (behind["hide"], behind["skipUrlSync"]) == (2, True)
            assert list(variables).index(f"{name}_is") == list(variables).index(name) + 1
    assert seen == 7


def test_an_empty_cell_of_a_table_is_a_dash() -> None:
    """The sentence for an empty panel does not stand in each cell that has no value."""
    for path in FOLDER.glob("dashboards/*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            if panel["type"] == "table":
                first = panel["fieldConfig"]["overrides"][0]
                assert first["matcher"] == {"id": "byRegexp", "options": "/.*/"}
                assert {"id": "noValue", "value": "–"} in first["properties"]


def unknown_to_oldest(panel: dict[str, Any]) -> list[str]:
    """What Grafana 9.4 does not know of a panel: transformations, options, options of fields, units."""
    known = OLDEST["panels"][panel["type"]]
    defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
    own = [(setting["id"], setting["value"]) for one in overrides for setting in one["properties"]]
    fields = [*defaults.get("custom", {}), *(name[7:] for name, _ in own if name.startswith("custom."))]
    units = [defaults["unit"], *(value for name, value in own if name == "unit")]
    return [
        *(step["id"] for step in panel.get("transformations", []) if step["id"] not in OLDEST["transformations"]),
        *(name for name in panel["options"] if name not in known["options"]),
        *(name for name in fields if name not in known["fields"]),
        *(
            unit
            for unit in units
            if unit not in OLDEST["units"] and not unit.startswith(tuple(OLDEST["unit_prefixes"]))
        ),
    ]


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_grafana_9_4_knows_all_of_it(uid: str, panel: dict[str, Any]) -> None:
    """Each transformation, option, field option and unit is one of the oldest Grafana that is supported."""
    assert unknown_to_oldest(panel) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transformations", [{"id": "transpose", "options": {}}]),
        ("options", {"wideLayout": True}),
        ("fieldConfig", {"defaults": {"unit": "furlongs"}, "overrides": []}),
        (
            "fieldConfig",
            {"defaults": {"unit": "s"}, "overrides": [{"properties": [{"id": "custom.wrapText", "value": True}]}]},
        ),
    ],
)
def test_what_grafana_9_4_does_not_know_is_found(name: str, value: object) -> None:
    """A newer transformation, option, unit or field option is named."""
    table = next(panel for panel in panels(BOARDS["taktline-plant"]) if panel["type"] == "table")

    assert len(unknown_to_oldest({**table, name: value})) == 1


OF_STATIONS = re.compile(r'GROUP BY [^)]*"(station|line|upstream)"')


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_stations_have_an_order(uid: str, panel: dict[str, Any]) -> None:
    """Rows of stations and lines are sorted by their position in the flow, or by how long they stand."""
    queries = [target for target in panel["targets"] if OF_STATIONS.search(target["query"])]
    if panel["type"] == "timeseries" or not queries:
        return  # curves have a common axis
    (step,) = (transformation for transformation in panel["transformations"] if transformation["id"] == "sortBy")
    (by,) = step["options"]["sort"]
    assert by in ({"field": "position"}, {"field": "lost", "desc": True}, {"field": "for", "desc": True})
    if by == {"field": "position"}:
        assert any('"position"' in target["query"] for target in queries)  # rows of several queries are merged
        hidden = [
            transformation["options"]["exclude"]["names"]
            for transformation in panel["transformations"]
            if "exclude" in transformation["options"]
        ]
        assert ["position"] in hidden


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_a_unit_is_the_same_for_all_values(uid: str, panel: dict[str, Any]) -> None:
    """No unit turns minutes into hours or weeks as values grow; bars by time have dates that fit side by side."""
    overrides = [
        (one["matcher"]["options"], setting)
        for one in panel["fieldConfig"]["overrides"]
        for setting in one["properties"]
    ]
    units = {name: setting["value"] for name, setting in overrides if setting["id"] == "unit"}
    fixed = re.compile(r"^(none|percent|percentunit|bytes|suffix:(min|s|ms|:00)|time:.*)$")

    assert all(fixed.match(unit) for unit in (panel["fieldConfig"]["defaults"]["unit"], *units.values()))
    if panel["options"].get("xField") == "Time":
        assert panel["options"]["xTickLabelSpacing"] == 50
        assert units["Time"] in {"time:HH:mm", "time:D MMM", "time:MMMM"}


def test_planned_cars_are_whole() -> None:
    """Cars have no decimals; the collector rounds the plan, so that hours add up to the shift."""
    cars = [
        panel
        for board in BOARDS.values()
        for panel in panels(board)
        if any('"planned_units"' in target["query"] for target in panel["targets"])
    ]

    assert len(cars) == 11
    assert [panel["fieldConfig"]["defaults"]["decimals"] for panel in cars] == [0] * len(cars)


def columns(panel: dict[str, Any]) -> list[str]:
    """Headers of a table with `Time` unless it is left out; of several queries those of the joined table."""
    names: list[str] = []
    for target in panel["targets"]:
        asked, _, rest = unwrapped(target["query"])[0].removeprefix("SELECT ").partition(" FROM ")
        _, _, group = rest.partition(" GROUP BY ")
        names += re.findall(r'"(\w+)"', group)
        names += [re.findall(r'"([^"]+)"', part)[-1] for part in asked.split(", ")]
    steps = panel.get("transformations", [])
    hidden = {name for step in steps for name in step["options"].get("exclude", {}).get("names", [])}
    hidden |= {name for step in steps for name in step["options"].get("excludeByName", {})}
    shown = {
        one["matcher"]["options"]: setting["value"]
        for one in panel["fieldConfig"]["overrides"]
        for setting in one["properties"]
        if setting["id"] == "displayName"
    }
    return [shown.get(name, name) for name in dict.fromkeys(("Time", *names)) if name not in hidden]


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_headers_are_not_cut(uid: str, panel: dict[str, Any]) -> None:
    """On a screen of 1200 pixels each column of a table is as wide as its header, at 6 pixels a character."""
    if panel["type"] == "table":
        headers = columns(panel)
        width = panel["gridPos"]["w"] * 48 / len(headers)
        assert [header for header in headers if 6 * len(header) + 8 > width] == []


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_one_column_of_a_table_is_a_link(uid: str, panel: dict[str, Any]) -> None:
    """Numbers and times are no links: one name leads to a dashboard, and a reason to the board; the table has both."""
    if panel["type"] != "table":
        return
    assert "links" not in panel["fieldConfig"]["defaults"]
    overrides = panel["fieldConfig"]["overrides"]
    linked = [
        one["matcher"]["options"] for one in overrides if any(setting["id"] == "links" for setting in one["properties"])
    ]
    assert set(linked) <= {"line", "station", "unit", "label", "reason"} & set(columns(panel))
    assert len(set(linked) - {"reason"}) <= 1


def test_a_column_without_values_is_no_json() -> None:
    """Grafana shows a column that is null throughout as JSON unless its kind of cell is set; it stands right, too."""
    for board in BOARDS.values():
        for panel in panels(board):
            if panel["type"] == "table":
                first, second, *_ = panel["fieldConfig"]["overrides"]
                assert {"id": "custom.cellOptions", "value": {"type": "color-text"}} in first["properties"]
                assert second["properties"] == [{"id": "custom.align", "value": "right"}]


def test_curves_have_one_axis_and_limits_are_lines() -> None:
    """No curve has an axis of its own, and limits have no points and no gaps between the points that are stored."""
    limits = 0
    for board in BOARDS.values():
        for panel in panels(board):
            properties = {
                setting["id"]: setting["value"]
                for one in panel["fieldConfig"]["overrides"]
                for setting in one["properties"]
            }
            assert "custom.axisPlacement" not in properties
            if any('FROM "limit"' in target["query"] for target in panel["targets"]):
                limits += 1
                assert (properties["custom.showPoints"], properties["custom.spanNulls"]) == ("never", True)
    assert limits == 2


def test_titles_are_whole_without_a_choice() -> None:
    """No title of 5 Car names the VIN, which is empty at first."""
    assert all("$" not in panel["title"] for panel in panels(BOARDS["taktline-car"]))


@pytest.mark.parametrize(("measurement", "condition"), [("culprit", "> 0"), ("loss", "> 0")])
def test_rows_of_zeros_are_not_asked_for(measurement: str, condition: str) -> None:
    """Every reason and every station has a point in each hour; only those that lost time are listed."""
    queries = [
        target["query"]
        for board in BOARDS.values()
        for panel in panels(board)
        for target in panel["targets"]
        if f'FROM "{measurement}"' in target["query"]
    ]

    assert queries
    assert all(condition in query for query in queries)


CONDITION = re.compile(r"\{\{ if \$labels\.(\w+) \}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}")


def rendered(text: str, labels: dict[str, str]) -> str:
    """An annotation as Grafana renders it: a label that is missing is false, and `[no value]` in the text."""
    text = CONDITION.sub(lambda match: match[2] if match[1] in labels else match[3], text)
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels.get(match[1], "[no value]"), text)


@pytest.mark.parametrize("rule", alerts.RULES, ids=lambda rule: rule.name)
def test_an_alert_is_right_in_every_state(rule: alerts.Rule) -> None:
    """A text names the instance if there is one, and none if the query failed or found no data."""
    (group,) = alerts.model()["groups"]
    (written,) = (provisioned for provisioned in group["rules"] if provisioned["uid"] == f"taktline-{rule.name}")
    tags = re.findall(r'"(\w+)"', rule.query.partition(" GROUP BY ")[2])
    for key in ("summary", "description"):
        text = written["annotations"][key]
        of_instance = rendered(text, {tag: f"<{tag}>" for tag in tags})
        without = rendered(text, {"alertname": "DatasourceError", "datasource_uid": "taktline"})

        assert "[no value]" not in of_instance + without
        assert "{{" not in of_instance + without
        assert without != of_instance
        assert "<" not in without
    assert f"<{rule.instance}>" in rendered(written["annotations"]["summary"], {tag: f"<{tag}>" for tag in tags})


def test_contact_points_are_ready_and_send_nothing() -> None:
    """There is one for e-mail and one for a webhook; no notification policy names them until somebody says so."""
    files = [YAML(typ="safe").load(path) for path in sorted((PROVISIONING / "alerting").glob("*.yaml"))]
    points = [point for file in files for point in file.get("contactPoints", [])]

    assert [receiver["type"] for point in points for receiver in point["receivers"]] == ["email", "webhook"]
    assert all("policies" not in file for file in files)
    text = (FOLDER / CONTACT_POINTS).read_text(encoding="utf-8")
    on = YAML(typ="safe").load(re.sub(r"^# (?=policies:|  )", "", text, flags=re.MULTILINE))
    assert [policy["receiver"] for policy in on["policies"]] == [points[0]["name"]]


LONGEST = {
    "shift": "Fri 27 Nov, day shift, 08:00-16:30, ended; no shift until Mon 08:00",
    "month": "November 2026, running",
    "week": "week 48, 30 Nov to 6 Dec, running",
    "year": "2026, running",
}


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_every_stretch_says_which_it_is(uid: str, panel: dict[str, Any]) -> None:
    """A panel of a chosen stretch has its dated text in the title, whole at 6.5 pixels a character on 1200 pixels."""
    asked = {name for target in panel["targets"] for name in re.findall(r"\$\{(\w+)_is:raw\}", target["query"])}
    assert set(re.findall(r"\$\{(\w+)_is:text\}", panel["title"])) == asked
    title = re.sub(r"\$\{(\w+)_is:text\}", lambda match: LONGEST[match[1]], panel["title"])
    title = title.replace("$loss", "Minor stops")
    assert 6.5 * len(title) <= panel["gridPos"]["w"] * 48 + 10


def test_states_now_know_the_calendar() -> None:
    """A station outside of planned time is `not planned`, whatever its controller says."""
    now = [
        target["query"]
        for uid in ("taktline-line", "taktline-station")
        for panel in panels(BOARDS[uid])
        for target in panel["targets"]
        if panel["type"] == "stat" and 'FROM "now"' in target["query"]
    ]

    assert len(now) == 2
    assert all('last("loss") AS "state"' in query for query in now)


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_columns_of_two_measurements_keep_their_names(uid: str, panel: dict[str, Any]) -> None:
    """Newer Grafanas put the measurements' names before columns: rows are merged, or each column has its name set."""
    tables = [target["query"] for target in panel["targets"] if target["resultFormat"] == "table"]
    measurements = {re.findall(r'FROM "(\w+)"', query)[0] for query in tables}
    steps = [transformation["id"] for transformation in panel.get("transformations", [])]
    if len(measurements) > 1 and "merge" not in steps:
        named = {
            one["matcher"]["options"]
            for one in panel["fieldConfig"]["overrides"]
            if any(setting["id"] == "displayName" for setting in one["properties"])
        }
        assert set(columns(panel)) - {"Time"} <= named
