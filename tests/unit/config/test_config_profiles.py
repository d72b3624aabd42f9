"""Vendor profiles: their values hold where a plant's file gives none, and their mistakes name their own lines."""

import re
from pathlib import Path

import pytest
from profile_examples import NAMES, PLANT, PROFILES, example, profile

from adapters.settings import ModbusRtuController, ModbusTag, OpcUaController, OpcUaTag
from mes.collect.signals import StateSignal
from mes.collect.states import BitMap
from mes.config.load import check
from mes.config.problems import Problem
from mes.model import State

STATION = """
controllers:
  plc: {kind: modbus-tcp, host: 10.0.0.5, heartbeat: {address: 0}, %s}
templates:
  t: {controller: plc, ideal_cycle_s: {any: 60}, %s}
areas: {weld: {lines: {l1: {stations: {st: {template: t, with: {base: 32}}}}}}}
"""
COUNTS = "good_count: {max_per_hour: 90}, rework_count: {max_per_hour: 90}, reject_count: {max_per_hour: 90}"
OF_THE_PLANT = """
protocol: modbus
controller: {poll_interval_ms: 300}
station:
  signals:
    state: {address: "{start}", map: own}
    good_count: {address: 5, max_per_hour: 90, modulis: 65536}
state_maps:
  own: {numbers: {1: producing, 2: broken}}
"""


def plant(folder: Path, controller: str, template: str) -> Path:
    path = folder / "plant.yaml"
    path.write_text(PLANT + STATION % (controller, template), encoding="utf-8")
    return path


def said(problems: tuple[Problem, ...]) -> list[str]:
    return [f"{Path(problem.file).name}:{problem.line}: {problem.what}; {problem.remedy}" for problem in problems]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_each_profile_is_good(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes without a mistake and without a warning, and collects a state and a count."""
    file = example(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    report = check(file)

    assert (said(report.problems), said(report.warnings)) == ([], [])
    assert report.loaded is not None
    tags = {tag_id.rpartition(":")[2] for tags in report.loaded.config.tags.values() for tag_id in tags}
    assert any(tag.startswith("state") for tag in tags)
    assert tags & {"good_count", "total_count"}


def test_the_page_lists_the_profiles() -> None:
    """config/profiles/README.md has a row for each, with what the profile itself says it is for."""
    page = (PROFILES / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|", page, re.MULTILINE))

    assert rows == {name: profile(name)["about"] for name in NAMES}


def test_what_the_plant_says_wins_over_every_key(tmp_path: Path) -> None:
    """A key that the file gives stays, in mappings as well; null takes a signal away."""
    signals = (
        "{state: {address: 7}, good_count: {modulus: 65536, max_per_hour: 90}, rework_count: null, reject_count: null}"
    )
    report = check(
        plant(tmp_path, "profile: generic-modbus, max_registers: 10", f"profile: generic-modbus, signals: {signals}")
    )

    assert report.problems == ()
    assert report.loaded is not None
    config = report.loaded.config
    [controller] = config.controllers.values()
    assert not isinstance(controller, OpcUaController | ModbusRtuController)
    assert (controller.max_registers, controller.max_gap, controller.request_timeout_s) == (10, 8, 2.0)
    tags = {tag_id.rpartition(":")[2]: tag for tag_id, tag in next(iter(config.tags.values())).items()}
    assert {name: tag.address for name, tag in tags.items() if isinstance(tag, ModbusTag)} == {
        "heartbeat": 0, "state": 7, "good_count": 33, "product": 40, "fault_code": 39, "unit_id": 41,
    }  # fmt: skip


def test_a_station_without_a_template_takes_a_profile(tmp_path: Path) -> None:
    """A plant of one station needs no template; its own map wins over the profile's of the same name."""
    signals = "signals: {good_count: {address: 1, max_per_hour: 90}}"
    station = f"{{profile: weld-timer, controller: plc, ideal_cycle_s: {{any: 60}}, {signals}}}"
    file = tmp_path / "plant.yaml"
    text = PLANT + STATION % ("profile: weld-timer", "profile: weld-timer")
    text = text.replace("{template: t, with: {base: 32}}", station)
    file.write_text(f"{text}state_maps: {{weld-timer: {{bits: [{{bit: 9, state: producing}}]}}}}\n", encoding="utf-8")
    report = check(file)

    assert report.problems == ()
    assert report.loaded is not None
    [setup] = report.loaded.config.setups.values()
    [state] = [signal for signal in setup.signals.values() if isinstance(signal, StateSignal)]
    assert isinstance(state.map, BitMap)
    assert [rule.state for rule in state.map.rules] == [State.PRODUCING]


def test_a_place_is_named_by_id_or_by_path_as_the_plant_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plant's `node` takes the place of the profile's `path`, its `rules` that of the profile's map."""
    file = example("opcua-machinery", tmp_path)
    monkeypatch.chdir(tmp_path)
    text = file.read_text(encoding="utf-8")
    machine = "      good_count:"
    assert text.count(machine) == 1
    file.write_text(text.replace(machine, '      state: {node: "nsu=urn:a;s=State"}\n' + machine), encoding="utf-8")
    [tags] = check(file).loaded.config.tags.values()  # type: ignore[union-attr]  # an error is a failure here
    nodes = [tag.node for tag in tags.values() if isinstance(tag, OpcUaTag)]
    assert "nsu=urn:a;s=State" in nodes
    rules = '      state: {rules: [{node: "nsu=urn:a;s=Run", state: producing}]}\n'
    file.write_text(text.replace(machine, rules + machine), encoding="utf-8")
    [tags] = check(file).loaded.config.tags.values()  # type: ignore[union-attr]  # an error is a failure here
    assert [tag.node for tag_id, tag in tags.items() if "state" in tag_id and isinstance(tag, OpcUaTag)] == [
        "nsu=urn:a;s=Run"
    ]


@pytest.mark.parametrize(
    ("controller", "template", "what", "remedy"),
    [
        ("profile: generic-modbsu", "profile: generic-modbus", "no profile `generic-modbsu`", "`generic-modbus`"),
        ("profile: x", "profile: generic-modbus", "no profile `x`", "there is: beckhoff-twincat, codesys"),
        ("unit: 1", "profile: generic-modbsu", "no profile `generic-modbsu`", "`generic-modbus`"),
        ("unit: 1", "profile: [a]", "cannot stand here", "string"),
        ("profile: s7-1500", "profile: generic-modbus", "OPC UA, and this controller is of kind modbus-tcp", "kind"),
    ],
)  # fmt: skip
def test_a_profile_that_cannot_be_used_is_named(
    controller: str, template: str, what: str, remedy: str, tmp_path: Path
) -> None:
    """An unknown one with the known ones, one for another protocol with both protocols; nothing else is said."""
    problems = check(plant(tmp_path, controller, f"{template}, signals: {{{COUNTS}}}")).problems

    assert len(problems) == 1, said(problems)
    assert what in problems[0].what
    assert remedy in problems[0].remedy


def test_a_profile_of_another_protocol_is_one_mistake(tmp_path: Path) -> None:
    """At a template, at a station, and where a station names another controller than its template: nothing follows."""
    wrong = "the profile `s7-1500` is for OPC UA, and the controller plc is of kind modbus-tcp"
    file = plant(tmp_path, "unit: 1", "profile: s7-1500, signals: {good_count: {max_per_hour: 90}}")
    assert [problem.what for problem in check(file).problems] == [wrong]

    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("{template: t, with: {base: 32}}", "{profile: s7-1500, controller: plc}"))
    assert [problem.what for problem in check(file).problems] == [wrong, wrong]

    opc = 'controllers:\n  opc: {kind: opcua, url: "opc.tcp://h:4840", security: {policy: None, insecure: true}, %s}\n'
    text = text.replace("controllers:\n", opc % "heartbeat: {node: server_time}").replace(
        "t: {controller: plc", "t: {controller: opc"
    )
    file.write_text(text.replace("{template: t, with", "{template: t, controller: plc, with"), encoding="utf-8")
    [problem] = check(file).problems
    assert (problem.where, problem.what) == ("areas.weld.lines.l1.stations.st.controller", wrong)


def test_a_profile_beside_a_template_is_a_mistake(tmp_path: Path) -> None:
    """It would be a question which of the two wins."""
    file = plant(tmp_path, "unit: 1", f"profile: generic-modbus, signals: {{{COUNTS}}}")
    text = file.read_text(encoding="utf-8").replace("{template: t,", "{template: t, profile: generic-modbus,")
    file.write_text(text, encoding="utf-8")

    assert said(check(file).problems) == [
        "plant.yaml:14: a profile stands beside a template; write it at the template, or give the station no template"
    ]


def test_a_mistake_in_a_profile_names_its_file_and_line(tmp_path: Path) -> None:
    """Profiles beside the plant's file come first; what is wrong in one is found as in the plant's file."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "generic-modbus.yaml").write_text(OF_THE_PLANT, encoding="utf-8")
    problems = said(check(plant(tmp_path, "profile: generic-modbus", "profile: generic-modbus")).problems)

    assert [line for line in problems if line.startswith("generic-modbus.yaml")] == problems
    assert {line.partition(";")[0] for line in problems} == {
        "generic-modbus.yaml:6: `{start}` has no value (station plant/weld/l1/st)",
        "generic-modbus.yaml:7: unknown key `modulis`",
        "generic-modbus.yaml:9: `broken` is not known here",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("protocol: modbus\nstation: [1]\nstatoin: {}\n", {"2": "is no mapping", "3": "unknown key `statoin`"}),
        ("controller: {}\n", {"1": "a profile names its protocol"}),
        ("controller: {\n", {"2": "not YAML"}),
    ],
)
def test_what_is_no_profile_is_said_once(text: str, expected: dict[str, str], tmp_path: Path) -> None:
    """Two uses of a profile that cannot be read give one sentence for each mistake in it."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "own.yaml").write_text(text, encoding="utf-8")
    signals = "signals: {state: {address: 1, map: packml-tags}, good_count: {address: 2, max_per_hour: 90}}"
    problems = said(check(plant(tmp_path, "profile: own", f"profile: own, {signals}")).problems)

    assert len(problems) == len(expected)
    for line, what in expected.items():
        assert [problem for problem in problems if problem.startswith(f"own.yaml:{line}: ") and what in problem], (
            problems
        )


@pytest.mark.parametrize("level", ["template", "station"])
@pytest.mark.parametrize(
    ("own", "signal", "addresses"),
    [
        ("good_count: {addresses: [90, 70], max_per_hour: 90}", "good_count", {(90, 70)}),
        ("state: {rules: [{address: 3, state: producing}, {address: 4, state: down}]}", "state", {3, 4}),
        ("unit_id: {parts: [{address: 80}, {address: 81}]}", "unit_id", {80, 81}),
        ("fault_code: [{address: 80}, {address: 81}]", "fault_code", {80, 81}),
        ("product: {address: 99}", "product", {99}),
    ],
)
def test_another_way_to_say_a_place_goes_before_the_profile(
    tmp_path: Path, level: str, own: str, signal: str, addresses: set[object]
) -> None:
    """What stands in the file wins, though the profile, or a template, names the place by another key."""
    at_template = COUNTS
    if level == "template":
        others = [count for count in COUNTS.split(", ") if not own.startswith(count[:4])]
        at_template = ", ".join([*others, own])
    file = plant(tmp_path, "profile: generic-modbus", f"profile: generic-modbus, signals: {{{at_template}}}")
    if level == "station":
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("with: {base: 32}", f"with: {{base: 32}}, signals: {{{own}}}"), encoding="utf-8")
    report = check(file)

    assert report.problems == ()
    assert report.loaded is not None
    tags = [tag for tags in report.loaded.config.tags.values() for name, tag in tags.items() if f":{signal}" in name]
    assert {tag.addresses or tag.address for tag in tags if isinstance(tag, ModbusTag)} == addresses


def test_a_station_may_take_one_place_instead_of_the_rules_of_its_template(tmp_path: Path) -> None:
    """A map over one value in place of rules over several; what the station leaves open stays the template's."""
    rules = "state: {rules: [{address: 3, state: producing}], otherwise: down}"
    text = plant(
        tmp_path, "max_gap: 3", f"signals: {{{rules}, good_count: {{address: 9, max_per_hour: 90}}}}"
    ).read_text()
    one = "signals: {state: {address: 5, map: packml-tags}, good_count: {type: uint32}}"
    (file := tmp_path / "one.yaml").write_text(text.replace("with: {base: 32}", one), encoding="utf-8")
    report = check(file)

    assert report.problems == ()
    assert report.loaded is not None
    tags = {str(name): tag for tags in report.loaded.config.tags.values() for name, tag in tags.items()}
    assert [name.partition(":")[2] for name in tags] == ["heartbeat", "state", "good_count"]
    assert [str(getattr(tag, "type", "")) for tag in tags.values()] == ["uint16", "uint16", "uint32"]
