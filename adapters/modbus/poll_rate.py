"""Whether a controller is polled as often as it is configured; pure, times are handed in."""

import math
from collections import deque

JUDGED_POLLS = 20  # the rate is that of so many polls, the last ones
SOONEST_POLLS = 5  # one long poll proves nothing
LATE_BELOW, IN_TIME_ABOVE = 0.8, 0.95  # parts of the wanted rate


def next_beat(due_s: float, *, now_s: float, interval_s: float) -> float:
    """The next beat of a fixed rate after the one that was due at `due_s`; beats already missed are left out."""
    return due_s + interval_s * max(1, math.ceil((now_s - due_s) / interval_s))


class PollRate:
    """Follows the beats of one connection. Times are real seconds of a steadily growing count."""

    def __init__(self, *, interval_s: float, now_s: float) -> None:
        """Polls are due every `interval_s` > 0 from now on."""
        self._interval_s = interval_s
        self._due_s = now_s
        self._polled_s: deque[float] = deque(maxlen=JUDGED_POLLS)
        self._late = ""

    @property
    def wanted(self) -> float:
        """Polls per second by the configuration."""
        return 1 / self._interval_s

    @property
    def reached(self) -> float | None:
        """Polls per second lately; None before two at different times."""
        if len(self._polled_s) < 2:
            return None
        took_s = self._polled_s[-1] - self._polled_s[0]
        return (len(self._polled_s) - 1) / took_s if took_s > 0 else None

    @property
    def late(self) -> str:
        """Wanted and reached rate in words, as it was when polls began to be late; empty while they are in time."""
        return self._late

    def polled(self, *, now_s: float) -> tuple[float, int]:
        """Takes the end of one poll; returns when the next is due, and how many are left out until then."""
        self._polled_s.append(now_s)
        self._judge()
        before_s, self._due_s = self._due_s, next_beat(self._due_s, now_s=now_s, interval_s=self._interval_s)
        return self._due_s, round((self._due_s - before_s) / self._interval_s) - 1

    def _judge(self) -> None:
        reached = self.reached
        if reached is None or len(self._polled_s) < SOONEST_POLLS:
            return
        enough_s = (JUDGED_POLLS - 1.5) * self._interval_s  # very slow polls are judged by the time that they took
        if len(self._polled_s) < JUDGED_POLLS and self._polled_s[-1] - self._polled_s[0] < enough_s:
            return
        if not self._late and reached < LATE_BELOW * self.wanted:
            self._late = f"{reached:.2g} of {self.wanted:.4g} polls a second are reached"
        elif self._late and reached > IN_TIME_ABOVE * self.wanted:
            self._late = ""
