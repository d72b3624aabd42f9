"""Builders of a station's events, one for each kind; what a test does not name has a usual value."""

from datetime import UTC, datetime, timedelta
from typing import TypedDict, Unpack

from adapters.reading import GapCause, Quality
from mes.collect.signals import signal_of
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountFlag,
    CountKind,
    CountReconciled,
    CountUnreconciled,
    FaultCleared,
    FaultRaised,
    ProductChanged,
    ProductId,
    QualityChanged,
    ReasonAssigned,
    ReasonId,
    ShiftClosed,
    ShiftReopened,
    State,
    StateChanged,
    StationId,
    TimeSource,
    UnitCompleted,
    UnitEntered,
    UnitId,
    UnitLeft,
    UnitResult,
    UnitsCounted,
    UnitsUnidentified,
    totaliser_id,
)

START = datetime(2026, 3, 2, 3, tzinfo=UTC)  # a Monday, 08:00 in Kostanay
STATION = StationId("kostanay/weld/weld-1/framing")
S3 = ProductId("S3")
When = float | datetime  # minutes after START, or an instant


class Frame(TypedDict, total=False):
    """What every event has beside its time; by default of STATION, received at once, by the edge's clock."""

    station: StationId
    received: When
    source: TimeSource


class _Fields(TypedDict):
    station: StationId
    time: datetime
    received_time: datetime
    time_source: TimeSource


def _fields(when: When, frame: Frame) -> _Fields:
    return {
        "station": frame.get("station", STATION),
        "time": at(when),
        "received_time": at(frame.get("received", when)),
        "time_source": frame.get("source", TimeSource.EDGE),
    }


def at(when: When) -> datetime:
    """So many minutes after START; an instant is itself."""
    return when if isinstance(when, datetime) else START + timedelta(minutes=when)


def state(when: When, now: State, *, raw: str = "", **frame: Unpack[Frame]) -> StateChanged:
    """The station is in `now` from then on."""
    return StateChanged(**_fields(when, frame), state=now, raw=raw)


def counted(
    when: When,
    delta: int = 1,
    kind: CountKind = CountKind.GOOD,
    *,
    raw: int = 0,
    previous_raw: int | None = None,
    product: ProductId | None = S3,
    since: When | None = None,
    flag: CountFlag = CountFlag.NORMAL,
    **frame: Unpack[Frame],
) -> UnitsCounted:
    """Units counted then; with `since` they are caught up."""
    return UnitsCounted(
        **_fields(when, frame),
        kind=kind,
        delta=delta,
        raw=raw,
        previous_raw=previous_raw,
        product=product,
        flag=flag if since is None else CountFlag.CATCH_UP,
        since=None if since is None else at(since),
    )


def unreconciled(
    when: When, kind: CountKind = CountKind.GOOD, *, raw: int = 1, previous_raw: int = 9, **frame: Unpack[Frame]
) -> CountUnreconciled:
    """A count that a person has to decide."""
    return CountUnreconciled(**_fields(when, frame), kind=kind, raw=raw, previous_raw=previous_raw, explanation="lower")


def decided(
    about: CountUnreconciled,
    parts: int,
    *,
    when: When = 500,
    by: str = "aigul",
    why: str = "counted by hand",
    product: ProductId | None = S3,
) -> CountReconciled:
    """A person says then how many parts were made."""
    return CountReconciled(
        **_fields(about.time, {"station": about.station, "received": when, "source": about.time_source}),
        kind=about.kind,
        raw=about.raw,
        previous_raw=about.previous_raw,
        parts=parts,
        by=by,
        why=why,
        recorded_time=at(when),
        product=product,
    )


def entered(
    when: When, unit: str, *, product: ProductId | None = None, baseline: bool = False, **frame: Unpack[Frame]
) -> UnitEntered:
    """A unit comes into the station."""
    return UnitEntered(**_fields(when, frame), unit=UnitId(unit), product=product, baseline=baseline)


def left(when: When, unit: str, *, baseline: bool = False, **frame: Unpack[Frame]) -> UnitLeft:
    """A unit leaves the station."""
    return UnitLeft(**_fields(when, frame), unit=UnitId(unit), baseline=baseline)


def completed(
    when: When,
    unit: str,
    result: UnitResult = UnitResult.GOOD,
    *,
    product: ProductId | None = S3,
    cycle_time: timedelta | None = None,
    sequence: int | None = None,
    **frame: Unpack[Frame],
) -> UnitCompleted:
    """A unit has its result."""
    return UnitCompleted(
        **_fields(when, frame),
        unit=UnitId(unit),
        product=product,
        result=result,
        cycle_time=cycle_time,
        sequence=sequence,
    )


def unidentified(when: When, missing: int, *, first_sequence: int = 1, **frame: Unpack[Frame]) -> UnitsUnidentified:
    """So many units were finished whose ids are not known."""
    return UnitsUnidentified(**_fields(when, frame), missing=missing, first_sequence=first_sequence)


def raised(when: When, code: str, **frame: Unpack[Frame]) -> FaultRaised:
    """The controller shows a fault from then on."""
    return FaultRaised(**_fields(when, frame), code=code)


def cleared(when: When, code: str, **frame: Unpack[Frame]) -> FaultCleared:
    """The controller does not show the fault any more."""
    return FaultCleared(**_fields(when, frame), code=code)


def product_changed(when: When, product: ProductId | None, **frame: Unpack[Frame]) -> ProductChanged:
    """The station works on a product from then on."""
    return ProductChanged(**_fields(when, frame), product=product)


def lost(when: When, **frame: Unpack[Frame]) -> ConnectionLost:
    """Nothing is known of the station from then on."""
    return ConnectionLost(**_fields(when, frame), cause=GapCause.CONNECTION, detail="cut")


def restored(when: When, since: When, **frame: Unpack[Frame]) -> ConnectionRestored:
    """The station is seen again."""
    return ConnectionRestored(**_fields(when, frame), since=at(since), cause=GapCause.CONNECTION)


def quality(when: When, now: Quality, of: CountKind | str = CountKind.GOOD, **frame: Unpack[Frame]) -> QualityChanged:
    """A totaliser, or a signal of that name, is of that quality from then on."""
    signal = signal_of(totaliser_id(of)) if isinstance(of, CountKind) else of
    return QualityChanged(**_fields(when, frame), signal=signal, quality=now)


def assigned(
    when: When,
    start: When,
    end: When | None,
    reason: str | None,
    *,
    by: str = "aigul",
    comment: str = "",
    **frame: Unpack[Frame],
) -> ReasonAssigned:
    """A person gives a reason to a stretch of time."""
    return ReasonAssigned(
        **_fields(when, frame),
        start=at(start),
        end=None if end is None else at(end),
        reason=None if reason is None else ReasonId(reason),
        by=by,
        comment=comment,
    )


def shift_closed(
    when: When, start: When, end: When, *, by: str = "aigul", figures: str = "", **frame: Unpack[Frame]
) -> ShiftClosed:
    """A person closes a shift."""
    return ShiftClosed(**_fields(when, frame), start=at(start), end=at(end), by=by, figures=figures)


def shift_reopened(
    when: When, start: When, end: When, *, by: str = "aigul", why: str = "so", **frame: Unpack[Frame]
) -> ShiftReopened:
    """A person opens a closed shift again."""
    return ShiftReopened(**_fields(when, frame), start=at(start), end=at(end), by=by, why=why)
