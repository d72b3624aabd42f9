"""docs/oee.md says what the code does."""

from pathlib import Path

from mes.oee.components import Bucket
from mes.oee.definitions import BUILT_IN

TEXT = (Path(__file__).parents[2] / "docs" / "oee.md").read_text(encoding="utf-8")


def test_the_table_of_definitions_is_the_code() -> None:
    """Each cell of the table is the definition's answer."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("|")]
    table = {row[0]: row[1:] for row in rows}
    definitions = [BUILT_IN[name] for name in table.pop("")]

    def places(bucket: Bucket) -> list[str]:
        return [str(each.place(bucket)) for each in definitions]

    assert len(definitions) == len(BUILT_IN)
    assert table["a starved, blocked"] == places(Bucket.STARVED) == places(Bucket.BLOCKED)
    assert table["b planned stops"] == places(Bucket.PLANNED_STOP)
    assert table["c setup"] == places(Bucket.SETUP)
    assert table["d minor stops"] == places(Bucket.MINOR_STOPS)
    limits = ["station's limit" if each.minor_stop is None else f"{each.minor_stop.seconds} s" for each in definitions]
    assert table["d shorter than"] == limits
    assert table["e rework"] == ["good" if each.rework_is_good else "not good" for each in definitions]
    assert table["f performance capped"] == ["at 1" if each.capped else "never" for each in definitions]
    assert table["g roll-up"] == [str(each.roll_up) for each in definitions]
    assert table["h no data"] == places(Bucket.NO_DATA)
