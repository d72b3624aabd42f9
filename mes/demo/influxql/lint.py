"""What in a query not every InfluxDB answers, or what does not fit the schema, and what to write instead."""

import re
from collections.abc import Iterator, Mapping

from mes.demo.influxql.parse import TRANSFORMS, QueryError, parse
from mes.demo.influxql.tree import (
    Binary,
    Call,
    Compare,
    Condition,
    Expression,
    Logic,
    Ref,
    Regex,
    Select,
    ShowTagValues,
    TimeBound,
)
from mes.influx.schema import MEASUREMENTS, Measurement, Type

# what is found outside quotes, and the sentence: what 3 does not have, or what is no InfluxQL (facts C.18, C.19)
SHARED = (
    (r"\bs(limit|offset)\b", "InfluxDB 3 has no SLIMIT and SOFFSET: choose series in WHERE"),
    (r"\bcardinality\b", "InfluxDB 3 shows no CARDINALITY: use SHOW TAG VALUES"),
    (r"^\s*(create|drop|delete|alter|grant|revoke)\b", "a dashboard only reads: change with the server's own tools"),
    (r"\binto\b", "InfluxDB 3 has no INTO: the collector writes what is to be kept"),
    (r";\s*\S", "InfluxDB 3 takes one statement in a request: make several queries"),
    (r"\bfrom\s*\(", "subqueries are outside the subset: let the collector write the figure"),
    (r"\btz\s*\(", "tz() is outside the subset: choose times in UTC"),
    (r"\bfrom\s*/", "a regex as measurement is outside the subset: name one measurement"),
    (r"""\bfrom\s*(\w+|"")\s*\.""", "a database or a policy before the measurement: name the measurement alone"),
    (r"\|>|\bjoin\b|\bhaving\b|\bcase\s+when\b|\bdate_bin\b", "Flux and SQL are not on all servers: use InfluxQL"),
    (r"--|/\*", "comments are outside the subset: leave them out"),
)  # fmt: skip


def lint(text: str, measurements: Mapping[str, Measurement] = MEASUREMENTS) -> list[str]:
    """Sentences, each what is wrong and what to do instead; none for a query that every server answers alike."""
    bare = re.sub(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", lambda quoted: quoted[0][0] * 2, text)
    found = [sentence for pattern, sentence in SHARED if re.search(pattern, bare, re.IGNORECASE)]
    try:
        query = parse(text)
    except QueryError as error:
        return found or [f"{error}; stay in the subset that all servers share"]
    schema = measurements
    if isinstance(query, ShowTagValues):
        return [*found, *_show(query, schema)]
    declared = schema.get(query.measurement)
    if declared is None:
        return [*found, f"there is no measurement `{query.measurement}`: choose one of the schema"]
    findings = (*_items(query, declared), *_where(query.where, declared), *_groups(query, declared), *_times(query))
    return list(dict.fromkeys((*found, *findings)))


def _show(query: ShowTagValues, schema: Mapping[str, Measurement]) -> Iterator[str]:
    if query.measurement is not None and query.measurement not in schema:
        yield f"there is no measurement `{query.measurement}`: choose one of the schema"
        return
    asked = schema.values() if query.measurement is None else [schema[query.measurement]]
    tags = {tag.name for each in asked for tag in each.tags}
    for name in (query.key, *(each.name for each in _compares(query.where))):
        if name not in tags:
            yield f"`{name}` is no tag: SHOW TAG VALUES knows tags only"
    if _bounds(query.where):
        yield "SHOW TAG VALUES with a time is answered differently by each server: leave the time out"


def _items(query: Select, declared: Measurement) -> Iterator[str]:
    """Fields that there are; aggregates that mean something."""
    tags = {tag.name for tag in declared.tags}
    parts = [part for item in query.items for part in _leaves(item.expression)]
    for part in parts:
        name = _field(part)
        if name not in tags and declared.field(name) is None:
            yield f"`{declared.name}` has no field or tag `{name}`: choose one of the schema"
        if isinstance(part, Call):
            yield from _aggregate(part, declared, tags)
    for item in query.items:
        for part in _leaves(item.expression):
            if isinstance(item.expression, Binary) and not _numeric(part, declared):
                yield f"`{_field(part)}` is no number: leave it out of arithmetic"
    if parts and all(isinstance(part, Ref) and part.name in tags for part in parts):
        yield "tags alone give no rows: select a field beside them"
    if len({isinstance(part, Call) for part in parts}) > 1:
        yield "fields beside aggregates are not promised: select only aggregates, or only fields"
    yield from _differences(query, [part for part in parts if isinstance(part, Call)])


def _differences(query: Select, calls: list[Call]) -> Iterator[str]:
    differences = [call for call in calls if call.name in TRANSFORMS]
    if not differences:
        return
    if len(differences) < len(calls):
        yield "differences beside aggregates are not promised: ask for them apart"
    if query.descending:
        yield "a difference with ORDER BY time DESC goes backwards on some servers: order ascending"
    for call in differences:
        if isinstance(call.argument, Call) == (query.every_ns is None):
            yield "a difference goes over an aggregate with GROUP BY time, and over a field without"


def _aggregate(call: Call, declared: Measurement, tags: set[str]) -> Iterator[str]:
    name = _field(call)
    inner = call.argument if isinstance(call.argument, Call) else call
    field = declared.field(name)
    if name in tags:
        yield f"{call.name} of the tag `{name}` is empty: count a field, and group by the tag"
    if field is None:
        return
    plain = inner.name == "count" or {call.name, inner.name} <= {"first", "last"}
    if not plain and field.type in (Type.TEXT, Type.FLAG):
        yield f"{call.name} of `{name}`, which is no number: use count, first or last"


def _numeric(part: Ref | Call, declared: Measurement) -> bool:
    field = declared.field(_field(part))
    counted = isinstance(part, Call) and "count" in (part.name, getattr(part.argument, "name", ""))
    return counted or (field is not None and field.type in (Type.INT, Type.FLOAT))


def _where(where: Condition | None, declared: Measurement) -> Iterator[str]:
    tags = {tag.name for tag in declared.tags}
    for each in _compares(where):
        field, text = declared.field(each.name), isinstance(each.value, str)
        if each.name in tags:
            if not isinstance(each.value, str | Regex):
                yield f"the tag `{each.name}` is compared with {each.value!r}: tags are texts, use single quotes"
            if each.sign in ("<", "<=", ">", ">="):
                yield f"the tag `{each.name}` has no order: compare with = or a regex"
        elif field is None:
            yield f"`{declared.name}` has no field or tag `{each.name}`: choose one of the schema"
        elif isinstance(each.value, Regex):
            yield f"a regex on the field `{each.name}`: regexes are for tags"
        elif field.type is Type.TEXT and not text:
            yield f"the text `{each.name}` is compared with {each.value!r}: write it in single quotes"
        elif field.type is not Type.TEXT and (text or isinstance(each.value, bool) != (field.type is Type.FLAG)):
            yield f"`{each.name}` is {field.type}, and {each.value!r} is not: no point fulfils this"


def _groups(query: Select, declared: Measurement) -> Iterator[str]:
    tags = {tag.name for tag in declared.tags}
    for name in query.tags:
        if name not in tags and name != "*":
            yield f"GROUP BY `{name}`, which is no tag of `{declared.name}`: group by tags or time"
    if query.every_ns is not None and not any(isinstance(p, Call) for i in query.items for p in _leaves(i.expression)):
        yield "GROUP BY time needs aggregates: select them"
    if query.fill == "none" and (query.limit is not None or query.offset) and len(query.items) > 1:
        yield "LIMIT or OFFSET with fill(none) counts in each column on 1.x: ask for one column"
    if query.fill == "previous" and query.descending:
        yield "fill(previous) with ORDER BY time DESC fills from later buckets on some servers: order ascending"


def _times(query: Select) -> Iterator[str]:
    bounds = _bounds(query.where)
    if not bounds:
        yield "no condition on time: say from when, also with LIMIT; InfluxDB 3 reads only so many files"
    elif query.every_ns is not None and not any(bound.sign in (">", ">=", "=") for bound in bounds):
        yield "GROUP BY time without a lower bound of time begins elsewhere on each server: say from when"
    if _under_or(query.where):
        yield "time under OR means different things to different servers: join times with AND"


def _leaves(expression: Expression) -> Iterator[Ref | Call]:
    match expression:
        case Ref() | Call():
            yield expression
        case Binary(_, left, right):
            yield from _leaves(left)
            yield from _leaves(right)


def _field(part: Ref | Call) -> str:
    return part.name if isinstance(part, Ref) else _field(part.argument)


def _conditions(where: Condition | None) -> Iterator[Compare | TimeBound]:
    match where:
        case Logic(_, left, right):
            yield from _conditions(left)
            yield from _conditions(right)
        case Compare() | TimeBound():
            yield where


def _compares(where: Condition | None) -> list[Compare]:
    return [each for each in _conditions(where) if isinstance(each, Compare)]


def _bounds(where: Condition | None) -> list[TimeBound]:
    return [each for each in _conditions(where) if isinstance(each, TimeBound)]


def _under_or(where: Condition | None) -> bool:
    if not isinstance(where, Logic):
        return False
    return bool(where.sign == "OR" and _bounds(where)) or _under_or(where.left) or _under_or(where.right)
