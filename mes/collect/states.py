"""What a controller's code for a station's state means: PackML in both numberings, vendors' enums, bit patterns."""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.reading import TagId, Value, bit_field
from mes.collect.values import code, measured, number_of, status_word
from mes.model import State

UNKNOWN = "bad quality"  # what a state is called that was told by no value

# ISA-TR88.00.02 states by name. Suspension has an outer cause that PackML does not tell apart: starved unless the
# plant says otherwise. Holding is an inner cause, so the station itself is down.
_PACKML = {
    "clearing": State.DOWN,
    "stopped": State.IDLE,
    "starting": State.SETUP,
    "idle": State.STARVED,
    "suspended": State.STARVED,
    "execute": State.PRODUCING,
    "stopping": State.IDLE,
    "aborting": State.DOWN,
    "aborted": State.DOWN,
    "holding": State.DOWN,
    "held": State.DOWN,
    "unholding": State.DOWN,
    "suspending": State.STARVED,
    "unsuspending": State.STARVED,
    "resetting": State.SETUP,
    "completing": State.PRODUCING,
    "complete": State.BLOCKED,
}
# Two numberings are in the field, PackTags StateCurrent and the enumeration of OPC 30060 (docs/oee.md).
_PACK_TAGS = {
    1: "clearing",
    2: "stopped",
    3: "starting",
    4: "idle",
    5: "suspended",
    6: "execute",
    7: "stopping",
    8: "aborting",
    9: "aborted",
    10: "holding",
    11: "held",
    12: "unholding",
    13: "suspending",
    14: "unsuspending",
    15: "resetting",
    16: "completing",
    17: "complete",
}
_OPC30060 = {
    0: "stopped",
    1: "resetting",
    2: "idle",
    3: "starting",
    4: "execute",
    5: "completing",
    6: "complete",
    7: "aborting",
    8: "aborted",
    9: "stopping",
    10: "clearing",
    11: "suspending",
    12: "suspended",
    13: "unsuspending",
    14: "holding",
    15: "held",
    16: "unholding",
}
PACKML_TAGS: Mapping[str, State] = {str(number): _PACKML[name] for number, name in _PACK_TAGS.items()}
PACKML_OPC30060: Mapping[str, State] = {str(number): _PACKML[name] for number, name in _OPC30060.items()}


@dataclass(frozen=True, slots=True)
class CodeRange:
    """Whole numbers from `lowest` to `highest`, both included, that mean one state: steps 100 to 199."""

    lowest: int
    highest: int
    state: State


@dataclass(frozen=True, slots=True)
class CodeMap:
    """States by the code that the controller sends, as `values.code` writes it; a code of its own before a range."""

    codes: Mapping[str, State]
    ranges: tuple[CodeRange, ...] = ()
    otherwise: State = State.NO_DATA

    def state(self, raw: Value) -> State:
        """The state, or `otherwise` for a code that nobody explained: it is never guessed."""
        found = self._named(raw)
        return self.otherwise if found is None else found

    def names(self, raw: Value) -> bool:
        """Whether the map explains the code."""
        return self.otherwise is not State.NO_DATA or self._named(raw) is not None

    def _named(self, raw: Value) -> State | None:
        if (found := self.codes.get(code(raw))) is not None:
            return found
        number = number_of(raw) if self.ranges else None
        if number is None:
            return None
        return next((steps.state for steps in self.ranges if steps.lowest <= number <= steps.highest), None)


@dataclass(frozen=True, slots=True)
class BitRule:
    """Holds if the bits of `mask` in the word, where they stand, are `value`, or from `value` to `highest`."""

    mask: int
    value: int
    state: State
    highest: int | None = None

    def holds(self, word: int) -> bool:
        """Whether it holds for a status word."""
        return self.value <= word & self.mask <= (self.value if self.highest is None else self.highest)


@dataclass(frozen=True, slots=True)
class BitMap:
    """States by bit pattern; the first rule that holds wins, so the order is the priority."""

    rules: tuple[BitRule, ...]
    otherwise: State = State.NO_DATA

    def state(self, raw: Value) -> State:
        """The state of a status word; NO_DATA for anything that is none."""
        word = status_word(raw)
        if word is None:
            return State.NO_DATA
        return next((rule.state for rule in self.rules if rule.holds(word)), self.otherwise)

    def names(self, raw: Value) -> bool:
        """Whether it is a status word that a rule, or the rest of the map, explains."""
        word = status_word(raw)
        if word is None:
            return False
        return self.otherwise is not State.NO_DATA or any(rule.holds(word) for rule in self.rules)


StateMap = CodeMap | BitMap


Input = bool | int | float | str | None  # of bad quality, if None


@dataclass(frozen=True, slots=True)
class Condition:
    """What a tag's value must be: one of `codes`, or a number from `lowest` to `highest`; not so, if `negated`.

    `bits`: first and last bit of the field that is looked at. A value that is no number meets no condition on one.
    """

    tag: TagId
    codes: frozenset[str] = frozenset({"1"})
    lowest: float | None = None
    highest: float | None = None
    negated: bool = False
    bits: tuple[int, int] | None = None

    def holds(self, value: Value | None) -> bool | None:
        """Whether it holds; None if that is not known."""
        if value is None or isinstance(value, tuple):
            return None
        if self.bits is not None:
            word = status_word(value)
            if word is None:
                return None
            value = bit_field(word, *self.bits)
        if self.lowest is not None and self.highest is not None:
            number = measured(value)
            return None if number is None else (self.lowest <= number <= self.highest) is not self.negated
        return (code(value) in self.codes) is not self.negated


@dataclass(frozen=True, slots=True)
class StateRule:
    """The station is in `state` if all conditions hold; `text` says so in a few words."""

    conditions: tuple[Condition, ...]
    state: State
    text: str

    def holds(self, inputs: Mapping[TagId, Input]) -> bool | None:
        """Whether all conditions hold; None if that is not known."""
        held = [condition.holds(inputs.get(condition.tag)) for condition in self.conditions]
        return False if False in held else None if None in held else True


@dataclass(frozen=True, slots=True)
class StateRules:
    """What several values say of a station: the first rule that holds decides, so the order is the priority."""

    rules: tuple[StateRule, ...]
    otherwise: State = State.NO_DATA

    def state(self, inputs: Mapping[TagId, Input]) -> tuple[State, str]:
        """The state and what it was told by; NO_DATA where a value is missing that could decide otherwise."""
        for rule in self.rules:
            held = rule.holds(inputs)
            if held is None:
                return State.NO_DATA, UNKNOWN
            if held:
                return rule.state, rule.text
        return self.otherwise, "no rule holds"
