"""The command `mes programme`: cars built against the build programme, by model, method and market."""

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import click
from rich.table import Table

from mes.commands.options import CONFIG, JOURNAL, plant, query
from mes.errors import ConfigError
from mes.intervals import Interval
from mes.oee.programme import ProgrammeReport, ProgrammeRow, ProgrammeSection
from mes.results.plant import PlantResults
from mes.terminal import console, percent, units
from mes.translations import texts


@click.command("programme")
@CONFIG
@JOURNAL
@click.option("--period", metavar="YEAR[-MONTH]", help="As 2026 or 2026-03; by default the year of the journal's end.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: shares are 0..1, cars planned may be fractions.")
def programme_command(*, config: Path | None, journal: Path | None, period: str | None, as_json: bool) -> None:
    """Show what was built of the programme, month by month, and the local-content share of it."""
    loaded = plant(config)
    with query(loaded.config, journal) as opened:
        found = opened.programme(_window(opened, period))
    if as_json:
        click.echo(json.dumps(_json(found), indent=2, ensure_ascii=False))
        return
    zone = loaded.config.calendar.zone
    until = found.until.astimezone(zone)
    console().print(f"Programme {found.year}, as of {until:%Y-%m-%d %H:%M} {zone.key}")
    for name, section in [*((f"{found.year}-{month:02}", section) for month, section in found.months.items())]:
        if section.total.built or section.total.plan_to_date:
            console().print(_table(name, section))
    if len(found.months) > 1:
        console().print(_table(str(found.year), found.whole))
    if found.whole.at_least or found.whole.total.built is None:
        console().print(f"{texts('en')['built_not_known']}.".capitalize())
    if found.forecast is not None:
        console().print(f"At the present rate the year will bring {float(found.forecast):,.0f} cars.")
    if found.unplaced:
        console().print(f"{found.unplaced} cars of the plan fall where the calendar plans no work.")


def _window(opened: PlantResults, period: str | None) -> Interval:
    if opened.targets is None:
        raise ConfigError("the plant's file has no `programme`: say there what is to be built, and at which station")
    if period is None:
        return opened.targets.year(opened.config.calendar.day_of(opened.until).year)
    match = re.fullmatch(r"(\d{4})(?:-(\d{2}))?", period)
    if match is None or (match[2] and not 1 <= int(match[2]) <= 12) or int(match[1]) < 1:
        raise ConfigError(f"`{period}` is neither a year nor a month: write 2026 or 2026-03")
    year = int(match[1])
    return opened.targets.month(year, int(match[2])) if match[2] else opened.targets.year(year)


def _table(name: str, section: ProgrammeSection) -> Table:
    content = section.local_content
    share = "not known" if content.mean_pct is None else f"{float(content.mean_pct):.1f} %"
    cars = "" if content.cars is None else f" of {content.cars} cars"
    unknown = f", {content.cars_without_figure} cars without a figure" if content.cars_without_figure else ""
    table = Table(title=name, caption=f"Local content of what was built: {share}{cars}{unknown}.")
    table.add_column("cars")
    for heading in ("built", "plan to date", "ahead", "attainment %", "plan", "share %"):
        table.add_column(heading, justify="right")
    groups = (section.by_model, section.by_assembly_method, section.by_market)
    for number, group in enumerate(groups):
        for row in group:
            table.add_row(*_cells(row, section), end_section=row is group[-1] and number < len(groups))
    table.add_row(*_cells(section.total, section), style="bold")
    return table


def _cells(row: ProgrammeRow, section: ProgrammeSection) -> Sequence[str]:
    return (
        row.label,
        units(row.built, at_least=section.at_least),
        f"{float(row.plan_to_date):.1f}",
        "–" if row.ahead is None else f"{float(row.ahead):+.1f}",
        percent(_number(row.attainment)),
        f"{float(row.plan):.1f}",
        percent(_number(row.share)),
    )


def _number(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def _json(found: ProgrammeReport) -> dict[str, object]:
    return {
        "year": found.year,
        "until": found.until.isoformat(),
        "forecast": _number(found.forecast),
        "unplaced": found.unplaced,
        "whole": _section(found.whole),
        "months": {f"{found.year}-{month:02}": _section(section) for month, section in found.months.items()},
    }


def _section(section: ProgrammeSection) -> dict[str, object]:
    content = section.local_content
    return {
        "start": section.window.start.isoformat(),
        "end": section.window.end.isoformat(),
        "at_least": section.at_least,
        "total": _row(section.total),
        "by_model": [_row(row) for row in section.by_model],
        "by_assembly_method": [_row(row) for row in section.by_assembly_method],
        "by_market": [_row(row) for row in section.by_market],
        "local_content_pct": _number(content.mean_pct),
        "local_content_cars": content.cars,
        "cars_without_local_content": content.cars_without_figure,
    }


def _row(row: ProgrammeRow) -> dict[str, object]:
    return {
        "label": row.label,
        "built": row.built,
        "plan": float(row.plan),
        "plan_to_date": float(row.plan_to_date),
        "ahead": _number(row.ahead),
        "attainment": _number(row.attainment),
        "share": _number(row.share),
    }
