"""What the evaluator refuses, and what no server is needed to see."""

import pytest

from mes.demo.influxql.evaluate import evaluate
from mes.demo.influxql.parse import parse
from mes.demo.influxql.where import CannotEvaluate, Row

ROWS = [Row("m", 10, {"t": "a"}, {"f": 1.5, "s": "p"}), Row("m", 25, {"t": "a"}, {"f": 0.5, "s": "q"})]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT difference(f) FROM m ORDER BY time DESC", "backwards"),
        ("SELECT sum(f) FROM m GROUP BY time(5ns)", "lower bound"),
        ("SELECT f FROM m WHERE time > 3 OR t = 'a'", "under OR"),
        ("SELECT sum(s) FROM m", "count them instead"),
        ("SELECT f, sum(f) FROM m", "only aggregates"),
        ("SELECT f + s FROM m", "needs numbers"),
    ],
)
def test_what_is_not_promised_is_refused(text: str, said: str) -> None:
    """A query whose answer is not the same everywhere gets none, and the error says what to write."""
    with pytest.raises(CannotEvaluate, match=said):
        evaluate(parse(text), ROWS, 100)


def test_buckets_without_an_upper_bound_end_now() -> None:
    """GROUP BY time goes from the lower bound's bucket up to now."""
    [series] = evaluate(parse("SELECT sum(f) FROM m WHERE time >= now() - 30ns GROUP BY time(10ns)"), ROWS, 35)

    assert series.values == [(0, None), (10, 1.5), (20, 0.5), (30, None)]
