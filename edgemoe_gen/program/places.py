"""Places of matrices: in the activation memories, in the result buffer, in the image buffer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.hardware.memories import GATHERED
from edgemoe_gen.numerics.fixed import Format


@dataclass(frozen=True)
class Place:
    """Place of a matrix: memory, columns with values, format, words of a row, first word, first block of rows.

    A map may begin at any address, which is then its first word. `lane`: lane of the first row, where the row does not
    begin a block; such rows can be normalised.
    """

    memory: str
    columns: int
    form: Format
    stride: int
    word: int = 0
    block: int = 0
    lane: int = 0


@dataclass(frozen=True)
class Rows:
    """Rows of the frames that share a pass of the weights: `tokens` rows of each, frames `pitch` rows apart."""

    tokens: int
    frames: int = 1
    pitch: int = 0

    @property
    def total(self) -> int:
        """Rows from the first frame's first token to the last one's last."""
        return (self.frames - 1) * self.pitch + self.tokens

    @property
    def routed(self) -> int:
        """Rows that are tokens."""
        return self.frames * self.tokens


@dataclass(frozen=True)
class Gathering:
    """The tokens of an expert's queue, copied side by side from one memory to another (`GATHERED`)."""

    expert: int
    source: Place
    destination: Place

    def __post_init__(self) -> None:
        memories = (self.source.memory, self.destination.memory)
        starts = (self.source.word, self.source.block, self.destination.word, self.destination.block)
        if memories != GATHERED or any(starts) or self.source.stride != self.destination.stride:
            raise ValueError(
                f"tokens are gathered from the start of {GATHERED[0]} to that of {GATHERED[1]}, not {self}"
            )


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
