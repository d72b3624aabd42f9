from datetime import UTC, datetime

import pytest

from adapters.liveness import HeartbeatWatch
from adapters.pauses import PERIOD_S, PauseMeter

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(("late_s", "paused_s"), [(0.0, 0.0), (0.9, 0.0), (1.0, 1.0), (20.0, 20.0)])
def test_a_look_that_comes_late_is_a_pause(late_s: float, paused_s: float) -> None:
    """Looks that come a second late or more tell how long this process stood still, once."""
    meter = PauseMeter(real_s=100.0)
    now_s = 100.0 + PERIOD_S + late_s

    assert meter.look(real_s=now_s) == pytest.approx(paused_s)
    assert meter.look(real_s=now_s + PERIOD_S) == 0.0


def test_a_pause_of_this_process_makes_no_heartbeat_older() -> None:
    """The time in which nobody could look does not count into a heartbeat's age; the time after it does."""
    watch = HeartbeatWatch(max_age_s=10, real_s=0.0, now=T0)
    for second, value in ((1.0, 1), (2.0, 2)):
        watch.see_value(value, real_s=second, now=T0)
    watch.excuse(20.0)

    assert not watch.stuck(real_s=22.0 + 9.9)
    assert watch.stuck(real_s=22.0 + 10.0)
