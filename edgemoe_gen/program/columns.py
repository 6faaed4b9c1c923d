"""Operations of a program as columns, one for each field, and the error for the first operation that breaks a rule.

In: the words of operations, and a design. `verify` and `verify_maps` hold the rules.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.errors import ProgramError
from edgemoe_gen.design import Design
from edgemoe_gen.hardware import descriptor as d
from edgemoe_gen.hardware import kinds, memories

Column = NDArray[np.int64]
Mask = NDArray[np.bool_]

_KINDS = list(kinds.KINDS)
_MEMORIES = list(memories.MEMORIES)


def operation_columns(operations: NDArray[np.uint32]) -> dict[str, Column]:
    """Every field of operations [operations, words], by name."""
    signed = {32: np.int32, 16: np.int16}
    return {
        p.name: (operations[:, p.word] >> np.uint32(p.low)).astype(signed[p.bits]).astype(np.int64)
        for p in d.field_places()
    }


def ceiling(value: Column, by: int | Column) -> Column:
    """value / by, rounded up."""
    return -(-value // by)


class Columns:
    """One program's fields as columns, and their meaning on a design."""

    def __init__(self, operations: NDArray[np.uint32], design: Design) -> None:
        self.operations = operations
        self.design = design
        self.f = operation_columns(operations)
        kind, operand = self.f["kind"], self.f["operand"]
        self.product = self.that("computes")
        self.of = {name: kind == kinds.number(name) for name in kinds.USES if name in kinds.KINDS}
        self.of |= {name: self.product & (operand == kinds.operand_number(name)) for name in kinds.OPERANDS}
        self.index = np.arange(len(operations))
        sides = [tuple(map(_MEMORIES.index, path)) for path in memories.PATHS]
        path = np.clip(self.f["path"], 0, len(memories.PATHS) - 1)
        self.source, self.destination = (np.array(side)[path] for side in zip(*sides, strict=True))
        self.depths = np.array([design.memory_depths[memory] for memory in memories.MEMORIES], np.int64)
        self.lanes = np.array([design.memory_lanes(memory) for memory in memories.MEMORIES], np.int64)
        self.operands = np.array([memory.operands for memory in memories.MEMORIES.values()])

    def that(self, fact: str) -> Mask:
        """Operations of the kinds for which a fact (`hardware.kinds.Kind`) is true."""
        return np.isin(self.f["kind"], [kinds.number(name) for name in kinds.kinds_that(fact)])

    def of_part(self, part: str) -> Mask:
        """Operations whose kinds only exist in designs with this part (`hardware.parts`)."""
        return np.isin(self.f["kind"], [kinds.number(name) for name in kinds.kinds_of(part)])

    def depth(self, memory: str) -> int:
        """Addresses of a memory."""
        return int(self.depths[_MEMORIES.index(memory)])

    def in_memories(self, side: Column, names: Iterable[str]) -> Mask:
        """Operations whose source or destination is one of some memories."""
        return np.isin(side, [_MEMORIES.index(name) for name in names])

    # Saying no

    def rule(self, where: Mask, field: str, holds: Mask, said: str) -> None:
        """Raises for the first operation of `where` whose field breaks the rule."""
        broken = where & ~holds
        if broken.any():
            at = int(broken.argmax())
            kind = int(self.f["kind"][at])
            name = _KINDS[kind] if 0 <= kind < len(_KINDS) else f"kind {kind}"
            raise ProgramError(
                f"operation {at} ({name}) has {field} {int(self.f[field][at])}, but {said}", "build the program again"
            )

    def within(self, where: Mask, field: str, least: int | Column, most: int | Column) -> None:
        """Rule: a field lies between two bounds, inclusive."""
        value = self.f[field]
        broken = where & ~((value >= least) & (value <= most))
        if broken.any():
            at = int(broken.argmax())
            low, high = (int(np.broadcast_to(bound, value.shape)[at]) for bound in (least, most))
            self.rule(
                where, field, ~broken, f"it must be {low}" if low == high else f"it lies between {low} and {high}"
            )

    def equal(self, where: Mask, field: str, expected: int | Column, said: str) -> None:
        """Rule: a field follows from others."""
        broken = where & (self.f[field] != expected)
        if broken.any():
            right = int(np.broadcast_to(expected, broken.shape)[int(broken.argmax())])
            self.rule(where, field, ~broken, f"{said} {right}")

    def among(self, where: Mask, field: str, values: Iterable[int], said: str) -> None:
        """Rule: a field has one of a few values."""
        self.rule(where, field, np.isin(self.f[field], list(values)), said)
