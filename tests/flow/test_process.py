"""Real processes under watch: log, steps, failures, and that nothing survives an interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemoe_gen.base.errors import ToolError
from edgemoe_gen.flow.process import run_command
from edgemoe_gen.flow.tools import Command, Tool

Made = Callable[[str], Command]


@pytest.fixture
def tool(tmp_path: Path) -> Made:
    def make(text: str) -> Command:
        path = tmp_path / "vivado"
        path.write_text(f"#!{sys.executable}\nimport os, signal, subprocess, sys, time\n{text}\n")
        path.chmod(0o755)
        return Command(Tool("vivado", path, "2023.2", "PATH"), ("-mode", "batch"))

    return make


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def wait_for(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.02)
    return true()


def test_output_is_kept_whatever_its_encoding(tmp_path: Path, tool: Made) -> None:
    log = tmp_path / "logs" / "hls.log"
    command = tool(r"sys.stdout.buffer.write(b'caf\xe9\n'); sys.stdout.flush(); sys.stderr.write('and errors\n')")
    run_command("hls", command, tmp_path, log, lambda _: None)
    run_command("hls", command, tmp_path, log, lambda _: None)
    once = b"$ vivado -mode batch\ncaf\xe9\nand errors\n"
    assert log.read_bytes() == once + once


def test_environment_holds_the_number_of_jobs(tmp_path: Path, tool: Made) -> None:
    run_command("hls", tool("print(os.environ['EDGEMOE_JOBS'])"), tmp_path, tmp_path / "log", lambda _: None)
    assert (tmp_path / "log").read_text().splitlines()[-1] == os.environ.get("EDGEMOE_JOBS", str(os.cpu_count()))


def test_log_and_steps_come_while_the_tool_runs(tmp_path: Path, tool: Made) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    command = tool(
        f"print('Command: place_design', flush=True)\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.02)\n"
        f"print('Command: route_design')"
    )
    seen: list[tuple[str, bool]] = []

    def on_step(step: str) -> None:
        seen.append((step, "place_design" in log.read_text() and "route_design" not in log.read_text()))
        go.touch()

    run_command("bitstream", command, tmp_path, log, on_step)
    assert seen == [("placing", True), ("routing", False)]


def test_progress_by_carriage_return_is_cut_and_repeated_steps_are_told_once(tmp_path: Path, tool: Made) -> None:
    command = tool(
        "for done in (0, 1, 1, 2): sys.stdout.write(f'// RTL Simulation : {done} / 2 [n/a] @ \"1\"\\r')\n"
        "sys.stdout.write('x' * 100_000 + '\\n')"
    )
    steps: list[str] = []
    run_command("cosim", command, tmp_path, tmp_path / "log", steps.append)
    assert steps == [f"RTL simulation: {done} of 2 transactions" for done in (0, 1, 2)]


def test_failure_is_explained_from_the_output_of_this_run_only(tmp_path: Path, tool: Made) -> None:
    log = tmp_path / "log"
    log.write_text("ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis'\n")
    with pytest.raises(ToolError) as raised:
        run_command("bitstream", tool("print('ERROR: [X 1-1] odd'); sys.exit(3)"), tmp_path, log, lambda _: None)
    assert "odd" in raised.value.message and raised.value.lines == ("ERROR: [X 1-1] odd",)
    assert raised.value.log == log and raised.value.exit_code == 3


def test_tool_that_kills_itself_is_told_by_its_signal(tmp_path: Path, tool: Made) -> None:
    with pytest.raises(ToolError, match="SIGSEGV"):
        run_command("hls", tool("os.kill(os.getpid(), signal.SIGSEGV)"), tmp_path, tmp_path / "log", lambda _: None)


def test_tool_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vivado"
    path.write_text("no program")
    path.chmod(0o755)
    command = Command(Tool("vivado", path, "", "PATH"), ())
    with pytest.raises(ToolError, match="could not be started"):
        run_command("bitstream", command, tmp_path, tmp_path / "log", lambda _: None)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk_under_the_log_ends_the_tool(tmp_path: Path, tool: Made) -> None:
    with pytest.raises(ToolError, match="disk is full"):
        run_command("hls", tool("time.sleep(600)"), tmp_path, Path("/dev/full"), lambda _: None)


def test_log_that_may_not_be_written_is_no_full_disk(tmp_path: Path, tool: Made) -> None:
    with pytest.raises(ToolError, match="cannot be written"):
        run_command("hls", tool("pass"), tmp_path, tmp_path, lambda _: None)


def test_error_of_the_caller_ends_the_tool(tmp_path: Path, tool: Made) -> None:
    command = tool(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
                   "print('Command: place_design', flush=True); time.sleep(600)")  # fmt: skip

    def on_step(_: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_command("hls", command, tmp_path, tmp_path / "log", on_step)
    assert not alive(int((tmp_path / "pid").read_text()))


def test_what_a_tool_leaves_running_is_neither_awaited_nor_left(tmp_path: Path, tool: Made) -> None:
    command = tool("left = subprocess.Popen(['sleep', '600'], start_new_session=True); print(left.pid)")
    begun = time.monotonic()
    run_command("hls", command, tmp_path, tmp_path / "log", lambda _: None)
    assert time.monotonic() - begun < 30
    assert not alive(int((tmp_path / "log").read_text().split()[-1]))


TREE = """
# A child in a session of its own that ignores the polite signals, with a child that has lost its parent.
inner = "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);" \\
        "signal.signal(signal.SIGINT, signal.SIG_IGN);" \\
        "grand = subprocess.Popen(['sh', '-c', 'setsid sleep 600 & echo $!'], stdout=subprocess.PIPE, text=True);" \\
        "print(os.getpid(), grand.stdout.readline().strip(), flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", inner], start_new_session=True, stdout=subprocess.PIPE, text=True)
print(os.getpid(), child.stdout.readline().strip(), flush=True)
print("Command: place_design", flush=True)
time.sleep(600)
"""

OUTER = """
import signal
import sys
from pathlib import Path
from edgemoe_gen.flow import process
from edgemoe_gen.flow.tools import Command, Tool

# As from a terminal, whatever the tests were started by: nohup and background jobs leave these two ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
process.GRACE_SECONDS = 0.5
folder = Path(sys.argv[1])
try:
    command = Command(Tool("vivado", folder / "vivado", "", "PATH"), ())
    process.run_command("bitstream", command, folder, folder / "log", lambda step: (folder / "step").write_text(step))
finally:
    (folder / "cleaned").touch()
"""


def test_tool_runs_in_the_folder_with_nothing_to_read(tmp_path: Path, tool: Made) -> None:
    kit = tmp_path / "a kit"
    kit.mkdir()
    tool("print(os.getcwd(), repr(sys.stdin.read()))").tool.path.rename(kit / "vivado")
    subprocess.run([sys.executable, "-c", OUTER, str(kit)], input=b"typed", check=True, timeout=60)
    assert (kit / "log").read_text().endswith(f"{kit} ''\n")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_interrupt_leaves_no_process_of_the_tree(tmp_path: Path, tool: Made, number: int, code: int) -> None:
    tool(TREE)
    outer = subprocess.Popen([sys.executable, "-c", OUTER, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        assert wait_for((tmp_path / "step").exists)
        processes = [int(part) for part in (tmp_path / "log").read_text().splitlines()[1].split()]
        assert len(processes) == 3 and all(map(alive, processes))
        outer.send_signal(number)
        assert outer.wait(30) == code
    finally:
        outer.kill()
    assert [process for process in processes if alive(process)] == []
    assert (tmp_path / "cleaned").exists()


def test_long_output_passes_through_little_memory(tmp_path: Path, tool: Made) -> None:
    tool(
        "line = 'INFO: nothing new\\n'\nfor _ in range(300): sys.stdout.write(line * 20_000)\n"
        "sys.stdout.write('ERROR: [X 1-1] end\\n')\nsys.exit(1)"
    )
    text = OUTER.replace("finally:", "except Exception as error:\n    print(error)\nfinally:") + (
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", text, str(tmp_path)], capture_output=True, text=True, check=True)
    message, kilobytes = done.stdout.splitlines()
    assert (tmp_path / "log").stat().st_size > 100e6 and "[X 1-1] end" in message
    assert int(kilobytes) < 100_000  # both ends of the log, as bytes and as text, and Python itself
