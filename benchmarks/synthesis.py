"""What open synthesis makes of the processes of a design, beside the estimate: the table of docs/resources.md.

    python benchmarks/synthesis.py                     # all processes of the default design: an hour
    python benchmarks/synthesis.py multiply --array 2x8x8
    python benchmarks/synthesis.py --memories          # what lies between the processes, in BRAM and UltraRAM

Counts are kept by content, so a second run takes seconds. Tier: open synthesis (Yosys), beside estimate.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.estimate.resources import estimate_resources
from edgemoe_gen.estimate.synthesised import PROCESSES, compare, synthesise_process
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.rtl.compile import compile_kernels
from edgemoe_gen.rtl.engine import make_engine
from edgemoe_gen.rtl.library import library, sources
from edgemoe_gen.rtl.synthesis import Synthesis, synthesise

_INSTANCE = re.compile(r"edgemoe_(memory|fifo) #\((.*?)\) (\w+) \(", re.DOTALL)
_GIVEN = re.compile(r"\.(\w+)\(([^()]*)\)")
IN_RAM = ('"block"', '"ultra"')


def memories(design: Design) -> None:
    """Every memory and FIFO of the engine that asks for block RAM or UltraRAM, and the sums beside the estimate."""
    count, names = Counter[tuple[str, str]](), dict[tuple[str, str], str]()
    for file, text in make_engine(design).sources.items():
        for module, given, name in _INSTANCE.findall(text):
            if file[:-3] not in library() and dict(_GIVEN.findall(given)).get("STYLE") in IN_RAM:
                count[module, given] += 1
                names.setdefault((module, given), name.removesuffix("_instance").removesuffix("_memory"))
    print("| first of them | instances | bits x words | RAMB36 each | RAMB18 each | URAM288 each |")
    print("|---|---|---|---|---|---|")
    bram36 = uram = 0.0
    for (module, given), times in count.items():
        values, texts = dict(_GIVEN.findall(given)), sources([module])
        for key, value in values.items():  # the same module with other defaults
            texts[f"{module}.sv"] = re.sub(
                rf"(parameter .*\b{key} = )[^,/\n]+", rf"\g<1>{value}", texts[f"{module}.sv"], count=1
            )
        made = synthesise(texts, library()[module].name)
        bram36 += times * (made.ramb36 + made.ramb18 / 2)
        uram += times * made.uram
        size = f"{values['WIDTH']} x {values['DEPTH']}"
        print(
            f"| `{names[module, given]}` | {times} | {size} | {made.ramb36} | {made.ramb18} | {made.uram} |", flush=True
        )
    parts = [part for part in estimate_resources(design).parts if part.name != "adapters"]
    print(
        f"\nIn all {bram36:g} BRAM36 and {uram:g} UltraRAMs by open synthesis; by the estimate, without AXI adapters, "
        f"{sum(part.bram36 for part in parts)} and {sum(part.uram for part in parts)}."
    )


def processes(design: Design, names: Sequence[str]) -> None:
    """Synthesises processes, one at a time, and prints their primitives and what the estimate says."""
    kernels = compile_kernels(render_sources(design), design.board.part, budget_ns(design.knobs.clock_mhz))
    found: dict[str, Synthesis] = {}
    for name in names:
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
    print(
        "\n| processes | parts | LUT, estimate | between lanes | LUT, open synthesis | ratio | with between "
        "| DSP, estimate | DSP, open synthesis |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for row in compare(design, found):
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else f"without {', '.join(row.missing)}"
        whole = f"{row.ratio_with_between:.2f}" if row.ratio_with_between is not None else ""
        print(
            f"| {', '.join(f'`{name}`' for name in row.processes)} | {', '.join(row.parts)} | {row.estimate_lut:,} "
            f"| {row.between_lut:,} | {row.open_lut:,} | {ratio} | {whole} | {row.estimate_dsp:,} | {row.open_dsp:,} |"
        )


def main() -> None:
    """Prints the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("processes", nargs="*", default=PROCESSES, help="default: all")
    parser.add_argument("--array", default="5x16x16", help="tokens x out x in")
    parser.add_argument("--board", default="zcu104")
    parser.add_argument("--memories", action="store_true", help="these instead of processes")
    options = parser.parse_args()
    tokens, out, inner = map(int, options.array.split("x"))
    design = make_design(Knobs(tokens_parallel=tokens, out_parallel=out, in_parallel=inner), load_board(options.board))
    if options.memories:
        memories(design)
    else:
        processes(design, options.processes)


if __name__ == "__main__":
    main()
