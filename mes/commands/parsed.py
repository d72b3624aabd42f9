"""Words of commands that a function reads."""

from collections.abc import Callable
from typing import TypeVar, cast

import click

Value = TypeVar("Value")


class Parsed(click.ParamType[Value]):
    """A word that `read` turns into a value; the text of its ValueError is the refusal."""

    def __init__(self, name: str, read: Callable[[str], Value]) -> None:
        """`name`: what help texts call the word."""
        self.name = name
        self.read = read

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Value:
        """The value; what is one already stays as it is."""
        if not isinstance(value, str):
            return cast(Value, value)
        try:
            return self.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
