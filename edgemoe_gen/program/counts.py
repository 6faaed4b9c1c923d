"""Plain counts of a program: products of its network, and bytes of its decoders."""

from __future__ import annotations

from dataclasses import dataclass

from edgemoe_gen.design.sizes import BIAS_BITS
from edgemoe_gen.hardware.descriptor import OPERATION_WORDS
from edgemoe_gen.hardware.kinds import facts_of
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.model.macs import decoder_macs, macs, total
from edgemoe_gen.numerics.lower import LoweredNetwork
from edgemoe_gen.numerics.widths import CLASSIFIERS, DECODERS
from edgemoe_gen.program.compile import Program


def program_macs(program: Program, spec: ModelSpec) -> int:
    """Multiply-accumulates of a run: the network for every picture, and the decoders that run with it."""
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


_VALUE_BYTES = {"classes": 1, "values": 2, "logits": 4}  # of a class, and of one channel of a pixel


@dataclass(frozen=True)
class DecoderTraffic:
    """DDR traffic of a run's decoders, and the least possible traffic.

    Attributes:
        moved: bytes through all ports.
        needed: every weight and bias of a frame's decoder and every pixel of its map, once each.
    """

    moved: int
    needed: float

    @property
    def ratio(self) -> float:
        """Moved bytes as a multiple of the least: weights pass once for each group of rows."""
        return self.moved / self.needed if self.needed else 0.0

    def per_frame(self, frames: int) -> dict[str, float]:
        """As JSON, for one of this many frames."""
        return {"moved": self.moved / frames, "needed": self.needed / frames, "ratio": self.ratio}


def decoder_traffic(program: Program, network: LoweredNetwork) -> DecoderTraffic | None:
    """Traffic of the decoders that run with a program; None without decoders."""
    widths, bits = program.design.knobs.widths, 0
    found = [frame for frame in program.frames if frame.decoded is not None]
    for frame in found:
        decoder, decoded = network.decoders[frame.task], frame.decoded
        assert decoded is not None
        *convolutions, last = decoder.layers
        bits += sum(layer.weight.size for layer in convolutions) * widths.of_kind(DECODERS)
        bits += last.weight.size * widths.of_kind(CLASSIFIERS)
        bits += sum(layer.bias.size for layer in decoder.layers if layer.bias is not None) * BIAS_BITS
        channels = 1 if decoded.kind == "classes" else decoder.classes
        bits += decoded.height * decoded.width * channels * 8 * _VALUE_BYTES[decoded.kind]
    return DecoderTraffic(sum(decoder_bytes(program).values()), bits / 8) if found else None
