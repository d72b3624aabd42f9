"""Every refusal that can reach the floor has a code and a sentence that asks only for the facts that it carries."""

import ast
from collections.abc import Mapping

import pytest
from catalogues import facts, messages
from refusals_raised import HANDED_ON, ROOT, Raised, raised

from mes.board.bounds import CODES
from mes.board.refusals import code_of

ANSWERS = frozenset({"PlainTextResponse", "JSONResponse", "HTMLResponse", "Response"})
SENTENCES = {key.removeprefix("refusal."): message for key, message in messages().items() if key.startswith("refusal.")}
RAISED = raised()


@pytest.mark.parametrize("refusal", RAISED, ids=lambda refusal: f"{refusal.where}-{refusal.code}")
def test_every_refusal_has_a_sentence(refusal: Raised) -> None:
    """Its code is known, and it names every fact that the sentences ask for."""
    if refusal.code in HANDED_ON:
        return
    assert refusal.code in SENTENCES, f"{refusal.where}: `{refusal.code}` has no sentence in mes/translations"
    assert refusal.facts is not None
    missing = frozenset().union(*facts(SENTENCES[refusal.code].id)) - refusal.facts
    assert not missing, f"{refusal.where}: the sentence asks for {missing}"


def test_no_sentence_is_without_its_refusal() -> None:
    """Each code is raised somewhere, or belongs to a status of the layers below."""
    below: Mapping[int, str] = {**CODES, **{status: code_of(status) for status in (400, 404, 405)}}
    assert set(SENTENCES) == {refusal.code for refusal in RAISED if refusal.code not in HANDED_ON} | set(below.values())


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
                if any(keyword.arg == "status_code" for keyword in call.keywords):
                    found.add((file.name, function.name))
    assert found == allowed
