"""A vendor's fault texts: delimiters, columns, characters, and every mistake with its line."""

import json
from pathlib import Path

import pytest
from asked_commands import answer
from events import STATION, raised, state
from journals import journal_of

from mes.collect.signals import FaultSignal
from mes.config import fault_texts as reader
from mes.config.fault_texts import MISTAKES_NAMED, fault_texts
from mes.config.load import check, load
from mes.config.names import DisplayNames
from mes.model import State, StationEvent, StationId

CASES = Path(__file__).parents[2] / "cases" / "config"
WANTED = {
    "101": {"en": "Gun sticks", "ru": "Клещи залипли", "kk": "Қысқыш жабысты"},
    "E7": {"en": "Tip; worn"},
    "8": {"ru": "Нет тока"},
}
PLAIN = '101;Gun sticks;Клещи залипли;Қысқыш жабысты\n\nE7 ;"Tip; worn"\n8;;Нет тока;\n9;;;\n'


def _delimited(sign: str) -> str:
    return PLAIN.replace("; worn", "\0").replace(";", sign).replace("\0", "; worn")


def written(folder: Path, content: str, encoding: str = "utf-8") -> Path:
    """A file of texts."""
    file = folder / "faults.csv"
    file.write_bytes(content.encode(encoding))
    return file


@pytest.mark.parametrize(
    ("content", "encoding", "declared"),
    [
        pytest.param(PLAIN, "utf-8", "utf-8", id="code, text, ru, kk without a header"),
        pytest.param(PLAIN, "utf-8-sig", "utf-8", id="a byte order mark"),
        pytest.param(PLAIN.replace("\n", "\r\n"), "utf-8", "utf-8", id="lines of Windows"),
        pytest.param("Code;Text;RU;kk\n" + PLAIN, "utf-16", "utf-16", id="a header, UTF-16"),
        pytest.param(_delimited(","), "utf-8", "utf-8", id="commas"),
        pytest.param(_delimited("\t"), "utf-8", "utf-8", id="tabs"),
        pytest.param(
            'code;ru;kk;en\n101;Клещи залипли;Қысқыш жабысты;"Gun\n  sticks"\nE7;;;"Tip; worn"\n8;Нет тока\n',
            "utf-8",
            "utf-8",
            id="columns in another order, a text over two lines",
        ),
    ],
)
def test_every_usual_form_is_read(tmp_path: Path, content: str, encoding: str, declared: str) -> None:
    """Empty lines and codes without a text are passed over; codes and texts lose the blanks around them."""
    found = fault_texts(written(tmp_path, content, encoding), declared)
    assert (found.mistakes, found.texts) == ([], WANTED)


SIEMENS = (
    "ID\tName\tAlarm text [de-DE], Alarm text 1\tAlarm text [en-US], Alarm text 1\tFieldInfo [Alarm text 1]\tClass\t"
    "Trigger tag\tTrigger bit\tAlarm text [ru-RU], Alarm text 1\n"
    "1\tA_1\tZange klebt\tGun sticks\t\tErrors\tWord_1\t0\tКлещи залипли\n"
    "2\tA_2\tKein Strom\tNo current\t\tErrors\tWord_1\t17\t<No value>\n"
)


@pytest.mark.parametrize(
    ("content", "texts", "bits"),
    [
        pytest.param(
            SIEMENS,
            {"1": {"en": "Gun sticks", "ru": "Клещи залипли"}, "2": {"en": "No current"}},
            {0: "1", 17: "2"},
            id="an export of alarms of TIA Portal",
        ),
        pytest.param(
            "Trigger value,Message\n7,Gun sticks\n",
            {"7": {"en": "Gun sticks"}},
            {},
            id="a list of messages of a panel of Rockwell",
        ),
        pytest.param("No.;Description\n7;Gun sticks\n", {"7": {"en": "Gun sticks"}}, {}, id="a number, a description"),
        pytest.param("Код;Описание\n7;Залипло\n", {"7": {"ru": "Залипло"}}, {}, id="in Russian"),
        pytest.param(
            "code;bit;text\nE1;1.3;Gun\nE2;3;Tip\nE3;;Door\n",
            {"E1": {"en": "Gun"}, "E2": {"en": "Tip"}, "E3": {"en": "Door"}},
            {19: "E1", 3: "E2"},
            id="word.bit",
        ),
        pytest.param("ESTOP;Stop\nDOOR;Open\n7;Gun\n", None, {}, id="codes without digits are no header"),
    ],
)
def test_a_header_is_no_text(
    content: str, texts: dict[str, dict[str, str]] | None, bits: dict[int, str], tmp_path: Path
) -> None:
    """The first line of a vendor's list names its columns; those that are not used here are passed over."""
    found = fault_texts(written(tmp_path, content), "utf-8")
    assert found.mistakes == []
    assert found.bits == bits
    assert texts is None or found.texts == texts


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        pytest.param("Störung;Was ist\n1;a\n2;b\n", 1, "looks like the name of a column", id="unknown names"),
        pytest.param("code;bit;text\n1;x;a\n", 2, "`x` is no bit", id="no bit"),
        pytest.param("code;bit;text\n1;1.16;a\n", 2, "`1.16` is no bit", id="no bit of a word"),
        pytest.param("code;bit;text\n1;2000;a\n", 2, "`2000` is no bit", id="beyond the largest alarm word"),
        pytest.param("code;bit;text\n1;1.3;a\n2;19;b\n", 3, "bit 19 is given to 1 already", id="one bit twice"),
    ],
)
def test_a_mistake_of_columns_and_bits_is_named(content: str, line: int, what: str, tmp_path: Path) -> None:
    """With its line, and what to do."""
    [(at, said, remedy)] = fault_texts(written(tmp_path, content), "utf-8").mistakes
    assert (at, what in said, bool(remedy)) == (line, True, True), said


def test_bits_of_a_file_make_an_alarm_word(tmp_path: Path) -> None:
    """A bit of the plant's file goes before that of the vendor's, and `is: 0` at the place is for every bit."""
    text = (CASES / "fault-texts" / "plant.yaml").read_text(encoding="utf-8")
    text = text.replace("timer: {csv: timer.csv}", "timer: {csv: faults.csv, bits: [{bit: 1, code: OWN, is: 1}]}")
    text = text.replace("    csv: vendor/robot.csv\n    encoding: cp1251\n", "").replace(
        "address: 13}", "address: 13, is: 0}"
    )
    written(tmp_path, "code;bit;text\nE1;0;Gun\nE2;1;Tip\nE3;2;Door\n")
    (tmp_path / "plant.yaml").write_text(text, encoding="utf-8")
    setups = load(tmp_path / "plant.yaml").config.setups
    [signal] = [
        signal
        for station, setup in setups.items()
        for signal in setup.signals.values()
        if isinstance(signal, FaultSignal) and station.endswith("timer")
    ]
    assert signal.codes(0b000) == ("E1", "E3")
    assert signal.codes(0b101) == ()
    assert signal.codes(0b111) == ("OWN",)
    assert signal.unnamed(0b1101) == (3,)


def test_other_characters_and_long_texts(tmp_path: Path) -> None:
    """Cyrillic of Windows needs `encoding`; a text that is too long for a page is cut."""
    file = written(tmp_path, "1;" + "Клещи " * 50, "cp1251")
    text = fault_texts(file, "cp1251").texts["1"]["en"]
    assert (len(text), text[:12], text[-1]) == (200, "Клещи Клещи ", "…")
    [(line, what, remedy)] = fault_texts(file, "utf-8").mistakes
    assert (line, what) == (1, "this is no utf-8 text")
    assert "cp1251" in remedy


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        pytest.param("1;a\n2;b\n1;c\n", 3, "the code 1 has another text in line 1", id="two texts"),
        pytest.param("1;a\n ;b\n", 2, "without a code", id="no code"),
        pytest.param("1;a\n2;b\u202ec\n", 2, "cannot be seen", id="a direction mark"),
        pytest.param("1;a;b;c;d\n", 1, "more than 4 columns", id="too many columns"),
        pytest.param("code;text;fr\n1;a;b\n", 1, "no column `fr`", id="an unknown column"),
        pytest.param("code;text;en\n1;a;b\n", 1, "comes twice", id="one column twice"),
        pytest.param('1;a\n\n2;"b\n3;c\n', 3, "this is no CSV", id="a quote that is left open"),
        pytest.param("1|a\n2|b\n", 1, "no texts", id="another delimiter"),
        pytest.param("", 1, "no texts", id="an empty file"),
        pytest.param("code;text\n", 1, "no texts", id="a first line alone"),
        pytest.param('1;"a"b\n', 1, "this is no CSV", id="a quote inside of a text"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, content: str, line: int, what: str) -> None:
    """What is wrong, in which line, and what to do; the rest of the file is checked in the same go."""
    [(at, said, remedy)] = fault_texts(written(tmp_path, content), "utf-8").mistakes
    assert at == line
    assert what in said
    assert remedy


def test_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a large file nor many texts nor many mistakes fill the memory or the screen."""
    many = written(tmp_path, "".join(f"{number};a\n" for number in range(reader.MOST_TEXTS + 1)))
    found = fault_texts(many, "utf-8")
    assert (len(found.texts), len(found.mistakes)) == (reader.MOST_TEXTS, 1)
    wrong = written(tmp_path, "".join(f";{number}\n" for number in range(100)))
    assert len(fault_texts(wrong, "utf-8").mistakes) == MISTAKES_NAMED
    large = written(tmp_path, "1;a\n" * (reader.LARGEST // 4 + 1))
    assert fault_texts(large, "utf-8").mistakes[0][1] == "the file is larger than 4 MB"


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    """A missing file, a folder, a path that cannot be."""
    said = [
        fault_texts(path, "utf-8").mistakes[0][1] for path in (tmp_path / "missing.csv", tmp_path, tmp_path / "a\0b")
    ]
    assert said == ["cannot be read: No such file or directory", "this is no file", "cannot be read: this is no path"]


def test_a_plant_shows_the_texts_of_its_tables() -> None:
    """A station's own tables explain its codes; a text in the plant's file goes before that of the vendor."""
    names = load(CASES / "fault-texts" / "plant.yaml").config.names
    robot, timer = "demo/weld/weld-1/robot", "demo/weld/weld-1/timer"
    assert names.fault(robot, "101", "ru") == "101 Клещи залипли"
    assert names.fault(robot, "101", "kk") == "101 Gun sticks"
    assert names.fault(robot, "104", "en") == "104 Our own text"
    assert names.fault(timer, "101", "en") == "101 No current"
    assert names.fault(timer, "104", "en") == "104"
    assert DisplayNames().fault(timer, "101", "en") == "101"


def test_a_code_of_a_controller_is_shown_short_and_visible() -> None:
    """A controller may say a page, or marks that turn the text around: 80 visible characters of it are shown."""
    code = "E\u202e\n" + "7" * 5000
    shown = DisplayNames(faults={f"{STATION}:{code}": {"en": "Gun sticks"}}).fault(STATION, code, "kk")
    assert shown == "E\ufffd\ufffd" + "7" * 76 + "… Gun sticks"
    assert DisplayNames().fault(STATION, None, "en") == ""


def test_commands_show_a_fault_with_its_text(tmp_path: Path) -> None:
    """`mes stops` and `mes explain` show code and text, and as JSON the texts by language."""
    robot = StationId("demo/weld/weld-1/robot")
    happened: list[StationEvent] = [
        state(0, State.PRODUCING, station=robot),
        state(10, State.DOWN, station=robot),
        raised(10, "101", station=robot),
        state(40, State.PRODUCING, station=robot),
    ]
    path = journal_of(tmp_path / "journal.sqlite", happened)
    plant = ("--config", str(CASES / "fault-texts" / "plant.yaml"))
    texts = {"en": "Gun sticks", "ru": "Клещи залипли"}
    for words in (("stops", "2026-03-02"), ("explain", "robot", "2026-03-02")):
        assert "Gun" in answer(path, *words, *plant), words
        told = json.loads(answer(path, *words, *plant, "--json"))
        rows = told if words[0] == "stops" else told[0]["spans"]
        assert [row["fault_texts"] for row in rows if row["fault"] == "101"] == [texts], words
        assert all(row["fault_texts"] == {} for row in rows if row["fault"] is None), words


def test_a_wrong_file_of_texts_is_a_mistake_of_the_plant() -> None:
    """With the name and the line of the CSV file, wherever the check is started."""
    report = check(CASES / "fault-texts-wrong" / "plant.yaml")
    named = {(Path(problem.file).name, problem.line) for problem in report.problems if problem.file.endswith(".csv")}
    assert named == {("codes.csv", 2), ("codes.csv", 3), ("missing.csv", 1)}
