"""Every refusal that the product's source raises, with its code and its facts."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARRIERS = {"HttpProblem": 1, "NotAllowed": 0, "refusal": 2}  # a refusal, and where its code is among the arguments
HANDED_ON = frozenset({"error.code", "code", "CODES[503]", "CODES[body]", "code_of(error.status_code)"})


@dataclass(frozen=True)
class Raised:
    """A refusal in the source: where, its code as it is written there, and the facts that it names."""

    where: str
    code: str
    facts: frozenset[str] | None  # None: handed on from elsewhere


def calls(*, folder: str = "mes") -> Iterator[tuple[Path, ast.Call, str]]:
    """Every call of a name in the product's source."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield file, node, node.func.id


def raised() -> list[Raised]:
    """All refusals of the board; the rejected points of the journal's sinks are other things."""
    refusals = []
    for file, call, name in calls():
        if name not in CARRIERS or (name == "HttpProblem" and "board" not in file.relative_to(ROOT).parts):
            continue
        place = CARRIERS[name]
        assert len(call.args) > place, f"{file}:{call.lineno} has no code"
        code = call.args[place]
        text = code.value if isinstance(code, ast.Constant) else ast.unparse(code)
        refusals.append(Raised(f"{file.name}:{call.lineno}", str(text), facts_of(call, name, place)))
    return refusals


def facts_of(call: ast.Call, name: str, place: int) -> frozenset[str] | None:
    """The names of the facts that a refusal carries."""
    if name != "HttpProblem":
        return frozenset(keyword.arg for keyword in call.keywords if keyword.arg)
    facts = call.args[place + 1 :]
    if not facts:
        return frozenset()
    if not isinstance(facts[0], ast.Dict):
        return None
    return frozenset(str(key.value) for key in facts[0].keys if isinstance(key, ast.Constant))
