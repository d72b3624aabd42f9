"""What a controller has to show so that a plant's file takes it for a certain state: state maps and rules backwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from adapters.reading import TagId
from mes.collect.states import BitMap, CodeMap, Condition, StateRules
from mes.model import State

Value = int | str
WORD = TagId("")  # the one value of a bit map
MOST_TRIES = 100_000


class Field(NamedTuple):
    """What a rule looks at: a tag's whole value, or some bits of it, first and last."""

    tag: TagId
    bits: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a field must be for a condition to hold: one of `values`, or from `lowest` to `highest`; else if negated."""

    field: Field
    values: frozenset[Value]
    lowest: float | None = None
    highest: float | None = None
    negated: bool = False

    def holds(self, value: Value) -> bool:
        """Whether it holds."""
        if self.lowest is not None and self.highest is not None:
            inside = not isinstance(value, str) and self.lowest <= value <= self.highest
        else:
            inside = value in self.values
        return inside is not self.negated


Rule = tuple[State, Sequence[Wanted]]


def code_for(codes: CodeMap, state: State) -> Value | None:
    """A code that the map takes for the state; None if there is none."""
    for code, meant in codes.codes.items():
        if meant is state:
            return _value(code)
    for steps in codes.ranges:
        beside = (number for number in range(steps.lowest, steps.highest + 1) if str(number) not in codes.codes)
        if steps.state is state and (number := next(beside, None)) is not None:
            return number
    if codes.otherwise is state:
        highest = max([0, *(int(code) for code in codes.codes if code.isdigit()), *(s.highest for s in codes.ranges)])
        return highest + 1
    return None


def rules_of_bits(bits: BitMap) -> list[Rule]:
    """The rules of a map by bits."""
    rules: list[Rule] = []
    for rule in bits.rules:
        first, last = (rule.mask & -rule.mask).bit_length() - 1, rule.mask.bit_length() - 1
        field, lowest = Field(WORD, (first, last)), rule.value >> first
        highest = lowest if rule.highest is None else rule.highest >> first
        rules.append((rule.state, [Wanted(field, frozenset(), lowest, highest)]))
    return rules


def rules_of_tags(rules: StateRules) -> list[Rule]:
    """The rules over several tags."""
    return [(rule.state, [_wanted(condition) for condition in rule.conditions]) for rule in rules.rules]


def overlap(rules: Sequence[Rule]) -> Field | None:
    """A field that shares bits with another one without being the same; it could not be set by itself."""
    fields = list(dict.fromkeys(wanted.field for _, conditions in rules for wanted in conditions))
    for place, field in enumerate(fields):
        for other in fields[:place]:
            if other.tag == field.tag and _shares(other.bits, field.bits):
                return field
    return None


def settings_for(rules: Sequence[Rule], otherwise: State, state: State) -> Mapping[Field, Value] | None:
    """Values of all fields by which the first rule that holds says `state`; None if there are none.

    Of all that would do the one with the most zeros is taken: a controller sets one bit at a time.
    """
    fields = list(dict.fromkeys(wanted.field for _, conditions in rules for wanted in conditions))
    choices = [_choices(field, rules) for field in fields]
    best: dict[Field, Value] | None = None
    tries = 0
    pending: list[dict[Field, Value]] = [{}]
    while pending and tries < MOST_TRIES:
        tries += 1
        chosen = pending.pop()
        said = _said(rules, otherwise, chosen)
        if said not in (state, None):
            continue
        if len(chosen) < len(fields):
            field = fields[len(chosen)]
            pending += [{**chosen, field: value} for value in reversed(choices[len(chosen)])]
        elif best is None or _set(chosen) < _set(best):
            best = chosen
    return best


def _set(chosen: Mapping[Field, Value]) -> int:
    return sum(value not in (0, "") for value in chosen.values())


def _said(rules: Sequence[Rule], otherwise: State, chosen: Mapping[Field, Value]) -> State | None:
    """What the rules say; None where a field that is not chosen yet could decide."""
    for state, conditions in rules:
        held = [wanted.holds(chosen[wanted.field]) if wanted.field in chosen else None for wanted in conditions]
        if False in held:
            continue
        return None if None in held else state
    return otherwise


def _choices(field: Field, rules: Sequence[Rule]) -> list[Value]:
    """Values of a field of which each condition on it holds for one at least, and fails for one at least."""
    found: list[Value] = [0]
    for _, conditions in rules:
        for wanted in conditions:
            if wanted.field != field:
                continue
            found += sorted(wanted.values, key=str)
            found += [round(number) for number in (wanted.lowest, wanted.highest) if number is not None]
    numbers = [value for value in found if isinstance(value, int)]
    if len(numbers) < len(found):
        return [*dict.fromkeys(value for value in found if isinstance(value, str)), ""]  # a text
    found.append(max(numbers) + 1)
    most = 2 ** (field.bits[1] - field.bits[0] + 1) if field.bits is not None else None
    truth = field.bits is None and set(numbers) <= {0, 1}
    return [value for value in dict.fromkeys(found) if most is None or int(value) < most][: 2 if truth else None]


def _wanted(condition: Condition) -> Wanted:
    values = frozenset(map(_value, condition.codes))
    field = Field(condition.tag, condition.bits)
    return Wanted(field, values, condition.lowest, condition.highest, condition.negated)


def _shares(one: tuple[int, int] | None, other: tuple[int, int] | None) -> bool:
    if one is None or other is None:
        return one is not other
    return one != other and one[0] <= other[1] and other[0] <= one[1]


def _value(code: str) -> Value:
    return int(code) if code.lstrip("-").isdigit() else code
