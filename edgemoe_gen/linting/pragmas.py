"""Puts a declaration in the place of each `#pragma HLS` for the parser to see.

A compiler drops a pragma. Here each becomes an enumeration on the same line, whose constants are the pragma's values
and the size of its variable. So the syntax tree gives the pragma's place, its variable and the values of its
expressions, by C++'s own rules of scope.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.kernels.directives import DIRECTIVES, FUNCTION, INTEGER, PORT, VARIABLE
from edgemoe_gen.kernels.pragmas import Pragma, read_pragmas
from edgemoe_gen.kernels.text import Text

MARK = "edgemoe_pragma_"


@dataclass(frozen=True)
class Rewritten:
    """A file for the parser, and its pragmas.

    A pragma's fault counts only if the preprocessor does not skip its line, which the tree shows.
    """

    text: str
    pragmas: tuple[Pragma, ...]


def rewrite(file: str, text: str, first: int) -> Rewritten:
    """Takes the pragmas out of a file; their numbers begin at `first`. Lines keep their numbers."""
    source = Text(file, text)
    pragmas = read_pragmas(source)
    parts, at = [], 0
    for number, pragma in enumerate(pragmas, first):
        lines = source.text.count("\n", pragma.start, pragma.end)
        parts += [source.commentless[at : pragma.start], _declaration(pragma, f"{MARK}{number}"), "\n" * lines]
        at = pragma.end
    return Rewritten("".join([*parts, source.commentless[at:]]), pragmas)


def _declaration(pragma: Pragma, mark: str) -> str:
    constants = [mark]
    kinds = DIRECTIVES[pragma.directive].options if pragma.directive else {}
    for option, value in pragma.options.items():
        kind = kinds.get(option)
        if kind == INTEGER:
            constants.append(f"{mark}_{option} = ({value})")
        elif kind == VARIABLE or (kind == PORT and value != "return"):
            constants.append(f"{mark}_{option} = sizeof({value})")
        elif kind == FUNCTION and pragma.value("type", "function") == "function":
            constants.append(f"{mark}_{option} = sizeof(&{value})")
    return f"enum {{ {', '.join(constants)} }};"
