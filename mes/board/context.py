"""What every page and every answer of the board stands on: the plant, its journal, its clock, its people."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from adapters.cancelling import end_tasks
from adapters.clock import Clock, ScaledClock
from adapters.reading import ControllerId
from mes.board.accounts.users import Accounts, LoginRateLimit, Permission, Person
from mes.board.answers.andon_board import AndonBoardMaker
from mes.board.answers.live_updates import LiveUpdates
from mes.collect.present import PresentTags
from mes.config.build import PlantConfig
from mes.health.status import Status
from mes.model import StationEvent, StationId
from mes.results.plant import PlantResults
from mes.stopping import in_thread

T = TypeVar("T")
LONG_WAITING = 8  # beside the one that is worked on
Append = Callable[[Sequence[StationEvent]], Awaitable[int]]
Fact = str | int | datetime


class HttpProblem(Exception):
    """Why a request is refused; `status` is that of HTTP.

    `code` is a stable name for programs. The catalogues have its sentence, and `facts` fill the gaps of that
    (mes.board.refusals).
    """

    def __init__(self, status: int, code: str, facts: Mapping[str, Fact] | None = None) -> None:
        self.status = status
        self.code = code
        self.facts = facts or {}
        super().__init__(" ".join([code, *(f"{name}={value}" for name, value in self.facts.items())]))


@dataclass(slots=True)
class _Desk:
    """A reader of the journal of its own; `waiting`: questions that it works on or that wait for their turn."""

    query: PlantResults
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Cables(Protocol):
    """The cables to the controllers of a simulated plant."""

    def pulled(self) -> Mapping[str, bool]:
        """Each controller, and whether its cable is pulled."""
        ...

    async def switch(self, controller: str, *, pull: bool) -> None:
        """Pulls a cable or plugs it in. Raises ValueError where that cannot be."""
        ...


@dataclass(slots=True)
class Board:
    """One running board; use as a context, and let `live.follow` run beside it.

    `append` journals what people say, and gives the number of the last event; `status` tells how the collector
    stands. `everybody_reads`: without signing in. `hosts`: names by which browsers call it, beside the machine's
    own. `cables`: of a simulation; anybody may pull them. `tags`: what the controllers' tags show now. Raises
    ConfigError where there is no journal.
    """

    config: PlantConfig
    clock: Clock
    status: Callable[[], Status]
    seq: Callable[[], int]
    append: Append
    accounts: Accounts
    everybody_reads: bool = True
    tls: bool = False
    hosts: tuple[str, ...] = ()
    cables: Cables | None = None
    tags: Mapping[ControllerId, PresentTags] = field(default_factory=dict)
    live: LiveUpdates = field(init=False)
    tries: LoginRateLimit = field(default_factory=LoginRateLimit)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _short: _Desk = field(init=False)
    _long: _Desk = field(init=False)
    _opened: ExitStack = field(default_factory=ExitStack)
    _asking: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def speed(self) -> float:
        """Plant seconds in a real one, above 1 in a simulation."""
        return self.clock.speed if isinstance(self.clock, ScaledClock) else 1.0

    def __enter__(self) -> Self:
        # three readers: a long report keeps neither the wall nor a short question waiting
        self._short, self._long = _Desk(self._opened_results()), _Desk(self._opened_results())
        self.live = LiveUpdates(AndonBoardMaker(self._opened_results()), self.clock, self.seq)
        return self

    def _opened_results(self) -> PlantResults:
        return self._opened.enter_context(PlantResults(self.config, self.config.journal_path))

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    async def ask(self, question: Callable[[PlantResults], T], *, long: bool = False) -> T:
        """The answer to a question as things stand now; it is worked out in a thread, one at a time.

        `long`: it may read months or years; such questions wait for one another only. A cancelled question ends.
        Raises HttpProblem with 503 where LONG_WAITING long questions wait already.
        """
        desk = self._long if long else self._short
        if long and desk.waiting > LONG_WAITING:
            raise HttpProblem(503, "too_many_questions")
        desk.waiting += 1
        asking = asyncio.current_task()
        assert asking is not None
        self._asking.add(asking)
        try:
            async with desk.turn:
                return await in_thread(self._answer, desk.query, question)
        finally:
            desk.waiting -= 1
            self._asking.discard(asking)

    async def end_questions(self) -> None:
        """Ends the questions under way and waits for their threads; call before leaving the context.

        A server that stops cancels its requests and does not wait for them.
        """
        await end_tasks(self._asking)

    def _answer(self, query: PlantResults, question: Callable[[PlantResults], T]) -> T:
        query.set_now(self.clock.now())
        return question(query)

    def may(self, person: Person | None, what: Permission, station: StationId | None = None) -> bool:
        """Whether somebody may; None: who is not signed in."""
        if person is None:
            return what is Permission.READ and self.everybody_reads
        return person.may(what, station)

    def require(self, person: Person | None, what: Permission, station: StationId | None = None) -> None:
        """Raises HttpProblem: 401 for who is not signed in, 403 for who may not."""
        if self.may(person, what, station):
            return
        if person is None:
            raise HttpProblem(401, "sign_in_first")
        name, role, where = person.name, str(person.role), station or self.config.site
        raise HttpProblem(403, "not_allowed", {"name": name, "role": role, "permission": str(what), "station": where})
