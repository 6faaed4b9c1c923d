"""Parts of the engine that a design has or leaves out: what only decoders need, and what only experts need.

Kinds of operations and fields of the descriptor name the part that they belong to; a design says which parts it has.
"""

from __future__ import annotations

DECODERS, EXPERTS = "decoders", "experts"
EVERY = ""  # no part: every design has it
PARTS = frozenset({DECODERS, EXPERTS})


def has(parts: frozenset[str], part: str) -> bool:
    """Whether a design of these parts has what belongs to `part`."""
    return part == EVERY or part in parts
