"""`run --backend board`, `selftest` and `bench` through PYNQ itself, on a simulated board."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemoe_gen import api
from edgemoe_gen.cli import main
from edgemoe_gen.measuring.bench import STAGES, WARM_UP
from edgemoe_gen.measuring.session import MEASURED, SIMULATED, tier_of_active_board
from tests.overlay.board_project import TASKS, BoardProject, make_project
from tests.overlay.repackaging import rewrite

if find_spec("pynq") is None:
    pytest.skip("PYNQ is not installed: install the extra `pynq`", allow_module_level=True)
ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.pynq,
    pytest.mark.usefixtures("board"),
    pytest.mark.filterwarnings("ignore:Setting frequency"),
    pytest.mark.filterwarnings("ignore:pkg_resources"),
]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> BoardProject:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def overlay(project: BoardProject) -> Path:
    return project.overlay


@pytest.fixture
def board(project: BoardProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The board that PYNQ finds where the command line is not told to take the simulated one."""
    from edgemoe_gen.simulated.board import SimulatedBoard

    monkeypatch.delenv("BOARD", raising=False)
    with SimulatedBoard(project.overlay) as device:
        yield device
        assert not device.ddr.buffers, "buffers were not given back"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capfd.readouterr())

    return call


def test_selftest_prints_a_line_a_task(run: Callable[..., Outcome], overlay: Path, board: Any) -> None:
    outcome = run("selftest", overlay)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert [line.partition(":")[0] for line in lines[1:-1]] == ["semseg", "depth"]
    assert all(": as expected" in line for line in lines[1:-1])
    assert lines[-1] == f"all 2 tasks as expected ({SIMULATED})"
    assert board.runs == 2 and board.loads == 1


def test_selftest_counts_every_file_of_the_overlay(run: Callable[..., Outcome], overlay: Path) -> None:
    found = run("selftest", overlay, "--json").json
    files = [path for path in overlay.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert found["files"] == len(files) - 1, "all but the manifest itself"
    assert found["passed"] and len(found["identity"]) == 16 and found["tier"] == SIMULATED
    assert [task["task"] for task in found["tasks"]] == list(TASKS)
    assert all(task["seconds"] > 0 for task in found["tasks"])


def test_selftest_with_a_wrong_answer_exits_with_1(run: Callable[..., Outcome], overlay: Path, tmp_path: Path) -> None:
    spoilt = rewrite(overlay, tmp_path / "bad", {"selftest/depth.bin": lambda d: d[:9] + bytes([d[9] ^ 1]) + d[10:]})
    outcome = run("selftest", spoilt)
    assert outcome.code == 1
    assert "semseg: as expected" in outcome.out and "depth: WRONG" in outcome.out
    assert "1 of" in outcome.err and "of task 'depth'" in outcome.err
    assert "all 2 tasks" not in outcome.out


def test_selftest_of_a_damaged_file_exits_with_2_before_loading(
    run: Callable[..., Outcome], overlay: Path, tmp_path: Path, board: Any
) -> None:
    copy = rewrite(overlay, tmp_path / "bad", {})
    (copy / "README.md").write_text("changed")
    outcome = run("selftest", copy)
    assert outcome.code == 2 and "README.md is damaged" in outcome.err and board.loads == 0


def test_another_design_on_the_chip_exits_with_2(run: Callable[..., Outcome], overlay: Path, board: Any) -> None:
    board.faults.identity = 7
    outcome = run("selftest", overlay)
    assert outcome.code == 2 and "the chip says that it holds design" in outcome.err and board.runs == 0


def test_engine_that_fails_in_the_selftest_exits_with_1(run: Callable[..., Outcome], overlay: Path, board: Any) -> None:
    board.faults.status = 1
    outcome = run("selftest", overlay)
    assert outcome.code == 1 and "WRONG_DESIGN" in outcome.err and "semseg: not told" in outcome.out


@pytest.mark.parametrize("task", TASKS)
def test_run_gives_bit_for_bit_what_csim_gives(run: Callable[..., Outcome], project: BoardProject, task: str) -> None:
    found = check_same_bits(run, project, task)
    assert set(found["stages"]) == set(STAGES) and found["seconds"] >= found["stages"]["engine"] > 0
    with np.load("board.npz") as board:
        assert board["output"].shape == ({"semseg": 5, "depth": 1}[task], 32, 64)


def check_same_bits(run: Callable[..., Outcome], project: BoardProject, task: str) -> dict[str, Any]:
    """Runs a picture by both backends, and compares tokens, outputs and pictures; returns the board's facts."""
    picture = project.pictures[1]
    for backend, network in (("csim", project.network), ("board", ["--overlay", project.overlay, "--simulated"])):
        outcome = run(
            "run", *network, "--backend", backend, "--image", picture, "--task", task,
            "--dump", f"{backend}.npz", "--output", f"{backend}.png", "--json",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        found = outcome.json
        assert found["backend"] == backend and found["task"] == task
        assert found["tier"] == (SIMULATED if backend == "board" else None)
        assert (found["stages"] is None) == (backend == "csim")
    with np.load("csim.npz") as csim, np.load("board.npz") as board:
        assert {*csim} - {"blocks", "routes"} == {*board} - {"blocks", "routes"}
        for name in {"tokens", "output", "ids"} & {*csim}:  # class numbers where the engine decodes to them
            assert board[name].dtype == csim[name].dtype == (np.uint8 if name == "ids" else np.float32)
            assert board[name].tobytes() == csim[name].tobytes(), name
        assert board["blocks"].shape == (0, *csim["tokens"].shape) and board["routes"].size == 0
    assert Path("csim.png").read_bytes() == Path("board.png").read_bytes()
    return dict(found)


def test_all_tasks_of_a_picture_are_bit_for_bit_those_of_csim(
    run: Callable[..., Outcome], project: BoardProject
) -> None:
    for backend, network in (("csim", project.network), ("board", ["--overlay", project.overlay, "--simulated"])):
        outcome = run("run", *network, "--backend", backend, "--image", project.pictures[1], "--task", "all",
                      "--dump", f"{backend}.npz", "--output", f"{backend}.png", "--json")  # fmt: skip
        assert outcome.code == 0 and list(outcome.json["tasks"]) == list(TASKS), outcome.err
        assert outcome.json["files"]["output"] == [f"{backend}_{task}.png" for task in TASKS]
    with np.load("csim.npz") as csim, np.load("board.npz") as board:
        for task in TASKS:
            assert np.array_equal(csim[f"{task}.tokens"], board[f"{task}.tokens"])
            assert Path(f"csim_{task}.png").read_bytes() == Path(f"board_{task}.png").read_bytes()


def test_run_shows_a_table_with_every_stage(run: Callable[..., Outcome], project: BoardProject) -> None:
    arguments = ("--backend", "board", "--overlay", project.overlay, "--image", project.pictures[0])
    outcome = run("run", *arguments, "--task", "semseg")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("semseg by the board in ") and outcome.out.splitlines()[0].endswith(f"({SIMULATED})")
    assert all(f"time of {stage}" in outcome.out for stage in STAGES)
    assert "routes " not in outcome.out and "pixels by class" in outcome.out


def test_run_takes_uint8_pixels_of_a_npy_file(run: Callable[..., Outcome], project: BoardProject) -> None:
    np.save("frame.npy", project.frame)
    results = []
    for image in (project.pictures[0], "frame.npy"):
        arguments = ("--backend", "board", "--overlay", project.overlay, "--image", image, "--task", "depth")
        results.append(run("run", *arguments, "--json").json["output"])
    assert results[0] == results[1]


def test_bench_measures_every_task_and_says_that_it_is_a_simulation(
    run: Callable[..., Outcome], overlay: Path, board: Any
) -> None:
    outcome = run("bench", overlay, "--frames", "2", "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert found["tier"] == SIMULATED and found["complete"] and "no accelerator" not in found["tier"]
    assert [one["task"] for one in found["latency"]] == ["semseg", "depth"]
    for one in found["latency"]:
        assert list(one["stages"]) == list(STAGES) and one["total"]["frames"] == 2
        assert sum(stage["median_seconds"] for stage in one["stages"].values()) <= 1.05 * one["total"]["p95_seconds"]
        assert one["engine_to_estimate"] is None
    assert [one["tasks"] for one in found["throughput"]] == [["semseg"], ["depth"], ["semseg", "depth"]]
    assert all(one["power"] is None and one["frames_per_second"] > 0 for one in found["throughput"])
    assert found["task_switch"]["frames"] == 4
    assert "no power: a simulated board takes none" in found["notes"]
    # Each task alone and both in turn, one after another and in a stream: 2 frames a task, and those that warm up.
    assert board.runs == 2 * (2 + 2) * (2 + WARM_UP)


def test_bench_shows_tables_and_never_calls_a_simulation_measured_on_the_board(
    run: Callable[..., Outcome], overlay: Path
) -> None:
    outcome = run("bench", overlay, "--frames", "1", "--task", "depth")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[0].endswith(SIMULATED) and MEASURED not in outcome.out
    assert "Latency" in outcome.out and "Streaming" in outcome.out
    assert "semseg" not in outcome.out and "task switch" not in outcome.out and "Power" not in outcome.out


def test_bench_shows_the_estimate_but_no_ratio_of_a_simulation(run: Callable[..., Outcome], overlay: Path) -> None:
    outcome = run("bench", overlay, "--frames", "1", "--task", "depth", "--json")
    assert outcome.code == 0, outcome.err
    (one,) = outcome.json["latency"]
    assert one["estimate_seconds"] == 0.004 and one["estimate_tier"] == "estimate"
    assert one["engine_to_estimate"] is None
    assert not any("no estimate" in note for note in outcome.json["notes"])
    shown = run("bench", overlay, "--frames", "1", "--task", "depth").out
    assert "4.00 ms" in shown and "estimate" in shown


def test_bench_writes_a_page_that_names_the_simulation(run: Callable[..., Outcome], overlay: Path) -> None:
    outcome = run("bench", overlay, "--frames", "1", "--output", "bench.html")
    assert outcome.code == 0, outcome.err
    page = Path("bench.html").read_text()
    assert SIMULATED in page and MEASURED not in page
    assert page.count('class="bar"') == 2 and "semseg and depth" in page and "Power while" not in page
    assert "src=" not in page and "http" not in page, "it needs no other file"


def test_bench_of_an_overlay_without_estimate_says_so(
    run: Callable[..., Outcome], overlay: Path, tmp_path: Path
) -> None:
    copy = rewrite(overlay, tmp_path / "copy", {})
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["estimate"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    outcome = run("bench", copy, "--frames", "1", "--task", "depth")
    assert outcome.code == 0 and "the overlay carries no estimate to compare with" in outcome.err


def test_interrupted_bench_shows_what_it_has_and_exits_as_interrupted(
    run: Callable[..., Outcome], overlay: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgemoe_gen.overlay import Accelerator

    original, runs = Accelerator.run, 0

    def interrupted(*arguments: Any, **options: Any) -> Any:
        nonlocal runs
        runs += 1
        if runs > WARM_UP + 2:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(Accelerator, "run", interrupted)
    outcome = run("bench", overlay, "--frames", "50", "--json")
    assert outcome.code == 130
    assert not outcome.json["complete"] and outcome.json["latency"][0]["total"]["frames"] == 2
    assert "interrupted" in outcome.err


def test_interrupt_in_the_middle_of_a_stream_ends_the_process_with_a_result(overlay: Path, tmp_path: Path) -> None:
    (tmp_path / "out.json").touch()
    with (tmp_path / "out.json").open("w") as out:
        command = [sys.executable, "-m", "edgemoe_gen", "bench", str(overlay), "--simulated", "--json"]
        process = subprocess.Popen(
            [*command, "--task", "depth", "--frames", "100000", "--seconds", "3"],
            cwd=ROOT, stdout=out, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("streaming"):
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(60) == 130, rest
    found = json.loads((tmp_path / "out.json").read_text())
    assert not found["complete"] and found["latency"][0]["total"]["frames"] > 1
    assert found["throughput"][0]["frames"] >= 1, "what had streamed is counted"
    assert "interrupted" in rest and "Traceback" not in rest


def test_simulated_board_is_there_only_while_it_is_used(run: Callable[..., Outcome], overlay: Path, board: Any) -> None:
    from pynq import Device

    assert run("selftest", overlay, "--simulated").code == 0
    assert Device.active_device is board and board.runs == 0


def test_board_commands_work_where_torch_is_not_installed(project: BoardProject, tmp_path: Path) -> None:
    image = [str(project.pictures[0])]
    commands = (
        ["selftest", str(project.overlay), "--simulated"],
        ["bench", str(project.overlay), "--simulated", "--frames", "1", "--task", "depth"],
        ["run", "--backend", "board", "--overlay", str(project.overlay), "--simulated", "--image", *image,
         "--task", "semseg", "--output", str(tmp_path / "semseg.png")],
    )  # fmt: skip
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom edgemoe_gen.cli import main\n"
        f"for arguments in {commands!r}:\n    assert main(arguments) == 0, arguments\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "semseg.png").is_file()


def test_only_pynq_s_own_devices_are_boards(board: Any) -> None:
    from pynq import Device
    from pynq.pl_server.embedded_device import EmbeddedDevice

    assert tier_of_active_board() == SIMULATED
    Device.active_device = object.__new__(EmbeddedDevice)
    try:
        assert tier_of_active_board() == MEASURED
    finally:
        board.plug_in()


def test_overlay_of_another_board_is_refused_before_loading(
    run: Callable[..., Outcome], overlay: Path, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOARD", "ZCU102")
    outcome = run("selftest", overlay)
    assert outcome.code == 2 and board.loads == 0
    assert "is for the AMD ZCU104 (xczu7ev-ffvc1156-2-e), but this board is the AMD ZCU102" in outcome.err
    for here in ("ZCU104", "SomeOtherBoard", ""):
        monkeypatch.setenv("BOARD", here)
        assert run("selftest", overlay).code == 0


def test_api_and_command_give_the_same(run: Callable[..., Outcome], overlay: Path) -> None:
    by_api = api.selftest(overlay)
    by_command = run("selftest", overlay, "--json").json
    assert {task["task"]: task["passed"] for task in by_command["tasks"]} == {
        task.task: task.passed for task in by_api.tasks
    }
