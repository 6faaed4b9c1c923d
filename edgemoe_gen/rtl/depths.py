"""Words of the memories that a function's callers pass for its parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from edgemoe_gen.rtl.shapes import Shape
from edgemoe_gen.scheduling.ir import Function, Instruction, Module
from edgemoe_gen.scheduling.layout import Layout, Type
from edgemoe_gen.scheduling.places import fixed_offset

_Key = tuple[str, str]  # symbol of a function, name of a parameter


def memory_depths(module: Module, shapes: Callable[[Function], Mapping[str, Shape]]) -> dict[_Key, int]:
    """Words of the largest memory for each parameter; parameters with an unknown memory are left out."""
    found: dict[_Key, set[int]] = defaultdict(set)
    handed: list[tuple[_Key, _Key]] = []  # parameters that are handed on
    for function in module.functions.values():
        instructions = [i for block in function.blocks.values() for i in block.instructions]
        pointers = {i.name: i for i in instructions if i.opcode == "getelementptr"}
        types = {i.name: i.element for i in instructions if i.opcode == "alloca" and i.element is not None}
        names = {parameter.name for parameter in function.parameters}
        for i in instructions:
            if i.opcode != "call" or i.detail not in module.functions:
                continue
            for n, parameter in enumerate(module.functions[i.detail].parameters[: len(i.operands)]):
                key = (i.detail, parameter.name)
                root, offset = _root(module, pointers, i, n)
                if root in names:
                    shape = shapes(function).get(root)
                    if shape is not None and shape.members is not None:
                        found[key].add(shape.members[offset][1].depth if offset in shape.members else 0)
                    elif offset == 0:
                        handed.append(((function.symbol, root), key))
                    continue
                type_ = _global(module, root) if root.startswith("@") else types.get(root)
                found[key].add(0 if type_ is None else _elements(module.layout, type_, offset))
    changed = True
    while changed:
        changed = False
        for before, after in handed:
            if not found[before] <= found[after]:
                found[after] |= found[before]
                changed = True
    return {key: max(depths) for key, depths in found.items() if depths and all(depths)}


def _root(module: Module, pointers: Mapping[str, Instruction], call: Instruction, n: int) -> tuple[str, int]:
    """The variable that an argument lies in, and the bytes before it."""
    name, offset = call.operands[n], call.offsets.get(n, 0)
    while name in pointers:
        offset += fixed_offset(module, pointers[name]) + pointers[name].offsets.get(0, 0)
        name = pointers[name].operands[0]
    return name, offset


def _global(module: Module, name: str) -> Type | None:
    text = module.globals.get(name[1:].strip('"'), "")
    if " global " not in text:
        return None
    return module.layout.parse(text.partition(" global ")[2].rpartition(" zeroinitializer")[0])


def _elements(layout: Layout, type_: Type, offset: int) -> int:
    """Elements of the outermost array that begins at a place of a type; 0: none does."""
    type_ = layout.resolved(type_)
    if type_.kind == "array":
        inner = layout.size(type_.parts[0])
        return type_.count if offset == 0 else _elements(layout, type_.parts[0], offset % inner)
    if type_.kind == "struct":
        starts = [layout.offset(type_, k) for k in range(len(type_.parts))]
        k = max((k for k, start in enumerate(starts) if start <= offset), default=-1)
        return 0 if k < 0 else _elements(layout, type_.parts[k], offset - starts[k])
    return 0


__all__ = ["memory_depths"]
