"""Every refusal that can reach the floor has a code and exists in English, Russian and Kazakh."""

import ast
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mes.board.bounds import CODES
from mes.board.refusals import SENTENCES, code_of

ROOT = Path(__file__).resolve().parents[3]
CARRIERS = {"HttpProblem": 2, "NotAllowed": 1, "refusal": 2}  # a refusal, and where its code stands among the arguments
HANDED_ON = frozenset({"error.code", "code", "CODES[503]", "CODES[body]", "code_of(error.status_code)"})
ANSWERS = frozenset({"PlainTextResponse", "JSONResponse", "HTMLResponse", "Response"})


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
    """All refusals; those of the journal's sinks are other things of the same name."""
    found = []
    for file, call, name in calls():
        if name not in CARRIERS or (name == "HttpProblem" and "board" not in file.relative_to(ROOT).parts):
            continue
        place = CARRIERS[name]
        assert len(call.args) > place, f"{file}:{call.lineno} has no code"
        code = call.args[place]
        text = code.value if isinstance(code, ast.Constant) else ast.unparse(code)
        found.append(Raised(f"{file.name}:{call.lineno}", str(text), facts_of(call, name, place)))
    return found


def facts_of(call: ast.Call, name: str, place: int) -> frozenset[str] | None:
    """The names of the facts that a refusal carries."""
    if name != "HttpProblem":
        return frozenset(each.arg for each in call.keywords if each.arg)
    given = call.args[place + 1 :]
    if not given:
        return frozenset()
    if not isinstance(given[0], ast.Dict):
        return None
    return frozenset(str(each.value) for each in given[0].keys if isinstance(each, ast.Constant))


def gaps(text: str) -> frozenset[str]:
    """The facts that a sentence asks for."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)


RAISED = raised()


@pytest.mark.parametrize("each", RAISED, ids=lambda each: f"{each.where}-{each.code}")
def test_every_refusal_has_a_sentence_in_three_languages(each: Raised) -> None:
    """Its code is known, and it names every fact that the sentences ask for."""
    if each.code in HANDED_ON:
        return
    assert each.code in SENTENCES, f"{each.where}: `{each.code}` has no sentence in mes/board/refusals.py"
    assert each.facts is not None
    missing = gaps(SENTENCES[each.code][0]) - each.facts
    assert not missing, f"{each.where}: the sentence asks for {missing}"


@pytest.mark.parametrize("code", SENTENCES)
def test_the_three_sentences_say_the_same_things(code: str) -> None:
    """They name the same facts, are three different ones, and Russian and Kazakh are written in Cyrillic."""
    english, russian, kazakh = SENTENCES[code]
    assert gaps(english) == gaps(russian) == gaps(kazakh)
    assert len({english, russian, kazakh}) == 3
    assert english.isascii()
    for text in (russian, kazakh):
        assert len(re.findall("[а-яёәғқңөұүһі]", text.lower())) > 8


def test_no_sentence_is_without_its_refusal() -> None:
    """Each code is raised somewhere, or belongs to a status of the layers below."""
    below: Mapping[int, str] = {**CODES, **{status: code_of(status) for status in (400, 404, 405)}}
    assert set(SENTENCES) == {each.code for each in RAISED if each.code not in HANDED_ON} | set(below.values())


def test_no_answer_refuses_by_a_text_of_its_own() -> None:
    """Outside of the refusals and the verdicts of health no answer of the board is made with a status of an error."""
    allowed = {
        ("refusals.py", "refusal"),
        ("build.py", "_refused"),
        ("server.py", "_verdict"),
        ("views.py", "page"),
    }
    found = set()
    for file in sorted((ROOT / "mes" / "board").rglob("*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for call in ast.walk(function):
                if not isinstance(call, ast.Call) or ast.unparse(call.func) not in ANSWERS:
                    continue
                if any(each.arg == "status_code" for each in call.keywords):
                    found.add((file.name, function.name))
    assert found == allowed
