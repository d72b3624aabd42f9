"""The command `mes simulate`: the simulated plant for somebody's own client or `mes run`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from mes.commands.options import INSTANT
from mes.commands.parsed import Parsed
from mes.commands.simulated import CLOCK, SPEED, clock_of, until_done
from mes.demo.simulate import FIXED_PORTS, Fault, Simulation, parse_duration, parse_fault, simulate


def _length(text: str) -> timedelta:
    length = parse_duration(text)
    if not length:
        raise ValueError(f"{text!r} is no time at all; write it as 8h, 90m or 2h30m")
    return length


DURATION, FAULT = Parsed("duration", _length), Parsed("name@time", parse_fault)
FAULT_FORM = "NAME[:CONTROLLER]@TIME[+LENGTH]"
FAULT_HELP = "Inject a fault, as in link-cut@2h or stuck:paint-plc@90m+5m. May be repeated."


@click.command("simulate")
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
    simulation = Simulation(clock_of(speed, clock), seed, length, faults, truth, click.echo, greeting)
    until_done(lambda stop: simulate(simulation, stop))


def _z(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
