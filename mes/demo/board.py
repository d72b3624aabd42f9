"""The demo's board: on loopback, with cables that a visitor may pull, and open until the visitor has seen enough."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mes.board.accounts.store import accounts_path
from mes.board.accounts.users import CODE_LETTERS, Accounts, NotAccepted, Role
from mes.board.serving import serve_board
from mes.config.build import PlantConfig
from mes.config.models.plant import WebShape
from mes.daemon import Collector
from mes.demo.result import Finished
from simulators.faults import FaultName
from simulators.served import ServedPlant

ACCOUNTS = {"operator": Role.OPERATOR, "leader": Role.TEAM_LEADER, "engineer": Role.ENGINEER}
LEAST_REAL_S = 3.0  # a shorter cut could not be noticed, however long it seems to a fast plant


@dataclass(frozen=True, slots=True)
class Account:
    """Who can sign in to the demo's board; the password is made for this run and is worth nothing after it."""

    name: str
    role: Role
    password: str


def make_accounts(accounts_file: Path) -> tuple[Account, ...]:
    """An operator, a team leader and an engineer with fresh passwords; those of an earlier demo get new ones.

    Takes a moment of the processor: call it in a thread. Raises AccountsError.
    """
    store = Accounts(accounts_file, lambda: datetime.now(UTC))
    accounts = tuple(Account(name, role, _password()) for name, role in ACCOUNTS.items())
    for account in accounts:
        try:
            store.add(account.name, account.password, account.role, by="mes demo")
        except NotAccepted:  # the folder was used before
            store.set_password(account.name, account.password, by="mes demo")
            store.set_role(account.name, account.role, by="mes demo")
    return accounts


def _password() -> str:
    letters = [secrets.choice(CODE_LETTERS.lower()) for _ in range(8)]
    return f"{''.join(letters[:4])}-{''.join(letters[4:])}"


@dataclass(slots=True)
class DemoBoard:
    """The board while the plant runs. `port` 0: the system's choice; `tell` hears the address.

    `stays` is called with the result while everything still answers, and returns when the visitor has seen enough.
    `accounts`: who can sign in, known before `tell` is called.
    """

    port: int
    tell: Callable[[str], None] | None = None
    stays: Callable[[Finished], Awaitable[None]] | None = None
    url: str = ""
    accounts: tuple[Account, ...] = ()

    def listening(self, port: int) -> None:
        """It can be opened now."""
        self.url = f"http://127.0.0.1:{port}/"
        if self.tell is not None:
            self.tell(self.url)


class PulledByHand:
    """Cables of the simulated controllers, as the board lets people pull them."""

    def __init__(self, served: ServedPlant) -> None:
        self._served = served
        self._since: dict[str, float] = {}
        self._over = False

    def pulled(self) -> Mapping[str, bool]:
        """Each controller, and whether its cable is pulled: by hand, or by a planned fault."""
        cut = {where for name, where in self._served.active_faults() if name == FaultName.LINK_CUT}
        return {controller: controller in cut for controller in self._served.controllers}

    async def switch(self, controller: str, *, pull: bool) -> None:
        """Pulls a cable or plugs it in again, then after three seconds at least. Raises ValueError."""
        if self._over:
            raise ValueError("the run is over, the cables stay as they are")
        if pull:
            await self._served.switch(FaultName.LINK_CUT, controller, on=True)
            self._since.setdefault(controller, time.monotonic())
        elif controller in self._since:
            await self._plug_in(controller)

    async def end(self) -> None:
        """Plugs in what is still pulled by hand; from now on nothing can be pulled."""
        self._over = True
        for controller in list(self._since):
            await self._plug_in(controller)

    async def _plug_in(self, controller: str) -> None:
        await asyncio.sleep(max(0.0, self._since[controller] + LEAST_REAL_S - time.monotonic()))
        if self._since.pop(controller, None) is not None:
            await self._served.switch(FaultName.LINK_CUT, controller, on=False)


@asynccontextmanager
async def demo_board(
    shown: DemoBoard | None, config: PlantConfig, running: Collector, served: ServedPlant
) -> AsyncIterator[PulledByHand]:
    """Serves the board while the block runs, where it is wanted; yields the cables."""
    cables = PulledByHand(served)
    if shown is None:
        yield cables
        return
    shown.accounts = await asyncio.to_thread(make_accounts, accounts_path(config.journal_path))
    web = WebShape().model_copy(update={"port": shown.port})
    serving = asyncio.create_task(
        serve_board(config, running.monitor, web, cables=cables, listening=shown.listening), name="board"
    )
    try:
        yield cables
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
