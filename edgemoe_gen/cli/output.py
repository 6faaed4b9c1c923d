"""Output of commands: tables and lines on stdout, notes and progress on stderr."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click

from edgemoe_gen.base.documents import json_text

if TYPE_CHECKING:  # imported where they are needed: most of what a command costs that prints one line
    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.table import Table

    from edgemoe_gen.project import opening

WIDE = 160  # columns of a table that goes to a file or pipe
TEXT_CELL = 30  # columns of a cell of text there, at least where it has so many
TEXT_WIDTH = 120  # of a paragraph there
LONGEST_WORD = 32  # columns
_BETWEEN = 3  # columns between two of a table, as `rich` makes them; 2 are at its edge
LEAST_WIDTH = 40  # columns: a terminal that says it has fewer gets lines as long as this

QUIET, USUAL, VERBOSE = -1, 0, 1
_bars: list[Progress] = []  # what is drawn on the terminal just now, if anything: whatever is printed pauses it


_speech = USUAL


def speak(level: int) -> None:
    """Says from now on as little or as much: `QUIET`, `USUAL` or `VERBOSE`."""
    global _speech
    _speech = level


def is_quiet() -> bool:
    """Whether only results and errors are asked for."""
    return _speech == QUIET


class ReaderLeftError(Exception):
    """The reader of our output has gone, as `head` does. No stage of a build takes this for its own fault."""


@dataclass(frozen=True)
class Fit:
    """The way a table becomes narrower, so that every shown cell is whole.

    Attributes:
        leave_out: headers of columns that go, in this order, until the others fit.
        wraps: header of the column that is broken at spaces, if there is one.
        least: columns of text that it takes at least.
        below: headers of columns that may be left out without a note, because their content then follows the table.
    """

    leave_out: Sequence[str] = ()
    wraps: str = ""
    least: int = 30
    below: Sequence[str] = ()


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    total: Sequence[object] = (),
    fit: Fit | None = None,
) -> tuple[str, ...]:
    """Prints a table; returns headers of columns that were left out.

    If the terminal is too narrow, headers are broken at words, then texts. Next, columns that `fit` gives up are left
    out. If the table is still too wide, each row is printed as lines of text.

    Args:
        title: above it.
        columns: headers; one that begins with ">" is right-aligned.
        rows: cells.
        total: a last row, set apart.
        fit: which columns a terminal that is too narrow may miss; a file or pipe gets them all.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    last = [[str(cell) for cell in total]] if total else []
    left_out: tuple[str, ...] = ()
    console = _console()
    on_terminal = sys.stdout.isatty()
    if not on_terminal:
        fit = None
        console = _console(max(WIDE, _least_width(columns, cells + last, text=TEXT_CELL)))
    elif fit is not None:
        columns, cells, left_out = fitted(columns, cells + last, fit, console)
        cells, last = cells[: len(cells) - len(last)], cells[len(cells) - len(last) :]
    elif _natural_width(columns, cells + last) > console.width:
        columns = _broken_heads(columns, cells + last, console.width)
    if title:
        _echo(click.style(_wrapped(title, sys.stdout), bold=True))
    rows = cells + last
    least = _least_width(columns, rows) if fit is None else _natural_width(columns, rows, fit)
    if on_terminal and least > console.width:
        _listed(columns, rows)
        return left_out
    made = table_of(columns, cells, fit, _layout(columns, rows, console.width) if fit is None else ())
    if last:
        made.add_section()
        made.add_row(*last[0])
    with _paused_bars():
        console.print(made)
    if untold := [name for name in left_out if name not in (fit.below if fit else ())]:
        line(f"(this terminal is too narrow for: {', '.join(untold)})")
    return left_out


def table_of(
    columns: Sequence[str], rows: Iterable[Sequence[str]], fit: Fit | None = None, widths: Sequence[int] = ()
) -> Table:
    """A table as `table` prints it; with `fit` only cells of the column that wraps are broken.

    Args:
        columns, rows, fit: as for `table`.
        widths: widths of the columns; empty: each column as wide as it needs.
    """
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        name = column.lstrip(">")
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        whole = justify == "right" or (fit is not None and name != fit.wraps)  # a number is never broken
        width = widths[place] if widths else None
        made.add_column(name, justify=justify, overflow="fold", no_wrap=whole, width=width)
    for row in rows:
        made.add_row(*row)
    return made


def _listed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints the rows of a table that is too wide, each as lines that are broken between words."""
    heads = [" ".join(column.lstrip(">").split()) for column in columns]
    for first, *others in rows:
        said = ", ".join(f"{head} {cell}".strip() for head, cell in zip(heads[1:], others, strict=True) if cell)
        line(f"{first}: {said}" if first else said, indent=4)
    line("")


def _longest_word(text: str) -> int:
    """Characters of the longest word; a longer word than `LONGEST_WORD`, such as a path, may be broken."""
    from rich.cells import cell_len

    return min(LONGEST_WORD, max(map(cell_len, text.split()), default=0))


def _least_widths(columns: Sequence[str], rows: Sequence[Sequence[str]], text: int = 0) -> list[int]:
    """Least width of each column in characters: numbers whole, texts broken between words, `text` wide."""
    from rich.cells import cell_len

    def least(column: str, cell: str) -> int:
        if column.startswith(">"):
            return max(map(cell_len, cell.split("\n")))
        return max(min(cell_len(cell), text), _longest_word(cell))

    return [
        max(least(column, cell) for cell in (column.lstrip(">"), *cells))
        for column, *cells in zip(columns, *rows, strict=True)
    ]


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[str]], text: int = 0) -> int:
    """Least width of a table in characters."""
    return sum(_least_widths(columns, rows, text)) + _BETWEEN * len(columns) - 1


def _layout(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Width of each column of a table of this width: texts share the room that numbers leave."""
    least, natural = _least_widths(columns, rows), _widths(columns, rows)
    room = width - _BETWEEN * len(columns) + 1
    found = least
    for most in range(1, max(natural) + 1):  # texts that are shorter than this have a line to themselves
        wider = [min(whole, max(few, most)) for few, whole in zip(least, natural, strict=True)]
        if sum(wider) > room:
            break
        found = wider
    return found


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], fit: Fit | None = None) -> list[int]:
    """Width of each column in characters if nothing is broken; the column that wraps takes no more than its least."""
    from rich.cells import cell_len

    found = []
    for column, *cells in zip(columns, *rows, strict=True):
        name = column.lstrip(">")
        width = max(cell_len(part) for cell in (name, *cells) for part in cell.split("\n"))
        if fit is not None and name == fit.wraps:
            width = min(width, max(fit.least, *map(_longest_word, (name, *cells))))
        found.append(width)
    return found


def _natural_width(columns: Sequence[str], rows: Sequence[Sequence[str]], fit: Fit | None = None) -> int:
    """Width of a table in characters if nothing is broken."""
    return sum(_widths(columns, rows, fit)) + _BETWEEN * len(columns) - 1


def _broken_heads(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Headers in two or three lines, whichever is the smaller number with which the table fits."""
    from rich.cells import cell_len

    broken = list(columns)
    for lines in (2, 3):
        broken = []
        for column, *cells in zip(columns, *rows, strict=True):
            mark, name = (">", column[1:]) if column.startswith(">") else ("", column)
            least = max(1, _longest_word(name), *map(cell_len, cells))
            halves = [textwrap.wrap(name, w, break_long_words=False) for w in range(least, cell_len(name) + 1)]
            broken.append(mark + "\n".join(next((some for some in halves if len(some) <= lines), [name])))
        if _natural_width(broken, rows) <= width:
            break
    return broken


def fitted(
    columns: Sequence[str], rows: Sequence[Sequence[str]], fit: Fit, console: Console
) -> tuple[list[str], list[list[str]], tuple[str, ...]]:
    """Columns and rows that fit a console, and headers of those that do not.

    Args:
        columns, rows: of the whole table, as `table` takes them.
        fit: which may go.
        console: as wide as it is.
    """
    heads = [column.lstrip(">") for column in columns]
    shown = list(columns)
    if _natural_width(columns, rows, fit) > console.width:
        broken = _broken_heads(columns, rows, console.width)
        shown = [old if head == fit.wraps else new for old, new, head in zip(columns, broken, heads, strict=True)]
    widths = dict(zip(heads, _widths(shown, rows, fit), strict=True))

    def fits(gone: Sequence[str]) -> bool:
        taken = [width for head, width in widths.items() if head not in gone]
        return sum(taken) + _BETWEEN * len(taken) - 1 <= console.width

    may = [name for name in fit.leave_out if name in heads]
    gone = next((may[:count] for count in range(len(may) + 1) if fits(may[:count])), may)
    for name in gone[::-1]:  # one that is wide may leave room for others that went before it
        without = [other for other in gone if other != name]
        gone = without if fits(without) else gone
    kept = [i for i, head in enumerate(heads) if head not in gone]
    return [shown[i] for i in kept], [[row[i] for i in kept] for row in rows], tuple(gone)


def line(text: str, indent: int = 2, whole: bool = False) -> None:
    """Prints one line; on a terminal, several where it is too long for one.

    Args:
        text: the line.
        indent: columns in front of all but the first.
        whole: leave it as it is, because it is to be copied.
    """
    _echo(text if whole else _wrapped(text, sys.stdout, indent))


def paragraph(text: str) -> None:
    """Prints a long text in lines: as wide as the terminal, and of `TEXT_WIDTH` columns in a file or pipe."""
    if sys.stdout.isatty():
        line(text)
        return
    for row in textwrap.wrap(text, TEXT_WIDTH, subsequent_indent="  ", break_long_words=False):
        _echo(row)


def note(text: str) -> None:
    """Prints one line to stderr, unless only results are asked for."""
    if not is_quiet():
        _echo(_wrapped(f"note: {text}", sys.stderr), err=True)


def failure(message: str, hint: str, lines: Sequence[str] = ()) -> None:
    """Prints an error to stderr, what another tool said about it, and what to do."""
    _titled("error: ", message, fg="red", bold=True)
    for text in lines:
        _echo(f"  {text}", err=True)
    if hint:
        _titled("hint: ", hint, bold=True)


def _titled(title: str, text: str, **style: Any) -> None:
    """A line on stderr whose first word has a style, which takes no columns."""
    shown = _wrapped(title + text, sys.stderr)
    _echo(click.style(title, **style) + shown.removeprefix(title), err=True)


def _wrapped(text: str, stream: TextIO, indent: int = 2) -> str:
    """A text for a stream: on a terminal broken between words, elsewhere as it is."""
    if not stream.isatty():
        return text
    width = max(LEAST_WIDTH, shutil.get_terminal_size().columns)
    return textwrap.fill(
        text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False,
        replace_whitespace=False, drop_whitespace=True,
    )  # fmt: skip


def checkpoint_notes(notes: Sequence[str]) -> None:
    """Prints what a user should know of a checkpoint; what was merely ignored is for `inspect`, and for -v."""
    for text in notes:
        if _speech == VERBOSE or not text.startswith("ignored"):
            note(text)


def as_json(value: object) -> None:
    """Prints JSON."""
    _echo(json_text(value))


def _echo(text: str, err: bool = False) -> None:
    try:
        with _paused_bars():
            click.echo(text, err=err)
    except BrokenPipeError as error:
        raise ReaderLeftError from error


@contextmanager
def _paused_bars() -> Iterator[None]:
    """Takes bars off the terminal while something is printed there, to whichever stream."""
    for bars in _bars:
        bars.stop()
    try:
        yield
    finally:
        for bars in _bars:
            bars.start()


def _console(width: int | None = None) -> Console:
    from rich.console import Console

    return Console(width=width, highlight=False, emoji=False, markup=False)


@contextmanager
def progress() -> Iterator[opening.Progress]:
    """Progress on stderr: a bar on a terminal, one line for each kind of work elsewhere.

    Where the total is 0, nobody knows how much is left: the text is "work: step", and the step changes on the way.
    """
    if is_quiet():
        yield lambda _what, _done, _total: None
        return
    if _speech == VERBOSE or not sys.stderr.isatty():
        seen: set[str] = set()
        start = time.monotonic()

        def say(what: str, done: int, total: int) -> None:
            if _speech == VERBOSE:
                of = f" {done:,} of {total:,}" if total else ""
                _echo(f"[{timedelta(seconds=round(time.monotonic() - start))}] {what}{of}", err=True)
            elif what not in seen:
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
            bars.update(
                numbers[work], description=what, completed=done, total=total or None, visible=not total or done < total
            )

        _bars.append(bars)
        try:
            yield show
        finally:
            _bars.remove(bars)
