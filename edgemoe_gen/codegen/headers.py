"""The kernel headers of a design: with the code for decoders and experts, or without.

Code for designs with decoders stands in the headers between `#ifdef EDGEMOE_DECODERS` and `#else` or `#endif`. Code for
designs with experts stands between `#ifdef EDGEMOE_EXPERTS` and the same. These conditions are decided here, so later
readers of the sources meet none, and other designs do not have these lines.
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
