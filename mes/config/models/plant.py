"""The shape of a plant's file: every key, its type and its limits; names that refer to each other are checked later."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from adapters.opcua import addressing
from adapters.settings import (
    Accept,
    ByteOrder,
    Charset,
    DataType,
    ModbusRtuController,
    ModbusRtuOverTcpController,
    ModbusTcpController,
    ModbusTlsController,
    ModbusUdpController,
    OpcUaConditions,
    OpcUaController,
    OpcUaTag,
    PublishInterval,
    SamplingInterval,
    Table,
)
from mes.collect.counters import ResetPolicy
from mes.config.models.alarms import AlarmTableShape, IsFault
from mes.config.models.calendar import LONGEST_S, STRICT, CalendarShape, Clock, Name
from mes.config.models.names import NamedShape, NamesShape
from mes.config.models.production import DefinitionShape, FiguresShape, FlowShape, ProgrammeShape, ReasonShape
from mes.config.source import Hexadecimal
from mes.model import State


def _as_written(given: object) -> object:
    return hex(given) if isinstance(given, Hexadecimal) else given


Address = Annotated[
    int | str,
    BeforeValidator(_as_written),
    Field(description='register address from 0, as on the wire; in a template also "{base+10}"'),
]
ProfileName = Annotated[
    str | None, Field(description="a make: its values hold wherever this file gives none (config/profiles/README.md)")
]
SERVER_TIME = "ns=0;i=2258"  # Server_ServerStatus_CurrentTime
Seconds = Annotated[float, Field(gt=0, le=LONGEST_S, description="seconds, above 0")]


BitField = Annotated[str, Field(pattern=r"^\d{1,2}-\d{1,2}$", description="first and last bit of a field: 4-7")]
Code = bool | int | float | str


class Shape(BaseModel):
    """One mapping of the file; a key that is not known is a mistake."""

    model_config = STRICT


class SiteShape(Shape):
    """The plant: its name in every station's path, its local time, its calendar."""

    name: Name
    names: NamesShape | None = None
    formerly: Annotated[
        list[str], Field(description="what the site was called before, in the path of every station")
    ] = []
    time_zone: Annotated[str, Field(description="a name of the IANA list, such as Asia/Qostanay")]
    day_start: Clock = "00:00"
    calendar: CalendarShape


class AssemblyMethod(StrEnum):
    """How far a car is built here: CKD is welded, painted and assembled, DKD arrives welded and painted."""

    CKD = "CKD"
    DKD = "DKD"


class ProductShape(Shape):
    """What is made, and how the controllers call it."""

    name: str
    names: NamesShape | None = None
    assembly_method: AssemblyMethod
    market: str | None = None
    local_content_pct: Annotated[float, Field(ge=0, le=100)] | None = None
    raw: Annotated[
        list[bool | int | str], Field(min_length=1, description='what controllers say for it: ["S3", 3, "LJ1?E*"]')
    ]


class BitRule(Shape):
    """If these bits of the status word are what is said, the station is in `state`; bit 0 is the least significant.

    One `bit` holds if it is set, or if it `is` 0; the number in a field of `bits` if it `is` that, or from `from` to
    `to`.
    """

    bit: Annotated[int, Field(ge=0, le=63)] | None = None
    bits: BitField | None = None
    is_: Annotated[bool | Annotated[int, Field(ge=0)] | None, Field(alias="is")] = None
    from_: Annotated[int | None, Field(ge=0, alias="from")] = None
    to: Annotated[int | None, Field(ge=0)] = None
    state: State


class StateMapShape(Shape):
    """Turns what a controller says into our states: by `numbers`, or by `bits`, of which the first match wins.

    Among the numbers may be texts, and ranges such as "100-199". What the map does not name is `otherwise`: no_data
    unless it is given, for a state is never guessed.
    """

    like: Annotated[str, Field(description="a built-in map to begin with: packml-tags or packml-opc30060")] | None = (
        None
    )
    numbers: dict[int | str, State] = {}
    bits: list[BitRule] = []
    otherwise: State | None = None


class OpcUaHeartbeat(Shape):
    """A node that the controller changes at least every `max_age_s` seconds while its program runs.

    `node: server_time` is the server's own clock: it shows that the server runs, not that the program does.
    """

    node: Annotated[str, Field(description="nsu=<namespace URI>;s=<id>, or server_time")] | None = None
    path: Annotated[str, Field(description="in place of node: nsu=<namespace URI>;Machine/Heartbeat")] | None = None
    max_age_s: Seconds = 10.0

    @model_validator(mode="after")
    def _readable(self) -> "OpcUaHeartbeat":
        if (self.node is None) == (self.path is None):
            raise ValueError("a heartbeat is named by its id or by its path: give `node` or `path`")
        if self.path is not None:
            addressing.parse_path(self.path)
        if self.node not in (None, "server_time"):
            addressing.parse(self.node)
        return self

    @property
    def tag(self) -> OpcUaTag:
        """Where it is read."""
        return OpcUaTag(node=SERVER_TIME if self.node == "server_time" else self.node, path=self.path)


class ModbusHeartbeat(Shape):
    """A register that the controller changes at least every `max_age_s` seconds while its program runs."""

    address: Address
    table: Table | None = None
    max_age_s: Seconds = 10.0


class _OfAMake(BaseModel):
    profile: ProfileName = None


class OpcUaEntry(_OfAMake, OpcUaController):
    """An OPC UA server, with the address of its heartbeat."""

    heartbeat: OpcUaHeartbeat | None = None  # type: ignore[assignment]  # the file gives the address, not a tag's name


class ModbusTcpEntry(_OfAMake, ModbusTcpController):
    """A Modbus TCP device, with the address of its heartbeat."""

    heartbeat: ModbusHeartbeat | None = None  # type: ignore[assignment]  # the file gives the address


class ModbusUdpEntry(_OfAMake, ModbusUdpController):
    """A device that takes the frames of Modbus TCP as datagrams, with the address of its heartbeat."""

    heartbeat: ModbusHeartbeat | None = None  # type: ignore[assignment]  # the file gives the address


class ModbusTlsEntry(_OfAMake, ModbusTlsController):
    """A Modbus device behind TLS, with the address of its heartbeat."""

    heartbeat: ModbusHeartbeat | None = None  # type: ignore[assignment]  # the file gives the address


class ModbusRtuOverTcpEntry(_OfAMake, ModbusRtuOverTcpController):
    """A serial Modbus device behind a converter, with the address of its heartbeat."""

    heartbeat: ModbusHeartbeat | None = None  # type: ignore[assignment]  # the file gives the address


class ModbusRtuEntry(_OfAMake, ModbusRtuController):
    """A Modbus device on a serial line, with the address of its heartbeat."""

    heartbeat: ModbusHeartbeat | None = None  # type: ignore[assignment]  # the file gives the address


ControllerEntry = OpcUaEntry | ModbusTcpEntry | ModbusUdpEntry | ModbusTlsEntry | ModbusRtuOverTcpEntry | ModbusRtuEntry


class SignalShape(Shape):
    """Where a signal is read: `node` on OPC UA, `address` and its kin on Modbus. `{name}` is filled from `with`."""

    node: Annotated[str, Field(description="nsu=<namespace URI>;s=<id>")] | None = None
    path: (
        Annotated[
            str, Field(description="in place of node, where ids change: nsu=<namespace URI>;Machine/Station/State")
        ]
        | None
    ) = None
    index: (
        Annotated[int | str, Field(description='one element of an array from 0, or a part of it: 3, "0:15"')] | None
    ) = None
    member: Annotated[str, Field(description="a member of a structure: Vin, Status.Code, Parts[2].Vin")] | None = None
    accept: Annotated[Accept, Field(description="uncertain: the value is used though the server doubts it")] | None = (
        None
    )
    publish_interval_ms: (
        Annotated[
            PublishInterval,
            Field(description="how often the OPC UA server sends this value, if not as its controller's"),
        ]
        | None
    ) = None
    sampling_interval_ms: (
        Annotated[
            SamplingInterval,
            Field(description="how often the OPC UA server looks at this value, if not as its controller's"),
        ]
        | None
    ) = None
    address: Address | None = None
    table: Table | None = None
    type: DataType | None = None
    order: ByteOrder | None = None
    bit: Annotated[int, Field(ge=0, le=15)] | None = None
    length: Annotated[int, Field(ge=1, le=246, description="bytes of a text, two per register")] | None = None
    count: Annotated[int, Field(ge=1, le=1000)] | None = None
    scale: float | None = None
    offset: float | None = None
    alone: Annotated[bool, Field(description="the device gives it only in a request of its own")] | None = None
    poll_interval_ms: (
        Annotated[int, Field(ge=10, le=3_600_000, description="how often it is polled, if more seldom than others")]
        | None
    ) = None
    addresses: (
        Annotated[
            list[Address],
            Field(min_length=2, max_length=4, description="in place of address: registers that are not neighbours"),
        ]
        | None
    ) = None
    no_value: Annotated[
        int | float | str | list[int | float | str] | None,
        Field(description="what the controller shows when it has no value, before scaling: 0x8000"),
    ] = None
    scale_address: (
        Annotated[
            Address, Field(description="the register with the power of ten that it is multiplied by, as in SunSpec")
        ]
        | None
    ) = None
    bits: BitField | None = None
    charset: Annotated[Charset | None, Field(description="of a text, if not latin-1 (Modbus) or utf-8 (OPC UA)")] = None
    controller: Annotated[str | None, Field(description="the controller that shows it, if not the station's own")] = (
        None
    )
    shared: Annotated[bool, Field(description="another signal or station is read from the same place, rightly")] = False


class ConditionShape(SignalShape):
    """A value that is looked at, and what it must be: true, if nothing is said.

    It holds if the value `is` what is given, one of a list, not what `is_not` gives, or lies from `from` to `to`.
    `bits` looks at a field of a whole number, "4-7".
    """

    bit: Annotated[int, Field(ge=0, le=63)] | None = None
    is_: Annotated[Code | list[Code] | None, Field(alias="is")] = None
    is_not: Code | list[Code] | None = None
    from_: Annotated[float | None, Field(alias="from")] = None
    to: float | None = None


class StateRuleShape(ConditionShape):
    """If the condition holds, and every one of `and`, the station is in `state`; the first rule that holds decides."""

    state: State
    and_: Annotated[list[ConditionShape], Field(alias="and")] = []


class StateShape(SignalShape):
    """What the station is doing: one value and the `map` that explains it, or `rules` over several values.

    `map` names one of `state_maps` or a built-in map. Where no rule holds the state is `otherwise`, or no_data.
    """

    map: str | None = None
    rules: list[StateRuleShape] = []
    otherwise: State | None = None


class ProductCounterShape(SignalShape):
    """A totaliser. `max_per_hour`, in units, tells a plausible step from a wrap, a reset and a wrong value.

    `reset` says whether it may start again from zero at any time; at the times of `resets_at` it may in any case.
    """

    modulus: Annotated[int, Field(ge=2, description="values it can show: 65536 for 16 bits")] | None = None
    reset: ResetPolicy = ResetPolicy.ALLOWED
    resets_at: Annotated[
        list[Clock], Field(description="local times of day at which the controller sets it to zero")
    ] = []
    reset_tolerance_s: Annotated[
        float, Field(gt=0, le=3600, description="how far from such a time it may happen, by this computer's clock")
    ] = 300.0
    max_per_hour: Annotated[float, Field(gt=0, description="more units than the station can ever make")] | None = None
    units_per_count: Annotated[int, Field(ge=1, le=1000, description="parts of one stroke, cavities of one shot")] = 1
    counts: Annotated[Literal["up", "down"], Field(description="whether a unit raises or lowers it")] = "up"
    signed: Annotated[bool, Field(description="the upper half of `modulus` is shown as negative numbers")] = False
    pulse: Annotated[bool, Field(description="a bit that is set for each unit; what comes in a gap is not known")] = (
        False
    )
    min_pulse_ms: (
        Annotated[
            float,
            Field(
                gt=0,
                le=3_600_000,
                description="the shortest pulse and the shortest pause: twice the poll interval at least",
            ),
        ]
        | None
    ) = None


class CounterShape(ProductCounterShape):
    """A totaliser, or one for each product in `by_product`; what stands beside that holds for each of them."""

    by_product: Annotated[
        dict[Name, ProductCounterShape],
        Field(
            description="one counter for each product: its address by the product's name; other keys where they differ"
        ),
    ] = {}


class TextShape(SignalShape):
    """An id or a code; `characters` cuts it out of a longer text, "4-8"."""

    characters: Annotated[
        str | None, Field(pattern=r"^[1-9]\d{0,2}-[1-9]\d{0,2}$", description="first and last character, from 1: 4-8")
    ] = None


class UnitShape(TextShape):
    """The id of the unit in the station, in one value or in several `parts`, which are joined in their order."""

    parts: Annotated[list[TextShape], Field(description="values that are one id when they are joined")] = []


class FaultShape(SignalShape):
    """The controller's fault code, or several in a list; `none` lists what it says when there is no fault.

    `alarms` names one of `alarm_tables`. If that has `bits`, the value is an alarm word with one bit for each fault.
    `is: 0`: a bit of it is a fault while it is not set, unless the table says otherwise of the bit.
    """

    none: list[bool | int | str] = [0, ""]
    alarms: str | None = None
    conditions: (
        Annotated[OpcUaConditions, Field(description="active alarms of an OPC UA notifier; {} for all")] | None
    ) = None
    is_: IsFault = None
    word_bits: (
        Annotated[
            Literal[8, 16, 32, 64],
            Field(description="bits of each element of an OPC UA array of words: 16; 8: bytes, of a ByteString too"),
        ]
        | None
    ) = None


def _listed(given: object) -> object:
    return [given] if isinstance(given, dict) else given


FaultShapes = Annotated[
    list[FaultShape], BeforeValidator(_listed, json_schema_input_type=FaultShape | list[FaultShape])
]


class UnitLogShape(SignalShape):
    """The controller's own list of the last finished units; their sequence numbers start again after `modulus`."""

    modulus: Annotated[int, Field(ge=4)] = 65536


class ProcessShape(SignalShape):
    """A measured value; kept when it moved by `deadband` or more (0: at every change). `low`, `high`: its window."""

    deadband: Annotated[float, Field(ge=0)] = 0.0
    unit_symbol: str
    low: float | None = None
    high: float | None = None


class SignalsShape(Shape):
    """The signals of a station by the role that they play."""

    state: StateShape | None = None
    good_count: CounterShape | None = None
    rework_count: CounterShape | None = None
    reject_count: CounterShape | None = None
    total_count: CounterShape | None = None
    unit_id: UnitShape | None = None
    product: TextShape | None = None
    fault_code: Annotated[FaultShapes, Field(description="one place that shows faults, or a list of several")] = []
    unit_log: UnitLogShape | None = None
    process: dict[Name, ProcessShape] = {}


class TemplateShape(Shape):
    """What stations have in common; a station may override any of it.

    Nothing is known of a station while its own `controller` cannot be reached: name the one that shows the state.
    """

    profile: ProfileName = None
    controller: str | None = None
    ideal_cycle_s: Annotated[
        dict[str, Annotated[float, Field(gt=0, le=LONGEST_S)] | None],
        Field(description="seconds for one unit by product; `any` for all others; null: never comes here"),
    ] = {}
    minor_stop_s: (
        Annotated[float, Field(ge=0, le=LONGEST_S, description="shorter stops are minor stops; 0: none are")] | None
    ) = None
    stopped_after_cycles: Annotated[
        float,
        Field(ge=1, le=1000, description="without a state signal: it stands when no part came for so many cycles"),
    ] = 3.0
    max_source_offset_s: Annotated[
        float,
        Field(gt=0, le=LONGEST_S, description="a controller's clock that is further off than this is not believed"),
    ] = 2.0
    signals: SignalsShape = SignalsShape()


class StationShape(TemplateShape):
    """A station: from a template with its own values `with`, or written out in full.

    One without a controller and without signals lives on events that are imported.
    """

    template: str | None = None
    names: NamesShape | None = None
    formerly: Annotated[
        list[str], Field(description="what the station was called before: area/line/station, as its events are written")
    ] = []
    with_: Annotated[dict[str, int | str], Field(alias="with", description="values for `{name}` in the template")] = {}


class LineShape(Shape):
    """The stations of a line, in the order of the flow."""

    names: NamesShape | None = None
    stations: dict[Name, StationShape]


class AreaShape(Shape):
    """The lines of an area."""

    names: NamesShape | None = None
    lines: dict[Name, LineShape]


class JournalShape(Shape):
    """Where the journal lies; a relative path counts from the folder in which the program is started.

    Process values are kept for `process_values_days`; counts, states and every other event are kept for ever.
    """

    path: str
    process_values_days: Annotated[float, Field(gt=0, le=3660)] = 30.0


class WebShape(Shape):
    """Where health, metrics and the board are served: this machine alone, unless another address is named here.

    `certificate` and `key` are PEM files; without them, beyond this machine, a reverse proxy should do TLS (`proxy`).
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8090
    read: Annotated[
        Literal["everybody", "people"], Field(description="who sees the board: everybody, or who is signed in")
    ] = "everybody"
    hosts: Annotated[list[str], Field(description="names by which browsers call this server, beside its own")] = []
    certificate: str | None = None
    key: str | None = None
    proxy: Annotated[bool, Field(description="browsers reach this server by HTTPS through a reverse proxy")] = False


class BoardShape(Shape):
    """What people may do on the board beyond their roles."""

    team_leader_days: Annotated[
        int, Field(ge=1, le=3660, description="so many days back a team leader gives and changes reasons of stops")
    ] = 7


class InfluxShape(Shape):
    """The database for figures. `credential` names a file in $CREDENTIALS_DIRECTORY, the secret is never in here."""

    url: Annotated[str, Field(pattern=r"^https?://", description="http://host:8086")]
    database: Annotated[str, Field(description="the database of 1.x, the bucket of 2.x, the database of 3")]
    retention_policy: str | None = None
    org: str | None = None
    server: Literal["auto", "1", "2", "3"] = "auto"
    user: str | None = None
    credential: str | None = None


class PlantShape(Shape):
    """A plant: its site, what it makes, its controllers and its stations."""

    site: SiteShape
    products: Annotated[dict[Name, ProductShape], Field(min_length=1)]
    markets: Annotated[dict[str, NamedShape], Field(description="display names of the products' markets")] = {}
    process_values: Annotated[dict[Name, NamedShape], Field(description="display names of process values")] = {}
    state_maps: dict[Name, StateMapShape] = {}
    alarm_tables: dict[Name, AlarmTableShape] = {}
    controllers: dict[Name, Annotated[ControllerEntry, Field(discriminator="kind")]] = {}
    templates: dict[Name, TemplateShape] = {}
    areas: Annotated[dict[Name, AreaShape], Field(min_length=1)]
    flow: list[FlowShape] = []
    reasons: dict[Name, ReasonShape] = {}
    definitions: dict[Name, DefinitionShape] = {}
    figures: FiguresShape = FiguresShape()
    programme: ProgrammeShape | None = None
    journal: JournalShape = JournalShape(path="var/taktline/journal.sqlite")
    influx: InfluxShape | None = None
    web: WebShape | None = WebShape()
    board: BoardShape = BoardShape()
