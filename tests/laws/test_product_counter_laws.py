"""Laws of a station with a totaliser for each product: each of them is counted as by a station of its own."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from collect_scenes import OFFSET, at, lost, said, watched
from events import STATION
from hypothesis import given
from hypothesis import strategies as st

from adapters.reading import Gap, TagId, Value
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.places import adopt
from mes.collect.signals import CounterSignal, SignalSetup
from mes.collect.station import Observation, StationSetup, Step, initial_state
from mes.health.count_audit import Account
from mes.intervals import Interval
from mes.model import (
    CountEvent,
    CountKind,
    CountUnreconciled,
    ProductId,
    StationEvent,
    StationStandard,
    UnitsCounted,
    totaliser_of,
)
from mes.oee.kpi import kpi
from mes.oee.timeline import timeline

PRODUCTS = tuple(map(ProductId, ("S2", "S3", "S5")))
MODULUS, PER_HOUR = 1000, 720
EVERY_S = 10


@dataclass
class Totals:
    """What a controller with one totaliser for each product shows, and what a link lets through."""

    now_s: float = 0
    raw: dict[ProductId, int] = field(default_factory=lambda: {"S2": 993, "S3": 0, "S5": 480})  # type: ignore[dict-item]
    made: Counter[ProductId] = field(default_factory=Counter)
    scenes: list[Observation | Gap] = field(default_factory=list)

    def see(self, values: Mapping[ProductId, Value | None], *, baseline: bool = False) -> None:
        readings = tuple(said(product, value, self.now_s) for product, value in values.items())
        self.scenes.append(Observation(readings, at(self.now_s), baseline))


# what happens in ten seconds: a unit, nothing, a reset of one totaliser, one that is not readable, a cut of the link
ACTIONS = st.one_of(
    st.tuples(st.just("unit"), st.sampled_from(PRODUCTS), st.integers(1, 3)),
    st.tuples(st.sampled_from(["rest", "reset", "bad", "set"]), st.sampled_from(PRODUCTS), st.integers(1, 20)),
    st.tuples(st.just("cut"), st.sampled_from(PRODUCTS), st.integers(1, 40)),
)


def history(actions: list[tuple[str, ProductId, int]]) -> Totals:
    """What a reader sees of a station to which these happened."""
    plant = Totals()
    plant.see(plant.raw, baseline=True)
    for action, product, number in actions:
        since_s = plant.now_s
        plant.now_s += EVERY_S * (number if action in ("cut", "rest") else 1)
        match action:
            case "unit" | "cut":
                units = number if action == "unit" else number // 2
                plant.raw[product] = (plant.raw[product] + units) % MODULUS
                plant.made[product] += units
            case "reset":
                plant.raw[product] = 0
            case "set":
                plant.raw[product] = (plant.raw[product] * number + 7) % MODULUS
            case _:
                pass
        if action == "cut":
            plant.scenes += [lost(since_s), lost(since_s, plant.now_s)]
        values: dict[ProductId, Value | None] = dict(plant.raw)
        if action == "bad":
            values[product] = None
        plant.see(values, baseline=action == "cut")
    return plant


def setup(products: tuple[ProductId, ...], reset: ResetPolicy = ResetPolicy.ALLOWED) -> StationSetup:
    """A station with a good totaliser for each of these products."""
    signals: dict[TagId, SignalSetup] = {
        TagId(product): CounterSignal(CounterSetup(CountKind.GOOD, MODULUS, reset, PER_HOUR, product=product))
        for product in products
    }
    return StationSetup(STATION, signals, {product: product for product in products}, OFFSET)


def seen_by(product: ProductId, scenes: list[Observation | Gap]) -> list[Observation | Gap]:
    """What a station with this product's totaliser alone sees of the same."""
    return [
        scene
        if isinstance(scene, Gap)
        else replace(scene, readings=tuple(reading for reading in scene.readings if reading.tag == TagId(product)))
        for scene in scenes
    ]


def counts(events: tuple[StationEvent, ...], product: ProductId) -> list[StationEvent]:
    """Everything that was counted, or left open, of a product."""
    return [event for event in events if isinstance(event, CountEvent) and event.totaliser_product == product]


@given(st.lists(ACTIONS, max_size=40), st.sampled_from(ResetPolicy))
def test_each_totaliser_is_counted_as_at_a_station_of_its_own(
    actions: list[tuple[str, ProductId, int]], reset: ResetPolicy
) -> None:
    """Whatever happens, N totalisers of one station tell what N stations with one each tell, and the sum is theirs."""
    plant = history(actions)
    together = watched(setup(PRODUCTS, reset), *plant.scenes)
    standard = StationStandard(ideal_cycle={}, minor_stop=OFFSET, counted=frozenset({CountKind.GOOD}))
    window = Interval(at(-1), at(plant.now_s + 60))
    made = 0
    for product in PRODUCTS:
        alone = watched(setup((product,), reset), *seen_by(product, plant.scenes))
        assert counts(together.events, product) == counts(alone.events, product)
        assert all(
            event.product == product for event in counts(together.events, product) if isinstance(event, UnitsCounted)
        )
        made += kpi(timeline(alone.events), window, [window], standard, until=window.end).good
    whole = kpi(timeline(together.events), window, [window], standard, until=window.end)
    assert whole.good == made


def restarted(of: StationSetup, scenes: list[Observation | Gap]) -> Step:
    """What comes of the scenes when each gap is one of the program, which then takes its state up from the journal."""
    of = replace(of, places={signal.name: str(tag) for tag, signal in of.signals.items()})
    now, begins = Step(initial_state()), 0
    for place, scene in enumerate(scenes, start=1):
        if place == len(scenes) or (isinstance(scene, Gap) and scene.until is None):
            adopted = adopt(of, now.state, at(0))
            done = watched(of, *scenes[begins:place], state=adopted.state)
            now, begins = Step(done.state, now.events + done.events), place
    return now


@given(st.lists(ACTIONS.filter(lambda action: action[0] in ("unit", "cut", "rest", "bad")), max_size=40))
def test_nothing_is_lost_or_doubled(actions: list[tuple[str, ProductId, int]]) -> None:
    """Through cuts, restarts, bad values and turns each product counts what was made of it, or a person is asked."""
    plant = history([*actions, ("rest", PRODUCTS[0], 1)])
    done = restarted(setup(PRODUCTS, ResetPolicy.NEVER), plant.scenes)
    for product in PRODUCTS:
        told = counts(done.events, product)
        counted = sum(event.delta for event in told if isinstance(event, UnitsCounted))
        assert counted == plant.made[product] or any(isinstance(event, CountUnreconciled) for event in told)
        account = Account(MODULUS)
        for seq, event in enumerate(told, start=1):
            assert isinstance(event, CountEvent)
            account.take(seq, event)
        key = STATION, totaliser_of(told[0])  # type: ignore[arg-type]
        known = done.state.counters[key[1]]
        account.compare(known.raw, known.suspect_raw)
        assert account.line(key, None).difference == 0
