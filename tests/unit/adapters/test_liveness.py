from datetime import UTC, datetime, timedelta

from adapters.liveness import HeartbeatWatch
from adapters.reading import Quality, Reading, TagId

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def watch() -> HeartbeatWatch:
    return HeartbeatWatch(max_age_s=10.0, real_s=100.0, now=START)


def test_first_value_is_no_life() -> None:
    """The first value may be years old: only a change is a sign of life."""
    w = watch()
    assert not w.see_value(7, real_s=101.0, now=START)
    assert w.see_value(8, real_s=102.0, now=START + timedelta(minutes=4))
    assert w.beating
    assert w.last_change == START + timedelta(minutes=4)


def test_stuck_after_max_age() -> None:
    """A heartbeat that stands still for max_age_s real seconds is stuck, and not a moment earlier."""
    w = watch()
    w.see_value(1, real_s=100.0, now=START)
    w.see_value(2, real_s=101.0, now=START)
    w.see_value(2, real_s=110.0, now=START)
    assert not w.stuck(real_s=110.9)
    assert w.stuck(real_s=111.0)
    assert w.remaining_s(real_s=104.0) == 7.0


def test_never_seen_is_stuck() -> None:
    """A heartbeat of which no change was ever seen is stuck max_age_s after the watch began, since its start."""
    w = watch()
    assert w.stuck(real_s=110.0)
    assert w.last_change == START


def test_what_is_wrong_with_it_is_said() -> None:
    """Never read, not readable any more, and standing still are three sentences."""
    w = watch()
    w.see_value(None, real_s=101.0, now=START)
    assert (w.trouble, w.readable) == ("was never read", False)
    w.see_value(7, real_s=102.0, now=START)
    assert (w.trouble, w.readable) == ("stands still", True)
    w.see_value(None, real_s=103.0, now=START)
    assert (w.trouble, w.readable) == ("cannot be read any more", False)


def test_bad_is_no_change() -> None:
    """A bad reading in between neither beats nor hides that the value stood still."""
    w = watch()
    tag = TagId("hb")
    good = Reading(tag, 5, Quality.GOOD, None, START)
    bad = Reading(tag, None, Quality.BAD, None, START)
    assert not w.see(good, real_s=100.0)
    assert not w.see(bad, real_s=101.0)
    assert not w.see(good, real_s=102.0)
    assert not w.beating


def test_wrap_beats() -> None:
    """A counter that wraps to zero has changed."""
    w = watch()
    w.see_value(65535, real_s=100.0, now=START)
    assert w.see_value(0, real_s=100.1, now=START)
