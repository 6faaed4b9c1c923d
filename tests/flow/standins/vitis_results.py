"""What the steps of Vitis HLS leave in a solution's folder, and the lines that they print: shared by both generations.

Called as a program by the Tcl stand-in (`vitis_results.py csynth KEY=VALUE ...`), and as a module by the unified one.
Message texts with a number were seen in public logs of the tool.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from vitis_ipxact import write_ip
from vitis_parts import PARTS
from vitis_report import Run, cosim_rpt, csynth_rpt, csynth_xml, design_xml, write_text
from vitis_source import Engine, SourceError, read_engine

FAIL = "EDGEMOE_STANDIN_FAIL"  # STEP:KIND
BEAT = b"\x00"
Say = Callable[[str], None]


class StepError(Exception):
    """A step failed; what there was to say has been said."""


def failure(step: str) -> str:
    """How this step is to fail, or ""."""
    wanted, _, kind = os.environ.get(FAIL, "").partition(":")
    return kind if wanted == step else ""


def csynth(values: dict[str, str], say: Say) -> None:
    """C synthesis. `values`: release, top, part, period, uncertainty, flow, files, include, out, project, solution."""
    out = Path(values["out"])
    files = values["files"].split("\n")
    engine = _read(values, say)
    kind = failure("hls")
    run = Run(values["release"], values["part"], float(values["period"]), float(values["uncertainty"]), values["flow"])
    if kind == "licence":
        say(f"ERROR: [Common 17-345] A valid license was not found for feature 'HLS' and/or device '{run.part[:7]}'. ")
        say("Please run the Vivado License Manager for assistance in determining which features and devices are ")
        say("licensed for your system.")
        raise StepError
    for file in files:
        say(f"INFO: [HLS 200-10] Analyzing design file '{file}' ... ")
    if kind == "source":
        say(f"ERROR: [HLS 207-3776] use of undeclared identifier 'beat_count' ({files[0]}:12:7)")
        _presynthesis(say)
    say("INFO: [HLS 200-10] Starting code transformations ...")
    say("INFO: [HLS 200-10] Checking synthesizability ...")
    say("INFO: [HLS 200-10] Starting hardware synthesis ...")
    say(f"INFO: [HLS 200-10] Synthesizing '{engine.top}' ...")
    half = len(engine.modules) // 2
    for number, module in enumerate(engine.modules):
        if number == half:
            middle(kind, out / "syn/verilog", say)
        _implement(engine, module, say)
    report = out / "syn/report"
    for module in engine.modules:
        write_text(report / f"{module}_csynth.xml", csynth_xml(engine, run, module))
        write_text(
            report / f"{module}_csynth.rpt", csynth_rpt(engine, run, values["project"], values["solution"], module)
        )
        name = engine.top if module == engine.top else f"{engine.top}_{module}"
        write_text(out / f"syn/verilog/{name}.v", f"module {name};\nendmodule\n")
    write_text(report / "csynth.xml", design_xml(engine, run))
    write_text(report / "csynth.rpt", csynth_rpt(engine, run, values["project"], values["solution"], engine.top))
    say(f"INFO: [VHDL 208-304] Generating VHDL RTL for {engine.top}.")
    say(f"INFO: [VLOG 209-307] Generating Verilog RTL for {engine.top}.")
    say("INFO: [HLS 200-790] **** Loop Constraint Status: All loop constraints were satisfied.")
    say(f"INFO: [HLS 200-789] **** Estimated Fmax: {1000 / (run.period_ns - run.uncertainty_ns):.2f} MHz")


def cosim(values: dict[str, str], say: Say) -> None:
    """Co-simulation. `values`: as for synthesis, and testbench, data, argv."""
    out = Path(values["out"])
    kind = failure("cosim")
    if kind == "licence":
        say("ERROR: [Common 17-345] A valid license was not found for feature 'Simulation'.")
        raise StepError
    engine = _read(values, say)
    if "main" not in "".join(Path(file).read_text(encoding="utf-8") for file in values["testbench"].split("\n")):
        say("ERROR: [COSIM 212-330] The test bench has no main function")
        raise StepError
    say("INFO: [COSIM 212-47] Using XSIM for RTL simulation.")
    say("INFO: [COSIM 212-14] Instrumenting C test bench ...")
    if kind == "source":
        say("ERROR: [COSIM 212-317] C++ compile error: testbench/main.cpp:12:7: 'beat_count' was not declared")
        _finish_cosim(False, say)
    say("INFO: [COSIM 212-302] Starting C TB testing ... ")
    # The data files stand beside the program that runs; its argument is the folder.
    folder = values["argv"]
    known = {Path(file).name for file in values["data"].split("\n") if file}
    for name in ("program.bin", "weights.bin", "image.bin", "expected.bin"):
        if name not in known or folder not in (".", "./"):
            say(f"{folder}/{name} is missing")
            say("ERROR: [COSIM 212-359] Aborting co-simulation: C TB simulation failed, nonzero return value '2'.")
            _finish_cosim(False, say)
    say("INFO: [COSIM 212-333] Generating C post check test bench ...")
    say("INFO: [COSIM 212-12] Generating RTL test bench ...")
    say("INFO: [COSIM 212-323] Starting verilog simulation. ")
    say("INFO: [COSIM 212-15] Starting XSIM ...")
    say('// RTL Simulation : 0 / 1 [n/a] @ "128000"')
    middle(kind, out / "sim/verilog", say)
    say('// RTL Simulation : 1 / 1 [100.00%] @ "2523000"')
    say("INFO: [COSIM 212-316] Starting C post checking ...")
    cycles = 4096 + sum(Path(file).stat().st_size // 16 for file in values["data"].split("\n"))
    passed = kind != "mismatch"
    write_text(out / f"sim/report/{engine.top}_cosim.rpt", cosim_rpt(values["solution"], cycles, passed))
    if not passed:
        say("byte 17 of the result is 0x00, expected 0x1f")
        say("ERROR: [COSIM 212-361] C TB post check failed, nonzero return value '1'.")
    _finish_cosim(passed, say)


def package(values: dict[str, str], say: Say) -> None:
    """Packaging. `values`: as for synthesis, and vendor, library, ipname, version, display_name, description."""
    out = Path(values["out"])
    kind = failure("ip")
    engine = _read(values, say)
    say("INFO: [IMPL 213-8] Exporting RTL as a Vivado IP.")
    if kind == "licence":
        say("ERROR: [Common 17-345] A valid license was not found for feature 'Implementation'.")
        say("ERROR: [IMPL 213-28] Failed to generate IP.")
        raise StepError
    if kind == "source":
        say("ERROR: [IP_Flow 19-3461] Value '64K' is out of the range for parameter 'C_S_AXI_CONTROL_ADDR_WIDTH'")
        say("ERROR: [IMPL 213-28] Failed to generate IP.")
        raise StepError
    say("source run_ippack.tcl -notrace")
    middle(kind, out / "impl/ip", say)
    write_ip(engine, out / "impl/ip", {key: values[key] for key in IP_KEYS})
    say(f"INFO: Created IP {values['shown']}/impl/ip/component.xml")


IP_KEYS = ("vendor", "library", "ipname", "version", "display_name", "description")


def middle(kind: str, folder: Path, say: Say) -> None:
    """The failures that happen in the middle of a step."""
    if kind == "crash":
        say("Abnormal program termination (11)")
        say("Please check 'hs_err_pid.log' for details")
        target = int(os.environ.get("EDGEMOE_STANDIN_PID", os.getpid()))
        time.sleep(0.3)  # the lines must be out before the tool is gone
        os.kill(target, signal.SIGSEGV)
        raise SystemExit(1)
    if kind == "disk":
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "unfinished").write_bytes(BEAT)
        say(f'ERROR: [Common 17-679] could not write "{folder}/unfinished": No space left on device')
        raise StepError
    if kind == "nothing":
        raise SystemExit(QUIET)
    if kind == "hang":
        subprocess.run([sys.executable, "-c", "import time; time.sleep(3600)"], check=False)
        time.sleep(3600)


QUIET = 75  # ends the whole tool with code 0 and without a result


def _presynthesis(say: Say) -> None:
    say("ERROR: [HLS 200-70] Pre-synthesis failed.")
    raise StepError


def _finish_cosim(passed: bool, say: Say) -> None:
    if passed:
        say("INFO: [COSIM 212-1000] *** C/RTL co-simulation finished: PASS ***")
        return
    say("ERROR: [COSIM 212-4] *** C/RTL co-simulation finished: FAIL ***")
    raise StepError


def _read(values: dict[str, str], say: Say) -> Engine:
    if values["part"] not in PARTS:
        say(f"ERROR: [HLS 200-1023] Part '{values['part']}' is not installed.")
        raise StepError
    include = [Path(folder) for folder in values["include"].split("\n") if folder]
    try:
        return read_engine(values["top"], [Path(file) for file in values["files"].split("\n")], include)
    except SourceError as error:
        say(f"ERROR: {error}")
        raise StepError from error


def _implement(engine: Engine, module: str, say: Say) -> None:
    rule = f"INFO: [HLS 200-10] {'-' * 64}"
    say(rule)
    say(f"INFO: [HLS 200-42] -- Implementing module '{module}' ")
    say(rule)
    say("INFO: [SCHED 204-11] Starting scheduling ...")
    for loop in engine.functions[module].loops:
        for inner in (loop, *loop.inner):
            if inner.ii:
                say(f"INFO: [SCHED 204-61] Pipelining loop '{inner.name}'.")
                result = f"Target II = {inner.ii}, Final II = {inner.ii}, Depth = 9, loop '{inner.name}'"
                say(f"INFO: [HLS 200-1470] Pipelining result : {result}")
    say("INFO: [SCHED 204-11] Finished scheduling.")
    say("INFO: [BIND 205-100] Starting micro-architecture generation ...")
    say("INFO: [BIND 205-100] Finished micro-architecture generation.")


def main() -> int:
    """One step for the Tcl stand-in: 1 if it failed, `QUIET` if the tool must end without a word."""
    values = dict(argument.split("=", 1) for argument in sys.argv[2:])
    step = {"csynth": csynth, "cosim": cosim, "package": package}[sys.argv[1]]
    try:
        step(values, lambda line: print(line, flush=True))
    except StepError:
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
