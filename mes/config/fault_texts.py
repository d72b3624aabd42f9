"""A vendor's fault texts from a CSV file: code, text, and the text in Russian and Kazakh if there is one."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from mes.collect.values import code
from mes.config.models.alarms import MOST_CHARACTERS

LARGEST = 4 * 1024 * 1024  # bytes
MOST_TEXTS = 10_000
MISTAKES_NAMED = 10
DELIMITERS = ";,\t"
COLUMNS: Mapping[str, str] = {"code": "code", "text": "en", "en": "en", "ru": "ru", "kk": "kk"}
WITHOUT_HEADER = ("code", "en", "ru", "kk")
Say = Callable[[int, str, str], None]  # a mistake in a line: what it is, and what to do


@dataclass(slots=True)
class FaultTexts:
    """The texts of a file by code and language, and its mistakes: line, what is wrong, and what to do."""

    texts: dict[str, Mapping[str, str]] = field(default_factory=dict)
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
        said = code(row.pop("code", ""))
        texts = {language: _short(text) for language, given in row.items() if (text := " ".join(given.split()))}
        unseen = any(not text.isprintable() for text in texts.values())
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
    if not found.texts and not found.mistakes:
        found.say(1, "the file has no texts", "write lines of code;text, or name its columns in the first line")
    return found


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
    """The rows by their columns, with their lines; a first row that begins with `code` names the columns."""
    first = next((line for line in content.splitlines() if line.strip()), "")
    delimiter = min(DELIMITERS, key=lambda sign: first.find(sign) % (len(first) + 1))
    rows = csv.reader(StringIO(content, newline=""), delimiter=delimiter, strict=True)
    columns: Sequence[str] | None = None
    line = 1
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                pass
            elif columns is None and cells[0].strip().lower() == "code":
                columns = _columns(cells, line, say)
            else:
                columns = columns or WITHOUT_HEADER
                if any(cell.strip() for cell in cells[len(columns) :]):
                    remedy = 'put a text with a delimiter in quotes: 101;"Gun; left";'
                    say(line, f"the line has more than {len(columns)} columns", remedy)
                else:
                    yield line, dict(zip(columns, cells, strict=False))
            line = rows.line_num + 1
    except csv.Error as error:
        say(line, f"this is no CSV: {error}", 'write a quote inside of a text twice: "Gun ""left"" sticks"')


def _columns(cells: Sequence[str], line: int, say: Say) -> Sequence[str]:
    names = [COLUMNS.get(cell.strip().lower(), "") for cell in cells]
    for place, (name, cell) in enumerate(zip(names, cells, strict=True)):
        if not name:
            say(line, f"there is no column `{cell[:40]}`", "name them code, text or en, ru, kk, and delete others")
        elif name in names[:place]:
            say(line, f"the column `{cell[:40]}` comes twice", "delete one of the two")
    return names


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
