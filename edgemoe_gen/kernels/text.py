"""A source file as text: comments and strings are blanked once, so that only code is left, in its place.

In: name and text. Out: the same text blanked in three ways, lines of positions, and pairs of brackets.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from edgemoe_gen.base.errors import SimulationError

_NUMBER = r"(?<![\w.])\d\w*'[\w']*"  # first, so that a separator of digits opens no character
_STRING = r'R"(?P<mark>\w*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|' r"'(?:\\.|[^'\\\n])+'"
_TOKEN = re.compile(rf"{_NUMBER}|(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>{_STRING})", re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\)*", re.MULTILINE)
_BRACKET = re.compile(r"[(){}\[\]]")
_VISIBLE = re.compile(r"[^\n]")
_SPACE = re.compile(r"\s*")
_CLOSES = {")": "(", "}": "{", "]": "["}
_FILLED_IN = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_PRAGMA_FILLED_IN = re.compile(r"^[ \t]*#pragma(?:[^\n\\]|\\\n|\\)*?\{\{(?:[^\n\\]|\\\n|\\)*", re.MULTILINE)


class KernelError(SimulationError):
    """A kernel has a pragma, a loop or a statement of an unknown form."""


def _blank(text: str) -> str:
    return _VISIBLE.sub(" ", text) if "\n" in text else " " * len(text)


@dataclass(frozen=True)
class Text:
    """A source file. Positions are the same in `text`, `commentless`, `code` and `statements`."""

    name: str
    text: str

    @cached_property
    def _blanked(self) -> tuple[str, str]:
        commentless, code, at = [], [], 0
        for token in _TOKEN.finditer(self.text):
            if token.lastgroup is None:
                continue
            between, blank = self.text[at : token.start()], _blank(token.group())
            commentless += [between, blank if token["comment"] else token.group()]
            code += [between, blank]
            at = token.end()
        return "".join([*commentless, self.text[at:]]), "".join([*code, self.text[at:]])

    @property
    def commentless(self) -> str:
        """The text with comments blanked."""
        return self._blanked[0]

    @property
    def code(self) -> str:
        """The text with comments, strings and characters blanked."""
        return self._blanked[1]

    @cached_property
    def statements(self) -> str:
        """The code with lines of the preprocessor blanked too."""
        return _DIRECTIVE.sub(lambda found: _blank(found.group()), self.code)

    @cached_property
    def pairs(self) -> dict[int, int]:
        """Position of each opening bracket of the statements to its closing one, in the order of opening."""
        pairs: dict[int, int] = {}
        waiting: list[int] = []
        for bracket in _BRACKET.finditer(self.statements):
            at, sign = bracket.start(), bracket.group()
            if sign not in _CLOSES:
                pairs[at] = -1
                waiting.append(at)
            elif not waiting or self.statements[waiting[-1]] != _CLOSES[sign]:
                raise self.fault(at, f"a {sign} closes nothing", "this is a fault of the sources")
            else:
                pairs[waiting.pop()] = at
        if waiting:
            sign = self.statements[waiting[-1]]
            raise self.fault(waiting[-1], f"a {sign} is never closed", "this is a fault of the sources")
        return pairs

    @cached_property
    def openings(self) -> dict[int, int]:
        """The other way round: position of each closing bracket to its opening one."""
        return {closing: opening for opening, closing in self.pairs.items()}

    @cached_property
    def _blocks(self) -> tuple[list[int], list[int]]:
        """Positions of all braces, and the brace that opens the innermost block behind each; -1 for none."""
        positions, inner, open_ = [-1], [-1], [-1]
        for at in sorted(at for pair in self.pairs.items() for at in pair if self.statements[at] in "{}"):
            if self.statements[at] == "{":
                open_.append(at)
            else:
                open_.pop()
            positions.append(at)
            inner.append(open_[-1])
        return positions, inner

    @property
    def blocks(self) -> list[int]:
        """Opening braces of all blocks in their order."""
        return [opening for opening in self.pairs if self.statements[opening] == "{"]

    def parentheses(self, start: int, end: int) -> list[int]:
        """Opening parentheses between two positions that lie in no other bracket between them, the last one first."""
        found, at = [], start
        while (bracket := _BRACKET.search(self.statements, at, end)) is not None:
            if bracket[0] == "(":
                found.append(bracket.start())
            at = self.pairs.get(bracket.start(), bracket.start()) + 1
        return found[::-1]

    def behind(self, position: int) -> int:
        """End of the statement, block or opening brace before a position: where the text that leads to it begins."""
        at = position - 1
        while at >= 0 and self.statements[at] not in ";{}":
            at = self.openings[at] - 1 if self.statements[at] in ")]" else at - 1
        return at + 1

    def enclosing(self, position: int) -> int:
        """The brace that opens the innermost block around a position, or -1."""
        positions, inner = self._blocks
        return inner[bisect_right(positions, position - 1) - 1]

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(end.end() for end in re.finditer("\n", self.text))]

    def line(self, position: int) -> int:
        """Number of a position's line, from 1."""
        return bisect_right(self._lines, position)

    def closing(self, opening: int) -> int:
        """Position of the bracket that closes the one at `opening`."""
        return self.pairs[opening]

    def next(self, position: int) -> int:
        """The first position from here on that holds a statement's text; the end of the text if none does."""
        found = _SPACE.match(self.statements, position)
        return found.end() if found else position

    def fault(self, position: int, problem: str, hint: str) -> KernelError:
        """The error that names a position's file and line."""
        return KernelError(f"{self.name}, line {self.line(position)}: {problem}", hint)


def of_template(template: str) -> str:
    """A template as C++ of the same lines: blocks are blanked, and a name replaces values of a design.

    A pragma with values of a design is left out.
    """
    template = _PRAGMA_FILLED_IN.sub(lambda found: _blank(found.group()), template)

    def stand_in(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", "x", found.group()) if found.group().startswith("{{") else _blank(found.group())

    return _FILLED_IN.sub(stand_in, template)
