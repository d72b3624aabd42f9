"""The calendar in a plant's file: what it may say, and what is said about each mistake in it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from textwrap import dedent, indent

import pytest

from mes.calendar import Calendar, WindowKind
from mes.config import calendar
from mes.config.findings import Findings
from mes.config.models.plant import SiteShape
from mes.config.source import parse
from mes.intervals import Interval, total

EARLY_LATE = """
    shifts:
      - {name: early, days: [mon, tue, wed, thu, fri], start: "06:00", end: "14:00", breaks: [["10:00", "10:30"]]}
      - {name: late, days: [mon, tue, wed, thu, fri], start: "14:00", end: "22:00"}
    """
ALWAYS = """
    shifts:
      - {name: day, days: [mon, tue, wed, thu, fri, sat, sun], start: "07:00", end: "19:00"}
      - {name: night, days: [mon, tue, wed, thu, fri, sat, sun], start: "19:00", end: "07:00"}
    """


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a calendar's text; the lines count from the one after `calendar:`."""

    calendar: Calendar | None
    problems: list[tuple[int, str, str]]
    remedies: list[str]
    warnings: list[tuple[int, str, str]]


def read(*parts: str, zone: str = "UTC") -> Read:
    """The calendar that the parts make; problems and warnings as line, place in the calendar and what is wrong."""
    head = f"site:\n  name: demo\n  time_zone: {zone}\n  calendar:\n"
    body = "".join(indent(dedent(part).strip("\n ") + "\n", "    ") for part in parts)
    source = parse(head + body, "plant.yaml")
    findings = Findings(source)
    found = calendar.site_calendar(SiteShape.model_validate(source.data["site"]), findings)

    problems = [problem for _, problem in findings.problems()]
    warnings = [problem for _, problem in findings.warnings()]
    return Read(
        found,
        [
            (problem.line - 4, problem.where.removeprefix("site.calendar."), problem.what)
            for problem in sorted(problems)
        ],
        [problem.remedy for problem in sorted(problems)],
        [
            (warning.line - 4, warning.where.removeprefix("site.calendar."), warning.what)
            for warning in sorted(warnings)
        ],
    )


def good(*parts: str, zone: str = "UTC") -> Calendar:
    outcome = read(*parts, zone=zone)
    assert outcome.problems == []
    assert outcome.calendar is not None
    return outcome.calendar


def of(day: date) -> Interval:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Interval(start, start + timedelta(days=1))


def crew(calendar: Calendar, day: date) -> dict[str, str | None]:
    """The team of each shift that starts on a date."""
    return {shift.name: shift.team for shift in calendar.shifts(of(day)) if shift.interval.start.date() == day}


def test_two_teams_change_every_week() -> None:
    """An entry of a weekly cycle holds for seven days from the rotation's first date, and the cycle comes again."""
    calendar = good(
        EARLY_LATE,
        """
        teams: [A, B]
        rotations:
          - {from: 2026-01-05, cycle: [{early: A, late: B}, {early: B, late: A}]}
        """,
    )

    assert crew(calendar, date(2026, 1, 9)) == {"early": "A", "late": "B"}
    assert crew(calendar, date(2026, 1, 12)) == {"early": "B", "late": "A"}
    assert crew(calendar, date(2026, 1, 19)) == {"early": "A", "late": "B"}
    assert crew(calendar, date(2026, 1, 2)) == {"early": None, "late": None}


def test_four_teams_work_two_two_three() -> None:
    """The continental pattern by the day: every day has both shifts, and each team works seven of fourteen days."""
    calendar = good(
        ALWAYS,
        """
        teams: [A, B, C, D]
        rotations:
          - from: 2026-01-05
            every: day
            cycle:
              - {day: A, night: C}
              - {day: A, night: C}
              - {day: B, night: D}
              - {day: B, night: D}
              - {day: A, night: C}
              - {day: A, night: C}
              - {day: A, night: C}
              - {day: B, night: D}
              - {day: B, night: D}
              - {day: A, night: C}
              - {day: A, night: C}
              - {day: B, night: D}
              - {day: B, night: D}
              - {day: B, night: D}
        """,
    )
    days = [date(2026, 1, 19) + timedelta(days=day) for day in range(14)]

    assert "".join(str(crew(calendar, day)["day"]) for day in days) == "AABBAAABBAABBB"
    assert [sum(team in crew(calendar, day).values() for day in days) for team in "ABCD"] == [7, 7, 7, 7]


def test_a_day_that_the_cycle_leaves_out_is_free() -> None:
    """By the day, a shift without a team in the entry does not take place; one of a fixed team is not concerned."""
    calendar = good(
        """
        shifts:
          - {name: day, days: [mon, tue, wed, thu, fri, sat, sun], start: "07:00", end: "15:00"}
          - {name: guard, days: [mon, tue, wed, thu, fri, sat, sun], start: "15:00", end: "07:00", team: G}
        teams: [A, G]
        rotations:
          - {from: 2026-01-05, every: day, cycle: [{day: A}, {day: A}, {}]}
        """
    )

    assert crew(calendar, date(2026, 1, 6)) == {"day": "A", "guard": "G"}
    assert crew(calendar, date(2026, 1, 7)) == {"guard": "G"}


def test_overtime_and_maintenance_change_planned_time() -> None:
    """Overtime is a shift of its own name and team; maintenance leaves the shift as it is and is not planned."""
    calendar = good(
        EARLY_LATE,
        """
        teams: [A]
        overtime:
          - {name: extra, date: 2026-03-07, start: "08:00", end: "14:00", breaks: [["10:00", "10:30"]], team: A}
          - {name: extra, date: 2026-03-07, start: "14:00", end: "15:00"}
        maintenance:
          - {name: press, date: 2026-03-02, start: "13:00", end: "15:30"}
          - {name: oven, date: 2026-03-03, start: "21:00", end_date: 2026-03-04, end: "07:00"}
        """,
    )
    saturday, monday, tuesday, wednesday = (of(date(2026, 3, day)) for day in (7, 2, 3, 4))

    assert [(shift.name, shift.team) for shift in calendar.shifts(saturday)] == [("extra", "A"), ("extra", None)]
    assert total(calendar.planned(saturday)) == timedelta(hours=6, minutes=30)
    assert total(calendar.manned(monday)) == timedelta(hours=16)
    assert total(calendar.maintenance(monday)) == timedelta(hours=2, minutes=30)
    assert total(calendar.planned(monday)) == timedelta(hours=13)
    assert [total(calendar.maintenance(span)) for span in (tuesday, wednesday)] == [timedelta(hours=1)] * 2


def test_public_holidays_are_free_unless_the_file_says_otherwise() -> None:
    """No shift starts on a public holiday; a special day and a date under `working` go before it."""
    calendar = good(
        EARLY_LATE,
        """
        special_days:
          - {date: 2026-12-16, name: made up, shifts: [{name: short, start: "08:00", end: "12:00"}]}
        public_holidays: {country: KZ, working: [2026-05-07]}
        """,
        zone="Asia/Qostanay",
    )

    assert calendar.starting(date(2026, 3, 23)) == ()
    assert [shift.name for shift in calendar.starting(date(2026, 5, 7))] == ["early", "late"]
    assert [shift.name for shift in calendar.starting(date(2026, 12, 16))] == ["short"]
    assert [shift.name for shift in calendar.starting(date(2026, 12, 17))] == ["early", "late"]
    assert min(calendar.holidays).year == 2000
    assert max(calendar.holidays).year == 2060


def test_a_subdivision_has_holidays_of_its_own() -> None:
    """Corpus Christi is a holiday in Bavaria and not in all of Germany."""
    corpus_christi = date(2026, 6, 4)
    bavaria = good(EARLY_LATE, "public_holidays: {country: DE, subdivision: BY}", zone="Europe/Berlin")
    germany = good(EARLY_LATE, "public_holidays: {country: DE, subdivision: null}", zone="Europe/Berlin")

    assert corpus_christi in bavaria.holidays
    assert corpus_christi not in germany.holidays


def test_doubts_about_public_holidays_are_warnings() -> None:
    """A working date that is no holiday, and a country whose holidays are not known for all years, are warned of."""
    kazakhstan = read(EARLY_LATE, "public_holidays: {country: KZ, working: [2026-05-08]}")
    india = read(EARLY_LATE, "public_holidays: {country: IN}")

    assert kazakhstan.calendar is not None
    assert kazakhstan.warnings == [(4, "public_holidays.working[0]", "2026-05-08 is no public holiday in KZ")]
    assert india.calendar is not None
    assert [(line, place) for line, place, _ in india.warnings] == [(4, "public_holidays.country")]


@pytest.mark.parametrize(
    ("holidays", "place", "what", "remedy"),
    [
        ("{country: XX}", "country", "no public holidays are known for the country `XX`", "special_days"),
        ("{country: DE, subdivision: BX}", "subdivision", "DE has no subdivision `BX` with", "there is: BB, BE"),
        ("{country: KZ, working: [2026-02-30]}", "working[0]", "`2026-02-30` is no date", "year-month-day"),
    ],
)
def test_public_holidays_that_nobody_knows(holidays: str, place: str, what: str, remedy: str) -> None:
    """A country, a subdivision and a date that do not exist are mistakes with a remedy."""
    outcome = read(EARLY_LATE, f"public_holidays: {holidays}")

    assert outcome.calendar is None
    assert [(line, where) for line, where, _ in outcome.problems] == [(4, f"public_holidays.{place}")]
    assert what in outcome.problems[0][2]
    assert remedy in outcome.remedies[0]


def test_all_mistakes_of_a_calendar_are_found_at_once() -> None:
    """Names that do not exist, dates that cannot be and an end before the start, each with its line."""
    outcome = read(
        """
        shifts:
          - {name: early, days: [mon], start: "06:00", end: "14:00"}
          - {name: late, days: [mon], start: "14:00", end: "22:00", team: X}
        teams: [A, B]
        rotations:
          - from: 2026-01-05
            cycle:
              - {early: A, night: B}
              - {early: C, late: B}
          - {from: 2026-01-05, cycle: [{early: A}]}
          - {from: 2026-13-01, cycle: [{early: A}]}
        overtime:
          - {name: extra, date: 2026-02-29, start: "08:00", end: "12:00"}
          - {name: extra, date: 2026-02-28, start: "08:00", end: "12:00", breaks: [["07:00", "09:00"]]}
          - {name: extra, date: 2026-02-27, start: "08:00", end: "12:00", team: D}
        maintenance:
          - {name: press, date: 2026-03-03, start: "12:00", end: "12:00"}
          - {name: press, date: 2026-03-32, start: "12:00", end: "13:00"}
          - {name: press, date: 2026-03-03, start: "12:00", end: "13:00", end_date: 2026-04-31}
          - {name: oven, date: 2026-03-03, start: "12:00", end: "13:00", end_date: 2026-03-02}
        """,
        zone="Europe/Berlni",
    )

    assert outcome.calendar is None
    assert outcome.problems == [
        (-1, "site.time_zone", "the time zone `Europe/Berlni` does not exist"),
        (3, "shifts[1].team", "there is no team `X` in `teams`"),
        (8, "rotations[0].cycle[0].night", "there is no weekly shift `night`"),
        (9, "rotations[0].cycle[1].early", "there is no team `C` in `teams`"),
        (9, "rotations[0].cycle[1].late", "the shift late has a team of its own"),
        (10, "rotations[1].from", "two rotations begin on 2026-01-05"),
        (11, "rotations[2].from", "`2026-13-01` is no date"),
        (13, "overtime[0].date", "`2026-02-29` is no date"),
        (14, "overtime[1].breaks[0]", "the break 07:00 to 09:00 is not inside the shift extra, 08:00 to 12:00"),
        (15, "overtime[2].team", "there is no team `D` in `teams`"),
        (17, "maintenance[0].end", "the maintenance press ends before it starts"),
        (18, "maintenance[1].date", "`2026-03-32` is no date"),
        (19, "maintenance[2].end_date", "`2026-04-31` is no date"),
        (20, "maintenance[3].end", "the maintenance oven ends before it starts"),
    ]
    assert all(outcome.remedies)


def test_overtime_overlaps_no_shift() -> None:
    """Overtime that overlaps a weekly shift, a night shift of the day before, a special day's shift or overtime."""
    outcome = read(
        """
        shifts:
          - {name: day, days: [mon, tue, wed, thu, fri], start: "08:00", end: "16:00"}
          - {name: night, days: [fri], start: "22:00", end: "06:00"}
        special_days:
          - {date: 2026-03-10, name: short, shifts: [{name: short, start: "08:00", end: "12:00"}]}
        overtime:
          - {name: extra, date: 2026-03-02, start: "15:00", end: "18:00"}
          - {name: extra, date: 2026-03-07, start: "05:00", end: "07:00"}
          - {name: extra, date: 2026-03-10, start: "11:00", end: "13:00"}
          - {name: one, date: 2026-03-14, start: "08:00", end: "12:00"}
          - {name: two, date: 2026-03-14, start: "10:00", end: "11:00"}
          - {name: fine, date: 2026-03-14, start: "12:00", end: "14:00"}
        """
    )

    assert outcome.problems == [
        (7, "overtime[0]", "the shift extra on 2026-03-02 overlaps the shift day on 2026-03-02"),
        (8, "overtime[1]", "the shift extra on 2026-03-07 overlaps the shift night on 2026-03-06"),
        (9, "overtime[2]", "the shift extra on 2026-03-10 overlaps the shift short on 2026-03-10"),
        (11, "overtime[4]", "the shift two on 2026-03-14 overlaps the shift one on 2026-03-14"),
    ]


def test_a_special_day_overlaps_no_shift_of_the_dates_beside_it() -> None:
    """A special day's night shift that runs into the next morning's shift is a mistake, said once."""
    outcome = read(
        EARLY_LATE,
        """
        special_days:
          - {date: 2026-03-03, name: long, shifts: [{name: long, start: "20:00", end: "07:00"}]}
          - {date: 2026-03-11, name: clash, shifts: [{name: a, start: "06:00", end: "12:00"}, {name: b, start: "08:00", end: "09:00"}, {name: c, start: "10:00", end: "11:00"}]}
        """,  # noqa: E501 - the file's lines are counted
    )

    assert outcome.problems == [
        (5, "special_days[0].shifts[0]", "the shift long on 2026-03-03 overlaps the shift early on 2026-03-04"),
        (6, "special_days[1].shifts[1]", "the shift b overlaps the shift a"),
        (6, "special_days[1].shifts[2]", "the shift c overlaps the shift a"),
    ]


def test_dates_of_special_days_are_real_and_given_once() -> None:
    """A special day whose date does not exist, and a second one for a date, are mistakes."""
    outcome = read(
        EARLY_LATE,
        """
        special_days:
          - {date: 2026-02-30, name: none}
          - {date: 2026-03-03, name: one}
          - {date: 2026-03-03, name: two}
        """,
    )

    assert outcome.problems == [
        (5, "special_days[0].date", "`2026-02-30` is no date"),
        (7, "special_days[2].date", "2026-03-03 is given twice"),
    ]


def test_weekly_shifts_overlap_nowhere_in_the_week() -> None:
    """A shift that runs into the next one, also from Sunday into Monday, is a mistake; it hides no later one."""
    outcome = read(
        """
        shifts:
          - {name: long, days: [mon], start: "06:00", end: "20:00"}
          - {name: one, days: [mon], start: "08:00", end: "09:00"}
          - {name: two, days: [mon], start: "10:00", end: "11:00"}
          - {name: night, days: [sun], start: "22:00", end: "07:00"}
        overtime:
          - {name: extra, date: 2026-03-03, start: "06:00", end: "08:00"}
        """
    )

    assert outcome.problems == [
        (2, "shifts[0]", "the shift long on mon overlaps the shift night on sun"),
        (3, "shifts[1]", "the shift one on mon overlaps the shift long on mon"),
        (4, "shifts[2]", "the shift two on mon overlaps the shift long on mon"),
    ]


def test_shifts_of_a_rotation_may_follow_each_other_around_a_special_day() -> None:
    """Shifts that touch do not overlap, and a special day replaces the weekly shifts of its date."""
    calendar = good(
        ALWAYS,
        'special_days: [{date: 2026-03-03, name: one, shifts: [{name: whole, start: "07:00", end: "07:00"}]}]',
    )
    week = Interval(of(date(2026, 3, 2)).start, of(date(2026, 3, 8)).end)

    assert calendar.manned(week) == (week,)
    assert len(calendar.windows(WindowKind.SHIFT, week)) == 14
