"""Clocks: ours stands firm whatever the machine's does, and a controller's is measured."""

from datetime import timedelta

from fakes import PLC, START
from hypothesis import given
from hypothesis import strategies as st
from structlog.typing import EventDict

from adapters.clock import SteadyClock
from adapters.reading import Batch, ControllerId, Quality, Reading, TagId
from mes.health.clock_offsets import ControllerClocks, OffsetMeter, Step

SECOND = timedelta(seconds=1)


class Machine:
    """A machine's clocks, both set by hand."""

    def __init__(self) -> None:
        self.wall = START
        self.real_s = 100.0
        self.clock = SteadyClock(lambda: self.wall, lambda: self.real_s)

    def passes(self, seconds: float) -> None:
        self.real_s += seconds
        self.wall += seconds * SECOND


@given(st.lists(st.tuples(st.floats(0, 3600), st.floats(-1e6, 1e6)), max_size=20))
def test_steps_of_the_machine_change_no_order_and_no_duration(moves: list[tuple[float, float]]) -> None:
    """However the machine's clock is set, ours never goes back, and an hour stays an hour within 500 ppm."""
    machine = Machine()
    before = machine.clock.now()
    for passed_s, step_s in moves:
        machine.wall += step_s * SECOND
        machine.passes(passed_s)
        now = machine.clock.now()
        assert abs((now - before).total_seconds() - passed_s) <= passed_s * 501e-6 + 2e-6
        assert now >= before
        before = now


def test_a_step_shows_and_is_not_followed() -> None:
    """An hour back: our time goes on, and the step is told until the machine's clock is right again."""
    machine = Machine()
    assert machine.clock.stepped is None
    machine.passes(60)
    machine.wall -= 3600 * SECOND
    assert machine.clock.now() == START + 60 * SECOND
    assert machine.clock.stepped == -3600 * SECOND
    machine.wall += 3600 * SECOND
    machine.clock.now()
    assert machine.clock.stepped is None


def test_a_disciplined_clock_is_followed() -> None:
    """A clock that is a second off is approached, without a jump, and then kept."""
    machine = Machine()
    machine.wall += SECOND
    for _ in range(100):
        machine.passes(60)
        machine.clock.now()
    assert abs(machine.clock.now() - machine.wall) < 0.001 * SECOND


def reading(seconds: float, offset_s: float, delay_s: float = 0.05) -> Reading:
    received = START + seconds * SECOND
    return Reading(TagId("t"), 1, Quality.GOOD, received + (offset_s - delay_s) * SECOND, received)


def fed(meter: OffsetMeter, *samples: tuple[float, float, float]) -> list[Step]:
    """The steps that are told while readings (second, offset, delay) come in."""
    found = [meter.take([reading(*one)], START + one[0] * SECOND) for one in samples]
    return [step for step in found if step is not None]


def test_the_least_delayed_reading_tells_the_offset() -> None:
    """Delays only make a controller look late, so the best of two minutes counts; no time stamp, no offset."""
    meter = OffsetMeter()
    assert meter.take([Reading(TagId("t"), 1, Quality.GOOD, None, START)], START) is None
    assert meter.offset is None
    assert fed(meter, *((5.0 * n, 1.5, 0.02 if n % 7 == 3 else 0.9) for n in range(40))) == []
    assert meter.offset == 1.48 * SECOND
    assert not meter.is_far


def test_drift_is_no_step() -> None:
    """100 ppm over a day move the offset and tell no step; beyond two seconds it is far."""
    meter = OffsetMeter()
    assert fed(meter, *((10.0 * n, 1e-4 * 10.0 * n, 0.01) for n in range(8640 * 3))) == []
    assert meter.offset is not None
    assert abs(meter.offset - 25.9 * SECOND) < 0.1 * SECOND
    assert meter.is_far


def test_a_clock_that_was_set_is_told_once() -> None:
    """Forwards at once, backwards when two looks agree, since a single slow answer looks the same."""
    forwards = fed(OffsetMeter(), *((10.0 * n, 0.0 if n < 5 else 3600.0, 0.01) for n in range(20)))
    backwards = fed(OffsetMeter(), *((10.0 * n, 0.0 if n < 5 else -3600.0, 0.01) for n in range(20)))
    slow = fed(OffsetMeter(), *((10.0 * n, 0.0, 5.0 if n == 5 else 0.01) for n in range(20)))

    assert [round(forward.after / SECOND) for forward in forwards] == [3600]
    assert [round(backward.after / SECOND) for backward in backwards] == [-3600]
    assert slow == []


def test_one_late_answer_sets_no_clock_however_late_the_one_before_was() -> None:
    """A publish that came within its interval and then one that was held up are no two that agree."""
    assert fed(OffsetMeter(), *((10.0 * n, 0.0, {5: 0.9, 6: 5.4}.get(n, 0.01)) for n in range(12))) == []


def test_each_change_of_a_clock_is_told_once(logged: list[EventDict]) -> None:
    """A clock that goes far, is set and comes back is told at each turn; a baseline, which is old, tells nothing."""
    clocks = ControllerClocks()
    for n in range(40):
        offset_s = 3600.0 if 10 <= n < 20 else 0.0
        one = reading(10.0 * n, offset_s)
        clocks.take(Batch(PLC, one.received_time, (one,)))
        clocks.take(Batch(PLC, one.received_time, (reading(10.0 * n, -9e5),), baseline=True))

    told = [(line["event"], round(line["offset_s"])) for line in logged]
    assert told == [
        ("controller_clock_set", 3600),
        ("controller_clock_far", 3600),
        ("controller_clock_set", 0),
        ("controller_clock_right", 0),
    ]
    assert clocks.offsets() == {PLC: -0.05}


def test_a_clock_that_was_set_is_known_from_then_on() -> None:
    """The third look after a step back settles the new offset."""
    clocks = ControllerClocks()
    for second in range(0, 120, 10):
        offset_s = 0.0 if second < 60 else -24.0
        known = clocks.take(Batch(PLC, START + second * SECOND, (reading(second, offset_s),)))
        if second >= 80:
            assert known == -24.05 * SECOND


def test_what_was_measured_at_the_connection_ends_when_the_clock_is_set() -> None:
    """The look that tells the step is judged by it already; by the first offset its old times would be believed."""
    clocks = ControllerClocks()
    assert clocks.take(Batch(PLC, START, (), baseline=True, clock_offset=0.0 * SECOND)) == 0.0 * SECOND
    for second in (100, 190, 280):
        known = clocks.take(Batch(PLC, START + second * SECOND, (reading(second, 0.0 if second < 150 else -45.0),)))
        assert known == (0.0 * SECOND if second < 250 else None)


def test_by_a_simulated_clock_only_the_connection_measures() -> None:
    """Every delay on the way looks like minutes there."""
    clocks = ControllerClocks(measures=False)
    clocks.take(Batch(PLC, START, (), baseline=True, clock_offset=SECOND))
    for second in range(0, 120, 10):
        assert clocks.take(Batch(PLC, START + second * SECOND, (reading(second, -24.0),))) == SECOND


def test_an_old_value_that_is_repeated_after_the_connection_sets_no_clock(logged: list[EventDict]) -> None:
    """A subscription begins with present values, whose stamps may be hours old; the connection measured better."""
    clocks = ControllerClocks()
    clocks.take(Batch(PLC, START, (), baseline=True, clock_offset=-SECOND))
    for second, late_s in ((1, 1500.0), (300, 0.6), (355, 17.0), (380, 0.2)):
        known = clocks.take(Batch(PLC, START + second * SECOND, (reading(second, -1.0, late_s),)))
        assert known == -SECOND
    assert logged == []


def test_a_clock_that_was_set_while_nobody_was_connected_is_told_at_the_connection(logged: list[EventDict]) -> None:
    """What its clock itself shows is known at once."""
    clocks = ControllerClocks()
    for offset_s in (0.0, 3600.0, 3600.0, 0.0):
        assert clocks.take(Batch(PLC, START, (), baseline=True, clock_offset=offset_s * SECOND)) == offset_s * SECOND
    assert [line["event"] for line in logged] == [
        *("controller_clock_set", "controller_clock_far"),
        *("controller_clock_set", "controller_clock_right"),
    ]


OTHER = ControllerId("other")


def test_an_offset_is_known_once_changes_well_apart_agree() -> None:
    """A first burst that was held up by nine seconds makes no clock late; only changes over half a minute tell."""
    clocks = ControllerClocks()
    for second in (0.0, 0.1, 0.2):
        assert clocks.take(Batch(PLC, START + second * SECOND, (reading(second, 0.0, 9.0),))) is None
    known = [
        clocks.take(Batch(PLC, START + second * SECOND, (reading(second, 0.0, 0.05),))) for second in (30.0, 45.0, 60.0)
    ]
    assert known[-1] == -0.05 * SECOND
    assert clocks.take(Batch(OTHER, START, ())) is None
