"""Publish requests of an OPC UA session: several at the server, each notification acknowledged after its commit."""

import asyncio
from collections.abc import Callable
from typing import cast

from asyncua import ua
from asyncua.ua.uaerrors import BadTimeout, BadTooManyPublishRequests

from adapters.cancelling import end_tasks
from adapters.errors import AdapterError
from adapters.opcua.session import Session, translated

_PUBLISH_REQUESTS = 2  # on their way, beside one for each subscription to be answered; the smallest servers hold five
_MOST_UNHANDLED = 10  # notifications of each subscription that wait for their commit; beyond, the server's queues fill


class Publishing:
    """Keeps several publish requests at the server, so that a slow commit holds up no notification.

    A notification is acknowledged after `handled` was called for it, and never before. Answers come in the order of
    the wire, which need not be that of their numbers.
    """

    def __init__(
        self, session: Session, subscriptions: int, arrived: Callable[[ua.PublishResult | AdapterError, float], None]
    ) -> None:
        """Begins to ask at once; `arrived` is given every answer, and last the error that ended the asking.

        `subscriptions`: how many the session has; an answer may be of any of them. With it comes when it was asked for,
        in the event loop's time: a server makes an answer after that.
        """
        self._session = session
        self._arrived = arrived
        self._handled: list[tuple[int, int]] = []  # subscription and number of the notification
        self._room = asyncio.Semaphore(_MOST_UNHANDLED * subscriptions)
        self._asking = {asyncio.create_task(self._ask()) for _ in range(subscriptions + _PUBLISH_REQUESTS)}

    def handled(self, result: ua.PublishResult) -> None:
        """What it said is journaled, or said nothing: the next request acknowledges it."""
        if result.NotificationMessage.NotificationData:  # a keep-alive carries a number that is not its own
            self._handled.append((int(result.SubscriptionId), int(result.NotificationMessage.SequenceNumber)))
        self._room.release()

    async def stop(self) -> None:
        """Asks no more."""
        await end_tasks(self._asking)

    async def _ask(self) -> None:
        try:
            with translated("publishing"):
                while await self._room.acquire():
                    acknowledged, self._handled = self._handled, []
                    asked_s = asyncio.get_running_loop().time()
                    try:
                        self._arrived(await self._session.publish(acknowledged), asked_s)
                    except (BadTimeout, BadTooManyPublishRequests) as error:
                        self._handled[:0] = acknowledged
                        self._room.release()
                        if isinstance(error, BadTimeout):
                            continue  # the server gave the request back; it has one more to wait for
                        if len(self._asking) == 1:
                            raise
                        self._asking.discard(cast("asyncio.Task[None]", asyncio.current_task()))
                        return  # the server holds fewer requests than we would like
        except AdapterError as error:
            self._arrived(error, asyncio.get_running_loop().time())
