"""The commands `mes user …`: who may sign in to the board and as what, and which tablets stand at which station."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from mes.board.accounts.store import accounts_path
from mes.board.accounts.users import INVITED_FOR, Accounts, NotAccepted, Role
from mes.commands.options import CONFIG, beginning, plant
from mes.config.build import PlantConfig
from mes.errors import ConfigError, did_you_mean
from mes.journal.names import Names
from mes.model import StationId
from mes.terminal import console, label

ROLE = click.Choice([str(role) for role in Role])
NAME = click.argument("name")


@click.group("user")
def user_group() -> None:
    """Say who may sign in to the board and as what, and enrol the tablets of stations.

    viewer: reads. operator: also explains stops. team_leader: also closes and reopens shifts. engineer: also
    decides counts, reads the audit and enrols tablets. What is changed holds at once, also while `mes run` is running.
    """


@user_group.command("add")
@NAME
@CONFIG
@click.option("--role", type=ROLE, required=True, help="What this person may do.")
def add_command(*, name: str, config: Path | None, role: str) -> None:
    """Let NAME sign in. The password is asked for; from a pipe it is one line of standard input."""
    with _people(config, plant(config).config) as accounts:
        accounts.add(name, _password(), Role(role), _by())
    click.echo(f"{name.strip()} may sign in now, as {role}.")


@user_group.command("list")
@CONFIG
def list_command(*, config: Path | None) -> None:
    """List who may sign in."""
    loaded = plant(config).config
    with _people(config, loaded) as accounts:
        users = accounts.users()
    if not users:
        click.echo("Nobody can sign in yet. Begin with yourself: mes user add NAME --role engineer")
        return
    table = Table(title="Who may sign in")
    for heading in ("name", "role", "since"):
        table.add_column(heading)
    for user in users:
        table.add_row(escape(user.name), str(user.role), _clock(loaded, user.created))
    console().print(table)


@user_group.command("role")
@NAME
@click.argument("role", type=ROLE)
@CONFIG
def role_command(*, name: str, role: str, config: Path | None) -> None:
    """Give NAME another ROLE; it holds at once, also for who is signed in."""
    with _people(config, plant(config).config) as accounts:
        accounts.set_role(name, Role(role), _by())
    click.echo(f"{name.strip()} is {role} now.")


@user_group.command("password")
@NAME
@CONFIG
def password_command(*, name: str, config: Path | None) -> None:
    """Give NAME another password; who is signed in under this name has to sign in again."""
    with _people(config, plant(config).config) as accounts:
        accounts.set_password(name, _password(), _by())
    click.echo(f"The password of {name.strip()} is changed, and whoever was signed in under this name is signed out.")


@user_group.command("remove")
@NAME
@CONFIG
def remove_command(*, name: str, config: Path | None) -> None:
    """Let NAME sign in no more; sessions of this name end at once, what it did stays in the audit."""
    with _people(config, plant(config).config) as accounts:
        accounts.remove(name, _by())
    click.echo(f"{name.strip()} cannot sign in any more.")


@user_group.command("tablet")
@click.argument("station")
@CONFIG
def tablet_command(*, station: str, config: Path | None) -> None:
    """Make a code that enrols a tablet for STATION: whoever uses it explains the stops of that station."""
    loaded = plant(config).config
    found = _station(loaded, station)
    with _people(config, loaded) as accounts:
        code = accounts.invite(found, _by())
    minutes = INVITED_FOR.total_seconds() / 60
    click.echo(f"{code}\nType this code at /enrol of the board, on the tablet of {label(found)}.")
    click.echo(f"It holds for {minutes:.0f} minutes, and for one tablet.")


@user_group.command("tablets")
@CONFIG
def tablets_command(*, config: Path | None) -> None:
    """List the tablets of stations, and until when each can be left unused."""
    loaded = plant(config).config
    with _people(config, loaded) as accounts:
        tablets = accounts.tablets()
    if not tablets:
        click.echo("No tablet is enrolled yet. Make a code for one: mes user tablet STATION")
        return
    table = Table(title="Tablets of stations", caption="mes user revoke NUMBER")
    for heading in ("number", "station", "enrolled", "invited by", "last used", "ends, if not used"):
        table.add_column(heading, justify="right" if heading == "number" else "left")
    for tablet in tablets:
        enrolled, seen, ends = (_clock(loaded, time) for time in (tablet.enrolled, tablet.seen, tablet.ends))
        table.add_row(str(tablet.number), label(tablet.station), enrolled, escape(tablet.invited_by), seen, ends)
    console().print(table)


@user_group.command("revoke")
@click.argument("number", type=click.IntRange(min=1))
@CONFIG
def revoke_command(*, number: int, config: Path | None) -> None:
    """End the session of the tablet NUMBER at once."""
    with _people(config, plant(config).config) as accounts:
        accounts.revoke(number, _by())
    click.echo(f"Tablet {number} is signed out; `mes user tablet STATION` makes a code to enrol it again.")


@contextmanager
def _people(file: Path | None, config: PlantConfig) -> Iterator[Accounts]:
    """The people of a plant, beside its journal; what cannot be accepted of them is bad input.

    Raises JournalMissing where the journal's disk is not mounted: an account made there would be hidden later.
    """
    beginning(file, config.journal_path).allow(new=False)
    try:
        yield Accounts(accounts_path(config.journal_path), lambda: datetime.now(UTC), names=Names(config.former))
    except NotAccepted as error:
        raise ConfigError(str(error)) from error


def _password() -> str:
    """Asked for twice and not shown, or one line of a pipe; never an argument, which all users of a machine can see."""
    if sys.stdin.isatty():
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    line = sys.stdin.readline()
    if not line:
        raise ConfigError("standard input is empty: give the password as one line there, or run this on a terminal")
    return line.rstrip("\r\n")


def _by() -> str:
    return f"{getpass.getuser()} (command line)"


def _station(config: PlantConfig, part: str) -> StationId:
    """One station by its path, or by the end or a name of it. Raises ConfigError where it is none or several."""
    stations = list(config.standards)
    found = [station for station in stations if part and (f"/{part}/" in f"/{station}/" or station.endswith(part))]
    if not found:
        raise ConfigError(
            f"unknown station `{part}`: {did_you_mean(part, [station.rpartition('/')[2] for station in stations])}"
        )
    if len(found) > 1:
        raise ConfigError(f"`{part}` is several stations: {', '.join(label(station) for station in found)}")
    return found[0]


def _clock(config: PlantConfig, instant: datetime) -> str:
    return f"{instant.astimezone(config.calendar.zone):%Y-%m-%d %H:%M}"
