"""OEE from totals given by hand: how they are written, what can be wrong, what follows; in exact fractions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any

COLUMNS = ("planned_s", "run_s", "ideal_cycle_s", "total", "good")
UNITS_S = {"h": Fraction(3600), "min": Fraction(60), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}
_DIGITS = r"[0-9]{1,30}(?:\.[0-9]{1,30})?"
_UNIT = "h|min|ms|m|s"
_NUMBER = re.compile(rf"-?{_DIGITS}")
_PART = re.compile(rf"({_DIGITS})\s*({_UNIT})")
_DURATION = re.compile(rf"(?:{_DIGITS}\s*(?:{_UNIT})\s*)+")
_RATE = re.compile(rf"({_DIGITS})\s*/\s*({_UNIT})")


class Flag(StrEnum):
    """What is strange about totals that can be computed all the same."""

    PERFORMANCE_ABOVE_ONE = "performance_above_one"
    PARTS_WITHOUT_RUN = "parts_without_run"


WORDS = {
    Flag.PERFORMANCE_ABOVE_ONE: "performance is above 100 %: the ideal cycle is too long, parts are counted twice, "
    "or running time is missing",
    Flag.PARTS_WITHOUT_RUN: "parts were made in no running time: performance is not defined, running time is missing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What is known of one run or machine; None: not known. The ideal cycle is of one part."""

    planned_s: Fraction | None = None
    run_s: Fraction | None = None
    ideal_cycle_s: Fraction | None = None
    total: int | None = None
    good: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Sums over runs and the ratios that follow; None: not known, or a division by zero. No ratio is capped."""

    planned_s: Fraction | None
    run_s: Fraction | None = None
    total: int | None = None
    good: int | None = None
    ideal_total_s: Fraction | None = None
    ideal_good_s: Fraction | None = None
    availability: Fraction | None
    performance: Fraction | None
    quality: Fraction | None
    oee: Fraction | None

    @property
    def quality_count(self) -> Fraction | None:
        """Good parts in all parts, each part weighing the same whatever its ideal cycle."""
        return _share(self.good, self.total)

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What is strange, in a fixed order."""
        found: list[Flag] = []
        if self.performance is not None and self.performance > 1:
            found.append(Flag.PERFORMANCE_ABOVE_ONE)
        if self.run_s == 0 and self.total:
            found.append(Flag.PARTS_WITHOUT_RUN)
        return tuple(found)

    def teep(self, calendar_s: Fraction) -> Fraction | None:
        """OEE times planned time in calendar time."""
        return _product(self.oee, _share(self.planned_s, calendar_s))

    def ooe(self, loading_s: Fraction, calendar_s: Fraction) -> Fraction | None:
        """OEE times loading time in calendar time, which is mdcplus's reading; others take another time for it."""
        return _product(self.oee, _share(loading_s, calendar_s))


def figures(runs: Sequence[Totals]) -> Figures:
    """The figures of runs together, by sums of time and of ideal time as in ISO 22400-2, not by means of percentages.

    Quality weighs every part by its ideal cycle, so that availability times performance times quality is OEE exactly;
    where an ideal cycle is not known, every part weighs the same.
    """
    planned_s, run_s = _sum(run.planned_s for run in runs), _sum(run.run_s for run in runs)
    total, good = _sum(run.total for run in runs), _sum(run.good for run in runs)
    ideal_total_s = _sum(_product(run.ideal_cycle_s, run.total) for run in runs)
    ideal_good_s = _sum(_product(run.ideal_cycle_s, run.good) for run in runs)
    is_ideal_known = all(run.ideal_cycle_s is not None for run in runs)
    return Figures(
        planned_s=planned_s,
        run_s=run_s,
        total=None if total is None else int(total),
        good=None if good is None else int(good),
        ideal_total_s=ideal_total_s,
        ideal_good_s=ideal_good_s,
        availability=_share(run_s, planned_s),
        performance=_share(ideal_total_s, run_s),
        quality=_share(ideal_good_s, ideal_total_s) if is_ideal_known else _share(good, total),
        oee=_share(ideal_good_s, planned_s),
    )


def from_factors(
    *,
    availability: Fraction | None,
    performance: Fraction | None,
    quality: Fraction | None,
    planned_s: Fraction | None = None,
) -> Figures:
    """The figures where only ratios are known; OEE is their product, None if one of the three is."""
    return Figures(
        planned_s=planned_s,
        availability=availability,
        performance=performance,
        quality=quality,
        oee=_product(_product(availability, performance), quality),
    )


def mistakes(totals: Totals) -> list[tuple[str, str]]:
    """All that cannot be true: the field, and a sentence with what to do. Performance above one can be true."""
    found: list[tuple[str, str]] = []
    for field in COLUMNS:
        value = getattr(totals, field)
        if value is not None and value < 0:
            found.append((field, f"{plain(value)} is negative; give zero or more"))
    if totals.ideal_cycle_s == 0:
        found.append(("ideal_cycle_s", "0 s is no cycle; give the time that one part takes at best"))
    if totals.run_s is not None and totals.planned_s is not None and totals.run_s > totals.planned_s:
        longer = f"{plain(totals.run_s)} s is longer than the planned {plain(totals.planned_s)} s"
        found.append(
            ("run_s", f"{longer}, and availability above 100 % comes from wrong input; correct one of the two")
        )
    if totals.good is not None and totals.total is not None and totals.good > totals.total:
        found.append(("good", f"{totals.good} good parts are more than {totals.total} in all; correct one of the two"))
    return found


def mean_time(between: Sequence[timedelta]) -> timedelta | None:
    """Mean time between or to failures, or to repair: the plain mean, to the microsecond; None if there are none."""
    return sum(between, timedelta()) / len(between) if between else None


def seconds(text: str) -> Fraction:
    """A duration written as 7h, 1h30m, 420m, 420min, 1.5s or 500ms, in seconds; raises ValueError with a remedy."""
    written = text.strip()
    if written.startswith(("-", "−")):
        raise ValueError(f"{text!r} is negative; give zero or more, as in 90m")
    if _NUMBER.fullmatch(written):
        raise ValueError(f"{text!r} has no unit; add one, as in {written}s, {written}m or {written}h")
    if not _DURATION.fullmatch(written):
        raise ValueError(f"{text!r} is not a duration; write it as 7h, 1h30m, 420m, 1.5s or 500ms")
    return sum((Fraction(number) * UNITS_S[unit] for number, unit in _PART.findall(written)), Fraction())


def ideal_of_rate(text: str) -> Fraction:
    """Seconds for one part at a rate written as 60/min, 2.5/s or 3600/h; raises ValueError with a remedy."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a rate; write it as 60/min, 2.5/s or 3600/h")
    parts = Fraction(match[1])
    if not parts:
        raise ValueError(f"{text!r} makes no part ever; give the highest rate, as in 60/min")
    return UNITS_S[match[2]] / parts


def ratio(text: str) -> Fraction:
    """A ratio written as 0.85 or 85%; above one only with the percent sign; raises ValueError with a remedy."""
    written = text.strip()
    digits = written.removesuffix("%").rstrip()
    if not _NUMBER.fullmatch(digits):
        raise ValueError(f"{text!r} is not a ratio; write it as 0.85 or 85%")
    found = Fraction(digits)
    if found < 0:
        raise ValueError(f"{text!r} is negative; give zero or more, as in 0.85 or 85%")
    if written.endswith("%"):
        return found / 100
    if found > 1:
        raise ValueError(f"{text!r} is above 1; did you mean {written}%?")
    return found


def share(text: str) -> Fraction:
    """The same for a ratio that is at most one."""
    found = ratio(text)
    if found > 1:
        raise ValueError(f"{text!r} is above 100 % and comes from wrong input; give 100% or less")
    return found


def number(text: str) -> Fraction:
    """A plain number, which may be negative; raises ValueError with a remedy."""
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is not a plain number; write it as 25200 or 1.5")
    return Fraction(text.strip())


def count(text: str) -> int:
    """A number of parts, which may be negative; raises ValueError with a remedy."""
    found = number(text)
    if found.denominator != 1:
        raise ValueError(f"{text!r} is no number of parts; give a whole number")
    return int(found)


def of_header(names: Sequence[str]) -> list[str]:
    """What is wrong with the names of a table's columns: each of ours has to stand there once."""
    lacking = [
        f"{column}: there is no such column; add it to the first line" for column in COLUMNS if column not in names
    ]
    doubled = [column for column in COLUMNS if names.count(column) > 1]
    return lacking + [f"{column}: there are {names.count(column)} such columns; leave one" for column in doubled]


def of_cells(cells: Mapping[str, str], decimal_mark: str) -> tuple[Totals, list[str]]:
    """One row of a table by the names of its columns, and all its mistakes; with any, the totals are of no use."""
    known: dict[str, Any] = {}
    wrong: list[str] = []
    for column in COLUMNS:
        text = cells.get(column, "").strip().replace(decimal_mark, ".")
        try:
            known[column] = number(text) if column.endswith("_s") else count(text)
        except ValueError as error:
            wrong.append(f"{column}: {error if text else 'is empty; give a number'}")
    found = Totals(**known)
    return found, wrong + [f"{field}: {text}" for field, text in mistakes(found)]


def plain(value: Fraction | int) -> str:
    """An exact number for a person: in decimals if they end soon, else as a fraction."""
    billionths = abs(Fraction(value)) * 10**9
    if billionths.denominator != 1:
        return f"({value})"
    whole, rest = divmod(int(billionths), 10**9)
    return f"{'-' if value < 0 else ''}{whole}.{rest:09d}".rstrip("0").rstrip(".")


def percent(value: Fraction | None) -> str:
    """A ratio of zero or more in percent with two decimals, a half rounded up as on paper; None is not defined."""
    if value is None:
        return "not defined"
    hundredths = int(value * 10_000 + Fraction(1, 2))
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _sum(values: Iterable[Fraction | int | None]) -> Fraction | None:
    found = Fraction()
    for value in values:
        if value is None:
            return None
        found += value
    return found


def _product(left: Fraction | None, right: Fraction | int | None) -> Fraction | None:
    return None if left is None or right is None else left * right


def _share(part: Fraction | int | None, whole: Fraction | int | None) -> Fraction | None:
    return None if part is None or not whole else Fraction(part) / whole
