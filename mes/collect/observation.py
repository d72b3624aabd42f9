"""One observation of a station being taken in: what it knows so far, and what has come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from adapters.reading import Quality, Reading
from mes.collect.signals import Observation, SignalSetup, StationSetup, StationState
from mes.collect.values import NO_PRODUCT
from mes.intervals import MICROSECOND
from mes.model import (
    CountUnreconciled,
    ProcessValue,
    ProductId,
    QualityChanged,
    StationEvent,
    TimeSource,
    TotaliserId,
    kind_and_product,
)


@dataclass(slots=True)
class Work:
    """One observation being taken in; `state` moves on with every reading."""

    setup: StationSetup
    state: StationState
    seen: Observation
    events: list[StationEvent] = field(default_factory=list)
    telemetry: list[ProcessValue] = field(default_factory=list)

    def emit(self, event: Callable[..., StationEvent], when: tuple[datetime, TimeSource], /, **fields: Any) -> None:
        """Adds an event; the fields are those of its class."""
        time, source = when
        self.events.append(
            event(
                station=self.setup.station,
                time=time,
                received_time=self.seen.received_time,
                time_source=source,
                **fields,
            )
        )

    def unreconciled(
        self,
        totaliser: TotaliserId,
        when: tuple[datetime, TimeSource],
        *,
        raw: int,
        previous_raw: int,
        explanation: str,
    ) -> None:
        """Adds an event for a person: two readings of a totaliser that allow more than one truth."""
        kind, product = kind_and_product(totaliser)
        self.emit(
            CountUnreconciled,
            when,
            kind=kind,
            raw=raw,
            previous_raw=previous_raw,
            explanation=explanation,
            totaliser_product=product,
        )

    def product_of(self, recorded: str) -> ProductId | None:
        """The product that a code of the unit log stands for; None if it names none."""
        return None if recorded in NO_PRODUCT else self.setup.product(recorded)

    def when(self, reading: Reading) -> tuple[datetime, TimeSource]:
        """The controller's time where it is sane, else ours; a baseline happened when we saw it."""
        source = reading.source_time
        if self.seen.baseline or source is None or not self.is_sane(source, reading.received_time):
            return reading.received_time, TimeSource.EDGE
        return source, TimeSource.CONTROLLER

    def changed(self, change: str, reading: Reading) -> tuple[datetime, TimeSource]:
        """When the value named `change` changed; later than its last change, so events sorted by time end with it.

        Two changes may bear the same time: A, B, A would be read as A, B, since an equal event is a repetition.
        A time before the last change is wrong: the clock, the controller's or ours, was set back.
        """
        time, source = self.when(reading)
        last = self.state.changes.get(change)
        if last is not None and time < last:
            time, source = max(self.seen.received_time, last + MICROSECOND), TimeSource.EDGE
        elif time == last:
            time += MICROSECOND
        self.state = replace(self.state, changes={**self.state.changes, change: time})
        return time, source

    def is_sane(self, source: datetime, received: datetime) -> bool:
        """Whether a controller's time can be believed: near ours, or late by no more than the delivery can have been.

        `received`: when the reading came, by our clock; its batch may have been complete later.
        A late delivery is believed if the measured offset of the clock is sane and its time is later than everything
        delivered before. Nothing is early.
        """
        seen, tolerance = self.seen, self.setup.max_source_offset
        if abs(source - received) <= tolerance:
            return True
        if seen.clock_offset is None or seen.oldest is None or abs(seen.clock_offset) > tolerance:
            return False
        return seen.oldest - tolerance <= source - seen.clock_offset <= received

    def judge(self, signal: SignalSetup, reading: Reading, *, malformed: bool = False) -> None:
        """One event for each change; good is what is not remembered."""
        quality = Quality.BAD if malformed and reading.quality is Quality.GOOD else reading.quality
        if self.state.qualities.get(signal.name, Quality.GOOD) is quality:
            return
        when = self.changed(f"quality of {signal.name}", reading)
        self.emit(QualityChanged, when, signal=signal.name, quality=quality)
        others = {name: last_quality for name, last_quality in self.state.qualities.items() if name != signal.name}
        self.state = replace(
            self.state, qualities=others if quality is Quality.GOOD else {**others, signal.name: quality}
        )
