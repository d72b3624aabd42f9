"""Servers of controllers of any shape, and the serial line that several of them share."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from simulators import mapping
from simulators.faults import SLOW_S
from simulators.link import Cable, Link
from simulators.mapping import Image
from simulators.modbus_server import Framing, ModbusServer
from simulators.opcua_server import Node, NodeType, OpcUaServer, Quality
from simulators.shape import ControllerShape, NodePlace, RegisterPlace, Shown, UnitLog, Words, beat_value, ranges

_SERVER_FAILURE = 4
_NO_UNIT = 256  # a number that no request can have
_EMPTY: dict[NodeType, object] = {"bool": False, "string": "", "string[]": [""] * mapping.LOG_SLOTS, "double": 0.0}


class ShapedOpcUa:
    """An OPC UA server whose nodes are those of a shape."""

    def __init__(self, shape: ControllerShape) -> None:
        self._shape = shape
        self._words = Words()
        self._quality: Quality = "good"
        places = [shown.place for shown in shape.shown] + [shape.heartbeat]
        nodes = {place.name: place.type for place in places if isinstance(place, NodePlace)}
        self.server = OpcUaServer(
            namespace=shape.namespace or "urn:simulated",
            nodes=[Node(name, kind, _EMPTY.get(kind, 0)) for name, kind in nodes.items()],
        )

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
        for shown in changed(self._shape.shown, code, before, after):
            place = shown.place
            assert isinstance(place, NodePlace)
            value = self._words.value(shown, shown.source.value(after))
            await self.server.write(place.name, _typed(place, value), source_time=time, quality=self._quality)

    async def beat(self, count: int, *, time: datetime) -> None:
        """Writes the heartbeat, which is of good quality at all times."""
        place = self._shape.heartbeat
        if isinstance(place, NodePlace):
            await self.server.write(place.name, _typed(place, beat_value(place, count)), source_time=time)

    def slow(self, cable: Cable, *, on: bool) -> None:
        """The cable takes its time, in each direction."""
        cable.latency_s = SLOW_S if on else 0.0

    def bad(self, *, on: bool) -> None:
        """The status of what is written from now on."""
        self._quality = "bad" if on else "good"


def _typed(place: NodePlace, value: object) -> object:
    match place.type:
        case "bool":
            return bool(value)
        case "string":
            return str(value)
        case _:
            return value


class ShapedModbus:
    """A Modbus device whose tables are those of a shape: by itself, or a unit on a line that others share."""

    def __init__(self, shape: ControllerShape, *, on_line: bool) -> None:
        self._shape = shape
        self._words = Words()
        self._on_line = on_line
        places = [shown.place for shown in shape.shown] + [shape.heartbeat]
        self.server = ModbusServer(
            tables=ranges([place for place in places if isinstance(place, RegisterPlace)]),
            unit=shape.unit,
            framing=shape.framing,
        )

    @property
    def port(self) -> int:
        """Where the server itself listens; a unit on a line does not."""
        return self.server.port

    async def start(self) -> None:
        """Brings the server up; the line brings up its own."""
        if not self._on_line:
            await self.server.start()

    async def stop(self) -> None:
        """Takes the server down."""
        await self.server.stop()

    async def power_off(self) -> None:
        """Every connection is gone; on a line it is silent, and the others answer."""
        self.server.silent = True
        await self.stop()

    async def power_on(self) -> None:
        """Back on the same port; registers are retentive."""
        self.server.silent = False
        await self.start()

    async def show(self, code: str, before: Image | None, after: Image, *, time: datetime) -> None:
        """Writes what differs, without a pause in which a client could read."""
        for shown in changed(self._shape.shown, code, before, after):
            self._write(shown.place, self._words.value(shown, shown.source.value(after)))

    async def beat(self, count: int, *, time: datetime) -> None:
        """Writes the heartbeat."""
        if self._shape.heartbeat is not None:
            self._write(self._shape.heartbeat, beat_value(self._shape.heartbeat, count))

    def slow(self, cable: Cable, *, on: bool) -> None:
        """The device takes its time for each request."""
        self.server.delay_s = SLOW_S if on else 0.0

    def bad(self, *, on: bool) -> None:
        """Refuses all reads at once, those of the heartbeat too."""
        self.server.refuse = _SERVER_FAILURE if on else None

    def _write(self, place: NodePlace | RegisterPlace, value: object) -> None:
        assert isinstance(place, RegisterPlace)
        self.server.write(place.address, place.words(value), table=place.table)


class Line:
    """One connection to several units, as a gateway to an RS-485 line offers it; the first one to start starts it."""

    def __init__(self, units: Sequence[ModbusServer], framing: Framing, port: int) -> None:
        """`port` 0: the system chooses."""
        self._gateway = ModbusServer(unit=_NO_UNIT, framing=framing, beside=units)
        self._wanted_port = port
        self._link: Link | None = None

    @property
    def port(self) -> int:
        """Where it can be reached; known after the first start."""
        return self._link.port if self._link is not None else self._wanted_port

    async def start(self) -> None:
        """Listens. Raises OSError if the port is taken."""
        if self._link is None:
            await self._gateway.start()
            self._link = Link(self._gateway.port, self._wanted_port)
            await self._link.start()

    async def stop(self) -> None:
        """Resets the connection and closes the port."""
        if self._link is not None:
            await self._link.stop()
        await self._gateway.stop()


class Drop:
    """The cable from the shared line to one unit: cut, the unit is silent, and the others answer."""

    def __init__(self, line: Line, unit: ModbusServer) -> None:
        self._line = line
        self._unit = unit
        self.latency_s = 0.0

    @property
    def port(self) -> int:
        """That of the line."""
        return self._line.port

    async def start(self) -> None:
        """Brings the line up, if no other unit has."""
        await self._line.start()

    async def stop(self) -> None:
        """Takes the line down."""
        await self._line.stop()

    async def cut(self) -> None:
        """Nothing that is asked of the unit is answered."""
        self._unit.silent = True

    async def heal(self) -> None:
        """It answers again."""
        self._unit.silent = False


def changed(all_shown: Sequence[Shown], code: str, before: Image | None, after: Image) -> list[Shown]:
    """What shows something else of the station than before; units' log first, so that no count comes before its record.

    Everything of the station without a `before`.
    """
    found = [
        shown
        for shown in all_shown
        if shown.station == code and (before is None or shown.source.value(before) != shown.source.value(after))
    ]
    return sorted(found, key=lambda shown: not isinstance(shown.source, UnitLog))


def drops_of_lines(
    devices: Mapping[str, ShapedModbus], shapes: Sequence[ControllerShape], ports: Mapping[str, int]
) -> dict[str, Drop]:
    """The cables of the units that share a line, by controller; the port of a line is that of its first unit."""
    drops: dict[str, Drop] = {}
    for name in dict.fromkeys(shape.line for shape in shapes if shape.line):
        units = [shape for shape in shapes if shape.line == name]
        servers = [devices[unit.name].server for unit in units]
        line = Line(servers, units[0].framing, ports.get(units[0].name, 0))
        drops |= {unit.name: Drop(line, server) for unit, server in zip(units, servers, strict=True)}
    return drops
