"""Controllers in the shape of a plant's file: what they show is read as what was meant, or refused in a sentence."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.modbus.decode import decode
from adapters.reading import TagId, Value
from adapters.settings import ByteOrder, DataType, ModbusTag, Table
from mes.collect.signals import FaultSignal, StateSignal
from mes.collect.states import BitMap, BitRule, CodeMap, CodeRange, Condition, StateRule, StateRules
from mes.config.load import config_folder, load
from mes.demo.derived import CalendarHours, Codes, fault_codes, works_of
from mes.demo.inverse import Field, code_for, overlap, rules_of_bits, rules_of_tags, settings_for
from mes.demo.plants import DemoPlant, demo_plant
from mes.demo.projection import doubtful, told_by_counts
from mes.demo.simulate import FIXED_PORTS, addresses
from mes.errors import ConfigError
from mes.intervals import Interval
from mes.model import State, StationId
from simulators.faults import CONTROLLERS
from simulators.line import Change, SimState, UnitRecord
from simulators.mapping import Image, Zeros
from simulators.shape import AlarmWord, Lookup, NodePlace, RegisterPlace, Shown, Totaliser, Words

T0 = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
PAINTED = "good_count: {address: 1001,"
RETROFIT = config_folder() / "retrofit.yaml"
GOOD = Path(__file__).parents[2] / "cases" / "config" / "good" / "plant.yaml"


@pytest.fixture(scope="module")
def retrofit() -> DemoPlant:
    """The plant of older machines."""
    return demo_plant(RETROFIT)


def read(plant: DemoPlant, station: StationId, image: Image) -> dict[TagId, Value | None]:
    """What the collector decodes of all Modbus values of a station that are written to registers."""
    found: dict[TagId, Value | None] = {}
    code = Codes.made(list(plant.config.setups)).of[station]
    shapes = {shape.name: shape for shape in plant.shapes}
    for controller in plant.controllers_of(station):
        memory: dict[tuple[str, int], int] = {}
        for shown in shapes[controller].shown:
            if shown.station == code and isinstance(shown.place, RegisterPlace):
                for step, word in enumerate(shown.place.words(shown.source.value(image))):
                    memory[shown.place.table, shown.place.address + step] = word
        for tag_id, tag in plant.config.tags[controller].items():
            if tag_id.startswith(f"{station}:") and isinstance(tag, ModbusTag):
                words = [memory[str(tag.table), tag.address + step] for step in range(tag.size)]
                found[tag_id] = decode(tag, words).value
    return found


def test_every_state_is_read_as_the_one_that_can_be_shown(retrofit: DemoPlant) -> None:
    """Coils, words of inputs, bit fields and steps: map or rules make of the registers the projected state."""
    for station, setup in retrofit.config.setups.items():
        for state in SimState if station not in retrofit.by_counts else ():
            values = read(retrofit, station, Image(state=state))
            if setup.state_rules is not None:
                inputs = {tag: value for tag, value in values.items() if not isinstance(value, tuple)}
                seen = setup.state_rules.state(inputs)[0]
            else:
                [(tag, signal)] = [(t, s) for t, s in setup.signals.items() if isinstance(s, StateSignal)]
                value = values[tag]
                assert value is not None
                seen = signal.map.state(value)
            assert seen is State(str(retrofit.seen_as[station][state])), (station, state)


def test_every_fault_is_read_by_its_code(retrofit: DemoPlant) -> None:
    """Each fault of a station sets one bit of one of its alarm words, and is read as its code."""
    station = StationId("retrofit/body/respot-1/cell-1")
    setup = retrofit.config.setups[station]
    for number, code in fault_codes(setup, retrofit.config.standards[station]).items():
        values = read(retrofit, station, Image(fault=number))
        codes = [
            found
            for tag, signal in setup.signals.items()
            if isinstance(signal, FaultSignal) and (value := values[tag]) is not None
            for found in signal.codes(value) or ()
        ]
        assert codes == [code]


def test_units_share_a_line_and_stations_have_two_controllers(retrofit: DemoPlant) -> None:
    """Four units are on one line; the welding cells are shown by PLC and timer."""
    lines = [shape.line for shape in retrofit.shapes if shape.line]
    assert len(lines) == 4
    assert len(set(lines)) == 1
    assert retrofit.controllers_of(StationId("retrofit/body/respot-1/cell-1")) == ("cell-plc", "timer-1")


def test_the_example_plant_keeps_its_own_controllers() -> None:
    """Kostanay's simulated controllers are built by hand, not after the file that reads them."""
    plant = demo_plant(None)

    assert (plant.shapes, plant.seen_as, plant.by_counts) == ((), {}, {})
    assert set(plant.config.controllers) == set(CONTROLLERS)
    assert demo_plant(config_folder() / "kostanay.yaml").shapes == ()


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (DataType.UINT16, 65_535),
        (DataType.INT16, -3),
        (DataType.UINT32, 70_000),
        (DataType.INT32, -70_000),
        (DataType.UINT64, 2**40 + 5),
        (DataType.INT64, -(2**40)),
        (DataType.FLOAT32, 1.5),
        (DataType.FLOAT64, -2.25),
        (DataType.STRING, "LJ12EKR2"),
        (DataType.BOOL, True),
    ],
)
@pytest.mark.parametrize("order", list(ByteOrder))
def test_registers_are_written_as_they_are_read(type_: DataType, value: object, order: ByteOrder) -> None:
    """Each type in each order of bytes comes back."""
    length = 8 if type_ is DataType.STRING else None
    tag = ModbusTag(address=0, type=type_, order=order, length=length)
    place = RegisterPlace(table="holding", address=0, type=str(type_), order=str(order), length=length or 0)

    assert decode(tag, place.words(value)).value == value


def test_bits_of_coils_and_words_come_back() -> None:
    """A word is written to coils from the lowest bit on; several words are a list."""
    coils = RegisterPlace(table="coil", address=3, type="bool", count=4)
    assert decode(ModbusTag(address=3, table=Table.COIL, type=DataType.BOOL, count=4), coils.words(0b0110)).value == (
        False, True, True, False,
    )  # fmt: skip
    alarm = AlarmWord({"1": 0, "2": 17}, width=16, words=2)
    assert [alarm.value(Image(fault=fault)) for fault in (0, 1, 2, 150)] == [[0, 0], [1, 0], [0, 2], [0, 0]]
    fail_safe = AlarmWord({"1": 0, "2": 17}, width=16, words=2, rest=0b1)
    assert [fail_safe.value(Image(fault=fault)) for fault in (0, 1, 2)] == [[1, 0], [0, 0], [1, 2]]
    assert alarm.value(Image(fault=2, second_fault=1)) == [1, 2]


def test_stations_may_have_different_bits_of_one_word() -> None:
    """Each sets its own bits and leaves those of the other."""
    place = RegisterPlace(table="holding", address=7, type="uint16")
    words = Words()
    table = {"producing": 0b0101}
    low = Shown("a", place, Lookup("state", table), mask=0b0111)
    high = Shown("b", place, Lookup("state", table), mask=0b1000, shift=3)

    assert words.value(low, 0b0101) == 0b0101
    assert words.value(high, 1) == 0b1101
    assert words.value(low, 0) == 0b1000


@pytest.mark.parametrize(
    ("totaliser", "good", "expected"),
    [
        (Totaliser(("good",), 100, start=98), 3, 1),
        (Totaliser(("good",), 100, down=True, start=0), 3, 97),
        (Totaliser(("good",), 100, signed=True, start=0), 60, -40),
        (Totaliser(("good",), 100, units=2, start=4), 6, 5),
        (Totaliser(("good", "rework", "scrap"), 100), 3, 8),
    ],
)
def test_totalisers_count_as_the_file_says(totaliser: Totaliser, good: int, expected: int) -> None:
    """Wrapping, down, as signed numbers, several units a count, and the sum of all results."""
    assert totaliser.value(Image(zeros=Zeros(good=5), good=good)) == expected


def test_only_totalisers_that_may_be_reset_are() -> None:
    """A reset sets the image's zeros; one that is never reset goes on."""
    reset = Image(good=7).reset()

    assert Totaliser(("good",), 100).value(reset) == 0
    assert Totaliser(("good",), 100, start=5).value(reset) == 12


def test_a_totaliser_of_a_product_counts_its_units_alone() -> None:
    """One unit of each product moves the totaliser of that one; a reset sets back only those that may be reset."""
    image = Image()
    for sequence, product in enumerate(("S3", "S5", "S3"), start=1):
        image = image.after(Change(T0, "B", "completed", UnitRecord(sequence, f"V{sequence}", product, "good", T0)))
    s3, s5 = (Totaliser(("good",), 100, start=98, product=product) for product in ("S3", "S5"))
    assert (s3.value(image), s5.value(image)) == (0, 99)
    assert Totaliser(("scrap",), 100, product="S3").value(image) == 0
    assert Totaliser(("good",), 100, product="S3").value(image) == 2
    assert Totaliser(("good",), 100, product="S3").value(image.reset()) == 0
    assert s3.value(image.reset()) == 0


def test_the_retrofit_plant_has_a_counter_for_each_model(retrofit: DemoPlant) -> None:
    """A unit of a model moves the counter of this model, as the file reads it."""
    station = StationId("retrofit/body/finish-1/brushing")
    unit = UnitRecord(1, "V1", "S5", "good", T0)
    before, after = Image(), Image().after(Change(T0, "brushing", "completed", unit))
    moved = {tag for tag, raw in read(retrofit, station, before).items() if read(retrofit, station, after)[tag] != raw}
    assert moved == {f"{station}:good_count.S5"}


CODES = CodeMap({"4": State.PRODUCING, "auto": State.IDLE}, (CodeRange(4, 9, State.DOWN),), State.STARVED)


@pytest.mark.parametrize("state", [State.PRODUCING, State.IDLE, State.DOWN, State.STARVED])
def test_a_code_of_a_map_is_found(state: State) -> None:
    """By a code, a range beside the codes, and the rest of the map."""
    code = code_for(CODES, state)

    assert code is not None
    assert CODES.state(code) is state
    assert code_for(CODES, State.BLOCKED) is None


BITS = BitMap((BitRule(1 << 3, 0, State.DOWN), BitRule(0b110, 0b010, State.PRODUCING, 0b100)), State.IDLE)


@pytest.mark.parametrize("state", [State.DOWN, State.PRODUCING, State.IDLE])
def test_bits_of_a_map_are_found(state: State) -> None:
    """A bit that must not be set, a field from one number to another, and the rest."""
    found = settings_for(rules_of_bits(BITS), BITS.otherwise, state)

    assert found is not None
    assert BITS.state(sum(int(value) << (field.bits or (0, 0))[0] for field, value in found.items())) is state
    assert settings_for(rules_of_bits(BITS), BITS.otherwise, State.SETUP) is None


STEP, MODE = TagId("step"), TagId("mode")
RULES = StateRules(
    (
        StateRule((Condition(MODE, frozenset({"manual"})),), State.SETUP, ""),
        StateRule((Condition(STEP, frozenset(), 100, 199),), State.PRODUCING, ""),
        StateRule((Condition(STEP, frozenset({"0"}), negated=True),), State.DOWN, ""),
    ),
    State.STARVED,
)


@pytest.mark.parametrize("state", [State.SETUP, State.PRODUCING, State.DOWN, State.STARVED])
def test_values_of_rules_are_found(state: State) -> None:
    """Texts, ranges and negations over several tags."""
    found = settings_for(rules_of_tags(RULES), RULES.otherwise, state)

    assert found is not None
    assert RULES.state({field.tag: value for field, value in found.items()})[0] is state


def test_bits_that_are_looked_at_in_two_ways_are_named() -> None:
    """A field inside another one cannot be set by itself."""
    rules = rules_of_bits(BitMap((BitRule(0b111, 1, State.DOWN), BitRule(0b010, 2, State.IDLE))))

    assert overlap(rules) == Field(TagId(""), (1, 1))
    assert overlap(rules_of_bits(BITS)) is None


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"nsu=urn:weld;s={code}.State"', '"nsu=urn:weld;s=Cell", shared: true', "read the same value"),
        ('node: "nsu=urn:weld;s={code}.State"', 'path: "nsu=urn:weld;Weld/{code}"', "without `path`, `index`"),
        ("nsu=urn:weld;s={code}.State", "nsu=urn:other;s={code}.State", "one namespace"),
        (PAINTED, "product: {address: 1005, characters: 1-2}\n              " + PAINTED, "cut out of an id"),
        (PAINTED, "product: {address: 1005}\n              " + PAINTED, "is a number"),
        (PAINTED, "good_count: {bit: 1, pulse: true, min_pulse_ms: 4000, address: 1001,", "pulses"),
        (PAINTED, "unit_id: {parts: [{address: 1005}, {address: 1006}]}\n              " + PAINTED, "several `parts`"),
        (PAINTED, "unit_id: {address: 1005, bits: 0-3}\n              " + PAINTED, "in some bits"),
        (PAINTED, "good_count: {addresses: [1001, 1009], type: uint32,", "not neighbours"),
        (PAINTED, "good_count: {type: bcd32, address: 1001,", "bcd32 cannot"),
        (
            PAINTED,
            "process: {t: {address: 1005, scale_address: 1006, unit_symbol: C}}\n              " + PAINTED,
            "power of ten",
        ),
    ],
)
def test_what_cannot_be_simulated_is_said(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """A sentence for each, with the tag and what to write instead."""
    text = GOOD.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "plant.yaml"
    file.write_text(text.replace(old, new).replace('raw: ["S3", 3]', 'raw: ["S3"]'), encoding="utf-8")

    with pytest.raises(ConfigError, match=sentence):
        demo_plant(file)


def test_simulated_figures_stay_out_of_the_database_of_the_plant(tmp_path: Path) -> None:
    """A file that names its database is simulated without it."""
    file = tmp_path / "plant.yaml"
    database = "influx: {url: 'http://127.0.0.1:8086', database: taktline}\n"
    file.write_text(GOOD.read_text(encoding="utf-8") + database, encoding="utf-8")

    assert load(file).config.influx is not None
    assert demo_plant(file).config.influx is None


def test_a_good_file_can_be_simulated() -> None:
    """OPC UA states and Modbus maps of a small plant; its stations follow each other."""
    plant = demo_plant(GOOD)

    nodes = [shown.place for shape in plant.shapes for shown in shape.shown if isinstance(shown.place, NodePlace)]
    assert nodes
    assert plant.works == works_of(plant.config, Codes.made(list(plant.config.setups)))


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> DemoPlant:
    """Kostanay's file as somebody's own: it is simulated by what it says."""
    file = tmp_path_factory.mktemp("own") / "plant.yaml"
    file.write_text((config_folder() / "kostanay.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return demo_plant(file)


def test_variables_hold_what_their_type_says(copied: DemoPlant) -> None:
    """A number where the type is one, a text where it is one: a server cannot send anything else."""
    for shape in copied.shapes:
        for shown in (shown for shown in shape.shown if isinstance(shown.place, NodePlace)):
            for image in (Image(), Image(state=SimState.DOWN, fault=101, unit="LJ1", product="S3")):
                value, kind = shown.source.value(image), shown.place.type
                expected = (
                    list if kind == "string[]" else str if kind == "string" else float if kind == "double" else int
                )
                assert isinstance(value, expected), (shown, value)


def test_addresses_are_those_of_the_file_where_they_can_be(retrofit: DemoPlant, copied: DemoPlant) -> None:
    """Ports of this computer are kept, others are given; units on a line have one port; the example has its own."""
    moved, kept, example = addresses(retrofit), addresses(copied), addresses(demo_plant(None))

    assert not moved.as_in_file
    assert len({moved.ports[f"unit-{number}"] for number in (11, 12, 13, 14)}) == 1
    assert len(set(moved.ports.values())) == 4
    assert any(line.endswith("RTU frames over TCP, unit 14") for line in moved.lines)
    assert kept.as_in_file
    assert kept.ports == example.ports == FIXED_PORTS


LIMIT = timedelta(minutes=10)


def at(minute: float) -> datetime:
    """A minute of the story."""
    return T0 + timedelta(minutes=minute)


def test_counts_tell_the_state_by_the_rule() -> None:
    """Producing while a part comes within the limit, else down since the last one, and so after each gap."""
    known = Interval(at(0), at(60))
    turns = told_by_counts([at(5), at(10), at(30), at(55), at(70)], known, LIMIT)

    assert turns == [
        (at(0), SimState.PRODUCING),
        (at(5), SimState.PRODUCING),
        (at(10), SimState.DOWN),
        (at(30), SimState.DOWN),
        (at(55), SimState.PRODUCING),
    ]


def test_gaps_of_nearly_the_limit_are_doubtful() -> None:
    """A gap that a late look may lengthen or shorten past the limit may be told either way, and no other."""
    parts = [at(5), at(15.5), at(40)]

    assert doubtful(parts, [Interval(at(0), at(60))], LIMIT, lambda _: timedelta(seconds=20)) == timedelta(minutes=10.5)
    assert doubtful(parts, [Interval(at(0), at(60))], LIMIT, lambda _: timedelta(seconds=5)) == timedelta()


def test_the_calendar_gives_the_hours(retrofit: DemoPlant) -> None:
    """Work begins with the first shift of the week, and stops for its breaks."""
    hours = CalendarHours(retrofit.config.calendar)
    spans = hours.stretches(T0)

    assert [next(spans) for _ in range(2)] == [(T0, at(120)), (at(135), at(240))]
    assert hours.planned(T0, at(130)) == [(T0, at(120))]
    assert hours.planned(T0, T0) == []
    assert retrofit.start == T0
