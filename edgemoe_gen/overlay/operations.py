"""Facts of a program's operations for the driver: those that a batch moves, and the part of the network of each.

In: the program of one frame, or of those that share a pass of the weights. Out: plain numbers and words for the
manifest.
"""

from __future__ import annotations

from typing import Any

from edgemoe_gen.hardware import descriptor as d
from edgemoe_gen.hardware.kinds import bit, facts_of, number
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.numerics.widths import DECODERS
from edgemoe_gen.program.compile import Program


def program_layout(beat_bytes: int) -> dict[str, int]:
    """How a program lies in its file, see `ProgramLayout` of the driver."""
    transfer = next(place for place in d.field_places() if place.name == "transfer_first")
    assert (transfer.low, transfer.bits) == (0, 32)  # so that moving it is an addition to a word
    return {
        "header_words": d.OPERATION_WORDS,
        "operation_words": d.OPERATION_WORDS,
        "operations_word": d.HEADER_OPERATIONS,
        "frames_word": d.HEADER_FRAMES,
        "checksum_word": d.HEADER_CHECKSUM,
        "transfer_word": transfer.word,
        "beat_bytes": beat_bytes,
        "most_operations": d.MAX_OPERATIONS - 1,  # END is one more
    }


def operation_table(program: Program, spec: ModelSpec) -> dict[str, Any]:
    """The operations of a program of one pass without taps: total, those that a batch moves, parts by first one."""
    operations = program.operations
    parts: dict[str, str] = {}
    last = ""
    for place, name in enumerate(_names(program, spec)):
        if name != last:
            parts[str(place)] = last = name
    return {
        "total": len(operations),
        "image": [i for i, op in enumerate(operations) if facts_of(op.kind).loads and not op.flags & bit("CONSTANT")],
        "result": [i for i, op in enumerate(operations) if facts_of(op.kind).stores],
        "parts": parts,
        "backbone": next((i for i, layer in enumerate(program.layers) if _decodes(layer)), len(operations)),
        "frames": len(program.frames),
    }


def _decodes(layer: str) -> bool:
    return layer.startswith(f"{DECODERS}.")


def _names(program: Program, spec: ModelSpec) -> list[str]:
    """What each operation is part of. Every block has two layer norms, and nothing else of the backbone has one."""
    names: list[str] = []
    norms = 0
    part = "the patch embedding"
    for operation, layer in zip(program.operations, program.layers, strict=True):
        if _decodes(layer):
            part = "the decoder"
        elif operation.kind == number("NORMALISE"):
            block, second = divmod(norms, 2)
            norms += 1
            routes = bool(spec.blocks[block].experts) and not spec.router.input_ahead
            what = ("router" if routes else "MLP") if second else "attention"
            part = f"block {block}, {what}"
        elif operation.expert >= 0:
            part = f"block {(norms - 1) // 2}, expert {operation.expert}"
        elif operation.kind == number("STORE"):
            part = "the result"
        elif operation.kind == number("ROUTE") and spec.router.input_ahead:
            # The router of the block that begins now: its logits' product and itself stand before the first norm.
            part = names[-1] = f"block {norms // 2}, router"
        names.append(part)
    return names
