"""Parts of the options of every command: paths, and --json. Imports nothing of the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class PathName(click.Path):
    """A path. An empty text, which `Path` takes for the current folder, is refused: most likely a variable is unset."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if value == "":
            self.fail("it is empty, but must name a file or folder", param, ctx)
        return super().convert(value, param, ctx)


PATH = PathName()


def json_option(function: F) -> F:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")(function)
