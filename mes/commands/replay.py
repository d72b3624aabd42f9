"""The command `mes replay`: every figure of a journal computed again, and what differs."""

import json
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from mes.commands.options import CONFIG, INSTANT, JOURNAL, plant
from mes.config.build import PlantConfig
from mes.errors import ConfigError
from mes.intervals import Interval
from mes.journal import JournalReader
from mes.journal.hourly import HourlyFile, hourly_file
from mes.journal.names import Names
from mes.results.compare import Difference, replayed
from mes.results.history import occupied
from mes.results.hourly import Hourly
from mes.results.stations import Results, WindowKind
from mes.terminal import console, label

EXIT_DIFFERS = 1
MOST_SHOWN = 40


@click.command("replay")
@CONFIG
@JOURNAL
@click.option("--was", type=click.Path(path_type=Path, dir_okay=False), help="The plant's file as it was before.")
@click.option("--by", type=click.Choice([str(kind) for kind in WindowKind]), default="day", show_default=True)
@click.option("--from", "start", type=INSTANT, help="Default: the first thing the journal knows.")
@click.option("--to", "end", type=INSTANT, help="Default: the last thing the journal knows.")
@click.option("--station", "stations", multiple=True, help="Only these (end of the path is enough). May be repeated.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, every difference.")
def replay_command(
    *,
    config: Path | None,
    journal: Path | None,
    was: Path | None,
    by: str,
    start: datetime | None,
    end: datetime | None,
    stations: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compute every figure of the journal again from its events and say what differs.

    Without --was the stored hourly components are checked, and a difference ends with exit code 1. With --was the
    figures under that file are laid beside those under --config. Closed shifts too are computed again.
    """
    now = plant(config).config
    path = journal or now.journal_path
    if not path.exists():
        raise ConfigError(f"there is no journal at {path}: run `mes run` first, or name another with --journal")
    with ExitStack() as stack:
        reader = stack.enter_context(JournalReader(path, Names(now.former)))
        known = reader.span()
        if known is None:
            click.echo("The journal is empty: there is nothing to compute.")
            return
        span = Interval(start or known.start, max(end or known.end, start or known.start))
        before = _stored(reader, now, path, stack) if was is None else _recomputed(reader, plant(was).config, stack)
        chosen = [
            station
            for station in now.standards
            if not stations or any(f"/{station}".endswith(f"/{name}") for name in stations)
        ]
        chosen = [station for station in chosen if station in before.stations]
        if not chosen:
            raise ConfigError(f"unknown station {', '.join(stations)}; there are: {', '.join(now.standards)}")
        parts = occupied(reader, now.standards, span)
        windows = list(dict.fromkeys(window for part in parts for window in now.calendar.windows(WindowKind(by), part)))
        compared = list(replayed(before, _recomputed(reader, now, stack), windows, chosen))
    found = [difference for _, _, several in compared for difference in several]
    _say(found, windows=len(compared), as_json=as_json)
    if found and was is None:
        sys.exit(EXIT_DIFFERS)


def _stored(reader: JournalReader, config: PlantConfig, path: Path, stack: ExitStack) -> Results:
    """Figures as reports give them, from what is stored beside the journal."""
    hourly = Hourly(reader, stack.enter_context(hourly_file(path)), config.calendar)
    return Results(reader, config.standards, config.calendar, hourly=hourly, at_once=None)


def _recomputed(reader: JournalReader, config: PlantConfig, stack: ExitStack) -> Results:
    """Figures from the events alone."""
    hourly = Hourly(reader, stack.enter_context(HourlyFile(None)), config.calendar)
    return Results(reader, config.standards, config.calendar, hourly=hourly)


def _say(found: list[Difference], *, windows: int, as_json: bool) -> None:
    if as_json:
        listed = [
            {
                **asdict(difference),
                "window": difference.window.name,
                "start": difference.window.interval.start.isoformat(),
            }
            for difference in found
        ]
        click.echo(json.dumps({"windows": windows, "differences": listed}, indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo(f"Nothing differs in {windows} windows of stations.")
        return
    differing = len({(difference.station, difference.window.interval) for difference in found})
    table = Table(title=f"{differing} of {windows} windows of stations differ")
    for heading in ("station", "window", "figure", "before", "after"):
        table.add_column(heading, justify="right" if heading in {"before", "after"} else "left")
    for difference in found[:MOST_SHOWN]:
        table.add_row(
            label(difference.station),
            difference.window.name,
            difference.figure,
            _shown(difference.before),
            _shown(difference.after),
        )
    console().print(table)
    if len(found) > MOST_SHOWN:
        by_figure = ", ".join(
            f"{name} {number}" for name, number in Counter(difference.figure for difference in found).items()
        )
        click.echo(f"{len(found)} figures differ ({by_figure}); --json lists them all.")


def _shown(value: object) -> str:
    return "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
