"""How far back a person may speak of a station's stops: an operator of the last shift, a team leader of some days."""

from datetime import datetime, timedelta

from mes.board.accounts.users import Person, Role
from mes.board.context import HttpProblem
from mes.calendar import Calendar
from mes.config.build import PlantConfig
from mes.intervals import Interval

SEARCHED = timedelta(days=31)  # the longest holidays without a shift; where there is none, the last day
DAY = timedelta(days=1)


def require_recent(config: PlantConfig, person: Person, start: datetime, now: datetime) -> None:
    """Raises HttpProblem (403) where a stretch begins too long ago for the role of whoever speaks."""
    earliest = earliest_of(config, person.role, now)
    if earliest is None or start >= earliest:
        return
    who = Role.ENGINEER if person.role is Role.TEAM_LEADER else Role.TEAM_LEADER
    raise HttpProblem(403, "reason_too_old", {"since": earliest, "who": str(who)})


def earliest_of(config: PlantConfig, role: Role, now: datetime) -> datetime | None:
    """The first instant of which a role may speak; None: no limit."""
    match role:
        case Role.ENGINEER:
            return None
        case Role.TEAM_LEADER:
            return now - timedelta(days=config.team_leader_days)
        case _:
            return _last_shift(config.calendar, now)


def _last_shift(calendar: Calendar, now: datetime) -> datetime:
    """When the shift began that was the last one to end, or the one before the shift that is on."""
    ended = [shift for shift in calendar.shifts(Interval(now - SEARCHED, now)) if shift.interval.end <= now]
    return ended[-1].interval.start if ended else now - DAY
