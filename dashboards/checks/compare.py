"""Asks two databases of a server every query of the dashboards: the published one, and one with the core's figures."""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from dashboards.checks.expected_rows import Row
from dashboards.checks.influxql.lint import lint
from dashboards.checks.influxql.parse import parse
from dashboards.checks.panels import Dashboard, PanelQuery, Screen, alerts, dashboards, every_value, fill
from mes.errors import SinkRejected
from mes.influx.schema import HEALTH, MEASUREMENTS
from mes.influx.server import InfluxServer
from mes.intervals import Interval

EACH_VALUE_OF = (
    "area",
    "line",
    "station",
    "shift",
    "loss",
    "by",
)  # variables whose every value is chosen once
TOLERANCE = 1e-9  # floats of both databases may be added in another order
OF_A_WEEKDAY = re.compile(r"ms\dd ")  # so many days after the first day of a week
ROWS_SHOWN = 3  # differing rows in a problem's text
LINES_PER_WRITE = 5000
NOT_COMPARED = frozenset(measurement.name for measurement in HEALTH)  # the program's health is in no journal

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PanelCheck:
    """How many queries were made, how many rows answered them, and each problem as a sentence."""

    queries: int
    answers: int
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Check:
    published: InfluxServer
    expected: InfluxServer
    results: dict[str, tuple[str, int]] = field(default_factory=dict)  # a query's difference and number of rows
    queries: int = 0
    problems: list[str] = field(default_factory=list)

    async def variable_values(self, text: str) -> list[str]:
        """The first column of the published answer that is neither time nor key."""
        rows = await self.published.query(text)
        return [str(next(value for name, value in row.items() if name not in {"time", "key"})) for row in rows]

    async def run(self, query: PanelQuery, *, may_be_empty: bool = False) -> None:
        """Notes a problem if the query breaks a rule, the answers differ, or there is no answer."""
        self.queries += 1
        if query.text not in self.results:
            self.results[query.text] = await self._compare(query.text)
        difference, rows = self.results[query.text]
        if difference:
            self.problems.append(f"{query.place}: {difference}: {query.text}")
        elif not rows and not (may_be_empty or may_be_left_out(query.text)):
            self.problems.append(f"{query.place}: nothing is found: {query.text}")

    async def _compare(self, text: str) -> tuple[str, int]:
        if findings := lint(text):
            return "; ".join(findings), 0
        try:
            published, expected = await asyncio.gather(self.published.query(text), self.expected.query(text))
        except SinkRejected as error:
            return f"the server refuses it: {error}", 0
        if parse(text).measurement in NOT_COMPARED:
            return "", len(published)
        return _difference(published, expected), len(published)


def may_be_left_out(text: str) -> bool:
    """Whether a query may have no answer after a short run.

    It asks for nothing but health that is not always known, as the clock of a simulated controller; or for a moving mean
    of more windows than have passed; or for one day of a week.
    """
    query = parse(text)
    if any("moving_average" in term.functions for term in query.terms) or OF_A_WEEKDAY.search(text):
        return True
    if query.measurement not in NOT_COMPARED:
        return False
    fields = [MEASUREMENTS[query.measurement].field(term.name) for term in query.terms]
    return all(field is not None and field.maybe for field in fields)


async def write_expected(server: InfluxServer, rows: Iterable[Row]) -> None:
    """Writes rows into a database, which should be empty; creates it on a 1.x server."""
    await server.ensure()
    remaining = iter(rows)
    while lines := [row.line for row in islice(remaining, LINES_PER_WRITE)]:
        await server.write("\n".join(lines).encode())


async def check_panels(published: InfluxServer, expected: InfluxServer, folder: Path, window: Interval) -> PanelCheck:
    """Compares the answers to every query of every panel, variable and alert in `folder`, as config/grafana is.

    Each variable takes its first value, and then each value of EACH_VALUE_OF. With the first values, no answer may be
    empty. `window` is the time picker's range, but of a dashboard that shows more days at first; its end is the present.
    """
    check = _Check(published, expected)
    vin = await _most_finished_unit(expected)
    boards = dashboards(folder / "dashboards")
    if not boards:
        check.problems.append(f"there are no dashboards in {folder / 'dashboards'}")
    for dashboard in boards:
        await _check_dashboard(check, dashboard, window, vin)
    for query in alerts(folder / "provisioning" / "alerting"):
        await check.run(PanelQuery(query.place, fill(query.text, {}, window, window.end)), may_be_empty=True)
    answers = sum(rows for _, rows in check.results.values())
    return PanelCheck(check.queries, answers, tuple(check.problems))


async def _check_dashboard(check: _Check, dashboard: Dashboard, window: Interval, vin: str) -> None:
    screen = Screen(dashboard, dashboard.time_range(window), window.end, check.variable_values, {"vin": vin})
    first_choice = await screen.choose({})
    for query in (*screen.variable_queries, *screen.queries(first_choice)):
        await check.run(query)
    for query in screen.annotation_queries(first_choice):
        await check.run(query, may_be_empty=True)
    for wanted in every_value(first_choice, EACH_VALUE_OF):
        for query in screen.queries(await screen.choose(wanted)):
            await check.run(query, may_be_empty=True)


async def _most_finished_unit(expected: InfluxServer) -> str:
    """The unit that got a result at the most stations."""
    rows = await expected.query('SELECT "unit" FROM "unit"')
    counts = Counter(str(row["unit"]) for row in rows)
    return counts.most_common(1)[0][0] if counts else ""


def _difference(published: Sequence[Answer], expected: Sequence[Answer]) -> str:
    """The difference as text; empty if both answers are equal. Rows are compared without regard to their order."""
    if len(published) != len(expected):
        return f"{len(published)} rows instead of {len(expected)}"
    pairs = zip(sorted(published, key=_sort_key), sorted(expected, key=_sort_key), strict=True)
    differing = [f"{dict(row)} instead of {dict(other)}" for row, other in pairs if not _equal(row, other)]
    return "; ".join(differing[:ROWS_SHOWN])


def _sort_key(row: Answer) -> tuple[str, ...]:
    """Tags, texts and times, but no other numbers: their last digits may differ."""
    return tuple(
        part
        for name, value in sorted(row.items())
        if isinstance(value, str) or name == "time"
        for part in (name, str(value))
    )


def _equal(row: Answer, other: Answer) -> bool:
    return row.keys() == other.keys() and all(_close(row[name], other[name]) for name in row)


def _close(value: object, other: object) -> bool:
    if isinstance(value, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(value, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return value == other
