"""How long a design takes to render, to compile, and to simulate a frame in C.

Edge-MoE's public C simulation takes 8.0 s a frame of M3ViT-tiny, measured at -O3 after mending an uninitialised
variable that makes it crash there; as shipped, at -O0, 428 s.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import TypeVar

from setting import NOTHING, Setting, describe, open_setting, parser, ratio, show

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.sim.engine import Engine

EDGE_MOE_SECONDS = 8.0
DECODED_BAR_SECONDS = 3.0  # CPU time of a frame of M3ViT-tiny, decoder included
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of wall time, and what came of it."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def decoded(setting: Setting, engine: Engine) -> list[float]:
    """CPU seconds of frames whose decoder runs on the engine too; none where it stays on the host."""
    task = setting.spec.task_names[0]
    if task not in setting.decoders:
        return []
    program = setting.compile([task], taps=False)
    image = pack_image(program, setting.spec, setting.images[:1])
    times = []
    for _ in range(setting.arguments.runs):
        start = time.process_time()
        engine.run_program(program, image)
        times.append(time.process_time() - start)
    return times


def main() -> None:
    """Measures and prints."""
    options = parser(__doc__.split("\n")[0])
    options.add_argument("--runs", type=int, default=7, help="runs of the simulation, of which the median counts")
    setting = open_setting(options.parse_args())
    program = setting.compile(setting.spec.task_names[:1], taps=False, decoders=False)
    image = pack_image(program, setting.spec, setting.images[:1])
    renders = [timed(lambda: render_sources(setting.design))[0] for _ in range(setting.arguments.runs)]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEMOE_CACHE"] = folder
        cold, engine = timed(lambda: Engine.compile(setting.design))
        cached, _ = timed(lambda: Engine.compile(setting.design))
        first, expected = timed(lambda: engine.run_program(program, image))
        times = []
        for _ in range(setting.arguments.runs):
            seconds, run = timed(lambda: engine.run_program(program, image))
            times.append(seconds)
            assert (run.result == expected.result).all(), "a run differs from the first one"
        whole = decoded(setting, engine)
    median = statistics.median(times)
    print(describe(setting))
    wall = "wall clock, this machine"
    show(
        f"C simulation, one frame of '{setting.spec.task_names[0]}'; {setting.arguments.runs} runs",
        ["step", "seconds", "lowest", "highest", "Edge-MoE", "faster by", "tier"],
        [
            ("render (median)", f"{statistics.median(renders):.3f}", f"{min(renders):.3f}", f"{max(renders):.3f}",
             NOTHING, NOTHING, wall),
            ("compile, nothing cached", f"{cold:.2f}", NOTHING, NOTHING, NOTHING, NOTHING, wall),
            ("compile, cached", f"{cached:.3f}", NOTHING, NOTHING, NOTHING, NOTHING, wall),
            ("first frame", f"{first:.3f}", NOTHING, NOTHING, NOTHING, NOTHING, wall),
            ("frame (median)", f"{median:.3f}", f"{min(times):.3f}", f"{max(times):.3f}",
             f"{EDGE_MOE_SECONDS:.1f}" if setting.is_tiny else NOTHING,
             ratio(EDGE_MOE_SECONDS, median, setting.is_tiny), wall),
            *([("frame with decoder (median)", f"{statistics.median(whole):.3f}", f"{min(whole):.3f}",
                f"{max(whole):.3f}", NOTHING, NOTHING, "CPU time, this machine")] if whole else []),
        ],
    )  # fmt: skip
    if setting.is_tiny and whole and statistics.median(whole) > DECODED_BAR_SECONDS:
        raise SystemExit(f"missed: a frame with its decoder within {DECODED_BAR_SECONDS:g} s")


if __name__ == "__main__":
    main()
