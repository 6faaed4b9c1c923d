"""M3ViT-tiny with its trained weights, where they are at hand: the targets of accuracy and traffic."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgemoe_gen.design import Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.hardware.descriptor import number
from edgemoe_gen.model import Reference, SpecOptions, load_model
from edgemoe_gen.model.macs import total, weights
from edgemoe_gen.program.compile import compile_network
from edgemoe_gen.sim.engine import FrameResult, run_frames
from tests.sim.engines import Case, Outcome, calibrated, compiled

pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("optimised")]

SHARED = Path(__file__).parents[2] / "../shared"
SCRIPT = SHARED / "tools" / "make_checkpoint.py"
SAID = SpecOptions(heads=3, image_height=128, image_width=256, top_k=2, normalise="unit256")
TASKS = ("semseg", "depth")
MSE_TARGET = 5e-5
EQUAL_TARGET, TOKEN_LAYERS = 773, 774
TRAFFIC_TARGET = 1.02
# With 8-bit weights of experts.
NARROW_EQUAL, NARROW_ERROR = 0.97, 0.03


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    if not SCRIPT.exists():
        pytest.skip("the trained tensors are not beside the project")
    path = tmp_path_factory.mktemp("tiny") / "checkpoint.pth.tar"
    subprocess.run([sys.executable, str(SCRIPT), str(path)], check=True, timeout=300, capture_output=True)
    image = np.load(SHARED / "data" / "m3vit_tiny_cityscapes.npz")["image"].astype(np.float32) / 256
    return calibrated(load_model(path, options=SAID), [image])


def run(case: Case, tasks: tuple[str, ...], taps: bool, expert_weight_bits: int = 0) -> Outcome:
    design = make_design(Knobs(expert_weight_bits=expert_weight_bits), load_board("zcu104"))
    formats = case.formats(design)
    program = compile_network(design, case.model, case.network, formats, tasks, taps=taps)
    frames, traffic = run_frames(compiled(design), program, case.model.spec, [case.images[0]] * len(tasks))
    return Outcome(case, program, formats, frames, traffic)


@pytest.fixture(scope="module")
def tapped(case: Case) -> dict[str, FrameResult]:
    return {frame.task: frame for frame in run(case, TASKS, taps=True).frames}


@pytest.mark.parametrize("task", TASKS)
def test_tokens_are_float_s_with_the_same_routes(case: Case, tapped: dict[str, FrameResult], task: str) -> None:
    frame = tapped[task]
    wanted = Reference(case.model).run(case.images[0], task, routes=frame.experts, with_output=False)
    assert np.mean((frame.tokens - wanted.tokens) ** 2) <= MSE_TARGET


@pytest.mark.parametrize("task", TASKS)
def test_nearly_all_tokens_choose_as_float_does(case: Case, tapped: dict[str, FrameResult], task: str) -> None:
    frame = tapped[task]
    free = Reference(case.model).run(case.images[0], task, with_output=False).routes
    assert free is not None and frame.experts is not None
    equal = (np.sort(frame.experts) == np.sort(free.experts)).all(-1)
    assert equal.size == TOKEN_LAYERS
    assert equal.sum() >= EQUAL_TARGET


@pytest.fixture(scope="module")
def narrow(case: Case) -> Outcome:
    return run(case, TASKS, taps=True, expert_weight_bits=8)


@pytest.mark.parametrize("place", range(len(TASKS)), ids=TASKS)
def test_tokens_and_choices_stay_near_float_with_8_bit_weights_of_experts(
    case: Case, narrow: Outcome, place: int
) -> None:
    frame = narrow.frames[place]
    free = Reference(case.model).run(case.images[0], frame.task, with_output=False)
    assert free.routes is not None and frame.experts is not None
    equal = (np.sort(frame.experts) == np.sort(free.routes.experts)).all(-1)
    assert equal.size == TOKEN_LAYERS and equal.mean() >= NARROW_EQUAL
    error = np.sqrt(np.mean((frame.tokens - free.tokens) ** 2) / np.mean(np.square(free.tokens, dtype=np.float64)))
    assert error <= NARROW_ERROR


def test_8_bit_weights_of_experts_cross_the_ports_in_half_the_beats(case: Case, narrow: Outcome) -> None:
    wide = run(case, TASKS, taps=True)
    for half, whole in zip(narrow.program.operations, wide.program.operations, strict=True):
        design = narrow.program.design
        biases = half.out_tiles * design.bias_steps * design.knobs.fill_beats if half.weight_beats else 0
        if half.expert >= 0:
            assert 2 * (half.weight_beats - biases) == whole.weight_beats - biases
        else:
            assert half.weight_beats == whole.weight_beats
    assert narrow.traffic.weights == narrow.program.weight_bytes_per_run
    saved = sum(op.weight_beats for op in wide.program.operations) - sum(
        op.weight_beats for op in narrow.program.operations
    )
    assert wide.traffic.weights - narrow.traffic.weights == saved * design.beat_bytes * design.knobs.weight_ports


def test_a_frame_moves_little_more_than_weights_image_and_result(case: Case) -> None:
    outcome = run(case, ("semseg",), taps=False)
    spec = case.model.spec
    count = total(weights(spec))
    assert round(count / 1e6, 2) == 17.94
    needed = 2 * count + 2 * 3 * spec.image.height * spec.image.width + 4 * spec.tokens * spec.dim
    assert outcome.traffic.total <= TRAFFIC_TARGET * needed
    assert outcome.traffic.weights == outcome.program.weight_bytes_per_run
    stores = [op for op in outcome.program.operations if op.kind in (number("STORE"), number("STORE_ROUTES"))]
    assert len(stores) == 1
    assert stores[0] == outcome.program.operations[-1]


def test_switching_the_task_costs_nothing(case: Case) -> None:
    alike, switched = (run(case, tasks, taps=False) for tasks in (("semseg", "semseg"), TASKS))
    assert alike.traffic == switched.traffic
    assert len(alike.program.operations) == len(switched.program.operations)
