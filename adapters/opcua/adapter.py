"""The OPC UA adapter: one connection in mode "subscribe" or "poll", and what it says of itself."""

import asyncio
from collections.abc import Callable, Mapping
from typing import assert_never

from adapters.clock import Clock
from adapters.diagnostics import Diagnostic
from adapters.errors import AdapterError, ControllerMisconfigured, ControllerUnavailable
from adapters.opcua.client import LeftOpen
from adapters.opcua.connection import Connection, real_s
from adapters.opcua.items import Items
from adapters.opcua.session import Session
from adapters.opcua.subscription import Came, Subscribed
from adapters.opcua.values import differs, in_order
from adapters.pauses import Answer
from adapters.ports import AdapterStatus, Emit
from adapters.reading import ControllerId, Reading, TagId
from adapters.settings import OpcUaController, OpcUaTag


class OpcUaAdapter:
    """One connection to one OPC UA server, read-only: it reads and subscribes, and knows no other service."""

    def __init__(
        self,
        controller: ControllerId,
        settings: OpcUaController,
        tags: Mapping[TagId, OpcUaTag],
        *,
        clock: Clock,
        secret: Callable[[str], str],
        left: LeftOpen | None = None,
    ) -> None:
        """`left` is what connections of this controller hand on to one another.

        Raises ControllerMisconfigured for what no server could mend: addresses, heartbeat.
        """
        self._controller = controller
        self._settings = settings
        self._clock = clock
        self._secret = secret
        self._left = left or LeftOpen()
        self._items = Items(tags, settings)
        self._diagnostics: list[Diagnostic] = []
        self._connection: Connection | None = None  # None before the connection is up
        if settings.heartbeat is not None and settings.heartbeat.tag not in tags:
            raise ControllerMisconfigured(f"the heartbeat {settings.heartbeat.tag} is no tag of this controller")

    def status(self) -> AdapterStatus:
        """What it sees of its own connection."""
        lifeless = () if self._connection is None else self._connection.lifeless()
        diagnostics = (*self._diagnostics, *self._items.diagnostics(), *lifeless)
        return AdapterStatus(len(self._items.tags), len(self._items.active), diagnostics)

    async def run(self, emit: Emit) -> None:
        """One connection's life; see adapters.ports.Adapter. Every error that `emit` raises goes through.

        Of redundant servers the next one has its turn when this one fails.
        """
        urls = self._settings.url
        if len(urls) == 1:
            await self._connect(self._settings, emit)
            return
        here = urls[self._left.turn % len(urls)]
        try:
            await self._connect(self._settings.at(here), emit)
        except AdapterError as error:
            self._left.turn += 1
            detail = f"{here}: {error.detail}; {urls[self._left.turn % len(urls)]} is tried next"
            if isinstance(error, ControllerUnavailable):
                raise ControllerUnavailable(detail, cause=error.cause, blind_since=error.blind_since) from error
            self._left.refusing.add(here)
            if self._left.refusing == set(urls):
                raise ControllerMisconfigured(detail) from error
            raise ControllerUnavailable(detail) from error

    async def _connect(self, settings: OpcUaController, emit: Emit) -> None:
        inbox: asyncio.Queue[Came | AdapterError] = asyncio.Queue()

        def lost(reason: str) -> None:
            inbox.put_nowait(ControllerUnavailable(f"the connection was lost: {reason}"))

        session = Session(settings, self._left, password=self._password(), on_lost=lost)
        self._diagnostics = session.diagnostics
        connection = Connection(self._controller, settings, self._items, self._clock, session, emit)
        try:
            await session.open()
            if len(self._settings.url) > 1:
                await session.require_service()
                self._left.refusing.clear()
            await self._items.resolve(session)
            self._connection = connection
            match settings.mode:
                case "subscribe":
                    await Subscribed(connection, inbox, self._left.doubts).run()
                case "poll":
                    await _poll(connection)
                case _:
                    assert_never(settings.mode)
        except ControllerUnavailable as error:
            raise connection.attributed(error) from error
        finally:
            connection.close()
            self._items.active.clear()
            await session.close()

    def _password(self) -> str | None:
        name = self._settings.password_credential
        if name is None:
            return None
        try:
            return self._secret(name)
        except (LookupError, OSError, ValueError) as error:
            raise ControllerMisconfigured(f"the credential {name} cannot be read") from error


async def _poll(connection: Connection) -> None:
    """Mode "poll": one bulk read each interval; emits what changed, and an empty batch where nothing did."""
    interval_s = connection.settings.publish_interval_ms / 1000
    known: dict[TagId, Reading] | None = None
    while True:
        due_s = real_s() + interval_s
        answer = Answer(connection.stood_still_s)
        readings = await _poll_once(connection)
        answered_in = answer.took()
        connection.watch(readings)
        if known is not None:
            news = tuple(reading for reading in readings if differs(known.get(reading.tag), reading))
            await connection.emit(in_order(news), answered_in=answered_in)
            known.update((reading.tag, reading) for reading in news)
        elif connection.alive():
            await connection.emit(readings, baseline=True)
            known = {reading.tag: reading for reading in readings}
        await asyncio.sleep(max(due_s - real_s(), 0.0))


async def _poll_once(connection: Connection) -> tuple[Reading, ...]:
    if connection.items.moved():
        await connection.items.resolve(connection.session)
    values = await connection.items.values(connection.session)
    for tag, data in values:
        connection.items.judge(tag, data)
    connection.items.refuse_absent()
    connection.require_items()
    now = connection.now()
    return tuple(connection.items.read(tag, data, now) for tag, data in values)
