"""docs/operate.md: each `mes` command in it exists with its options, and each file of ours that it names is there."""

import re
import shlex
from pathlib import Path

import click
import pytest

from mes.cli import mes

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line.rpartition("/bin/mes ")[2].strip("` |"))
    for line in TEXT.splitlines()
    if "/opt/taktline/bin/mes " in line
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_there(words: list[str]) -> None:
    """The command line takes these words: the command, its options and its arguments."""
    command: click.Command = mes
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest.pop(0))
        assert found is not None, words
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known | {"--version"}


def test_there_are_commands() -> None:
    """The page is read: it has more than a few."""
    assert len(COMMANDS) >= 8


def test_every_file_is_there() -> None:
    """What is copied from the installation is in the repository's config folder."""
    named = re.findall(r"share/taktline/(config/[\w./-]+)", TEXT)

    assert len(named) >= 6
    assert [path for path in named if not (ROOT / path).exists()] == []
