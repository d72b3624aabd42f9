"""Queries of the shared part of InfluxQL, as the rules see them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.checks.influxql.parse import Comparison, Query, QueryError, Regex, Term, parse


def test_a_whole_select() -> None:
    """Each clause is read: terms with their functions, comparisons, bounds of time, groups, fill, order, page."""
    text = (
        'SELECT (sum("a") + 2 * max(b)) / 3 AS "x y", difference(last("c")) FROM "m" WHERE time >= now() - 1h AND '
        "time < '2026-03-02T00:00:00Z' AND (\"t\" =~ /^a\\/b$/ OR u <> 'it\\'s' AND f = -1.5) "
        'GROUP BY "t", time(1h, 5m) fill(none) ORDER BY time DESC LIMIT 5 OFFSET 2'
    )

    assert parse(text) == Query(
        measurement="m",
        terms=[
            Term("a", ("sum",), in_arithmetic=True),
            Term("b", ("max",), in_arithmetic=True),
            Term("c", ("difference", "last")),
        ],
        columns=2,
        comparisons=[Comparison("t", "=~", Regex("^a/b$")), Comparison("u", "<>", "it's"), Comparison("f", "=", -1.5)],
        time_signs=[">=", "<"],
        tags=["t"],
        by_time=True,
        fill="none",
        descending=True,
        paged=True,
    )


@pytest.mark.parametrize(
    ("condition", "under_or"),
    [
        ("time > 0 AND (t = 'a' OR t = 'b')", False),
        ("time > 0 OR t = 'a'", True),
        ("t = 'a' OR t = 'b' OR t = 'c' AND time > 0", True),
        ("t = 'a' AND (t = 'b' OR (time > 0))", True),
    ],
)
def test_time_under_or(condition: str, under_or: bool) -> None:
    """A bound of time anywhere below an OR is noted."""
    assert parse(f"SELECT a FROM m WHERE {condition}").time_under_or is under_or


def test_tag_values() -> None:
    """SHOW TAG VALUES has a key, and may have a measurement and a condition."""
    assert parse("SHOW TAG VALUES FROM kpi WITH KEY = \"line\" WHERE area = 'weld'") == Query(
        "kpi", "line", comparisons=[Comparison("area", "=", "weld")]
    )


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "SELECT or SHOW"),
        ("SELECT a FROM m; SELECT b FROM m", 15, "the end"),
        ("SELECT a FROM m -- why", 16, "the end"),
        ("SELECT a FROM (SELECT b FROM m)", 14, "a name"),
        ("SELECT a FROM db..m", 16, "the end"),
        ("SELECT a FROM /m/", 14, "a name"),
        ("SELECT a INTO n FROM m", 9, "FROM"),
        ("SELECT median(a) FROM m", 7, "one of count"),
        ("SELECT sum(max(a)) FROM m", 11, "a field"),
        ("SELECT a FROM m WHERE t = x", 26, "a number"),
        ("SELECT a FROM m WHERE time > 'noon'", 29, "a time"),
        ("SELECT a FROM m SLIMIT 2", 16, "the end"),
        ("SELECT a FROM m GROUP BY time(0s)", 32, "above zero"),
        ("SELECT a FROM m ORDER BY a", 25, "time"),
    ],
)
def test_what_is_outside_the_subset(text: str, position: int, expected: str) -> None:
    """The error tells the place and what was expected there."""
    with pytest.raises(QueryError) as error:
        parse(text)

    assert error.value.position == position
    assert expected in error.value.expected


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")), st.text(st.characters(codec="utf-8")))
def test_quoting_round_trip(name: str, value: str) -> None:
    """Any name and any text come back out of their quotes."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    text = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")

    query = parse(f"SELECT f FROM \"{quoted}\" WHERE t = '{text}'")

    assert query.measurement == name
    assert query.comparisons == [Comparison("t", "=", value)]
