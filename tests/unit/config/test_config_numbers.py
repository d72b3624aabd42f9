"""Numbers of the plant's file: no Boolean is taken for one, and hexadecimal is always the address on the wire."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from mes.config.load import check, default_config, load
from mes.config.source import Place, Source, at, parse, read
from mes.config.validate import shape

CASES = Path(__file__).parents[2] / "cases" / "config"
CODES = {"raw", "none", "is", "is_not", "faults"}  # where true is 1, as controllers say either
GOOD = sorted(file.parent for file in CASES.glob("*/expected.txt") if "good\n" in file.read_text(encoding="utf-8"))
PLANT = """
site:
  name: demo
  time_zone: Asia/Qostanay
  calendar: {{shifts: [{{name: day, days: [mon], start: "08:00", end: "16:30"}}]}}
products: {{S3: {{name: JAC S3, assembly_method: CKD, raw: ["S3"]}}}}
state_maps: {{codes: {{numbers: {{0: idle, 1: producing}}}}}}
controllers: {{plc: {{kind: modbus-tcp, host: 10.0.0.6, {controller}heartbeat: {{address: 1}}}}}}
templates:
  cell:
    controller: plc
    ideal_cycle_s: {{any: 540}}
    signals:
      state: {{address: 10, map: codes}}
      good_count: {{address: 20, max_per_hour: 60}}
      fault_code: {{{value}}}
areas: {{weld: {{lines: {{l1: {{stations: {{st: {{template: cell{given}}}}}}}}}}}}}
"""


def numbers(value: Any, place: Place) -> Iterator[Place]:
    """The places of a file's numbers."""
    match value:
        case dict():
            for key, member in value.items():
                yield from numbers(member, (*place, key))
        case list():
            for index, member in enumerate(value):
                yield from numbers(member, (*place, index))
        case int() | float() if not isinstance(value, bool):
            yield place


def test_no_boolean_is_taken_for_a_number() -> None:
    """True in the place of any number of the good files is named there; codes alone may be true or false."""
    tried: set[tuple[str, ...]] = set()
    for file in [default_config(), *(folder / "plant.yaml" for folder in GOOD)]:
        source = read(file)
        for place in numbers(source.data, ()):
            names = tuple(part for part in place if isinstance(part, str))[-2:]
            if CODES & set(names) or names in tried:
                continue
            tried.add(names)
            data = deepcopy(source.data)
            holder: Any = at(data, place[:-1])
            holder[place[-1]] = True
            found = shape(Source("plant.yaml", data, source.lines)).problems

            assert [problem.what for problem in found] == ["`true` is no number"], place
            assert found[0].line == source.line(place)
    assert len(tried) > 40


def test_a_boolean_code_is_a_code(tmp_path: Path) -> None:
    """`true` in `raw`, `none`, `is` and `faults` is the code 1, as a controller's Boolean is."""
    file = tmp_path / "plant.yaml"
    text = PLANT.format(controller="", value="address: 30", given="").replace('raw: ["S3"]', "raw: [true]")
    text = text.replace(
        "numbers: {0: idle, 1: producing}", "bits: [{bit: 0, is: false, state: idle}, {bit: 0, state: producing}]"
    )
    file.write_text(text + "reasons: {r: {en: R, category: starved, faults: [true]}}\n", encoding="utf-8")

    config = load(file).config

    [setup] = config.setups.values()
    [standard] = config.standards.values()
    assert (dict(setup.products), dict(standard.reasons.by_fault)) == ({"1": "S3"}, {"1": "r"})


def address(tmp_path: Path, value: str, controller: str = "", given: str = "") -> tuple[str, int] | str:
    """The table and address of the fault code; or what is wrong."""
    file = tmp_path / "plant.yaml"
    file.write_text(PLANT.format(controller=controller, value=value, given=given), encoding="utf-8")
    report = check(file)
    said = [problem.what for problem in (*report.problems, *report.warnings)]
    if report.loaded is None or said:
        return said[0]
    [tags] = report.loaded.config.tags.values()
    tag: Any = next(tag for name, tag in tags.items() if name.endswith("fault_code"))
    return str(tag.table), tag.address


@pytest.mark.parametrize("numbering", ["", "numbering: manual, "])
@pytest.mark.parametrize("quote", ["", '"'])
def test_hexadecimal_is_the_address_on_the_wire(numbering: str, quote: str, tmp_path: Path) -> None:
    """A manual that prints 0x17 means the protocol's address: of no other table, and of coils not one less."""
    assert address(tmp_path, f"address: {quote}0x17{quote}", numbering) == ("holding", 23)
    assert address(tmp_path, f"table: coil, address: {quote}0x17{quote}", numbering) == ("coil", 23)
    assert address(tmp_path, f"address: {quote}0x9C41{quote}", numbering) == ("holding", 40001)
    assert "0x1" in address(tmp_path, f"address: {quote}0x1FFFF{quote}", numbering)


def test_hexadecimal_goes_through_a_template(tmp_path: Path) -> None:
    """What is added to a hexadecimal value of `with` stays the address on the wire; decimal stays the manual's."""
    manual = "numbering: manual, "
    assert address(tmp_path, 'address: "{base+1}"', manual, ", with: {base: 0x9C40}") == ("holding", 40001)
    assert address(tmp_path, 'address: "{base}", table: coil', manual, ", with: {base: 0x10}") == ("coil", 16)
    assert address(tmp_path, 'address: "{base+1}"', manual, ", with: {base: 40001}") == ("holding", 1)
    assert "no number of a manual" in address(tmp_path, 'address: "{base-9}"', manual, ", with: {base: 0x1}")


def test_a_decimal_number_of_a_manual_is_warned_about_on_the_wire(tmp_path: Path) -> None:
    """40002 may be meant as on the wire, but hardly is; written as 0x9C42 it is meant."""
    assert "looks like the number of a manual" in address(tmp_path, "address: 40002")
    assert parse("a: 0x10\nb: -0x10\nc: 0o17\n", "f").data == {"a": 16, "b": -16, "c": 15}
