"""Display names: the plant's file gives them, a reader's language chooses, and ids stay what they are."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from mes.collect.signals import ProcessSignal
from mes.config.build import PlantConfig
from mes.config.load import check, default_config, load
from mes.config.names import DisplayNames
from mes.config.source import at, read
from mes.oee.definitions import BUILT_IN
from mes.translations import LANGUAGES

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "cases" / "config"
STATION = "kostanay/weld/weld-1/framing"
LONGEST = 60


@pytest.fixture(scope="module")
def example() -> PlantConfig:
    """The example plant."""
    return load(default_config()).config


@pytest.mark.parametrize(
    ("language", "own", "place", "line"),
    [
        ("en", "Framing", "Body shop / Weld line 1 / Framing", "Body shop / Weld line 1"),
        ("ru", "Сборка каркаса", "Цех сварки / Линия сварки 1 / Сборка каркаса", "Цех сварки / Линия сварки 1"),
        ("kk", "Қаңқаны құрастыру", "Дәнекерлеу цехы / 1-дәнекерлеу желісі / Қаңқаны құрастыру", None),
    ],
)
def test_a_part_of_the_plant_has_a_name_for_each_language(
    example: PlantConfig, language: str, own: str, place: str, line: str | None
) -> None:
    """A station is called by its own name, or with those of its area and line; the site stands for all of it."""
    assert example.names.own(STATION, language) == own
    assert example.names.place(STATION, language) == place
    assert line is None or example.names.place("kostanay/weld/weld-1", language) == line
    assert example.names.place("kostanay", "kk") == "Қостанай"


def test_other_things_have_their_names(example: PlantConfig) -> None:
    """Shifts, products, markets and process values by their ids."""
    names = example.names
    assert names.shift("day", "ru") == "дневная смена"
    assert (names.product("S3", "kk"), names.model("JAC S2", "ru")) == ("JAC S3", "JAC S2")
    assert names.market("domestic", "kk") == "ішкі нарық"
    assert names.process_value("torque", "ru") == "Момент затяжки"


def test_a_definition_of_the_plant_says_what_it_is_like(example: PlantConfig) -> None:
    """Its title has a name in each language; its source is a sentence with the title of the built-in one."""
    own, names = example.definitions["kostanay"], example.names
    assert [names.definition(own, language) for language in LANGUAGES] == ["Kostanay", "Костанай", "Қостанай"]
    assert names.definition_source(own, "en") == own.source == "the plant's own, after Taktline"
    assert names.definition_source(own, "ru") == "собственное определение завода на основе «Taktline»"
    assert names.definition(replace(own, name="other", title="Other"), "ru") == "Other"


def test_everything_of_the_example_has_a_name_in_every_language(example: PlantConfig) -> None:
    """Nothing that has a name in the example plant falls back."""
    places = {"/".join(path.split("/")[:depth]) for path in example.standards for depth in (1, 2, 3, 4)}
    signals = [signal for setup in example.setups.values() for signal in setup.signals.values()]
    measured = {signal.name for signal in signals if isinstance(signal, ProcessSignal)}
    wanted = {
        "places": places,
        "products": {*example.products},
        "models": {product.name for product in example.products.values()},
        "markets": {product.market for product in example.products.values()},
        "shifts": {shift.name for shift in example.calendar.shifts_by_rule},
        "process_values": measured,
        "definitions": {*example.definitions} - {*BUILT_IN},
        "faults": set(),  # its controllers show codes, and what they mean are reasons
    }
    assert measured
    assert {field.name: {*getattr(example.names, field.name)} for field in fields(DisplayNames)} == wanted
    for kind in wanted:
        for key, texts in getattr(example.names, kind).items():
            assert {*texts} == {*LANGUAGES}, (kind, key)


def test_a_missing_language_falls_back_to_english_then_to_the_id() -> None:
    """One that has a name only in Kazakh is shown by its id elsewhere; one with English is shown in English."""
    names = DisplayNames(
        places={"site/weld": {"kk": "Дәнекерлеу"}, "site/weld/w1": {"en": "Line"}},
        products={"S3": {"en": "Crossover"}},
        shifts={"day": {"kk": "Күн"}},
    )
    assert names.place("site/weld/w1/a", "ru") == "weld / Line / a"
    assert names.place("site/weld/w1/a", "kk") == "Дәнекерлеу / Line / a"
    assert names.place("site/weld", "ru") == "weld"
    assert [names.product("S3", "ru"), names.product("S4", "ru")] == ["Crossover", "S4"]
    assert [names.shift("day", "kk"), names.shift("day", "ru")] == ["Күн", "дневная смена"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_plant_without_names_is_shown_by_its_ids(language: str) -> None:
    """Paths, products, markets and process values as they are written; common shifts as they are translated."""
    names = DisplayNames()
    assert [names.own(STATION, language), names.place(STATION, language)] == ["framing", "weld/weld-1/framing"]
    assert names.place("kostanay", language) == "kostanay"
    assert [names.product("S3", language), names.model("JAC S3", language)] == ["S3", "JAC S3"]
    assert [names.market("domestic", language), names.process_value("torque", language)] == ["domestic", "torque"]
    assert names.shift("Stocktaking", language) == "Stocktaking"


def test_braces_in_a_name_are_no_placeholder() -> None:
    """A station's names are taken as they are written, whatever its `with` holds."""
    names = load(CASES / "display-names-alike" / "plant.yaml").config.names
    assert names.own("demo/weld/weld-1/underbody", "en") == "Station {code}"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("a" * LONGEST, ""),
        ("Ә" * LONGEST, ""),
        ("<b>&amp;</b> 'x' №1 – 2°", ""),
        ("a" * (LONGEST + 1), "should have at most 60 characters"),
        ("", "is empty"),
        ("  ", "is empty"),
        ("a\\nb", "cannot be seen"),
        ("a\\tb", "cannot be seen"),
        ("a\\0b", "cannot be seen"),
        ("a\\x9bb", "cannot be seen"),
        *((f"a\\u{code:04x}b", "cannot be seen") for code in (0x200B, 0x200E, 0x200F, 0x2028, 0xFEFF)),
        *((f"a\\u{code:04x}b", "cannot be seen") for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
    ],
)
def test_a_name_is_short_and_can_be_seen(tmp_path: Path, name: str, wrong: str) -> None:
    """Control characters and marks that turn the direction of text are refused in their line, and not repeated."""
    text = default_config().read_text(encoding="utf-8")
    was = "names: {en: Framing,"
    assert text.count(was) == 1
    text = text.replace(was, f'names: {{en: "{name}",')
    file = tmp_path / "plant.yaml"
    file.write_text(text, encoding="utf-8")

    problems = check(file).problems

    line = next(number for number, text_line in enumerate(text.splitlines(), 1) if f'{{en: "{name}"' in text_line)
    assert [problem.line for problem in problems] == ([line] if wrong else [])
    for problem in problems:
        assert wrong in f"{problem.what} {problem.remedy}"
        assert str(problem).replace("\n", "").isprintable()


def test_the_kazakh_names_for_a_native_speaker_are_those_of_the_example() -> None:
    """Each row of the page for reviewers has the English and the Kazakh name that the file has at that place."""
    page = (
        (ROOT / "docs" / "kazakh-review.md").read_text(encoding="utf-8").partition("## Names of the example plant")[2]
    )
    rows = re.findall(r"^\| `([\w.-]+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)
    source = read(default_config())
    for place, english, kazakh in rows:
        found = at(source.data, (*place.split("."), "names"))
        assert isinstance(found, dict), place
        assert (found["en"], found["kk"]) == (english, kazakh)
