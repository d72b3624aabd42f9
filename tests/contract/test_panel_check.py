"""The check of the dashboards finds each fault: a wrong figure, a lost point, a point too many, an empty panel."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from events import state
from influx_example import END, EVENTS, example, looks_at
from influxd import private_influxd
from journals import journal_of

from dashboards.checks.compare import check_panels, write_expected
from dashboards.checks.expected_rows import Row, Value, expected_rows
from dashboards.write import FOLDER
from mes.config.load import default_config, load
from mes.influx.backfill import backfill
from mes.influx.encode import body
from mes.influx.figures_file import FiguresFile
from mes.influx.points.plant import PlantPoints
from mes.influx.server import InfluxServer, Target
from mes.intervals import Interval
from mes.model import State
from mes.results.plant import PlantResults

pytestmark = [pytest.mark.influxd, pytest.mark.timeout(120)]

NOW = END + timedelta(minutes=5)  # within an hour: one that begins now has no figures yet
WINDOW = Interval(NOW - timedelta(hours=2), NOW)
EMPTY = ": nothing is found: "  # two hours of few stations do not fill all panels
A_DIFFERENCE = ("Taktline ", " instead of ", 'FROM "kpi"')  # panel, difference, query


@dataclass(frozen=True, slots=True)
class Databases:
    """The published and the expected content on one server."""

    published: InfluxServer
    expected: InfluxServer
    rows: Sequence[Row]

    async def differences(self) -> list[str]:
        """All problems but empty panels."""
        check = await check_panels(self.published, self.expected, FOLDER, WINDOW)
        assert check.queries > 300
        return [problem for problem in check.problems if EMPTY not in problem]

    def hour(self) -> Row:
        """The figures of the first hour of a station that ran."""
        return next(row for row in self.rows if row.measurement == "kpi" and row.fields.get("good"))


@pytest.fixture
async def databases(tmp_path: Path) -> AsyncIterator[Databases]:
    """A journal backfilled into one database, and its expected rows in another."""
    await example(tmp_path / "journal.sqlite")
    config = load(default_config()).config
    async with (
        private_influxd(tmp_path) as influxd,
        InfluxServer(Target(influxd.url, "plant")) as published,
        InfluxServer(Target(influxd.url, "plant_expected")) as expected,
    ):
        await published.ensure()
        with PlantResults(config, tmp_path / "journal.sqlite", now=NOW) as results, FiguresFile(tmp_path / "f") as file:
            await backfill(results, published, file)
            looks = await looks_at(tmp_path / "journal.sqlite", config, NOW)
            await published.write(body(look.line for look in looks))
            rows = list(expected_rows(results))
        await write_expected(expected, rows)
        yield Databases(published, expected, rows)


async def test_equal_databases_have_no_difference(databases: Databases) -> None:
    """Of a journal with every kind of event, the published points are the core's rows."""
    assert "\n".join(await databases.differences()) == ""


@pytest.mark.parametrize(("field", "factor"), [("good", 2), ("ot_s", 1.001)])
async def test_a_wrong_expected_row_is_found(databases: Databases, field: str, factor: float) -> None:
    """One changed figure of one hour is a named difference."""
    hour = databases.hour()
    wrong = type(hour.fields[field])(float(hour.fields[field]) * factor)
    await write_expected(databases.expected, [replace(hour, fields={**hour.fields, field: wrong})])

    assert_named(await databases.differences())


async def test_the_last_digit_of_a_float_is_no_difference(databases: Databases) -> None:
    """A server may add floats in another order."""
    hour = databases.hour()
    close: Value = float(hour.fields["ot_s"]) * (1 + 1e-13)
    assert close != hour.fields["ot_s"]
    await write_expected(databases.expected, [replace(hour, fields={**hour.fields, "ot_s": close})])

    assert await databases.differences() == []


async def test_a_lost_point_is_found(databases: Databases) -> None:
    """One published point less is a named difference."""
    hour = databases.hour()
    where = " AND ".join(f"\"{name}\" = '{value}'" for name, value in hour.tags.items())
    await databases.published.query(f'DELETE FROM "kpi" WHERE time = {hour.time_ns} AND {where}')

    assert_named(await databases.differences())


@pytest.mark.parametrize("more_tags", [{}, {"shift": "day"}])
async def test_a_point_too_many_is_found(databases: Databases, more_tags: dict[str, str]) -> None:
    """One more published point, in the same or in another series, is a named difference."""
    hour = databases.hour()
    twin = replace(hour, time_ns=hour.time_ns + 1000, tags={**hour.tags, **more_tags})
    await databases.published.write(twin.line.encode())

    assert_named(await databases.differences())


async def test_an_empty_panel_is_found(databases: Databases) -> None:
    """Two databases that are equal because both are empty do not pass."""
    for database in (databases.published, databases.expected):
        await database.query('DROP SERIES FROM "kpi"')

    check = await check_panels(databases.published, databases.expected, FOLDER, WINDOW)

    assert any('FROM "kpi"' in problem and EMPTY in problem for problem in check.problems)


async def test_a_query_outside_the_subset_is_found(databases: Databases, tmp_path: Path) -> None:
    """A query that not every server answers is a problem, whatever this server answers."""
    board = json.loads((FOLDER / "dashboards" / "taktline-plant.json").read_text(encoding="utf-8"))
    board["panels"][0]["targets"][0]["query"] = 'SELECT median("good") FROM "kpi" WHERE $timeFilter'
    folder = tmp_path / "grafana"
    (folder / "dashboards").mkdir(parents=True)
    (folder / "dashboards" / "plant.json").write_text(json.dumps(board), encoding="utf-8")

    check = await check_panels(databases.published, databases.expected, folder, WINDOW)

    assert any("expected one of count" in problem for problem in check.problems)


async def test_a_folder_without_dashboards_is_found(databases: Databases, tmp_path: Path) -> None:
    """Nothing to check is a problem."""
    check = await check_panels(databases.published, databases.expected, tmp_path, WINDOW)

    assert check.problems == (f"there are no dashboards in {tmp_path / 'dashboards'}",)


def test_cars_of_before_their_station_was_seen_are_not_known(tmp_path: Path) -> None:
    """Another station was seen three hours earlier: published and computed rows of those hours have the plan alone."""
    path = tmp_path / "journal.sqlite"
    journal_of(path, [state(-180, State.PRODUCING), *EVENTS])
    with PlantResults(load(default_config()).config, path, now=NOW) as results:
        assert results.known is not None
        points = PlantPoints(results).points(Interval(results.known.start, NOW))
        published = {
            (point.stamp_ns, *sorted(point.tags.items())): {**point.fields, "revision": 0}
            for point in points
            if point.measurement == "built"
        }
        rows = [row for row in expected_rows(results) if row.measurement == "built"]
    assert {"built" in row.fields for row in rows} == {True, False}
    assert {(row.time_ns, *sorted(row.tags.items())): row.fields for row in rows} == published


def assert_named(differences: Sequence[str]) -> None:
    """There are some; one names a panel, what differs, and the query."""
    assert any(all(part in difference for part in A_DIFFERENCE) for difference in differences), differences
