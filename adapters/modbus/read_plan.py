"""Which blocks of registers to ask for, so that few requests bring all tags within what the device allows."""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.reading import TagId
from adapters.settings import ByteOrder, DataType, ModbusTag, Table

MAX_BITS = 2000  # the protocol's limit for one request of functions 1 and 2


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers (or bits) of a table from `address` on."""

    table: Table
    address: int
    count: int

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.count

    def __str__(self) -> str:
        """As an engineer names it: table and addresses."""
        last = "" if self.count == 1 else f" to {self.end - 1}"
        return f"{self.table} {self.address}{last}"


@dataclass(frozen=True, slots=True)
class Part:
    """Where a piece of a tag lies: `count` words of block number `block`, from its `offset` on."""

    block: int
    offset: int
    count: int


@dataclass(frozen=True, slots=True, order=True)
class Element:
    """Registers (or bits) that are asked for in one request: one value, or a piece of one that no request can hold."""

    start: int
    end: int  # exclusive


@dataclass(frozen=True, slots=True)
class Pieces:
    """A value that no single request brings, of one tag or of several together: its pieces, in order.

    `moving`: the position of the least significant piece, which may move from one reading to the next; None: none may.
    """

    tags: tuple[TagId, ...]
    parts: tuple[Part, ...]
    moving: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of one poll cycle; the words of a tag are those of its parts, one after the other.

    `elements`: those of each block, in order. `pieces`: the values that are spread over several requests. `every_ms`:
    how often each block is asked for, 0 in each cycle.
    """

    blocks: tuple[Block, ...]
    parts: Mapping[TagId, tuple[Part, ...]]
    elements: tuple[tuple[Element, ...], ...] = ()
    pieces: tuple[Pieces, ...] = ()
    every_ms: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device allows in one request: registers (1 to 125), bits (1 to 2000), and addresses that no tag has."""

    registers: int = 125
    bits: int = MAX_BITS
    gap: int = 0

    def of(self, table: Table) -> int:
        """Registers, or bits, in one request."""
        return self.bits if table in (Table.COIL, Table.DISCRETE) else self.registers


_Group = tuple[Table, Sequence[Element], int]  # with the interval in milliseconds


def plan(tags: Mapping[TagId, ModbusTag], limits: Limits) -> Plan:
    """The fewest blocks that hold every element of every tag whole; equal tags give an equal plan.

    A block covers declared addresses, and gaps of up to `limits.gap` between them. A value larger than a request may be
    is cut into pieces. A tag that must be read `alone` has blocks of its own, and so have tags of another interval.
    """
    groups: list[_Group] = []
    for table in Table:
        inside = [tag for tag in tags.values() if tag.table is table]
        every_ms: dict[Element, int] = {}  # that of the tag that needs it most often
        for tag in inside:
            for element in _elements(tag, limits):
                every_ms[element] = min(every_ms.get(element, sys.maxsize), tag.poll_interval_ms or 0)
        apart = {tuple(sorted(_elements(tag, limits))) for tag in inside if tag.alone}
        left = set(every_ms) - {element for elements in apart for element in elements}
        for elements in (*sorted(apart), tuple(sorted(left))):
            for interval_ms in sorted({every_ms[element] for element in elements}):
                alike = (element for element in elements if every_ms[element] == interval_ms)
                for run in _runs(alike, gap=limits.gap):
                    groups += ((table, cut, interval_ms) for cut in _cut(run, limit=limits.of(table)))
    return _laid_out(tags, limits, groups)


def is_divisible(made: Plan, number: int) -> bool:
    """Whether a block holds more than one element."""
    return len(made.elements[number]) > 1


def divided(made: Plan, number: int, tags: Mapping[TagId, ModbusTag], limits: Limits) -> Plan:
    """The same plan with block `number`, which is divisible, in two halves: `number` and `number` + 1."""
    groups: list[_Group] = [
        (block.table, elements, every_ms)
        for block, elements, every_ms in zip(made.blocks, made.elements, made.every_ms, strict=True)
    ]
    table, elements, interval_ms = groups[number]
    half = len(elements) // 2
    groups[number : number + 1] = [(table, elements[:half], interval_ms), (table, elements[half:], interval_ms)]
    return _laid_out(tags, limits, groups)


def _laid_out(tags: Mapping[TagId, ModbusTag], limits: Limits, groups: Sequence[_Group]) -> Plan:
    """The plan whose blocks hold these groups of elements."""
    blocks: list[Block] = []
    homes: dict[tuple[Table, Element], int] = {}
    for number, (table, elements, _) in enumerate(groups):
        start = elements[0].start
        blocks.append(Block(table, start, max(element.end for element in elements) - start))
        homes.update(((table, element), number) for element in elements)
    return Plan(
        tuple(blocks),
        {name: tuple(_parts(tag, limits, blocks, homes)) for name, tag in tags.items()},
        tuple(tuple(elements) for _, elements, _ in groups),
        (
            *(pieces for name, tag in tags.items() for pieces in _pieces(name, tag, limits, blocks, homes)),
            *_together(tags, limits, blocks, homes),
        ),
        tuple(every_ms for *_, every_ms in groups),
    )


def sync_block(blocks: Sequence[Block], refused: Collection[Block] = ()) -> Block | None:
    """A part of a block that is not refused, with an answer of another shape than that of every block; None if none is.

    Read after all blocks, it shows that no answer was taken for another's: had one, its answer were one of theirs.
    """
    shapes = {_shape(block) for block in blocks}
    for block in blocks:
        for count in range(1, 1 if block in refused else block.count):
            part = Block(block.table, block.address, count)
            if _shape(part) not in shapes:
                return part
    return None


def _shape(block: Block) -> tuple[Table, int]:
    """What tells answers apart: the function, and the number of registers or of bytes with bits."""
    return block.table, (block.count + 7) // 8 if block.table in (Table.COIL, Table.DISCRETE) else block.count


def _elements(tag: ModbusTag, limits: Limits) -> Iterator[Element]:
    for value in _values(tag, limits):
        yield from value


def _values(tag: ModbusTag, limits: Limits) -> Iterator[list[Element]]:
    """The elements of each value of a tag, in order; that of its power of ten is the last."""
    power = [] if tag.scale_address is None else [Element(tag.scale_address, tag.scale_address + 1)]
    for digits in _digits(tag, limits):
        yield digits + power


def _digits(tag: ModbusTag, limits: Limits) -> Iterator[list[Element]]:
    """The same without powers of ten."""
    if tag.addresses:
        yield [Element(run.start, run.stop) for run in tag.runs]
        return
    size, limit = tag.element_size, limits.of(tag.table)
    for first in range(tag.address, tag.address + tag.size, size):
        yield [Element(start, min(start + limit, first + size)) for start in range(first, first + size, limit)]


def _runs(elements: Iterable[Element], *, gap: int) -> Iterator[list[Element]]:
    """Groups sorted elements, one at least; between two groups lie more than `gap` undeclared addresses."""
    run: list[Element] = []
    reach = 0
    for element in elements:
        if run and element.start > reach + gap:
            yield run
            run = []
        reach = max(reach, element.end) if run else element.end
        run.append(element)
    yield run


def _cut(run: list[Element], *, limit: int) -> Iterator[list[Element]]:
    """Cuts a run from the left; each element has at most `limit` registers.

    The leftmost open element must lie in some block, and none reaches further to the right than the one that starts
    with it; taking all that this block can hold is therefore minimal.
    """
    left = run
    while left:
        end = left[0].start + limit
        yield [element for element in left if element.end <= end]
        left = [element for element in left if element.end > end]


def _parts(
    tag: ModbusTag, limits: Limits, blocks: Sequence[Block], homes: Mapping[tuple[Table, Element], int]
) -> list[Part]:
    return _joined(tag.table, _elements(tag, limits), blocks, homes)


def _joined(
    table: Table, elements: Iterable[Element], blocks: Sequence[Block], homes: Mapping[tuple[Table, Element], int]
) -> list[Part]:
    """Where elements lie, neighbours of one block together."""
    parts: list[Part] = []
    for element in elements:
        home = homes[table, element]
        part = Part(home, element.start - blocks[home].address, element.end - element.start)
        last = parts[-1] if parts else None
        if last is not None and last.block == home and last.offset + last.count == part.offset:
            parts[-1] = Part(home, last.offset, last.count + part.count)
        else:
            parts.append(part)
    return parts


def _pieces(
    name: TagId,
    tag: ModbusTag,
    limits: Limits,
    blocks: Sequence[Block],
    homes: Mapping[tuple[Table, Element], int],
) -> Iterator[Pieces]:
    """The values of a tag that are spread over several requests."""
    for value, digits in zip(_values(tag, limits), _digits(tag, limits), strict=True):
        if len({homes[tag.table, element] for element in value}) > 1:
            parts = tuple(_joined(tag.table, value, blocks, homes))
            last = len(_joined(tag.table, digits, blocks, homes)) - 1
            moving = 0 if tag.order in (ByteOrder.CDAB, ByteOrder.DCBA) else last
            yield Pieces((name,), parts, None if tag.type is DataType.STRING else moving)


def _together(
    tags: Mapping[TagId, ModbusTag],
    limits: Limits,
    blocks: Sequence[Block],
    homes: Mapping[tuple[Table, Element], int],
) -> Iterator[Pieces]:
    """The values that are of several tags, and spread over several requests."""
    for value in dict.fromkeys(tag.together for tag in tags.values() if tag.together is not None):
        members = {name: tag for name, tag in tags.items() if tag.together == value}
        parts = tuple(part for tag in members.values() for part in _parts(tag, limits, blocks, homes))
        if len({part.block for part in parts}) > 1:
            yield Pieces(tuple(members), parts, None)
