"""Tells the service manager that the program is ready, makes progress, and stops; from progress only, never a timer.

The protocol is sd_notify(3): datagrams to the socket that $NOTIFY_SOCKET names, "@" standing for an abstract one.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from mes.logs import get_logger

log = get_logger()

Progress = Callable[[], str | None]
EVERY_S = 10.0  # real seconds, where the manager does not say how often it wants to hear


class Manager:
    """The service manager, or nobody: then nothing is sent."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """`environment`: NOTIFY_SOCKET, and WATCHDOG_USEC, the microseconds after which silence is a failure."""
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        silence_us = environment.get("WATCHDOG_USEC", "")
        # half of what is allowed, so that one lost datagram does no harm
        self.every_s = int(silence_us) / 2e6 if silence_us.isdigit() and int(silence_us) else EVERY_S

    def tell(self, *lines: str) -> None:
        """Sends lines such as READY=1; a manager that does not listen is no reason to stop."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)  # a manager whose queue is full must not hold up the plant
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("service_manager_not_told", detail=str(error))

    def tell_reloading(self) -> None:
        """A reload begins; READY=1 ends it. The manager wants the monotonic time, in microseconds."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


async def watch(manager: Manager, progress: Progress) -> NoReturn:
    """Feeds the watchdog while `progress` gives None; else says what stands still, and lets the manager begin again."""
    manager.tell("READY=1")
    stood = False
    while True:
        still = progress()
        if still is None:
            manager.tell("WATCHDOG=1", *(["STATUS=collecting"] if stood else []))
        else:
            manager.tell(f"STATUS={still}")
            if not stood:
                log.error("progress_stopped", detail=still)
        stood = still is not None
        await asyncio.sleep(manager.every_s)
