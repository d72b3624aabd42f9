"""What a query answers over points in memory, as influxd 1.x answers it."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mes.demo.influxql.parse import TRANSFORMS
from mes.demo.influxql.tree import (
    Binary,
    Call,
    Expression,
    Number,
    Query,
    Ref,
    Select,
    ShowTagValues,
)
from mes.demo.influxql.where import CannotEvaluate, Row, Value, Window, apart, holds, window_of

Answer: TypeAlias = list[tuple[int, Value | None]]
SELECTORS = ("first", "last", "min", "max")


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer, as the server sends it."""

    tags: dict[str, str]
    columns: tuple[str, ...]
    values: list[tuple[Value | None, ...]]


def evaluate(query: Query, rows: Iterable[Row], now_ns: int) -> list[Series]:
    """The series, ordered by their tags, backwards with ORDER BY time DESC.

    Sums of floats are exact and rounded once (math.fsum); a server adds one by one. So its floats are to be compared
    within 1e-9 relative, or of the sum of absolute values where terms cancel; integers, texts and times are equal.
    Dividing by zero gives 0. Points of one time in several series stand in the order of the rows, which no server
    promises. first and last of one time take the greater value.
    """
    if isinstance(query, ShowTagValues):
        return _tag_values(query, rows)
    if any(call.name in TRANSFORMS for item in query.items for call in _calls(item.expression)) and query.descending:
        raise CannotEvaluate("a difference with ORDER BY time DESC goes backwards on some servers: order ascending")
    if query.fill == "previous" and query.descending:
        raise CannotEvaluate("fill(previous) with ORDER BY time DESC fills from later buckets: order ascending")
    if query.fill == "none" and (query.limit is not None or query.offset) and len(query.items) > 1:
        raise CannotEvaluate("LIMIT or OFFSET with fill(none) counts in each column on 1.x: ask for one column")
    condition, bounds = apart(query.where)
    window = window_of(bounds, now_ns)
    chosen = [row for row in rows if row.measurement == query.measurement]
    tags, fields = _grouped_tags(query, chosen), {name for row in chosen for name in row.fields}
    chosen = [row for row in chosen if holds(condition, row, fields)]
    chosen.sort(key=lambda row: row.time_ns)
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in chosen:
        groups.setdefault(tuple(row.tags.get(tag, "") for tag in tags), []).append(row)
    answer = []
    for key in sorted(groups, reverse=query.descending):
        values = _values(query, groups[key], window, now_ns)
        if query.descending:
            values.reverse()
        values = values[query.offset : None if query.limit is None else query.offset + query.limit]
        if values:
            answer.append(Series(dict(zip(tags, key, strict=True)), _columns(query), values))
    return answer


def _tag_values(query: ShowTagValues, rows: Iterable[Row]) -> list[Series]:
    found: dict[str, set[str]] = {}
    for row in rows:
        if query.measurement in (None, row.measurement) and query.key in row.tags and holds(query.where, row, set()):
            found.setdefault(row.measurement, set()).add(row.tags[query.key])
    return [
        Series({}, ("key", "value"), [(query.key, value) for value in sorted(values)])
        for _, values in sorted(found.items())
    ]


def _grouped_tags(query: Select, rows: list[Row]) -> tuple[str, ...]:
    if "*" in query.tags:
        return tuple(sorted({tag for row in rows for tag in row.tags} | set(query.tags) - {"*"}))
    return tuple(sorted(set(query.tags)))


def _columns(query: Select) -> tuple[str, ...]:
    """Names as 1.x gives them: the alias, the function, else the names in an expression; a number tells doubles."""
    columns = ["time"]
    for item in query.items:
        name = item.alias or "_".join(_names(item.expression))
        unique, n = name, 0
        while unique in columns:
            n += 1
            unique = f"{name}_{n}"
        columns.append(unique)
    return tuple(columns)


def _names(expression: Expression) -> Iterator[str]:
    match expression:
        case Ref(name) | Call(name, _):
            yield name
        case Binary(_, left, right):
            yield from _names(left)
            yield from _names(right)
        case Number():
            return


def _calls(expression: Expression) -> Iterator[Call]:
    match expression:
        case Call():
            yield expression
        case Binary(_, left, right):
            yield from _calls(left)
            yield from _calls(right)


def _refs(expression: Expression) -> Iterator[str]:
    match expression:
        case Ref(name):
            yield name
        case Binary(_, left, right):
            yield from _refs(left)
            yield from _refs(right)


def _values(query: Select, rows: list[Row], window: Window, now_ns: int) -> list[tuple[Value | None, ...]]:
    calls = list(dict.fromkeys(call for item in query.items for call in _calls(item.expression)))
    if not calls:
        return _raw(query, _within(rows, window.low, window.high))
    if any(True for item in query.items for _ in _refs(item.expression)):
        raise CannotEvaluate("fields beside aggregates are not promised: select only aggregates")
    if query.every_ns is None:
        return _whole(query, calls, _within(rows, window.low, window.high), window)
    return _bucketed(query, calls, rows, window, now_ns)


def _within(rows: list[Row], low: int | None, high: int | None) -> list[Row]:
    return [row for row in rows if (low is None or row.time_ns >= low) and (high is None or row.time_ns < high)]


def _raw(query: Select, rows: list[Row]) -> list[tuple[Value | None, ...]]:
    names = {name for item in query.items for name in _refs(item.expression)}
    return [
        (row.time_ns, *(_compute(item.expression, _looked_up(row)) for item in query.items))
        for row in rows
        if names & row.fields.keys()
    ]


def _looked_up(row: Row) -> Callable[[Ref | Call], Value | None]:
    def look(part: Ref | Call) -> Value | None:
        assert isinstance(part, Ref)
        return row.fields.get(part.name, row.tags.get(part.name))

    return look


def _whole(query: Select, calls: list[Call], rows: list[Row], window: Window) -> list[tuple[Value | None, ...]]:
    if any(call.name in TRANSFORMS for call in calls):
        if not all(call.name in TRANSFORMS and isinstance(call.argument, Ref) for call in calls):
            raise CannotEvaluate("differences of fields beside aggregates are not promised: ask for them apart")
        found = {call: dict(_difference(call.name, _points(rows, call.argument))) for call in calls}
        times = sorted({time for each in found.values() for time in each})
        return [_row(query, time, {call: each.get(time) for call, each in found.items()}) for time in times]
    results = {call: _aggregate(call.name, _points(rows, call.argument)) for call in calls}
    if all(result is None for result in results.values()):
        return []
    time = window.low or 0
    if len(calls) == 1 and calls[0].name in SELECTORS and (only := results[calls[0]]):
        time = only[0]
    return [_row(query, time, {call: result and result[1] for call, result in results.items()})]


def _bucketed(
    query: Select, calls: list[Call], rows: list[Row], window: Window, now_ns: int
) -> list[tuple[Value | None, ...]]:
    """Buckets from the epoch in UTC; without an upper bound up to now; differences look one length back."""
    if window.low is None or query.every_ns is None:
        raise CannotEvaluate("GROUP BY time without a lower bound of time begins elsewhere on each server: give one")
    every, high = query.every_ns, now_ns if window.high is None else window.high
    low = window.low
    first = _bucket(low, query)
    if any(call.name in TRANSFORMS for call in calls):
        if not all(isinstance(call.argument, Call) for call in calls):
            raise CannotEvaluate("differences of aggregates beside aggregates are not promised: ask for them apart")
        low -= every
        first = _bucket(low, query)
    starts = list(range(first, high, every))
    rows = _within(rows, low, high)
    if not any(_points(rows, _inmost(call)) for call in calls):
        return []
    found: dict[Call, dict[int, Value]] = {}
    for call in calls:
        found[call] = _column(call, rows, starts, query)
    times = sorted({time for each in found.values() for time in each})
    transforms = any(call.name in TRANSFORMS for call in calls)
    if query.fill != "none" and not transforms:
        times = starts
    return [_row(query, time, {call: each.get(time) for call, each in found.items()}) for time in times]


def _inmost(call: Call) -> Ref:
    return call.argument if isinstance(call.argument, Ref) else _inmost(call.argument)


def _bucket(time_ns: int, query: Select) -> int:
    assert query.every_ns is not None
    return time_ns - (time_ns - query.offset_ns) % query.every_ns


def _column(call: Call, rows: list[Row], starts: list[int], query: Select) -> dict[int, Value]:
    if isinstance(call.argument, Call):
        inner = _column(call.argument, rows, starts, query)
        return {time: value for time, value in _difference(call.name, sorted(inner.items())) if value is not None}
    buckets: dict[int, list[tuple[int, Value]]] = {}
    for time, value in _points(rows, call.argument):
        buckets.setdefault(_bucket(time, query), []).append((time, value))
    results = {start: result[1] for start, points in buckets.items() if (result := _aggregate(call.name, points))}
    zeros = call.name == "count" and query.fill == "null" and results  # a group without points has no zeros either
    return _filled(results, starts, 0 if zeros else query.fill)


def _filled(results: dict[int, Value], starts: list[int], fill: str | int | float) -> dict[int, Value]:
    if fill in ("none", "null"):
        return results
    whole = all(type(value) is int for value in results.values())
    known = sorted(results)
    filled = dict(results)
    for start in starts:
        if start in results:
            continue
        before = max((time for time in known if time < start), default=None)
        after = min((time for time in known if time > start), default=None)
        if not isinstance(fill, str):
            filled[start] = int(fill) if whole else float(fill)
        elif fill == "previous" and before is not None:
            filled[start] = results[before]
        elif fill == "linear" and before is not None and after is not None:
            one, other = results[before], results[after]
            if isinstance(one, str) or isinstance(other, str):
                raise CannotEvaluate("fill(linear) of texts: fill(previous) is what texts have")
            value = (other - one) / (after - before) * (start - before) + one
            filled[start] = int(value) if whole else value
    return filled


def _points(rows: list[Row], argument: Ref | Call) -> list[tuple[int, Value]]:
    return [(row.time_ns, row.fields[argument.name]) for row in rows if argument.name in row.fields]


def _difference(name: str, points: list[tuple[int, Value]]) -> Answer:
    """Each value less the one before; of one time only the first counts."""
    answer: Answer = []
    previous: tuple[int, Value] | None = None
    for time, value in points:
        if previous is not None and previous[0] == time:
            continue
        if previous is not None:
            assert not isinstance(value, str)
            assert not isinstance(previous[1], str)
            change = value - previous[1]
            if name == "difference" or change >= 0:
                answer.append((time, change))
        previous = (time, value)
    return answer


def _aggregate(name: str, points: list[tuple[int, Value]]) -> tuple[int, Value] | None:
    """The value and its point's time (0 for what is made of several points); None without points."""
    if not points:
        return None
    if name == "count":
        return 0, len(points)
    if name in SELECTORS:
        return _selected(name, points)
    numbers = [value for _, value in points if not isinstance(value, str | bool)]
    if len(numbers) < len(points):
        raise CannotEvaluate(f"{name} of texts or flags: count them instead")
    if name == "sum":
        return 0, sum(numbers) if all(isinstance(value, int) for value in numbers) else math.fsum(numbers)
    return 0, math.fsum(numbers) / len(numbers)


def _selected(name: str, points: list[tuple[int, Value]]) -> tuple[int, Value]:
    """Of equal extremes the earliest; of equal times the greater value."""
    ranked: list[tuple[int, float | str]] = []
    for time, value in points:
        ranked.append((time, value))
    if name in ("first", "last"):
        edge = ranked[0][0] if name == "first" else ranked[-1][0]
        at_edge = [value for time, value in points if time == edge]
        texts = [value for value in at_edge if isinstance(value, str)]
        if texts:
            return edge, max(texts)
        return edge, max(value for value in at_edge if not isinstance(value, str))
    numbers = [(time, value) for time, value in points if not isinstance(value, str)]
    if len(numbers) < len(points):
        raise CannotEvaluate(f"{name} of texts: use first or last")
    return min(numbers, key=lambda at: (at[1] if name == "min" else -at[1], at[0]))


def _row(query: Select, time: int, results: Mapping[Call, Value | None]) -> tuple[Value | None, ...]:
    def look(part: Ref | Call) -> Value | None:
        assert isinstance(part, Call)
        return results[part]

    return (time, *(_compute(item.expression, look) for item in query.items))


def _compute(expression: Expression, look: Callable[[Ref | Call], Value | None]) -> Value | None:
    """A missing side makes the whole missing; `/` gives floats, and 0 where it divides by zero."""
    match expression:
        case Number(value):
            return value
        case Ref() | Call():
            return look(expression)
        case Binary(sign, left, right):
            one, other = _compute(left, look), _compute(right, look)
            if one is None or other is None:
                return None
            if isinstance(one, str | bool) or isinstance(other, str | bool):
                raise CannotEvaluate("arithmetic needs numbers: leave texts, flags and tags out of it")
            return _arithmetic(sign, one, other)


def _arithmetic(sign: str, one: int | float, other: int | float) -> int | float:
    match sign:
        case "+":
            return one + other
        case "-":
            return one - other
        case "*":
            return one * other
        case _:
            return one / other if other else 0.0
