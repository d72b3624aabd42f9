"""A machine whose totaliser gets into trouble, and which knows what it has made.

The machine finishes units, shows a totaliser and a record of units, and is told of over a link. What it made is known
because it made it; nothing here counts. What the facts (E.1) say of two readings stands in `Facts`: it is three valued,
since E.1 is a rule of thumb and near its thresholds neither answer would be wrong.
"""

from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from functools import lru_cache
from random import Random

from collect_scenes import at, entry, lost, said, station

from adapters.reading import Gap, Value
from mes.collect.counters import ResetPolicy
from mes.collect.station import Observation, StationSetup

RING = 16
HOUR_S = 3600
LOW_WORD = 2**16
NEAR = 1000  # two totals so near to each other may be taken for each other
WIDTHS = {"int": 2**15, "uint": 2**16, "dint": 2**31, "udint": 2**32, "decimal": 10_000}


class Label(StrEnum):
    """What happened to the totaliser, or to what we were told of it."""

    WRAP = "wrap"
    SHIFT_RESET = "reset at a shift change"
    POWER_RESET = "reset at a power cycle"
    DOWNLOAD_RESET = "reset at a program download"
    DUPLICATE = "duplicate reading"
    STALE = "stale reading"
    TORN_FALL = "torn: high word old, low word new"
    TORN_RISE = "torn: high word new, low word old"
    GLITCH = "glitch"
    BAD = "bad quality"
    SWAP = "controller swapped"


class Belief(Enum):
    """Whether E.1 lets two readings be explained in some way; near its thresholds it may be either."""

    YES = auto()
    NO = auto()
    EITHER = auto()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the machine knows of one incident that it went through, for the table to judge.

    `advance`: whether what was shown can be taken for units made, past the turn or not; `anew`: for a new start from
    zero; `back`: whether the true reading that follows an untrue one can be taken for either of it. `stretch`: units
    made between the last reading before and the first one after; `tail`: those of them that were made before a reset.
    `recorded`: how many of the stretch the record of units shows in time, None where it cannot say. `fell`: what was
    shown is less than before. `near`: a total that begins anew soon shows the old numbers again.
    """

    label: Label
    begun_s: int
    advance: Belief
    anew: Belief
    back: Belief = Belief.NO
    stretch: int = 0
    tail: int = 0
    recorded: int | None = None
    fell: bool = False
    near: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A reading as it was delivered, and what had been made by then."""

    at_s: int
    raw: int
    made: int


@dataclass(frozen=True, slots=True)
class Incident:
    """A story: ordinary counts, one or two incidents, ordinary counts; `restart`: before which scene we restart."""

    name: str
    setup: StationSetup
    policy: ResetPolicy
    facts: tuple[Facts, ...]
    made: int
    story: tuple[Observation | Gap, ...]
    told: tuple[Told, ...]
    restart: int
    ended_s: int


@lru_cache
def setup_of(modulus: int, per_hour: int, policy: ResetPolicy, *, log: bool) -> StationSetup:
    return station(log=log, reset=policy, max_per_hour=per_hour, modulus=modulus)


@dataclass(slots=True)
class Machine:
    """A station that makes at most `per_hour` units; `shown` is its totaliser, `made` the truth."""

    draw: Random
    modulus: int
    per_hour: int
    log: bool
    stamped: bool
    order: str
    shown: int
    now_s: int = 0
    made: int = 0
    numbered: int = 0
    ring: list[str] = field(default_factory=lambda: [""] * RING)
    cut_s: int | None = None
    bad_s: int | None = None
    lacking: int = 0  # units that the record has lost, or has no room for, since the last reading
    twice: bool = False
    read_s: int = 0  # the last reading
    moved_s: int = 0  # the last reading that said something new
    story: list[Observation | Gap] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    @property
    def last(self) -> Told:
        return self.told[-1]

    @property
    def stretch(self) -> int:
        """Units made since the last reading."""
        return self.made - self.last.made

    @property
    def blind_s(self) -> int:
        return max(self.now_s - each for each in (self.cut_s, self.bad_s, self.now_s) if each is not None)

    def fastest_s(self, units: int) -> int:
        """The least time in which so many units can be made."""
        return -(-units * HOUR_S // self.per_hour)

    def work(self, units: int, idle_s: int = 0) -> None:
        """Makes units, no faster than it can, after having stood still; the totaliser and the record show them."""
        self.now_s += idle_s
        took_s, begun_s = self.fastest_s(units), self.now_s
        self.now_s += max(took_s, 1)
        for number in range(max(0, units - RING), units):
            sequence = self.numbered + number + 1
            self.ring[sequence % RING] = entry(sequence, begun_s + took_s * (number + 1) // units)
        self.numbered += units
        self.made += units
        self.shown = (self.shown + units) % self.modulus

    def begin_anew(self, *, emptied: bool) -> None:
        """The totaliser starts from zero, and the record too where it does not survive."""
        self.shown = 0
        if emptied:
            self.lacking = self.stretch
            self.numbered, self.ring = 0, [""] * RING

    def tell(self, *tags: str, raw: int | None = None, stamp_s: int | None = None, baseline: bool = False) -> None:
        """One observation."""
        values: dict[str, Value] = {"good": self.shown if raw is None else raw, "log": tuple(self.ring)}
        stamp = (self.now_s if stamp_s is None else stamp_s) if self.stamped else None
        for _ in range(1 + self.twice):
            if "good" in tags:
                value = self.shown if raw is None else raw
                if self.told and value != self.last.raw:
                    self.moved_s = self.now_s
                self.read_s = self.now_s
                self.told.append(Told(self.now_s, value, self.made))
            readings = tuple(said(tag, values[tag], self.now_s, stamped=stamp) for tag in tags)
            self.story.append(Observation(readings, at(self.now_s), baseline))
            self.now_s += self.twice

    def show(self) -> None:
        """The true total, and the record where there is one, in the order in which this link brings them."""
        if self.cut_s is not None:
            self.story.append(lost(self.cut_s, self.now_s))
            self.tell("good", *["log"] * self.log, baseline=True)
            self.cut_s = None
        elif not self.log:
            self.tell("good")
        elif self.order == "together":
            self.tell("log", "good")
        else:
            first, second = ("good", "log") if self.order == "count first" else ("log", "good")
            self.tell(first)
            self.now_s += 1
            self.tell(second)
        self.lacking, self.bad_s = 0, None

    def cut(self) -> None:
        """The link is lost."""
        self.cut_s = self.now_s
        self.story.append(lost(self.now_s))

    def gap(self) -> None:
        """A gap of its own: ordinary work that nobody sees."""
        self.cut()
        self.work(min(self.unseen(), self.modulus // 3), self.draw.choice([0, 5, 600]))
        self.show()

    def unseen(self) -> int:
        """Units for a gap, a few as a rule, seldom those of several hours."""
        hours = self.draw.choice([0, 0, 0, 0.1, 0.5, 4])
        return self.draw.randint(0, 12) if not hours else self.draw.randint(0, int(self.per_hour * hours))

    def ordinary(self) -> None:
        """A count as it should be, now and then after a long time of standing still."""
        self.work(self.draw.randint(1, 3), self.draw.choice([0, 1, 30, 30, 300, 20_000]))
        self.show()

    def advance(self, raw: int, *, old: int | None = None, least_s: int | None = None) -> Belief:
        """E.1: the difference modulo the width, if it can have been made in that time; E.2: and no turn was missed."""
        blind = self.per_hour * self.blind_s / HOUR_S
        ahead = (raw - (self.last.raw if old is None else old)) % self.modulus
        least_s = self.now_s - self.read_s if least_s is None else least_s
        if blind >= self.modulus or (least_s < 0 and ahead):
            return Belief.NO
        if ahead <= self.per_hour * least_s / HOUR_S and (ahead * 2 < self.modulus - 2 or ahead <= blind):
            return Belief.YES
        surely_less = ahead * 2 <= self.modulus or ahead <= 1.5 * blind + 2
        return Belief.EITHER if surely_less and ahead <= self.at_most() else Belief.NO

    def anew(self, raw: int, *, least_s: int | None = None) -> Belief:
        """E.1: a new value so small that it can have been made since a reset; nothing comes from before it."""
        least_s = self.now_s - self.read_s if least_s is None else least_s
        if least_s < 0 or raw >= self.last.raw or self.per_hour * self.blind_s / HOUR_S >= self.modulus:
            return Belief.NO
        if raw <= self.per_hour * least_s / HOUR_S and raw * 2 < self.modulus - 2:
            return Belief.YES
        return Belief.EITHER if 0 <= raw <= self.at_most() else Belief.NO

    def at_most(self) -> float:
        return 1.5 * self.per_hour * (self.now_s - self.moved_s) / HOUR_S + 2

    def facts(self, label: Label, begun_s: int, *, tail: int = 0) -> Facts:
        """How what the totaliser shows now looks to somebody who knows the last reading alone."""
        in_time = self.cut_s is not None or self.order != "count first"
        recorded = self.stretch - self.lacking if in_time and self.stretch <= RING else None
        return Facts(
            label,
            begun_s,
            self.advance(self.shown),
            self.anew(self.shown),
            stretch=self.stretch,
            tail=tail,
            recorded=recorded if self.log else None,
            fell=self.shown < self.last.raw,
            near=(self.last.raw - self.shown) % self.modulus < NEAR,
        )
