"""What commands show: tables and lines on stdout, notes and progress on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import click

from edgemoe_gen.base.documents import json_text

if TYPE_CHECKING:  # imported where they are needed: most of what a command costs that prints one line
    from rich.console import Console
    from rich.progress import TaskID
    from rich.table import Table

    from edgemoe_gen.project import opening

WIDE = 160  # columns of a table that goes to a file or pipe


class ReaderLeftError(Exception):
    """Whoever read our output has gone, as `head` does. No stage of a build takes it for a fault of its own."""


@dataclass(frozen=True)
class Fit:
    """How a table becomes narrower, so that every cell that it shows is whole.

    Attributes:
        leave_out: headers of columns that go, in this order, until the others fit.
        wraps: header of the column that is broken at spaces, if there is one.
        least: columns of text that it takes at least.
    """

    leave_out: Sequence[str] = ()
    wraps: str = ""
    least: int = 30


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    total: Sequence[object] = (),
    fit: Fit | None = None,
) -> tuple[str, ...]:
    """Prints a table; returns headers of columns that were left out.

    Args:
        title: above it.
        columns: headers; one that begins with ">" is right-aligned.
        rows: cells.
        total: a last row, set apart.
        fit: which columns a terminal that is too narrow may miss; a file or pipe gets them all.
    """
    console, cells = _console(), [[str(cell) for cell in row] for row in rows]
    left_out: tuple[str, ...] = ()
    fit = fit if sys.stdout.isatty() else None
    if fit is not None:
        columns, cells, left_out = fitted(columns, cells, fit, console)
    made = table_of(columns, cells, fit, title=title, title_justify="left", title_style="bold")
    if total:
        made.add_section()
        made.add_row(*(str(cell) for cell in total))
    console.print(made)
    return left_out


def table_of(columns: Sequence[str], rows: Iterable[Sequence[str]], fit: Fit | None = None, **options: Any) -> Table:
    """A table as `table` prints it; with `fit` no cell is broken but those of the column that wraps."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, **options)
    for column in columns:
        name = column.lstrip(">")
        whole = fit is not None and name != fit.wraps
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        made.add_column(name, justify=justify, overflow="fold", no_wrap=whole)
    for row in rows:
        made.add_row(*row)
    return made


def fitted(
    columns: Sequence[str], rows: Sequence[Sequence[str]], fit: Fit, console: Console
) -> tuple[list[str], list[list[str]], tuple[str, ...]]:
    """Columns and rows that fit a console, and headers of those that do not.

    Args:
        columns, rows: of the whole table, as `table` takes them.
        fit: which may go.
        console: as wide as it is.
    """
    from rich.cells import cell_len

    heads = [column.lstrip(">") for column in columns]
    widths = [max(map(cell_len, (head, *cells))) for head, *cells in zip(heads, *rows, strict=True)]
    if fit.wraps in heads:
        place = heads.index(fit.wraps)
        widths[place] = min(widths[place], fit.least)
    gone: list[str] = []
    for name in (None, *fit.leave_out):
        if name in heads:
            gone.append(str(name))
        kept = [i for i, head in enumerate(heads) if head not in gone]
        # The edge and what stands between two columns are as wide as `Table` makes them: 2, and 3 between.
        if sum(widths[i] for i in kept) + 3 * (len(kept) - 1) + 2 <= console.width:
            break
    return [columns[i] for i in kept], [[row[i] for i in kept] for row in rows], tuple(gone)


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
    _echo(json_text(value))


def _echo(text: str, err: bool = False) -> None:
    try:
        click.echo(text, err=err)
    except BrokenPipeError as error:
        raise ReaderLeftError from error


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, emoji=False, markup=False)


@contextmanager
def progress() -> Iterator[opening.Progress]:
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
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        numbers: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            work = what if total else what.partition(":")[0]
            if work not in numbers:
                numbers[work] = bars.add_task(what, total=total or None)
            bars.update(numbers[work], description=what, completed=done)

        yield show
