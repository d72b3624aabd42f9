"""Reasons, definitions, programme and flow of a plant's file: what they become, and every mistake with its line."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from mes.config.load import check, default_config, load
from mes.model import LossCategory, ProductId, ReasonId, StationId
from mes.oee.biography import ProcessLimit
from mes.oee.definitions import Place, RollUp

CONFIG = load(default_config()).config
FRAMING, OVEN, TRIM = (
    StationId(f"kostanay/{path}") for path in ("weld/weld-1/framing", "paint/paint-1/oven", "final/final-1/trim")
)


def changed(folder: Path, old: str, new: str) -> Path:
    """The example plant's file with a part of it written otherwise."""
    text = default_config().read_text(encoding="utf-8")
    assert old in text
    file = folder / "plant.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


def test_the_example_plant_has_reasons_by_area() -> None:
    """A fault code means what the file says, where it says so; each reason has three languages and a category."""
    weld, paint = CONFIG.standards[FRAMING].reasons, CONFIG.standards[OVEN].reasons
    timer = weld.of_fault("104")

    assert timer is not None
    assert (timer.code, timer.category) == (ReasonId("weld-timer"), LossCategory.EQUIPMENT_FAILURE)
    assert [timer.text(language) for language in ("en", "ru", "kk", "zh")] == [
        "Weld timer fault",
        "Отказ сварочного таймера",
        "Дәнекерлеу таймерінің ақауы",
        "Weld timer fault",
    ]
    assert paint.of_fault("104") is None
    assert paint.reasons[ReasonId("planned-service")].planned
    assert ReasonId("colour-change") in paint.reasons
    assert ReasonId("colour-change") not in weld.reasons


def test_the_example_plant_has_its_flow_and_programme() -> None:
    """Stations of a line follow each other, stores between lines have places; ten thousand cars a year are planned."""
    ways = {(buffer.upstream, buffer.downstream): buffer.places for buffer in CONFIG.buffers}

    assert len(ways) == 14
    assert ways[StationId("kostanay/paint/paint-1/inspection"), TRIM] == 10
    assert CONFIG.programme is not None
    assert CONFIG.programme.built_at == StationId("kostanay/final/final-1/end-of-line")
    assert CONFIG.programme.plan.cars(2026) == 10_000
    assert CONFIG.limits[OVEN]["zone_2_temperature"] == ProcessLimit(138, 142)
    assert CONFIG.definitions["kostanay"].setup is Place.NO_LOSS
    assert CONFIG.definition.name == "taktline"


def test_a_definition_of_its_own_answers_every_point(tmp_path: Path) -> None:
    """What a plant's definition says replaces what the one that it is like says, and nothing else."""
    own = "{title: Own, like: vorne, starved: performance, rework_is_good: true, capped: true"
    own += ", roll_up: mean, minor_stop_s: 60}"
    given = "{title: Kostanay, names: {en: Kostanay, ru: Костанай, kk: Қостанай}, like: taktline, setup: no loss}"
    file = changed(tmp_path, f"  kostanay: {given}", f"  own: {own}")
    found = load(file).config.definitions["own"]

    assert (found.starved, found.blocked, found.roll_up) == (Place.PERFORMANCE, Place.AVAILABILITY, RollUp.MEAN)
    assert (found.rework_is_good, found.capped, found.minor_stop) == (True, True, timedelta(seconds=60))
    assert found.source == "the plant's own, after Six big losses (Vorne)"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("faults: [104], stations: [weld]", "faults: [104], stations: [wed]", "there is no part of the plant `wed`"),
        ("faults: [112, 120]", "faults: [112, 101]", "fault 101 means `robot-fault` already"),
        ("category: organisation}", "category: organization}", "organis"),
        ("like: taktline, setup", "like: taktlin, setup", "there is no built-in definition `taktlin`"),
        ("  kostanay: {title: Kostanay", "  vorne: {title: Kostanay", "`vorne` is built in"),
        ("figures: {definition: taktline", "figures: {definition: tact", "there is no definition `tact`"),
        (
            "built_at: final/final-1/end-of-line",
            "built_at: final/final-1/end",
            "there is no station `final/final-1/end`",
        ),
        ("cars: {S3: 7500, S2: 2500}", "cars: {S3: 7500, S9: 2500}", "there is no product `S9`"),
        (
            "    - {year: 2026, cars: {S3: 7500, S2: 2500}}",
            "    - {year: 2026, cars: {S3: 7500}}\n    - {year: 2026, cars: {S3: 1}}",
            "2026 is planned twice",
        ),
        (
            "    - {year: 2026, cars: {S3: 7500, S2: 2500}}",
            "    - {year: 2026, cars: {S3: 10}}\n    - {year: 2026, month: 3, cars: {S3: 99}}",
            "let the months of a year add up",
        ),
        ("from: weld/weld-1/finish, to: paint", "from: weld/weld-1/finnish, to: paint", "did you mean"),
        ("to: paint/paint-1/pretreatment", "to: weld/weld-1/finish", "follows itself"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Names that do not exist and contradictions are found at their place, with what to write."""
    (problem, *_) = check(changed(tmp_path, old, new)).problems

    assert re.search(re.escape(said), str(problem)), problem
    assert problem.line > 100


def test_a_month_of_its_own_and_a_store_without_places(tmp_path: Path) -> None:
    """A month may be planned by itself; a way between neighbours of a line may get its places."""
    old = "    - {year: 2026, cars: {S3: 7500, S2: 2500}}"
    plan = load(changed(tmp_path, old, old + "\n    - {year: 2026, month: 3, cars: {S3: 700}}")).config.programme
    assert plan is not None
    assert plan.plan.figure(ProductId("S3"), 2026, 3)[0] == 700
    way = "flow:\n  - {from: weld/weld-1/framing, to: weld/weld-1/respot, places: 2}"
    ways = load(changed(tmp_path, "flow:", way)).config.buffers
    assert [buffer.places for buffer in ways if buffer.upstream == FRAMING] == [2]


def test_a_station_may_live_on_imported_events(tmp_path: Path) -> None:
    """Without controllers and signals the file is good, with a warning that says what it means."""
    file = tmp_path / "plant.yaml"
    file.write_text(
        """
site:
  name: acme
  time_zone: Europe/Berlin
  calendar: {shifts: [{name: day, days: [mon], start: "06:00", end: "14:00"}]}
products: {P: {name: Part, assembly_method: CKD, raw: [P]}}
areas: {press: {lines: {press-1: {stations: {press: {ideal_cycle_s: {any: 30}}}}}}}
""",
        encoding="utf-8",
    )
    loaded = load(file)

    assert list(loaded.config.standards) == ["acme/press/press-1/press"]
    assert not loaded.config.setups
    assert loaded.config.programme is None
    assert "lives on imported events" in str(loaded.warnings[0])
