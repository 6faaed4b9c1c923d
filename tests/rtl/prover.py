"""Proofs about the library's modules: Yosys makes a circuit of a module and its properties, ABC settles each of them.

`pdr` (property directed reachability) proves for runs of any length and needs no invariants of ours. `bmc3` looks at
all runs of so many cycles. Both come with Yosys in the package `pyosys`; SymbiYosys would run the same programs.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROOFS = Path(__file__).parent / "proofs"
LIBRARY = Path(__file__).parents[2] / "hls/rtl"
FILES = ("fifo.sv", "memory.sv", "axi_bursts.sv", "axi_read.sv", "axi_write.sv", "axilite.sv")
# As SymbiYosys does it for ABC: memories become registers, what has no value is free, assertions become outputs.
_PASSES = (
    "prep -flatten -top {top}", "chformal -lower", "async2sync", "memory_map", "opt -fast",
    "setundef -undriven -anyseq",
    "formalff -clk2ff -ff2anyinit", "techmap", "simplemap", "dffunmap", "opt -fast", "setundef -undriven -anyseq",
    "aigmap", "opt_clean", "write_aiger -zinit -no-startoffset -ywmap circuit.json circuit.aig",
)  # fmt: skip
_CHILD = """
import json, sys
from pyosys import libyosys
design = libyosys.Design()
for command in json.loads(sys.stdin.read()):
    design.run_pass(command)
"""


@dataclass(frozen=True)
class Circuit:
    """A module with its properties, in a folder: labels of the assertions, in the order of ABC's outputs."""

    folder: Path
    properties: tuple[str, ...]

    def proved(self, name: str, seconds: int = 300) -> bool | None:
        """Whether a property holds in runs of any length; None where ABC finds that not out in time."""
        said = self._abc(name, f"scorr; print_stats; pdr -T {seconds}")
        if re.search(r"lat = +0 ", said):  # it depends on no register any more, so that one cycle tells all
            return self.holds(name, 1)
        return True if "Property proved" in said else False if "was asserted in frame" in said else None

    def holds(self, name: str, cycles: int) -> bool:
        """Whether a property holds in all runs of so many cycles."""
        said = self._abc(name, f"bmc3 -F {cycles}")
        assert "No output asserted" in said or "was asserted in frame" in said, said
        return "was asserted in frame" not in said

    def _abc(self, name: str, commands: str) -> str:
        output = self.properties.index(name)
        given = f"read_aiger circuit.aig; fold; cone -O {output}; {commands}"
        run = subprocess.run([_abc(), "-c", given], cwd=self.folder, capture_output=True, text=True, check=True)
        return run.stdout


def circuit(
    name: str, parameters: Mapping[str, object], folder: Path, library: Mapping[str, str] | None = None
) -> Circuit:
    """Makes the circuit of `proofs/<name>.sv`.

    Args:
        name: of the properties; their module is `prove_<name>`.
        parameters: of that module; texts in quotes where they are strings.
        folder: to work in; made where it is missing.
        library: texts of the library's modules by file name, where they are not those of the product.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        (folder / file).write_text((library or {}).get(file) or (LIBRARY / file).read_text())
    (folder / "properties.sv").write_text((PROOFS / f"{name}.sv").read_text())
    given = " ".join(f"-set {key} {value}" for key, value in parameters.items())
    commands = [f"read_verilog -sv -formal -defer {' '.join(FILES)} properties.sv"]
    commands += [f"chparam {given} prove_{name}"] if given else []
    commands += [command.format(top=f"prove_{name}") for command in _PASSES]
    made = subprocess.run(
        [sys.executable, "-c", _CHILD], input=json.dumps(commands), cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert made.returncode == 0, (made.stdout + made.stderr)[-3000:]
    asserted = json.loads((folder / "circuit.json").read_text())["asserts"]
    return Circuit(folder, tuple(_label(each) for each in asserted))


def _label(assertion: object) -> str:
    """Label of an assertion, of whatever the map holds of it."""
    found = re.findall(r"\\\\?([A-Za-z_]\w*)", json.dumps(assertion))
    return found[-1] if found else str(assertion)


@cache
def _abc() -> str:
    package = importlib.util.find_spec("pyosys")
    assert package is not None and package.origin
    return str(Path(package.origin).parent / "yosys-abc")
