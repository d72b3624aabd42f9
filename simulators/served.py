"""The simulated plant behind its controllers: live values on real protocols, and faults on demand."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple, Protocol

from simulators.controllers import Controller, Device, ModbusDevice, OpcUaDevice
from simulators.faults import CONTROLLERS, Fault, FaultName, parse_controller, parse_name
from simulators.mapping import Zeros, first_zeros
from simulators.plant import Plant
from simulators.shape import ControllerShape
from simulators.shaped import ShapedModbus, ShapedOpcUa, drops_of_lines

SCAN_S = 0.01
"""Real seconds between two scans of the controllers' programs, each of which shows what changed."""
_BEAT_S = 0.1


class Clock(Protocol):
    """What the plant goes by."""

    def now(self) -> datetime:
        """The present simulated instant, aware, in UTC."""
        ...


class FaultEntry(NamedTuple):
    """A fault that was: at one controller, during `[start, end)` of simulated time."""

    name: FaultName
    controller: str
    start: datetime
    end: datetime


@dataclass(slots=True)
class _Planned:
    """A fault at one controller, from the moment when it is known to its end."""

    name: FaultName
    controller: str
    start: datetime
    end: datetime
    work: asyncio.Task[None] | None = None


class ServedPlant:
    """A plant's controllers on 127.0.0.1, each behind a cable; their program runs from `start` to `stop`.

    The plant itself moves only while `run` runs. A controller that is away keeps the image of its values.
    """

    def __init__(
        self,
        plant: Plant,
        clock: Clock,
        *,
        ports: Mapping[str, int] | None = None,
        scanned: Callable[[datetime, datetime], None] | None = None,
        shapes: Sequence[ControllerShape] = (),
    ) -> None:
        """`ports` by controller; where none is given the system chooses. `shapes`: all controllers, if not Kostanay's.

        `scanned` hears of each scan how far the plant had come, and when all of that was shown.
        """
        self._plant = plant
        self._clock = clock
        self._scanned = scanned
        self._frozen = False
        self._planned: list[_Planned] = []
        self._active: dict[tuple[FaultName, str], datetime] = {}
        self._heart: asyncio.Task[None] | None = None
        self.fault_log: list[FaultEntry] = []
        """Faults that have ended, in the order of their ends."""
        self.controllers: dict[str, Controller] = {}
        if shapes:
            self.controllers = _shaped(shapes, ports or {})
            showing = [(code, shape.name) for shape in shapes for code in shape.stations]
        else:
            self.controllers = {name: _controller(plant, name, (ports or {}).get(name, 0)) for name in CONTROLLERS}
            showing = [(spec.code, spec.controller) for spec in plant.stations]
        self._homes: dict[str, list[str]] = defaultdict(list)
        for code, name in showing:
            self._homes[code].append(name)
        self._switching = {name: asyncio.Lock() for name in self.controllers}

    @property
    def ports(self) -> dict[str, int]:
        """Where each controller can be reached; known after `start`."""
        return {name: controller.cable.port for name, controller in self.controllers.items()}

    async def start(self) -> None:
        """Brings all controllers up with the plant's present values. Raises OSError if a port is taken."""
        present = self._plant.snapshot()
        try:
            for name, controller in self.controllers.items():
                mine = [change for change in present if name in self._homes[change.station]]
                await controller.start(mine, time=self._plant.now)
        except OSError:
            await self.stop()
            raise
        self._heart = asyncio.create_task(self._beat(), name="heartbeats of the controllers")

    async def stop(self) -> None:
        """Takes everything down and closes the log: faults that are on end now. Raises what their switching raised."""
        try:
            await self._end_faults()
        finally:
            if self._heart is not None:
                self._heart.cancel()
                await asyncio.gather(self._heart, return_exceptions=True)
            for controller in self.controllers.values():
                await controller.stop()

    async def run(self) -> None:
        """Lets the plant follow the clock until it is cancelled; raises what a fault's switching raises."""
        while True:
            await self.follow()
            await asyncio.sleep(SCAN_S)

    async def follow(self) -> None:
        """Brings plant, controllers and faults up to the clock's present, however late it is."""
        if self._heart is not None and self._heart.done():
            self._heart.result()
        now = self._clock.now()
        if not self._frozen:
            for (code, _), together in groupby(
                self._plant.advance(now), key=lambda change: (change.station, change.time)
            ):
                changes = list(together)
                for home in self._homes[code]:
                    await self.controllers[home].apply(changes)
            if self._scanned is not None:
                self._scanned(now, self._clock.now())
        await self._settle(now)
        for planned in self._planned:
            if planned.work is None and planned.start <= now:
                planned.work = asyncio.create_task(self._last(planned), name=f"{planned.name} of {planned.controller}")
        for planned in [planned for planned in self._planned if planned.work is not None and planned.work.done()]:
            self._planned.remove(planned)
            assert planned.work is not None
            planned.work.result()

    def freeze(self) -> None:
        """The plant stands still from now on; controllers, heartbeats and faults that have begun go on."""
        self._frozen = True
        self.begin_no_fault()

    def thaw(self) -> None:
        """The plant goes on from where it was frozen."""
        self._frozen = False

    def begin_no_fault(self) -> None:
        """Faults that have not begun never will; those that have begun go on."""
        self._planned = [planned for planned in self._planned if planned.work is not None]

    def inject(self, fault: Fault) -> None:
        """Plans a fault; `run` carries it out."""
        start = self._plant.start + fault.at
        for controller in fault.controllers(tuple(self.controllers)):
            self._planned.append(_Planned(fault.name, controller, start, start + fault.duration))

    async def faults_over(self) -> None:
        """Waits until no fault is on and none is planned; `run` must be running."""
        while self._planned or self._active:
            await asyncio.sleep(SCAN_S)

    def active_faults(self) -> tuple[tuple[str, str], ...]:
        """(fault, controller) of those that are on."""
        return tuple((str(name), controller) for name, controller in self._active)

    async def switch(self, name: str, controller: str | None, *, on: bool) -> None:
        """Begins or ends a fault by hand, at one controller or (None) at all; no effect where it is so already.

        Raises ValueError for a name or controller that does not exist.
        """
        fault = parse_name(name)
        names = tuple(self.controllers)
        for where in names if controller is None else (parse_controller(controller, names),):
            await self._switch(fault, where, on=on)

    async def _switch(self, fault: FaultName, where: str, *, on: bool) -> None:
        async with self._switching[where]:
            if ((fault, where) in self._active) is on:
                return
            if on:
                self._active[fault, where] = self._clock.now()
            await self.controllers[where].switch(fault, self._clock.now(), on=on)
            if not on:
                self._note_end(fault, where)

    def _note_end(self, fault: FaultName, where: str) -> None:
        self.fault_log.append(FaultEntry(fault, where, self._active.pop((fault, where)), self._clock.now()))

    async def _last(self, planned: _Planned) -> None:
        """One planned fault from its beginning to its end; a counter reset ends when all totalisers are reset."""
        await self._switch(planned.name, planned.controller, on=True)
        if planned.name is FaultName.COUNTER_RESET:
            return
        while self._clock.now() < planned.end:
            await asyncio.sleep(SCAN_S)
        await self._switch(planned.name, planned.controller, on=False)

    async def _settle(self, now: datetime) -> None:
        """Resets of totalisers that have waited for their moment."""
        for where, controller in self.controllers.items():
            if not controller.resetting or not await controller.reset_settled(now):
                continue
            if (FaultName.COUNTER_RESET, where) in self._active:  # unless it was just called off by hand
                self._note_end(FaultName.COUNTER_RESET, where)

    async def _end_faults(self) -> None:
        begun = [(planned.controller, planned.work) for planned in self._planned if planned.work is not None]
        self._planned.clear()
        for where, work in begun:
            async with self._switching[where]:  # never in the middle of a switch, which would leave half a server
                work.cancel()
        await asyncio.gather(*(work for _, work in begun), return_exceptions=True)
        for fault, where in tuple(self._active):
            self._note_end(fault, where)
        for _, work in begun:
            if not work.cancelled():
                work.result()

    async def _beat(self) -> None:
        while True:
            for controller in self.controllers.values():
                await controller.beat(self._clock.now())
            await asyncio.sleep(_BEAT_S)


def _controller(plant: Plant, name: str, port: int) -> Controller:
    specs = [spec for spec in plant.stations if spec.controller == name]
    device: Device
    match name:
        case "weld-plc":
            device = OpcUaDevice("urn:kostanay:weld", specs, "weld")
        case "final-plc":
            device = OpcUaDevice("urn:kostanay:final", specs, "final")
        case _:
            device = ModbusDevice(specs)
    return Controller(device, first_zeros(specs, modbus=isinstance(device, ModbusDevice)), port=port)


def _shaped(shapes: Sequence[ControllerShape], ports: Mapping[str, int]) -> dict[str, Controller]:
    devices = {
        shape.name: ShapedModbus(shape, on_line=bool(shape.line)) if shape.namespace is None else ShapedOpcUa(shape)
        for shape in shapes
    }
    modbus = {name: device for name, device in devices.items() if isinstance(device, ShapedModbus)}
    drops = drops_of_lines(modbus, shapes, ports)
    return {
        shape.name: Controller(
            devices[shape.name],
            {code: shape.zeros.get(code, Zeros()) for code in shape.stations},
            port=ports.get(shape.name, 0),
            drop=drops.get(shape.name),
        )
        for shape in shapes
    }
