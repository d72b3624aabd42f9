"""A shift of the plant in a real InfluxDB: every panel, variable and alert has the core's answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from append_only import append_only
from demos import first_speed, slow_enough
from influxd import private_influxd

from dashboards.checks.compare import check_panels, write_expected
from dashboards.checks.expected_rows import expected_rows
from dashboards.write import FOLDER
from mes.config.build import PlantConfig, for_simulation
from mes.config.load import default_config, load
from mes.config.models.plant import InfluxShape
from mes.daemon import credential, influx_target
from mes.demo.forwarding import DATABASE, given_server
from mes.demo.result import Finished
from mes.demo.run import JOURNAL, Forwarding, Options, parse_breakdown, run_demo
from mes.influx.server import InfluxServer, Target
from mes.results.plant import PlantResults
from simulators.faults import parse_fault

pytestmark = [pytest.mark.influxd, pytest.mark.timeout(240)]


@asynccontextmanager
async def some_server(folder: Path) -> AsyncIterator[InfluxShape]:
    """The server that the environment names, or a private influxd."""
    given = given_server()
    if given is not None:
        yield given
        return
    async with private_influxd(folder) as influxd:
        yield InfluxShape(url=influxd.url, database=DATABASE)


def target(shape: InfluxShape) -> Target:
    """How to reach the server."""
    found = influx_target(replace(load(default_config()).config, influx=shape), credential)
    assert found is not None
    return found


async def test_every_panel_shows_what_the_core_says(tmp_path: Path) -> None:
    """Over a shift with a cut cable and a station that is down at its end, no answer differs, and none is empty.

    No point is written over meanwhile.
    """
    faults, breakdowns = (parse_fault("link-cut@2h"),), (parse_breakdown("F020@7h40m+1h"),)
    config: PlantConfig
    async with some_server(tmp_path) as server:

        async def shift(speed: float) -> Finished:
            """Each try has its own journal and, on a private influxd, its own database."""
            nonlocal config, server
            if given_server() is None:
                server = server.model_copy(update={"database": f"{DATABASE}_{speed:g}"})
            folder = tmp_path / f"{speed:g}"
            config = for_simulation(load(default_config()).config, ports={}, journal=folder / JOURNAL)
            async with append_only(server.url) as watched:
                forwarding = Forwarding(server.model_copy(update={"url": watched.url}))
                return await run_demo(
                    Options(timedelta(hours=8), speed, 7, faults, folder, breakdowns, influx=forwarding)
                )

        finished = await slow_enough(shift, first_speed(400))
        assert (finished.verdict, finished.problems) == ("ok", ())
        assert finished.influx is not None
        assert finished.influx.database == server.database

        published = target(server)
        expected = replace(published, database=f"{published.database}_expected")
        async with InfluxServer(published) as ours, InfluxServer(expected) as core:
            with PlantResults(config, config.journal_path, now=finished.window.end) as results:
                await write_expected(core, expected_rows(results))
            check = await check_panels(ours, core, FOLDER, finished.window)

    assert check.problems == ()
    assert check.queries > 300
    assert check.answers > 3000
