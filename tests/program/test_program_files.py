"""Program and weight files: what is written comes back, and nothing else is accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgemoe_gen.base.errors import CapacityError, ProgramError
from edgemoe_gen.design import Design, make_design
from edgemoe_gen.hardware import descriptor
from edgemoe_gen.program.compile import Program, check_capacity, compile_network
from edgemoe_gen.program.file import program_bytes, program_words, read_program, read_weights, weight_bytes
from tests.sim.engines import random_case, small_design

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def design() -> Design:
    return small_design()


@pytest.fixture(scope="module")
def program(design: Design) -> Program:
    case = random_case(seed=70)
    return compile_network(design, case.model, case.network, case.formats(design), ("semseg", "depth"))


@pytest.fixture
def files(program: Program, tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "program.bin", tmp_path / "weights.bin"
    paths[0].write_bytes(program_bytes(program))
    paths[1].write_bytes(weight_bytes(program))
    return paths


def test_what_is_written_comes_back(program: Program, design: Design, files: tuple[Path, Path]) -> None:
    words = read_program(files[0], design)
    assert np.array_equal(words, program_words(program))
    weights = read_weights(files[1], design, words)
    assert np.array_equal(weights.weights, program.weights)
    assert np.array_equal(weights.constants, program.constants)


def test_compiling_again_gives_the_same_bytes(program: Program, design: Design) -> None:
    case = random_case(seed=70)
    again = compile_network(design, case.model, case.network, case.formats(design), ("semseg", "depth"))
    assert program_bytes(again) == program_bytes(program)
    assert weight_bytes(again) == weight_bytes(program)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("keep", [0, 3, 60, -1, -16], ids=lambda keep: f"cut at {keep}")
def test_a_cut_file_is_refused_by_name(design: Design, files: tuple[Path, Path], which: int, keep: int) -> None:
    files[which].write_bytes(files[which].read_bytes()[:keep])
    with pytest.raises(ProgramError, match=files[which].name):
        read_program(files[0], design) if which == 0 else read_weights(files[1], design)


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_with_more_than_it_says_is_refused(design: Design, files: tuple[Path, Path], which: int) -> None:
    files[which].write_bytes(files[which].read_bytes() + bytes(16))
    with pytest.raises(ProgramError, match=r"bytes, but its"):
        read_program(files[0], design) if which == 0 else read_weights(files[1], design)


@pytest.mark.parametrize("which", [0, 1])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(design: Design, files: tuple[Path, Path], which: int, place: float, bit: int) -> None:
    original = files[which].read_bytes()
    content = bytearray(original)
    content[int(place * len(content))] ^= 1 << bit
    files[which].write_bytes(bytes(content))
    try:
        with pytest.raises(ProgramError, match=files[which].name):
            read_program(files[0], design) if which == 0 else read_weights(files[1], design)
    finally:
        files[which].write_bytes(original)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("word", range(16))
def test_a_header_that_says_something_else_is_refused(
    design: Design, files: tuple[Path, Path], which: int, word: int
) -> None:
    content = bytearray(files[which].read_bytes())
    content[4 * word] ^= 1
    files[which].write_bytes(bytes(content))
    with pytest.raises(ProgramError, match=files[which].name):
        read_program(files[0], design) if which == 0 else read_weights(files[1], design)


@pytest.mark.parametrize("which", [0, 1])
def test_files_of_another_version_are_refused_with_both_versions(
    design: Design, files: tuple[Path, Path], which: int
) -> None:
    content = bytearray(files[which].read_bytes())
    content[4:8] = (descriptor.VERSION - 1).to_bytes(4, "little")
    files[which].write_bytes(bytes(content))
    with pytest.raises(ProgramError, match=f"version {descriptor.VERSION - 1} .* reads {descriptor.VERSION}"):
        read_program(files[0], design) if which == 0 else read_weights(files[1], design)


def test_files_of_another_design_are_refused_with_both_identities(design: Design, files: tuple[Path, Path]) -> None:
    other = small_design(max_tokens=40)
    for read, path in ((read_program, files[0]), (read_weights, files[1])):
        with pytest.raises(ProgramError, match=f"{path.name} was made for design {design.identity:016x}") as error:
            read(path, other)
        assert f"{other.identity:016x}" in error.value.message


def test_weights_of_another_program_are_refused(program: Program, design: Design, files: tuple[Path, Path]) -> None:
    other = program.weights.copy()
    other[0, 0, 0] ^= 1
    files[1].write_bytes(weight_bytes(replace(program, weights=other)))
    read_weights(files[1], design)
    with pytest.raises(ProgramError, match=r"weights\.bin holds the weights of another program"):
        read_weights(files[1], design, read_program(files[0], design))


def test_files_of_something_else_or_of_nothing_are_refused(design: Design, tmp_path: Path) -> None:
    path = tmp_path / "picture.bin"
    for content in (b"", b"\x89PNG" * 100, bytes(4096)):
        path.write_bytes(content)
        with pytest.raises(ProgramError, match=r"picture\.bin is not a program"):
            read_program(path, design)
        with pytest.raises(ProgramError, match=r"picture\.bin is not a weight file"):
            read_weights(path, design)
    with pytest.raises(ProgramError, match=r"absent\.bin can't be read"):
        read_program(tmp_path / "absent.bin", design)


LIMITS: dict[str, Callable[[Design], Design]] = {
    "max_tokens": lambda d: replace(d, knobs=replace(d.knobs, max_tokens=32)),
    "max_dim": lambda d: replace(d, knobs=replace(d.knobs, max_dim=24)),
    "max_query": lambda d: replace(d, knobs=replace(d.knobs, max_query=24)),
    "max_cache": lambda d: replace(d, knobs=replace(d.knobs, max_cache=24)),
    "max_experts": lambda d: replace(d, knobs=replace(d.knobs, max_experts=3)),
    "max_top_k": lambda d: replace(d, knobs=replace(d.knobs, max_top_k=1)),
}


@pytest.mark.parametrize("knob", LIMITS)
def test_a_network_beyond_the_largest_is_refused_with_the_knob(design: Design, knob: str) -> None:
    spec = random_case(seed=70).model.spec
    check_capacity(design, spec)
    with pytest.raises(CapacityError) as error:
        check_capacity(LIMITS[knob](design), spec)
    assert knob in error.value.hint


def test_a_network_with_experts_on_a_design_without_a_router_is_told_both_knobs(design: Design) -> None:
    plain = make_design(design.knobs.turned({"max_experts": 0, "max_top_k": 0}), design.board)
    with pytest.raises(CapacityError, match=r"has 4 experts, but the design's max_experts is 0, so it has no rou") as e:
        check_capacity(plain, random_case(seed=70).model.spec)
    assert e.value.hint == "set the knobs max_experts to 4 or more and max_top_k to 2 or more"


def test_formats_wider_than_the_design_are_refused(design: Design) -> None:
    case = random_case(seed=70)
    for narrow in ({"activation_bits": 12}, {"weight_bits": 8}, {"cache_bits": 12}):
        with pytest.raises(ProgramError, match="bits, but the design's"):
            compile_network(small_design(**narrow), case.model, case.network, case.formats(design), ("semseg",))


@pytest.mark.parametrize(("version", "word"), [(0, "build the project again"), (99, "take the version")])
@pytest.mark.parametrize("which", [0, 1])
def test_a_file_of_another_version_of_the_format_says_what_to_do(
    design: Design, files: tuple[Path, Path], which: int, version: int, word: str
) -> None:
    words = np.frombuffer(files[which].read_bytes(), "<u4").copy()
    words[descriptor.HEADER_VERSION] = version
    files[which].write_bytes(words.tobytes())
    with pytest.raises(ProgramError, match=f"has version {version} of the format") as caught:
        (read_program if which == 0 else read_weights)(files[which], design)
    assert files[which].name in caught.value.message and word in caught.value.hint
