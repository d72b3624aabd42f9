"""State maps and products by what the controllers say: the plant's own words beside the built-in ones."""

from collections.abc import Mapping

from mes.collect.states import PACKML_OPC30060, PACKML_TAGS, BitMap, BitRule, CodeMap, StateMap
from mes.collect.values import code
from mes.config.findings import Findings
from mes.config.models.plant import ProductShape, StateMapShape
from mes.config.problems import did_you_mean
from mes.model import ProductId, State

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
            rules = tuple(BitRule(1 << bit.bit, 1 << bit.bit, bit.state) for bit in shape.bits)
            found[name] = BitMap(rules, shape.otherwise or State.NO_DATA)
        elif shape.otherwise:
            findings.problem((*place, "otherwise"), "`otherwise` goes with `bits` only", "name each number instead")
        elif shape.like is not None and shape.like not in BUILT_IN:
            what = f"there is no built-in map `{shape.like}`"
            findings.problem((*place, "like"), what, did_you_mean(shape.like, BUILT_IN))
        elif not shape.numbers and not shape.like:
            findings.problem(place, "the map is empty", "give `numbers`, `bits` or `like`")
        else:
            base = BUILT_IN[shape.like].codes if shape.like else {}
            found[name] = CodeMap({**base, **{code(raw): state for raw, state in shape.numbers.items()}})
    return found


def raw_products(shapes: Mapping[str, ProductShape], findings: Findings) -> dict[str, ProductId]:
    """Products by the codes that controllers say for them, written as text."""
    found: dict[str, ProductId] = {}
    for name, shape in shapes.items():
        for raw in map(code, shape.raw):
            if raw in found and found[raw] != name:
                what = f"`{raw}` stands for {found[raw]} already"
                findings.problem(("products", name, "raw"), what, "give each code to one product")
            found.setdefault(raw, ProductId(name))
    return found
