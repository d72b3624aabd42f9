"""The command `mes demo`: plant, collector, board and report in one process."""

import json
import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mes.commands.options import CONFIG
from mes.commands.simulate import DURATION, FAULT_FORM, FAULT_HELP, faults_of
from mes.commands.simulated import SPEED, until_done
from mes.errors import EXIT_FAILED, EXIT_TOO_SLOW, leaves
from mes.logs import configure_logging
from mes.terminal import console

if TYPE_CHECKING:
    from mes.demo.plants import DemoPlant
    from mes.demo.result import Finished
    from mes.demo.run import Breakdown


def _breakdowns_of(words: tuple[str, ...], plant: "DemoPlant") -> "tuple[Breakdown, ...]":
    from mes.demo.run import parse_breakdown

    try:
        return tuple(parse_breakdown(word, plant) for word in words)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--break'") from error


@click.command("demo")
@CONFIG
@click.option("--for", "length", type=DURATION, default="8h", show_default=True, help="Simulated time to run.")
@click.option(
    "--speed",
    type=SPEED,
    default=120,
    show_default=True,
    help="Simulated seconds in a real one.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Equal seeds give equal plants.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar=FAULT_FORM,
    help=FAULT_HELP,
)
@click.option(
    "--break",
    "breakdowns",
    multiple=True,
    metavar="STATION@TIME+LENGTH",
    help="Break a station of the plant, as in W030@1h+40m: who is charged with it is checked. May be repeated.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Write every figure and its truth to this file.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the journal in this new folder, for `mes report`; without it, it is thrown away.",
)
@click.option(
    "--influx",
    is_flag=True,
    help="Forward to InfluxDB as well: to a private influxd (Debian's influxdb) that ends with the run, or to the "
    "server at $TAKTLINE_INFLUX_URL. The run fails unless everything is stored.",
)
@click.option(
    "--board-port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Serve the board of this plant here while it runs; by default at a free port, which is printed.",
)
@click.option(
    "--open/--no-open", "open_board", default=True, help="Open the board in a browser, where there is a screen."
)
@click.option(
    "--stay/--no-stay",
    default=None,
    help="Keep the board open after the verdict until Ctrl-C, with the plant running in real time; by default on a "
    "terminal, and not in CI ($CI) or in a pipe.",
)
def demo_command(
    *,
    config: Path | None,
    length: timedelta,
    speed: float,
    seed: int,
    faults: tuple[str, ...],
    breakdowns: tuple[str, ...],
    json_file: Path | None,
    journal: Path | None,
    influx: bool,
    board_port: int,
    open_board: bool,
    stay: bool | None,
) -> None:
    """Run plant, collector, board and report in one process, and hold every figure against the truth.

    Prints the board's address and three sign-ins, made for this run. On a terminal the board stays open after the
    verdict, with the plant running in real time; Ctrl-C ends it, and the exit code is the verdict's.

    With --config the plant of any file is simulated, by its stations, ways and calendar. Its controllers are served
    in the shape that the file describes. What cannot be simulated is named.

    On a slow or busy computer the plant's clock waits, so that the run takes longer and no figure suffers.

    Exit codes: 0 only if all agrees; 1 if anything differs or fails; 2 for bad input; 3 if this computer stood still so
    long that connections broke, and nothing else differs: try a lower --speed.
    """
    from mes.demo import screen
    from mes.demo.board import DemoBoard
    from mes.demo.forwarding import given_server
    from mes.demo.pacing import TooSlow
    from mes.demo.plants import demo_plant
    from mes.demo.result import as_json
    from mes.demo.run import Forwarding, Options

    configure_logging(
        level=logging.DEBUG if click.get_current_context().find_root().params["verbose"] else logging.WARNING
    )
    forwarding = Forwarding(given_server()) if influx else None
    output = console()
    said = screen.open_board if open_board else screen.say_board
    board = DemoBoard(board_port, lambda _: said(output, board))
    plant = demo_plant(config)
    planned, broken = faults_of(faults, plant), _breakdowns_of(breakdowns, plant)
    options = Options(length, speed, seed, planned, journal, broken, forwarding, board, plant)
    stays = screen.stays_by_default() if stay is None else stay

    def tell(finished: "Finished") -> None:
        screen.show(output, finished)
        if json_file:
            result = as_json(finished, seed=seed)
            json_file.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    try:
        finished = until_done(lambda stop: screen.attend(output, options, tell, stop, stay=stays))
    except* TooSlow as group:
        for failure in leaves(group):
            click.echo(f"{failure}", err=True)
        sys.exit(EXIT_TOO_SLOW)
    if finished.verdict != "ok":
        sys.exit(EXIT_TOO_SLOW if finished.verdict == "too slow" else EXIT_FAILED)
