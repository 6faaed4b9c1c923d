"""Ten thousand frames through a stream, the task switched at every one: nothing lost, nothing mixed up, memory flat."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgemoe_gen.overlay import Accelerator
from tests.overlay.decoder_networks import DecodedBuild, decoded_build
from tests.overlay.small_builds import random_frame

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]
WARM, TRACED, PICTURES = 500, 1_000, 7
TINY: dict[str, Any] = {"dim": 8, "image": (8, 16), "experts": 2, "heads": 1, "top_k": 1}
# Of Python's objects while a thousand frames pass: what is at work at one moment and not at another. A leak of one
# small object a frame is as much.
MOST_GROWTH_BYTES = 64_000
# Of the process, from frame 500 to the last: pools settle, a tracer of allocations comes and goes. A leak of this
# network's smaller and larger maps in turn, 0.5 and 2.5 KB, would be 14 MB.
MOST_RESIDENT_GROWTH_BYTES = 6 << 20


def resident_bytes() -> int:
    """Memory of this process in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.fixture(scope="module")
def decoded() -> DecodedBuild:
    return decoded_build(**TINY)


@pytest.mark.parametrize(
    "frames", [pytest.param(2_500, marks=pytest.mark.slow), pytest.param(10_000, marks=pytest.mark.nightly)]
)
def test_many_frames_with_a_task_switch_at_every_frame(decoded: DecodedBuild, tmp_path: Path, frames: int) -> None:
    from tests.overlay.simulated_board import SimulatedDevice

    pictures = [random_frame(decoded.build.spec, seed) for seed in range(PICTURES)]
    wanted = [decoded.outputs(picture) for picture in pictures]
    # Seven pictures and two tasks: neighbours always differ, so that a frame in a wrong place is found.
    assert len({wanted[i][task].tobytes() for i in range(PICTURES) for task in wanted[i]}) == 2 * PICTURES
    asked = 0

    def camera() -> Iterator[NDArray[np.uint8]]:
        nonlocal asked
        for number in range(frames):
            asked += 1
            yield pictures[number % PICTURES].copy()

    grown = resident = 0
    count = 0
    folder = decoded.package(tmp_path).folder
    with SimulatedDevice(decoded.build.engine) as board, Accelerator(folder) as accelerator:
        tasks = accelerator.tasks
        threads = 0
        for result in accelerator.stream(camera(), alternate=True):
            assert (result.frame, result.task) == (count, tasks[count % 2])
            assert np.array_equal(result.output, wanted[count % PICTURES][result.task])
            count += 1
            if count == WARM:
                resident, threads = resident_bytes(), threading.active_count()
                tracemalloc.start()  # it takes most of the time, so only for some of the frames
            elif count == 2 * WARM:
                gc.collect()
                grown = -tracemalloc.get_traced_memory()[0]
            elif count == 2 * WARM + TRACED:
                gc.collect()
                grown += tracemalloc.get_traced_memory()[0]
                tracemalloc.stop()
            elif count == frames:
                gc.collect()
                resident = resident_bytes() - resident
                threads = threading.active_count() - threads
        assert board.runs == frames and board.loads == 1
    assert count == asked == frames
    assert grown < MOST_GROWTH_BYTES
    assert resident < MOST_RESIDENT_GROWTH_BYTES
    assert threads <= 1  # a simulated engine may just be at work
    assert not board.allocated
