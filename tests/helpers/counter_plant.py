"""A machine with a counter register, and what a reader sees of it over a link; it knows the parts that were made.

Nothing here knows how the product counts. The machine finishes parts no faster than its cycle. The register has a
width, loses its value, gets an older one back or starts again from zero. The link delivers changes only, late at times,
and shows values that are stale, torn between two words or misread. `view` is what a reader can know: each look, by his
clock, with the value that was shown.
"""

from dataclasses import dataclass, field
from random import Random

from collect_scenes import at, entry, lost, said

from adapters.reading import Gap, Value
from mes.collect.station import Observation

RING = 16
LOW_WORD = 2**16


@dataclass(frozen=True, slots=True)
class Look:
    """What was shown, when it was received, and how long before that it may have been true.

    `gap`: nobody could see the register between the look before and this one.
    """

    at_s: float
    shown: int
    late_s: float
    gap: bool


@dataclass(slots=True)
class Plant:
    """One station and its reader. `cycle_s`: the least time for a part. `poll_s`: between two looks."""

    draw: Random
    modulus: int
    cycle_s: float
    poll_s: float
    log: bool
    stamped: bool
    register: int
    now_s: float = 0
    made: int = 0
    sequence: int = 0
    finished_s: float = 0
    ring: list[str] = field(default_factory=lambda: [""] * RING)
    past: list[int] = field(default_factory=list)  # values that the register had
    scenes: list[Observation | Gap] = field(default_factory=list)
    view: list[Look] = field(default_factory=list)
    told: dict[str, Value] = field(default_factory=dict)
    blind_s: float | None = None  # since when the link is cut
    stalled_s: float | None = None  # since when deliveries are held up
    held_up: list[tuple[float, dict[str, Value], int]] = field(default_factory=list)
    received_s: float = 0
    unseen: bool = False  # the register is not readable, or the link is cut
    turned_unseen: bool = False
    short_of_turn: int = 0  # what the register lacked to its end when it started again, all the time watched
    due_s: list[float] = field(default_factory=list)  # when the register is due to start again from zero

    def part(self, after_s: float = 0) -> None:
        """Finishes one part, some time after the last one, and not before its cycle is over."""
        self.now_s = max(self.now_s, self.finished_s) + after_s + self.cycle_s * self.draw.uniform(1, 3)
        self.finished_s = self.now_s
        self.past.append(self.register)
        self.register = (self.register + 1) % self.modulus
        self.turned_unseen |= self.unseen and self.register == 0
        self.made += 1
        self.sequence += 1
        self.ring[self.sequence % RING] = entry(self.sequence, self.now_s)

    def run(self, parts: int) -> None:
        """Makes parts while the reader looks."""
        for _ in range(parts):
            self.part()
            self.look_before()
            self.now_s += self.draw.uniform(0, self.poll_s)
            self.look()

    def look_before(self) -> None:
        """The looks at the value before a part: the machine stood or worked, and the link was alive."""
        value = self.register
        self.register, ring = self.past[-1], list(self.ring)
        self.ring[self.sequence % RING] = str(self.told_ring()[self.sequence % RING])
        end_s = self.now_s
        for back_s in (3 * self.poll_s, self.poll_s):
            self.now_s = max(end_s - back_s, self.last_s())
            if self.now_s < end_s:
                self.look()
        self.now_s, self.register, self.ring = end_s, value, ring

    def told_ring(self) -> tuple[Value, ...]:
        ring = self.told.get("log")
        return ring if isinstance(ring, tuple) else ("",) * RING

    def last_s(self) -> float:
        return max(self.received_s, self.held_up[-1][0] if self.held_up else 0)

    def idle(self, seconds: float) -> None:
        """Stands still while the reader looks on; of his many looks the first and the last ones are told."""
        self.look()
        self.now_s += seconds
        for _ in range(8):
            self.now_s += max(self.poll_s, 0.5)
            self.look()

    def look(self, shown: int | None = None, *, stamp_s: float | None = None) -> None:
        """One look, at the register or at a value that is not in it; where nothing changed, a sign of life alone."""
        if self.blind_s is not None:
            return
        value = self.register if shown is None else shown
        says: dict[str, Value] = {"log": tuple(self.ring)} if self.log else {}
        says["good"] = value
        stamp_s = self.now_s if stamp_s is None else stamp_s
        if self.stalled_s is not None:
            self.held_up.append((stamp_s, says, value))
            return
        self.deliver(self.now_s, stamp_s, says, value, late_s=0)

    def deliver(self, at_s: float, stamp_s: float, says: dict[str, Value], value: int, *, late_s: float) -> None:
        self.received_s = max(at_s, self.received_s + 0.001)
        news = {tag: raw for tag, raw in says.items() if self.told.get(tag) != raw}
        readings = tuple(
            said(tag, raw, self.received_s, stamped=stamp_s if self.stamped else None) for tag, raw in news.items()
        )
        self.told |= says
        self.scenes.append(Observation(readings, at(self.received_s), baseline=False))
        self.view.append(Look(self.received_s, value, late_s, gap=self.unseen))
        self.unseen = False

    def stall(self) -> None:
        """Deliveries are held up from now on: the reader's process stands still, or the network does."""
        self.stalled_s = self.now_s

    def flow(self) -> None:
        """What was held up comes, one thing right after the other."""
        late_s = self.now_s - (self.stalled_s or 0)
        self.stalled_s = None
        for number, (stamp_s, says, value) in enumerate(self.held_up):
            self.deliver(self.now_s + number * 0.02, stamp_s, says, value, late_s=late_s)
        self.now_s += len(self.held_up) * 0.02
        self.held_up.clear()

    def unreadable(self) -> None:
        """A look at which the register had bad quality."""
        self.now_s += self.poll_s
        self.received_s, self.unseen = self.now_s, True
        self.told.pop("good", None)
        self.scenes.append(Observation((said("good", None, self.now_s),), at(self.now_s), baseline=False))

    def cut(self) -> None:
        """The link is lost."""
        self.blind_s, self.unseen = self.received_s, True
        self.scenes.append(lost(self.blind_s))

    def connect(self) -> None:
        """The link is back; the reader begins with the present values."""
        since_s = self.blind_s if self.blind_s is not None else 0
        if self.scenes:
            self.now_s = max(self.now_s, since_s) + 1
            self.scenes.append(lost(since_s, self.now_s))
        self.blind_s, self.received_s, self.unseen = None, self.now_s, False
        says: dict[str, Value] = {"good": self.register, **({"log": tuple(self.ring)} if self.log else {})}
        self.told = dict(says)
        readings = tuple(said(tag, value, self.now_s) for tag, value in says.items())
        self.scenes.append(Observation(readings, at(self.now_s), baseline=True))
        self.view.append(Look(self.now_s, self.register, 0, gap=True))

    def start_again(self) -> None:
        """The register starts again from zero."""
        self.past.append(self.register)
        self.short_of_turn += 0 if self.unseen else self.modulus - self.register
        self.register = 0

    def fall_back(self, parts: int) -> None:
        """The register gets a value back that it had so many parts ago."""
        self.past.append(self.register)
        self.register = max(self.register - parts, 0)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast parts can be made, and how late any look may be told; with the defaults as they truly are."""

    cycle_s: float
    at_once: int = 1
    late_s: float = 0


@dataclass(frozen=True, slots=True)
class Histories:
    """What can have been made, by the histories with the fewest strange things in them."""

    strange: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Register:
    """What is known of a register: its width, whether it may start from zero, and the stretches in which it should."""

    modulus: int
    resets: bool
    due_s: tuple[tuple[float, float], ...] = ()

    def is_due(self, old: Look, new: Look) -> bool:
        """Whether it should have started from zero between two looks."""
        return any(begin_s <= new.at_s and old.at_s <= end_s for begin_s, end_s in self.due_s)


def histories(view: list[Look], pace: Pace, register: Register) -> Histories:
    """The physical histories behind a view that hold the fewest strange things, by trying all of them.

    Strange are: a value that was shown and was not in the register, for as long as it was shown; a start from zero; an
    older value that came back; a value that somebody set. Where a start from zero was possible and nobody watched, or
    where it was due, a turn is as strange; so is, where nobody watched, that one that was due did not happen. Parts are
    made at `pace`.
    """
    looks = [look for at_, look in enumerate(view) if _says_more(view, at_)]
    best: list[dict[int, tuple[int, int]]] = [{0: (0, 0)}]  # of each look, if it was true: strange things -> made
    for end in range(1, len(looks)):
        found: dict[int, tuple[int, int]] = {}
        for begin in range(max(end - 7, 0), end):
            skipped = {look.shown for look in looks[begin + 1 : end]}
            for strange, (least, most) in best[begin].items():
                for more, low, high in _ways(looks[begin], looks[end], pace, register):
                    cost = strange + more + len(skipped)
                    old = found.get(cost, (least + low, most + high))
                    found[cost] = (min(old[0], least + low), max(old[1], most + high))
        fewest = min(found)
        best.append({cost: counts for cost, counts in found.items() if cost <= fewest + 1})
    strange = min(best[-1])
    return Histories(strange, *best[-1][strange])


def _says_more(view: list[Look], place: int) -> bool:
    """Of looks at the same value, the first and the last say all, of each stretch between gaps."""
    around = view[max(place - 1, 0) : place + 2]
    return len(around) < 3 or len({look.shown for look in around}) > 1 or any(look.gap for look in around[1:])


def _ways(old: Look, new: Look, pace: Pace, register: Register) -> list[tuple[int, int, int]]:
    """How the register came from one value to the other: strange things, and the least and most parts made."""
    at_most = int((new.at_s - old.at_s + max(old.late_s, pace.late_s)) / pace.cycle_s) + pace.at_once
    ahead = (new.shown - old.shown) % register.modulus
    ways = [(1, 0, at_most)] if new.shown != old.shown else []  # an older value, or one that somebody set
    is_due = register.is_due(old, new)
    may_reset = (register.resets or is_due) and new.shown <= at_most
    if ahead <= at_most:
        has_turned = new.shown < old.shown
        is_open = may_reset and old.shown > 0 and (new.gap or has_turned) and (is_due or (new.gap and has_turned))
        ways.append((int(is_open), ahead, ahead + (at_most - ahead) // register.modulus * register.modulus))
    if may_reset:
        ways.append((1, new.shown, at_most))
    return ways
