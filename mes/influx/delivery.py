"""Gets lines stored: splits what is too large, puts aside what is refused by itself, holds when the server is at fault.

An answer of 400 or 422 is neither proof of a bad line nor of a lost batch. 1.x and 2.x store the good lines of such a
body, 3 stores none. Version 3 also answers 400 for faults of its own (influxdb main, influxdb3_server/src/http.rs). So
a known-good line, the canary, is sent first; only while the server takes that one is a bad line looked for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from adapters.clock import Clock
from mes.errors import SinkRejected, SinkUnavailable
from mes.influx.encode import body
from mes.journal.codec import to_us
from mes.journal.store import RejectedPoint
from mes.logs import get_logger

SINK = "influx"
CANARY = b"canary,of=taktline ok=true"  # without a time: the server's own is inside every retention
TOO_LARGE = 413
MAY_BE_A_LINE = (400, 422)
TOO_OLD = re.compile(r"(?:beyond|outside) retention policy", re.IGNORECASE)  # the rest of the body is stored then
PASSING = "pending deletion"  # 2.x says 422 while it deletes a shard, and takes the same line afterwards
MOST_IN_A_ROW = 100  # so many bad lines one after the other are no bad lines
log = get_logger()
_HEAD = re.compile(r"(?:[^ \\]|\\.)+")


class Writes(Protocol):
    """A server of line protocol."""

    async def write(self, body: bytes) -> None:
        """Returns when the server has stored it; raises SinkUnavailable or SinkRejected."""
        ...


class Quarantine(Protocol):
    """Where lines are kept that the server refuses by themselves."""

    async def quarantine(self, sink: str, lines: Sequence[RejectedPoint]) -> None:
        """Returns when they are on disk."""
        ...

    async def release(self, sink: str, points: Sequence[str]) -> None:
        """Takes points out; returns when that is on disk."""
        ...

    async def refused(self, sink: str) -> list[RejectedPoint]:
        """All that is kept."""
        ...


@dataclass(slots=True)
class Delivery:
    """Sends lines until each is stored or on disk in quarantine. `in_a_row`: bad lines since the last good ones.

    `aside`: the points that are in quarantine, once `look` has asked for them. `too_old`: bodies of which the server
    keeps a part no longer than it would have kept it anyway.
    """

    server: Writes
    kept: Quarantine
    clock: Clock
    in_a_row: int = field(default=0, init=False)
    aside: set[str] = field(default_factory=set, init=False)
    too_old: int = field(default=0, init=False)

    async def look(self) -> None:
        """Finds out what is in quarantine from earlier."""
        self.aside = {rejected.point for rejected in await self.kept.refused(SINK)}

    async def send(self, lines: Sequence[str]) -> None:
        """Raises SinkError; then all of it is to be sent again."""
        asked = False
        waiting = [list(lines)] if lines else []
        while waiting:
            part = waiting.pop()
            refused = await self._refused(part)
            if refused is None:
                continue
            if not asked and refused.status != TOO_LARGE:
                # a server that is full or set up wrongly refuses good lines with the same statuses
                await self._canary(refused)
                asked = True
            if len(part) > 1:
                # halves find one bad line of n in about 2 log2(n) requests; the earlier half is sent first
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            else:
                await self._put_aside(part[0], refused)

    async def retry(self) -> None:
        """Offers again what is in quarantine, line by line; what the server takes now is released."""
        for rejected in await self.kept.refused(SINK):
            if rejected.status:
                await self._refused([rejected.line])

    async def put_aside(self, point: str, text: str, reason: str) -> None:
        """Keeps what cannot even be said in line protocol; it is never offered again."""
        await self.kept.quarantine(SINK, [RejectedPoint(point, text, 0, reason, to_us(self.clock.now()))])
        self.aside.add(point)

    async def _refused(self, part: Sequence[str]) -> SinkRejected | None:
        """None if it is stored; the refusal if a line in it may be why. Raises every other."""
        try:
            await self.server.write(body(part))
        except SinkRejected as refused:
            if PASSING in refused.body:
                raise SinkUnavailable(str(refused)) from refused
            if refused.status in MAY_BE_A_LINE and TOO_OLD.search(refused.body):
                self._note_too_old(refused)
            elif refused.status in MAY_BE_A_LINE or (refused.status == TOO_LARGE and len(part) > 1):
                return refused
            else:
                raise
        self.in_a_row = 0
        if self.aside:  # what the server has now is newer than what it refused of the same point
            taken = [point for point in map(point_of, part) if point in self.aside]
            if taken:
                await self.kept.release(SINK, taken)
                self.aside.difference_update(taken)
        return None

    def _note_too_old(self, refused: SinkRejected) -> None:
        """What is older than the database keeps is done with: it would be gone by now had it been written in time."""
        if not self.too_old:
            log.warning(
                "influx_keeps_less", answer=refused.body, remedy="`mes influx setup --retention-days` keeps more"
            )
        self.too_old += 1

    async def _canary(self, refused: SinkRejected) -> None:
        """Raises if the server refuses a known-good line too: then it is at fault, and no line is."""
        try:
            await self.server.write(CANARY)
        except SinkRejected as fault:
            raise SinkRejected(
                f"the server refuses a known-good line too: {fault}; before: {refused}",
                status=fault.status,
                body=fault.body,
            ) from fault

    async def _put_aside(self, line: str, refused: SinkRejected) -> None:
        """A line that is refused again after the server took the canary goes to quarantine."""
        await self._canary(refused)
        again = await self._refused([line])
        if again is None:
            return
        self.in_a_row += 1
        if self.in_a_row > MOST_IN_A_ROW:
            raise SinkRejected(
                f"more than {MOST_IN_A_ROW} lines one after the other are refused, so it is not the lines: {again}",
                status=again.status,
                body=again.body,
            )
        await self.kept.quarantine(
            SINK, [RejectedPoint(point_of(line), line, again.status, again.body, to_us(self.clock.now()))]
        )
        self.aside.add(point_of(line))


def point_of(line: str) -> str:
    """A line's identity at the server: measurement, tags and time."""
    head = _HEAD.match(line)
    return f"{head[0] if head else ''} {line.rpartition(' ')[2]}"
