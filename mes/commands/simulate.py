"""The command `mes simulate`: the simulated plant for somebody's own client or `mes run`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mes.commands.options import CONFIG, INSTANT
from mes.commands.parsed import Parsed
from mes.commands.simulated import CLOCK, SPEED, clock_of, until_done
from mes.demo.simulate import Fault, Simulation, parse_duration, parse_fault, simulate

if TYPE_CHECKING:
    from mes.demo.plants import DemoPlant


def _length(text: str) -> timedelta:
    length = parse_duration(text)
    if not length:
        raise ValueError(f"{text!r} is no time at all; write it as 8h, 90m or 2h30m")
    return length


def faults_of(words: tuple[str, ...], plant: "DemoPlant") -> tuple[Fault, ...]:
    """The faults that somebody wants at the plant's controllers. Raises BadParameter."""
    try:
        return tuple(parse_fault(word, list(plant.config.controllers)) for word in words)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--fault'") from error


DURATION = Parsed("duration", _length)
FAULT_FORM = "NAME[:CONTROLLER]@TIME[+LENGTH]"
FAULT_HELP = "Inject a fault, as in link-cut@2h or stuck:paint-plc@90m+5m. May be repeated."


@click.command("simulate")
@CONFIG
@click.option("--speed", type=SPEED, default=1, show_default=True, help="Simulated seconds in a real one.")
@click.option("--seed", type=int, default=7, show_default=True, help="Equal seeds give equal plants.")
@click.option("--start", type=INSTANT, help="What the plant's clock shows at first; by default the true time.")
@click.option("--clock", type=CLOCK, help="The same, with the true time at which it shows that.")
@click.option("--for", "length", type=DURATION, help="Stop the plant after this simulated time; go on answering.")
@click.option("--fault", "faults", multiple=True, metavar=FAULT_FORM, help=FAULT_HELP)
@click.option(
    "--truth",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="When the plant stops, write what it really did to this file (JSON).",
)
def simulate_command(
    *,
    config: Path | None,
    speed: float,
    seed: int,
    start: datetime | None,
    clock: tuple[datetime, datetime] | None,
    length: timedelta | None,
    faults: tuple[str, ...],
    truth: Path | None,
) -> None:
    """Serve the simulated plant on fixed loopback ports, for your own OPC UA or Modbus client or `mes run`.

    With --config the plant of any file, in the shape that the file describes. What cannot be simulated is named.
    """
    from mes.demo.plants import demo_plant
    from mes.demo.simulate import addresses

    plant = demo_plant(config)
    planned = faults_of(faults, plant)
    real = datetime.now(UTC)
    real = real.replace(microsecond=real.microsecond // 1000 * 1000)  # as exactly as it is printed below
    if clock is None and (start is not None or speed != 1):
        clock = (start or real, real)
    flags = f" --speed {speed:g} --clock {_z(clock[0])}@{_z(clock[1])}" if clock else ""
    served = addresses(plant)
    file = f" --config {config}" if config is not None else ""
    there = () if served.as_in_file else ("These are not the addresses of the file: give them to a copy of it first.",)
    greeting = (
        *served.lines,
        *there,
        f"In another terminal: mes run{file}{flags}",
        "Commands: `on NAME [CONTROLLER]`, `off NAME [CONTROLLER]`, `faults`; Ctrl-C ends.",
    )
    simulation = Simulation(
        clock_of(speed, clock), seed, length, planned, truth, click.echo, greeting, served.ports, plant
    )
    until_done(lambda stop: simulate(simulation, stop))


def _z(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
