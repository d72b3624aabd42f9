"""The command `mes`: parses, calls, prints; exit codes 0 (well), 1 (differs or failed), 2 (bad input), 3 (too slow)."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import click

from adapters.clock import Clock, ScaledClock, SteadyClock
from mes import daemon
from mes.commands.causes import causes_command
from mes.commands.certs import certs_group
from mes.commands.explain import explain_command
from mes.commands.flow import flow_command
from mes.commands.influx import influx_group
from mes.commands.journal import journal_group
from mes.commands.oee import oee_command
from mes.commands.options import CONFIG, INSTANT, beginning, plant, unknown_stations
from mes.commands.programme import programme_command
from mes.commands.reconcile import reconcile_command
from mes.commands.replay import replay_command
from mes.commands.report import report_command
from mes.commands.stops import reason_command, shift_group, stops_command, undo_command
from mes.commands.unit import unit_command
from mes.commands.user import user_group
from mes.config.load import default_config
from mes.demo import screen
from mes.demo.board import BoardShown
from mes.demo.forwarding import given_server
from mes.demo.pacing import TooSlow
from mes.demo.result import Finished, as_json
from mes.demo.run import Breakdown, Forwarding, Options, parse_breakdown
from mes.demo.simulate import FIXED_PORTS, Fault, Simulation, parse_duration, parse_fault, simulate
from mes.errors import ConfigError, MesError
from mes.journal.names import formerly
from mes.logs import configure_logging
from mes.stopping import stop_on_signal
from mes.terminal import console

Result = TypeVar("Result")
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_TOO_SLOW = 3


class _Duration(click.ParamType["timedelta"]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            length = parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not length:
            self.fail(f"{value!r} is no time at all; write it as 8h, 90m or 2h30m", param, ctx)
        return length


class _Fault(click.ParamType["Fault"]):
    name = "name@time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        if isinstance(value, Fault):
            return value
        try:
            return parse_fault(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Breakdown(click.ParamType["Breakdown"]):
    name = "station@time+length"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Breakdown:
        if isinstance(value, Breakdown):
            return value
        try:
            return parse_breakdown(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _ClockSetting(click.ParamType["tuple[datetime, datetime]"]):
    name = "shown@real"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[datetime, datetime]:
        if isinstance(value, tuple):
            return value
        shown, at, real = str(value).partition("@")
        if not at:
            self.fail(f"{value!r} lacks an @; `mes simulate` prints the right one", param, ctx)
        return INSTANT.convert(shown, param, ctx), INSTANT.convert(real, param, ctx)


DURATION, FAULT, CLOCK, BREAKDOWN = _Duration(), _Fault(), _ClockSetting(), _Breakdown()
SPEED = click.FloatRange(min=1, max=1000)
FAULT_FORM = "NAME[:CONTROLLER]@TIME[+LENGTH]"
FAULT_HELP = "Inject a fault, as in link-cut@2h or stuck:paint-plc@90m+5m. May be repeated."


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="taktline", prog_name="mes")
@click.option("--verbose", is_flag=True, help="Say more in the log, and show the technical side of failures.")
def mes(*, verbose: bool) -> None:
    """Taktline: collects from weld and paint controllers, loses nothing, and computes OEE that can be proved right."""
    configure_logging(level=logging.DEBUG if verbose else logging.INFO)
    if not verbose:
        sys.excepthook = _unexpected


@mes.command(short_help="Plant, collector and report in one, every figure held against the truth.")
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
    type=FAULT,
    multiple=True,
    metavar=FAULT_FORM,
    help=FAULT_HELP,
)
@click.option(
    "--break",
    "breakdowns",
    type=BREAKDOWN,
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
def demo(
    *,
    length: timedelta,
    speed: float,
    seed: int,
    faults: tuple[Fault, ...],
    breakdowns: tuple[Breakdown, ...],
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

    On a slow or busy computer the plant's clock waits, so that the run takes longer and no figure suffers.

    Exit codes: 0 only if all agrees; 1 if anything differs or fails; 2 for bad input; 3 if this computer stood still so
    long that connections broke, and nothing else differs: try a lower --speed.
    """
    configure_logging(
        level=logging.DEBUG if click.get_current_context().find_root().params["verbose"] else logging.WARNING
    )
    forwarding = Forwarding(given_server()) if influx else None
    output = console()
    said = screen.open_board if open_board else screen.say_board
    board = BoardShown(board_port, lambda _: said(output, board))
    options = Options(length, speed, seed, faults, journal, breakdowns, forwarding, board)
    stays = screen.stays_by_default() if stay is None else stay

    def tell(finished: Finished) -> None:
        screen.show(output, finished)
        if json_file:
            result = as_json(finished, seed=seed)
            json_file.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    try:
        finished = _until_done(lambda stop: screen.attend(output, options, tell, stop, stay=stays))
    except* TooSlow as group:
        for failure in _leaves(group):
            click.echo(f"{failure}", err=True)
        sys.exit(EXIT_TOO_SLOW)
    if finished.verdict != "ok":
        sys.exit(EXIT_TOO_SLOW if finished.verdict == "too slow" else EXIT_FAILED)


@mes.command(short_help="Collect from the controllers until stopped: the daemon.")
@CONFIG
@click.option("--speed", type=SPEED, default=1, show_default=True, help="Speed of a simulated plant's clock.")
@click.option("--clock", type=CLOCK, help="A simulated plant's clock, as `mes simulate` prints it.")
@click.option(
    "--new", is_flag=True, help="Begin a new, empty journal where there is none, though there was one before."
)
def run(*, config: Path | None, speed: float, clock: tuple[datetime, datetime] | None, new: bool) -> None:
    """Collect from the controllers until stopped (SIGTERM or Ctrl-C): the daemon of the edge server.

    The first start makes the journal. A journal that was there before and is missing is never made again without --new.
    """
    loaded = plant(config)
    start = beginning(config, loaded.config.journal_path)
    start.allow(new=new)
    asyncio.run(daemon.run(loaded.config, _clock(speed, clock), opened=start.remember))


@mes.command("simulate", short_help="Serve the simulated plant for your own client or `mes run`.")
@click.option("--speed", type=SPEED, default=1, show_default=True, help="Simulated seconds in a real one.")
@click.option("--seed", type=int, default=7, show_default=True, help="Equal seeds give equal plants.")
@click.option("--start", type=INSTANT, help="What the plant's clock shows at first; by default the true time.")
@click.option("--clock", type=CLOCK, help="The same, with the true time at which it shows that.")
@click.option("--for", "length", type=DURATION, help="Stop the plant after this simulated time; go on answering.")
@click.option("--fault", "faults", type=FAULT, multiple=True, metavar=FAULT_FORM, help=FAULT_HELP)
@click.option(
    "--truth",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="When the plant stops, write what it really did to this file (JSON).",
)
def simulate_command(
    *,
    speed: float,
    seed: int,
    start: datetime | None,
    clock: tuple[datetime, datetime] | None,
    length: timedelta | None,
    faults: tuple[Fault, ...],
    truth: Path | None,
) -> None:
    """Serve the simulated plant on fixed loopback ports, for your own OPC UA or Modbus client or `mes run`."""
    real = datetime.now(UTC)
    real = real.replace(microsecond=real.microsecond // 1000 * 1000)  # as exactly as it is printed below
    if clock is None and (start is not None or speed != 1):
        clock = (start or real, real)
    flags = f" --speed {speed:g} --clock {_z(clock[0])}@{_z(clock[1])}" if clock else ""
    greeting = (
        f"weld-plc   opc.tcp://127.0.0.1:{FIXED_PORTS['weld-plc']}   OPC UA, PackML states",
        f"final-plc  opc.tcp://127.0.0.1:{FIXED_PORTS['final-plc']}   OPC UA, a vendor's states",
        f"paint-plc  127.0.0.1:{FIXED_PORTS['paint-plc']}             Modbus TCP, unit 1",
        f"In another terminal: mes run{flags}",
        "Commands: `on NAME [CONTROLLER]`, `off NAME [CONTROLLER]`, `faults`; Ctrl-C ends.",
    )
    simulation = Simulation(_clock(speed, clock), seed, length, faults, truth, click.echo, greeting)
    _until_done(lambda stop: simulate(simulation, stop))


@mes.command(short_help="Name every mistake in a plant's file, with line and remedy.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def check(*, file: Path | None) -> None:
    """Check a plant's file: every mistake at once, with line and remedy; exit code 2 if there is one."""
    loaded = plant(file)
    for warning in loaded.warnings:
        click.echo(str(warning))
    config = loaded.config
    for station in unknown_stations(config):
        click.echo(f"warning: the journal at {config.journal_path} knows {station}, and this file does not.")
        click.echo(f"    {formerly(station)}")
    tags = sum(len(each) for each in config.tags.values())
    click.echo(
        f"{file or default_config()}: good. {len(config.controllers)} controllers, "
        f"{len(config.setups)} stations, {tags} tags, {len(loaded.warnings)} warnings."
    )


for command in (
    *(report_command, explain_command, causes_command, unit_command, programme_command, oee_command),
    *(
        stops_command,
        reason_command,
        undo_command,
        shift_group,
        reconcile_command,
        flow_command,
        journal_group,
        replay_command,
    ),
    *(certs_group, influx_group, user_group),
):
    mes.add_command(command)


def main() -> None:
    """Entry point: turns every failure that has a name into a sentence and an exit code."""
    failures: list[BaseException] = []
    code = EXIT_FAILED
    try:
        mes()
    except* ConfigError as group:
        failures, code = _leaves(group), EXIT_BAD_INPUT
    except* (MesError, OSError) as group:
        failures = _leaves(group)
    for failure in failures:
        _explain(failure)
    if failures:
        sys.exit(code)


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for each in group.exceptions:
        found += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found


def _explain(failure: BaseException) -> None:
    """One failure for a person: the class's sentence, then the technical line."""
    if isinstance(failure, MesError) and not isinstance(failure, ConfigError):
        click.echo((type(failure).__doc__ or "").split("\n", maxsplit=1)[0], err=True)
    click.echo(f"{failure}", err=True)


def _unexpected(kind: type[BaseException], failure: BaseException, _trace: TracebackType | None) -> None:
    click.echo(f"Unexpected failure, a defect of this program: {kind.__name__}: {failure}", err=True)
    click.echo("Run the same command as `mes --verbose …` for the technical side, and report it.", err=True)


def _until_done(start: Callable[[asyncio.Event], Coroutine[Any, Any, Result]]) -> Result:
    """Runs `start`; Ctrl-C and SIGTERM set its event, so that it ends in order."""

    async def body() -> Result:
        return await start(stop_on_signal())

    return asyncio.run(body())


def _clock(speed: float, setting: tuple[datetime, datetime] | None) -> Clock:
    if setting is not None:
        shown, real = setting
        return ScaledClock.anchored(shown, real=real, speed=speed)
    if speed != 1:
        raise click.UsageError("--speed needs --clock: `mes simulate` prints the right one when it starts")
    return SteadyClock()


def _z(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
