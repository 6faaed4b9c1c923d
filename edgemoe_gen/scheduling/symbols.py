"""Names of the sources in the compiler's symbols."""

from __future__ import annotations

import re


def plain_name(symbol: str) -> str:
    """The last part of a mangled name: `multiply` of _ZN7edgemoe8multiplyE..., `ring` of a static in a function."""
    name, rest = symbol, symbol[2:] if symbol.startswith("_Z") else ""
    static = re.search(r"E(?=\d+[A-Za-z_]\w*$)", symbol) if symbol.startswith("_ZZ") else None
    if static is not None:
        rest = symbol[static.end() :]
    while rest:
        found = re.match(r"[NLK]*(\d+)", rest)
        if found is None:
            break
        length = int(found[1])
        name = rest[found.end() : found.end() + length]
        rest = rest[found.end() + length :]
    return name


__all__ = ["plain_name"]
