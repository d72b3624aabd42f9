"""How long commits take: every one is in the histogram, the latest thousand give the percentile."""

import threading
from pathlib import Path

import pytest
from events import raised
from fakes import START

from mes.journal import Entry, Journal
from mes.journal.commit_times import BOUNDS_S, Commits, CommitTimes


def test_a_bucket_includes_its_upper_bound() -> None:
    """A duration that is a bound is in that bound's bucket, a longer one in the next, the longest in the last."""
    times = CommitTimes()
    for took_s in (0.0, 0.0005, 0.00051, 10.0, 10.1, 3600.0):
        times.add(took_s)

    counts = times.present().counts
    assert (counts[0], counts[1], counts[-2], counts[-1], sum(counts)) == (2, 1, 1, 2, 6)
    assert list(BOUNDS_S) == sorted(set(BOUNDS_S))


def test_the_percentile_is_of_the_last_thousand() -> None:
    """Old commits leave the percentile and stay in the histogram; before the first there is no percentile."""
    times = CommitTimes()
    assert times.present() == Commits()
    for _ in range(500):
        times.add(8.0)
    assert times.present().p99_s == 8.0
    for number in range(1000):
        times.add((number + 1) / 1000)

    present = times.present()
    assert present.p99_s == pytest.approx(0.991)
    assert (sum(present.counts), present.counts[-2]) == (1500, 500)
    assert present.sum_s == pytest.approx(500 * 8.0 + 500.5)


def test_a_reader_never_sees_half_a_commit() -> None:
    """A thread that looks in the middle of a commit sees it in the buckets and in the sum, or in neither."""
    times, looks = CommitTimes(), []

    class Duration(float):
        """One second, and a look from another thread while it is added to the sum."""

        def __radd__(self, sum_s: float) -> float:
            look.start()
            look.join(0.1)  # which the look does not use up unless it has to wait
            return sum_s + 1.0

    look = threading.Thread(target=lambda: looks.append(times.present()))
    times.add(Duration(1.0))
    look.join()

    assert [sum(snapshot.counts) for snapshot in looks] == [snapshot.sum_s for snapshot in looks] == [1]


async def test_each_commit_of_a_journal_is_counted(tmp_path: Path) -> None:
    """None before the first; a commit counts once, whatever it holds, and its duration is in the sum."""
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        assert journal.commits() == Commits()
        for number in range(20):
            await journal.append(Entry(events=[raised(START, "1")] * number))
        commits = journal.commits()

    assert sum(commits.counts) == 20
    assert commits.p99_s is not None
    assert 0 < commits.p99_s < commits.sum_s
