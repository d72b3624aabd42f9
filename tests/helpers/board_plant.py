"""A board over two hours of the example plant, served on a real socket; its clock stands still unless it is moved."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from argon2 import PasswordHasher
from events import state
from influx_example import CURRENTS, END, EVENTS
from starlette.types import ASGIApp
from status_scenes import STATUS

from adapters.reading import Batch, ControllerId
from mes.board.accounts.users import Accounts, Role
from mes.board.context import Board
from mes.board.server import app, serve
from mes.calendar import Calendar
from mes.config.build import PlantConfig
from mes.config.load import default_config, load
from mes.config.names import DisplayNames
from mes.daemon import present_tags
from mes.health.status import Status
from mes.journal import Entry, Journal
from mes.journal.names import Names
from mes.model import ProcessValue, State, StationEvent, StationId

PASSWORD = "correct horse"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # a real hash, cheap enough for many tests
ROLES: Mapping[str, Role] = {str(role): role for role in Role}
WINDOW = "2026-03-02/day"
LINE = "kostanay/weld/weld-1"


@dataclass(slots=True)
class StillClock:
    """A clock that shows what it is told."""

    shown: datetime

    def now(self) -> datetime:
        """What it shows."""
        return self.shown


@dataclass(slots=True)
class PlantBoard:
    """The served board and what lies behind it."""

    url: str
    board: Board
    application: ASGIApp
    journal: Journal
    clock: StillClock
    accounts: Accounts
    config: PlantConfig
    sessions: list[aiohttp.ClientSession] = field(default_factory=list)

    async def add(self, *events: StationEvent) -> None:
        """More happens."""
        await self.journal.append(Entry(events=list(events)))

    async def enter(self, name: str | None) -> "Visitor":
        """A browser, signed in by name; None: not."""
        jar = aiohttp.CookieJar(unsafe=True)
        session = aiohttp.ClientSession(cookie_jar=jar)
        self.sessions.append(session)
        visitor = Visitor(self.url, session)
        if name is not None:
            status, found = await visitor.post("/api/v1/session", {"name": name, "password": PASSWORD})
            assert status == 201, found
            visitor.csrf = found["csrf"]
        return visitor


@dataclass(slots=True)
class Visitor:
    """One browser."""

    url: str
    session: aiohttp.ClientSession
    csrf: str = ""

    async def get(self, path: str, **parameters: str) -> tuple[int, Any]:
        """Status and JSON."""
        async with self.session.get(self.url + "/api/v1" + path, params=parameters) as answer:
            return answer.status, await answer.json()

    async def page(self, path: str, **parameters: str) -> tuple[int, str]:
        """Status and text, redirections not followed."""
        async with self.session.get(self.url + path, params=parameters, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    async def post(self, path: str, content: object) -> tuple[int, Any]:
        """Status and JSON, with the session's CSRF token."""
        headers = {"X-CSRF-Token": self.csrf} if self.csrf else {}
        async with self.session.post(self.url + path, json=content, headers=headers) as answer:
            text = await answer.text()
            return answer.status, await answer.json() if answer.content_type == "application/json" else text

    async def send(self, path: str, **fields: str) -> tuple[int, str, str]:
        """Status, text and where it leads, of a form."""
        data = {"csrf": self.csrf, **fields}
        async with self.session.post(self.url + path, data=data, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers.get("location", "")


def config_of(folder: Path) -> PlantConfig:
    """The example plant with its journal in a folder."""
    return replace(load(default_config()).config, journal_path=folder / "journal.sqlite")


@contextmanager
def accounts_of(folder: Path, clock: StillClock, names: Names) -> Iterator[Accounts]:
    """One person of each role, called by it."""
    accounts = Accounts(folder / "people.sqlite", clock.now, hasher=QUICK, names=names)
    for name, role in ROLES.items():
        accounts.add(name, PASSWORD, role, by="a test")
    yield accounts


@asynccontextmanager
async def plant_board(
    folder: Path,
    *,
    events: Sequence[StationEvent] = EVENTS,
    telemetry: Sequence[ProcessValue] = CURRENTS,
    now: datetime = END,
    everybody_reads: bool = True,
    team_leader_days: int = 7,
    status: Status = STATUS,
    shows: Sequence[Batch] = (),
    calendar: Calendar | None = None,
    names: DisplayNames | None = None,
    former: Mapping[StationId, StationId] | None = None,
) -> AsyncIterator[PlantBoard]:
    """The board while the block runs; `shows`: what controllers have shown, beside the events.

    `names`: other display names than those of the example plant; `former`: what its stations were called before.
    """
    config, clock = replace(config_of(folder), team_leader_days=team_leader_days), StillClock(now)
    if calendar is not None:
        config = replace(config, calendar=calendar)
    if names is not None:
        config = replace(config, names=names)
    if former is not None:
        config = replace(config, former=former)
    tags = present_tags(config)
    for batch in shows:
        tags[batch.controller].take(batch)
    seen = {ControllerId(controller): now for controller in config.controllers}
    ordered = sorted(events, key=lambda event: event.received_time)
    async with Journal.open(config.journal_path) as journal:
        if events:
            await journal.append(Entry(events=ordered, telemetry=telemetry, observed=seen))

        async def append(said: Sequence[StationEvent]) -> int:
            return await journal.append(Entry(events=list(said)))

        with (
            accounts_of(folder, clock, Names(config.former)) as accounts,
            Board(
                config=config,
                clock=clock,
                status=lambda: status,
                seq=lambda: journal.last_seq,
                append=append,
                accounts=accounts,
                everybody_reads=everybody_reads,
                tags=tags,
            ) as board,
        ):
            application = app(lambda: status, board)
            port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            tasks = [
                asyncio.create_task(board.live.follow()),
                asyncio.create_task(serve(application, host="127.0.0.1", port=0, listening=port.set_result)),
            ]
            made = PlantBoard(f"http://127.0.0.1:{await port}", board, application, journal, clock, accounts, config)
            try:
                yield made
            finally:
                for session in made.sessions:
                    await session.close()
                for task in tasks:
                    task.cancel()
                for task in tasks:
                    with suppress(asyncio.CancelledError):
                        await task


def stopped_since(minutes: float) -> StationEvent:
    """The station is down from then on, without a fault code."""
    return state(minutes, State.DOWN)
