"""The plant's file: every mistake is found at once, with its line and what to do."""

import json
from pathlib import Path

import pytest

from mes.config.load import check, default_config, load
from mes.config.problems import ConfigProblems
from mes.config.schema import schema_text
from mes.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
CASES = ROOT / "tests" / "cases" / "config"

# (what stands in the example, what stands there instead, what the problem says, where it is)
SEEDED = [
    ("special_days: []", "special_day: []", "unknown key `special_day`", "did you mean `special_days`?"),
    ("time_zone: Asia/Qostanay", "time_zone: Asia/Kostanai", "`Asia/Kostanai` does not exist", "Asia/Qostanay"),
    ('["14:30", "14:45"]', '["16:20", "16:45"]', "not inside the shift day", "move the break"),
    ("4: down, 5: setup", "4: broken, 5: setup", "`broken` is not known here", "producing, starved, blocked, down"),
    ("{template: weld-station, with: {code: W020}", "{template: weld-staton, with: {code: W020}", "no template", "did"),
    ("with: {base: 3000}", "with: {base: 2000}", "is read for kostanay/paint/paint-1/sealing:", "copied address"),
    ("trim: {template: final-station, with: {code: F010},", "trim: {template: final-station,", "no value", "code: …"),
    ('{address: "{base+2}", type: uint16', '{address: "{base+2}", bit: 0', "cannot be counted", "totaliser"),
    ("map: packml-tags}", "map: packml-tag}", "no state map `packml-tag`", "did you mean `packml-tags`"),
    ("{S3: 480, S2: 450}", "{S3: 480, S4: 450}", "there is no product `S4`", "there is: S3, S2, any"),
    ("    unit: 1\n", "    unit: 1\n    password: x\n", "looks like a secret", "name a credential"),
    ("    kind: modbus-tcp\n", "    kind: modbus\n", "the kind modbus does not exist", "modbus-tcp"),
]


# each by itself: some stand in the same lines
IMPLAUSIBLE = [
    (
        "heartbeat: {address: 0, max_age_s: 10}",
        "heartbeat: {address: 0, max_age_s: 1}",
        "cannot be seen",
        "three times",
    ),
    ('{node: "nsu=urn:kostanay:weld;s=Heartbeat"', '{node: "ns=weld Heartbeat"', "is no node address", "nsu=<namesp"),
    (
        'good_count: {address: "{base+1}", type: uint16, modulus: 65536, max_per_hour: 60}',
        'good_count: {address: "{base+1}", type: uint16, modulus: 65536, max_per_hour: 5}',
        "makes 6.667 units",
        "raise it",
    ),
    ("low: 10, high: 11", "low: 12, high: 11", "no value lies between", "lower limit"),
    ("low: 10, high: 11", "low: .inf, high: 11", "`inf` cannot stand here", "finite"),
    ("    host: 127.0.0.1\n", "    host: http://10.0.0.5\n", "no host", "10.0.0.5"),
    ("    host: 127.0.0.1\n", "    host: 10.0.0.5:502\n", "a port stands in the host", "port: 502"),
    ("    host: 127.0.0.1\n", "    host: plc 7\n", "this is no host", "a name or an IP"),
    ("    unit: 1\n", f"    unit: {'9' * 5000}\n", "9…` cannot stand here", "so many digits"),
]
SUSPICIOUS = [
    (
        "heartbeat: {address: 0, max",
        "heartbeat: {address: 40101, max",
        "looks like the number of a manual",
        "write 100",
    ),
    ('product: {node: "nsu=urn:kostanay:weld', 'product: {node: "nsu=urn:kostanay:wled', "only tag of the", "slip"),
    (
        'None, insecure: true}\n    publish_interval_ms: 500\n    heartbeat: {node: "nsu=urn:kostanay:weld',
        (
            "Basic256Sha256, certificate: no.der, private_key: no.pem, trust_folder: no}\n"
            '    heartbeat: {node: "nsu=urn:kostanay:weld'
        ),
        "there is no file `no.der` here",
        "correct the path",
    ),
]


@pytest.mark.parametrize(("was", "instead", "what", "remedy"), SUSPICIOUS)
def test_what_can_hardly_be_meant_is_warned_about(
    was: str, instead: str, what: str, remedy: str, tmp_path: Path
) -> None:
    """It may be right, so the plant runs; a person is told."""
    text = default_config().read_text(encoding="utf-8")
    assert text.count(was) == 1
    file = tmp_path / "plant.yaml"
    file.write_text(text.replace(was, instead), encoding="utf-8")
    report = check(file)

    assert report.problems == ()
    assert [warning for warning in report.warnings if what in warning.what and remedy in warning.remedy]


def test_a_credential_that_is_not_there_is_told_where_it_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the service manager hands over credentials, a name that it does not know is a slip."""
    was = "    url: opc.tcp://127.0.0.1:48400\n"
    text = default_config().read_text(encoding="utf-8")
    file = tmp_path / "plant.yaml"
    file.write_text(text.replace(was, f"{was}    user: mes\n    password_credential: plc\n"), encoding="utf-8")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert not [warning for warning in check(file).warnings if "credential" in warning.what]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert [warning for warning in check(file).warnings if "no credential `plc`" in warning.what]
    (tmp_path / "plc").write_text("secret", encoding="utf-8")
    assert not [warning for warning in check(file).warnings if "credential" in warning.what]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_what_lies_too_deep_is_no_traceback(opening: str, closing: str, tmp_path: Path) -> None:
    """Nine hundred brackets are a mistake with a sentence."""
    file = tmp_path / "plant.yaml"
    file.write_text(f"site: {opening * 900}1{closing * 900}\n", encoding="utf-8")

    assert [problem.what for problem in check(file).problems] == ["lists and mappings lie too deep in each other"]


def test_a_flow_that_goes_round_is_shown_with_its_stations(tmp_path: Path) -> None:
    """A way back to an earlier line is a loop; its stations are named in order."""
    text = default_config().read_text(encoding="utf-8")
    assert text.count("flow:\n") == 1
    back = "flow:\n  - {from: final/final-1/end-of-line, to: weld/weld-1/underbody, places: 5}\n"
    file = tmp_path / "plant.yaml"
    file.write_text(text.replace("flow:\n", back), encoding="utf-8")
    [problem] = check(file).problems

    assert problem.what.startswith("the flow goes round: ")
    assert problem.what.count("weld/weld-1/underbody") == 2


@pytest.mark.parametrize(("was", "instead", "what", "remedy"), [*SEEDED, *IMPLAUSIBLE])
def test_each_seeded_mistake_is_found_in_its_line(
    was: str, instead: str, what: str, remedy: str, tmp_path: Path
) -> None:
    """One mistake in the example plant is reported in the line where it was made, with a remedy."""
    text = default_config().read_text(encoding="utf-8")
    assert text.count(was) == 1
    changed = text.replace(was, instead)
    broken = tmp_path / "plant.yaml"
    broken.write_text(changed, encoding="utf-8")

    found = [problem for problem in check(broken).problems if what in problem.what and remedy in problem.remedy]

    assert found, [str(problem) for problem in check(broken).problems]
    lines = {number for number, line in enumerate(changed.splitlines(), 1) if instead.strip().splitlines()[-1] in line}
    if "copied" not in remedy and "no value" not in what:  # these are found where the template reads the value
        assert {problem.line for problem in found} <= lines | {min(lines) - 1}


def test_mistakes_do_not_hide_each_other(tmp_path: Path) -> None:
    """All seeded mistakes together are reported together."""
    text = default_config().read_text(encoding="utf-8")
    for was, instead, _, _ in SEEDED:
        text = text.replace(was, instead)
    broken = tmp_path / "plant.yaml"
    broken.write_text(text, encoding="utf-8")

    problems = check(broken).problems

    missed = [what for _, _, what, remedy in SEEDED if not any(what in p.what and remedy in p.remedy for p in problems)]
    assert missed == []
    assert list(problems) == sorted(problems)


def test_example_plant_is_good_and_free_of_warnings() -> None:
    """The example that we ship has neither mistakes nor warnings."""
    report = check(default_config())

    assert (report.problems, report.warnings) == ((), ())
    assert report.loaded is not None


def test_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every case folder gives exactly the problems and warnings that it expects."""
    folders = sorted(path for path in CASES.iterdir() if path.is_dir())
    assert len(folders) >= 24
    for folder in folders:
        monkeypatch.chdir(folder)
        report = check(Path("plant.yaml"))
        said = [str(problem) for problem in report.problems] + [f"warning: {warning}" for warning in report.warnings]
        said += ["good"] if report.loaded else []

        assert "\n".join(said) + "\n" == Path("expected.txt").read_text(encoding="utf-8"), folder.name


def test_load_raises_all_problems_as_one_error(tmp_path: Path) -> None:
    """`load` raises a ConfigError whose text holds each problem and their number."""
    broken = tmp_path / "plant.yaml"
    broken.write_text("site: 1\nfoo: 2\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="unknown key `foo`") as raised:
        load(broken)

    assert isinstance(raised.value, ConfigProblems)
    assert f"{len(raised.value.problems)} mistakes" in str(raised.value)


@pytest.mark.parametrize("text", ["", "- a\n", "a: [1\n", "a:\n\t- b\n", "[]: 1\n", "42\n", "a: &x {b: *x}\n"])
def test_no_text_makes_the_check_fail_itself(text: str, tmp_path: Path) -> None:
    """Whatever stands in the file, the outcome is a list of problems."""
    broken = tmp_path / "plant.yaml"
    broken.write_text(text, encoding="utf-8")

    assert check(broken).problems


def test_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A missing file and one that is no UTF-8 are reported in the same form as mistakes in it."""
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")

    assert "No such file" in check(tmp_path / "none.yaml").problems[0].what
    assert "UTF-8" in check(binary).problems[0].what


def test_secret_is_not_repeated(tmp_path: Path) -> None:
    """A password that stands in the file by mistake never appears in a message."""
    text = default_config().read_text(encoding="utf-8")
    broken = tmp_path / "plant.yaml"
    broken.write_text(
        text.replace("    unit: 1\n", "    unit: 1\n    password: hunter2\n").replace(
            "opc.tcp://127.0.0.1:48400", "opc.tcp://me:hunter2@127.0.0.1:48400"
        ),
        encoding="utf-8",
    )

    problems = check(broken).problems

    assert len(problems) == 2
    assert "hunter2" not in "".join(map(str, problems))


def test_schema_file_is_what_the_models_say() -> None:
    """config/schema.json, by which editors check the file, is the one made from the models (scripts/schema)."""
    assert (ROOT / "config" / "schema.json").read_text(encoding="utf-8") == schema_text()
    assert json.loads(schema_text())["required"] == ["site", "products", "areas"]
    assert default_config().read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")
