"""Stories of counter registers in trouble, one labelled incident at a time, told by a plant that knows the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from random import Random
from zoneinfo import ZoneInfo

from collect_scenes import at, station
from counter_plant import LOW_WORD, Look, Plant

from adapters.reading import Gap
from mes.collect.counters import ResetPolicy
from mes.collect.resets import ResetSchedule
from mes.collect.station import Observation, StationSetup

WIDTHS = (2**15, 2**16, 2**31, 2**32, 10_000)
NIGHT_S = 10 * 3600
ZONES = [ZoneInfo(name) for name in ("Asia/Qostanay", "America/Monterrey", "Asia/Kathmandu")]
DUE_WITHIN_S = 120


class Label(StrEnum):
    """What happened to the register, or to what was shown of it."""

    NIGHT = "an idle night"
    BUNCH = "late deliveries"
    GAP = "a gap"
    UNREADABLE = "bad quality"
    TURN = "a turn"
    SHIFT_RESET = "a reset at a shift change"
    POWER_RESET = "a reset in a gap"
    DUE_RESET = "a reset at a configured time"
    RESET_NEAR_TURN = "a reset just before the turn"
    RETAINED = "a power cycle, an older value retained"
    BACKUP = "a backup restored"
    STALE = "a stale value"
    LASTING_STALE = "a stale value that lasts"
    MISREAD = "a misread value"
    TORN = "a value torn between its words"
    PRESET = "a value set by hand"
    UNRECORDED = "a count that the unit log does not show"


@dataclass(frozen=True, slots=True)
class Incident:
    """A story: ordinary counts, an incident or two, ordinary counts; `restart`: the scene before which we restart."""

    labels: tuple[Label, ...]
    setup: StationSetup
    policy: ResetPolicy
    made: int
    scenes: tuple[Observation | Gap, ...]
    view: tuple[Look, ...]
    restart: int
    cycle_s: float
    modulus: int
    longest_blind_s: float
    turned_unseen: bool
    short_of_turn: int
    due_s: tuple[tuple[float, float], ...]
    name: str


@lru_cache
def setup_of(
    modulus: int, per_hour: int, policy: ResetPolicy, schedule: ResetSchedule | None, *, log: bool
) -> StationSetup:
    return station(log=log, reset=policy, max_per_hour=per_hour, modulus=modulus, schedule=schedule)


def schedule_of(plant: Plant) -> ResetSchedule | None:
    """The times at which the register was due to start again, as the plant's file gives them."""
    zone = plant.draw.choice(ZONES)
    times = tuple(at(due_s).astimezone(zone).time() for due_s in plant.due_s)
    return ResetSchedule(zone, times, timedelta(seconds=DUE_WITHIN_S)) if times else None


def night(plant: Plant) -> None:
    plant.idle(plant.draw.choice([60, 3600, NIGHT_S]))


def bunch(plant: Plant) -> None:
    plant.stall()
    plant.run(plant.draw.randint(1, 12))
    plant.flow()


def gap(plant: Plant) -> None:
    plant.cut()
    for _ in range(plant.draw.choice([0, 1, 5, 30])):
        plant.part()
    plant.now_s += plant.draw.choice([0, 5, 600])
    plant.connect()


def unreadable(plant: Plant) -> None:
    plant.unreadable()
    for _ in range(plant.draw.choice([0, 1, 5])):
        plant.part()
    plant.unreadable()
    plant.now_s += plant.poll_s
    plant.look()


def turn(plant: Plant) -> None:
    parts = plant.modulus - plant.register + 1
    if parts > 40:  # an incident before it has moved the register away
        return
    if plant.draw.random() < 0.5:
        plant.run(parts)
        return
    plant.cut()
    for _ in range(parts):
        plant.part()
    plant.connect()


def shift_reset(plant: Plant) -> None:
    plant.idle(plant.draw.choice([0, 30, 3600]))
    plant.start_again()
    plant.look()
    plant.idle(plant.draw.choice([0, 5, 30, 3600]))


def power_reset(plant: Plant) -> None:
    plant.cut()
    for _ in range(plant.draw.choice([0, 0, 1, 3])):
        plant.part()
    plant.start_again()
    for _ in range(plant.draw.choice([0, 1, 5, 12])):
        plant.part()
    plant.now_s += plant.draw.choice([5, 60, 900])
    plant.connect()


def due_reset(plant: Plant) -> None:
    """The controller's clock is some way off: the register starts again near the time, while the link is up or cut."""
    due_s = (plant.now_s + plant.draw.choice([200, 4000])) // 60 * 60 + 60
    plant.due_s.append(due_s)
    is_seen = plant.draw.random() < 0.5
    if not is_seen:
        plant.cut()
        for _ in range(plant.draw.choice([0, 0, 1, 3])):
            plant.part()
    happens_s = max(plant.now_s, due_s + plant.draw.uniform(-0.9, 0.9) * DUE_WITHIN_S)
    if is_seen:
        plant.idle(max(happens_s - plant.now_s - 60, 0))
    plant.now_s = max(plant.now_s, happens_s)
    plant.start_again()
    if is_seen:
        plant.look()
        plant.idle(plant.draw.choice([0, 5, 30, 3600]))
        return
    for _ in range(plant.draw.choice([0, 1, 5, 12])):
        plant.part()
    plant.now_s += plant.draw.choice([5, 60, 900])
    plant.connect()


def reset_near_turn(plant: Plant) -> None:
    shift_reset(plant) if plant.draw.random() < 0.5 else power_reset(plant)


def retained(plant: Plant) -> None:
    plant.cut()
    plant.now_s += plant.draw.choice([5, 600, NIGHT_S])
    saved_s = plant.draw.uniform(0, 3600)  # registers are saved once an hour at least
    plant.fall_back(min(plant.draw.randint(1, 3), int(saved_s / plant.cycle_s) + 1, plant.register // 2))
    for _ in range(plant.draw.choice([0, 0, 1])):
        plant.part()
    plant.connect()


def backup(plant: Plant) -> None:
    is_seen = plant.draw.random() < 0.5
    if is_seen:
        plant.idle(plant.draw.choice([0, 30]))
    else:
        plant.cut()
        plant.now_s += plant.draw.choice([5, 600, NIGHT_S])
    plant.fall_back(plant.draw.randint(0, plant.register))
    plant.look() if is_seen else plant.connect()


def untrue(plant: Plant, value: int, looks: int, *, stamp_s: float | None = None) -> None:
    for _ in range(looks):
        plant.now_s += plant.poll_s
        plant.look(value, stamp_s=stamp_s)
    plant.now_s += plant.poll_s
    plant.look()


def stale(plant: Plant) -> None:
    back = plant.draw.choice([1, 1, 1, 2, 3, len(plant.past)])
    plant.idle(plant.draw.choice([0, 16, 75, NIGHT_S]))
    untrue(plant, plant.past[-min(back, len(plant.past))], plant.draw.choice([1, 1, 2, 3]))


def lasting_stale(plant: Plant) -> None:
    plant.idle(plant.draw.choice([0, 75]))
    value = plant.past[-1]
    plant.look(value)
    plant.now_s += plant.draw.choice([15, 90, 600])
    untrue(plant, value, 2)


def misread(plant: Plant) -> None:
    wild = [0, 0, 1, plant.register // 2, plant.register + 40, plant.modulus - 1, plant.draw.randrange(plant.modulus)]
    plant.idle(plant.draw.choice([0, 75, NIGHT_S]))
    untrue(plant, plant.draw.choice(wild) % plant.modulus, plant.draw.choice([1, 1, 2, 4]))


def torn(plant: Plant) -> None:
    """The register passes a carry into its high word, and one word or the other is shown too early, or both in turn."""
    old = plant.register
    plant.part()
    plant.look_before()
    new = plant.register
    high, low = old - old % LOW_WORD + new % LOW_WORD, new - new % LOW_WORD + old % LOW_WORD
    for value in plant.draw.choice([(high,), (low,), (high, high), (high, low), (low, high)]):
        plant.now_s += plant.poll_s
        plant.look(value % plant.modulus)
    plant.now_s += plant.poll_s
    plant.look()


def preset(plant: Plant) -> None:
    plant.idle(plant.draw.choice([0, 30]))
    plant.past.append(plant.register)
    plant.register = (plant.register + plant.draw.choice([20, 49, 5000])) % plant.modulus
    plant.look()


def unrecorded(plant: Plant) -> None:
    """A sensor bounces: the register goes ahead by one or two, and no unit was made."""
    plant.idle(plant.draw.choice([0, 30, 600]))
    plant.past.append(plant.register)
    plant.register = (plant.register + plant.draw.choice([1, 1, 2])) % plant.modulus
    plant.look()


PLAYS: dict[Label, Callable[[Plant], None]] = {
    Label.NIGHT: night,
    Label.BUNCH: bunch,
    Label.GAP: gap,
    Label.UNREADABLE: unreadable,
    Label.TURN: turn,
    Label.SHIFT_RESET: shift_reset,
    Label.POWER_RESET: power_reset,
    Label.DUE_RESET: due_reset,
    Label.RESET_NEAR_TURN: reset_near_turn,
    Label.RETAINED: retained,
    Label.BACKUP: backup,
    Label.STALE: stale,
    Label.LASTING_STALE: lasting_stale,
    Label.MISREAD: misread,
    Label.TORN: torn,
    Label.PRESET: preset,
    Label.UNRECORDED: unrecorded,
}
RESETS = frozenset({Label.SHIFT_RESET, Label.POWER_RESET, Label.RESET_NEAR_TURN})


def incident(draw: Random, labels: tuple[Label, ...]) -> Incident:
    """A story of these incidents, one after the other, each between ordinary counts."""
    modulus = draw.choice([2**31, 2**32] if Label.TORN in labels else WIDTHS)
    per_hour, log = draw.choice([30, 60, 400, 3600]), draw.random() < 0.4 or Label.UNRECORDED in labels
    policy = ResetPolicy.ALLOWED if RESETS & {*labels} else draw.choice(list(ResetPolicy))
    begin = draw.choice([0, draw.randint(0, 60), draw.randint(60, 600), draw.randrange(600, modulus // 2)])
    if {Label.TURN, Label.RESET_NEAR_TURN} & {*labels}:
        begin = modulus - draw.randint(4, 12)
    elif Label.TORN in labels:
        begin = draw.randint(1, 40) * LOW_WORD - 4
    plant = Plant(draw, modulus, 3600 / per_hour, draw.choice([0.2, 1, 5]), log, draw.random() < 0.5, begin)
    plant.connect()
    plant.run(3)
    longest = 0.0
    for label in labels:
        before_s = plant.received_s
        PLAYS[label](plant)
        longest = max(longest, plant.received_s - before_s)
        plant.run(draw.randint(2, 4))
    plant.idle(700)
    name = f"{' + '.join(labels)}; {modulus=} {per_hour=} {policy=} {log=} {begin=} poll_s={plant.poll_s}"
    return Incident(
        labels=labels,
        setup=setup_of(modulus, per_hour, policy, schedule_of(plant), log=log),
        policy=policy,
        made=plant.made,
        scenes=tuple(plant.scenes),
        view=tuple(plant.view),
        restart=draw.randrange(len(plant.scenes)),
        cycle_s=plant.cycle_s,
        modulus=modulus,
        longest_blind_s=longest,
        turned_unseen=plant.turned_unseen,
        short_of_turn=plant.short_of_turn,
        due_s=tuple((due_s - DUE_WITHIN_S, due_s + DUE_WITHIN_S) for due_s in plant.due_s),
        name=name,
    )
