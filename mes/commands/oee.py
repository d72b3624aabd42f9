"""The command `mes oee`: OEE from totals given by hand, as a table that shows the arithmetic, or as JSON."""

import csv
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Table

from mes.commands.parsed import Parsed
from mes.errors import ConfigError
from mes.oee import from_totals
from mes.oee.from_totals import COLUMNS, WORDS, Figures, Totals, percent, plain
from mes.terminal import console

Number = TypeVar("Number", int, Fraction)
SEPARATORS = ";\t,"
MOST_MISTAKES = 20
OPTIONS = {"planned_s": "--planned", "run_s": "--run", "ideal_cycle_s": "--ideal-cycle"}
ENOUGH = (
    {"planned_s", "run_s"},
    {"run_s", "ideal_cycle_s", "total"},
    {"total", "good"},
    {"planned_s", "ideal_cycle_s", "good"},
)
HINT = "as in `mes oee --planned 420m --run 373m --ideal-cycle 1s --total 19271 --good 18848`"


DURATION, RATE = Parsed("duration", from_totals.seconds), Parsed("rate", from_totals.ideal_of_rate)
SHARE, RATIO = Parsed("ratio", from_totals.share), Parsed("ratio", from_totals.ratio)
PARTS = Parsed("parts", from_totals.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """The totals and ratios of the command line as they were written."""

    planned: Fraction | None
    shift: Fraction | None
    breaks: tuple[Fraction, ...]
    run: Fraction | None
    down: Fraction | None
    ideal_cycle: Fraction | None
    rate: Fraction | None
    total: int | None
    good: int | None
    reject: int | None
    availability: Fraction | None
    performance: Fraction | None
    quality: Fraction | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is shown: the figures, the runs that they sum up (one run by hand is one, ratios are none), TEEP and OOE."""

    figures: Figures
    runs: tuple[Totals, ...]
    loading_s: Fraction | None
    calendar_s: Fraction | None

    @property
    def teep(self) -> Fraction | None:
        return None if self.calendar_s is None else self.figures.teep(self.calendar_s)

    @property
    def ooe(self) -> Fraction | None:
        if self.loading_s is None or self.calendar_s is None:
            return None
        return self.figures.ooe(self.loading_s, self.calendar_s)


@click.command("oee")
@click.option("--planned", type=DURATION, help="Planned time.")
@click.option("--shift", type=DURATION, help="Instead of --planned: the shift, of which --break is taken off.")
@click.option("--break", "breaks", type=DURATION, multiple=True, help="A break in --shift. May be repeated.")
@click.option("--run", type=DURATION, help="Running time inside the planned time.")
@click.option("--down", type=DURATION, help="Instead of --run: run = planned − down.")
@click.option("--ideal-cycle", type=DURATION, help="The time that one part takes at best.")
@click.option("--rate", type=RATE, help="Instead of --ideal-cycle: the highest rate, as in 60/min, 2.5/s or 3600/h.")
@click.option("--total", type=PARTS, help="All parts made, good or not.")
@click.option("--good", type=PARTS, help="Good parts.")
@click.option("--reject", type=PARTS, help="Instead of --good: good = total − reject.")
@click.option("--availability", type=SHARE, help="A ratio, as in 0.85 or 85%, where the totals are not known.")
@click.option("--performance", type=RATIO, help="The same; above 100 % it is flagged, never capped.")
@click.option("--quality", type=SHARE, help="The same.")
@click.option("--calendar", type=DURATION, help="All time, of all runs together: TEEP = OEE · planned / calendar.")
@click.option("--loading", type=DURATION, help="Time with work to do, for OOE = OEE · loading / calendar.")
@click.option(
    "--runs",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help=f"Instead of totals: one run or machine a row, columns {', '.join(COLUMNS)}; other columns are ignored.",
)
@click.option("--json", "as_json", is_flag=True, help="Ratios at full precision; null where one is not defined.")
def oee_command(
    *, runs: Path | None, loading: Fraction | None, calendar: Fraction | None, as_json: bool, **given: Any
) -> None:
    """Compute OEE from totals given by hand, and show the arithmetic.

    \b
    availability = run / planned             performance = ideal cycle · total / run
    quality      = good / total              OEE         = ideal cycle · good / planned

    Several runs are rolled up by sums, each part weighing as much as its ideal cycle; percentages are never averaged.
    Give what you know: a ratio that does not follow from it stays open.

    Durations have units: 7h, 1h30m, 420m or 420min, 1.5s, 500ms.
    """  # noqa: D301 - click's mark for lines that stay as they are
    hand = _Given(**given)
    if runs is not None:
        _refuse_with_runs(given)
        parts = tuple(_read(runs))
        found = from_totals.figures(parts)
    else:
        parts, found = _by_hand(hand)
    _check_times(found.planned_s, loading, calendar)
    answer = _Answer(found, parts, loading, calendar)
    if as_json:
        click.echo(json.dumps(_as_json(answer, listed=runs is not None), indent=2))
    else:
        _show(answer, listed=runs is not None)


def _refuse_with_runs(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if value is not None and value != ():
            option = "--break" if name == "breaks" else f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} cannot go with --runs, whose rows give all totals; leave one of them out")


def _by_hand(hand: _Given) -> tuple[tuple[Totals, ...], Figures]:
    planned_s = _planned(hand)
    one = Totals(
        planned_s=planned_s,
        run_s=_rest(("--run", hand.run), ("--down", hand.down), ("--planned or --shift", planned_s)),
        ideal_cycle_s=_either(("--ideal-cycle", hand.ideal_cycle), ("--rate", hand.rate)),
        total=hand.total,
        good=_rest(("--good", hand.good), ("--reject", hand.reject), ("--total", hand.total)),
    )
    if any(factor is not None for factor in (hand.availability, hand.performance, hand.quality)):
        return _of_ratios(hand, one)
    known = {name for name in COLUMNS if getattr(one, name) is not None}
    if not any(need <= known for need in ENOUGH):
        raise click.UsageError(f"no ratio follows from what is given; give totals, {HINT}, or --runs FILE.csv")
    wrong = [f"{OPTIONS.get(field, '--' + field)}: {text}" for field, text in from_totals.mistakes(one)]
    if wrong:
        raise click.UsageError("\n".join(wrong))
    return (one,), from_totals.figures((one,))


def _of_ratios(hand: _Given, one: Totals) -> tuple[tuple[Totals, ...], Figures]:
    too_much = [OPTIONS.get(name, f"--{name}") for name in COLUMNS[1:] if getattr(one, name) is not None]
    if too_much:
        listed = ", ".join(too_much)
        raise click.UsageError(f"totals ({listed} or what stands for it) and ratios contradict; give only one kind")
    return (), from_totals.from_factors(
        availability=hand.availability, performance=hand.performance, quality=hand.quality, planned_s=one.planned_s
    )


def _planned(hand: _Given) -> Fraction | None:
    if hand.breaks and hand.shift is None:
        raise click.UsageError("--break needs --shift, of which it is taken off; --planned has no breaks in it")
    taken = sum(hand.breaks, Fraction())
    return _either(("--planned", hand.planned), ("--shift", _less(("--shift", hand.shift), ("--break", taken))))


def _either(first: tuple[str, Number | None], second: tuple[str, Number | None]) -> Number | None:
    if first[1] is not None and second[1] is not None:
        raise click.UsageError(f"{first[0]} and {second[0]} say the same; give only one of them")
    return second[1] if first[1] is None else first[1]


def _rest(
    value: tuple[str, Number | None], taken: tuple[str, Number | None], whole: tuple[str, Number | None]
) -> Number | None:
    """What is given, or what is left of the whole if the option for what is taken off it stands instead."""
    if taken[1] is None:
        return value[1]
    if whole[1] is None:
        raise click.UsageError(f"{taken[0]} needs {whole[0]}, of which it is taken off; add it or give {value[0]}")
    return _either(value, (taken[0], _less(whole, taken)))


def _less(whole: tuple[str, Number | None], taken: tuple[str, Number | None]) -> Number | None:
    if whole[1] is None or taken[1] is None:
        return None
    if taken[1] > whole[1]:
        more = f"{taken[0]} ({_amount(taken[1])}) is more than {whole[0]} ({_amount(whole[1])})"
        raise click.UsageError(f"{more}, of which it is taken off; correct one of them")
    return whole[1] - taken[1]


def _amount(value: Fraction | int) -> str:
    return f"{plain(value)} s" if isinstance(value, Fraction) else plain(value)


def _check_times(planned_s: Fraction | None, loading_s: Fraction | None, calendar_s: Fraction | None) -> None:
    if loading_s is not None and calendar_s is None:
        raise click.UsageError("--loading needs --calendar, because OOE = OEE · loading / calendar; add it")
    times = [("planned time", planned_s), ("--loading", loading_s), ("--calendar", calendar_s)]
    known = [(name, each_s) for name, each_s in times if each_s is not None]
    for (part, part_s), (whole, whole_s) in itertools.pairwise(known):
        if part_s > whole_s:
            more = f"{part} ({plain(part_s)} s) is longer than {whole} ({plain(whole_s)} s)"
            raise click.UsageError(f"{more}, which has to hold it; correct one of them")


def _read(path: Path) -> list[Totals]:
    """The rows of a file as runs; raises ConfigError with all mistakes, each with its line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; check the name of the file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text; save it as CSV in UTF-8") from error
    head = next((line for line in text.splitlines() if line.strip(f"{SEPARATORS} ")), "")
    separator = max(SEPARATORS, key=head.count)
    rows = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        numbered = [(rows.line_num, cells) for cells in rows if any(cell.strip(f"{SEPARATORS} ") for cell in cells)]
    except csv.Error as error:
        raise ConfigError(f"{path}:{rows.line_num}: is not CSV: {error}; check the quotation marks") from error
    if not numbered:
        raise ConfigError(f"{path}: is empty; give a first line {','.join(COLUMNS)} and a line for each run")
    return _runs(str(path), numbered, decimal_mark="." if separator == "," else ",")


def _runs(name: str, numbered: Sequence[tuple[int, list[str]]], *, decimal_mark: str) -> list[Totals]:
    line, header = numbered[0][0], [cell.strip().lower() for cell in numbered[0][1]]
    wrong = [f"{name}:{line}: {mistake}" for mistake in from_totals.of_header(header)]
    if not wrong and len(numbered) == 1:
        wrong = [f"{name}:{line}: there is no run below the first line; add a line for each run"]
    found: list[Totals] = []
    for line, cells in [] if wrong else numbered[1:]:
        run, mistakes = _run(header, cells, decimal_mark)
        found.append(run)
        wrong += [f"{name}:{line}: {mistake}" for mistake in mistakes]
    if len(wrong) > MOST_MISTAKES:
        wrong[MOST_MISTAKES:] = [f"{name}: and {len(wrong) - MOST_MISTAKES} more mistakes; correct these first"]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return found


def _run(header: Sequence[str], cells: Sequence[str], decimal_mark: str) -> tuple[Totals, list[str]]:
    if any(cell.strip() for cell in cells[len(header) :]):
        return Totals(), [f"has {len(cells)} cells for {len(header)} columns; write decimals as 1.5, or quote the cell"]
    return from_totals.of_cells(dict(zip(header, cells, strict=False)), decimal_mark)


def _as_json(answer: _Answer, *, listed: bool) -> dict[str, object]:
    whole = _figures_as_json(answer.figures)
    whole |= {"teep": _float(answer.teep), "ooe": _float(answer.ooe)}
    return whole | ({"runs": [_figures_as_json(from_totals.figures((run,))) for run in answer.runs]} if listed else {})


def _figures_as_json(found: Figures) -> dict[str, object]:
    return {
        "availability": _float(found.availability),
        "performance": _float(found.performance),
        "quality": _float(found.quality),
        "oee": _float(found.oee),
        "planned_s": _float(found.planned_s),
        "run_s": _float(found.run_s),
        "total": found.total,
        "good": found.good,
        "quality_count": _float(found.quality_count),
        "flags": [str(flag) for flag in found.flags],
    }


def _float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _show(answer: _Answer, *, listed: bool) -> None:
    output = console()
    notes = [WORDS[flag] for flag in answer.figures.flags]
    if listed:
        each_run = [from_totals.figures((run,)) for run in answer.runs]
        output.print(_runs_table(each_run))
        notes += [f"run {at}: {WORDS[flag]}" for at, figures in enumerate(each_run, start=1) for flag in figures.flags]
    table = Table("", "formula", "in numbers")
    table.add_column("%", justify="right")
    for name, formula, numbers, value in _lines(answer):
        table.add_row(name, formula, numbers or "–", percent(value) if numbers else "not enough given")
    output.print(table)
    for note in notes:
        output.print(f"Note: {note}.")


def _runs_table(runs: Sequence[Figures]) -> Table:
    table = Table(*("run", "planned s", "run s", "total", "good", "A %", "P %", "Q %", "OEE %"))
    for column in table.columns:
        column.justify = "right"
    for at, run in enumerate(runs, start=1):
        sums: list[Fraction | int] = [
            run.planned_s or Fraction(),
            run.run_s or Fraction(),
            run.total or 0,
            run.good or 0,
        ]
        ratios = (run.availability, run.performance, run.quality, run.oee)
        table.add_row(str(at), *map(plain, sums), *map(percent, ratios))
    return table


def _lines(answer: _Answer) -> list[tuple[str, str, str, Fraction | None]]:
    """Name, formula, the formula with the numbers put in (empty if one is not known), value; OEE is the fourth."""
    found = answer.figures
    lines = (
        _ratio_lines(found) if not answer.runs else _sum_lines(found) if len(answer.runs) > 1 else _one_lines(answer)
    )
    undefined = "OEE" if lines[3][2] else None
    oee = undefined if found.oee is None else f"{percent(found.oee)} %"
    if answer.calendar_s is not None:
        numbers = _quotient((oee, _s(found.planned_s)), _s(answer.calendar_s))
        lines.append(("TEEP", "OEE · planned / calendar", numbers, answer.teep))
    if answer.loading_s is not None:
        numbers = _quotient((oee, _s(answer.loading_s)), _s(answer.calendar_s))
        lines.append(("OOE", "OEE · loading / calendar", numbers, answer.ooe))
    return lines


def _one_lines(answer: _Answer) -> list[tuple[str, str, str, Fraction | None]]:
    found, one = answer.figures, answer.runs[0]
    planned, run, ideal = _s(one.planned_s), _s(one.run_s), _s(one.ideal_cycle_s)
    total, good = _n(one.total), _n(one.good)
    return [
        ("Availability", "run / planned", _quotient((run,), planned), found.availability),
        ("Performance", "ideal cycle · total / run", _quotient((ideal, total), run), found.performance),
        ("Quality", "good / total", _quotient((good,), total), found.quality),
        ("OEE", "ideal cycle · good / planned", _quotient((ideal, good), planned), found.oee),
    ]


def _sum_lines(found: Figures) -> list[tuple[str, str, str, Fraction | None]]:
    planned, run = _s(found.planned_s), _s(found.run_s)
    total, good = _s(found.ideal_total_s), _s(found.ideal_good_s)
    return [
        ("Availability", "Σ run / Σ planned", _quotient((run,), planned), found.availability),
        ("Performance", "Σ ideal cycle · total / Σ run", _quotient((total,), run), found.performance),
        ("Quality", "Σ ideal cycle · good / Σ ideal cycle · total", _quotient((good,), total), found.quality),
        ("OEE", "Σ ideal cycle · good / Σ planned", _quotient((good,), planned), found.oee),
    ]


def _ratio_lines(found: Figures) -> list[tuple[str, str, str, Fraction | None]]:
    factors = [_n(factor) for factor in (found.availability, found.performance, found.quality)]
    return [
        ("Availability", "given", factors[0] or "", found.availability),
        ("Performance", "given", factors[1] or "", found.performance),
        ("Quality", "given", factors[2] or "", found.quality),
        ("OEE", "availability · performance · quality", _quotient(factors, "1").removesuffix(" / 1"), found.oee),
    ]


def _quotient(factors: Sequence[str | None], divisor: str | None) -> str:
    known = [factor for factor in factors if factor is not None]
    return "" if divisor is None or len(known) < len(factors) else f"{' · '.join(known)} / {divisor}"


def _s(value_s: Fraction | None) -> str | None:
    return None if value_s is None else f"{plain(value_s)} s"


def _n(value: Fraction | int | None) -> str | None:
    return None if value is None else plain(value)
