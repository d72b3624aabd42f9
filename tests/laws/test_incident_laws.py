"""Ten thousand labelled incidents: each is booked exactly or flagged, and where E.1 can tell it is told."""

import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from random import Random

import pytest
from collect_scenes import at
from incident_machine import Belief, Facts, Incident, Label
from incidents import incident

from mes.collect.counters import ResetPolicy
from mes.collect.station import decode_state, encode_state, initial_state, step
from mes.model import ConnectionRestored, CountFlag, CountKind, CountUnreconciled, StationEvent, UnitsCounted

EACH, PAIRS, SEED = 850, 1000, 20260302
YES, NO = Belief.YES, Belief.NO
RESETS = {Label.SHIFT_RESET, Label.POWER_RESET, Label.DOWNLOAD_RESET}
TRUE = {Label.WRAP, Label.DUPLICATE, Label.BAD}
UNTRUE = {Label.STALE, Label.TORN_FALL, Label.TORN_RISE, Label.GLITCH}


class Verdict(StrEnum):
    """What E.1 demands of an incident."""

    EXACT = "every unit is booked, and nothing flagged"
    RESET = "what was made since the reset is booked and flagged as a reset; what was before it, if recorded"
    TOLD = "the untrue value is flagged and counts nothing; every unit is booked"
    OPEN = "nothing is booked for this stretch, and that is flagged; what follows is booked"
    FLAGGED = "E.1 cannot tell: exact or flagged"
    ALIKE = "looks exactly like units made: booked as caught up or as a rollover, never as an ordinary count"


# The first row that fits holds: labels, policies, whether what was read can be units made, or a new start.
EVERY = frozenset(ResetPolicy)
ALLOWED, NEVER = frozenset({ResetPolicy.ALLOWED}), frozenset({ResetPolicy.NEVER})
ANY = frozenset(Belief)
TABLE = (
    (TRUE, EVERY, {YES}, ANY, Verdict.EXACT),
    (TRUE, EVERY, {NO}, {NO}, Verdict.OPEN),  # blind for longer than a turn
    (RESETS, ALLOWED, {NO}, {YES}, Verdict.RESET),
    (RESETS, NEVER, {NO}, ANY, Verdict.OPEN),
    (RESETS, EVERY, {NO}, {NO}, Verdict.OPEN),
    (RESETS, EVERY, ANY - {NO}, ANY, Verdict.ALIKE),  # just before the turn, or past the old total while nobody looked
    ({Label.SWAP}, NEVER, {NO}, ANY, Verdict.OPEN),
    ({Label.SWAP}, ALLOWED, {NO}, {NO}, Verdict.OPEN),
    ({Label.SWAP}, EVERY, ANY - {NO}, ANY, Verdict.ALIKE),
    (UNTRUE, NEVER, {NO}, ANY, Verdict.TOLD),
    (UNTRUE, ALLOWED, {NO}, {NO}, Verdict.TOLD),
)


def verdict(facts: Facts, policy: ResetPolicy) -> Verdict:
    """The row of the table."""
    for labels, policies, advance, anew, found in TABLE:
        if facts.label in labels and policy in policies and facts.advance in advance and facts.anew in anew:
            doubtful = facts.back is not NO if found is Verdict.TOLD else found is Verdict.OPEN and facts.near
            return Verdict.FLAGGED if doubtful else found
    return Verdict.FLAGGED


def events_of(case: Incident) -> list[StationEvent]:
    """What comes of a story; once in it the state goes through the journal."""
    state = initial_state()
    events: list[StationEvent] = []
    for number, scene in enumerate(case.story):
        if number == case.restart:
            state = decode_state(encode_state(state))
        done = step(case.setup, state, scene)
        state = done.state
        events.extend(done.events)
    return events


def flagged(events: list[StationEvent]) -> Iterator[UnitsCounted | CountUnreconciled]:
    for each in events:
        if isinstance(each, CountUnreconciled) or (isinstance(each, UnitsCounted) and each.flag is CountFlag.RESET):
            yield each


def judge(case: Incident) -> None:
    """Exact or flagged, whatever it is; what E.1 can tell is told."""
    events = events_of(case)
    counted = [each for each in events if isinstance(each, UnitsCounted)]
    booked, flags = sum(each.delta for each in counted), list(flagged(events))
    verdicts = [verdict(each, case.policy) for each in case.facts]
    what = f"{case.name}: made {case.made}, booked {booked}, {verdicts}, {case.facts}"

    begun = at(case.facts[0].begun_s)
    for each in flags:
        assert (each.station, each.kind) == (case.setup.station, CountKind.GOOD), what
        assert begun <= each.received_time, what
        if isinstance(each, CountUnreconciled):
            bounded(case, each, what)
    assert all(each.delta >= 0 for each in counted), what
    if Verdict.ALIKE in verdicts:
        marked = any(each.flag in (CountFlag.CATCH_UP, CountFlag.ROLLOVER) for each in counted)
        assert booked == case.made or flags or marked or any(isinstance(e, ConnectionRestored) for e in events), what
        return
    assert booked == case.made or flags, what
    if Verdict.FLAGGED not in verdicts:
        decided(case, verdicts, booked, flags, what)


def decided(
    case: Incident, verdicts: list[Verdict], booked: int, flags: list[UnitsCounted | CountUnreconciled], what: str
) -> None:
    """The number is the one that can be known, and the flags are those of the incident, no others."""
    most = least = case.made
    for facts, found in zip(case.facts, verdicts, strict=True):
        if found is Verdict.OPEN:
            least -= facts.stretch
            # what a record of units has kept of it may be booked with a later reset
            most -= 0 if case.setup.has_unit_log and Verdict.RESET in verdicts else facts.stretch
        elif found is Verdict.RESET:
            least -= facts.tail
            most -= 0 if case.setup.has_unit_log else facts.tail
            least += facts.tail if facts.recorded == facts.stretch else 0
    assert least <= booked <= most, what
    wanted = {CountUnreconciled for each in verdicts if each in (Verdict.OPEN, Verdict.TOLD)}
    resets = {UnitsCounted for each in verdicts if each is Verdict.RESET}
    assert {type(each) for each in flags} == wanted | resets, what


def bounded(case: Incident, flag: CountUnreconciled, what: str) -> None:
    """Where a flag says how many units there can have been at most, there were no more."""
    said = re.search(r"at most (\d+)", flag.explanation)
    now = max((each for each in case.told if at(each.at_s) <= flag.received_time), key=lambda each: each.at_s)
    before = [each for each in case.told if each.raw == flag.previous_raw and each.at_s < now.at_s]
    if said is not None and before:
        assert now.made - before[-1].made <= int(said[1]), f"{what}: {flag.explanation}"


@pytest.mark.parametrize("label", list(Label))
def test_an_incident_is_exact_or_flagged(label: Label) -> None:
    """Whatever befalls a totaliser: no unit is invented or dropped in silence, and what E.1 can tell is exact."""
    draw = Random(f"{SEED} {label}")
    found = Counter[Verdict]()
    for _ in range(EACH):
        case = incident(draw, (label,))
        judge(case)
        found[verdict(case.facts[0], case.policy)] += 1

    assert found.total() >= 500
    assert found[Verdict.FLAGGED] < EACH * 0.4


def test_two_incidents_are_exact_or_flagged() -> None:
    """One trouble after another, each as if it were alone; ten thousand incidents in all."""
    draw = Random(f"{SEED} pairs")
    for _ in range(PAIRS):
        judge(incident(draw, (draw.choice(list(Label)), draw.choice(list(Label)))))

    assert EACH * len(Label) + PAIRS >= 10_000
