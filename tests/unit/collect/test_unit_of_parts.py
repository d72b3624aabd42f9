"""The id of a unit that several tags show: joined, and never of two units at once."""

from dataclasses import replace
from pathlib import Path

from changing_plant import MODBUS, NORMAL, Plant
from collect_scenes import at, live, lost, said, seen, station
from fakes import PLC

from adapters.reading import Batch, Gap, TagId
from mes.collect.present import PresentTags
from mes.collect.signals import Observation, StationSetup, UnitPartSignal, UnitSignal
from mes.model import StationEvent, UnitEntered, UnitLeft


def parted() -> StationSetup:
    """A station whose id is the first three characters of one tag, and all of another."""
    setup = station(log=False)
    signals = {tag: signal for tag, signal in setup.signals.items() if not isinstance(signal, UnitSignal)}
    parts = {TagId("head"): UnitPartSignal("unit_id.1", (1, 3)), TagId("tail"): UnitPartSignal("unit_id.2")}
    return replace(setup, signals={**signals, **parts})


def moves(*story: Observation | Gap) -> list[tuple[str, str, float]]:
    """What came and went, and when."""
    events: list[StationEvent] = list(live(parted(), *story).events)
    return [
        (type(event).__name__, event.unit, (event.time - at(0)).total_seconds())
        for event in events
        if isinstance(event, UnitEntered | UnitLeft)
    ]


def test_parts_of_one_scan_are_one_id() -> None:
    """Joined in their order, each cut and stripped; a part that changes alone is another id; all empty is none."""
    came = moves(
        seen(0, baseline=True, head="LJ1 old", tail=" 23 "),
        seen(5, good=1),
        seen(9, tail=24),
        seen(20, head="", tail=""),
    )

    assert came == [
        ("UnitEntered", "LJ123", 0),
        ("UnitLeft", "LJ123", 9),
        ("UnitEntered", "LJ124", 9),
        ("UnitLeft", "LJ124", 20),
    ]


def test_a_part_without_a_value_says_nothing() -> None:
    """The id that was there stays until both parts can be read; after a gap both must be read again."""
    came = moves(
        seen(0, baseline=True, head="LJ1", tail=None),
        seen(5, tail="23"),
        seen(6, tail=None),
        seen(7, head="LJ2"),
        lost(8),
        lost(8, 20),
        seen(20, baseline=True, head="LJ1", tail="23"),
        seen(25, tail="24"),
    )

    assert came == [("UnitEntered", "LJ123", 5), ("UnitLeft", "LJ123", 25), ("UnitEntered", "LJ124", 25)]


def test_the_controller_s_time_of_the_last_part_is_that_of_the_id() -> None:
    """Two parts of one scan that are not of one instant: the later one made the id what it is."""
    both = (said("head", "LJ2", 10.5, stamped=10.02), said("tail", "99", 10.5, stamped=10.0))
    came = moves(seen(0, baseline=True, head="LJ1", tail="23"), Observation(both, at(10.5), baseline=False))

    assert came[-1] == ("UnitEntered", "LJ299", 10.02)


def test_each_part_is_shown_by_itself() -> None:
    """The page Controllers shows of each tag what is taken of it."""
    setup = parted()
    tags = PresentTags([], [setup], {})
    tags.take(Batch(PLC, at(0), (said("head", "LJ1 old", 0), said("tail", "", 0)), baseline=True))
    means = {present.tag: present.means for present in tags.present() if present.reading is not None}

    assert means == {"head": "LJ1", "tail": None}


PARTS = "unit_id: {parts: [{address: 20, type: string, length: 8}, {address: 40, type: string, length: 4}]}"


async def test_an_id_at_another_place_is_another_id(tmp_path: Path) -> None:
    """Where the file reads a part elsewhere, the unit of before has left, and the present one enters."""
    file = MODBUS.replace("unit_id: {address: 20, type: string, length: 8}", PARTS)
    shown = {name: value for name, value in NORMAL.items() if name != "unit_id"}
    plant = Plant(tmp_path)
    await plant.run(file, {**shown, "unit_id.1": "V", "unit_id.2": "1"})
    moved = file.replace("address: 40", "address: 44")
    events = await plant.run(moved, {**shown, "unit_id.1": "V", "unit_id.2": "1"})
    units = [(type(event).__name__, event.unit) for event in events if isinstance(event, UnitEntered | UnitLeft)]

    assert units == [("UnitEntered", "V1"), ("UnitLeft", "V1"), ("UnitEntered", "V1")]
