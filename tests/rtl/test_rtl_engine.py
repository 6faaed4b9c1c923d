"""The whole engine as modules, with its buses: the short program gives the bytes of C simulation, twice."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.rtl.cycles import compare_cycles
from edgemoe_gen.rtl.engine import make_engine
from edgemoe_gen.rtl.simulation import UNWRITTEN, Memory, build_simulation, program_buffers, simulate
from edgemoe_gen.rtl.timing import with_rtl
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import load_timing

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)

MOST_CYCLES = 100_000


def short_program(design: Design) -> tuple[dict[str, Bytes], Bytes, int]:
    """Buffers of the short program, what C simulation writes, and the number of operations."""
    program, spec, image = compile_short(design)
    buffers = program_buffers(program, pack_image(program, spec, [image] * len(program.frames)))
    expected = np.full((program.result_beats, design.beat_bytes), UNWRITTEN, np.uint8)
    status, _ = Engine.compile(design).execute(
        buffers["program"], list(program.weights), program.constants, buffers["image"], expected
    )
    assert status == 0
    return buffers, expected, len(program.operations)


@pytest.mark.usefixtures("simulator")
@pytest.mark.nightly
def test_the_short_program_gives_the_bytes_of_c_simulation(tmp_path: Path) -> None:
    design = make_design(Knobs(tokens_parallel=2, out_parallel=8, in_parallel=8), load_board("zcu104"))
    engine = make_engine(design)
    executable = build_simulation(engine, design)
    buffers, expected, operations = short_program(design)
    memories = [Memory(), Memory(percent=60), Memory(percent=10, seed=3), Memory(latency=4), Memory(latency=200)]
    cycles = []
    for memory in memories:
        run = simulate(
            executable, buffers, expected.nbytes, tmp_path, memory=memory, runs=2, most_cycles=MOST_CYCLES
        )  # fmt: skip
        assert (run.status, len(run.cycles), run.bad(expected)) == (0, 2, 0)
        assert [operation.index for operation in run.operations] == list(
            range(operations + 1)
        )  # the last: none is left
        assert run.operations[-1].end == run.cycles[-1]
        cycles.append(run.cycles[-1])
    assert cycles[3] < cycles[0] < cycles[4]  # latencies of 4, 40 and 200
    assert cycles[0] < cycles[1] < cycles[2]  # more and more gaps

    # The timed simulation follows the same stages, behind the same memory.
    program, spec, image = compile_short(design)
    timing = with_rtl(load_timing(design, render_sources(design)), engine.modules)
    timed = time_program(program, pack_image(program, spec, [image] * len(program.frames)), timing)
    shared = Memory(latency=timing.axi_latency, bytes_per_cycle=timing.ddr_bytes)
    run = simulate(executable, buffers, expected.nbytes, tmp_path, memory=shared, most_cycles=MOST_CYCLES)
    compared = compare_cycles(run, timed, operations)
    assert timed.passed and run.bad(expected) == 0
    assert abs(compared.share) < 0.01
    assert max(max(-row.least, row.most) for row in compared.kinds) <= 4
    assert all(abs(row.rtl - row.timed) <= 1 for row in compared.fifos if not row.name.startswith("weights"))

    weights = buffers["weights_1"].copy()
    weights.reshape(-1).view(np.uint8)[weights.nbytes // 2] ^= 0x10
    wrong = simulate(executable, {**buffers, "weights_1": weights}, expected.nbytes, tmp_path, most_cycles=MOST_CYCLES)
    assert wrong.bad(expected) > 0
