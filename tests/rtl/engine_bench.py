"""The whole engine as modules, against C simulation: the short program, memories behind its AXI buses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from edgemoe_gen.design import Design
from edgemoe_gen.hardware.axi import axi_ports
from edgemoe_gen.overlay.block_design import engine_registers
from edgemoe_gen.program.compile import pack_image
from edgemoe_gen.program.file import program_words
from edgemoe_gen.program.short import compile_short
from edgemoe_gen.rtl.compile import Kernels, compile_module
from edgemoe_gen.rtl.library import sources_for
from edgemoe_gen.rtl.process import Process
from edgemoe_gen.rtl.top import make_top
from edgemoe_gen.rtl.verilator import build_program
from edgemoe_gen.sim.engine import Engine

HERE = Path(__file__).parent / "process"
TOP = "edgemoe_engine"
UNWRITTEN = 0xA5


def build_top(kernels: Kernels, design: Design) -> Path:
    """The bench of the engine with its buses."""
    modules: dict[str, Process] = {}
    top = make_top(compile_module(kernels, TOP, modules), design)
    files = {f"{name}.sv": module.text for name, module in modules.items()} | {f"{top.name}.sv": top.text}
    files |= sources_for(files.values())
    ports = axi_ports(design.knobs.weight_ports)
    bundles = list(dict.fromkeys(port.bundle for port in ports if port.direction == "read"))
    offer, take = [], []
    for name in bundles:
        bus = f"top.m_axi_{name}"
        offer.append(
            f"{bus}_arready = happens(percent); {name}.offered = {name}.offered || (!{name}.bursts.empty() && "
            f"now - {name}.bursts.front().since >= LATENCY && happens(percent)); {bus}_rvalid = {name}.offered; "
            f"{bus}_rresp = 0; {bus}_rid = 0; {bus}_rlast = {name}.offered && {name}.bursts.front().beats == 1;"
            f"{{ word_t beat = noise(BEAT_BITS); if ({name}.offered) std::memcpy(beat.data(), "
            f"place({name}.bursts.front().address), BEAT); put({bus}_rdata, beat); }}"
        )
        take.append(
            f"if ({bus}_rvalid && {bus}_rready) {{ {name}.offered = false; auto &burst = {name}.bursts.front();"
            f"burst.address += BEAT; if (--burst.beats == 0) {name}.bursts.pop_front(); }}"
            f"if ({bus}_arvalid && {bus}_arready) {name}.bursts.push_back({{{bus}_araddr, {bus}_arlen + 1, now}});"
        )
    text = (HERE / "engine.cpp").read_text(encoding="utf-8")
    status = next(r.offset for r in engine_registers(design.knobs.weight_ports) if r.name == "status")
    replaced = {
        "@BITS@": str(design.knobs.port_bits), "@READERS@": ", ".join(bundles), "// @OFFER@": "\n".join(offer),
        "// @TAKE@": "\n".join(take), "@STATUS@": str(status),
        "@RESULT@": next(port.bundle for port in ports if port.direction == "write"),
        "@BUFFERS@": ", ".join(f'"{port.name}"' for port in ports),
    }  # fmt: skip
    for key, value in replaced.items():
        text = text.replace(key, value)
    return build_program(files, top.name, text, {"ports.h": (HERE / "ports.h").read_text(encoding="utf-8")})


def write_buffers(design: Design, folder: Path) -> int:
    """What lies in memory for the short program, and what C simulation writes; gives the bytes of the latter."""
    program, spec, image = compile_short(design)
    words = program_words(program)
    beat = design.beat_bytes
    padded = np.zeros(-(-words.nbytes // beat) * beat, np.uint8)
    padded[: words.nbytes] = words.view(np.uint8)
    result = np.full((program.result_beats, beat), UNWRITTEN, np.uint8)
    picture = pack_image(program, spec, [image])
    status, _ = Engine.compile(design).execute(padded, list(program.weights), program.constants, picture, result)
    assert status == 0
    folder.mkdir(parents=True, exist_ok=True)
    buffers = {"program": padded, "constants": program.constants, "image": picture, "expected": result}
    buffers |= {f"weights_{port}": content for port, content in enumerate(program.weights)}
    for name, content in buffers.items():
        (folder / name).write_bytes(np.ascontiguousarray(content).tobytes())
    return int(result.nbytes)


def run_engine(executable: Path, folder: Path, percent: int, cycles: int) -> dict[str, int]:
    """What the bench says: status, runs, cycles of the last one, bytes, bad."""
    done = subprocess.run(
        [str(executable), str(folder), str(percent), str(cycles)],
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    found = dict(part.split("=") for part in last.split() if "=" in part)
    assert "bad" in found, done.stdout[-500:] + done.stderr[-500:]
    return {key: int(value) for key, value in found.items()}
