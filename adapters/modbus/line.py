"""The line to one address, with one connection at a time: a request that needs it makes it, and requests take turns."""

import asyncio
from typing import assert_never

from adapters.errors import ControllerUnavailable
from adapters.modbus.answers import BlockAnswer, Doubt, LineMemory, Problem
from adapters.modbus.link import Asker, InDoubtError, Link, LostError
from adapters.modbus.read_plan import Block
from adapters.settings import ModbusController, ModbusNumbered, ModbusRtuController, ModbusRtuOverTcpController

STRIKES = 3  # unanswered requests in a row, over TCP, before the device counts as away


class Line:
    """One connection, or serial line, for all units at an address: their requests take turns, one at a time.

    A close by the device while nothing is requested costs nothing but a new connection. A silent unit costs the others
    the time of one request at a time, and its late answers are known by its unit number.
    """

    def __init__(self) -> None:
        """Nothing is connected yet."""
        self.memory = LineMemory()
        self._turn = asyncio.Lock()  # first come, first served
        self._askers = 0
        self._link: Link | None = None
        self._stale = True  # answers to requests of an earlier connection may still come

    async def join(self, asker: Asker) -> None:
        """Begins to use the line; a unit whose late answer could be taken for its next one waits until it is over."""
        self._askers += 1
        if self._link is not None and asker.settings.unit in self._link.silent:
            await asyncio.sleep(asker.settings.request_timeout_s)

    def leave(self) -> None:
        """Ends the use of it; the last one ends the connection."""
        self._askers -= 1
        if not self._askers:
            self._end(stale=True)

    def rest(self) -> None:
        """Ends the connection until the next request, unless another one is under way."""
        if not self._turn.locked():
            self._end()

    async def ready(self, asker: Asker) -> None:
        """Makes the connection if there is none; raises as `read`."""
        if self._link is None or self._link.lost:  # else it would use up its turn
            async with self._turn:
                await self._connected(asker)

    async def read(self, asker: Asker, block: Block) -> BlockAnswer:
        """One block. Raises ControllerUnavailable when the device is away or silent, InDoubtError after a doubt.

        Without a transaction number a late answer would be taken for that of the next request. So the first silence
        ends a connection with RTU frames, or with a device that always says 0; else a request is repeated.
        """
        silence = (
            f"no answer for {block} within {asker.settings.request_timeout_s:g} s: check that the device is on and "
        )
        silence += "has this `unit`; if it is slower, raise `request_timeout_s`"
        problem = Problem(Doubt.NO_ANSWER, silence)
        for _ in range(STRIKES):
            async with self._turn:
                answer = await self._ask(asker, block)
                if answer is not None:
                    return answer
                if self.memory.zero or not _numbered(asker.settings):
                    if self.memory.zero or self._askers == 1:
                        self._end(stale=True)
                    raise InDoubtError(problem)
            asker.memory.doubts[problem.doubt] += 1
            if self._askers > 1:  # the others' turn: half of the time is theirs
                await asyncio.sleep(asker.settings.request_timeout_s)
        raise ControllerUnavailable(problem.text)

    async def _ask(self, asker: Asker, block: Block) -> BlockAnswer | None:
        """Some devices end the connection after an answer: the request then goes out once more, on a new one."""
        while True:
            link = await self._connected(asker)
            proven = link.answered
            try:
                return await link.ask(asker, block)
            except InDoubtError:
                self._end(stale=True)
                raise
            except LostError as lost:
                self._end(stale=True)
                if not proven:
                    text = f"connection lost while waiting for {block}: the device ends it instead of answering; "
                    text += "check `unit`, `kind` and `port` (one for TLS needs `kind: modbus-tls`), and whether it "
                    text += "admits this computer"
                    raise ControllerUnavailable(text) from lost

    async def _connected(self, asker: Asker) -> Link:
        """The connection, a new one if there is none. Raises NotConnectedError."""
        if self.memory.zero and self._askers > 1:  # one unit's answer could be taken for another's
            self.memory.alone = True
        if self._link is not None:
            problem = self._link.problem
            if problem is not None or self._link.lost or (self.memory.alone and self._link.used):
                self._end(stale=problem is not None)
            if problem is not None:
                raise InDoubtError(problem)
        if self._link is None:
            await self._connect(asker.settings)
        assert self._link is not None
        return self._link

    async def _connect(self, settings: ModbusController) -> None:
        link = Link(settings, self.memory)
        try:
            await link.connect(deadline_s=settings.request_timeout_s)
            if self._stale and not _numbered(settings):
                await link.drain(settings.request_timeout_s)
            self._link, self._stale = link, False
        finally:
            if self._link is not link:
                link.close()

    def _end(self, *, stale: bool = False) -> None:
        """Ends the connection. `stale`: an answer to one of its requests may still come on the next one."""
        self._stale = self._stale or stale
        if self._link is not None:
            self._link.close()
        self._link = None


def address(settings: ModbusController) -> str:
    """Controllers with the same one share a line."""
    match settings:
        case ModbusNumbered() | ModbusRtuOverTcpController():
            return f"{settings.kind} {settings.host.lower()}:{settings.port}"
        case ModbusRtuController():
            return f"{settings.kind} {settings.device}"
        case _:
            assert_never(settings)


def _numbered(settings: ModbusController) -> bool:
    """Whether answers have a transaction number that tells a late one from the right one."""
    return isinstance(settings, ModbusNumbered)
