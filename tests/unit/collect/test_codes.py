"""One code, however a controller types it or a text is filled up; a list is no code at all."""

import re
from dataclasses import replace

import pytest
from collect_scenes import at, live, only, said, seen, station

from adapters.reading import Quality, TagId, Value
from mes.collect.signals import FaultSignal, ProductSignal, SignalSetup, StateSignal, UnitSignal
from mes.collect.states import CodeMap
from mes.collect.station import Observation
from mes.collect.values import code
from mes.model import FaultRaised, ProductChanged, ProductId, QualityChanged, State, StateChanged, UnitEntered

ON: tuple[Value, ...] = (True, 1, 1.0, "1", "True", "true", "TRUE", " 1\0\0")
OFF: tuple[Value, ...] = (False, 0, 0.0, "0", "False", "false", "false  ")


@pytest.mark.parametrize("raw", ON)
def test_true_is_1_wherever_a_code_stands(raw: Value) -> None:
    """In a state map, a product's codes and a fault: what a coil, a register or a text says is one thing."""
    signals = {**station().signals, TagId("state"): StateSignal(CodeMap({"0": State.IDLE, "1": State.PRODUCING}))}
    setup = replace(station(), signals=signals, products={"1": ProductId("A")})
    done = live(setup, seen(0, baseline=True, state=0, product=0, fault=0), seen(5, state=raw, product=raw, fault=raw))

    assert only(StateChanged, done)[-1].state is State.PRODUCING
    assert [change.product for change in only(ProductChanged, done)] == ["A"]
    assert [fault.code for fault in only(FaultRaised, done)] == ["1"]


@pytest.mark.parametrize("raw", OFF)
def test_a_fault_bit_that_is_not_set_raises_no_fault(raw: Value) -> None:
    """False is no fault, as 0 is none."""
    done = live(station(), seen(0, baseline=True, fault=raw), seen(5, fault=raw))

    assert code(raw) in FaultSignal().none
    assert only(FaultRaised, done) == []


@pytest.mark.parametrize("raw", ["Running", " Running ", "Running\0\0\0", "Running\r\n"])
def test_what_fills_up_a_text_is_no_part_of_it(raw: str) -> None:
    """Blanks and NULs, as fixed-length texts have them, are stripped: of codes and of ids."""
    assert CodeMap({"Running": State.PRODUCING}).state(raw) is State.PRODUCING
    entered = only(UnitEntered, live(station(), seen(0, baseline=True, unit=""), seen(5, unit=raw)))

    assert [event.unit for event in entered] == ["Running"]


@pytest.mark.parametrize("tag", ["state", "unit", "product", "good", "current"])
def test_a_list_is_bad_quality_and_nothing_else(tag: str) -> None:
    """An array where one value is wanted is never an id, a state or a code made of its elements."""
    signals = {TagId(tag): station().signals[TagId(tag)]}
    setup = replace(station(), signals=signals)
    lists = ((76, 74, 49), (76, 74, 50))
    scenes = [Observation((said(tag, value, place),), at(place), place == 0) for place, value in enumerate(lists)]
    done = live(setup, *scenes)
    changed = only(QualityChanged, done)

    assert [change.quality for change in changed] == [Quality.BAD]
    assert all(isinstance(event, QualityChanged | StateChanged) for event in done.events)
    assert all(change.state is State.NO_DATA for change in only(StateChanged, done))


def test_a_product_is_known_by_a_part_of_an_id_or_by_a_pattern() -> None:
    """Characters 4 to 8 of a VIN say the product, by the code itself or by a pattern; a code goes before a pattern."""
    patterns = ((re.compile("E[A-Z]KR."), ProductId("S2")), (re.compile("12.*"), ProductId("S3")))
    signals: dict[TagId, SignalSetup] = {
        TagId("product"): ProductSignal(characters=(4, 8)),
        TagId("unit"): UnitSignal(characters=(11, 17)),
    }
    setup = replace(station(), signals=signals, products={"12EKR": ProductId("special")}, patterns=patterns)
    vins = ("LJ1ECKR27T1122584", "LJ112XYZ7T1122585X", "LJ112EKR7T1122586", "LJ1??")
    scenes = [seen(0, baseline=True, product="", unit="")]
    scenes += [seen(10 * place + 10, product=vin, unit=vin) for place, vin in enumerate(vins)]
    done = live(setup, *scenes)

    assert [change.product for change in only(ProductChanged, done)] == ["S2", "S3", "special", None]
    assert [event.unit for event in only(UnitEntered, done)] == ["1122584", "1122585", "1122586"]


@pytest.mark.parametrize(
    ("fail_safe", "word", "codes", "unnamed"),
    [
        ({0}, 0b00, ("A",), ()),
        ({0}, 0b01, (), ()),
        ({0}, 0b110, ("A", "B"), (2,)),
        ({0, 1}, 0b00, ("A", "B"), ()),
        ({0, 1}, 0b111, (), ()),
    ],
)
def test_a_fail_safe_bit_is_a_fault_while_it_is_not_set(
    fail_safe: set[int], word: int, codes: tuple[str, ...], unnamed: tuple[int, ...]
) -> None:
    """Other bits beside it are faults while they are set; a word of such bits alone rests with bits that are set."""
    signal = FaultSignal(bits=((0, "A"), (1, "B")), fail_safe=frozenset(fail_safe))
    assert (signal.codes(word), signal.unnamed(word)) == (codes, unnamed)
