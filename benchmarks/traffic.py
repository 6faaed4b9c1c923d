"""What a frame moves to and from DDR, port by port, against what it must: weights, image and result.

Edge-MoE's public design moves 155 MB a frame of M3ViT-tiny: 30.8 MB of weights, 124.6 MB of activations.
"""

from __future__ import annotations

from setting import NOTHING, describe, open_setting, parser, ratio, show

from edgemoe_gen.model.macs import weights
from edgemoe_gen.program.counts import decoder_bytes, decoder_traffic
from edgemoe_gen.sim.engine import Engine, run_frames

EDGE_MOE_BYTES = 155e6


def main() -> None:
    """Measures and prints."""
    setting = open_setting(parser(__doc__.split("\n")[0]).parse_args())
    spec = setting.spec
    program = setting.compile(spec.task_names[:1], taps=False)
    _, moved = run_frames(Engine.compile(setting.design), program, spec, setting.images[:1])
    widths = setting.design.knobs.widths
    needed = {
        "weights": sum(count * widths.of_layer(layer) for layer, count in weights(spec).items()) // 8,
        "image": 2 * 3 * spec.image.height * spec.image.width,
        "result": 4 * spec.tokens * spec.dim,
    }
    print(describe(setting))
    counted = "C simulation, counted"
    rows: list[tuple[object, ...]] = []
    # Decoders' traffic is its own figure: their weights pass several times a frame.
    of_decoders, decoders = decoder_bytes(program), decoder_traffic(program, setting.network)
    for name in ("program", "weights", "constants", "image", "result"):
        least, bytes_moved = needed.get(name), getattr(moved, name) - of_decoders.get(name, 0)
        share = f"{bytes_moved / least:.3f}" if least else NOTHING
        rows.append((name, f"{bytes_moved:,}", f"{least:,}" if least else "0", share, NOTHING, counted))
    least, total = sum(needed.values()), moved.total - sum(of_decoders.values())
    rows.append(
        ("total", f"{total:,}", f"{least:,}", f"{total / least:.3f}",
         ratio(EDGE_MOE_BYTES, total, setting.is_tiny), counted)
    )  # fmt: skip
    if decoders is not None:
        rows.append(
            ("decoder", f"{decoders.moved:,}", f"{decoders.needed:,.0f}", f"{decoders.ratio:.3f}", NOTHING, counted)
        )
    if setting.is_tiny:
        published = f"{EDGE_MOE_BYTES / least:.3f}", NOTHING, "published design, counted"
        rows.append(("Edge-MoE", f"{EDGE_MOE_BYTES:,.0f}", f"{least:,}", *published))
    heads = ["port", "bytes a frame", "weights + image + result", "ratio", "less than Edge-MoE by", "tier"]
    show(f"DDR traffic of one frame of '{spec.task_names[0]}'", heads, rows)


if __name__ == "__main__":
    main()
