"""The commands `mes influx …`: make a server ready, prove that it works, write a stretch again."""

import asyncio
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from mes.commands.backfill import backfill_command
from mes.commands.options import CONFIG, plant
from mes.config.build import PlantConfig
from mes.daemon import credential, influx_target
from mes.errors import ConfigError, SinkRejected
from mes.influx.admin import NO_READERS, Done, How, Wanted, is_core, retention, set_up
from mes.influx.probe import READ_WITHIN_S, may_write, probe
from mes.influx.server import InfluxServer, ServerKind, Target

WRITER_FILE = "influx-secret"
TWO_YEARS_DAYS = 731
SIGNS = {How.THERE: "is there", How.MADE: "made", How.BY_HAND: "by hand"}


@click.group("influx")
def influx_group() -> None:
    """All that is done with InfluxDB by hand; secrets come from $CREDENTIALS_DIRECTORY, never from the command line."""


@influx_group.command("setup", short_help="Create what is missing: database, retention, users or tokens.")
@CONFIG
@click.option("--retention-days", type=click.IntRange(min=1), help="How long it keeps everything. Default: for ever.")
@click.option("--admin-user", help="1.x: the administrator's name, where the server asks who one is.")
@click.option(
    "--admin-credential",
    metavar="NAME",
    help="The file in $CREDENTIALS_DIRECTORY with the administrator's password or token; asked for without it.",
)
@click.option("--reader", default="grafana", show_default=True, help="Who may only read.")
@click.option(
    "--secrets",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder for new passwords or tokens, one file each, for its owner's eyes only.",
)
def setup_command(
    *,
    config: Path | None,
    retention_days: int | None,
    admin_user: str | None,
    admin_credential: str | None,
    reader: str,
    secrets: Path,
) -> None:
    """Create what is missing on the InfluxDB server of the plant's file, and say what is there and what was made.

    A second run changes nothing.
    """
    loaded = plant(config).config
    _check_folder(secrets)
    wanted = _wanted(loaded, retention_days, reader, secrets)
    done = asyncio.run(_set_up(wanted, admin_user, admin_credential))
    for line in done:
        file = f"; its secret is in {secrets / line.file}" if line.file else ""
        click.echo(f"{SIGNS[line.how]:>8}  {line.text}{file}")
    if retention_days is not None and retention_days < TWO_YEARS_DAYS:
        click.echo(
            f"\n{retention_days} days are too short for cars built in the year and for the choice of `last year` in "
            f"Grafana: their points stand at the beginning of a year. They need {TWO_YEARS_DAYS}."
        )
    _tell_grafana(wanted, done)


def _wanted(config: PlantConfig, keep_days: int | None, reader: str, folder: Path) -> Wanted:
    influx = config.influx
    if influx is None:
        raise ConfigError("the plant's file has no `influx`: say there where the database is")
    target = Target(
        url=influx.url,
        database=influx.database,
        retention_policy=influx.retention_policy,
        org=influx.org or "-",
        user=influx.user,
        kind=None if influx.server == "auto" else ServerKind(influx.server),
    )
    files = (influx.credential or WRITER_FILE, f"{reader}-{WRITER_FILE}")
    return Wanted(target, keep_days, reader, *files, partial(_keep, folder))


def _check_folder(folder: Path) -> None:
    """Before anything is made: a secret that cannot be written down would be lost."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{folder} cannot be written to: new secrets would be lost")


async def _set_up(wanted: Wanted, user: str | None, file: str | None) -> list[Done]:
    secret = credential(file) if file is not None else None
    if secret is None and sys.stdin.isatty():
        secret = (
            click.prompt("The administrator's password or token (empty: none)", default="", hide_input=True) or None
        )
    admin = replace(wanted.target, user=user, secret=secret)
    async with InfluxServer(admin) as server:
        if await server.kind() is not ServerKind.V1 and secret is None:
            raise ConfigError("an administrator's token is needed: name its file with --admin-credential")
        return await set_up(server, wanted)


def _keep(folder: Path, file: str, secret: str) -> None:
    """Writes a new secret down; one that is there is of another time, and moves aside."""
    path = folder / file
    if path.exists():
        path.replace(path.with_name(f"{file}.before-{datetime.now(UTC):%Y%m%d%H%M%S}"))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(secret + "\n")


def _tell_grafana(wanted: Wanted, done: list[Done]) -> None:
    click.echo(f"\nGrafana: TAKTLINE_INFLUX_URL={wanted.target.url} TAKTLINE_INFLUX_DATABASE={wanted.target.database}")
    if any("user " + wanted.reader in line.text for line in done):
        click.echo(f"TAKTLINE_INFLUX_USER={wanted.reader}")
    if any(line.file == wanted.reader_file for line in done):
        click.echo(f"and {wanted.reader_file} as /etc/grafana/taktline-influx-secret, readable by Grafana alone")


@influx_group.command("check", short_help="Write a canary, read it back, and compare.")
@CONFIG
@click.option(
    "--reader-credential",
    metavar="NAME",
    help="Check Grafana's secret, too: that it reads, and that it cannot write (InfluxDB 3 Core: that it reads).",
)
@click.option("--reader", default="grafana", show_default=True, help="1.x: the user of that secret.")
def check_command(*, config: Path | None, reader_credential: str | None, reader: str) -> None:
    """Write a canary to the InfluxDB server of the plant's file, read it back, and compare it to the nanosecond."""
    loaded = plant(config).config
    target = influx_target(loaded, credential)
    if target is None:
        raise ConfigError("the plant's file has no `influx`: say there where the database is")
    asyncio.run(_check(target))
    if reader_credential is not None:
        asyncio.run(_check_reader(target, reader, credential(reader_credential)))


async def _check(target: Target) -> None:
    async with InfluxServer(target) as server:
        waiting = asyncio.create_task(_tell_waiting(target))
        try:
            found = await probe(server)
            kept = await retention(server, target)
        finally:
            waiting.cancel()
    click.echo(f"InfluxDB {found.server} at {target.url}, database {target.database} ({kept}): good.")
    click.echo(f"A canary was written in {found.wrote_s * 1000:.0f} ms and read in {found.read_s * 1000:.0f} ms.")


async def _tell_waiting(target: Target) -> None:
    await asyncio.sleep(2)
    click.echo(
        f"waiting for {target.url} to give the canary back, {READ_WITHIN_S:g} s at most after it is written", err=True
    )


async def _check_reader(target: Target, user: str, secret: str) -> None:
    as_reader = replace(target, secret=secret, user=user if target.user is not None else None)
    async with InfluxServer(as_reader) as server:
        await server.query('SELECT last("said") FROM "canary"')
        if await may_write(server):
            if await is_core(server):
                click.echo(f"Grafana's secret reads: good. {NO_READERS}.")
                return
            raise SinkRejected("Grafana's secret can write: make one that only reads", status=204, body="")
    click.echo("Grafana's secret reads and cannot write: good.")


influx_group.add_command(backfill_command)
