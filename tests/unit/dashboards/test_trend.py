"""8 Trend: its ratios are sums over sums, its days tile a week, and its losses add up."""

import json
import re
from typing import Any

import pytest

from dashboards.write import FOLDER

BOARD: dict[str, Any] = json.loads((FOLDER / "dashboards" / "taktline-trend.json").read_text(encoding="utf-8"))
PANELS: dict[str, dict[str, Any]] = {panel["title"]: panel for panel in BOARD["panels"]}
SUM = r'sum\("(\w+)"\)'
MOVING = rf"moving_average\({SUM}, \$\{{mean:raw\}}\)"


def asked(panel: dict[str, Any]) -> list[str]:
    """The columns of the panel's queries."""
    return [target["query"].removeprefix("SELECT ").partition(" FROM ")[0] for target in panel["targets"]]


@pytest.mark.parametrize(
    ("name", "numerator", "denominator"),
    [
        ("OEE", "ideal_good_s", "pbt_s"),
        ("Availability", "ot_s", "pbt_s"),
        ("Performance", "ideal_produced_s", "ot_s"),
        ("Quality", "ideal_good_s", "ideal_produced_s"),
    ],
)
def test_a_ratio_and_its_moving_mean_divide_last(name: str, numerator: str, denominator: str) -> None:
    """A bar is a sum over a sum, and so is the moving mean: over as many windows above the line as below it."""
    single, moving = asked(PANELS[f"{name} by $by, over the time picker's range"])
    found = re.match(rf'{SUM} / {SUM} AS "{name}"', single), re.match(rf'{MOVING} / {MOVING} AS "mean of', moving)

    assert [match and match.groups() for match in found] == [(numerator, denominator)] * 2


def test_a_window_without_planned_time_has_no_bar() -> None:
    """To InfluxQL 0 / 0 is 0: rows whose divisor is 0 are left out before anything is drawn."""
    for panel in PANELS.values():
        if panel["type"] == "timeseries" and any(" / sum(" in text for text in asked(panel)):
            filters = [
                transformation for transformation in panel["transformations"] if transformation["id"] == "filterByValue"
            ]
            assert len(filters) == 1, panel["title"]
            (rule,) = filters[0]["options"]["filters"]
            assert all(f'AS "{rule["fieldName"]}"' in text for text in asked(panel)[-1:])


def test_the_days_of_the_heat_map_tile_the_week() -> None:
    """Each day begins where the one before it ends, from the week's first to its seventh."""
    panel = PANELS["OEE by weekday and hour, ${week_is:text}"]
    stretches = [
        tuple(map(int, re.findall(r"\$\{week_start:raw\}ms(\d)d", target["query"])[-2:])) for target in panel["targets"]
    ]
    names = [re.findall(r'AS "(\w{3})"', text) for text in asked(panel)]

    assert stretches == [(day, day + 1) for day in range(7)]
    assert names == [[name] for name in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")]


def test_all_losses_are_planned_time_without_valuable_time() -> None:
    """Each loss stands in one bar: their sum is planned busy time less the ideal time of good units."""
    losses = {name: 60.0 * 2**place for place, name in enumerate(("down", "setup", "minor_stops", "idle", "starved"))}
    losses |= {"blocked": 60.0 * 64, "no_data": 60.0 * 128}
    times = {"apt": 60.0 * 1000, "ideal_produced": 60.0 * 900, "ideal_good": 60.0 * 850}
    planned = times["apt"] + sum(losses.values())
    (text,) = asked(PANELS["The big losses, over the time picker's range"])
    bars = []
    for part in text.split(", "):
        sums, _, _ = part.partition(" AS ")
        signed = re.findall(r'(-?) ?sum\("(\w+)_s"\)', sums)
        bars.append(sum((-1 if sign else 1) * (losses | times)[name] for sign, name in signed) / 60)

    assert sum(bars) == (planned - times["ideal_good"]) / 60


def test_weeks_of_a_query_begin_when_the_plants_do() -> None:
    """What is grouped by weeks takes their beginning from the calendar that the collector publishes."""
    grouped = [
        target["query"] for panel in PANELS.values() for target in panel["targets"] if "time(7d" in target["query"]
    ]

    assert grouped
    assert all("time(7d, ${week_start:raw}ms)" in query for query in grouped)
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert re.findall(variables["week_start"]["regex"].strip("/"), "x|time >= 1772391600000ms AND time < 2ms") == [
        "1772391600000"
    ]
