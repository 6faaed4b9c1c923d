"""Faults planted in the rendered sources, one at a time: each must be caught by its own kernel's cases.

All faults are compiled into one library, each behind a number that is set while the library runs; number 0 is the
design as it is.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, make_design
from edgemoe_gen.hardware.boards import load_board
from edgemoe_gen.sim.compiler import compile_library
from edgemoe_gen.sim.engine import Engine
from edgemoe_gen.sim.kernels import KERNELS, run_kernels

pytestmark = pytest.mark.slow
# Small, so that the planted conditions, which keep the compiler from vectorising, cost little; and three tokens at
# once, so that no tile of keys or values is a whole number of blocks.
SIZES = {
    "tokens_parallel": 3,
    "max_tokens": 45,
    "max_dim": 48,
    "max_query": 64,
    "max_cache": 128,
    "max_hidden": 96,
    "max_experts": 8,
    "expert_weight_bits": 8,
    "cache_bits": 15,
    "max_map_width": 20,
    "max_map_channels": 32,
}


@dataclass(frozen=True)
class Fault:
    """In `file`, `text` (which occurs once) becomes `wrong`, where PLANTED says whether this fault is on."""

    kernel: str
    name: str
    file: str
    text: str
    wrong: str


FAULTS = (
    Fault("softmax", "running maximum not kept", "rounding.h", "write_lane(maxima, at.block, lane, now)",
          "write_lane(maxima, at.block, lane, PLANTED ? largest[lane] : now)"),
    Fault("softmax", "sum of the last word only", "tokens.h", "word == 0 ? word_sum[token]",
          "word == 0 || PLANTED ? word_sum[token]"),
    Fault("softmax", "keys beyond the last are summed", "tokens.h", "exists ? value : exp_t(0)",
          "(exists || PLANTED) ? value : exp_t(0)"),
    Fault("softmax", "wrong entry in the table of exponentials", "functions.h", "EXP2_TABLE_RISES, part)",
          "EXP2_TABLE_RISES, part) + (PLANTED && (part >> (EXP_POSITION_BITS - EXP_INDEX_BITS)) == 37 ? 1 << 14 : 0)"),
    Fault("gelu", "wrong entry in the table", "functions.h", "return relu -",
          "return relu - (PLANTED && (magnitude >> (GELU_FRACTION - GELU_STEP_BITS)) == 20 ? 64 : 0) -"),
    Fault("gelu", "table ends too early", "functions.h", ">= GELU_TABLE_SEGMENTS",
          ">= GELU_TABLE_SEGMENTS / (PLANTED ? 2 : 1)"),
    Fault("gelu", "negative arguments not cut off", "functions.h", "x < 0 ? gelu_t(0)",
          "x < 0 && !PLANTED ? gelu_t(0)"),
    Fault("layernorm", "mean not subtracted", "normalise.h", "- token.mean)",
          "- (PLANTED ? centred_t(0) : token.mean))"),
    Fault("layernorm", "eps forgotten", "normalise.h", "variance_t(sum) * sum + eps",
          "variance_t(sum) * sum + (PLANTED ? variance_t(1) : eps)"),
    Fault("layernorm", "truncation instead of rounding", "normalise.h", "finished_t(centred) * token.mantissa;",
          "finished_t(centred) * token.mantissa - (PLANTED ? finished_t(1) << (token.shift - 1) : finished_t(0));"),
    Fault("linear", "truncation instead of rounding", "arith.h", "(sint<BITS>(1) << (shift - 1))",
          "(PLANTED ? sint<BITS>(0) : sint<BITS>(1) << (shift - 1))"),
    Fault("linear", "dropped bias", "rounding.h", "(biased ? added", "(biased && !PLANTED ? added"),
    Fault("linear", "biases of another tile", "multiply.h", "bias_ring[(op.ring_tile + computed.tile) % OPEN_TILES]",
          "bias_ring[(op.ring_tile + computed.tile + (PLANTED ? 1 : 0)) % OPEN_TILES]"),
    Fault("linear", "operands used before they have come", "multiply.h", "(computed.resident || known.arrived.some)",
          "(computed.resident || known.arrived.some || PLANTED)"),
    Fault("linear", "too large results wrap", "arith.h", "if (value > high)", "if (!PLANTED && value > high)"),
    Fault("linear", "old value not brought to the new binary point", "store.h", "(before, op.old_shift)",
          "(before, PLANTED ? 0 : op.old_shift)"),
    Fault("linear", "last token not written", "store.h", "if (at.row < op.tokens)",
          "if (PLANTED && product && at.row == op.tokens - 1) {\n    } else if (at.row < op.tokens)"),
    Fault("linear", "the parts of a narrow step exchanged", "operands.h", "narrow_weight(weight, second)",
          "narrow_weight(weight, PLANTED ? !second : second)"),
    Fault("linear", "narrow weights lose their signs", "operands.h", "operand_t(lowest_field<NARROW_BITS>(pair))",
          "operand_t(PLANTED ? pair & ((1 << NARROW_BITS) - 1) : lowest_field<NARROW_BITS>(pair))"),
    Fault("linear", "a narrow step read twice", "operands.h", "if (!second) {", "if (!second || PLANTED) {"),
    Fault("attention", "keys not transposed", "operands.h", "step == (keys ? key_step : value_step)",
          "step == (keys && !PLANTED ? key_step : value_step)"),
    Fault("attention", "values of another token", "operands.h", "rows[in % CACHE_LANES][out % IN_PARALLEL]",
          "rows[PLANTED ? CACHE_LANES - 1 - in % CACHE_LANES : in % CACHE_LANES][out % IN_PARALLEL]"),
    Fault("attention", "a tile sent while it is filled", "operands.h", "odd ? tile[0]", "odd != PLANTED ? tile[0]"),
    Fault("attention", "too large keys and values wrap", "store.h", "saturate<CACHE_BITS>(rounded[l])",
          "PLANTED ? lowest_field<CACHE_BITS>(rounded[l]) : saturate<CACHE_BITS>(rounded[l])"),
    Fault("attention", "exponent of the row's sum dropped", "rounding.h", "(scaled ? static_cast<int>(scale.exponent)",
          "(scaled && !PLANTED ? static_cast<int>(scale.exponent)"),
    Fault("router", "the higher number wins a tie", "route.h", "later.logit > earlier.logit",
          "later.logit + (PLANTED ? 1 : 0) > earlier.logit"),
    Fault("router", "last choice may be chosen again", "route.h",
          "taken || search.expert[k] == candidates[lane].expert",
          "taken || (search.expert[k] == candidates[lane].expert && !(PLANTED && k == round - 1))"),
    Fault("router", "window begins one expert early", "route.h", "expert >= op.expert_first",
          "expert >= op.expert_first - (PLANTED ? 1 : 0)"),
    Fault("router", "softmax over all experts for either gate", "route.h", "chosen_only ? chosen",
          "chosen_only && !PLANTED ? chosen"),
    Fault("router", "a token is left out of the turns", "route.h", "group_token + slot < op.tokens",
          "group_token + slot < op.tokens && !(PLANTED && slot == 0 && group_token == op.tokens - 1)"),
    Fault("router", "turns in another token's state", "route.h", "search = read_at(searches, slot);",
          "search = read_at(searches, PLANTED && slot > 0 ? slot - 1 : slot);"),
    Fault("moe", "last count not forwarded", "route.h", "newer = recent.value[r];",
          "newer = recent.value[r] - (PLANTED && r == 0 ? 1 : 0);"),
    Fault("moe", "a count of another expert forwarded", "route.h", "if (recent.expert[r] == expert)",
          "if (recent.expert[r] == expert || (PLANTED && recent.expert[r] == expert + 1))"),
    Fault("moe", "queues begin one entry early", "route.h", "write_at(queue.first, expert, first);",
          "write_at(queue.first, expert, PLANTED && first > 0 ? sint<ROUTE_BITS>(first - 1) : first);"),
    Fault("moe", "a token gathered twice", "queue.h", "op.gather_first + row)",
          "op.gather_first + (PLANTED && row > 0 ? row - 1 : row))"),
    Fault("moe", "scores not applied", "queue.h", "scale.mantissa = route.score;",
          "scale.mantissa = PLANTED ? mantissa_t((1 << (MANTISSA_BITS - 1)) - 1) : route.score;"),
    Fault("moe", "results scattered to the next token", "queue.h", "destinations.write(route.place);",
          "place_t planted_place = route.place;\n"
          "      if (PLANTED) planted_place.lane = planted_place.lane == 0 ? 1 : 0;\n"
          "      destinations.write(planted_place);"),
    Fault("patch-embed", "class token's row skipped", "store.h", "if (at.row < op.tokens)",
          "if (PLANTED && at.row == 0) {\n    } else if (at.row < op.tokens)"),
    Fault("patch-embed", "constants one beat off", "fetch.h", "constants[order.first + beat]",
          "constants[order.first + (PLANTED && beat > 0 ? beat - 1 : beat)]"),
    Fault("patch-embed", "signs of image values lost", "tokens.h",
          "sint<32>(beat_field<16>(beat, lane % NARROW_PER_BEAT))",
          "sint<32>(PLANTED ? beat_field<16>(beat, lane % NARROW_PER_BEAT) & 0x7fff"
          " : beat_field<16>(beat, lane % NARROW_PER_BEAT))"),
    Fault("convolution", "a neighbour's lane from the block itself", "maps.h", "address - op.source_stride",
          "address - (PLANTED ? 0 : op.source_stride)"),
    Fault("convolution", "the block behind is skipped", "maps.h", "address + op.source_stride",
          "address + (PLANTED ? 0 : op.source_stride)"),
    Fault("convolution", "pixels beside the map count", "maps.h", "x < op.width", "x < op.width + (PLANTED ? 1 : 0)"),
    Fault("convolution", "rows below the map count", "maps.h", "(tap.down < 2 || !tap.row.last)",
          "(tap.down < 2 || !tap.row.last || PLANTED)"),
    Fault("convolution", "the ring does not go round", "maps.h", "slot.last ? sint<ADDRESS_BITS>(0)",
          "slot.last ? sint<ADDRESS_BITS>(PLANTED ? slot.at : sint<ADDRESS_BITS>(0))"),
    Fault("convolution", "a row stays where it is", "maps.h", "move_or_return(rows.here, moves,",
          "move_or_return(rows.here, moves && !PLANTED,"),
    Fault("convolution", "negative results stay", "rounding.h", "& FLAG_RELU) != 0 && term < 0",
          "& FLAG_RELU) != 0 && term < 0 && !PLANTED"),
    Fault("resize", "truncation instead of rounding", "maps.h", "round_by<4, ACT_BITS + 5>(sum)",
          "round_by<4, ACT_BITS + 5>(sum - (PLANTED ? 8 : 0))"),
    Fault("resize", "the nearer row for both", "maps.h", "other.at + word + static_cast<int>(op.row_words)",
          "other.at + word + (PLANTED ? 0 : static_cast<int>(op.row_words))"),
    Fault("resize", "beyond the border lies another column", "maps.h", "const blend_t beside = first ? blend : before;",
          "const blend_t beside = first && !PLANTED ? blend : before;"),
    Fault("resize", "the right column of a pair written twice", "pixels.h", "columns[is_left ? 0 : 1]);",
          "columns[is_left && !PLANTED ? 0 : 1]);"),
    Fault("classes", "the later class wins a tie", "pixels.h", "later.logit > earlier.logit",
          "later.logit + (PLANTED ? 1 : 0) > earlier.logit"),
    Fault("classes", "classes that do not exist", "pixels.h", "number < op.features",
          "(number < op.features || PLANTED)"),
    Fault("classes", "the first word alone", "pixels.h", "best = at.right ? best_right : best_left;",
          "best = PLANTED ? found : at.right ? best_right : best_left;"),
    Fault("classes", "values wrap beyond 16 bits", "pixels.h", "saturate<16>(sint<32>(word[v]))",
          "(PLANTED ? sint<32>(word[v]) : sint<32>(saturate<16>(sint<32>(word[v]))))"),
)  # fmt: skip


def plant(sources: dict[str, str]) -> dict[str, str]:
    """Sources with every fault, all off until `edgemoe_plant` turns one on."""
    planted = dict(sources)
    for number, fault in enumerate(FAULTS, start=1):
        file = f"src/{fault.file}"
        assert planted[file].count(fault.text) == 1, f"{fault.name}: '{fault.text}' must occur once in {fault.file}"
        wrong = fault.wrong.replace("PLANTED", f"(planted_fault == {number})")
        planted[file] = planted[file].replace(fault.text, wrong)
        assert planted[file] != sources[file]
    planted["src/config.h"] += "\nnamespace edgemoe {\ninline int planted_fault = 0;\n}\n"
    planted["sim/simulate.cpp"] += '\nextern "C" void edgemoe_plant(int fault) { edgemoe::planted_fault = fault; }\n'
    return planted


@pytest.fixture(scope="module")
def design() -> Design:
    return make_design(Knobs(**SIZES), load_board("zcu104"))


@pytest.fixture(scope="module")
def library(design: Design) -> Path:
    return compile_library(plant(render_sources(design)))


def failures(design: Design, library: Path, fault: int, kernel: str) -> list[str]:
    """Names of the kernel's cases that fail while a fault is on."""
    switch = ctypes.CDLL(str(library)).edgemoe_plant
    switch(fault)
    try:
        results = run_kernels(design, [kernel], engine=Engine(design, library))
    finally:
        switch(0)
    return [result.case for result in results if not result.passed]


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_passes_while_no_fault_is_on(design: Design, library: Path, kernel: str) -> None:
    assert failures(design, library, 0, kernel) == []


@pytest.mark.parametrize("number", range(1, len(FAULTS) + 1), ids=[f"{f.kernel}: {f.name}" for f in FAULTS])
def test_a_planted_fault_is_caught_by_its_own_kernel(design: Design, library: Path, number: int) -> None:
    assert failures(design, library, number, FAULTS[number - 1].kernel)


def test_every_kernel_has_faults_of_its_own() -> None:
    assert {fault.kernel for fault in FAULTS} == set(KERNELS)
