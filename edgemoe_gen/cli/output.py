"""What commands show: tables and lines on stdout, notes and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from edgemoe_gen import project

WIDE = 160  # columns of a table that goes to a file or pipe


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], total: Sequence[object] = ()) -> None:
    """Prints a table.

    Args:
        title: above it.
        columns: headers; one that begins with ">" is right-aligned.
        rows: cells.
        total: a last row, set apart.
    """
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    if total:
        made.add_section()
        made.add_row(*(str(cell) for cell in total))
    _console().print(made)


def line(text: str) -> None:
    """Prints one line."""
    click.echo(text)


def note(text: str) -> None:
    """Prints one line to stderr."""
    click.echo(f"note: {text}", err=True)


def failure(message: str, hint: str) -> None:
    """Prints an error to stderr, and what to do about it."""
    click.echo(click.style("error: ", fg="red", bold=True) + message, err=True)
    if hint:
        click.echo(click.style("hint: ", bold=True) + hint, err=True)


def checkpoint_notes(notes: Sequence[str]) -> None:
    """Prints what a user should know of a checkpoint; what was merely ignored is for `inspect` and the report."""
    for text in notes:
        if not text.startswith("ignored"):
            note(text)


def as_json(value: object) -> None:
    """Prints JSON."""
    click.echo(json.dumps(value, indent=2))


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, emoji=False, markup=False)


@contextmanager
def progress() -> Iterator[project.Progress]:
    """Progress on stderr: a bar on a terminal, one line for each kind of work elsewhere."""
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def say(what: str, done: int, total: int) -> None:  # noqa: ARG001
            if what not in seen:
                seen.add(what)
                click.echo(f"{what} ...", err=True)

        yield say
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, project.Progress] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                number = bars.add_task(what, total=total)
                tasks[what] = lambda _, d, t: bars.update(number, completed=d, total=t)
            tasks[what](what, done, total)

        yield show
