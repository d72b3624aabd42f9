"""What Grafana 9.4 writes for a value: a column's settings after its overrides, its mappings, its unit and decimals."""

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

from panel_frames import Value, is_number

Settings: TypeAlias = Mapping[str, Any]
ZONE = timezone(timedelta(hours=5))  # the plant's
FORMATS = {
    "D MMM HH:mm:ss": "%-d %b %H:%M:%S",
    "D MMM": "%-d %b",
    "ddd D MMM, HH:mm": "%a %-d %b, %H:%M",
    "HH:mm": "%H:%M",
    "MMMM": "%B",
}
BYTES = ("B", "KiB", "MiB", "GiB", "TiB")


def settings(panel: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Those of the panel, then the overrides that match the column's name, in their order."""
    config = panel["fieldConfig"]
    custom = config["defaults"].get("custom", {})
    found = {**config["defaults"], **{f"custom.{key}": value for key, value in custom.items()}}
    for override in config["overrides"]:
        if _matches(override["matcher"], name):
            found |= {one["id"]: one["value"] for one in override["properties"]}
    return found


def _matches(matcher: Mapping[str, Any], name: str) -> bool:
    match matcher["id"]:
        case "byName":
            return bool(matcher["options"] == name)
        case "byRegexp":
            return re.search(matcher["options"].strip("/"), name) is not None
        case other:
            raise ValueError(f"a matcher {other} is not known here")


def header(panel: Mapping[str, Any], name: str) -> str:
    """What stands over a column, or in a legend."""
    return str(settings(panel, name).get("displayName", name))


def text_of(value: Value, of: Settings) -> str:
    """What a reader sees."""
    mapped = _mapped(value, of)
    if mapped is not None:
        return mapped
    if value is None:
        return str(of.get("noValue", "null"))
    if isinstance(value, (int, float)) and is_number(value):
        return with_unit(value, of["unit"], of.get("decimals"))
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else "null"


def color_of(value: Value, of: Settings) -> str:
    """The colour of its mapping, else that of its threshold, else none."""
    for mapping in of.get("mappings", []):
        found = mapping["options"].get(_key(value), {})
        if mapping["type"] == "value" and "color" in found:
            return str(found["color"])
    if isinstance(value, (int, float)) and of.get("custom.cellOptions", {}).get("type") == "color-background":
        steps = [one["color"] for one in of["thresholds"]["steps"] if one["value"] is None or one["value"] <= value]
        return str(steps[-1])
    return ""


def _key(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _mapped(value: Value, of: Settings) -> str | None:
    for mapping in of.get("mappings", []):
        match mapping["type"]:
            case "value":
                found = mapping["options"].get(_key(value), {}).get("text")
            case "regex":
                found = mapping["options"]["result"].get("text")
            case other:
                raise ValueError(f"a mapping {other} is not known here")
        if found is not None:
            return str(found)
    return None


def with_unit(value: float, unit: str, decimals: int | None) -> str:
    """A number as Grafana's own units and those of its own making write it."""
    kind, _, rest = unit.partition(":")
    match kind:
        case "none":
            return fixed(value, decimals)
        case "percentunit":
            return fixed(value * 100, decimals) + "%"
        case "percent":
            return fixed(value, decimals) + "%"
        case "suffix":
            return f"{fixed(value, decimals)} {rest}"
        case "time":
            return datetime.fromtimestamp(value / 1000, ZONE).strftime(FORMATS[rest])
        case "bytes":
            place = min(int(math.log(max(abs(value), 1), 1024)), len(BYTES) - 1)
            return f"{fixed(value / 1024**place, decimals)} {BYTES[place]}"
        case _:
            raise ValueError(f"a unit {unit} is not known here")


def fixed(value: float, decimals: int | None) -> str:
    """With so many decimals; without a number of them as many as Grafana takes for the value's size."""
    if math.isnan(value):
        return "NaN"
    places = own_decimals(value) if decimals is None else decimals
    factor = 10.0**places
    return f"{math.floor(value * factor + 0.5) / factor:.{places}f}"


def own_decimals(value: float) -> int:
    """How many decimals Grafana takes where none are given."""
    if value % 1 == 0:
        return 0
    places = 1 - math.floor(math.log10(abs(value)))
    return max(0, places + int(abs(value) * 10.0**places > 2.25))
