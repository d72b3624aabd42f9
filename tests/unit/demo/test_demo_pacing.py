"""The demo's clock waits for whoever cannot keep up, and says whose fault it was."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from fakes import START
from hypothesis import given
from hypothesis import strategies as st
from patience import patiently

from adapters.reading import ControllerId
from mes.demo.pacing import (
    BUSY,
    DISK_STALL_S,
    LOOK_LEAD_S,
    RECOVERY_LEAD_S,
    SCAN_LEAD_S,
    TICK_S,
    Pacemaker,
    TooSlow,
    WaitingClock,
)
from mes.demo.run import LOOKS, Options, _Run
from mes.errors import MesError
from mes.intervals import Interval

SPEED = 240.0


def plant(real_s: float) -> timedelta:
    """Plant time that passes in real seconds at full speed."""
    return timedelta(seconds=real_s * SPEED)


class Bench:
    """A clock whose machine is moved by hand, and a pacemaker with one controller."""

    def __init__(self) -> None:
        self.real_s = 0.0
        self.clock = WaitingClock(START, speed=SPEED, monotonic_s=lambda: self.real_s)
        self.looked: datetime | None = START
        self.excused: dict[str, datetime | None] = {}
        self.pacemaker = Pacemaker(self.clock, lambda: {"weld-plc": self.looked}, lambda: self.excused)


async def test_a_stop_at_the_end_grows_no_longer_than_real_time_passes() -> None:
    """While the last looks come in, the plant's clock runs in real time, however fast the demo was.

    A minor stop that was on at the end of `mes demo --for 3h --speed 60 --seed 7` grew by a minute, into a failure.
    """
    run = _Run(Options(timedelta(hours=3), speed=SPEED, seed=7), time.monotonic())
    looks: list[datetime] = []
    run.seen.times[ControllerId("weld-plc")] = looks
    run.clock.allow(START + timedelta(days=1))
    run.clock.release()

    async def look() -> None:
        while True:
            await asyncio.sleep(0.1)
            looks.append(run.clock.now())

    looking = asyncio.create_task(look())
    before, before_s = run.clock.now(), time.monotonic()
    async with patiently():
        window = await run.stop_plant()
    passed_s = time.monotonic() - before_s
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert passed_s > 0.2
    assert looks[LOOKS - 1] < window.end
    assert window.end - before < timedelta(seconds=SPEED / 10 * passed_s)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5), st.booleans()), max_size=30))
def test_the_clock_never_goes_back_nor_past_its_limit(moves: list[tuple[float, float, bool]]) -> None:
    """However the machine hurries or stalls: not backwards, never past the limit, and never faster than its speed."""
    bench = Bench()
    clock, limit = bench.clock, START
    clock.release()
    for passed_s, lead_s, held in moves:
        before = clock.now()
        bench.real_s += passed_s
        now = clock.now()
        assert before <= now <= limit
        assert now - before <= plant(passed_s) + timedelta(microseconds=2)
        if held:
            clock.hold()
            bench.real_s += 1.0
            assert clock.now() == now
            clock.release()
        limit = max(limit, now + plant(lead_s))
        clock.allow(limit)
        assert clock.now() == now  # what it waited is not made up for


def test_a_clock_that_is_never_late_is_a_scaled_clock() -> None:
    """With a limit far ahead it shows real time times its speed, and has waited for nothing."""
    bench = Bench()
    bench.clock.allow(START + timedelta(days=1))
    bench.clock.release()
    for _ in range(100):
        bench.real_s += 0.01
        bench.clock.allow(START + timedelta(days=1))

    assert abs(bench.clock.now() - START - plant(1.0)) < timedelta(milliseconds=1)
    assert bench.pacemaker.slowness().waited_s < 1e-6
    assert round(bench.pacemaker.slowness().reached) == SPEED


def test_what_the_clock_waited_is_measured() -> None:
    """It runs 1 s and stands 3 s at its limit: three quarters were waited, a quarter of the speed was reached."""
    bench = Bench()
    bench.clock.allow(START + plant(1.0))
    bench.clock.release()
    bench.real_s += 4.0
    bench.clock.allow(START + plant(1.0))

    slowness = bench.pacemaker.slowness()
    assert (round(slowness.waited_s, 6), round(slowness.reached, 6)) == (3.0, SPEED / 4)
    assert slowness.sentence() == "this computer was too slow for --speed 240; try --speed 60"


def test_the_plant_waits_for_scan_and_look() -> None:
    """The clock may run ahead of the controllers' last scan and the collector's last look, by so much and no more."""
    bench = Bench()
    bench.pacemaker.scanned(START + plant(10), START + plant(10))

    assert bench.pacemaker.limit() == START + plant(LOOK_LEAD_S)
    bench.looked = START + plant(10)
    assert bench.pacemaker.limit() == START + plant(10 + SCAN_LEAD_S)


def test_nobody_waits_for_a_controller_with_a_fault() -> None:
    """A cut cable stops no plant; after it the collector has some time to connect again, and then is waited for."""
    bench = Bench()
    bench.pacemaker.scanned(START + plant(100), START + plant(100))
    bench.excused = {"weld-plc": None}
    assert bench.pacemaker.limit() == START + plant(100 + SCAN_LEAD_S)

    bench.excused = {"weld-plc": START + plant(50)}
    assert bench.pacemaker.limit() == START + plant(50 + RECOVERY_LEAD_S)
    bench.looked = START + plant(90)
    assert bench.pacemaker.limit() == START + plant(90 + LOOK_LEAD_S)


def test_a_reset_waits_until_the_last_count_can_be_seen() -> None:
    """A totaliser is reset 30 s after its last unit: until then it is shown within 5 s and looked at every 10 s."""
    bench = Bench()
    bench.pacemaker.settling = lambda: True
    bench.pacemaker.scanned(START + plant(10), START + plant(10))

    assert bench.pacemaker.limit() == START + timedelta(seconds=10)
    bench.looked = START + plant(10)
    assert bench.pacemaker.limit() == START + plant(10) + timedelta(seconds=5)


def test_a_held_clock_is_moved_past_its_limit() -> None:
    """So that the last instant that anything was stamped with is an earlier one; released, it goes on from there."""
    bench = Bench()
    bench.clock.release()
    bench.real_s += 1.0
    bench.clock.hold()
    bench.clock.skip(timedelta(milliseconds=1))
    assert bench.clock.now() == START + timedelta(milliseconds=1)

    bench.clock.release()
    bench.clock.allow(START + timedelta(seconds=1))
    bench.real_s += 1.0
    assert bench.clock.now() == START + timedelta(seconds=1)


async def while_it_runs(work: Coroutine[Any, Any, None], until: Callable[[], bool]) -> None:
    """Lets an endless task run until something is so."""
    task = asyncio.create_task(work)
    async with patiently(10):
        while not until():
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_loop_that_is_late_at_every_turn_is_a_stall() -> None:
    """Work that holds the event loop for a short while at every turn leaves a fifth of the ticks, or fewer."""
    bench = Bench()

    def work() -> None:
        time.sleep(2 * BUSY * TICK_S)

    async def hog() -> None:
        while True:
            work()
            await asyncio.sleep(0)

    hogging = asyncio.create_task(hog())
    await while_it_runs(bench.pacemaker.run(), lambda: bool(bench.pacemaker.stalls))
    hogging.cancel()
    assert bench.pacemaker.longest_s > 0


async def test_a_slow_disk_is_a_stall() -> None:
    """A byte that is on its way to the disk for longer than a second; a quick one is none."""
    bench = Bench()
    taken_s = iter([0.0, DISK_STALL_S + 0.2])
    written = 0

    def write() -> None:
        nonlocal written
        written += 1
        assert not bench.pacemaker.stalls
        time.sleep(next(taken_s, 0.0))

    await while_it_runs(bench.pacemaker.watch_disk(write), lambda: bool(bench.pacemaker.stalls))
    assert written == 2
    assert bench.pacemaker.longest_s >= DISK_STALL_S


def test_only_a_computer_that_was_seen_to_stall_is_called_slow() -> None:
    """What takes too long is the program's failure, unless the event loop was late."""
    bench = Bench()
    assert type(bench.pacemaker.overdue("a fault did not end")) is MesError

    bench.pacemaker.stalls.append(Interval(START, START + plant(1)))
    late = bench.pacemaker.overdue("a fault did not end")
    assert isinstance(late, TooSlow)
    assert "try --speed 60" in str(late)
