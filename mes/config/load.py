"""Loads a plant's file: all mistakes at once, or the plant with its warnings."""

from dataclasses import dataclass
from pathlib import Path

import mes
from mes.config.build import PlantConfig, build
from mes.config.files import check_files
from mes.config.findings import Findings
from mes.config.problems import ConfigProblems, Problem
from mes.config.profiles import FOLDER, apply_profiles
from mes.config.source import Place, at, read
from mes.config.stations import station_places
from mes.config.validate import shape

EXAMPLE = "kostanay.yaml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plant that can be run, and what a person should know about its file."""

    config: PlantConfig
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check of a file found; `loaded` is None if there are problems."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    loaded: Loaded | None


def load(path: Path) -> Loaded:
    """Reads and checks a plant's file. Raises ConfigProblems (a ConfigError) with every mistake in it."""
    report = check(path)
    if report.loaded is None:
        raise ConfigProblems(report.problems)
    return report.loaded


def check(path: Path) -> CheckReport:
    """The same without raising: every mistake and every warning, in the order of the file's lines."""
    try:
        source = read(path)
    except ConfigProblems as error:
        return CheckReport(error.problems, (), None)
    unfilled = apply_profiles(source, [path.parent / FOLDER, config_folder() / FOLDER])
    shaped = shape(source)
    problems = [*source.problems, *shaped.problems]
    unfilled |= {place for _, place in station_places(source.data, "") if shaped.lacks_template(place)}
    findings = Findings(source, is_partial=shaped.lacks_stations())
    config = build(shaped.plant, shaped.data, findings) if shaped.plant is not None else None
    if shaped.plant is not None:
        check_files(shaped.plant, findings)

    def follows(place: Place) -> bool:
        is_within = any(place[: len(entry)] == entry for entry in unfilled)
        is_path = place[:1] in (("flow",), ("programme",), ("reasons",))
        return is_within or shaped.explains(place) or (is_path and shaped.lacks_part(at(source.data, place)))

    problems += [problem for place, problem in findings.problems() if not follows(place)]
    warnings = tuple(sorted(problem for place, problem in findings.warnings() if not follows(place)))
    if problems or config is None:
        return CheckReport(tuple(sorted(problems)), warnings, None)
    return CheckReport((), warnings, Loaded(config, warnings))


def config_folder() -> Path:
    """The folder of the example plant: packaged with the program, or `config` in the source tree."""
    package = Path(mes.__file__).resolve().parent
    packaged = package / "_config"
    return packaged if packaged.is_dir() else package.parent / "config"


def default_config() -> Path:
    """The example plant of Kostanay."""
    return config_folder() / EXAMPLE


def is_example(file: Path | None) -> bool:
    """Whether a command that was given `file` works on the example plant."""
    return file is None or file.resolve() == default_config().resolve()
