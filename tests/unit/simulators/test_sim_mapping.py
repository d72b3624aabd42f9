"""What the simulated controllers show for the plant's values."""

import struct
from datetime import UTC, datetime, timedelta

import pytest

from simulators import mapping
from simulators.line import Change, SimState, StationSpec, UnitRecord
from simulators.mapping import Image, Zeros
from simulators.plant import STATIONS

AT = datetime(2026, 3, 2, 3, 0, 0, 123_000, tzinfo=UTC)
VIN = "LJ12EKR24T1000123"
WELD = [spec for spec in STATIONS if spec.controller == "weld-plc"]
PAINT = [spec for spec in STATIONS if spec.controller == "paint-plc"]


def change(field: str, value: object) -> Change:
    """A change of no station in particular."""
    return Change(AT, "P010", field, value)


def unit(sequence: int) -> UnitRecord:
    """A good car."""
    return UnitRecord(sequence=sequence, unit=VIN, product="S3", result="good", time=AT)


@pytest.mark.parametrize(
    ("state", "packtags", "vendor", "bits"),
    [
        (SimState.PRODUCING, 6, 1, 0x8001),
        (SimState.STARVED, 4, 2, 0x8002),
        (SimState.BLOCKED, 17, 3, 0x8004),
        (SimState.DOWN, 9, 4, 0x8008),
        (SimState.SETUP, 15, 5, 0x8010),
        (SimState.IDLE, 2, 0, 0x8020),
    ],
)
def test_each_state_has_its_number_in_each_controller(state: SimState, packtags: int, vendor: int, bits: int) -> None:
    """The six states are PackTags numbers at weld, a vendor's enumeration at final and status bits at paint."""
    image = Image().after(change("state", state))

    assert mapping.node_values("W010", image, "weld")["W010.StateCurrent"] == packtags
    assert mapping.node_values("F010", image, "final")["F010.Status"] == vendor
    assert mapping.register_values("P010", image)[1000] == (bits,)


def test_a_minor_stop_is_held_only_while_it_is_down() -> None:
    """A minor stop shows as Held (11); the mark itself, which outlasts the stop, changes no other state."""
    minor = Image(state=SimState.PRODUCING).after(change("minor", True))
    stopped = minor.after(change("state", SimState.DOWN))

    assert mapping.node_values("W010", minor, "weld")["W010.StateCurrent"] == 6
    assert mapping.node_values("W010", stopped, "weld")["W010.StateCurrent"] == 11
    assert mapping.node_values("F010", stopped, "final")["F010.Status"] == 4


def test_a_16_bit_totaliser_wraps() -> None:
    """Register totalisers count modulo 65,536 from where they stood at first."""
    image = Image(zeros=Zeros(65_530, 65_535, 0), good=10, rework=0, scrap=2)
    registers = mapping.register_values("P020", image)

    assert (registers[2001], registers[2002], registers[2003]) == ((4,), (65_535,), (2,))


def test_a_32_bit_totaliser_wraps() -> None:
    """Variable totalisers count modulo 2^32."""
    values = mapping.node_values("W010", Image(zeros=Zeros(2**32 - 3), good=5), "weld")

    assert values["W010.GoodCount"] == 2


def test_a_reset_spares_the_log_and_counts_on_from_zero() -> None:
    """After a reset totalisers show only what comes later; the unit log and its sequence go on."""
    before = Image(zeros=Zeros(500, 7, 3), good=40, rework=2, scrap=1).after(change("completed", unit(43)))
    after = before.reset()

    assert after.totalisers(2**16) == (0, 0, 0)
    assert after.after(change("good", 41)).totalisers(2**16) == (1, 0, 0)
    assert after.log == before.log


def test_first_totalisers_stand_near_the_wrap() -> None:
    """16-bit totalisers start in 65,500..65,535; one 32-bit one starts three before 2^32; equal seeds, equal starts."""
    short = mapping.first_zeros(PAINT, modbus=True)
    long = mapping.first_zeros(WELD, modbus=False)

    assert all(65_500 <= raw <= 65_535 for zeros in short.values() for raw in (zeros.good, zeros.rework, zeros.scrap))
    assert long["W010"].good == 2**32 - 3
    assert len({zeros.good for zeros in long.values()}) == len(WELD)
    assert mapping.first_zeros(PAINT, modbus=True) == short != mapping.first_zeros(PAINT, modbus=True, seed=1)


def test_floats_have_the_low_word_first() -> None:
    """A float32 lies in the order CDAB."""
    low, high = mapping.float_words(140.5)

    assert struct.unpack(">f", struct.pack(">HH", high, low)) == (140.5,)
    assert (low, high) == (0x8000, 0x430C)


def test_texts_have_the_first_character_in_the_high_byte() -> None:
    """A VIN fills nine registers, the last byte is NUL; no VIN is all NUL."""
    words = mapping.ascii_words(VIN, 9)

    assert words[0] == ord("L") << 8 | ord("J")
    assert words[8] == ord("3") << 8
    assert mapping.ascii_words("", 9) == (0,) * 9


def test_a_text_that_does_not_fit_is_refused() -> None:
    """Nothing is cut off in silence."""
    with pytest.raises(ValueError, match="longer than 18"):
        mapping.ascii_words("x" * 19, 9)


def test_log_entries_read_as_agreed() -> None:
    """Five digits of the sequence modulo 65,536, letter, epoch (cut, not rounded), product, unit."""
    late = UnitRecord(65_536 + 7, VIN, "S3", "scrap", AT + timedelta(microseconds=876_900))

    assert mapping.log_entry(unit(123), milliseconds=True) == f"00123;G;1772420400.123;S3;{VIN}"
    assert mapping.log_entry(late, milliseconds=False) == f"00007;S;1772420400;S3;{VIN}"
    assert mapping.log_entry(None, milliseconds=True) == ""


def test_the_longest_entry_fits_its_registers() -> None:
    """Five digits, a full VIN and ten digits of epoch take no more than 40 bytes."""
    entry = mapping.log_entry(unit(65_535), milliseconds=False)

    assert len(mapping.ascii_words(entry, 20)) == 20


def test_the_log_is_a_ring_of_sixteen() -> None:
    """An entry lies at its sequence modulo 16 and replaces the one of 16 units before."""
    image = Image()
    for sequence in range(1, 20):
        image = image.after(change("completed", unit(sequence)))
    sequences = [record.sequence for record in image.log if record]

    assert sequences == [16, 17, 18, 19, *range(4, 16)]


@pytest.mark.parametrize("layout", ["weld", "final"])
def test_every_variable_is_declared_and_written(layout: mapping.Layout) -> None:
    """The declared variables and the written ones are the same, but for the heartbeat."""
    declared = set(mapping.node_types(WELD, layout))
    written = {name for spec in WELD for name in mapping.node_values(spec.code, Image(), layout)}

    assert declared == written | {mapping.HEARTBEAT}


def in_air(spec: StationSpec) -> Image:
    """A station whose bath, booth or oven has its values."""
    return Image(climate={value.name: value.mean for value in spec.climate})


def test_registers_lie_within_the_declared_ranges() -> None:
    """All that is written is declared, and all that is declared is written, but for the heartbeat."""
    declared = {at + step for at, count in mapping.declared(PAINT) for step in range(count)}
    written = {
        at + step
        for spec in PAINT
        for at, words in mapping.register_values(spec.code, in_air(spec)).items()
        for step in range(len(words))
    }

    assert declared == written | {mapping.HEARTBEAT_REGISTER}
    assert {1000, 1005, 1010, 1018, 1030, 1033, 3039, 1100, 1419, 6000, 6419} <= written
    assert not {1006, 1009, 1019, 1034, 3040, 1099, 1420} & declared


def test_process_values_reach_their_places() -> None:
    """What bath, booth and oven have lies from +30 on in its order, weld current and torque in their own variables."""
    image = Image().after(change("process.booth_temperature", 23.5)).after(change("process.humidity", 61.0))
    image = image.after(change("process.weld_current", 10.25)).after(change("process.torque", 110.5))

    assert mapping.register_values("P030", image)[3030] == mapping.float_words(23.5)
    assert mapping.register_values("P030", image)[3032] == mapping.float_words(61.0)
    assert mapping.node_values("W010", image, "weld")["W010.WeldCurrent"] == 10.25
    assert mapping.node_values("F010", image, "final")["F010.Torque"] == 110.5


def test_an_unknown_field_is_refused() -> None:
    """A word of the plant that no controller knows is an error, not a silence."""
    with pytest.raises(TypeError):
        Image().after(change("colour", "red"))
