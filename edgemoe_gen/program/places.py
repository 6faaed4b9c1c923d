"""Where matrices lie: in the activation memories, in the result buffer, in the image buffer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.numerics.fixed import Format
from edgemoe_gen.program.descriptor import PATHS


@dataclass(frozen=True)
class Place:
    """Where a matrix lies: memory, columns with values, format, words a row, first word, first block of rows."""

    memory: str
    columns: int
    form: Format
    stride: int
    word: int = 0
    block: int = 0


@dataclass(frozen=True)
class Region:
    """A matrix in the result buffer: `tokens` x `columns` values of format `form`, or the routes of a block."""

    name: str
    first: int
    beats: int
    tokens: int
    columns: int
    form: Format


@dataclass(frozen=True)
class ImageSlice:
    """Columns `start` to `stop` of every patch, at beat `first` of the image buffer."""

    first: int
    start: int
    stop: int


def path_from(memory: str) -> int:
    """A path whose source is `memory`."""
    return next(i for i, (source, _) in enumerate(PATHS) if source == memory)


def path_to(memory: str) -> int:
    """A path whose destination is `memory`."""
    return next(i for i, (_, destination) in enumerate(PATHS) if destination == memory)
