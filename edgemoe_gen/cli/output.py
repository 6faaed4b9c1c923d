"""What commands show: tables and lines on stdout, notes and progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from edgemoe_gen import project

WIDE = 160  # columns of a table that goes to a file or pipe


class ReaderLeftError(Exception):
    """Whoever read our output has gone, as `head` does. No stage of a build takes it for a fault of its own."""


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
    _echo(text)


def note(text: str) -> None:
    """Prints one line to stderr."""
    _echo(f"note: {text}", err=True)


def failure(message: str, hint: str, lines: Sequence[str] = ()) -> None:
    """Prints an error to stderr, what another tool said about it, and what to do."""
    _echo(click.style("error: ", fg="red", bold=True) + message, err=True)
    for text in lines:
        _echo(f"  {text}", err=True)
    if hint:
        _echo(click.style("hint: ", bold=True) + hint, err=True)


def checkpoint_notes(notes: Sequence[str]) -> None:
    """Prints what a user should know of a checkpoint; what was merely ignored is for `inspect` and the report."""
    for text in notes:
        if not text.startswith("ignored"):
            note(text)


def as_json(value: object) -> None:
    """Prints JSON."""
    _echo(json.dumps(value, indent=2))


def _echo(text: str, err: bool = False) -> None:
    try:
        click.echo(text, err=err)
    except BrokenPipeError as error:
        raise ReaderLeftError from error


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, emoji=False, markup=False)


@contextmanager
def progress() -> Iterator[project.Progress]:
    """Progress on stderr: a bar on a terminal, one line for each kind of work elsewhere.

    Where the total is 0, nobody knows how much is left: the text is "work: step", and the step changes on the way.
    """
    if not sys.stderr.isatty():
        seen: set[str] = set()
        start = time.monotonic()

        def say(what: str, done: int, total: int) -> None:  # noqa: ARG001
            if what not in seen:
                seen.add(what)
                elapsed = "" if total else f"  [{timedelta(seconds=round(time.monotonic() - start))}]"
                _echo(f"{what} ...{elapsed}", err=True)

        yield say
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        numbers: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            work = what if total else what.partition(":")[0]
            if work not in numbers:
                numbers[work] = bars.add_task(what, total=total or None)
            bars.update(numbers[work], description=what, completed=done)

        yield show
