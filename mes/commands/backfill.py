"""The command `mes influx backfill`: writes a stretch of the journal to InfluxDB again."""

import asyncio
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import click

from mes.calendar import Window
from mes.commands.options import CONFIG, INSTANT, JOURNAL, plant, query
from mes.daemon import credential, influx_target
from mes.errors import ConfigError, SinkRejected
from mes.influx.backfill import Shown, Written
from mes.influx.backfill import backfill as write_anew
from mes.influx.figures_file import FiguresFile, figures_path
from mes.influx.server import InfluxServer, Target
from mes.intervals import Interval
from mes.results.plant import PlantResults
from mes.terminal import errors

SHOWN_REFUSALS = 5


@click.command("backfill")
@CONFIG
@JOURNAL
@click.option("--from", "start", type=INSTANT, help="Default: the first thing the journal knows.")
@click.option("--to", "end", type=INSTANT, help="Default: the last thing the journal knows.")
@click.option("--now", type=INSTANT, help="Figures as of this time; by default as of the last proof of life.")
def backfill_command(
    *, config: Path | None, journal: Path | None, start: datetime | None, end: datetime | None, now: datetime | None
) -> None:
    """Write a stretch of the journal to InfluxDB again: events, process values as far as they are kept, and figures.

    After a lost database, after `mes journal restore`, or after a change of ideal cycle times, reasons or the calendar.
    The stretch is rounded to whole production days. Doing it twice changes nothing; the collector may run meanwhile.
    """
    loaded = plant(config).config
    target = influx_target(loaded, credential)
    if target is None:
        raise ConfigError("the plant's file has no `influx`: say there where the database is")
    if start is not None and end is not None and end <= start:
        raise ConfigError(f"--to {end.isoformat()} is not after --from {start.isoformat()}")
    with query(loaded, journal, now) as opened:
        if now is None and (known := opened.reader.span()) is not None:
            opened.set_now(known.end)  # not beyond the last proof of life: what came then, nobody knows
        with FiguresFile(figures_path(journal or loaded.journal_path)) as file:
            written = asyncio.run(_write(opened, file, target, _stretch(opened, start, end)))
    zone = loaded.calendar.zone
    first, last = (
        f"{instant.astimezone(zone):%Y-%m-%d %H:%M}" for instant in (written.stretch.start, written.stretch.end)
    )
    click.echo(
        f"{written.events} events, {written.process_values} process values and {written.figures} figures "
        f"from {first} to {last} ({zone}) stand in database {target.database} at {target.url}."
    )
    if written.too_old:
        how_long = "`mes influx check` says how long that is"
        click.echo(f"What is older than the database keeps was left out: {how_long}.", err=True)
    if written.refused:
        click.echo(f"{len(written.refused)} lines were refused:", err=True)
        for rejected in written.refused[:SHOWN_REFUSALS]:
            click.echo(f"  {rejected.point}: {rejected.answer}", err=True)
        sys.exit(1)


def _stretch(opened: PlantResults, start: datetime | None, end: datetime | None) -> Interval | None:
    if start is None and end is None:
        return None
    known = opened.reader.span()
    first = start or (known.start if known else opened.until)
    last = end or opened.until
    if last <= first:
        raise ConfigError(f"the journal knows nothing after {first.isoformat()}")
    return Interval(first, last)


async def _write(opened: PlantResults, file: FiguresFile, target: Target, stretch: Interval | None) -> Written:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors(), transient=True, disable=not errors().is_terminal) as progress:
        task = progress.add_task("writing to InfluxDB", total=None)

        def shown(day: Window, number: int, of: int) -> None:
            progress.update(task, description=f"written up to {day.name}", completed=number, total=of)

        show: Shown = shown
        async with InfluxServer(target) as server:
            with suppress(SinkRejected):  # only an administrator may; what is missing shows at the write
                await server.ensure()
            return await write_anew(opened, server, file, stretch, show)
