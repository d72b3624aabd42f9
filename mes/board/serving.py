"""The board of a running collector: its pages, health and metrics on the plant's network."""

import asyncio
import contextlib
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
from mes.journal.names import Names
from mes.logs import get_logger
from mes.model import StationEvent
from mes.stopping import in_thread
from mes.supervisor import run_forever
from mes.translations import load as load_texts

log = get_logger()

ACCOUNTS_EVERY_S = 10.0
STARTS_WITHIN_S = 1.0  # real seconds; a start that takes longer is waited for in public


async def serve_board(
    config: PlantConfig,
    monitor: StatusMonitor,
    web: WebShape,
    *,
    accounts: Accounts | None = None,
    cables: Cables | None = None,
    listening: Callable[[int], None] | None = None,
) -> None:
    """The board, health and metrics, until it is cancelled; `people`: of another file than beside the journal.

    Until the collector has taken up its journal, health and metrics are served alone.
    """

    async def append(events: Sequence[StationEvent]) -> int:
        return await monitor.journal.append(Entry(events=list(events)))

    await asyncio.to_thread(own_names)  # which may wait for the network
    await asyncio.to_thread(load_texts)
    tls = Tls(web.certificate, web.key) if web.certificate is not None and web.key is not None else None
    await _recovered(monitor, web, tls)
    with Board(
        config=config,
        clock=monitor.clock,
        status=monitor.status,
        seq=lambda: monitor.journal.last_seq,
        append=append,
        accounts=accounts
        or Accounts(accounts_path(config.journal_path), SystemClock().now, must_open=False, names=Names(config.former)),
        everybody_reads=web.read == "everybody",
        tls=web.certificate is not None or web.proxy,
        hosts=tuple(web.hosts),
        cables=cables,
        tags=monitor.tags,
    ) as board:
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


async def _recovered(monitor: StatusMonitor, web: WebShape, tls: Tls | None) -> None:
    """Returns once the journal is taken up; where that takes longer, health and metrics say why meanwhile."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STARTS_WITHIN_S):
            await monitor.recovered.wait()
            return
    serving = asyncio.create_task(serve(app(monitor.status), host=web.host, port=web.port, tls=tls))
    recovered = asyncio.create_task(monitor.recovered.wait())
    try:
        await asyncio.wait((serving, recovered), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
    finally:
        await end_tasks([serving, recovered])


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
