"""The knobs: the parameters of an accelerator that a user may set, each with its meaning and range.

Rules that tie several knobs together are in `rules.py`.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.base.names import near
from edgemoe_gen.numerics.widths import ATTENTION, DECODERS, EXPERTS, MLP, OWN_WIDTH, WEIGHT_KINDS, Widths


def _knob(default: float, meaning: str, low: float, high: float, power_of_two: bool = False) -> Any:
    return field(default=default, metadata={"meaning": meaning, "low": low, "high": high, "power_of_two": power_of_two})


def _narrow_knob(kind: str) -> Any:
    what = WEIGHT_KINDS[kind].meaning
    return _knob(
        0, f"width of {what}: at most half of weight_bits, the same for all that are narrow; 0: weight_bits", 0, 18
    )


# Widths of single kinds of weights. Of the hardware they shape only whether and how narrow there are narrow ones.
NARROW_KNOBS = tuple(kind.knob for kind in OWN_WIDTH)
# Knobs that choose a program's numbers: hardware follows at most from what they come to together.
PROGRAM_KNOBS = (*NARROW_KNOBS, "decoder_activation_bits")


@dataclass(frozen=True)
class Knobs:
    """All knobs of a design. Sizes named `max_*` bound the largest network that the bitstream can run.

    Raises:
        KnobError: a value is outside its range; names knob, value and range.
    """

    tokens_parallel: int = _knob(4, "tokens that the compute unit works on at once", 1, 16)
    out_parallel: int = _knob(16, "outputs that the compute unit works on at once", 4, 128)
    in_parallel: int = _knob(16, "inputs that are multiplied and summed in one cycle", 4, 64)
    activation_bits: int = _knob(18, "width of activations, scores and logits", 8, 20)
    weight_bits: int = _knob(16, "width of weights", 4, 18)
    attention_weight_bits: int = _narrow_knob(ATTENTION)
    mlp_weight_bits: int = _narrow_knob(MLP)
    expert_weight_bits: int = _narrow_knob(EXPERTS)
    decoder_weight_bits: int = _narrow_knob(DECODERS)
    decoder_activation_bits: int = _knob(
        0, "width of decoders' activations: 8 or more, at most that of others; 0: as wide", 0, 20
    )
    cache_bits: int = _knob(
        0, "width of keys and values: 8 to 18, at most that of activations; 0: as wide as activations", 0, 18
    )
    residual_tail_bits: int = _knob(6, "bits that tokens between layers keep below an activation's last", 0, 8)
    exp_segments: int = _knob(128, "segments of the exponential's table over one octave", 8, 1024, True)
    gelu_segments: int = _knob(64, "segments of GELU's table a unit up to 2, half as many beyond", 4, 256, True)
    reciprocal_segments: int = _knob(256, "segments of the reciprocal's table", 8, 1024, True)
    rsqrt_segments: int = _knob(128, "segments a unit of the reciprocal square root's table (LayerNorm)", 8, 512, True)
    weight_ports: int = _knob(4, "AXI ports that stream weights from DDR", 1, 16)
    port_bits: int = _knob(128, "width of every AXI port", 64, 256, True)
    fill_beats: int = _knob(2, "beats of each weight port that enter the compute unit in one cycle", 1, 4, True)
    weight_fifo_beats: int = _knob(
        32768, "depth of the weight FIFO behind each port, in beats; a multiple of fill_beats", 64, 262144
    )
    score_rows: int = _knob(1, "rows of which a word of attention scores is rounded and stored in one cycle", 1, 16)
    cache_lanes: int = _knob(4, "neighbouring tokens whose keys or values one address of the cache holds", 1, 16, True)
    frames_per_pass: int = _knob(
        1, "frames of one task that share a pass of the weights; the memories hold all of them", 1, 16
    )
    max_tokens: int = _knob(129, "tokens of an image, class token included", 1, 4096)
    max_dim: int = _knob(192, "features of a token", 8, 4096)
    max_query: int = _knob(192, "columns of the query memory: heads x padded head size, or dim", 8, 8192)
    max_cache: int = _knob(
        384, "columns of the key and value memory; fewer heads at a time fit a smaller one", 8, 16384
    )
    max_hidden: int = _knob(768, "columns of the hidden memory; wider layers are computed slice by slice", 8, 16384)
    max_experts: int = _knob(64, "experts a layer, 2 or more; 0: the engine has no router and no token queues", 0, 512)
    max_top_k: int = _knob(4, "experts a token; 0 where max_experts is 0", 0, 16)
    max_map_width: int = _knob(
        0, "pixels of a row of the widest map that a decoder convolves; 0: decoders run on the host", 0, 4096
    )
    max_map_channels: int = _knob(256, "channels of a decoder's maps", 8, 1024)
    source_words: int = _knob(0, "addresses that the hidden memory has at least, for maps to be convolved", 0, 32767)
    result_words: int = _knob(0, "addresses that the query memory has at least, for results of convolutions", 0, 32767)
    clock_mhz: float = _knob(300.0, "clock asked of synthesis, in MHz", 50, 600)

    def __post_init__(self) -> None:
        for knob in fields(self):
            value = getattr(self, knob.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise KnobError(f"knob '{knob.name}' is {value!r}, which is not a number")
            if knob.type == "int" and not isinstance(value, int):
                raise KnobError(f"knob '{knob.name}' is {value!r}, which is not a whole number")
            low, high = knob.metadata["low"], knob.metadata["high"]
            if not low <= value <= high:
                raise KnobError(
                    f"knob '{knob.name}' is {value}, outside its range of {low} to {high}", f"it means: {meaning(knob)}"
                )
            if knob.metadata["power_of_two"] and int(value) & (int(value) - 1):
                raise KnobError(f"knob '{knob.name}' is {value}, which is not a power of two")

    @property
    def widths(self) -> Widths:
        """Bits of every kind of tensor."""
        return Widths(
            self.activation_bits, self.weight_bits, cache=self.cache_bits, decoded=self.decoder_activation_bits,
            **{kind.name: getattr(self, kind.knob) for kind in OWN_WIDTH},
        )  # fmt: skip

    def turned(self, values: dict[str, Any]) -> Knobs:
        """These knobs with some of them changed.

        Raises:
            KnobError: a name is unknown, or a value out of range.
        """
        known = {knob.name for knob in fields(self)}
        for name in values:
            if name not in known:
                raise KnobError(f"there is no knob '{name}'", near(name, sorted(known), "known knobs"))
        return replace(self, **values)


def knob_fields() -> tuple[Field[Any], ...]:
    """All knobs in order; `metadata` holds meaning, low, high, power_of_two."""
    return fields(Knobs)


def meaning(knob: Field[Any]) -> str:
    """Meaning of a knob, in words."""
    return str(knob.metadata["meaning"])


def parse_knob(text: str) -> tuple[str, int | float]:
    """`name=value` as given on the command line.

    Raises:
        KnobError: the text is not of this form.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise KnobError(f"'{text}' is not of the form knob=value", "for example --knob tokens_parallel=6")
    try:
        number: int | float = float(value) if name.strip() == "clock_mhz" else int(value)
    except ValueError:
        raise KnobError(f"knob '{name.strip()}' is '{value}', which is not a number") from None
    return name.strip(), number
