"""Writes all dashboards as Grafana reads them."""

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import car, collector, line, paint, plant, programme, station

BOARDS = (plant, line, station, paint, car, programme, collector)
FOLDER = Path(__file__).parents[1] / "config" / "grafana" / "dashboards"


def texts() -> dict[str, str]:
    """Each file's name and content."""
    found = {}
    for each in BOARDS:
        model: dict[str, Any] = json.loads(json.dumps(each.build().build(), cls=JSONEncoder))
        for number, panel in enumerate(model["panels"], start=1):
            panel["id"] = number
        found[f"{model['uid']}.json"] = json.dumps(model, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    return found


def write() -> None:
    """Writes the files, and removes those that are no dashboards any more."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = texts()
    for each in FOLDER.glob("*.json"):
        if each.name not in made:
            each.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
