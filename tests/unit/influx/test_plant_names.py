"""One name, one value: what InfluxDB says of lines and of cars built, and what reports say of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from influx_example import END, example
from oee_histories import between

from mes.board.answers.record_models import ProgrammeRowAnswer
from mes.calendar import WindowKind
from mes.config.build import PlantConfig
from mes.config.load import default_config, load
from mes.influx.encode import Point, window_ns
from mes.influx.points.plant import PlantPoints
from mes.oee.definitions import TAKTLINE
from mes.report.rows import as_json
from mes.results.plant import PlantResults

CONFIG: PlantConfig = load(default_config()).config


def points_of(query: PlantResults, measurement: str, kind: WindowKind, at_ns: int) -> list[Point]:
    """The points of a measurement in one window."""
    found = PlantPoints(query).points(between(0, 120))
    window = (measurement, str(kind), at_ns)
    return [point for point in found if (point.measurement, point.tags.get("window"), point.stamp_ns) == window]


def shared(point: Point, reported: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Both values of each name that both have."""
    return {name: (value, reported[name]) for name, value in point.fields.items() if name in reported}


async def test_a_line_has_the_reports_values(tmp_path: Path) -> None:
    """In an hour, a shift and a day, each name of `output` that a report has, too, is the same number there."""
    await example(tmp_path / "journal.sqlite")
    judged: set[str] = set()
    with PlantResults(CONFIG, tmp_path / "journal.sqlite", now=END) as query:
        for kind in (WindowKind.HOUR, WindowKind.SHIFT, WindowKind.DAY):
            window = query.windows(kind, between(0, 60))[0]
            points = points_of(query, "output", kind, window_ns(window.interval.start))
            lines = {line.path.rpartition("/")[2]: line for line in query.nodes("line", [])}
            assert {point.tags["line"] for point in points} == set(lines)
            for point in points:
                row = query.row(lines[point.tags["line"]], window, [TAKTLINE])
                both = shared(point, json.loads(as_json([row]))[0])
                judged |= both.keys()
                assert {name: (ours, theirs) for name, (ours, theirs) in both.items() if ours != theirs} == {}
    assert judged == {"out"}


async def test_cars_built_have_the_programmes_values(tmp_path: Path) -> None:
    """In a month each name of `built` that the programme has, too, is the same number there, product by product."""
    await example(tmp_path / "journal.sqlite")
    with PlantResults(CONFIG, tmp_path / "journal.sqlite", now=END) as query:
        (month,) = query.windows(WindowKind.MONTH, between(0, 60))
        points = points_of(query, "built", WindowKind.MONTH, window_ns(month.interval.start))
        rows = {row.label: row for row in query.programme(month.interval).whole.by_model}
    names = ProgrammeRowAnswer.model_fields
    reported = {
        product: {name: getattr(rows[facts.name], name) for name in names} for product, facts in CONFIG.products.items()
    }
    known = [(point, reported[product]) for product in reported for point in points if point.tags["product"] == product]

    assert {name for point, row in known for name in shared(point, row)} == {"built"}
    assert all(ours == theirs for point, row in known for ours, theirs in shared(point, row).values())
    assert [point.fields["built"] for point, _ in known] == [1, 0]
