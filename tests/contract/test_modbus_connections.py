"""Connections as real devices treat them: closed now and then, closed after each answer, or slow to take a request."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from modbus_servers import NOW, OurDevice, Watched, device, watched
from odd_modbus_device import CLOSE, RESET, OddDevice, Request, Script, Step, odd_device
from patience import eventually

from adapters.clock import ManualClock
from adapters.errors import ControllerUnavailable
from adapters.modbus.answers import Doubt
from adapters.settings import ModbusTag

TAGS = {"one": ModbusTag(address=100), "two": ModbusTag(address=200)}
POLLS = 8


def move(plc: OddDevice) -> None:
    """Each request finds other values."""
    plc.registers = {100: 1000 + plc.requests % 900, 200: 2000 + plc.requests % 900}


def answers(plc: OddDevice, request: Request) -> Sequence[Step]:
    """As it should."""
    move(plc)
    return [plc.frame(request)]


def closes_after_each_answer(plc: OddDevice, request: Request) -> Sequence[Step]:
    """The connection ends in order with each answer."""
    move(plc)
    return [plc.frame(request), CLOSE]


def resets_after_each_answer(plc: OddDevice, request: Request) -> Sequence[Step]:
    """The connection is reset a moment after each answer."""
    move(plc)
    return [plc.frame(request), 0.002, RESET]


def closes_a_little_later(plc: OddDevice, request: Request) -> Sequence[Step]:
    """The connection ends while the next request is under way, which gets no answer."""
    move(plc)
    return [plc.frame(request), 0.003, CLOSE] if request.in_connection == 0 else []


def closes_after_each_poll(plc: OddDevice, request: Request) -> Sequence[Step]:
    """The connection ends in order after the second answer."""
    move(plc)
    return [plc.frame(request), CLOSE if request.in_connection else b""]


async def values_of(seen: Watched, polls: int) -> list[dict[str, object]]:
    """What so many polls say that say something new."""
    return [{reading.tag: reading.value for reading in (await seen.news()).readings} for _ in range(polls)]


@pytest.mark.parametrize("rtu", [False, True])
@pytest.mark.parametrize(
    "script",
    [closes_after_each_answer, resets_after_each_answer, closes_a_little_later, closes_after_each_poll],
)
async def test_a_device_that_closes_connections_is_collected(script: Script, rtu: bool) -> None:
    """However often a device closes a connection that it answered on: each poll brings all values, and none ends."""
    async with odd_device({}, script, rtu=rtu) as plc:
        async with watched(plc.settings(request_timeout_s=0.2 if rtu else 1.0), TAGS) as seen:
            polls = await values_of(seen, POLLS)
        connections = plc.connections

    assert [sorted(poll) for poll in polls] == [["one", "two"]] * POLLS
    assert all(str(poll["one"]).startswith("1") and str(poll["two"]).startswith("2") for poll in polls)
    assert connections >= POLLS


async def test_a_close_between_polls_is_no_loss_until_the_observation_interval_passes() -> None:
    """A device that is away for a moment is polled on; one that stays away is lost when its time was not observed."""
    clock = ManualClock(NOW)
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        server = plc.server
        async with watched(plc.settings(), {"good": ModbusTag(address=100)}, clock=clock) as seen:
            await seen.batch()
            await server.stop()
            await asyncio.sleep(0.2)  # ten polls find nobody
            await server.start()
            plc.write(100, [5])
            assert (await seen.news()).readings[0].value == 5
            await server.stop()
            clock.advance(timedelta(seconds=5))
            with pytest.raises(ControllerUnavailable, match=r"no connection to 127.0.0.1:\d+: nothing listens there"):
                await seen.end()


async def test_a_connection_for_each_poll() -> None:
    """With `close_after_poll` nothing is held between two polls, so that others can reach the device."""
    async with odd_device({}, answers) as plc:
        async with watched(plc.settings(close_after_poll=True, poll_interval_ms=100), TAGS) as seen:
            await values_of(seen, POLLS)
            await eventually(lambda: plc.open == 0)
        assert plc.connections >= POLLS
        assert plc.most_open == 1


@pytest.mark.parametrize("close_after_poll", [False, True])
async def test_pauses_that_a_device_needs(close_after_poll: bool) -> None:
    """A device that ignores requests soon after a connection or an answer is never asked so soon."""
    loop = asyncio.get_running_loop()
    ready_s: dict[int, float] = {}

    def needs_pauses(plc: OddDevice, request: Request) -> Sequence[Step]:
        move(plc)
        if loop.time() < ready_s.get(plc.connections, plc.connected_s + 0.1):
            return []
        ready_s[plc.connections] = loop.time() + 0.05
        return [plc.frame(request)]

    settings = {"pause_after_connect_ms": 110, "pause_between_requests_ms": 60, "request_timeout_s": 5.0}
    settings |= {"close_after_poll": close_after_poll}
    async with odd_device({}, needs_pauses) as plc, watched(plc.settings(**settings), TAGS) as seen:
        polls = await values_of(seen, POLLS)
        doubts = dict(seen.adapter.status().doubts)

    assert [sorted(poll) for poll in polls] == [["one", "two"]] * POLLS
    assert doubts == {}


async def test_a_device_that_ignores_quick_requests_is_told_with_the_pause() -> None:
    """Without the setting each ignored request is repeated after its time-out, and the remedy names the pause."""
    loop = asyncio.get_running_loop()
    answered_s = [-1.0]

    def ignores(plc: OddDevice, request: Request) -> Sequence[Step]:
        move(plc)
        early, answered_s[0] = loop.time() < answered_s[0] + 0.1, loop.time()
        return [] if early else [plc.frame(request)]

    async with odd_device({}, ignores) as plc, watched(plc.settings(request_timeout_s=0.4), TAGS) as seen:
        await values_of(seen, 3)
        (diagnostic,) = [
            diagnostic for diagnostic in seen.adapter.status().diagnostics if "no_answer" in diagnostic.text
        ]

    assert "pause_between_requests_ms" in diagnostic.remedy


async def test_a_device_that_needs_time_after_the_connection_is_collected_without_a_setting() -> None:
    """A request that is ignored is repeated on the same connection, which the device may need time to serve."""
    loop = asyncio.get_running_loop()

    def slow_to_begin(plc: OddDevice, request: Request) -> Sequence[Step]:
        move(plc)
        return [plc.frame(request)] if loop.time() > plc.connected_s + 0.3 else []

    async with odd_device({}, slow_to_begin) as plc, watched(plc.settings(request_timeout_s=0.2), TAGS) as seen:
        await values_of(seen, POLLS)
        assert plc.connections == 1
        assert set(seen.adapter.status().doubts) <= {Doubt.NO_ANSWER}
