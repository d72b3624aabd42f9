"""docs/influxdb-schema.md: every measurement as the code has it, every example with the answer of a real server.

TAKTLINE_WRITE_DOCS=1 writes the page again.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from influx_example import END, example, looks_at
from influxd import private_influxd
from status_scenes import STATUS

from mes.config.load import default_config, load
from mes.health.influx_points import health_points
from mes.influx.backfill import backfill
from mes.influx.encode import body
from mes.influx.examples import EXAMPLES
from mes.influx.figures_file import FiguresFile
from mes.influx.schema import MEASUREMENTS
from mes.influx.schema_docs import page
from mes.influx.server import InfluxServer, Target
from mes.results.plant import PlantResults

DOCS = Path(__file__).parents[2] / "docs" / "influxdb-schema.md"
TO_REWRITE = "the page differs from the schema: TAKTLINE_WRITE_DOCS=1 and this test write it again"

pytestmark = pytest.mark.influxd


def shown(rows: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Rows with their times as people write them; that of an aggregate over everything, or of now, says nothing."""
    times = {row["time"] for row in rows}
    found = []
    for row in rows:
        rest = {name: value for name, value in row.items() if name != "time"}
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row["time"] // 1000)
        is_told = "now()" not in text and (len(times) > 1 or instant.second or instant.microsecond)
        found.append({"time": f"{instant:%Y-%m-%d %H:%M:%S}", **rest} if is_told else rest)
    return found


@pytest.mark.timeout(30)
async def test_the_page_is_the_schema_and_its_examples_are_answered(tmp_path: Path) -> None:
    """The page names every measurement, tag and field, and each example's answer is what a server says."""
    await example(tmp_path / "journal.sqlite")
    config = load(default_config()).config
    async with private_influxd(tmp_path) as influxd, InfluxServer(Target(influxd.url, "plant")) as server:
        await server.ensure()
        with PlantResults(config, tmp_path / "journal.sqlite", now=END) as query, FiguresFile(tmp_path / "f") as file:
            await backfill(query, server, file)
        looks = await looks_at(tmp_path / "journal.sqlite", config, END)
        await server.write(body(look.line for look in looks))
        now = datetime.now(UTC)
        await server.write(body(point.line for point in health_points(STATUS, "kostanay", "edge-1", now)))
        answers = {name: shown(await server.query(EXAMPLES[name]), EXAMPLES[name]) for name in MEASUREMENTS}

    assert [name for name, rows in answers.items() if not rows] == []
    written = page(answers)
    if os.environ.get("TAKTLINE_WRITE_DOCS"):
        DOCS.write_text(written, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == written, TO_REWRITE
