"""The headers that do not depend on a design, as a design has them: with the paths of decoders and experts, or without.

What only designs with decoders have stands in the headers between `#ifdef EDGEMOE_DECODERS` and `#else` or `#endif`,
and what only those with experts have, between `#ifdef EDGEMOE_EXPERTS` and these. Here that is decided, so that no
later reader of the sources meets a condition, and other designs do not have these lines.
"""

from __future__ import annotations

from functools import lru_cache

from edgemoe_gen.base.installed import resource_folder
from edgemoe_gen.hardware.parts import DECODERS, EXPERTS, has

CONDITIONS = {"#ifdef EDGEMOE_DECODERS": DECODERS, "#ifdef EDGEMOE_EXPERTS": EXPERTS}
# Headers of designs with a part only.
OF_PARTS = {"maps.h": DECODERS, "pixels.h": DECODERS, "queue.h": EXPERTS, "route.h": EXPERTS}


@lru_cache(maxsize=4)
def headers(parts: frozenset[str]) -> dict[str, str]:
    """Text by name of file, of a design of these parts."""
    files = sorted(resource_folder("hls").glob("*.h"))
    return {
        file.name: decided(file.read_text(encoding="utf-8"), parts)
        for file in files
        if file.name not in OF_PARTS or has(parts, OF_PARTS[file.name])
    }


def decided(text: str, parts: frozenset[str]) -> str:
    """A header without the lines of the other case, and without the conditions themselves."""
    kept: list[str] = []
    open_conditions: list[bool | None] = []  # whether a branch's lines are kept; None: a condition of something else
    for line in text.splitlines(keepends=True):
        word = line.split()[0] if line.strip() else ""
        ours = open_conditions[-1] if open_conditions else None
        if (part := CONDITIONS.get(line.strip())) is not None:
            open_conditions.append(has(parts, part))
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
