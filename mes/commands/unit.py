"""The command `mes unit`: a car's biography."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from mes.commands.options import CONFIG, JOURNAL, plant, query
from mes.errors import MesError
from mes.model import UnitId
from mes.oee.biography import Biography, ProcessSummary, Visit
from mes.results.plant import PlantResults
from mes.terminal import console, label, local_time


class UnitUnknown(MesError):
    """The journal knows nothing of this unit; check the number, and that the journal is the right one."""


@click.command("unit")
@click.argument("vin")
@CONFIG
@JOURNAL
@click.option("--json", "as_json", is_flag=True, help="As JSON: times are UTC, durations seconds.")
def unit_command(*, vin: str, config: Path | None, journal: Path | None, as_json: bool) -> None:
    """Show where a car was and when, what became of it there, how often it came again, and the process values."""
    loaded = plant(config)
    with query(loaded.config, journal) as opened:
        lives = opened.biography(UnitId(vin))
        if not lives:
            raise UnitUnknown(f"no event names `{vin}`")
        if as_json:
            click.echo(json.dumps([_json(opened, life) for life in lives], indent=2, ensure_ascii=False))
            return
        for life in lives:
            _show(opened, life, loaded.config.calendar.zone)


def _show(query: PlantResults, life: Biography, zone: ZoneInfo) -> None:
    product = query.config.products.get(life.product) if life.product else None
    came = f"{_local(life.first_seen, zone)} to {_local(life.last_seen, zone)} {zone.key}"
    loops = f", {life.loops} time{'s' if life.loops != 1 else ''} through a station again" if life.loops else ""
    state = "finished" if life.finished else "in the plant, or not finished"
    known = f" ({product.name}, {product.assembly_method})" if product else ""
    table = Table(title=f"{life.unit}{known}: {came}; {state}{loops}", caption=CAPTION)
    for heading in ("station", "pass", "in", "out", "min", "results", "process values", "remarks"):
        table.add_column(heading, no_wrap=heading in {"station", "in", "out"})
    for visit in life.visits:
        table.add_row(
            label(visit.station),
            str(visit.passage),
            _local(visit.entered, zone),
            _local(visit.left, zone),
            _minutes(visit),
            ", ".join(f"{result.result} {result.time.astimezone(zone):%H:%M:%S}" for result in visit.results) or "–",
            "; ".join(_process(summary) for summary in query.process(visit)) or "–",
            ", ".join(sorted(str(flag).replace("_", " ") for flag in visit.flags)),
        )
    console().print(table)


CAPTION = "– is not known: the unit was there before it was seen, came or went in a gap, or is there still."


def _local(instant: datetime | None, zone: ZoneInfo) -> str:
    return "–" if instant is None else local_time(instant, zone)


def _minutes(visit: Visit) -> str:
    if visit.entered is None or visit.left is None:
        return "–"
    return f"{(visit.left - visit.entered) / timedelta(minutes=1):.1f}"


def _process(found: ProcessSummary) -> str:
    """Least, mean and greatest value, and the share of the time inside the window that it should keep."""
    if found.minimum is None or found.mean is None or found.maximum is None:
        return f"{found.name} not known"
    inside = ""
    if found.in_limits is not None and found.length:
        inside = f", {found.in_limits / found.length:.0%} in its window"
    return f"{found.name} {found.minimum:g} / {found.mean:.4g} / {found.maximum:g}{inside}"


def _json(query: PlantResults, life: Biography) -> dict[str, object]:
    return {
        "unit": life.unit,
        "life": life.life,
        "product": life.product,
        "first_seen": life.first_seen.isoformat(),
        "last_seen": life.last_seen.isoformat(),
        "finished": life.finished,
        "loops": life.loops,
        "visits": [_visit_json(visit, query.process(visit)) for visit in life.visits],
    }


def _visit_json(visit: Visit, process: Sequence[ProcessSummary]) -> dict[str, object]:
    return {
        "station": visit.station,
        "passage": visit.passage,
        "entered": visit.entered and visit.entered.isoformat(),
        "left": visit.left and visit.left.isoformat(),
        "flags": sorted(visit.flags),
        "results": [
            {
                "result": str(result.result),
                "time": result.time.isoformat(),
                "cycle_s": None if result.cycle_time is None else result.cycle_time.total_seconds(),
                "sequence": result.sequence,
            }
            for result in visit.results
        ],
        "process": [
            {
                "name": summary.name,
                "min": summary.minimum,
                "mean": summary.mean,
                "max": summary.maximum,
                "samples": summary.samples,
                "length_s": summary.length.total_seconds(),
                "in_limits_s": None if summary.in_limits is None else summary.in_limits.total_seconds(),
            }
            for summary in process
        ],
    }
