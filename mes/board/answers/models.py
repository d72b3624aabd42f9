"""What the interface answers, for programs and for the board's own pages: stable names, and a unit in every number.

Times are UTC in ISO 8601, durations are seconds (`_s`). Ratios lie between 0 and 1 (performance may be above 1) and are
null where they are not defined.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from adapters.diagnostics import DiagnosticCode
from adapters.reading import Quality
from mes.calendar import WindowKind
from mes.health.controllers import ConnectionState
from mes.model import CountKind, LossCategory, State
from mes.oee.causes import Cause
from mes.oee.components import Bucket, KpiFlag
from mes.oee.programme import LossKind

Level = Literal["site", "area", "line", "station"]


class Answer(BaseModel):
    """Made by the program and never changed; unknown names in what is sent are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Answer):
    """Why something was not done, and what to do; `code` names the refusal for programs and does not change."""

    detail: str
    code: str = ""


class WindowAnswer(Answer):
    """A stretch of the calendar; `day` is the production day in which it starts."""

    kind: WindowKind | Literal["interval"]
    name: str = Field(description="as `window` takes it: 2026-03-02/day for a shift, 2026-03-02T08:00 for an hour")
    start: AwareDatetime
    end: AwareDatetime
    day: date | None = None
    team: str | None = None


class ReasonAnswer(Answer):
    """Why a station may stand; `texts` by language: en, ru, kk."""

    reason: str
    texts: dict[str, str]
    category: LossCategory
    planned: bool = Field(description="time with this reason is no loss: it is taken out of planned time")
    used: int = Field(description="how often it was given at the station in the last 30 days")


class StationAnswer(Answer):
    """A station of the plant, in the order of the flow."""

    station: str = Field(description="site/area/line/station")
    area: str
    line: str
    name: str
    minor_stop_s: float = Field(description="shorter stops are minor stops")
    ideal_cycle_s: dict[str, float] = Field(description="by product; `*`: every other product")
    upstream: list[str]
    downstream: list[str]


class ProductAnswer(Answer):
    """What is made."""

    product: str
    name: str
    names: dict[str, str] = Field(description="what pages show, by language: en, ru, kk")
    assembly_method: str
    market: str | None
    local_content_pct: float | None


class SiteAnswer(Answer):
    """The plant, and the present by the collector's clock; `known_until`: how far the journal knows."""

    site: str
    time_zone: str
    now: AwareDatetime
    known_from: AwareDatetime | None
    known_until: AwareDatetime | None
    last_seq: int = Field(description="number of the journal's last event; changes whenever anything does")
    languages: list[str]
    names: dict[str, dict[str, str]] = Field(
        description="what pages show for the site, its areas, lines and stations: by path, then by language"
    )
    stations: list[StationAnswer]
    products: list[ProductAnswer]
    definitions: list[str] = Field(description="of OEE; the plant's own first")


class FiguresAnswer(Answer):
    """The figures under one definition of OEE."""

    definition: str
    title: str
    source: str
    planned_s: float
    run_s: float
    oee: float | None
    availability: float | None
    performance: float | None
    quality: float | None


class LossAnswer(Answer):
    """Planned time lost in one way; `reason` `unexplained`: a stop that nobody explained."""

    bucket: Bucket
    reason: str
    time_s: float
    stops: int


class KpiAnswer(Answer):
    """A station, or all of a line, an area or the site, in a window up to the present.

    `window_s` = `not_planned_s` + `planned_stop_s` + `pbt_s`; `pbt_s` = `apt_s` + all seven losses;
    OEE = `ideal_good_s` / `pbt_s`. Counts are sums over the stations, `out` is what the last one made good.
    """

    scope: str
    level: Level
    window: WindowAnswer
    until: AwareDatetime = Field(description="the figures go up to there")
    figures: list[FiguresAnswer] = Field(description="under each definition asked for, in that order")
    oee_standalone: float | None
    technical_availability: float | None
    teep: float | None
    coverage: float | None = Field(description="share of planned time in which the stations were seen")
    window_s: float
    not_planned_s: float
    planned_stop_s: float
    pbt_s: float = Field(description="planned busy time")
    apt_s: float = Field(description="actual production time")
    ot_s: float = Field(description="operating time: apt_s and minor_stops_s")
    inferred_s: float = Field(description="part of apt_s that units counted after a gap prove")
    minor_stops_s: float
    down_s: float
    setup_s: float
    idle_s: float
    starved_s: float
    blocked_s: float
    no_data_s: float
    speed_loss_s: float | None
    quality_loss_s: float | None
    ideal_good_s: float | None = Field(description="sum of ideal times of good units: valuable time")
    ideal_produced_s: float | None
    good: int | None = Field(description="null: not known, for the counter was not read; so are the other counts")
    rework: int | None
    scrap: int | None
    produced: int | None
    out: int | None
    target: float | None = Field(description="cars planned up to the window's end; null without a programme")
    at_least: bool = Field(description="a counter was not read in a part of the window: counts are at least so many")
    out_at_least: bool = Field(description="so it was at the last station: `out` is at least so many")
    unread_s: float = Field(description="for how long a counter was not read: the counts are at least what is shown")
    unreconciled: int
    failures: int
    mtbf_s: float | None
    mttr_s: float | None
    flags: list[KpiFlag]
    losses: list[LossAnswer] = Field(description="the largest first")


FaultTexts = Annotated[
    Mapping[str, str],
    Field(description="what people read for that fault code, by language; empty where it has no text"),
]


class SpanAnswer(Answer):
    """A stretch of one state, bucket and reason."""

    start: AwareDatetime
    end: AwareDatetime
    state: State
    bucket: Bucket = Field(description="where its seconds are counted, where the calendar plans work")
    reason: str | None
    fault: str | None = Field(description="the code that the controller showed for it")
    fault_texts: FaultTexts
    inferred: bool


class StretchAnswer(Answer):
    """A stretch of the calendar's planned time."""

    start: AwareDatetime
    end: AwareDatetime


class TimelineAnswer(Answer):
    """What a station did, without gap and in order, and when work was planned."""

    station: str
    window: WindowAnswer
    spans: list[SpanAnswer]
    planned: list[StretchAnswer]


class StopAnswer(Answer):
    """A stretch that was not producing; `open`: it still lasts."""

    station: str
    start: AwareDatetime
    end: AwareDatetime
    planned_s: float
    state: State
    bucket: Bucket
    reason: str | None
    fault: str | None
    fault_texts: FaultTexts
    needs_reason: bool
    open: bool


class HourAnswer(Answer):
    """An hour of a node's last station against the plan, with sums since the window's start."""

    window: WindowAnswer
    planned_s: float
    target: float | None
    good: int | None = Field(description="null: not known, for the counter was not read")
    at_least: bool = Field(description="the counter was not read in a part of the hour: `good` is at least so many")
    target_sum: float | None
    good_sum: int | None
    sum_at_least: bool = Field(description="so it was in this hour or one before: `good_sum` is at least so many")
    largest_loss: LossKind | None
    largest_loss_s: float


class LineStopAnswer(Answer):
    """What a station (null: outside the plant) cost the end of a line."""

    station: str | None
    cause: Cause
    lost_s: float
    cars: float


class StoreAnswer(Answer):
    """The cars between two stations at the window's end."""

    upstream: str
    downstream: str
    places: int | None
    waiting: list[str]
    left: int = Field(description="cars that went on in the window")
    mean_wait_s: float | None
    longest_wait_s: float | None


class UnreadAnswer(Answer):
    """A counter that cannot be read now: what it counts meanwhile is not known."""

    station: str
    kind: CountKind
    product: str | None = Field(description="the product that the counter counts alone; null: every product")
    since: AwareDatetime | None = Field(description="null: not since the program knows it")
    ever: bool = Field(description="whether it was ever read")


class TileAnswer(Answer):
    """A station as the wall shows it."""

    station: str
    state: State
    bucket: Bucket
    since: AwareDatetime | None = Field(description="null for a station that was never seen")
    reason: str | None
    fault: str | None
    fault_texts: FaultTexts
    needs_reason: bool = Field(description="it is open, has lasted long enough to matter, and has no reason yet")
    planned: bool = Field(description="work is planned now")
    unit: str | None
    product: str | None
    last_cycle_s: float | None
    ideal_cycle_s: float | None
    good: int | None = Field(description="in this shift; null: not known, for the counter was not read in it")
    unread: list[UnreadAnswer] = Field(description="counters that are not read now: counts are at least so many")
    at_least: bool = Field(description="a counter was not read in a part of the shift: counts are at least so many")
    target: float | None = Field(description="planned up to now in this shift")
    target_whole: float | None = Field(description="planned for the whole shift")
    oee: float | None
    unexplained: int = Field(description="stops of this shift that need a reason")


class LineAnswer(Answer):
    """A line as it stands in the hall.

    `stopped`: its last station lost planned time in the last minute; to `stopped_by` (null: outside the plant) that is
    charged, through all buffers, for `cause`.
    """

    line: str
    tiles: list[TileAnswer]
    stopped: bool
    stopped_by: str | None
    cause: Cause | None
    good: int | None = Field(description="of the last station, in this shift; null: not known")
    at_least: bool = Field(description="its counter was not read in a part of the shift: `good` is at least so many")
    target: float | None
    target_whole: float | None
    oee: float | None


class WayAnswer(Answer):
    """The cars that wait between two stations now."""

    upstream: str
    downstream: str
    waiting: int
    places: int | None


class ControllerAnswer(Answer):
    """A controller's connection; `age_s`: since its last batch."""

    controller: str
    state: str
    age_s: float | None


class DiagnosticAnswer(Answer):
    """What an engineer should correct; `since`: when it was first seen."""

    code: DiagnosticCode
    text: str
    remedy: str
    tags: list[str]
    since: AwareDatetime


class ControllerDetailAnswer(Answer):
    """A controller's connection, and all that is to be corrected there; ages and rates in real seconds."""

    controller: str
    state: ConnectionState
    since: AwareDatetime = Field(description="of the state")
    age_s: float | None = Field(description="since its last batch; null before the first")
    clock_offset_s: float | None = Field(description="its clock minus ours; null where it is not known")
    insecure: bool
    attempts: int
    reconnects: int
    tags_configured: int
    tags_active: int
    polls_late: int
    poll_rate_wanted: float | None = Field(description="polls in a second; null where it is not polled")
    poll_rate_reached: float | None
    answers_in_doubt: dict[str, int] = Field(description="answers that were not believed, by kind")
    diagnostics: list[DiagnosticAnswer] = Field(description="those that hold now")


class TagAnswer(Answer):
    """A tag now: what the controller shows, and what is made of it."""

    tag: str
    station: str | None = Field(description="null: the controller's heartbeat")
    signal: str
    address: str
    raw: str | None = Field(description="the value as a short text; null: there is none that can be read")
    quality: Quality | None = Field(description="null: never read")
    received_time: AwareDatetime | None = Field(description="of the last change that was delivered, by our clock")
    source_time: AwareDatetime | None = Field(description="by the controller's clock, where it says one")
    age_s: float | None = Field(description="since `received_time`, by the plant's clock")
    means: str | None = Field(description="state, product, count, code or number; null: nothing is made of it")
    problem: DiagnosticCode | None


class AndonBoardAnswer(Answer):
    """The whole plant now, of the shift that is on or comes next."""

    now: AwareDatetime
    seq: int
    shift: WindowAnswer
    lines: list[LineAnswer]
    ways: list[WayAnswer]


class CollectorAnswer(Answer):
    """Whether the collector collects, and how old the oldest controller's last reading is."""

    ready: bool
    reasons: list[str]
    controllers: list[ControllerAnswer]
    oldest_age_s: float | None


class SessionAnswer(Answer):
    """Who is signed in; `csrf` goes into the header X-CSRF-Token of every request that changes something."""

    name: str | None
    role: str
    station: str | None
    csrf: str | None
    may: list[str]
