"""Whether a design can hold a network at all: its sizes against the knobs, formats against widths.

In: a design, a spec, formats. Out: nothing, or an error that names the knob, before anything is compiled.
"""

from __future__ import annotations

from edgemoe_gen.base.errors import CapacityError, ProgramError
from edgemoe_gen.design import Design
from edgemoe_gen.model import ModelSpec
from edgemoe_gen.numerics.formats import Formats
from edgemoe_gen.numerics.widths import ACTIVATION, DECODED, WEIGHT_KINDS, kind_of


def check_widths(design: Design, formats: Formats) -> None:
    """Refuses formats that a design has no room for.

    Raises:
        ProgramError: names the first one.
    """
    widths = design.knobs.widths
    for row in formats.rows():
        # It is the program that says which weights are narrow, and how fine decoders' activations are: any may be wide.
        kind = kind_of(row.name)
        bits = widths.weight if kind in WEIGHT_KINDS else widths.of_kind(ACTIVATION if kind == DECODED else kind)
        if row.form.bits > bits:
            raise ProgramError(
                f"the format of {row.name} has {row.form.bits} bits, but the design's has {bits}",
                "choose formats for this design's widths",
            )


def check_capacity(design: Design, spec: ModelSpec) -> None:
    """Refuses a network that exceeds the largest one that a design holds.

    Raises:
        CapacityError: names the size and the knob that it exceeds.
    """
    k = design.knobs
    experts = spec.most_experts
    if experts and not design.has_experts:
        raise CapacityError(
            f"the network has {experts} experts, but the design's max_experts is 0, so it has no router",
            f"set the knobs max_experts to {experts} or more and max_top_k to {spec.router.top_k} or more",
        )
    limits = [
        ("tokens", spec.tokens, "max_tokens", k.max_tokens),
        ("features a token", spec.dim, "max_dim", k.max_dim),
        ("columns of queries", query_columns(design, spec), "max_query", k.max_query),
        ("columns of one head's keys and values", 2 * head_columns(design, spec), "max_cache", k.max_cache),
        ("experts", experts, "max_experts", k.max_experts),
        ("experts a token", spec.router.top_k, "max_top_k", k.max_top_k),
    ]
    for what, value, knob, limit in limits:
        if value > limit:
            raise CapacityError(
                f"the network has {value} {what}, but the design's largest network has {limit}",
                f"raise the knob {knob} to {value} or more",
            )


def head_columns(design: Design, spec: ModelSpec) -> int:
    """Columns that one head's queries take: its width, padded to whole output tiles."""
    return design.out_tiles(spec.head_dim) * design.knobs.out_parallel


def query_columns(design: Design, spec: ModelSpec) -> int:
    """Columns of the query memory that a network needs."""
    return max(spec.heads * head_columns(design, spec), spec.dim)
