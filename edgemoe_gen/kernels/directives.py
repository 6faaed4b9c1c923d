"""The pragmas of Vitis HLS with their options, values and places.

Source: UG1399, "HLS Pragmas", one section a pragma, read beside the definitions that the tool's front end is built
from (github.com/Xilinx/hls-llvm-project, clang/include/clang/Basic/XlxPragmaOption.td).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Kinds of an option's value.
VARIABLE, INTEGER, NAME, FUNCTION, NUMBER, PORT = "variable", "integer", "name", "function", "number", "port"
# Places: the outermost block of a function, the block that is a loop's body, any block of a function.
IN_FUNCTION, IN_LOOP, IN_BLOCK = "function", "loop", "block"
# What a pragma's variable may be.
ARRAY, STREAM, STRUCT, PARAMETER, STATIC, ANYTHING = "array", "stream", "struct", "parameter", "static", "anything"


@dataclass(frozen=True)
class Directive:
    """One pragma.

    Args:
        options: name to kind of value, or to the words that may stand there.
        words: bare words, each with the option that it stands for; "" if it is a switch of its own.
        required: options that must be there, by name or by a bare word for them.
        places: where the pragma may stand.
        subject: what its variable may be.
        least: smallest value of an integer option, where it is not 0.
    """

    options: Mapping[str, str | frozenset[str]] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    places: tuple[str, ...] = (IN_BLOCK,)
    subject: tuple[str, ...] = (ANYTHING,)
    least: Mapping[str, int] = field(default_factory=dict)


def _words(option: str, *values: str) -> dict[str, str]:
    return dict.fromkeys(values, option)


_SWITCH = frozenset({"true", "false"})
_PARTITION: dict[str, str | frozenset[str]] = {
    "variable": VARIABLE, "type": frozenset({"block", "cyclic", "complete"}), "factor": INTEGER, "dim": INTEGER,
    "off": _SWITCH,
}  # fmt: skip
_PARTITION_WORDS = {**_words("type", "block", "cyclic", "complete"), "off": ""}
_DATA_MODES = (
    "ap_none", "ap_stable", "ap_vld", "ap_ack", "ap_hs", "ap_ovld", "ap_memory", "bram", "ap_fifo", "axis", "s_axilite",
    "m_axi",
)  # fmt: skip
_BLOCK_MODES = ("ap_ctrl_none", "ap_ctrl_hs", "ap_ctrl_chain")

DIRECTIVES: Mapping[str, Directive] = {
    "AGGREGATE": Directive(
        {"variable": VARIABLE, "compact": frozenset({"bit", "byte", "none", "auto"})},
        _words("compact", "bit", "byte", "none", "auto"), ("variable",), subject=(ARRAY, STRUCT, STREAM),
    ),
    "ALIAS": Directive({"ports": NAME, "offset": NAME, "distance": INTEGER}, {}, ("ports",), (IN_FUNCTION,)),
    "ALLOCATION": Directive(
        {"instances": FUNCTION, "limit": INTEGER, "type": frozenset({"function", "operation"})},
        _words("type", "function", "operation"), ("instances", "limit"), least={"limit": 1},
    ),
    "ARRAY_PARTITION": Directive(_PARTITION, _PARTITION_WORDS, ("variable",), subject=(ARRAY,), least={"factor": 1}),
    "ARRAY_RESHAPE": Directive(
        _PARTITION | {"object": _SWITCH}, _PARTITION_WORDS | {"object": ""}, ("variable",), subject=(ARRAY,),
        least={"factor": 1},
    ),
    "BIND_OP": Directive(
        {"variable": VARIABLE, "op": NAME, "impl": NAME, "latency": INTEGER}, {}, ("variable", "op"),
        least={"latency": -1},
    ),
    "BIND_STORAGE": Directive(
        {"variable": VARIABLE, "type": NAME, "impl": NAME, "latency": INTEGER}, {}, ("variable", "type"),
        subject=(ARRAY, STREAM), least={"latency": -1},
    ),
    "CACHE": Directive(
        {"port": PORT, "lines": INTEGER, "depth": INTEGER, "ways": INTEGER, "users": INTEGER,
         "burst_optimized": _SWITCH}, {}, ("port",), (IN_FUNCTION,),
    ),
    "DATAFLOW": Directive({}, {"disable_start_propagation": ""}, (), (IN_FUNCTION, IN_LOOP)),
    "DEPENDENCE": Directive(
        {"variable": VARIABLE, "class": frozenset({"array", "pointer"}), "type": frozenset({"inter", "intra"}),
         "direction": frozenset({"raw", "war", "waw"}), "distance": INTEGER, "dependent": _SWITCH},
        {**_words("class", "array", "pointer"), **_words("type", "inter", "intra"),
         **_words("direction", "raw", "war", "waw"), **_words("dependent", "true", "false")},
        (), (IN_LOOP, IN_FUNCTION), subject=(ARRAY, PARAMETER), least={"distance": 1},
    ),
    "DISAGGREGATE": Directive({"variable": VARIABLE}, {}, ("variable",), subject=(ARRAY, STRUCT, STREAM)),
    "EXPRESSION_BALANCE": Directive({"off": _SWITCH}, {"off": ""}),
    "FUNCTION_INSTANTIATE": Directive({"variable": VARIABLE}, {}, ("variable",), (IN_FUNCTION,), (PARAMETER,)),
    "INLINE": Directive({"off": _SWITCH, "recursive": _SWITCH}, {"off": "", "recursive": ""}, (), (IN_FUNCTION,)),
    "INTERFACE": Directive(
        {"mode": frozenset((*_DATA_MODES, *_BLOCK_MODES)), "port": PORT, "bundle": NAME, "name": NAME, "depth": INTEGER,
         "offset": NAME, "latency": INTEGER, "clock": NAME,
         "register_mode": frozenset({"both", "forward", "reverse", "off"}),
         "storage_type": NAME, "storage_impl": NAME, "num_read_outstanding": INTEGER, "num_write_outstanding": INTEGER,
         "max_read_burst_length": INTEGER, "max_write_burst_length": INTEGER, "max_widen_bitwidth": INTEGER,
         "channel": INTEGER, "direct_io": _SWITCH, "interrupt": INTEGER},
        {**_words("mode", *_DATA_MODES, *_BLOCK_MODES), **_words("register_mode", "both", "forward", "reverse", "off"),
         "register": ""},
        ("mode", "port"), (IN_FUNCTION,), least={"depth": 1, "max_read_burst_length": 1, "max_write_burst_length": 1},
    ),
    "LATENCY": Directive({"min": INTEGER, "max": INTEGER}),
    "LOOP_FLATTEN": Directive({"off": _SWITCH}, {"off": ""}, (), (IN_LOOP,)),
    "LOOP_MERGE": Directive({"force": _SWITCH}, {"force": ""}),
    "LOOP_TRIPCOUNT": Directive(
        {"min": INTEGER, "max": INTEGER, "avg": INTEGER}, {}, ("max",), (IN_LOOP,), least={"max": 1}
    ),
    "OCCURRENCE": Directive({"cycle": INTEGER, "off": _SWITCH}, {"off": ""}, (), (IN_BLOCK,), least={"cycle": 1}),
    "PERFORMANCE": Directive(
        {"target_ti": NUMBER, "target_tl": NUMBER, "assume_ti": NUMBER, "assume_tl": NUMBER,
         "unit": frozenset({"cycle", "sec"})}, {}, (), (IN_LOOP, IN_FUNCTION),
    ),
    "PIPELINE": Directive(
        {"ii": INTEGER, "style": frozenset({"stp", "frp", "flp"}), "off": _SWITCH, "rewind": _SWITCH},
        {"off": "", "rewind": ""}, (), (IN_LOOP, IN_FUNCTION), least={"ii": 1},
    ),
    "PROTOCOL": Directive({"mode": frozenset({"floating", "fixed"})}, _words("mode", "floating", "fixed")),
    "RESET": Directive({"variable": VARIABLE, "off": _SWITCH}, {"off": ""}, ("variable",), subject=(STATIC,)),
    "STABLE": Directive({"variable": VARIABLE}, {}, ("variable",), subject=(ARRAY, PARAMETER)),
    "STREAM": Directive(
        {"variable": VARIABLE, "type": frozenset({"fifo", "pipo", "shared", "unsync"}), "depth": INTEGER,
         "off": _SWITCH},
        {"off": ""}, ("variable",), subject=(STREAM, ARRAY), least={"depth": 1},
    ),
    "TOP": Directive({"name": NAME}, {}, (), (IN_FUNCTION,)),
    "UNROLL": Directive(
        {"factor": INTEGER, "skip_exit_check": _SWITCH, "off": _SWITCH}, {"skip_exit_check": "", "off": ""}, (),
        (IN_LOOP,), least={"factor": 1},
    ),
}  # fmt: skip

# UG1399, "pragma HLS bind_storage": types and the implementations that each has; RAM and ROM take 1 to 3 cycles.
STORAGE: Mapping[str, frozenset[str]] = {
    "fifo": frozenset({"bram", "lutram", "memory", "srl", "uram"}),
    "ram_1p": frozenset({"auto", "bram", "lutram", "uram"}),
    "ram_1wnr": frozenset({"auto", "bram", "lutram", "uram"}),
    "ram_2p": frozenset({"auto", "bram", "lutram", "uram"}),
    "ram_s2p": frozenset({"auto", "bram", "bram_ecc", "lutram", "uram", "uram_ecc"}),
    "ram_t2p": frozenset({"auto", "bram", "uram"}),
    "rom_1p": frozenset({"auto", "bram", "lutram"}),
    "rom_2p": frozenset({"auto", "bram", "lutram"}),
    "rom_np": frozenset({"auto", "bram", "lutram"}),
}
STORAGE_LATENCY = range(1, 4)

# UG1399, "pragma HLS bind_op": operations and the implementations that each has.
_INTEGER_UNIT = frozenset({"fabric", "dsp"})
_ADDER = frozenset({"fabric", "fulldsp"})
_MULTIPLIER = frozenset({"fabric", "meddsp", "fulldsp", "maxdsp"})
_FABRIC = frozenset({"fabric"})
OPERATIONS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("add", "sub", "mul"), _INTEGER_UNIT),
    **dict.fromkeys(("fadd", "fsub"), _ADDER | {"primitivedsp"}),
    **dict.fromkeys(("dadd", "dsub", "hadd", "hsub"), _ADDER | {"meddsp"}),
    "fmul": _MULTIPLIER | {"primitivedsp"},
    **dict.fromkeys(("dmul", "hmul"), _MULTIPLIER),
    **dict.fromkeys(("fdiv", "ddiv", "hdiv", "fsqrt", "dsqrt", "hsqrt", "frsqrt", "drsqrt"), _ADDER),
    **dict.fromkeys(("fexp", "dexp", "flog", "dlog", "frecip", "drecip"), _ADDER | {"meddsp"}),
    "facc": _ADDER | {"primitivedsp"}, "fmacc": frozenset({"primitivedsp"}), "fmadd": frozenset({"primitivedsp"}),
    **dict.fromkeys(("fcmp", "dcmp", "hcmp"), _FABRIC),
}  # fmt: skip
