"""Two configurations compared: what changed in the plant's file, and what restarts for it."""

from pathlib import Path

import pytest

from mes.config.build import PlantConfig
from mes.config.changes import Changes, changes
from mes.config.load import load

TEXT = """
site:
  name: acme
  time_zone: Asia/Qostanay
  calendar: {shifts: [{name: day, days: [mon], start: "00:00", end: "23:59"}]}
products: {P: {name: Part, assembly_method: CKD, raw: [P]}}
state_maps: {m: {numbers: {0: idle, 1: producing, 4: down}}}
controllers:
  one: {kind: modbus-tcp, host: 10.0.0.1, unit: 1}
  two: {kind: modbus-tcp, host: 10.0.0.2, unit: 1}
areas:
  a:
    lines:
      l1:
        stations:
          left:
            controller: one
            ideal_cycle_s: {any: 30}
            signals:
              state: {address: 0, type: uint16, map: m}
              good_count: {address: 1, type: uint16, modulus: 65536, max_per_hour: 1000, reset: allowed}
          right:
            controller: two
            ideal_cycle_s: {any: 30}
            signals:
              state: {address: 0, type: uint16, map: m}
              good_count: {address: 1, type: uint16, modulus: 65536, max_per_hour: 999, reset: allowed}
              product: {address: 5, type: string, length: 2}
journal: {path: journal.sqlite, process_values_days: 30}
web: {host: 127.0.0.1, port: 8090}
influx: {url: "http://127.0.0.1:8086", database: taktline}
"""
BOTH = {"board": True, "forwarding": True}
NAMES = "{P: {name: Part, assembly_method: CKD, raw: [P]}}"


def config(folder: Path, text: str) -> PlantConfig:
    """The configuration of a file."""
    path = folder / "plant.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path).config


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ("", "", {}),
        ("host: 10.0.0.2", "host: 10.0.0.3", {"restarted": ("two",), "board": True}),
        ("max_per_hour: 999", "max_per_hour: 998", {"restarted": ("two",), "board": True}),
        ("  two: {", "  three: {", {}),
        ("start: \"00:00\"", "start: \"06:00\"", BOTH),
        ("ideal_cycle_s: {any: 30}", "ideal_cycle_s: {any: 31}", BOTH),
        ("raw: [P]", "raw: [P, Q]", {"restarted": ("two",), "board": True}),
        ("name: Part", "name: Piece", BOTH),
        ("port: 8090", "port: 8091", {"board": True}),
        ("database: taktline", "database: other", BOTH),
        ("name: acme", "name: apex", {"needs_restart": ("site.name",)}),
        ("journal.sqlite", "other.sqlite", {"needs_restart": ("journal.path",)}),
        ("days: 30", "days: 31", {"needs_restart": ("journal.process_values_days",)}),
        ("web: {host: 127.0.0.1, port: 8090}", "web: null", {"needs_restart": ("web",)}),
        ('influx: {url: "http://127.0.0.1:8086", database: taktline}', "", {"needs_restart": ("influx",)}),
        ("            controller: one\n", "            formerly: [a/l1/old]\n            controller: one\n",
         {"needs_restart": ("formerly",)}),
    ],
)  # fmt: skip
def test_what_restarts(tmp_path: Path, was: str, now: str, expected: dict[str, object]) -> None:
    """Each change of the file restarts the parts that use it, and no other."""
    text = TEXT.replace(was, now) if was else TEXT
    if was == "  two: {":  # another name of a controller: one session ends and one begins
        text = text.replace("controller: two", "controller: three")
        expected = {"ended": ("two",), "started": ("three",), "board": True}
    found = changes(config(tmp_path, TEXT), config(tmp_path, text))

    if "needs_restart" in expected:
        assert found.needs_restart == expected["needs_restart"]
    else:
        assert found == Changes(**expected)  # type: ignore[arg-type]


def test_the_order_of_stations_counts(tmp_path: Path) -> None:
    """Stations that change places in the flow change what board and figures show, and no session."""
    left, right = TEXT.index("          left:"), TEXT.index("          right:")
    end = TEXT.index("journal:")
    turned = TEXT[:left] + TEXT[right:end] + TEXT[left:right] + TEXT[end:]
    found = changes(config(tmp_path, TEXT), config(tmp_path, turned))

    assert (found.affected, found.board, found.forwarding) == (frozenset(), True, True)


def test_it_says_what_restarts() -> None:
    """One line for each thing, and a word where there is none."""
    assert Changes().sentences() == ("nothing changed, nothing was restarted",)
    assert Changes(board=True, forwarding=True).sentences() == ("restarted: board", "restarted: forwarding")
