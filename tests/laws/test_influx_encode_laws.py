"""Line protocol agrees with influxdb-client's own serialiser wherever that one is right."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point

from mes.influx.encode import Field, line

printable = st.text(st.characters(min_codepoint=32, exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1)
names = printable.filter(lambda text: not text.endswith("\\"))
fields = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))),
)


# the client warns that such a line reads as a comment; our measurements are those of the schema, none begins so
@pytest.mark.filterwarnings("ignore:The measurement name:SyntaxWarning")
@example("#", {}, {"one": 1})
@given(names, st.dictionaries(names, names, max_size=3), st.dictionaries(names, fields, min_size=1, max_size=3))
def test_agrees_with_point(measurement: str, tags: dict[str, str], values: dict[str, Field]) -> None:
    """Same measurement, tags and fields give the same text, floats aside, which the client writes without `.0`."""
    point = Point(measurement).time(1)  # type: ignore[no-untyped-call]  # the library is only partly typed
    for name, value in tags.items():
        point.tag(name, value)
    whole = {
        name: value + 0.5 if isinstance(value, float) and value.is_integer() and abs(value) < 2**50 else value
        for name, value in values.items()
        if not isinstance(value, float) or abs(value) < 2**50
    } or {"one": 1}
    for name, whole_value in whole.items():
        point.field(name, whole_value)

    assert line(measurement, tags, whole, 1) == point.to_line_protocol()


@given(st.text(min_size=1), st.text())
def test_one_point_is_one_line(tag: str, text: str) -> None:
    """No text can break a line in two."""
    assert len(line("m", {"t": tag}, {"f": text}, 1).splitlines()) == 1
