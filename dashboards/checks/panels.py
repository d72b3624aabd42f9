"""The queries of the shipped dashboards and alert rules, filled in as Grafana fills them in."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mes.intervals import Interval
from mes.journal.codec import to_us

ALL = "$__all"
INTERVAL = "1m"  # what $__interval is here: a shift on a screen of some hundred points
_VARIABLE = re.compile(r"\$\{(?P<braced>\w+)(?::(?P<format>\w+))?\}|\$(?P<plain>\w+)")
_NOW = re.compile(r"now\(\)(?:\s*-\s*(?P<number>\d+)(?P<unit>[mhdw]))?")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPECIAL = re.compile(r"[\\^$*+?.()|[\]{}/]")

RunQuery = Callable[[str], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One query as it goes to the server; `place` says where it stands, for people."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a variable."""

    text: str
    value: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """A variable with what is chosen of it; `multi`: it may stand for several values."""

    options: tuple[Option, ...]
    values: tuple[str, ...]
    multi: bool


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard's file."""

    path: Path
    model: Mapping[str, Any]

    @property
    def title(self) -> str:
        """As people see it."""
        return str(self.model["title"])

    @property
    def variables(self) -> list[Mapping[str, Any]]:
        """In the order in which they are filled."""
        variables: list[Mapping[str, Any]] = self.model.get("templating", {}).get("list", [])
        return variables

    def time_range(self, window: Interval) -> Interval:
        """The range of its time picker: `window`, or longer where it shows more days at first; both end at the present."""
        days = re.fullmatch(r"now-(\d+)d", str(self.model.get("time", {}).get("from")))
        return Interval(min(window.start, window.end - timedelta(days=int(days[1]) if days else 0)), window.end)

    def targets(self) -> Iterator[tuple[str, str]]:
        """Place and text of every panel's every query."""
        for panel in _panels(self.model["panels"]):
            for target in panel.get("targets", []):
                yield f"{self.title} / {panel['title']} / {target['refId']}", str(target["query"])

    def annotations(self) -> Iterator[tuple[str, str]]:
        """Place and text of the query of each annotation."""
        for annotation in self.model.get("annotations", {}).get("list", []):
            yield f"{self.title} / annotation {annotation['name']}", str(annotation["target"]["query"])


@dataclass(slots=True)
class Screen:
    """A dashboard on a screen: the range of its time picker, and the choice of its variables.

    `run_query` runs a variable's query; `typed` are the values of text boxes.
    """

    dashboard: Dashboard
    time_range: Interval
    now: datetime
    run_query: RunQuery
    typed: Mapping[str, str]
    variable_queries: list[PanelQuery] = field(default_factory=list)

    async def choose(self, wanted: Mapping[str, str]) -> dict[str, Chosen]:
        """All variables, in their order: what is `wanted`, else what the file says is chosen at first."""
        chosen: dict[str, Chosen] = {}
        for variable in self.dashboard.variables:
            name = variable["name"]
            chosen[name] = await self._choose_one(variable, chosen, wanted.get(name))
        return chosen

    async def _choose_one(
        self, variable: Mapping[str, Any], chosen: Mapping[str, Chosen], wanted: str | None
    ) -> Chosen:
        multi = bool(variable.get("multi"))
        match variable["type"]:
            case "query":
                query = variable["query"]
                text = self.fill(query if isinstance(query, str) else query["query"], chosen)
                self.variable_queries.append(PanelQuery(f"{self.dashboard.title} / variable {variable['name']}", text))
                options = _by_regex(await self.run_query(text), str(variable.get("regex") or ""))
            case "custom":
                options = [_custom(choice) for choice in str(variable["query"]).split(",")]
            case "textbox" | "constant":
                typed = self.typed.get(variable["name"], str(variable.get("query") or ""))
                return Chosen((Option(typed, typed),), (typed,), multi=False)
            case "datasource" | "interval":
                return Chosen((), (), multi=False)
            case other:
                raise ValueError(f"{self.dashboard.path}: a variable of type {other} is not known here")
        return _select(variable, tuple(options), wanted, multi=multi)

    def queries(self, chosen: Mapping[str, Chosen]) -> Iterator[PanelQuery]:
        """Every panel's every query."""
        for place, text in self.dashboard.targets():
            yield PanelQuery(place, self.fill(text, chosen))

    def annotation_queries(self, chosen: Mapping[str, Chosen]) -> Iterator[PanelQuery]:
        """The query of each annotation."""
        for place, text in self.dashboard.annotations():
            yield PanelQuery(place, self.fill(text, chosen))

    def fill(self, text: str, chosen: Mapping[str, Chosen]) -> str:
        """The query as the data source would send it."""
        return fill(text, chosen, self.time_range, self.now)


def fill(text: str, chosen: Mapping[str, Chosen], time_range: Interval, now: datetime) -> str:
    """Puts variables and times into a query. Raises KeyError for a variable that is not defined."""

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"]
        if name in {"timeFilter", "__timeFilter"}:
            return f"time >= {to_us(time_range.start) // 1000}ms and time <= {to_us(time_range.end) // 1000}ms"
        if name in {"__from", "__to"}:
            return str(to_us(time_range.start if name == "__from" else time_range.end) // 1000)
        if name in {"__interval", "interval"}:
            return INTERVAL
        return _formatted(chosen[name], match["format"], in_regex=_in_regex(text, match.start()))

    return _NOW.sub(lambda match: f"'{_earlier(now, match)}'", _VARIABLE.sub(value, text))


def _earlier(now: datetime, match: re.Match[str]) -> str:
    """A time before the plant's present, as a text: a demo's clock is not the server's."""
    by = timedelta(**{UNITS[match["unit"]]: int(match["number"])}) if match["unit"] else timedelta()
    return (now - by).isoformat().replace("+00:00", "Z")


def dashboards(folder: Path) -> list[Dashboard]:
    """All of a folder, by file name. Raises OSError or ValueError for one that cannot be read."""
    return [Dashboard(path, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))]


def alerts(folder: Path) -> list[PanelQuery]:
    """The queries of all alert rules, not filled in yet."""
    files = [YAML(typ="safe").load(path) for path in sorted(folder.glob("*.y*ml"))]
    rules = [rule for file in files for group in file.get("groups", []) for rule in group["rules"]]
    return [
        PanelQuery(f"alert {rule['title']} / {query['refId']}", str(query["model"]["query"]))
        for rule in rules
        for query in rule["data"]
        if query["datasourceUid"] != "__expr__"
    ]


def every_value(chosen: Mapping[str, Chosen], names: Sequence[str]) -> Iterator[dict[str, str]]:
    """For each variable in `names`: each of its options in turn, by its text."""
    for name in names:
        if name in chosen:
            yield from ({name: option.text} for option in chosen[name].options)


def _panels(panels: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", []))


def _by_regex(values: Sequence[str], regex: str) -> list[Option]:
    """Each value once; a regex takes text and value out of it by its named groups; what does not match is left out."""
    options: dict[Option, None] = {}
    pattern = re.compile(regex.strip("/").replace("(?<", "(?P<")) if regex else None
    for value in values:
        if pattern is None:
            options[Option(value, value)] = None
            continue
        match = pattern.search(value)
        if match is not None:
            named = match.groupdict()
            only = match[1] if match.re.groups else match[0]
            options[Option(named.get("text") or only, named.get("value") or only)] = None
    return list(options)


def _custom(text: str) -> Option:
    name, colon, value = (part.strip() for part in text.partition(":"))
    return Option(name, value if colon else name)


def _select(variable: Mapping[str, Any], options: tuple[Option, ...], wanted: str | None, *, multi: bool) -> Chosen:
    texts = [option.text for option in options]
    current = variable.get("current") or {}
    at_first = current.get("text")
    name = wanted or (at_first[0] if isinstance(at_first, list) and at_first else at_first)
    if wanted is None and (name == "All" or ALL in _listed(current.get("value"))):
        return Chosen(options, tuple(option.value for option in options), multi)
    place = texts.index(name) if name in texts else 0  # as Grafana does: by its text, else the first
    return Chosen(options, (options[place].value,) if options else (), multi)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _formatted(chosen: Chosen, form: str | None, *, in_regex: bool) -> str:
    match form:
        case "raw":
            return ",".join(chosen.values)
        case "regex":
            return _alternatives(chosen.values)
        case None if chosen.multi:
            return _alternatives(chosen.values)
        case None:
            value = chosen.values[0] if chosen.values else ""
            return _escaped(value) if in_regex else value
        case _:
            raise ValueError(f"a variable is put in as :{form}, which is not known here")


def _alternatives(values: Sequence[str]) -> str:
    escaped = [_escaped(value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _escaped(value: str) -> str:
    return _SPECIAL.sub(lambda match: "\\" + match[0], value)


def _in_regex(text: str, at: int) -> bool:
    opened = re.search(r"[=!]~\s*/[^/]*$", text[:at])
    return opened is not None


__all__ = ["Chosen", "Dashboard", "Option", "PanelQuery", "Screen", "alerts", "dashboards", "every_value", "fill"]
