"""Answers of InfluxDB as Grafana 9.4 makes frames of them, and the transformations that the dashboards use."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from dashboards.checks.influxql.parse import parse

Value: TypeAlias = str | int | float | bool | None
Options: TypeAlias = Mapping[str, Any]
Row: TypeAlias = tuple[Value, ...]
TIME = "Time"
MS_NS = 10**6


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns by their names, in order; `name` is that of a series."""

    columns: Mapping[str, Sequence[Value]]
    name: str = ""

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return list(self.columns)

    def rows(self) -> list[Row]:
        """Line by line."""
        return list(zip(*self.columns.values(), strict=True))

    def with_rows(self, rows: Sequence[Row]) -> "Frame":
        """The same columns with other rows."""
        columns = {name: [row[place] for row in rows] for place, name in enumerate(self.columns)}
        return replace(self, columns=columns)


def is_number(value: Value) -> bool:
    """Whether it is drawn as a number; a truth value is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def frames_of(target: Mapping[str, Any], text: str, rows: Sequence[Mapping[str, Any]]) -> list[Frame]:
    """Of an answer: one frame for a table, and one for each series and column otherwise."""
    if not rows:
        return []
    if target["resultFormat"] == "table":
        return [_frame(rows, [name for name in rows[0] if name != "time"])]
    tags = parse(text).tags
    series: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        series.setdefault(tuple(row[tag] for tag in tags), []).append(row)
    return [
        Frame({TIME: frame.columns[TIME], name: frame.columns[column]}, name)
        for of_tags in series.values()
        for column in of_tags[0]
        if column not in {"time", *tags}
        for frame in (_frame(of_tags, [column]),)
        for name in (_alias(target.get("alias", ""), column, of_tags[0]),)
    ]


def _frame(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Frame:
    times: list[Value] = [row["time"] // MS_NS for row in rows]
    return Frame({TIME: times, **{name: [row[name] for row in rows] for name in names}})


def _alias(alias: str, column: str, row: Mapping[str, Any]) -> str:
    return re.sub(r"\$(?:tag_(\w+)|col)", lambda found: str(row[found[1]]) if found[1] else column, alias) or column


def _each(change: Callable[[Frame, Options], Frame]) -> Callable[[list[Frame], Options], list[Frame]]:
    return lambda frames, options: [change(frame, options) for frame in frames]


def _organize(frame: Frame, options: Options) -> Frame:
    kept = [name for name in frame.names if not options["excludeByName"].get(name)]
    last = len(frame.names) + 99
    kept.sort(key=lambda name: options["indexByName"].get(name, last))
    renamed = options["renameByName"]
    return replace(frame, columns={renamed.get(name, name): frame.columns[name] for name in kept})


def _without_fields(frame: Frame, options: Options) -> Frame:
    left_out = options["exclude"]["names"]
    return replace(frame, columns={name: column for name, column in frame.columns.items() if name not in left_out})


def _filter_rows(frame: Frame, options: Options) -> Frame:
    assert (options["type"], options["match"]) == ("include", "all"), options
    return frame.with_rows([row for row in frame.rows() if all(_fits(frame, row, one) for one in options["filters"])])


def _fits(frame: Frame, row: Row, wanted: Options) -> bool:
    value = dict(zip(frame.names, row, strict=True)).get(wanted["fieldName"])
    limit = wanted["config"]["options"]["value"]
    match wanted["config"]["id"]:
        case "greater":
            return isinstance(value, (int, float)) and value > limit
        case "equal":
            return bool(value == limit)
        case other:
            raise ValueError(f"a comparison {other} is not known here")


def _sort(frame: Frame, options: Options) -> Frame:
    """By one column; rows without a value come first, and last where the order is turned."""
    (by,) = options["sort"]
    if by["field"] not in frame.names:
        return frame
    place = frame.names.index(by["field"])

    def key(row: Row) -> tuple[bool, Any]:
        return row[place] is not None, row[place] if row[place] is not None else 0

    return frame.with_rows(sorted(frame.rows(), key=key, reverse=bool(by.get("desc"))))


def _limit(frame: Frame, options: Options) -> Frame:
    return frame.with_rows(frame.rows()[: options["limitField"]])


def _reduce(frames: list[Frame], options: Options) -> list[Frame]:
    """One row for each column of numbers, with its last value."""
    assert (options["reducers"], options["mode"]) == (["lastNotNull"], "seriesToRows"), options
    lasts = [
        (name, next((value for value in reversed(values) if value is not None), None))
        for frame in frames
        for name, values in frame.columns.items()
        if name != TIME and any(map(is_number, values))
    ]
    return [Frame({"Field": [name for name, _ in lasts], "Last *": [value for _, value in lasts]})]


def _merge(frames: list[Frame], _: Options) -> list[Frame]:
    """Rows with equal values in the columns that all frames have become one row."""
    if len(frames) < 2:
        return frames
    names = list(dict.fromkeys(name for frame in frames for name in frame.names))
    keys = [name for name in names if all(name in frame.names for frame in frames)]
    merged: list[dict[str, Value]] = []
    for row in _named_rows(frames):
        same = (one for one in merged if all(one[key] == row[key] for key in keys) and not _conflict(one, row))
        found = next(same, None)
        if found is None:
            merged.append(found := {})
        found.update(row)
    return [Frame({name: [row.get(name) for row in merged] for name in names})]


def _conflict(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    return any(one[name] != other[name] for name in one.keys() & other.keys())


def _named_rows(frames: Sequence[Frame]) -> Iterator[dict[str, Value]]:
    for frame in frames:
        yield from (dict(zip(frame.names, row, strict=True)) for row in frame.rows())


def _partition(frames: list[Frame], options: Options) -> list[Frame]:
    """A frame for each value of a column, which names it and is then left out."""
    (by,) = options["fields"]
    found: list[Frame] = []
    for frame in frames:
        place = frame.names.index(by)
        for value in dict.fromkeys(frame.columns[by]):
            part = frame.with_rows([row for row in frame.rows() if row[place] == value])
            columns = {
                str(value) if name == "Value" else name: column for name, column in part.columns.items() if name != by
            }
            found.append(Frame(columns, str(value)))
    return found


TRANSFORMATIONS: Mapping[str, Callable[[list[Frame], Options], list[Frame]]] = {
    "organize": _each(_organize),
    "filterFieldsByName": _each(_without_fields),
    "filterByValue": _each(_filter_rows),
    "sortBy": _each(_sort),
    "limit": _each(_limit),
    "reduce": _reduce,
    "merge": _merge,
    "partitionByValues": _partition,
}


def transformed(frames: list[Frame], panel: Mapping[str, Any]) -> list[Frame]:
    """After all transformations of the panel; raises KeyError for one that is not known. Empty frames are left out."""
    for step in panel.get("transformations", []):
        frames = TRANSFORMATIONS[step["id"]](frames, step["options"])
    return [frame for frame in frames if frame.rows()]
