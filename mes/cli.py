"""The command `mes`: parses, calls, prints; exit codes 0 (well), 1 (differs or failed), 2 (bad input), 3 (too slow)."""

import importlib
import logging
import sys
from dataclasses import dataclass
from types import TracebackType

import click

from mes.errors import EXIT_BAD_INPUT, EXIT_FAILED, ConfigError, MesError, leaves
from mes.logs import configure_logging


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command stands in mes/commands, and its line in the list of commands, without the module imported."""

    module: str
    name: str
    short_help: str


COMMANDS = {
    "demo": Place("demo", "demo_command", "Plant, collector and report in one, every figure held against the truth."),
    "run": Place("run", "run_command", "Collect from the controllers until stopped: the daemon."),
    "reload": Place("reload", "reload_command", "Let the running collector take up its changed plant file."),
    "simulate": Place("simulate", "simulate_command", "Serve the simulated plant for your own client or `mes run`."),
    "check": Place("check", "check_command", "Name every mistake in a plant's file, with line and remedy."),
    "look": Place(
        "look",
        "look_command",
        "What a controller offers: security, logins, product, namespaces; Modbus units, registers.",
    ),
    "report": Place(
        "report", "report_command", "OEE, factors, counts and losses for any window and part of the plant."
    ),
    "explain": Place(
        "explain", "explain_command", "Walk from a figure through spans and events to the raw counter readings."
    ),
    "causes": Place("causes", "causes_command", "Who stopped the line: blocked and starved time charged to its cause."),
    "unit": Place(
        "unit", "unit_command", "A car's biography: stations, times, results, repaint loops, process values."
    ),
    "programme": Place(
        "programme", "programme_command", "Cars built against plan, by model, CKD and DKD, market; local content."
    ),
    "oee": Place("oee", "oee_command", "OEE from totals given by hand, with the arithmetic shown."),
    "stops": Place("stops", "stops_command", "The stops of a window with their reasons, and which still need one."),
    "reason": Place(
        "stops", "reason_command", "Give a stop its reason; splits, merges or corrects, and keeps who and when."
    ),
    "undo": Place("stops", "undo_command", "Take back a reason that was given to a stop, by its number."),
    "shift": Place("stops", "shift_group", "Close a shift when every stop is explained, or open it again."),
    "reconcile": Place(
        "reconcile", "reconcile_command", "List the counts that no totaliser could decide, and decide them."
    ),
    "flow": Place("flow", "flow_command", "Work in process, waits, first-time quality, cycle times against takt."),
    "journal": Place(
        "journal", "journal_group", "The journal's file: check, backup, restore, quarantine, export, import."
    ),
    "replay": Place(
        "replay", "replay_command", "Compute a journal again, also under a changed plant's file; show what differs."
    ),
    "certs": Place("certs", "certs_group", "Certificates of OPC UA connections: create, trust, renew, check."),
    "influx": Place("influx", "influx_group", "InfluxDB: make a server ready, check it, write a stretch again."),
    "user": Place("user", "user_group", "Who may sign in to the board, as what, and the tablets of stations."),
}


class Commands(click.Group):
    """A group whose commands are imported when they are called: most need neither protocols nor the board."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None if there is none of this name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        command: click.Command = getattr(importlib.import_module(f"mes.commands.{place.module}"), place.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].short_help) for name in self.list_commands(ctx)])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="taktline", prog_name="mes")
@click.option("--verbose", is_flag=True, help="Say more in the log, and show the technical side of failures.")
def mes(*, verbose: bool) -> None:
    """Taktline: collects from weld and paint controllers, loses nothing, and computes OEE that can be proved right."""
    configure_logging(level=logging.DEBUG if verbose else logging.INFO)
    if not verbose:
        sys.excepthook = _unexpected


def main() -> None:
    """Entry point: turns every failure that has a name into a sentence and an exit code."""
    failures: list[BaseException] = []
    code = EXIT_FAILED
    try:
        mes()
    except* ConfigError as group:
        failures, code = leaves(group), EXIT_BAD_INPUT
    except* (MesError, OSError) as group:
        failures = leaves(group)
    for failure in failures:
        _explain(failure)
    if failures:
        sys.exit(code)


def _explain(failure: BaseException) -> None:
    """One failure for a person: the class's sentence, then the technical line."""
    if isinstance(failure, MesError) and not isinstance(failure, ConfigError):
        click.echo((type(failure).__doc__ or "").split("\n", maxsplit=1)[0], err=True)
    click.echo(f"{failure}", err=True)


def _unexpected(kind: type[BaseException], failure: BaseException, _trace: TracebackType | None) -> None:
    click.echo(f"Unexpected failure, a defect of this program: {kind.__name__}: {failure}", err=True)
    click.echo("Run the same command as `mes --verbose …` for the technical side, and report it.", err=True)
