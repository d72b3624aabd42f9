"""When a controller was last seen: how long ago the values that we hold are known to have held."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from mes.collect.counters import LATENESS

APART = LATENESS / 10  # batches that come closer together are one


@dataclass(slots=True)
class Looks:
    """The last batches of one controller, by our clock; an empty one, a keep-alive, is a look as well.

    A batch that came after a silence may have been held up for as long, and the batches behind it too. So the last look
    is the newest one older than `LATENESS`, or the oldest of this connection.
    """

    times: deque[datetime] = field(default_factory=deque)

    def before(self, now: datetime) -> datetime | None:
        """The last look before a batch that is received now; None on a new connection."""
        while len(self.times) > 1 and now - self.times[1] >= LATENESS:
            self.times.popleft()
        return self.times[0] if self.times else None

    def add(self, now: datetime) -> None:
        """A batch was received now."""
        if self.times and now < self.times[-1]:
            self.times.clear()  # our clock was set back
        if not self.times or now - self.times[-1] >= APART:
            self.times.append(now)

    def end(self) -> None:
        """The connection is lost: what is held is not looked at any more."""
        self.times.clear()
