"""The heartbeat watch: whether a controller's program still runs, judged from a tag that must keep changing."""

from datetime import datetime

from adapters.reading import Reading, Value


class HeartbeatWatch:
    """Judges one heartbeat; pure, both times are handed in.

    `real_s` is any steadily growing count of real seconds (asyncio's loop time). The age is real, for the clock of the
    plant may run faster than the machine's. `now` is the clock of the plant: it says since when we are blind. A value
    of bad quality (None) is no sign of life. The first value seen is not either: it may be years old.
    """

    def __init__(self, *, max_age_s: float, real_s: float, now: datetime) -> None:
        """Watches from now on; `max_age_s` > 0."""
        self._max_age_s = max_age_s
        self._value: Value | None = None
        self._readable = False
        self._changed_real_s = real_s
        self._changed_time = now
        self._beating = False

    @property
    def beating(self) -> bool:
        """Whether it was seen to change at least once: only then does a connection emit its baseline."""
        return self._beating

    @property
    def was_read(self) -> bool:
        """Whether any value of it was seen."""
        return self._value is not None

    @property
    def trouble(self) -> str:
        """What is wrong with a heartbeat that counts as stuck, as the end of a sentence."""
        if not self.was_read:
            return "was never read"
        return "stands still" if self._readable else "cannot be read any more"

    @property
    def readable(self) -> bool:
        """Whether the last that was seen of it was a value."""
        return self._readable

    @property
    def last_change(self) -> datetime:
        """Our time of the last change, or of the start of the watch where none was seen yet."""
        return self._changed_time

    def see(self, reading: Reading, *, real_s: float) -> bool:
        """Takes one reading of the heartbeat; True if it is a change, that is, a sign of life."""
        return self.see_value(reading.value, real_s=real_s, now=reading.received_time)

    def see_value(self, value: Value | None, *, real_s: float, now: datetime) -> bool:
        """As `see`, for a bare value (None: nothing can be said)."""
        self._readable = value is not None
        if value is None:
            return False
        if self._value is None:
            self._value = value
            return False
        if value == self._value:
            return False
        self._value = value
        self._changed_real_s = real_s
        self._changed_time = now
        self._beating = True
        return True

    def excuse(self, paused_s: float) -> None:
        """This process stood still for so many real seconds: nobody could have seen a change meanwhile."""
        self._changed_real_s += paused_s

    def remaining_s(self, *, real_s: float) -> float:
        """Real seconds until it counts as stuck; zero or below when it is."""
        return self._changed_real_s + self._max_age_s - real_s

    def stuck(self, *, real_s: float) -> bool:
        """Whether it has stood still for `max_age_s` real seconds or longer."""
        return self.remaining_s(real_s=real_s) <= 0
