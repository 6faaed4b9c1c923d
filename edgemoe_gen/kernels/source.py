"""A kernel's source after reading: functions, loops and pragmas with their places.

`reading` makes it. Positions count characters of the file, so that a reader can insert text and nothing else moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from edgemoe_gen.kernels.pragmas import Pragma
from edgemoe_gen.kernels.text import Text


@dataclass(frozen=True)
class Body:
    """A block in braces to which pragmas apply.

    Attributes:
        start: position of what stands in front of it: a function's head, a loop's label or else its keyword.
        opening, closing: positions of its braces.
        pragmas: of a function those directly in its body, of a loop those at the head of its body.
    """

    start: int
    opening: int
    closing: int
    pragmas: tuple[Pragma, ...] = field(repr=False)

    def holds(self, position: int) -> bool:
        """Whether a position lies between its braces."""
        return self.opening < position < self.closing

    def pragma(self, directive: str) -> Pragma | None:
        """Its pragma of one directive, the last one if there are several."""
        return next((pragma for pragma in reversed(self.pragmas) if pragma.directive == directive), None)


@dataclass(frozen=True)
class Function:
    """One function with a body.

    Attributes:
        name: without namespace and parameters.
        file, line: where its head begins.
        comment: lines above it without their slashes: its purpose and, after "Rate:", its rate.
        body: its block.
    """

    name: str
    file: str
    line: int
    comment: str
    body: Body = field(repr=False)


@dataclass(frozen=True)
class Loop:
    """One loop.

    Attributes:
        label: its name, or "" of an unrolled loop without one.
        ii: initiation interval of its pragma; 0 for a loop that is not pipelined.
        unrolled: whether it is parallel hardware, which takes no time of its own.
        file, line: where its keyword stands.
        function: name of the function that it stands in, or "".
        inside: labels of the loops around it, the outermost first.
        keyword: position of its `for`.
        body: its block.
    """

    label: str
    ii: int
    unrolled: bool
    file: str
    line: int
    function: str
    inside: tuple[str, ...]
    keyword: int = field(repr=False)
    body: Body = field(repr=False)

    @property
    def trips(self) -> str:
        """Most iterations, as written in its LOOP_TRIPCOUNT, or ""."""
        pragma = self.body.pragma("LOOP_TRIPCOUNT")
        return "" if pragma is None else pragma.options.get("max", "")


@dataclass(frozen=True)
class Source:
    """A kernel's file that has been read: everything in the order of the text.

    Attributes:
        text: its text.
        pragmas: all of them.
        functions: those with a body.
        loops: all of them, unrolled ones too.
    """

    text: Text
    pragmas: tuple[Pragma, ...]
    functions: tuple[Function, ...]
    loops: tuple[Loop, ...]

    @property
    def name(self) -> str:
        """Path of the file."""
        return self.text.name

    @property
    def timed_loops(self) -> tuple[Loop, ...]:
        """Loops that take time: all except the unrolled ones."""
        return tuple(loop for loop in self.loops if not loop.unrolled)

    def of(self, directive: str) -> Iterator[Pragma]:
        """All pragmas of one directive."""
        return (pragma for pragma in self.pragmas if pragma.directive == directive)

    def within(self, body: Body, directive: str) -> Iterator[Pragma]:
        """Pragmas of one directive in a block, at any depth."""
        return (pragma for pragma in self.of(directive) if body.holds(pragma.start))

    def ruled(self, pragma: Pragma) -> Function | Loop | None:
        """The function or loop in whose block a pragma directly stands; None: in another block, or in none."""
        return self._owners.get(self.text.enclosing(pragma.start))

    def function_at(self, position: int) -> Function | None:
        """The function in whose body a position lies."""
        return next((function for function in self.functions if function.body.holds(position)), None)

    def statement_after(self, pragma: Pragma) -> int:
        """Start of the first line behind a pragma and those that follow it at which a statement may stand."""
        at = pragma.end
        while True:
            at = self.text.code.index("\n", at) + 1
            line = self.text.code[at:].split("\n", 1)[0].strip()
            if line.startswith("#"):
                at = next((other.end for other in self.pragmas if other.start == at), at)
            elif line or not self.text.text[at:].split("\n", 1)[0].strip():
                return at

    @cached_property
    def _owners(self) -> dict[int, Function | Loop]:
        owners: list[Function | Loop] = [*self.functions, *self.loops]
        return {owner.body.opening: owner for owner in owners}
