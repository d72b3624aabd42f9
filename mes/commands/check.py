"""The command `mes check`: every mistake in a plant's file."""

from pathlib import Path

import click

from mes.commands.options import plant, unknown_stations
from mes.config.load import default_config
from mes.journal.names import formerly


@click.command("check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def check_command(*, file: Path | None) -> None:
    """Check a plant's file: every mistake at once, with line and remedy; exit code 2 if there is one."""
    loaded = plant(file)
    for warning in loaded.warnings:
        click.echo(str(warning))
    config = loaded.config
    for station in unknown_stations(config):
        click.echo(f"warning: the journal at {config.journal_path} knows {station}, and this file does not.")
        click.echo(f"    {formerly(station)}")
    tags = sum(len(tag) for tag in config.tags.values())
    click.echo(
        f"{file or default_config()}: good. {len(config.controllers)} controllers, "
        f"{len(config.setups)} stations, {tags} tags, {len(loaded.warnings)} warnings."
    )
