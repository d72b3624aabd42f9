"""How the code speaks: short sentences, and none of the private words that the field has a word for."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = ("adapters", "benchmarks", "dashboards", "docs", "mes", "simulators", "tests")
MOST_WORDS = 25
SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n\s*\n|\n\s*[-*] ")
FORMULAS = re.compile(r"\x08\n.*?(?:\n\s*\n|\Z)", re.DOTALL)  # what click prints as it is

PRIVATE_NAMES = {
    "Gauge": "StatusMonitor",
    "Inquiry": "PlantResults",
    "May": "Permission",
    "Refused": "HttpProblem, RejectedPoint",
    "Room": "DiskSpace",
    "Speech": "Localizer",
    "Taker": "BatchSink",
    "Tries": "LoginRateLimit",
    "Upkeep": "Maintenance",
    "Watch": "HealthListener",
}
PRIVATE_MODULES = {
    "asked",
    "books",
    "cards",
    "care",
    "deeds",
    "document",
    "doubts",
    "drawing",
    "entry",
    "exchange",
    "further",
    "gauge",
    "guard",
    "inquiry",
    "ledger",
    "life",
    "live",
    "people",
    "pieces",
    "shape",
    "shown",
    "signs",
    "site",
    "times",
    "upkeep",
    "wall",
}
PRIVATE_PROSE = {
    "anew": "again",
    "booked": "counted, recorded",
    "books": "shift closing, count audit, counts",
    "inquiry": "query",
    "that which": "what, which",
    "upkeep": "maintenance",
}
HELP = {"help", "short_help", "epilog"}
ANY_PRIVATE_PROSE = re.compile(rf"\b({'|'.join(PRIVATE_PROSE)})\b", re.IGNORECASE)
LOOP_OVER_EACH = re.compile(r"{%-? for [^%]*\beach\b[^%]* in ")


def sources() -> list[Path]:
    """Every module of ours, by its path."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts]
    return sorted(found)


@lru_cache(maxsize=1)
def nodes(text: str) -> list[ast.AST]:
    """Everything in a module; each rule looks at the same."""
    return list(ast.walk(ast.parse(text)))


def docstrings(text: str) -> Iterator[tuple[int, str]]:
    """(line, docstring) of a module and everything in it."""
    for node in nodes(text):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring is not None:
                yield getattr(node, "lineno", 1), docstring


def messages(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each piece of a message of an exception, and of a command's or option's help."""
    for node in nodes(text):
        said: list[ast.expr] = []
        if isinstance(node, ast.Raise) and node.exc is not None:
            said = [node.exc]
        elif isinstance(node, ast.Call):
            said = [keyword.value for keyword in node.keywords if keyword.arg in HELP]
        for piece in (piece for whole in said for piece in ast.walk(whole)):
            if isinstance(piece, ast.Constant) and isinstance(piece.value, str):
                yield piece.lineno, piece.value


def long_sentences(text: str) -> list[str]:
    """The sentences of a module's docstrings that are too long, each with the line of its owner."""
    return [
        f"{line}: {' '.join(words)}"
        for line, docstring in docstrings(text)
        for sentence in SENTENCE_END.split(FORMULAS.sub("", docstring))
        if len(words := sentence.split()) > MOST_WORDS
    ]


def private_words(text: str) -> list[str]:
    """The private words in what a module says, and in its names of classes and functions, with their lines.

    It says something in docstrings, comments, messages of exceptions and help texts.
    """
    prose: list[tuple[int, str]] = []
    if ANY_PRIVATE_PROSE.search(text):
        prose += docstrings(text)
        prose += messages(text)
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        prose += [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
    found = [
        f"{line}: {word!r}: write {better}"
        for line, said in prose
        for word, better in PRIVATE_PROSE.items()
        if re.search(rf"\b{word}\b", said, re.IGNORECASE)
    ]
    found += [
        f"{node.lineno}: class {node.name}: call it {PRIVATE_NAMES[node.name.lstrip('_')]}"
        for node in nodes(text)
        if isinstance(node, ast.ClassDef) and node.name.lstrip("_") in PRIVATE_NAMES
    ]
    return found + [
        f"{node.lineno}: function {node.name}: say {PRIVATE_PROSE[word]}"
        for node in nodes(text)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for word in node.name.split("_")
        if word in PRIVATE_PROSE
    ]


def nameless(text: str) -> list[str]:
    """The lines of a module where a variable is called `each`, which says nothing of what it holds."""
    return [
        f"{node.lineno}: name it after what it holds, not `each`"
        for node in nodes(text)
        if (isinstance(node, ast.Name) and node.id == "each" and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.arg) and node.arg == "each")
    ]


def test_the_source_is_in_plain_english() -> None:
    """No docstring has a sentence of more than 25 words, and no private word stands for the field's."""
    places = [
        f"{path.relative_to(ROOT)}:{place}"
        for path in sources()
        for text in [path.read_text()]
        for place in long_sentences(text) + private_words(text)
    ]
    assert places == []


def test_a_variable_is_named_after_its_thing() -> None:
    """No loop, comprehension, function or lambda calls its variable `each`, in the source and in templates."""
    places = [f"{path.relative_to(ROOT)}:{place}" for path in sources() for place in nameless(path.read_text())]
    templates = [path.name for path in (ROOT / "mes").rglob("*.html") if LOOP_OVER_EACH.search(path.read_text())]
    assert places + templates == []


def test_no_module_has_a_private_name() -> None:
    """A module is named after what it holds, in the field's word."""
    shipped = [path for path in sources() if path.relative_to(ROOT).parts[0] in ("adapters", "mes")]
    assert [path for path in shipped if path.stem in PRIVATE_MODULES] == []


def test_what_is_not_plain_english_is_found() -> None:
    """Each rule finds what it forbids: in a docstring of any owner, a comment, a message, a help text, a class name."""
    assert long_sentences(f'def f():\n    """{"word " * 26}"""\n') == [f"1: {' '.join(['word'] * 26)}"]
    assert long_sentences(f'"""{"word " * 24}end. {"word " * 25}"""\n') == []
    assert private_words('"""It is begun anew."""\n') == ["1: 'anew': write again"]
    assert private_words("x = 1  # the books agree\n") == ["1: 'books': write shift closing, count audit, counts"]
    assert private_words("x = 1  # counted anew\n") == ["1: 'anew': write again"]
    assert private_words('raise ValueError(f"begin {name} anew")\n') == ["1: 'anew': write again"]
    assert private_words('@option("--close", help="Close the books.")\ndef f(): ...\n') == [
        "1: 'books': write shift closing, count audit, counts"
    ]
    assert private_words('word = "anew"\n') == []
    assert private_words("class _Taker: ...\n") == ["1: class _Taker: call it BatchSink"]
    assert private_words("def begin_anew(): ...\n") == ["1: function begin_anew: say again"]
    assert nameless("for each in stations: pass\nsorted(stops, key=lambda each: each.start)\n") == [
        f"{line}: name it after what it holds, not `each`" for line in (1, 2)
    ]
    assert nameless("for station in stations: each.stop()\n") == []
    assert LOOP_OVER_EACH.search("{% for number, each in months.items() %}")
    assert not LOOP_OVER_EACH.search("{% for month in months %}")
