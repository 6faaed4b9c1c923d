"""Places of a loop's loads and stores: pointers as a variable, a fixed offset and scaled indices; kinds of variables.

A variable is a FIFO or AXI port (it is passed to one of the access functions), a memory (a parameter that is an array,
or a local one that a pragma binds to storage), registers (any other local array), a table, or a copied struct.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

from edgemoe_gen.scheduling.elements import Exact
from edgemoe_gen.scheduling.ir import Function, Instruction, Module
from edgemoe_gen.scheduling.sources import Prepared, Storage
from edgemoe_gen.scheduling.symbols import plain_name

FIFO_READ, FIFO_WRITE = "edgemoe_fifo_read", "edgemoe_fifo_write"
AXI_READ, AXI_WRITE, AXI_REQUEST = "edgemoe_axi_read", "edgemoe_axi_write", "edgemoe_axi_request"
CHANNEL_CALLS = frozenset((FIFO_READ, FIFO_WRITE, AXI_READ, AXI_WRITE, AXI_REQUEST))
DEFAULT_LATENCY = 1  # of a memory whose latency no pragma states (UG1399, pragma HLS bind_storage)


@dataclass(frozen=True)
class Pointer:
    """A place: `offset` bytes after the start of a variable, plus scale x index for each term."""

    variable: str
    offset: int = 0
    terms: tuple[tuple[int, int], ...] = ()  # bytes, node of the index

    def moved(self, offset: int, terms: Iterable[tuple[int, int]] = ()) -> Pointer:
        """The place at a further offset."""
        return Pointer(self.variable, self.offset + offset, self.terms + tuple(terms))


@dataclass(frozen=True)
class Variable:
    """Variable to which pointers belong.

    Attributes:
        name: its name in the sources.
        kind: "fifo", "axi", "memory", "registers", "table" or "values" (known before the loop).
        latency: cycles of a memory's read.
        implementation: "bram", "uram", "lutram", or "" where the tool chooses.
        whole: all of it is one array, so any two accesses may meet.
        channels: offsets of the FIFOs in an array of them.
        one_word: an element is read and written as a whole.
    """

    name: str
    kind: str
    latency: int = 0
    implementation: str = ""
    whole: bool = True
    channels: tuple[int, ...] = ()
    one_word: bool = False

    def channel(self, offset: int) -> tuple[int, str]:
        """Begin and name of the FIFO of a place."""
        first = max((start for start in self.channels if start <= offset), default=0)
        step = gcd(*self.channels) if self.channels else 0
        return first, f"{self.name}[{first // step}]" if step else self.name


class Variables:
    """The variables of a function. `bindings` are the memories that callers pass, by function and parameter."""

    def __init__(
        self, module: Module, function: Function, prepared: Prepared, bindings: Mapping[tuple[str, str], frozenset[str]]
    ) -> None:
        self._module = module
        self._function = function
        self._prepared = prepared
        self._bindings = bindings
        self._allocas = {
            instruction.name: instruction
            for block in function.blocks.values()
            for instruction in block.instructions
            if instruction.opcode == "alloca"
        }
        self._parameters = {parameter.name: parameter for parameter in function.parameters}
        self._channels = _channels(function, module)
        self._written = _written(function)
        self._known: dict[str, Variable] = {}

    def __getitem__(self, name: str) -> Variable:
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def exact(self, place: Pointer, bits: int) -> Exact | None:
        """The integer of exact width at a place, `bits` behind it."""
        return self._module.elements.exact(self._function.types.get(place.variable), 8 * place.offset + bits)

    def is_root(self, name: str) -> bool:
        """Whether a pointer of this name is the start of a variable."""
        return name.startswith("@") or name in self._allocas or name in self._parameters

    def _find(self, name: str) -> Variable:
        plain = source_name(name)
        if name in self._channels:
            kind, offsets = self._channels[name]
            return Variable(plain, kind, channels=offsets if len(offsets) > 1 or offsets[:1] != (0,) else ())
        if name.startswith("@"):
            return Variable(plain_symbol(name), "table", DEFAULT_LATENCY, "lutram")
        if name in self._allocas:
            # Of a helper that was inlined, the function is not told: then what is said of the name anywhere counts.
            owner = "" if ".i" in name else self._function.name
            storage = self._prepared.storage_of(plain, owner)
            if storage is not None and not self._prepared.is_partitioned(plain, owner):
                whole = self._prepared.is_aggregated(plain, owner)
                return Variable(plain, "memory", _latency(storage), storage.implementation, one_word=whole)
            return Variable(plain, "registers")
        parameter = self._parameters.get(name)
        if parameter is None or parameter.by_value is not None:
            return Variable(plain, "registers" if name in self._written else "values")
        bound = [
            storage
            for root in self._bindings.get((self._function.symbol, name), frozenset())
            if (storage := self._prepared.storage_of(root)) is not None
        ]
        latency = max((_latency(storage) for storage in bound), default=DEFAULT_LATENCY)
        kinds = [storage.implementation for storage in bound if _latency(storage) == latency]
        slowest = next((kind for kind in ("uram", "bram") if kind in kinds), kinds[0] if kinds else "")
        whole = self._prepared.is_aggregated(plain) and not self._prepared.is_partitioned(plain)
        return Variable(plain, "memory", latency, slowest, whole=False, one_word=whole)


def _latency(storage: Storage) -> int:
    return DEFAULT_LATENCY if storage.latency is None else storage.latency


def _channels(function: Function, module: Module) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Variables that are handed to access functions: kind, and the offsets at which their FIFOs begin."""
    pointers = {
        instruction.name: instruction
        for block in function.blocks.values()
        for instruction in block.instructions
        if instruction.opcode == "getelementptr"
    }
    found: dict[str, tuple[str, set[int]]] = {}
    for block in function.blocks.values():
        for instruction in block.instructions:
            if instruction.opcode != "call" or instruction.detail not in CHANNEL_CALLS:
                continue
            name, offset = instruction.operands[0], 0
            while name in pointers:
                offset += fixed_offset(module, pointers[name])
                name = pointers[name].operands[0]
            kind = "fifo" if instruction.detail in (FIFO_READ, FIFO_WRITE) else "axi"
            found.setdefault(name, (kind, set()))[1].add(offset)
    return {name: (kind, tuple(sorted(offsets))) for name, (kind, offsets) in found.items()}


def _written(function: Function) -> frozenset[str]:
    """Variables that are stored to."""
    instructions = [i for block in function.blocks.values() for i in block.instructions]
    above = {i.name: i.operands[0] for i in instructions if i.opcode == "getelementptr"}
    found = set()
    for i in instructions:
        copies = i.opcode == "call" and i.detail.startswith(("llvm.memcpy", "llvm.memmove", "llvm.memset"))
        if i.opcode == "store" or copies:
            name = i.operands[0 if copies else 1]
            while name in above:
                name = above[name]
            found.add(name)
    return frozenset(found)


def fixed_offset(module: Module, instruction: Instruction) -> int:
    """Bytes that the constant indices of a getelementptr make."""
    return sum(step * int(index) for step, index in steps(module, instruction) if not index.startswith("%"))


def steps(module: Module, instruction: Instruction) -> list[tuple[int, str]]:
    """Bytes and index of every step of a getelementptr."""
    layout = module.layout
    type_ = instruction.element
    found: list[tuple[int, str]] = []
    for place, index in enumerate(instruction.operands[1:]):
        if type_ is None:
            break
        if place == 0:
            found.append((layout.size(type_), index))
            continue
        type_ = layout.resolved(type_)
        if type_.kind == "struct":
            found.append((layout.offset(type_, int(index)), "1"))
            type_ = type_.parts[int(index)]
        else:
            type_ = type_.parts[0]
            found.append((layout.size(type_), index))
    return found


@lru_cache(maxsize=100_000)
def source_name(name: str) -> str:
    """A variable's name in the sources, without the compiler's suffixes."""
    plain = re.sub(r"(\.(i|addr|sroa|\d+))+\d*$", "", name.lstrip("%").strip('"'))
    return re.sub(r"(?<=[a-z_])\d+$", "", plain)


def plain_symbol(name: str) -> str:
    """A global's name in the sources."""
    return plain_name(name[1:].strip('"'))


def bind(module: Module) -> dict[tuple[str, str], frozenset[str]]:
    """The static arrays that reach each pointer parameter through calls, by name in the sources."""
    found: dict[tuple[str, str], set[str]] = {}
    calls: list[tuple[str, Mapping[str, str], str, Sequence[str]]] = []
    for function in module.functions.values():
        pointers: dict[str, str] = {}
        for block in function.blocks.values():
            for instruction in block.instructions:
                if instruction.opcode == "getelementptr":
                    pointers[instruction.name] = instruction.operands[0]
                elif instruction.opcode == "call" and instruction.detail in module.functions:
                    calls.append((function.symbol, pointers, instruction.detail, instruction.operands))
    changed = True
    while changed:
        changed = False
        for caller, known_pointers, callee, arguments in calls:
            for parameter, argument in zip(module.functions[callee].parameters, arguments, strict=False):
                root = argument
                while root in known_pointers:
                    root = known_pointers[root]
                roots = {plain_symbol(root)} if root.startswith("@") else found.get((caller, root), set())
                known = found.setdefault((callee, parameter.name), set())
                if not roots <= known:
                    known |= roots
                    changed = True
    return {key: frozenset(roots) for key, roots in found.items()}


__all__ = [
    "AXI_READ", "AXI_REQUEST", "AXI_WRITE", "CHANNEL_CALLS", "FIFO_READ", "FIFO_WRITE", "Pointer", "Variable",
    "Variables", "bind", "fixed_offset", "source_name", "steps",
]  # fmt: skip
