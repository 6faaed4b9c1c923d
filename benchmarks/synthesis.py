"""What open synthesis makes of the processes of a design, beside the estimate: the table of docs/resources.md.

    python benchmarks/synthesis.py                     # all processes of the default design: an hour
    python benchmarks/synthesis.py multiply --array 2x8x8

Counts are kept by content, so a second run takes seconds. Tier: open synthesis (Yosys), beside estimate.
"""

from __future__ import annotations

import argparse
import sys
import time

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.estimate.synthesised import PROCESSES, compare, synthesise_process
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.rtl.compile import compile_kernels
from edgemoe_gen.rtl.synthesis import Synthesis


def main() -> None:
    """Synthesises the processes that are asked for, one at a time, and prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("processes", nargs="*", default=PROCESSES, help="default: all")
    parser.add_argument("--array", default="5x16x16", help="tokens x out x in")
    parser.add_argument("--board", default="zcu104")
    options = parser.parse_args()
    tokens, out, inner = map(int, options.array.split("x"))
    design = make_design(Knobs(tokens_parallel=tokens, out_parallel=out, in_parallel=inner), load_board(options.board))
    kernels = compile_kernels(render_sources(design), design.board.part, budget_ns(design.knobs.clock_mhz))
    found: dict[str, Synthesis] = {}
    for name in options.processes:
        begun = time.monotonic()
        found[name] = synthesise_process(
            kernels, name, lambda text, done, total: print(f"{text} ({done + 1} of {total})", file=sys.stderr)
        )
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print("| process | LUT of logic | LUT as SRL or RAM | FF | DSP48E2 | RAMB36 | URAM288 |")
    print("|---|---|---|---|---|---|---|")
    for name, made in found.items():
        memory = made.lutram + made.srl
        print(f"| `{name}` | {made.lut:,} | {memory:,} | {made.ff:,} | {made.dsp:,} | {made.ramb36} | {made.uram} |")
    print("\n| processes | parts | LUT, estimate | LUT, open synthesis | ratio | DSP, estimate | DSP, open synthesis |")
    print("|---|---|---|---|---|---|---|")
    for row in compare(design, found):
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else f"without {', '.join(row.missing)}"
        print(
            f"| {', '.join(f'`{name}`' for name in row.processes)} | {', '.join(row.parts)} | {row.estimate_lut:,} "
            f"| {row.open_lut:,} | {ratio} | {row.estimate_dsp:,} | {row.open_dsp:,} |"
        )


if __name__ == "__main__":
    main()
