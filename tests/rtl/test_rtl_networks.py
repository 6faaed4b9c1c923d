"""Networks and designs of every kind in RTL, each against C simulation; every board's default array is made."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import make_design
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import board_names, load_board
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.rtl.engine import make_engine
from edgemoe_gen.rtl.simulation import Memory, build_simulation, program_buffers, simulate
from edgemoe_gen.sim.engine import Engine
from tests.design.specs import make_spec
from tests.sim.engines import Case, random_case, small_design

if find_spec("ziglang") is None:
    pytest.skip("the compiler of the extra [schedule] is not installed", allow_module_level=True)
pytest.importorskip("torch")

MOST_CYCLES = 200_000
DESIGNS: dict[str, dict[str, Any]] = {
    "experts of 8 bits": {"expert_weight_bits": 8},
    "weights of 8 bits": {"weight_bits": 8},
    "two frames a pass": {"frames_per_pass": 2, "tokens_parallel": 3, "out_parallel": 16, "score_rows": 2},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "a gate a task": {"seed": 1},
    "one router": {"router": "single", "seed": 2},
    "task conditioned": {"router": "task_conditioned", "seed": 3},
    "plain": {"router": "none", "head_classes": 10, "seed": 7},
}
SPECS = {
    "M3ViT-tiny": make_spec(192, 3, (128, 256), channels=256),
    "DeiT-tiny": make_spec(192, 3, (224, 224), experts=0),
}


def tasks_of(case: Case, together: bool) -> tuple[str, str]:
    names = case.model.spec.task_names
    return (names[0], names[0] if together else names[-1])


def bad_bytes(executable: Path, folder: Path, program: Program, image: Bytes, memory: Memory, runs: int) -> int:
    """Bytes of the result that C simulation writes otherwise."""
    expected = Engine.compile(program.design).run_program(program, image).result
    buffers = program_buffers(program, image)
    run = simulate(
        executable, buffers, expected.nbytes, folder, memory=memory, runs=runs, most_cycles=runs * MOST_CYCLES
    )  # fmt: skip
    assert (run.status, len(run.cycles)) == (0, runs)
    return run.bad(expected)


@pytest.mark.usefixtures("simulator", "optimised")
@pytest.mark.nightly
@pytest.mark.parametrize("turned", DESIGNS)
def test_two_frames_of_every_network_give_the_bytes_of_c_simulation(tmp_path: Path, turned: str) -> None:
    design = small_design(**DESIGNS[turned])
    executable = build_simulation(make_engine(design), design)
    program, spec, image = compile_short(design)
    assert not bad_bytes(
        executable, tmp_path, program, pack_image(program, spec, [image] * len(program.frames)), Memory(percent=60), 2
    )
    for name, sizes in NETWORKS.items():
        case = random_case(depth=2, **sizes)
        tasks = tasks_of(case, design.knobs.frames_per_pass > 1)
        program = compile_network(design, case.model, case.network, case.formats(design), tasks)
        picture = pack_image(program, case.model.spec, case.images[:2])
        assert not bad_bytes(executable, tmp_path, program, picture, Memory(percent=80, seed=2), 1), name


@pytest.mark.usefixtures("simulator", "optimised")
@pytest.mark.nightly
@pytest.mark.parametrize("board_name", board_names())
def test_every_board_s_default_array_runs_the_short_program(tmp_path: Path, board_name: str) -> None:
    board = load_board(board_name)
    design = make_design(default_knobs(SPECS["M3ViT-tiny"], board), board)
    executable = build_simulation(make_engine(design), design)
    program, spec, image = compile_short(design)
    assert [frame.decoded is not None for frame in program.frames] == ([True, True] if design.has_decoders else [False])
    for memory in (Memory(), Memory(percent=60, latency=64)):
        assert not bad_bytes(
            executable, tmp_path, program, pack_image(program, spec, [image] * len(program.frames)), memory, 2
        )


@pytest.mark.nightly
@pytest.mark.parametrize("network", SPECS)
@pytest.mark.parametrize("board_name", board_names())
def test_every_board_s_default_array_is_made_for_its_clock(board_name: str, network: str) -> None:
    board = load_board(board_name)
    design = make_design(default_knobs(SPECS[network], board), board)
    made = make_engine(design).modules.items()
    periods = {f"{name} {region.name}": region.ns for name, module in made for region in module.stages}
    assert periods and max(periods.values()) <= budget_ns(design.knobs.clock_mhz), periods
