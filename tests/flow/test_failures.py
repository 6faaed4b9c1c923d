"""Why a tool failed, told from logs of the form that the tools leave."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ToolError
from edgemoe_gen.flow import failures
from edgemoe_gen.flow.failures import explain, missing_result
from edgemoe_gen.flow.tools import Command, Tool

HLS = Command(Tool("vitis_hls", Path("/t/vitis_hls"), "2022.1", "PATH"), ())
VIVADO = Command(Tool("vivado", Path("/t/vivado"), "2023.2", "PATH"), ())

VIVADO_HEAD = """
****** Vivado v2023.2 (64-bit)
  **** SW Build 4029153 on Fri Oct 13 20:13:54 MDT 2023
source flow/bitstream.tcl
# create_project edgemoe vivado_project -part xczu7ev-ffvc1156-2-e
WARNING: [Board 49-26] cannot add Board Part xilinx.com:vmk180:part0:3.1 as part xcvm1802 is not available
# puts "ERROR: this is only an echo"
Attempting to get a license for feature 'Synthesis' and/or device 'xczu7ev'
INFO: [Common 17-349] Got license for feature 'Synthesis' and/or device 'xczu7ev'
"""
HLS_HEAD = """
****** Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v2022.1 (64-bit)
INFO: [HLS 200-1510] Running: csynth_design
INFO: [HLS 200-10] Analyzing design file 'src/engine.cpp' ...
WARNING: [HLS 207-5292] unused parameter 'x' (src/engine.cpp:12:3)
"""
COSIM_HEAD = """
INFO: [COSIM 212-302] Starting C TB testing ...
INFO: [COSIM 212-333] Generating C post check test bench ...
INFO: [COSIM 212-12] Generating RTL test bench ...
INFO: [COSIM 212-15] Starting XSIM ...
"""
COSIM_TAIL = """
ERROR: [COSIM 212-4] *** C/RTL co-simulation finished: FAIL ***
INFO: [COSIM 212-211] II is measurable only when transaction number is greater than 1 in RTL simulation.
"""

CASES = (
    (
        "licence", "bitstream", VIVADO, 1,
        VIVADO_HEAD + "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis' and/or device "
        "'xczu9eg'. Please run the Vivado License Manager for assistance.\n"
        "ERROR: [Common 17-69] Command failed: Run 'synth_1' failed\n",
        "vivado 2023.2 found no valid licence for Synthesis of xczu9eg", "XILINXD_LICENSE_FILE",
    ),
    (
        "licence at launch", "bitstream", VIVADO, 1,
        "ERROR: Vivado Design Suite cannot be launched because a valid license was not found.\n",
        "found no valid licence", "~/.Xilinx",
    ),
    (
        "library", "bitstream", VIVADO, 127,
        "application-specific initialization failed: couldn't load file \"librdi_commontasks.so\": /v/vivado: error "
        "while loading shared libraries: libtinfo.so.5: cannot open shared object file: No such file or directory\n",
        "has no libtinfo.so.5", "libtinfo5",
    ),
    (
        "locale", "bitstream", VIVADO, 134,
        "terminate called after throwing an instance of 'std::runtime_error'\n"
        "  what():  locale::facet::_S_create_c_locale name not valid\n",
        "locale", "LC_ALL",
    ),
    (
        "disk", "bitstream", VIVADO, 1,
        VIVADO_HEAD + "couldn't write to file: No space left on device\nAbnormal program termination (11)\n",
        "the disk is full", "free",
    ),
    (
        "disk in a checkpoint", "bitstream", VIVADO, 1,
        VIVADO_HEAD + "ERROR: [Common 17-49] Internal Data Exception: HDDMProto::writeMessage failed\n",
        "the disk is full", "free",
    ),
    (
        "memory", "bitstream", VIVADO, 1,
        VIVADO_HEAD + "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
        "ran out of memory", "EDGEMOE_JOBS=1",
    ),
    (
        "killed behind the launcher", "bitstream", VIVADO, 137,
        VIVADO_HEAD + '/t/Vivado/2020.2/bin/rdiArgs.sh: line 309: 3801495 Killed                  "$RDI_PROG" "$@"\n',
        "was killed, most likely because this machine ran out of memory", "dmesg",
    ),
    ("killed", "hls", HLS, -signal.SIGKILL, HLS_HEAD, "was killed, most likely", "memory"),
    (
        "crash", "bitstream", VIVADO, 1,
        VIVADO_HEAD + "opt_design completed successfully\nAbnormal program termination (11)\n"
        "Please check '/k/hs_err_pid967.log' for details\nsegfault in /t/vivado -exec vivado, exiting...\n",
        "vivado 2023.2 crashed (SIGSEGV)", "/k/hs_err_pid967.log",
    ),
    ("crash by signal", "hls", HLS, -signal.SIGABRT, HLS_HEAD, "crashed (SIGABRT)", "again"),
    (
        "board", "bitstream", VIVADO, 1,
        VIVADO_HEAD + "ERROR: [Board 49-71] The board_part definition was not found for xilinx.com:zcu104:part0:1.1. "
        "The project's board_part property was not set.\n",
        "no board files for 'xilinx.com:zcu104:part0:1.1'", "xhub::install",
    ),
    (
        "part in Vivado", "bitstream", VIVADO, 1,
        "ERROR: [Common 17-69] Command failed: Part 'xczu9eg-ffvb1156-2-e' not found\n",
        "xczu9eg-ffvb1156-2-e", "installer",
    ),
    (
        "part in HLS", "hls", HLS, 1,
        "ERROR: [HLS 200-1023] Part 'xczu7ev-ffvc1156-2-e' is not installed.\n", "xczu7ev-ffvc1156-2-e", "installer",
    ),
    (
        "part by licence tier", "bitstream", VIVADO, 1,
        "ERROR: [Coretcl 2-106] Specified part could not be found.\n", "the part of this board", "tier",
    ),
    (
        "dates", "ip", HLS, 1,
        "ERROR: '2201011128' is an invalid argument. Please specify an integer value.\n"
        "ERROR: [IMPL 213-28] Failed to generate IP.\n",
        "date", "76960",
    ),
    (
        "source", "hls", HLS, 1,
        HLS_HEAD + "ERROR: [HLS 207-3776] use of undeclared identifier 'N' (/k/src/operation.h:42:7)\n"
        "ERROR: [HLS 200-70] Compilation errors found\n",
        "rejects the source at operation.h:42: use of undeclared identifier 'N' [HLS 207-3776]", "edgemoe-gen lint",
    ),
    (
        "dataflow", "hls", HLS, 1,
        HLS_HEAD + "ERROR: [HLS 200-1013] Bundled bus interface 'gmem_input' on ports 'a, b' failed dataflow checking: "
        "it cannot read data in multiple processes.\n",
        "rejects the dataflow: Bundled bus interface 'gmem_input'", "edgemoe-gen lint",
    ),
    (
        "dataflow of an array", "hls", HLS, 1,
        HLS_HEAD + "ERROR: [HLS 200-779] Non-shared array 'v730' failed dataflow checking: it can only have a single "
        "reader and a single writer.\n",
        "'v730' failed dataflow checking", "one process",
    ),
    (
        "deadlock", "cosim", HLS, 1,
        COSIM_HEAD + "//////////////\n// ERROR!!! DEADLOCK DETECTED at 128505 ns! SIMULATION WILL BE STOPPED! //\n"
        "// Dependence cycle 1:\n// (1): Process: edgemoe_engine.fetch_U0\n"
        "// (2): Process: edgemoe_engine.execute_U0\n" + COSIM_TAIL,
        "edgemoe_engine.fetch_U0, edgemoe_engine.execute_U0", "FIFO",
    ),
    (
        "mismatch", "cosim", HLS, 1,
        COSIM_HEAD + "INFO: [COSIM 212-316] Starting C post checking ...\nresult beat 17 differs\n"
        "ERROR: [COSIM 212-361] Aborting co-simulation: C TB simulation failed, nonzero return value '1'.\n"
        + COSIM_TAIL,
        "differ from those of the C simulation", "first wrong beat",
    ),
    (
        "C test bench", "cosim", HLS, 1,
        "INFO: [COSIM 212-302] Starting C TB testing ...\n"
        "ERROR: [COSIM 212-360] Aborting co-simulation: C TB simulation failed.\n"
        "ERROR: [COSIM 212-320] C TB testing failed, stop generating test vectors.\n" + COSIM_TAIL,
        "C test bench failed before the RTL ran", "csim",
    ),
    (
        "RTL simulator", "cosim", HLS, 1,
        COSIM_HEAD + "ERROR: [XSIM 43-3321] Static elaboration of top level design unit failed.\n" + COSIM_TAIL,
        "the RTL simulator failed: ERROR: [XSIM 43-3321]", "sim folder",
    ),
    (
        "too large", "bitstream", VIVADO, 1,
        VIVADO_HEAD + "ERROR: [Place 30-640] Place Check : This design requires more RAMB18 and RAMB36/FIFO cells than "
        "are available in the target device.\n",
        "more RAMB18 and RAMB36/FIFO than there are", "tokens_parallel",
    ),
    (
        "unknown", "bitstream", VIVADO, 1,
        VIVADO_HEAD + "CRITICAL WARNING: [BD 41-1356] Slave segment is not assigned\n"
        "ERROR: [BD 41-758] The following clock pins are not connected to a valid clock source\n"
        "ERROR: [Common 17-39] 'validate_bd_design' failed due to earlier errors.\n",
        'failed in stage "bitstream": ERROR: [BD 41-758]', "read the log",
    ),
    (
        "header of the system", "hls", HLS, 1,
        HLS_HEAD + "ERROR: [HLS 207-3777] 'gnu/stubs-32.h' file not found (/usr/include/gnu/stubs.h:7:11)\n"
        "ERROR: [HLS 200-1715] Encountered problem during source synthesis\n",
        "this system has no header gnu/stubs-32.h, which /usr/include/gnu/stubs.h includes", "gcc-multilib",
    ),
    (
        "header of the system in a source of ours", "hls", HLS, 1,
        HLS_HEAD + "ERROR: [HLS 207-812] 'cstdint' file not found (src/types.h:5:10)\n",
        "this system has no header cstdint, which src/types.h includes", "gcc-multilib",
    ),
    (
        "header that gcc misses", "cosim", HLS, 1,
        "/usr/include/gnu/stubs.h:7:11: fatal error: gnu/stubs-32.h: No such file or directory\n" + COSIM_TAIL,
        "this system has no header gnu/stubs-32.h", "gcc-multilib",
    ),
    (
        "headers that do not go together", "cosim", HLS, 1,
        "INFO: [COSIM 212-14] Instrumenting C test bench ...\n"
        "/t/Vivado/2018.3/include/mpfr.h:181:9: error: '__gmp_const' does not name a type\n"
        "ERROR: [COSIM 212-317] C++ compile error.\n" + COSIM_TAIL,
        "cannot compile headers that are not of the design: '__gmp_const' does not name a type (/t/Vivado/2018.3/incl",
        "libgmp-dev",
    ),
    (
        "start files", "cosim", HLS, 1,
        "/usr/bin/ld: cannot find crti.o: No such file or directory\nERROR: [COSIM 212-317] C++ compile error.\n"
        "ERROR: [COSIM 212-331] Aborting co-simulation: C simulation failed, compilation errors.\n" + COSIM_TAIL,
        "its linker does not find crti.o of this system", "LIBRARY_PATH=/usr/lib/x86_64-linux-gnu",
    ),
    (
        "devices in a container", "bitstream", VIVADO, 134,
        "realloc(): invalid pointer\n# An unexpected error has occurred (11)\nStack:\n"
        "/lib/x86_64-linux-gnu/libudev.so.1(udev_enumerate_scan_devices+0x294) [0x7f]\n",
        "crashed as it asked libudev for this machine's devices", "LD_PRELOAD",
    ),
    (
        "script that packages", "ip", HLS, 1,
        "missing operand at _@_\nin expression \" _@_*  / 8\"\n    (parsing expression \" *  / 8\")\n"
        '    invoked from within\n"expr $mem_width * $mem_depth / 8"\nERROR: [IMPL 213-28] Failed to generate IP.\n',
        "cannot package the IP: its own script stopped: missing operand at _@_", "[IMPL 213-28]",
    ),
    (
        "run without a log", "bitstream", VIVADO, 1,
        VIVADO_HEAD + "WARNING: [Vivado 12-8222] Failed run(s) : 'design_smartconnect_0_synth_1'\n"
        "ERROR: [Common 17-70] Application Exception: Failed to launch run 'impl_1' due to failures in the following "
        "run(s):\ndesign_smartconnect_0_synth_1\n",
        "Vivado's run 'design_smartconnect_0_synth_1' failed", "design_smartconnect_0_synth_1/runme.log",
    ),
    (
        "home", "bitstream", VIVADO, 134,
        "terminate called after throwing an instance of 'boost::filesystem::filesystem_error'\n"
        "  what():  boost::filesystem::create_directory: Permission denied: \"/.Xilinx\"\n",
        "may not write to /.Xilinx", "set HOME to a folder",
    ),
    (
        "hook", "bitstream", VIVADO, 1,
        VIVADO_HEAD + "ERROR: [edgemoe hook] before_place (hooks/before_place.user.tcl): invalid command name 'x'\n"
        "ERROR: [Common 17-39] 'source' failed due to earlier errors.\n",
        "the hook 'before_place' stopped: invalid command name", "[flow.hooks]",
    ),
    ("silent", "hls", HLS, 2, "", "ended with code 2", "log"),
    ("stopped", "hls", HLS, -signal.SIGTERM, HLS_HEAD, "was stopped by SIGTERM", "again"),
)  # fmt: skip


def explained(tmp_path: Path, stage: str, command: Command, code: int, text: str) -> ToolError:
    log = tmp_path / "stage.log"
    log.write_text(text)
    return explain(stage, command, code, log, tmp_path)


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_cause_is_named(tmp_path: Path, case: tuple[str, str, Command, int, str, str, str]) -> None:
    _, stage, command, code, text, message, hint = case
    error = explained(tmp_path, stage, command, code, text)
    assert message in error.message, error.message
    assert hint in error.hint, error.hint
    assert error.log == tmp_path / "stage.log" and str(error.log) in error.message
    assert "\n" not in error.message


def test_lines_of_the_tool_come_reasons_first_without_echoes(tmp_path: Path) -> None:
    error = explained(tmp_path, "bitstream", VIVADO, 1, next(case[4] for case in CASES if case[0] == "unknown"))
    assert [line.split("]")[0] for line in error.lines] == [
        "ERROR: [BD 41-758", "CRITICAL WARNING: [BD 41-1356", "ERROR: [Common 17-39",
    ]  # fmt: skip


TCL = '    while executing\n"error $message"\n    (file "flow/bitstream.tcl" line 33)\nINFO: [Common 17-206] Exiting\n'


def test_what_our_own_scripts_say_is_the_reason_where_the_tool_gives_none(tmp_path: Path) -> None:
    said = "there is no DDR below ps/SAXIGP2: the board's preset was not applied to the processing system"
    warning = "CRITICAL WARNING: [BD 41-1356] Slave segment is not assigned"
    text = f'{VIVADO_HEAD}{warning}\n# error "there is no DDR"\n{said}\n{TCL}'
    error = explained(tmp_path, "bitstream", VIVADO, 1, text)
    assert f'failed in stage "bitstream": {said}' in error.message
    assert error.lines == (said, warning)


def test_a_tool_s_own_reason_comes_before_what_a_script_says_of_it(tmp_path: Path) -> None:
    run = tmp_path / "vivado_project" / "edgemoe.runs" / "synth_1"
    run.mkdir(parents=True)
    (run / "runme.log").write_text("ERROR: [Synth 8-439] module 'x' not found\n")
    said = "run synth_1 ended with status 'synth_design ERROR' at 0%; the reason is in vivado_project/runme.log"
    error = explained(tmp_path, "bitstream", VIVADO, 1, f"{VIVADO_HEAD}{said}\n{TCL}")
    assert error.lines == ("ERROR: [Synth 8-439] module 'x' not found", said)
    assert "[Synth 8-439]" in error.message


def test_timing_that_is_missed_is_no_failure_of_the_tool(tmp_path: Path) -> None:
    text = VIVADO_HEAD + "CRITICAL WARNING: [Timing 38-282] The design failed to meet the timing requirements.\n"
    error = missing_result("bitstream", "bitstream/edgemoe.bit", tmp_path / "none.log", tmp_path)
    (tmp_path / "log").write_text(text)
    assert missing_result("bitstream", "bitstream/edgemoe.bit", tmp_path / "log", tmp_path).lines == error.lines == ()


def test_errors_of_runs_are_found_where_the_main_log_has_none(tmp_path: Path) -> None:
    run = tmp_path / "vivado_project" / "edgemoe.runs" / "edgemoe_ps_0_synth_1"
    run.mkdir(parents=True)
    (run / "runme.log").write_text("ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis'\n")
    error = explained(tmp_path, "bitstream", VIVADO, 1, VIVADO_HEAD + "ERROR: [Vivado 12-13638] Failed runs(s) : 'x'\n")
    assert "no valid licence for Synthesis" in error.message


def test_missing_result_says_what_is_missing_and_why_if_the_log_knows(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("INFO: all is well\n")
    silent = missing_result("ip", "ip/component.xml", log, tmp_path)
    assert 'stage "ip" ended without ip/component.xml' in silent.message and "no error" in silent.message
    log.write_text("ERROR: '2201011128' is an invalid argument. Please specify an integer value.\n")
    known = missing_result("ip", "ip/component.xml", log, tmp_path)
    assert "ip/component.xml" in known.message and "76960" in known.hint and known.lines
    log.write_text("ERROR: [HLS 200-101] 'export_design': Unknown option '-vendr'.\n")
    assert "Unknown option '-vendr'" in missing_result("ip", "ip/component.xml", log, tmp_path).message


def test_nearly_full_disk_explains_a_failure_that_names_no_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "FULL_BYTES", 1 << 62)  # more than any disk: as if this one were full
    assert "the disk is full" in explained(tmp_path, "hls", HLS, 1, HLS_HEAD).message


def test_both_ends_of_a_long_log_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "HEAD_BYTES", 1000)
    monkeypatch.setattr(failures, "TAIL_BYTES", 1000)
    middle = "INFO: nothing\n" * 1000 + "ERROR: [Middle 1-1] lost\n" + "INFO: nothing\n" * 1000
    error = explained(tmp_path, "hls", HLS, 1, f"ERROR: [First 1-1] a\n{middle}ERROR: [Last 1-1] b\n")
    assert error.lines == ("ERROR: [First 1-1] a", "ERROR: [Last 1-1] b")


def test_only_output_from_the_start_counts(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"ERROR: [Old 1-1] old\nERROR: [New 1-1] new \xff\n")
    assert explain("hls", HLS, 1, log, tmp_path, start=21).lines == ("ERROR: [New 1-1] new \ufffd",)


def test_log_that_is_gone_is_no_traceback(tmp_path: Path) -> None:
    assert "code 1" in explain("hls", HLS, 1, tmp_path / "none", tmp_path / "gone").message
