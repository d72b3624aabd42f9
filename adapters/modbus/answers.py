"""Whether what a Modbus device sends answers the outstanding request; pure, bytes in and bytes out.

The library accepts a transaction id of 0 for any request, and compares neither function nor length. So each answer is
checked here before the library decodes it.
"""

import struct
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum

RECENT = 1000  # transaction ids of a connection that are remembered, to know late answers
_HEAD = 8  # MBAP header and function code
_EXCEPTION = 0x80
_BITS = (1, 2)
_TLS = (b"\x15\x03", b"\x16\x03")  # how an alert or a handshake begins
ECHOES = (0, 255)  # unit numbers that devices without a unit answer with


class Doubt(StrEnum):
    """Why an answer was not believed."""

    NO_ANSWER = "no_answer"
    LATE = "late_answer"
    DOUBLED = "doubled_answer"
    UNREQUESTED = "unrequested_answer"
    OTHER_TRANSACTION = "other_transaction"
    OTHER_UNIT = "other_unit"
    OTHER_FUNCTION = "other_function"
    OTHER_LENGTH = "other_length"
    BROKEN_FRAME = "broken_frame"


@dataclass(frozen=True, slots=True)
class Problem:
    """A doubt after which nothing more of a connection is believed; `text` says what came and what was requested."""

    doubt: Doubt
    text: str


@dataclass(frozen=True, slots=True)
class BlockAnswer:
    """What a device said to the request for one block: its words, or an exception code and no words."""

    words: tuple[int, ...]
    code: int = 0


@dataclass(slots=True)
class LineMemory:
    """What the connections to one address hand on to one another.

    `zero`: whether the device always answers with transaction id 0, None until it is known. `alone`: it doubles its
    answers besides, or several units are behind it, so each request gets a connection of its own.
    """

    zero: bool | None = None
    alone: bool = False


@dataclass(slots=True)
class DeviceMemory:
    """What the connections of one controller hand on to one another: what it counts since the program began."""

    doubts: Counter[str] = field(default_factory=Counter)
    polls_late: int = 0
    doubted_s: dict[Doubt, float] = field(default_factory=dict)  # real time of the last one


@dataclass(frozen=True, slots=True)
class _Request:
    transaction: int
    unit: int
    function: int
    byte_count: int
    any_unit: bool

    @classmethod
    def of(cls, transaction: int, body: bytes, *, any_unit: bool = False) -> "_Request":
        """From unit, function, address and count, as they are sent."""
        unit, function, _, count = struct.unpack(">BBHH", body)
        return cls(transaction, unit, function, (count + 7) // 8 if function in _BITS else 2 * count, any_unit)

    def problem(self, unit: int, pdu: bytes) -> Problem | None:
        """What is wrong with an answer by its unit, function and length; None if it fits."""
        if unit != self.unit and not self.any_unit:
            remedy = f"set `unit: {unit}` if that is the device"
            if self.transaction:  # which tells its answers apart all the same
                remedy += ", or `unit_echo: any` if it ignores the number"
            if self.transaction and unit in ECHOES:
                remedy = "set `unit_echo: any` if it is one device that ignores the number"
            text = f"the device answers as unit {unit}, the request is for unit {self.unit}: {remedy}"
            return Problem(Doubt.OTHER_UNIT, text)
        if pdu[0] & ~_EXCEPTION != self.function:
            return Problem(
                Doubt.OTHER_FUNCTION, f"an answer has function {pdu[0]}, the request has function {self.function}"
            )
        size = 2 if pdu[0] & _EXCEPTION else 2 + self.byte_count
        if len(pdu) == size and (pdu[0] & _EXCEPTION or pdu[1] == self.byte_count):
            return None
        text = f"an answer is of another shape: {len(pdu) - 2} bytes of values, {self.byte_count} were requested"
        if len(pdu) < size:
            text += "; a device that gives fewer at a time needs a lower `max_registers` or `max_bits`"
        return Problem(Doubt.OTHER_LENGTH, text)


class TcpAnswers:
    """Modbus TCP: frames with a transaction id, which tells a late or doubled answer from the right one."""

    def __init__(self, memory: LineMemory) -> None:
        """Learns in `memory` whether the device always says 0."""
        self.problem: Problem | None = None
        self._memory = memory
        self._doubts: Counter[str] = Counter()
        self._buffer = b""
        self._outstanding: _Request | None = None
        self._unanswered: deque[int] = deque(maxlen=RECENT)
        self._answered: deque[int] = deque(maxlen=RECENT)

    def sent(self, packet: bytes, doubts: Counter[str], *, any_unit: bool) -> None:
        """Takes a request as it goes out; an earlier one that is open is given up. Dropped answers go to `doubts`.

        `any_unit`: the answer may come from any unit; its transaction id shows that it is the right one.
        """
        self._doubts = doubts
        if self._outstanding is not None:
            self._unanswered.append(self._outstanding.transaction)
        self._outstanding = _Request.of(int.from_bytes(packet[:2], "big"), packet[6:12], any_unit=any_unit)

    def received(self, data: bytes) -> bytes:
        """Takes what came; returns the whole frame that answers the outstanding request, or nothing."""
        if self._memory.alone and self._outstanding is None:  # the one answer of this connection is there
            self._doubts[Doubt.DOUBLED] += 1
            return b""
        self._buffer += data
        if self._buffer[:2] in _TLS and len(self._buffer) > 2 and self._buffer[2]:
            self.problem = self.problem or Problem(Doubt.BROKEN_FRAME, "the port speaks TLS: use `kind: modbus-tls`")
        answer = b""
        while self.problem is None and len(self._buffer) >= _HEAD:
            transaction, protocol, length, unit = struct.unpack(">HHHB", self._buffer[:7])
            if length == 2 and self._buffer[7] & _EXCEPTION:
                length = 3  # some devices leave the exception code out of the length
            if protocol != 0 or not 3 <= length <= 254:
                text = f"a frame begins with protocol {protocol} and length {length}: this is no Modbus TCP"
                self.problem = Problem(Doubt.BROKEN_FRAME, text)
                break
            if len(self._buffer) < 6 + length:
                break
            frame, self._buffer = self._buffer[: 6 + length], self._buffer[6 + length :]
            request = self._outstanding
            if self._answers(transaction, unit, frame[7:]):
                assert request is not None
                answer = frame[:6] + bytes((request.unit,)) + frame[7:]
                if self._memory.alone:
                    self._doubts[Doubt.DOUBLED] += bool(self._buffer)
                    self._buffer = b""
        return answer if self.problem is None else b""

    def _answers(self, transaction: int, unit: int, pdu: bytes) -> bool:
        """Whether a frame is the answer that is waited for; if not, it is counted, or a problem."""
        request = self._outstanding
        zero = transaction == 0 and self._memory.zero is not False
        if request is None and transaction == 0:
            self.problem = Problem(Doubt.UNREQUESTED, "an answer with transaction id 0 came that nothing requested")
            return False
        if request is None or not (zero or transaction == request.transaction):
            return self._dropped(transaction)
        self.problem = request.problem(unit, pdu)
        if self.problem is not None:
            return False
        if self._memory.zero is None:
            self._memory.zero = zero
        if zero and self._unanswered:
            text = "an answer has transaction id 0, and an earlier request has none yet: it may belong to either"
            self.problem = Problem(Doubt.LATE, text)
            return False
        self._outstanding = None
        self._answered.append(request.transaction)
        return True

    def _dropped(self, transaction: int) -> bool:
        """Counts an answer to an earlier request, which its transaction id shows; any other is a problem."""
        if transaction in self._answered:
            self._doubts[Doubt.DOUBLED] += 1
        elif transaction in self._unanswered:
            self._doubts[Doubt.LATE] += 1
            self._unanswered.remove(transaction)
            self._answered.append(transaction)
        else:
            requested = "none" if self._outstanding is None else str(self._outstanding.transaction)
            text = f"an answer has transaction id {transaction}, the request has {requested}"
            self.problem = Problem(Doubt.OTHER_TRANSACTION, text)
        return False


class RtuAnswers:
    """RTU frames, which carry no number: whatever is not the one right answer ends the connection.

    The one exception is the late answer of a unit that shares the line: its unit number tells it from the right one.
    """

    def __init__(self) -> None:
        """What comes before the first request is left over from an earlier connection, and is thrown away."""
        self.problem: Problem | None = None
        self.silent: set[int] = set()  # units whose last request has no answer
        self._doubts: Counter[str] = Counter()
        self._buffer = b""
        self._outstanding: _Request | None = None
        self._began = False

    def sent(self, packet: bytes, doubts: Counter[str], *, any_unit: bool) -> None:
        """Takes a request as it goes out, for one unit only; late answers of other units go to `doubts`."""
        del any_unit
        self._doubts = doubts
        self._began = True
        self._buffer = b""
        self.give_up()
        self._outstanding = _Request.of(0, packet[:6])
        self.silent.discard(self._outstanding.unit)

    def give_up(self) -> None:
        """The open request gets no answer in time."""
        if self._outstanding is not None:
            self.silent.add(self._outstanding.unit)
        self._outstanding = None

    def received(self, data: bytes) -> bytes:
        """Takes what came; returns the one frame that answers, or nothing. The checksum is left to the library."""
        request = self._outstanding
        self._buffer += data if self._began else b""
        self._drop_late(None if request is None else request.unit)
        if request is None:
            if self._buffer and self._buffer[0] not in self.silent:
                self.problem = self.problem or Problem(Doubt.UNREQUESTED, "bytes came that nothing requested")
            return b""
        if self.problem is not None or len(self._buffer) < 3 or self._buffer[0] in self.silent - {request.unit}:
            return b""
        size = _rtu_size(self._buffer)
        self.problem = request.problem(self._buffer[0], self._buffer[1:3] + bytes(size - 5))
        if self.problem is None and len(self._buffer) > size:
            self.problem = Problem(Doubt.OTHER_LENGTH, f"{len(self._buffer) - size} bytes came behind an answer")
        if self.problem is not None or len(self._buffer) < size:
            return b""
        self._outstanding = None
        frame, self._buffer = self._buffer, b""
        return frame

    def _drop_late(self, requested: int | None) -> None:
        """Takes whole frames of units that were silent out of the buffer."""
        late = self.silent - {requested}
        while len(self._buffer) >= 3 and self._buffer[0] in late and len(self._buffer) >= _rtu_size(self._buffer):
            self._buffer = self._buffer[_rtu_size(self._buffer) :]
            self._doubts[Doubt.LATE] += 1


def _rtu_size(frame: bytes) -> int:
    """Bytes of the answer that begins with `frame`: unit, function, size or exception code, values, checksum."""
    return 5 if frame[1] & _EXCEPTION else 5 + frame[2]


Answers = TcpAnswers | RtuAnswers
