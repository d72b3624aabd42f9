"""A controller with its server, its link and its faults; what differs between OPC UA and Modbus is a device."""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol, assert_never

from simulators import mapping
from simulators.faults import SLOW_S, FaultName
from simulators.line import Change, StationSpec, UnitRecord
from simulators.link import Cable, Link
from simulators.mapping import Image, Layout, Zeros
from simulators.modbus_server import ModbusServer
from simulators.opcua_server import Node, OpcUaServer, Quality

SETTLED = timedelta(seconds=30)
SETTLED_REAL_S = 0.5
_SERVER_FAILURE = 4
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_U16, _U32 = 2**16, 2**32


class Device(Protocol):
    """A server and how a station's image is laid out in it."""

    @property
    def port(self) -> int:
        """Where the server itself listens."""
        ...

    async def start(self) -> None:
        """Brings the server up with its latest values."""
        ...

    async def stop(self) -> None:
        """Takes the server down; its memory is retentive."""
        ...

    async def power_off(self) -> None:
        """Loses power; what the program remembers is retentive."""
        ...

    async def power_on(self) -> None:
        """Has power again."""
        ...

    async def show(self, code: str, before: Image | None, after: Image, *, time: datetime) -> None:
        """Writes what differs between the images, or everything without a `before`."""
        ...

    async def beat(self, count: int, *, time: datetime) -> None:
        """Writes the heartbeat."""
        ...

    def slow(self, cable: Cable, *, on: bool) -> None:
        """Answers late."""
        ...

    def bad(self, *, on: bool) -> None:
        """From the next `show` on the stations' values are bad, or good again."""
        ...


class OpcUaDevice:
    """An OPC UA controller: a change's own time is its source time."""

    def __init__(self, namespace: str, stations: Sequence[StationSpec], layout: Layout) -> None:
        self._layout: Layout = layout
        self._quality: Quality = "good"
        values: dict[str, object] = {mapping.HEARTBEAT: 0}
        for spec in stations:
            values |= mapping.node_values(spec.code, Image(), layout)
        types = mapping.node_types(stations, layout)
        nodes = [Node(name, kind, values[name]) for name, kind in types.items()]
        self.server = OpcUaServer(namespace=namespace, nodes=nodes)

    @property
    def port(self) -> int:
        """Where the server itself listens."""
        return self.server.port

    async def start(self) -> None:
        """Brings the server up."""
        await self.server.start()

    async def stop(self) -> None:
        """Takes the server down."""
        await self.server.stop()

    async def power_off(self) -> None:
        """Every connection, session and subscription is gone."""
        await self.server.power_off()

    async def power_on(self) -> None:
        """Back, with the namespaces in another order."""
        await self.server.power_on()

    async def show(self, code: str, before: Image | None, after: Image, *, time: datetime) -> None:
        """Writes what differs; `time` becomes the source time."""
        shown = mapping.node_values(code, before, self._layout) if before else {}
        for name, value in mapping.node_values(code, after, self._layout).items():
            if name not in shown or shown[name] != value:
                await self.server.write(name, value, source_time=time, quality=self._quality)

    async def beat(self, count: int, *, time: datetime) -> None:
        """Writes the heartbeat, which is of good quality at all times."""
        await self.server.write(mapping.HEARTBEAT, count % _U32, source_time=time)

    def slow(self, cable: Cable, *, on: bool) -> None:
        """The cable takes its time, in each direction."""
        cable.latency_s = SLOW_S if on else 0.0

    def bad(self, *, on: bool) -> None:
        """The status of what is written from now on."""
        self._quality = "bad" if on else "good"


class ModbusDevice:
    """The Modbus controller: no times, no quality; all that changes at one instant appears at once."""

    def __init__(self, stations: Sequence[StationSpec]) -> None:
        self.server = ModbusServer(declared=mapping.declared(stations))

    @property
    def port(self) -> int:
        """Where the server itself listens."""
        return self.server.port

    async def start(self) -> None:
        """Brings the server up."""
        await self.server.start()

    async def stop(self) -> None:
        """Takes the server down."""
        await self.server.stop()

    async def power_off(self) -> None:
        """Every connection is gone."""
        await self.server.stop()

    async def power_on(self) -> None:
        """Back on the same port; registers are retentive."""
        await self.server.start()

    async def show(self, code: str, before: Image | None, after: Image, *, time: datetime) -> None:
        """Writes what differs, without a pause in which a client could read."""
        shown = mapping.register_values(code, before) if before else {}
        for address, words in mapping.register_values(code, after).items():
            if shown.get(address) != words:
                self.server.write(address, words)

    async def beat(self, count: int, *, time: datetime) -> None:
        """Writes the heartbeat."""
        self.server.write(mapping.HEARTBEAT_REGISTER, (count % _U16,))

    def slow(self, cable: Cable, *, on: bool) -> None:
        """The server takes its time for each request."""
        self.server.delay_s = SLOW_S if on else 0.0

    def bad(self, *, on: bool) -> None:
        """Refuses all reads at once, those of the heartbeat too."""
        self.server.refuse = _SERVER_FAILURE if on else None


class Controller:
    """One controller behind its link. It keeps the images of its stations, whatever its server shows of them."""

    def __init__(self, device: Device, zeros: Mapping[str, Zeros], *, port: int, drop: Cable | None = None) -> None:
        """`zeros`: what each station's totalisers show at first. `drop`: the cable, if others share the line to it."""
        self.device = device
        self._port = port
        self._cable = drop
        self._images = {code: Image(zeros=of_station) for code, of_station in zeros.items()}
        self._shown: dict[str, Image] = {}
        self._completed: dict[str, tuple[datetime, float]] = {}
        self._to_reset: set[str] = set()
        self._latest = _LONG_AGO
        self._beats = 0
        self._stuck = False
        self._running = True
        self._turn = asyncio.Lock()

    @property
    def cable(self) -> Cable:
        """The way to it; there from the start on."""
        assert self._cable is not None
        return self._cable

    @property
    def link(self) -> Link:
        """The cable, which no other controller shares."""
        assert isinstance(self._cable, Link)
        return self._cable

    async def start(self, present: Iterable[Change], *, time: datetime) -> None:
        """Brings server and link up with the present values. Raises OSError if the port is taken."""
        for change in present:
            self._images[change.station] = self._images[change.station].after(change)
        await self.device.start()
        await self._refresh(time)
        if self._cable is None:
            self._cable = Link(self.device.port, self._port)
        await self._cable.start()

    async def stop(self) -> None:
        """The cable first, then the server."""
        if self._cable is not None:
            await self._cable.stop()
        await self.device.stop()

    async def apply(self, changes: Sequence[Change]) -> None:
        """What happened to a station at one instant; shown now, or when the controller can."""
        async with self._turn:
            code, time = changes[0].station, changes[0].time
            self._latest = time
            for change in changes:
                self._images[code] = self._images[code].after(change)
                if isinstance(change.value, UnitRecord):
                    self._completed[code] = (time, asyncio.get_running_loop().time())
            await self._show(code, time)

    async def beat(self, time: datetime) -> None:
        """One beat of the program, unless it stands still."""
        async with self._turn:
            if self._running and not self._stuck:
                self._beats += 1
                await self.device.beat(self._beats, time=time)

    async def reset_settled(self, time: datetime) -> bool:
        """Resets waiting totalisers of stations whose last completion is well past; says whether none waits any more.

        Well past is 30 s of simulated time, and half a real second, so that a collector could see the last count
        before the reset; otherwise no collector could tell whether a unit was lost with it.
        """
        async with self._turn:
            real_s = asyncio.get_running_loop().time()
            for code in sorted(self._to_reset):
                at, seen_s = self._completed.get(code, (_LONG_AGO, -math.inf))
                if time - at > SETTLED and real_s - seen_s > SETTLED_REAL_S:
                    self._to_reset.remove(code)
                    self._images[code] = self._images[code].reset()
                    await self._show(code, time)
            return not self._to_reset

    @property
    def resetting(self) -> bool:
        """Whether totalisers wait for their reset."""
        return bool(self._to_reset)

    async def switch(self, fault: FaultName, time: datetime, *, on: bool) -> None:
        """Begins or ends a fault; `time` is the present."""
        match fault:
            case FaultName.CONTROLLER_RESTART:
                await (self._power_off() if on else self._power_on(time))
            case FaultName.LINK_CUT:
                await (self.cable.cut() if on else self.cable.heal())
            case FaultName.STUCK:
                async with self._turn:
                    self._stuck = on
                    await self._refresh(time)
            case FaultName.SLOW:
                self.device.slow(self.cable, on=on)
            case FaultName.COUNTER_RESET:
                self._to_reset = set(self._images) if on else set()
            case FaultName.BAD_QUALITY:
                async with self._turn:
                    self.device.bad(on=on)
                    self._shown.clear()
                    await self._refresh(time)
            case _:
                assert_never(fault)

    async def _power_off(self) -> None:
        async with self._turn:
            self._running = False
            await self.device.power_off()

    async def _power_on(self, time: datetime) -> None:
        await self.device.power_on()  # takes its time, and must not hold up the plant
        async with self._turn:
            self._running = True
            await self._refresh(time)

    async def _refresh(self, time: datetime) -> None:
        # The plant may have gone on while a server came up: no value may be older than what it tells of.
        for code in self._images:
            await self._show(code, max(time, self._latest))

    async def _show(self, code: str, time: datetime) -> None:
        if self._stuck:
            return
        image, before = self._images[code], self._shown.get(code)
        if image != before:
            await self.device.show(code, before, image, time=time)
            self._shown[code] = image
