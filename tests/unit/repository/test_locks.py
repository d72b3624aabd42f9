"""The locks are closed: what a locked package requires is locked, on each Python and each system that we promise.

requirements/metadata.json is what the packages themselves say (scripts/lock writes it from the index). It is held
against the locks, and against what is installed here.
"""

import ast
import importlib.metadata
import itertools
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[3]
METADATA: dict[str, dict[str, Any]] = json.loads((ROOT / "requirements" / "metadata.json").read_text())
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
GLIBC = (
    "manylinux_2_28",
    "manylinux_2_27",
    "manylinux_2_26",
    "manylinux_2_17",
    "manylinux2014",
    "manylinux_2_5",
    "manylinux1",
)
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
MACHINES: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "linux-x86_64": ({**LINUX, "platform_machine": "x86_64"}, tuple(f"{glibc}_x86_64" for glibc in GLIBC)),
    "linux-aarch64": ({**LINUX, "platform_machine": "aarch64"}, tuple(f"{glibc}_aarch64" for glibc in GLIBC)),
    "macos-arm64": (
        {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
        tuple(mac_platforms((14, 0), "arm64")),
    ),
    "windows-amd64": (
        {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
        ("win_amd64",),
    ),
}
TARGETS = list(itertools.product((11, 12, 13, 14), MACHINES))
Here = frozenset[tuple[str, str]]  # an environment, as what markers are judged by
everywhere = pytest.mark.parametrize(("minor", "machine"), TARGETS)


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a lock."""

    version: str
    marker: Marker | None
    hashes: frozenset[str]


def pins(lock: str) -> dict[str, Pin]:
    """The packages of a lock, by their normalized names."""
    found: dict[str, Pin] = {}
    for text in re.split(r"\n(?=\w)", (ROOT / "requirements" / f"{lock}.txt").read_text()):
        wanted = Requirement(text.partition("\\\n")[0].strip())
        (exact,) = wanted.specifier
        assert exact.operator == "=="
        hashes = frozenset(re.findall("--hash=sha256:([0-9a-f]{64})", text))
        found[canonicalize_name(wanted.name)] = Pin(exact.version, wanted.marker, hashes)
    return found


LOCKS = {"run": pins("run"), "dev": pins("dev")}


def environment(minor: int, machine: str) -> dict[str, str]:
    """What markers are judged by."""
    python = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0", "implementation_name": "cpython"}
    return {**python, "platform_python_implementation": "CPython", **MACHINES[machine][0]}


def group(name: str) -> Iterator[str]:
    """The requirements of a dependency group of the project, those of the groups in it included."""
    for item in PROJECT["dependency-groups"][name]:
        if isinstance(item, str):
            yield item
        else:
            yield from group(item["include-group"])


@cache
def requirement(text: str) -> Requirement:
    """Many packages require the same."""
    return Requirement(text)


@cache
def holds(marker: Marker, here: Here) -> bool:
    """Whether a marker holds in an environment."""
    return marker.evaluate(dict(here))


@cache
def satisfies(version: str, specifier: SpecifierSet) -> bool:
    """Whether a version is one of those that are asked for."""
    return specifier.contains(version, prereleases=True)


@cache
def python_of(package: str) -> SpecifierSet:
    """The Pythons that a package serves."""
    return SpecifierSet(METADATA[package]["requires_python"])


@cache
def required_by(package: str, extra: str, here: Here) -> tuple[Requirement, ...]:
    """What a package, or an extra of it, requires in an environment."""
    asked = frozenset({*here, ("extra", extra)})
    all_of_it = map(requirement, METADATA[package]["requires"])
    return tuple(wanted for wanted in all_of_it if wanted.marker is None or holds(wanted.marker, asked))


def lacking(lock: dict[str, Pin], first: list[str], place: dict[str, str]) -> list[str]:
    """What the requirements, and all that they require in turn, ask for in vain."""
    here = frozenset(place.items())
    wrong: list[str] = []
    seen: set[tuple[str, str]] = set()
    left = [("taktline", requirement(text)) for text in first]
    while left:
        by, wanted = left.pop()
        name = canonicalize_name(wanted.name)
        pin = lock.get(name)
        if pin is None or (pin.marker is not None and not holds(pin.marker, here)):
            wrong.append(f"{by} requires {wanted}, which is not locked")
            continue
        if not satisfies(pin.version, wanted.specifier):
            wrong.append(f"{by} requires {wanted}, and {pin.version} is locked")
        if not satisfies(place["python_full_version"], python_of(name)):
            wrong.append(f"{name} {pin.version} wants Python {METADATA[name]['requires_python']}")
        for extra in sorted({"", *wanted.extras} - {asked_extra for package, asked_extra in seen if package == name}):
            seen.add((name, extra))
            left += [(name, demand) for demand in required_by(name, extra, here)]
    return wrong


@everywhere
def test_what_is_required_is_locked(minor: int, machine: str) -> None:
    """Each requirement of each package that is installed, extras included, is locked in a version that satisfies it."""
    here = environment(minor, machine)
    project = PROJECT["project"]["dependencies"]

    assert lacking(LOCKS["run"], [*project, *group("build")], here) == []
    assert lacking(LOCKS["dev"], [*project, *group("dev")], here) == []


def test_a_package_that_is_missing_is_found() -> None:
    """Without any one of its packages a lock is not closed, here or on another system."""
    project = [*PROJECT["project"]["dependencies"], *group("dev")]
    places = [environment(11, "linux-x86_64"), environment(11, "windows-amd64")]
    for name in LOCKS["dev"]:
        without = {other: pin for other, pin in LOCKS["dev"].items() if other != name}
        assert any(lacking(without, project, here) for here in places), name


@everywhere
def test_a_locked_wheel_serves_every_machine(minor: int, machine: str) -> None:
    """For each package there is a wheel whose hash is locked, so nothing is compiled and nothing else is fetched."""
    platforms = MACHINES[machine][1]
    fitting: set[Tag] = {*cpython_tags((3, minor), platforms=platforms)}
    fitting |= {*compatible_tags((3, minor), f"cp3{minor}", platforms)}
    here = environment(minor, machine)
    for name, pin in LOCKS["dev"].items():
        if pin.marker is None or pin.marker.evaluate(here):
            wheels = METADATA[name]["wheels"].items()
            assert any(digest in pin.hashes and parse_wheel_filename(wheel)[3] & fitting for wheel, digest in wheels), (
                name
            )


def test_metadata_is_that_of_the_locks() -> None:
    """The file speaks of the locked versions and of nothing else; both locks hold the same versions."""
    assert {name: Version(package["version"]) for name, package in METADATA.items()} == {
        name: Version(pin.version) for name, pin in LOCKS["dev"].items()
    }
    assert LOCKS["run"].items() <= LOCKS["dev"].items()
    assert all(set(package["wheels"].values()) <= LOCKS["dev"][name].hashes for name, package in METADATA.items())


def test_metadata_is_that_of_what_is_installed() -> None:
    """What the file says of a package is what the package says that is installed here."""
    compared = 0
    for name, pin in LOCKS["dev"].items():
        if pin.marker is None or pin.marker.evaluate():
            installed = importlib.metadata.distribution(name)
            assert Version(installed.version) == Version(pin.version), name
            theirs = {str(Requirement(text)) for text in installed.requires or ()}
            assert theirs <= {str(Requirement(text)) for text in METADATA[name]["requires"]}, name
            compared += 1
    assert compared > 80


def test_what_is_imported_is_declared() -> None:
    """Each distribution whose modules the product imports stands in the project's own dependencies."""
    distributions = importlib.metadata.packages_distributions()
    imported: set[str] = set()
    for folder in ("mes", "adapters", "simulators"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module is not None:
                    imported.add(node.module)
    foreign = (
        {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"mes", "adapters", "simulators"}
    )
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]}
    assert foreign
    for module in sorted(foreign):
        assert declared & {canonicalize_name(name) for name in distributions[module]}, module


def test_every_locked_package_has_its_licence_in_the_notice() -> None:
    """With the version that is locked; `scripts/notice` writes the page."""
    lines = (ROOT / "NOTICE").read_text(encoding="utf-8").splitlines()
    named = dict(re.findall(r"^([\w.-]+) ([^ :]+): .+$", "\n".join(lines), flags=re.MULTILINE))
    assert {canonicalize_name(name): version for name, version in named.items()} == {
        name: pin.version for name, pin in LOCKS["run"].items()
    }
