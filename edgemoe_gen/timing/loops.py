"""The labelled loops of rendered sources and their constants: which are pipelined, at which interval.

In: source texts. Out: labels with their interval, as the pragmas say it. Loops that are unrolled are no loops of time.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgemoe_gen.base.errors import SimulationError

# A label, then the loop behind it up to its opening brace, then the pragmas that stand right under that.
_LOOP = re.compile(r"^[ \t]*(?P<label>[a-z_]\w*):\s*\n\s*for\s*\(", re.MULTILINE)
_UNROLL = re.compile(r"#pragma HLS UNROLL\b")
_PIPELINE = re.compile(r"#pragma HLS PIPELINE\b(?P<rest>.*)")
_CONSTANT = re.compile(r"^constexpr int (\w+) = ([^;]+);", re.MULTILINE)
_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_II = re.compile(r"\bII\s*=\s*(\d+)")


@dataclass(frozen=True)
class SourceLoop:
    """One loop. `ii` is 0 where it is not pipelined; `file` is the path of its source."""

    label: str
    ii: int
    file: str


def source_loops(sources: Mapping[str, str]) -> tuple[SourceLoop, ...]:
    """The labelled loops of a design's C++ that take time, in the order of the sources.

    Raises:
        SimulationError: two loops have the same label, or a pipeline states no interval.
    """
    found: dict[str, SourceLoop] = {}
    for path, text in sources.items():
        if not path.startswith("src/"):
            continue
        for loop in _loops(path, text):
            if loop.label in found:
                raise SimulationError(
                    f"the label '{loop.label}' names a loop of {found[loop.label].file} and one of {path}",
                    "give each loop a label of its own",
                )
            found[loop.label] = loop
    return tuple(found.values())


def _loops(path: str, text: str) -> Iterator[SourceLoop]:
    for match in _LOOP.finditer(text):
        pragmas = _pragmas(text, match.end())
        if _UNROLL.search(pragmas):
            continue
        pipeline = _PIPELINE.search(pragmas)
        if pipeline is None:
            yield SourceLoop(match["label"], 0, path)
            continue
        ii = _II.search(pipeline["rest"])
        if ii is None:
            raise SimulationError(f"the pipelined loop '{match['label']}' of {path} states no II", "write II = 1")
        yield SourceLoop(match["label"], int(ii[1]), path)


def _pragmas(text: str, start: int) -> str:
    """The pragmas of the loop whose parenthesis opens before `start`: lines right under its head."""
    depth, place = 1, start
    while depth and place < len(text):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        place += 1
    lines = text[text.index("{", place) + 1 :].split("\n")[1:]
    kept = []
    for line in lines:
        if not line.lstrip().startswith(("#pragma", "//")) and line.strip():
            break
        kept.append(line)
    return "\n".join(kept)


def source_constants(sources: Mapping[str, str]) -> dict[str, int]:
    """Whole-number constants of a design's headers by name in small letters; what is more than a sum is left out."""
    found: dict[str, int] = {}
    for path, text in sources.items():
        if path.startswith("src/"):
            for name, expression in _CONSTANT.findall(text):
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
