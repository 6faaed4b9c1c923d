"""All rules by name, with the guide and section that each comes from.

UG1399 is AMD's "Vitis High-Level Synthesis User Guide"; sections are named as there. "HLS front end" is the tool's own
C++ front end, whose sources AMD publishes: github.com/Xilinx/hls-llvm-project.
"""

from __future__ import annotations

from edgemoe_gen.design.fifos import MOST_ELEMENT
from edgemoe_gen.linting.result import Finding, Rule

_UNSUPPORTED = "UG1399, Unsupported C/C++ Constructs"
_CANONICAL = "UG1399, Canonical Body"
_LIMITS = "UG1399, Limitations of Control-Driven Task-Level Parallelism"
_FRONT_END = "HLS front end, DiagnosticHLSKinds.td"
_PRAGMAS = "UG1399, HLS Pragmas"
_INTERFACE = "UG1399, pragma HLS interface"

RULES: tuple[Rule, ...] = (
    Rule("compiles", "the sources compile as C++14 with the types of Vitis HLS", "UG1399, Supported C/C++ Constructs"),
    Rule("known-header", "only headers that have hardware behind them are included", f"{_UNSUPPORTED}: System Calls"),
    Rule("known-name", "every name is defined in the sources or a type of Vitis HLS", f"{_UNSUPPORTED}: System Calls"),
    Rule("function-body", "every function that is called has a body in the sources", f"{_UNSUPPORTED}: System Calls"),
    Rule("dynamic-memory", "no memory is allocated or freed", f"{_UNSUPPORTED}: Dynamic Memory Usage"),
    Rule("recursion", "no function calls itself, directly or by way of others", f"{_UNSUPPORTED}: Recursive Functions"),
    Rule("virtual-function", "no function is virtual", f"{_UNSUPPORTED}: Recursive Functions"),
    Rule("exception", "nothing is thrown, tried or caught", _CANONICAL),
    Rule("run-time-type", "no dynamic_cast and no typeid", _UNSUPPORTED),
    Rule("function-pointer", "no pointer to a function", f"{_UNSUPPORTED}: Pointer Limitations"),
    Rule("pointer-cast", "no memory is read as another type than its own", f"{_UNSUPPORTED}: Pointer Limitations"),
    Rule("goto", "no goto", _CANONICAL),
    Rule("endless-loop", "no loop without a condition", "UG1399, Variable Loop Bounds"),
    Rule("loop-bound", "a loop whose bound is a variable has a LOOP_TRIPCOUNT", "UG1399, Variable Loop Bounds"),
    Rule("static-local", "a function called from several places keeps no static variable", "UG1399, Static Variables"),
    Rule("array-size", "an array parameter has a size unless it is a port", "UG1399, Arrays on the Interface"),
    Rule("stream-reference", "streams are passed by reference", "UG1399, HLS Stream Library"),
    Rule(
        "shared-arrays", "a function with an ALLOCATION limit gets arrays of one layout at each parameter",
        "UG1399, pragma HLS allocation",
    ),
    Rule("pragma-form", "pragmas are #pragma HLS lines, none of them in a macro", _PRAGMAS),
    Rule("pragma-name", "the directive exists", _PRAGMAS),
    Rule("pragma-option", "each option exists, and stands once", _PRAGMAS),
    Rule("pragma-required", "no required option is missing", _PRAGMAS),
    Rule("pragma-value", "a value is one of the words for it, or a constant expression in range", _PRAGMAS),
    Rule(
        "pragma-place", "the pragma stands in the body of what it rules: function, loop or block",
        _FRONT_END,
    ),
    Rule("pragma-variable", "its variable is in scope, of this function and of the right kind", _PRAGMAS),
    Rule(
        "pragma-dimension", "dim is one of the array's, and factor divides its size",
        "UG1399, pragma HLS array_partition",
    ),
    Rule(
        "pragma-binding", "the operation or memory has such an implementation and latency",
        "UG1399, pragma HLS bind_storage and bind_op",
    ),
    Rule("pragma-conflict", "no pragma stands twice or against another", _FRONT_END),
    Rule("stream-depth", "every stream has a STREAM pragma with its depth", "UG1399, pragma HLS stream"),
    Rule(
        "stream-width", f"an element of a stream has at most {MOST_ELEMENT:,} bits",
        "Xilinx/Vitis-Tutorials#426 and Xilinx/Vitis-HLS-Introductory-Examples#19: exceeding the 4096 limit",
    ),
    Rule(
        "constant-bank", "inside an unrolled loop the bank of a memory access is a constant",
        "UG1448, Mutual Exclusion, Resources, and Predicates",
    ),
    Rule("dataflow-body", "a region has declarations and calls of void functions, and nothing else", _CANONICAL),
    Rule("dataflow-static", "no variable of a region is static", f"{_CANONICAL}; {_FRONT_END}"),
    Rule("dataflow-channel", "each channel has one producer and one consumer", f"{_LIMITS}: Single-producer-consumer"),
    Rule("dataflow-feedback", "the producer of a channel comes before its consumer", _CANONICAL),
    Rule("dataflow-self", "no process both reads and writes a channel", _CANONICAL),
    Rule("dataflow-bypass", "an array goes to the next process, not past it", "UG1399 (2020.2), Bypassing Tasks"),
    Rule("dataflow-argument", "an argument of a region is used by one process", _CANONICAL),
    Rule("dataflow-bundle", "an AXI port is used by one process", "UG1399, M_AXI Bundles"),
    Rule("interface-mode", "every argument has one data interface, and no other has one", _INTERFACE),
    Rule("interface-axi", "an AXI master says its bundle, offset, depth, latency and bursts", _INTERFACE),
    Rule("interface-burst", "a burst is at most 256 beats and 4 KiB", "UG1399, AXI Burst Transfers; AMBA AXI, A3.4.1"),
    Rule("interface-width", "an AXI master is 8 to 1024 bits wide, a power of two", "UG1399, AXI4 Master Interface"),
    Rule("interface-control", "every argument and the return value are on the s_axilite bundle control", _INTERFACE),
)  # fmt: skip

_BY_NAME = {rule.name: rule for rule in RULES}


def finding(rule: str, file: str, line: int, message: str) -> Finding:
    """A finding of a rule by its name."""
    return Finding(rule, file, line, message, _BY_NAME[rule].source)
