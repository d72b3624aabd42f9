"""How the plant's values look inside its controllers: variables of the OPC UA ones, registers of the Modbus one."""

import random
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from simulators.line import Change, SimState, StationSpec, UnitRecord

HEARTBEAT = "Heartbeat"
HEARTBEAT_REGISTER = 0
LOG_SLOTS = 16
SEQUENCE_MODULUS = 65_536

Layout = Literal["weld", "final"]
NodeType = Literal["int16", "uint16", "int32", "uint32", "float", "string", "string[]"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_U16, _U32 = 2**16, 2**32
_ENTRY_WORDS = 20
_VIN_WORDS = 9
_MODELS = {"": 0, "S2": 2, "S3": 3}
_LETTERS = {"good": "G", "rework": "R", "scrap": "S"}
_MINOR_STOP = 11
_PACKTAGS = {
    SimState.PRODUCING: 6,
    SimState.STARVED: 4,
    SimState.BLOCKED: 17,
    SimState.DOWN: 9,
    SimState.SETUP: 15,
    SimState.IDLE: 2,
}
_VENDOR = {
    SimState.IDLE: 0,
    SimState.PRODUCING: 1,
    SimState.STARVED: 2,
    SimState.BLOCKED: 3,
    SimState.DOWN: 4,
    SimState.SETUP: 5,
}
_AUTO_MODE = 1 << 15
_BITS = {
    SimState.PRODUCING: 1 << 0,
    SimState.STARVED: 1 << 1,
    SimState.BLOCKED: 1 << 2,
    SimState.DOWN: 1 << 3,
    SimState.SETUP: 1 << 4,
    SimState.IDLE: 1 << 5,
}
# Offsets from a station's base register.
_GOOD, _REWORK, _SCRAP, _FAULT, _MODEL, _VIN, _CLIMATE, _LOG = 1, 2, 3, 4, 5, 10, 30, 100


@dataclass(frozen=True, slots=True)
class Zeros:
    """What a totaliser showed when the plant's own total was 0; negative after a reset."""

    good: int = 0
    rework: int = 0
    scrap: int = 0


DRIVEN = ("weld_current", "torque")  # measured at each cycle; every other process value is of the bath, booth or oven


@dataclass(frozen=True, slots=True)
class Image:
    """All present values of one station as the plant has them, and the last units; every field is retentive.

    `climate`: values of bath, booth or oven, in the order in which the station has them. `made`: units of each product
    and result since the start, `made_at_reset` those when totalisers were at 0 last.
    """

    zeros: Zeros = Zeros()
    state: SimState = SimState.IDLE
    minor: bool = False
    good: int = 0
    rework: int = 0
    scrap: int = 0
    unit: str = ""
    product: str = ""
    fault: int = 0
    second_fault: int = 0
    weld_current: float = 0.0
    torque: float = 0.0
    climate: Mapping[str, float] = field(default_factory=dict)
    log: tuple[UnitRecord | None, ...] = (None,) * LOG_SLOTS
    made: Mapping[tuple[str, str], int] = field(default_factory=dict)
    made_at_reset: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def after(self, change: Change) -> "Image":
        """The image with one change in it. Raises TypeError for a field that no station has."""
        if isinstance(change.value, UnitRecord):
            slot, what = (
                change.value.sequence % SEQUENCE_MODULUS % LOG_SLOTS,
                (change.value.product, change.value.result),
            )
            made = {**self.made, what: self.made.get(what, 0) + 1}
            return replace(self, log=(*self.log[:slot], change.value, *self.log[slot + 1 :]), made=made)
        name = change.field.removeprefix("process.")
        if name != change.field and name not in DRIVEN:
            return replace(self, climate={**self.climate, name: float(str(change.value))})
        return replace(self, **{name: change.value})  # type: ignore[arg-type]  # the plant's words are our fields

    def reset(self) -> "Image":
        """Totalisers back at 0; the unit log, its sequence and all else stay."""
        return replace(self, zeros=Zeros(-self.good, -self.rework, -self.scrap), made_at_reset=self.made)

    def totalisers(self, modulus: int) -> tuple[int, int, int]:
        """Good, rework, scrap as a controller shows them."""
        zeros = self.zeros
        raw = (zeros.good + self.good, zeros.rework + self.rework, zeros.scrap + self.scrap)
        good, rework, scrap = (value % modulus for value in raw)
        return good, rework, scrap


def first_zeros(stations: Iterable[StationSpec], *, modbus: bool, seed: int = 0) -> dict[str, Zeros]:
    """Where each station's totalisers stand at first, by code; equal seeds give equal ones.

    16-bit totalisers stand in 65,500..65,535, so that they wrap soon. 32-bit ones stand anywhere in 10^6..2 x 10^9, but
    the first station's good units stand three before their wrap.
    """
    zeros: dict[str, Zeros] = {}
    for spec in stations:
        rng = random.Random(f"{seed}:zeros:{spec.code}")
        low, high = (_U16 - 36, _U16 - 1) if modbus else (1_000_000, 2_000_000_000)
        good, rework, scrap = (rng.randint(low, high) for _ in range(3))
        near = not modbus and not zeros
        zeros[spec.code] = Zeros(_U32 - 3 if near else good, rework, scrap)
    return zeros


def log_entry(unit: UnitRecord | None, *, milliseconds: bool) -> str:
    """`SEQ;RESULT;EPOCH;PRODUCT;UNIT`, the epoch cut to whole seconds or to milliseconds; "" for an empty slot."""
    if unit is None:
        return ""
    epoch_ms = (unit.time - _EPOCH) // timedelta(milliseconds=1)
    epoch = f"{epoch_ms // 1000}.{epoch_ms % 1000:03d}" if milliseconds else f"{epoch_ms // 1000}"
    return f"{unit.sequence % SEQUENCE_MODULUS:05d};{_LETTERS[unit.result]};{epoch};{unit.product};{unit.unit}"


def ascii_words(text: str, count: int) -> tuple[int, ...]:
    """`count` registers of two characters, the first in the high byte, padded with NUL.

    Raises ValueError if the text does not fit or is not ASCII.
    """
    content = text.encode("ascii")
    if len(content) > 2 * count:
        raise ValueError(f"{text!r} is longer than {2 * count} characters")
    return struct.unpack(f">{count}H", content.ljust(2 * count, b"\0"))


def float_words(value: float) -> tuple[int, int]:
    """A float32 in the order CDAB: the low word first, the bytes of each word high to low."""
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return low, high


def node_types(stations: Iterable[StationSpec], layout: Layout) -> dict[str, NodeType]:
    """Every variable of an OPC UA controller by name, the heartbeat among them."""
    types: dict[str, NodeType] = {HEARTBEAT: "uint32"}
    for spec in stations:
        of_station: dict[str, NodeType] = {
            "GoodCount": "uint32",
            "ReworkCount": "uint32",
            "ScrapCount": "uint32",
            "BodyId": "string",
            "Model": "string",
            "FaultCode": "uint16",
            "UnitLog": "string[]",
        }
        match layout:
            case "weld":
                of_station |= {"StateCurrent": "int32", "WeldCurrent": "float"}
            case "final":
                of_station |= {"Status": "int16", "Torque": "float"}
        types |= {f"{spec.code}.{name}": kind for name, kind in of_station.items()}
    return types


def node_values(code: str, image: Image, layout: Layout) -> dict[str, object]:
    """One station's variables by name, in the order in which a program writes them.

    The log comes before the counters, so that a client which sees a count has its record already.
    """
    good, rework, scrap = image.totalisers(_U32)
    values: dict[str, object] = {
        "UnitLog": [log_entry(unit, milliseconds=True) for unit in image.log],
        "GoodCount": good,
        "ReworkCount": rework,
        "ScrapCount": scrap,
        "BodyId": image.unit,
        "Model": image.product,
        "FaultCode": image.fault,
    }
    match layout:
        case "weld":
            minor_stop = image.minor and image.state is SimState.DOWN
            values["StateCurrent"] = _MINOR_STOP if minor_stop else _PACKTAGS[image.state]
            values["WeldCurrent"] = image.weld_current
        case "final":
            values["Status"] = _VENDOR[image.state]
            values["Torque"] = image.torque
    return {f"{code}.{name}": value for name, value in values.items()}


def base_register(code: str) -> int:
    """Where a paint station's registers begin: P010 at 1000, P020 at 2000, and so on."""
    return int(code.removeprefix("P")) * 100


def declared(stations: Iterable[StationSpec]) -> list[tuple[int, int]]:
    """The (address, count) ranges that the Modbus controller has; everything between them is refused."""
    ranges = [(HEARTBEAT_REGISTER, 1)]
    for spec in stations:
        base = base_register(spec.code)
        ranges += [(base, _MODEL + 1), (base + _VIN, _VIN_WORDS)]
        ranges += [(base + _CLIMATE, 2 * len(spec.climate)), (base + _LOG, LOG_SLOTS * _ENTRY_WORDS)]
    return ranges


def register_values(code: str, image: Image) -> Mapping[int, tuple[int, ...]]:
    """One station's registers: first address -> words."""
    base = base_register(code)
    good, rework, scrap = image.totalisers(_U16)
    values = {
        base: (_BITS[image.state] | _AUTO_MODE,),
        base + _GOOD: (good,),
        base + _REWORK: (rework,),
        base + _SCRAP: (scrap,),
        base + _FAULT: (image.fault,),
        base + _MODEL: (_MODELS[image.product],),
        base + _VIN: ascii_words(image.unit, _VIN_WORDS),
    }
    for place, value in enumerate(image.climate.values()):
        values[base + _CLIMATE + 2 * place] = float_words(value)
    for slot, unit in enumerate(image.log):
        entry = log_entry(unit, milliseconds=False)
        values[base + _LOG + slot * _ENTRY_WORDS] = ascii_words(entry, _ENTRY_WORDS)
    return values
