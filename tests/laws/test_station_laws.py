"""Laws of one station as a whole: whatever the link does, each unit is counted once and named once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

from collect_scenes import at, entry, lost, ring, said, station
from hypothesis import given
from hypothesis import strategies as st

from adapters.reading import Gap, Quality, Reading, TagId, Value
from mes.collect.station import Observation, StationSetup, StationState, decode_state, encode_state, initial_state, step
from mes.model import (
    CountFlag,
    CountKind,
    CountUnreconciled,
    StationEvent,
    TimeSource,
    UnitCompleted,
    UnitsCounted,
    UnitsUnidentified,
)

CYCLE_S = 90


class Way(StrEnum):
    """How a finished unit comes to us."""

    TOGETHER = "together"
    COUNT_FIRST = "count_first"
    RECORD_FIRST = "record_first"
    BAD_FIRST = "bad_first"  # the totaliser is of bad quality once, then good
    CUT = "cut"  # the link is down from before it on


@dataclass(slots=True)
class Plc:
    """A controller with a ring of 16 records and totalisers of 16 bits, and a collector that sees it."""

    now_s: float = 0
    records: list[str] = field(default_factory=list)
    products: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    raw: dict[str, int] = field(default_factory=lambda: {"good": 65530, "scrap": 0, "total": 65500})
    cut_s: float | None = None
    events: list[StationEvent] = field(default_factory=list)
    setup: StationSetup = field(default_factory=lambda: station(max_per_hour=60))
    state: StationState = field(default_factory=initial_state)

    def __post_init__(self) -> None:
        self.see({"product": "S3", **self.all()}, baseline=True)

    def all(self) -> dict[str, Value]:
        ring = [""] * 16
        for number, text in enumerate(self.records):
            ring[number % 16] = text
        return {**self.raw, "log": tuple(ring)}

    def see(self, values: Mapping[str, Value | None], *, baseline: bool = False) -> None:
        readings = tuple(said(tag, value, self.now_s) for tag, value in values.items())
        self.take(Observation(readings, at(self.now_s), baseline))

    def take(self, scene: Observation | Gap) -> None:
        done = step(self.setup, decode_state(encode_state(self.state)), scene)
        self.state, self.events = done.state, [*self.events, *done.events]

    def blind(self, since_s: float, until_s: float | None = None) -> None:
        self.take(lost(since_s, until_s))

    def make(self, way: Way, product: str, kind: str) -> None:
        """One unit, and what is seen of it."""
        if way is Way.CUT and self.cut_s is None:
            self.cut_s = self.now_s
            self.blind(self.now_s)
        elif way is not Way.CUT:
            self.heal(product)
        self.now_s += 1
        if self.cut_s is None:
            self.see({"product": product})
        self.now_s += CYCLE_S
        number = len(self.records) + 1
        self.records.append(entry(number, self.now_s, "G" if kind == "good" else "S", product))
        self.products[product] += 1
        self.kinds[kind] += 1
        self.raw = {tag: (value + (tag in (kind, "total"))) % 65536 for tag, value in self.raw.items()}
        if self.cut_s is None:
            self.show(way)

    def show(self, way: Way) -> None:
        """The same facts, in the order in which this link brings them."""
        match way:
            case Way.COUNT_FIRST:
                self.see(self.raw)
                self.now_s += 1
                self.see({"log": self.all()["log"]})
            case Way.RECORD_FIRST:
                self.see({"log": self.all()["log"]})
                self.now_s += 1
                self.see(self.raw)
            case Way.BAD_FIRST:
                self.see({"good": None, "scrap": None, "log": None})
                self.now_s += 1
                self.see(self.all())
            case _:
                self.see(self.all())

    def heal(self, product: str) -> None:
        """The link is back, if it was cut."""
        if self.cut_s is not None:
            self.now_s += 1
            self.blind(self.cut_s, self.now_s)
            self.cut_s = None
            self.see({"product": product, **self.all()}, baseline=True)

    def counted(self, kind: CountKind) -> Counter[str]:
        """Units by product."""
        found: Counter[str] = Counter()
        for event in self.events:
            if isinstance(event, UnitsCounted) and event.kind is kind and event.delta:
                found[str(event.product)] += event.delta
        return found


units = st.lists(
    st.tuples(st.sampled_from(Way), st.sampled_from(["S3", "S2"]), st.sampled_from(["good", "good", "scrap"])),
    max_size=60,
)


@given(units)
def test_every_unit_is_counted_once_and_named_once(made: list[tuple[Way, str, str]]) -> None:
    """Cuts, late counts, late records and bad values: counts, ids and, where records reach, products are the truth."""
    plc = Plc()
    for way, product, kind in made:
        plc.make(way, product, kind)
    plc.heal("S3")

    good, scrap = plc.counted(CountKind.GOOD), plc.counted(CountKind.SCRAP)
    assert (good.total(), scrap.total()) == (plc.kinds["good"], plc.kinds["scrap"])
    assert plc.counted(CountKind.TOTAL).total() == len(made)
    assert not [event for event in plc.events if isinstance(event, CountUnreconciled)]

    missing = sum(event.missing for event in plc.events if isinstance(event, UnitsUnidentified))
    named = [event.unit for event in plc.events if isinstance(event, UnitCompleted)]
    assert len(named) == len(set(named)) == len(made) - missing
    if not missing:
        assert good + scrap == plc.products


@given(units)
def test_raw_values_of_counts_follow_each_other(made: list[tuple[Way, str, str]]) -> None:
    """Each count begins where the one before it ended and moves by its delta, modulo the totaliser's width."""
    plc = Plc()
    for way, product, kind in made:
        plc.make(way, product, kind)
    plc.heal("S3")

    for kind in (CountKind.GOOD, CountKind.SCRAP, CountKind.TOTAL):
        chain = [event for event in plc.events if isinstance(event, UnitsCounted) and event.kind is kind]
        assert chain[0].flag is CountFlag.BASELINE
        for before, after in pairwise(chain):
            assert after.previous_raw == before.raw
            assert (before.raw + after.delta) % 65536 == after.raw


@given(units)
def test_the_same_scenes_lead_to_the_same_events(made: list[tuple[Way, str, str]]) -> None:
    """A step is a function: a story told twice has the same events; none of our times lies after its receipt."""
    stories = []
    for _ in range(2):
        plc = Plc()
        for way, product, kind in made:
            plc.make(way, product, kind)
        stories.append(plc.events)

    assert stories[0] == stories[1]
    assert all(event.time <= event.received_time for event in stories[0] if event.time_source is TimeSource.EDGE)


raws: st.SearchStrategy[Value] = (
    st.integers(65530, 65535) | st.integers(0, 40) | st.sampled_from([-1, 65536, 2.5, True, "many"])
)
entries = st.builds(
    entry, st.integers(1, 40), st.integers(-60, 6000), st.sampled_from(["G", "S"]), st.sampled_from(["S3", "S2", ""])
)
SAYS: Mapping[str, st.SearchStrategy[Value]] = {
    "state": st.sampled_from([6, 9, 4, 99, "6"]),
    "good": raws,
    "scrap": raws,
    "total": raws,
    "unit": st.sampled_from(["", "V1", "V2"]),
    "product": st.sampled_from(["S3", "S2", "S9", "", 3]),
    "fault": st.integers(0, 2),
    "current": st.floats() | st.just("warm"),
    "log": st.lists(entries | st.sampled_from(["", "torn;"]), max_size=16).map(lambda log: ring(*log)[:16])
    | st.just(1),
}


@st.composite
def scenes(draw: st.DrawFn) -> list[Observation | Gap]:
    """Anything that a link may bring, in the order of our clock."""
    found: list[Observation | Gap] = []
    now_s, since_s = 0, None
    for later_s in draw(st.lists(st.integers(0, 900), max_size=12)):
        now_s += later_s
        if draw(st.integers(0, 4)) == 0:
            since_s = now_s if since_s is None else since_s
            found.append(lost(since_s))
            continue
        if since_s is not None:
            found.append(lost(since_s, now_s))
        readings = []
        for tag in draw(st.lists(st.sampled_from(sorted(SAYS)), max_size=6)):
            quality = draw(st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.UNCERTAIN, Quality.BAD]))
            value = None if quality is Quality.BAD else draw(SAYS[tag])
            source = draw(st.none() | st.integers(now_s - 40, now_s + 40).map(at))
            readings.append(Reading(TagId(tag), value, quality, source, at(now_s), overflow=draw(st.booleans())))
        found.append(Observation(tuple(readings), at(now_s), baseline=since_s is not None or not found))
        since_s = None
    return found


def heard(story: list[Observation | Gap], setup: StationSetup) -> list[Observation | Gap]:
    """What of it concerns the signals of this station."""
    return [
        replace(scene, readings=tuple(one for one in scene.readings if one.tag in setup.signals))
        if isinstance(scene, Observation)
        else scene
        for scene in story
    ]


@given(scenes(), st.booleans())
def test_the_journal_changes_nothing(story: list[Observation | Gap], log: bool) -> None:
    """Whatever is said, a state that went through the journal leads to the same as one that did not."""
    setup = station(log=log)
    plain = kept = initial_state()
    for scene in heard(story, setup):
        one, two = step(setup, plain, scene), step(setup, decode_state(encode_state(kept)), scene)

        assert one == two
        plain, kept = one.state, two.state


@given(scenes(), st.booleans())
def test_nothing_said_makes_a_false_event(story: list[Observation | Gap], log: bool) -> None:
    """Whatever is said: no delta is negative, none is of a value that is not good, none comes while we are blind."""
    setup, state = station(log=log), initial_state()
    for scene in heard(story, setup):
        done = step(setup, state, scene)
        good: set[object] = {counter.raw for counter in state.held.values()}  # they were good when they were said
        state = done.state
        if isinstance(scene, Observation):
            good |= {
                reading.value for reading in scene.readings if reading.quality is Quality.GOOD and reading.tag != "log"
            }
        for event in done.events:
            if isinstance(event, UnitsCounted):
                assert event.delta >= 0
                assert event.since is None or event.since <= event.time
            if isinstance(event, CountUnreconciled):
                assert event.raw in good
        counted = [event for event in done.events if isinstance(event, UnitsCounted)]
        # before a fall that a person has to decide, the record of units may say what the totaliser had counted up to
        recorded = {(event.kind, event.previous_raw) for event in done.events if isinstance(event, CountUnreconciled)}
        for kind in CountKind:
            last = next((count.raw for count in reversed(counted) if count.kind is kind), None)
            assert last is None or last in good or (kind, last) in recorded
