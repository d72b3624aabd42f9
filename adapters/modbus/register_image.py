"""The last answers of a device, block by block: readings of tags, and diagnostics of what cannot be read; pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.modbus.answers import BlockAnswer
from adapters.modbus.decode import BAD, TEARABLE, Decoded, counters, decode, fault
from adapters.modbus.read_plan import Plan
from adapters.reading import Reading, TagId
from adapters.settings import ModbusTag

TAGS_NAMED = 5  # in one sentence
TEAR = 2**15  # a counter that jumps this far may have been read between the changes of its two halves

_REFUSALS = {
    1: ("illegal function", "choose the `table` that the device has: it does not know this one"),
    2: ("illegal address", "correct the `address` of these tags by the device's manual, which may count from 1"),
    3: ("illegal value", "lower `max_registers` of the controller: the device allows fewer in one request"),
}


class RegisterImage:
    """What is known of a device's registers in one connection. Blocks are numbered as in the plan."""

    def __init__(self, tags: Mapping[TagId, ModbusTag], plan: Plan, *, refused_retry_s: float) -> None:
        """`refused_retry_s` > 0: how long a refused block is left out; `plan` has a part for each of `tags`."""
        self._tags = tags
        self._plan = plan
        self._refused_retry_s = refused_retry_s
        self._answers: dict[int, BlockAnswer] = {}
        self._times: dict[int, datetime] = {}
        self._believed: dict[int, tuple[int, ...]] = {}
        self._refused_s: dict[int, float] = {}
        self._decoded: dict[TagId, tuple[tuple[int, ...], Decoded]] = {}
        self._unreadable: dict[TagId, Diagnostic] = {}

    def is_due(self, number: int, *, real_s: float) -> bool:
        """Whether a block is asked for in this cycle: always, unless it was refused a short time ago."""
        return real_s >= self._refused_s.get(number, -math.inf) + self._refused_retry_s

    def is_torn(self, number: int, words: tuple[int, ...]) -> bool:
        """Whether a counter of this block jumped so far that the answer must be confirmed before it is believed."""
        before = self._believed.get(number)
        if before is None or not words or before == words:
            return False
        for name, tag in self._tags.items():
            for part in self._plan.parts[name]:
                if part.block != number or tag.type not in TEARABLE:
                    continue
                span = slice(part.offset, part.offset + part.count)
                pairs = zip(counters(tag, before[span]), counters(tag, words[span]), strict=True)
                if any(abs(new - old) >= TEAR for old, new in pairs):
                    return True
        return False

    def update(self, number: int, answer: BlockAnswer, *, received: datetime, real_s: float) -> None:
        """Takes the answer of a block, which came at `received` (the program's clock), `real_s` (real seconds)."""
        self._times[number] = received
        self._answers[number] = answer
        if answer.code in _REFUSALS:
            self._refused_s[number] = real_s
        else:
            self._refused_s.pop(number, None)
        if answer.code == 0:
            self._believed[number] = answer.words

    def check_refusals(self) -> None:
        """If all blocks are refused from the start, the file is wrong; if only later, the device has changed.

        Raises ControllerMisconfigured or ControllerUnavailable.
        """
        if len(self._refused_s) < len(self._plan.blocks) or not self._plan.blocks:
            return
        detail = f"the device refuses all {len(self._plan.blocks)} blocks, the first is {self._plan.blocks[0]}"
        if self._believed:
            raise ControllerUnavailable(f"{detail}; it answered before")
        raise ControllerMisconfigured(detail)

    def readings(self) -> Mapping[TagId, Reading]:
        """All tags in configured order, as soon as each block has an answer."""
        return {tag: self._reading(tag) for tag in self._tags}

    def diagnostics(self) -> Iterator[Diagnostic]:
        """One for each block that the device refuses, with its tags; then one for each value not of its type."""
        for number, answer in sorted(self._answers.items()):
            if answer.code in _REFUSALS:
                tags = tuple(
                    tag for tag, parts in self._plan.parts.items() if any(part.block == number for part in parts)
                )
                what, remedy = _REFUSALS[answer.code]
                text = f"{self._plan.blocks[number]} is refused ({what}) and asked for again: {_named(tags)}"
                yield Diagnostic(DiagnosticCode.TAG_REFUSED, text, remedy, tags)
        yield from self._unreadable.values()

    def _reading(self, tag: TagId) -> Reading:
        parts = self._plan.parts[tag]
        received = max(self._times[part.block] for part in parts)
        if any(self._answers[part.block].code for part in parts):
            return Reading(tag, BAD.value, BAD.quality, None, received)
        words: tuple[int, ...] = ()
        for part in parts:
            words += self._answers[part.block].words[part.offset : part.offset + part.count]
        before = self._decoded.get(tag)
        if before is None or before[0] != words:  # most registers stand still from cycle to cycle
            before = self._decoded[tag] = (words, decode(self._tags[tag], words))
            self._judge(tag, words)
        return Reading(tag, before[1].value, before[1].quality, None, received)

    def _judge(self, tag: TagId, words: Sequence[int]) -> None:
        """Keeps a diagnostic of a value that is not what the tag's type says."""
        self._unreadable.pop(tag, None)
        what = fault(self._tags[tag], words)
        if what is not None:
            text = f"tag {tag}: {what}"
            remedy = "check its `type`, `order`, `address` and `length` by the device's manual"
            self._unreadable[tag] = Diagnostic(DiagnosticCode.VALUE_UNREADABLE, text, remedy, (tag,))


def _named(tags: Sequence[TagId]) -> str:
    """The first tags by name, and how many more there are."""
    more = f" and {len(tags) - TAGS_NAMED} more" if len(tags) > TAGS_NAMED else ""
    return ", ".join(tags[:TAGS_NAMED]) + more
