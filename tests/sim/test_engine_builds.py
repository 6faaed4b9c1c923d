"""One source, other lives: the open ap_types headers, and the rendered testbench under the sanitizers.

All give the bytes of the plain build.
"""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.codegen import write_sources
from edgemoe_gen.design import Design
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.program.file import program_bytes, weight_bytes
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.sim.compiler import Build, find_compiler
from edgemoe_gen.sim.engine import Engine
from tests.numerics.decoded import decoded_case
from tests.sim.engines import Case, compiled, random_case, small_design

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

ODD: dict[str, Any] = {
    "tokens_parallel": 3, "out_parallel": 16, "in_parallel": 8, "weight_ports": 3, "weight_bits": 12,
    "max_query": 80, "max_cache": 160, "expert_weight_bits": 5,
}  # fmt: skip
LOW: dict[str, Any] = {"max_query": 80, "max_cache": 160, "activation_bits": 12, "weight_bits": 8}
# Its cache has more blocks than every other memory, by more than a bit.
WIDE: dict[str, Any] = {
    "tokens_parallel": 8, "max_query": 80, "max_cache": 160, "activation_bits": 20, "cache_bits": 15,
    "attention_weight_bits": 7, "cache_lanes": 1, "max_tokens": 65,
}  # fmt: skip
MAPS: dict[str, Any] = {"max_map_width": 32, "max_map_channels": 24, "source_words": 1500, "result_words": 1200}
LONG = {"seed": 32, "image": (64, 64)}
SANITIZERS = ("-std=c++14", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compile_case(design: Design, case: Case) -> tuple[Program, Bytes]:
    """A program of two frames with taps, and its image buffer."""
    tasks = case.model.spec.task_names
    formats = case.formats(design)
    program = compile_network(design, case.model, case.network, formats, (tasks[0], tasks[-1]), taps=True)
    return program, pack_image(program, case.model.spec, case.images)


@pytest.mark.skipif(importlib.util.find_spec("hls4ml") is None, reason="the open ap_types headers are not installed")
@pytest.mark.parametrize(
    "knobs",
    [
        pytest.param({}, id="even design", marks=pytest.mark.nightly),
        pytest.param(ODD, id="odd design", marks=pytest.mark.nightly),
        pytest.param(LOW, id="fewer bits", marks=pytest.mark.nightly),
        pytest.param(WIDE, id="more bits"),
    ],
)
def test_exact_width_integers_give_the_same_bytes(knobs: dict[str, Any]) -> None:
    design = small_design(**knobs)
    plain, exact = compiled(design), compiled(design, Build(ap_types=True))
    for sizes in ({"seed": 30}, {"seed": 31, "dim": 40, "heads": 5, "router": "task_conditioned", "experts": 6}):
        program, image = compile_case(design, random_case(**sizes))
        expected, got = plain.run_program(program, image).result, exact.run_program(program, image).result
        assert expected.any()
        assert np.array_equal(expected, got)


@pytest.mark.skipif(importlib.util.find_spec("hls4ml") is None, reason="the open ap_types headers are not installed")
def test_exact_width_integers_count_the_blocks_of_a_cache_with_few_lanes() -> None:
    design = small_design(**WIDE)
    assert design.cache_blocks >= 1 << design.token_bits - 1
    program, image = compile_case(design, random_case(**LONG))
    expected, got = (
        compiled(design, build).run_program(program, image).result for build in (None, Build(ap_types=True))
    )
    assert expected.any()
    assert np.array_equal(expected, got)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Design]:
    """The rendered testbench of a design with decoders as an executable with sanitizers, and the design."""
    design = small_design(**MAPS)
    folder = tmp_path_factory.mktemp("bench")
    write_sources(design, folder)
    command = [find_compiler(), *SANITIZERS, "-DEDGEMOE_PLAIN_INTEGERS", "-Wno-unknown-pragmas", "-Isrc"]
    command += ["testbench/main.cpp", "src/engine.cpp", "-o", "csim"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder / "csim", design


@pytest.fixture
def data(bench: tuple[Path, Design], tmp_path: Path) -> Path:
    """A folder of data whose expected result is the plain build's."""
    return write_data(tmp_path, bench[1], *compile_case(bench[1], random_case(seed=30)))


def write_data(folder: Path, design: Design, program: Program, image: Bytes) -> Path:
    """What the testbench reads; the expected result is the plain build's."""
    result = Engine.run_program(compiled(design), program, image).result
    for name, content in (
        ("program.bin", program_bytes(program)),
        ("weights.bin", weight_bytes(program)),
        ("image.bin", image.tobytes()),
        ("expected.bin", result.tobytes()),
    ):
        (folder / name).write_bytes(content)
    return folder


def run_bench(bench: tuple[Path, Design], data: Path) -> subprocess.CompletedProcess[str]:
    """Runs the testbench; a sanitizer's finding ends it with another code than its own."""
    environment = {"ASAN_OPTIONS": "exitcode=99:detect_leaks=1", "UBSAN_OPTIONS": "exitcode=98:print_stacktrace=1"}
    command = [str(bench[0]), str(data)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def test_the_testbench_passes_under_address_and_undefined_behaviour_sanitizers(
    bench: tuple[Path, Design], data: Path
) -> None:
    done = run_bench(bench, data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASS: 0 of ")
    assert not done.stderr


def test_decoders_pass_under_the_sanitizers(bench: tuple[Path, Design], tmp_path: Path) -> None:
    design, case = bench[1], decoded_case()
    tasks = case.model.spec.task_names
    formats, on_engine = case.formats(design.knobs.widths), dict.fromkeys(tasks, True)
    program = compile_network(design, case.model, case.network, formats, tasks, decoders=on_engine)
    done = run_bench(bench, write_data(tmp_path, design, program, pack_image(program, case.model.spec, case.images)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASS: 0 of ")
    assert not done.stderr


def test_the_testbench_finds_one_wrong_byte(bench: tuple[Path, Design], data: Path) -> None:
    flip(data / "expected.bin", 1000)
    done = run_bench(bench, data)
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL: 1 of ")


def test_the_testbench_finds_a_result_of_another_size(bench: tuple[Path, Design], data: Path) -> None:
    (data / "expected.bin").write_bytes((data / "expected.bin").read_bytes()[:-16])
    assert run_bench(bench, data).returncode == 1


@pytest.mark.parametrize("name", ["program.bin", "weights.bin"])
def test_the_testbench_refuses_files_of_another_design(bench: tuple[Path, Design], data: Path, name: str) -> None:
    other = small_design(weight_fifo_beats=512)
    assert other.identity != bench[1].identity
    content = bytearray((data / name).read_bytes())
    content[8:16] = other.identity.to_bytes(8, "little")
    (data / name).write_bytes(content)
    done = run_bench(bench, data)
    assert done.returncode == 2
    assert done.stdout.startswith("error: ")


def test_the_testbench_refuses_cut_or_missing_weights(bench: tuple[Path, Design], data: Path) -> None:
    weights = data / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-16])
    assert run_bench(bench, data).returncode == 2
    weights.unlink()
    done = run_bench(bench, data)
    assert done.returncode == 2 and "weights.bin" in done.stdout
