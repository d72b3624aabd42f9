"""What the shared subset and the schema forbid in a query."""

import pytest

from dashboards.checks.influxql.lint import lint
from mes.influx.select import select

T = "time > now() - 1h"


@pytest.mark.parametrize(
    "text",
    [
        select('sum("good") / sum("produced") AS q', "kpi", f"{T} AND \"window\" = 'hour'", group='"line", time(1h)'),
        select('last("state")', "state", f'{T} AND "station" =~ /^op/'),
        f"SELECT non_negative_difference(last(counted)) FROM count_audit WHERE {T} GROUP BY time(1m), *",
        select(
            '"state", "reason", "line"',
            "state",
            f"{T} AND \"reason\" != 'into; x'",
            ending="ORDER BY time DESC LIMIT 9",
        ),
        f"SELECT moving_average(last(counted), 7) FROM count_audit WHERE {T} GROUP BY time(1h), *",
        f"SHOW TAG VALUES FROM kpi WITH KEY = line WHERE {T} AND area = 'weld'",
    ],
)
def test_what_every_server_answers(text: str) -> None:
    """A query in the subset that fits the schema has no finding."""
    assert lint(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"SELECT good FROM kpi WHERE {T} SLIMIT 3", "SLIMIT"),
        (f"SELECT good FROM plant..kpi WHERE {T}", "name the measurement alone"),
        (f'SELECT good FROM "plant"."rp"."kpi" WHERE {T}', "name the measurement alone"),
        ("SHOW SERIES CARDINALITY", "CARDINALITY"),
        ("DROP MEASUREMENT kpi", "only reads"),
        (f"SELECT good INTO x FROM kpi WHERE {T}", "INTO"),
        ("SELECT good FROM kpi; SELECT good FROM kpi", "one statement"),
        (f"SELECT mean(x) FROM (SELECT good AS x FROM kpi) WHERE {T}", "subqueries"),
        (f"SELECT good FROM kpi WHERE {T} tz('Asia/Almaty')", "tz()"),
        (f"SELECT median(good) FROM kpi WHERE {T}", "expected one of count"),
        (f"SELECT good FROM /k/ WHERE {T}", "regex as measurement"),
        ('from(bucket: "plant") |> range(start: -1h)', "Flux and SQL"),
        (f"SELECT good FROM nothing WHERE {T}", "no measurement"),
        (f"SELECT nothing FROM kpi WHERE {T}", "no field or tag"),
        (f"SELECT count(line) FROM kpi WHERE {T}", "of the tag"),
        (f"SELECT sum(state) FROM state WHERE {T}", "no number"),
        (f"SELECT mean(present) FROM presence WHERE {T}", "no number"),
        (f"SELECT good FROM kpi WHERE {T} AND good =~ /1/", "regexes are for tags"),
        (f"SELECT good FROM kpi WHERE {T} AND line = 1", "tags are texts"),
        (f"SELECT seconds FROM state WHERE {T} AND state = 1", "single quotes"),
        (f"SELECT good FROM kpi WHERE {T} AND good = 'x'", "no point fulfils"),
        (f"SELECT sum(good) FROM kpi WHERE {T} GROUP BY scrap", "no tag of"),
        ("SELECT good FROM kpi LIMIT 1", "no condition on time"),
        ("SELECT sum(good) FROM kpi WHERE time < now() GROUP BY time(1h)", "lower bound"),
        (f"SELECT good FROM kpi WHERE {T} OR line = 'a'", "time under OR"),
        (f"SELECT difference(good) FROM kpi WHERE {T} ORDER BY time DESC", "backwards"),
        (f"SELECT difference(good) FROM kpi WHERE {T} GROUP BY time(1h)", "over an aggregate"),
        (f"SELECT moving_average(sum(good)) FROM kpi WHERE {T} GROUP BY time(1h)", "expected `,`"),
        (f"SELECT moving_average(sum(good), 2), sum(good) FROM kpi WHERE {T} GROUP BY time(1h)", "ask for them apart"),
        (f"SELECT sum(good), sum(scrap) FROM kpi WHERE {T} GROUP BY time(1h) fill(none) LIMIT 2", "each column"),
        (f"SELECT last(good) FROM kpi WHERE {T} GROUP BY time(1h) fill(previous) ORDER BY time DESC", "later buckets"),
        (f"SELECT good, sum(good) FROM kpi WHERE {T}", "only aggregates"),
        (f"SELECT line FROM kpi WHERE {T}", "tags alone"),
        (f"SHOW TAG VALUES FROM kpi WITH KEY = line WHERE {T} AND good = 1", "tags only"),
        ("SHOW TAG VALUES FROM kpi WITH KEY = line WHERE area = 'weld'", "last day only"),
        ("SHOW TAG VALUES FROM kpi WITH KEY = line WHERE time < now()", "last day only"),
    ],
)
def test_what_is_found(text: str, said: str) -> None:
    """Each violation is found, and the sentence tells it."""
    assert any(said in finding for finding in lint(text)), lint(text)
