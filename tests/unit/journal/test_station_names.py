"""A station keeps its identity: renamed, moved to another line or site, or out of the plant's file for a while."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from changing_plant import MODBUS, STATION, Plant, at, counts, good

from adapters.reading import GapCause
from mes.board.accounts.users import Accounts
from mes.config.build import PlantConfig
from mes.intervals import Interval
from mes.journal import JournalReader
from mes.journal.names import Names
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountKind,
    CountUnreconciled,
    Journaled,
    StationEvent,
    StationId,
    UnitId,
    UnitsCounted,
    totaliser_id,
)
from mes.oee.components import Bucket, Kpi
from mes.results.plant import PlantResults

BOTH = MODBUS.replace(
    "journal: {path",
    """          st2:
            controller: plc
            ideal_cycle_s: {any: 30}
            signals:
              state: {address: 500, type: uint16, map: m}
              good_count: {address: 501, type: uint32, modulus: 65536, max_per_hour: 3600}
journal: {path""",
)
NEW_NAMES: dict[str, tuple[StationId, Callable[[str], str]]] = {
    "renamed": (
        StationId("acme/a/l1/framing"),
        lambda text: text.replace("          st1:\n", "          framing:\n            formerly: [a/l1/st1]\n"),
    ),
    "renamed, with the site": (
        StationId("acme/a/l1/framing"),
        lambda text: text.replace("          st1:\n", "          framing:\n            formerly: [acme/a/l1/st1]\n"),
    ),
    "renamed twice": (
        StationId("acme/a/l1/framing"),
        lambda text: text.replace("          st1:\n", "          framing:\n            formerly: [a/l0/s, a/l1/st1]\n"),
    ),
    "moved to another line": (
        StationId("acme/a/l2/st1"),
        lambda text: text.replace("      l1:\n", "      l2:\n").replace(
            "          st1:\n", "          st1:\n            formerly: [a/l1/st1]\n"
        ),
    ),
    "moved to another area": (
        StationId("acme/b/l1/st1"),
        lambda text: text.replace("\n  a:\n", "\n  b:\n").replace(
            "          st1:\n", "          st1:\n            formerly: [a/l1/st1]\n"
        ),
    ),
    "site renamed": (
        StationId("acme2/a/l1/st1"),
        lambda text: text.replace("  name: acme\n", "  name: acme2\n  formerly: [acme]\n"),
    ),
    "site and station renamed": (
        StationId("acme2/a/l1/framing"),
        lambda text: text.replace("  name: acme\n", "  name: acme2\n  formerly: [acme]\n").replace(
            "          st1:\n", "          framing:\n            formerly: [a/l1/st1]\n"
        ),
    ),
}


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def kpi(plant: Plant, config: PlantConfig, station: StationId) -> Kpi:
    """The sums of a station from the first minute to the last."""
    until = at(plant.minute) + timedelta(microseconds=1)
    with PlantResults(config, plant.journal, now=until) as query:
        return query.results.kpi(station, Interval(at(0), until), until=until)


@pytest.mark.parametrize("change", NEW_NAMES)
async def test_a_station_with_a_new_name_goes_on_as_itself(tmp_path: Path, change: str) -> None:
    """Events, counts, figures and count audit of a renamed station are those of one that was never renamed."""
    now, changed = NEW_NAMES[change]
    after = changed(MODBUS)
    renamed, same = Plant(tmp_path / "renamed"), Plant(tmp_path / "same")
    for variant, text in ((renamed, after), (same, MODBUS)):
        variant.folder.mkdir()
        await variant.run(MODBUS, *good(20, 21, 23))
        events = await variant.run(text, *good(27, 28))
        assert counts(events) == [(0, "baseline"), (1, "normal"), (2, "normal"), (4, "catch_up"), (1, "normal")]
        assert {event.station for event in events} == {now if text == after else STATION}

    figures = kpi(renamed, renamed.load(after), now)
    assert figures == kpi(same, same.load(MODBUS), STATION)
    assert figures.good == 8
    (audit,) = await renamed.count_audit(after)
    assert (audit.station, audit.counted, audit.difference) == (now, 8, 0)
    with JournalReader(renamed.journal, Names(renamed.load(after).former)) as reader:
        assert reader.unknown_stations([now]) == ()
        assert reader.written_stations() == tuple(sorted((STATION, now)))


def questions(reader: JournalReader, station: StationId) -> list[object]:
    """Every question to a journal that is about a station, or whose answer names one."""
    early, middle, late = at(0), at(4.5), at(60)
    return [
        list(reader.events(station)),
        list(reader.events(station, until=middle)),
        reader.between(station, early, late),
        *(reader.states_before(station, late, limit) for limit in (1, 3, 50)),
        *(reader.states_from(station, early, limit) for limit in (1, 3, 50)),
        reader.links_before(station, late),
        reader.reaching(station, early, late),
        reader.same_instant(station, "units_counted", at(2)),
        {
            journaled.event.kind
            for journaled in reader.one_of_each_count(station)
            if isinstance(journaled.event, UnitsCounted)
        },
        *(reader.counts_around(station, totaliser_id(CountKind.GOOD), seq) for seq in (1, 6, 9, 99)),
        reader.units_of(station),
        *(reader.earliest_affected(station, seq) for seq in (0, 5, 99)),
        reader.span_of(station),
        reader.process_values(station, early, late),
        reader.of_unit(UnitId("V1")),
        reader.unreconciled_counts(),
        *(reader.read(after, 5) for after in (0, 5)),
        *(reader.changed_stations(after) for after in (0, 5)),
        reader.station_states().keys(),
        reader.stations(),
        reader.span(),
    ]


async def test_every_question_is_answered_as_if_the_name_had_always_been(tmp_path: Path) -> None:
    """Whatever a reader is asked of a renamed station, the answer is that of a journal under one name, name apart."""
    now, changed = NEW_NAMES["renamed"]
    answers = []
    for name, first in (
        ("renamed", MODBUS),
        ("same", changed(MODBUS).replace("            formerly: [a/l1/st1]\n", "")),
    ):
        plant = Plant(tmp_path / name)
        plant.folder.mkdir()
        await plant.run(first, *good(20, 21, 5, 23))
        await plant.run(changed(MODBUS), *good(27, 28))
        with JournalReader(plant.journal, Names(plant.load(changed(MODBUS)).former)) as reader:
            answers.append(questions(reader, now))

    assert answers[0] == answers[1]


async def test_components_of_before_the_name_was_given_are_made_again(plant: Plant) -> None:
    """Stored hours that were computed without the former name are not used once the file gives it."""
    now, changed = NEW_NAMES["renamed"]
    after = changed(MODBUS)
    without = after.replace("            formerly: [a/l1/st1]\n", "")
    await plant.run(MODBUS, *good(20, 21))
    plant.minute += 60
    await plant.run(after, *good(27, 28))
    plant.minute += 60 * 24 * 4
    await plant.run(after, *good(28))
    figures = [kpi(plant, plant.load(text), now) for text in (without, after, without, after)]

    assert [figure.good for figure in figures] == [7, 8, 7, 8]


async def test_a_name_that_the_file_does_not_know_is_said_and_nothing_is_lost_in_silence(plant: Plant) -> None:
    """Renamed without `formerly`: the old name is listed, and what was made meanwhile is for a person to decide."""
    _, changed = NEW_NAMES["renamed"]
    after = changed(MODBUS).replace("            formerly: [a/l1/st1]\n", "")
    await plant.run(MODBUS, *good(20, 21))

    events = await plant.run(after, *good(26, 27))

    assert counts(events)[2:] == [(0, "remapped"), (1, "normal")]
    (doubted,) = [event for event in events if isinstance(event, CountUnreconciled)]
    assert (doubted.previous_raw, doubted.raw) == (21, 26)
    assert STATION in doubted.explanation
    with JournalReader(plant.journal) as reader:
        assert reader.unknown_stations(plant.load(after).standards) == (STATION,)


async def test_a_name_that_comes_back_counts_nothing_twice(plant: Plant) -> None:
    """Renamed without `formerly` and back: what the other name counted meanwhile is not counted once more."""
    _, changed = NEW_NAMES["renamed"]
    await plant.run(MODBUS, *good(20, 21))
    await plant.run(changed(MODBUS).replace("            formerly: [a/l1/st1]\n", ""), *good(21, 25))

    events = await plant.run(MODBUS, *good(27, 28))

    assert sum(event.delta for event in events if isinstance(event, UnitsCounted)) == 1 + 4 + 1
    assert [(event.previous_raw, event.raw) for event in events if isinstance(event, CountUnreconciled)][1:] == [
        (25, 27)
    ]


def of(events: list[StationEvent], station: str) -> list[StationEvent]:
    return [event for event in events if event.station.endswith(station)]


@pytest.mark.parametrize("runs", [1, 3])
async def test_time_without_configuration_is_no_data(plant: Plant, runs: int) -> None:
    """A station out of the file has a gap of its own cause from last sight to return, and its parts are caught up."""
    await plant.run(BOTH, *good(20, 21))
    last_seen = plant.minute
    for _ in range(runs):
        await plant.run(MODBUS, *good(22, 22))

    events = await plant.run(BOTH, *good(27, 28))

    second = of(events, "st2")
    lost = [event for event in second if isinstance(event, ConnectionLost)]
    restored = [event for event in second if isinstance(event, ConnectionRestored)]
    assert [(event.time, event.cause) for event in lost] == [(at(last_seen), GapCause.NOT_CONFIGURED)]
    assert [(gap.since, gap.cause) for gap in restored] == [(at(last_seen), GapCause.NOT_CONFIGURED)]
    caught_up = [event for event in second if isinstance(event, UnitsCounted)][2]
    assert (caught_up.delta, caught_up.flag, caught_up.since) == (6, "catch_up", at(last_seen))
    assert sum(event.delta for event in of(events, "st1") if isinstance(event, UnitsCounted)) == 8
    figures = kpi(plant, plant.load(BOTH), StationId("acme/a/l1/st2"))
    out = at(plant.minute - 1) - at(last_seen)
    assert figures.spent(Bucket.NO_DATA) >= out - 6 * timedelta(seconds=30)


async def test_a_station_that_is_out_of_the_file_is_not_producing_while_it_is_out(plant: Plant) -> None:
    """While the file lacks a station its state is unknown, also to who asks under a file that still has it."""
    await plant.run(BOTH, *good(20, 21))
    last_seen = plant.minute
    await plant.run(MODBUS, *good(22, 23))

    with JournalReader(plant.journal) as reader:
        last: Journaled = reader.states_before(StationId("acme/a/l1/st2"), at(plant.minute), 1)[0]
    assert isinstance(last.event, ConnectionLost)
    figures = kpi(plant, plant.load(BOTH), StationId("acme/a/l1/st2"))
    assert figures.spent(Bucket.NO_DATA) >= at(plant.minute) - at(last_seen)


@pytest.mark.parametrize("change", NEW_NAMES)
def test_a_tablet_is_one_of_the_station_by_its_present_name(tmp_path: Path, change: str) -> None:
    """The accounts keep the name under which it was enrolled; its session and the list have the one of now."""
    now, changed = NEW_NAMES[change]
    path, config = tmp_path / "people.sqlite", Plant(tmp_path).load(changed(MODBUS))
    accounts = Accounts(path, lambda: at(0))
    enrolled = accounts.enrol(accounts.invite(STATION, by="a test"))
    assert enrolled is not None
    token, tablet = enrolled
    assert tablet.station == STATION
    after = Accounts(path, lambda: at(1), names=Names(config.former))
    person = after.person(token)
    assert person is not None
    assert (person.station, [tablet.station for tablet in after.tablets()]) == (now, [now])
