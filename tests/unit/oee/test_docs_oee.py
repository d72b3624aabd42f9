"""docs/oee.md says what the code does."""

from pathlib import Path

from mes.collect.states import PACKML_OPC30060, PACKML_TAGS
from mes.oee.components import Bucket
from mes.oee.definitions import BUILT_IN
from mes.results.fields import table

TEXT = (Path(__file__).parents[3] / "docs" / "oee.md").read_text(encoding="utf-8")


def test_the_table_of_definitions_is_the_code() -> None:
    """Each cell of the table is the definition's answer."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("|")]
    cells = {row[0]: row[1:] for row in rows}
    definitions = [BUILT_IN[name] for name in cells.pop("")]

    def places(bucket: Bucket) -> list[str]:
        return [str(definition.place(bucket)) for definition in definitions]

    assert len(definitions) == len(BUILT_IN)
    assert cells["a starved, blocked"] == places(Bucket.STARVED) == places(Bucket.BLOCKED)
    assert cells["b planned stops"] == places(Bucket.PLANNED_STOP)
    assert cells["c setup"] == places(Bucket.SETUP)
    assert cells["d minor stops"] == places(Bucket.MINOR_STOPS)
    limits = [
        "station's limit" if definition.minor_stop is None else f"{definition.minor_stop.seconds} s"
        for definition in definitions
    ]
    assert cells["d shorter than"] == limits
    assert cells["e rework"] == ["good" if definition.rework_is_good else "not good" for definition in definitions]
    assert cells["f performance capped"] == ["at 1" if definition.capped else "never" for definition in definitions]
    assert cells["g roll-up"] == [str(definition.roll_up) for definition in definitions]
    assert cells["h no data"] == places(Bucket.NO_DATA)


def test_the_table_of_figures_is_the_code() -> None:
    """Every figure stands in the page with its unit and meaning; `mes.results.fields.table` writes the table."""
    assert table() in TEXT


def test_the_table_of_packml_states_is_the_code() -> None:
    """Each row has the state's number in both numberings, and what both maps make of it; no number is left out."""
    section = TEXT.partition("## States of PackML")[2].partition("## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:3] != "|--"]
    states = {tuple(row[1:3]): row[3] for row in rows if len(row) == 4 and row[1].isdigit()}
    assert [PACKML_TAGS[tags].value.replace("_", " ") for tags, _ in states] == list(states.values())
    assert [PACKML_OPC30060[opc].value.replace("_", " ") for _, opc in states] == list(states.values())
    assert {tags for tags, _ in states} == set(PACKML_TAGS)
    assert {opc for _, opc in states} == set(PACKML_OPC30060)
