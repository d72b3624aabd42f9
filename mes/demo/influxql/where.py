"""Which points a condition takes, and the time that it leaves."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import TypeAlias

from mes.demo.influxql.tree import Compare, Condition, Logic, Regex, TimeBound

Value: TypeAlias = int | float | str | bool


class CannotEvaluate(Exception):
    """A query that reads, but whose answer differs between servers or is not promised; lint says what to write."""


@dataclass(frozen=True, slots=True)
class Row:
    """A point: its measurement, nanoseconds since 1970, tags and fields."""

    measurement: str
    time_ns: int
    tags: Mapping[str, str]
    fields: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is asked for: from `low` up to and without `high`."""

    low: int | None
    high: int | None


def apart(where: Condition | None) -> tuple[Condition | None, list[TimeBound]]:
    """The condition without its time bounds, and these; they may stand under AND only."""
    match where:
        case TimeBound():
            return None, [where]
        case Logic("AND", left, right):
            (first, some), (second, more) = apart(left), apart(right)
            both = Logic("AND", first, second) if first and second else first or second
            return both, some + more
        case Logic(_, left, right) if apart(left)[1] or apart(right)[1]:
            raise CannotEvaluate("time under OR means different things to different servers: join times with AND")
    return where, []


def window_of(bounds: list[TimeBound], now_ns: int) -> Window:
    """The time that all of the bounds leave."""
    low: int | None = None
    high: int | None = None
    for bound in bounds:
        ns = bound.ns + (now_ns if bound.from_now else 0)
        if bound.sign in (">", ">=", "="):
            least = ns + (bound.sign == ">")
            low = least if low is None else max(low, least)
        if bound.sign in ("<", "<=", "="):
            most = ns + (bound.sign != "<")
            high = most if high is None else min(high, most)
    return Window(low, high)


def holds(condition: Condition | None, row: Row, fields: Set[str]) -> bool:
    """Whether a point fulfils it; `fields`: the names that are fields and not tags."""
    match condition:
        case None:
            return True
        case Logic("AND", left, right):
            return holds(left, row, fields) and holds(right, row, fields)
        case Logic(_, left, right):
            return holds(left, row, fields) or holds(right, row, fields)
        case Compare(name, sign, value):
            return _compare(row.fields.get(name) if name in fields else row.tags.get(name, ""), sign, value)
        case TimeBound():
            raise CannotEvaluate("SHOW TAG VALUES with a time is answered differently by each server: leave it out")


def _compare(found: Value | None, sign: str, value: Value | Regex) -> bool:
    """A missing tag is the empty text; a missing field, or one of another type, fulfils nothing."""
    if isinstance(value, Regex):
        return bool(re.search(value.pattern, str(found or ""))) == (sign == "=~")
    if found is None or _sort(found) is not _sort(value):
        return False
    if sign in ("=", "!="):
        return (found == value) == (sign == "=")
    if isinstance(found, str | bool) or isinstance(value, str | bool):
        return False
    orders = {"<": found < value, "<=": found <= value, ">": found > value, ">=": found >= value}
    return orders[sign]


def _sort(value: Value) -> type:
    return float if type(value) is int else type(value)
