"""One operation of a loop's graph."""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.scheduling.ir import Location

# Nodes that only move bits. "mask" is a bitwise operation with a constant.
WIRES = frozenset(("const", "input", "carried", "concat", "slice", "sext", "not", "mask", "field"))


@dataclass(slots=True)
class Node:
    """One operation.

    Attributes:
        op: "const", "input" (known before the loop), "carried" (by the iteration before), a wire (`WIRES`), an opcode
            of LLVM, "merge" (a phi), "mux" (an element of registers by index), or an access: "load", "store", "read",
            "write", "field" (of what was read).
        args: numbers of other nodes; of a merge first its values, then the one-bit values that choose.
        width: bits of the value, 0 without one.
        detail: value of a constant, first bit of a slice, predicate of a comparison, elements of a mux; of an access
            its number.
        name: of inputs and carried values, as the compiler has it.
    """

    number: int
    op: str
    args: tuple[int, ...]
    width: int
    detail: int | str = 0
    name: str = ""
    location: Location | None = None


def choices(node: Node) -> tuple[int, ...]:
    """The values that a select or merge chooses from."""
    if node.op == "select":
        return node.args[1:]
    return node.args[: int(node.detail)] if node.op == "merge" else ()


__all__ = ["WIRES", "Node", "choices"]
