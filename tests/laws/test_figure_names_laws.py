"""One name, one value: report, CSV, interface, InfluxDB, replay and explain use a figure's name for one number."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from events import STATION
from examples import examples
from hypothesis import given, settings
from list_reader import ListReader
from random_histories import CALENDAR, WINDOW, histories, standards

from mes.board.answers.figures import kpi_of_row
from mes.calendar import Window, WindowKind
from mes.commands.explain import explanation_values
from mes.config.names import DisplayNames
from mes.influx.points.stations import kpi_point
from mes.model import Journaled, StationStandard
from mes.oee.definitions import TAKTLINE, apply
from mes.oee.secondary_kpis import secondary_kpis
from mes.report.rows import as_csv, as_json
from mes.results.compare import differences
from mes.results.explain import Explanation
from mes.results.fields import KPI_FIELDS
from mes.results.plant import Node, Row
from mes.results.stations import Results

NAMES = {field.name for field in KPI_FIELDS}
SHIFT = Window(WindowKind.SHIFT, "early", WINDOW.start.date(), WINDOW)


def report(results: Results) -> tuple[Row, dict[str, Any]]:
    """The row of the window, and its figures as the report's JSON has them."""
    kpi = results.kpi(STATION, WINDOW, until=WINDOW.end)
    node, figures, out = Node(STATION, (STATION,)), (apply(TAKTLINE, [kpi]),), kpi.count("good")
    row = Row(node, SHIFT, kpi, figures, secondary_kpis(kpi), out, out_at_least=kpi.units_missing, target=None)
    return row, json.loads(as_json([row]))[0]


def results_of(events: list[Journaled], standard: StationStandard) -> Results:
    """The results of one station."""
    return Results(ListReader(*(journaled.event for journaled in events)), {STATION: standard}, CALENDAR)


@given(histories(), standards)
@settings(max_examples=examples(60))
def test_one_name_is_one_value(events: list[Journaled], standard: StationStandard) -> None:
    """Every figure that one of the outputs names is the same number in each of them that names it."""
    results = results_of(events, standard)
    row, reported = report(results)
    [cells] = csv.DictReader(io.StringIO(as_csv([row])))
    outputs: dict[str, Mapping[str, Any]] = {
        "report": reported,
        "csv": {name: float(text) if text else None for name, text in cells.items() if name in NAMES},
        "interface": json.loads(kpi_of_row(row, WINDOW.end).model_dump_json()),
        "influx": kpi_point(results, STATION, SHIFT, row.kpi).fields,
        "explain": json.loads(json.dumps(explanation_values(Explanation(row, (), (), (), (), ()), DisplayNames())))[
            "figures"
        ],
    }
    for name in NAMES:
        named = {output: values[name] for output, values in outputs.items() if name in values}
        assert {"report", "csv", "explain"} <= set(named)
        assert set(named.values()) == {reported[name]}, (name, named)


@given(histories(), histories(), standards)
@settings(max_examples=examples(60))
def test_replay_names_what_differs(before: list[Journaled], after: list[Journaled], standard: StationStandard) -> None:
    """Replay lists each figure of the report that is not the same in two computations, with both values."""
    (was, old), (now, new) = report(results_of(before, standard)), report(results_of(after, standard))
    found = {
        difference.figure: (difference.before, difference.after)
        for difference in differences(STATION, SHIFT, was.kpi, now.kpi)
    }
    found.pop("losses", None)

    assert found == {name: (old[name], new[name]) for name in NAMES if old[name] != new[name]}
