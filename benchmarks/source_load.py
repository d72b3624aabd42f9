"""Controllers of a large plant in one process; changes between `go` and `stop`, and then tells what it did."""

import asyncio
import json
import logging
import os
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from struct import pack, unpack
from typing import Protocol, cast

from asyncua import ua
from asyncua.server.server import Server

from simulators.modbus_server import ModbusServer

STATIONS, PROCESS = 20, 34  # stations of a controller, process values of a station
CYCLE_S, STARVED_S, TICK_S = 30.0, 5.0, 0.1
BLOCK = 100  # Modbus registers of a station
SIGNALS = {"state": 0, "good": 1, "reject": 3, "fault": 5, "product": 6, "unit": 8}  # where in the block
KINDS = {"good": ua.VariantType.UInt32, "reject": ua.VariantType.UInt32, "unit": ua.VariantType.String}


class Controller(Protocol):
    """What shows the values of its stations."""

    port: int

    async def start(self) -> None:
        """Listens; `port` tells where."""

    async def show(self, station: int, name: str, value: int | str) -> None:
        """Sets one value of one station."""


class OpcUa:
    """An asyncua server."""

    def __init__(self) -> None:
        """Does not listen yet."""
        self.port = 0
        self._server = Server()
        self._nodes: dict[tuple[int, str], ua.NodeId] = {}

    async def start(self) -> None:
        """Lays out the nodes and listens."""
        server = self._server
        await server.init()
        server.set_endpoint("opc.tcp://127.0.0.1:0/")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await server.register_namespace("urn:load")
        for station in range(STATIONS):
            for name in (*SIGNALS, *(f"p{number}" for number in range(PROCESS))):
                node = ua.NodeId.from_string(f"ns={index};s=s{station}.{name}")
                kind = KINDS.get(name, ua.VariantType.Double if name[1:].isdigit() else ua.VariantType.Int32)
                first = "" if kind is ua.VariantType.String else 0
                await server.nodes.objects.add_variable(node, f"{index}:s{station}.{name}", first, kind)
                self._nodes[station, name] = node
        await server.start()
        assert server.bserver is not None
        self.port = int(server.bserver.port)

    async def show(self, station: int, name: str, value: int | str) -> None:
        """Sets one value, with the present time as its source time."""
        kind = KINDS.get(name, ua.VariantType.Double if name[1:].isdigit() else ua.VariantType.Int32)
        content = float(value) if kind is ua.VariantType.Double else value
        now = cast(ua.DateTime, datetime.now(UTC))
        shown = ua.DataValue(ua.Variant(content, kind), SourceTimestamp=now)
        await self._server.write_attribute_value(self._nodes[station, name], shown)


class Modbus:
    """A Modbus TCP device; long values have their high word first."""

    def __init__(self) -> None:
        """Does not listen yet."""
        self.port = 0
        self._server = ModbusServer(declared=[(0, STATIONS * BLOCK)])

    async def start(self) -> None:
        """Listens."""
        await self._server.start()
        self.port = self._server.port

    async def show(self, station: int, name: str, value: int | str) -> None:
        """Sets the registers of one value."""
        place = SIGNALS[name] if name in SIGNALS else 20 + 2 * int(name[1:])
        if isinstance(value, str):
            words = unpack(">9H", value.encode().ljust(18, b"\0"))
        elif name in ("good", "reject"):
            words = unpack(">2H", pack(">I", value))
        elif name in SIGNALS:
            words = (value,)
        else:
            words = unpack(">2H", pack(">f", float(value)))
        self._server.write(station * BLOCK + place, words)


@dataclass(slots=True)
class Station:
    """One station, and the truth about it."""

    controller: Controller
    number: int
    state: int = 1
    states: int = 0
    good: int = 0
    reject: int = 0
    process: list[int] = field(default_factory=lambda: [0] * PROCESS)

    async def turn(self, state: int) -> int:
        """Another state; at the end of a cycle a unit is finished. Returns how many values changed."""
        self.state, self.states = state, self.states + 1
        await self.controller.show(self.number, "state", state)
        if state == 1:
            return 1
        self.good += 1
        await self.controller.show(self.number, "good", self.good)
        await self.controller.show(self.number, "unit", f"U{self.good:016d}")
        if self.good % 10:
            return 3
        self.reject += 1
        await self.controller.show(self.number, "reject", self.reject)
        return 4

    async def measure(self, number: int) -> None:
        """A process value that it never had."""
        self.process[number] += 1
        await self.controller.show(self.number, f"p{number}", self.process[number])


class Plant:
    """All stations of this process."""

    def __init__(self, controllers: list[Controller], changes_per_s: float) -> None:
        """`changes_per_s`: of the process values, over all stations of this process."""
        self.stations = [Station(controller, number) for controller in controllers for number in range(STATIONS)]
        self.changes, self.late_s = 0, 0.0
        self._per_s, self._next, self._due = changes_per_s, 0, 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Changes values until it is told to stop; falls behind rather than leaves out."""
        began = due_s = time.monotonic()
        count = len(self.stations)
        # all begin producing: no state is shorter than a poll
        phases = [STARVED_S + (CYCLE_S - STARVED_S) * number / count for number in range(count)]
        while not stop.is_set():
            self._due += self._per_s * TICK_S
            while self._next < int(self._due):
                at = self._next % (count * PROCESS)
                await self.stations[at % count].measure(at // count)
                self._next += 1
                self.changes += 1
            for station, phase in zip(self.stations, phases, strict=True):
                state = 2 if (due_s - began + phase) % CYCLE_S < STARVED_S else 1
                if state != station.state:
                    self.changes += await station.turn(state)
            due_s += TICK_S
            self.late_s = max(self.late_s, time.monotonic() - due_s)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))


def resident_mb() -> float:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def main(kind: str, controllers: int, changes_per_s: float) -> None:
    """Says its ports, then after each `go` and `stop` one line of truth."""
    logging.disable(logging.CRITICAL)
    made: list[Controller] = [OpcUa() if kind == "opcua" else Modbus() for _ in range(controllers)]
    for controller in made:
        await controller.start()
    plant = Plant(made, changes_per_s)
    for station in plant.stations:
        await station.controller.show(station.number, "state", 1)
        await station.controller.show(station.number, "product", 3)
    print(json.dumps([controller.port for controller in made]), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        stop = asyncio.Event()
        before, cpu_s, began_s = plant.changes, time.process_time(), time.monotonic()
        running = asyncio.create_task(plant.run(stop))
        await asyncio.to_thread(sys.stdin.readline)
        stop.set()
        await running
        told = {
            "changes": plant.changes - before,
            "seconds": time.monotonic() - began_s,
            "cpu_s": time.process_time() - cpu_s,
            "resident_mb": resident_mb(),
            "late_s": plant.late_s,
            "stations": [[station.good, station.reject, station.states, station.process] for station in plant.stations],
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
