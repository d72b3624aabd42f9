"""The list of guarantees names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TABLE = (ROOT / "docs" / "guarantees.md").read_text()


def test_every_test_that_is_named_exists() -> None:
    """Each file is there, and each test in the file that it is said to be in."""
    files = {path.stem: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    checked = 0
    for row in [line for line in TABLE.splitlines() if line.startswith("| ") and "test_" in line]:
        for part in row.split("|")[2].split(";"):
            for name in re.findall(r"\btest_\w+", part):
                assert name in files, f"no file {name}"
                checked += 1
            for law in re.findall(r"`(\w+)`", part):
                named = re.findall(r"\btest_\w+", part)
                assert any(f"def test_{law}(" in files[name] for name in named), f"no test {law} in {named}"
                checked += 1
    assert checked > 50


def test_the_readme_quotes_the_loss_ledger() -> None:
    """What the README says of losses is the last line of what `make torture` wrote."""
    last = (ROOT / "docs" / "loss-ledger.md").read_text().strip().splitlines()[-1]

    assert last in " ".join((ROOT / "README.md").read_text().replace("> ", "").split())
