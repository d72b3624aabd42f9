"""Late polls: what was left out is counted, and the rate is judged over several polls."""

from adapters.modbus.poll_rate import JUDGED_POLLS, PollRate


def test_beats_keep_their_rate_and_missed_ones_are_counted() -> None:
    """A poll that ends within its interval leaves none out; one that takes 2.5 intervals leaves two out."""
    rate = PollRate(interval_s=1.0, now_s=100.0)

    assert rate.reached is None
    assert rate.polled(now_s=100.4) == (101.0, 0)
    assert rate.polled(now_s=103.5) == (104.0, 2)
    assert rate.polled(now_s=104.1) == (105.0, 0)
    assert rate.wanted == 1


def test_one_stall_is_no_lateness_and_a_lasting_one_is() -> None:
    """A single long poll says nothing; when every poll takes 2.5 intervals it is late, until they are fast again."""
    rate = PollRate(interval_s=0.1, now_s=0.0)
    now_s = 0.3  # the first poll stalls
    for _ in range(JUDGED_POLLS):
        due_s, _ = rate.polled(now_s=now_s)
        now_s = due_s + 0.01
    assert rate.late == ""

    for _ in range(JUDGED_POLLS):
        due_s, left_out = rate.polled(now_s=now_s)
        now_s = due_s + 0.25
    assert left_out == 2
    assert rate.late.endswith("of 10 polls a second are reached")
    first = rate.late
    rate.polled(now_s=now_s)
    assert rate.late == first

    for _ in range(2 * JUDGED_POLLS):
        due_s, _ = rate.polled(now_s=now_s)
        now_s = due_s + 0.01
    assert rate.late == ""


def test_very_slow_polls_are_late_after_a_few() -> None:
    """Where each poll takes 20 intervals, five polls are enough to say so, and four are not."""
    rate = PollRate(interval_s=0.1, now_s=0.0)
    seen = []
    for number in range(1, 6):
        rate.polled(now_s=2.0 * number)
        seen.append(bool(rate.late))

    assert seen == [False, False, False, False, True]
    assert rate.late == "0.5 of 10 polls a second are reached"
