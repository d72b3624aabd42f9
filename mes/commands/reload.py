"""The command `mes reload`: the running collector takes up its changed plant file."""

import os
import signal
import sys
import time
from pathlib import Path

import click

from adapters.operating_system import IS_POSIX
from mes.commands.options import CONFIG, plant
from mes.errors import EXIT_FAILED
from mes.health.reload_file import Reloads, running

LOOK_EVERY_S = 0.1


@click.command("reload")
@CONFIG
@click.option(
    "--wait", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds to wait for the answer."
)
def reload_command(*, config: Path | None, wait: float) -> None:
    """Let the running collector take up its changed plant file; sessions of other controllers go on.

    The file is checked first. A mistake, or a change that needs a restart of the service, changes nothing: exit code 2.
    """
    journal = plant(config).config.journal_path
    if not IS_POSIX:
        raise click.ClickException("Windows has no signal for it: stop `mes run` and start it again.")
    try:
        outcome = _reload(journal.absolute(), wait)
    except OSError as error:
        raise click.ClickException(
            f"the collector of {journal.absolute()} cannot be asked: {error.strerror}; "
            "run the command as root or as the collector's user"
        ) from error
    for line in outcome.lines:
        click.echo(line, err=outcome.code != 0)
    sys.exit(outcome.code)


def _reload(journal: Path, wait_s: float) -> Reloads:
    """Asks and waits; a reload that began before the question may have read the file before it was changed."""
    before = running(journal)
    if before is None:
        raise click.ClickException(
            f"no collector runs on {journal}. Start it, or run this command in its working directory. "
            "If `journal` was changed in the file, that needs a restart of the service."
        )
    os.kill(before.pid, signal.SIGHUP)
    until_s = time.monotonic() + wait_s
    while time.monotonic() < until_s:
        present = running(journal)
        if present is None or present.pid != before.pid:
            return Reloads(before.pid, code=EXIT_FAILED, lines=("the collector ended before it answered; see its log",))
        if present.ended > before.begun:
            return present
        time.sleep(LOOK_EVERY_S)
    unanswered = f"no answer within {wait_s:g} s; the collector's log says what became of it"
    return Reloads(before.pid, code=EXIT_FAILED, lines=(unanswered,))
