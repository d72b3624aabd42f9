"""Short ways to write down events of one station, for tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from adapters.reading import GapCause, Quality
from mes.collect.signals import CounterSignal
from mes.intervals import Interval
from mes.model import (
    Catalogue,
    ConnectionLost,
    ConnectionRestored,
    CountFlag,
    CountKind,
    CountReconciled,
    CountUnreconciled,
    FaultCleared,
    FaultRaised,
    LossCategory,
    ProductId,
    QualityChanged,
    Reason,
    ReasonAssigned,
    ReasonId,
    State,
    StateChanged,
    StationEvent,
    StationId,
    StationStandard,
    TimeSource,
    UnitsCounted,
)

STATION = StationId("kostanay/weld/weld-1/framing")
S3 = ProductId("S3")
START = datetime(2026, 3, 2, 3, tzinfo=UTC)
EDGE = TimeSource.EDGE


def at(minutes: float) -> datetime:
    """So many minutes after START."""
    return START + timedelta(minutes=minutes)


def between(start: float, end: float) -> Interval:
    """From and to, in minutes after START."""
    return Interval(at(start), at(end))


def standard(ideal_s: float = 120, minor_stop_s: float = 360) -> StationStandard:
    """One ideal cycle time for all products."""
    return StationStandard(ideal_cycle={None: timedelta(seconds=ideal_s)}, minor_stop=timedelta(seconds=minor_stop_s))


def state(minutes: float, now: State) -> StateChanged:
    """The station is in `now` from then on."""
    time = at(minutes)
    return StateChanged(station=STATION, time=time, received_time=time, time_source=EDGE, state=now, raw="")


def read(minutes: float, quality: Quality, kind: CountKind = CountKind.GOOD) -> QualityChanged:
    """A totaliser is of that quality from then on."""
    time, signal = at(minutes), CounterSignal.name_of(kind)
    return QualityChanged(
        station=STATION, time=time, received_time=time, time_source=EDGE, signal=signal, quality=quality
    )


def counted(
    minutes: float,
    delta: int,
    kind: CountKind = CountKind.GOOD,
    *,
    product: ProductId | None = S3,
    since: float | None = None,
    flag: CountFlag = CountFlag.NORMAL,
) -> UnitsCounted:
    """Units counted then; with `since` they are caught up."""
    time = at(minutes)
    return UnitsCounted(
        station=STATION,
        time=time,
        received_time=time,
        time_source=EDGE,
        kind=kind,
        delta=delta,
        raw=0,
        previous_raw=None,
        product=product,
        flag=flag if since is None else CountFlag.CATCH_UP,
        since=None if since is None else at(since),
    )


def lost(minutes: float) -> ConnectionLost:
    """Blind from then on."""
    time = at(minutes)
    return ConnectionLost(
        station=STATION, time=time, received_time=time, time_source=EDGE, cause=GapCause.CONNECTION, detail="cut"
    )


def restored(minutes: float, since: float) -> ConnectionRestored:
    """Seen again."""
    time = at(minutes)
    return ConnectionRestored(
        station=STATION,
        time=time,
        received_time=time,
        time_source=EDGE,
        since=at(since),
        cause=GapCause.CONNECTION,
    )


def unreconciled(
    minutes: float, kind: CountKind = CountKind.GOOD, *, raw: int = 1, previous_raw: int = 9
) -> CountUnreconciled:
    """A count that a person has to decide."""
    time = at(minutes)
    return CountUnreconciled(
        station=STATION,
        time=time,
        received_time=time,
        time_source=EDGE,
        kind=kind,
        raw=raw,
        previous_raw=previous_raw,
        explanation="lower",
    )


def shift_with_a_stop_and_a_doubt(units: int, *, raw: int) -> list[StationEvent]:
    """A stop from minute 40 to 50 and a count to decide at 70; `units` are counted before, up to `raw`, and after."""
    return [
        state(0, State.PRODUCING),
        replace(counted(10, units), raw=raw, previous_raw=raw - units),
        state(40, State.DOWN),
        state(50, State.PRODUCING),
        unreconciled(70, raw=3, previous_raw=raw),
        replace(counted(90, units), raw=3 + units, previous_raw=3),
        state(590, State.IDLE),
    ]


def decided(
    about: CountUnreconciled,
    parts: int,
    *,
    minutes: float = 500,
    by: str = "aigul",
    why: str = "counted by hand",
    product: ProductId | None = S3,
) -> CountReconciled:
    """A person says then how many parts were made."""
    return CountReconciled(
        station=about.station,
        time=about.time,
        received_time=at(minutes),
        time_source=about.time_source,
        kind=about.kind,
        raw=about.raw,
        previous_raw=about.previous_raw,
        parts=parts,
        by=by,
        why=why,
        recorded_time=at(minutes),
        product=product,
    )


def raised(minutes: float, code: str) -> FaultRaised:
    """The controller shows a fault from then on."""
    time = at(minutes)
    return FaultRaised(station=STATION, time=time, received_time=time, time_source=EDGE, code=code)


def cleared(minutes: float, code: str) -> FaultCleared:
    """The controller shows the fault no more."""
    time = at(minutes)
    return FaultCleared(station=STATION, time=time, received_time=time, time_source=EDGE, code=code)


def assigned(minutes: float, start: float, end: float | None, reason: str | None) -> ReasonAssigned:
    """A person says then why the station stood from `start` to `end`."""
    time = at(minutes)
    return ReasonAssigned(
        station=STATION,
        time=time,
        received_time=time,
        time_source=EDGE,
        start=at(start),
        end=None if end is None else at(end),
        reason=None if reason is None else ReasonId(reason),
        by="aigul",
    )


CATALOGUE = Catalogue(
    {
        reason.code: reason
        for reason in (
            Reason(ReasonId("robot"), {"en": "Robot fault", "ru": "Отказ робота"}, LossCategory.EQUIPMENT_FAILURE),
            Reason(ReasonId("tips"), {"en": "Tip change"}, LossCategory.SETUP_ADJUSTMENT),
            Reason(ReasonId("jam"), {"en": "Part jammed"}, LossCategory.MINOR_STOPS),
            Reason(ReasonId("nobody"), {"en": "No operator"}, LossCategory.ORGANISATION),
            Reason(ReasonId("no-parts"), {"en": "No parts"}, LossCategory.STARVED),
            Reason(ReasonId("no-skid"), {"en": "No skid"}, LossCategory.BLOCKED),
            Reason(ReasonId("service"), {"en": "Planned service"}, LossCategory.EQUIPMENT_FAILURE, planned=True),
        )
    },
    {"101": ReasonId("robot"), "905": ReasonId("tips"), "404": ReasonId("no-such-reason")},
)
