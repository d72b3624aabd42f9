"""The board of a running collector: its pages, health and metrics on the plant's network."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from adapters.cancelling import end_tasks
from adapters.clock import SystemClock
from mes.board.accounts.middleware import own_names
from mes.board.accounts.store import accounts_path
from mes.board.accounts.users import Accounts
from mes.board.context import Board, Cables
from mes.board.server import Tls, app, serve
from mes.config.build import PlantConfig
from mes.config.models.plant import WebShape
from mes.health.monitor import StatusMonitor
from mes.journal import Entry
from mes.logs import get_logger
from mes.model import StationEvent
from mes.stopping import in_thread
from mes.supervisor import run_forever
from mes.translations import load as load_texts

log = get_logger()

ACCOUNTS_EVERY_S = 10.0


async def serve_board(
    config: PlantConfig,
    monitor: StatusMonitor,
    web: WebShape,
    *,
    accounts: Accounts | None = None,
    cables: Cables | None = None,
    listening: Callable[[int], None] | None = None,
) -> None:
    """The board, health and metrics, until it is cancelled; `people`: of another file than beside the journal."""

    async def append(events: Sequence[StationEvent]) -> int:
        return await monitor.journal.append(Entry(events=list(events)))

    await asyncio.to_thread(own_names)  # which may wait for the network
    await asyncio.to_thread(load_texts)
    with Board(
        config=config,
        clock=monitor.clock,
        status=monitor.status,
        seq=lambda: monitor.journal.last_seq,
        append=append,
        accounts=accounts or Accounts(accounts_path(config.journal_path), SystemClock().now, must_open=False),
        everybody_reads=web.read == "everybody",
        tls=web.certificate is not None or web.proxy,
        hosts=tuple(web.hosts),
        cables=cables,
        tags=monitor.tags,
    ) as board:
        tls = Tls(web.certificate, web.key) if web.certificate is not None and web.key is not None else None
        beside = (
            run_forever("board", board.live.follow),
            run_forever("accounts", partial(_watch_accounts, board, monitor)),
        )
        following = [asyncio.create_task(coroutine) for coroutine in beside]

        def served(port: int) -> None:
            monitor.troubles.pop("board", None)
            log.info("board_served", url=f"http{'s' if tls else ''}://{web.host}:{port}/")
            if listening is not None:
                listening(port)

        try:
            await serve(app(monitor.status, board), host=web.host, port=web.port, listening=served, tls=tls)
        finally:
            await end_tasks(following)
            await board.end_questions()


async def _watch_accounts(board: Board, monitor: StatusMonitor) -> None:
    """Tells health while nobody can sign in, and the log when that begins and ends."""
    while True:
        trouble = await in_thread(board.accounts.trouble)
        known = monitor.troubles.get("accounts")
        if trouble is not None:
            monitor.troubles["accounts"] = trouble
        elif known is not None:
            del monitor.troubles["accounts"]
        if trouble is not None and trouble != known:
            log.error("accounts_unreadable", detail=trouble)
        elif trouble is None and known is not None:
            log.info("accounts_restored")
        await asyncio.sleep(ACCOUNTS_EVERY_S)
