"""The words of the plant: states, counts, units and the immutable events that are journaled about a station."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NewType

from adapters.reading import GapCause, Quality

StationId = NewType("StationId", str)  # "site/area/line/station"
ProductId = NewType("ProductId", str)
UnitId = NewType("UnitId", str)
TotaliserId = NewType("TotaliserId", str)  # its kind, "good"; one that counts one product alone: "good:S3"
ReasonId = NewType("ReasonId", str)


class State(StrEnum):
    """What a station is doing; PackML's states and vendors' codes map onto these in the configuration."""

    PRODUCING = "producing"
    STARVED = "starved"
    BLOCKED = "blocked"
    DOWN = "down"
    SETUP = "setup"
    IDLE = "idle"
    PLANNED_STOP = "planned_stop"
    NO_DATA = "no_data"


class CountKind(StrEnum):
    """What a totaliser counts: good, to be reworked, scrapped, or all units made."""

    GOOD = "good"
    REWORK = "rework"
    SCRAP = "scrap"
    TOTAL = "total"


def totaliser_id(kind: CountKind, product: ProductId | None = None) -> TotaliserId:
    """What names a totaliser of a station; `product`: the one that it counts alone, None: it counts every product."""
    return TotaliserId(kind.value if product is None else f"{kind}:{product}")


@lru_cache(2**12)  # of all totalisers of a large plant
def kind_and_product(totaliser: TotaliserId) -> tuple[CountKind, ProductId | None]:
    """What a totaliser counts: the way back from `totaliser_id`."""
    kind, _, product = totaliser.partition(":")
    return CountKind(kind), ProductId(product) if product else None


class CountFlag(StrEnum):
    """How a difference of two totaliser readings came about."""

    BASELINE = "baseline"  # first reading ever: nothing is counted
    NORMAL = "normal"
    CATCH_UP = "catch_up"  # made while we were blind, since `since`
    RESET = "reset"  # the totaliser does not go on from its last value; units before that may be missing
    ROLLOVER = "rollover"
    REMAPPED = "remapped"  # first reading from another place: nothing is counted, a person may decide what was made


class UnitResult(StrEnum):
    """What became of a unit at a station."""

    GOOD = "good"
    REWORK = "rework"
    SCRAP = "scrap"


class TimeSource(StrEnum):
    """Whose clock gave an event its time."""

    CONTROLLER = "controller"
    EDGE = "edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact about a station. `time`: when, by the clock that `time_source` names; `received_time`: our own."""

    station: StationId
    time: datetime
    received_time: datetime
    time_source: TimeSource


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Event):
    """From `time` on the station is in `state`; `raw` is what the controller said."""

    state: State
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsCounted(Event):
    """A totaliser moved by `delta` units to `raw`; `since` is the start of the gap that a catch-up fills.

    `totaliser_product`: the product that the totaliser counts alone, which is then `product` as well.
    """

    kind: CountKind
    delta: int
    raw: int
    previous_raw: int | None
    product: ProductId | None
    flag: CountFlag
    since: datetime | None = None
    totaliser_product: ProductId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountUnreconciled(Event):
    """Two totaliser readings that allow more than one truth; nothing was counted, a person decides.

    `totaliser_product`: the product that the totaliser counts alone; None: it counts every product.
    """

    kind: CountKind
    raw: int
    previous_raw: int
    explanation: str
    totaliser_product: ProductId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountReconciled(Event):
    """A person has decided that `parts` were made where two totaliser readings allowed more than one truth.

    It is about the CountUnreconciled of the same station, totaliser, `time`, `raw` and `previous_raw`, whatever its
    number in the journal. The parts count at that `time`. Only the last decision, by `recorded_time`, holds.
    """

    kind: CountKind
    raw: int
    previous_raw: int
    parts: int
    by: str
    why: str
    recorded_time: datetime
    product: ProductId | None = None
    totaliser_product: ProductId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCompleted(Event):
    """A unit was finished; `sequence` is its number in the controller's record of units, where there is one."""

    unit: UnitId
    product: ProductId | None
    result: UnitResult
    cycle_time: timedelta | None
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsUnidentified(Event):
    """The controller's record of units overran while we were blind: the ids of `missing` units are not known."""

    missing: int
    first_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEntered(Event):
    """From `time` on the controller names `unit` as the one in the station; `baseline`: it was there when we looked."""

    unit: UnitId
    product: ProductId | None = None
    baseline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLeft(Event):
    """From `time` on the controller does not name `unit` any more; `baseline`: it went while nobody looked."""

    unit: UnitId
    baseline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRaised(Event):
    """The controller reports fault `code`."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCleared(Event):
    """The controller no longer reports fault `code`."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductChanged(Event):
    """From `time` on the station works on `product`."""

    product: ProductId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLost(Event):
    """From `time` on (the last proof of life) nothing is known of the station."""

    cause: GapCause
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRestored(Event):
    """At `time` the station was seen again; it was lost at `since`."""

    since: datetime
    cause: GapCause


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityChanged(Event):
    """The quality of a signal changed; values of bad quality are held, never counted."""

    signal: str
    quality: Quality


@dataclass(frozen=True, slots=True)
class Explained:
    """What explained a stretch `[start, end)` before somebody said otherwise; None: nothing did."""

    start: datetime
    end: datetime
    reason: ReasonId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonAssigned(Event):
    """A person says why the station did not produce in `[start, end)`; said at `time`, it may be about any past.

    `end` None: until the stop that lasts at `start` is over. `reason` None takes back what was said before, so that
    the fault codes decide again. What is said later holds; `before` keeps what held until then.
    """

    start: datetime
    end: datetime | None
    reason: ReasonId | None
    by: str
    comment: str = ""
    before: tuple[Explained, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftClosed(Event):
    """A person has closed the shift `[start, end)`: every stop in it had its reason then.

    `figures`: the station's sums in it at that time (mes.oee.closed); empty in the journals of older versions.
    """

    start: datetime
    end: datetime
    by: str
    figures: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftReopened(Event):
    """A person has opened the shift `[start, end)` again, and says `why`."""

    start: datetime
    end: datetime
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessValue:
    """Telemetry: weld current, booth temperature. Thinned by deadband and bounded by retention, unlike events."""

    station: StationId
    name: str
    time: datetime
    value: float


StationEvent = (
    StateChanged
    | UnitsCounted
    | CountUnreconciled
    | CountReconciled
    | UnitCompleted
    | UnitsUnidentified
    | UnitEntered
    | UnitLeft
    | FaultRaised
    | FaultCleared
    | ProductChanged
    | ConnectionLost
    | ConnectionRestored
    | QualityChanged
    | ReasonAssigned
    | ShiftClosed
    | ShiftReopened
)


CountEvent = UnitsCounted | CountUnreconciled | CountReconciled


def totaliser_of(event: CountEvent) -> TotaliserId:
    """The totaliser of its station that an event is about."""
    return totaliser_id(event.kind, event.totaliser_product)


@dataclass(frozen=True, slots=True)
class Journaled:
    """An event with its place in the journal; `seq` starts at 1, has no holes and orders everything."""

    seq: int
    event: StationEvent


class LossCategory(StrEnum):
    """What kind of loss a stop is: those of the six big losses that are stops, and what lies outside the equipment."""

    EQUIPMENT_FAILURE = "equipment_failure"
    SETUP_ADJUSTMENT = "setup_adjustment"
    MINOR_STOPS = "minor_stops"
    ORGANISATION = "organisation"  # nobody there, nothing to do
    STARVED = "starved"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a station stops: its text by language (`en`, `ru`, `kk`), what kind of loss it is, or that it is planned."""

    code: ReasonId
    texts: Mapping[str, str]
    category: LossCategory
    planned: bool = False

    def text(self, language: str = "en") -> str:
        """In the language, else in English, else the code."""
        return self.texts.get(language) or self.texts.get("en") or self.code


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The reasons that a station may have, and which of them a fault code means."""

    reasons: Mapping[ReasonId, Reason] = field(default_factory=dict)
    by_fault: Mapping[str, ReasonId] = field(default_factory=dict)

    def of_fault(self, code: str) -> Reason | None:
        """What the controller's fault code means here; None if nobody said."""
        named = self.by_fault.get(code)
        return self.reasons.get(named) if named is not None else None


NO_REASONS = Catalogue()


@dataclass(frozen=True, slots=True, kw_only=True)
class StationStandard:
    """What a station should do: ideal time for one unit by product (None: any other), and what is a minor stop.

    `ideal_cycle` values are above zero. A stop shorter than `minor_stop` is a minor stop, whatever its cause.
    `counted`: what the station has totalisers for, as far as that is known before its first event. `by_product`: for
    which products it has one each, where a kind is counted so.
    """

    ideal_cycle: Mapping[ProductId | None, timedelta]
    minor_stop: timedelta
    reasons: Catalogue = NO_REASONS
    counted: frozenset[CountKind] = frozenset()
    by_product: Mapping[CountKind, frozenset[ProductId]] = field(default_factory=dict)

    @property
    def totalisers(self) -> frozenset[TotaliserId]:
        """All totalisers of `counted`."""
        return frozenset(
            totaliser_id(kind, product) for kind in self.counted for product in self.by_product.get(kind, (None,))
        )

    def ideal(self, product: ProductId | None) -> timedelta | None:
        """The ideal time for one unit of `product` (ISO 22400's PRI), None where none is set."""
        return self.ideal_cycle.get(product, self.ideal_cycle.get(None))


def flow_positions(stations: Iterable[StationId]) -> Mapping[StationId, int]:
    """Each station's place in the order of the flow, from 1: the order of the plant's file, upstream first."""
    return {station: place for place, station in enumerate(stations, start=1)}
