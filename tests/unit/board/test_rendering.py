"""Numbers and times as a reader sees them, in each of the three languages."""

import pytest

from mes.board.pages.rendering import Localizer
from mes.config.load import default_config, load

CONFIG = load(default_config()).config
ENGLISH, RUSSIAN, KAZAKH = (Localizer(language, CONFIG) for language in ("en", "ru", "kk"))
NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("ratio", "english", "russian"),
    [
        (0.789, "78.9", "78,9"),
        (1, "100.0", "100,0"),
        (0, "0.0", "0,0"),
        (0.7894, "78.9", "78,9"),
        (0.7896, "79.0", "79,0"),
        (12.345, "1,234.5", f"1{NBSP}234,5"),
    ],
)
def test_a_ratio_is_shown_in_per_cent(ratio: float, english: str, russian: str) -> None:
    """One decimal, and the sign on the same line."""
    assert ENGLISH.percent(ratio) == f"{english}{NBSP}%"
    assert RUSSIAN.percent(ratio) == KAZAKH.percent(ratio) == f"{russian}{NBSP}%"


@pytest.mark.parametrize(
    ("value", "digits", "english", "russian"),
    [
        (12, 0, "12", "12"),
        (12.0, 1, "12", "12"),
        (12.04, 1, "12", "12"),
        (12.06, 1, "12.1", "12,1"),
        (0.5, 0, "0", "0"),
        (1.5, 0, "2", "2"),
        (-0.04, 1, "0", "0"),
        (-2.26, 1, "-2.3", "-2,3"),
        (1234.5, 1, "1,234.5", f"1{NBSP}234,5"),
        (3.14159, 2, "3.14", "3,14"),
    ],
)
def test_a_number_has_so_many_decimals_at_most(value: float, digits: int, english: str, russian: str) -> None:
    """No decimals that say nothing, and never -0."""
    assert ENGLISH.number(value, digits) == english
    assert RUSSIAN.number(value, digits) == KAZAKH.number(value, digits) == russian


@pytest.mark.parametrize(
    ("value_s", "plain", "signed"),
    [
        (90, "1.5", "+1.5"),
        (60, "1.0", "+1.0"),
        (0, "0.0", "0.0"),
        (2, "0.0", "0.0"),
        (-2, "0.0", "0.0"),
        (-90, "-1.5", "-1.5"),
        (90_000, "1,500.0", "+1,500.0"),
    ],
)
def test_seconds_are_shown_as_minutes(value_s: float, plain: str, signed: str) -> None:
    """Always one decimal; a sign where a gain and a loss have to be told apart."""
    assert (ENGLISH.minutes(value_s), ENGLISH.minutes(value_s, signed=True)) == (plain, signed)


@pytest.mark.parametrize(
    ("value_s", "shown"),
    [
        (0, f"0:00{NBSP}min"),
        (59.9, f"0:59{NBSP}min"),
        (123, f"2:03{NBSP}min"),
        (3599, f"59:59{NBSP}min"),
        (3723, f"1:02:03{NBSP}h"),
        (90_061, f"25:01:01{NBSP}h"),
        (-5, f"0:00{NBSP}min"),
    ],
)
def test_a_duration_does_not_look_like_a_time_of_day(value_s: float, shown: str) -> None:
    """Whole seconds that have passed, with the unit; a clock ahead of ours makes no negative duration."""
    assert ENGLISH.lasting(value_s) == shown


def test_a_count_has_no_separators_and_what_is_not_known_is_a_dash() -> None:
    """Counts can be compared with the controller's display; nothing unknown looks like 0."""
    assert [ENGLISH.units(count) for count in (0, 7, 12345)] == ["0", "7", "12345"]
    assert [ENGLISH.units(count, signed=True) for count in (3, -3, 0)] == ["+3", "-3", "+0"]
    for shown in (ENGLISH.percent, ENGLISH.number, ENGLISH.units, ENGLISH.minutes, ENGLISH.lasting):
        assert shown(None) == "–"


def test_a_counter_of_one_product_is_called_by_both() -> None:
    """A counter of every product has the name of its kind alone."""
    assert (ENGLISH.counter("good", None), RUSSIAN.counter("scrap", None)) == (
        ENGLISH.word("good"),
        RUSSIAN.word("scrap"),
    )
    assert ENGLISH.counter("good", "S3") == f"{ENGLISH.word('good')}, {ENGLISH.product('S3')}"
