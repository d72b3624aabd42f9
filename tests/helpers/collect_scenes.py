"""Short ways to write down what a station says, for tests of mes.collect."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from adapters.reading import Gap, GapCause, Quality, Reading, TagId, Value
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.looks import Looks
from mes.collect.resets import ResetSchedule
from mes.collect.signals import (
    CounterSignal,
    FaultSignal,
    ProcessSignal,
    ProductSignal,
    SignalSetup,
    StateSignal,
    UnitLogSignal,
    UnitSignal,
)
from mes.collect.states import PACKML_TAGS, CodeMap
from mes.collect.station import Observation, StationSetup, StationState, Step, decode_state, encode_state, step
from mes.model import CountKind, ProductId, StationEvent, StationId, UnitsCounted

START = datetime(2026, 3, 2, 3, tzinfo=UTC)
S2, S3 = ProductId("S2"), ProductId("S3")
OFFSET = timedelta(seconds=30)
SomeEvent = TypeVar("SomeEvent", bound=StationEvent)


def at(seconds: float) -> datetime:
    """So many seconds after START."""
    return START + timedelta(seconds=seconds)


def station(
    *,
    log: bool = True,
    reset: ResetPolicy = ResetPolicy.ALLOWED,
    max_per_hour: float = 60,
    modulus: int = 65536,
    schedule: ResetSchedule | None = None,
) -> StationSetup:
    """A station with every signal; its tags are named like the signals."""

    def counter(kind: CountKind) -> CounterSignal:
        return CounterSignal(CounterSetup(kind, modulus, reset, max_per_hour, schedule))

    signals: dict[TagId, SignalSetup] = {
        TagId("state"): StateSignal(CodeMap(PACKML_TAGS)),
        TagId("good"): counter(CountKind.GOOD),
        TagId("scrap"): counter(CountKind.SCRAP),
        TagId("total"): counter(CountKind.TOTAL),
        TagId("unit"): UnitSignal(),
        TagId("product"): ProductSignal(),
        TagId("fault"): FaultSignal(),
        TagId("current"): ProcessSignal("process.current", deadband=0.5),
    }
    if log:
        signals[TagId("log")] = UnitLogSignal()
    name = StationId("kostanay/weld/weld-1/framing")
    return StationSetup(name, signals, {"S3": S3, "3": S3, "S2": S2}, OFFSET)


def said(
    tag: str, value: Value | None, seconds: float, *, stamped: float | None = None, overflow: bool = False
) -> Reading:
    """A reading received then; bad without a value; `stamped` is the controller's time."""
    source = None if stamped is None else at(stamped)
    quality = Quality.BAD if value is None else Quality.GOOD
    return Reading(TagId(tag), value, quality, source, at(seconds), overflow)


def seen(seconds: float, *, baseline: bool = False, **values: Value | None) -> Observation:
    """What was received then, without the controller's time."""
    readings = tuple(said(tag, value, seconds) for tag, value in values.items())
    return Observation(readings, at(seconds), baseline)


def lost(since: float, until: float | None = None) -> Gap:
    """Blind from then on, or until then."""
    return Gap(at(since), None if until is None else at(until), GapCause.CONNECTION, "cable")


def entry(sequence: int, seconds: float, result: str = "G", product: str = "S3") -> str:
    """One entry of the controller's record of units."""
    return f"{sequence:05d};{result};{int(at(seconds).timestamp())};{product};V{sequence}"


def ring(*entries: str) -> tuple[str, ...]:
    """A record of 16 places."""
    return (*entries, *([""] * (16 - len(entries))))


def live(setup: StationSetup, *scenes: Observation | Gap, state: StationState | None = None) -> Step:
    """All that comes of these scenes; between any two the state goes through the journal."""
    now = Step(state or StationState())
    for scene in scenes:
        done = step(setup, decode_state(encode_state(now.state)), scene)
        now = Step(done.state, now.events + done.events, now.telemetry + done.telemetry)
    return now


def watched(setup: StationSetup, *scenes: Observation | Gap, state: StationState | None = None) -> Step:
    """As `live`, by a reader whose batches are these scenes: each of them is a look at what he holds."""
    now, looks = Step(state or StationState()), Looks()
    for scene in scenes:
        if isinstance(scene, Gap):
            looks.end()
        else:
            scene = replace(scene, looked=looks.before(scene.received_time))
            looks.add(scene.received_time)
        done = step(setup, decode_state(encode_state(now.state)), scene)
        now = Step(done.state, now.events + done.events, now.telemetry + done.telemetry)
    return now


def only(kind: type[SomeEvent], done: Step) -> list[SomeEvent]:
    """The events of one kind, in order."""
    return [event for event in done.events if isinstance(event, kind)]


def counts_of(done: Step, kind: CountKind = CountKind.GOOD) -> list[tuple[int, str, ProductId | None]]:
    """What one totaliser counted after its baseline: units, flag, product."""
    return [(count.delta, count.flag.value, count.product) for count in only(UnitsCounted, done) if count.kind is kind][
        1:
    ]
