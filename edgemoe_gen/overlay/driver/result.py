"""The result of a frame, and its conversion from the engine's bytes.

In: a result buffer. Out: tokens, and `Result` with the task's output.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from .layouts import ResultLayout, Task
from .maps import pixels_of


@dataclass(frozen=True, eq=False)
class Result:
    """Outcome of one frame for one task.

    Attributes:
        frame: number of the frame in its stream or batch; 0 for `run`.
        task: name.
        tokens: final tokens, float32 [tokens, dim]; the class token, where there is one, is row 0.
        output: the task's map, float32 [classes, height, width], at the size of the network's picture; for a plain ViT
            its logits, float32 [classes]. None where the network has no decoder or `decode` was False, and where the
            engine gives class numbers, unless `decode` was "map".
        seconds: time of the engine alone, from start to end; for a batch, or for tasks that share a pass of the
            backbone, this result's share.
        stages: seconds by stage: "pack", "engine", "decode" (on the host). A frame for several tasks is packed once,
            and the first task's result counts this time.
        ids: the engine's class numbers, uint8 [height, width]; None where the engine gives no classes.
    """

    frame: int
    task: str
    tokens: Any
    output: Any
    seconds: float
    stages: dict[str, float]
    ids: Any = None

    @property
    def classes(self) -> Any:
        """The most likely class of every pixel, uint8 [height, width] (uint16 beyond 256 classes).

        It is None where the output is no map of classes.
        """
        if self.ids is not None:
            return self.ids
        if self.output is None or self.output.ndim != 3 or self.output.shape[0] < 2:
            return None
        kind = np.uint8 if self.output.shape[0] <= 256 else np.uint16
        return self.output.argmax(axis=0).astype(kind)


def tokens_of(buffer: Any, layout: ResultLayout) -> Any:
    """Tokens in a result buffer, uint8 [bytes], as float32 [tokens, dim]: a copy."""
    region = buffer[layout.first : layout.first + layout.tokens * layout.row_bytes]
    integers = region.view("<i4").reshape(layout.tokens, -1)[:, : layout.dim]
    return (integers * 2.0**-layout.fraction).astype(np.float32)


class Found:
    """Results of a task's program, copied out of a result buffer; and the seconds of the copy."""

    def __init__(self, buffer: Any, task: Task) -> None:
        start = time.perf_counter()
        self.task = task
        self.tokens = tokens_of(buffer, task.result)
        self.pixels = None if task.map is None else pixels_of(buffer, task.map)
        self.seconds = time.perf_counter() - start
