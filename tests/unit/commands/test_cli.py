"""The list of commands, and what is imported for one."""

import ast
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mes import commands
from mes.cli import COMMANDS, mes

HEAVY = ("asyncua", "pymodbus", "fastapi", "aiohttp", "simpy", "cryptography", "structlog")


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
    code = f"""
import sys
from mes.cli import mes
try:
    mes({words!r}, standalone_mode=False)
finally:
    print(*sys.modules, sep=chr(10))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return set(done.stdout.split()) & set(HEAVY)


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("check",),
        ("check", "--help"),
        ("demo", "--help"),
        ("influx", "--help"),
        ("oee", "--help"),
        ("reason", "--help"),
        ("report", "--help"),
        ("run", "--config", "nowhere.yaml"),
        ("run", "--help"),
        ("simulate", "--help"),
    ],
    ids=" ".join,
)
def test_a_command_imports_only_what_it_needs(words: tuple[str, ...]) -> None:
    """No heavy package is imported for a help, a check or a mistake, so that it is answered at once."""
    assert imported(*words) == set()


@pytest.mark.parametrize("words", [("certs", "--help"), ("certs", "check", "--help"), ("certs", "show")], ids=" ".join)
def test_certificates_are_shown_without_the_protocol(words: tuple[str, ...]) -> None:
    """Only a command that speaks OPC UA imports it; certificates themselves are read by `cryptography` alone."""
    assert imported(*words) == {"cryptography"}


RUNS = """
import asyncio, sys
from adapters import registry
from mes import daemon
from mes.config.load import default_config, load
config = load(default_config()).config
{more}
print(*sys.modules, sep=chr(10))
"""
MAKER = "registry.maker(name, config.controllers[name], {}, clock=None, secret=str)"


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ("", set()),
        (f"name = 'paint-plc'; {MAKER}", {"pymodbus"}),
        (f"name = 'weld-plc'; {MAKER}", {"asyncua", "cryptography"}),
        ("daemon.load_client()", {"aiohttp"}),
        ("import mes.board.serving", {"fastapi"}),
    ],
)
def test_the_daemon_imports_what_its_plant_has(more: str, wanted: set[str]) -> None:
    """A protocol, the client of InfluxDB and the board, each where the plant's file has it, and not else."""
    done = subprocess.run(
        [sys.executable, "-c", RUNS.replace("{more}", more)], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) & set(HEAVY) == wanted
