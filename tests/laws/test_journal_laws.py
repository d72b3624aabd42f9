"""Laws of the journal: events come back as they were, and a crash at any moment loses nothing acknowledged."""

import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args, get_type_hints

from events import raised
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mes.journal.codec import KINDS, decode_event, encode_event, from_us, to_us
from mes.journal.store import Rows, Store
from mes.model import Explained, FaultRaised, StationEvent, StationId

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # bounds are naive
STRATEGIES: Mapping[object, st.SearchStrategy[Any]] = {
    datetime: TIMES,
    timedelta: st.timedeltas(timedelta(0), timedelta(days=400)),
    int: st.integers(-(2**63), 2**64 - 1),  # the widest totaliser is 64 bits
    tuple[Explained, ...]: st.lists(st.builds(Explained, TIMES, TIMES, st.none() | st.text()), max_size=3).map(tuple),
}


def _values(hint: Any) -> st.SearchStrategy[Any]:
    options = (hint,) if hint in STRATEGIES else get_args(hint) or (hint,)
    return st.one_of([STRATEGIES[option] if option in STRATEGIES else st.from_type(option) for option in options])


def _events(event_type: type[StationEvent]) -> st.SearchStrategy[StationEvent]:
    return st.builds(event_type, **{name: _values(hint) for name, hint in get_type_hints(event_type).items()})


@given(st.one_of([_events(event_type) for event_type in KINDS.values()]))
def test_every_event_comes_back_as_it_was(event: StationEvent) -> None:
    """Encoding an event of any class and decoding its row gives an equal event, times exact to the microsecond."""
    station, kind, time_us, received_us, from_us_, to_us_, body = encode_event(event)

    assert from_us_ <= time_us <= to_us_
    assert decode_event(1, kind, body).event == event
    assert (station, from_us(time_us), from_us(received_us)) == (event.station, event.time, event.received_time)


def test_every_class_of_event_has_a_kind() -> None:
    """The kinds of the file format are exactly the classes of StationEvent."""
    assert set(KINDS.values()) == set(get_args(StationEvent))


@given(TIMES)
def test_microseconds_are_exact(instant: datetime) -> None:
    """A time is the same after a way through whole microseconds."""
    assert from_us(to_us(instant)) == instant


class CrashingStore(RuleBasedStateMachine):
    """The store against a list and a dictionary, with crashes that leave the files as they are at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="journal-laws-"))
        self.life = 0
        self.store = Store(self.path)
        self.codes: list[str] = []
        self.state: dict[StationId, bytes] = {}
        self.cursor = 0

    @property
    def path(self) -> Path:
        return self.folder / str(self.life) / "journal.sqlite"

    @rule(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=4), body=st.binary(max_size=8))
    def write(self, sizes: list[int], body: bytes) -> None:
        requests = []
        for size in sizes:
            codes = [str(len(self.codes) + n) for n in range(size)]
            self.codes += codes
            requests.append(Rows(events=[encode_event(raised(0, code)) for code in codes], states=[("s", body)]))
        self.state = {StationId("s"): body}

        assert self.store.write(requests)[-1] == len(self.codes)

    @rule(seq=st.integers(0, 50))
    def advance(self, seq: int) -> None:
        self.store.write([Rows(cursors=[("sink", seq)])])
        self.cursor = max(self.cursor, seq)

    @rule()
    def crash(self) -> None:
        """The files are taken away under a running writer: its memory is lost, what it synced is not."""
        before = self.path.parent
        self.life += 1
        shutil.copytree(before, self.path.parent)
        self.store.__exit__()
        shutil.rmtree(before)
        self.store = Store(self.path)

    @precondition(lambda self: self.life < 20)
    @rule()
    def close_and_open(self) -> None:
        self.store.__exit__()
        self.store = Store(self.path)

    @invariant()
    def holds_what_was_written(self) -> None:
        found = self.store.read(0, 1000)
        assert [journaled.seq for journaled in found] == list(range(1, len(self.codes) + 1))
        assert [journaled.event.code for journaled in found if isinstance(journaled.event, FaultRaised)] == self.codes
        assert self.store.station_states() == self.state
        assert self.store.cursor("sink") == self.cursor
        assert self.store.last_seq == len(self.codes)

    def teardown(self) -> None:
        self.store.__exit__()
        shutil.rmtree(self.folder)


CrashingStore.TestCase.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)
TestCrashingStore = CrashingStore.TestCase
