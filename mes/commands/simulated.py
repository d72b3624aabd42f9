"""What the commands around a simulated plant have in common: how lengths and clocks are given, how a run ends."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

import click

from adapters.clock import Clock, ScaledClock, SteadyClock
from mes.commands.options import instant
from mes.commands.parsed import Parsed
from mes.stopping import stop_on_signal

Result = TypeVar("Result")


def _setting(text: str) -> tuple[datetime, datetime]:
    shown, at, real = text.partition("@")
    if not at:
        raise ValueError(f"{text!r} lacks an @; `mes simulate` prints the right one")
    return instant(shown), instant(real)


CLOCK = Parsed("shown@real", _setting)
SPEED = click.FloatRange(min=1, max=1000)


def clock_of(speed: float, setting: tuple[datetime, datetime] | None) -> Clock:
    """The clock of a simulated plant, or the real one. Raises UsageError for a speed without a setting."""
    if setting is not None:
        shown, real = setting
        return ScaledClock.anchored(shown, real=real, speed=speed)
    if speed != 1:
        raise click.UsageError("--speed needs --clock: `mes simulate` prints the right one when it starts")
    return SteadyClock()


def until_done(start: Callable[[asyncio.Event], Coroutine[Any, Any, Result]]) -> Result:
    """Runs `start`; Ctrl-C and SIGTERM set its event, so that it ends in order."""

    async def body() -> Result:
        return await start(stop_on_signal())

    return asyncio.run(body())
