"""Controllers of any shape: what each value shows of a station, where it is, and how it is written in registers."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from simulators.line import UnitRecord
from simulators.mapping import Image, Zeros, ascii_words, log_entry
from simulators.modbus_server import Framing, Table
from simulators.opcua_server import NodeType

Counted = Literal["good", "rework", "scrap"]
_WORDS = {
    "bool": 1,
    "uint16": 1,
    "int16": 1,
    "uint32": 2,
    "int32": 2,
    "float32": 2,
    "uint64": 4,
    "int64": 4,
    "float64": 4,
}
_FLOATS = {"float32": ">f", "float64": ">d"}


@dataclass(frozen=True, slots=True)
class Lookup:
    """A code for what the station has in a field of its image; `otherwise` where the table does not name it."""

    field: Literal["state", "product", "fault"]
    table: Mapping[str, object]
    otherwise: object = 0

    def value(self, image: Image) -> object:
        """What the controller shows."""
        return self.table.get(str(getattr(image, self.field)), self.otherwise)


@dataclass(frozen=True, slots=True)
class Totaliser:
    """The sum of some results as a counter of `modulus` values shows it, one count for `units` of them.

    `start`: what one that is never reset shows at first, in units; others follow the zeros of the image. `product`: the
    one that it counts alone; without a `start` it shows 0 at first and when it is reset.
    """

    results: tuple[Counted, ...]
    modulus: int
    units: int = 1
    down: bool = False
    signed: bool = False
    start: int | None = None
    product: str | None = None

    def value(self, image: Image) -> object:
        """What the controller shows."""
        if self.product is None:
            made = sum(getattr(image, result) for result in self.results)
            shown = sum(getattr(image.zeros, result) for result in self.results) if self.start is None else self.start
        else:
            of = [(self.product, result) for result in self.results]
            made = sum(image.made.get(what, 0) for what in of)
            shown = -sum(image.made_at_reset.get(what, 0) for what in of) if self.start is None else self.start
        counted = (made + shown) // self.units
        raw = (-counted if self.down else counted) % self.modulus
        return raw - self.modulus if self.signed and raw >= self.modulus // 2 else raw


@dataclass(frozen=True, slots=True)
class AlarmWord:
    """One bit for each fault, by its number; `words` elements of `width` bits, the first one with the lowest bits.

    `rest`: the whole word while there is no fault; its bits are fail-safe.
    """

    bits: Mapping[str, int]
    width: int = 16
    words: int = 1
    rest: int = 0

    def value(self, image: Image) -> object:
        """What the controller shows."""
        there = {self.bits[fault] for fault in map(str, (image.fault, image.second_fault)) if fault in self.bits}
        word = self.rest ^ sum(1 << bit for bit in there)
        if self.words == 1 or self.width == 1:
            return word
        return [word >> (self.width * place) & (1 << self.width) - 1 for place in range(self.words)]


@dataclass(frozen=True, slots=True)
class UnitText:
    """The id of the unit in the station; in front of it stand `before` other characters."""

    before: int = 0

    def value(self, image: Image) -> object:
        """What the controller shows."""
        return "-" * self.before + image.unit if image.unit else ""


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured value of bath, booth or machine; the controller has (value - offset) / scale."""

    name: str
    scale: float = 1.0
    offset: float = 0.0

    def value(self, image: Image) -> object:
        """What the controller shows."""
        return (float(image.climate.get(self.name, 0.0)) - self.offset) / self.scale


@dataclass(frozen=True, slots=True)
class UnitLog:
    """The last finished units; `products`: the controller's codes for them."""

    products: Mapping[str, str]
    milliseconds: bool

    def value(self, image: Image) -> object:
        """What the controller shows."""
        return [log_entry(self._named(unit), milliseconds=self.milliseconds) for unit in image.log]

    def _named(self, unit: UnitRecord | None) -> UnitRecord | None:
        if unit is None:
            return None
        product = self.products.get(unit.product, unit.product)
        return UnitRecord(unit.sequence, unit.unit, product, unit.result, unit.time)


Source = Lookup | Totaliser | AlarmWord | UnitText | Measured | UnitLog


@dataclass(frozen=True, slots=True)
class NodePlace:
    """A variable of an OPC UA server, in the controller's one namespace."""

    name: str
    type: NodeType


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPlace:
    """A value in one of a Modbus device's tables: `count` elements of a type, or so many bits.

    `length`: bytes of a text. `order`: of the bytes of a number, A the most significant.
    """

    table: Table
    address: int
    type: str
    order: str = "ABCD"
    length: int = 0
    count: int = 1

    @property
    def element_size(self) -> int:
        """Registers or bits of one element."""
        return (self.length + 1) // 2 if self.type == "string" else _WORDS.get(self.type, 1)

    @property
    def size(self) -> int:
        """Registers or bits of all elements."""
        return self.element_size * self.count

    def words(self, value: object) -> tuple[int, ...]:
        """The value as it stands in the table. Raises ValueError if it does not fit."""
        if self.table in ("coil", "discrete"):
            return tuple(_whole(value) >> bit & 1 for bit in range(self.count))
        elements = value if isinstance(value, list) else [value]
        return tuple(word for element in elements for word in self._element(element))

    def _element(self, value: object) -> tuple[int, ...]:
        if self.type == "string":
            words = ascii_words(str(value), self.element_size)
        else:
            size_bytes = 2 * self.element_size
            if self.type in _FLOATS:
                content = struct.pack(_FLOATS[self.type], float(str(value)))
            else:
                content = (_whole(value) % 2 ** (8 * size_bytes)).to_bytes(size_bytes)
            words = struct.unpack(f">{self.element_size}H", content)
            words = words[::-1] if self.order in ("CDAB", "DCBA") else words
        swapped = self.order in ("BADC", "DCBA")
        return tuple((word & 0xFF) << 8 | word >> 8 for word in words) if swapped else tuple(words)


@dataclass(frozen=True, slots=True)
class Shown:
    """One value that a controller shows of a station. `mask`: it has only these bits of a word, at `shift`."""

    station: str
    place: NodePlace | RegisterPlace
    source: Source
    mask: int | None = None
    shift: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerShape:
    """A controller as the simulator serves it. `zeros`: what its totalisers show when nothing was made yet, by station.

    `namespace`: of an OPC UA server. `line`: Modbus controllers with the same one are units on one line.
    """

    name: str
    shown: tuple[Shown, ...]
    heartbeat: NodePlace | RegisterPlace | None = None
    namespace: str | None = None
    framing: Framing = "tcp"
    unit: int = 1
    line: str = ""
    zeros: Mapping[str, Zeros] = field(default_factory=dict)

    @property
    def stations(self) -> tuple[str, ...]:
        """The codes of the stations that it shows something of."""
        return tuple(dict.fromkeys(shown.station for shown in self.shown))


class Words:
    """Values of several signals that share a place: each one sets its own bits and leaves the others."""

    def __init__(self) -> None:
        self._held: dict[NodePlace | RegisterPlace, int] = {}

    def value(self, shown: Shown, value: object) -> object:
        """What the whole place holds once this signal has its value."""
        if shown.mask is None:
            return value
        held = self._held.get(shown.place, 0) & ~shown.mask
        word = self._held[shown.place] = held | (_whole(value) << shown.shift) & shown.mask
        return word


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int) else round(float(str(value)))


def beat_value(place: NodePlace | RegisterPlace, count: int) -> object:
    """A heartbeat's value: a counter; a single bit turns every fourth time, so that no look in step misses it."""
    return count // 4 % 2 if place.type == "bool" else count % 2**15


def ranges(shown: Sequence[RegisterPlace]) -> dict[Table, list[tuple[int, int]]]:
    """The (address, count) ranges that a device has, by table."""
    found: dict[Table, list[tuple[int, int]]] = {}
    for place in shown:
        found.setdefault(place.table, []).append((place.address, place.size))
    return found
