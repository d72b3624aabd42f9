"""Laws of totalisers: the count is true whenever the rule can tell, else it is flagged."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from collect_scenes import at
from hypothesis import given
from hypothesis import strategies as st

from mes.collect.counters import Counted, CounterSetup, CounterState, Outcome, ResetPolicy, Unreconciled, count
from mes.model import CountFlag, CountKind

MODULUS = 1000
PER_STEP = 20  # units that can be made between two readings, a minute apart
NEVER = CounterSetup(CountKind.GOOD, MODULUS, ResetPolicy.NEVER, max_per_hour=PER_STEP * 60)
ALLOWED = CounterSetup(CountKind.GOOD, MODULUS, ResetPolicy.ALLOWED, max_per_hour=PER_STEP * 60)
made = st.integers(0, PER_STEP)


class Trick(StrEnum):
    """What may happen to a reading besides the units that it shows."""

    NONE = "none"
    TWICE = "twice"
    STALE = "stale"
    RESET = "reset"


@dataclass(slots=True)
class Reader:
    """Feeds readings to the rule and keeps what it counts."""

    setup: CounterSetup
    state: CounterState | None = None
    counted: int = 0

    def read(self, raw: int, minutes: float, gap: timedelta | None = None, unread: timedelta = timedelta()) -> Outcome:
        self.state, outcome = count(self.setup, self.state, raw, at(60 * minutes), gap=gap, unread=unread)
        if isinstance(outcome, Counted):
            assert outcome.delta >= 0
            self.counted += outcome.delta
        return outcome


@given(start=st.integers(0, MODULUS - 1), steps=st.lists(st.tuples(made, st.booleans()), max_size=80))
def test_increments_wraps_and_duplicates_are_exact(start: int, steps: list[tuple[int, bool]]) -> None:
    """Without resets and stale values every unit is counted once, through any number of turns, and nothing flagged."""
    reader = Reader(NEVER)
    reader.read(start, 0)
    truth = start
    for minute, (units, again) in enumerate(steps, start=1):
        truth += units
        for _ in range(1 + again):
            assert not isinstance(reader.read(truth % MODULUS, minute), Unreconciled)

    assert reader.counted == truth - start


@given(start=st.integers(0, MODULUS - 1), units=st.integers(0, 2 * MODULUS), idle=st.integers(0, 10_000))
def test_a_gap_is_exact_or_flagged(start: int, units: int, idle: int) -> None:
    """After any gap, however long it stood still before, the number is right or there is none."""
    minutes = -(-units // PER_STEP)
    reader = Reader(NEVER)
    reader.read(start, 0)
    raw = (start + units) % MODULUS
    outcome = reader.read(raw, idle + minutes, gap=timedelta(minutes=minutes))

    assert isinstance(outcome, Unreconciled) or reader.counted == units
    assert isinstance(outcome, Unreconciled) or minutes * PER_STEP < MODULUS


@given(
    start=st.integers(0, MODULUS - 1),
    steps=st.lists(st.tuples(made, st.sampled_from([Trick.NONE, Trick.TWICE, Trick.STALE]), made), max_size=60),
)
def test_stale_values_are_flagged_and_count_nothing(start: int, steps: list[tuple[int, Trick, int]]) -> None:
    """A sample from the past between two true ones is flagged, and the total is right at the next true one."""
    reader = Reader(NEVER)
    reader.read(start, 0)
    truth = start
    for minute, (units, trick, behind) in enumerate(steps, start=1):
        truth += units
        reader.read(truth % MODULUS, minute)
        if trick is Trick.TWICE:
            reader.read(truth % MODULUS, minute)
        if trick is Trick.STALE and behind:
            assert isinstance(reader.read((truth - behind) % MODULUS, minute + 0.2), Unreconciled)
            reader.read(truth % MODULUS, minute + 0.4)

        assert reader.counted == truth - start


@given(steps=st.lists(st.tuples(made, st.booleans()), max_size=60))
def test_decidable_resets_are_exact_and_flagged(steps: list[tuple[int, bool]]) -> None:
    """A reset far from a turn, read within a minute, loses no unit and is flagged as one."""
    reader = Reader(ALLOWED)
    reader.read(0, 0)
    truth = raw = 0
    for minute, (units, wish) in enumerate(steps, start=1):
        decidable = 4 * PER_STEP <= raw < MODULUS - 2 * PER_STEP
        raw = units if wish and decidable else (raw + units) % MODULUS
        truth += units
        outcome = reader.read(raw, minute)
        if wish and decidable:
            assert isinstance(outcome, Counted)
            assert outcome.flag is CountFlag.RESET

    assert reader.counted == truth


class Way(StrEnum):
    """How the next true reading comes to us."""

    WATCHED = "watched"
    TWICE = "twice"
    GLITCH = "glitch"  # followed by some value that is not true, then by the true one again
    BAD = "bad"  # cannot be read; what was made shows later
    GAP = "gap"  # read after we were blind


HALF = (MODULUS - 1) // 2
mixed = st.lists(
    st.tuples(st.sampled_from(Way), st.integers(1, 70), st.integers(0, 100), st.integers(0, MODULUS - 1)), max_size=60
)


@given(start=st.integers(0, MODULUS - 1), steps=mixed)
def test_a_mixed_stream_is_exact_or_flagged(start: int, steps: list[tuple[Way, int, int, int]]) -> None:
    """Any mix of turns, duplicates, untrue values, bad values and gaps: what the rule can tell is counted, exactly."""
    reader, truth, minute, unread, made_unread = Reader(NEVER), start, 0, 0, 0
    reader.read(start, 0)
    for way, minutes, percent, untrue in steps:
        minute += minutes
        units = PER_STEP * minutes * percent // 100
        units = units if way in (Way.GAP, Way.BAD) else min(units, HALF)
        truth += units
        if way is Way.BAD:
            unread, made_unread = unread + minutes, made_unread + units
            continue
        blind = timedelta(minutes=minutes) if way is Way.GAP else None
        held = timedelta(minutes=unread + minutes) if unread else timedelta()
        outcome = reader.read(truth % MODULUS, minute, blind, held)
        turned = PER_STEP * (unread + minutes) >= MODULUS and (unread > 0 or way is Way.GAP)
        seen = units + made_unread
        assert isinstance(outcome, Unreconciled) or reader.counted == truth - start
        assert not isinstance(outcome, Unreconciled) or turned or seen > HALF
        if way is Way.TWICE:
            reader.read(truth % MODULUS, minute)
        if way is Way.GLITCH:
            first, again = reader.read(untrue, minute + 0.1), reader.read(truth % MODULUS, minute + 0.2)
            outcome = outcome if isinstance(outcome, Unreconciled) else again
            assert Unreconciled in (type(first), type(again)) or untrue == truth % MODULUS
        unread = made_unread = 0
        if isinstance(outcome, Unreconciled):
            # flagged: a person decides; the next stretch is judged by itself
            reader, start = Reader(NEVER), truth
            reader.read(truth % MODULUS, minute)

        assert reader.counted == truth - start


@given(jump=st.integers(PER_STEP * 2, HALF), idle=st.integers(1, 10_000), steps=st.lists(made.filter(bool), min_size=1))
def test_what_was_flagged_is_never_counted_later(jump: int, idle: int, steps: list[int]) -> None:
    """A jump beyond belief stays uncounted however long the totaliser then stands still; what follows it is counted."""
    reader = Reader(NEVER)
    reader.read(0, 0)
    assert isinstance(reader.read(jump, 1), Unreconciled)
    raw = jump
    for minute, units in enumerate(steps, start=1 + idle):
        raw += units
        if units < raw:
            reader.read(raw % MODULUS, minute)

    assert reader.counted == raw - jump


@given(
    readings=st.lists(st.tuples(st.integers(-5, MODULUS + 5), st.integers(-3, 300)), max_size=40),
    policy=st.sampled_from([NEVER, ALLOWED]),
)
def test_the_total_never_falls(readings: list[tuple[int, int]], policy: CounterSetup) -> None:
    """Whatever is read, at whatever times: a delta is never negative and never a full turn."""
    reader, minutes = Reader(policy), 0
    for raw, later in readings:
        minutes += later
        before = reader.counted
        reader.read(raw, minutes)

        assert before <= reader.counted < before + MODULUS
