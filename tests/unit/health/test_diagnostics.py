"""Diagnostics of a controller: one log line when one begins, one when it is over, the present ones in the status."""

from dataclasses import dataclass

import structlog
from fakes import PLC, START, FakeAdapter

from adapters.clock import ManualClock
from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.ports import AdapterStatus
from adapters.reading import ControllerId, TagId
from mes.health.controllers import Health
from mes.health.diagnostics import CLEARED_AFTER_S, MOST, ControllerDiagnostics
from mes.health.status import controller_status

Lines = list[structlog.typing.EventDict]
REFUSED = Diagnostic(DiagnosticCode.TAG_REFUSED, "tag count is refused", "correct its address", (TagId("count"),))
UNREADABLE = Diagnostic(DiagnosticCode.VALUE_UNREADABLE, "tag oven: not finite", "check its type", (TagId("oven"),))


@dataclass
class Plant:
    """One controller of a program, with a real time that the test moves."""

    real_s: float = 0.0

    def __post_init__(self) -> None:
        self.health = Health(ManualClock(START), monotonic_s=lambda: self.real_s)
        self.adapter = FakeAdapter()
        self.health.connecting(PLC, self.adapter)

    def batch(self, *present: Diagnostic, after_s: float = 1.0) -> None:
        """A batch comes while these hold."""
        self.real_s += after_s
        self.adapter.present = AdapterStatus(5, 4, present)
        self.health.seen(PLC, START)

    def shown(self) -> list[Diagnostic]:
        """What the status of the program shows."""
        return [diagnostic.diagnostic for diagnostic in controller_status(self.health.snapshot()[0]).diagnostics]


def events(lines: Lines) -> list[tuple[str, str]]:
    """Events with the codes that they are about."""
    return [(line["event"], line["code"]) for line in lines]


def test_a_new_sentence_is_logged_once_with_its_remedy(logged: Lines) -> None:
    """However often it is published, there is one line, with controller, code, tags, sentence and remedy."""
    plant = Plant()
    for _ in range(5):
        plant.batch(REFUSED)

    assert plant.shown() == [REFUSED]
    assert logged == [
        {
            "event": "controller_diagnostic",
            "log_level": "warning",
            "controller": "weld-plc",
            "code": "tag_refused",
            "tags": ["count"],
            "detail": "tag count is refused",
            "remedy": "correct its address",
        }
    ]


def test_its_end_is_logged_once_and_shown_at_once(logged: Lines) -> None:
    """The status follows at once; the log says that it is over when it stayed away."""
    plant = Plant()
    plant.batch(REFUSED, UNREADABLE)
    plant.batch(UNREADABLE)
    assert plant.shown() == [UNREADABLE]
    assert [event for event, _ in events(logged)] == ["controller_diagnostic"] * 2

    plant.batch(UNREADABLE, after_s=CLEARED_AFTER_S)
    plant.batch(UNREADABLE)

    assert events(logged)[2:] == [("controller_diagnostic_cleared", "tag_refused")]


def test_one_that_comes_and_goes_does_not_flood_the_log(logged: Lines) -> None:
    """A value that is unreadable in every second batch is one line, not one for each change."""
    plant = Plant()
    for _ in range(100):
        plant.batch(UNREADABLE)
        plant.batch()

    assert events(logged) == [("controller_diagnostic", "value_unreadable")]
    assert plant.shown() == []


def test_a_lost_connection_keeps_what_was_known(logged: Lines) -> None:
    """A loss proves nothing about the rest: no line says that it is over, and the next connection says nothing new."""
    plant = Plant()
    plant.batch(REFUSED)
    plant.health.lost(PLC, "cable")
    plant.real_s += 10 * CLEARED_AFTER_S
    plant.adapter = FakeAdapter()
    plant.health.connecting(PLC, plant.adapter)
    plant.health.lost(PLC, "cable")

    assert plant.shown() == [REFUSED]
    plant.batch(REFUSED)
    assert events(logged) == [("controller_diagnostic", "tag_refused")]


def test_a_connection_that_never_gave_data_says_why(logged: Lines) -> None:
    """What an adapter found before it ended is logged and shown, though there was no batch."""
    plant = Plant()
    plant.adapter.present = AdapterStatus(5, 0, (REFUSED,))
    plant.health.parked(PLC, "refuses all")

    assert plant.shown() == [REFUSED]
    assert events(logged) == [("controller_diagnostic", "tag_refused")]


def test_the_number_of_diagnostics_is_bounded(logged: Lines) -> None:
    """A controller that makes up new sentences for ever does not fill the memory or the log."""
    subject = ControllerDiagnostics(ControllerId("odd"))
    for number in range(2 * MOST):
        odd = Diagnostic(DiagnosticCode.VALUE_UNREADABLE, str(number), "r")
        subject.update([odd], now=START, real_s=0.0, complete=False)

    assert len(subject.present()) == MOST
    assert len(logged) == MOST
