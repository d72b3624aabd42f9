"""Writes all dashboards as Grafana reads them."""

import io
import json
import re
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from ruamel.yaml import YAML

from dashboards import alerts, car, collector, line, paint, plant, programme, station, trend
from dashboards.annotations import WITH_TIME_AXIS, annotations

BOARDS = (plant, line, station, paint, car, programme, collector, trend)
FOLDER = Path(__file__).parents[1] / "config" / "grafana"
ALERTS = "provisioning/alerting/taktline.yaml"
CONTACT_POINTS = "provisioning/alerting/taktline-contact-points.yaml"
# Options that the library always writes and Grafana 9.4 does not know; Grafana's own defaults serve.
NEWER = ("footer", "cellHeight", "showPercentChange", "percentChangeColorMode", "wideLayout", "perPage", "bucketCount")
HIDDEN = ("_is", "_start")  # how the variables are called that hold what a chosen period is
OF_BOARD = ("site", "board")  # the same for everybody, so no part of a bookmark
WRITTEN = "# Written by scripts/dashboards from dashboards/alerts.py.\n"


SWITCHED_OFF = """# These contact points send nothing until a notification policy names one. To switch one on, set its address or
# URL here, then take the comment signs off. That replaces all notification policies of this Grafana.
# policies:
#   - orgId: 1
#     receiver: Taktline e-mail
#     group_by: [grafana_folder, alertname]
"""


def texts() -> dict[str, str]:
    """Each file's path in config/grafana and its content."""
    found = {
        ALERTS: WRITTEN + _yaml(alerts.model()),
        CONTACT_POINTS: WRITTEN + _yaml(alerts.contact_points()) + SWITCHED_OFF,
    }
    models: dict[str, dict[str, Any]] = {}
    for board in BOARDS:
        model: dict[str, Any] = json.loads(json.dumps(board.build().build(), cls=JSONEncoder))
        for number, panel in enumerate(model["panels"], start=1):
            panel["id"] = number
            _tidy(panel)
        for variable in model["templating"].get("list", []):
            for name in ("auto", "auto_min", "auto_count", "allowCustomValue"):  # of intervals alone, or not in 9.4
                variable.pop(name, None)
            if variable["name"].endswith(HIDDEN) or variable["name"] in OF_BOARD:
                variable["skipUrlSync"] = True  # else a bookmark would keep what this shift was
        if any(panel["type"] in WITH_TIME_AXIS for panel in model["panels"]):
            model["annotations"] = {"list": annotations(model["uid"])}
        models[model["uid"]] = model
    for uid, model in models.items():
        for link in model["links"]:
            link.pop("placement", None)  # beside the variables, for all to see
            names = going_along(model, models[link["url"].removeprefix("/d/")])
            link["url"] += "?" * bool(names) + "&".join(f"${{{name}:queryparam}}" for name in names)
        found[f"dashboards/{uid}.json"] = json.dumps(model, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    return found


def going_along(source: dict[str, Any], target: dict[str, Any]) -> list[str]:
    """The variables whose choice goes along with a link: both dashboards have them, and the target can take the values.

    Several values, or all, fit no variable that takes one. A choice among those of a line needs that line, too.
    """
    chosen = {variable["name"]: variable for variable in source["templating"].get("list", [])}
    found: list[str] = []
    for variable in target["templating"].get("list", []):
        own = chosen.get(variable["name"])
        if own is None or variable.get("skipUrlSync") or (own.get("multi") and not variable.get("multi")):
            continue
        if set(re.findall(r"\$\{(\w+)", str(variable["query"]))) <= set(found):
            found.append(variable["name"])
    return found


def _tidy(panel: dict[str, Any]) -> None:
    """Leaves out what the library writes and not every supported Grafana knows."""
    for name in NEWER:
        panel["options"].pop(name, None)
    defaults = panel["fieldConfig"]["defaults"]
    if "links" in defaults:
        defaults["links"] = [
            {name: link[name] for name in ("title", "url", "targetBlank")} for link in defaults["links"]
        ]


def _yaml(model: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = YAML()
    writer.width = 4096
    writer.default_flow_style = False
    writer.dump(model, text)
    return text.getvalue()


def write() -> None:
    """Writes the files, and removes those that are no dashboards any more."""
    made = texts()
    for file in FOLDER.glob("dashboards/*.json"):
        if f"dashboards/{file.name}" not in made:
            file.unlink()
    for name, text in made.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
