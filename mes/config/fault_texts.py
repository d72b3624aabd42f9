"""A vendor's fault texts from a CSV file: code, text, and the text in Russian and Kazakh if there is one."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from mes.collect.values import code
from mes.config.models.alarms import HIGHEST_BIT, MOST_CHARACTERS
from mes.translations import LANGUAGES

LARGEST = 4 * 1024 * 1024  # bytes
MOST_TEXTS = 10_000
MISTAKES_NAMED = 10
DELIMITERS = ";,\t"
COLUMNS: Mapping[str, str] = {"code": "code", "bit": "bit", "text": "en", "en": "en", "ru": "ru", "kk": "kk"}
# what columns are called in lists of vendors and engineering tools, in small letters and without a dot at the end
OF_VENDORS: Mapping[str, tuple[str, ...]] = {
    "code": (
        *("id", "no", "nr", "num", "number", "fault", "alarm", "error", "fault code", "alarm code", "error code"),
        *("alarm id", "alarm no", "alarm number", "fault number", "error number", "message number", "trigger value"),
        *("код", "номер", "№", "код ошибки", "код аварии", "nummer", "fehlernummer"),
    ),
    "bit": ("trigger bit", "bit number", "bit no", "alarm bit", "бит"),
    "en": (
        *("alarm text", "event text", "message", "message text", "fault text", "error text", "description"),
        *("alarm message", "fault message", "error message", "alarm description", "fault description"),
    ),
    "ru": ("текст", "описание", "сообщение", "текст аварии", "текст сообщения"),
}
VENDORS = {**COLUMNS, **{name: column for column, names in OF_VENDORS.items() for name in names}}
LANGUAGE = re.compile(r"\[(\w\w)(?:-\w+)?\]")  # as in `Alarm text [en-US], Alarm text 1`
NO_ENTRY = "<no value>"
WORD_AND_BIT = re.compile(r"(?:(\d{1,3})\.)?(\d{1,4})")
WORD = 16  # bits
DIGIT = re.compile(r"\d")
LEAST_CODES = 3  # from which on the first one may look unlike the others
WITHOUT_HEADER = ("code", "en", "ru", "kk")
Say = Callable[[int, str, str], None]  # a mistake in a line: what it is, and what to do


@dataclass(slots=True)
class FaultTexts:
    """The texts of a file by code and language, and its mistakes: line, what is wrong, and what to do.

    `bits`: the codes of the bits of an alarm word, where the file has a column for them.
    """

    texts: dict[str, Mapping[str, str]] = field(default_factory=dict)
    bits: dict[int, str] = field(default_factory=dict)
    mistakes: list[tuple[int, str, str]] = field(default_factory=list)

    def say(self, line: int, what: str, remedy: str) -> None:
        """A mistake; of very many, as a wrong encoding makes them, the first ones are named."""
        if len(self.mistakes) < MISTAKES_NAMED:
            self.mistakes.append((line, what, remedy))


def fault_texts(path: Path, encoding: str) -> FaultTexts:
    """Reads a file; what cannot be read or understood is among its mistakes."""
    found = FaultTexts()
    content = _content(path, encoding, found.say)
    lines: dict[str, int] = {}
    for line, row in _rows(content, found.say):
        if len(lines) == MOST_TEXTS:
            found.say(line, f"the file has more than {MOST_TEXTS} texts", "leave out what the station never shows")
            break
        said, bit = code(row.pop("code", "")), row.pop("bit", "").strip()
        texts = {language: _short(text) for language, given in row.items() if (text := " ".join(given.split()))}
        unseen = any(not text.isprintable() for text in texts.values())
        if said and bit:
            _take_bit(found, line, bit, said)
        if not texts:
            continue
        if not said:
            found.say(line, "a text stands here without a code", "write the code first: 101;Gun sticks")
        elif unseen:
            remedy = "delete control characters and direction marks, or correct `encoding`"
            found.say(line, "the text has a character that cannot be seen", remedy)
        elif found.texts.setdefault(said, texts) != texts:
            what = f"the code {said} has another text in line {lines[said]}"
            found.say(line, what, "give each code one text")
        lines.setdefault(said, line)
    _check_first(content, lines, found)
    if not found.texts and not found.mistakes:
        found.say(1, "the file has no texts", "write lines of code;text, or name its columns in the first line")
    return found


def _check_first(content: str, lines: Mapping[str, int], found: FaultTexts) -> None:
    """A first line that seems to name columns, in words that are not known here: its code alone has no digit."""
    codes = list(lines)
    if len(codes) < LEAST_CODES or any(line.strip() for line in content.splitlines()[: lines[codes[0]] - 1]):
        return
    if not DIGIT.search(codes[0]) and all(map(DIGIT.search, codes[1:])):
        what = f"`{codes[0][:40]}` looks like the name of a column, and is taken for a code"
        remedy = "name the columns in the first line: code, bit, text or en, ru, kk; put such a code further down"
        found.say(lines[codes[0]], what, remedy)


def _take_bit(found: FaultTexts, line: int, given: str, said: str) -> None:
    """Notes which bit of the alarm word a code has: its number from 0, or word and bit, as in 1.3 for 19."""
    shape = WORD_AND_BIT.fullmatch(given)
    word, place = (0, -1) if shape is None else (int(shape[1] or 0), int(shape[2]))
    bit = WORD * word + place
    if place < 0 or bit > HIGHEST_BIT or (shape is not None and shape[1] and place >= WORD):
        found.say(line, f"`{given[:40]}` is no bit of an alarm word", "write its number from 0: 19, or word.bit: 1.3")
    elif found.bits.setdefault(bit, said) != said:
        remedy = "count the bits of further words on, from 16, or write word.bit: 1.0"
        found.say(line, f"bit {given} is given to {found.bits[bit]} already", remedy)


def _content(path: Path, encoding: str, say: Say) -> str:
    try:
        if path.exists() and not path.is_file():
            say(1, "this is no file", "correct the path")
            return ""
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = (error.strerror if isinstance(error, OSError) else None) or "this is no path"
        say(1, f"cannot be read: {reason}", "correct the path, which counts from the folder of the plant's file")
        return ""
    if len(raw) > LARGEST:
        say(1, f"the file is larger than {LARGEST // 1024**2} MB", "leave out texts that the station never shows")
        return ""
    try:
        return raw.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        remedy = "add `encoding` beside `csv`, most often cp1251, or save it as UTF-8"
        if encoding != "utf-8":
            remedy = "correct `encoding`, or save it as UTF-8 and delete `encoding`"
        say(line, f"this is no {encoding} text", remedy)
        return ""


def _rows(content: str, say: Say) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows by their columns, with their lines; the first row may name the columns."""
    first = next((line for line in content.splitlines() if line.strip()), "")
    delimiter = min(DELIMITERS, key=lambda sign: first.find(sign) % (len(first) + 1))
    rows = csv.reader(StringIO(content, newline=""), delimiter=delimiter, strict=True)
    columns: Sequence[str] | None = None
    line = 1
    try:
        for cells in rows:
            if any(cell.strip() for cell in cells):
                header = _columns(cells, line, say) if columns is None else None
                columns = columns or header or WITHOUT_HEADER
                if header is None and (row := _row(cells, columns, line, say)) is not None:
                    yield line, row
            line = rows.line_num + 1
    except csv.Error as error:
        say(line, f"this is no CSV: {error}", 'write a quote inside of a text twice: "Gun ""left"" sticks"')


def _row(cells: Sequence[str], columns: Sequence[str], line: int, say: Say) -> dict[str, str] | None:
    """A row by its columns; None, and it is said, if it has more of them."""
    if any(cell.strip() for cell in cells[len(columns) :]):
        remedy = 'put a text with a delimiter in quotes: 101;"Gun; left";, or name the columns in the first line'
        say(line, f"the line has more than {len(columns)} columns", remedy)
        return None
    row = dict(zip(columns, cells, strict=False))
    return {name: "" if cell.strip().lower() == NO_ENTRY else cell for name, cell in row.items() if name}


def _columns(cells: Sequence[str], line: int, say: Say) -> Sequence[str] | None:
    """What the columns hold, if this first row names them; empty for a column of a vendor's list that is not used.

    It does so if it begins with `code`, or names a column for the code or the bit, and one for the text.
    """
    own = cells[0].strip().lower() == "code"
    names = [(COLUMNS.get(cell.strip().lower(), "") if own else _of_vendor(cell)) for cell in cells]
    if not own:
        names = [name if name not in names[:place] else "" for place, name in enumerate(names)]
        return names if "code" in names and not {"en", "ru", "kk"}.isdisjoint(names) else None
    for place, (name, cell) in enumerate(zip(names, cells, strict=True)):
        if not name:
            say(line, f"there is no column `{cell[:40]}`", "name them code, bit, text or en, ru, kk, and delete others")
        elif name in names[:place]:
            say(line, f"the column `{cell[:40]}` comes twice", "delete one of the two")
    return names


def _of_vendor(cell: str) -> str:
    """What a column of a vendor's list holds by its name; empty for what is not used here."""
    language = LANGUAGE.search(cell)
    name = LANGUAGE.split(cell)[0].strip().lower().removesuffix(".")
    column = VENDORS.get(name, "")
    if language is None or column not in LANGUAGES:
        return column
    return language[1].lower() if language[1].lower() in LANGUAGES else ""


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
