"""The plant as the program uses it: controllers, tags, stations, standards and calendar, all resolved and typed."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.reading import ControllerId, TagId
from adapters.settings import (
    Controller,
    DataType,
    Heartbeat,
    ModbusRtuController,
    ModbusRtuOverTcpController,
    ModbusTag,
    ModbusTcpController,
    ModbusTlsController,
    ModbusUdpController,
    Numbering,
    OpcUaController,
    OpcUaSecurity,
    OpcUaTag,
    SecurityPolicy,
    Table,
)
from mes.calendar import Calendar
from mes.collect.signals import CounterSignal, SignalSetup, StationSetup
from mes.collect.states import StateMap
from mes.config import production, state_maps
from mes.config.addresses import Mistake, registers
from mes.config.alarm_tables import AlarmTable, alarm_tables, check_used, fault_names
from mes.config.calendar import site_calendar
from mes.config.findings import Findings
from mes.config.former import former_names
from mes.config.models.plant import (
    AssemblyMethod,
    ConditionShape,
    ControllerEntry,
    InfluxShape,
    ModbusHeartbeat,
    ModbusRtuEntry,
    ModbusRtuOverTcpEntry,
    ModbusTcpEntry,
    ModbusTlsEntry,
    ModbusUdpEntry,
    OpcUaEntry,
    OpcUaHeartbeat,
    PlantShape,
    SignalsShape,
    WebShape,
)
from mes.config.names import DisplayNames, display_names
from mes.config.plausibility import check_controllers, check_flow, check_station, check_tags
from mes.config.problems import did_you_mean
from mes.config.product_counters import check_product_counters
from mes.config.production import Buffer, Programme
from mes.config.signals import Signal, check_complete, role, standard, told_by_counts
from mes.config.source import Place, Plain
from mes.config.state_rules import state_rules
from mes.config.stations import Resolved, resolve, station_places
from mes.config.tags import Tag, Use, check_uses, signals, source, tag
from mes.config.web import check_web
from mes.model import ProductId, StationId, StationStandard
from mes.oee.biography import ProcessLimit
from mes.oee.definitions import BUILT_IN, TAKTLINE, Definition
from mes.oee.secondary_kpis import FailureCount


@dataclass(frozen=True, slots=True)
class Product:
    """What is made; `local_content_pct` is the share of the car's value that is made in the country."""

    name: str
    assembly_method: AssemblyMethod
    market: str | None = None
    local_content_pct: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantConfig:
    """A plant's file, resolved. Tag ids are `<station path>:<signal>` and `<controller>:heartbeat`.

    `standards` has all stations in the order of the flow, `setups` those that are collected from controllers.
    `journal_path`, if relative, counts from the working directory. `influx.credential` is a name, not a secret.
    `limits`: the windows of process values, by station and name. `former`: for each name that a station had before, the
    one that it has now. `names`: what pages show in place of ids.
    """

    site: str
    controllers: Mapping[ControllerId, Controller]
    tags: Mapping[ControllerId, Mapping[TagId, OpcUaTag | ModbusTag]]
    setups: Mapping[StationId, StationSetup]
    station_controllers: Mapping[StationId, ControllerId]
    standards: Mapping[StationId, StationStandard]
    calendar: Calendar
    products: Mapping[ProductId, Product]
    journal_path: Path
    keep_process_values: timedelta
    web: WebShape | None
    team_leader_days: int = 7
    influx: InfluxShape | None = None
    buffers: tuple[Buffer, ...] = ()
    definitions: Mapping[str, Definition] = field(default_factory=lambda: BUILT_IN)
    definition: Definition = TAKTLINE
    mean_times_per: FailureCount = FailureCount.FAILURES
    programme: Programme | None = None
    limits: Mapping[StationId, Mapping[str, ProcessLimit]] = field(default_factory=dict)
    former: Mapping[StationId, StationId] = field(default_factory=dict)
    names: DisplayNames = field(default_factory=DisplayNames)

    def shown_by(self, setup: StationSetup, controller: ControllerId) -> StationSetup:
        """What of a station a controller shows."""
        return setup.shown_by(controller, self.station_controllers[setup.station])


@dataclass(slots=True)
class _Work:
    """What the building of stations gathers."""

    plant: PlantShape
    findings: Findings
    state_maps: Mapping[str, StateMap]
    alarm_tables: Mapping[str, AlarmTable]
    raw_products: Mapping[str, ProductId]
    patterns: tuple[tuple[re.Pattern[str], ProductId], ...]
    zone: ZoneInfo
    controllers: dict[ControllerId, Controller] = field(default_factory=dict)
    uses: dict[ControllerId, list[Use]] = field(default_factory=lambda: defaultdict(list))
    setups: dict[StationId, StationSetup] = field(default_factory=dict)
    station_controllers: dict[StationId, ControllerId] = field(default_factory=dict)
    standards: dict[StationId, StationStandard] = field(default_factory=dict)
    limits: dict[StationId, Mapping[str, ProcessLimit]] = field(default_factory=dict)


def build(plant: PlantShape, data: Mapping[str | int, Plain], findings: Findings) -> PlantConfig | None:
    """The plant, or None if a mistake stands in the way; `data` are the file's values that `plant` was made from."""
    calendar = site_calendar(plant.site, findings)
    work = _Work(
        plant,
        findings,
        state_maps.state_maps(plant.state_maps, findings),
        alarm_tables(plant.alarm_tables, findings),
        state_maps.raw_products(plant.products, findings),
        state_maps.product_patterns(plant.products),
        ZoneInfo("UTC") if calendar is None else calendar.zone,
    )
    for name, entry in plant.controllers.items():
        _controller(ControllerId(name), entry, work)
    _endpoints(plant.controllers, findings)
    check_controllers(plant.controllers, findings)
    resolved = resolve(data, plant.site.name, findings)
    for station in resolved:
        _station(station, work)
    check_used(work.alarm_tables, resolved, findings)
    former = former_names(plant.site, resolved, findings)
    for controller, uses in work.uses.items():
        check_uses(uses, findings)
        check_tags(uses, findings)
        if all(use.station is None for use in uses) and not findings.places():
            findings.unused(("controllers", controller), "no station uses this controller", "delete it, or use it")
    declared = [StationId(path) for path, _ in station_places(data, plant.site.name)]
    reasons = production.catalogues(plant.reasons, declared, findings)
    definitions = production.definitions(plant.definitions, plant.figures.definition, findings)
    programme = production.programme(plant.programme, plant.site.name, declared, plant.products, findings)
    buffers = production.buffers(plant.flow, plant.site.name, declared, findings)
    check_flow(buffers, findings)
    names = replace(display_names(plant, findings), faults=fault_names(work.alarm_tables, resolved, findings))
    check_web(plant.web, findings)
    if calendar is None or findings.places():
        return None
    return PlantConfig(
        site=plant.site.name,
        controllers=work.controllers,
        tags={name: {use.tag_id: use.tag for use in work.uses[name]} for name in work.controllers},
        setups=work.setups,
        station_controllers=work.station_controllers,
        standards={
            station: replace(standard, reasons=reasons[station]) for station, standard in work.standards.items()
        },
        calendar=calendar,
        products={
            ProductId(name): Product(product.name, product.assembly_method, product.market, product.local_content_pct)
            for name, product in plant.products.items()
        },
        journal_path=Path(plant.journal.path),
        keep_process_values=timedelta(days=plant.journal.process_values_days),
        web=plant.web,
        team_leader_days=plant.board.team_leader_days,
        influx=plant.influx,
        buffers=buffers,
        definitions=definitions,
        definition=definitions[plant.figures.definition],
        mean_times_per=plant.figures.mean_times_per,
        programme=programme,
        limits=work.limits,
        former=former,
        names=names,
    )


def _controller(name: ControllerId, entry: ControllerEntry, work: _Work) -> None:
    """The controller as the adapters know it: its heartbeat becomes a tag of its own."""
    place = ("controllers", name)
    work.uses[name] = []
    beat = None
    if entry.heartbeat is None:
        remedy = "add `heartbeat`: a value that the controller's program changes all the time"
        work.findings.warning(place, "no heartbeat: a program that hangs while the network answers goes unseen", remedy)
    else:
        beat = Heartbeat(tag=TagId(f"{name}:heartbeat"), max_age_s=entry.heartbeat.max_age_s)
        read = _beat_tag(entry.heartbeat, "wire" if isinstance(entry, OpcUaEntry) else entry.numbering)
        if isinstance(read, Mistake):
            work.findings.problem((*place, "heartbeat", read.key), read.what, read.remedy)
        else:
            work.uses[name].append(
                Use(
                    beat.tag,
                    read,
                    "heartbeat",
                    None,
                    (*place, "heartbeat"),
                    is_decimal=isinstance(entry.heartbeat, ModbusHeartbeat)
                    and isinstance(entry.heartbeat.address, int),
                )
            )
    if isinstance(entry, OpcUaEntry) and entry.password_credential and entry.security.policy is SecurityPolicy.NONE:
        what = "over policy None a password is sent only to a server that encrypts the login"
        remedy = f"`mes certs check {name}` asks the server; pin it by `server_certificate`, or choose a policy"
        work.findings.warning((*place, "security"), what, remedy)
    settings = _settings(entry)
    plain: dict[str, object] = {key: getattr(entry, key) for key in settings.model_fields}
    work.controllers[name] = settings.model_validate({**plain, "heartbeat": beat})


def _beat_tag(beat: OpcUaHeartbeat | ModbusHeartbeat, numbering: Numbering) -> Tag | Mistake:
    match beat:
        case OpcUaHeartbeat():
            return beat.tag
        case ModbusHeartbeat():
            given: dict[str, Any] = {"address": beat.address, "table": beat.table or Table.HOLDING}
            wire = registers({"address": beat.address, "table": beat.table}, numbering)
            if isinstance(wire, Mistake):
                return wire
            given |= wire
            bit = given["table"] in (Table.COIL, Table.DISCRETE)
            return ModbusTag(**given, type=DataType.BOOL if bit else DataType.UINT16)


def _settings(entry: ControllerEntry) -> type[Controller]:
    match entry:
        case OpcUaEntry():
            return OpcUaController
        case ModbusTcpEntry():
            return ModbusTcpController
        case ModbusUdpEntry():
            return ModbusUdpController
        case ModbusTlsEntry():
            return ModbusTlsController
        case ModbusRtuOverTcpEntry():
            return ModbusRtuOverTcpController
        case ModbusRtuEntry():
            return ModbusRtuController


def _endpoints(controllers: Mapping[str, ControllerEntry], findings: Findings) -> None:
    """Two controllers behind one address would be one controller; units on one line must agree on the line."""
    first: dict[object, str] = {}
    lines: dict[object, tuple[str, Mapping[str, object]]] = {}
    for name, entry in controllers.items():
        line, unit, settings = _line_of(entry)
        places = [(url, 0) for url in entry.url] if isinstance(entry, OpcUaEntry) else [(line, unit)]
        others = {other for place in places if (other := first.setdefault(place, name)) != name}
        for other in sorted(others):
            what = f"{other} has the same address"
            findings.problem(("controllers", name), what, "each controller is given once; correct one of the two")
        _line(name, settings, *lines.setdefault(line, (name, settings)), findings)


def _line_of(entry: ControllerEntry) -> tuple[object, int, Mapping[str, object]]:
    """Where a controller is, its number there, and what all controllers there must agree on."""
    match entry:
        case OpcUaEntry():
            return entry.url, 0, {}
        case ModbusUdpEntry():
            return (entry.kind, entry.host.lower(), entry.port), entry.unit, {}
        case ModbusTcpEntry() | ModbusTlsEntry() | ModbusRtuOverTcpEntry():
            return (entry.host.lower(), entry.port), entry.unit, {"kind": entry.kind}
        case ModbusRtuEntry():
            agreed = {key: getattr(entry, key) for key in ("baudrate", "parity", "stop_bits")}
            return entry.device, entry.unit, agreed


def _line(
    name: str, settings: Mapping[str, object], other: str, others: Mapping[str, object], findings: Findings
) -> None:
    """What two controllers on one line say differently of it."""
    for key, value in settings.items():
        if value != others[key]:
            what = f"`{key}` is {value}, {other} has {others[key]} on the same line"
            remedy = "units on one line share its settings; correct one of the two"
            findings.problem(("controllers", name, key), what, remedy)


def _station(station: Resolved, work: _Work) -> None:
    """A station's tags, signals and standard; whatever is wrong goes to the findings."""
    named = station.shape.controller
    identity = StationId(station.path)
    if named is None and station.shape.signals == SignalsShape():
        what = "it has neither a controller nor signals, so it lives on imported events"
        remedy = "nothing, if `mes journal import` feeds it; else name a controller and its signals"
        work.findings.warning(station.place, what, remedy, station=station.path)
        work.standards[identity] = standard(station, list(work.plant.products), work.findings)
        return
    if named is None or named not in work.controllers:
        what = f"there is no controller `{named}`" if named else "no controller is named"
        place = station.origin("controller")
        work.findings.problem(place, what, did_you_mean(named, work.controllers), station=station.path)
        return
    controller = ControllerId(named)
    found: dict[TagId, SignalSetup] = {}
    places: dict[str, str] = {}
    inputs: dict[Place, tuple[TagId, Tag]] = {}  # what the state is told by
    elsewhere: dict[TagId, ControllerId] = {}
    for name, within, shape in signals(station):
        shown_by = ControllerId(shape.controller or named)
        if shown_by not in work.controllers:
            place, remedy = station.origin(*within, "controller"), did_you_mean(shown_by, work.controllers)
            work.findings.problem(place, f"there is no controller `{shown_by}`", remedy, station=station.path)
            continue
        looked_at = shape.model_copy(update={"bit": None, "bits": None}) if isinstance(shape, ConditionShape) else shape
        read = tag(station, within, looked_at, work.controllers[shown_by], work.findings)
        if read is None:
            continue
        tag_id = TagId(f"{station.path}:{name}")
        if isinstance(shape, ConditionShape):
            known = next(
                (
                    other
                    for other, same in inputs.values()
                    if same == read and elsewhere.get(other, controller) == shown_by
                ),
                None,
            )
            inputs[within] = (known or tag_id, read)
            if known is not None:
                continue  # several rules look at it
        setup = role(
            Signal(station, name, within, shape, read, work.controllers[shown_by]),
            work.state_maps,
            work.alarm_tables,
            work.zone,
            work.findings,
        )
        use = Use(
            tag_id, read, name, station.path, station.origin(*within), shape.shared, isinstance(shape.address, int)
        )
        work.uses[shown_by].append(use)
        if setup is not None:
            found[tag_id] = setup
            counter = setup.setup if isinstance(setup, CounterSignal) else None
            places[name] = source(read, work.controllers[shown_by], counter)
            if shown_by != controller:
                elsewhere[tag_id] = shown_by
    check_complete(station, work.findings)
    check_product_counters(station, list(work.plant.products), work.findings)
    work.station_controllers[identity] = controller
    offset = timedelta(seconds=station.shape.max_source_offset_s)
    rules = state_rules(station, inputs, work.findings)
    planned = standard(station, list(work.plant.products), work.findings)
    by_counts = told_by_counts(station, planned)
    work.setups[identity] = StationSetup(
        identity, found, work.raw_products, offset, places, rules, by_counts, elsewhere, work.patterns
    )
    totalisers = [signal.setup for signal in found.values() if isinstance(signal, CounterSignal)]
    counted = frozenset(totaliser.kind for totaliser in totalisers)
    by_product = {
        kind: products
        for kind in counted
        if (products := frozenset(one.product for one in totalisers if one.kind is kind and one.product is not None))
    }
    check_station(station, work.setups[identity], planned, work.findings)
    work.standards[identity] = replace(planned, counted=counted, by_product=by_product)
    work.limits[identity] = {
        name: ProcessLimit(shape.low, shape.high)
        for name, shape in station.shape.signals.process.items()
        if (shape.low, shape.high) != (None, None)
    }


def for_simulation(
    config: PlantConfig, *, ports: Mapping[ControllerId, int], journal: Path | None = None
) -> PlantConfig:
    """The same plant behind simulated controllers on this machine's loopback, looked at at short real intervals.

    Controllers without a port in `ports` stay as they are. Serial lines, UDP and TLS become TCP, and OPC UA has plain
    channels without users: the simulator has no certificates. The simulated clock may run a hundred times as fast as
    the real one. So source times up to one simulated hour from ours are believed.
    """
    controllers = {
        name: _simulated(settings, ports[name]) if name in ports else settings
        for name, settings in config.controllers.items()
    }
    setups = {station: replace(setup, max_source_offset=timedelta(hours=1)) for station, setup in config.setups.items()}
    return replace(
        config, controllers=controllers, setups=setups, journal_path=journal or config.journal_path, web=None
    )


def _simulated(settings: Controller, port: int) -> Controller:
    heartbeat = settings.heartbeat and settings.heartbeat.model_copy(update={"max_age_s": 1.5})
    update: dict[str, object] = {"heartbeat": heartbeat, "request_timeout_s": 1.0}
    here = {"host": "127.0.0.1", "port": port, "poll_interval_ms": 100}
    match settings:
        case OpcUaController():
            path = settings.first_url.removeprefix("opc.tcp://").partition("/")[2]
            update |= {
                "url": (f"opc.tcp://127.0.0.1:{port}" + (f"/{path}" if path else ""),),
                "publish_interval_ms": 50,
                "sampling_interval_ms": 10,
                "keepalive_s": 0.5,
                "security": OpcUaSecurity(policy=SecurityPolicy.NONE, insecure=True),
                **dict.fromkeys(("user", "password_credential", "user_certificate", "user_private_key")),
            }
            return settings.model_copy(update=update)
        case ModbusTcpController() | ModbusRtuOverTcpController():
            return settings.model_copy(update=update | here)
        case ModbusRtuController():
            return _moved(settings, ModbusRtuOverTcpController, update | here | {"kind": "modbus-rtu-over-tcp"})
        case ModbusUdpController() | ModbusTlsController():
            return _moved(settings, ModbusTcpController, update | here | {"kind": "modbus-tcp"})


def _moved(
    settings: Controller, to: type[ModbusTcpController | ModbusRtuOverTcpController], update: dict[str, object]
) -> Controller:
    """The same device behind another kind of connection."""
    given: dict[str, object] = {key: getattr(settings, key) for key in type(settings).model_fields}
    return to.model_validate({key: value for key, value in (given | update).items() if key in to.model_fields})
