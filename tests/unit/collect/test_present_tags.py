"""What tags show now and what is made of it: each thing that an engineer must correct is a sentence with its tag."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import structlog
from collect_scenes import at, ring, said, station
from fakes import PLC, FakeAdapter

from adapters.clock import ManualClock
from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.ports import AdapterStatus
from adapters.reading import Batch, TagId, Value
from mes.collect.present import RAW_SHOWN, VALUES_NAMED, PresentTags, longest_without_count, shown
from mes.collect.signals import FaultSignal, SignalSetup, StateInputSignal, StateSignal
from mes.collect.states import BitMap, BitRule, Condition, StateRule, StateRules
from mes.health.controllers import Health
from mes.model import ProductId, State, StationStandard

Lines = list[structlog.typing.EventDict]
FRAMING = station().station
HEARTBEAT = TagId("plc:heartbeat")
HALF_AN_HOUR = 1800.0


class Plant:
    """One controller with one station that has every signal, and a heartbeat."""

    def __init__(self, signals: Mapping[TagId, SignalSetup] | None = None) -> None:
        setup = station()
        word = FaultSignal(bits=((0, "E1"), (2, "E3"), (17, None)))
        setup = replace(setup, signals={**setup.signals, TagId("word"): word, **(signals or {})})
        longest = {FRAMING: timedelta(seconds=HALF_AN_HOUR)}
        self.tags = PresentTags([HEARTBEAT, *setup.signals], [setup], longest)

    def batch(self, seconds: float, *, baseline: bool = False, **values: Value | None) -> "Plant":
        """These tags show this then; None: bad."""
        readings = tuple(said(tag, value, seconds) for tag, value in values.items())
        self.tags.take(Batch(PLC, at(seconds), readings, baseline=baseline))
        return self

    def codes(self) -> dict[str, tuple[str, ...]]:
        """What is to be corrected, with the tags."""
        return {str(finding.code): finding.tags for finding in self.tags.findings()}

    def means(self, tag: str) -> tuple[str | None, str | None]:
        """What is made of a tag, and what is wrong with it."""
        [found] = [present for present in self.tags.present() if present.tag == tag]
        return found.means, found.problem and str(found.problem)


@pytest.mark.parametrize(
    ("tag", "value", "means"),
    [
        ("state", 6, "producing"),
        ("state", 6.0, "producing"),
        ("state", "11", "down"),
        ("product", 3, "S3"),
        ("product", 0, None),
        ("product", "", None),
        ("good", 17.0, "17"),
        ("current", 8.5, "8.5"),
        ("fault", 0, None),
        ("fault", 4711, "4711"),
        ("fault", (7, 0, "E8"), "7, E8"),
        ("word", 0b101, "E1, E3"),
        ("word", (0, 2), None),
        ("unit", "LJ12", "LJ12"),
        ("unit", "", None),
        ("log", ring(), None),
    ],
)
def test_what_the_plant_s_file_explains_is_explained(tag: str, value: Value, means: str | None) -> None:
    """A value with a meaning is shown with it, and there is nothing to correct."""
    plant = Plant().batch(0, baseline=True, **{tag: value})
    assert plant.means(tag) == (means, None)
    assert plant.codes() == {}


@pytest.mark.parametrize(
    ("tag", "value", "code"),
    [
        ("state", 99, "value_unmapped"),
        ("product", "S9", "value_unmapped"),
        ("state", (6, 6), "value_unusable"),
        ("good", (17,), "value_unusable"),
        ("good", "17 pieces", "value_unusable"),
        ("good", 1.5, "value_unusable"),
        ("good", True, "value_unusable"),
        ("current", "8.5", "value_unusable"),
        ("unit", ("a", "b"), "value_unusable"),
        ("log", "00001;G", "value_unusable"),
        ("word", 0b1000, "value_unmapped"),
        ("word", ("a",), "value_unusable"),
        ("word", "text", "value_unusable"),
        ("fault", tuple(range(3000)), "value_unusable"),
        ("good", None, "no_value"),
        ("state", None, "no_value"),
    ],
)
def test_what_no_map_explains_is_named_with_its_tag(tag: str, value: Value | None, code: str) -> None:
    """It is one sentence with tag and remedy, means nothing, and is over when the tag shows something sensible."""
    plant = Plant().batch(0, baseline=True, **{tag: value})
    assert plant.codes() == {code: (tag,)}
    assert plant.means(tag) == (None, code)
    [sentence] = plant.tags.findings()
    assert tag in sentence.text
    assert sentence.remedy
    sensible: Mapping[str, Any] = {
        "state": 6,
        "product": 3,
        "good": 1,
        "current": 1.0,
        "unit": "a",
        "log": ring(),
        "word": 0,
        "fault": 0,
    }
    assert plant.batch(1, **{tag: sensible[tag]}).codes() == {}


def test_bits_without_a_name_are_told_beside_the_faults() -> None:
    """The faults that are named are shown; of the other bits the first few stand in the sentence."""
    plant = Plant().batch(0, baseline=True, word=0b101 | 0b110 << 30)
    [sentence] = plant.tags.findings()
    assert plant.means("word") == ("E1, E3", "value_unmapped")
    assert "no bit 31, 32, which is set" in sentence.text
    [sentence] = plant.batch(1, word=0xFFFF).tags.findings()
    assert "no bit 1, 3, 4, 5, 6, 7, 8, 9…, which is set" in sentence.text


def test_the_raw_code_is_in_the_sentence_and_their_number_is_bounded() -> None:
    """The first few codes of a tag are named; a tag that shows ever new ones makes no more sentences than that."""
    plant, sentences = Plant(), set()
    for number in range(100, 1000):
        plant.batch(number, state=number)
        [sentence] = plant.tags.findings()
        sentences.add(sentence.text)
    assert "tag state: no map names the state code 100" in sentences
    assert len(sentences) == VALUES_NAMED + 1
    plant.batch(2000, state=100)
    assert "code 100" in plant.tags.findings()[0].text


@pytest.mark.parametrize(
    ("otherwise", "word", "named"),
    [
        (State.NO_DATA, 1, True),
        (State.NO_DATA, 2, False),
        (State.IDLE, 2, True),
        (State.IDLE, "x", False),
    ],
)
def test_a_status_word_is_explained_by_a_rule_or_by_the_rest(otherwise: State, word: Value, named: bool) -> None:
    """Bits that no rule looks at are named, unless the map says what the rest means."""
    words = StateSignal(BitMap((BitRule(1, 1, State.PRODUCING),), otherwise))
    plant = Plant({TagId("state"): words}).batch(0, state=word)
    assert (plant.codes() == {}) is named


def test_several_coils_are_a_status_word() -> None:
    """A list of bools is explained by its bits; any other list is no word."""
    plant = Plant({TagId("state"): StateSignal(BitMap((BitRule(4, 4, State.DOWN),), State.IDLE))})

    assert plant.batch(0, state=(True, False, True)).means("state") == ("down", None)
    assert plant.batch(1, state=("on", "off")).means("state") == (None, "value_unusable")


def test_each_value_that_rules_look_at_is_shown() -> None:
    """With its code, and with a sentence where a rule wants a number; the rules decide whether the station produces."""
    step, faulted = TagId("step"), TagId("faulted")
    rules = StateRules(
        (
            StateRule((Condition(faulted),), State.DOWN, "faulted"),
            StateRule((Condition(step, lowest=1, highest=9),), State.PRODUCING, "step from 1 to 9"),
        )
    )
    setup = station()
    signals = {TagId("good"): setup.signals[TagId("good")], step: StateInputSignal("state.2")}
    setup = replace(setup, signals={**signals, faulted: StateInputSignal("state.1")}, state_rules=rules)
    plant = Plant()
    plant.tags = PresentTags([*setup.signals], [setup], {FRAMING: timedelta(seconds=HALF_AN_HOUR)})
    plant.batch(0, baseline=True, step=3, faulted=False, good=1)
    assert plant.means("step") == ("3", None)
    plant.batch(HALF_AN_HOUR + 1)
    assert plant.codes() == {"counter_still": ("good",)}
    plant.batch(HALF_AN_HOUR + 2, step="three", good=2)

    assert plant.means("step") == (None, "value_unusable")
    plant.batch(3 * HALF_AN_HOUR)
    assert plant.codes() == {"value_unusable": ("step",)}


def test_tags_without_a_value_share_a_sentence() -> None:
    """A station whose controller's program stopped is one line in the log, with the first tags and how many more."""
    plant = Plant().batch(0, state=None, good=None, scrap=None, total=None, unit=None, product=None, fault=None)
    [sentence] = plant.tags.findings()
    assert sentence.tags == ("state", "good", "scrap", "total", "unit", "product", "fault")
    assert "state, good, scrap, total, unit and 2 more" in sentence.text


def producing(*counts: tuple[float, Mapping[str, Any]], until: float) -> Plant:
    """The station produces from 0 on, one batch a minute; totalisers show this from then on."""
    plant = Plant().batch(0, baseline=True, state=6, good=5, total=5, scrap=0)
    moves = {int(minute): values for minute, values in counts}
    for minute in range(1, int(until) + 1):
        plant.batch(60 * minute, **moves.get(minute, {}))
    return plant


def test_a_counter_that_stands_still_while_the_station_produces_is_named() -> None:
    """After half an hour of producing, not before; each count begins the time again."""
    assert producing(until=30).codes() == {}
    assert producing(until=31).codes() == {"counter_still": ("good", "total")}
    assert producing((20, {"good": 6, "total": 6}), until=50).codes() == {}
    plant = producing((20, {"good": 6, "total": 6}), until=51)
    assert plant.codes() == {"counter_still": ("good", "total")}
    assert plant.means("good") == ("6", "counter_still")
    assert plant.means("scrap") == ("0", None)
    assert plant.batch(9999, good=7, total=7).codes() == {}


def test_another_ideal_cycle_changes_how_long_a_counter_may_stand() -> None:
    """A reload tells the new times; a station that has none may stand for half an hour."""
    plant = producing(until=31)
    plant.tags.use({FRAMING: timedelta(hours=1)})
    assert plant.codes() == {}
    plant.tags.use({})
    assert plant.codes() == {"counter_still": ("good", "total")}


def test_a_counter_of_the_wrong_address_is_named_though_others_move() -> None:
    """All units stand while good ones are counted; good ones may stand while units are scrapped."""
    assert producing((29, {"good": 6}), until=31).codes() == {"counter_still": ("total",)}
    assert producing((29, {"scrap": 1, "total": 6}), until=31).codes() == {}
    assert producing((29, {"total": 6}), until=31).codes() == {"counter_still": ("good",)}


def test_a_counter_whose_registers_are_the_wrong_way_round_is_named() -> None:
    """A unit more looks like 65,536 more; two readings tell it, and a step of less than a register ends it."""
    plant = Plant().batch(0, baseline=True, state=6, good=5 * 65536 + 1, total=7)
    assert plant.batch(1, good=5 * 65536 + 1).codes() == {}
    assert plant.batch(2, good=6 * 65536 + 1, total=8).codes() == {"words_swapped": ("good",)}
    assert plant.means("good")[1] == "words_swapped"
    assert plant.batch(3, good=None).means("good")[1] == "no_value"
    assert plant.batch(4, good=8 * 65536 + 1).codes() == {"words_swapped": ("good",)}
    assert plant.batch(5, good=8 * 65536 + 2).codes() == {}


def test_only_seen_producing_time_counts() -> None:
    """A station that stands, and a gap, are no reason to expect a count; producing in pieces adds up."""
    plant = Plant().batch(0, baseline=True, state=11, good=5)
    assert plant.batch(9000).codes() == {}
    plant.batch(9000, state=6).batch(10000, state=5).batch(11000, state=6)
    assert plant.batch(99000, baseline=True).codes() == {}
    assert plant.batch(99700).codes() == {}
    assert plant.batch(99900).codes() == {"counter_still": ("good",)}
    assert plant.batch(99901, good=None).codes() == {"no_value": ("good",)}


def test_before_it_was_read_a_tag_shows_nothing() -> None:
    """Every configured tag is there, in order, without reading, meaning or problem; so is the heartbeat, always."""
    present = Plant().tags.present()
    assert [tag.tag for tag in present][:2] == [HEARTBEAT, "state"]
    assert {(tag.reading, tag.means, tag.problem) for tag in present} == {(None, None, None)}
    plant = Plant()
    plant.tags.take(Batch(PLC, at(1), (said(HEARTBEAT, 8, 1),)))
    beat = plant.tags.present()[0]
    assert beat.reading is not None
    assert (beat.station, beat.signal, beat.reading.value, beat.means) == (None, "heartbeat", 8, None)


def test_what_a_controller_shows_is_short_and_printable() -> None:
    """Controls and marks that turn the direction of writing are replaced; long texts and lists are cut."""
    assert shown("a\x1b[2J\u202eb\n") == "a�[2J�b�"
    assert len(shown("x" * 10_000)) == RAW_SHOWN
    assert shown((1, "b")) == "[1, b]"
    assert shown(tuple(range(20))) == "[0, 1, 2, 3, 4, 5, 6, 7, …]"
    assert len(shown(("x" * 500,) * 500)) == RAW_SHOWN


def test_how_long_a_station_may_produce_without_a_count() -> None:
    """Ten of its longest ideal cycles, half an hour at least, also where none is known."""
    slow = {None: timedelta(seconds=60), ProductId("S3"): timedelta(minutes=11)}
    assert longest_without_count(StationStandard(ideal_cycle=slow, minor_stop=timedelta())) == timedelta(minutes=110)
    assert longest_without_count(None) == timedelta(minutes=30)


def test_what_values_show_is_a_diagnostic_of_the_controller(logged: Lines) -> None:
    """It is in the status and logged once when new; where the adapter knows why, only the adapter's word holds."""
    plant = Plant()
    health = Health(ManualClock(at(0)), findings=lambda _: plant.tags.findings())
    adapter = FakeAdapter()
    health.connecting(PLC, adapter)
    for second in range(3):
        plant.batch(second, state=99, good=None)
        health.seen(PLC, at(second))
    assert [(line["event"], line["code"]) for line in logged] == [
        ("controller_diagnostic", "value_unmapped"),
        ("controller_diagnostic", "no_value"),
    ]

    why = Diagnostic(DiagnosticCode.TAG_REFUSED, "tag good is refused", "correct it", (TagId("good"),))
    adapter.present = AdapterStatus(5, 4, (why,))
    codes = [diagnostic.diagnostic.code for diagnostic in health.snapshot()[0].diagnostics]
    assert codes == ["value_unmapped", "tag_refused"]
