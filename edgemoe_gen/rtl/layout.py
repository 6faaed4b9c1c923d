"""The text of a module for people: nets of one bit without a range, and no line wider than a screen."""

from __future__ import annotations

import re

_LONGEST = 120
_SCALAR = re.compile(r"^( *(?:wire|logic)) \[0:0\] (\w+)(?= =|;)", re.MULTILINE)
_FIRST_BIT = re.compile(r"\b(\w+)\[0(?::0)?\]")
_SINGLE_BIT = re.compile(r"(?<=\w)\[(\d+):\1\]")
_SPACE = re.compile(r" (?=\S)")


def laid_out(text: str) -> str:
    """A module's text, laid out."""
    scalars = {name for _, name in _SCALAR.findall(text)}
    text = _SCALAR.sub(r"\1 \2", text)
    text = _FIRST_BIT.sub(lambda found: found[1] if found[1] in scalars else found[0], text)
    text = _SINGLE_BIT.sub(r"[\1]", text)
    return "\n".join(line if len(line) <= _LONGEST else _wrapped(line) for line in text.split("\n"))


def _wrapped(line: str) -> str:
    """A statement on several lines, broken at spaces; its comment stands behind the last one."""
    code, mark, comment = line.partition("  // ")
    if not code.strip():
        return line
    indent = " " * (len(code) - len(code.lstrip()))
    lines, start, end = list[str](), 0, 0
    room = _LONGEST
    for space in [found.start() for found in _SPACE.finditer(code, len(indent))] + [len(code)]:
        if space - start > room and end > start:
            lines.append(code[start:end])
            start, room = end + 1, _LONGEST - len(indent) - 4
        end = space
    lines.append(code[start:])
    whole = f"\n{indent}    ".join(lines)
    if not mark:
        return whole
    last = len(lines[-1]) + (len(indent) + 4) * (len(lines) > 1) + len(mark) + len(comment)
    return f"{whole}{mark}{comment}" if last <= _LONGEST else f"{indent}// {comment}\n{whole}"


__all__ = ["laid_out"]
