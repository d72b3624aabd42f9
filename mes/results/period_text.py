"""Dated texts of shifts, days, weeks, months and years on dashboards: `Fri 27 Nov, day shift, 08:00-16:30, ended`."""

from datetime import datetime, timedelta

from mes.calendar import Calendar, Window, WindowKind
from mes.config.names import DisplayNames
from mes.intervals import MICROSECOND, Interval

LANGUAGE = "en"  # the dashboards' own
AHEAD = timedelta(days=14)  # how far ahead the next shift is looked for


def period_text(window: Window, until: datetime, calendar: Calendar, names: DisplayNames) -> str:
    """A window by its date, and whether it has ended at `until`; without a `|`, which ends the text in InfluxDB."""
    day = f"{window.day:%a} {window.day.day} {window.day:%b}"
    state = "ended" if window.interval.end <= until else "running"
    match window.kind:
        case WindowKind.SHIFT:
            start, end = (
                f"{at.astimezone(calendar.zone):%H:%M}" for at in (window.interval.start, window.interval.end)
            )
            text = f"{day}, {names.shift(window.name, LANGUAGE)}, {start}-{end}, {state}"
        case WindowKind.WEEK:
            last = window.day + timedelta(days=6)
            until_day = f"{last.day}" if last.month == window.day.month else f"{last.day} {last:%b}"
            text = f"week {window.day.isocalendar().week}, {window.day.day} {window.day:%b} to {until_day}, {state}"
        case WindowKind.MONTH:
            text = f"{window.day:%B %Y}, {state}"
        case WindowKind.YEAR:
            text = f"{window.day.year}, {state}"
        case _:
            text = f"{day}, {state}"
    return text.replace("|", "/")


def no_shift_text(until: datetime, calendar: Calendar) -> str:
    """`no shift until Mon 08:00`, with the date if it is a week or more ahead; empty during a shift."""
    if calendar.shifts(Interval(until, until + MICROSECOND)):
        return ""
    starts = [shift.interval.start for shift in calendar.shifts(Interval(until, until + AHEAD))]
    if not starts:
        return f"no shift in the next {AHEAD.days} days"
    start = min(starts).astimezone(calendar.zone)
    is_near = start.date() - until.astimezone(calendar.zone).date() < timedelta(days=7)
    return (
        f"no shift until {start:%a} {start:%H:%M}"
        if is_near
        else f"no shift until {start:%a} {start.day} {start:%b %H:%M}"
    )
