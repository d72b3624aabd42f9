"""What a person decides of a count adds just that, there and then; the last word holds alone, in every journal."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from collect_scenes import at as seconds
from collect_scenes import live, lost, seen, station
from events import STATION, at, decided, unreconciled
from hypothesis import given, settings
from hypothesis import strategies as st
from random_histories import LENGTH_MIN, histories, instants, products, standards

from adapters.reading import Gap
from mes.collect.counters import ResetPolicy
from mes.collect.station import Observation, encode_state
from mes.health.count_audit import Account
from mes.intervals import Interval
from mes.journal import JournalReader
from mes.journal.codec import encode_event
from mes.journal.import_export import Lines, line, unknown_rows
from mes.journal.store import Rows, Store
from mes.model import (
    CountKind,
    CountReconciled,
    CountUnreconciled,
    Journaled,
    ProductId,
    ReasonAssigned,
    StationEvent,
    StationStandard,
    UnitsCounted,
    totaliser_id,
)
from mes.oee.kpi import Kpi, kpis
from mes.oee.timeline import Timeline, timeline
from mes.oee.unreconciled_counts import decide
from mes.results.unreconciled import cases

HOUR = timedelta(hours=1)
HOURS = [Interval(at(0) + HOUR * n, at(0) + HOUR * (n + 1)) for n in range(-10, LENGTH_MIN // 60 + 1)]
COUNTED = {CountKind.GOOD: "good", CountKind.REWORK: "rework", CountKind.SCRAP: "scrap", CountKind.TOTAL: "produced"}
# what does not go by units
REST = (
    "length",
    "not_planned",
    "apt",
    "minor_stops",
    "down",
    "setup",
    "idle",
    "starved",
    "blocked",
    "no_data",
    "losses",
)


def hourly(events: Sequence[Journaled | StationEvent], standard: StationStandard) -> list[Kpi]:
    """The figures of each hour of a history."""
    told = [event.event if isinstance(event, Journaled) else event for event in events]
    return kpis(timeline(told), HOURS, HOURS, standard, until=HOURS[-1].end)


@settings(deadline=None)
@given(histories(), instants, st.sampled_from(CountKind), st.integers(0, 50), products, standards)
def test_a_decision_adds_its_parts_to_its_hour_and_nothing_elsewhere(
    events: list[Journaled],
    minutes: float,
    kind: CountKind,
    parts: int,
    product: ProductId | None,
    standard: StationStandard,
) -> None:
    """The count of its kind grows by just the parts in just that hour, the doubt is gone, and no second moves."""
    doubted = unreconciled(minutes, kind, raw=77, previous_raw=70)
    whole = [*(event.event for event in events), doubted]
    before, after = hourly(whole, standard), hourly([*whole, decided(doubted, parts, product=product)], standard)
    kinds = {event.kind for event in whole if isinstance(event, UnitsCounted)}

    for was, now in zip(before, after, strict=True):
        here = doubted.time in now.window
        if not here:
            assert now == was
            continue
        assert was.unreconciled - now.unreconciled == 1
        assert [getattr(now, name) for name in REST] == [getattr(was, name) for name in REST]
        # with a total of all units, and none of good ones, good is the rest; a total that nobody counts is the sum
        if kind is not CountKind.TOTAL or kind in kinds:
            is_rest = CountKind.TOTAL in kinds and CountKind.GOOD not in kinds
            if not (kind is CountKind.GOOD and is_rest):
                assert getattr(now, COUNTED[kind]) - getattr(was, COUNTED[kind]) == parts
        for other in set(COUNTED) - {kind, CountKind.GOOD, CountKind.TOTAL}:
            assert getattr(now, COUNTED[other]) == getattr(was, COUNTED[other])


@settings(deadline=None)
@given(histories(), instants, st.lists(st.integers(0, 50), min_size=1, max_size=4), standards, st.randoms())
def test_decided_twice_is_the_last_word_alone(
    events: list[Journaled], minutes: float, words: list[int], standard: StationStandard, order: Random
) -> None:
    """However often a count is decided, and in whatever order the words come, the figures are those of the last one."""
    doubted = unreconciled(minutes, raw=77, previous_raw=70)
    whole: list[StationEvent] = [*(event.event for event in events), doubted]
    said = [decided(doubted, parts, when=500 + place) for place, parts in enumerate(words)]
    last = said[-1]
    order.shuffle(said)

    assert hourly([*whole, *said], standard) == hourly([*whole, last], standard)


@pytest.mark.timeout(60)  # each example is a journal of its own
@settings(deadline=None, max_examples=20)
@given(histories(), st.randoms())
def test_a_decision_survives_export_and_import(events: list[Journaled], order: Random) -> None:
    """In another journal, where every event has another number, the same is decided; importing again adds nothing."""
    told = [event for event in events if not _is_backwards(event.event)]
    texts = [line(journaled) for journaled in told]
    order.shuffle(texts)
    lines = Lines()
    brought = [event for text in texts if (event := lines.event(text)) is not None]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        for _ in range(2):
            with Store(path) as store, JournalReader(path) as reader:
                store.write([Rows(events=list(unknown_rows(reader, brought)))])
        with JournalReader(path) as reader:
            found = list(reader.events(STATION))
    words = [journaled.event for journaled in told if isinstance(journaled.event, CountReconciled)]
    held = [journaled.event for journaled in found if isinstance(journaled.event, CountReconciled)]

    assert {_bare(decision) for decision in held} == {_bare(word) for word in words}
    if not _ties(words):
        mine, theirs = (_of_doubts(history) for history in (told, found))
        assert theirs.unreconciled == mine.unreconciled
        assert Counter(theirs.counts) == Counter(mine.counts)


def _of_doubts(events: list[Journaled]) -> Timeline:
    return timeline([event for event in events if isinstance(event.event, CountReconciled | CountUnreconciled)])


def _bare(event: CountReconciled) -> tuple[object, ...]:
    return (event.time, event.kind, event.raw, event.previous_raw, event.parts, event.recorded_time, event.product)


def _ties(words: list[CountReconciled]) -> bool:
    """Whether two words were recorded in the same microsecond: then the journal's order decides."""
    return len({(word.time, word.kind, word.recorded_time) for word in words}) < len({_bare(word) for word in words})


def _is_backwards(event: StationEvent) -> bool:
    return isinstance(event, ReasonAssigned) and event.end is not None and event.end < event.start


@dataclass(slots=True)
class Line:
    """A station that makes cars, watched or not, and whose totaliser shows nonsense at times."""

    now_s: float = 0
    made: int = 0
    known: dict[datetime, int] = field(default_factory=dict)  # what a person knows was made, at the time of a reading
    scenes: list[Observation | Gap] = field(default_factory=lambda: [seen(0, baseline=True, good=0)])

    def watched(self, made: int) -> None:
        self.now_s += 60
        self.made += made
        self.scenes.append(seen(self.now_s, good=self.made % MODULUS))

    def nonsense(self) -> None:
        self.now_s += 60
        self.known[seconds(self.now_s)] = 0
        self.scenes.append(seen(self.now_s, good=(self.made + MODULUS // 2) % MODULUS))
        self.watched(0)

    def blind(self, hours: int, made: int) -> None:
        since = self.now_s
        self.now_s += 3600 * hours
        self.made += made
        self.known[seconds(self.now_s)] = made
        self.scenes += [lost(since), lost(since, self.now_s), seen(self.now_s, baseline=True, good=self.made % MODULUS)]


MODULUS = 1000
blindness = st.integers(1, 60).flatmap(lambda hours: st.tuples(st.just(hours), st.integers(0, 60 * hours)))


@pytest.mark.timeout(60)  # each example is a journal of its own
@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 1) | st.none() | blindness, max_size=12))
def test_counted_and_decided_is_what_was_made(days: list[int | tuple[int, int] | None]) -> None:
    """Once the truth of each doubt is decided, no car is missing or counted twice, and the count audit agrees."""
    work = Line()
    for day in days:
        match day:
            case None:
                work.nonsense()
            case (hours, made):
                work.blind(hours, made)
            case int():
                work.watched(day)
    work.watched(1)
    setup = station(log=False, reset=ResetPolicy.NEVER, modulus=MODULUS)
    done = live(setup, *work.scenes)
    account = Account(MODULUS)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        rows = Rows(events=[encode_event(event) for event in done.events], states=[(STATION, encode_state(done.state))])
        with Store(path) as store:
            store.write([rows])
        with JournalReader(path) as reader:
            doubtful = cases(reader, {STATION: setup})
    words = [
        decide(case, work.known[case.event.time], None, None, by="aigul", why="she saw", now=at(9999))
        for case in doubtful
    ]
    for seq, event in enumerate([*done.events, *words], start=1):
        if isinstance(event, UnitsCounted | CountUnreconciled | CountReconciled):
            account.take(seq, event)
    line = timeline([*done.events, *words])

    assert sum(count.units for count in line.counts) == work.made == account.counted
    assert line.unreconciled == ()
    audit = account.line((STATION, totaliser_id(CountKind.GOOD)), None)
    assert (audit.unreconciled, audit.difference) == (0, 0)
