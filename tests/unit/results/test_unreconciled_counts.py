"""What the questions about unreconciled counts cost: what is read, and what is gone through, for many of them."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from events import STATION, at, counted, state, unreconciled
from journals import journal_of

from mes.config.load import default_config, load
from mes.journal import JournalReader
from mes.model import CountFlag, Journaled, State, StationEvent, StationId, TotaliserId
from mes.oee.stops import NotAllowed
from mes.results.changes import NAMED, unreconciled_count
from mes.results.plant import PlantResults
from mes.results.unreconciled import UnreconciledCounts, cases

CONFIG = load(default_config()).config


class CountingReader(JournalReader):
    """A journal's reader that counts how often the counts around a reading were asked for."""

    asked = 0

    def counts_around(
        self, station: StationId, totaliser: TotaliserId, seq: int
    ) -> tuple[Journaled | None, Journaled | None]:
        """The same, counted."""
        self.asked += 1
        return super().counts_around(station, totaliser, seq)


def unreconciled_of(path: Path, number: int, *, counts_every: int | None) -> Path:
    """A journal with so many unreconciled readings of one totaliser, and a count after each `counts_every` of them."""
    events: list[StationEvent] = [state(0, State.PRODUCING)]
    events.append(counted(0, 0, raw=100, previous_raw=None, flag=CountFlag.BASELINE))
    raw = 100
    for minute in range(1, number + 1):
        events.append(unreconciled(minute, raw=5000 + minute, previous_raw=raw))
        if counts_every and minute % counts_every == 0:
            raw += 1
            events.append(counted(minute + 0.5, 1, raw=raw, previous_raw=raw - 1))
    journal_of(path, events)
    return path


def steps(work: Callable[[], object]) -> int:
    """How many lines of the product's own code run for some work; it does not depend on the machine."""
    found = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal found
        if "/mes/oee/" not in frame.f_code.co_filename and "/mes/results/" not in frame.f_code.co_filename:
            return None
        found += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return found


@pytest.mark.parametrize(("counts_every", "reads"), [(None, 1), (10, 20)])
def test_what_lies_between_two_counts_is_read_once(tmp_path: Path, counts_every: int | None, reads: int) -> None:
    """Two hundred unreconciled readings ask for the counts around them once for each stretch without a count."""
    path = unreconciled_of(tmp_path / "journal.sqlite", 200, counts_every=counts_every)
    with CountingReader(path) as reader:
        assert len(cases(reader, CONFIG.setups)) == 200
        assert reader.asked == reads


@pytest.mark.parametrize("counts_every", [None, 10])
def test_twice_as_many_cost_twice_as_much(tmp_path: Path, counts_every: int | None) -> None:
    """Not four times: counted in lines that run, for a stretch without a count and with counts between."""
    costs = []
    for number in (100, 200):
        path = unreconciled_of(tmp_path / f"{number}.sqlite", number, counts_every=counts_every)
        with JournalReader(path) as reader:
            costs.append(steps(lambda reader=reader: cases(reader, CONFIG.setups)))  # type: ignore[misc]
    assert costs[0] > 100
    assert costs[1] < 2.5 * costs[0]


def test_only_what_is_asked_for_is_looked_around(tmp_path: Path) -> None:
    """One of two hundred costs one reading, and is the same case as among all of them."""
    path = unreconciled_of(tmp_path / "journal.sqlite", 200, counts_every=10)
    with CountingReader(path) as reader:
        counts = UnreconciledCounts(reader, CONFIG.setups)
        numbers = counts.numbers()
        assert (len(numbers), numbers) == (200, sorted(numbers, reverse=True))
        [one] = counts.cases([numbers[77]])
        assert reader.asked == 1
        assert one in counts.cases(numbers)


def test_a_refusal_names_the_newest_undecided(tmp_path: Path) -> None:
    """A number that is no unreconciled count is refused with those that are, and no more than a person reads."""
    path = unreconciled_of(tmp_path / "journal.sqlite", 200, counts_every=None)
    with PlantResults(CONFIG, path, now=at(500)) as query:
        with pytest.raises(NotAllowed, match="no_unreconciled_count") as refused:
            unreconciled_count(query, 1)
        newest = UnreconciledCounts(query.reader, CONFIG.setups).numbers()[:NAMED]
    assert refused.value.facts["undecided"] == ", ".join(map(str, sorted(newest)))
    assert STATION in CONFIG.setups
