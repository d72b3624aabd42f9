"""Display names of the plant's areas, lines, stations, products, markets, shifts and process values by language."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from mes.config.findings import Findings
from mes.config.models.names import NamesShape
from mes.config.models.plant import PlantShape
from mes.config.problems import did_you_mean
from mes.config.source import Place
from mes.oee.definitions import BUILT_IN, Definition
from mes.translations import LANGUAGES, of_source, shift_name, text

Texts = Mapping[str, str]  # by language
MOST_OF_A_CODE = 80  # characters of a fault code that are shown; a controller may say anything
_Named = tuple[str, Place, NamesShape | None]  # an id, where it is in the file, and its names there


@dataclass(frozen=True, slots=True)
class DisplayNames:
    """What people read in place of an id; by id, then by language.

    A name that lacks the reader's language falls back to English, then to the id. Ids stay the keys everywhere: a
    display name is shown and never stored. `places`: the site, areas, lines and stations by path; `models`: products
    by the `name` that they share; `faults` by `fault_key`.
    """

    places: Mapping[str, Texts] = field(default_factory=dict)
    products: Mapping[str, Texts] = field(default_factory=dict)
    models: Mapping[str, Texts] = field(default_factory=dict)
    markets: Mapping[str, Texts] = field(default_factory=dict)
    shifts: Mapping[str, Texts] = field(default_factory=dict)
    process_values: Mapping[str, Texts] = field(default_factory=dict)
    definitions: Mapping[str, Texts] = field(default_factory=dict)
    faults: Mapping[str, Texts] = field(default_factory=dict)

    def own(self, path: str, language: str) -> str:
        """A station's, line's, area's or the site's own name, without what it is in."""
        return _text(self.places, path, language) or path.rpartition("/")[2]

    def place(self, path: str, language: str) -> str:
        """A part of the plant without the site, from its area on; the site's own name for all of it."""
        site, _, inside = path.partition("/")
        if not inside:
            return self.own(site, language)
        parts = inside.split("/")
        names = [self.own(part, language) for part in accumulate([site, *parts], "{}/{}".format)][1:]
        return inside if names == parts else " / ".join(names)

    def product(self, product: str, language: str) -> str:
        """A product."""
        return _text(self.products, product, language) or product

    def model(self, name: str, language: str) -> str:
        """The products that share a `name`."""
        return _text(self.models, name, language) or name

    def market(self, market: str, language: str) -> str:
        """A market of products."""
        return _text(self.markets, market, language) or market

    def shift(self, name: str, language: str) -> str:
        """A shift; a common one has a translated name also where the plant's file gives none."""
        return _text(self.shifts, name, language) or shift_name(language, name)

    def process_value(self, name: str, language: str) -> str:
        """A process value."""
        return _text(self.process_values, name, language) or name

    def fault_texts(self, station: str, code: str | None) -> Texts:
        """The texts of a station's fault code by language; empty for one without any, and for no fault."""
        return {} if code is None else self.faults.get(fault_key(station, code), {})

    def fault(self, station: str, code: str | None, language: str) -> str:
        """A fault code of a station, with its text if it has one; empty for no fault.

        Of a code, which is the controller's own text, at most `MOST_OF_A_CODE` characters, all of them visible.
        """
        said = _in_language(self.fault_texts(station, code), language)
        shown = _shown(code or "")
        return shown if said is None else f"{shown} {said}"

    def definition(self, definition: Definition, language: str) -> str:
        """The title of a definition of OEE."""
        own = _text(self.definitions, definition.name, language)
        return own or of_source(language, f"definition.{definition.name}.title", definition.title)

    def definition_source(self, definition: Definition, language: str) -> str:
        """What a definition of OEE is taken from."""
        if definition.like is not None:
            like = self.definition(BUILT_IN[definition.like], language)
            return text(language, "definition.own.source", {"like": like})
        return of_source(language, f"definition.{definition.name}.source", definition.source)


NO_DISPLAY_NAMES = DisplayNames()


def fault_key(station: str, code: str) -> str:
    """What a fault of a station is known by: another station may show the same code for another fault."""
    return f"{station}:{code}"


def _text(names: Mapping[str, Texts], key: str, language: str) -> str | None:
    return _in_language(names.get(key, {}), language)


def _in_language(texts: Texts, language: str) -> str | None:
    return texts.get(language) or texts.get(LANGUAGES[0])


def _shown(code: str) -> str:
    short = code if len(code) <= MOST_OF_A_CODE else code[: MOST_OF_A_CODE - 1] + "…"
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in short)


def display_names(plant: PlantShape, findings: Findings) -> DisplayNames:
    """The names that the file gives. Siblings that share a name and names of nothing are warned about."""
    _check_used(plant, findings)
    levels, shifts = list(_places(plant)), list(_shifts(plant))
    models: list[_Named] = [
        (product.name, ("products", name), product.names) for name, product in plant.products.items()
    ]
    markets: list[_Named] = [(name, ("markets", name), market.names) for name, market in plant.markets.items()]
    values: list[_Named] = [
        (name, ("process_values", name), value.names) for name, value in plant.process_values.items()
    ]
    found = DisplayNames(
        places=_given(part for level in levels for part in level),
        products=_given((name, ("products", name), product.names) for name, product in plant.products.items()),
        models=_given(models),
        markets=_given(markets),
        shifts=_given(shifts),
        process_values=_given(values),
        definitions=_given(
            (name, ("definitions", name), definition.names) for name, definition in plant.definitions.items()
        ),
    )
    for named in (models, shifts):
        _check_same(named, findings)
    for level in levels:
        _check_siblings(level, found.own, findings)
    _check_siblings(models, found.model, findings)
    _check_siblings(markets, found.market, findings)
    _check_siblings(shifts, found.shift, findings)
    _check_siblings(values, found.process_value, findings)
    return found


def _given(named: Iterable[_Named]) -> Mapping[str, Texts]:
    """Those that have a name in any language; of one that comes twice, the first names."""
    found: dict[str, Texts] = {}
    for key, _, names in named:
        if names is not None:
            found.setdefault(key, names.model_dump(exclude_none=True))
    return found


def _places(plant: PlantShape) -> Iterator[list[_Named]]:
    """The site, its areas, the lines of each area and the stations of each line; what is beside each other together."""
    site = plant.site.name
    yield [(site, ("site",), plant.site.names)]
    yield [(f"{site}/{name}", ("areas", name), shape.names) for name, shape in plant.areas.items()]
    for area, inside in plant.areas.items():
        path, place = f"{site}/{area}", ("areas", area, "lines")
        yield [(f"{path}/{name}", (*place, name), shape.names) for name, shape in inside.lines.items()]
        for line, members in inside.lines.items():
            yield [
                (f"{path}/{line}/{name}", (*place, line, "stations", name), station.names)
                for name, station in members.stations.items()
            ]


def _shifts(plant: PlantShape) -> Iterator[_Named]:
    """Every shift of the calendar; one name may come several times."""
    calendar, here = plant.site.calendar, ("site", "calendar")
    for index, weekly in enumerate(calendar.shifts):
        yield weekly.name, (*here, "shifts", index), weekly.names
    for index, day in enumerate(calendar.special_days):
        for number, shift in enumerate(day.shifts):
            yield shift.name, (*here, "special_days", index, "shifts", number), shift.names
    for index, overtime in enumerate(calendar.overtime):
        yield overtime.name, (*here, "overtime", index), overtime.names


def _check_same(named: Iterable[_Named], findings: Findings) -> None:
    """Refuses other names for what is one thing on pages: shifts, and products, of the same name."""
    first: dict[str, tuple[Place, NamesShape]] = {}
    for name, place, names in named:
        if names is None:
            continue
        where, others = first.setdefault(name, (place, names))
        if others != names:
            line = findings.source.line((*where, "names"))
            remedy = "give the names once, or the same ones everywhere"
            findings.problem((*place, "names"), f"`{name}` has other names in line {line}", remedy)


def _check_siblings(siblings: Iterable[_Named], shown: Callable[[str, str], str], findings: Findings) -> None:
    """Warns about two things beside each other that people cannot tell apart in a language."""
    first: dict[tuple[str, str], str] = {}
    for key, place, _ in siblings:
        alike: dict[str, list[str]] = {}
        for language in LANGUAGES:
            other = first.setdefault((language, shown(key, language)), key)
            if other != key:
                alike.setdefault(other, []).append(language)
        for other, languages in alike.items():
            what = f"it has the same name as {other.rpartition('/')[2]} in {', '.join(languages)}"
            findings.warning((*place, "names"), what, "give each a name of its own, so that people can tell them apart")


def _check_used(plant: PlantShape, findings: Findings) -> None:
    """Warns about names of markets and process values that nothing in the plant has."""
    shapes = [*plant.templates.values()]
    shapes += [
        station for area in plant.areas.values() for line in area.lines.values() for station in line.stations.values()
    ]
    measured = {name for shape in shapes for name in shape.signals.process}
    for name in plant.process_values.keys() - measured:
        what = f"no station has the process value `{name}`"
        findings.unused(("process_values", name), what, did_you_mean(name, sorted(measured)))
    markets = {product.market for product in plant.products.values() if product.market}
    for name in plant.markets.keys() - markets:
        findings.unused(("markets", name), f"no product has the market `{name}`", did_you_mean(name, sorted(markets)))
