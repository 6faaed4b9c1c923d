"""Source lines of LLVM's debug metadata: of an instruction, and of the loop that a branch closes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgemoe_gen.scheduling.ir import Location

_SCOPE = re.compile(r"\bscope: !(\d+)")
_FILE = re.compile(r"\bfile: !(\d+)")
_LINE = re.compile(r"\bline: (\d+)")
_INLINED = re.compile(r"\binlinedAt: !(\d+)")
_NAME = re.compile(r'\bname: "([^"]*)"')
_FILENAME = re.compile(r'\bfilename: "([^"]*)"')


class Lines:
    """Metadata of a module by number. A line of a stand-in file counts as the line that uses it."""

    def __init__(self, metadata: Mapping[int, str], hidden: str = "shim/") -> None:
        self._metadata = metadata
        self._hidden = hidden
        self._locations: dict[int, Location | None] = {}

    def location(self, number: int) -> Location | None:
        """The line of an instruction's !dbg, or None."""
        if number not in self._locations:
            self._locations[number] = self._read(number)
        return self._locations[number]

    def loop(self, number: int) -> Location | None:
        """The line at which a loop's statement begins, from a branch's !llvm.loop."""
        for part in re.findall(r"!(\d+)", self._metadata.get(number, "")):
            if int(part) != number and "!DILocation(" in self._metadata.get(int(part), ""):
                return self.location(int(part))
        return None

    def _read(self, number: int) -> Location | None:
        text = self._metadata.get(number, "")
        line, scope = _LINE.search(text), _SCOPE.search(text)
        inlined = _INLINED.search(text)
        caller = self.location(int(inlined[1])) if inlined else None
        if line is None or scope is None:
            return caller
        file, function = self._scope(int(scope[1]))
        if not file or file.startswith(self._hidden) or line[1] == "0":
            return caller
        return Location(file, int(line[1]), function, caller)

    def _scope(self, number: int) -> tuple[str, str]:
        """File and function of a scope."""
        text = self._metadata.get(number, "")
        file = _FILE.search(text)
        name = ""
        filename = _FILENAME.search(self._metadata.get(int(file[1]), "")) if file else None
        while "DISubprogram(" not in text:
            scope = _SCOPE.search(text)
            if scope is None:
                break
            text = self._metadata.get(int(scope[1]), "")
        found = _NAME.search(text)
        if found is not None:
            name = found[1]
        return (filename[1] if filename else ""), name


__all__ = ["Lines"]
