"""The commands as a person meets them: exit codes, sentences instead of tracebacks, figures that agree."""

import csv
import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from patience import limit_s

from mes.demo.run import Options, run_demo

pytestmark = pytest.mark.timeout(60)
ROOT = Path(__file__).resolve().parents[2]
MES = str(Path(sys.executable).with_name("mes"))


def mes(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a person would, somewhere else than in the source tree."""
    return subprocess.run(
        [MES, *words],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit_s(50),
        check=False,
    )


def test_the_example_plant_is_good(tmp_path: Path) -> None:
    """`mes check` without a file checks the example plant and says what it holds."""
    run = mes("check", folder=tmp_path)

    assert (run.returncode, run.stderr) == (0, "")
    assert "3 controllers, 15 stations" in run.stdout


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["check", "nowhere.yaml"], 2, "nowhere.yaml:1: file: cannot be read"),
        (["run", "--config", "nowhere.yaml"], 2, "nowhere.yaml:1: file: cannot be read"),
        (["report"], 2, "there is no journal at var/taktline/journal.sqlite"),
        (["report", "--from", "yesterday"], 2, "write it as 2026-03-02T08:00:00+05:00"),
        (["report", "--from", "2026-03-02T08:00:00"], 2, "has no zone"),
        (["demo", "--fault", "earthquake@1h"], 2, "is not a fault; allowed are controller-restart"),
        (["demo", "--fault", "stuck:boiler@1h"], 2, "is not a controller; allowed are"),
        (["demo", "--for", "0s"], 2, "is no time at all"),
        (["demo", "--speed", "0"], 2, "is not in the range"),
        (["run", "--speed", "60"], 2, "--speed needs --clock"),
        (["run", "--clock", "now"], 2, "lacks an @"),
        (["simulate", "--start", "monday"], 2, "is not a time"),
        (["fly"], 2, "No such command 'fly'"),
    ],
)
def test_bad_input_gets_a_sentence(tmp_path: Path, words: list[str], code: int, says: str) -> None:
    """Every refusal says what is wrong and what to do, exits with 2, and shows no traceback."""
    run = mes(*words, folder=tmp_path)

    assert run.returncode == code
    assert says in run.stderr
    assert "Traceback" not in run.stderr + run.stdout


def test_every_mistake_in_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    """A file with seeded mistakes is refused with exit code 2, each mistake with file and line and a remedy."""
    plant = tmp_path / "plant.yaml"
    text = (ROOT / "config" / "kostanay.yaml").read_text(encoding="utf-8")
    seeded = [
        ("time_zone: Asia/Qostanay", "time_zone: Asia/Kostanai"),
        ('start: "08:00"', 'start: "8 o\'clock"'),
        ("assembly_method: CKD", "assembly_method: KIT"),
        ("kind: modbus-tcp", "kind: modbus-tcp\n    pasword: x"),
        ("map: packml-tags", "map: packml-tag"),
        ("type: string", "type: strin"),
        ("template: weld-station, with: {code: W020}", "template: weld-staton, with: {code: W020}"),
        ("state: blocked", "state: jammed"),
        ("max_per_hour: 60", "max_per_hour: -1"),
        ("unit_symbol: kA", "unit_symbl: kA"),
    ]
    for good, bad in seeded:
        assert good in text, good
        text = text.replace(good, bad, 1)
    plant.write_text(text, encoding="utf-8")
    run = mes("check", str(plant), folder=tmp_path)

    assert run.returncode == 2
    for _, bad in seeded:
        line = 1 + text[: text.index(bad)].count("\n") + bad.count("\n")
        assert f"{plant}:{line}: " in run.stderr, f"{bad!r} in line {line} is not named in:\n{run.stderr}"
    assert "Traceback" not in run.stderr


def test_a_missing_credential_is_named(tmp_path: Path) -> None:
    """A secret that is not there is named with the place where it is looked for, and never shown."""
    plant = tmp_path / "plant.yaml"
    influx = "\ninflux: {url: 'http://127.0.0.1:1', database: plant, credential: influx-token}\n"
    plant.write_text((ROOT / "config" / "kostanay.yaml").read_text(encoding="utf-8") + influx, encoding="utf-8")
    without = mes("influx", "check", "--config", str(plant), folder=tmp_path)
    with_folder = mes("influx", "check", "--config", str(plant), folder=tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path))

    assert (without.returncode, with_folder.returncode) == (2, 2)
    assert "$CREDENTIALS_DIRECTORY is not set" in without.stderr
    assert "'influx-token' cannot be read" in with_folder.stderr


async def test_reports_agree_with_the_demo(tmp_path: Path) -> None:
    """Table, CSV and JSON of a kept journal show the figures that the demo found, exactly."""
    finished = await run_demo(Options(timedelta(minutes=40), speed=300, seed=2, journal=tmp_path / "kept"))
    journal = str(tmp_path / "kept" / "journal.sqlite")
    as_json, as_csv, as_table = (
        mes("report", "--journal", journal, "--by", "day", "--format", form, folder=tmp_path)
        for form in ("json", "csv", "table")
    )
    rows = {row["station"]: row for row in json.loads(as_json.stdout)}
    lines = {line["station"]: line for line in csv.DictReader(io.StringIO(as_csv.stdout))}

    assert (as_json.returncode, as_csv.returncode, as_table.returncode) == (0, 0, 0)
    assert set(rows) == set(lines) == {str(station) for station in finished.kpis}
    for station, kpi in finished.kpis.items():
        assert (rows[station]["good"], rows[station]["rework"], rows[station]["scrap"]) == (
            *(kpi.good, kpi.rework),
            kpi.scrap,
        )
        assert rows[station]["oee"] is not None
        assert float(lines[station]["oee"]) == rows[station]["oee"]
        assert station.partition("/")[2] in as_table.stdout
    again = mes("demo", "--for", "1m", "--journal", str(tmp_path / "kept"), folder=tmp_path)
    assert (again.returncode, "holds a journal already" in again.stderr) == (2, True)
