"""When a totaliser is due to start again from zero: at the times of day that the plant's file gives."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mes.intervals import Interval

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ResetSchedule:
    """Local times of day at which a controller sets its totaliser to zero, by its own clock; not every day, perhaps.

    `tolerance`: how far from such a time by our clock it may happen.
    """

    zone: ZoneInfo
    times: tuple[time, ...]
    tolerance: timedelta

    def last_due(self, since: datetime, until: datetime) -> Interval | None:
        """The last stretch in which a reset is due, of those that reach into the time between two instants."""
        day = (until + self.tolerance).astimezone(self.zone).date()
        due = (
            datetime.combine(day - ago * DAY, clock, self.zone).replace(fold=fold).astimezone(UTC)
            for ago in range(2)  # the last one lies on the same date or on the one before
            for clock in self.times
            for fold in (0, 1)
        )
        near = [instant for instant in due if since - self.tolerance <= instant <= until + self.tolerance]
        return Interval(max(near) - self.tolerance, max(near) + self.tolerance) if near else None
