"""How figures are asked for in InfluxQL: the newest revision of each, in a form that 1.x, 2.x and 3 answer alike."""

import re
from collections.abc import Sequence

from mes.influx.declare import Measurement, Origin
from mes.influx.revisions import REVISION
from mes.influx.schema import MEASUREMENTS


def newest(measurement: Measurement, where: str, fields: Sequence[str] | None = None) -> str:
    """The query for the newest revision of each figure: all revisions of one lie within a microsecond.

    `fields`: those that are wanted, by default all.
    """
    if fields is None:
        fields = [field.name for field in measurement.fields if field.name != REVISION]
    columns = ", ".join((f'last("{REVISION}") AS "{REVISION}"', *(f'"{name}"' for name in fields)))
    tags = ", ".join(f'"{tag.name}"' for tag in measurement.tags)
    return f'SELECT {columns} FROM "{measurement.name}" WHERE {where} GROUP BY time(1u), {tags} fill(none)'  # noqa: S608 - names of the schema


def select(what: str, measurement: str, where: str, *, group: str = "", ending: str = "") -> str:
    """The text of a query; of a figure's revisions it asks the newest. `where`: conditions, each within parentheses
    or joined by AND.
    """
    declared = MEASUREMENTS[measurement]
    source = f'"{measurement}"'
    if declared.origin is Origin.FIGURE:
        names = _names(f"{what} {where} {group}")
        fields = [name for name in sorted(names) if "$" in name or declared.field(name) is not None]
        inside = [part for part in _parts(where) if not _names(part) & set(fields)]
        source = f"({newest(declared, ' AND '.join(inside), fields)})"
        where = " AND ".join(part for part in _parts(where) if part not in inside or _is_time(part))
    clauses = (f"WHERE {where}" if where else "", f"GROUP BY {group}" if group else "", ending)
    return " ".join((f"SELECT {what} FROM {source}", *filter(None, clauses)))  # noqa: S608 - of the schema


def _names(text: str) -> set[str]:
    """The names of fields and tags in a text; a variable of Grafana may be a part of one."""
    return set(re.findall(r'"([\w${}:]+)"', text))


def _is_time(condition: str) -> bool:
    return condition.startswith(("time ", "$", "${"))


def _parts(where: str) -> list[str]:
    """The conditions that AND joins; those in parentheses stay whole."""
    parts, depth, begun = [], 0, 0
    for found in re.finditer(r"[()]| AND ", where):
        match found[0]:
            case "(":
                depth += 1
            case ")":
                depth -= 1
            case _ if depth == 0:
                parts.append(where[begun : found.start()])
                begun = found.end()
    return [*parts, where[begun:]]
