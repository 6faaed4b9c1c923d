"""Which forms of LLVM IR the compiler makes of every function of the kernels, and the record of them in ir_census.json.

`python -m tests.rtl.ir_census` writes the record anew: after a change of the kernels that brings a new form, and, once
its modules have passed the tests of processes, with a new compiler.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.codegen.synthesis import budget_ns
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.rtl.compile import Kernels, compile_kernels
from edgemoe_gen.scheduling.compiler import compiler_version
from edgemoe_gen.scheduling.ir import Instruction, Module
from tests.rtl.process_kernels import SIZES

RECORD = Path(__file__).with_name("ir_census.json")
RENEW = "python -m tests.rtl.ir_census"
DESIGNS = {**SIZES, "4x16x16": Knobs()}
_TYPED = ("load", "store", "phi", "select", "icmp", "freeze")


@cache
def design(name: str) -> Design:
    """One of the designs."""
    return make_design(DESIGNS[name], load_board("zcu104"))


@cache
def kernels(name: str) -> Kernels:
    """Its kernels, compiled."""
    made = design(name)
    return compile_kernels(render_sources(made), made.board.part, budget_ns(made.knobs.clock_mhz))


def digest(name: str) -> str:
    """Of all that is compiled for a design."""
    texts = kernels(name).prepared.texts
    return hashlib.sha256("\0".join(f"{path}\0{texts[path]}" for path in sorted(texts)).encode()).hexdigest()[:16]


def census(name: str) -> dict[str, dict[str, int]]:
    """Forms and how often each comes, by function."""
    module = kernels(name).module
    return {
        function.name: dict(sorted(Counter(_form(module, i) for i in function_instructions(module, symbol)).items()))
        for symbol, function in sorted(module.functions.items(), key=lambda item: item[1].name)
    }


def function_instructions(module: Module, symbol: str) -> list[Instruction]:
    """All instructions of a function."""
    return [i for block in module.functions[symbol].blocks.values() for i in block.instructions]


def _form(module: Module, i: Instruction) -> str:
    if i.opcode == "call":
        if i.detail in module.functions:
            return "call of a function"
        return "call " + ".".join(i.detail.split(".")[:2])
    return f"{i.opcode} {i.type.kind}" if i.opcode in _TYPED else i.opcode


def recorded() -> dict[str, dict[str, object]]:
    """The record, by design."""
    found: dict[str, dict[str, object]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def written(forms: Mapping[str, int]) -> str:
    """Forms in a line of the record."""
    return ", ".join(f"{form}: {count}" for form, count in forms.items())


def read(text: str) -> dict[str, int]:
    """Forms of a line of the record."""
    return {form: int(count) for form, _, count in (part.rpartition(": ") for part in text.split(", ") if part)}


def renew() -> None:
    """Writes the record."""
    made = {
        name: {
            "compiler": compiler_version(),
            "kernels": digest(name),
            "functions": {function: written(forms) for function, forms in census(name).items()},
        }
        for name in DESIGNS
    }
    RECORD.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    renew()
