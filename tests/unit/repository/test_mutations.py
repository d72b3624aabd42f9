"""What `scripts/mutations` promises: its list is up to date, and what a test runs is the copy without the guarantee."""

import importlib.machinery
import importlib.util
import re
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from patience import limit_s

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def mutations() -> ModuleType:
    """The script."""
    loader = importlib.machinery.SourceFileLoader("mutations", str(ROOT / "scripts/mutations"))
    spec = importlib.util.spec_from_loader("mutations", loader)
    assert spec is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules["mutations"] = script  # where its dataclass looks for the module
    loader.exec_module(script)
    return script


def test_each_mutation_finds_its_place_once(mutations: ModuleType) -> None:
    """What a mutation replaces stands in its file exactly once, and the test that must notice it exists."""
    lost = [
        f"{mutation.guarantee}: {mutation.file}"
        for mutation in mutations.MUTATIONS
        if (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.kept) != 1
        or not all((ROOT / word).exists() for word in mutation.test.split() if word.endswith(".py"))
    ]

    assert mutations.MUTATIONS
    assert lost == []


def noticing(mutation: Any) -> set[str]:
    """The files of the tests that must notice a mutation."""
    places = [ROOT / word.partition("::")[0] for word in mutation.test.split() if word.startswith("tests/")]
    return {file.stem for place in places for file in ([place] if place.is_file() else place.rglob("test_*.py"))}


def test_guarantees_and_mutations_belong_together(mutations: ModuleType) -> None:
    """A line marked with scissors has a mutation that its tests notice, and each mutation such a line."""
    lines = [line for line in (ROOT / "docs/guarantees.md").read_text().splitlines() if " ✂ |" in line]
    named = {line: set(re.findall(r"\btest_\w+", line.split("|")[2])) for line in lines}
    noticed = {mutation.guarantee: noticing(mutation) for mutation in mutations.MUTATIONS}

    assert [line for line, tests in named.items() if not any(tests & those for those in noticed.values())] == []
    assert [name for name, tests in noticed.items() if not any(tests & those for those in named.values())] == []


def test_the_program_that_a_test_starts_is_the_copy(mutations: ModuleType, tmp_path: Path) -> None:
    """Wherever `mes` is started, it is that of the copy: the installed one keeps the guarantee."""
    for name, text in (("__init__.py", ""), ("cli.py", "def main():\n    print('the copy')\n")):
        (tmp_path / "mes").mkdir(exist_ok=True)
        (tmp_path / "mes" / name).write_text(text, encoding="utf-8")
    words = ["/bin/sh", "-c", f"cd / && {Path(sys.executable).with_name('mes')}"]

    assert mutations.run_in(tmp_path, words, limit_s=limit_s(10)) == (0, "the copy\n")


def test_what_does_not_end_is_ended_with_what_it_began(mutations: ModuleType, tmp_path: Path) -> None:
    """A test that hangs costs its limit and no more, and the programs that it has started do not stay."""
    words = ["/bin/sh", "-c", "sleep 1000 & echo $! > began; echo said; wait"]

    assert mutations.run_in(tmp_path, words, limit_s=limit_s(0.5)) == (None, "said\n")

    ends_s = time.monotonic() + limit_s(10)
    while runs((tmp_path / "began").read_text().strip()):
        assert time.monotonic() < ends_s
        time.sleep(0.01)


def runs(process: str) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return (Path("/proc") / process / "stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
