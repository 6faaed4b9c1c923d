"""Networks and designs of every kind in RTL, each against C simulation; every board's default array is made."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import make_design
from edgemoe_gen.fitting.defaults import default_knobs
from edgemoe_gen.hardware.boards import board_names, load_board
from edgemoe_gen.program.compile import compile_network, pack_image
from edgemoe_gen.rtl.compile import compile_kernels, compile_module
from edgemoe_gen.rtl.process import Process
from tests.design.specs import make_spec
from tests.rtl.engine_bench import TOP, build_top, run_engine, write_program, write_short
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
SPECS = {"M3ViT-tiny": make_spec(192, 3, (128, 256)), "DeiT-tiny": make_spec(192, 3, (224, 224), experts=0)}


def tasks_of(case: Case, together: bool) -> tuple[str, str]:
    names = case.model.spec.task_names
    return (names[0], names[0] if together else names[-1])


@pytest.mark.usefixtures("simulator", "optimised")
@pytest.mark.nightly
@pytest.mark.parametrize("turned", DESIGNS)
def test_two_frames_of_every_network_give_the_bytes_of_c_simulation(tmp_path: Path, turned: str) -> None:
    design = small_design(**DESIGNS[turned])
    kernels = compile_kernels(render_sources(design), design.board.part, budget_ns(design.knobs.clock_mhz))
    executable = build_top(kernels, design)
    written = write_short(design, tmp_path / "short")
    outcome = run_engine(executable, tmp_path / "short", 60, MOST_CYCLES)
    assert outcome == outcome | {"status": 0, "runs": 2, "bytes": written, "bad": 0}
    for name, sizes in NETWORKS.items():
        case = random_case(depth=2, **sizes)
        tasks = tasks_of(case, design.knobs.frames_per_pass > 1)
        program = compile_network(design, case.model, case.network, case.formats(design), tasks)
        picture = pack_image(program, case.model.spec, case.images[:2])
        written = write_program(design, program, picture, tmp_path / name)
        outcome = run_engine(executable, tmp_path / name, 80, MOST_CYCLES, runs=1)
        assert outcome == outcome | {"status": 0, "runs": 1, "bytes": written, "bad": 0}, name


@pytest.mark.nightly
@pytest.mark.parametrize("network", SPECS)
@pytest.mark.parametrize("board_name", board_names())
def test_every_board_s_default_array_is_made_for_its_clock(board_name: str, network: str) -> None:
    board = load_board(board_name)
    design = make_design(default_knobs(SPECS[network], board), board)
    budget = budget_ns(design.knobs.clock_mhz)
    modules: dict[str, Process] = {}
    compile_module(compile_kernels(render_sources(design), board.part, budget), TOP, modules)
    periods = {f"{name} {loop}": ns for name, module in modules.items() for loop, ns in module.periods.items()}
    assert periods and max(periods.values()) <= budget, periods
