"""How answers become pages: templates, and numbers, times and words in the reader's language and the site's zone."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal, format_percent
from jinja2 import Environment, PackageLoader, StrictUndefined

from mes.board.answers.record_models import UnreconciledCountAnswer
from mes.board.pages.icons import FILLED, SIGNS
from mes.config.build import PlantConfig
from mes.oee.unreconciled_counts import Assessment
from mes.results.charts import share
from mes.terminal import units
from mes.translations import Fact, text, texts

TABLET = re.compile(r"tablet (\d+)")  # how Accounts names a tablet
COMMAND_LINE = " (command line)"  # how `mes user` signs
UNDO = re.compile(r"undo of (\d+)")  # the comment of an undo
HOUR_S, MINUTE_S = 3600, 60
DASH = "–"
LOCALES = {"en": "en_GB", "ru": "ru_RU", "kk": "kk_KZ"}
NAMES = {"en": "English", "ru": "Русский", "kk": "Қазақша"}
ABBREVIATIONS = ("OEE", "A", "E", "Q", "PBT", "APT", "TEEP", "MTBF", "MTTR", "CKD", "DKD", "VIN")  # the glossary's


class Localizer:
    """A language as the templates use it."""

    def __init__(self, language: str, config: PlantConfig) -> None:
        self.language = language
        self.texts: Mapping[str, str] = texts(language)
        self.zone: ZoneInfo = config.calendar.zone
        self._locale = LOCALES[language]
        self._names = config.names
        self._definitions = config.definitions
        self._reasons: dict[str, str] = {
            str(code): reason.text(language)
            for standard in config.standards.values()
            for code, reason in standard.reasons.reasons.items()
        }
        self._several = len({station.split("/")[2] for station in config.standards}) > 1

    def percent(self, ratio: float | None) -> str:
        """A ratio in per cent with one decimal, on one line."""
        return DASH if ratio is None else str(format_percent(ratio, format="#,##0.0\u00a0%", locale=self._locale))

    def number(self, value: float | None, digits: int = 0) -> str:
        """A number with so many decimals at most, never -0."""
        return DASH if value is None else str(format_decimal(round(value, digits) or 0, locale=self._locale))

    def units(self, value: int | None, *, signed: bool = False, at_least: bool = False) -> str:
        """A count; a dash where it is not known, never 0; `at_least`: not all of them are known."""
        return f"{value:+d}" if signed and value is not None else units(value, at_least=at_least)

    def minutes(self, value_s: float | None, *, signed: bool = False) -> str:
        """Seconds as minutes with one decimal."""
        if value_s is None:
            return DASH
        found = round(value_s / MINUTE_S, 1) or 0.0  # never -0.0
        pattern = "+#,##0.0;-#,##0.0" if signed and found else "#,##0.0"
        return str(format_decimal(found, format=pattern, locale=self._locale))

    def lasting(self, value_s: float | None) -> str:
        """A duration as `1:02:03 h` or `2:03 min`: without its unit it would look like a time of day."""
        if value_s is None:
            return DASH
        whole = max(0, int(value_s))
        hours, rest = divmod(whole, HOUR_S)
        minutes, seconds = divmod(rest, MINUTE_S)
        if hours:
            return f"{hours}:{minutes:02}:{seconds:02}\u00a0{self.texts['unit_h']}"
        return f"{minutes}:{seconds:02}\u00a0{self.texts['unit_min']}"

    def clock(self, instant: datetime | None) -> str:
        """The time of day in the site's zone, to the second."""
        if instant is None:
            return DASH
        return str(format_time(instant.astimezone(self.zone), "HH:mm:ss", locale=self._locale))

    def short_clock(self, instant: datetime) -> str:
        """The time of day in the site's zone, to the minute."""
        return str(format_time(instant.astimezone(self.zone), "HH:mm", locale=self._locale))

    def day(self, instant: datetime) -> str:
        """The date in the site's zone."""
        return str(format_date(instant.astimezone(self.zone), "medium", locale=self._locale))

    def moment(self, instant: datetime | None) -> str:
        """Date and time in the site's zone."""
        if instant is None:
            return DASH
        return str(format_datetime(instant.astimezone(self.zone), "d MMM HH:mm:ss", locale=self._locale))

    def month(self, number: int, year: int) -> str:
        """The name of a month."""
        return str(format_date(datetime(year, number, 1, tzinfo=self.zone), "LLLL", locale=self._locale))

    def reason(self, code: str | None) -> str:
        """The text of a reason, of a bucket, or of what nobody explained."""
        if code is None:
            return self.texts["no_reason"]
        return self._reasons.get(code) or self.texts.get(code, code)

    def fault(self, station: str, code: str) -> str:
        """A fault code with its text."""
        return self._names.fault(station, code, self.language)

    def word(self, key: str) -> str:
        """A word; what has none is shown as it is."""
        return self.texts.get(key, key.replace("_", " "))

    def counter(self, kind: str, product: str | None) -> str:
        """What a counter counts; `product`: the one that it counts alone."""
        return self.word(kind) if product is None else f"{self.word(kind)}, {self.product(product)}"

    def shift(self, name: str) -> str:
        """A shift's name."""
        return self._names.shift(name, self.language)

    def person(self, name: str) -> str:
        """Who did something; of a tablet and of the command line the words are translated."""
        if (tablet := TABLET.fullmatch(name)) is not None:
            return self.sentence("person.tablet", number=tablet[1])
        if name.endswith(COMMAND_LINE):
            return self.sentence("person.command_line", name=name.removesuffix(COMMAND_LINE))
        return name

    def comment(self, comment: str) -> str:
        """A person's comment, or the one that an undo writes itself."""
        undone = UNDO.fullmatch(comment)
        return comment if undone is None else self.sentence("comment.undo", number=undone[1])

    def definition(self, name: str) -> str:
        """The title of a definition of OEE."""
        return self._names.definition(self._definitions[name], self.language)

    def definition_source(self, name: str) -> str:
        """What a definition of OEE is taken from."""
        return self._names.definition_source(self._definitions[name], self.language)

    def possible(self, count: UnreconciledCountAnswer) -> str:
        """The numbers of parts that a person may decide on."""
        if count.assessment is not Assessment.REAL:
            return self.texts[f"possible.{count.assessment}"]
        if count.at_most is None:
            return self.texts["possible.any"]
        numbers = self.sentence("possible.range", most=count.at_most)
        for beyond in count.shown:
            if beyond > count.at_most:
                numbers = self.sentence("possible.or", first=numbers, other=beyond)
        return numbers

    def sentence(self, key: str, **facts: Fact) -> str:
        """A text with its facts; a number that comes first chooses the plural form."""
        return text(self.language, key, facts)

    def fact(self, value: object) -> str:
        """What an event says, with what is inside of it; nothing where it says nothing."""
        match value:
            case list():
                return "; ".join(map(self.fact, value))
            case dict():
                return " ".join(f"{name} {said}" for name, item in value.items() if (said := self.fact(item)))
            case bool():
                return str(value).lower()
            case _:
                return "" if value is None else str(value)

    def station(self, path: str | None) -> str:
        """A station's own name, or that it lies outside."""
        return self.texts["outside"] if path is None else self._names.own(path, self.language)

    def place(self, path: str) -> str:
        """A part of the plant without the site; the site's own name for all of it."""
        return self._names.place(path, self.language)

    def product(self, product: str) -> str:
        """A product's name."""
        return self._names.product(product, self.language)

    def model(self, label: str) -> str:
        """The name of products that are one model, or a word for those that are not known."""
        name = self._names.model(label, self.language)
        return self.word(label) if name == label else name

    def market(self, label: str) -> str:
        """A market's name, or a word for those that are not known."""
        name = self._names.market(label, self.language)
        return self.word(label) if name == label else name

    def process_value(self, name: str) -> str:
        """A process value's name."""
        return self._names.process_value(name, self.language)


def stamp_ms(instant: datetime) -> int:
    """Milliseconds since 1970, for clocks on the page."""
    return int(instant.timestamp() * 1000)


def iso(instant: datetime) -> str:
    """As a form sends it back."""
    return instant.isoformat()


@cache
def environment() -> Environment:
    """The templates; what they do not know is an error."""
    made = Environment(
        loader=PackageLoader("mes.board"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "signs": SIGNS,
        "filled": FILLED,
        "stamp_ms": stamp_ms,
        "share": share,
        "iso": iso,
        "language_names": NAMES,
        "abbreviations": ABBREVIATIONS,
    }
    made.globals["timedelta"] = timedelta
    return made


def draw(template: str, **content: Any) -> str:
    """A page, or a part of one."""
    return environment().get_template(template).render(**content)
