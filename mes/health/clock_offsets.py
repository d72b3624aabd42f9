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
    old stamp. What the controller's clock itself showed at the connection counts like a change that came at once.
    """

    _read: bool = field(default=False, init=False)  # the controller's clock was read, and has not been set since
    _buckets: deque[tuple[datetime, timedelta]] = field(default_factory=lambda: deque(maxlen=BUCKETS), init=False)

    def read(self, offset: timedelta, received: datetime) -> Step | None:
        """What the controller's clock itself showed; says if it was set since the last readings."""
        before = self.offset
        self._read = True
        self._buckets.clear()
        self._buckets.append((received, offset))
        return Step(before, offset) if before is not None and abs(offset - before) > STEP else None

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
            if not late or self._late_too(newest, before):
                agreeing = [self._buckets[-1]] if late else []
                self._read = False
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

        After a step back the two looks that told it count too. The controller's clock itself is enough.
        """
        return self._read or len(self._buckets) >= SETTLED_BUCKETS

    @property
    def is_far(self) -> bool:
        """Whether the offset is worth an alarm."""
        return self.offset is not None and abs(self.offset) > FAR

    def _is_new(self, received: datetime) -> bool:
        return not self._buckets or abs(received - self._buckets[-1][0]) >= BUCKET

    def _late_too(self, newest: timedelta, before: timedelta) -> bool:
        """Whether the last bucket was late too, and as late: a delay that lasts for two is no delay."""
        last = self._buckets[-1][1]
        return before - last > STEP and abs(last - newest) <= STEP


@dataclass(slots=True)
class ControllerClocks:
    """The clocks of all controllers; looks at every batch, and tells once when a clock was set or has gone far.

    `measures`: False by a simulated clock, by which every delay on the way looks like minutes. Then only what was
    read at a connection is known.
    """

    measures: bool = True
    _meters: dict[ControllerId, OffsetMeter] = field(default_factory=lambda: defaultdict(OffsetMeter), init=False)
    _far: set[ControllerId] = field(default_factory=set, init=False)

    def take(self, batch: Batch) -> timedelta | None:
        """A batch that came; by how much its controller's clock is ahead of ours, as far as that is known now.

        That is what was read at the connection and what changes well apart agree on, this batch's included. None while
        there is neither, and after the clock was set, until changes agree again.
        """
        meter, step = self._meters[batch.controller], None
        if batch.baseline and batch.clock_offset is not None:
            step = meter.read(batch.clock_offset, batch.received_time)
        elif not batch.baseline and self.measures:
            step = meter.take(batch.readings, batch.received_time)
        if self.measures:
            self._tell(batch.controller, meter, step)
        return meter.offset if meter.is_settled else None

    def _tell(self, controller: ControllerId, meter: OffsetMeter, step: Step | None) -> None:
        if step is not None:
            before_s, after_s = step.before.total_seconds(), step.after.total_seconds()
            log.warning("controller_clock_set", controller=controller, offset_s=after_s, before_s=before_s)
        if meter.is_far is (controller in self._far) or meter.offset is None:
            return
        if meter.is_far:
            self._far.add(controller)
            log.warning("controller_clock_far", controller=controller, offset_s=meter.offset.total_seconds())
        else:
            self._far.discard(controller)
            log.info("controller_clock_right", controller=controller, offset_s=meter.offset.total_seconds())

    def offsets(self) -> dict[ControllerId, float]:
        """Seconds by which each clock is ahead of ours, where that is known."""
        return {
            controller: meter.offset.total_seconds()
            for controller, meter in self._meters.items()
            if meter.offset is not None
        }
