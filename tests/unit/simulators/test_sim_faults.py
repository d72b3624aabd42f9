"""How faults are written down."""

from datetime import timedelta

import pytest

from simulators.faults import CONTROLLERS, Fault, FaultName, parse_duration, parse_fault


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5400), ("2h30m", 9000), ("1h0m5s", 3605), ("0s", 0), ("8760h", 31536000)]
)
def test_durations_are_hours_minutes_seconds(text: str, seconds: int) -> None:
    """Whole hours, minutes and seconds, each at most once."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "1.5h", "-5m", "5m2h", "5 m", "٥m", "8761h", "9" * 30 + "h", "9" * 5000 + "h"]
)
def test_other_durations_are_refused(text: str) -> None:
    """All else is refused with the right way or the limit."""
    with pytest.raises(ValueError, match=r"write it as|at most 365 days"):
        parse_duration(text)


def test_a_fault_may_leave_out_controller_and_duration() -> None:
    """Without a controller every one is struck, without a duration for ten minutes."""
    fault = parse_fault("link-cut@2h")

    assert fault == Fault(FaultName.LINK_CUT, timedelta(hours=2), timedelta(minutes=10), None)
    assert fault.controllers() == CONTROLLERS


def test_a_fault_may_say_all() -> None:
    """NAME:CONTROLLER@TIME+DURATION."""
    fault = parse_fault("stuck:paint-plc@90m+5m")

    assert fault == Fault(FaultName.STUCK, timedelta(minutes=90), timedelta(minutes=5), "paint-plc")
    assert fault.controllers() == ("paint-plc",)


@pytest.mark.parametrize(
    ("text", "help_text"),
    [
        ("stuck", "lacks a time"),
        ("smoke@1h", "controller-restart, link-cut, stuck, slow, counter-reset, bad-quality"),
        ("stuck:robot@1h", "weld-plc, paint-plc, final-plc"),
        ("stuck:@1h", "weld-plc, paint-plc, final-plc"),
        ("stuck@soon", "90m"),
        ("stuck@1h+", "90m"),
        ("stuck@1h+0s", "no time at all"),
    ],
)
def test_a_wrong_fault_says_what_is_allowed(text: str, help_text: str) -> None:
    """A refusal names the choices."""
    with pytest.raises(ValueError, match=help_text):
        parse_fault(text)
