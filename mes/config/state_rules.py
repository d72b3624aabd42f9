"""A station's state by rules over several values: what the file says, and what cannot be."""

from collections.abc import Mapping

from adapters.reading import TagId
from adapters.settings import DataType, ModbusTag
from mes.collect.states import Condition, StateRule, StateRules
from mes.collect.values import code
from mes.config.findings import Findings
from mes.config.models.plant import Code, ConditionShape, StateShape
from mes.config.source import Place
from mes.config.state_maps import Say, bit_field
from mes.config.stations import Resolved
from mes.config.tags import Tag, span
from mes.model import State

Inputs = Mapping[Place, tuple[TagId, Tag]]


def state_rules(station: Resolved, inputs: Inputs, findings: Findings) -> StateRules | None:
    """The rules of a station, in order; None without any. `inputs`: what is looked at, by its place in the station."""
    shape = station.shape.signals.state
    if shape is None or not shape.rules:
        return None
    _check(station, shape, findings)
    rules: list[StateRule] = []
    for number, rule in enumerate(shape.rules):
        within: Place = ("signals", "state", "rules", number)
        wanted = [(within, rule), *(((*within, "and", place), other) for place, other in enumerate(rule.and_))]
        conditions, texts = [], []
        for where, condition in wanted:
            if where not in inputs:
                continue  # it is reported why
            tag_id, tag = inputs[where]
            read = _condition(tag_id, tag, condition, _sayer(station, where, findings))
            if read is not None:
                conditions.append(read)
                texts.append(_text(tag, condition))
        made = StateRule(tuple(conditions), rule.state, ", ".join(texts))
        if conditions and any(other.conditions == made.conditions for other in rules):
            remedy = "delete one of the two, or correct what they look at"
            findings.problem(
                station.origin(*within), "a rule above looks at the same, and wins", remedy, station=station.path
            )
        rules.append(made)
    return StateRules(tuple(rules), shape.otherwise or State.NO_DATA)


def _check(station: Resolved, shape: StateShape, findings: Findings) -> None:
    beside = sorted(key for key in shape.model_fields_set - {"rules", "otherwise"} if getattr(shape, key) is not None)
    if beside:
        what = f"`{beside[0]}` stands beside `rules`, each of which says itself what it looks at"
        remedy = "delete it, or move it into a rule"
        if beside[0] == "map":
            remedy = "delete it; a rule says its `state` itself"
        findings.problem(station.origin("signals", "state", beside[0]), what, remedy, station=station.path)
    if State.PRODUCING not in (shape.otherwise, *(rule.state for rule in shape.rules)):
        remedy = "add a rule for producing; without one the station never has operating time"
        findings.warning(station.origin("signals", "state"), "no rule means producing", remedy, station=station.path)


def _sayer(station: Resolved, within: Place, findings: Findings) -> Say:
    def say(key: str, what: str, remedy: str) -> None:
        findings.problem(station.origin(*within, key), what, remedy, station=station.path)

    return say


def _condition(tag_id: TagId, tag: Tag, shape: ConditionShape, say: Say) -> Condition | None:
    bits = None
    if (shape.bit, shape.bits) != (None, None):
        bits = bit_field(shape.bit, shape.bits, say)
        if bits is None:
            return None
        if isinstance(tag, ModbusTag) and (tag.type is DataType.BOOL or bits[1] >= 16 * tag.element_size):
            say("bit", f"this value has no bit {bits[1]}", "read the whole word, or correct the bit")
            return None
    given = [
        key for key in ("is", "is_not", "from") if getattr(shape, key if key == "is_not" else f"{key}_") is not None
    ]
    if len(given) > 1 or (shape.from_ is None) != (shape.to is None):
        say("is", "a condition says `is`, or `is_not`, or both `from` and `to`", "correct it: `from: 100, to: 199`")
        return None
    if shape.from_ is not None and shape.to is not None:
        if shape.from_ > shape.to:
            say("from", f"no number lies from {shape.from_:g} to {shape.to:g}", "write the lower number first")
            return None
        return Condition(tag_id, frozenset(), shape.from_, shape.to, bits=bits)
    if shape.is_not is not None:
        return Condition(tag_id, _codes(shape.is_not), negated=True, bits=bits)
    if shape.is_ is None and shape.bits is not None:
        say("bits", "the condition does not say what its bits must be", "add `is`, `is_not`, or `from` and `to`")
        return None
    return Condition(tag_id, _codes(True if shape.is_ is None else shape.is_), bits=bits)


def _codes(given: Code | list[Code]) -> frozenset[str]:
    return frozenset(map(code, given if isinstance(given, list) else [given]))


def _text(tag: Tag, shape: ConditionShape) -> str:
    """A condition as a person would read it: `coil 3`, `holding 10 bits 4-7 is 2`."""
    bits = f" bit {shape.bit}" if shape.bit is not None else f" bits {shape.bits}" if shape.bits is not None else ""
    match shape.is_, shape.is_not, shape.from_, shape.to:
        case None, None, None, None:
            wanted = ""
        case None, None, lowest, highest:
            wanted = f" from {lowest:g} to {highest:g}"
        case None, unwanted, None, None:
            wanted = f" is not {_listed(unwanted)}"
        case value, _, _, _:
            wanted = f" is {_listed(value)}"
    return f"{span(tag)}{bits}{wanted}"


def _listed(given: object) -> str:
    return " or ".join(map(str, given)) if isinstance(given, list) else str(given)
