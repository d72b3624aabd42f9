"""Stories of totalisers in trouble, one labelled incident at a time, told by a machine that knows the truth."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from collect_scenes import at, said
from incident_machine import LOW_WORD, WIDTHS, Belief, Facts, Incident, Label, Machine, setup_of

from adapters.reading import Quality
from mes.collect.counters import ResetPolicy
from mes.collect.station import Observation


def wrap(machine: Machine, label: Label) -> Facts:
    """The totaliser passes its turn, watched or not; the story began just before it."""
    begun_s = machine.now_s
    if machine.draw.random() < 0.5:
        machine.cut()
    here = machine.unseen() if machine.cut_s is not None else machine.draw.randint(0, 3)
    units = max(here, (machine.modulus - machine.shown) % machine.modulus)
    if units < min(machine.modulus // 3, 50_000):
        machine.work(units, machine.draw.choice([0, 40]))
    facts = machine.facts(label, begun_s)
    machine.show()
    return facts


def reset(machine: Machine, label: Label) -> Facts:
    """A new start from zero: seen at a shift change as a rule, while we are blind where the controller was off."""
    begun_s = machine.now_s
    if label is not Label.SHIFT_RESET or machine.draw.random() < 0.3:
        machine.cut()
    elif machine.shown < 2:
        machine.ordinary()
        machine.ordinary()
        begun_s = machine.now_s
    tail = machine.draw.choice([0, 0, 1, 2, 5])
    machine.work(tail, machine.draw.choice([0, 0, 25, 900]))
    emptied = label is Label.DOWNLOAD_RESET or (label is Label.POWER_RESET and machine.draw.random() < 0.5)
    machine.begin_anew(emptied=emptied)
    # watched, the zero itself or a unit after it is seen; unseen it may have passed the old total again
    units = machine.unseen() if machine.cut_s is not None else machine.draw.randint(0, min(2, machine.last.raw - 1))
    machine.work(units, machine.draw.choice([1, 20, 200]))
    facts = machine.facts(label, begun_s, tail=tail)
    machine.show()
    return facts


def swap(machine: Machine, label: Label) -> Facts:
    """Another controller, whose totaliser has a past of its own."""
    begun_s = machine.now_s
    machine.cut()
    tail = machine.draw.choice([0, 0, 1, 4])
    machine.work(tail, 60)
    machine.begin_anew(emptied=True)
    old = machine.last.raw
    numbers = [
        0,
        old + machine.draw.randint(-200, 200),
        old,
        *(machine.draw.randrange(machine.modulus) for _ in range(5)),
    ]
    machine.shown = machine.draw.choice(numbers) % machine.modulus
    machine.work(machine.draw.randint(0, 3), machine.draw.choice([60, 1800]))
    facts = machine.facts(label, begun_s, tail=tail)
    machine.show()
    return facts


def duplicate(machine: Machine, label: Label) -> Facts:
    """The same reading again and again, at once and later."""
    begun_s = machine.now_s
    for later_s in machine.draw.choices([0, 0, 1, 60, 7200], k=machine.draw.randint(1, 3)):
        machine.now_s += later_s
        machine.tell("good", stamp_s=machine.draw.choice([None, machine.read_s]))
    return machine.facts(label, begun_s)


def bad(machine: Machine, label: Label) -> Facts:
    """The totaliser cannot be read for a while, and goes on counting; what it says meanwhile is not true."""
    begun_s = machine.now_s
    unreadable(machine)
    machine.work(machine.unseen())
    unreadable(machine)
    facts = machine.facts(label, begun_s)
    machine.show()
    return facts


def unreadable(machine: Machine) -> None:
    """A reading of bad or uncertain quality."""
    machine.now_s += 1
    machine.bad_s = machine.now_s if machine.bad_s is None else machine.bad_s
    reading = said("good", None, machine.now_s)
    if machine.draw.random() < 0.5:
        reading = replace(reading, value=machine.draw.randrange(machine.modulus), quality=Quality.UNCERTAIN)
    machine.story.append(Observation((reading,), at(machine.now_s), baseline=False))


def untrue(machine: Machine, label: Label) -> Facts:
    """One reading that is not true, then the true one, with a unit more as a rule."""
    begun_s, stamp_s, before = machine.now_s, None, machine.last
    if label is Label.STALE:
        older = [each for each in machine.told[:-1] if each.raw != before.raw]
        told = machine.draw.choice(older)
        raw, stamp_s = told.raw, told.at_s
    elif label is Label.GLITCH:
        wild = [
            0,
            1,
            2**15 - 1,
            2**16 - 1,
            machine.modulus - 1,
            *(machine.draw.randrange(machine.modulus) for _ in range(5)),
        ]
        raw = machine.draw.choice(wild) % machine.modulus
    else:
        to_carry = LOW_WORD - before.raw % LOW_WORD
        machine.work(min(to_carry, 40) + machine.draw.randint(0, 2), machine.draw.choice([0, 30, 9000]))
        carry = LOW_WORD if machine.shown % LOW_WORD < before.raw % LOW_WORD else 0
        up = machine.shown - machine.shown % LOW_WORD + before.raw % LOW_WORD
        raw = machine.shown - carry if label is Label.TORN_FALL else up
        raw %= machine.modulus
    machine.now_s += machine.draw.choice([0, 1, 5])
    # a time stamp too far from our clock is not believed (E.6), and then nothing shows that the value is old
    believed = stamp_s is not None and machine.stamped and machine.now_s - stamp_s <= 30
    least_s = stamp_s - machine.read_s if stamp_s is not None and believed else None
    advance, anew = machine.advance(raw, least_s=least_s), machine.anew(raw, least_s=least_s)
    machine.tell("good", raw=raw, stamp_s=stamp_s)
    machine.work(machine.draw.choice([0, 1, 1, 1, 2]))
    back = [machine.advance(machine.shown, old=raw), machine.anew(machine.shown)]
    machine.show()
    seen = raw not in (before.raw, machine.shown)
    return Facts(
        label,
        begun_s,
        advance if seen else Belief.EITHER,
        anew,
        Belief.NO if back == [Belief.NO] * 2 else Belief.EITHER,
        fell=raw < before.raw,
    )


PLAYS: dict[Label, Callable[[Machine, Label], Facts]] = {
    Label.WRAP: wrap,
    Label.SHIFT_RESET: reset,
    Label.POWER_RESET: reset,
    Label.DOWNLOAD_RESET: reset,
    Label.DUPLICATE: duplicate,
    Label.STALE: untrue,
    Label.TORN_FALL: untrue,
    Label.TORN_RISE: untrue,
    Label.GLITCH: untrue,
    Label.BAD: bad,
    Label.SWAP: swap,
}


def incident(draw: Random, labels: tuple[Label, ...]) -> Incident:
    """A story of these incidents, one after the other, each between ordinary counts."""
    torn = any(each in (Label.TORN_FALL, Label.TORN_RISE) for each in labels)
    modulus = WIDTHS[draw.choice(["dint", "udint"] if torn else list(WIDTHS))]
    per_hour, policy, log = draw.choice([30, 60, 400, 3600]), draw.choice(list(ResetPolicy)), draw.random() < 0.5
    near = draw.choice([modulus - draw.randint(1, 30), draw.randint(0, 40), draw.randrange(modulus)])
    if labels[0] is Label.WRAP:
        near = modulus - draw.randint(1, 30)
    elif torn:  # just before the carry into the high word
        near = (draw.randrange(1, modulus // LOW_WORD) * LOW_WORD - draw.randint(12, 20)) % modulus
    order = draw.choice(["together", "count first", "record first"])
    machine = Machine(draw, modulus, per_hour, log, draw.random() < 0.5, order, near)
    machine.tell("good", *["log"] * log, baseline=True)
    for _ in range(draw.randint(2, 3)):
        machine.ordinary()
    facts = []
    for label in labels:
        if draw.random() < 0.3 and not torn:
            machine.gap()
        machine.twice = len(labels) > 1 and draw.random() < 0.2
        facts.append(PLAYS[label](machine, label))
        machine.twice = False
        machine.ordinary()
    ended_s = machine.now_s
    if draw.random() < 0.3:
        machine.gap()
    machine.ordinary()
    machine.now_s += 120
    machine.story.append(Observation((said("current", 9.0, machine.now_s),), at(machine.now_s), baseline=False))
    setup, restart = setup_of(modulus, per_hour, policy, log=log), draw.randrange(len(machine.story))
    name = f"{' + '.join(labels)}; {modulus=} {per_hour=} {policy=} {log=} {order=} stamped={machine.stamped}"
    story, told = tuple(machine.story), tuple(machine.told)
    return Incident(name, setup, policy, tuple(facts), machine.made, story, told, restart, ended_s)
