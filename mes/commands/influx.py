"""The commands `mes influx …`: all that is done with InfluxDB by hand."""

import click

from mes.commands.backfill import backfill_command


@click.group("influx", short_help="InfluxDB: write a stretch of the journal anew.")
def influx_group() -> None:
    """All that is done with InfluxDB by hand; secrets come from $CREDENTIALS_DIRECTORY, never from the command line."""


influx_group.add_command(backfill_command)
