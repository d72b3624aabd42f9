"""Which answers may be empty where every panel must show something."""

import pytest

from dashboards.checks.compare import may_be_left_out


@pytest.mark.parametrize(
    ("field", "measurement", "is_left_out"),
    [
        ("clock_offset_s", "collector", True),
        ("running", "collector", False),
        ("ideal_good_s", "kpi", False),  # left out at times, too, but the journal says when
    ],
)
def test_only_health_that_is_not_always_known_may_be_empty(field: str, measurement: str, is_left_out: bool) -> None:
    """An empty answer is a problem unless its field is health that the program may not know."""
    query = f'SELECT last("{field}") AS "value" FROM "{measurement}" WHERE time > 0'

    assert may_be_left_out(query) is is_left_out
