"""How a simulated station shows its states by the wiring that the plant's file describes, and which it cannot show."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.reading import TagId
from mes.collect.signals import StateSignal, StationSetup
from mes.collect.states import CodeMap
from mes.demo.inverse import (
    WORD,
    Field,
    Rule,
    Value,
    code_for,
    overlap,
    rules_of_bits,
    rules_of_tags,
    settings_for,
)
from mes.model import State
from simulators.line import SimState

# What a controller shows that has no signal for a state and no rest in its map: it does not work, in the mildest word.
INSTEAD = (SimState.IDLE, SimState.STARVED, SimState.BLOCKED, SimState.SETUP, SimState.DOWN)


class Unsayable(ValueError):
    """Something of the plant's file that the simulator cannot show; the text is the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class ShownStates:
    """What each tag shows in each state, in which bits of its word, and as which state each true one is seen."""

    values: Mapping[SimState, Mapping[TagId, Value]] = field(default_factory=dict)
    masks: Mapping[TagId, int] = field(default_factory=dict)
    seen_as: Mapping[SimState, SimState] = field(default_factory=lambda: {state: state for state in SimState})


def states_of(setup: StationSetup) -> ShownStates:
    """The states of a station by its map or its rules; none where its counts tell them. Raises Unsayable."""
    signal = next(((tag, signal) for tag, signal in setup.signals.items() if isinstance(signal, StateSignal)), None)
    if setup.state_rules is not None:
        return _by_rules(rules_of_tags(setup.state_rules), setup.state_rules.otherwise, None)
    if signal is None:
        return ShownStates()
    tag, said = signal[0], signal[1].map
    if isinstance(said, CodeMap):
        codes = {state: code_for(said, State(state)) for state in SimState}
        shown = {state: {tag: code} for state, code in codes.items() if code is not None}
        return _projected(shown, {}, said.otherwise)
    return _by_rules(rules_of_bits(said), said.otherwise, tag)


def _by_rules(rules: list[Rule], otherwise: State, word: TagId | None) -> ShownStates:
    """By rules over several tags, or over the bits of one `word`."""
    if (shared := overlap(rules)) is not None:
        raise Unsayable(f"bits {shared.bits} are looked at in two ways, of which the simulator can set one only")
    shown: dict[SimState, Mapping[TagId, Value]] = {}
    masks: dict[TagId, int] = defaultdict(int)
    for state in SimState:
        found = settings_for(rules, otherwise, State(state))
        if found is not None:
            shown[state] = {_tag(name, word): value for name, value in _words(found).items()}
            for field_ in found:
                if field_.bits is not None:
                    masks[_tag(field_.tag, word)] |= _mask(field_.bits)
    return _projected(shown, masks, otherwise)


def _tag(name: TagId, word: TagId | None) -> TagId:
    return word if word is not None and name == WORD else name


def _words(found: Mapping[Field, Value]) -> Mapping[TagId, Value]:
    """The fields of each tag put together to its value."""
    values: dict[TagId, Value] = {}
    for name, value in found.items():
        if name.bits is None:
            values[name.tag] = value
        else:
            values[name.tag] = int(values.get(name.tag, 0)) | int(value) << name.bits[0]
    return values


def _mask(bits: tuple[int, int]) -> int:
    return ((1 << (bits[1] - bits[0] + 1)) - 1) << bits[0]


def _projected(
    shown: Mapping[SimState, Mapping[TagId, Value]], masks: Mapping[TagId, int], otherwise: State
) -> ShownStates:
    """A state without a signal is seen as the rest of the map, where it has one, else as the first of `INSTEAD`."""
    if SimState.PRODUCING not in shown or len(shown) == 1:
        raise Unsayable("its states cannot be simulated: they are only producing, or never that; add the other ones")
    rest = next((state for state in SimState if State(state) is otherwise and state in shown), None)
    stands = rest or next(state for state in INSTEAD if state in shown)
    seen_as = {state: state if state in shown else stands for state in SimState}
    return ShownStates({state: shown[seen] for state, seen in seen_as.items()}, masks, seen_as)
