"""What a graph's nodes are worth, to hold its simplifications and its widths against plain integers."""

from __future__ import annotations

from collections.abc import Mapping

from edgemoe_gen.scheduling.graph import Graph


def signed(value: int, width: int) -> int:
    value &= (1 << width) - 1
    return value - (1 << width) if value >> (width - 1) else value


def binary(op: str, a: int, b: int, width: int) -> int:
    """An operation of LLVM on unsigned bit patterns; shifts are by less than the width."""
    results = {
        "add": a + b,
        "sub": a - b,
        "mul": a * b,
        "and": a & b,
        "or": a | b,
        "xor": a ^ b,
        "shl": a << b if b < width else 0,
        "lshr": a >> b if b < width else 0,
        "ashr": signed(a, width) >> min(b, width - 1),
    }
    return results[op] & ((1 << width) - 1)


def evaluate(graph: Graph, inputs: Mapping[str, int]) -> list[int]:
    """Unsigned bits of every node."""
    values: list[int] = []
    for node in graph.nodes:
        args = [values[number] for number in node.args]
        widths = [graph.nodes[number].width for number in node.args]
        mask = (1 << node.width) - 1
        if node.op == "const":
            value = int(node.detail)
        elif node.op in ("input", "carried"):
            value = inputs[node.name]
        elif node.op == "concat":
            value, at = 0, 0
            for part, width in zip(args, widths, strict=True):
                value, at = value | part << at, at + width
        elif node.op == "slice":
            value = args[0] >> int(node.detail)
        elif node.op == "sext":
            value = signed(args[0], widths[0])
        elif node.op == "not":
            value = 1 - args[0]
        elif node.op == "select":
            value = args[1] if args[0] else args[2]
        elif node.op == "mask":
            op, by = str(node.detail).split()
            value = binary(op, args[0], int(by), node.width)
        else:
            value = binary(node.op, args[0], args[1], node.width)
        values.append(value & mask)
    return values
