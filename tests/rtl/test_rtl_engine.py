"""The whole engine as modules, with its buses: bytes are those of C simulation, cycles those of the timed one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.rtl.cycles import Comparison, compare_cycles
from edgemoe_gen.rtl.engine import Engine as RtlEngine
from edgemoe_gen.rtl.engine import make_engine
from edgemoe_gen.rtl.simulation import UNWRITTEN, Memory, build_simulation, program_buffers, simulate
from edgemoe_gen.rtl.timing import with_rtl
from edgemoe_gen.sim.decoded import IntegerDecoder
from edgemoe_gen.sim.engine import Engine, stored_matrix
from edgemoe_gen.timing.run import time_program
from edgemoe_gen.timing.table import load_timing
from tests.numerics.decoded import DecodedCase, decoded_case, shared_case
from tests.sim.engines import MAPS, NO_ROUTER, small_design

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)

MOST_CYCLES = 100_000
# Networks, the pictures of a run (a backbone a task, or one for all), and whether the engine doubles the last map.
DECODED: dict[str, tuple[Callable[[], DecodedCase], int, bool]] = {
    "a gate a task": (decoded_case, 2, True),
    "one router": (shared_case, 1, True),
    "logits": (decoded_case, 2, False),
}


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


def beside_timed(engine: RtlEngine, executable: Path, program: Program, picture: Bytes, folder: Path) -> Comparison:
    """RTL and the timed simulation that follows its stages, behind the same memory; bytes are those of C simulation."""
    design = program.design
    timing = with_rtl(load_timing(design, render_sources(design)), engine.modules)
    timed = time_program(program, picture, timing)
    shared = Memory(latency=timing.axi_latency, bytes_per_cycle=timing.ddr_bytes)
    expected = Engine.compile(design).run_program(program, picture).result
    run = simulate(executable, program_buffers(program, picture), expected.nbytes, folder, memory=shared)
    assert timed.passed and run.bad(expected) == 0
    return compare_cycles(run, timed, len(program.operations))


@pytest.mark.usefixtures("simulator")
@pytest.mark.nightly
@pytest.mark.parametrize("turned", [MAPS, NO_ROUTER], ids=["decoders", "no router"])
def test_the_short_program_gives_the_bytes_of_c_simulation(tmp_path: Path, turned: Mapping[str, Any]) -> None:
    design = small_design(**turned)
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
    picture = pack_image(program, spec, [image] * len(program.frames))
    compared = beside_timed(engine, executable, program, picture, tmp_path)
    assert abs(compared.share) < 0.01
    assert max(max(-row.least, row.most) for row in compared.kinds) <= 4
    assert all(abs(row.rtl - row.timed) <= 1 for row in compared.fifos if not row.name.startswith("weights"))

    weights = buffers["weights_1"].copy()
    weights[:4] ^= 0x10  # of the patches
    wrong = simulate(executable, {**buffers, "weights_1": weights}, expected.nbytes, tmp_path, most_cycles=MOST_CYCLES)
    assert wrong.bad(expected) > 0


@pytest.mark.usefixtures("simulator")
@pytest.mark.nightly
@pytest.mark.parametrize("name", DECODED)
def test_a_network_s_decoders_give_the_bytes_of_the_integer_reference(tmp_path: Path, name: str) -> None:
    """Tasks of classes and of values, from picture to maps."""
    make_case, pictures, doubles = DECODED[name]
    case, design = make_case(), small_design(**MAPS)
    tasks, formats = case.model.spec.task_names, case.formats(design.knobs.widths)
    program = compile_network(
        design, case.model, case.network, formats, tasks, decoders=dict.fromkeys(tasks, doubles),
        one_picture=pictures == 1,
    )  # fmt: skip
    assert (len(program.pictures), len(program.frames)) == (pictures, len(tasks))
    picture = pack_image(program, case.model.spec, [case.images[i % pictures] for i in range(len(tasks))])
    engine = make_engine(design)
    executable = build_simulation(engine, design)
    run_of_c = Engine.compile(design).run_program(program, picture)
    for memory in (Memory(), Memory(percent=60, seed=2), Memory(percent=15, seed=3), Memory(latency=200)):
        run = simulate(
            executable, program_buffers(program, picture), run_of_c.result.nbytes, tmp_path, memory=memory
        )  # fmt: skip
        assert (run.status, run.bad(run_of_c.result)) == (0, 0)
        for frame in program.frames:
            assert frame.decoded is not None
            reference = IntegerDecoder.of(design, case.network, formats, frame.task)
            tokens = stored_matrix(run_of_c, frame.regions["tokens"])
            found = frame.decoded.unpack(run.result.reshape(run_of_c.result.shape))
            maps = reference(reference.tokens(tokens))
            expected = maps.result if doubles else maps.logits << design.knobs.residual_tail_bits
            np.testing.assert_array_equal(found, expected)
            assert len(np.unique(found)) >= 2

    compared = beside_timed(engine, executable, program, picture, tmp_path)
    assert abs(compared.share) < 0.01
    decoders = [row for row in compared.kinds if row.kind.startswith("decoders")]
    assert {row.kind.split(".")[-1] for row in decoders} >= {"norm", "conv_3", "resize_3", "logits", "result"}
    assert max(max(-row.least, row.most) for row in decoders) <= 4
