"""The running command line: the entry point sets it, a report shows it. None where Python calls the API."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_said: list[str] = []


def set_command(words: Sequence[str]) -> None:
    """Sets the command line, program first."""
    _said[:] = [shlex.join(words)]


def command() -> str | None:
    """The command line, quoted for a shell."""
    return _said[0] if _said else None
