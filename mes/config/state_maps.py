"""State maps and products by what the controllers say: the plant's own words beside the built-in ones."""

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mes.collect.states import PACKML_OPC30060, PACKML_TAGS, BitMap, BitRule, CodeMap, CodeRange, StateMap
from mes.collect.values import code
from mes.config.findings import Findings
from mes.config.models.plant import BitRule as BitShape
from mes.config.models.plant import ProductShape, StateMapShape
from mes.config.problems import did_you_mean
from mes.config.source import Place
from mes.model import ProductId, State

HIGHEST_BIT = 63
WILD = re.compile(r"[*?]")
RANGE = re.compile(r"(-?[0-9]{1,18})\s*-\s*(-?[0-9]{1,18})")
Say = Callable[[str, str, str], None]  # a mistake at a key: what it is, and what to do
BUILT_IN: Mapping[str, CodeMap] = {"packml-tags": CodeMap(PACKML_TAGS), "packml-opc30060": CodeMap(PACKML_OPC30060)}


def state_maps(shapes: Mapping[str, StateMapShape], findings: Findings) -> dict[str, StateMap]:
    """All maps by name, the built-in ones included; a map that is wrong is reported, and empty."""
    found: dict[str, StateMap] = {**{name: CodeMap({}) for name in shapes}, **BUILT_IN}
    for name, shape in shapes.items():
        place = ("state_maps", name)
        if name in BUILT_IN:
            findings.problem(place, f"`{name}` is built in", "choose another name; `like` takes over a built-in map")
        elif shape.bits and (shape.numbers or shape.like):
            findings.problem(place, "a map goes by numbers or by bits, not by both", "make two maps of it")
        elif shape.bits:
            found[name] = BitMap(_bit_rules(shape.bits, (*place, "bits"), findings), shape.otherwise or State.NO_DATA)
        elif shape.like is not None and shape.like not in BUILT_IN:
            what = f"there is no built-in map `{shape.like}`"
            findings.problem((*place, "like"), what, did_you_mean(shape.like, BUILT_IN))
        elif not shape.numbers and not shape.like:
            findings.problem(place, "the map is empty", "give `numbers`, `bits` or `like`")
        else:
            found[name] = _code_map(shape, place, findings)
    for name, shape in shapes.items():
        if State.PRODUCING not in _states(found[name]) and (shape.numbers or shape.bits):
            remedy = "name the code for producing; without it no station of this map ever has operating time"
            findings.warning(("state_maps", name), "no code of this map means producing", remedy)
    return found


def _states(found: StateMap) -> set[State]:
    match found:
        case CodeMap():
            return {*found.codes.values(), *(steps.state for steps in found.ranges), found.otherwise}
        case BitMap():
            return {*(rule.state for rule in found.rules), found.otherwise}


def _code_map(shape: StateMapShape, place: Place, findings: Findings) -> CodeMap:
    codes = dict(BUILT_IN[shape.like].codes) if shape.like else {}
    ranges: list[CodeRange] = []
    named: dict[str, int | str] = {}
    for raw, state in shape.numbers.items():
        here = (*place, "numbers", raw)
        limits = RANGE.fullmatch(str(raw))
        if limits is None:
            if (same := named.setdefault(code(raw), raw)) != raw:
                findings.problem(here, f"`{raw}` and `{same}` are one code", "delete one of the two")
            codes[code(raw)] = state
            continue
        lowest, highest = int(limits[1]), int(limits[2])
        other = next((steps for steps in ranges if lowest <= steps.highest and steps.lowest <= highest), None)
        if lowest > highest:
            findings.problem(here, f"the range {raw} is empty", "write the lower number first")
        elif other is not None:
            what = f"the range {raw} overlaps {other.lowest}-{other.highest}"
            findings.problem(here, what, "let each number stand in one range; a single number may stand beside one")
        else:
            ranges.append(CodeRange(lowest, highest, state))
    return CodeMap(codes, tuple(ranges), shape.otherwise or State.NO_DATA)


def _bit_rules(shapes: Sequence[BitShape], place: Place, findings: Findings) -> tuple[BitRule, ...]:
    rules: list[BitRule] = []
    for number, shape in enumerate(shapes):
        here = (*place, number)
        rule = _bit_rule(shape, here, findings)
        if rule is None:
            continue
        same = next((above for above in rules if replace(above, state=rule.state) == rule), None)
        if same is not None:
            findings.problem(here, "the same bits stand in a rule above, which wins", "delete one, or correct its bits")
        rules.append(rule)
    return tuple(rules)


def bit_field(bit: int | None, bits: str | None, say: Say) -> tuple[int, int] | None:
    """First and last bit of what is looked at; None, and it is said, where the file does not give one that can be."""
    if (bit is None) == (bits is None):
        say("bit", "either one `bit` or a field of `bits` is looked at", "give one of the two")
        return None
    first, last = (bit, bit) if bits is None else map(int, bits.split("-"))
    assert first is not None
    assert last is not None
    if first > last or last > HIGHEST_BIT:
        say("bits", f"`{bits}` is no field of bits", f"write the lower bit first; bits go from 0 to {HIGHEST_BIT}")
        return None
    return first, last


def _bit_rule(shape: BitShape, place: Place, findings: Findings) -> BitRule | None:
    def say(key: str, what: str, remedy: str) -> None:
        findings.problem((*place, key), what, remedy)

    field = bit_field(shape.bit, shape.bits, say)
    if field is None:
        return None
    first, last = field
    if (shape.from_ is None) != (shape.to is None) or (shape.is_ is not None and shape.to is not None):
        findings.problem(place, "a rule says `is`, or both `from` and `to`", "correct it: `from: 2, to: 5`")
        return None
    if shape.bits is not None and shape.is_ is None and shape.to is None:
        findings.problem(place, "the rule does not say what its bits must be", "add `is`, or `from` and `to`")
        return None
    lowest = int(next(number for number in (shape.is_, shape.from_, 1) if number is not None))
    highest = lowest if shape.to is None else shape.to
    most = (1 << (last - first + 1)) - 1
    if lowest > highest or highest > most:
        remedy = f"{last - first + 1} bits hold numbers from 0 to {most}, the lower one stands first"
        findings.problem(place, f"these bits can never be {lowest} to {highest}", remedy)
        return None
    return BitRule(most << first, lowest << first, shape.state, highest << first if highest != lowest else None)


def product_patterns(shapes: Mapping[str, ProductShape]) -> tuple[tuple[re.Pattern[str], ProductId], ...]:
    """Products by what they are called with `*` for any characters and `?` for one; the first that matches holds."""
    return tuple(
        (re.compile(fnmatch.translate(raw), re.DOTALL), ProductId(name))
        for name, shape in shapes.items()
        for raw in map(code, shape.raw)
        if WILD.search(raw)
    )


def raw_products(shapes: Mapping[str, ProductShape], findings: Findings) -> dict[str, ProductId]:
    """Products by the codes that controllers say for them, written as text."""
    found: dict[str, ProductId] = {}
    for name, shape in shapes.items():
        for raw in (said for said in map(code, shape.raw) if not WILD.search(said)):
            if raw in found and found[raw] != name:
                what = f"`{raw}` stands for {found[raw]} already"
                findings.problem(("products", name, "raw"), what, "give each code to one product")
            found.setdefault(raw, ProductId(name))
    return found
