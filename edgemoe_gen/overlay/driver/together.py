"""Several tasks of one frame in one program: the backbone once, then the decoder of each.

In: the tasks' own programs, where no gate depends on the task, so that all compute the same tokens. Out: one program
that reads the same weights, and the place of each task's map after the tokens. The program is made at its first use.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .batch import with_header
from .buffers import Buffer, filled
from .hardware import Board
from .layouts import MAP, Operations, ProgramLayout, Task
from .manifest import Manifest

AT_ONCE = "at once"  # says of tasks in a message that they ran in one program


@dataclass(frozen=True)
class Together:
    """Tasks that one start of the engine runs on a frame.

    Attributes:
        tasks: the tasks, with the places of their maps in the one result buffer.
        operations: operations of the program.
    """

    tasks: tuple[Task, ...]
    operations: Operations

    @property
    def size(self) -> int:
        """Bytes of the result buffer."""
        return self.tasks[0].result.size


def together(tasks: Sequence[Task]) -> Together:
    """Tasks in one program: the tokens, then their maps in this order."""
    first = tasks[0]
    if len(tasks) == 1:
        return Together((first,), first.operations)
    *moves, maps = _moves(tasks)
    result = replace(first.result, size=_tokens_end(first) + maps)
    moved = [
        replace(
            task,
            result=result,
            map=None if task.map is None else replace(task.map, first=task.map.first + moves[place]),
        )
        for place, task in enumerate(tasks)
    ]
    count = first.operations.backbone
    parts = [part for part in first.operations.parts if part[0] < count]
    stores = [place for place in first.operations.result if place < count]
    for task in tasks:
        own = task.operations
        if own.total > own.backbone:
            parts.append((count, f"the decoder of {task.name}"))
        stores += [count + place - own.backbone for place in own.result if place >= own.backbone]
        count += own.total - own.backbone
    operations = Operations(count, first.operations.image, tuple(stores), tuple(parts), first.operations.backbone)
    return Together(tuple(moved), operations)


def together_program(files: Mapping[str, bytes], tasks: Sequence[Task], layout: ProgramLayout) -> bytes:
    """The program of `together`, from the tasks' own programs, by name of file."""
    every, moves = [], _moves(tasks)
    for place, task in enumerate(tasks):
        words: Any = np.frombuffer(files[task.program], "<u4")
        own = words[layout.header_words :].reshape(task.operations.total, layout.operation_words).copy()
        backbone = task.operations.backbone
        stores = [at for at in task.operations.result if at >= backbone]
        own[stores, layout.transfer_word] += np.uint32(moves[place] // layout.beat_bytes)
        every.append(own[0 if place == 0 else backbone :])
    return with_header(files[tasks[0].program], layout, np.concatenate(every).tobytes(), 1)


def as_one(tasks: Sequence[Task], files: Mapping[str, bytes], layout: ProgramLayout) -> tuple[bytes, Task, Any]:
    """Program of one start for these tasks, this program as one task, and each task with its place in the result."""
    if len(tasks) == 1:
        return files[tasks[0].program], tasks[0], tuple(tasks)
    both = together(tasks)
    whole = replace(both.tasks[0], operations=both.operations, shared=None)
    return together_program(files, tasks, layout), whole, both.tasks


def largest_result(manifest: Manifest) -> int:
    """Bytes of the largest result of one start of the engine."""
    every = list(manifest.tasks.values())
    sizes = [own.result.size for task in every for own in task.every]
    for decode in (True, False, MAP):
        steps = manifest.steps(tuple(manifest.tasks))
        sizes += [together([manifest.tasks[name].to(decode) for name in step]).size for step in steps]
    return max(sizes)


def joint_answer(manifest: Manifest, names: Sequence[str]) -> Any:
    """Joint result of tasks in one program for the self-test's picture, uint8 [bytes], from each task's own result."""
    tasks = [manifest.tasks[name] for name in names]
    first, *others = (np.frombuffer(manifest.read(task.expected), np.uint8) for task in tasks)
    return np.concatenate([first, *(answer[_tokens_end(tasks[0]) :] for answer in others)])


class Programs:
    """The programs in DDR: all tasks' own programs, and requested programs of several tasks.

    Args:
        board: the board with the memory.
        manifest: manifest of the overlay.
        files: the tasks' own programs by name.
    """

    def __init__(self, board: Board, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        self._board, self._manifest, self._files = board, manifest, files
        self._lock = threading.Lock()
        self._own = {
            own.program: filled(board, f"the program of {task.name}", files[own.program])
            for task in manifest.tasks.values()
            for own in task.every
        }
        self._several: dict[tuple[str, ...], tuple[Buffer, Together]] = {}

    def of(self, names: Iterable[str], decode: Any) -> tuple[Buffer, Together]:
        """The program of a step of `Manifest.steps`, and its results; `decode` as in `Accelerator.run`.

        Raises:
            OverlayError: the board has no memory for the program.
        """
        tasks = [self._manifest.tasks[name].to(decode) for name in names]
        if len(tasks) == 1:
            return self._own[tasks[0].program], together(tasks)
        key = tuple(task.program for task in tasks)
        with self._lock:
            if key not in self._several:
                made = together_program(self._files, tasks, self._manifest.layout)
                what = f"the program of {' and '.join(task.name for task in tasks)}"
                self._several[key] = filled(self._board, what, made), together(tasks)
            return self._several[key]


def _moves(tasks: Sequence[Task]) -> list[int]:
    """Offset in bytes of each task's map beyond that in its own program; last, the bytes of all maps."""
    moves = [0]
    for task in tasks:
        moves.append(moves[-1] + task.result.size - _tokens_end(task))
    return moves


def _tokens_end(task: Task) -> int:
    return task.result.first + task.result.tokens * task.result.row_bytes
