"""The last answers of a device, block by block: readings of tags, and diagnostics of what cannot be read; pure."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.modbus.answers import BlockAnswer
from adapters.modbus.decode import BAD, Decoded, decode, fault, may_be_torn
from adapters.modbus.read_plan import Block, Part, Plan
from adapters.reading import Reading, TagId
from adapters.settings import FIRST_IN_MANUALS, DataType, ModbusTag, Table

TAGS_NAMED = 5  # in one sentence

SLACK_S = 0.02  # a poll may come so much earlier than the last answer plus the interval
DIVIDED = (2, 3)  # exception codes with which one register, or the length of a request, refuses a whole block

_REFUSALS = {
    1: ("illegal function", "choose the `table` that the device has, it does not know this one: try `table: {other}`"),
    2: ("illegal address", "correct `address` and `table` by the device's manual, which may count from 1{manual}"),
    3: ("illegal value", "correct `type` and `length`: the device may hold this value in more or fewer registers"),
}
_FAILURES = {4: "failure of the device", 5: "not yet", 6: "busy"}
_OTHER_TABLES = {
    Table.HOLDING: "input` or `coil",
    Table.INPUT: "holding` or `discrete",
    Table.COIL: "discrete` or `holding",
    Table.DISCRETE: "coil` or `input",
}


class RegisterImage:
    """What is known of a device's registers while an adapter lives."""

    def __init__(self, tags: Mapping[TagId, ModbusTag], plan: Plan, *, refused_retry_s: float) -> None:
        """`refused_retry_s` > 0: how long a refused block is left out; `plan` has a part for each of `tags`."""
        self._tags = tags
        self._long = {
            name: tag for name, tag in tags.items() if tag.element_size > 1 and tag.type is not DataType.STRING
        }
        self._plan = plan
        self._refused_retry_s = refused_retry_s
        self._answers: dict[Block, BlockAnswer] = {}
        self._times: dict[Block, datetime] = {}
        self._believed: dict[Block, tuple[int, ...]] = {}
        self._answered_s: dict[Block, float] = {}
        self._refused_s: dict[Block, float] = {}
        self._decoded: dict[TagId, tuple[tuple[int, ...], Decoded]] = {}
        self._unreadable: dict[TagId, Diagnostic] = {}
        self.unsteady: frozenset[TagId] = frozenset()  # their pieces are not of one value

    @property
    def answered(self) -> bool:
        """Whether the device gave the words of any block."""
        return bool(self._believed)

    def replan(self, plan: Plan) -> None:
        """Reads the tags from the blocks of another plan from now on; each of them needs an answer."""
        self._plan = plan
        for known in (self._answers, self._times, self._believed, self._answered_s, self._refused_s):
            for block in known.keys() - set(plan.blocks):
                del known[block]

    def due(self, *, real_s: float) -> list[int]:
        """The numbers of the blocks that are asked for in this cycle, in order.

        All are, but for those that were refused or have an interval of their own. Blocks that hold pieces of one value
        are asked for together.
        """
        due = {number for number in range(len(self._plan.blocks)) if self._is_due(number, real_s=real_s)}
        refused = {number for number, block in enumerate(self._plan.blocks) if block in self._refused_s}
        values = [{part.block for part in pieces.parts} - refused for pieces in self._plan.pieces]
        while any(due & blocks and blocks - due for blocks in values):
            due |= {number for blocks in values if due & blocks for number in blocks}
        return sorted(due)

    def _is_due(self, number: int, *, real_s: float) -> bool:
        block = self._plan.blocks[number]
        if block in self._refused_s:
            return real_s >= self._refused_s[block] + self._refused_retry_s
        return real_s >= self._answered_s.get(block, -math.inf) + self._plan.every_ms[number] / 1000 - SLACK_S

    def believed(self, block: Block) -> tuple[int, ...]:
        """What the device said last of a block; empty before it said anything."""
        return self._believed.get(block, ())

    def can_tear(self, block: Block) -> bool:
        """Whether a block holds a number of several registers, which a device may change one by one."""
        return next(self._numbers(block), None) is not None

    def is_torn(self, block: Block, before: tuple[int, ...], words: tuple[int, ...]) -> bool:
        """Whether a number went so far from `before` that the answer must be confirmed before it is believed."""
        if not before or not words or before == words:
            return False
        return any(
            may_be_torn(tag, _words(parts, before)[: tag.size], _words(parts, words)[: tag.size])
            for tag, parts in self._numbers(block)
        )

    def _numbers(self, block: Block) -> Iterator[tuple[ModbusTag, list[Part]]]:
        """The numbers of several registers of which a block holds whole elements, and where."""
        for name, tag in self._long.items():
            parts = [part for part in self._plan.parts[name] if self._plan.blocks[part.block] == block]
            held = min(sum(part.count for part in parts), tag.size)  # without its power of ten
            if held and held % tag.element_size == 0:
                yield tag, parts

    def update(self, block: Block, answer: BlockAnswer, *, received: datetime, real_s: float) -> None:
        """Takes the answer of a block, which came at `received` (the program's clock), `real_s` (real seconds)."""
        self._times[block] = received
        self._answers[block] = answer
        self._answered_s[block] = real_s
        if answer.code in _REFUSALS:
            self._refused_s[block] = real_s
        else:
            self._refused_s.pop(block, None)
        if answer.code == 0:
            self._believed[block] = answer.words

    def exception(self, tag: TagId) -> str:
        """What the device says in place of a tag's value; empty if it says nothing of the kind."""
        codes = (self._answers[self._plan.blocks[part.block]].code for part in self._plan.parts[tag])
        code = next((code for code in codes if code > 0), 0)
        return f"the device answers with {exception_text(code)}" if code else ""

    def check_refusals(self) -> None:
        """If all blocks are refused from the start, the file is wrong; if only later, the device has changed.

        Raises ControllerMisconfigured or ControllerUnavailable.
        """
        blocks = self._plan.blocks
        if not blocks or any(block not in self._refused_s for block in blocks):
            return
        what, remedy = _refusal(blocks[0], self._answers[blocks[0]].code)
        detail = f"the device refuses everything ({what}), {blocks[0]} for one"
        if self._believed:
            raise ControllerUnavailable(f"{detail}; it answered before")
        raise ControllerMisconfigured(f"{detail}: {remedy}")

    def readings(self) -> Mapping[TagId, Reading]:
        """All tags in configured order, as soon as each block has an answer."""
        return {tag: self._reading(tag) for tag in self._tags}

    def diagnostics(self) -> Iterator[Diagnostic]:
        """One for each run of registers that the device refuses, with its tags; then one for each unreadable value."""
        for span, code, numbers in self._refused_runs():
            tags = tuple(tag for tag, parts in self._plan.parts.items() if any(part.block in numbers for part in parts))
            what, remedy = _refusal(span, code)
            text = f"{span} is refused ({what}) and asked for again: {_named(tags)}"
            yield Diagnostic(DiagnosticCode.TAG_REFUSED, text, remedy, tags)
        yield from self._unreadable.values()

    def _refused_runs(self) -> Iterator[tuple[Block, int, set[int]]]:
        """Refused blocks that touch are one run: what it spans, the exception code, and the numbers of its blocks."""
        run: tuple[Block, int, set[int]] | None = None
        for number, block in enumerate(self._plan.blocks):
            answer = self._answers.get(block)
            code = 0 if answer is None else answer.code
            if run is not None and code == run[1] and run[0].table is block.table and run[0].end == block.address:
                run = (Block(block.table, run[0].address, run[0].count + block.count), code, run[2] | {number})
                continue
            if run is not None:
                yield run
            run = (block, code, {number}) if code in _REFUSALS else None
        if run is not None:
            yield run

    def _reading(self, tag: TagId) -> Reading:
        parts = [(self._plan.blocks[part.block], part) for part in self._plan.parts[tag]]
        received = max(self._times[block] for block, _ in parts)
        if tag in self.unsteady or any(self._answers[block].code for block, _ in parts):
            return Reading(tag, BAD.value, BAD.quality, None, received)
        words: tuple[int, ...] = ()
        for block, part in parts:
            words += self._answers[block].words[part.offset : part.offset + part.count]
        before = self._decoded.get(tag)
        if before is None or before[0] != words:  # most registers stand still from cycle to cycle
            before = self._decoded[tag] = (words, decode(self._tags[tag], words))
            self._judge(tag, words)
        return Reading(tag, before[1].value, before[1].quality, None, received)

    def _judge(self, tag: TagId, words: Sequence[int]) -> None:
        """Keeps a diagnostic of a value that is not what the tag's type says."""
        self._unreadable.pop(tag, None)
        found = fault(self._tags[tag], words)
        if found is not None:
            what, remedy = found
            self._unreadable[tag] = Diagnostic(DiagnosticCode.VALUE_UNREADABLE, f"tag {tag}: {what}", remedy, (tag,))


def exception_text(code: int) -> str:
    """An exception code of Modbus with its meaning: `exception 2 (illegal address)`."""
    name = _REFUSALS[code][0] if code in _REFUSALS else _FAILURES.get(code, "of the device's own")
    return f"exception {code} ({name})"


def _refusal(block: Block, code: int) -> tuple[str, str]:
    """What a device says with an exception code, and the remedy."""
    what, remedy = _REFUSALS[code]
    first = FIRST_IN_MANUALS.get(block.table, math.inf)
    manual = f"; {block.address} of a manual is {block.address - first:.0f} here" if block.address >= first else ""
    return what, remedy.format(other=_OTHER_TABLES[block.table], manual=manual)


def _words(parts: Iterable[Part], words: tuple[int, ...]) -> tuple[int, ...]:
    """What a block's words say of these parts of it."""
    return tuple(word for part in parts for word in words[part.offset : part.offset + part.count])


def _named(tags: Sequence[TagId]) -> str:
    """The first tags by name, and how many more there are."""
    more = f" and {len(tags) - TAGS_NAMED} more" if len(tags) > TAGS_NAMED else ""
    return ", ".join(tags[:TAGS_NAMED]) + more
