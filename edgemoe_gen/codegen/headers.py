"""The kernel headers of a design: with the code for decoders, or without.

Code for designs with decoders stands in the headers between `#ifdef EDGEMOE_DECODERS` and `#else` or `#endif`. These
conditions are decided here, so later readers of the sources meet none, and other designs do not have these lines.
"""

from __future__ import annotations

from functools import lru_cache

from edgemoe_gen.base.installed import resource_folder

CONDITION = "#ifdef EDGEMOE_DECODERS"
OF_DECODERS = ("maps.h", "pixels.h")  # headers of designs with decoders only


@lru_cache(maxsize=2)
def headers(decoders: bool) -> dict[str, str]:
    """Text by name of file."""
    files = sorted(resource_folder("hls").glob("*.h"))
    return {
        file.name: decided(file.read_text(encoding="utf-8"), decoders)
        for file in files
        if decoders or file.name not in OF_DECODERS
    }


def decided(text: str, decoders: bool) -> str:
    """A header without the lines of the other case, and without the conditions themselves."""
    kept: list[str] = []
    open_conditions: list[bool | None] = []  # whether a branch's lines are kept; None: a condition of something else
    for line in text.splitlines(keepends=True):
        word = line.split()[0] if line.strip() else ""
        ours = open_conditions[-1] if open_conditions else None
        if line.startswith(CONDITION):
            open_conditions.append(decoders)
        elif word == "#else" and ours is not None:
            open_conditions[-1] = not ours
        elif word == "#endif" and open_conditions and open_conditions.pop() is not None:
            pass
        else:
            if word.startswith("#if"):
                open_conditions.append(None)
            if all(branch is not False for branch in open_conditions):
                kept.append(line)
    return "".join(kept)
