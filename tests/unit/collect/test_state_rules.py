"""A state that several values tell: priority, negation, fields of bits, ranges, and what is not known."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from collect_scenes import at, live, lost, only, said, station
from hypothesis import given
from hypothesis import strategies as st

from adapters.reading import Gap, TagId, Value
from mes.collect.signals import StateInputSignal, StationSetup
from mes.collect.states import BitMap, BitRule, CodeMap, CodeRange, Condition, StateRule, StateRules
from mes.collect.station import Observation, decode_state, encode_state
from mes.model import QualityChanged, State, StateChanged, TimeSource

FAULTED, AUTO, STEP, WORD = (TagId(name) for name in ("faulted", "auto", "step", "word"))
RULES = StateRules(
    (
        StateRule((Condition(FAULTED),), State.DOWN, "faulted"),
        StateRule((Condition(AUTO, frozenset({"0"})),), State.IDLE, "not in automatic"),
        StateRule((Condition(WORD, frozenset({"3"}), bits=(4, 7)),), State.SETUP, "word bits 4-7 is 3"),
        StateRule(
            (Condition(STEP, lowest=100, highest=199), Condition(AUTO, frozenset({"manual"}), negated=True)),
            State.PRODUCING,
            "step from 100 to 199",
        ),
    ),
    State.STARVED,
)


def told() -> StationSetup:
    """A station whose state four values tell."""
    signals = {tag: StateInputSignal(f"state.{tag}") for tag in (FAULTED, AUTO, STEP, WORD)}
    return replace(station(), signals=signals, state_rules=RULES)


def seen(seconds: float, values: Mapping[str, Value | None], *, baseline: bool = False) -> Observation:
    """What was received then, without the controller's time."""
    return Observation(tuple(said(tag, value, seconds) for tag, value in values.items()), at(seconds), baseline)


def states(*scenes: Observation | Gap) -> list[tuple[State, str]]:
    """What the station was told to do, one after the other."""
    return [(change.state, change.raw) for change in only(StateChanged, live(told(), *scenes))]


FIRST: Mapping[str, Value | None] = {"faulted": False, "auto": True, "step": 0, "word": 0}


@pytest.mark.parametrize(
    ("values", "state"),
    [
        pytest.param({"step": 100}, State.PRODUCING, id="the lowest of a range"),
        pytest.param({"step": 199.0}, State.PRODUCING, id="the highest of a range"),
        pytest.param({"step": 200}, State.STARVED, id="beyond the range no rule holds"),
        pytest.param({"step": 150, "faulted": True}, State.DOWN, id="the first rule that holds decides"),
        pytest.param({"step": 150, "auto": 0}, State.IDLE, id="a bit that is not set"),
        pytest.param({"step": 150, "word": 0b0011_0101}, State.SETUP, id="a field of a word"),
        pytest.param({"step": 150, "word": 0b0111_0101}, State.PRODUCING, id="another number in the field"),
        pytest.param({"step": 150, "auto": "manual"}, State.STARVED, id="a condition that must not hold"),
        pytest.param({"step": 150, "faulted": "TRUE"}, State.DOWN, id="true is true in every type"),
        pytest.param({"step": None}, State.NO_DATA, id="an unknown value that could decide"),
        pytest.param({"step": None, "faulted": True}, State.DOWN, id="an unknown value behind one that decides"),
        pytest.param({"faulted": None, "step": 150}, State.NO_DATA, id="an unknown value before one that decides"),
        pytest.param({"step": "one"}, State.NO_DATA, id="a text is in no range"),
        pytest.param({"word": "x", "step": 150}, State.NO_DATA, id="a text has no bits"),
        pytest.param({"step": (1, 2)}, State.NO_DATA, id="a list is no value"),
    ],
)
def test_the_first_rule_that_holds_decides(values: Mapping[str, Value | None], state: State) -> None:
    """Present values lead to one state, at a baseline and as changes."""
    present = {**FIRST, **values}

    assert states(seen(0, present, baseline=True))[-1][0] is state
    assert states(seen(0, FIRST, baseline=True), seen(9, values))[-1][0] is state


def test_between_two_values_of_one_scan_nothing_happens() -> None:
    """Two values that change together make one change, at the time of the later one; without a change there is none."""
    changes = (said("faulted", True, 10, stamped=9.00), said("step", 150, 10, stamped=9.04))
    scenes = (seen(0, FIRST, baseline=True), Observation(changes, at(10), baseline=False), seen(20, {"step": 160}))
    done = only(StateChanged, live(told(), *scenes))

    assert [change.state for change in done] == [State.STARVED, State.DOWN]
    assert (done[-1].time, done[-1].time_source) == (at(9.04), TimeSource.CONTROLLER)


def test_after_a_gap_nothing_of_before_counts() -> None:
    """What was told before a gap tells nothing after it."""
    scenes = (seen(0, FIRST, baseline=True), lost(5), lost(5, 50), seen(50, {"step": 150}, baseline=True))

    assert [state for state, _ in states(*scenes)] == [State.STARVED, State.NO_DATA]


def test_quality_is_that_of_each_value() -> None:
    """Each value that tells the state has a quality of its own."""
    done = only(QualityChanged, live(told(), seen(0, FIRST, baseline=True), seen(5, {"step": None})))

    assert [change.signal for change in done] == ["state.step"]


def test_values_that_were_dropped_are_unknown_since_the_last_change() -> None:
    """Where the controller dropped a value the state is unknown from the last change on."""
    dropped = Observation((said("step", 150, 20, stamped=19, overflow=True),), at(20), baseline=False)
    done = only(StateChanged, live(told(), seen(0, FIRST, baseline=True), seen(5, {"auto": False}), dropped))

    assert [(change.state, change.raw) for change in done[-2:]] == [
        (State.NO_DATA, "overflow"),
        (State.IDLE, "not in automatic"),
    ]


VALUES: Mapping[str, st.SearchStrategy[Value | None]] = {
    "faulted": st.sampled_from([True, False, None]),
    "auto": st.sampled_from([True, False, "manual", None]),
    "step": st.sampled_from([0, 100, 150.0, 199, 200, "x", None]),
    "word": st.sampled_from([0, 0x30, 0x3F, 0x70, None]),
}


@given(st.lists(st.fixed_dictionaries({}, optional=dict(VALUES)), max_size=12), st.booleans())
def test_however_it_is_delivered_the_last_values_tell(changes: list[dict[str, Value | None]], restart: bool) -> None:
    """One by one or all at once, and with a restart between: the state at the end is that of the present values."""
    scenes = [seen(10 * place + 10, values) for place, values in enumerate(changes) if values]
    step_by_step = live(told(), seen(0, FIRST, baseline=True), *scenes)
    if restart:
        assert decode_state(encode_state(step_by_step.state)) == step_by_step.state
    last = dict(FIRST)
    for values in changes:
        last |= values
    at_once = live(told(), seen(0, last, baseline=True))

    assert step_by_step.state.state is at_once.state.state
    assert step_by_step.state.inputs == at_once.state.inputs


@pytest.mark.parametrize(
    ("raw", "state"),
    [(99, "idle"), (100, "producing"), ("150", "down"), (199.0, "producing"), (-5, "setup"), (200, "idle")],
)
def test_ranges_of_codes(raw: Value, state: str) -> None:
    """A code of its own stands before a range; what is in none is the rest."""
    ranges = (CodeRange(100, 199, State.PRODUCING), CodeRange(-9, -1, State.SETUP))

    assert CodeMap({"150": State.DOWN}, ranges, State.IDLE).state(raw) == state
    assert CodeMap({"150": State.DOWN}, ranges).names("x") is False


@pytest.mark.parametrize(
    ("word", "state"), [(0b000, "down"), (0b001, "idle"), (0b0010_0001, "setup"), (0b0100_0001, "producing")]
)
def test_fields_of_a_word(word: int, state: str) -> None:
    """A bit that must not be set, and a field that holds a number or one of several."""
    rules = (
        BitRule(1, 0, State.DOWN),
        BitRule(0xF0, 0x20, State.SETUP),
        BitRule(0xF0, 0x30, State.PRODUCING, highest=0x50),
    )

    assert BitMap(rules, otherwise=State.IDLE).state(word) == state
