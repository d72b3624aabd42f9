"""`mes oee` as a person meets it: the arithmetic shown, exact figures as JSON, a sentence for each mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mes.commands.oee import oee_command
from mes.errors import ConfigError

WORKSHEET = "--planned 420m --run 373m --ideal-cycle 1s --total 19271 --good 18848"
HEADER = "planned_s,run_s,ideal_cycle_s,total,good\n"


def oee(words: str, *more: str) -> Result:
    return CliRunner().invoke(oee_command, [*words.split(), *more])


def as_json(words: str, *more: str) -> dict[str, Any]:
    result = oee(words, *more, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def from_file(folder: Path, content: str | bytes) -> dict[str, Any]:
    file = folder / "runs.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return as_json("--runs", str(file))


def refusal(folder: Path, content: str | bytes) -> list[str]:
    """The lines of the refusal of a file, without the path of its folder."""
    file = folder / "runs.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = oee("--runs", str(file))
    assert isinstance(result.exception, ConfigError), result.output
    return str(result.exception).replace(f"{folder}/", "").splitlines()


def test_the_arithmetic_is_shown() -> None:
    """Each factor stands with its formula, the formula with the numbers put in, and percent with two decimals."""
    lines = [" ".join(line.replace("│", " ").split()) for line in oee(WORKSHEET).stdout.splitlines()]

    assert "Availability run / planned 22380 s / 25200 s 88.81" in lines
    assert "Performance ideal cycle · total / run 1 s · 19271 / 22380 s 86.11" in lines
    assert "Quality good / total 18848 / 19271 97.80" in lines
    assert "OEE ideal cycle · good / planned 1 s · 18848 / 25200 s 74.79" in lines


def test_json_holds_ratios_at_full_precision() -> None:
    """Ratios are the nearest floats of the exact ones; times and counts stand beside them."""
    assert as_json(WORKSHEET) == {
        "availability": 373 / 420,
        "performance": 19271 / 22380,
        "quality": 18848 / 19271,
        "oee": 18848 / 25200,
        "planned_s": 25200,
        "run_s": 22380,
        "total": 19271,
        "good": 18848,
        "quality_count": 18848 / 19271,
        "flags": [],
        "teep": None,
        "ooe": None,
    }


@pytest.mark.parametrize(
    "words",
    [
        "--shift 480m --break 30m --break 30m --run 373m --ideal-cycle 1s --total 19271 --good 18848",
        "--planned 7h --down 47min --ideal-cycle 1000ms --total 19271 --good 18848",
        "--planned 7h --run 6h13m --rate 60/min --total 19271 --reject 423",
    ],
)
def test_other_ways_to_say_the_same(words: str) -> None:
    """Shift and breaks, down time, rate and rejects stand for planned time, run time, ideal cycle and good parts."""
    assert as_json(words) == as_json(WORKSHEET)


def test_what_is_not_given_stays_open() -> None:
    """Planned and running time give availability; the others are null, and the table says that they lack input."""
    found = as_json("--planned 4h --run 3h")

    assert (found["availability"], found["performance"], found["quality"], found["oee"]) == (0.75, None, None, None)
    assert oee("--planned 4h --run 3h").stdout.count("not enough given") == 3


def test_nothing_planned_is_not_a_mistake() -> None:
    """Zero planned time gives null, in the table `not defined`, in OEE's followers too."""
    words = "--planned 0m --run 0m --ideal-cycle 1s --total 0 --good 0 --calendar 24h"

    assert as_json(words)["oee"] is None
    assert oee(words).stdout.count("not defined") == 5


def test_performance_above_one_is_shown_and_flagged() -> None:
    """No figure is capped: performance of 107 % is shown as such, with a flag and a note."""
    words = "--run 373m --rate 7/min --total 2800"

    assert as_json(words)["flags"] == ["performance_above_one"]
    assert "107.24" in oee(words).stdout
    assert "(60/7) s · 2800" in oee(words).stdout
    assert "Note: performance is above 100 %" in oee(words).stdout


def test_ratios_may_be_given_instead() -> None:
    """Given ratios multiply to OEE; with calendar and loading time TEEP and OOE follow and are shown."""
    words = "--availability 85% --performance 0.95 --quality 98% --planned 96h --loading 144h --calendar 168h"

    assert as_json(words)["oee"] == 0.79135
    text = oee(words).stdout
    assert "0.85 · 0.95 · 0.98" in text
    assert "79.14 % · 345600 s / 604800 s" in text
    assert [figure for figure in ("45.22", "67.83", "79.14") if figure not in text] == []
    assert oee("--availability 85%").stdout.count("not enough given") == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "no ratio follows from what is given; give totals, as in `mes oee --planned"),
        ("--planned 420m", "no ratio follows"),
        ("--planned 420 --run 373m", "'420' has no unit; add one, as in 420s, 420m or 420h"),
        ("--planned 420m --run -3m", "'-3m' is negative"),
        ("--planned 420m --run 430m", "--run: 25800 s is longer than the planned 25200 s"),
        ("--total 10 --good 11", "--good: 11 good parts are more than 10 in all"),
        ("--total -10 --good 11", "--total: -10 is negative"),
        ("--total 9.5 --good 1", "is no number of parts"),
        ("--total ten --good 1", "is not a plain number"),
        ("--total 10 --reject 11", "--reject (11) is more than --total (10)"),
        ("--total 10 --reject 1 --good 9", "--good and --reject say the same"),
        ("--reject 1", "--reject needs --total"),
        ("--planned 5m --down 6m", "--down (360 s) is more than --planned or --shift (300 s)"),
        ("--down 6m", "--down needs --planned or --shift"),
        ("--planned 5m --shift 6m --run 1m", "--planned and --shift say the same"),
        ("--planned 5m --break 1m --run 1m", "--break needs --shift"),
        ("--shift 5m --break 3m --break 3m --run 1m", "--break (360 s) is more than --shift (300 s)"),
        ("--rate 60 --run 1m --total 3", "is not a rate"),
        ("--rate 6/h --ideal-cycle 1s --run 1m --total 3", "--ideal-cycle and --rate say the same"),
        ("--ideal-cycle 0s --run 1m --total 3", "--ideal-cycle: 0 s is no cycle"),
        ("--quality 98", "did you mean 98%?"),
        ("--quality 101%", "is above 100 %"),
        ("--quality 98% --run 3m", "totals (--run or what stands for it) and ratios"),
        ("--planned 5m --run 4m --loading 5m", "--loading needs --calendar"),
        ("--planned 5m --run 4m --calendar 4m", "planned time (300 s) is longer than --calendar (240 s)"),
        ("--planned 5m --run 4m --calendar 9m --loading 10m", "--loading (600 s) is longer than --calendar"),
        ("--runs nowhere.csv --total 3", "--total cannot go with --runs"),
        ("--runs nowhere.csv --break 3m", "--break cannot go with --runs"),
    ],
)
def test_bad_input_is_one_clear_sentence(words: str, says: str) -> None:
    """What cannot be true or does not go together is refused with exit code 2, and the sentence names the option."""
    result = oee(words)

    assert result.exit_code == 2, result.output
    assert says in " ".join(result.output.split())


def test_all_mistakes_of_totals_come_at_once() -> None:
    """More run than planned and more good than made are both named."""
    output = oee("--planned 1m --run 2m --total 1 --good 2").output

    assert "--run: 120 s" in output
    assert "--good: 2 good" in output


def test_runs_are_rolled_up_by_sums(tmp_path: Path) -> None:
    """The whole comes from sums, each row stands by itself beside it, and a flag of a row is noted."""
    content = HEADER + "100,50,1,60,60\n300,300,2,100,90\n"
    found = from_file(tmp_path, content)

    assert (found["availability"], found["performance"], found["oee"]) == (350 / 400, 260 / 350, 240 / 400)
    assert (found["quality"], found["quality_count"]) == (240 / 260, 150 / 160)
    assert [run["oee"] for run in found["runs"]] == [0.6, 0.6]
    assert [run["flags"] for run in found["runs"]] == [["performance_above_one"], []]
    text = oee("--runs", str(tmp_path / "runs.csv")).stdout
    assert "260 s / 350 s" in text
    assert "Note: run 1: performance is above 100 %" in text


def test_a_file_of_one_run_shows_its_cycle(tmp_path: Path) -> None:
    """One row is shown like totals by hand; parts in no running time are noted."""
    file = tmp_path / "runs.csv"
    file.write_text(HEADER + "100,0,2,10,10\n", encoding="utf-8")

    text = oee("--runs", str(file)).stdout

    assert "2 s · 10 / 0 s" in text
    assert "parts were made in no running time" in text


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffplanned_s;run_s;ideal_cycle_s;total;good\r\n100;50;0,5;60;60\r\n;;;;\r\n",
        "good\ttotal\tideal_cycle_s\trun_s\tplanned_s\n60\t60\t0,5\t50\t100\n",
        "\nName, Planned_s ,RUN_S,ideal_cycle_s,total,good\n\nпресс,100,50,0.5,60,60\n",
        'planned_s,run_s,ideal_cycle_s,total,good,note\n100,50,0.5,60.0,60,"a,\nb"\n',
    ],
)
def test_files_of_spreadsheets_are_read(content: str, tmp_path: Path) -> None:
    """A BOM, semicolons or tabs with decimal commas, blank lines, any order, more columns, capitals are accepted."""
    found = from_file(tmp_path, content)

    assert (found["availability"], found["performance"], found["oee"], len(found["runs"])) == (0.5, 0.6, 0.3, 1)


def test_all_mistakes_of_a_file_come_with_their_lines(tmp_path: Path) -> None:
    """Each mistake has file, line, column and remedy, and all come at once."""
    lines = refusal(tmp_path, HEADER + "100,110,1,2,3\n100,-1,x,2\n\n100,50,0,5,60,60\n100,50,1,2.5,2\n")

    blame = ", and availability above 100 % comes from wrong input"
    assert [line.partition("; ")[0] for line in lines] == [
        f"runs.csv:2: run_s: 110 s is longer than the planned 100 s{blame}",
        "runs.csv:2: good: 3 good parts are more than 2 in all",
        "runs.csv:3: ideal_cycle_s: 'x' is not a plain number",
        "runs.csv:3: good: is empty",
        "runs.csv:3: run_s: -1 is negative",
        "runs.csv:5: has 6 cells for 5 columns",
        "runs.csv:6: total: '2.5' is no number of parts",
    ]


def test_at_most_twenty_mistakes_are_shown(tmp_path: Path) -> None:
    """Of many mistakes the first twenty are shown, and how many there are besides."""
    lines = refusal(tmp_path, HEADER + "1,1,1,1,x\n" * 25)

    assert len(lines) == 21
    assert lines[-1] == "runs.csv: and 5 more mistakes; correct these first"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "runs.csv: is empty; give a first line planned_s,run_s,ideal_cycle_s,total,good"),
        (" \n\n", "runs.csv: is empty"),
        ("; ;;\n\n,,\n", "runs.csv: is empty"),
        ('"";"";""\n', "runs.csv: is empty"),
        (HEADER, "runs.csv:1: there is no run below the first line"),
        ("planned_s;run_s;total;good\n1;1;1;1\n", "runs.csv:1: ideal_cycle_s: there is no such column"),
        ("good," + HEADER, "runs.csv:1: good: there are 2 such columns"),
        (HEADER + '1,1,1,1,"1\n', "runs.csv:2: is not CSV"),
        (HEADER.encode() + b"1,1,1,1,\xff\n", "runs.csv: is not UTF-8 text"),
    ],
)
def test_a_file_that_is_no_table_of_runs(content: str | bytes, says: str, tmp_path: Path) -> None:
    """What is empty, lacks or doubles a column, or is no text or CSV is refused with the place and what to do."""
    (line,) = refusal(tmp_path, content)

    assert line.startswith(says)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is named with what to check."""
    result = oee("--runs", str(tmp_path / "nowhere.csv"))

    assert isinstance(result.exception, ConfigError)
    assert "nowhere.csv: cannot be read: No such file or directory; check" in str(result.exception)
