"""Reading YAML with the line of every key."""

import pytest

from mes.config.problems import ConfigProblems, did_you_mean
from mes.config.source import dotted, parse
from mes.errors import nearest


def test_values_follow_yaml_1_2() -> None:
    """Times and dates stay text, yes is a word and not a truth, 0o17 is octal and 010 is ten."""
    source = parse(
        'a: 08:00\nb: yes\nc: 2026-03-02\nd: true\ne: 0x1F\nf: 0o17\ng: 010\nh: 1e3\ni: ~\nj: "5"\nk: -.inf\nl: 3.5\n',
        "f",
    )

    assert list(source.data.values()) == [
        *("08:00", "yes", "2026-03-02", True, 31, 15, 10, 1000.0, None, "5", float("-inf"), 3.5),
    ]


def test_every_key_knows_its_line() -> None:
    """A place's line is where its key stands; for a place that is not written down, the mapping around it."""
    source = parse("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "f")

    assert [source.line(place) for place in (("a",), ("a", "b"), ("a", "c", 1), ("a", "c", 1, "d"))] == [1, 2, 5, 5]
    assert source.line(("a", "c", "nowhere", 3)) == 3


def test_duplicate_keys_are_reported_with_both_lines() -> None:
    """The first of two equal keys holds, and the second is a problem that names the first one's line."""
    source = parse("a: 1\nb: 2\na: 3\n", "f")

    assert source.data == {"a": 1, "b": 2}
    assert [(problem.line, problem.what, "line 1" in problem.remedy) for problem in source.problems] == [
        (3, "the key `a` is given twice", True)
    ]


@pytest.mark.parametrize(("text", "line"), [("a: 1\nb: [1\n", 3), ("a: 1\n\tb: 2\n", 2), ("a: b: c\n", 1)])
def test_what_is_not_yaml_names_its_line(text: str, line: int) -> None:
    """A syntax error is a problem with the line at which reading stopped."""
    with pytest.raises(ConfigProblems) as raised:
        parse(text, "f")

    assert [problem.line for problem in raised.value.problems] == [line]


def test_keys_that_are_no_words_are_reported() -> None:
    """Merge keys and lists as keys are refused: templates do that job visibly."""
    source = parse("a: &x {b: 1}\nc:\n  <<: *x\n  [1, 2]: 3\n", "f")

    assert [(problem.line, problem.what) for problem in source.problems] == [
        (3, "`<<` cannot be a key here"),
        (4, "`…` cannot be a key here"),
    ]


def test_aliases_are_refused() -> None:
    """A mapping used twice by an alias, even inside itself, is a problem and never an endless loop."""
    source = parse("a: &x {b: 1, c: *x}\nd: *x\ne: &y 5\nf: *y\n", "f")

    assert source.data == {"a": {"b": 1, "c": None}, "d": None, "e": 5, "f": 5}
    assert [problem.where for problem in source.problems] == ["a.c", "d"]


def test_nearest_name_is_offered() -> None:
    """A remedy names the nearest of the known names, and says so when there are none."""
    assert did_you_mean("packml", ["final", "packml-tags"]).startswith("did you mean `packml-tags`?")
    assert did_you_mean("x", []) == "there is none yet"


def test_names_are_listed_with_the_nearest_first() -> None:
    """A refusal lists at most twelve known names, whatever its language; a dash where there are none."""
    assert nearest("packml", ["final", "packml-tags"]) == "packml-tags, final"
    assert nearest("5", [*map(str, range(20))]).count(",") == 12
    assert nearest("5", [*map(str, range(20))]).endswith(", …")
    assert nearest("x", []) == "–"


def test_places_read_as_people_write_them() -> None:
    """Keys are joined by dots, list items stand in brackets, the top is the file."""
    assert dotted(("a", "b", 0, "c")) == "a.b[0].c"
    assert dotted(()) == "file"
