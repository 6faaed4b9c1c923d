"""The kernels of a rendered project: their files, and all their loops."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from edgemoe_gen.kernels.constants import read_constants
from edgemoe_gen.kernels.reading import read_source
from edgemoe_gen.kernels.source import Loop, Source
from edgemoe_gen.kernels.text import KernelError

# Files that hold no kernels: FIFOs, ports and memories as hardware and each simulation have them.
RUNTIME_FILES = ("src/fifo.h", "src/port.h", "src/memory.h")
_FILE = re.compile(r"src/\w+\.(h|cpp)")


@dataclass(frozen=True)
class Kernels:
    """Kernels that have been read, in the order of the project's files.

    Attributes:
        sources: by path.
    """

    sources: Mapping[str, Source]

    @cached_property
    def constants(self) -> Mapping[str, int]:
        """Whole-number constants by name in small letters."""
        return read_constants(source.text for source in self.sources.values())

    @cached_property
    def loops(self) -> tuple[Loop, ...]:
        """Loops that take time, each with a label of its own."""
        return tuple(loop for source in self.sources.values() for loop in source.timed_loops)


def read_kernels(files: Mapping[str, str]) -> Kernels:
    """Reads the kernels among a project's files.

    Args:
        files: text by path.

    Raises:
        KernelError: a kernel has an unknown form, or two loops that take time have the same label.
    """
    sources = {name: read_source(name, text) for name, text in files.items() if _is_kernel(name)}
    kernels = Kernels(sources)
    labels: dict[str, Loop] = {}
    for loop in kernels.loops:
        other = labels.setdefault(loop.label, loop)
        if other is not loop:
            raise KernelError(
                f"two loops have the label {loop.label}: {other.file}, line {other.line}, and {loop.file}, "
                f"line {loop.line}; the timing table could not tell them apart",
                "give one of them another label",
            )
    return kernels


def _is_kernel(name: str) -> bool:
    return name not in RUNTIME_FILES and _FILE.fullmatch(name) is not None
