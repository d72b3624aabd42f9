"""The command `mes report`: OEE, counts and losses for any window and any part of the plant."""

from datetime import datetime
from pathlib import Path

import click

from mes.commands.options import CONFIG, INSTANT, JOURNAL, NOW, plant, query
from mes.errors import ConfigError
from mes.report import rows, text
from mes.report.page import page
from mes.report.rows import CLOSING, WHOLE, Request
from mes.results.stations import WindowKind
from mes.terminal import console

FORMS = ("table", "json", "csv", "html")


@click.command("report")
@CONFIG
@JOURNAL
@NOW
@click.option(
    "--by",
    type=click.Choice([*map(str, WindowKind), WHOLE, CLOSING]),
    default="shift",
    show_default=True,
    help="Whole windows of the calendar; exactly the time from --from to --to; or closed shifts as they were closed.",
)
@click.option("--from", "start", type=INSTANT, help="Default: the first thing the journal knows.")
@click.option("--to", "end", type=INSTANT, help="Default: the last thing the journal knows.")
@click.option(
    "--station",
    "--of",
    "parts",
    multiple=True,
    metavar="PART",
    help="Only this part: weld, weld/weld-1, or a station by the end of its path. May be repeated.",
)
@click.option(
    "--level",
    type=click.Choice(["station", "line", "area", "site"]),
    default="station",
    show_default=True,
    help="Lines, areas and the site are sums over their stations.",
)
@click.option(
    "--definition",
    "definitions",
    metavar="NAME[,NAME…]",
    help="Definitions of OEE, side by side: taktline, iso22400, nee, vorne, standalone, and the plant's own.",
)
@click.option("--format", "form", type=click.Choice(FORMS), default="table", show_default=True)
@click.option("--language", type=click.Choice(["en", "ru", "kk"]), default="en", show_default=True, help="Of a page.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
def report_command(
    *,
    config: Path | None,
    journal: Path | None,
    now: datetime | None,
    by: str,
    start: datetime | None,
    end: datetime | None,
    parts: tuple[str, ...],
    level: str,
    definitions: str | None,
    form: str,
    language: str,
    output: Path | None,
) -> None:
    """Print OEE, its factors, counts and losses for hours, shifts, days, weeks, months, years or any interval."""
    loaded = plant(config)
    names = tuple(name.strip() for name in (definitions or "").split(",") if name.strip())
    request = Request(by, start, end, parts, level, names)
    with query(loaded.config, journal, now, asked_until=end) as opened:
        if form == "html":
            _say(page(opened, request, language=language), output)
            return
        found = list(rows.rows(opened, request))
    if form == "table" and output is None:
        text.show(console(), found, loaded.config.calendar.zone)
    elif form == "table":
        raise ConfigError("a table goes to the terminal: for a file choose --format json, csv or html")
    else:
        _say(rows.as_json(found) + "\n" if form == "json" else rows.as_csv(found), output)


def _say(content: str, output: Path | None) -> None:
    if output is None:
        click.echo(content, nl=False)
    else:
        output.write_text(content, encoding="utf-8")
        click.echo(f"wrote {output}", err=True)
