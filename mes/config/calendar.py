"""The calendar as the file gives it, checked for names, dates and hours that cannot be, turned into the program's."""

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

from holidays import country_holidays, list_supported_countries

from mes.calendar import EVERY_DAY, Calendar, Maintenance, Rotation, Shift
from mes.config.findings import Findings
from mes.config.models.calendar import CalendarShape, Day, MaintenanceShape, PublicHolidaysShape, ShiftHours
from mes.config.models.plant import SiteShape
from mes.config.problems import did_you_mean
from mes.config.source import Place

DAY_MIN = 24 * 60
WEEK_MIN = 7 * DAY_MIN
DAYS = list(Day)
CALENDAR: Place = ("site", "calendar")
RANK = ("shifts", "special_days", "overtime")  # of two shifts that overlap, the later in this list is the mistake
HOLIDAY_YEARS = range(2000, 2061)

# Shifts of a date, with their places in the file.
_Dated = dict[date, list[tuple[Shift, Place]]]


@dataclass(frozen=True, slots=True, order=True)
class _Span:
    """Minutes of a week, of a shift for breaks, or from the first of all days for dates."""

    start_min: int
    end_min: int
    place: Place
    name: str


def site_calendar(site: SiteShape, findings: Findings) -> Calendar | None:
    """The site's calendar, None if something in it is wrong; every mistake goes to `findings`."""
    before = len(findings.places())
    shape = site.calendar
    zone = _zone(site.time_zone, findings)
    weekly = _weekly(shape, findings)
    special = _special(shape, findings)
    overtime = _overtime(shape, findings)
    found = Calendar(
        zone or ZoneInfo("UTC"),
        weekly,
        _clock(site.day_start),
        exceptions=_shifts(special),
        holidays=_public_holidays(shape.public_holidays, findings) if shape.public_holidays else {},
        overtime=_shifts(overtime),
        rotations=_rotations(shape, findings),
        maintenance_plan=_maintenance(shape.maintenance, findings),
    )
    _dates_overlap(found, (special, overtime), findings)
    return found if zone is not None and len(findings.places()) == before else None


def _zone(name: str, findings: Findings) -> ZoneInfo | None:
    if name in files("tzdata").joinpath("zones").read_text(encoding="utf-8").split():
        return ZoneInfo(name)
    known = available_timezones()  # those of this machine too, which takes a while to list
    if name in known:
        return ZoneInfo(name)
    findings.problem(("site", "time_zone"), f"the time zone `{name}` does not exist", _near_zone(name, known))
    return None


def _near_zone(name: str, known: set[str]) -> str:
    remedy = did_you_mean(name, sorted(known))
    return remedy.split("?")[0] + "?" if remedy.startswith("did") else "use a name such as Asia/Qostanay"


def _weekly(shape: CalendarShape, findings: Findings) -> tuple[Shift, ...]:
    weekly: list[Shift] = []
    spans: list[_Span] = []
    for index, hours in enumerate(shape.shifts):
        here = (*CALENDAR, "shifts", index)
        days = [DAYS.index(day) for day in hours.days]
        shift = _shift(hours, here, shape.teams, findings, days=frozenset(days))
        weekly += [shift] if shift else []
        spans += [_span(hours, here, day * DAY_MIN, f"on {DAYS[day]}") for day in days]
    first = min(spans)
    again = _Span(first.start_min + WEEK_MIN, first.end_min + WEEK_MIN, first.place, first.name)
    _overlaps([*spans, again], findings)
    return tuple(weekly)


def _special(shape: CalendarShape, findings: Findings) -> _Dated:
    found: _Dated = {}
    for index, special_day in enumerate(shape.special_days):
        here: Place = (*CALENDAR, "special_days", index)
        day = _date(special_day.date, (*here, "date"), findings)
        if day is None:
            continue
        if day in found:
            findings.problem((*here, "date"), f"{day} is given twice", "keep one of the two")
        places: list[Place] = [(*here, "shifts", number) for number in range(len(special_day.shifts))]
        _overlaps([_span(one, place, 0) for one, place in zip(special_day.shifts, places, strict=True)], findings)
        shifts = [
            _shift(one, place, shape.teams, findings) for one, place in zip(special_day.shifts, places, strict=True)
        ]
        found[day] = [(shift, place) for shift, place in zip(shifts, places, strict=True) if shift]
    return found


def _overtime(shape: CalendarShape, findings: Findings) -> _Dated:
    found: _Dated = {}
    for index, overtime in enumerate(shape.overtime):
        here: Place = (*CALENDAR, "overtime", index)
        shift = _shift(overtime, here, shape.teams, findings)
        day = _date(overtime.date, (*here, "date"), findings)
        if shift and day:
            found.setdefault(day, []).append((shift, here))
    return found


def _shifts(dated: _Dated) -> dict[date, tuple[Shift, ...]]:
    return {day: tuple(shift for shift, _ in pairs) for day, pairs in dated.items()}


def _rotations(shape: CalendarShape, findings: Findings) -> tuple[Rotation, ...]:
    found: dict[date, Rotation] = {}
    for index, rotation in enumerate(shape.rotations):
        here: Place = (*CALENDAR, "rotations", index)
        for number, entry in enumerate(rotation.cycle):
            _entry(entry, (*here, "cycle", number), shape, findings)
        day = _date(rotation.from_, (*here, "from"), findings)
        if day in found:
            findings.problem((*here, "from"), f"two rotations begin on {day}", "keep one of the two")
        elif day:
            found[day] = Rotation(day, rotation.every, tuple(rotation.cycle))
    return tuple(found.values())


def _entry(entry: Mapping[str, str], place: Place, shape: CalendarShape, findings: Findings) -> None:
    """One entry of a cycle: its shifts are weekly ones without a team of their own, its teams are those of the site."""
    names = dict.fromkeys(weekly_shift.name for weekly_shift in shape.shifts)
    with_team = {weekly_shift.name for weekly_shift in shape.shifts if weekly_shift.team}
    for shift, team in entry.items():
        here = (*place, shift)
        if shift not in names:
            findings.problem(here, f"there is no weekly shift `{shift}`", did_you_mean(shift, names))
        if shift in with_team:
            remedy = "take `team` out of the shift, or the shift out of the rotation"
            findings.problem(here, f"the shift {shift} has a team of its own", remedy)
        _team(team, here, shape.teams, findings)


def _team(team: str, place: Place, teams: Sequence[str], findings: Findings) -> None:
    if team not in teams:
        findings.problem(place, f"there is no team `{team}` in `teams`", did_you_mean(team, teams))


def _maintenance(shapes: Sequence[MaintenanceShape], findings: Findings) -> tuple[Maintenance, ...]:
    found = []
    for index, shape in enumerate(shapes):
        here: Place = (*CALENDAR, "maintenance", index)
        first = _date(shape.date, (*here, "date"), findings)
        last = _date(shape.end_date, (*here, "end_date"), findings) if shape.end_date else first
        if first is None or last is None:
            continue
        start, end = datetime.combine(first, _clock(shape.start)), datetime.combine(last, _clock(shape.end))
        if start < end:
            found.append(Maintenance(shape.name, start, end))
        else:
            remedy = "let it end after it starts; `end_date` gives the date of the end where it is a later one"
            findings.problem((*here, "end"), f"the maintenance {shape.name} ends before it starts", remedy)
    return tuple(found)


def _public_holidays(shape: PublicHolidaysShape, findings: Findings) -> Mapping[date, str]:
    """The country's public holidays of `HOLIDAY_YEARS`, without those on which the site works."""
    here: Place = (*CALENDAR, "public_holidays")
    working = {
        index: _date(working_day, (*here, "working", index), findings)
        for index, working_day in enumerate(shape.working)
    }
    parts = list_supported_countries(include_aliases=False).get(shape.country)
    if parts is None:
        remedy = "use the two letters of ISO 3166, such as KZ, or list the holidays under `special_days` instead"
        findings.problem((*here, "country"), f"no public holidays are known for the country `{shape.country}`", remedy)
        return {}
    if shape.subdivision is not None and shape.subdivision not in parts:
        what = f"{shape.country} has no subdivision `{shape.subdivision}` with holidays of its own"
        findings.problem((*here, "subdivision"), what, did_you_mean(shape.subdivision, parts))
        return {}
    found = _known_holidays(shape, here, findings)
    for index, day in working.items():
        if day is not None and found.pop(day, None) is None:
            remedy = "correct the date, or delete it"
            findings.warning((*here, "working", index), f"{day} is no public holiday in {shape.country}", remedy)
    return found


def _known_holidays(shape: PublicHolidaysShape, place: Place, findings: Findings) -> dict[date, str]:
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        found = dict(country_holidays(shape.country, shape.subdivision, years=HOLIDAY_YEARS, language="en_US"))
    if doubts:
        what = f"some public holidays of {shape.country} are only known for some years: {doubts[0].message}"
        findings.warning((*place, "country"), what, "name those that are missing under `special_days`")
    return found


def _shift(
    shape: ShiftHours, place: Place, teams: Sequence[str], findings: Findings, *, days: frozenset[int] = EVERY_DAY
) -> Shift | None:
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
    _overlaps(breaks, findings)
    if shape.team is not None:
        _team(shape.team, (*place, "team"), teams, findings)
    if any(reported[: len(place)] == place for reported in findings.places()):
        return None
    pairs = tuple((_clock(begins), _clock(ends)) for begins, ends in shape.breaks)
    return Shift(shape.name, _clock(shape.start), _clock(shape.end), pairs, days, shape.team)


def _span(shape: ShiftHours, place: Place, midnight_min: int, day: str = "") -> _Span:
    start = midnight_min + _minutes(shape.start)
    length = (_minutes(shape.end) - _minutes(shape.start)) % DAY_MIN or DAY_MIN
    return _Span(start, start + length, place, f"shift {shape.name} {day}".rstrip())


def _overlaps(spans: Collection[_Span], findings: Findings) -> None:
    for left, right in _overlapping(spans):
        findings.problem(right.place, f"the {right.name} overlaps the {left.name}", "move one of the two")


def _overlapping(spans: Collection[_Span]) -> Iterator[tuple[_Span, _Span]]:
    """Each span that starts before another has ended, behind the one of those that ends last."""
    longest: _Span | None = None
    for span in sorted(spans):
        if longest and span.start_min < longest.end_min:
            yield longest, span
        if longest is None or span.end_min > longest.end_min:
            longest = span


def _dates_overlap(found: Calendar, dated: Sequence[_Dated], findings: Findings) -> None:
    """Reports special days and overtime whose shifts overlap others of the same date or of the dates beside it."""
    places = {(day, shift): place for dates in dated for day, pairs in dates.items() for shift, place in pairs}
    for day in sorted({day for day, _ in places}):
        spans = [
            _dated_span(start_day, shift, places.get((start_day, shift), (*CALENDAR, "shifts")))
            for start_day in (day - timedelta(days=1), day, day + timedelta(days=1))
            for shift in found.starting(start_day)
        ]
        for pair in _overlapping(spans):
            other, wrong = sorted(pair, key=lambda finding: RANK.index(str(finding.place[2])))
            if other.place[:4] != wrong.place[:4]:  # those of one special day, and weekly ones, are reported already
                findings.problem(wrong.place, f"the {wrong.name} overlaps the {other.name}", "move one of the two")


def _dated_span(day: date, shift: Shift, place: Place) -> _Span:
    first = datetime.min  # noqa: DTZ901 - local wall time
    start_min, end_min = ((instant - first) // timedelta(minutes=1) for instant in shift.on(day))
    return _Span(start_min, end_min, place, f"shift {shift.name} on {day}")


def _date(text: str, place: Place, findings: Findings) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        findings.problem(place, f"`{text}` is no date", "write year-month-day, as in 2026-03-23")
        return None


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _clock(text: str) -> time:
    return time.fromisoformat(text)
