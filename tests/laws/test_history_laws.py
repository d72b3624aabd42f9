"""A stretch of a station's history, read by itself, has the figures that the whole history gives it."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from events import STATION, assigned, at, lost, restored, state
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from list_reader import ListReader
from oee_histories import standard
from random_histories import LENGTH_MIN, histories, plans, standards

from mes.intervals import Interval
from mes.journal.codec import encode_event
from mes.journal.reader import JournalReader
from mes.journal.store import Rows, Store
from mes.model import Journaled, State, StationEvent, StationStandard
from mes.oee.kpi import kpi
from mes.oee.timeline import Timeline, timeline
from mes.results import history as module
from mes.results.history import EventReader, history

windows = st.tuples(st.integers(-600, LENGTH_MIN * 60), st.integers(1, 7200)).map(
    lambda pair: Interval(at(pair[0] / 60), at(sum(pair) / 60))
)


def check(
    reader: EventReader, events: Sequence[Journaled], window: Interval, planned: list[Interval], ideal: StationStandard
) -> None:
    """Both time lines give the window the same figures."""
    whole = timeline(events)

    def figures(line: Timeline) -> object:
        return kpi(line, window, planned, ideal, until=at(LENGTH_MIN), manned=planned)

    known = reader.span_of(STATION)
    line = timeline(history(reader, STATION, window), known_since=None if known is None else known.start)
    assert figures(line) == figures(whole)


@pytest.mark.parametrize("first_look", [1, 2, 32])
@pytest.mark.timeout(60)  # each example is a history of its own
@settings(deadline=None, max_examples=examples(30))
@given(events=histories(), window=windows, planned=plans, ideal=standards)
def test_a_stretch_read_by_itself_has_the_same_figures(
    first_look: int, events: list[Journaled], window: Interval, planned: list[Interval], ideal: StationStandard
) -> None:
    """However few events are looked at first, a window's figures are those of the whole history."""
    reader = ListReader(*(event.event for event in events))
    module.FIRST_LOOK, before = first_look, module.FIRST_LOOK
    try:
        check(reader, events, window, planned, ideal)
    finally:
        module.FIRST_LOOK = before


@pytest.mark.timeout(60)  # each example is a history of its own
@settings(deadline=None, max_examples=examples(20))
@given(histories(), st.lists(windows, min_size=1, max_size=4), plans, standards)
def test_the_journal_reads_a_stretch_alike(
    events: list[Journaled], some: list[Interval], planned: list[Interval], ideal: StationStandard
) -> None:
    """The same from a journal's file, through its indexes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        with Store(path) as store:
            store.write([Rows(events=[encode_event(event.event) for event in events])])
        with JournalReader(path) as reader:
            for window in some:
                check(reader, events, window, planned, ideal)


def test_a_loss_that_only_its_end_tells_of_is_read_whole() -> None:
    """A stretch inside a blind time that was told late has the reason that a person gave at the beginning of it."""
    events: list[StationEvent] = [
        *(lost(0), restored(2, 0), state(2, State.PRODUCING)),
        *(restored(20, 0), state(20, State.PRODUCING), assigned(0, 0, None, "robot")),
    ]
    window = Interval(at(10), at(30))

    check(
        ListReader(*events), [Journaled(seq, event) for seq, event in enumerate(events)], window, [window], standard()
    )


def test_a_long_history_is_not_read_whole() -> None:
    """An hour out of many days reads the events of about an hour."""
    turns = [state(minute, State.DOWN if minute % 2 else State.PRODUCING) for minute in range(20_000)]
    reader = ListReader(*turns)
    found = history(reader, STATION, Interval(at(10_000), at(10_060)))

    assert 60 < len(found) < 250
    assert all(left.interval.end == right.interval.start for left, right in pairwise(timeline(found).spans))
    assert reader.reads == 3
    assert timeline(found).spans[0].interval.start > at(10_000) - timedelta(hours=1)
