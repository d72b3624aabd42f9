"""Notices that this process stood still: a stopped process, a suspended machine, an event loop that was held up."""

PERIOD_S = 0.5  # real seconds between two looks
_LEAST_S = 1.0  # a look that comes later than this is a pause; a busy machine is late by less


class PauseMeter:
    """Judges by how much a look comes late; pure, the time is handed in.

    `real_s` is any steadily growing count of real seconds (asyncio's loop time).
    """

    def __init__(self, *, real_s: float) -> None:
        """Looks from now on; somebody must look at least every `PERIOD_S`."""
        self._looked_s = real_s

    def look(self, *, real_s: float) -> float:
        """Seconds for which this process stood still since the last look; 0.0 if it did not."""
        late_s = real_s - self._looked_s - PERIOD_S
        self._looked_s = real_s
        return late_s if late_s >= _LEAST_S else 0.0
