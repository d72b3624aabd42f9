"""Ten thousand incidents of a physical counter: nothing is invented, dropped in silence or doubted needlessly."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from counter_plant import Pace, Register, histories
from examples import examples
from incidents import Incident, Label, incident

from adapters.reading import Gap
from mes.collect.counters import ResetPolicy
from mes.collect.looks import Looks
from mes.collect.station import decode_state, encode_state, initial_state, step
from mes.model import ConnectionRestored, CountFlag, CountUnreconciled, StationEvent, UnitsCounted

EACH, PAIRS, SEED = 520, 1200, 20261129
ORDINARY = {Label.NIGHT, Label.BUNCH, Label.GAP, Label.UNREADABLE, Label.TURN}
AT_A_LOOK = 16  # units at most that any of these stations makes between two looks
# nothing was made for a value like this; what it shows may never be counted as made since a reset
UNTRUE = {Label.RETAINED, Label.STALE, Label.LASTING_STALE, Label.MISREAD, Label.TORN, Label.PRESET}

# how often at most the readings are those of an ordinary gap, or of an ordinary turn
LOOKS_ORDINARY = {Label.POWER_RESET: 0.25, Label.RETAINED: 0.25, Label.RESET_NEAR_TURN: 0.1}


def events_of(case: Incident) -> list[StationEvent]:
    """What comes of a story; once in it the state goes through the journal."""
    state, looks, events = initial_state(), Looks(), list[StationEvent]()
    for number, scene in enumerate(case.scenes):
        if number == case.restart:
            state = decode_state(encode_state(state))
        if isinstance(scene, Gap):
            looks.end()
            done = step(case.setup, state, scene)
        else:
            seen = replace(scene, looked=looks.before(scene.received_time))
            done = step(case.setup, state, seen)
            looks.add(scene.received_time)
        state = done.state
        events.extend(done.events)
    return events


def judge(case: Incident) -> str:
    """Holds one incident against what was made and what a reader can know; returns what became of it."""
    events = events_of(case)
    counted = [event for event in events if isinstance(event, UnitsCounted)]
    units = sum(count.delta for count in counted)
    doubts = [event for event in events if isinstance(event, CountUnreconciled)]
    resets = [count for count in counted if count.flag is CountFlag.RESET]
    told = [("reset", reset.delta, reset.raw, reset.previous_raw) for reset in resets]
    told += [("doubt", 0, doubt.raw, doubt.previous_raw) for doubt in doubts]
    what = f"{case.name}: made {case.made}, counted {units}, flagged {told}"
    labels = {*case.labels}

    assert all(count.delta >= 0 for count in counted), what
    may_reset = case.policy is ResetPolicy.ALLOWED or Label.DUE_RESET in labels
    is_either = case.turned_unseen and may_reset and not case.setup.has_unit_log
    if labels <= ORDINARY and not is_either and case.longest_blind_s / case.cycle_s < case.modulus:
        assert units == case.made, what
        assert not doubts, f"needless: {what}"
        assert not resets, f"needless: {what}"
        return "exact"
    if labels == {Label.DUE_RESET} and not any(isinstance(scene, Gap) for scene in case.scenes):
        assert (units, len(resets), doubts) == (case.made, len(case.labels), []), what
        return "exact, flagged"
    if case.setup.has_unit_log:
        assert units <= case.made or doubts, f"invented: {what}"
        assert units == case.made or doubts, f"dropped: {what}"
        if doubts:
            return "exact, flagged" if units == case.made else "flagged"
    if units == case.made and not doubts and not resets:
        return "exact"
    register = Register(case.modulus, case.policy is ResetPolicy.ALLOWED, case.due_s)
    known = histories(list(case.view), Pace(case.cycle_s), register)
    if units > case.made:
        # who reads knows the cycle roughly, not whether two parts are finished at once, nor how late a value is told
        pace = Pace(case.cycle_s / 2, at_once=2, late_s=2)
        rough = histories(list(case.view), pace, register)
        assert units <= rough.most, f"more than can be: {rough} {what}"
        # only what he cannot tell from parts that were made: a reset that is marked, or nothing strange at all
        is_turn = units - case.made <= case.short_of_turn < AT_A_LOOK
        told_apart = rough.strange and not is_turn and (not resets or (labels & UNTRUE and Label.BACKUP not in labels))
        assert doubts or (known.least <= units and not told_apart), f"invented: {known} {rough} {what}"
    if known.strange and known.least == known.most == case.made:
        assert units == case.made or doubts or resets, f"decidable: {known} {what}"
    if not case.setup.has_unit_log and case.longest_blind_s / case.cycle_s < case.modulus:
        assert known.strange or not (doubts or resets), f"needless: {known} {what}"
    if doubts or resets:
        return "exact, flagged" if units == case.made else "flagged"
    # what a reader sees is ordinary, over a gap or a turn, and that is marked as such
    marked = any(count.flag in (CountFlag.CATCH_UP, CountFlag.ROLLOVER) for count in counted)
    assert not known.strange or known.least == known.most == units or units > case.made, f"silent: {known} {what}"
    assert marked or any(isinstance(event, ConnectionRestored) for event in events), f"silent: {known} {what}"
    return "looks ordinary"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("label", list(Label))
def test_an_incident_is_exact_or_flagged(label: Label) -> None:
    """Whatever befalls a counter: no part is invented or dropped in silence, and nothing ordinary is doubted."""
    draw = Random(f"{SEED} {label}")
    number = examples(EACH)
    found = Counter(judge(incident(draw, (label,))) for _ in range(number))

    print(SEED, label, dict(found))  # noqa: T201  # shown with -s, for the record
    assert found.total() == number
    assert found["looks ordinary"] <= number * LOOKS_ORDINARY.get(label, 0)


@pytest.mark.timeout(300)
def test_two_incidents_are_exact_or_flagged() -> None:
    """One trouble after another, each as if it were alone; ten thousand incidents in all, a tenth for the coverage."""
    draw = Random(f"{SEED} pairs")
    for _ in range(examples(PAIRS)):
        judge(incident(draw, (draw.choice(list(Label)), draw.choice(list(Label)))))

    assert EACH * len(Label) + PAIRS >= 10_000
