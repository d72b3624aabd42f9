"""The list of commands, and what is imported for one."""

import ast
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mes import commands
from mes.cli import COMMANDS, mes

HEAVY = ("asyncua", "pymodbus", "fastapi", "aiohttp", "simpy", "cryptography")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_there_under_its_name(name: str) -> None:
    """And the command knows that name itself, and what it is for."""
    command = mes.get_command(click.Context(mes), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_each_command_that_stands_in_the_folder_is_listed() -> None:
    """A decorator `@click.command("name")` or `@click.group("name")` in mes/commands, beside those of other groups."""
    (folder,) = commands.__path__
    named = {
        str(ast.literal_eval(decorator.args[0]))
        for file in Path(folder).glob("*.py")
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in {"click.command", "click.group"}
    }
    assert named - {"backfill"} == set(COMMANDS)  # `mes influx backfill`


def imported(*words: str) -> set[str]:
    """Which of the heavy packages are imported after this command, in a process of its own."""
    code = (
        f"import sys; from mes.cli import mes; mes({words!r}, standalone_mode=False); print(*sys.modules, sep=chr(10))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split()) & set(HEAVY)


@pytest.mark.parametrize("words", [("--help",), ("oee", "--help"), ("report", "--help"), ("reason", "--help")])
def test_a_command_that_reads_starts_without_protocols_and_board(words: tuple[str, ...]) -> None:
    """None of the heavy packages is imported, so that a question on the command line is answered at once."""
    assert imported(*words) == set()


def test_the_daemon_needs_them() -> None:
    """So that the test above can fail."""
    assert imported("run", "--help") >= {"asyncua", "pymodbus", "fastapi"}
