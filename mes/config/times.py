"""The calendar as the file gives it, checked for shifts and breaks that overlap, turned into the program's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from mes.calendar import Calendar, Shift
from mes.config.findings import Findings
from mes.config.models import Day, ShiftHours, SiteShape
from mes.config.problems import did_you_mean
from mes.config.source import Place

DAY_MIN = 24 * 60
WEEK_MIN = 7 * DAY_MIN
DAYS = list(Day)


@dataclass(frozen=True, slots=True, order=True)
class _Span:
    """Minutes of a week, or of a day for breaks."""

    start_min: int
    end_min: int
    place: Place
    name: str


def calendar(site: SiteShape, findings: Findings) -> Calendar | None:
    """The site's calendar, None if something in it is wrong; every mistake goes to `findings`."""
    before = len(findings.places())
    place: Place = ("site", "calendar")
    zone = _zone(site.time_zone, findings)
    weekly: list[Shift] = []
    spans: list[_Span] = []
    for index, each in enumerate(site.calendar.shifts):
        here = (*place, "shifts", index)
        shift = _shift(each, here, frozenset(DAYS.index(day) for day in each.days), findings)
        weekly += [shift] if shift else []
        spans += [_span(each, here, DAYS.index(day) * DAY_MIN) for day in each.days]
    _overlaps(spans, findings, around_min=WEEK_MIN)
    exceptions = _special(site, findings)
    if zone is None or len(findings.places()) > before:
        return None
    return Calendar(zone, tuple(weekly), _clock(site.day_start), exceptions)


def _zone(name: str, findings: Findings) -> ZoneInfo | None:
    known = available_timezones()
    if name in known:
        return ZoneInfo(name)
    findings.problem(("site", "time_zone"), f"the time zone `{name}` does not exist", _near_zone(name, known))
    return None


def _near_zone(name: str, known: set[str]) -> str:
    remedy = did_you_mean(name, sorted(known))
    return remedy.split("?")[0] + "?" if remedy.startswith("did") else "use a name such as Asia/Qostanay"


def _special(site: SiteShape, findings: Findings) -> dict[date, tuple[Shift, ...]]:
    found: dict[date, tuple[Shift, ...]] = {}
    for index, each in enumerate(site.calendar.special_days):
        here: Place = ("site", "calendar", "special_days", index)
        try:
            day = date.fromisoformat(each.date)
        except ValueError:
            findings.problem((*here, "date"), f"`{each.date}` is no date", "write year-month-day, as in 2026-03-23")
            continue
        if day in found:
            findings.problem((*here, "date"), f"{day} is given twice", "keep one of the two")
        shifts = [
            (shift, (*here, "shifts", number), _shift(shift, (*here, "shifts", number), frozenset(range(7)), findings))
            for number, shift in enumerate(each.shifts)
        ]
        _overlaps([_span(shape, place, 0) for shape, place, _ in shifts], findings, around_min=None)
        found[day] = tuple(shift for _, _, shift in shifts if shift)
    return found


def _shift(shape: ShiftHours, place: Place, days: frozenset[int], findings: Findings) -> Shift | None:
    """A shift; its breaks must lie inside it and apart from each other."""
    start, end = _minutes(shape.start), _minutes(shape.end)
    length = (end - start) % DAY_MIN or DAY_MIN
    breaks = []
    for index, (begins, ends) in enumerate(shape.breaks):
        here = (*place, "breaks", index)
        after = (_minutes(begins) - start) % DAY_MIN
        until = after + (_minutes(ends) - _minutes(begins)) % DAY_MIN
        if begins == ends or until > length:
            what = f"the break {begins} to {ends} is not inside the shift {shape.name}, {shape.start} to {shape.end}"
            findings.problem(here, what, "move the break or the shift; a break ends after it begins")
        else:
            breaks.append(_Span(after, until, here, f"break {begins} to {ends}"))
    _overlaps(breaks, findings, around_min=None)
    if any(each[: len(place)] == place for each in findings.places()):
        return None
    pairs = tuple((_clock(begins), _clock(ends)) for begins, ends in shape.breaks)
    return Shift(shape.name, _clock(shape.start), _clock(shape.end), pairs, days)


def _span(shape: ShiftHours, place: Place, midnight_min: int) -> _Span:
    start = midnight_min + _minutes(shape.start)
    length = (_minutes(shape.end) - _minutes(shape.start)) % DAY_MIN or DAY_MIN
    day = f" on {DAYS[midnight_min // DAY_MIN]}" if place[2] == "shifts" else ""
    return _Span(start, start + length, place, f"shift {shape.name}{day}")


def _overlaps(spans: Sequence[_Span], findings: Findings, *, around_min: int | None) -> None:
    """Reports neighbours that overlap; `around_min`: the time after which they come again, as weekly shifts do."""
    ordered = sorted(spans)
    if around_min is not None and ordered:
        first = ordered[0]
        ordered.append(_Span(first.start_min + around_min, first.end_min + around_min, first.place, first.name))
    for left, right in pairwise(ordered):
        if right.start_min < left.end_min:
            findings.problem(right.place, f"the {right.name} overlaps the {left.name}", "move one of the two")


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _clock(text: str) -> time:
    return time.fromisoformat(text)
