"""Plant files that were damaged at random: every one is read to the end, and what is wrong is said in words."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from profile_examples import example
from seeded_mistakes import SEEDS, plant

from mes.config.load import check, default_config
from mes.config.source import parse

ROOT = Path(__file__).resolve().parents[3]
FILES = (
    default_config(),
    ROOT / "tests" / "cases" / "config" / "good" / "plant.yaml",
    ROOT / "tests" / "cases" / "config" / "two-controllers" / "plant.yaml",
)
EACH = int(os.environ.get("TAKTLINE_FILE_MUTATIONS", "25"))  # of each file; two thousand in all were tried with 667
ODD = (
    *(
        "",
        "null",
        "true",
        "-1",
        "0",
        "1e999",
        ".nan",
        "9" * 30,
        "9" * 5000,
        "0x64",
        "08:00",
        "[]",
        "{}",
        "[[[]]]",
        "{a: {b: 1}}",
    ),
    *(
        "'",
        '"',
        "&a",
        "*a",
        "!!python/object:os.system",
        "!!int abc",
        "<<: *a",
        "\t",
        "%",
        "@",
        "\\x00",
        "é" * 40,
        "\u202e",
    ),
    *(
        "{code}",
        "{code+1}",
        "{",
        "40101",
        "65536",
        "http://10.0.0.5",
        "opc.tcp://",
        "nsu=;s=",
        "ns=2;s=X",
        "None",
        "any",
    ),
)
Damage = Callable[[random.Random, list[str]], list[str]]


def _delete(rng: random.Random, lines: list[str]) -> list[str]:
    place = rng.randrange(len(lines))
    return lines[:place] + lines[place + rng.randint(1, 3) :]


def _twice(rng: random.Random, lines: list[str]) -> list[str]:
    place = rng.randrange(len(lines))
    return [*lines[:place], lines[place], *lines[place:]]


def _swap(rng: random.Random, lines: list[str]) -> list[str]:
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def _value(rng: random.Random, lines: list[str]) -> list[str]:
    places = [place for place, line in enumerate(lines) if ": " in line]
    if not places:
        return lines  # earlier damage has left none
    place = rng.choice(places)
    key, _, rest = lines[place].partition(": ")
    inner = rest.split(", ")
    spot = rng.randrange(len(inner))
    within = inner[spot].rpartition(": ")[0]
    inner[spot] = f"{within}: {rng.choice(ODD)}" if within else rng.choice(ODD)
    lines[place] = f"{key}: {', '.join(inner)}"
    return lines


def _indent(rng: random.Random, lines: list[str]) -> list[str]:
    place = rng.randrange(len(lines))
    lines[place] = " " * rng.randint(1, 3) + lines[place] if rng.random() < 0.5 else lines[place].removeprefix("  ")
    return lines


def _letter(rng: random.Random, lines: list[str]) -> list[str]:
    place = rng.randrange(len(lines))
    spot = rng.randrange(len(lines[place]) + 1)
    lines[place] = lines[place][:spot] + rng.choice("{}[],:#'\"&*!|>%@`\x01 x7") + lines[place][spot:]
    return lines


def _cut(rng: random.Random, lines: list[str]) -> list[str]:
    return lines[: rng.randrange(1, max(2, len(lines)))]


DAMAGES: tuple[Damage, ...] = (_delete, _twice, _swap, _value, _value, _value, _indent, _letter, _cut)


@pytest.mark.timeout(0 if EACH > 25 else 300)
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_no_damage_ends_in_a_traceback(file: Path, tmp_path: Path) -> None:
    """Each mistake has a line of the file, what is wrong, and what to do; without one the plant can be run."""
    text = file.read_text(encoding="utf-8")
    for seed in range(EACH):
        rng = random.Random(f"{file.name}:{seed}")
        lines = text.splitlines()
        for _ in range(rng.randint(1, 3)):
            lines = rng.choice(DAMAGES)(rng, lines) or [""]
        damaged = tmp_path / "plant.yaml"
        damaged.write_text("\n".join(lines), encoding="utf-8")
        report = check(damaged)

        assert report.problems or report.loaded is not None, seed
        for problem in (*report.problems, *report.warnings):
            assert 1 <= problem.line <= len(lines) + 1, (seed, problem)
            assert problem.what.strip(), (seed, problem)
            assert problem.remedy.strip(), (seed, problem)
            assert len(problem.what) < 600, (seed, problem)


@pytest.mark.timeout(0 if EACH > 25 else 300)
@pytest.mark.parametrize("name", ["kostanay", "good", "profile"])
def test_known_mistakes_at_random_places_are_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One to five known mistakes are all named with their lines, and nothing else is said of the file."""
    file = example("generic-modbus", tmp_path) if name == "profile" else FILES[("kostanay", "good").index(name)]
    text = file.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    usual = {warning.what for warning in check(file).warnings}
    for seed in range(EACH):
        changed, planted = plant(text, random.Random(f"{name}:{seed}"), seed % len(SEEDS), 1 + seed % 5)
        damaged = tmp_path / "damaged.yaml"
        damaged.write_text(changed, encoding="utf-8")
        source = parse(changed, str(damaged))
        report = check(damaged)

        findings = [finding for finding in (*report.problems, *report.warnings) if finding.what not in usual]
        for mistake in planted:
            line = source.line(mistake.place)
            named = [finding for finding in findings if finding.line == line and mistake.what in finding.what]
            assert named, (seed, mistake, planted, [str(finding) for finding in findings])
            findings = [finding for finding in findings if finding not in named]
        assert findings == [], (seed, planted)
