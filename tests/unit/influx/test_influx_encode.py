"""Line protocol: escaping, types, identity."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.reading import GapCause, Quality
from mes.influx.encode import event_line, line, process_line, timestamp_ns
from mes.influx.schema import MEASUREMENTS
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountFlag,
    CountKind,
    CountReconciled,
    CountUnreconciled,
    FaultCleared,
    FaultRaised,
    Journaled,
    ProcessValue,
    ProductChanged,
    ProductId,
    QualityChanged,
    ReasonAssigned,
    ReasonId,
    ShiftReopened,
    State,
    StateChanged,
    StationEvent,
    StationId,
    TimeSource,
    UnitCompleted,
    UnitEntered,
    UnitId,
    UnitLeft,
    UnitResult,
    UnitsCounted,
    UnitsUnidentified,
)

NOW = datetime(2026, 3, 2, 3, 0, 0, 5, tzinfo=UTC)
NS = 1772420400000005000
STATION = StationId("kostanay/weld/weld-1/framing")
PLACE = "area=weld,line=weld-1"
TAIL = "site=kostanay,station=framing"
FRAME: dict[str, Any] = {"station": STATION, "time": NOW, "received_time": NOW, "time_source": TimeSource.CONTROLLER}

CASES: list[tuple[StationEvent, str]] = [
    (
        StateChanged(**FRAME, state=State.DOWN, raw="9"),
        f'state_change,{PLACE},{TAIL} raw="9",seq=7i,state="down",time_source="controller" {NS + 7}',
    ),
    (
        UnitsCounted(
            **FRAME,
            kind=CountKind.GOOD,
            delta=1,
            raw=58,
            previous_raw=57,
            product=ProductId("S3"),
            flag=CountFlag.NORMAL,
        ),
        (
            f"count,{PLACE.replace('line', 'kind=good,line')},product=S3,{TAIL} "
            f'delta=1i,flag="normal",raw=58i,seq=7i,time_source="controller" {NS + 7}'
        ),
    ),
    (
        CountUnreconciled(**FRAME, kind=CountKind.SCRAP, raw=3, previous_raw=900, explanation='a "why"'),
        (
            f"unreconciled,{PLACE.replace('line', 'kind=scrap,line')},{TAIL} "
            f'explanation="a \\"why\\"",previous_raw=900i,raw=3i,seq=7i,time_source="controller" {NS + 7}'
        ),
    ),
    (
        CountReconciled(
            **FRAME,
            kind=CountKind.SCRAP,
            raw=3,
            previous_raw=900,
            parts=4,
            by="aigul",
            why="counted by hand",
            recorded_time=NOW,
        ),
        (
            f"reconciled,{PLACE.replace('line', 'kind=scrap,line')},{TAIL} "
            f'by="aigul",parts=4i,previous_raw=900i,product="none",raw=3i,recorded_s={NS // 1000 / 1e6!r},seq=7i,'
            f'time_source="controller",why="counted by hand" {NS + 7}'
        ),
    ),
    (
        UnitCompleted(
            **FRAME,
            unit=UnitId("LJ12EKR24T1000123"),
            product=None,
            result=UnitResult.GOOD,
            cycle_time=timedelta(seconds=540),
        ),
        (
            f"unit,{PLACE},product=none,result=good,{TAIL} "
            f'cycle_s=540.0,seq=7i,time_source="controller",unit="LJ12EKR24T1000123" {NS + 7}'
        ),
    ),
    (
        UnitsUnidentified(**FRAME, missing=2, first_sequence=9),
        f'unidentified,{PLACE},{TAIL} missing=2i,seq=7i,time_source="controller" {NS + 7}',
    ),
    (
        FaultRaised(**FRAME, code="17"),
        f'fault,{PLACE},{TAIL} active=true,code="17",seq=7i,time_source="controller" {NS + 7}',
    ),
    (
        FaultCleared(**FRAME, code="17"),
        f'fault,{PLACE},{TAIL} active=false,code="17",seq=7i,time_source="controller" {NS + 7}',
    ),
    (
        ProductChanged(**FRAME, product=ProductId("S3")),
        f'product,{PLACE},{TAIL} product="S3",seq=7i,time_source="controller" {NS + 7}',
    ),
    (
        ConnectionLost(**FRAME, cause=GapCause.STUCK, detail="heartbeat"),
        f'connection,{PLACE},{TAIL} cause="stuck",seq=7i,time_source="controller",up=false {NS + 7}',
    ),
    (
        ConnectionRestored(**FRAME, cause=GapCause.STUCK, since=NOW),
        f'connection,{PLACE},{TAIL} cause="stuck",seq=7i,time_source="controller",up=true {NS + 7}',
    ),
    (
        QualityChanged(**FRAME, signal="state", quality=Quality.BAD),
        f'quality,{PLACE},signal=state,{TAIL} quality="bad",seq=7i,time_source="controller" {NS + 7}',
    ),
    (
        UnitEntered(**FRAME, unit=UnitId("LJ1")),
        f'presence,{PLACE},{TAIL} present=true,seq=7i,time_source="controller",unit="LJ1" {NS + 7}',
    ),
    (
        UnitLeft(**FRAME, unit=UnitId("LJ1")),
        f'presence,{PLACE},{TAIL} present=false,seq=7i,time_source="controller",unit="LJ1" {NS + 7}',
    ),
    (
        ReasonAssigned(**FRAME, start=NOW, end=None, reason=ReasonId("tip-change"), by="aigul"),
        (
            f'reason,{PLACE},{TAIL} by="aigul",comment="",reason="tip-change",seq=7i,start_s={NS // 1000 / 1e6!r},'
            f'time_source="controller" {NS + 7}'
        ),
    ),
    (
        ShiftReopened(**FRAME, start=NOW, end=NOW, by="aigul", why="late data"),
        (
            f'shift_closing,{PLACE},{TAIL} by="aigul",closed=false,end_s={NS // 1000 / 1e6!r},seq=7i,'
            f'start_s={NS // 1000 / 1e6!r},time_source="controller" {NS + 7}'
        ),
    ),
]


@pytest.mark.parametrize(("event", "expected"), CASES, ids=lambda case: type(case).__name__)
def test_every_event_has_its_line(event: StationEvent, expected: str) -> None:
    """Each kind of event becomes the documented measurement, tags, typed fields and unique time stamp."""
    assert event_line(Journaled(7, event)) == expected


def test_telemetry_has_its_line() -> None:
    """A process value is a float under its name."""
    value = ProcessValue(station=STATION, name="booth temperature", time=NOW, value=22.0)

    assert process_line(value, 1003) == f"process,{PLACE},name=booth\\ temperature,{TAIL} value=22.0 {NS + 3}"


def test_two_events_of_one_microsecond_are_two_points() -> None:
    """Time stamps of one series differ though the times are equal."""
    assert timestamp_ns(NOW, 41) != timestamp_ns(NOW, 42)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**63, -(2**63) - 1])
def test_what_cannot_be_carried_is_refused(value: float) -> None:
    """NaN, infinity and too large integers raise instead of vanishing."""
    with pytest.raises(ValueError, match=r"NaN|64 bits"):
        line("m", {"t": "x"}, {"f": value}, 1)


def test_every_measurement_fits_a_table_of_3() -> None:
    """InfluxDB 3 Core takes 500 columns: its tags, its fields and the time."""
    assert all(len(measurement.tags) + len(measurement.fields) + 1 <= 500 for measurement in MEASUREMENTS.values())


def test_no_point_without_fields_or_with_an_empty_tag() -> None:
    """A point without fields, or with an empty tag, is refused: it would vanish or change its series."""
    with pytest.raises(ValueError, match="without fields"):
        line("m", {"t": "x"}, {}, 1)
    with pytest.raises(ValueError, match="empty tag"):
        line("m", {"t": ""}, {"f": 1}, 1)


def test_a_backslash_cannot_swallow_the_separator() -> None:
    """A tag value never ends in a backslash."""
    assert line("m", {"t": "x\\"}, {"f": 1}, 1) == "m,t=x\\_ f=1i 1"
