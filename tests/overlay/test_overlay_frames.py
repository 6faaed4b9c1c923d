"""Frames packed by the driver, against the host's packing: every byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen.overlay.driver.layouts import ImageLayout, Slice
from edgemoe_gen.overlay.driver.picture import FramePacker
from edgemoe_gen.overlay.manifest import image_layout
from edgemoe_gen.overlay.programs import split_tasks
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.program.file import program_words
from tests.overlay.small_builds import SAID, SmallBuild, network_input, random_frame, small_build

NETWORKS: dict[str, dict[str, Any]] = {
    "normalised": {},
    "plain pixels": {"said": ()},
    "saturating": {"said": (("scale", 1.0), ("std", (0.01, 0.02, 4.0)))},
    "no class token": {"class_token": False},
    "registers": {"registers": 2, "image": (16, 64)},
    "long patches in slices": {"patch": 16, "image": (64, 128)},
    "patch of odd size": {"patch": 5, "image": (20, 35)},
    "narrow activations": {"knobs": (("activation_bits", 12),)},
}


@pytest.fixture(params=list(NETWORKS.values()), ids=list(NETWORKS))
def build(request: pytest.FixtureRequest) -> SmallBuild:
    sizes = dict(request.param)
    return small_build(said=sizes.pop("said", SAID), knobs=sizes.pop("knobs", ()), **sizes)


def layout_of(build: SmallBuild) -> ImageLayout:
    values = json.loads(json.dumps(image_layout(split_tasks(build.program)[0].program, build.spec)))
    return ImageLayout(**values | {"slices": tuple(Slice(**part) for part in values["slices"])})


def test_driver_packs_the_bytes_of_the_host(build: SmallBuild) -> None:
    layout = layout_of(build)
    packer = FramePacker(layout)
    buffer = np.zeros(layout.size, np.uint8)
    alone = split_tasks(build.program)[0].program
    for seed in range(3):
        frame = random_frame(build.spec, seed)
        packer.pack(frame, buffer)
        wanted = pack_image(alone, build.spec, [network_input(frame, build.spec)])
        assert wanted.any()
        assert np.array_equal(buffer, wanted.reshape(-1))


def test_networks_of_these_tests_are_cut_as_their_names_say() -> None:
    assert len(layout_of(small_build(patch=16, image=(64, 128))).slices) > 1
    assert layout_of(small_build(class_token=False)).class_token is False
    odd = layout_of(small_build(patch=5, image=(20, 35))).slices[-1]
    assert odd.row_bytes > 2 * (odd.stop - odd.start)


def test_task_programs_read_the_same_weights_and_give_the_joint_results() -> None:
    build = small_build()
    joint = build.program
    images = [network_input(build.frame, build.spec)]
    whole = build.engine.run_program(joint, pack_image(joint, build.spec, images * len(joint.frames))).result
    operations = 0
    for part in split_tasks(joint):
        alone = build.engine.run_program(part.program, pack_image(part.program, build.spec, images)).result
        assert np.array_equal(alone, whole[part.first_result : part.first_result + alone.shape[0]])
        assert part.program.weights is joint.weights
        assert program_words(part.program)[9] == program_words(joint)[9]
        operations += len(part.program.operations)
    assert operations == len(joint.operations)


def test_driver_runs_on_the_oldest_python_it_claims() -> None:
    import ast

    import edgemoe_gen.overlay.driver as driver

    for path in Path(str(driver.__file__)).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            allowed = {"numpy", "edgemoe_gen", "__future__", "dataclasses", "pathlib", "typing", "types", "hashlib"}
            allowed |= {
                "importlib",
                "json",
                "time",
                "asyncio",
                "collections",
                "concurrent",
                "contextlib",
                "fcntl",
                "io",
                "os",
                "re",
            }
            allowed |= {"errno", "stat", "threading", "weakref", "zlib"}
            assert {name.split(".")[0] for name in names} <= allowed, path
