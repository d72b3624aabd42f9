"""The shape of the calendar in a plant's file: shifts, teams, special days, overtime, maintenance, public holidays."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mes.calendar import Every
from mes.config.models.names import NamesShape

Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$", description="letters, digits, `-`, `_` and `.`, without spaces")]
Clock = Annotated[
    str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description='local time of day as "08:00" or "16:30"')
]
Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="a date as 2026-03-23")]
LONGEST_S = 366 * 86_400  # of a duration in seconds: a year
STRICT = ConfigDict(extra="forbid", frozen=True, populate_by_name=False, allow_inf_nan=False)


class Shape(BaseModel):
    """One mapping of the calendar; a key that is not known is a mistake."""

    model_config = STRICT


class Day(StrEnum):
    """The days of a week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class ShiftHours(Shape):
    """Working time on one day. An `end` at or before `start` is on the next day."""

    name: Name
    names: NamesShape | None = None
    start: Clock
    end: Clock
    breaks: list[tuple[Clock, Clock]] = Field(default=[], description='pairs such as ["10:00", "10:15"]')
    team: Annotated[Name, Field(description="one of `teams`, for a shift that always has the same")] | None = None


class WeeklyShift(ShiftHours):
    """A shift that comes again every week."""

    days: Annotated[list[Day], Field(min_length=1, description="the days on which it starts: [mon, tue, wed]")]


class SpecialDay(Shape):
    """A date on which other shifts hold than the weekly ones; no shifts: a holiday."""

    date: Date
    name: str
    shifts: list[ShiftHours] = []


class RotationShape(Shape):
    """Which team works which shift: `cycle` holds one mapping of shifts to teams for every week, or every day.

    The first entry holds from the date `from` on, for a week (seven days) or a day, then the next; after the last
    comes the first again. By the day, a shift that the cycle names takes place only on the days whose entry names it.
    A rotation holds until the next one begins.
    """

    from_: Annotated[Date, Field(alias="from", description="the first date of the first entry, as 2026-01-05")]
    every: Annotated[Every, Field(description="how long an entry holds: week or day")] = Every.WEEK
    cycle: Annotated[
        list[dict[Name, Name]], Field(min_length=1, description="shift and team, such as [{early: A, late: B}]")
    ]


class OvertimeShape(ShiftHours):
    """Working time beside the other shifts of a date; it is a shift of its own."""

    date: Date


class MaintenanceShape(Shape):
    """Time that is taken out of planned time for maintenance, from `date`, `start` to `end_date`, `end`."""

    name: str
    date: Date
    start: Clock
    end: Clock
    end_date: Annotated[Date, Field(description="a date as 2026-03-24, where it is not the same date")] | None = None


class PublicHolidaysShape(Shape):
    """The public holidays of a country: no shift starts on them, unless a special day says so.

    Those that follow the moon are estimates for the years to come: a special day corrects one.
    """

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="two letters by ISO 3166, such as KZ")]
    subdivision: Annotated[str, Field(description="a part of the country by ISO 3166, such as BY")] | None = None
    working: Annotated[list[Date], Field(description="holidays on which the weekly shifts hold: [2026-05-07]")] = []


class CalendarShape(Shape):
    """When the site works; everything outside a shift, and every break, is not planned."""

    shifts: Annotated[list[WeeklyShift], Field(min_length=1)]
    special_days: list[SpecialDay] = []
    teams: Annotated[list[Name], Field(description="the names of the teams: [A, B, C]")] = []
    rotations: list[RotationShape] = []
    overtime: list[OvertimeShape] = []
    maintenance: list[MaintenanceShape] = []
    public_holidays: PublicHolidaysShape | None = None
