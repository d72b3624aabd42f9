"""OEE from totals: laws of the roll-up in exact fractions, and how totals, rates and ratios are written."""

from dataclasses import fields, replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mes.oee import from_totals
from mes.oee.from_totals import Figures, Flag, Totals, figures

RATIOS = ("availability", "performance", "quality", "oee", "quality_count")


def ratios(found: Figures) -> dict[str, Fraction | None]:
    return {name: getattr(found, name) for name in RATIOS}


positive = st.fractions(min_value=Fraction(1, 1000), max_value=100_000, max_denominator=1000)


@st.composite
def one_run(draw: st.DrawFn) -> Totals:
    planned_s, ideal_cycle_s = draw(positive), draw(positive)
    run_s = draw(st.fractions(min_value=0, max_value=planned_s, max_denominator=1000))
    total = draw(st.integers(0, 10_000))
    return Totals(
        planned_s=planned_s, run_s=run_s, ideal_cycle_s=ideal_cycle_s, total=total, good=draw(st.integers(0, total))
    )


some_runs = st.lists(one_run(), min_size=1, max_size=6)


@given(some_runs)
def test_the_factors_multiply_to_oee(runs: list[Totals]) -> None:
    """Availability times performance times quality is OEE exactly, wherever all of them are defined."""
    found = figures(runs)

    if found.availability is not None and found.performance is not None and found.quality is not None:
        assert found.availability * found.performance * found.quality == found.oee


@given(some_runs, st.data())
def test_splitting_a_run_changes_no_roll_up(runs: list[Totals], data: st.DataObject) -> None:
    """A run in two parts of the same ideal cycle weighs as much as the run in one."""
    first, *others = runs
    assert first.planned_s is not None
    assert first.run_s is not None
    assert first.total is not None
    assert first.good is not None
    part = data.draw(st.fractions(min_value=0, max_value=1, max_denominator=100))
    total, good = data.draw(st.integers(0, first.total)), data.draw(st.integers(0, first.good))
    left = replace(first, planned_s=first.planned_s * part, run_s=first.run_s * part**2, total=total, good=good)
    right = replace(
        first,
        planned_s=first.planned_s * (1 - part),
        run_s=first.run_s * (1 - part**2),
        total=first.total - total,
        good=first.good - good,
    )

    assert figures([left, *others, right]) == figures(runs)


@given(some_runs, st.data())
def test_the_order_of_runs_does_not_matter(runs: list[Totals], data: st.DataObject) -> None:
    """Any order of the rows gives the same figures."""
    assert figures(data.draw(st.permutations(runs))) == figures(runs)


@given(some_runs, positive)
def test_the_unit_of_time_does_not_matter(runs: list[Totals], scale: Fraction) -> None:
    """If all times are longer by one factor, no ratio changes."""
    scaled = [
        replace(
            run,
            planned_s=(run.planned_s or 0) * scale,
            run_s=(run.run_s or 0) * scale,
            ideal_cycle_s=(run.ideal_cycle_s or 0) * scale,
        )
        for run in runs
    ]

    assert ratios(figures(scaled)) == ratios(figures(runs))


@given(one_run())
def test_one_run_has_plain_quality(run: Totals) -> None:
    """For a single run, the ideal cycle cancels out of quality."""
    found = figures([run])

    assert found.quality == found.quality_count


def test_quality_weighs_parts_by_their_ideal_cycle() -> None:
    """One bad slow part in two and no bad fast part: by count 3 of 4 are good, by ideal time 7 of 12 seconds."""
    slow = Totals(planned_s=Fraction(10), run_s=Fraction(10), ideal_cycle_s=Fraction(5), total=2, good=1)
    fast = replace(slow, ideal_cycle_s=Fraction(1), good=2)

    found = figures([slow, fast])

    assert found.quality == Fraction(7, 12)
    assert found.quality_count == Fraction(3, 4)


def test_what_is_not_known_stays_open() -> None:
    """Planned and running time give availability alone, counts give quality alone, no runs give nothing."""
    times, counts = Totals(planned_s=Fraction(4), run_s=Fraction(3)), Totals(total=4, good=1)

    nothing = dict.fromkeys(RATIOS)
    assert ratios(figures([times])) == nothing | {"availability": Fraction(3, 4)}
    assert ratios(figures([counts])) == nothing | {"quality": Fraction(1, 4), "quality_count": Fraction(1, 4)}
    assert ratios(figures([times, counts])) == nothing
    assert ratios(figures([])) == nothing


def test_zero_planned_time_is_undefined() -> None:
    """Nothing planned, nothing made: every ratio is undefined, none is 0 or 1."""
    idle = Totals(planned_s=Fraction(0), run_s=Fraction(0), ideal_cycle_s=Fraction(1), total=0, good=0)

    assert ratios(figures([idle])) == dict.fromkeys(RATIOS)
    assert from_totals.mistakes(idle) == []


def test_what_is_strange_is_flagged_and_not_capped() -> None:
    """Performance above one is shown as it is; parts in no running time leave it undefined; both carry a flag."""
    fast = Totals(planned_s=Fraction(10), run_s=Fraction(10), ideal_cycle_s=Fraction(3), total=4, good=4)
    absent = replace(fast, run_s=Fraction(0))

    assert (figures([fast]).performance, figures([fast]).flags) == (Fraction(6, 5), (Flag.PERFORMANCE_ABOVE_ONE,))
    assert (figures([absent]).performance, figures([absent]).flags) == (None, (Flag.PARTS_WITHOUT_RUN,))
    assert figures([replace(fast, total=3)]).flags == ()


def test_given_ratios_multiply() -> None:
    """OEE of given ratios is their product, and undefined if one is not given; TEEP needs planned time."""
    half = Fraction(1, 2)
    whole = from_totals.from_factors(availability=half, performance=half, quality=half, planned_s=Fraction(4))
    part = from_totals.from_factors(availability=half, performance=None, quality=half)

    assert (whole.oee, whole.flags) == (Fraction(1, 8), ())
    assert (whole.teep(Fraction(8)), whole.ooe(Fraction(6), Fraction(8))) == (Fraction(1, 16), Fraction(3, 32))
    assert (part.oee, part.teep(Fraction(8)), part.ooe(Fraction(6), Fraction(8))) == (None, None, None)
    assert whole.teep(Fraction(0)) is None


def test_all_that_cannot_be_true_is_named() -> None:
    """Negative numbers, a cycle of no time, more run than planned, more good than made: each is named, all at once."""
    wrong = Totals(planned_s=Fraction(-2), run_s=Fraction(1), ideal_cycle_s=Fraction(0), total=-3, good=1)

    assert [field for field, _ in from_totals.mistakes(wrong)] == [
        "planned_s",
        "total",
        "ideal_cycle_s",
        "run_s",
        "good",
    ]
    assert from_totals.mistakes(Totals()) == []
    assert from_totals.mistakes(Totals(run_s=Fraction(1), good=1)) == []


def test_mean_time_is_the_plain_mean() -> None:
    """The mean of lengths, and None where there is none."""
    assert from_totals.mean_time([timedelta(hours=1), timedelta(hours=2)]) == timedelta(minutes=90)
    assert from_totals.mean_time([]) is None


@pytest.mark.parametrize(
    ("text", "value_s"),
    [
        ("420m", Fraction(25200)),
        ("420min", Fraction(25200)),
        ("7h", Fraction(25200)),
        ("1h30m", Fraction(5400)),
        (" 1h 30min 5s ", Fraction(5405)),
        ("1.5s", Fraction(3, 2)),
        ("500ms", Fraction(1, 2)),
        ("0.1s", Fraction(1, 10)),
        ("0h", Fraction(0)),
    ],
)
def test_durations_are_exact(text: str, value_s: Fraction) -> None:
    """A duration is a sum of numbers with units, exact in decimals."""
    assert from_totals.seconds(text) == value_s


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("420", "add one, as in 420s, 420m or 420h"),
        ("-5m", "is negative"),
        ("−5m", "is negative"),
        ("5 parsecs", "is not a duration"),
        ("1h30", "is not a duration"),
        ("1,5s", "is not a duration"),
        ("1e999999999s", "is not a duration"),
        ("9" * 5000 + "s", "is not a duration"),
        ("", "is not a duration"),
    ],
)
def test_a_bad_duration_has_a_remedy(text: str, says: str) -> None:
    """What is no duration is refused with what to write instead."""
    with pytest.raises(ValueError, match=says):
        from_totals.seconds(text)


def test_rates_are_turned_into_cycles() -> None:
    """A rate is parts in a unit of time; the ideal cycle is one part's share of it, exactly."""
    assert from_totals.ideal_of_rate("60/min") == from_totals.ideal_of_rate(" 3600 / h ") == 1
    assert from_totals.ideal_of_rate("7/min") == Fraction(60, 7)
    assert from_totals.ideal_of_rate("2.5/s") == Fraction(2, 5)
    for text, says in (("60", "is not a rate"), ("-1/h", "is not a rate"), ("0/h", "makes no part ever")):
        with pytest.raises(ValueError, match=says):
            from_totals.ideal_of_rate(text)


def test_ratios_say_if_they_are_percentages() -> None:
    """0.85 and 85% are the same; above one only a percentage is believed, and a share is never above one."""
    assert (
        from_totals.ratio("0.85")
        == from_totals.ratio("85%")
        == from_totals.ratio(" 85 % ")
        == from_totals.share("85%")
        == Fraction(17, 20)
    )
    assert from_totals.ratio("110%") == Fraction(11, 10)
    for text, says in (("85", "did you mean 85%"), ("-1%", "is negative"), ("good", "is not a ratio")):
        with pytest.raises(ValueError, match=says):
            from_totals.ratio(text)
    with pytest.raises(ValueError, match="above 100 %"):
        from_totals.share("110%")


def test_a_row_of_cells_is_a_run() -> None:
    """Cells are read exactly, with a decimal point or the mark of the file; a whole number in decimals is a count."""
    cells = {"planned_s": " 10 ", "run_s": "2,5", "ideal_cycle_s": "0,1", "total": "3,0", "good": "2", "shift": "night"}

    found, wrong = from_totals.of_cells(cells, ",")

    assert wrong == []
    assert [getattr(found, field.name) for field in fields(found)] == [10, Fraction(5, 2), Fraction(1, 10), 3, 2]


def test_a_row_of_cells_names_all_its_mistakes() -> None:
    """Empty, wrong, halved and contradicting cells are all named, each by its column."""
    cells = {"planned_s": "10", "run_s": "11", "ideal_cycle_s": "fast", "total": "2.5"}

    _, wrong = from_totals.of_cells(cells, ",")

    assert [text.partition(":")[0] for text in wrong] == ["ideal_cycle_s", "total", "good", "run_s"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(25200), "25200"),
        (Fraction(1, 10), "0.1"),
        (Fraction(-3, 2), "-1.5"),
        (0, "0"),
        (Fraction(60, 7), "(60/7)"),
    ],
)
def test_numbers_are_shown_exactly(value: Fraction | int, text: str) -> None:
    """A shown number is the number: decimals if they end, else a fraction."""
    assert from_totals.plain(value) == text


def test_percentages_are_rounded_as_on_paper() -> None:
    """Two decimals, a half goes up; what is not defined says so."""
    assert from_totals.percent(Fraction(88125, 100_000)) == "88.13"
    assert from_totals.percent(Fraction(1, 3)) == "33.33"
    assert from_totals.percent(Fraction(6, 5)) == "120.00"
    assert from_totals.percent(None) == "not defined"
