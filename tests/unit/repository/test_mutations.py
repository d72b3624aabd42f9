"""The list of guarantees that `scripts/mutations` takes away is up to date."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_each_mutation_finds_its_place_once() -> None:
    """What a mutation replaces stands in its file exactly once, and the test that must notice it exists."""
    loader = importlib.machinery.SourceFileLoader("mutations", str(ROOT / "scripts/mutations"))
    spec = importlib.util.spec_from_loader("mutations", loader)
    assert spec is not None
    mutations = importlib.util.module_from_spec(spec)
    sys.modules["mutations"] = mutations  # where its dataclass looks for the module
    loader.exec_module(mutations)

    lost = [
        f"{mutation.guarantee}: {mutation.file}"
        for mutation in mutations.MUTATIONS
        if (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.kept) != 1
        or not all((ROOT / word).exists() for word in mutation.test.split() if word.endswith(".py"))
    ]

    assert mutations.MUTATIONS
    assert lost == []
