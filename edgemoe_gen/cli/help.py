"""How `--help` is laid out: no word and no example is broken by the edge of the terminal.

An example that is longer than a line goes on in the next one behind a backslash, so that it can still be copied.
"""

from __future__ import annotations

import re
import sys
import textwrap

import click

_REMARK = re.compile(r"^(?P<said>.*?\S)(?P<remark> {2,}\(.*\))$")  # what an example is good for, behind it


class HelpFormatter(click.HelpFormatter):
    """Click's, but for what is too long."""

    def getvalue(self) -> str:
        """The whole text; on a terminal lines end where it ends."""
        text = super().getvalue()
        if not sys.stdout.isatty():
            return text
        lines = [part for line in text.splitlines() for part in folded(line, self.width)]
        return "\n".join(lines) + "\n"


class HelpContext(click.Context):
    """The context of every command."""

    formatter_class = HelpFormatter


def folded(line: str, width: int) -> list[str]:
    """A line of an example, in as many as it takes; words are whole."""
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    if remark := _REMARK.match(line):
        below = textwrap.wrap(
            remark["remark"].strip(), width, initial_indent=indent + "  ", subsequent_indent=indent + "  ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        return [*folded(remark["said"], width), *below]
    parts = textwrap.wrap(
        line.strip(), width - 2, initial_indent=indent, subsequent_indent=indent + "    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [*(part + " \\" for part in parts[:-1]), *parts[-1:]]
