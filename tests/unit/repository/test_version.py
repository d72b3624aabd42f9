"""The version stands in pyproject.toml; what people copy from names the same one."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
NAMED = re.compile(r"(?:taktline[-: ]|Taktline )(\d+\.\d+\.\d+)")
FILES = (
    *("docs/operate.md", "config/deploy/compose.yaml", "config/deploy/Dockerfile"),
    *("mes/translations/locale/taktline.pot", "mes/translations/locale/ru/LC_MESSAGES/taktline.po"),
    "mes/translations/locale/kk/LC_MESSAGES/taktline.po",
)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_names_the_version_names_this_one(file: str) -> None:
    """In commands to copy, names of images and archives, and headers of catalogues."""
    named = NAMED.findall((ROOT / file).read_text())
    assert named
    assert set(named) == {VERSION}


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    """Its heading has the version, and a date or the word "unreleased"."""
    heading = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    assert re.fullmatch(rf"## {re.escape(VERSION)} - (\d{{4}}-\d\d-\d\d|unreleased)", heading)
