"""Open synthesis of a module for UltraScale+ (Yosys, of the package `pyosys`). Tier: open synthesis.

Yosys ends its process at an error and cannot be interrupted within a pass. So it runs in a child process, which ends
with this one. The cache keeps counts by content. The counts are no vendor's: Yosys packs less well than Vivado does.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from edgemoe_gen.base.errors import ConfigError, SimulationError
from edgemoe_gen.base.extras import installing
from edgemoe_gen.rtl.library import sources_for
from edgemoe_gen.scheduling.kept import kept

TIER = "open synthesis"
PACKAGE = "pyosys"
INSTALL = installing("rtl")
KEPT = 2000  # results in the cache, of some hundred bytes
# Labels of `synth_xilinx` at which it is cut, and what it does from each one on. Steps are reported in these words.
STEPS = (
    ("begin", "reading"),
    ("prepare", "elaborating"),
    ("map_dsp", "placing products in DSPs"),
    ("coarse", "sharing and sizing operators"),
    ("map_memory", "placing memories"),
    ("fine", "cutting operators into bits"),
    ("map_cells", "placing flip-flops"),
    ("map_luts", "mapping to look-up tables"),
    ("finalize", "finishing"),
    ("check", ""),
)
_OPTIONS = "-family xcup -flatten -noiopad -noclkbuf -uram"
# Look-up tables of one primitive of distributed RAM (UG574).
_LUTRAM = {
    "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM32X1S": 1, "RAM64X1S": 1, "RAM32X1D": 2,
    "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8, "RAM64X8SW": 8,
}  # fmt: skip
# Steps go to the error stream, one a line; what Yosys says goes to a file. `prctl(PR_SET_PDEATHSIG)` ends the child
# with its parent, however that ends; where there is none, the child goes on to its end.
_CHILD = """
import ctypes, json, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
except (AttributeError, OSError):
    pass
from pyosys import libyosys
design = libyosys.Design()
for number, command in json.load(open("passes.json")):
    print("@", number, file=sys.stderr, flush=True)
    design.run_pass(command)
"""


@dataclass(frozen=True)
class Synthesis:
    """Primitives of one module with all that it instantiates. Tier: open synthesis.

    Attributes:
        module: its name.
        lut: LUT1 to LUT6, each counted as one.
        lutram: look-up tables that are memory; `srl` those that are shift registers.
        ff: flip-flops.
        dsp, ramb36, ramb18, uram: DSP48E2, RAMB36E2, RAMB18E2, URAM288.
        carry: CARRY4 or CARRY8, whichever Yosys makes.
        cells: all primitives by name.
        seconds: wall time that it took.
    """

    module: str
    lut: int
    lutram: int
    srl: int
    ff: int
    dsp: int
    ramb36: int
    ramb18: int
    uram: int
    carry: int
    cells: Mapping[str, int]
    seconds: float

    @property
    def luts(self) -> int:
        """All look-up tables: of logic, memory and shift registers."""
        return self.lut + self.lutram + self.srl


def synthesis_missing() -> str:
    """The reason why there is no open synthesis here, or ""."""
    return "" if importlib.util.find_spec(PACKAGE) is not None else f"the package {PACKAGE} is not installed"


def need_yosys() -> None:
    """Refuses where Yosys is missing.

    Raises:
        ConfigError: it is.
    """
    reason = synthesis_missing()
    if reason:
        raise ConfigError(f"open synthesis needs Yosys, but {reason}", INSTALL)


def module_sources(name: str, text: str) -> dict[str, str]:
    """A generated module with the library's modules that it instantiates, by file name."""
    return sources_for([text]) | {f"{name}.sv": text}


def synthesise(
    sources: Mapping[str, str], top: str, progress: Callable[[str, int, int], None] | None = None
) -> Synthesis:
    """Synthesises a module, unless that has been done before.

    Args:
        sources: texts by file name.
        top: the module.
        progress: called with text, steps done and steps in all.

    Raises:
        ConfigError: Yosys is not installed.
        SimulationError: Yosys refuses the sources, or was ended; says its first error.
    """
    need_yosys()
    passes = [(0, f"read_verilog -sv -defer {' '.join(sources)}")]
    for number, ((first, _), (end, _)) in enumerate(itertools.pairwise(STEPS)):
        passes.append((number, f"synth_xilinx {_OPTIONS} -top {top} -run {first}:{end}"))
    passes.append((len(STEPS) - 2, "tee -q -o stat.json stat -json"))
    told = "\0".join(
        [importlib.metadata.version(PACKAGE), json.dumps(passes), *(f"{n}\0{text}" for n, text in sources.items())]
    )
    name = f"{hashlib.sha256(told.encode()).hexdigest()}.cells"
    return kept(name, KEPT, lambda: _synthesise(sources, top, passes, progress), _written, _read)


def _written(found: Synthesis) -> str:
    return json.dumps(asdict(found))


def _read(text: str) -> Synthesis:
    return Synthesis(**json.loads(text))


def _synthesise(
    sources: Mapping[str, str], top: str, passes: object, progress: Callable[[str, int, int], None] | None
) -> Synthesis:
    with tempfile.TemporaryDirectory(prefix="edgemoe-synthesis-") as place:
        folder = Path(place)
        for name, text in sources.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "passes.json").write_text(json.dumps(passes), encoding="utf-8")
        begun = time.monotonic()
        _run(folder, top, progress)
        seconds = round(time.monotonic() - begun, 1)
        found = json.loads((folder / "stat.json").read_text(encoding="utf-8"))
    modules = found["modules"]
    if len(modules) != 1:
        raise SimulationError(f"Yosys left several modules of {top}: {', '.join(sorted(modules))}", "flatten them")
    return counted(top, next(iter(modules.values()))["num_cells_by_type"], seconds)


def counted(module: str, cells: Mapping[str, int], seconds: float = 0.0) -> Synthesis:
    """Counts of a netlist's primitives by name."""

    def of(*prefixes: str) -> int:
        return sum(count for name, count in cells.items() if name.startswith(prefixes))

    return Synthesis(
        module,
        lut=sum(cells.get(f"LUT{inputs}", 0) for inputs in range(1, 7)),
        lutram=sum(count * _LUTRAM[name] for name, count in cells.items() if name in _LUTRAM),
        srl=of("SRL"),
        ff=of("FD"),
        dsp=of("DSP48E2"),
        ramb36=of("RAMB36"),
        ramb18=of("RAMB18"),
        uram=of("URAM288"),
        carry=of("CARRY"),
        cells=dict(sorted(cells.items())),
        seconds=seconds,
    )


def _run(folder: Path, top: str, progress: Callable[[str, int, int], None] | None) -> None:
    said: list[str] = []
    with (folder / "yosys.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.PIPE,
            encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
        try:
            assert child.stderr is not None
            for line in child.stderr:
                if line.startswith("@ "):
                    number = int(line[2:])
                    if progress:
                        progress(f"synthesising {top}: {STEPS[number][1]}", number, len(STEPS) - 1)
                else:
                    said.append(line.strip())
            child.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):  # Yosys' own child for look-up tables goes with it
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if child.stderr:
                child.stderr.close()
    if child.returncode:
        text = (folder / "yosys.log").read_text(encoding="utf-8", errors="replace")
        lines = [line for line in [*said, *text.splitlines()] if "ERROR" in line] or said[-1:]
        why = (
            lines[0] if lines else f"it was ended by signal {-child.returncode}" if child.returncode < 0 else "no word"
        )
        raise SimulationError(
            f"Yosys does not synthesise {top}: {why}", "check the module with `verilator --lint-only`"
        )


__all__ = [
    "INSTALL",
    "STEPS",
    "TIER",
    "Synthesis",
    "counted",
    "module_sources",
    "need_yosys",
    "synthesis_missing",
    "synthesise",
]
