from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from asyncua import ua

from adapters.opcua.values import Delayed, Overlap, in_order, interpreted
from adapters.reading import Quality, Reading, TagId, Value
from adapters.settings import OpcUaTag

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PLAIN = OpcUaTag(node="i=1")


def data(value: object, *, status: int = 0, stamp: datetime | None = T0) -> ua.DataValue:
    return ua.DataValue(
        Value=ua.Variant(value),
        StatusCode=ua.StatusCode(ua.UInt32(status)),
        SourceTimestamp=cast(ua.DateTime | None, stamp),
    )


def reading(tag: TagId, how: OpcUaTag, sent: ua.DataValue, *, received_time: datetime) -> Reading:
    return interpreted(tag, how, sent, received_time=received_time)[0]


def sample(value: int, second: float | None, *, tag: str = "a") -> Reading:
    stamp = None if second is None else T0 + timedelta(seconds=second)
    return Reading(TagId(tag), value, Quality.GOOD, stamp, T0)


@pytest.mark.parametrize(
    ("status", "quality", "overflow"),
    [
        (0x00000000, Quality.GOOD, False),
        (0x00000480, Quality.GOOD, True),
        (0x00000080, Quality.GOOD, False),
        (0x40900000, Quality.UNCERTAIN, False),
        (0x40900480, Quality.UNCERTAIN, True),
        (0x80340000, Quality.BAD, False),
        (0xC0000000, Quality.BAD, False),
    ],
)
def test_status_bits(status: int, quality: Quality, *, overflow: bool) -> None:
    """Severity is in the top two bits; overflow needs its bit and InfoType DataValue; a bad value is None."""
    seen = reading(TagId("a"), PLAIN, data(7, status=status), received_time=T0)
    assert (seen.quality, seen.overflow) == (quality, overflow)
    assert (seen.value is None) == (quality is Quality.BAD)


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (7, 7),
        (True, True),
        (1.5, 1.5),
        ("S3", "S3"),
        (["a", "b"], ("a", "b")),
        ([1, 2], (1, 2)),
        (b"LJ12\0\0", "LJ12"),
        (" Running \0\0", "Running"),
        (b"VIN\0rest of an older one", "VIN"),
        (ua.LocalizedText("Execute", "en"), "Execute"),
        (ua.QualifiedName("Running", 2), "Running"),
        (datetime(2026, 3, 2, 8, 0, tzinfo=UTC), "2026-03-02T08:00:00+00:00"),
        ("x" * 5000, None),
        (ua.StatusCode(), None),
        ([[1, 2], [3, 4]], None),
        (float("nan"), None),
        ([1.0, float("inf")], None),
        (None, None),
    ],
)
def test_values(sent: object, value: Value | None) -> None:
    """Numbers, texts, bools and lists of these are values; anything else says nothing, and is bad."""
    seen = reading(TagId("a"), PLAIN, data(sent), received_time=T0)
    assert seen.value == value
    assert type(seen.value) is type(value)
    assert (seen.quality is Quality.BAD) == (value is None)


@pytest.mark.parametrize(
    ("sent", "value"),
    [(b"\x01\x80\xff", (1, 128, 255)), (b"", ()), ("A", "A"), (7, 7), (b"\x01" * 5000, (1,) * 4000)],
)
def test_bytes_may_be_numbers(sent: object, value: Value) -> None:
    """With `octets` a ByteString is a list of its bytes, of bounded length; other values are what they were."""
    assert reading(TagId("a"), OpcUaTag(node="i=1", octets=True), data(sent), received_time=T0).value == value


def test_scaling_leaves_counts_whole() -> None:
    """Scale and offset apply to numbers; without them a count stays an integer; a bool is no number."""
    scaled = OpcUaTag(node="i=1", scale=0.5, offset=1.0)
    assert reading(TagId("a"), scaled, data([10, 20]), received_time=T0).value == (6.0, 11.0)
    assert reading(TagId("a"), scaled, data(True), received_time=T0).value is True
    assert isinstance(reading(TagId("a"), PLAIN, data(10), received_time=T0).value, int)


@pytest.mark.parametrize(
    "sent", [-9999, -9999.0, -9999.900390625, "????", b"????\0", ua.LocalizedText("????", "en"), [1, -9999]]
)
def test_what_the_file_calls_no_value_is_bad(sent: object) -> None:
    """A number before scaling, in 32 bits as well, or a text; a bool is never meant."""
    how = OpcUaTag(node="i=1", scale=0.1, no_value=(-9999, -9999.9, "????", 1, 1e300))
    seen, problem = interpreted(TagId("a"), how, data(sent), received_time=T0)

    assert (seen.value, seen.quality) == (None, Quality.BAD)
    assert problem is not None
    assert problem.text == "the controller says that it has no value"
    assert reading(TagId("a"), how, data(True), received_time=T0).value is True
    assert reading(TagId("a"), how, data(50), received_time=T0).value == 5.0


CYRILLIC = "Кузов".encode("cp1251")


@pytest.mark.parametrize(
    ("how", "sent", "value"),
    [
        (OpcUaTag(node="i=1", bits=(4, 11)), 0xAB5C, 0xB5),
        (OpcUaTag(node="i=1", bits=(0, 15)), -1, 0xFFFF),
        (OpcUaTag(node="i=1", bits=(0, 3)), 1.5, None),
        (OpcUaTag(node="i=1", bits=(0, 3)), "7", None),
        (OpcUaTag(node="i=1", charset="cp1251"), CYRILLIC, "Кузов"),
        (OpcUaTag(node="i=1", charset="cp1251"), CYRILLIC.decode("utf-8", "surrogateescape"), "Кузов"),
        (OpcUaTag(node="i=1", charset="cp1251"), "Кузов", "Кузов"),
        (OpcUaTag(node="i=1", charset="cp1251"), ua.LocalizedText("Кузов", "ru"), "Кузов"),
    ],
)
def test_some_bits_of_a_number_and_other_character_sets(how: OpcUaTag, sent: object, value: Value | None) -> None:
    """Bits need a whole number; the character set is that of bytes, and of a String that is no UTF-8."""
    assert reading(TagId("a"), how, data(sent), received_time=T0).value == value


def test_unset_time_is_none() -> None:
    """The epoch of OPC UA means that no time was set."""
    old = datetime(1601, 1, 1, tzinfo=UTC)
    assert reading(TagId("a"), PLAIN, data(1, stamp=old), received_time=T0).source_time is None
    assert reading(TagId("a"), PLAIN, data(1, stamp=None), received_time=T0).source_time is None


def test_null_string_is_empty() -> None:
    """Controllers send an empty text as null."""
    null = ua.DataValue(Value=ua.Variant(None, ua.VariantType.String))
    assert reading(TagId("a"), PLAIN, null, received_time=T0).value == ""


def test_order_by_source_time() -> None:
    """One publish is sorted by source time; a tag's own values keep their order even if its clock stepped back."""
    grouped = [sample(1, 1), sample(3, 3), sample(2, 2, tag="b"), sample(4, 4, tag="b"), sample(5, None, tag="c")]
    assert [received.value for received in in_order(grouped)] == [1, 2, 3, 4, 5]
    stepped = [sample(1, 10), sample(2, 5), sample(3, 7, tag="b")]
    assert [received.value for received in in_order(stepped) if received.tag == "a"] == [1, 2]


def test_overlap_drops_what_the_baseline_says() -> None:
    """The same sample and older ones are no news; a newer one is, even with the same value."""
    overlap = Overlap([sample(5, 10)])
    assert not overlap.admits(sample(5, 10))
    assert not overlap.admits(sample(4, 9))
    assert overlap.admits(sample(6, 10))
    assert overlap.admits(sample(5, 11))
    assert overlap.admits(sample(1, 0, tag="unknown"))


def test_overlap_without_times() -> None:
    """Without source times only an equal value is a repetition, and going back to an earlier value is news."""
    overlap = Overlap([sample(5, None)])
    assert not overlap.admits(sample(5, None))
    assert overlap.admits(sample(6, None))
    assert overlap.admits(sample(5, None))


@pytest.mark.parametrize(("second", "admitted"), [(None, False), (10, False), (9, False), (11, True)])
def test_what_came_before_the_baseline_was_asked_for_is_older(second: float | None, *, admitted: bool) -> None:
    """A value that waited in the server's queue is no way back from the baseline's; only the controller's time may."""
    overlap = Overlap([sample(10, None if second is None else 10)])

    assert overlap.admits(sample(9, second), earlier=True) is admitted


def test_text_that_is_no_utf8_can_still_be_journaled() -> None:
    """A controller's text in another code page arrives with marks for what cannot be read, not as what breaks us."""
    found = reading(TagId("t"), PLAIN, data("Ку\udcbaзов"), received_time=T0)

    assert found.value == "Ку\ufffdзов"


def test_what_one_scan_showed_comes_together_from_several_sources() -> None:
    """A reading waits for what is as old and comes later; each tag keeps its order though its clock stepped back."""
    delayed = Delayed()
    delayed.put([sample(1, 0.0), sample(2, 9.0, tag="b")], 100.0)
    delayed.put([sample(1, 0.05, tag="c"), sample(3, 5.0, tag="b"), sample(2, 5.0)], 100.4)

    assert delayed.due_s(0.5) == 100.5
    assert delayed.take(100.4, 0.5) == ()
    assert [(str(received.tag), received.value) for received in delayed.take(100.5, 0.5)] == [
        ("a", 1),
        ("c", 1),
        ("a", 2),
        ("b", 2),
        ("b", 3),
    ]
    assert not delayed


def test_what_is_younger_waits_on() -> None:
    """What happened after all that has waited long enough is not taken, nor is what has no time of its own."""
    delayed = Delayed()
    delayed.put([sample(1, 0.0)], 100.0)
    delayed.put([sample(2, 0.2), sample(7, None, tag="b")], 100.3)

    assert [received.value for received in delayed.take(100.5, 0.5)] == [1]
    assert delayed.due_s(0.5) == 100.8
    assert [received.value for received in delayed.take(100.8, 0.5)] == [2, 7]
    assert delayed.due_s(0.5) is None


@pytest.mark.parametrize("year", [1601, 3000, 9999])
def test_a_time_that_no_clock_shows_is_none(year: int) -> None:
    """The first and the last time that OPC UA can say mean that there is none."""
    sent = data(7, stamp=datetime(year, 12, 31, tzinfo=UTC))
    assert reading(TagId("a"), PLAIN, sent, received_time=T0).source_time is None
