"""Prometheus' own lint, `promtool check metrics`, finds nothing in the metrics that a real server serves."""

import random
import shutil
import subprocess
from asyncio import TaskGroup
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from events import START, counted
from fakes import FakeAdapter
from figures_files import figures_files as figures_files
from figures_files import file_beside
from health_server import Shown, served
from influx_stand_in import StandIn, stand_in
from patience import eventually, limit_s
from prometheus_client.parser import text_string_to_metric_families
from status_scenes import CONTROLLER, LINE, SINK, STATUS

from adapters.clock import ManualClock
from adapters.ports import AdapterStatus
from adapters.reading import ControllerId
from mes.calendar import Calendar
from mes.health.controllers import Health
from mes.health.count_audit import CountAudit
from mes.health.influx_points import health_points
from mes.health.monitor import StatusMonitor
from mes.health.prometheus import FAMILIES
from mes.health.status import Status
from mes.influx.points.windows import PublishedFigures
from mes.influx.ports import Published
from mes.influx.server import InfluxServer, Target
from mes.influx.writer import InfluxWriter
from mes.journal import Entry, Journal
from mes.journal.consumers import EVENTS
from mes.journal.maintenance import Maintenance
from mes.model import StationId

pytestmark = pytest.mark.promtool

ODD = ("plain", 'a "quoted" name', "back\\slash \\n", "two\nlines", "Сварка, пост №1 «рама»", '{le="0.5"} 1 # HELP')
STATIONS = tuple(StationId(f"завод/weld/weld-1/{name}") for name in ODD)
CONTROLLERS = tuple(ControllerId(name) for name in ODD)


def findings(page: str) -> list[str]:
    """What the lint finds in a page; fails, and does not skip, where the program is not installed."""
    program = shutil.which("promtool")
    assert program is not None, "promtool is not installed: `make test` does it, or install Debian's prometheus"
    words = [program, "check", "metrics"]
    ran = subprocess.run(words, input=page, capture_output=True, text=True, check=False, timeout=limit_s(10))
    lines = (ran.stdout + ran.stderr).splitlines()
    return lines or [f"exit code {ran.returncode}"] * (ran.returncode != 0)


async def scraped(status: Callable[[], Status]) -> str:
    """The page as a real server serves it."""
    async with served(status) as url, aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        return await answer.text()


def labels(page: str, label: str) -> set[str]:
    """All values of a label on the page."""
    families = text_string_to_metric_families(page)
    return {sample.labels[label] for family in families for sample in family.samples if label in sample.labels}


@asynccontextmanager
async def collector(folder: Path, influx: StandIn) -> AsyncIterator[StatusMonitor]:
    """The parts of the program over a journal with a count of each station, once all of it is forwarded."""
    path, clock = folder / "journal.sqlite", ManualClock(START)
    target = Target(influx.url, influx.bucket, org="plant", secret=influx.token)
    async with Journal.open(path) as journal, InfluxServer(target) as server:
        health = Health(clock)
        for number, controller in enumerate(CONTROLLERS):
            health.connecting(controller, FakeAdapter(present=AdapterStatus(5, 4, doubts={"late_answer": number})))
            health.seen(controller, START)
            if number:
                (health.parked, health.lost)[number % 2](controller, "refused")
        for station in STATIONS:
            await journal.append(Entry(events=[counted(0, raw=1, previous_raw=0, station=station)]))
        monitor = StatusMonitor(
            journal=journal,
            health=health,
            maintenance=Maintenance(journal, path, clock, keep=timedelta(days=1), forwarded=True),
            count_audit=CountAudit(path, journal, consumer=EVENTS),
            clock=clock,
        )

        with PublishedFigures(path, {}, Calendar(ZoneInfo("Asia/Qostanay"), ()), clock) as figures:
            monitor.writer = InfluxWriter(
                server,
                journal,
                Published(file_beside(path), figures),
                health=lambda: list(health_points(monitor.status(), "site", "edge", clock.now())),
                rng=random.Random(1),
                clock=clock,
            )
            await monitor.writer.drain()
            await monitor.count_audit.catch_up()
            await monitor.maintenance.once()
            async with TaskGroup() as group:
                tasks = [group.create_task(run) for run in (monitor.writer.run(), monitor.follow())]
                try:
                    await eventually(lambda: monitor.status().sinks[0].backlogs[EVENTS] == 0)
                    await eventually(lambda: any(series.startswith("journal,") for series, _ in influx.points))
                    yield monitor
                finally:
                    for task in tasks:
                        task.cancel()


async def test_the_page_of_a_running_collector_passes(tmp_path: Path) -> None:
    """With several controllers, a writer that forwards and odd names, whose labels are read back as they are."""
    async with stand_in('2.7 "odd\\one"') as influx, collector(tmp_path, influx) as monitor:
        page = await scraped(monitor.status)

    assert findings(page) == []
    assert labels(page, "station") == set(STATIONS)
    assert labels(page, "controller") == set(CONTROLLERS)
    assert any('"odd\\one"' in server for server in labels(page, "server"))


async def test_every_metric_passes() -> None:
    """Each metric is on the page with a sample, for the lint passes over those without one."""
    status = replace(
        STATUS,
        controllers=[replace(CONTROLLER, controller=controller) for controller in CONTROLLERS],
        sinks=[replace(SINK, server="2.x (odd)\n")],
        count_audit=[replace(LINE, station=station) for station in STATIONS],
        troubles=dict.fromkeys(ODD, "its port is taken"),
    )
    page = await scraped(Shown(status))

    assert findings(page) == []
    named = {family.name for family in text_string_to_metric_families(page) if family.samples}
    assert named == {family.name.removesuffix("_total") for family in FAMILIES}


@pytest.mark.parametrize(
    ("page", "finding"),
    [
        ('# HELP a_seconds A.\n# TYPE a_seconds gauge\na_seconds{quantile="0.99"} 0.1\n', '"quantile" label'),
        ("# HELP a_hours A.\n# TYPE a_hours gauge\na_hours 1\n", 'base unit "seconds"'),
        ("# HELP a A.\n# TYPE a counter\na 1\n", '"_total" suffix'),
        ("# TYPE a gauge\na 1\n", "no help text"),
        ('# HELP a A.\n# TYPE a gauge\na{b="c"d"} 1\n', "parsing error"),
    ],
)
def test_the_lint_can_fail(page: str, finding: str) -> None:
    """A gauge with quantiles, another unit than seconds, a counter without `_total`, no help and a raw quote."""
    assert finding in "\n".join(findings(page))
