"""Controllers and tags as configured; shapes and limits are checked here, names and cross-references by the caller."""

import re
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from adapters.reading import TagId

_RANGE = r"[0-9]{1,9}(:[0-9]{1,9})?"
_INDEX = re.compile(rf"{_RANGE}(,{_RANGE}){{0,7}}")
_NAME = r"[^.\[\]]+(\[[0-9]{1,9}\])*"
_MEMBER = re.compile(rf"{_NAME}(\.{_NAME}){{0,9}}")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataType(StrEnum):
    """How the registers of a Modbus tag are to be read."""

    BOOL = "bool"
    BITS = "bits"
    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    UINT64 = "uint64"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BCD16 = "bcd16"
    BCD32 = "bcd32"
    STRING = "string"


SIGNED = frozenset({DataType.INT16, DataType.INT32, DataType.INT64})
UNSIGNED = frozenset({DataType.BITS, DataType.UINT16, DataType.UINT32, DataType.UINT64})


def unsigned_of(bits: int) -> DataType:
    """The smallest number without a sign that has so many bits, up to 64."""
    return DataType.UINT16 if bits <= 16 else DataType.UINT32 if bits <= 32 else DataType.UINT64


class ByteOrder(StrEnum):
    """Order of the bytes of a 32-bit value on the wire, A the most significant; 64 bits follow the same pattern."""

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"


class Table(StrEnum):
    """The four Modbus tables; only their read functions (1 to 4) exist in this program."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"


FIRST_IN_MANUALS: Mapping[Table, int] = {Table.HOLDING: 40001, Table.INPUT: 30001, Table.DISCRETE: 10001}


Accept = Literal["good", "uncertain"]
Address = Annotated[int, Field(ge=0, le=65535)]
Sentinels = tuple[int | float | str, ...]
Charset = Literal["latin-1", "cp1251", "utf-8"]
BitRange = tuple[
    Annotated[int, Field(ge=0, le=63)], Annotated[int, Field(ge=0, le=63)]
]  # first and last, both included
PublishInterval = Annotated[int, Field(ge=10, le=60_000)]
SamplingInterval = Annotated[int, Field(ge=0, le=60_000)]


class OpcUaConditions(_Settings):
    """Alarms and Conditions of a notifier: those of one `source`, and the field of their events that is their code."""

    source: Annotated[str, Field(min_length=1, description="SourceName of the alarms; nothing: of all")] | None = None
    code: Annotated[
        Literal["ConditionName", "SourceName", "Message"], Field(description="the field that is the fault code")
    ] = "ConditionName"


class OpcUaTag(_Settings):
    """One node. `node` is `nsu=<namespace URI>;s=<id>` (or i=, g=, b=); `ns=0;i=…` is allowed for standard nodes.

    `path` is given in its place where ids change: names below Objects, `nsu=<namespace URI>;Machine/Station/State`.
    `index` picks a part of an array, as OPC UA writes it (OPC 10000-4 7.27): `3`, `0:15`, or `1,2` in a matrix.
    `member` picks a member of a structure: `Status.Code`, `Parts[2].Vin`. `single`: a list is a value of bad quality.
    `accept`: values that the server marks as uncertain count as good. It and the intervals are the controller's where
    they are None. `no_value`: what it shows when it has no value, before scaling. `bits`: the field of a whole number
    that is the value. `charset`: of a ByteString, and of a String that is no UTF-8. `octets`: a ByteString, or an array
    of Byte, is a list of its bytes as numbers, and no text. `conditions`: the node is a notifier, and the value is the
    list of its active alarms.
    """

    node: str | None = None
    path: str | None = None
    index: str | None = None
    member: str | None = None
    accept: Accept | None = None
    publish_interval_ms: PublishInterval | None = None
    sampling_interval_ms: SamplingInterval | None = None
    scale: float = 1.0
    offset: float = 0.0
    single: bool = False
    no_value: Sentinels = ()
    bits: BitRange | None = None
    charset: Charset = "utf-8"
    octets: bool = False
    conditions: OpcUaConditions | None = None

    @model_validator(mode="after")
    def _notifier(self) -> "OpcUaTag":
        if self.conditions is not None and (self.index, self.member, self.accept) != (None, None, None):
            raise ValueError("`conditions` are events of a node: delete `index`, `member` and `accept` beside it")
        return self

    @model_validator(mode="after")
    def _one_address(self) -> "OpcUaTag":
        if (self.node is None) == (self.path is None):
            raise ValueError("a value is named by its id or by its path: give `node` or `path`")
        return self

    @field_validator("index", mode="before")
    @classmethod
    def _index_as_text(cls, index: object) -> object:
        return str(index) if isinstance(index, int) and not isinstance(index, bool) else index

    @field_validator("index")
    @classmethod
    def _part_of_an_array(cls, index: str | None) -> str | None:
        if index is not None:
            ranges = [part.partition(":") for part in index.split(",")]
            if not _INDEX.fullmatch(index) or any(last and int(first) >= int(last) for first, _, last in ranges):
                raise ValueError(f'`{index}` is no part of an array: write 3, "0:15" or "1,2"; the first element is 0')
        return index

    @field_validator("member")
    @classmethod
    def _member_of_a_structure(cls, member: str | None) -> str | None:
        if member is not None and not _MEMBER.fullmatch(member):
            raise ValueError(f"`{member}` is no member of a structure: write Vin, Status.Code or Parts[2].Vin")
        return member

    @property
    def place(self) -> str:
        """Where the value is, in one text: two tags with the same place read the same value."""
        part = "" if self.index is None else f" [{self.index}]"
        part += "" if self.member is None else f" .{self.member}"
        if self.conditions is not None:
            part = f" alarms of {self.conditions.source or 'all'} by {self.conditions.code}"
        return f"{self.node or self.path}{part}"


class ModbusTag(_Settings):
    """One value in the register map; addresses count from 0, as on the wire.

    `bit` picks one bit (0 = least significant) of a register as a bool; `length` is the number of bytes of a string
    (two per register); `count` repeats the value `count` times, one after the other, and yields a tuple.
    `bits` yields the 16-bit word as an integer, for state maps by bit pattern. `bcd16` and `bcd32` hold a decimal digit
    in every four bits. `alone`: the device gives it only in a request of its own. `poll_interval_ms`: how often it is
    polled, if more seldom than the other tags. `addresses`: the registers of one value that are not neighbours, in the
    order in which neighbours would stand; `address` is the first of them then. `no_value`: what the device shows when
    it has no value, as the bare registers or as the number that they are. `scale_address`: a register of the same table
    with the power of ten that the number is multiplied by (SunSpec). `bits`: the field of a number without a sign that
    is the value. `charset`: of a string. `together`: tags with the same name here are one value, read at one moment.
    """

    address: Address
    addresses: Annotated[tuple[Address, ...], Field(max_length=4)] = ()
    table: Table = Table.HOLDING
    type: DataType = DataType.UINT16
    order: ByteOrder = ByteOrder.ABCD
    bit: Annotated[int, Field(ge=0, le=15)] | None = None
    length: Annotated[int, Field(ge=1, le=246)] | None = None
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    scale: float = 1.0
    offset: float = 0.0
    alone: bool = False
    poll_interval_ms: Annotated[int, Field(ge=10, le=3_600_000)] | None = None
    no_value: Sentinels = ()
    scale_address: Address | None = None
    bits: BitRange | None = None
    charset: Charset = "latin-1"
    together: str | None = None

    @property
    def element_size(self) -> int:
        """Registers (or coils) of one element."""
        match self.type:
            case DataType.UINT32 | DataType.INT32 | DataType.FLOAT32 | DataType.BCD32:
                return 2
            case DataType.UINT64 | DataType.INT64 | DataType.FLOAT64:
                return 4
            case DataType.STRING:
                return ((self.length or 2) + 1) // 2
            case _:
                return 1

    @property
    def size(self) -> int:
        """Registers (or coils) of the whole tag."""
        return self.element_size * self.count

    @property
    def words(self) -> int:
        """Registers (or coils) that its value is made of: all of its own, and that of its power of ten."""
        return self.size + (self.scale_address is not None)

    @property
    def runs(self) -> tuple[range, ...]:
        """The addresses of its registers (or coils); one range, unless they are not neighbours."""
        if self.addresses:
            return tuple(range(address, address + 1) for address in self.addresses)
        return (range(self.address, self.address + self.size),)

    @property
    def start(self) -> str:
        """Its table and first address, or all addresses if they are not neighbours."""
        return f"{self.table} {' and '.join(map(str, self.addresses or (self.address,)))}"

    @property
    def place(self) -> str:
        """Its table and all addresses, as an engineer names them."""
        return self.start + ("" if self.addresses or self.size == 1 else f" to {self.address + self.size - 1}")

    @model_validator(mode="after")
    def _number(self) -> "ModbusTag":
        is_number = self.bit is None and self.type not in (DataType.BOOL, DataType.BITS, DataType.STRING)
        if self.scale_address is not None and (not is_number or self.count > 1):
            raise ValueError("`scale_address` scales one number: delete it, or correct `type`")
        if self.bits is not None:
            self._has(*self.bits)
        if self.no_value and (self.type is DataType.BOOL or self.bit is not None):
            raise ValueError("a single bit is 0 or 1, and no third value: delete `no_value`")
        for said in self.no_value:
            if not self._can_show(said):
                number = "write it without quotes" if isinstance(said, str) else "write the bare register, as 0xFFFF"
                how = "put it in quotes" if self.type is DataType.STRING else number
                raise ValueError(f"type {self.type} never shows the `no_value` {said!r}: {how}, or correct `type`")
        return self

    def _has(self, first: int, last: int) -> None:
        """Raises ValueError if this is no number with these bits."""
        if self.bit is not None:
            raise ValueError("`bit` stands beside `bits`: delete one of the two")
        if self.table in (Table.COIL, Table.DISCRETE):
            raise ValueError(f"table {self.table} holds single bits, and no field of them: delete `bits`")
        if self.type not in UNSIGNED or last >= 16 * self.element_size:
            remedy = f"write `type: {unsigned_of(last + 1)}`, or correct `bits`"
            raise ValueError(f"type {self.type} has no bits {first}-{last}: {remedy}")

    def _can_show(self, said: float | str) -> bool:
        """Whether the value may be this: a text, a number, or the bare registers of a whole number."""
        if self.type is DataType.STRING or isinstance(said, str):
            return self.type is DataType.STRING and isinstance(said, str)
        if self.type in (DataType.FLOAT32, DataType.FLOAT64):
            return True
        values = 1 << 16 * self.element_size
        lowest = -values // 2 if self.type in SIGNED else 0
        return said == int(said) and lowest <= said < values

    @model_validator(mode="after")
    def _apart(self) -> "ModbusTag":
        if self.addresses and (
            len(set(self.addresses)) != self.element_size or self.count > 1 or self.type is DataType.STRING
        ):
            remedy = "correct them; neighbours are given by the first `address`"
            if self.element_size == 1 or self.type is DataType.STRING:
                remedy = "give one `address`, or a `type` of several registers"
            elif self.count > 1:
                remedy = "delete `count`"
            raise ValueError(
                f"`addresses` are the registers of one number, {self.element_size} for type {self.type}: {remedy}"
            )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> "ModbusTag":
        if self.type is DataType.STRING and self.length is None:
            raise ValueError("a string needs `length`, its number of bytes (17 for a VIN)")
        if self.bit is not None and self.type not in (DataType.BOOL, DataType.UINT16):
            remedy = "delete `bit`" if self.type is DataType.STRING else "delete `type` or `bit`"
            raise ValueError(f"`bit` picks one bit of a register, which has no type {self.type}: {remedy}")
        if self.table in (Table.COIL, Table.DISCRETE) and (self.type is not DataType.BOOL or self.bit is not None):
            raise ValueError(f"table {self.table} holds single bits: use `type: bool` and no `bit`")
        last = self.runs[-1][-1]
        if last > 65535:
            raise ValueError(f"the value spans addresses {self.address} to {last}, beyond 65535: lower the address")
        return self


class Heartbeat(_Settings):
    """A tag that the controller changes at least every `max_age_s` real seconds while its program runs."""

    tag: TagId
    max_age_s: Annotated[float, Field(gt=0)] = 10.0


class SecurityPolicy(StrEnum):
    """OPC UA security policies; the deprecated Basic128Rsa15 and Basic256 do not exist here."""

    NONE = "None"
    BASIC256SHA256 = "Basic256Sha256"
    AES128 = "Aes128_Sha256_RsaOaep"
    AES256 = "Aes256_Sha256_RsaPss"


class OpcUaSecurity(_Settings):
    """A secured channel; a trust anchor is required: the server's certificate or a folder of trusted ones."""

    policy: SecurityPolicy = SecurityPolicy.NONE
    mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"
    certificate: Path | None = None
    private_key: Path | None = None
    server_certificate: Path | None = None
    trust_folder: Path | None = None
    insecure: bool = False

    @model_validator(mode="after")
    def _anchored(self) -> "OpcUaSecurity":
        if self.policy is SecurityPolicy.NONE:
            if not self.insecure:
                raise ValueError("policy None has no protection at all: say `insecure: true`, or choose a policy")
            return self
        if self.certificate is None or self.private_key is None:
            raise ValueError(f"policy {self.policy} needs `certificate` and `private_key` of this program")
        if self.server_certificate is None and self.trust_folder is None:
            raise ValueError("a trust anchor is required: give `server_certificate` or `trust_folder`")
        return self


def host_and_port(url: str) -> tuple[str, int]:
    """Where an OPC UA server's address leads. Raises ValueError, without the address, where it can lead nowhere."""
    remedy = "write opc.tcp://HOST:PORT, the port is most often 4840"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise ValueError(f"this address cannot be read: {remedy}") from error
    try:
        port = parts.port or 0
    except ValueError:
        port = 0
    if not _is_host(host):
        raise ValueError(f"this address has no host that can exist: {remedy}")
    if port == 0:
        raise ValueError(f"this address has no port from 1 to 65535: {remedy}")
    return host, port


def _is_host(name: str) -> bool:
    """Whether it is an IP address, or may be a name; a name that ends in a number is a mistaken IPv4 address."""
    try:
        ip_address(name)
    except ValueError:
        pass
    else:
        return True
    try:
        labels = name.encode("idna").decode().removesuffix(".").split(".")
    except UnicodeError:
        return False
    return all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()


_Url = Annotated[str, Field(pattern=r"^opc\.tcp://")]
_URL_SCHEMA = {"description": "opc.tcp://HOST:PORT", "type": "string", "pattern": r"^opc\.tcp://"}
Urls = Annotated[
    tuple[_Url, ...],
    BeforeValidator(lambda given: (given,) if isinstance(given, str) else given),
    Field(min_length=1, max_length=8),
    WithJsonSchema(
        {
            "description": "opc.tcp://HOST:PORT; a list for redundant servers: the next is tried when one fails",
            "anyOf": [_URL_SCHEMA, {"type": "array", "items": _URL_SCHEMA, "minItems": 1, "maxItems": 8}],
        }
    ),
]


class OpcUaController(_Settings):
    """An OPC UA server. Durations are real seconds. The file names the credential of the password, never itself.

    A user logs in with `user` and a password, or with `user_certificate` and its key, which are files.
    """

    kind: Literal["opcua"]
    url: Urls
    mode: Literal["subscribe", "poll"] = "subscribe"
    publish_interval_ms: PublishInterval = 500
    sampling_interval_ms: SamplingInterval = 100
    queue_size: Annotated[int, Field(ge=2, le=10_000)] = 50
    keepalive_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    session_timeout_s: Annotated[float, Field(ge=5, le=3600)] = 60.0
    request_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    audit_interval_s: Annotated[
        float, Field(gt=0, le=3600, description="how often all tags are read to find what no notification told")
    ] = 20.0
    accept: Annotated[Accept, Field(description="uncertain: values that the server marks as uncertain are used")] = (
        "good"
    )
    timestamps: Annotated[
        Literal["source", "server"],
        Field(description="whose time an event has: the signal's source, or the OPC UA server, as a gateway may be"),
    ] = "source"
    user: str | None = None
    password_credential: str | None = None
    user_certificate: Path | None = None
    user_private_key: Path | None = None
    application_uri: str = "urn:taktline:collector"
    security: OpcUaSecurity
    heartbeat: Heartbeat | None = None

    @model_validator(mode="after")
    def _one_login(self) -> "OpcUaController":
        if self.password_credential is not None and self.user is None:
            raise ValueError("`password_credential` is the password of no user: add `user`, or delete it")
        if (self.user_certificate is None) != (self.user_private_key is None):
            raise ValueError("a user's certificate goes with its key: give `user_certificate` and `user_private_key`")
        if self.user_certificate is not None and self.user is not None:
            raise ValueError("a user logs in by name or by certificate: keep `user` or `user_certificate`")
        return self

    @field_validator("url")
    @classmethod
    def _lead_somewhere(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            host_and_port(url)
        if len(set(urls)) < len(urls):
            raise ValueError("the same address is given twice: name each redundant server once")
        return urls

    @property
    def first_url(self) -> str:
        """The server's address; of redundant servers the first one's."""
        return self.url[0]

    def at(self, url: str) -> "OpcUaController":
        """The settings for one of redundant servers."""
        return self.model_copy(update={"url": (url,)})


Numbering = Literal["wire", "manual"]


class _Modbus(_Settings):
    unit: Annotated[int, Field(ge=0, le=255)] = 1
    poll_interval_ms: Annotated[int, Field(ge=10, le=60_000)] = 1000
    request_timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    max_registers: Annotated[int, Field(ge=1, le=125, description="most registers that one request may read")] = 125
    max_bits: Annotated[
        int, Field(ge=1, le=2000, description="most coils or discrete inputs that one request may read")
    ] = 2000
    numbering: Annotated[
        Numbering, Field(description="manual: addresses are numbers as manuals print them, 40101 or 4x101")
    ] = "wire"
    max_gap: Annotated[
        int, Field(ge=0, le=124, description="unused addresses between two tags that may be read with them")
    ] = 0
    pause_between_requests_ms: Annotated[
        int, Field(ge=0, le=5000, description="a pause that the device needs after an answer before the next request")
    ] = 0
    pause_after_connect_ms: Annotated[
        int, Field(ge=0, le=30_000, description="a pause that the device needs after a connection is made")
    ] = 0
    close_after_poll: Annotated[
        bool, Field(description="ends the connection after each poll, for a device that has few to give")
    ] = False
    heartbeat: Heartbeat | None = None


class ModbusNumbered(_Modbus):
    """A device whose answers have a transaction number, which tells a late one from the right one."""

    host: str
    unit_echo: Annotated[
        Literal["same", "any"], Field(description="any: the device answers with another unit number, often 0 or 255")
    ] = "same"


class ModbusTcpController(ModbusNumbered):
    """A Modbus TCP device."""

    kind: Literal["modbus-tcp"]
    port: Annotated[int, Field(ge=1, le=65535)] = 502


class ModbusUdpController(ModbusNumbered):
    """A device that takes the frames of Modbus TCP as datagrams."""

    kind: Literal["modbus-udp"]
    port: Annotated[int, Field(ge=1, le=65535)] = 502


class ModbusSecurity(_Settings):
    """Both sides show a certificate: this program's (PEM), and the device's, trusted as a file or in a folder."""

    certificate: Path
    private_key: Path
    server_certificate: Path | None = None
    trust_folder: Path | None = None

    @model_validator(mode="after")
    def _anchored(self) -> "ModbusSecurity":
        if self.server_certificate is None and self.trust_folder is None:
            raise ValueError("a trust anchor is required: give `server_certificate` or `trust_folder`")
        return self


class ModbusTlsController(ModbusNumbered):
    """A Modbus device behind TLS (Modbus/TCP Security)."""

    kind: Literal["modbus-tls"]
    port: Annotated[int, Field(ge=1, le=65535)] = 802
    application_uri: str = "urn:taktline:collector"
    security: ModbusSecurity


class ModbusRtuOverTcpController(_Modbus):
    """A serial device behind a converter that passes RTU frames through TCP."""

    kind: Literal["modbus-rtu-over-tcp"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 502


class ModbusRtuController(_Modbus):
    """A device on a serial line; give the stable name below /dev/serial/by-id."""

    kind: Literal["modbus-rtu"]
    device: str
    baudrate: Annotated[int, Field(ge=300, le=1_000_000)] = 19200
    parity: Literal["N", "E", "O"] = "E"
    stop_bits: Literal[1, 2] = 1


ModbusController = (
    ModbusTcpController | ModbusUdpController | ModbusTlsController | ModbusRtuOverTcpController | ModbusRtuController
)
Controller = Annotated[OpcUaController | ModbusController, Field(discriminator="kind")]
