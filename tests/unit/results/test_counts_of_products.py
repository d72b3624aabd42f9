"""Totalisers of one kind at one station, one for each product: journal, decisions, count audit, points and figures."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from changing_plant import MODBUS, START, STATION, Plant, Shown
from click.testing import CliRunner
from events import at, counted, quality, state, unreconciled

from adapters.reading import Quality
from mes.calendar import Window, WindowKind
from mes.collect.signals import StationState
from mes.commands.explain import explain_command
from mes.commands.reconcile import reconcile_command
from mes.health.status import CountAuditLine
from mes.influx.encode import event_line
from mes.intervals import Interval
from mes.journal import Entry, Journal, JournalReader
from mes.journal.codec import decode_event, encode_event
from mes.journal.import_export import Lines, Mistake, line
from mes.model import (
    CountFlag,
    CountKind,
    CountReconciled,
    CountUnreconciled,
    Journaled,
    ProductId,
    State,
    StationEvent,
    StationStandard,
    UnitsCounted,
    totaliser_id,
)
from mes.oee.count_decisions import count_key
from mes.oee.kpi import kpi
from mes.oee.stops import NotAllowed
from mes.oee.timeline import Timeline, timeline
from mes.oee.unread import UnreadCount, unread_counts, with_unread
from mes.oee.unreconciled_counts import Assessment, decide
from mes.results.explain import explain
from mes.results.plant import PlantResults

GOOD = CountKind.GOOD
P, Q = ProductId("P"), ProductId("Q")
PLANT = MODBUS.replace(
    "good_count: {address: 1, type: uint32, order: ABCD, modulus: 65536, max_per_hour: 3600}",
    "good_count: {type: uint16, max_per_hour: 3600, by_product: {P: {address: 1}, Q: {address: 2}}}",
).replace("ideal_cycle_s: {any: 30}", "ideal_cycle_s: {P: 30, Q: 60}")
NORMAL: Shown = {"state": 1, "product": "P", "unit_id": "", "fault_code": 0}
BY_PRODUCT = StationStandard(
    ideal_cycle={P: timedelta(seconds=30), Q: timedelta(seconds=60)},
    minor_stop=timedelta(minutes=2),
    counted=frozenset({GOOD}),
    by_product={GOOD: frozenset({P, Q})},
)


def of(product: ProductId, when: float, units: int, raw: int, *, since: float | None = None) -> UnitsCounted:
    """Units of a product's own totaliser."""
    event = counted(when, units, raw=raw, previous_raw=raw - units, product=product, since=since)
    return replace(event, totaliser_product=product)


def open_count(product: ProductId, when: float, raw: int, previous_raw: int) -> CountUnreconciled:
    """A count of a product's own totaliser that a person has to decide."""
    return replace(unreconciled(when, raw=raw, previous_raw=previous_raw), totaliser_product=product)


def line_of(*events: StationEvent) -> Timeline:
    """The time line of these events; the station was seen for an hour before."""
    return timeline(events, known_since=at(-60))


def shown(p: int, q: int) -> Shown:
    """What the controller shows."""
    return {**NORMAL, "good_count.P": p, "good_count.Q": q}


# --- the journal ------------------------------------------------------------------------------------------------------


def test_events_of_a_plain_totaliser_are_written_as_before() -> None:
    """The new field stands only in events of a totaliser of one product, in the journal and in its export."""
    plain, own = counted(5, 2, raw=7, previous_raw=5), of(P, 5, 2, 7)
    assert encode_event(plain)[6].endswith('"flag":"normal","since":null}')
    assert encode_event(own)[6].endswith('"since":null,"totaliser_product":"P"}')
    events: list[StationEvent] = [plain, own, open_count(Q, 6, 1, 9)]
    for seq, event in enumerate(events, start=1):
        row = encode_event(event)
        assert decode_event(seq, row[1], row[6]) == Journaled(seq, event)
        assert Lines().event(line(Journaled(seq, event))) == event
    assert "totaliser_product" not in line(Journaled(1, plain))


def test_an_imported_count_of_another_product_than_its_totalisers_is_a_mistake() -> None:
    """A line cannot say that the totaliser of P counted units of Q."""
    text = line(Journaled(1, of(P, 5, 2, 7))).replace('"product": "P"', '"product": "Q"', 1)
    with pytest.raises(Mistake, match="`product` is 'Q' where the totaliser counts 'P' alone"):
        Lines().event(text)


async def test_the_journal_tells_totalisers_apart(tmp_path: Path) -> None:
    """The last count of each, the counts around a number, and the signals whose quality changed."""
    events: list[StationEvent] = [
        *(of(P, 1, 1, 11), of(Q, 2, 1, 21), counted(3, raw=5, previous_raw=4), of(P, 4, 2, 13), of(Q, 5, 1, 22)),
        *(quality(6, Quality.BAD, "good_count.Q"), quality(7, Quality.BAD)),
    ]
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        await journal.append(Entry(events=events))
        assert sorted(count.seq for count in await journal.last_counts()) == [3, 4, 5]
    with JournalReader(tmp_path / "journal.sqlite") as reader:
        for product, seqs in ((P, [1, 4]), (Q, [2, 5]), (None, [3, None])):
            found = reader.counts_around(events[0].station, totaliser_id(GOOD, product), 3 if product else 4)
            assert [journaled and journaled.seq for journaled in found] == seqs
        assert reader.judged_signals(events[0].station) == ["good_count", "good_count.Q"]


def test_points_of_two_totalisers_at_one_instant_stay_two() -> None:
    """No point takes the place of another; an open count says of which product it is."""
    events: list[StationEvent] = [
        of(P, 5, 2, 7),
        of(Q, 5, 1, 9),
        open_count(P, 6, 1, 9),
        open_count(Q, 6, 1, 9),
        unreconciled(6),
    ]
    lines = [event_line(Journaled(seq, event)) for seq, event in enumerate(events, start=1)]
    keys = [(text.split(" ")[0], text.rsplit(" ", 1)[1]) for text in lines]
    assert len(set(keys)) == len(events)
    assert ['product="P"' in text for text in lines[2:]] == [True, False, False]
    assert "product=" not in lines[4]


def test_the_count_audit_names_the_totaliser() -> None:
    """A line of the audit is of one totaliser; a plain one is called as before."""
    audit = CountAuditLine(
        station=STATION,
        kind=GOOD,
        product=Q,
        baseline_raw=1,
        totaliser_raw=4,
        counted=3,
        resets=0,
        rollovers=0,
        unreconciled=0,
        difference=0,
        stored=None,
    )
    assert (audit.totaliser, replace(audit, product=None).totaliser) == ("good:Q", "good")


# --- decisions --------------------------------------------------------------------------------------------------------


def test_an_open_count_of_one_product_is_decided_for_it_alone(tmp_path: Path) -> None:
    """From the collector's runs to the command: the other product's count stays open, and no other product is taken."""
    plant = Plant(tmp_path)
    asyncio.run(plant.run(PLANT, shown(100, 200), shown(101, 200), shown(9000, 9000), shown(9001, 9001)))
    cases = plant.cases(PLANT)
    assert [(case.event.totaliser_product, case.assessment, case.products) for case in cases] == [
        (P, Assessment.REAL, (P,)),
        (Q, Assessment.REAL, (Q,)),
    ]
    assert len({count_key(case.event) for case in cases}) == 2
    with pytest.raises(NotAllowed) as refused:
        decide(cases[1], 5, P, BY_PRODUCT, by="A", why="seen", now=at(99))
    assert (refused.value.code, refused.value.facts) == ("counter_of_one_product", {"product": Q})
    nothing = decide(cases[1], 0, None, BY_PRODUCT, by="A", why="seen", now=at(99))
    assert (nothing.product, nothing.totaliser_product) == (Q, Q)

    words = ["--config", str(tmp_path / "plant.yaml"), "--journal", str(plant.journal)]
    number = str(cases[1].seq)
    told = CliRunner().invoke(reconcile_command, [number, *words, "--parts", "7", "--by", "Aigul", "--why", "counted"])
    assert "7 parts (good:Q) count at" in told.output
    [left] = json.loads(CliRunner().invoke(reconcile_command, [*words, "--json"]).output)
    assert (left["kind"], left["product"]) == ("good", "P")
    assert "good:P" in CliRunner().invoke(reconcile_command, words, env={"COLUMNS": "250"}).output
    lines = {line.totaliser: line for line in asyncio.run(plant.count_audit(PLANT))}
    assert {name: (line.counted, line.difference) for name, line in lines.items()} == {
        "good:P": (2, 0),
        "good:Q": (8, 0),
    }
    assert (lines[totaliser_id(GOOD, P)].unreconciled, lines[totaliser_id(GOOD, Q)].unreconciled) == (8899, 0)


async def test_a_gap_of_two_products_is_explained_once(tmp_path: Path) -> None:
    """What both totalisers caught up over one gap adds up to the figures; neither shows the units of the other."""
    plant = Plant(tmp_path)
    await plant.run(PLANT, shown(100, 200), shown(101, 200))
    events = await plant.run(PLANT, shown(104, 202), shown(105, 203))
    assert [(event.delta, event.product) for event in events if isinstance(event, UnitsCounted) and event.since] == [
        (3, P),
        (2, Q),
    ]
    end = START + timedelta(hours=1)
    window = Window(WindowKind.HOUR, "all", START.date(), Interval(START, end))
    with PlantResults(plant.load(PLANT), plant.journal, now=end) as query:
        found = explain(query, STATION, window)
    assert [
        inside for event, inside in found.counts if isinstance(event.event, UnitsCounted) and event.event.since
    ] == [
        3,
        2,
    ]
    assert sum(inside for _, inside in found.counts) == found.row.kpi.good == 8
    assert found.row.kpi.sum_pri_good == timedelta(seconds=5 * 30 + 3 * 60)


async def test_the_runs_of_one_gap_are_explained_once(tmp_path: Path) -> None:
    """A plain totaliser caught up P, Q and P again: each of the three counts has its own units, and no more."""
    plant, since, seen = Plant(tmp_path), START + timedelta(minutes=5), START + timedelta(minutes=25)
    config = plant.load(MODBUS)
    runs = [(2, P, 102), (1, Q, 103), (3, P, 106)]
    counts = [
        counted(seen, units, raw=raw, previous_raw=raw - units, product=product, since=since, station=STATION)
        for units, product, raw in runs
    ]
    events: list[StationEvent] = [state(START, State.PRODUCING, station=STATION), *counts]
    async with Journal.open(plant.journal) as journal:
        await journal.append(Entry(events=events))
    window = Window(WindowKind.HOUR, "all", START.date(), Interval(START, START + timedelta(hours=1)))
    with PlantResults(config, plant.journal, now=window.interval.end) as query:
        found = explain(query, STATION, window)
    assert [inside for _, inside in found.counts] == [2, 1, 3]
    assert found.row.kpi.good == 6


async def test_mes_explain_names_the_totaliser(tmp_path: Path) -> None:
    """An open count, and what was decided of it, stand there with their totaliser."""
    plant = Plant(tmp_path)
    await plant.run(PLANT, shown(100, 200), shown(101, 200), shown(101, 9000), shown(101, 9001))
    [case] = plant.cases(PLANT)
    words = ["--config", str(tmp_path / "plant.yaml"), "--journal", str(plant.journal)]
    asked = ["st1", "2026-03-02", *words, "--now", "2026-03-02T08:00:00Z"]
    assert f"seq {case.seq}, good:Q:" in CliRunner().invoke(explain_command, asked, env={"COLUMNS": "250"}).output
    decision = decide(case, 4, None, BY_PRODUCT, by="Aigul", why="counted", now=START)
    async with Journal.open(plant.journal) as journal:
        await journal.append(Entry(events=[decision]))
    assert "4 parts (good:Q)" in CliRunner().invoke(explain_command, asked, env={"COLUMNS": "250"}).output


# --- figures ----------------------------------------------------------------------------------------------------------


def test_good_counts_of_two_products_add_up_with_their_ideal_times() -> None:
    """The good units of a station are those of all its totalisers, each with the ideal time of its product."""
    line = line_of(state(0, State.PRODUCING), of(P, 5, 4, 4), of(Q, 6, 3, 3))
    window = Interval(at(0), at(10))
    found = kpi(line, window, [window], BY_PRODUCT, until=window.end)
    assert (found.good, found.sum_pri_good) == (7, timedelta(seconds=4 * 30 + 3 * 60))


def test_one_unreadable_totaliser_of_two_makes_the_count_at_least() -> None:
    """While one of them is read the count of the kind is known in part; while none is, it is not known."""
    window = Interval(at(0), at(10))

    def figures(*bad: ProductId) -> tuple[frozenset[str], bool]:
        begin: list[StationEvent] = [state(-60, State.PRODUCING), of(P, -50, 1, 1), of(Q, -50, 1, 1)]
        unread = [quality(-5, Quality.BAD, f"good_count.{product}") for product in bad]
        found = kpi(line_of(*begin, *unread), window, [window], BY_PRODUCT, until=window.end)
        return found.unknown, found.units_missing

    assert figures() == (frozenset(), False)
    assert figures(P) == (frozenset(), True)
    assert figures(P, Q) == (frozenset({"good", "produced"}), True)


def test_a_product_that_came_later_hides_nothing_before() -> None:
    """A totaliser that is new in the file was not missing before its first reading."""
    window = Interval(at(0), at(10))
    late = replace(of(Q, 20, 0, 5), flag=CountFlag.BASELINE, previous_raw=None)
    line = line_of(state(-60, State.PRODUCING), of(P, -50, 1, 1), late)
    found = kpi(line, window, [window], BY_PRODUCT, until=window.end)
    assert (found.good, found.unknown, found.units_missing) == (0, frozenset(), False)


def test_a_totaliser_that_cannot_be_read_now_is_named_with_its_product() -> None:
    """By the collector's state: one that was never read, and one that is not read since."""
    since: datetime = at(4)
    state_now = StationState(unread={totaliser_id(GOOD, P): since})
    assert unread_counts(state_now, BY_PRODUCT.totalisers) == (
        UnreadCount(GOOD, since, ever=False, product=P),
        UnreadCount(GOOD, None, ever=False, product=Q),
    )
    window = Interval(at(0), at(10))
    found = kpi(line_of(state(0, State.PRODUCING), of(P, 5, 4, 4)), window, [window], BY_PRODUCT, until=window.end)
    half = with_unread(found, [UnreadCount(GOOD, at(-1), ever=True, product=Q)], BY_PRODUCT.totalisers)
    assert (half.unread_kinds, half.units_missing) == (frozenset(), True)
    both = [UnreadCount(GOOD, at(-1), ever=True, product=product) for product in (P, Q)]
    assert with_unread(found, both, BY_PRODUCT.totalisers).unread_kinds == {GOOD}


def test_decisions_of_two_totalisers_at_one_instant_both_hold() -> None:
    """Two counts with the same readings at one instant are two, and so are the decisions about them."""
    counts = [open_count(P, 6, 1, 9), open_count(Q, 6, 1, 9)]
    decisions = [
        CountReconciled(
            station=count.station,
            time=count.time,
            received_time=count.time,
            time_source=count.time_source,
            kind=GOOD,
            raw=1,
            previous_raw=9,
            parts=parts,
            by="A",
            why="seen",
            recorded_time=at(60),
            product=count.totaliser_product,
            totaliser_product=count.totaliser_product,
        )
        for count, parts in zip(counts, (2, 3), strict=True)
    ]
    line = line_of(*counts, *decisions)
    assert sorted((str(count.product), count.units) for count in line.counts) == [("P", 2), ("Q", 3)]
    assert line.unreconciled == ()
