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


@pytest.mark.parametrize(("was", "instead", "what", "remedy"), SEEDED)
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
