"""What happened to a simulated plant, and what became of its parts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from simulation.faults import Fault


@dataclass(slots=True)
class Times:
    """Seconds of stations: fifteen stations make fifteen of each second.

    `judged`: all but those of `wrong_clock`, when the program's clock was off. `unknown`: those that no look at the
    station covers, and no state is shown. `unknown_shown`: the same, and a state is shown. `dark`: covered by a look,
    and shown as no data. `wrong`: covered, and shown in a state that the station was not in. `near`: within one
    observation interval of a change, where neither is an error.
    """

    judged: float = 0.0
    wrong_clock: float = 0.0
    unknown: float = 0.0
    unknown_shown: float = 0.0
    dark: float = 0.0
    wrong: float = 0.0
    near: float = 0.0

    def add(self, other: "Times") -> None:
        """Both together."""
        for figure in fields(self):
            setattr(self, figure.name, getattr(self, figure.name) + getattr(other, figure.name))


@dataclass(slots=True)
class Ledger:
    """Faults by kind, parts, and what was found wrong. `problems` is empty if and only if every promise was kept.

    `parts` are results at stations: a car that passes fifteen stations is fifteen parts. `lost` and `doubled` count
    parts, unit ids, events and points alike; `unreconciled`: parts that the journal itself says it could not decide;
    `overrun`: parts whose id the controller forgot before anybody could read it, counted all the same.
    `remapped`: totalisers that were read from another register, each time with a flag.
    `starts` is how often the program came up; `digest` is of all that was journaled.
    """

    faults: Counter[Fault] = field(default_factory=Counter)
    weeks: float = 0.0
    starts: int = 0
    ends: int = 0
    parts: int = 0
    events: int = 0
    process_values: int = 0
    points: int = 0
    resent: int = 0
    stale: int = 0
    lost: int = 0
    doubled: int = 0
    unreconciled: int = 0
    overrun: int = 0
    remapped: int = 0
    time: Times = field(default_factory=Times)
    problems: list[str] = field(default_factory=list)
    digest: str = ""

    def problem(self, text: str, *, lost: int = 0, doubled: int = 0) -> None:
        """A promise was broken."""
        self.lost += lost
        self.doubled += doubled
        self.problems.append(text)

    def add(self, other: "Ledger") -> None:
        """Both together; the digests stay each one's own."""
        self.faults.update(other.faults)
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.time.add(other.time)
        self.problems += other.problems

    @property
    def sentence(self) -> str:
        """The result in one line."""
        said: Mapping[str, int] = {
            "kills": self.faults[Fault.KILL] + self.faults[Fault.POWER_CUT],
            "link cuts": self.faults[Fault.LINK_CUT] + self.faults[Fault.HALF_OPEN],
            "controller restarts": self.faults[Fault.RESTART],
            "InfluxDB outages": self.faults[Fault.INFLUX],
            "disk faults": sum(self.faults[fault] for fault in DISK_FAULTS),
            "orderly stops": self.faults[Fault.STOP],
            "pauses": self.faults[Fault.PAUSE],
            "late deliveries": self.faults[Fault.LATE],
            "remaps": self.faults[Fault.REMAP],
            "clock starts": self.faults[Fault.CLOCK_START],
            "parts": self.parts,
        }
        happened = ", ".join(f"{count:,} {name}" for name, count in said.items())
        return (
            f"{happened}: {self.lost} lost, {self.doubled} doubled, {self.unreconciled} unreconciled, "
            f"{self.time.unknown_shown:.0f} seconds unknown and shown as known"
        )


DISK_FAULTS = (Fault.DISK_FULL, Fault.DISK_ERROR, Fault.DISK_STALL)
COUNTED = (
    *("weeks", "starts", "ends", "parts", "events", "process_values", "points", "resent", "stale"),
    *("lost", "doubled", "unreconciled", "overrun", "remapped"),
)
