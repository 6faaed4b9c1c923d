"""How far the accelerator's numbers are from float32: tokens, routes, and every block.

Edge-MoE's public design, run on the same trained weights of M3ViT-tiny: mean squared error of the final tokens 2.08e-3
with the routes forced to be equal, 3.73e-3 free-running, 767 of 774 sets of experts equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from setting import NOTHING, Setting, describe, open_setting, parser, ratio, show

from edgemoe_gen.design.knobs import NARROW_KNOBS
from edgemoe_gen.design.rules import LEAST_WEIGHT_BITS
from edgemoe_gen.model import Reference
from edgemoe_gen.numerics.attribute import attribute_error, by_worth
from edgemoe_gen.numerics.widths import OWN_WIDTH
from edgemoe_gen.program.compile import Program
from edgemoe_gen.sim.comparison import FrameErrors, compare
from edgemoe_gen.sim.engine import Engine, run_frames

EDGE_MOE_FORCED, EDGE_MOE_FREE, EDGE_MOE_SETS = 2.08e-3, 3.73e-3, 767
TIER = "C simulation"
OF_BLOCKS = tuple(kind.knob for kind in OWN_WIDTH if kind.parts)


def main() -> None:
    """Measures and prints."""
    options = parser(__doc__.split("\n")[0])
    options.add_argument("--attribute", action="store_true", help="also say which weights' bits to spend first")
    setting = open_setting(options.parse_args())
    reference = Reference(setting.model)
    errors, _ = measure(setting, reference)
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
    show_widths(setting, reference)
    if setting.arguments.attribute:
        show_attribution(setting)


def mean_errors(rows: Sequence[FrameErrors], name: str) -> tuple[float, ...]:
    """Mean over frames of a field that holds one number a block."""
    return tuple(float(v) for v in np.mean([getattr(row, name) for row in rows], axis=0))


def measure(setting: Setting, reference: Reference) -> tuple[list[FrameErrors], Program]:
    """Errors of every picture and task, and the program that ran."""
    engine, tasks = Engine.compile(setting.design), setting.spec.task_names
    program = setting.compile(tasks, taps=True)
    errors: list[FrameErrors] = []
    for name, image in zip(setting.names, setting.images, strict=True):
        frames, _ = run_frames(engine, program, setting.spec, [image] * len(tasks))
        errors += [compare(setting.model, reference, name, image, frame).errors for frame in frames]
    return errors, program


def show_widths(setting: Setting, reference: Reference) -> None:
    """Prints what narrower weights cost in error and save in traffic: of each kind, of all three, of everything."""
    bits, half = setting.design.knobs.weight_bits, setting.design.knobs.weight_bits // 2
    wide = {**dict.fromkeys(NARROW_KNOBS, 0), "weight_bits": bits}
    widths = {f"{bits} bits": wide}
    if half >= LEAST_WEIGHT_BITS:
        widths |= {f"{bits}, {half} of {name.split('_')[0]}": wide | {name: half} for name in OF_BLOCKS}
        widths[f"{bits}, {half} of all three"] = wide | dict.fromkeys(OF_BLOCKS, half)
        widths[f"{half} bits"] = wide | {"weight_bits": half}
    rows: list[tuple[object, ...]] = []
    for name, turned in widths.items():
        errors, program = measure(setting.turned(**turned), reference)
        frames = len(setting.spec.task_names)
        design = program.design
        step = design.knobs.weight_ports * design.beat_bytes
        experts = sum(op.weight_beats for op in program.operations if op.expert >= 0) * step
        power = sum(row.power[-1] for row in errors)
        equal, sets = sum(row.sets_equal for row in errors), sum(row.sets for row in errors)
        relative = [(sum(getattr(row, which) for row in errors) / power) ** 0.5 for which in ("mse_forced", "mse_free")]
        rows.append(
            (name, f"{sum(row.mse_free for row in errors) / len(errors):.2e}",
             *(f"{value:.3%}" for value in relative), f"{equal / sets:.2%}" if sets else NOTHING,
             f"{experts / frames / 1e6:.2f}", f"{program.weight_bytes_per_run / frames / 1e6:.2f}", TIER)
        )  # fmt: skip
    heads = [
        "weights", "MSE, free", "RMS error, forced", "RMS error, free", "equal sets", "MB of experts", "MB of weights",
        "tier",
    ]  # fmt: skip
    show("Narrower weights: all frames together, RMS relative to float32's tokens, MB a frame", heads, rows)


def show_attribution(setting: Setting) -> None:
    """Prints which weights' bits to spend first: half the width for one kind of weight of one block at a time."""
    bits = setting.design.knobs.weight_bits // 2
    full = setting.turned(**dict.fromkeys(NARROW_KNOBS, 0))
    rows = attribute_error(
        setting.model, setting.network, full.formats, setting.images, setting.spec.task_names[0], (bits,)
    )
    show(
        f"Weights of {bits} bits, one group at a time, those first whose bits are best spent",
        ["group", "weights", "RMS error, forced", "RMS error, free", "equal sets", "tier"],
        [
            (row.group, f"{row.weights:,}", f"{row.error:.3%}", f"{row.free_error:.3%}",
             f"{row.sets_equal:,} of {row.sets:,}" if row.sets else NOTHING, "float32")
            for row in by_worth(rows)
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
