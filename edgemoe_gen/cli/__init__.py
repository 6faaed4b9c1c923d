"""The command line: `edgemoe-gen`. Commands parse, call one function of `edgemoe_gen.api`, and show what it returns."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code.

    Everything is imported in here, so that Ctrl-C ends the program without a traceback from its first moment on.
    """
    try:
        from edgemoe_gen.cli.group import run

        return run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
