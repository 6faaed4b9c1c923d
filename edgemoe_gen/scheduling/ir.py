"""LLVM IR for schedules: a module's functions, their blocks and instructions, each with its source line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgemoe_gen.scheduling.elements import Elements
from edgemoe_gen.scheduling.layout import Layout, Type


@dataclass(frozen=True)
class Location:
    """A line of a source, and where the function that it stands in was inlined."""

    file: str
    line: int
    function: str = ""
    caller: Location | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class Instruction:
    """One instruction.

    Attributes:
        opcode: of LLVM; "call" also where it is a tail call.
        name: of its value, with %; "" without one.
        type: type of its value; for a store that of the stored value, for a comparison that of its operands.
        operands: values as written: %name, @name or a constant.
        blocks: for a phi, the blocks of its operands; for a branch or switch, its targets.
        detail: predicate of a comparison, callee of a call, cases of a switch as numbers.
        element: the type that a getelementptr counts in, an alloca makes or a cast takes.
        location: innermost source line, or None.
        offsets: bytes after the start of variables that operands name, by the operand's number.
    """

    opcode: str
    name: str
    type: Type
    operands: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    detail: str = ""
    cases: tuple[int, ...] = ()
    element: Type | None = None
    location: Location | None = None
    offsets: Mapping[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Block:
    """Instructions that run one after another. `loop` is the source line of the loop that its branch goes back to."""

    name: str
    instructions: list[Instruction] = field(default_factory=list)
    loop: Location | None = None

    @property
    def successors(self) -> tuple[str, ...]:
        """Names of the blocks that may follow, each once."""
        last = self.instructions[-1] if self.instructions else None
        return tuple(dict.fromkeys(last.blocks)) if last is not None and last.opcode in ("br", "switch") else ()


@dataclass(frozen=True)
class Parameter:
    """A parameter; `by_value` is the type of a struct that the caller copies, or None."""

    name: str
    type: Type
    by_value: Type | None


@dataclass(frozen=True)
class Function:
    """A function with its blocks in the order of the text.

    Attributes:
        symbol: its mangled name.
        types: of variables by the name of their pointer, as `Module.elements` numbers them.
    """

    symbol: str
    name: str
    parameters: tuple[Parameter, ...]
    blocks: Mapping[str, Block]
    types: Mapping[str, int]


@dataclass(frozen=True)
class Module:
    """A compiled unit. `globals` are variables by symbol, with what stands behind their equals sign."""

    functions: Mapping[str, Function]
    globals: Mapping[str, str]
    layout: Layout
    elements: Elements


__all__ = ["Block", "Function", "Instruction", "Location", "Module", "Parameter"]
