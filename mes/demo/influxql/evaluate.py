"""Answers a query over rows in memory, as InfluxDB 1.x does; sums are exact where a server's are rounded step by step.

So compare floats to a relative 1e-9, and all else exactly.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

from mes.demo.core_rows import Row, Value
from mes.demo.influxql.parse import (
    Binary,
    Both,
    Call,
    Column,
    Compared,
    Condition,
    Expression,
    Number,
    Query,
    Ref,
    Select,
    ShowTagValues,
    Time,
)

__all__ = ["Row", "Series", "evaluate"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SELECTORS = ("min", "max", "first", "last")
Cell = Value | None


@dataclass(frozen=True, slots=True)
class Series:
    """A part of the answer: its tags, its columns (time first, in nanoseconds) and their values."""

    tags: Mapping[str, str]
    columns: tuple[str, ...]
    values: tuple[tuple[Cell, ...], ...]


def evaluate(query: Query, rows: Iterable[Row], now: datetime) -> list[Series]:
    """The series of the answer, ordered by their tags."""
    now_ns = (now - EPOCH) // timedelta(microseconds=1) * 1000
    of_it = [each for each in rows if each.measurement == query.measurement]
    found = [each for each in of_it if query.where is None or _holds(query.where, each, now_ns)]
    if isinstance(query, ShowTagValues):
        names = sorted({each.tags[query.key] for each in found if query.key in each.tags})
        return [Series({}, ("key", "value"), tuple((query.key, each) for each in names))] if names else []
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for each in sorted(found, key=lambda row: row.time_ns):
        groups[tuple(each.tags.get(tag, "") for tag in query.tags)].append(each)
    columns = ("time", *(each.name for each in query.columns))
    answer = []
    for key, members in sorted(groups.items()):
        values = _of_group(query, members, now_ns)
        if query.descending:
            values.reverse()
        if query.limit:
            values = values[: query.limit]
        if values:
            answer.append(Series(dict(zip(query.tags, key, strict=True)), columns, tuple(values)))
    return answer


def _of_group(query: Select, rows: Sequence[Row], now_ns: int) -> list[tuple[Cell, ...]]:
    if not any(_calls(each.expression) for each in query.columns):
        return _plain(query, rows)
    low, high = bounds(query.where, now_ns)
    if not query.interval_ns:
        row = _aggregated(query.columns, rows, max(low, 0))
        return [row] if any(_has_any(query.columns, each) for each in rows) else []
    buckets: dict[int, list[Row]] = defaultdict(list)
    for each in rows:
        buckets[each.time_ns // query.interval_ns * query.interval_ns].append(each)
    if not any(_has_any(query.columns, each) for each in rows):
        return []
    found: list[tuple[Cell, ...]] = []
    last: tuple[Cell, ...] | None = None
    first = low // query.interval_ns * query.interval_ns if low > 0 else min(buckets)
    for start in range(first, high + 1, query.interval_ns):
        inside = buckets.get(start, [])
        row = (start, *_aggregated(query.columns, inside, start)[1:])
        row = _filled(query, row, last)
        # arithmetic may be without a result where a part of it has one; that is a row, too
        if query.fill != "none" or any(_has_any(query.columns, each) for each in inside):
            found.append(row)
            last = row
    return found


def _filled(query: Select, row: tuple[Cell, ...], last: tuple[Cell, ...] | None) -> tuple[Cell, ...]:
    cells = list(row)
    for place, column in enumerate(query.columns, start=1):
        if cells[place] is None:
            if query.fill == "previous" and last is not None:
                cells[place] = last[place]
            elif isinstance(query.fill, int | float):
                cells[place] = query.fill
            elif query.fill == "null" and isinstance(column.expression, Call) and column.expression.function == "count":
                cells[place] = 0
    return tuple(cells)


def _plain(query: Select, rows: Sequence[Row]) -> list[tuple[Cell, ...]]:
    """A point enters if any of the fields that are asked for is in it; tags beside them are told along."""
    names = {each for column in query.columns for each in _refs(column.expression)}
    return [
        (each.time_ns, *(_of_row(column.expression, each) for column in query.columns))
        for each in rows
        if names & each.fields.keys()
    ]


def _aggregated(columns: Sequence[Column], rows: Sequence[Row], start_ns: int) -> tuple[Cell, ...]:
    """One row; the time is the start, but a selector that stands alone tells its point's."""
    time = start_ns
    if len(columns) == 1 and isinstance(only := columns[0].expression, Call) and only.function in SELECTORS:
        chosen = _selected(only, rows)
        time = chosen.time_ns if chosen is not None else time
    return (time, *(_of_rows(each.expression, rows) for each in columns))


def _of_rows(expression: Expression, rows: Sequence[Row]) -> Cell:
    match expression:
        case Call(function=function) if function in SELECTORS:
            chosen = _selected(expression, rows)
            return None if chosen is None else chosen.fields[expression.of.name]
        case Call():
            return _aggregate(
                expression.function,
                [each.fields[expression.of.name] for each in rows if expression.of.name in each.fields],
            )
        case Number():
            return expression.value
        case Binary():
            return _arithmetic(expression, lambda each: _of_rows(each, rows))
        case Ref():
            raise ValueError(f"`{expression.name}` stands beside an aggregate")
        case _:
            assert_never(expression)


def _of_row(expression: Expression, row: Row) -> Cell:
    match expression:
        case Ref(name=name):
            return row.fields.get(name, row.tags.get(name))
        case Number():
            return expression.value
        case Binary():
            return _arithmetic(expression, lambda each: _of_row(each, row))
        case Call():
            raise ValueError(f"{expression.function}() stands beside a plain field")
        case _:
            assert_never(expression)


def _selected(call: Call, rows: Sequence[Row]) -> Row | None:
    """The point of a selector; of equal ones the first in time."""
    name = call.of.name
    there = [each for each in rows if name in each.fields]
    if not there:
        return None
    match call.function:
        case "first":
            return there[0]
        case "last":
            return there[-1]
        case "min":
            return min(there, key=lambda each: _as_number(each.fields[name]))
        case _:
            return max(there, key=lambda each: _as_number(each.fields[name]))


def _aggregate(function: str, values: Sequence[Value]) -> Cell:
    if not values:
        return None
    if function == "count":
        return len(values)
    numbers = [_as_number(each) for each in values]
    if function == "mean":
        return math.fsum(numbers) / len(numbers)
    if all(isinstance(each, int) for each in numbers):
        return sum(numbers)
    return math.fsum(numbers)


def _arithmetic(binary: Binary, value: Callable[[Expression], Cell]) -> Cell:
    left, right = value(binary.left), value(binary.right)
    if left is None or right is None:
        return None
    one, other = _as_number(left), _as_number(right)
    match binary.sign:
        case "+":
            return one + other
        case "-":
            return one - other
        case "*":
            return one * other
        case _:
            return one / other if other else 0.0  # as 1.x answers


def _as_number(value: Value) -> int | float:
    if isinstance(value, str):
        raise TypeError(f"`{value}` is no number")
    return value


def _holds(condition: Condition, row: Row, now_ns: int) -> bool:
    match condition:
        case Both(sign="AND"):
            return _holds(condition.left, row, now_ns) and _holds(condition.right, row, now_ns)
        case Both():
            return _holds(condition.left, row, now_ns) or _holds(condition.right, row, now_ns)
        case Time():
            return _compare(condition.sign, row.time_ns, condition.ns + (now_ns if condition.from_now else 0))
        case Compared():
            return _compared(condition, row)
        case _:
            assert_never(condition)


def _compared(condition: Compared, row: Row) -> bool:
    if condition.sign in {"=~", "!~"}:
        found = re.search(str(condition.value), row.tags.get(condition.name, "")) is not None
        return found is (condition.sign == "=~")
    if condition.name in row.fields:
        return _compare(condition.sign, row.fields[condition.name], condition.value)
    if condition.name in row.tags:
        return _compare(condition.sign, row.tags[condition.name], condition.value)
    return False


def _compare(sign: str, one: Value, other: Value) -> bool:
    if isinstance(one, str) != isinstance(other, str):
        return False
    match sign:
        case "=":
            return one == other
        case "!=":
            return one != other
        case "<":
            return one < other  # type: ignore[operator]  # both are texts or both are numbers
        case "<=":
            return one <= other  # type: ignore[operator]
        case ">":
            return one > other  # type: ignore[operator]
        case _:
            return one >= other  # type: ignore[operator]


def bounds(condition: Condition | None, now_ns: int) -> tuple[int, int]:
    """The first and the last nanosecond that the condition lets in; 0 and now where it does not say."""
    low, high = 0, now_ns
    for each in _times(condition):
        at = each.ns + (now_ns if each.from_now else 0)
        match each.sign:
            case ">":
                low = max(low, at + 1)
            case ">=":
                low = max(low, at)
            case "<":
                high = at - 1
            case "<=":
                high = at
    return low, high


def _times(condition: Condition | None) -> Iterable[Time]:
    match condition:
        case Time():
            yield condition
        case Both(left=left, right=right):
            yield from _times(left)
            yield from _times(right)


def _calls(expression: Expression) -> bool:
    match expression:
        case Call():
            return True
        case Binary(left=left, right=right):
            return _calls(left) or _calls(right)
        case _:
            return False


def _refs(expression: Expression) -> set[str]:
    match expression:
        case Ref(name=name):
            return {name}
        case Call(of=of):
            return {of.name}
        case Binary(left=left, right=right):
            return _refs(left) | _refs(right)
        case _:
            return set()


def _has_any(columns: Sequence[Column], row: Row) -> bool:
    return any(_refs(each.expression) & row.fields.keys() for each in columns)
