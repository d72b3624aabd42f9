"""Which blocks are asked for."""

import pytest

from adapters.modbus.poll_rate import next_beat
from adapters.modbus.read_plan import Block, Limits, Part, Pieces, divided, is_divisible, plan, sync_block
from adapters.reading import TagId
from adapters.settings import ByteOrder, DataType, ModbusTag, Table


def test_contiguous_tags_share_a_request_and_gaps_part_them() -> None:
    """Neighbours are read together; an undeclared address between two tags is never read."""
    tags = {
        TagId("c"): ModbusTag(address=13),
        TagId("a"): ModbusTag(address=10),
        TagId("b"): ModbusTag(address=11, type=DataType.FLOAT32),
        TagId("far"): ModbusTag(address=15),
    }
    made = plan(tags, Limits())

    assert made.blocks == (Block(Table.HOLDING, 10, 4), Block(Table.HOLDING, 15, 1))
    assert made.parts[TagId("b")] == (Part(0, 1, 2),)
    assert made.parts[TagId("far")] == (Part(1, 0, 1),)


def test_a_paint_station_takes_six_requests() -> None:
    """The example plant's station (status and counters, VIN, climate, log of 16 entries) is read in six requests."""
    tags = {TagId(f"n{step}"): ModbusTag(address=1000 + step) for step in range(5)}
    tags[TagId("vin")] = ModbusTag(address=1010, type=DataType.STRING, length=17)
    tags[TagId("temperature")] = ModbusTag(address=1030, type=DataType.FLOAT32)
    tags[TagId("humidity")] = ModbusTag(address=1032, type=DataType.FLOAT32)
    tags[TagId("log")] = ModbusTag(address=1100, type=DataType.STRING, length=40, count=16)
    made = plan(tags, Limits())

    assert [block.count for block in made.blocks] == [5, 9, 4, 120, 120, 80]
    assert made.parts[TagId("log")] == (Part(3, 0, 120), Part(4, 0, 120), Part(5, 0, 80))


def test_a_bit_and_its_word_are_one_register() -> None:
    """Tags may overlap; the register is read once."""
    tags = {TagId(f"bit{bit}"): ModbusTag(address=5, bit=bit) for bit in range(16)}
    tags[TagId("word")] = ModbusTag(address=5, type=DataType.BITS)

    assert plan(tags, Limits()).blocks == (Block(Table.HOLDING, 5, 1),)


def test_tables_are_apart_and_bits_have_their_own_limit() -> None:
    """Equal addresses of different tables are different things; up to 2000 coils go into one request."""
    tags = {
        TagId("coils"): ModbusTag(address=0, table=Table.COIL, type=DataType.BOOL, count=1000),
        TagId("more"): ModbusTag(address=1000, table=Table.COIL, type=DataType.BOOL, count=1000),
        TagId("last"): ModbusTag(address=2000, table=Table.COIL, type=DataType.BOOL),
        TagId("input"): ModbusTag(address=0, table=Table.INPUT),
    }

    assert plan(tags, Limits(registers=10)).blocks == (
        Block(Table.COIL, 0, 2000),
        Block(Table.COIL, 2000, 1),
        Block(Table.INPUT, 0, 1),
    )


@pytest.mark.parametrize(
    ("type_", "order", "moving"),
    [
        (DataType.UINT64, ByteOrder.ABCD, 1),
        (DataType.UINT64, ByteOrder.BADC, 1),
        (DataType.UINT64, ByteOrder.CDAB, 0),
        (DataType.FLOAT64, ByteOrder.DCBA, 0),
        (DataType.STRING, ByteOrder.ABCD, None),
    ],
)
def test_a_value_larger_than_a_request_is_read_in_pieces(type_: DataType, order: ByteOrder, moving: int | None) -> None:
    """Its pieces are named in order, with the one that may move between two readings."""
    length = 8 if type_ is DataType.STRING else None
    made = plan({TagId("total"): ModbusTag(address=5, type=type_, order=order, length=length)}, Limits(registers=2))

    assert made.blocks == (Block(Table.HOLDING, 5, 2), Block(Table.HOLDING, 7, 2))
    assert made.parts[TagId("total")] == (Part(0, 0, 2), Part(1, 0, 2))
    assert made.pieces == (Pieces((TagId("total"),), (Part(0, 0, 2), Part(1, 0, 2)), moving),)


def test_tags_that_are_one_value_are_its_pieces_where_they_need_several_requests() -> None:
    """Of each value that several tags are; tags in one request, and those that stand alone, are none."""
    tags = {
        TagId("a.1"): ModbusTag(address=0, type=DataType.STRING, length=4, together="a"),
        TagId("a.2"): ModbusTag(address=20, together="a"),
        TagId("b.1"): ModbusTag(address=2, together="b"),
        TagId("b.2"): ModbusTag(address=3, together="b"),
        TagId("state"): ModbusTag(address=21),
    }

    assert plan(tags, Limits()).pieces == (Pieces((TagId("a.1"), TagId("a.2")), (Part(0, 0, 2), Part(1, 0, 1)), None),)
    assert plan(tags, Limits(gap=20)).pieces == ()


@pytest.mark.parametrize(("addresses", "moving"), [((40, 52), 1), ((52, 40), 1)])
def test_registers_that_are_not_neighbours_are_one_value(addresses: tuple[int, int], moving: int) -> None:
    """Its registers come in the file's order, from two requests, or from one that may read over the gap."""
    tags = {
        TagId("total"): ModbusTag(address=addresses[0], addresses=addresses, type=DataType.UINT32),
        TagId("between"): ModbusTag(address=41),
    }
    made, joined = plan(tags, Limits()), plan(tags, Limits(gap=20))
    places = {40: Part(0, 0, 1), 52: Part(1, 0, 1)}

    assert made.blocks == (Block(Table.HOLDING, 40, 2), Block(Table.HOLDING, 52, 1))
    assert made.parts[TagId("total")] == tuple(places[address] for address in addresses)
    assert made.pieces == (Pieces((TagId("total"),), made.parts[TagId("total")], moving),)
    assert joined.blocks == (Block(Table.HOLDING, 40, 13),)
    assert {part.offset for part in joined.parts[TagId("total")]} == {0, 12}
    assert joined.pieces == ()


def test_a_power_of_ten_is_the_last_word_of_its_value() -> None:
    """It comes with the value's request, or from its own: then the value may move between its two readings."""
    tags = {
        TagId("near"): ModbusTag(address=10, scale_address=11),
        TagId("far"): ModbusTag(address=20, type=DataType.UINT32, scale_address=5),
        TagId("swapped"): ModbusTag(address=20, type=DataType.UINT32, order=ByteOrder.CDAB, scale_address=5),
    }
    made = plan(tags, Limits())

    assert made.blocks == tuple(Block(Table.HOLDING, address, count) for address, count in ((5, 1), (10, 2), (20, 2)))
    assert made.parts[TagId("near")] == (Part(1, 0, 2),)
    assert [(pieces.tags, pieces.parts, pieces.moving) for pieces in made.pieces] == [
        ((name,), (Part(2, 0, 2), Part(0, 0, 1)), 0) for name in ("far", "swapped")
    ]


def test_registers_of_a_value_that_are_neighbours_of_one_block_are_one_part() -> None:
    """Four registers in two pairs are two parts, and a value whose halves stand the wrong way round is two."""
    tags = {
        TagId("pairs"): ModbusTag(address=1, addresses=(1, 2, 7, 8), type=DataType.UINT64),
        TagId("swapped"): ModbusTag(address=21, addresses=(21, 20), type=DataType.UINT32),
    }
    made = plan(tags, Limits())

    assert made.parts[TagId("pairs")] == (Part(0, 0, 2), Part(1, 0, 2))
    assert made.parts[TagId("swapped")] == (Part(2, 1, 1), Part(2, 0, 1))
    assert [pieces.tags for pieces in made.pieces] == [("pairs",)]


def test_gaps_are_read_over_only_as_far_as_they_may_be() -> None:
    """One unused register between two tags is one request where one may be read over, and two are not."""
    tags = {TagId(f"t{address}"): ModbusTag(address=address) for address in (100, 102, 104, 107)}

    made = plan(tags, Limits(gap=1))

    assert made.blocks == (Block(Table.HOLDING, 100, 5), Block(Table.HOLDING, 107, 1))
    assert made.parts[TagId("t104")] == (Part(0, 4, 1),)
    assert len(plan(tags, Limits()).blocks) == 4
    assert len(plan(tags, Limits(gap=2)).blocks) == 1


def test_what_must_be_read_alone_has_a_request_of_its_own() -> None:
    """Its neighbours are read without it; two tags on the same registers share the request."""
    tags = {
        TagId("left"): ModbusTag(address=10),
        TagId("alone"): ModbusTag(address=11, type=DataType.UINT32, alone=True),
        TagId("twin"): ModbusTag(address=11, type=DataType.INT32),
        TagId("right"): ModbusTag(address=13),
    }
    made = plan(tags, Limits(gap=5))

    assert made.blocks == (Block(Table.HOLDING, 11, 2), Block(Table.HOLDING, 10, 4))
    assert made.parts[TagId("alone")] == made.parts[TagId("twin")] == (Part(0, 0, 2),)
    assert len(plan(tags, Limits()).blocks) == 3


def test_tags_with_an_interval_of_their_own_have_blocks_of_their_own() -> None:
    """Neighbours of equal intervals share a request; a register of two tags is polled as the faster one wants."""
    tags = {
        TagId("state"): ModbusTag(address=0),
        TagId("energy"): ModbusTag(address=1, poll_interval_ms=60_000),
        TagId("water"): ModbusTag(address=2, poll_interval_ms=60_000),
        TagId("word"): ModbusTag(address=3, type=DataType.BITS, poll_interval_ms=60_000),
        TagId("bit"): ModbusTag(address=3, bit=1),
    }
    made = plan(tags, Limits(gap=9))

    assert [(block.address, block.count) for block in made.blocks] == [(0, 4), (1, 2)]
    assert made.every_ms == (0, 60_000)
    assert divided(made, 1, tags, Limits(gap=9)).every_ms == (0, 60_000, 60_000)


def test_bits_have_a_limit_of_their_own() -> None:
    """A device that gives eight bits at a time is asked for eight at a time."""
    tags = {TagId("coils"): ModbusTag(address=0, table=Table.COIL, type=DataType.BOOL, count=20)}

    assert [block.count for block in plan(tags, Limits(registers=1, bits=8)).blocks] == [8, 8, 4]


def test_a_block_is_divided_between_its_values() -> None:
    """Both halves hold whole values, other blocks stay, and one value cannot be divided."""
    tags = {
        TagId("far"): ModbusTag(address=0),
        TagId("total"): ModbusTag(address=10, type=DataType.UINT32),
        TagId("state"): ModbusTag(address=12),
    }
    made = divided(plan(tags, Limits()), 1, tags, Limits())

    assert made.blocks == (Block(Table.HOLDING, 0, 1), Block(Table.HOLDING, 10, 2), Block(Table.HOLDING, 12, 1))
    assert made.parts[TagId("state")] == (Part(2, 0, 1),)
    assert not any(is_divisible(made, number) for number in range(3))


@pytest.mark.parametrize(
    ("due_s", "now_s", "beat_s"),
    [
        (10.0, 10.2, 11.0),  # the cycle was short: the next beat of the grid, not one interval after its end
        (10.0, 10.0, 11.0),
        (10.0, 11.0, 11.0),
        (10.0, 13.4, 14.0),  # missed beats are left out, not made up for
    ],
)
def test_beats_keep_their_grid(due_s: float, now_s: float, beat_s: float) -> None:
    """Polling neither drifts nor bursts."""
    assert next_beat(due_s, now_s=now_s, interval_s=1.0) == beat_s


def test_a_block_is_named_as_an_engineer_names_it() -> None:
    """Its table, its first and its last address."""
    assert str(Block(Table.HOLDING, 100, 3)) == "holding 100 to 102"
    assert str(Block(Table.COIL, 7, 1)) == "coil 7"


@pytest.mark.parametrize(
    ("blocks", "part"),
    [
        ([(Table.HOLDING, 100, 2), (Table.HOLDING, 200, 2)], (Table.HOLDING, 100, 1)),
        ([(Table.HOLDING, 100, 1), (Table.HOLDING, 200, 3)], (Table.HOLDING, 200, 2)),
        ([(Table.HOLDING, 100, 1), (Table.INPUT, 200, 2)], (Table.INPUT, 200, 1)),
        ([(Table.HOLDING, 100, 1), (Table.HOLDING, 200, 1)], None),
        ([(Table.HOLDING, 100, 1), (Table.HOLDING, 200, 2)], None),
        ([(Table.COIL, 0, 8), (Table.COIL, 100, 3)], None),
        ([(Table.COIL, 0, 9), (Table.COIL, 100, 9)], (Table.COIL, 0, 1)),
    ],
)
def test_a_part_with_a_shape_of_its_own(
    blocks: list[tuple[Table, int, int]], part: tuple[Table, int, int] | None
) -> None:
    """It lies within one block, and no whole block has as many registers, or bytes with bits, in its table."""
    assert sync_block([Block(*block) for block in blocks]) == (None if part is None else Block(*part))
