"""How an overlay's parts lie: the picture, the programs, the weights, the results, and the tasks that name them.

Frozen facts of `manifest.json`, which `manifest` reads; all offsets and sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .maps import MapLayout

TOKENS, MAP = "tokens", "map"  # programs of a task beside its own: without its decoder, and to a float map


@dataclass(frozen=True)
class Slice:
    """Columns `start` to `stop` of every patch: rows of `row_bytes`, from byte `first` of the image buffer."""

    first: int
    row_bytes: int
    start: int
    stop: int


@dataclass(frozen=True)
class ImageLayout:
    """The picture of a network, `(pixel * scale - mean) / std`, and its layout in the image buffer.

    Attributes:
        height, width: in pixels; three channels, red first.
        scale, mean, std: the normalisation.
        patch: side of a square patch in pixels.
        class_token: whether row 0 belongs to a class token, and is zero.
        tokens: rows.
        bits, fraction: format of a value; it takes 16 bits in the buffer.
        size: size of the buffer.
        slices: pieces of the patches, one after another.
        resize: "bilinear" for frames of another size, "error" to refuse them.
        extra_tokens: rows after the class token's that belong to no patch and are zero.
    """

    height: int
    width: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    patch: int
    class_token: bool
    tokens: int
    bits: int
    fraction: int
    size: int
    slices: tuple[Slice, ...]
    resize: str = "error"
    extra_tokens: int = 0

    @property
    def prefix_tokens(self) -> int:
        """Rows before those of the patches."""
        return int(self.class_token) + self.extra_tokens


@dataclass(frozen=True)
class ResultLayout:
    """Tokens in the result buffer: `tokens` rows of `row_bytes`, each of `dim` 32-bit values and padding."""

    first: int
    row_bytes: int
    tokens: int
    dim: int
    fraction: int
    size: int


@dataclass(frozen=True)
class Operations:
    """The operations of a task's program, as far as the driver needs them.

    Attributes:
        total: number of operations.
        image, result: those that read the image and write the result, by number: a batch moves them.
        parts: first operation of each part of the network, ascending, and the part's name.
        backbone: operations before those of the first decoder; all of them without one.
        frames: frames of the program, which share one pass of the weights.
    """

    total: int
    image: tuple[int, ...]
    result: tuple[int, ...]
    parts: tuple[tuple[int, str], ...]
    backbone: int
    frames: int = 1

    def place(self, done: int) -> str:
        """Place of the engine after a number of operations: ", in block 7, expert 3"."""
        if not 0 <= done < self.total:
            return ""
        names = [name for first, name in self.parts if first <= done]
        return f", in {names[-1]}" if names else ""


@dataclass(frozen=True)
class Pass:
    """A task's program for several frames that share a pass of the weights: its file and its operations."""

    program: str
    operations: Operations


@dataclass(frozen=True)
class ProgramLayout:
    """Layout of a program in its file: a header, then operations of `operation_words` 32-bit words.

    Attributes:
        header_words, operation_words: sizes.
        operations_word, frames_word, checksum_word: words of the header; the last is a CRC-32 of the whole program,
            with itself taken as 0.
        transfer_word: word of an operation: the beat at which it reads the image or writes the result.
        beat_bytes: size of a beat.
        most_operations: most operations of a program.
    """

    header_words: int
    operation_words: int
    operations_word: int
    frames_word: int
    checksum_word: int
    transfer_word: int
    beat_bytes: int
    most_operations: int


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: of the task.
        classes, class_names: channels of its output and their names; None and () where unknown.
        program: file of its program.
        operations: operations of the program.
        shared: the program for frames that share a pass of the weights; None where a pass is one frame's.
        result: layout of the tokens.
        expected: file with the answer of the self-test.
        where: place of its decoder: "engine"; "logits", on the engine without the last doubling; "host"; "" without
            one.
        reason: a sentence why a part of the decoder is not on the engine; "" if all of it is.
        decoder: "up_head" or "head" for a decoder on the host, or None.
        decoder_tensors: prefix of the names of its decoder's tensors.
        map: layout of the map by the engine's decoder; None where the engine ends with the tokens.
        variants: the same task with other programs, by name: TOKENS ends with the tokens, MAP with logits.
    """

    name: str
    classes: int | None
    class_names: tuple[str, ...]
    program: str
    operations: Operations
    result: ResultLayout
    expected: str
    decoder: str | None
    decoder_tensors: str
    shared: Pass | None = None
    where: str = ""
    reason: str = ""
    map: MapLayout | None = None
    variants: Mapping[str, Task] = field(default_factory=dict)

    @property
    def every(self) -> list[Task]:
        """The task and its variants."""
        return [self, *self.variants.values()]

    def to(self, decode: bool | str) -> Task:
        """The variant of the task for `decode`, as in `Accelerator.run`."""
        if not decode:
            return self.variants.get(TOKENS, self)
        return self.variants.get(MAP, self) if decode == MAP else self


@dataclass(frozen=True)
class Weights:
    """The weight file: a header, then `ports` regions of `port_bytes`, then the constants."""

    file: str
    header_bytes: int
    ports: int
    port_bytes: int
    constant_bytes: int


def operations_of(content: dict[str, Any]) -> Operations:
    """The operations in a table of the manifest."""
    return Operations(
        int(content["total"]),
        tuple(content["image"]),
        tuple(content["result"]),
        tuple((int(first), str(name)) for first, name in content["parts"].items()),
        int(content["backbone"]),
        int(content["frames"]),
    )
