"""Layout of `--help`: the edge of the terminal breaks no word and no example.

A backslash ends each line of a long example, so the example can still be copied.
"""

from __future__ import annotations

import re
import sys
import textwrap

import click

_REMARK = re.compile(r"^(?P<said>.*?\S)(?P<remark> {2,}\(.*\))$")  # a remark in parentheses after an example


class HelpFormatter(click.HelpFormatter):
    """Click's formatter, with long examples folded."""

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
    """A line of an example, folded into as many lines as it needs; words stay whole."""
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
