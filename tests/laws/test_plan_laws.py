"""Laws of the block planner."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.modbus.read_plan import Limits, Plan, divided, is_divisible, plan
from adapters.reading import TagId
from adapters.settings import DataType, ModbusTag, Table


@st.composite
def tag_sets(draw: st.DrawFn) -> dict[TagId, ModbusTag]:
    """Up to twelve tags in a small address space, so that they touch, overlap and leave gaps."""
    tags: dict[TagId, ModbusTag] = {}
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from([DataType.UINT16, DataType.UINT32, DataType.FLOAT64, DataType.STRING]))
        tags[TagId(f"t{number}")] = ModbusTag(
            address=draw(st.integers(0, 60)),
            table=draw(st.sampled_from([Table.HOLDING, Table.INPUT])),
            type=kind,
            length=draw(st.integers(1, 12)) if kind is DataType.STRING else None,
            count=draw(st.integers(1, 5)),
        )
    return tags


LIMITS = st.integers(6, 20)


def addresses(made: Plan, name: TagId) -> list[int]:
    """The addresses that the parts of a tag stand for, in order."""
    return [
        made.blocks[part.block].address + part.offset + step for part in made.parts[name] for step in range(part.count)
    ]


@given(tags=tag_sets(), limit=LIMITS)
def test_every_tag_finds_exactly_its_registers(tags: dict[TagId, ModbusTag], limit: int) -> None:
    """The parts of a tag are its registers in order, in blocks of its table, cut only between elements."""
    made = plan(tags, Limits(registers=limit))
    for name, tag in tags.items():
        assert addresses(made, name) == list(range(tag.address, tag.address + tag.size))
        for part in made.parts[name]:
            block = made.blocks[part.block]
            assert block.table is tag.table
            assert part.offset + part.count <= block.count
            assert part.count % tag.element_size == 0


@given(tags=tag_sets(), limit=LIMITS)
def test_no_block_is_too_long_or_touches_an_undeclared_address(tags: dict[TagId, ModbusTag], limit: int) -> None:
    """Every address of every block belongs to some tag of its table."""
    declared = {(tag.table, at) for tag in tags.values() for at in range(tag.address, tag.address + tag.size)}
    for block in plan(tags, Limits(registers=limit)).blocks:
        assert 1 <= block.count <= limit
        assert {(block.table, block.address + step) for step in range(block.count)} <= declared


@given(tags=tag_sets(), limit=LIMITS)
def test_no_plan_has_fewer_requests(tags: dict[TagId, ModbusTag], limit: int) -> None:
    """The plan needs no more requests than elements of which no two can share one: that is the least possible."""
    declared = {(tag.table, at) for tag in tags.values() for at in range(tag.address, tag.address + tag.size)}
    elements = sorted(
        {
            (tag.table, at, at + tag.element_size)
            for tag in tags.values()
            for at in range(tag.address, tag.address + tag.size, tag.element_size)
        }
    )
    apart: list[tuple[Table, int, int]] = []
    for table, start, end in elements:
        if apart:
            last_table, last_start, _ = apart[-1]
            between = range(last_start, end)
            if table is last_table and len(between) <= limit and all((table, at) in declared for at in between):
                continue
        apart.append((table, start, end))

    assert len(plan(tags, Limits(registers=limit)).blocks) <= len(apart)


@given(tags=tag_sets(), limit=LIMITS, data=st.data())
def test_the_plan_does_not_depend_on_the_order_of_tags(
    tags: dict[TagId, ModbusTag], limit: int, data: st.DataObject
) -> None:
    """The same tags in another order of the file are asked for in the same requests."""
    shuffled = dict(data.draw(st.permutations(list(tags.items()))))

    assert plan(shuffled, Limits(registers=limit)) == plan(tags, Limits(registers=limit))


@given(tags=tag_sets(), limit=st.integers(1, 20), gap=st.integers(0, 8), data=st.data())
def test_every_tag_finds_its_registers_however_small_requests_are_and_however_often_blocks_are_divided(
    tags: dict[TagId, ModbusTag], limit: int, gap: int, data: st.DataObject
) -> None:
    """In pieces, over gaps, alone and in halves: the parts of a tag are its registers in order, within the limit."""
    apart = data.draw(st.sets(st.sampled_from(sorted(tags))))
    tags = {name: tag.model_copy(update={"alone": name in apart}) for name, tag in tags.items()}
    limits = Limits(registers=limit, gap=gap)
    made = plan(tags, limits)
    for _ in range(data.draw(st.integers(0, 5))):
        if numbers := [number for number in range(len(made.blocks)) if is_divisible(made, number)]:
            made = divided(made, data.draw(st.sampled_from(numbers)), tags, limits)
    for name, tag in tags.items():
        assert addresses(made, name) == list(range(tag.address, tag.address + tag.size))
        assert all(made.blocks[part.block].table is tag.table for part in made.parts[name])
    assert all(1 <= block.count <= limit for block in made.blocks)
    assert all(len({part.block for part in pieces.parts}) > 1 for pieces in made.pieces)
