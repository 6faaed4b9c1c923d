"""Parts of the engine that a design may leave out: the hardware for decoders, and the hardware for experts.

Kinds of operations and fields of the descriptor name the part to which they belong. A design knows its own parts.
"""

from __future__ import annotations

DECODERS, EXPERTS = "decoders", "experts"
EVERY = ""  # no part: every design has it
PARTS = frozenset({DECODERS, EXPERTS})


def has(parts: frozenset[str], part: str) -> bool:
    """Whether a design with these parts contains `part`."""
    return part == EVERY or part in parts
