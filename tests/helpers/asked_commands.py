"""Commands that are asked about a journal."""

from pathlib import Path

from click.testing import CliRunner

from mes.cli import mes
from mes.errors import ConfigError


def answer(path: Path, *words: str) -> str:
    """What a command prints about this journal, or why it refuses."""
    done = CliRunner().invoke(mes, [*words, "--journal", str(path)])
    if done.exception is not None:
        assert isinstance(done.exception, ConfigError), done.exception
        return str(done.exception)
    return done.output
