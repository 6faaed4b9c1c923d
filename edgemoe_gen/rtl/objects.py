"""Targets of a function's pointers: its parameters by their shapes, its local arrays, tables of constants."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl.shapes import Leaf, Shape
from edgemoe_gen.rtl.trace import Port
from edgemoe_gen.scheduling.ir import Function, Location, Module
from edgemoe_gen.scheduling.layout import Type
from edgemoe_gen.scheduling.places import DEFAULT_LATENCY, Pointer, Variables
from edgemoe_gen.scheduling.symbols import plain_name

_CONSTANT = re.compile(r"\bi\d+ (-?\d+)|zeroinitializer")


_APPENDED = re.compile(r"\.(?:i|addr|sroa|fca|retval|extract|trunc|copyload|load|\d+)\d*(?=\.|$)")
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Array:
    """A local array in registers: `leaves` from its start, `bytes` of all of it."""

    name: str
    leaves: tuple[Leaf, ...]
    bytes: int


@dataclass(frozen=True)
class Words:
    """A memory: elements of `bytes`, each of `banks` words with these leaves."""

    name: str
    leaves: tuple[Leaf, ...]
    bytes: int
    banks: int
    ports: tuple[Port, ...]


@dataclass(frozen=True)
class Table:
    """Constants of `bits` bits, one after another, each in `bytes`."""

    port: Port
    values: tuple[int, ...]
    bytes: int
    signed: bool


@dataclass
class Objects:
    """Targets of the pointers of a function.

    Attributes:
        shapes: shapes of its parameters and of the memories that it passes on, by name.
        callees: parameters of the modules that it calls, by symbol.
        location: place of the current instruction, for errors.
    """

    module: Module
    function: Function
    variables: Variables
    shapes: Mapping[str, Shape]
    callees: Mapping[str, Mapping[str, Shape]] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    location: Location | None = None
    _arrays: dict[str, Array] = field(default_factory=dict)
    _words: dict[tuple[str, int], Words] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._allocas = {
            i.name: i.element
            for block in self.function.blocks.values()
            for i in block.instructions
            if i.opcode == "alloca" and i.element is not None
        }

    def shape(self, pointer: Pointer) -> Shape | None:
        """Shape of the parameter that a pointer leads to; None: it leads to no parameter."""
        return self.shapes.get(pointer.variable)

    def is_memory(self, pointer: Pointer) -> bool:
        """Whether a place lies in a memory, be it a parameter or local."""
        shape = self.shape(pointer)
        if shape is not None:
            return shape.kind in ("memory", "memories")
        return pointer.variable in self._allocas and self.variables[pointer.variable].kind == "memory"

    def array(self, name: str) -> Array:
        """A local array that lies in registers."""
        if name not in self._arrays:
            type_ = self._allocas[name]
            leaves = flat_leaves(self.module, type_)
            self._arrays[name] = Array(plain(name), leaves, self.module.layout.size(type_))
        return self._arrays[name]

    def is_array(self, name: str) -> bool:
        """Whether a name is that of a local array."""
        return name in self._allocas

    def channel(self, pointer: Pointer) -> tuple[Port, Shape, int]:
        """The FIFO that a place lies in, its shape, and the place behind the beginning of the FIFO, bytes.

        A FIFO is two elements in memory: the first is the element that was read, the second the element to write. An
            AXI
        port is one of the two.
        """
        shape = self.shapes[pointer.variable]
        step = shape.bytes * (2 if shape.kind == "fifo" else 1)
        number, offset = divmod(pointer.offset, step)
        name = plain(pointer.variable) + (f"_{number}" if shape.count > 1 else "")
        port = Port(name, "fifo", pointer.variable, shape.bits, tuple(leaf.bits for leaf in shape.leaves))
        return port, shape, offset

    def words(self, pointer: Pointer) -> tuple[Words, Pointer]:
        """The memory that a place lies in, and the place from its start."""
        start, name, shape = 0, plain(pointer.variable), self.shape(pointer)
        if shape is not None and shape.members is not None:
            start = max(at for at in shape.members if at <= pointer.offset)
            member, shape = shape.members[start]
            name = f"{name}_{member}"
        key = (pointer.variable, start)
        if key not in self._words:
            self._words[key] = self._memory(pointer.variable, name, shape)
        return self._words[key], pointer.moved(-start)

    def _memory(self, variable: str, name: str, shape: Shape | None) -> Words:
        known = self.variables[variable]
        if shape is None:
            type_ = self.module.layout.resolved(self._allocas[variable])
            if type_.kind != "array":
                raise SimulationError(
                    f"{self.location or self.function.name}: the memory {name} is no array", "make it one"
                )
            word = type_.parts[0]
            size = self.module.layout.size(word)
            shape = Shape("memory", flat_leaves(self.module, word), size, depth=type_.count)
            local = True
        else:
            local = False
        lanes = tuple(leaf.bits for leaf in shape.leaves)
        ports = tuple(
            Port(
                name if shape.banks == 1 else f"{name}_{bank}",
                "memory",
                variable,
                shape.bits,
                lanes,
                shape.depth,
                known.latency,
                known.implementation,
                local,
            )
            for bank in range(shape.banks)
        )
        return Words(name, shape.leaves, shape.bytes, shape.banks, ports)

    def table(self, symbol: str) -> Table:
        """Constants, as the module defines them.

        Raises:
            SimulationError: the table is no array of integers.
        """
        if symbol not in self.tables:
            text = self.module.globals[symbol[1:].strip('"')]
            head, _, body = text.partition("] [")
            values = tuple(int(value or 0) for value in _CONSTANT.findall(body))
            count = re.search(r"\[(\d+) x (.+)$", head)
            if count is None or int(count[1]) != len(values):
                raise SimulationError(
                    f"{self.location or self.function.name}: {plain(symbol)} is no table of integers",
                    "make it an array of numbers",
                )
            element = self.module.layout.parse(count[2])
            signed = min(values) < 0
            bits = max(value.bit_length() if value >= 0 else (-value - 1).bit_length() for value in values)
            bits = max(1, bits + signed)
            port = Port(table_name(symbol), "table", symbol, bits, (bits,), len(values), DEFAULT_LATENCY, "lutram")
            self.tables[symbol] = Table(port, values, self.module.layout.size(element), signed)
        return self.tables[symbol]


def flat_leaves(module: Module, type_: Type, offset: int = 0) -> tuple[Leaf, ...]:
    """A type of LLVM as integers one after another; bits that only fill memory are part of them."""
    layout = module.layout
    type_ = layout.resolved(type_)
    if type_.kind == "array":
        size = 8 * layout.size(type_.parts[0])
        return tuple(
            leaf for k in range(type_.count) for leaf in flat_leaves(module, type_.parts[0], offset + k * size)
        )
    if type_.kind == "struct":
        return tuple(
            leaf
            for k, part in enumerate(type_.parts)
            for leaf in flat_leaves(module, part, offset + 8 * layout.offset(type_, k))
        )
    bits = 8 * layout.size(type_)
    return (Leaf(offset, bits, bits, True),)


@lru_cache(maxsize=100_000)
def plain(name: str) -> str:
    """A name of the IR as one of Verilog."""
    if name.startswith("@"):
        name = plain_name(name[1:].strip('"'))
    found = re.sub(r"\W", "_", name.lstrip("%").strip('"'))
    return f"v{found}" if found[:1].isdigit() else found


def readable(name: str) -> str:
    """A name of the IR as part of a readable name: short, and without the compiler's suffixes."""
    return plain(_APPENDED.sub("", name.strip('%"')))[:_LONGEST_NAME].rstrip("_") or "value"


def table_name(symbol: str) -> str:
    """The module of a table."""
    return plain(symbol).lower()


def target_name(variable: str, offset: int, own: Shape | None, wanted: Shape, array: bool) -> str:
    """Name of the ports of a passed variable, array element or member."""
    name = plain(variable)
    if own is not None and own.members is not None and wanted.members is None:
        return f"{name}_{own.members[offset][0]}"
    if array and wanted.kind == "fifo" and wanted.count == 1:
        return f"{name}_{offset // (2 * wanted.bytes)}"
    return name


def check_apart(
    callee: str, targets: Mapping[str, tuple[str, str]], shapes: Mapping[str, Shape], where: object
) -> None:
    """Checks that no memory is passed to a module twice: a memory has one read and one write port, for one parameter.

    Args:
        targets: for each parameter, the variable and the name of its ports.
        shapes: shapes of the module's parameters.
        where: the call.

    Raises:
        SimulationError: a memory is passed for two parameters; names both.
    """
    known: dict[str, str] = {}
    whole: dict[str, str] = {}
    for parameter, (variable, name) in targets.items():
        if shapes[parameter].kind not in ("memory", "memories"):
            continue
        other = known.get(name) or whole.get(variable)
        if shapes[parameter].kind == "memories":
            inside = (p for p, (v, _) in targets.items() if v == variable and p != parameter)
            other = other or next(inside, None)
            whole[variable] = parameter
        if other is not None:
            raise SimulationError(
                f"{where}: {callee} is handed the memory {name} for {plain(other)} and for {plain(parameter)}",
                "a memory has one port that reads and one that writes: hand it over once, or use two memories",
            )
        known[name] = parameter


def covering(leaves: Sequence[Leaf], offset: int, width: int) -> list[int]:
    """Numbers of the leaves that bits `offset` and on touch."""
    return [
        n for n, leaf in enumerate(leaves) if leaf.offset < offset + width and offset < leaf.offset + leaf.container
    ]


__all__ = [
    "Array",
    "Objects",
    "Table",
    "Words",
    "check_apart",
    "covering",
    "flat_leaves",
    "plain",
    "readable",
    "table_name",
    "target_name",
]
