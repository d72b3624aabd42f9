"""Serves the simulated plant on fixed ports until it is stopped, for an engineer's own client or for `mes run`."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.clock import Clock
from adapters.reading import ControllerId
from adapters.settings import (
    Controller,
    ModbusRtuOverTcpController,
    ModbusTcpController,
    OpcUaController,
    host_and_port,
)
from mes.errors import ConfigError
from simulators.faults import Fault, parse_duration, parse_fault
from simulators.ports import FIXED_PORTS

if TYPE_CHECKING:
    from mes.demo.plants import DemoPlant
    from simulators.plant import Plant
    from simulators.served import ServedPlant

__all__ = ["FIXED_PORTS", "Addresses", "Fault", "Simulation", "addresses", "parse_duration", "parse_fault", "simulate"]

FIRST_PORT = 48500
EXAMPLE_LINES = (
    f"weld-plc   opc.tcp://127.0.0.1:{FIXED_PORTS['weld-plc']}   OPC UA, PackML states",
    f"final-plc  opc.tcp://127.0.0.1:{FIXED_PORTS['final-plc']}   OPC UA, a vendor's states",
    f"paint-plc  127.0.0.1:{FIXED_PORTS['paint-plc']}             Modbus TCP, unit 1",
)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What to serve. After `length` of its own time the plant stands still, and its controllers go on answering.

    `truth` is written when the plant stands still, or on stopping; `greeting` is said once everything is served.
    """

    clock: Clock
    seed: int
    length: timedelta | None
    faults: tuple[Fault, ...]
    truth: Path | None
    say: Callable[[str], None]
    greeting: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=lambda: FIXED_PORTS)
    plant: "DemoPlant | None" = None


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the controllers are served, a line each for people. `as_in_file`: the plant's file has them there."""

    ports: Mapping[str, int]
    lines: tuple[str, ...]
    as_in_file: bool


def addresses(plant: "DemoPlant") -> Addresses:
    """The ports of the file where it names this computer, others from `FIRST_PORT` on; a shared line has one."""
    if not plant.shapes:
        return Addresses(FIXED_PORTS, EXAMPLE_LINES, as_in_file=True)
    ports: dict[str, int] = {}
    shared: dict[str, int] = {}
    lines, as_in_file = [], True
    for number, shape in enumerate(plant.shapes):
        here = _port_here(plant.config.controllers[ControllerId(shape.name)])
        as_in_file = as_in_file and here is not None
        port = shared.get(shape.line) or here or FIRST_PORT + number
        if shape.line:
            shared[shape.line] = port
        ports[shape.name] = port
        if shape.namespace is not None:
            where = f"opc.tcp://127.0.0.1:{port}   OPC UA"
        else:
            where = f"127.0.0.1:{port}   {'RTU frames over TCP' if shape.framing == 'rtu' else 'Modbus TCP'}, "
            where += f"unit {shape.unit}"
        lines.append(f"{shape.name}   {where}")
    return Addresses(ports, tuple(lines), as_in_file)


def _port_here(settings: Controller) -> int | None:
    """The port that the simulator can take over from the file; None where the file names another computer or line."""
    match settings:
        case OpcUaController():
            host, port = host_and_port(settings.first_url)
        case ModbusTcpController() | ModbusRtuOverTcpController():
            host, port = settings.host, settings.port
        case _:
            return None
    return port if host in ("127.0.0.1", "localhost") else None


async def simulate(simulation: Simulation, stop: asyncio.Event) -> None:
    """Serves until `stop` is set; lines on a terminal's standard input switch faults. Raises ConfigError (ports)."""
    from simulators.plant import KOSTANAY, Plant
    from simulators.served import ServedPlant

    works, shapes = (KOSTANAY, ()) if simulation.plant is None else (simulation.plant.works, simulation.plant.shapes)
    plant = Plant(seed=simulation.seed, start=simulation.clock.now(), works=works)
    served = ServedPlant(plant, simulation.clock, ports=simulation.ports, shapes=shapes)
    try:
        await served.start()
    except OSError as error:
        await served.stop()
        raise ConfigError(
            f"a port of the plant is taken ({error.strerror}): is another `mes simulate` running? "
            f"It needs {', '.join(str(port) for port in simulation.ports.values())} on 127.0.0.1."
        ) from error
    for sentence in simulation.greeting:
        simulation.say(sentence)
    for fault in simulation.faults:
        served.inject(fault)
    running = asyncio.create_task(served.run(), name="simulated plant")
    listening = asyncio.create_task(_listen(served, simulation.say), name="commands") if sys.stdin.isatty() else None
    stopped = asyncio.create_task(stop.wait(), name="stop")
    ended = asyncio.create_task(_until_end(simulation, plant), name="end of the run")
    try:
        await asyncio.wait({running, stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
        served.freeze()
        if simulation.truth:
            simulation.truth.write_text(json.dumps(truth_json(plant), indent=2) + "\n", encoding="utf-8")
        if ended.done():
            simulation.say("the plant stands still, its controllers go on answering; Ctrl-C ends")
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for task in (running, listening, stopped, ended):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await served.stop()


async def _until_end(simulation: Simulation, plant: "Plant") -> None:
    if simulation.length is None:
        await asyncio.Event().wait()
        return
    end = plant.start + simulation.length
    while plant.now < end:
        await asyncio.sleep(0.02)


async def _listen(served: "ServedPlant", say: Callable[[str], None]) -> None:
    """Reads commands from the terminal for as long as it gives any."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await command(served, line.decode(errors="replace").split(), say)


async def command(served: "ServedPlant", words: list[str], say: Callable[[str], None]) -> None:
    """One command: `on NAME [CONTROLLER]`, `off NAME [CONTROLLER]` or `faults`."""
    match words:
        case []:
            return
        case ["faults"]:
            say("on now: " + (", ".join(f"{name} {where}" for name, where in served.active_faults()) or "none"))
        case [("on" | "off") as switch, name, *where] if len(where) <= 1:
            try:
                await served.switch(name, where[0] if where else None, on=switch == "on")
            except ValueError as error:
                say(str(error))
            else:
                say(f"{name} is {switch}")
        case _:
            say("say `on NAME [CONTROLLER]`, `off NAME [CONTROLLER]` or `faults`")


def truth_json(plant: "Plant") -> dict[str, object]:
    """What the plant did from its start to now, per station: counts, finished units, seconds per state, OEE."""
    truth, start, end = plant.truth, plant.start, plant.now
    return {
        "start": start.isoformat(),
        "end": end.isoformat(),
        "stations": {
            station.path: {
                **truth.counts(station.path, start, end),
                "units": [f"{unit.unit} {unit.result} #{unit.sequence}" for unit in truth.units(station.path)],
                "seconds": {
                    str(state): length.total_seconds()
                    for state, length in truth.seconds(station.path, [(start, end)]).items()
                },
                "oee": truth.oee(station.path, start, end),
            }
            for station in plant.stations
        },
    }
