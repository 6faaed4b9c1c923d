"""Whole-number constants of kernels: `constexpr int NAME = sum;`, read without a compiler, which would be too slow."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Iterable, Mapping

from edgemoe_gen.kernels.text import Text

_CONSTANT = re.compile(r"^constexpr int (\w+) = ([^;]+);", re.MULTILINE)
_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def read_constants(texts: Iterable[Text]) -> dict[str, int]:
    """Whole-number constants of headers by name in small letters; constants that are more than a sum are left out."""
    found: dict[str, int] = {}
    for text in texts:
        for name, expression in _CONSTANT.findall(text.statements):
            value = _value(expression, found)
            if value is not None:
                found[name.lower()] = value
    return found


def _value(expression: str, known: Mapping[str, int]) -> int | None:
    try:
        return _evaluated(ast.parse(expression.strip(), mode="eval").body, known)
    except SyntaxError:
        return None


def _evaluated(node: ast.expr, known: Mapping[str, int]) -> int | None:
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.Name):
        return known.get(node.id.lower())
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = _evaluated(node.left, known), _evaluated(node.right, known)
        return None if left is None or right is None else int(_ARITHMETIC[type(node.op)](left, right))
    return None
