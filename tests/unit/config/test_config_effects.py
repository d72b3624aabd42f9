"""Keys without effect are named, and a remedy that is followed leads to a file without that mistake, and no other."""

import random
from pathlib import Path
from typing import Any

import pytest

from adapters.modbus.decode import decode
from mes.config.load import CheckReport, check

PLANT = """
site: {{name: demo, time_zone: UTC, calendar: {{shifts: [{{name: day, days: [mon], start: "08:00", end: "16:30"}}]}}}}
products: {{S3: {{name: JAC S3, assembly_method: CKD, raw: ["S3"]}}}}
state_maps:
  word: {{bits: [{{bit: 2, state: down}}, {{bit: 0, state: producing}}]}}
  codes: {{numbers: {{0: idle, 1: producing}}}}
alarm_tables: {{robot: {{bits: [{{bit: 3, code: E1}}]}}, texts: {{codes: {{7: {{en: Gun}}}}}}}}
controllers:
  plc: {{kind: modbus-tcp, host: 10.0.0.6, heartbeat: {{address: 1}}}}
  opc: {{kind: opcua, url: "opc.tcp://10.0.0.5:4840", security: {{policy: None, insecure: true}},
    heartbeat: {{node: server_time}}}}
areas:
  weld:
    lines:
      l1:
        stations:
          other:
            controller: opc
            ideal_cycle_s: {{any: 540}}
            signals:
              state: {{node: "nsu=u;s=S", map: codes}}
              good_count: {{node: "nsu=u;s=G", modulus: 65536, max_per_hour: 60}}
              fault_code: [{{node: "nsu=u;s=A", alarms: robot}}, {{node: "nsu=u;s=F", alarms: texts}}]
          st:
            controller: plc
            ideal_cycle_s: {{any: 540}}
            signals:
              {signals}
"""
USUAL = {
    "state": "address: 10, map: codes",
    "good_count": "address: 11, max_per_hour: 60",
}


def report(folder: Path, **signals: str) -> CheckReport:
    """What is found in a plant with these signals at a station."""
    text = "\n              ".join(f"{name}: {{{text}}}" for name, text in (USUAL | signals).items())
    file = folder / "plant.yaml"
    file.write_text(PLANT.format(signals=text), encoding="utf-8")
    return check(file)


def said(found: CheckReport) -> list[str]:
    """Everything that is found."""
    return [finding.what for finding in (*found.problems, *found.warnings)]


KINDS = {
    "a coil": "table: coil, address: 40",
    "a bit of a register": "address: 40, bit: 3",
    "a text": "address: 40, type: string, length: 8",
    "a word": "address: 40, type: bits",
    "16 bits": "address: 40",
    "BCD": "address: 40, type: bcd16",
    "32 bits": "address: 40, type: uint32",
    "a float": "address: 40, type: float32",
}
KEYS = {
    "scale": "2",
    "offset": "5",
    "charset": "cp1251",
    "length": "6",
    "order": "CDAB",
    "no_value": "[7]",
    "bits": "4-6",
    "scale_address": "50",
}


def shows(found: CheckReport, seed: int) -> list[Any]:
    """What the signal's tag shows of random registers, all the same for the same seed."""
    assert found.loaded is not None
    [tag] = [tag for tags in found.loaded.config.tags.values() for name, tag in tags.items() if "st:fault" in name]
    rng = random.Random(seed)
    words = [[rng.choice([0, 7, 0x40E0, 0xE4E0, rng.randrange(65536)]) for _ in range(8)] for _ in range(400)]
    exponents = [rng.choice([0, 1]) for _ in words]
    made: Any = tag
    bits = made.table in ("coil", "discrete")
    return [
        decode(made, [(word & 1 if bits else word) for word in row[: made.size]] + [ten] * (made.words - made.size))
        for row, ten in zip(words, exponents, strict=True)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_changes_what_is_read_or_is_named(kind: str, tmp_path: Path) -> None:
    """Each key at each kind of Modbus value: what is accepted in silence changes a value, what is warned about none."""
    base = report(tmp_path, fault_code=KINDS[kind])
    assert said(base) == []
    for key, value in KEYS.items():
        if f"{key}:" in KINDS[kind]:
            continue
        found = report(tmp_path, fault_code=f"{KINDS[kind]}, {key}: {value}")
        if found.loaded is None:
            continue  # it is refused
        is_changed = shows(found, 1) != shows(base, 1)
        assert said(found) == [] if is_changed else f"`{key}` has no effect on" in said(found)[0], key


@pytest.mark.parametrize(
    ("signals", "key"),
    [
        (
            {"good_count": "table: coil, address: 5, max_per_hour: 60, pulse: true, min_pulse_ms: 9000, scale: 2"},
            "scale",
        ),
        ({"good_count": "address: 11, max_per_hour: 60, signed: true"}, "signed"),
        ({"good_count": "address: 11, type: bcd16, max_per_hour: 60, signed: true"}, "signed"),
        ({"fault_code": "address: 40, alarms: robot, none: [5]"}, "none"),
        ({"fault_code": "address: 40, alarms: texts, is: 0"}, "is"),
        ({"product": "table: coil, address: 40, characters: 1-2"}, "characters"),
        ({"fault_code": 'controller: opc, node: "nsu=u;s=B", word_bits: 8'}, "word_bits"),
        ({"fault_code": 'controller: opc, node: "nsu=u;s=B", alarms: robot, bits: 4-11, word_bits: 8'}, "word_bits"),
        ({"fault_code": 'controller: opc, node: "nsu=u;s=B", alarms: robot, charset: cp1251'}, "charset"),
        ({"fault_code": 'controller: opc, node: "nsu=u;s=B", conditions: {}, scale: 2'}, "scale"),
        ({"fault_code": 'controller: opc, node: "nsu=u;s=B", conditions: {}, bits: 0-3'}, "bits"),
        ({"fault_code": 'controller: opc, node: "nsu=u;s=B", conditions: {}, no_value: 3'}, "no_value"),
        ({"process": '{t: {controller: opc, node: "nsu=u;s=T", unit_symbol: C, charset: cp1251}}'[1:-1]}, "charset"),
        ({"state": 'controller: opc, node: "nsu=u;s=W", map: word, charset: cp1251'}, "charset"),
    ],
)
def test_a_key_that_a_signal_makes_useless_is_named(signals: dict[str, str], key: str, tmp_path: Path) -> None:
    """The role of a signal, too, leaves some keys without effect: each is named, and the plant runs."""
    found = report(tmp_path, **signals)
    assert found.loaded is not None
    assert any(f"`{key}` has no effect on" in warning.what for warning in found.warnings), said(found)


@pytest.mark.parametrize(
    "text", ["table: coil, address: 40", "address: 40, bit: 1", "address: 40, type: string, length: 4"]
)
def test_a_measured_value_is_a_number(text: str, tmp_path: Path) -> None:
    """A bit and a text are never recorded as measured values, and this is said."""
    [warning] = report(tmp_path, process=f"t: {{{text}, unit_symbol: C}}").warnings
    assert "is never recorded" in warning.what


# what is mistaken, a part of the remedy, and the same signal after it was followed
REMEDIES = [
    ("fault_code", "address: 40, bit: 1, bits: 4-7", "delete one of the two", "address: 40, bits: 4-7"),
    ("fault_code", "table: coil, address: 40, bits: 0-3", "delete `bits`", "table: coil, address: 40"),
    ("fault_code", "table: discrete, address: 40, bits: 0-3", "delete `bits`", "table: discrete, address: 40"),
    ("fault_code", "address: 40, bits: 4-40", "write `type: uint64`", "address: 40, bits: 4-40, type: uint64"),
    ("fault_code", "address: 40, bits: 4-20", "write `type: uint32`", "address: 40, bits: 4-20, type: uint32"),
    (
        "fault_code",
        "address: 40, type: int16, bits: 0-7",
        "write `type: uint16`",
        "address: 40, bits: 0-7, type: uint16",
    ),
    ("fault_code", "address: 40, type: int16, bit: 3", "delete `type` or `bit`", "address: 40, bit: 3"),
    ("fault_code", "addresses: [40, 52]", "one `address`, or a `type` of", "addresses: [40, 52], type: uint32"),
    (
        "fault_code",
        "addresses: [40, 52], type: uint32, count: 2",
        "delete `count`",
        "addresses: [40, 52], type: uint32",
    ),
    ("state", "address: 10, bits: 0-1, map: word", "correct `bits`", "address: 10, bits: 0-2, map: word"),
    ("state", "address: 10, bit: 0, map: word", "or delete it", "address: 10, map: word"),
    ("state", "table: coil, address: 10, map: word", "`count: 3`", "table: coil, address: 10, map: word, count: 3"),
    ("state", "address: 10, type: string, length: 2, map: word", "uint16", "address: 10, type: uint16, map: word"),
    (
        "state",
        "table: coil, address: 10, count: 3, map: codes",
        "a map by `bits` takes several coils",
        "table: coil, address: 10, count: 3, map: word",
    ),
    (
        "state",
        "map: codes, rules: [{address: 10, state: producing}]",
        "delete it; a rule",
        "rules: [{address: 10, state: producing}]",
    ),
    (
        "good_count",
        "address: 11, max_per_hour: 60, scale: 2",
        "write `units_per_count: 2`",
        "address: 11, max_per_hour: 60, units_per_count: 2",
    ),
    (
        "good_count",
        "address: 11, type: string, length: 4, modulus: 9, max_per_hour: 60",
        "`type: uint32`",
        "address: 11, type: uint32, max_per_hour: 60",
    ),
    (
        "fault_code",
        'controller: opc, node: "nsu=u;s=B", bit: 3',
        "write `bits: 3-3`",
        'controller: opc, node: "nsu=u;s=B", bits: 3-3',
    ),
    (
        "fault_code",
        'controller: opc, node: "nsu=u;s=B", type: uint16',
        "delete it",
        'controller: opc, node: "nsu=u;s=B"',
    ),
]


@pytest.mark.parametrize(("signal", "mistaken", "remedy", "followed"), REMEDIES)
def test_a_remedy_can_be_followed(signal: str, mistaken: str, remedy: str, followed: str, tmp_path: Path) -> None:
    """One mistake is one problem; when its remedy is followed the file is good."""
    [problem] = report(tmp_path, **{signal: mistaken}).problems
    assert remedy in problem.remedy, problem
    assert said(report(tmp_path, **{signal: followed})) == []


def test_a_short_pulse_is_not_told_to_poll_at_what_cannot_be(tmp_path: Path) -> None:
    """Half a pulse below the shortest interval, or no whole number of ms, is no interval that the file takes."""
    for pulse_ms, wanted in (("15", None), ("45", "to 22"), ("900", "to 450")):
        pulse = f"table: coil, address: 5, max_per_hour: 60, pulse: true, min_pulse_ms: {pulse_ms}"
        [problem] = report(tmp_path, good_count=pulse).problems
        assert (wanted or "hold the bit longer") in problem.remedy
        assert "lower" not in problem.remedy or wanted is not None


@pytest.mark.parametrize(
    ("one", "other", "is_counted_twice"),
    [
        ("bits: 0-7", "bits: 4-11", True),
        ("bits: 0-7", "bits: 7-15", True),
        ("bits: 0-7", "bits: 8-15", False),
        ("", "bits: 8-15", True),
        ("type: uint32, order: ABCD", "type: uint32, order: CDAB, bits: 0-7", True),
    ],
)
def test_bits_of_two_counters_are_counted_once(one: str, other: str, is_counted_twice: bool, tmp_path: Path) -> None:
    """Two totalisers in one register have no bit in common, on both protocols."""
    places = ["address: 11", 'controller: opc, modulus: 256, node: "nsu=u;s=C"']
    for place in places[: 1 if "type" in one else 2]:
        first, second = (f"{place}, max_per_hour: 2, {bits}".rstrip(", ") for bits in (one, other))
        found = report(tmp_path, rework_count=first, reject_count=second, good_count="address: 90, max_per_hour: 60")
        twice = [problem.what for problem in found.problems if "shares bits with" in problem.what]
        assert len(twice) == is_counted_twice, said(found)
        assert not any("overlaps" in what for what in said(found))
