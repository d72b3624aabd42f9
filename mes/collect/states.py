"""What a controller's code for a station's state means: PackML in both numberings, vendors' enums, bit patterns."""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.reading import Value
from mes.collect.values import code
from mes.model import State

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
class CodeMap:
    """States by the code that the controller sends, as `values.code` writes it."""

    codes: Mapping[str, State]

    def state(self, raw: Value) -> State:
        """The state, or NO_DATA for a code that nobody explained: it is never guessed."""
        return self.codes.get(code(raw), State.NO_DATA)

    def names(self, raw: Value) -> bool:
        """Whether the code is in the map."""
        return code(raw) in self.codes


@dataclass(frozen=True, slots=True)
class BitRule:
    """Holds if the bits of `mask` in the word are those of `value`."""

    mask: int
    value: int
    state: State


@dataclass(frozen=True, slots=True)
class BitMap:
    """States by bit pattern; the first rule that holds wins, so the order is the priority."""

    rules: tuple[BitRule, ...]
    otherwise: State = State.NO_DATA

    def state(self, raw: Value) -> State:
        """The state of a status word; NO_DATA for anything that is no whole number."""
        if not isinstance(raw, int):
            return State.NO_DATA
        return next((rule.state for rule in self.rules if raw & rule.mask == rule.value), self.otherwise)

    def names(self, raw: Value) -> bool:
        """Whether it is a status word that a rule, or the rest of the map, explains."""
        if not isinstance(raw, int):
            return False
        return self.otherwise is not State.NO_DATA or any(raw & rule.mask == rule.value for rule in self.rules)


StateMap = CodeMap | BitMap
