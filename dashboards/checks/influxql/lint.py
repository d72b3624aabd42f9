"""What in a query not every InfluxDB answers, or what does not fit the schema, and what to write instead."""

import re
from collections.abc import Iterator, Mapping

from dashboards.checks.influxql.parse import TRANSFORMS, Query, QueryError, Regex, parse, unwrapped
from mes.influx.schema import MEASUREMENTS, Measurement, Origin, Type

# a pattern outside quotes, and its sentence: what InfluxDB 3 does not have, or what is not InfluxQL
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

LOWER_BOUND = {">", ">=", "="}


def lint(text: str, measurements: Mapping[str, Measurement] = MEASUREMENTS) -> list[str]:
    """Sentences, each with what is wrong and what to do instead; none for a query that every server answers alike."""
    text, is_newest = unwrapped(text)
    bare = re.sub(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", lambda quoted: quoted[0][0] * 2, text)
    found = [sentence for pattern, sentence in SHARED if re.search(pattern, bare, re.IGNORECASE)]
    try:
        query = parse(text)
    except QueryError as error:
        return found or [f"{error}; stay in the subset that all servers share"]
    if query.measurement is not None and query.measurement not in measurements:
        return [*found, f"there is no measurement `{query.measurement}`: choose one of the schema"]
    if query.measurement is None or query.key is not None:
        return [*found, *_tag_values(query, measurements)]
    declared = measurements[query.measurement]
    rules = (_terms, _calls, _transformations, _comparisons, _groups)
    findings = [sentence for rule in rules for sentence in rule(query, declared)]
    if declared.origin is Origin.FIGURE and not is_newest:
        found.append(f"`{declared.name}` has revisions: ask for the newest of each (mes.influx.select.newest)")
    return list(dict.fromkeys((*found, *findings, *_times(query))))


def _tag_values(query: Query, measurements: Mapping[str, Measurement]) -> Iterator[str]:
    asked = measurements.values() if query.measurement is None else [measurements[query.measurement]]
    tags = set().union(*map(_tags, asked))
    for name in (query.key, *(comparison.name for comparison in query.comparisons)):
        if name not in tags:
            yield f"`{name}` is no tag: SHOW TAG VALUES knows tags only"
    if not LOWER_BOUND & set(query.time_signs):
        yield "SHOW TAG VALUES without a lower bound of time is of the last day only on InfluxDB 3: say from when"


def _terms(query: Query, declared: Measurement) -> Iterator[str]:
    tags = _tags(declared)
    for term in query.terms:
        if term.name not in tags and declared.field(term.name) is None:
            yield _unknown(term.name, declared)
        if term.in_arithmetic and "count" not in term.functions and not _is_number(term.name, declared):
            yield f"`{term.name}` is no number: leave it out of arithmetic"
    if query.terms and all(term.name in tags and not term.functions for term in query.terms):
        yield "tags alone give no rows: select a field beside them"
    if len({bool(term.functions) for term in query.terms}) > 1:
        yield "fields beside aggregates are not promised: select only aggregates, or only fields"


def _calls(query: Query, declared: Measurement) -> Iterator[str]:
    for term in query.terms:
        if not term.functions:
            continue
        if term.name in _tags(declared):
            yield f"{term.functions[0]} of the tag `{term.name}` is empty: count a field, and group by the tag"
        takes_any_type = term.functions[-1] == "count" or set(term.functions) <= {"first", "last"}
        if declared.field(term.name) is not None and not takes_any_type and not _is_number(term.name, declared):
            yield f"{term.functions[0]} of `{term.name}`, which is no number: use count, first or last"


def _transformations(query: Query, _: Measurement) -> Iterator[str]:
    calls = [term for term in query.terms if term.functions]
    transformed = [call for call in calls if call.functions[0] in TRANSFORMS]
    if not transformed:
        return
    if len(transformed) < len(calls):
        yield "transformations beside aggregates are not promised: ask for them apart"
    if query.descending:
        yield "a transformation with ORDER BY time DESC goes backwards on some servers: order ascending"
    if any((len(call.functions) > 1) != query.by_time for call in transformed):
        yield "a transformation goes over an aggregate with GROUP BY time, and over a field without"


def _comparisons(query: Query, declared: Measurement) -> Iterator[str]:
    tags = _tags(declared)
    for comparison in query.comparisons:
        name, value = comparison.name, comparison.value
        field, is_text = declared.field(name), isinstance(value, str)
        if name in tags:
            if not isinstance(value, str | Regex):
                yield f"the tag `{name}` is compared with {value!r}: tags are texts, use single quotes"
            if comparison.sign in ("<", "<=", ">", ">="):
                yield f"the tag `{name}` has no order: compare with = or a regex"
        elif field is None:
            yield _unknown(name, declared)
        elif isinstance(value, Regex):
            yield f"a regex on the field `{name}`: regexes are for tags"
        elif field.type is Type.TEXT and not is_text:
            yield f"the text `{name}` is compared with {value!r}: write it in single quotes"
        elif field.type is not Type.TEXT and (is_text or isinstance(value, bool) != (field.type is Type.FLAG)):
            yield f"`{name}` is {field.type}, and {value!r} is not: no point fulfils this"


def _groups(query: Query, declared: Measurement) -> Iterator[str]:
    for name in query.tags:
        if name not in {*_tags(declared), "*"}:
            yield f"GROUP BY `{name}`, which is no tag of `{declared.name}`: group by tags or time"
    if query.by_time and not any(term.functions for term in query.terms):
        yield "GROUP BY time needs aggregates: select them"
    if query.fill == "none" and query.paged and query.columns > 1:
        yield "LIMIT or OFFSET with fill(none) counts in each column on 1.x: ask for one column"
    if query.fill == "previous" and query.descending:
        yield "fill(previous) with ORDER BY time DESC fills from later buckets on some servers: order ascending"


def _times(query: Query) -> Iterator[str]:
    if not query.time_signs:
        yield "no condition on time: say from when, also with LIMIT; InfluxDB 3 reads only so many files"
    elif query.by_time and not LOWER_BOUND & set(query.time_signs):
        yield "GROUP BY time without a lower bound of time begins elsewhere on each server: say from when"
    if query.time_under_or:
        yield "time under OR means different things to different servers: join times with AND"


def _tags(declared: Measurement) -> set[str]:
    return {tag.name for tag in declared.tags}


def _is_number(name: str, declared: Measurement) -> bool:
    field = declared.field(name)
    return field is not None and field.type in (Type.INT, Type.FLOAT)


def _unknown(name: str, declared: Measurement) -> str:
    return f"`{declared.name}` has no field or tag `{name}`: choose one of the schema"
