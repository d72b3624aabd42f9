"""The gettext catalogues hold exactly the texts that the source and the templates use, complete in every language."""

import ast
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

import jinja2
import pytest
from catalogues import catalogue, facts, forms, messages
from jinja2 import nodes
from refusals_raised import HANDED_ON, ROOT, raised

import mes.model
from adapters.diagnostics import DiagnosticCode
from adapters.modbus.answers import Doubt
from adapters.reading import Quality
from mes.board.accounts.users import Permission, Role
from mes.board.bounds import CODES
from mes.board.pages.audit import ACTIONS
from mes.board.pages.rendering import ABBREVIATIONS
from mes.board.pages.views import NAV
from mes.board.refusals import code_of
from mes.health.controllers import ConnectionState
from mes.model import CountFlag, CountKind, State, UnitResult
from mes.oee.biography import VisitFlag
from mes.oee.causes import Cause
from mes.oee.components import LOSSES, Bucket, KpiFlag
from mes.oee.definitions import BUILT_IN, Place, RollUp
from mes.oee.programme import LossKind
from mes.oee.unreconciled_counts import Assessment
from mes.translations import LANGUAGES, of_source, text, texts

SHIFTS = {"shift.day", "shift.night", "shift.off_shift"}
TROUBLES = {"trouble_accounts", "trouble_board", "trouble_influx", "trouble_events", "trouble_newer"}
EVENTS = {
    kind.__name__ for kind in vars(mes.model).values() if isinstance(kind, type) and issubclass(kind, mes.model.Event)
}
DEFINITIONS = {f"definition.{name}.{field}" for name in BUILT_IN for field in ("title", "source")}
PLACES = {f"place.{place.replace(' ', '_')}" for place in Place}
WATERFALL = (
    {"calendar", "pbt", "apt", "speed_loss", "quality_loss", "valuable"} | {*LOSSES} | {"not_planned", "planned_stop"}
)
CHANGES = set(re.findall(r"audit\.\w+", (ROOT / "mes/board/pages/audit.py").read_text())) - {"audit.html"}
REFUSALS = {problem.code for problem in raised() if problem.code not in HANDED_ON}
REFUSALS |= {*CODES.values(), *map(code_of, (400, 404, 405))}

# the keys that an expression can choose from, by the expression as the source or the template has it
CHOSEN: Mapping[str, Set[str]] = {
    # templates
    "'glossary.' ~ name": {f"glossary.{abbreviation}" for abbreviation in ABBREVIATIONS},
    "'connection_' ~ controller.state": {f"connection_{state}" for state in ConnectionState},
    "'diagnostic_' ~ said.code": {f"diagnostic_{code}" for code in DiagnosticCode},
    "'diagnostic_' ~ tag.problem": {f"diagnostic_{code}" for code in DiagnosticCode},
    "'remedy_' ~ said.code": {f"remedy_{code}" for code in DiagnosticCode},
    "'doubt.' ~ kind": {f"doubt.{doubt}" for doubt in Doubt},
    "'quality_' ~ tag.quality": {f"quality_{quality}" for quality in Quality},
    "'count_flag.' ~ count.facts.flag": {f"count_flag.{flag}" for flag in CountFlag},
    "'event.' ~ event.kind": {f"event.{event}" for event in EVENTS - {"Event"}},
    "name": {page for _, page in NAV} | {"audit"},
    "person.role": {*Role},
    "state": {*State},
    "span.state": {*State},
    "stop.state": {*State},
    "tile.state": {*State},
    "span.bucket": {*Bucket},
    "group.bucket": {*Bucket},
    "flag": {*KpiFlag, *VisitFlag},
    "step.name": WATERFALL,
    "count.kind": {*CountKind},
    "count.facts.kind": {*CountKind},
    "line.cause": {*Cause},
    "culprit.cause": {*Cause},
    "hour.largest_loss": {*LossKind},
    "cycle.result": {*UnitResult},
    "result.result": {*UnitResult},
    "tag.means": {*State},
    # source
    "piece.state": {*State},
    "loss": {*LOSSES},
    "name_": WATERFALL,
    "f'trouble_{part}'": TROUBLES,
    "f\"shift.{name.replace(' ', '_')}\"": SHIFTS,
    "f'possible.{count.assessment}'": {
        f"possible.{assessment}" for assessment in Assessment if assessment is not Assessment.REAL
    },
    "_action(event)": CHANGES,
    "key": set(ACTIONS.values()),  # audit
    "code": {"unexplained"},  # of a reason: the plant's, or a bucket
    "role": {*Role},
    "value": {*Role},
    "event.kind": {*CountKind},
    "f'{name}_loss'": {"speed_loss", "quality_loss"},
    "f'permission.{value}'": {f"permission.{permission}" for permission in Permission},
    "f'refusal.{code}'": {f"refusal.{refusal}" for refusal in REFUSALS},
    "f'definition.{definition.name}.title'": {
        definition for definition in DEFINITIONS if definition.endswith(".title")
    },
    "f'definition.{definition.name}.source'": {key for key in DEFINITIONS if key.endswith(".source")},
    "f\"place.{where.replace(' ', '_')}\"": PLACES,
    "f'rollup.{roll_up}'": {f"rollup.{roll_up}" for roll_up in RollUp},
}
MAPPINGS = {
    "t",
    "text",
    "texts(language)",
    "sheet.texts",
    "localizer.texts",
    "self.texts",
}  # what holds the texts of a language
FUNCTIONS = {
    "text": 1,
    "translated": 1,
    "of_source": 1,
    "self.sentence": 0,
    "localizer.sentence": 0,
    "localizer.word": 0,
    "localizer.counter": 0,
}
CONSTANTS = re.compile(r"'([^']+)'(?: if .* else '([^']+)')?")
SAME = frozenset({"oee", "teep", "definition.taktline.title"})  # the same in every language


def used_by_templates() -> Iterator[tuple[str, str]]:
    """Every key of a template, or the expression that chooses it, with the place."""
    for path in sorted((ROOT / "mes").rglob("*.html")):
        tree = jinja2.Environment(autoescape=True).parse(path.read_text())
        for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Call)):
            where = f"{path.name}:{node.lineno}"
            match node:
                case nodes.Getattr(node=nodes.Name(name="t"), attr=key):
                    yield where, repr(key)
                case nodes.Getitem(node=nodes.Name(name="t"), arg=chosen):
                    yield where, written(chosen)
                case nodes.Call(
                    node=nodes.Getattr(node=nodes.Name(name="localizer"), attr="word" | "sentence" | "counter")
                ):
                    yield where, written(node.args[0])


def written(node: nodes.Node) -> str:
    """A template's expression as the template has it."""
    match node:
        case nodes.Const(value=value):
            return repr(value)
        case nodes.Name(name=name):
            return name
        case nodes.Getattr(node=inner, attr=name):
            return f"{written(inner)}.{name}"
        case nodes.Concat(nodes=parts):
            return " ~ ".join(map(written, parts))
        case _:
            raise AssertionError(f"line {node.lineno}: a key is chosen by {type(node).__name__}; choose it by a name")


def used_by_source() -> Iterator[tuple[str, str]]:
    """Every key of the source, or the expression that chooses it, with the place."""
    for path in sorted((ROOT / "mes").rglob("*.py")):
        if not {"board", "config", "report", "translations"} & set(path.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            key = key_of(node)
            if key is not None:
                yield f"{path.name}:{node.lineno}", ast.unparse(key)  # type: ignore[attr-defined]


def key_of(node: ast.AST) -> ast.expr | None:
    """The key of a look-up; None for anything else."""
    match node:
        case ast.Subscript(slice=ast.Slice()):
            return None
        case ast.Subscript(value=mapping, slice=key) if ast.unparse(mapping) in MAPPINGS:
            return key
        case ast.Call(func=ast.Attribute(value=mapping, attr="get"), args=[key, *_]) if (
            ast.unparse(mapping) in MAPPINGS
        ):
            return key
        case ast.Call(func=function, args=arguments) if ast.unparse(function) in FUNCTIONS:
            place = FUNCTIONS[ast.unparse(function)]
            return arguments[place] if len(arguments) > place else None
        case _:
            return None


def as_written(expression: str) -> str:
    """An expression as this Python writes it: quotes in f-strings differ by version. One of a template as it is."""
    try:
        return ast.unparse(ast.parse(expression, mode="eval"))
    except SyntaxError:
        return expression


def used() -> tuple[set[str], list[str]]:
    """All keys that are used, and the expressions of which nobody knows what they choose."""
    chosen = {as_written(expression): choices for expression, choices in CHOSEN.items()}
    keys: set[str] = set()
    unknown: list[str] = []
    for where, expression in (*used_by_templates(), *used_by_source()):
        constants = CONSTANTS.fullmatch(expression)
        if constants is not None:
            keys |= {group for group in constants.groups() if group}
        elif expression in chosen:
            keys |= {str(word) for word in chosen[expression]}
        else:
            unknown.append(f"{where}: {expression}")
    return keys, unknown


def test_every_key_is_a_message_and_every_message_is_used() -> None:
    """No key of the source or of a template lacks its English text, and no text is left over."""
    keys, unknown = used()
    assert not unknown, "say in CHOSEN what these can choose"
    assert keys - set(messages()) == set(), "without a text"
    assert set(messages()) - keys == set(), "without a use"


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_a_catalogue_has_every_message(language: str) -> None:
    """The same keys with the same English texts: none is missing, none is left over, none obsolete or fuzzy."""
    source, translated = messages(), messages(language)
    assert set(translated) == set(source)
    assert {key: message.id for key, message in translated.items()} == {
        key: message.id for key, message in source.items()
    }
    assert [key for key, message in translated.items() if message.fuzzy] == []
    assert not catalogue(language).obsolete


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_translation_is_whole(language: str) -> None:
    """None is empty, each has every plural form, asks for the facts of the English text, and is in its own letters."""
    wrong = []
    for key, source in messages().items():
        message = messages(language)[key]
        translations = forms(message.string)
        facts_asked = frozenset().union(*facts(source.id))
        if len(translations) != (catalogue(language).num_plurals if source.pluralizable else 1):
            wrong.append(f"{key}: not every plural form")
        if not all(translation.strip() for translation in translations):
            wrong.append(f"{key}: empty")
        if set(facts(message.string)) != {facts_asked}:
            wrong.append(f"{key}: asks for other facts than {sorted(facts_asked)}")
        if key not in SAME and not all(
            re.search("[а-яёәғқңөұүһі]", translation.lower()) for translation in translations
        ):
            wrong.append(f"{key}: not translated")
    assert not wrong


@pytest.mark.parametrize(
    ("language", "numbers"),
    [
        ("en", {1: "1 part", 2: "2 parts", 21: "21 parts"}),
        ("ru", {1: "1 деталь", 2: "2 детали", 5: "5 деталей", 11: "11 деталей", 21: "21 деталь"}),
        ("kk", {1: "1 бөлшек", 2: "2 бөлшек"}),
    ],
)
def test_a_number_chooses_its_form(language: str, numbers: Mapping[int, str]) -> None:
    """Russian has three forms, English two, and Kazakh leaves the noun as it is."""
    assert {number: text(language, "parts_count", {"number": number}) for number in numbers} == numbers


def test_a_plural_begins_with_its_number() -> None:
    """The first fact of a text with plural forms is the number that chooses, in every language the same one."""
    for key, message in messages().items():
        if message.pluralizable:
            firsts = {re.findall(r"{(\w+)}", form)[0] for form in forms(message.id)}
            assert len(firsts) == 1, key


def test_definitions_have_their_own_words() -> None:
    """The English title and source of a built-in definition are those of the catalogue; others stay as they are."""
    english = {name: (definition.title, definition.source) for name, definition in BUILT_IN.items()}
    known = texts("en")
    assert {
        name: (known[f"definition.{name}.title"], known[f"definition.{name}.source"]) for name in BUILT_IN
    } == english
    assert of_source("ru", "definition.vorne.title", "Шесть") == "Шесть"
    assert of_source("ru", "definition.own.title", "Our own") == "Our own"


def test_there_is_no_other_language() -> None:
    """A language that has no catalogue is refused."""
    with pytest.raises(ValueError, match="there is no language 'de'"):
        texts("de")


def test_no_text_is_left_in_the_source() -> None:
    """Cyrillic letters are in the catalogues alone, but for names of languages and heads of columns that are read."""
    found = {
        str(path.relative_to(ROOT / "mes"))
        for path in (ROOT / "mes").rglob("*.*")
        if path.suffix in {".py", ".html", ".js", ".css"} and re.search("[а-яА-ЯёЁ]", Path(path).read_text())
    }
    assert found == {"board/pages/rendering.py", "config/fault_texts.py"}


def test_the_review_lists_texts_of_the_catalogue() -> None:
    """Each Kazakh text that waits for a native speaker is the one that the board shows."""
    page = (ROOT / "docs/kazakh-review.md").read_text().partition("## Names of the example plant")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)
    known = messages("kk")
    wrong = [key for key, _, kazakh in rows if key not in known or kazakh not in forms(known[key].string)]
    assert not wrong
