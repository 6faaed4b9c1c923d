"""The layer descriptor: one operation of the engine, in DDR.

Only this list knows the layout: the packer writes by it, and `operation.h` is rendered from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from edgemoe_gen.hardware.kinds import FLAGS, KINDS, OPERANDS
from edgemoe_gen.hardware.memories import PATHS
from edgemoe_gen.hardware.parts import DECODERS, EVERY, EXPERTS, PARTS, has
from edgemoe_gen.hardware.ring import OPEN_TILES, RING_DISTANCE

STATUSES = {
    "DONE": "the program ran to its end",
    "WRONG_DESIGN": "the program is damaged or was compiled for another design; nothing ran",
    "PROGRAM_TOO_LONG": "no END within the largest number of operations",
    # Of RTL that this project makes; adapters of Vitis HLS take bad answers for good.
    "BUS_ERROR": "the memory answered an access with an error; the result is not complete",
}

MAGIC = 0x4D4F4545  # "EEOM"
VERSION = 4  # of the program and of the weight file
OPERATION_WORDS = 32
HEADER_MAGIC, HEADER_VERSION, HEADER_DESIGN, HEADER_OPERATIONS, HEADER_FRAMES, HEADER_CHECKSUM = 0, 1, 2, 4, 5, 8
WEIGHT_MAGIC = 0x574F4545  # "EEOW"
WEIGHT_HEADER_WORDS = 16
# Words of a weight file's header. The identity takes two; CONTENTS and HEADER are checksums of what follows and of it.
WEIGHT_HEADER = {
    "MAGIC": 0, "VERSION": 1, "DESIGN": 2, "PORTS": 4, "BEATS": 5, "CONSTANTS": 6, "BEAT_BYTES": 7, "CONTENTS": 8,
    "HEADER": 9,
}  # fmt: skip
MAX_OPERATIONS = 1 << 20


def _wide(meaning: str, part: str = EVERY) -> int:
    return field(default=0, metadata={"meaning": meaning, "bits": 32, "part": part})


def _half(meaning: str, default: int = 0, part: str = EVERY) -> int:
    return field(default=default, metadata={"meaning": meaning, "bits": 16, "part": part})


def _of_maps(meaning: str) -> int:
    """A field of designs with decoders only."""
    return _half(meaning, part=DECODERS)


def _of_experts(meaning: str, default: int = 0) -> int:
    """A field of designs with experts only."""
    return _half(meaning, default, EXPERTS)


@dataclass(frozen=True)
class Operation:
    """One operation. Fields stand in the order of DDR, signed: first those of 32 bits, then two of 16 bits a word.

    A matrix of R rows and C columns lies in a memory as blocks of tokens_parallel rows; `stride` is the number of words
    a row, `word` the first one, `block` the first block.
    """

    weight_first: int = _wide("first beat of the weights, at every port")
    weight_beats: int = _wide("beats of weights, at every port")
    transfer_first: int = _wide("first beat in DDR of what is loaded or stored")
    transfer_beats: int = _wide("beats of what is loaded or stored")
    inverse_features: int = _wide("2^x / features, for the mean")
    eps_high: int = _wide("features^2 eps in squared steps of the source, upper bits")
    eps_low: int = _wide("the same, lower 31 bits")
    score_threshold: int = _wide("scores that are not larger become 0", EXPERTS)
    kind: int = _half("what to do")
    path: int = _half("source and destination memory")
    flags: int = _half("modifiers")
    operand: int = _half("second operand of a product")
    tokens: int = _half("rows; of a queue, whatever it holds")
    blocks: int = _half("blocks of rows; of scores, padded to the fewest that the running maximum allows")
    in_words: int = _half("words of the inner dimension")
    out_tiles: int = _half("output tiles")
    source_block: int = _half("first block of the source")
    source_stride: int = _half("words a row of the source")
    source_word: int = _half("first word of the source")
    destination_block: int = _half("first block of the destination")
    destination_stride: int = _half("words a row of the destination")
    destination_word: int = _half("first word of the destination")
    operand_word: int = _half("first word of the keys or values")
    operand_stride: int = _half("words a row of the keys or values")
    operand_blocks: int = _half("blocks of the keys or values, of cache_lanes tokens")
    ring_word: int = _half("where the first tile of operands begins in the unit's ring")
    ring_tile: int = _half("number of the first tile of operands, which says where its biases lie")
    keys: int = _half("keys of a row of scores; those beyond do not exist")
    expert: int = _of_experts("expert whose queue gives the rows, or -1", -1)
    bias_shift: int = _half("left shift of a bias to the accumulator's binary point")
    term_shift: int = _half("right shift of a sum before its first rounding")
    out_shift: int = _half("right shift before the last rounding")
    old_shift: int = _half("right shift of a destination that is added to")
    score_shift: int = _half("left shift of a difference of scores to the exponential's binary point")
    features: int = _half("features of a token (LayerNorm), classes or values of a pixel")
    inverse_shift: int = _half("right shift of the mean")
    normal_fraction: int = _half("fractional bits of a normalised value")
    expert_first: int = _of_experts("first expert that the task may choose")
    expert_end: int = _of_experts("expert behind the last that the task may choose")
    top_k: int = _of_experts("experts a token")
    gather_expert: int = _of_experts("expert whose tokens are gathered meanwhile, or -1", -1)
    gather_words: int = _of_experts("words of a gathered token")
    gather_stride: int = _of_experts("words a row where they come from and where they go")
    operand_block: int = _half("first block of the keys or values")
    frame_tokens: int = _of_experts("rows of each frame that is routed; 0: all are of one frame")
    frame_gap: int = _of_experts("blocks from that of a frame's last row to the first one of the next frame")
    source_lane: int = _of_maps("lane of the first row of the source")
    tap_words: int = _of_maps("words of a pixel of which each tap of a convolution takes all")
    row_blocks: int = _of_maps("blocks of a row of a map")
    row_words: int = _of_maps("words from a row of a map to the next one in its ring, or to the other one of RESIZE")
    ring_above: int = _of_maps("words from the ring's first row to the one above the first that is computed")
    ring_last: int = _of_maps("words from the ring's first row to its last")
    row: int = _of_maps("first row that is computed")
    height: int = _of_maps("rows of the map")
    width: int = _of_maps("pixels of a row of the source's map")


# Known only when an operation runs: each is the number of an entry of the token queues. Only with experts.
RUN_TIME_FIELDS = {
    "queue_first": "the first entry of the expert's queue",
    "gather_rows": "rows of the queue that is gathered",
    "gather_first": "the first entry of that queue",
}


@dataclass(frozen=True)
class FieldPlace:
    """Place of a field of `Operation`: word, first bit in the word, width; `part`: the part to which it belongs."""

    name: str
    meaning: str
    word: int
    low: int
    bits: int
    part: str = EVERY


def field_places(parts: frozenset[str] = PARTS) -> tuple[FieldPlace, ...]:
    """Places of all fields of a design with these parts, in order."""
    places = []
    position = 0
    for entry in fields(Operation):
        bits, part = entry.metadata["bits"], str(entry.metadata["part"])
        if has(parts, part):
            meaning = str(entry.metadata["meaning"])
            places.append(FieldPlace(entry.name, meaning, position // 32, position % 32, bits, part))
        position += bits
    return tuple(places)


def run_time_fields(parts: frozenset[str]) -> dict[str, str]:
    """Fields that an operation of these parts has beside those of the descriptor, with their meanings."""
    return RUN_TIME_FIELDS if has(parts, EXPERTS) else {}


def operation_bits(route_bits: int, parts: frozenset[str]) -> int:
    """Bits of an operation as the engine's processes pass it on.

    Args:
        route_bits: bits of the number of an entry in the token queues.
        parts: parts of the design.
    """
    return sum(place.bits for place in field_places(parts)) + route_bits * len(run_time_fields(parts))


def contract() -> list[object]:
    """The facts on which a program relies beside the knobs: designs that differ in them exchange no programs."""
    return [
        VERSION, OPERATION_WORDS, PATHS, list(KINDS), list(OPERANDS), list(FLAGS), list(STATUSES),
        [(place.name, place.word, place.low, place.bits) for place in field_places()], OPEN_TILES, RING_DISTANCE,
    ]  # fmt: skip
