"""What the program makes of a plant's file, and that the example plant is the simulated one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.reading import ControllerId, TagId
from adapters.settings import (
    ByteOrder,
    DataType,
    ModbusRtuController,
    ModbusRtuOverTcpController,
    ModbusTag,
    ModbusTcpController,
    ModbusTlsController,
    ModbusUdpController,
    OpcUaConditions,
    OpcUaController,
    OpcUaTag,
    Table,
)
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.signals import (
    CounterSignal,
    FaultSignal,
    ProcessSignal,
    ProductSignal,
    StateSignal,
    ToldByCounts,
    UnitLogSignal,
)
from mes.collect.states import BitMap, CodeMap
from mes.config.build import PlantConfig, for_simulation
from mes.config.load import check, default_config, load
from mes.intervals import Interval
from mes.model import CountKind, ProductId, State, StationId
from simulators import plant, shift

WELD, PAINT, FINAL = ControllerId("weld-plc"), ControllerId("paint-plc"), ControllerId("final-plc")


@pytest.fixture
def config() -> PlantConfig:
    return load(default_config()).config


def test_example_plant_has_the_simulated_stations(config: PlantConfig) -> None:
    """Stations, their order, their controllers and ideal cycle times are those of the simulated plant."""
    simulated = {station.path: (station.controller, dict(station.ideal)) for station in plant.STATIONS}
    configured = {
        str(station): (
            str(config.station_controllers[station]),
            {str(product): ideal for product, ideal in standard.ideal_cycle.items()},
        )
        for station, standard in config.standards.items()
    }

    assert configured == simulated
    assert list(configured) == list(simulated)


def test_example_calendar_is_when_the_simulated_plant_works(config: PlantConfig) -> None:
    """Over a month, planned time by the configuration and by the simulator are the same intervals."""
    window = Interval(datetime(2026, 2, 20, 7, 13, tzinfo=UTC), datetime(2026, 3, 23, 2, 1, tzinfo=UTC))

    assert list(config.calendar.planned(window)) == [
        Interval(span.start, span.end) for span in shift.planned(window.start, window.end)
    ]


def test_opc_ua_tags_come_from_the_template(config: PlantConfig) -> None:
    """A station's nodes are the template's with its own code, and the heartbeat is a tag of the controller."""
    tags = config.tags[WELD]

    assert tags[TagId("kostanay/weld/weld-1/framing:state")] == OpcUaTag(
        node="nsu=urn:kostanay:weld;s=W030.StateCurrent", single=True
    )
    assert tags[TagId("kostanay/weld/weld-1/framing:unit_log")] == OpcUaTag(
        node="nsu=urn:kostanay:weld;s=W030.UnitLog", single=False
    )
    assert tags[TagId("weld-plc:heartbeat")] == OpcUaTag(node="nsu=urn:kostanay:weld;s=Heartbeat")
    heartbeat = config.controllers[WELD].heartbeat
    assert heartbeat is not None
    assert heartbeat.tag == TagId("weld-plc:heartbeat")
    assert len(tags) == 6 * 9 + 1


def test_modbus_addresses_are_computed_from_the_base(config: PlantConfig) -> None:
    """`{base+10}` becomes the register of each station; types and orders stay those of the template."""
    tags = config.tags[PAINT]
    station = "kostanay/paint/paint-1/primer"

    assert tags[TagId(f"{station}:state")] == ModbusTag(address=3000, type=DataType.BITS)
    assert tags[TagId(f"{station}:unit_id")] == ModbusTag(address=3010, type=DataType.STRING, length=17)
    assert tags[TagId(f"{station}:unit_log")] == ModbusTag(address=3100, type=DataType.STRING, length=40, count=16)
    assert tags[TagId(f"{station}:process.bath_temperature")] == ModbusTag(
        address=3030, type=DataType.FLOAT32, order=ByteOrder.CDAB
    )


def test_signals_carry_what_collecting_needs(config: PlantConfig) -> None:
    """Counters know kind, width and greatest rate; states their map; faults what means none; process its deadband."""
    station = StationId("kostanay/paint/paint-1/oven")
    signals = config.setups[station].signals
    counter = CounterSetup(CountKind.SCRAP, 65536, ResetPolicy.ALLOWED, 60)

    assert signals[TagId(f"{station}:reject_count")] == CounterSignal(counter)
    assert signals[TagId(f"{station}:fault_code")] == FaultSignal(frozenset({"0", ""}))
    assert signals[TagId(f"{station}:unit_log")] == UnitLogSignal(65536)
    assert signals[TagId(f"{station}:process.conveyor_speed")] == ProcessSignal("conveyor_speed", 0.005)
    assert config.setups[station].products == {"S3": "S3", "3": "S3", "S2": "S2", "2": "S2"}
    assert config.setups[station].has_unit_log


def test_signal_names_are_those_of_the_file(config: PlantConfig) -> None:
    """A signal's own name, as events give it, is the one in its tag id; process values go without `process.`."""
    for setup in config.setups.values():
        for tag_id, signal in setup.signals.items():
            assert tag_id.split(":")[1].removeprefix("process.") == signal.name


@pytest.mark.parametrize(
    ("word", "state"),
    [
        (0x8001, State.PRODUCING),
        (0x8002, State.STARVED),
        (0x8004, State.BLOCKED),
        (0x8008, State.DOWN),
        (0x8009, State.DOWN),
        (0x8010, State.SETUP),
        (0x8020, State.IDLE),
        (0x8000, State.NO_DATA),
    ],
)
def test_paint_status_word_is_read_by_priority(config: PlantConfig, word: int, state: State) -> None:
    """The first set bit of the list decides, a fault before everything; the automatic bit alone says nothing."""
    station = StationId("kostanay/paint/paint-1/oven")
    signal = config.setups[station].signals[TagId(f"{station}:state")]

    assert isinstance(signal, StateSignal)
    assert isinstance(signal.map, BitMap)
    assert signal.map.state(word) is state


def test_vendor_and_packml_states(config: PlantConfig) -> None:
    """Number 1 produces at final assembly, 6 at the weld line; a number that is not in the map is no data."""
    final = config.setups[StationId("kostanay/final/final-1/trim")].signals[TagId("kostanay/final/final-1/trim:state")]
    weld = config.setups[StationId("kostanay/weld/weld-1/respot")].signals[TagId("kostanay/weld/weld-1/respot:state")]

    assert isinstance(final, StateSignal)
    assert isinstance(weld, StateSignal)
    assert isinstance(final.map, CodeMap)
    assert (final.map.state(1), final.map.state(4), final.map.state(9)) == (State.PRODUCING, State.DOWN, State.NO_DATA)
    assert (weld.map.state(6), weld.map.state(17), weld.map.state(9)) == (State.PRODUCING, State.BLOCKED, State.DOWN)


def test_controllers_are_plain_adapter_settings(config: PlantConfig) -> None:
    """Adapters get their own settings, and the fixed ports of the simulator."""
    weld, paint = config.controllers[WELD], config.controllers[PAINT]

    assert type(weld) is OpcUaController
    assert type(paint) is ModbusTcpController
    assert (weld.first_url, paint.host, paint.port) == ("opc.tcp://127.0.0.1:48400", "127.0.0.1", 15020)
    assert (weld.publish_interval_ms, paint.poll_interval_ms) == (500, 1000)


def test_products_and_journal(config: PlantConfig) -> None:
    """Products keep their assembly method; the journal's path stays relative to the working directory."""
    assert config.products[ProductId("S2")].assembly_method == "DKD"
    assert config.journal_path == Path("var/taktline/journal.sqlite")
    assert config.influx is None
    assert config.site == "kostanay"


def test_simulation_replaces_addresses_and_intervals_only(config: PlantConfig) -> None:
    """Simulated controllers are on loopback with short intervals; stations, tags and standards stay as they are."""
    simulated = for_simulation(config, ports={WELD: 1001, FINAL: 1002, PAINT: 1003}, journal=Path("j.sqlite"))
    weld, paint = simulated.controllers[WELD], simulated.controllers[PAINT]

    assert isinstance(weld, OpcUaController)
    assert isinstance(paint, ModbusTcpController)
    assert (weld.first_url, weld.publish_interval_ms, weld.keepalive_s) == ("opc.tcp://127.0.0.1:1001", 50, 0.5)
    assert (paint.port, paint.poll_interval_ms, paint.request_timeout_s) == (1003, 100, 1.0)
    assert weld.heartbeat is not None
    assert weld.heartbeat.max_age_s == 1.5
    assert {setup.max_source_offset for setup in simulated.setups.values()} == {timedelta(hours=1)}
    assert simulated.journal_path == Path("j.sqlite")
    assert simulated.tags == config.tags
    assert for_simulation(config, ports={}).controllers == config.controllers


def test_every_kind_of_controller_can_be_configured(tmp_path: Path) -> None:
    """Serial devices, directly or behind a converter, and what a station overrides of its template."""
    text = (Path(__file__).parents[2] / "cases" / "config" / "good" / "plant.yaml").read_text(encoding="utf-8")
    text = text.replace(
        "templates:",
        "  rtu: {kind: modbus-rtu, device: /dev/serial/by-id/one, unit: 3, heartbeat: {address: 0, table: coil}}\n"
        "  gateway: {kind: modbus-rtu-over-tcp, host: 10.0.0.9, port: 4001, unit: 2, heartbeat: {address: 0}}\n"
        "  drive: {kind: modbus-udp, host: 10.0.0.9, port: 4001, unit: 2, heartbeat: {address: 0}}\n"
        "  oven: {kind: modbus-tls, host: 10.0.0.9, heartbeat: {address: 0}, "
        "security: {certificate: c.pem, private_key: k.pem, trust_folder: trusted}}\n"
        "templates:",
    ).replace("with: {code: W020}}", "with: {code: W020}, minor_stop_s: 0, signals: {good_count: {max_per_hour: 7}}}")
    file = tmp_path / "plant.yaml"
    file.write_text(text, encoding="utf-8")

    config = load(file).config
    framing = StationId("demo/weld/weld-1/framing")
    counter = config.setups[framing].signals[TagId(f"{framing}:good_count")]

    assert type(config.controllers[ControllerId("rtu")]) is ModbusRtuController
    assert type(config.controllers[ControllerId("gateway")]) is ModbusRtuOverTcpController
    beat = config.tags[ControllerId("rtu")][TagId("rtu:heartbeat")]
    assert beat == ModbusTag(address=0, table=Table.COIL, type=DataType.BOOL)
    assert type(config.controllers[ControllerId("drive")]) is ModbusUdpController
    assert type(config.controllers[ControllerId("oven")]) is ModbusTlsController
    assert isinstance(counter, CounterSignal)
    assert (counter.setup.max_per_hour, counter.setup.modulus) == (7, 2**32)
    assert config.standards[framing].minor_stop == timedelta()
    ports = {ControllerId(name): port for port, name in enumerate(("rtu", "gateway", "drive", "oven"), start=1)}
    simulated = for_simulation(config, ports=ports)
    serial = simulated.controllers[ControllerId("rtu")]
    assert isinstance(serial, ModbusRtuOverTcpController)
    assert (serial.host, serial.port, serial.unit) == ("127.0.0.1", 1, 3)
    for name in ("drive", "oven"):
        assert type(simulated.controllers[ControllerId(name)]) is ModbusTcpController


def test_a_station_without_a_state_is_told_by_its_counts() -> None:
    """By three of its longest ideal cycles, unless the file says otherwise; one with a state is not."""
    file = Path(__file__).parents[2] / "cases" / "config" / "no-state-but-counts" / "plant.yaml"
    config = load(file).config
    told = {str(station): setup.told_by_counts for station, setup in config.setups.items()}

    assert told == {
        "demo/weld/weld-1/underbody": None,
        "demo/weld/weld-1/framing": None,
        "demo/paint/paint-1/oven": ToldByCounts(timedelta(seconds=3 * 555), State.DOWN),
    }


def test_a_signal_may_be_shown_by_another_controller(tmp_path: Path) -> None:
    """Its tag is read there; the others stay with the station's own controller."""
    file = tmp_path / "plant.yaml"
    text = default_config().read_text(encoding="utf-8")
    was = 'weld_current: {node: "nsu=urn:kostanay:weld;s={code}.WeldCurrent"'
    assert was in text
    file.write_text(text.replace(was, was.replace("{node", "{controller: final-plc, node")), encoding="utf-8")
    config = load(file).config
    station = StationId("kostanay/weld/weld-1/framing")
    tag, setup = TagId(f"{station}:process.weld_current"), config.setups[station]

    assert config.station_controllers[station] == WELD
    assert setup.elsewhere == {tag: FINAL}
    assert (tag in config.tags[FINAL], tag in config.tags[WELD]) == (True, False)
    assert [*config.shown_by(setup, FINAL).signals] == [tag]
    assert tag not in config.shown_by(setup, WELD).signals
    assert config.shown_by(setup, PAINT).signals == {}


def test_a_product_by_characters_and_patterns(tmp_path: Path) -> None:
    """`characters` is a first and a last one; a raw code with a wildcard is a pattern, and no code."""
    file, was = tmp_path / "plant.yaml", 'product: {node: "nsu=urn:kostanay:weld;s={code}.Model"}'
    text = default_config().read_text(encoding="utf-8").replace('raw: ["S3", 3]', 'raw: ["S3", 3, "LJ1?E*"]')
    file.write_text(text.replace(was, was[:-1] + ", characters: 4-8}"), encoding="utf-8")
    config = load(file).config
    setup = config.setups[StationId("kostanay/weld/weld-1/framing")]
    signal = setup.signals[TagId("kostanay/weld/weld-1/framing:product")]

    assert isinstance(signal, ProductSignal)
    assert signal.characters == (4, 8)
    assert (setup.product("S3"), setup.product("LJ12ECK"), setup.product("LJ1E")) == ("S3", "S3", None)
    assert "LJ1?E*" not in setup.products
    file.write_text(text.replace(was, was[:-1] + ", characters: 8-4}"), encoding="utf-8")
    assert [problem.what for problem in check(file).problems] == [
        "`8-4` are no characters of a text (station kostanay/weld/weld-1/underbody and 5 more)"
    ]


def test_alarm_words_of_every_shape_have_the_bits_of_their_table() -> None:
    """Registers, coils, words in either order, several places of one station: bits in the order of the file."""
    config = load(Path(__file__).parents[2] / "cases" / "config" / "alarm-words" / "plant.yaml").config
    robot = ((17, "E117"), (0, "101"), (3, "E103"), (5, None))
    faults = {
        str(tag).removeprefix("demo/weld/weld-1/"): signal
        for setup in config.setups.values()
        for tag, signal in setup.signals.items()
        if isinstance(signal, FaultSignal)
    }

    assert faults == {
        "words:fault_code": FaultSignal(bits=robot),
        "swapped:fault_code": FaultSignal(bits=robot, word_bits=32),
        "coils:fault_code": FaultSignal(bits=robot, word_bits=1),
        "several:fault_code": FaultSignal(bits=robot, word_bits=32),
        "several:fault_code.2": FaultSignal(frozenset({"0", "9999"}), "fault_code.2"),
        "several:fault_code.3": FaultSignal(name="fault_code.3", bits=robot),
        "several:fault_code.4": FaultSignal(name="fault_code.4", bits=robot, word_bits=10),
        "several:fault_code.5": FaultSignal(name="fault_code.5", bits=robot, word_bits=24),
        "several:fault_code.6": FaultSignal(name="fault_code.6"),
        "several:fault_code.7": FaultSignal(name="fault_code.7"),
        "several:fault_code.8": FaultSignal(name="fault_code.8", bits=robot, word_bits=8),
    }
    several = config.setups[StationId("demo/weld/weld-1/several")]
    assert several.elsewhere == {
        TagId(f"demo/weld/weld-1/several:fault_code.{number}"): ControllerId("plc") for number in (3, 4)
    }
    assert {name for name in several.places if name.startswith("fault_code")} == {
        *("fault_code", "fault_code.2", "fault_code.3", "fault_code.4", "fault_code.5", "fault_code.6", "fault_code.7"),
        "fault_code.8",
    }
    nodes = config.tags[ControllerId("timer")]
    octets = {str(name)[-1] for name, node in nodes.items() if isinstance(node, OpcUaTag) and node.octets}
    assert octets == {"8"}  # the bytes of one are numbers
    notifier = config.tags[ControllerId("timer")][TagId("demo/weld/weld-1/several:fault_code.6")]
    assert notifier == OpcUaTag(node="ns=0;i=2253", conditions=OpcUaConditions(source="Robot 1", code="Message"))


def test_numbers_of_manuals_become_addresses_of_the_wire() -> None:
    """The first digit is the table and the rest counts from 1; a coil's number counts from 1; the rest is as it is."""
    file = Path(__file__).parents[2] / "cases" / "config" / "numbers-of-manuals" / "plant.yaml"
    tags = {str(tag).partition(":")[2]: read for tag, read in load(file).config.tags[ControllerId("plc")].items()}
    read = {name: (tag.table, tag.address) for name, tag in tags.items() if isinstance(tag, ModbusTag)}

    assert read == {
        "heartbeat": (Table.HOLDING, 0),
        "state": (Table.HOLDING, 100),
        "good_count": (Table.HOLDING, 101),
        "fault_code": (Table.HOLDING, 0x66),
        "reject_count": (Table.HOLDING, 103),
        "rework_count": (Table.INPUT, 0),
        "process.t": (Table.INPUT, 9),
        "process.door": (Table.COIL, 0),
        "process.lid": (Table.DISCRETE, 0),
    }
    reject, warm, worked = tags["reject_count"], tags["process.t"], tags["rework_count"]
    assert isinstance(reject, ModbusTag)
    assert isinstance(warm, ModbusTag)
    assert (reject.addresses, warm.scale_address, warm.no_value) == ((103, 200), 19, (0x8000,))
    assert worked.no_value == (0x8000, 0xFFFF)


def test_the_parts_of_an_id_are_read_together() -> None:
    """They are one value to the adapter, by station; other tags stand alone."""
    parts = Path(__file__).parents[2] / "cases/config/unit-in-parts/plant.yaml"
    tags = load(parts).config.tags[ControllerId("plc")]
    together = {name: tag.together for name, tag in tags.items() if isinstance(tag, ModbusTag) and tag.together}

    assert together == dict.fromkeys(("demo/weld/l1/st:unit_id.1", "demo/weld/l1/st:unit_id.2"), "demo/weld/l1/st")
