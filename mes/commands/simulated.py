"""What the commands around a simulated plant have in common: how lengths and clocks are given, how a run ends."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

import click

from adapters.clock import Clock, ScaledClock, SteadyClock
from mes.commands.options import INSTANT
from mes.stopping import stop_on_signal

Result = TypeVar("Result")


class _ClockSetting(click.ParamType["tuple[datetime, datetime]"]):
    name = "shown@real"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[datetime, datetime]:
        if isinstance(value, tuple):
            return value
        shown, at, real = str(value).partition("@")
        if not at:
            self.fail(f"{value!r} lacks an @; `mes simulate` prints the right one", param, ctx)
        return INSTANT.convert(shown, param, ctx), INSTANT.convert(real, param, ctx)


CLOCK = _ClockSetting()
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
