"""The simulation around an engine: an engine of a few lines, which copies beats, shows what memory and registers do."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.axi import READ, axi_ports
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.program.pack import Bytes
from edgemoe_gen.rtl import verilator
from edgemoe_gen.rtl.engine import Engine
from edgemoe_gen.rtl.library import sources_for
from edgemoe_gen.rtl.process import Process, Signal
from edgemoe_gen.rtl.simulation import EngineRun, Memory, Waves, build_simulation, simulate
from edgemoe_gen.rtl.top import make_top

pytestmark = [pytest.mark.usefixtures("simulator"), pytest.mark.slow]

BEATS = 100
BEAT_BYTES = 16
# Copies the image to the result through a FIFO, then ends; tells of two operations.
BODY = f"""
  wire [127:0] fifo_beats_din, fifo_beats_dout;
  wire fifo_beats_write, fifo_beats_full_n, fifo_beats_read, fifo_beats_empty_n;
  wire [2:0] fifo_beats_occupancy;
  edgemoe_fifo #(.WIDTH(128), .DEPTH(5)) beats (.ap_clk(ap_clk), .ap_rst_n(ap_rst_n), .din(fifo_beats_din),
    .write(fifo_beats_write), .full_n(fifo_beats_full_n), .dout(fifo_beats_dout), .read(fifo_beats_read),
    .empty_n(fifo_beats_empty_n), .occupancy(fifo_beats_occupancy));
  assign fifo_beats_din = image_dout;
  assign image_read = fifo_beats_full_n;
  assign fifo_beats_write = image_empty_n;
  assign result_din = fifo_beats_dout;
  assign result_write = fifo_beats_empty_n;
  assign fifo_beats_read = result_full_n;
  logic running;
  logic [31:0] count;
  wire passes = result_write && result_full_n;
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin running <= 0; count <= 0; end
    else if (ap_start) begin running <= 1; count <= 0; end
    else begin if (ap_done) running <= 0; if (passes) count <= count + 1; end
  end
  assign ap_idle = !running;
  assign ap_done = running && count == {BEATS};
  assign image_request_write = ap_start;
  assign result_request_write = ap_start;
  assign image_request_din = {{64'd{BEATS}, 64'd0}};
  assign result_request_din = {{64'd{BEATS}, 64'd0}};
  assign progress_write_enable = ap_start || (passes && count == {BEATS // 2});
  assign progress_write_data = ap_start ? 32'd0 : 32'd1;
  assign status_write_enable = ap_done;
  assign status_write_data = 32'd7;
"""


def copying_engine(design: Design, body: str) -> Engine:
    """An engine with the ports of a design's and this body; ports that it does not use ask for nothing."""
    signals = [Signal(name, name not in ("ap_done", "ap_idle"), 1) for name in
               ("ap_clk", "ap_rst_n", "ap_start", "ap_done", "ap_idle")]  # fmt: skip
    for port in axi_ports(design.knobs.weight_ports):
        request = f"{port.name}_request"
        signals += [Signal(f"{request}_din", False, 128), Signal(f"{request}_write", False, 1)]
        signals += [Signal(f"{request}_full_n", True, 1)]
        if port.direction == READ:
            signals += [Signal(f"{port.name}_dout", True, 128), Signal(f"{port.name}_empty_n", True, 1)]
            signals += [Signal(f"{port.name}_read", False, 1)]
        else:
            signals += [Signal(f"{port.name}_din", False, 128), Signal(f"{port.name}_full_n", True, 1)]
            signals += [Signal(f"{port.name}_write", False, 1)]
    for name in ("progress", "status"):
        signals += [Signal(f"{name}_write_enable", False, 1), Signal(f"{name}_write_data", False, 32)]
    given = re.findall(r"assign (\w+)", body)
    idle = "".join(f"  assign {s.name} = '0;\n" for s in signals if not s.is_input and s.name not in given)
    ports = ",\n".join(f"  {'input' if s.is_input else 'output'} logic [{s.bits - 1}:0] {s.name}" for s in signals)
    waivers = "// verilator lint_off UNUSEDSIGNAL\n// verilator lint_off DECLFILENAME\n"
    text = f"{waivers}module copying_engine (\n{ports}\n);\n{body}{idle}endmodule\n"
    top = make_top(Process("copying_engine", text, tuple(signals), {}, {}, ()), design)
    return Engine(top.name, {}, sources_for([text, top.text]) | {"engine.sv": text, "top.sv": top.text})


@pytest.fixture(scope="module")
def design() -> Design:
    return make_design(Knobs(tokens_parallel=2, out_parallel=8, in_parallel=8, weight_ports=1), load_board("zcu104"))


@pytest.fixture(scope="module")
def copier(design: Design) -> Path:
    return build_simulation(copying_engine(design, BODY), design, trace=True)


@pytest.fixture(scope="module")
def buffers(design: Design) -> dict[str, Bytes]:
    content = np.random.default_rng(1).integers(0, 256, (BEATS, BEAT_BYTES), np.uint8)
    empty = np.zeros((0, BEAT_BYTES), np.uint8)
    found = {port.name: empty for port in axi_ports(design.knobs.weight_ports) if port.direction == READ}
    return found | {"image": content}


def copied(copier: Path, buffers: dict[str, Bytes], folder: Path, memory: Memory, runs: int = 1) -> EngineRun:
    run = simulate(copier, buffers, BEATS * BEAT_BYTES, folder, memory=memory, runs=runs, most_cycles=50_000)
    assert (run.status, run.bad(buffers["image"]), len(run.cycles)) == (7, 0, runs)
    assert [operation.index for operation in run.operations] == [0, 1]
    assert run.operations[0].start == 0 and run.operations[1].end == run.cycles[-1]
    assert run.operations[0].end == run.operations[1].start
    assert 1 <= run.fills["engine.beats"] <= 5
    return run


def test_latency_and_rate_of_the_memory_cost_the_cycles_that_they_state(
    copier: Path, buffers: dict[str, Bytes], tmp_path: Path
) -> None:
    free = {n: copied(copier, buffers, tmp_path, Memory(latency=n)).cycles[0] for n in (5, 40, 100)}
    # Of reading before the first beat, and of the response behind the last one.
    assert (free[40] - free[5], free[100] - free[40]) == (2 * 35, 2 * 60)
    # One server: what is read and what is written takes turns.
    rates = [Fraction(8), Fraction(4), Fraction(17, 10)]
    shared = [copied(copier, buffers, tmp_path, Memory(latency=20, bytes_per_cycle=rate)).cycles[0] for rate in rates]
    for rate, cycles in zip(rates, shared, strict=True):
        least = 2 * BEATS * BEAT_BYTES / rate
        assert least <= cycles <= least + 200


def test_gaps_cost_cycles_and_no_byte_and_repeat_by_their_seed(
    copier: Path, buffers: dict[str, Bytes], tmp_path: Path
) -> None:
    full, half, tenth, other, again = (
        copied(copier, buffers, tmp_path, Memory(percent=percent, seed=seed), runs=2).cycles
        for percent, seed in ((100, 1), (50, 1), (10, 1), (10, 2), (10, 1))
    )
    assert full[0] == full[1] and max(full) < min(half) < min(tenth)
    assert tenth == again != other


def test_an_engine_that_does_not_end_is_told_with_its_operation(
    copier: Path, buffers: dict[str, Bytes], tmp_path: Path
) -> None:
    with pytest.raises(SimulationError, match=r"not ended after 200 clocks; operation 0 is under way"):
        simulate(copier, buffers, BEATS * BEAT_BYTES, tmp_path, most_cycles=200, memory=Memory(percent=10))
    # A memory whose buses never move: nobody waits for the last clock.
    with pytest.raises(SimulationError, match=r"stands: no bus and no FIFO has moved since cycle \d of .* operation 0"):
        simulate(copier, buffers, BEATS * BEAT_BYTES, tmp_path, quiet_cycles=3_000, memory=Memory(percent=0))
    simulate(copier, buffers, BEATS * BEAT_BYTES, tmp_path, quiet_cycles=100, memory=Memory(latency=5_000))
    with pytest.raises(SimulationError, match=r"the address 0x[0-9a-f]+ is in no buffer"):
        simulate(copier, {**buffers, "image": buffers["image"][:90]}, BEATS * BEAT_BYTES, tmp_path)


def test_building_says_how_far_it_is(design: Design, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "Vtop.cpp").touch()  # as Verilator, which does not run here, would leave it
    for left in (verilator.OBJECT, f"made/{verilator.HEADER}"):
        (tmp_path / left).touch()
    monkeypatch.setattr(verilator, "_run", lambda *_: "")
    monkeypatch.setattr(verilator, "_runtime", lambda *_: tmp_path)
    monkeypatch.setattr(verilator, "find_library", lambda _: None)
    monkeypatch.setattr(verilator, "keep_library", lambda _, make: make(tmp_path))
    said: list[tuple[str, int, int]] = []
    build_simulation(copying_engine(design, BODY), design, progress=lambda *step: said.append(step))
    assert said == [("Verilator reads the modules", 0, 0), *(("compiling the simulation", n, 1) for n in range(2))]


def test_a_trace_holds_the_cycles_that_are_asked_for(copier: Path, buffers: dict[str, Bytes], tmp_path: Path) -> None:
    path = tmp_path / "waves.vcd"
    simulate(copier, buffers, BEATS * BEAT_BYTES, tmp_path, waves=Waves(path, 20, 30), clock_mhz=250)
    text = path.read_text()
    times = [int(time) for time in re.findall(r"^#(\d+)$", text, re.MULTILINE)]
    assert (times[0], times[-1], set(np.diff(times).tolist())) == (20 * 4000, 30 * 4000 + 2000, {2000})
    assert "fifo_beats_occupancy" in text and "$timescale" in text


def test_progress_is_told_and_a_signal_ends_the_program_with_a_whole_trace(
    copier: Path, buffers: dict[str, Bytes], tmp_path: Path
) -> None:
    said: list[tuple[int, int]] = []
    simulate(
        copier, buffers, BEATS * BEAT_BYTES, tmp_path, runs=100, on_progress=lambda *at: said.append(at)
    )  # fmt: skip
    assert said and [clock for clock, _ in said] == [10_000 * (n + 1) for n in range(len(said))]

    path = tmp_path / "ended.vcd"
    command = [
        str(copier),
        str(tmp_path),
        "runs=1000000",
        f"result={BEATS * BEAT_BYTES}",
        "every=1000",
        f"trace={path}",
        "to=20",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=_heed_interrupts) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["clock"] == 1000
        process.send_signal(signal.SIGINT)
        since = time.monotonic()
        process.stdout.read()
        assert process.wait(20) == 130 and time.monotonic() - since < 20
    assert path.read_text().rstrip().splitlines()[-1]


def _heed_interrupts() -> None:
    """A shell that starts tests behind itself has them ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c_ends_the_simulation(copier: Path, buffers: dict[str, Bytes], tmp_path: Path) -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(copier, buffers, BEATS * BEAT_BYTES, tmp_path, runs=10**6, on_progress=stop)
    assert not [process for process in Path("/proc").glob("[0-9]*") if str(tmp_path) in _command(process)]


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""
