"""The shared subset of InfluxQL as trees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mes.demo.influxql.parse import QueryError, parse
from mes.demo.influxql.tree import (
    Binary,
    Call,
    Compare,
    Item,
    Logic,
    Number,
    Ref,
    Regex,
    Select,
    ShowTagValues,
    TimeBound,
)


def test_a_whole_select() -> None:
    """Every clause stands in the tree, multiplication binds before addition, AND before OR."""
    text = (
        'SELECT (sum("a") + 2 * max(b)) / 3 AS "x y", difference(last("c")) FROM "m" WHERE time >= now() - 1h AND '
        "time < '2026-03-02T00:00:00Z' AND (\"t\" =~ /^a\\/b$/ OR u <> 'it\\'s' AND f = -1.5) "
        'GROUP BY "t", time(1h, 5m) fill(none) ORDER BY time DESC LIMIT 5 OFFSET 2'
    )
    logic = Logic("OR", Compare("t", "=~", Regex("^a/b$")),
                  Logic("AND", Compare("u", "!=", "it's"), Compare("f", "=", -1.5)))  # fmt: skip
    times = Logic("AND", TimeBound(">=", -3600 * 10**9, from_now=True), TimeBound("<", 1772409600 * 10**9))
    total = Binary("+", Call("sum", Ref("a")), Binary("*", Number(2), Call("max", Ref("b"))))

    assert parse(text) == Select(
        (Item(Binary("/", total, Number(3)), "x y"), Item(Call("difference", Call("last", Ref("c"))))),
        "m",
        Logic("AND", times, logic),
        ("t",),
        3600 * 10**9,
        300 * 10**9,
        "none",
        descending=True,
        limit=5,
        offset=2,
    )


def test_tag_values() -> None:
    """SHOW TAG VALUES has a key, and may have a measurement and a condition."""
    assert parse("SHOW TAG VALUES FROM kpi WITH KEY = \"line\" WHERE area = 'weld'") == ShowTagValues(
        "line", "kpi", Compare("area", "=", "weld")
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

    assert parse(f"SELECT f FROM \"{quoted}\" WHERE t = '{text}'") == Select(
        (Item(Ref("f")),), name, Compare("t", "=", value)
    )
