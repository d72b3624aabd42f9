"""How late one controller's readings may have been delivered, as the times between its batches show; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.reading import Batch, Reading

BURST = timedelta(seconds=1)  # batches that follow one another so soon may have been held up together


@dataclass(slots=True)
class Delivery:
    """What came of one controller, and since when the readings that come next may have happened.

    All that a controller sends goes over one connection, in order. So what comes after a silence may have been held up
    since the batch before it. That holds until a reading comes on time, through further silences too.
    """

    _last: datetime | None = field(default=None, init=False)  # when the last batch was received
    _oldest: datetime | None = field(default=None, init=False)
    _late: bool = field(default=False, init=False)  # the last reading that bore a time came late

    def take(self, batch: Batch, offset: timedelta | None) -> datetime | None:
        """Takes a batch; gives the earliest instant by our clock at which its readings can have happened.

        `offset`: the controller's clock minus ours. None: nothing is known, for there was no batch before.
        """
        received, last = batch.received_time, self._last
        # readings may have waited for others, or for a commit: a silence ended when the first of them came
        came = min((reading.received_time for reading in batch.readings), default=received)
        self._last = received
        if batch.baseline:
            self._oldest, self._late = received, False  # it was read just now
        elif last is not None and (received < last or (came - last > BURST and not self._late)):
            self._oldest = min(last, received)  # our clock may have been set back
        oldest = self._oldest
        newest, newest_came = max(_stamps(batch.readings, offset), default=(None, None))
        if newest is not None and newest_came is not None and not batch.baseline:
            on_time = newest_came - newest <= BURST
            # what is older than anything that can have been held up is no late delivery, but an old value
            self._late = not on_time and oldest is not None and newest >= oldest
            if oldest is not None and on_time:
                self._oldest = max(oldest, min(newest, received))
        return oldest


def _stamps(readings: Iterable[Reading], offset: timedelta | None) -> list[tuple[datetime, datetime]]:
    """When readings happened, by our clock, and when they came; none where that is not known."""
    if offset is None:
        return []
    return [
        (reading.source_time - offset, reading.received_time) for reading in readings if reading.source_time is not None
    ]
