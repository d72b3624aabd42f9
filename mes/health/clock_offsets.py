"""How far the controllers' clocks are from ours, as their readings show it."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.reading import Batch, ControllerId, Reading
from mes.logs import get_logger

log = get_logger()

BUCKET = timedelta(seconds=10)
BUCKETS = 12  # the estimate is made of the last two minutes
SETTLED_BUCKETS = 3
FAR = timedelta(seconds=2)  # beyond it an offset is worth an alarm
STEP = timedelta(seconds=5)  # a larger move between two buckets is a step: 100 ppm of drift are 1 ms, a publish is late


@dataclass(frozen=True, slots=True)
class Step:
    """A controller's clock was set: its offset before and after."""

    before: timedelta
    after: timedelta


@dataclass(slots=True)
class OffsetMeter:
    """A controller's clock minus ours.

    A reading arrives after the controller stamped it, never before. So the largest (source - received) of a while is
    the nearest to the truth. Only changes are used: in a baseline, a value that has not changed for hours carries an
    old stamp.
    """

    first: timedelta | None = field(
        default=None, init=False
    )  # as measured at the connection; None once the clock was set
    _buckets: deque[tuple[datetime, timedelta]] = field(default_factory=lambda: deque(maxlen=BUCKETS), init=False)

    def take(self, readings: Iterable[Reading], received: datetime) -> Step | None:
        """The readings of one batch; says if the controller's clock was set since the last ones."""
        offsets = [
            reading.source_time - reading.received_time for reading in readings if reading.source_time is not None
        ]
        if not offsets:
            return None
        newest, before = max(offsets), self.offset
        if before is not None and abs(newest - before) > STEP and self._is_new(received):
            late = newest < before  # perhaps only a slow answer: the next ones tell
            if not late or self._late_too(newest):
                agreeing = [self._buckets[-1]] if late else []
                self.first = None
                self._buckets.clear()
                self._buckets.extend((*agreeing, (received, newest)))
                return Step(before, newest)
        if self._buckets and not self._is_new(received):
            began, known = self._buckets[-1]
            self._buckets[-1] = (began, max(known, newest))
        else:
            self._buckets.append((received, newest))
        return None

    @property
    def offset(self) -> timedelta | None:
        """The present estimate; None before the first change."""
        return max((length for _, length in self._buckets), default=None)

    @property
    def is_settled(self) -> bool:
        """Whether the estimate rests on enough: the first changes may all have come late, in one burst.

        After a step back the two looks that told it count too.
        """
        return len(self._buckets) >= SETTLED_BUCKETS

    @property
    def is_far(self) -> bool:
        """Whether the offset is worth an alarm."""
        return self.offset is not None and abs(self.offset) > FAR

    def _is_new(self, received: datetime) -> bool:
        return not self._buckets or abs(received - self._buckets[-1][0]) >= BUCKET

    def _late_too(self, newest: timedelta) -> bool:
        """Whether the bucket before was as late: a delay that lasts for two is no delay."""
        return abs(self._buckets[-1][1] - newest) <= STEP


@dataclass(slots=True)
class ControllerClocks:
    """The clocks of all controllers; looks at every batch, and tells once when a clock was set or has gone far.

    `measures`: False by a simulated clock, by which every delay on the way looks like minutes. Then only what was
    measured at a connection is known.
    """

    measures: bool = True
    _meters: dict[ControllerId, OffsetMeter] = field(default_factory=lambda: defaultdict(OffsetMeter), init=False)
    _far: set[ControllerId] = field(default_factory=set, init=False)

    def take(self, batch: Batch) -> timedelta | None:
        """A batch that came; by how much its controller's clock is ahead of ours, as far as that is known now.

        That is what changes well apart agree on, this batch's included, and until then what was measured at the
        connection. None if neither is known, and after the clock was set, until changes agree again.
        """
        meter = self._meters[batch.controller]
        if batch.baseline:
            meter.first = batch.clock_offset
        elif self.measures:
            self._measure(meter, batch)
        return meter.offset if meter.is_settled else meter.first

    def _measure(self, meter: OffsetMeter, batch: Batch) -> None:
        step = meter.take(batch.readings, batch.received_time)
        if step is not None:
            before_s, after_s = step.before.total_seconds(), step.after.total_seconds()
            log.warning("controller_clock_set", controller=batch.controller, offset_s=after_s, before_s=before_s)
        if meter.is_far is (batch.controller in self._far) or meter.offset is None:
            return
        if meter.is_far:
            self._far.add(batch.controller)
            log.warning("controller_clock_far", controller=batch.controller, offset_s=meter.offset.total_seconds())
        else:
            self._far.discard(batch.controller)
            log.info("controller_clock_right", controller=batch.controller, offset_s=meter.offset.total_seconds())

    def offsets(self) -> dict[ControllerId, float]:
        """Seconds by which each clock is ahead of ours, where that is known."""
        return {
            controller: meter.offset.total_seconds()
            for controller, meter in self._meters.items()
            if meter.offset is not None
        }
