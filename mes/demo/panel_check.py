"""Asks InfluxDB everything that the dashboards ask, and the core the same, and says where the answers differ."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from mes.config.build import PlantConfig
from mes.demo.core_rows import EPOCH, rows
from mes.demo.influxql.evaluate import evaluate
from mes.demo.influxql.lint import lint
from mes.demo.influxql.parse import parse
from mes.demo.influxql.where import Row
from mes.demo.panels import Ask, Dashboard, Screen, alerts, dashboards, every_value, fill
from mes.errors import SinkRejected
from mes.influx.schema import HEALTH
from mes.influx.server import InfluxServer
from mes.intervals import Interval
from mes.results.plant import PlantResults

LEAVES = ("area", "line", "station", "shift", "loss")  # variables of which every value is looked at
CLOSE = 1e-9  # a server adds floats up one by one; the core's sums are exact
FEW = 3  # differing rows that are told

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PanelCheck:
    """`queries` that were asked, `answers`: rows that were compared; `problems` in words, empty if all are equal."""

    server: str
    queries: int
    answers: int
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Check:
    server: InfluxServer
    rows: Sequence[Row]
    window: Interval
    seen: dict[str, tuple[str, int]] = field(default_factory=dict)  # a query's text, what was found of it, and its rows
    queries: int = 0
    problems: list[str] = field(default_factory=list)

    async def asked(self, text: str) -> list[str]:
        """A variable's values: the first column that is no time."""
        found = await self.server.query(text)
        return [str(next(value for name, value in each.items() if name not in {"time", "key"})) for each in found]

    async def one(self, ask: Ask, *, may_be_empty: bool = False) -> None:
        """One query: inside the common subset, answered as the core does, and with something in it."""
        self.queries += 1
        if ask.text not in self.seen:
            self.seen[ask.text] = await self._differs(ask.text)
        wrong, answers = self.seen[ask.text]
        if wrong:
            self.problems.append(f"{ask.place}: {wrong}: {ask.text}")
        elif not answers and not may_be_empty:
            self.problems.append(f"{ask.place}: nothing is found: {ask.text}")

    async def _differs(self, text: str) -> tuple[str, int]:
        findings = lint(text)
        if findings:
            return "; ".join(map(str, findings)), 0
        try:
            told = await self.server.query(text)
        except SinkRejected as refused:
            return f"the server refuses it: {refused}", 0
        wanted = await asyncio.to_thread(self._of_the_core, text)
        return _difference(told, wanted), len(told)

    def _of_the_core(self, text: str) -> list[dict[str, Any]]:
        now_ns = (self.window.end - EPOCH) // timedelta(microseconds=1) * 1000
        found = evaluate(parse(text), self.rows, now_ns)
        return [
            {**each.tags, **dict(zip(each.columns, values, strict=True))} for each in found for values in each.values
        ]


async def check_panels(server: InfluxServer, config: PlantConfig, folder: Path, window: Interval) -> PanelCheck:
    """Every query of every panel, variable and alert in `folder`, as it is at first and for each choice of variables.

    `folder` is as config/grafana. What is asked for at first must have an answer. Figures are as of the window's end.
    """
    expected = await asyncio.to_thread(_expected, config, window)
    check = _Check(server, [*expected, *await _health(server)], window)
    car = _a_car(expected)
    found = dashboards(folder / "dashboards")
    if not found:
        check.problems.append(f"there are no dashboards in {folder / 'dashboards'}")
    for each in found:
        await _look_at(check, each, car)
    for ask in alerts(folder / "provisioning" / "alerting"):
        await check.one(Ask(ask.place, fill(ask.text, {}, window, window.end)), may_be_empty=True)
    kind = await server.kind()
    answers = sum(rows for _, rows in check.seen.values())
    return PanelCheck(f"{kind}.x", check.queries, answers, tuple(check.problems))


async def _look_at(check: _Check, dashboard: Dashboard, car: str) -> None:
    screen = Screen(dashboard, check.window, check.window.end, check.asked, {"vin": car})
    at_first = await screen.choose({})
    for ask in (*screen.asked, *screen.queries(at_first)):
        await check.one(ask)
    for wanted in every_value(at_first, LEAVES):
        for ask in screen.queries(await screen.choose(wanted)):
            await check.one(ask, may_be_empty=True)


def _expected(config: PlantConfig, window: Interval) -> list[Row]:
    with PlantResults(config, config.journal_path, now=window.end) as query:
        return list(rows(query))


async def _health(server: InfluxServer) -> list[Row]:
    """The program's own health is in no journal: here only what is asked of it is checked, not what was written."""
    found = []
    for each in HEALTH:
        tags = {tag.name for tag in each.tags}
        everything = f'SELECT * FROM "{each.name}" GROUP BY *'  # noqa: S608 - the names are our own
        for row in await server.query(everything):
            values = {name: value for name, value in row.items() if name not in {*tags, "time"} and value is not None}
            found.append(Row(each.name, row["time"], {name: row[name] for name in tags}, values))
    return found


def _a_car(expected: Iterable[Row]) -> str:
    """The one that was finished at the most stations."""
    seen = Counter(str(each.fields["unit"]) for each in expected if each.measurement == "unit")
    return seen.most_common(1)[0][0] if seen else ""


def _difference(told: Sequence[Told], wanted: Sequence[Told]) -> str:
    """In words; empty if both are the same."""
    if len(told) != len(wanted):
        return f"{len(told)} rows instead of {len(wanted)}"
    pairs = zip(sorted(told, key=_order), sorted(wanted, key=_order), strict=True)
    differing = [f"{dict(one)} instead of {dict(other)}" for one, other in pairs if not _equal(one, other)]
    return "; ".join(differing[:FEW])


def _order(row: Told) -> tuple[str, ...]:
    """By tags, texts and times: numbers may differ in their last digit, and in JSON 3.0 is 3."""
    exact = [(name, str(value)) for name, value in sorted(row.items()) if isinstance(value, str) or name == "time"]
    return tuple(part for pair in exact for part in pair)


def _equal(one: Told, other: Told) -> bool:
    return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)


def _same(one: object, other: object) -> bool:
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return one == other
