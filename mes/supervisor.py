"""Keeps every controller connected for as long as the program runs: retries, parks, and says when one is lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NoReturn, Protocol, assert_never

from adapters.cancelling import obey_cancellation
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.ports import Adapter
from adapters.reading import Batch, ControllerId, GapCause
from mes.errors import ConfigError, JournalError, MesError
from mes.logs import get_logger

log = get_logger()


class BatchSink(Protocol):
    """Where batches and losses go: the pipeline."""

    async def accept(self, batch: Batch, /) -> None:
        """Returns when the batch is journaled."""
        ...

    async def lost(self, controller: ControllerId, *, cause: GapCause, detail: str, since: datetime | None) -> None:
        """Returns when it is journaled that we are blind; may be told again."""
        ...


class HealthListener(Protocol):
    """Who is told how a controller stands: health."""

    def connecting(self, controller: ControllerId, adapter: Adapter) -> None:
        """A connection is being made."""
        ...

    def seen(self, controller: ControllerId, received_time: datetime) -> None:
        """A batch came and is journaled."""
        ...

    def lost(self, controller: ControllerId, detail: str) -> None:
        """The connection ended; it will be tried again."""
        ...

    def parked(self, controller: ControllerId, detail: str) -> None:
        """The controller refuses what the configuration asks; it is tried again now and then."""
        ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """Real seconds between tries: drawn from 0 to a ceiling that doubles from `first_s` to `cap_s` (full jitter).

    A controller that refuses is tried in the same way until it has refused for `refused_s`, for it may be starting.
    From then on it is parked: tried every `parked_s`.
    """

    first_s: float = 1.0
    cap_s: float = 30.0
    parked_s: float = 30.0
    refused_s: float = 60.0

    def delay_s(self, failures: int, rng: random.Random) -> float:
        """The wait after the `failures`-th failure in a row, counted from 1."""
        return rng.uniform(0, min(self.cap_s, self.first_s * 2 ** min(failures - 1, 30)))


class _Outcome(StrEnum):
    """How a controller stands; a line is logged when this changes."""

    NEW = "new"
    CONNECTED = "connected"
    UNAVAILABLE = "unavailable"
    MISCONFIGURED = "misconfigured"
    BROKEN = "broken"  # our own defect: something came out of an adapter or a step that should not


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a connection's life ended."""

    outcome: _Outcome
    detail: str
    cause: GapCause = GapCause.CONNECTION
    since: datetime | None = None
    error: BaseException | None = None
    refused: bool = False


async def supervise(
    controller: ControllerId,
    make: Callable[[], Adapter],
    taker: BatchSink,
    watch: HealthListener,
    *,
    rng: random.Random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    backoff: Backoff | None = None,
) -> NoReturn:
    """Runs one controller for ever; ends by cancellation, and by JournalError, which must end the program."""
    await _Supervised(controller, make, taker, watch, rng, sleep, backoff or Backoff()).run()


@dataclass(slots=True)
class _Supervised:
    controller: ControllerId
    make: Callable[[], Adapter]
    taker: BatchSink
    watch: HealthListener
    rng: random.Random
    sleep: Callable[[float], Awaitable[None]]
    backoff: Backoff
    outcome: _Outcome = _Outcome.NEW
    failures: int = 0
    refused_s: float = 0.0  # that were waited between refusals, one after the other
    journal_error: JournalError | None = None

    async def run(self) -> NoReturn:
        while True:
            ending = await self._live()
            if self.journal_error is not None:  # an adapter may have wrapped it in an error of its own
                raise self.journal_error
            obey_cancellation()  # else a lost one would connect again for ever
            await self.taker.lost(self.controller, cause=ending.cause, detail=ending.detail, since=ending.since)
            self.failures += 1
            self._tell(ending)
            delay_s = self._delay_s(ending.outcome)
            self.refused_s = self.refused_s + delay_s if ending.refused else 0.0
            await self.sleep(delay_s)

    async def _live(self) -> _Ending:
        try:
            adapter = self.make()
            self.watch.connecting(self.controller, adapter)
            await adapter.run(self._emit)
        except ControllerUnavailable as error:
            return _Ending(_Outcome.UNAVAILABLE, error.detail, error.cause, error.blind_since)
        except ControllerMisconfigured as error:
            starting = self.refused_s < self.backoff.refused_s
            return _Ending(_Outcome.UNAVAILABLE if starting else _Outcome.MISCONFIGURED, error.detail, refused=True)
        except ConfigError as error:
            return _Ending(_Outcome.MISCONFIGURED, str(error))
        except JournalError:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # nobody cancelled us: it leaked out of a protocol library, and would end this controller in silence
            return _Ending(_Outcome.BROKEN, "the connection was cancelled from within", error=error)
        except Exception as error:  # noqa: BLE001  # one controller's defect must not stop the others
            return _Ending(_Outcome.BROKEN, f"{type(error).__name__}: {error}", error=error)
        return _Ending(_Outcome.UNAVAILABLE, "the connection ended without a word")

    async def _emit(self, batch: Batch, /) -> None:
        obey_cancellation()
        try:
            await self.taker.accept(batch)
        except JournalError as error:
            self.journal_error = error
            raise
        self.watch.seen(self.controller, batch.received_time)
        if batch.baseline:
            self.failures, self.refused_s = 0, 0.0
        if self.outcome is not _Outcome.CONNECTED:
            event = "controller_connected" if self.outcome is _Outcome.NEW else "controller_restored"
            self.outcome = _Outcome.CONNECTED
            log.info(event, controller=self.controller)

    def _tell(self, ending: _Ending) -> None:
        """Health is told of every try, the log of every change."""
        if ending.outcome is _Outcome.MISCONFIGURED:
            self.watch.parked(self.controller, ending.detail)
        else:
            self.watch.lost(self.controller, ending.detail)
        before, self.outcome = self.outcome, ending.outcome
        if before is ending.outcome:
            return
        match ending.outcome:
            case _Outcome.UNAVAILABLE:
                log.info("controller_lost", controller=self.controller, cause=str(ending.cause), detail=ending.detail)
            case _Outcome.MISCONFIGURED:
                log.warning(
                    "controller_parked",
                    controller=self.controller,
                    detail=ending.detail,
                    retry_s=self.backoff.parked_s,
                )
            case _Outcome.BROKEN:
                log.error("controller_failed", controller=self.controller, detail=ending.detail, exc_info=ending.error)
            case _Outcome.NEW | _Outcome.CONNECTED:
                raise AssertionError(ending.outcome)
            case _:
                assert_never(ending.outcome)

    def _delay_s(self, outcome: _Outcome) -> float:
        if outcome is _Outcome.MISCONFIGURED:
            return self.backoff.parked_s
        if outcome is _Outcome.BROKEN:
            return self.backoff.cap_s
        return self.backoff.delay_s(self.failures, self.rng)


async def failure_of(work: Callable[[], Awaitable[None]]) -> str | None:
    """Does what a person asked for; a failure stops nothing and gives its sentence, None if it worked."""
    try:
        await work()
    except MesError as error:
        return str(error)
    except Exception as error:  # the collecting must go on whatever a file has in it
        log.error("request_failed", detail=f"{type(error).__name__}: {error}", exc_info=error)  # noqa: TRY400
        return f"{type(error).__name__}: {error}; a defect of this program, please report it"
    return None


async def run_forever(
    name: str,
    work: Callable[[], Awaitable[None]],
    *,
    pause_s: float = 30.0,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    failing: Callable[[str], None] = lambda _: None,
) -> NoReturn:
    """Runs a consumer of the journal for ever: a defect in it stops nothing else, and its cursor loses nothing.

    `pause_s`: real seconds before it is begun again. `failing` hears why it does not work, at each failure. The same
    failure is logged once, however often it comes in a row. Ends only by cancellation.
    """
    before = ""
    while True:
        try:
            await work()
        except Exception as error:  # the collecting must go on whatever a consumer meets
            known = isinstance(error, MesError)
            detail = str(error) if known else f"{type(error).__name__}: {error}"
            if detail != before:
                traced = None if known else error
                log.error("consumer_failed", consumer=name, detail=detail, retry_s=pause_s, exc_info=traced)  # noqa: TRY400
            before = detail
            failing(detail)
        obey_cancellation()
        await sleep(pause_s)
