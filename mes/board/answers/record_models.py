"""What the interface answers about single things: cars, shift closings, reasons, counts, events, the programme."""

from pydantic import AwareDatetime, Field

from mes.board.answers.models import Answer, FaultTexts, WindowAnswer
from mes.model import CountKind, UnitResult
from mes.oee.biography import VisitFlag
from mes.oee.unreconciled_counts import Assessment


class ReasonLogAnswer(Answer):
    """What a person said of a station's time; `end` null: until the stop is over; `reason` null: taken back."""

    seq: int
    station: str
    time: AwareDatetime
    start: AwareDatetime
    end: AwareDatetime | None
    reason: str | None
    by: str
    comment: str


class AfterClosing(Answer):
    """How a closed shift's figures would change if they were computed now; counts are differences.

    A count is null where it was not known at the closing or is not known now.
    """

    good: int | None
    rework: int | None
    scrap: int | None
    oee_closed: float | None
    oee_now: float | None


class ShiftClosingAnswer(Answer):
    """Whether a station's shift is closed, by whom, and what it was closed with."""

    station: str
    window: WindowAnswer
    closed: bool
    closed_by: str | None
    closed_at: AwareDatetime | None
    stops_without_reason: int
    after_closing: AfterClosing | None = Field(description="null where the figures are those of the closing")
    over: bool = Field(description="the shift is over, and known to its end")

    @property
    def is_ready(self) -> bool:
        """Whether it may be closed now."""
        return self.over and not self.closed and not self.stops_without_reason


class ClosingAnswer(Answer):
    """A closed shift with the figures that it was closed with, in the window that it was closed for.

    All its figures: `/kpi` with `start` and `end` of this window.
    """

    station: str
    window: WindowAnswer
    in_calendar: bool = Field(description="false: the calendar was changed since, and has no such shift any more")
    closed_by: str
    closed_at: AwareDatetime
    good: int | None = Field(description="null: not known; so are the other counts")
    rework: int | None
    scrap: int | None
    at_least: bool = Field(description="a counter was not read in a part of the shift: counts are at least so many")
    oee: float | None


class EventAnswer(Answer):
    """One event of the journal, as it is kept there; `facts` differ by kind (docs/journal-format.md).

    `fault_texts` are those of a fault that was raised or cleared, and empty for other kinds.
    """

    seq: int
    kind: str
    station: str
    time: AwareDatetime
    received_time: AwareDatetime
    time_source: str
    facts: dict[str, object]
    fault_texts: FaultTexts


class ResultAnswer(Answer):
    """A result that a unit got."""

    result: UnitResult
    time: AwareDatetime
    cycle_s: float | None


class CycleAnswer(Answer):
    """A unit that got its result at a station; `ideal_cycle_s` is that of its product there."""

    time: AwareDatetime
    unit: str
    product: str | None
    result: UnitResult
    cycle_s: float | None = Field(description="as the controller's record had it")
    ideal_cycle_s: float | None


class SeenAnswer(Answer):
    """A unit and the station where it got a result."""

    unit: str
    station: str
    time: AwareDatetime


class ProcessAnswer(Answer):
    """A process value while a unit was there, in the signal's own unit; `outside_s`: outside its limits."""

    name: str
    minimum: float | None
    mean: float | None
    maximum: float | None
    low: float | None
    high: float | None
    samples: int
    known_s: float
    outside_s: float | None


class VisitAnswer(Answer):
    """A stay of a unit at a station; null where it came or went unseen."""

    station: str
    passage: int
    entered: AwareDatetime | None
    left: AwareDatetime | None
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    results: list[ResultAnswer]
    flags: list[VisitFlag]
    process: list[ProcessAnswer]


class LifeAnswer(Answer):
    """One life of a unit id, from its first to its last station."""

    unit: str
    life: int
    product: str | None
    first_seen: AwareDatetime
    last_seen: AwareDatetime
    finished_at: AwareDatetime | None
    loops: int
    visits: list[VisitAnswer]


class ProgrammeRowAnswer(Answer):
    """Cars under one label; null: not known, for the station was first seen later."""

    label: str
    built: int | None
    plan: float
    plan_to_date: float
    attainment: float | None
    share: float | None


class ProgrammeSectionAnswer(Answer):
    """Built against plan in a window; the rows of each split add up to `total`.

    `at_least`: the station was first seen in the window, so that at least so many were built.
    """

    start: AwareDatetime
    end: AwareDatetime
    at_least: bool
    total: ProgrammeRowAnswer
    by_model: list[ProgrammeRowAnswer]
    by_assembly_method: list[ProgrammeRowAnswer]
    by_market: list[ProgrammeRowAnswer]
    local_content_pct: float | None
    cars_without_local_content: int | None


class ProgrammeAnswer(Answer):
    """The months of a year, and the whole of them."""

    year: int
    until: AwareDatetime
    months: dict[int, ProgrammeSectionAnswer]
    whole: ProgrammeSectionAnswer
    forecast: float | None
    unplaced: int


class DecisionAnswer(Answer):
    """What a person decided of an unreconciled count."""

    parts: int
    product: str | None
    by: str
    why: str
    recorded_time: AwareDatetime


class UnreconciledCountAnswer(Answer):
    """A count that two readings leave open; a person decides how many parts were made."""

    number: int
    station: str
    kind: CountKind
    product: str | None = Field(description="the product that the counter counts alone; null: every product")
    time: AwareDatetime
    raw_before: int
    raw_after: int
    assessment: Assessment
    at_most: int | None
    shown: list[int]
    possible: str
    explanation: str
    decisions: list[DecisionAnswer]
