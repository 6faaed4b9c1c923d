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

from edgemoe_gen.errors import OverlayError
from edgemoe_gen.overlay.driver.batch import batch_operations, batch_program
from edgemoe_gen.overlay.driver.errors import FrameError
from edgemoe_gen.overlay.driver.manifest import Operations, ProgramLayout, ResultLayout, Task
from edgemoe_gen.overlay.driver.picture import FramePacker
from edgemoe_gen.overlay.driver.resize import Resizer
from edgemoe_gen.overlay.manifest import image_layout
from edgemoe_gen.overlay.operations import operation_table, program_layout
from edgemoe_gen.overlay.programs import TaskProgram, split_tasks
from edgemoe_gen.program.compile import compile_network, pack_image
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
    table: dict[str, Any] = json.loads(json.dumps(operation_table(part.program, build.spec)))
    operations = Operations(
        table["total"],
        tuple(table["image"]),
        tuple(table["result"]),
        tuple((int(k), v) for k, v in table["parts"].items()),
    )
    size = part.program.result_beats * build.design.beat_bytes
    return Task(part.task, None, (), "", operations, ResultLayout(0, 0, 0, 0, 0, size), "", None, "")


@pytest.mark.parametrize("sizes", [{}, {"patch": 16, "image": (64, 128)}], ids=["one slice", "slices"])
def test_batch_in_one_program_gives_what_its_frames_give_one_by_one(sizes: dict[str, Any]) -> None:
    build = small_build(**sizes)
    part = part_of(build, 1)
    alone, task = part.program, task_of(build, part)
    beat_bytes, count = build.design.beat_bytes, 3
    layout = ProgramLayout(**program_layout(beat_bytes))
    images = [
        pack_image(alone, build.spec, [network_input(random_frame(build.spec, seed), build.spec)])
        for seed in range(count)
    ]
    program = batch_program(program_bytes(alone), task, layout, alone.image_beats * beat_bytes, count)
    words = np.frombuffer(program, "<u4")
    assert words[layout.checksum_word] == zlib.crc32(program[4 * layout.header_words :])
    weights = WeightFile(alone.weights, alone.constants)
    batch = build.engine.run(words, weights, np.concatenate(images), count * alone.result_beats).result
    single = [build.engine.run_program(alone, image).result for image in images]
    assert not np.array_equal(single[0], single[1])
    assert np.array_equal(batch, np.concatenate(single))
    with pytest.raises(FrameError, match="too long for one program"):
        batch_program(program_bytes(alone), task, replace(layout, most_operations=100), beat_bytes, 3)


NETWORKS: dict[str, dict[str, Any]] = {
    "two routers": {},
    "router reads the input": {"said": (("input_ahead", True),)},
    "no experts": {"router": "none"},
    "experts first": {"swap_blocks": True},
}


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
    twice = batch_operations(operations, 2)
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
