"""Holds a query to what InfluxDB 1.x, 2.x and 3 answer alike, and to the schema."""

import re
from collections.abc import Iterator, Mapping

from mes.demo.influxql.parse import (
    Binary,
    Both,
    Call,
    Compared,
    Condition,
    Expression,
    NotInfluxQL,
    Query,
    Ref,
    Select,
    ShowTagValues,
    Time,
    parse,
)
from mes.influx.schema import MEASUREMENTS, Measurement, Type

# What 3's InfluxQL does not have (influxdb main, core/iox_query_influxql, and its page of supported features), or 1.x
# alone has; each with what to do instead.
HOLES: tuple[tuple[str, str], ...] = (
    (r"\bS(LIMIT|OFFSET)\b", "3 has no SLIMIT and no SOFFSET: choose series by their tags"),
    (r'"?\w+"?\.(?:"?\w*"?\.)"?\w+"?(?=\s|$)', "3 has no `db.policy.measurement`: name the measurement alone"),
    (r"\bCARDINALITY\b", "3 has no SHOW … CARDINALITY"),
    (r"^\s*(CREATE|DROP|DELETE|ALTER|GRANT|REVOKE|KILL)\b", "dashboards only read"),
    (r"\bINTO\b", "3 has no SELECT INTO: the collector writes what is needed"),
    (r";", "3 takes one statement in a request"),
    (r"\bFROM\s*\(", "no subqueries: the schema has what is needed ready"),
    (r"\bFROM\s*/", "a measurement is named, not matched"),
    (r"\btz\s*\(", "no tz(): the collector cuts windows by the plant's calendar"),
    (r"\|>", "Flux does not exist in 3: write InfluxQL"),
)
NUMERIC = (Type.INT, Type.FLOAT)


def lint(text: str, measurements: Mapping[str, Measurement] = MEASUREMENTS) -> list[str]:
    """What is wrong with a query, in sentences; empty if nothing is."""
    bare = re.sub(r"'(?:[^'\\]|\\.)*'", "''", text)
    found = [remedy for pattern, remedy in HOLES if re.search(pattern, bare, re.IGNORECASE)]
    if found:
        return found
    try:
        query = parse(text)
    except NotInfluxQL as error:
        return [str(error)]
    measurement = measurements.get(query.measurement)
    if measurement is None:
        return [f"the schema has no measurement {query.measurement}"]
    return list(_against(query, measurement))


def _against(query: Query, measurement: Measurement) -> Iterator[str]:
    tags = {each.name for each in measurement.tags}
    if isinstance(query, ShowTagValues):
        if query.key not in tags:
            yield f"{measurement.name} has no tag {query.key}"
        for each in _comparisons(query.where):
            if each.name not in tags:
                yield f"SHOW TAG VALUES is narrowed by tags alone, and {each.name} is none"
        return
    for column in query.columns:
        yield from _expression(column.expression, measurement)
    kinds = {_is_aggregated(each.expression) for each in query.columns}
    if len(kinds) > 1:
        yield "an aggregate and a plain field do not go together"
    if query.interval_ns and kinds != {True}:
        yield "GROUP BY time() wants aggregates"
    if query.fill not in {"none", "null"} and any(isinstance(each.expression, Binary) for each in query.columns):
        yield "fill() with a value or `previous` beside arithmetic is answered in different ways: fill(none)"
    yield from _where(query, measurement)
    for tag in query.tags:
        if tag not in tags:
            yield f"{measurement.name} has no tag {tag}, and only tags can be grouped by"


def _where(query: Select, measurement: Measurement) -> Iterator[str]:
    tags = {each.name for each in measurement.tags}
    for each in _comparisons(query.where):
        declared = measurement.field(each.name)
        if each.name in tags:
            if not isinstance(each.value, str) or each.sign not in {"=", "!=", "=~", "!~"}:
                yield f"the tag {each.name} is a text: hold it against a quoted text or a regular expression"
        elif declared is None:
            yield f"{measurement.name} has neither a tag nor a field {each.name}"
        elif each.sign in {"=~", "!~"}:
            yield f"{each.name} is a field, and 3 matches regular expressions on tags alone"
        elif (declared.type is Type.TEXT) is not isinstance(each.value, str):
            yield f"the field {each.name} is a {declared.type}, and is held against another type"
    if not any(_bounds(query.where)):
        yield "without a condition of time all of history is read"


def _expression(expression: Expression, measurement: Measurement) -> Iterator[str]:
    match expression:
        case Binary():
            yield from _expression(expression.left, measurement)
            yield from _expression(expression.right, measurement)
        case Call():
            declared = measurement.field(expression.of.name)
            if declared is None:
                yield f"{measurement.name} has no field {expression.of.name}"
            elif expression.function in {"sum", "mean", "min", "max"} and declared.type not in NUMERIC:
                yield f"{expression.function}() of {expression.of.name}, which is a {declared.type}"
            elif expression.function == "mean" and declared.unit == "0..1":
                yield f"the mean of the ratio {expression.of.name} is wrong: divide sums"
        case Ref():
            if measurement.field(expression.name) is None and expression.name not in {
                each.name for each in measurement.tags
            }:
                yield f"{measurement.name} has neither a tag nor a field {expression.name}"
        case _:
            pass


def _is_aggregated(expression: Expression) -> bool:
    match expression:
        case Call():
            return True
        case Binary(left=left, right=right):
            return _is_aggregated(left) or _is_aggregated(right)
        case _:
            return False


def _comparisons(condition: Condition | None) -> Iterator[Compared]:
    match condition:
        case Compared():
            yield condition
        case Both(left=left, right=right):
            yield from _comparisons(left)
            yield from _comparisons(right)
        case _:
            pass


def _bounds(condition: Condition | None) -> Iterator[Time]:
    match condition:
        case Time():
            yield condition
        case Both(left=left, right=right):
            yield from _bounds(left)
            yield from _bounds(right)
        case _:
            pass
