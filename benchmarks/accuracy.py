"""How far the accelerator's numbers are from float32: tokens, routes, and every block.

Edge-MoE's public design, run on the same trained weights of M3ViT-tiny: mean squared error of the final tokens 2.08e-3
with the routes forced to be equal, 3.73e-3 free-running, 767 of 774 sets of experts equal.
"""

from __future__ import annotations

from setting import NOTHING, describe, open_setting, parser, ratio, show

from edgemoe_gen.comparison import FrameErrors, compare, mean_errors
from edgemoe_gen.model import Reference
from edgemoe_gen.sim.engine import Engine, run_frames

EDGE_MOE_FORCED, EDGE_MOE_FREE, EDGE_MOE_SETS = 2.08e-3, 3.73e-3, 767
TIER = "C simulation"


def main() -> None:
    """Measures and prints."""
    setting = open_setting(parser(__doc__.split("\n")[0]).parse_args())
    engine, reference = Engine.compile(setting.design), Reference(setting.model)
    tasks = setting.spec.task_names
    program = setting.compile(tasks, taps=True)
    errors: list[FrameErrors] = []
    for name, image in zip(setting.names, setting.images, strict=True):
        frames, _ = run_frames(engine, program, setting.spec, [image] * len(tasks))
        errors += [compare(setting.model, reference, name, image, frame).errors for frame in frames]
    tiny = setting.is_tiny
    print(describe(setting))
    rows: list[tuple[object, ...]] = []
    for row in errors:
        sets = f"{row.sets_equal:,} of {row.sets:,}" if row.sets else NOTHING
        rows.append(
            (f"{row.image}, {row.task}", f"{row.mse_forced:.2e}", ratio(EDGE_MOE_FORCED, row.mse_forced, tiny),
             f"{row.mse_free:.2e}", ratio(EDGE_MOE_FREE, row.mse_free, tiny), sets, TIER)
        )  # fmt: skip
    if tiny:
        published = f"{EDGE_MOE_FREE:.2e}", NOTHING, f"{EDGE_MOE_SETS} of 774", "published design, run here"
        rows.append(("Edge-MoE", f"{EDGE_MOE_FORCED:.2e}", NOTHING, *published))
    heads = ["frame", "MSE, routes forced", "smaller by", "MSE, free", "smaller by", "equal sets of experts", "tier"]
    show("Final tokens against float32 (mean squared error)", heads, rows)
    forced, free, power = (mean_errors(errors, name) for name in ("blocks_forced", "blocks_free", "power"))
    kinds = ["experts" if block.experts else "dense" for block in setting.spec.blocks]
    show(
        "By block, mean over all frames",
        ["block", "MLP", "MSE, routes forced", "MSE, free", "mean square of float", "tier"],
        [
            (i, kinds[i], f"{forced[i]:.2e}", f"{free[i]:.2e}", f"{power[i]:.3g}", TIER)
            for i in range(setting.spec.depth)
        ],
    )


if __name__ == "__main__":
    main()
