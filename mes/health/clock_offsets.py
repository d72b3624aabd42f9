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
    """The clocks of all controllers; looks at every batch, and tells once when a clock was set or has gone far."""

    _meters: dict[ControllerId, OffsetMeter] = field(default_factory=lambda: defaultdict(OffsetMeter), init=False)
    _far: set[ControllerId] = field(default_factory=set, init=False)

    def take(self, batch: Batch) -> None:
        """A batch that is journaled."""
        if batch.baseline:
            return
        meter = self._meters[batch.controller]
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

    def offset(self, controller: ControllerId) -> timedelta | None:
        """By how much a controller's clock is ahead of ours; None until a few changes, well apart, agree on it."""
        meter = self._meters.get(controller)
        return None if meter is None or not meter.is_settled else meter.offset

    def offsets(self) -> dict[ControllerId, float]:
        """Seconds by which each clock is ahead of ours, where that is known."""
        return {
            controller: meter.offset.total_seconds()
            for controller, meter in self._meters.items()
            if meter.offset is not None
        }
