"""Keeps the wall up to date and hands it to all who watch: made once for everybody, drawn once for each language."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import NoReturn

from adapters.clock import Clock
from mes.board.answers.andon_board import AndonBoardMaker
from mes.board.answers.models import AndonBoardAnswer
from mes.errors import ConfigError
from mes.stopping import in_thread

LOOK_S = 0.2  # real seconds between two looks at the journal's number; a change shows within a second
GROWS_S = 5.0  # what grows with time alone is made again so often
BEAT_S = 5.0  # so often a watcher hears that all is well though nothing changed

LINE_END = re.compile("\r\n|\n|\r")
Draw = Callable[[AndonBoardAnswer | None, str], str]


@dataclass(slots=True)
class LiveUpdates:
    """The present; `seq` tells the number of the journal's last event, from memory."""

    maker: AndonBoardMaker
    clock: Clock
    seq: Callable[[], int]
    wall: AndonBoardAnswer | None = None
    version: int = 0
    _seen: int = -1
    _made_s: float = float("-inf")
    _drawn: dict[tuple[int, str], bytes] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def follow(self) -> NoReturn:
        """Makes the wall again whenever the journal has news, for ever."""
        while True:
            if self.seq() != self._seen or time.monotonic() - self._made_s > GROWS_S:
                await self.refresh()
            await asyncio.sleep(LOOK_S)

    async def refresh(self) -> None:
        """Makes the wall again now, in a thread."""
        async with self._making:  # one thread at a time uses its reader
            self._seen, self._made_s = self.seq(), time.monotonic()
            try:
                self.wall = await in_thread(self.maker.wall, self.clock.now(), self._made_s)
            except ConfigError:  # nothing was journaled yet
                self.wall = None
            self.version += 1
        self._drawn.clear()
        async with self._changed:
            self._changed.notify_all()

    async def newer(self, version: int) -> bool:
        """Waits until there is another version than this, at most until the next beat; whether there is."""
        try:
            async with asyncio.timeout(BEAT_S), self._changed:
                await self._changed.wait_for(lambda: self.version != version)
        except TimeoutError:
            return False
        return True

    async def walls(self, language: str, draw: Draw) -> AsyncIterator[bytes]:
        """The wall's page part as server-sent events: at once, at each change, and a beat when nothing changes."""
        version = -1
        while True:
            if version != self.version:
                version = self.version
                yield self._part(self.wall, language, draw)
            else:
                yield message("beat", str(self.version), stamp(self.clock))
            await self.newer(version)

    async def changes(self) -> AsyncIterator[bytes]:
        """Only that something changed: a page that is open then asks for itself again."""
        version = self.version
        while True:
            yield message("beat", str(version), stamp(self.clock))
            if await self.newer(version):
                version = self.version
                yield message("changed", str(version), stamp(self.clock))

    def _part(self, wall: AndonBoardAnswer | None, language: str, draw: Draw) -> bytes:
        key = (self.version, language)
        if key not in self._drawn:
            self._drawn[key] = message("wall", str(self.version), draw(wall, language))
        return self._drawn[key]


def stamp(clock: Clock) -> str:
    """The present in milliseconds since 1970, for clocks on the page."""
    return str(int(clock.now().timestamp() * 1000))


def message(event: str, number: str, data: str) -> bytes:
    """One server-sent event (WHATWG HTML 9.2). Other separators than CR and LF, as U+2028, end no line there."""
    lines = "".join(f"data: {line}\n" for line in LINE_END.split(data))
    return f"id: {number}\nevent: {event}\n{lines}\n".encode()
