"""What a program needs and moves, as plain counts: products of its network, and bytes of its decoders."""

from __future__ import annotations

from edgemoe_gen.hardware.descriptor import OPERATION_WORDS
from edgemoe_gen.hardware.kinds import facts_of
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.model.macs import decoder_macs, macs, total
from edgemoe_gen.numerics.widths import DECODERS
from edgemoe_gen.program.compile import Program


def program_macs(program: Program, spec: ModelSpec) -> int:
    """Multiply-accumulates that a run needs: of the network for every picture, and of the decoders that run with it."""
    decoders = [decoder_macs(spec, frame.task) for frame in program.frames if frame.decoded is not None]
    return len(program.pictures) * total(macs(spec)) + sum(map(total, decoders))


def decoder_bytes(program: Program) -> dict[str, int]:
    """Bytes of a run's decoders through each port of the accelerator, by name of the port; they take no picture."""
    beat, found = program.design.beat_bytes, dict.fromkeys(("program", "weights", "constants", "result"), 0)
    for op, layer in zip(program.operations, program.layers, strict=True):
        if layer.startswith(f"{DECODERS}."):
            found["program"] += OPERATION_WORDS * 4
            found["weights"] += op.weight_beats * program.design.knobs.weight_ports * beat
            found["result" if facts_of(op.kind).stores else "constants"] += op.transfer_beats * beat
    return found
