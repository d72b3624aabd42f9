"""The command `mes causes`: who stopped the line, in minutes and in lost cars."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import click
from rich.table import Table

from mes.commands.options import CONFIG, JOURNAL, NOW, plant, query
from mes.oee.causes import Culprit
from mes.report.text import title
from mes.results.plant import Node, PlantResults
from mes.results.stations import Window
from mes.terminal import console, label

MINUTE = timedelta(minutes=1)


@click.command("causes")
@click.argument("window")
@CONFIG
@JOURNAL
@NOW
@click.option("--of", "parts", multiple=True, metavar="PART", help="Only these lines, as weld/weld-1. May be repeated.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: durations are seconds.")
def causes_command(
    *,
    window: str,
    config: Path | None,
    journal: Path | None,
    now: datetime | None,
    parts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Rank who cost each line how many cars in WINDOW, through all buffers, and name the bottleneck at its end.

    WINDOW is 2026-W10, 2026-03-02, 2026-03-02/day (a shift) or 2026-03-02T08:00 (an hour), in local time.
    """
    loaded = plant(config)
    with query(loaded.config, journal, now) as opened:
        wanted = opened.window(window)
        nodes = opened.nodes("line", parts)
        found = {node: opened.culprits(node, wanted.interval) for node in nodes}
        if as_json:
            content = [_json(opened, node, wanted, culprits) for node, culprits in found.items()]
            click.echo(json.dumps(content, indent=2, ensure_ascii=False))
            return
        for node, culprits in found.items():
            _show(opened, node, wanted, culprits)


def _show(opened: PlantResults, node: Node, window: Window, culprits: tuple[Culprit, ...]) -> None:
    at = min(window.interval.end, opened.until)
    slowest = opened.bottleneck(node, at)
    heading = title(window, opened.config.calendar.zone)
    table = Table(
        title=f"{node.path.partition('/')[2]}, {heading}",
        caption=f"Lost at {label(node.stations[-1])}. Bottleneck at the end: {label(slowest) if slowest else 'none'}.",
    )
    for name in ("caused by", "how", "min", "cars"):
        table.add_column(name, justify="right" if name in {"min", "cars"} else "left")
    for culprit in culprits:
        who = label(culprit.station) if culprit.station else "outside the plant"
        table.add_row(who, str(culprit.cause).replace("_", " "), f"{culprit.lost / MINUTE:.1f}", f"{culprit.cars:.2f}")
    if not culprits:
        table.add_row("nobody", "no planned time was lost", "0.0", "0.00")
    console().print(table)


def _json(opened: PlantResults, node: Node, window: Window, culprits: tuple[Culprit, ...]) -> dict[str, object]:
    return {
        "line": node.path,
        "start": window.interval.start.isoformat(),
        "end": window.interval.end.isoformat(),
        "exit": node.stations[-1],
        "bottleneck": opened.bottleneck(node, min(window.interval.end, opened.until)),
        "culprits": [
            {
                "station": culprit.station,
                "cause": str(culprit.cause),
                "lost_s": culprit.lost.total_seconds(),
                "cars": culprit.cars,
            }
            for culprit in culprits
        ],
    }
