"""Which blocks of registers to ask for, so that few requests bring all tags and none touches an undeclared address."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from adapters.reading import TagId
from adapters.settings import ModbusTag, Table

MAX_BITS = 2000  # the protocol's limit for one request of functions 1 and 2


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers (or bits) of a table from `address` on."""

    table: Table
    address: int
    count: int

    def __str__(self) -> str:
        """As an engineer names it: table and addresses."""
        return f"{self.table} {self.address} to {self.address + self.count - 1}"


@dataclass(frozen=True, slots=True)
class Part:
    """Where a piece of a tag lies: `count` words of block number `block`, from its `offset` on; whole elements."""

    block: int
    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of one poll cycle; the words of a tag are those of its parts, one after the other."""

    blocks: tuple[Block, ...]
    parts: Mapping[TagId, tuple[Part, ...]]


@dataclass(frozen=True, slots=True, order=True)
class _Element:
    start: int
    end: int  # exclusive


def plan(tags: Mapping[TagId, ModbusTag], *, max_registers: int) -> Plan:
    """The fewest blocks that hold every element of every tag whole; equal tags give an equal plan.

    A block has at most `max_registers` registers (1 to 125) or 2000 bits, and covers declared addresses only.
    Raises ValueError if one element is larger than a request may be.
    """
    blocks: list[Block] = []
    homes: dict[tuple[Table, _Element], int] = {}
    for table in Table:
        limit = MAX_BITS if table in (Table.COIL, Table.DISCRETE) else max_registers
        elements = {element for tag in tags.values() if tag.table is table for element in _elements(tag)}
        for run in _runs(sorted(elements)):
            for block, inside in _cut(table, run, limit=limit):
                homes.update(((table, element), len(blocks)) for element in inside)
                blocks.append(block)
    return Plan(
        tuple(blocks),
        {name: tuple(_parts(tag, blocks, homes)) for name, tag in tags.items()},
    )


def sync_block(blocks: Sequence[Block]) -> Block | None:
    """A part of one block whose answer has another shape than that of every block; None if there is none.

    Read after all blocks, it shows that no answer was taken for another's: had one, its answer were one of theirs.
    """
    shapes = {_shape(block) for block in blocks}
    for block in blocks:
        for count in range(1, block.count):
            part = Block(block.table, block.address, count)
            if _shape(part) not in shapes:
                return part
    return None


def _shape(block: Block) -> tuple[Table, int]:
    """What tells answers apart: the function, and the number of registers or of bytes with bits."""
    return block.table, (block.count + 7) // 8 if block.table in (Table.COIL, Table.DISCRETE) else block.count


def _elements(tag: ModbusTag) -> Iterable[_Element]:
    size = tag.element_size
    for first in range(tag.address, tag.address + tag.size, size):
        yield _Element(first, first + size)


def _runs(elements: Iterable[_Element]) -> Iterable[list[_Element]]:
    """Groups sorted elements that touch or overlap; between two groups lies an undeclared address."""
    run: list[_Element] = []
    reach = 0
    for element in elements:
        if run and element.start > reach:
            yield run
            run = []
        reach = max(reach, element.end) if run else element.end
        run.append(element)
    if run:
        yield run


def _cut(table: Table, run: list[_Element], *, limit: int) -> Iterable[tuple[Block, list[_Element]]]:
    """Cuts a run from the left.

    The leftmost open element must lie in some block, and none reaches further to the right than the one that starts
    with it; taking all that this block can hold is therefore minimal.
    """
    left = run
    while left:
        start = left[0].start
        inside = [element for element in left if element.end <= start + limit]
        if left[0] not in inside:
            size = left[0].end - start
            raise ValueError(f"{table} {start}: one value takes {size} registers, a request may have {limit}")
        left = [element for element in left if element.end > start + limit]
        yield Block(table, start, max(element.end for element in inside) - start), inside


def _parts(tag: ModbusTag, blocks: list[Block], homes: Mapping[tuple[Table, _Element], int]) -> Iterable[Part]:
    for home, together in groupby(_elements(tag), key=lambda element: homes[tag.table, element]):
        elements = list(together)
        yield Part(
            home, elements[0].start - blocks[home].address, sum(element.end - element.start for element in elements)
        )
