"""How long the journal's commits take: a histogram since the start, and the 99th percentile of the last thousand."""

import bisect
import collections
import threading
from dataclasses import dataclass

# Upper bounds of the histogram's buckets, in seconds: from a solid-state disk's sync to a disk that hardly answers.
BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECENT = 1000  # commits that the percentile is taken of


@dataclass(frozen=True, slots=True)
class Commits:
    """The commits since the start, and how many real seconds each took.

    `counts`: commits in each bucket of `BOUNDS_S`, its upper bound included; the last number is those beyond them all.
    `sum_s`: of all durations. `p99_s`: of the last thousand commits; None before the first.
    """

    counts: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)
    sum_s: float = 0.0
    p99_s: float | None = None


class CommitTimes:
    """Takes the duration of each commit as it happens. The journal's thread adds, any thread reads."""

    def __init__(self) -> None:
        """No commit yet."""
        self._lock = threading.Lock()
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0
        self._recent_s: collections.deque[float] = collections.deque(maxlen=RECENT)

    def add(self, took_s: float) -> None:
        """One more commit."""
        with self._lock:
            self._counts[bisect.bisect_left(BOUNDS_S, took_s)] += 1
            self._sum_s += took_s
            self._recent_s.append(took_s)

    def present(self) -> Commits:
        """All commits so far."""
        with self._lock:
            counts, sum_s, recent_s = tuple(self._counts), self._sum_s, list(self._recent_s)
        recent_s.sort()
        return Commits(counts, sum_s, recent_s[len(recent_s) * 99 // 100] if recent_s else None)
