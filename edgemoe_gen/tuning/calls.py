"""Calls of a subject's methods, for a runner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LOST_WORKERS = 10  # that one call may have lost before it is given up


@dataclass(frozen=True)
class Call:
    """A method of the subject and its arguments; `heavy`: it mostly waits for other programs, such as compilers."""

    method: str
    arguments: tuple[Any, ...]
    heavy: bool = False


# Takes the number of a call and a text that it tells.
Hear = Callable[[int, str], None]
