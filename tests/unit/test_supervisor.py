"""The supervisor: it never gives up, says each change once, and lets through only what must end the program."""

import asyncio
import random
from datetime import timedelta

import pytest
import structlog
from fakes import PLC, START, Enough, FakeAdapter, FakePipeline, FakeSleep, batch, script

from adapters.clock import ManualClock
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.reading import GapCause
from mes.errors import ConfigError, JournalError
from mes.health.controllers import ConnectionState, Health
from mes.supervisor import Backoff, run_forever, supervise

Lines = list[structlog.typing.EventDict]
GONE = ControllerUnavailable("refused")


async def run(
    *adapters: FakeAdapter | Exception, tries: int, pipeline: FakePipeline | None = None, health: Health | None = None
) -> list[float]:
    """Supervises until the given number of sleeps; returns how long they were to be, in seconds."""
    sleep = FakeSleep(tries)
    with pytest.raises(Enough):
        await supervise(
            PLC,
            script(*adapters),
            pipeline or FakePipeline(),
            health or Health(ManualClock(START)),
            rng=random.Random(1),
            sleep=sleep,
            backoff=Backoff(first_s=1, cap_s=30, parked_s=30, refused_s=60),
        )
    return sleep.slept_s


async def test_it_backs_off_with_full_jitter(logged: Lines) -> None:
    """Waits are drawn between 0 and 1, 2, 4 … 30 seconds; a long outage is one line in the log."""
    slept_s = await run(FakeAdapter(end=GONE), tries=40)

    ceilings_s = [min(30.0, 2.0**n) for n in range(40)]
    assert all(0 <= wait_s <= ceiling for wait_s, ceiling in zip(slept_s, ceilings_s, strict=True))
    assert max(slept_s) > 20
    assert min(slept_s[6:]) < 5
    assert [line["event"] for line in logged] == ["controller_lost"]


async def test_a_baseline_starts_the_backoff_again(logged: Lines) -> None:
    """After a connection that gave its baseline, the first wait is short again, and both changes are logged."""
    down, up = FakeAdapter(end=GONE), FakeAdapter([batch(baseline=True), batch()], end=GONE)

    slept_s = await run(down, down, down, down, down, down, up, tries=7)

    assert slept_s[6] <= 1
    assert [line["event"] for line in logged] == ["controller_lost", "controller_restored", "controller_lost"]


async def test_every_ending_is_a_loss() -> None:
    """The pipeline is told of each ending, with the cause and the last proof of life that the adapter knows."""
    stuck = ControllerUnavailable("heartbeat stands", cause=GapCause.STUCK, blind_since=START)
    pipeline = FakePipeline()

    await run(FakeAdapter([batch(baseline=True)], end=stuck), FakeAdapter(end=GONE), tries=2, pipeline=pipeline)

    assert pipeline.accepted == [batch(baseline=True)]
    assert pipeline.losses == [
        (PLC, GapCause.STUCK, "heartbeat stands", START),
        (PLC, GapCause.CONNECTION, "refused", None),
    ]


async def test_a_missing_credential_parks_a_controller_until_it_is_there(logged: Lines) -> None:
    """What this program itself lacks parks at once: tried every 30 s, with one warning, running once it is there."""
    fixed = FakeAdapter([batch(baseline=True)], end=GONE)
    missing = ConfigError("no credential")

    slept_s = await run(missing, missing, fixed, tries=3)

    assert slept_s[:2] == [30, 30]
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("controller_parked", "warning"),
        ("controller_restored", "info"),
        ("controller_lost", "info"),
    ]


async def test_a_controller_that_refuses_is_parked_after_a_minute_of_refusals(logged: Lines) -> None:
    """It may be starting: for a minute it is tried like one that is away, then every 30 s, with one warning."""
    health = Health(ManualClock(START))

    slept_s = await run(FakeAdapter(end=ControllerMisconfigured("no such node")), tries=40, health=health)

    tries = next(number for number in range(40) if sum(slept_s[:number]) >= 60)
    assert all(0 <= slept <= min(30.0, 2.0**number) for number, slept in enumerate(slept_s[:tries]))
    assert sum(slept_s[:3]) <= 7
    assert slept_s[tries:] == [30] * (40 - tries)
    assert [(line["event"], line["detail"]) for line in logged] == [
        ("controller_lost", "no such node"),
        ("controller_parked", "no such node"),
    ]
    assert health.snapshot()[0].state is ConnectionState.PARKED


async def test_refusals_count_again_after_a_loss_and_after_a_connection(logged: Lines) -> None:
    """A controller that restarts between its refusals, or gave data, has a minute again."""
    refuses, gone = FakeAdapter(end=ControllerMisconfigured("starting")), FakeAdapter(end=GONE)
    up = FakeAdapter([batch(baseline=True)], end=ControllerMisconfigured("starting"))

    await run(*[refuses, refuses, refuses, gone] * 10, up, gone, tries=42)

    assert "controller_parked" not in [line["event"] for line in logged]


async def test_a_defect_of_one_controller_does_not_end_it(logged: Lines) -> None:
    """Any other exception is logged with its traceback, told as a loss, and tried again at the longest wait."""
    pipeline = FakePipeline()

    slept_s = await run(FakeAdapter(end=ZeroDivisionError("x")), tries=3, pipeline=pipeline)

    assert slept_s == [30, 30, 30]
    assert [(line["event"], line["log_level"]) for line in logged] == [("controller_failed", "error")]
    assert isinstance(logged[0]["exc_info"], ZeroDivisionError)
    assert len(pipeline.losses) == 3


async def test_a_leaked_cancellation_does_not_end_it_in_silence(logged: Lines) -> None:
    """A CancelledError that nobody asked for is a failure of the connection like any other."""
    assert await run(FakeAdapter(end=asyncio.CancelledError()), tries=2) == [30, 30]
    assert [line["event"] for line in logged] == ["controller_failed"]


async def test_a_failed_journal_ends_the_program() -> None:
    """JournalError passes through, even where an adapter wraps it in an error of its own."""
    for wrap in (None, ControllerUnavailable("callback failed")):
        pipeline = FakePipeline(refuse=JournalError("disk full"))

        with pytest.raises(JournalError, match="disk full"):
            await supervise(
                PLC,
                script(FakeAdapter([batch(baseline=True)], wrap=wrap)),
                pipeline,
                Health(ManualClock(START)),
                rng=random.Random(1),
            )


async def test_cancelling_ends_it() -> None:
    """A cancelled supervisor ends, and tells of no loss: the gap is found at the next start."""
    pipeline = FakePipeline()
    adapter = FakeAdapter([batch(baseline=True)])
    task = asyncio.create_task(
        supervise(PLC, script(adapter), pipeline, Health(ManualClock(START)), rng=random.Random(1))
    )
    while not pipeline.accepted:
        await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert pipeline.losses == []


async def test_health_follows() -> None:
    """Health shows state, attempts, connections, the last batch, the last error and the items."""
    clock = ManualClock(START)
    health = Health(clock)
    adapter = FakeAdapter()
    assert not health.is_running(PLC)

    health.connecting(PLC, adapter)
    assert health.snapshot()[0].state is ConnectionState.CONNECTING
    health.seen(PLC, START)
    clock.advance(timedelta(minutes=1))
    health.seen(PLC, clock.now())

    assert health.is_running(PLC)
    running = health.snapshot()[0]
    assert (running.since, running.last_batch, running.items_active) == (START, clock.now(), 4)
    health.lost(PLC, "cable cut")
    health.connecting(PLC, adapter)
    lost = health.snapshot()[0]
    assert (lost.state, lost.since, lost.error) == (ConnectionState.LOST, clock.now(), "cable cut")
    assert (lost.attempts, lost.connections, lost.items_configured, lost.items_active) == (2, 1, 5, 0)
    health.parked(PLC, "no such node")
    assert health.snapshot()[0].state is ConnectionState.PARKED


async def test_a_consumer_that_fails_is_begun_again(logged: list[structlog.typing.EventDict]) -> None:
    """A defect in a consumer is told, ends nothing else, and the consumer is begun again after a pause."""
    begun: list[int] = []
    pauses: list[float] = []

    async def work() -> None:
        begun.append(1)
        if len(begun) == 1:
            raise ZeroDivisionError

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run_forever("influx", work, pause_s=7, sleep=sleep)

    assert (len(begun), pauses) == (2, [7, 7])
    assert [(line["event"], line["consumer"]) for line in logged] == [("consumer_failed", "influx")]
