"""The house itself: packages come from this tree, tests say their law, the commands' files are in place."""

import ast
import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# Functions of mes/oee that others than mes/results may import: those that are asked about no history of a journal.
OF_OEE = {
    "mes/board/answers/andon_board.py": {"wip"},  # of stays that are kept between two looks at the plant
    "mes/commands/oee.py": {"from_totals", "percent", "plain"},  # the calculator's figures are given by hand
    "mes/demo/measured.py": {"all_biographies", "apply", "visits"},  # the demo compares whole histories
    "mes/demo/run.py": {"charges"},  # with what really happened, too
    "mes/demo/truth.py": {"timeline"},
    "mes/health/count_audit.py": {"count_key", "keep", "leading"},  # of events as they are committed
}


@pytest.mark.parametrize("package", ["mes", "adapters", "simulators"])
def test_packages_come_from_this_tree(package: str) -> None:
    """Each of our packages is imported from this tree, not from a namesake that happens to be installed."""
    module = importlib.import_module(package)

    assert module.__file__ is not None
    assert Path(module.__file__).resolve().parent == ROOT / package


def test_every_test_states_its_law() -> None:
    """Every test function has a docstring, and the search finds a plausible number of them."""
    functions = [
        (path, node)
        for path in (ROOT / "tests").rglob("test_*.py")
        if "node_modules" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]

    assert [f"{path.name}:{node.lineno}" for path, node in functions if not ast.get_docstring(node)] == []
    assert len(functions) > 5


def test_no_broad_except_outside_the_supervisor() -> None:
    """`except Exception` stands in mes/supervisor.py and nowhere else in the source."""
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for package in ("mes", "adapters", "simulators")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "supervisor.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    ]

    assert broad == []


def test_each_helper_of_the_tests_is_listed() -> None:
    """tests/README.md says what each shared module gives."""
    text = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    assert [path.stem for path in (ROOT / "tests" / "helpers").glob("*.py") if f"| `{path.stem}` |" not in text] == []


def test_the_page_of_the_architecture_has_the_floors_of_the_contract() -> None:
    """docs/architecture.md lists the same rooms of mes on the same floors as the import contract."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["id"] == "floors")
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \|", page, re.MULTILINE)
    drawn = {int(floor): set(re.findall(r"`(?:mes/)?(\w+)(?:\.py|/)`", rooms)) for floor, rooms in rows}
    assert drawn == {len(layers) - at: set(layer.split(" | ")) for at, layer in enumerate(layers)}


def test_figures_are_asked_of_the_results() -> None:
    """Outside mes/results no module imports a function of mes/oee; types and constants may be imported anywhere."""
    found = {}
    for path in (ROOT / "mes").rglob("*.py"):
        if path.relative_to(ROOT).parts[1] in {"oee", "results"}:
            continue
        names = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("mes.oee.")
            for alias in node.names
            if alias.name.islower()
        }
        if names:
            found[str(path.relative_to(ROOT))] = names
    assert found == OF_OEE
