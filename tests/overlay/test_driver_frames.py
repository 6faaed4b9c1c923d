"""Frames of other sizes, batches of frames, and where an engine stands: what the driver works out without a board."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgemoe_gen.base.errors import OverlayError
from edgemoe_gen.overlay.driver.batch import batch_operations, batch_program
from edgemoe_gen.overlay.driver.errors import FrameError
from edgemoe_gen.overlay.driver.layouts import Operations, Pass, ProgramLayout, ResultLayout, Task, operations_of
from edgemoe_gen.overlay.driver.picture import FramePacker
from edgemoe_gen.overlay.driver.resize import Resizer
from edgemoe_gen.overlay.manifest import image_layout
from edgemoe_gen.overlay.operations import operation_table, program_layout
from edgemoe_gen.overlay.programs import TaskProgram, split_passes, split_tasks
from edgemoe_gen.program.compile import Program, compile_network, pack_image
from edgemoe_gen.program.file import WeightFile, program_bytes
from tests.overlay.small_builds import SmallBuild, network_input, random_frame, small_build
from tests.overlay.test_overlay_frames import layout_of

SIDE = st.integers(1, 120)


@settings(max_examples=100, deadline=None)
@given(old=st.tuples(SIDE, SIDE), new=st.tuples(SIDE, SIDE), seed=st.integers(0, 9))
def test_resizing_gives_the_bits_of_pillow(old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    """Across, then down, one after the other: which of both Pillow does first depends on its version."""
    frame = np.random.default_rng(seed).integers(0, 256, (*old, 3), np.uint8)
    wide = Image.fromarray(frame).resize((new[1], old[0]), Image.Resampling.BILINEAR)
    wanted = np.asarray(wide.resize((new[1], new[0]), Image.Resampling.BILINEAR))
    assert np.array_equal(Resizer(old, new)(frame), wanted)


def test_frames_of_other_sizes_are_resized_where_the_network_says_so() -> None:
    build = small_build()
    packer = FramePacker(replace(layout_of(build), resize="bilinear"))
    strict = FramePacker(layout_of(build))
    height, width = build.spec.image.height, build.spec.image.width
    for size in ((100, 90), (16, 64), (height, width), (height, 2 * width)):
        frame = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
        got, wanted = (np.zeros(packer.layout.size, np.uint8) for _ in range(2))
        packer.pack(frame, got)
        strict.pack(Resizer(size, (height, width))(frame), wanted)
        assert got.any() and np.array_equal(got, wanted)
    with pytest.raises(FrameError, match=r"uint8 \[100, 90, 3\], but the network takes uint8 \[32, 64, 3\]"):
        strict.pack(np.zeros((100, 90, 3), np.uint8), got)
    for wrong in (np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.int16)):
        with pytest.raises(FrameError, match=r"the network takes uint8 \[height, width, 3\]"):
            packer.pack(wrong, got)


def part_of(build: SmallBuild, place: int) -> TaskProgram:
    return split_tasks(build.program)[place]


def task_of(build: SmallBuild, part: TaskProgram) -> Task:
    def table(program: Program) -> Operations:
        return operations_of(json.loads(json.dumps(operation_table(program, build.spec))))

    size = part.program.result_beats * build.design.beat_bytes
    layout = ResultLayout(0, 0, 0, 0, 0, size)
    shared = shared_of(build, part.task)
    return Task(
        part.task, None, (), "", table(part.program), layout, "", None, "",
        None if shared is None else Pass("", table(shared.program)),
    )  # fmt: skip


def shared_of(build: SmallBuild, task: str) -> TaskProgram | None:
    if build.passes is None:
        return None
    return next(part for part in split_passes(build.passes, split_tasks(build.program)) if part.task == task)


BATCHES: dict[str, tuple[dict[str, Any], int]] = {
    "one slice": ({}, 3),
    "slices": ({"patch": 16, "image": (64, 128)}, 3),
    "two frames a pass, one over": ({"knobs": (("frames_per_pass", 2),)}, 5),
    "three frames a pass, slices": ({"knobs": (("frames_per_pass", 3),), "patch": 16, "image": (64, 128)}, 6),
    "fewer frames than a pass takes": ({"knobs": (("frames_per_pass", 3),)}, 2),
}


@pytest.mark.parametrize(("sizes", "count"), BATCHES.values(), ids=BATCHES)
def test_batch_in_one_program_gives_what_its_frames_give_one_by_one(sizes: dict[str, Any], count: int) -> None:
    build = small_build(**sizes)
    part = part_of(build, 1)
    alone, task, shared = part.program, task_of(build, part), shared_of(build, part.task)
    beat_bytes = build.design.beat_bytes
    layout = ProgramLayout(**program_layout(beat_bytes))
    images = [
        pack_image(alone, build.spec, [network_input(random_frame(build.spec, seed), build.spec)])
        for seed in range(count)
    ]
    files = program_bytes(alone), None if shared is None else program_bytes(shared.program)
    program = batch_program(*files, task, layout, alone.image_beats * beat_bytes, count)
    words = np.frombuffer(program, "<u4")
    whole = words.copy()
    whole[layout.checksum_word] = 0
    assert words[layout.checksum_word] == zlib.crc32(whole.tobytes())
    assert words[layout.frames_word] == count
    weights = WeightFile(alone.weights, alone.constants)
    batch = build.engine.run(words, weights, np.concatenate(images), count * alone.result_beats)
    single = [build.engine.run_program(alone, image) for image in images]
    assert not np.array_equal(single[0].result, single[1].result)
    assert np.array_equal(batch.result, np.concatenate([run.result for run in single]))
    # Frames that share a pass read its weights once.
    full = build.design.knobs.frames_per_pass
    assert batch.traffic.weights == (count // full + count % full) * single[0].traffic.weights
    with pytest.raises(FrameError, match="too long for one program"):
        few = batch_operations(task, count).total - 1
        batch_program(*files, task, replace(layout, most_operations=few), beat_bytes, count)


def test_the_most_frames_that_are_named_make_a_batch() -> None:
    build = small_build(knobs=(("frames_per_pass", 3),))
    part = part_of(build, 0)
    task, shared = task_of(build, part), shared_of(build, part.task)
    assert shared is not None and task.shared is not None
    files = program_bytes(part.program), program_bytes(shared.program)
    one, three = task.operations.total, task.shared.operations.total
    for most in (one, three, three + one, 3 * three - 1, 2 * three + 2 * one):
        frames = max(count for count in range(20) if batch_operations(task, count).total <= most)
        layout = replace(ProgramLayout(**program_layout(build.design.beat_bytes)), most_operations=most)
        with pytest.raises(FrameError) as error:
            batch_program(*files, task, layout, 0, 1000)
        assert error.value.hint == f"give at most {frames} frames"
        assert len(batch_program(*files, task, layout, 0, frames)) <= 4 * (layout.header_words + 32 * most)


def test_an_engine_that_stops_in_a_batch_is_named_by_its_frames() -> None:
    build = small_build(knobs=(("frames_per_pass", 3),))
    task = task_of(build, part_of(build, 0))
    assert task.shared is not None
    one, three = task.operations.total, task.shared.operations.total
    batch = batch_operations(task, 7)
    assert batch.total == 2 * three + one
    assert batch.place(0) == ", in the patch embedding, frames 0 to 2"
    assert batch.place(2 * three - 1) == ", in the result, frames 3 to 5"
    assert batch.place(2 * three) == ", in the patch embedding, frame 6"
    assert batch.place(batch.total) == batch.place(-1) == ""


def test_passes_of_another_network_are_refused() -> None:
    build = small_build(knobs=(("frames_per_pass", 2),))
    other = small_build(knobs=(("frames_per_pass", 2),), seed=5)
    assert other.passes is not None
    with pytest.raises(OverlayError, match="not of one network"):
        split_passes(other.passes, split_tasks(build.program))


NETWORKS: dict[str, dict[str, Any]] = {
    "two routers": {},
    "router reads the input": {"said": (("input_ahead", True),)},
    "no experts": {"router": "none"},
    "experts first": {"swap_blocks": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("sizes", NETWORKS.values(), ids=NETWORKS)
def test_every_operation_is_named_after_its_part_of_the_network(sizes: dict[str, Any]) -> None:
    build = small_build(**({"depth": 4} | sizes))
    spec, part = build.spec, part_of(build, 0)
    operations = task_of(build, part).operations
    names = [operations.place(done) for done in range(operations.total)]
    assert names[0] == ", in the patch embedding" and names[-1] == ", in the result"
    for block in spec.blocks:
        own = [place for place, name in enumerate(names) if f"block {block.index}," in name]
        assert own == list(range(own[0], own[-1] + 1))
        # The same network cut off before this block ends where the block begins.
        assert own[0] == _operations_of(build, part.task, block.index) - 1
        experts = {name for name in names if f"block {block.index}, expert" in name}
        assert len(experts) == block.experts
        assert any(f"block {block.index}, router" in name for name in names) == bool(block.experts)
    twice = batch_operations(task_of(build, part), 2)
    assert twice.place(operations.total) == ", in the patch embedding, frame 1"
    assert operations.place(operations.total) == operations.place(-1) == ""


def _operations_of(build: SmallBuild, task: str, depth: int) -> int:
    case = build.model
    return sum(
        1 for _ in compile_network(build.design, case, _lowered(build), _formats(build), [task], depth=depth).operations
    )


def _lowered(build: SmallBuild) -> Any:
    from edgemoe_gen.numerics.formats import observe_ranges, prepare

    images = (network_input(build.frame, build.spec),)
    return prepare(build.model, observe_ranges(build.model, images, build.spec.task_names))


def _formats(build: SmallBuild) -> Any:
    from edgemoe_gen.numerics.formats import choose_formats, observe_ranges

    images = (network_input(build.frame, build.spec),)
    seen = observe_ranges(build.model, images, build.spec.task_names)
    return choose_formats(_lowered(build), seen, build.design.knobs.widths)


def test_layout_of_images_says_whether_frames_are_resized() -> None:
    build = small_build()
    alone = part_of(build, 0).program
    for resize in ("error", "bilinear"):
        spec = replace(build.spec, image=replace(build.spec.image, resize=resize))
        assert image_layout(alone, spec)["resize"] == resize


def test_import_takes_no_part_of_the_host() -> None:
    script = """
import sys, time
start = time.perf_counter()
import edgemoe_gen.overlay
seconds = time.perf_counter() - start
for name in ("torch", "jinja2", "PIL", "rich", "click", "yaml", "pynq", "safetensors"):
    assert name not in sys.modules, name
assert edgemoe_gen.overlay.Accelerator and edgemoe_gen.overlay.Result
assert seconds < 2, seconds
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_errors_of_the_driver_are_those_of_the_package() -> None:
    assert issubclass(FrameError, OverlayError)
