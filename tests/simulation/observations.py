"""What the world notes of each controller: when a look at it truly reached the program, and what spoiled the looks.

All instants are the plant's own, in simulated seconds from the start on. The program knows nothing of this.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

POLL_S = 5.0  # the simulated Modbus device is polled this often
POLLED_UNKNOWN_S = 15.0  # documented in docs/decisions/0011: of a longer silence between two polls nothing is known
ALIVE_WITHIN_S = 10.0  # documented: `max_age_s` of the heartbeat; a shorter hang of a controller is not noticed
CLOCK_RIGHT_S = 0.1  # a program's clock that is off by more is wrong

Stretch = tuple[float, float]


@dataclass(slots=True)
class ClockStretch:
    """For so long, in the plant's time, the program's clock was off by about `offset_s` seconds."""

    begin_s: float
    end_s: float
    offset_s: float


@dataclass(slots=True)
class Observations:
    """One controller's. `known`: the stretches that looks cover; `looks`: when they arrived.

    A subscription's server queues what changes, so that a delivery covers the time since the one before it, up to what
    it left undelivered. A poll covers its instant, and the time since the poll before it unless that was too long ago.
    `hung`: the controller's program stood still; `bad`: by station, its values were bad.
    `clocks`: how wrong the program's clock was while looks arrived. `controller_clock`: from when on the controller's
    clock was off by how many seconds. `arrived_s`: the plant's time of a batch, by when the program believes it came.
    """

    polled: bool
    known: list[list[float]] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    hung: list[list[float]] = field(default_factory=list)
    bad: dict[str, list[list[float]]] = field(default_factory=dict)
    clocks: list[ClockStretch] = field(default_factory=list)
    controller_clock: list[tuple[float, float]] = field(default_factory=list)
    arrived_s: dict[datetime, float] = field(default_factory=dict)

    def look(self, at_s: float, covered_s: float, *, begins: bool, received: datetime, offset_s: float) -> None:
        """A batch reached the program at `at_s`, and told all that happened until `covered_s`."""
        too_late = self.polled and bool(self.looks) and at_s - self.looks[-1] > POLLED_UNKNOWN_S
        if begins or too_late or not self.known:
            self.known.append([covered_s, covered_s])
        self.known[-1][1] = max(self.known[-1][1], covered_s)
        self.looks.append(at_s)
        self.arrived_s[received] = at_s
        last = self.clocks[-1] if self.clocks else None
        if last is not None and abs(last.offset_s - offset_s) < CLOCK_RIGHT_S:
            last.end_s, last.offset_s = at_s, max(last.offset_s, offset_s, key=abs)
        else:
            self.clocks.append(ClockStretch(at_s, at_s, offset_s))

    def hang(self, at_s: float, *, on: bool) -> None:
        """The controller's program stands still from now on, or goes on."""
        _toggle(self.hung, at_s, on=on)

    def spoil(self, codes: Iterable[str], at_s: float, *, on: bool) -> None:
        """The values of stations are bad from now on, or good again."""
        for code in codes:
            _toggle(self.bad.setdefault(code, []), at_s, on=on)


def _toggle(stretches: list[list[float]], at_s: float, *, on: bool) -> None:
    is_on = bool(stretches) and stretches[-1][1] == float("inf")
    if on and not is_on:
        stretches.append([at_s, float("inf")])
    elif not on and is_on:
        stretches[-1][1] = at_s
