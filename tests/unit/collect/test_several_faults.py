"""Faults of which several are on at once: alarm words, lists of codes, several signals of one station."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from collect_scenes import at, live, lost, only, said, seen, station
from hypothesis import given
from hypothesis import strategies as st

from adapters.reading import Gap, Quality, TagId, Value
from mes.collect.places import adopt
from mes.collect.signals import MOST_FAULTS, FaultSignal, SignalSetup, StationSetup
from mes.collect.station import Observation, Step, decode_state, initial_state
from mes.model import FaultCleared, FaultRaised, QualityChanged

BITS = ((17, "E117"), (0, "E1"), (3, "E3"), (5, None), (15, "E15"))
WORD = FaultSignal(bits=BITS)
Told = tuple[str, str]


def shown(signals: Mapping[str, FaultSignal]) -> StationSetup:
    """A station that shows nothing but faults."""
    tags: dict[TagId, SignalSetup] = {TagId(tag): signal for tag, signal in signals.items()}
    return replace(station(), signals=tags)


def changes(done: Step) -> list[Told]:
    """What was raised and cleared, in order."""
    sign = {FaultRaised: "+", FaultCleared: "-"}
    return [(sign[type(event)], event.code) for event in done.events if isinstance(event, FaultRaised | FaultCleared)]


def told(signal: FaultSignal, *values: Value | None) -> list[Told]:
    """What the values of one signal raise and clear."""
    scenes = [Observation((said("fault", value, place),), at(place), place == 0) for place, value in enumerate(values)]
    return changes(live(shown({"fault": signal}), *scenes))


def test_every_bit_of_an_alarm_word_is_a_fault_of_its_own() -> None:
    """Each is raised and cleared by itself; of those that come at once the first one of the table is the first."""
    assert told(WORD, 0, 1, 0b1001, 0b1000, 0) == [("+", "E1"), ("+", "E3"), ("-", "E1"), ("-", "E3")]
    assert told(WORD, 1 << 17 | 1 << 3 | 1, 1 << 3) == [
        *(("+", "E117"), ("+", "E1"), ("+", "E3")),
        *(("-", "E117"), ("-", "E1")),
    ]


def test_faults_of_one_scan_keep_the_order_of_the_table() -> None:
    """They are a microsecond apart, and what follows is later than all of them."""
    done = live(shown({"fault": WORD}), seen(0, baseline=True, fault=0), seen(5, fault=9), seen(5, fault=0))
    times = [(event.time - at(5)).microseconds for event in done.events]

    assert times == [0, 1, 2, 2]
    assert changes(done) == [("+", "E1"), ("+", "E3"), ("-", "E1"), ("-", "E3")]


@pytest.mark.parametrize(
    ("word_bits", "value", "codes"),
    [
        pytest.param(16, (0x8001, 0x0002), ("E117", "E1", "E15"), id="two registers"),
        pytest.param(16, (-32768, 0), ("E15",), id="a negative word of 16 bits"),
        pytest.param(8, (0x09, 0x80, 0x02), ("E117", "E1", "E3", "E15"), id="bytes"),
        pytest.param(32, (1 << 17, 1), ("E117",), id="words of 32 bits"),
        pytest.param(16, (True, False, False, True), ("E1", "E3"), id="coils, or an array of Boolean"),
        pytest.param(16, True, ("E1",), id="one coil"),
        pytest.param(16, "9", None, id="a text"),
        pytest.param(16, 1.5, None, id="no whole number"),
        pytest.param(16, (0x1_0001,), None, id="an element with more bits than a word"),
        pytest.param(16, (1, "x"), None, id="a list with a text"),
        pytest.param(16, (0,) * (MOST_FAULTS + 1), None, id="too long a list"),
        pytest.param(16, -1, ("E117", "E1", "E3", "E15"), id="a negative number has all bits that the table needs"),
        pytest.param(16, 1 << 5, (), id="a bit that is no fault"),
        pytest.param(16, (), (), id="an empty array"),
    ],
)
def test_an_alarm_word_comes_in_many_forms(word_bits: int, value: Value, codes: tuple[str, ...] | None) -> None:
    """Bit 0 is the least significant of the first element; what is no word shows nothing."""
    assert replace(WORD, word_bits=word_bits).codes(value) == codes


def test_a_bit_that_the_table_does_not_name_is_told() -> None:
    """It is no fault, and an engineer learns of it; the sign of a narrow number is no bit that nobody named."""
    assert WORD.unnamed(0b0110_0010) == (1, 6)
    assert WORD.unnamed("nothing") == ()
    narrow = FaultSignal(bits=tuple((bit, f"E{bit}") for bit in range(16)))
    assert (narrow.unnamed(-1), len(narrow.codes(-1) or ())) == ((), 16)
    assert FaultSignal().unnamed(7) == ()


def test_two_bits_may_mean_one_fault() -> None:
    """It is on while one of them is."""
    signal = FaultSignal(bits=((0, "E1"), (1, "E1")))
    assert told(signal, 0, 1, 3, 2, 0) == [("+", "E1"), ("-", "E1")]


def test_several_codes_at_once_come_as_a_list() -> None:
    """Numbers or texts; what means no fault is passed over, and a code that stands twice is one fault."""
    assert told(FaultSignal(), (0, 0, 0), (7, 0, 8), (8, "8", 0), (0, "  ", 0)) == [
        *(("+", "7"), ("+", "8")),
        *(("-", "7"), ("-", "8")),
    ]
    assert told(FaultSignal(), "E7", ("E7", "E9"), "E9", 0) == [("+", "E7"), ("+", "E9"), ("-", "E7"), ("-", "E9")]
    assert told(FaultSignal(), 7, tuple(range(MOST_FAULTS + 2)), 7) == [("+", "7")]


def test_what_shows_no_faults_is_bad_quality_and_changes_nothing() -> None:
    """A fault is on until the word can be read again without it."""
    scenes = [seen(second, baseline=second == 0, fault=value) for second, value in enumerate((1, "?", None, 0))]
    done = live(shown({"fault": WORD}), *scenes)

    assert changes(done) == [("+", "E1"), ("-", "E1")]
    assert [change.quality for change in only(QualityChanged, done)] == [Quality.BAD, Quality.GOOD]


def test_several_signals_show_the_faults_of_one_station() -> None:
    """A code that two of them show is one fault, which is over when neither shows it."""
    setup = shown({"plc": FaultSignal(), "timer": FaultSignal(name="fault_code.2")})
    done = live(
        setup,
        seen(0, baseline=True, plc=0, timer=0),
        seen(1, plc=7),
        seen(2, timer=(7, 8)),
        seen(3, plc=0),
        seen(4, timer=8),
        seen(5, plc=8, timer=0),
    )
    assert changes(done) == [("+", "7"), ("+", "8"), ("-", "7")]
    assert done.state.present_faults == ("8",)


def test_a_gap_leaves_faults_on_until_they_are_looked_at_again() -> None:
    """Those that are not there after it are cleared then."""
    gap: list[Gap] = [lost(2), lost(2, 9)]
    done = live(shown({"fault": WORD}), seen(0, baseline=True, fault=9), *gap, seen(9, baseline=True, fault=8))
    assert changes(done) == [("+", "E1"), ("+", "E3"), ("-", "E1")]


def test_a_fault_of_an_older_program_goes_on() -> None:
    """The journal of a program that knew one fault at a time is read as it is: no fault is raised or left on twice."""
    state = decode_state(b'{"fault": "7"}')
    assert state.present_faults == ("7",)
    setup = shown({"fault": FaultSignal()})
    assert changes(live(setup, seen(0, baseline=True, fault=(7, 8)), state=state)) == [("+", "8")]
    assert changes(live(setup, seen(0, baseline=True, fault=0), state=state)) == [("-", "7")]
    assert decode_state(b"{}") == initial_state()


def test_faults_of_a_place_that_is_read_no_more_are_over() -> None:
    """Unless another signal of the station shows them too."""
    setup = shown({"plc": FaultSignal(), "timer": FaultSignal(name="fault_code.2")})
    before = replace(setup, places={"fault_code": "plc 1", "fault_code.2": "timer 1"})
    first = live(before, seen(0, baseline=True, plc=(7, 9), timer=(8, 9)))
    state = replace(first.state, places=before.places)

    adopted = adopt(replace(setup, places={"fault_code": "plc 1", "fault_code.2": "timer 2"}), state, at(5))

    assert [event.code for event in adopted.events if isinstance(event, FaultCleared)] == ["8"]
    assert adopted.state.present_faults == ("7", "9")


WORDS = st.lists(st.one_of(st.none(), st.integers(0, 2**18 - 1)), max_size=12)


@given(words=WORDS, cut=st.integers(0, 12))
def test_what_is_on_is_what_the_last_word_shows(words: list[int | None], cut: int) -> None:
    """Raised and cleared events alone give the faults of the last readable word; none is raised or cleared twice."""
    scenes = [seen(second, baseline=second in (0, cut), fault=word) for second, word in enumerate(words)]
    done = live(shown({"fault": WORD}), *scenes)
    on: set[str] = set()
    for event in sorted(done.events, key=lambda event: event.time):
        match event:
            case FaultRaised():
                assert event.code not in on
                on.add(event.code)
            case FaultCleared():
                on.remove(event.code)
            case _:
                pass
    last = next((word for word in reversed(words) if word is not None), 0)
    assert on == {code for bit, code in BITS if code and last >> bit & 1}
