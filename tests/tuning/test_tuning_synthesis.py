"""Vendor synthesis as a tier, against stand-ins of the tools: figures, limits, failures, resuming, workers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.errors import ConfigError, ToolError
from edgemoe_gen.flow.reports import SynthesisFacts
from edgemoe_gen.flow.reports.csynth import HlsResources, Module
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.pipeline.stages import open_stages
from edgemoe_gen.pipeline.synthesise import synthesis_folder
from edgemoe_gen.tuning import Dimension, Limit, Outcome, Space
from edgemoe_gen.tuning.evaluate import Evaluator
from edgemoe_gen.tuning.runner import LocalRunner, Runner, open_runner
from edgemoe_gen.tuning.search import run_search
from edgemoe_gen.tuning.state import Plan, State
from edgemoe_gen.tuning.synthesis import (
    Synthesis,
    Synthesiser,
    climbed,
    figures_of,
    refuse_without_tools,
    tools_missing,
)
from edgemoe_gen.tuning.trial import ESTIMATE, SYNTHESIS
from tests.flow.standin_vitis import install_unified
from tests.tuning.small_searches import OBJECTIVES, small_evaluator

SPACE = Space((Dimension("tokens_parallel", (1, 2)), Dimension("out_parallel", (8,)), Dimension("in_parallel", (8,))))
TOOLS = ("vitis_hls", "vitis-run", "v++", "vivado")
COUNTED = ("dsp", "bram36", "uram", "lut", "ff", "memory_kib", "fmax_mhz")


@pytest.fixture(autouse=True)
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real tools that this machine may have must not run for hours."""
    path = [p for p in os.environ["PATH"].split(os.pathsep) if not any((Path(p) / name).exists() for name in TOOLS)]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.setenv("EDGEMOE_TOOLS", "")
    for name in ("XILINX_HLS", "XILINX_VITIS", "XILINX_VIVADO"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vendor tools")
    install_unified(folder, "2025.1")
    return folder


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache, so that the two designs of these tests compile once."""
    return tmp_path_factory.mktemp("engines")


Tools = Callable[[str], None]


@pytest.fixture
def tools(installed: Path, engines: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tools]:
    """Stand-ins on PATH; called with how they fail."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(installed), os.environ["PATH"]]))
    monkeypatch.setenv("EDGEMOE_CACHE", str(engines))
    monkeypatch.delenv("EDGEMOE_STANDIN_FAIL", raising=False)
    yield lambda fail: monkeypatch.setenv("EDGEMOE_STANDIN_FAIL", fail)


def search(
    folder: Path, many: int, *limits: Limit, watch: Any = lambda *_: None, runner: Runner | None = None
) -> State:
    evaluator = small_evaluator(*limits)
    plan = Plan(OBJECTIVES, trials=SPACE.size, tier=ESTIMATE, confirm=0, synthesise=many)
    runs = runner or LocalRunner(evaluator)
    return run_search(evaluator, SPACE, plan, runs, folder / "search.journal", watch, folder / "synthesis")


def synthesised(state: State) -> list[Outcome]:
    return [outcome for outcome in state.outcomes.values() if outcome.tier == SYNTHESIS]


def logs(folder: Path) -> dict[str, int]:
    """When each design was synthesised last."""
    return {path.parts[-3]: path.stat().st_mtime_ns for path in folder.glob("synthesis/*/logs/hls.log")}


@pytest.mark.slow
def test_what_synthesis_counts_replaces_the_estimates_of_the_front_s_first_point(tmp_path: Path, tools: Tools) -> None:
    before = search(tmp_path, 0).front
    state = search(tmp_path, 1)
    (found,) = synthesised(state)
    assert found.point == before[0].point
    assert {name for name, figure in found.figures.items() if figure.tier == SYNTHESIS} == set(COUNTED)
    assert found.figures["latency_ms"] == before[0].figures["latency_ms"]
    (folder,) = (tmp_path / "synthesis").iterdir()
    assert folder == synthesis_folder(small_evaluator().design(found.point), tmp_path / "synthesis")
    # The stand-in takes a DSP for each product.
    assert found.value("dsp") == 2 * 8 * 8 and found.value("fmax_mhz") == pytest.approx(300 / 0.73, rel=1e-3)
    # The same again, and one more: nothing is synthesised that was before.
    done = logs(tmp_path)
    tools("hls:licence")
    (same,) = synthesised(search(tmp_path, 1))
    assert same.figures == found.figures
    tools("")
    assert len(synthesised(search(tmp_path, 2))) == 2
    assert {name: time for name, time in logs(tmp_path).items() if name in done} == done


@pytest.mark.slow
def test_a_limit_that_only_synthesis_breaks_takes_a_point_off_the_front(tmp_path: Path, tools: Tools) -> None:
    estimated = search(tmp_path, 0, Limit("bram36", 80)).front
    assert len(estimated) == 2, "the estimates keep it"
    state = search(tmp_path, 1, Limit("bram36", 80))
    (found,) = synthesised(state)
    assert not found.feasible and found.reason == "limit bram36=80"
    assert "(vendor synthesis), the limit 80" in found.detail
    assert [outcome.point for outcome in state.front] == [estimated[1].point]
    # Another limit is another search, but the design is the same: its tool does not run again.
    tools("hls:licence")
    other = search(tmp_path, 1, Limit("bram36", 300))
    assert not other.failed and synthesised(other)[0].feasible


@pytest.mark.slow
def test_a_failed_tool_says_nothing_of_its_point_and_is_tried_again(tmp_path: Path, tools: Tools) -> None:
    tools("hls:licence")
    state = search(tmp_path, 2)
    assert [type(error) for _, error in state.failed] == [ToolError, ToolError]
    assert "found no valid licence for HLS" in state.failed[0][1].message
    assert not synthesised(state) and len(state.front) == 2
    tools("hls:crash")
    assert "crashed" in search(tmp_path, 1).failed[0][1].message
    tools("")
    assert len(synthesised(search(tmp_path, 2))) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("tools")
def test_an_interrupted_synthesis_keeps_those_before_it_and_goes_on(tmp_path: Path) -> None:
    def stop(state: State, what: str, done: int, _: int) -> None:
        steps = [work.step for work in state.at_work.values()]
        if what == "synthesising the front" and done == 1 and "scheduling" in steps:
            raise KeyboardInterrupt

    stopped = search(tmp_path, 2, watch=stop)
    assert stopped.stopped == "interrupted" and len(synthesised(stopped)) == 1 and not stopped.failed
    first = logs(tmp_path)
    ended = search(tmp_path, 2)
    assert len(synthesised(ended)) == 2
    again = logs(tmp_path)
    kept = synthesis_folder(small_evaluator().design(synthesised(stopped)[0].point), Path()).name
    assert again[kept] == first[kept] and again != first


@pytest.mark.slow
@pytest.mark.usefixtures("tools")
def test_two_workers_find_what_one_process_finds_and_tell_their_steps(tmp_path: Path) -> None:
    alone = search(tmp_path / "alone", 2)
    heard: dict[str, set[str]] = {}

    def listen(state: State, *_: Any) -> None:
        for key, work in list(state.at_work.items()):
            heard.setdefault(key, set()).add(work.step)

    with open_runner(small_evaluator(), jobs=2) as runner:
        assert set(runner.each(tools_missing).values()) == {""}
        shared = search(tmp_path / "shared", 2, watch=listen, runner=runner)
    assert not shared.failed
    facts = [(outcome.point, outcome.tier, outcome.figures) for outcome in shared.front]
    assert facts == [(outcome.point, outcome.tier, outcome.figures) for outcome in alone.front]
    assert len(heard) == 2 and all("scheduling" in steps for steps in heard.values())


@pytest.mark.slow
def test_an_interruption_leaves_no_tool_running_on_workers(tmp_path: Path, tools: Tools) -> None:
    tools("hls:hang")
    search(tmp_path, 0)
    sent = threading.Event()

    def interrupt(state: State, *_: Any) -> None:
        busy = [work for work in state.at_work.values() if work.step == "binding"]  # the stand-in's last word
        if len(busy) == 2 and not sent.is_set():
            sent.set()
            os.kill(os.getpid(), signal.SIGINT)

    with open_runner(small_evaluator(), jobs=2) as runner:
        state = search(tmp_path, 2, watch=interrupt, runner=runner)
    assert sent.is_set() and state.stopped == "interrupted"
    assert not working_below(tmp_path)


def working_below(folder: Path) -> list[Path]:
    """Current folders of processes that are at work below a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            place = (entry / "cwd").readlink() if entry.name.isdigit() else Path("/")
        except OSError:
            continue
        if place.is_relative_to(folder) and entry.name != str(os.getpid()):
            found.append(place)
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("tools")
def test_a_folder_that_another_run_is_at_work_in_is_waited_for(tmp_path: Path) -> None:
    design = small_evaluator().design(next(SPACE.points()))
    (tmp_path / "synthesis").mkdir()
    worker = Synthesiser(tmp_path / "synthesis")
    assert worker.synthesise(design, lambda _: None).error is None
    waiting, results, told = threading.Event(), [], []

    def tell(step: str) -> None:
        told.append(step)
        waiting.set()

    thread = threading.Thread(target=lambda: results.append(worker.synthesise(design, tell)))
    with open_stages(synthesis_folder(design, tmp_path / "synthesis"), lambda _: None):
        thread.start()
        assert waiting.wait(30)
        assert told[0].startswith("waiting: another run is at work in")
    thread.join()
    assert results[0].figures["dsp"].tier == SYNTHESIS
    worker.close()
    assert isinstance(worker.synthesise(design, tell).error, ConfigError), "a closed one starts nothing"


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_search_s_folder_takes_its_own(
    tmp_path: Path, tools: Tools, engines: Path
) -> None:
    design = small_evaluator().design(next(SPACE.points()))
    worker = Synthesiser(tmp_path / "of another machine")
    tools("hls:disk")
    failed = worker.synthesise(design, lambda _: None).error
    assert failed is not None and "the disk is full" in failed.message and failed.hint.startswith("on the worker ")
    tools("")
    result = worker.synthesise(design, lambda _: None)
    assert result.figures["dsp"].value == 64
    assert synthesis_folder(design, engines / "synthesis").is_dir() and not list(tmp_path.iterdir())


# What follows from figures


def report(**changed: Any) -> SynthesisFacts:
    """What C synthesis says of an engine at 300 MHz."""
    counts = HlsResources(**({"bram18": 101, "dsp": 200, "ff": 90_000, "lut": 60_000, "uram": 20} | changed))
    return SynthesisFacts(top=Module("edgemoe_engine", estimated_ns=2.5, resources=counts))


def rated(facts: SynthesisFacts, *limits: Limit, clock_mhz: float = 300) -> Outcome:
    evaluator: Evaluator = small_evaluator()
    outcome = evaluator.outcome(next(SPACE.points()), ESTIMATE)
    board = evaluator.board
    return climbed(outcome, Synthesis(figures_of(facts, board), None, 1.0), clock_mhz, board, limits)


def test_figures_of_a_report_count_halves_of_block_ram_and_leave_out_what_it_does_not_tell() -> None:
    zcu104 = load_board("zcu104")
    found = {name: figure.value for name, figure in figures_of(report(), zcu104).items()}
    assert found == {
        "dsp": 200, "bram36": 50.5, "uram": 20, "lut": 60_000, "ff": 90_000, "fmax_mhz": 400,
        "memory_kib": 50.5 * 4.5 + 20 * 36,
    }  # fmt: skip
    silent = figures_of(report(uram=None, lut=None), zcu104)
    assert not {"uram", "memory_kib", "lut"} & set(silent)
    without = load_board("zcu102")
    assert not without.uram
    assert figures_of(report(uram=None), without)["memory_kib"].value == 50.5 * 4.5


def test_a_point_within_board_limits_and_clock_stays_feasible() -> None:
    found = rated(report(), Limit("dsp", 200), Limit("bram36", 50.5), clock_mhz=400)
    assert found.feasible and found.tier == SYNTHESIS
    assert found.figures["latency_ms"].tier == ESTIMATE


@pytest.mark.parametrize(
    ("facts", "limits", "clock_mhz", "reason", "words"),
    [
        (report(dsp=1729), (), 300, "more DSP than the board has", "1,729 of 1,728 DSP (vendor synthesis)"),
        (report(bram18=625), (), 300, "more BRAM36 than the board has", "312.5 of 312 BRAM36"),
        (report(), (Limit("lut", 0.2),), 300, "limit lut=0.2", "lut is 60000 (vendor synthesis), the limit 46080"),
        (report(), (Limit("fmax_mhz", 450),), 300, "limit fmax_mhz=450", "fmax_mhz is 400"),
        (report(), (), 401, "misses its clock", "allows 400 MHz before routing (vendor synthesis)"),
    ],
)
def test_a_point_that_breaks_what_synthesis_counts_is_infeasible_with_its_reason(
    facts: SynthesisFacts, limits: tuple[Limit, ...], clock_mhz: float, reason: str, words: str
) -> None:
    found = rated(facts, *limits, clock_mhz=clock_mhz)
    assert not found.feasible
    assert found.reason == reason and words in found.detail
    assert found.figures["dsp"].tier == SYNTHESIS, "what it counted is kept"


def test_without_the_tools_one_sentence_says_which_where_they_were_looked_for_and_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    why = tools_missing()
    assert "no Vitis HLS was found" in why and "EDGEMOE_TOOLS is empty" in why
    monkeypatch.setenv("EDGEMOE_TOOLS", "/somewhere:/else")
    assert "and below /somewhere:/else" in tools_missing()
    refuse_without_tools({"": ""})
    with pytest.raises(ConfigError, match="--synthesise can't run here: no Vitis HLS was found") as caught:
        refuse_without_tools({"": why})
    assert "settings64.sh" in caught.value.hint and "EDGEMOE_TOOLS" in caught.value.hint
    with pytest.raises(ConfigError, match=r"can't run on 1 of 2 workers \(tcp://b\)"):
        refuse_without_tools({"tcp://a": "", "tcp://b": why})


def test_designs_share_a_folder_only_where_they_are_synthesised_alike() -> None:
    evaluator = small_evaluator()
    one, two = (evaluator.design(point) for point in SPACE.points())
    assert synthesis_folder(one, Path()) == synthesis_folder(evaluator.design(next(SPACE.points())), Path())
    assert synthesis_folder(one, Path()) != synthesis_folder(two, Path())
    slower = replace(one, knobs=one.knobs.turned({"clock_mhz": 200.0}))
    assert synthesis_folder(slower, Path()) != synthesis_folder(one, Path())
