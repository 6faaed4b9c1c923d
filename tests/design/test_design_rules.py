"""Every rule that ties knobs together, broken once in Python and once in the rendered sizes."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.errors import KnobError
from edgemoe_gen.codegen import render_sources
from edgemoe_gen.design import Design, Knobs, knob_fields, make_design
from edgemoe_gen.design.knobs import NARROW_KNOBS, parse_knob
from edgemoe_gen.hardware.boards import Board, load_board
from edgemoe_gen.sim.compiler import find_compiler

# Knobs that break one rule each, what the message must name, and the rule in words.
BROKEN: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "output tile": ({"out_parallel": 24}, ("out_parallel is 24", "in_parallel 16"), "multiple of in_parallel"),
    "image beat": ({"in_parallel": 4}, ("in_parallel is 4",), "multiple of 8"),
    "port width": ({"port_bits": 256}, ("port_bits is 256",), "128 bits wide"),
    "ports": ({"weight_ports": 7}, ("weight_ports is 7",), "has 6 ports"),
    "keys and values": ({"activation_bits": 19}, ("activation_bits is 19", "cache_bits 0", "19 bits"), "not exceed 18"),
    "wider keys": (
        {"activation_bits": 12, "cache_bits": 13}, ("cache_bits is 13", "activation_bits 12"), "no wider than",
    ),
    "narrowest keys": ({"cache_bits": 7}, ("cache_bits is 7",), "8 bits or more"),
    "LayerNorm": (
        {"activation_bits": 20, "cache_bits": 16, "max_dim": 4096, "max_query": 4096},
        ("max_dim is 4096", "20 bits", "66 bits"), "LayerNorm has 64",
    ),
    "narrow weights": (
        {"expert_weight_bits": 9}, ("expert_weight_bits is 9", "weight_bits 16"), "at most half of weight_bits",
    ),
    "wider experts": (
        {"weight_bits": 7, "expert_weight_bits": 8}, ("expert_weight_bits is 8", "weight_bits 7"), "or equal to it",
    ),
    "narrow attention": (
        {"attention_weight_bits": 12}, ("attention_weight_bits is 12", "weight_bits 16"), "at most half of weight_bits",
    ),
    "narrow MLPs": ({"mlp_weight_bits": 17}, ("mlp_weight_bits is 17", "weight_bits 16"), "or equal to it"),
    "two narrow widths": (
        {"attention_weight_bits": 8, "expert_weight_bits": 6},
        ("attention_weight_bits is 8", "expert_weight_bits is 6"), "one width of narrow weights",
    ),
    "wide decoders": (
        {"decoder_activation_bits": 19}, ("decoder_activation_bits is 19", "activation_bits 18"), "no more than all",
    ),
    "narrow decoders": ({"decoder_activation_bits": 7}, ("decoder_activation_bits is 7",), "8 bits or more"),
    "narrowest weights": ({"expert_weight_bits": 3}, ("expert_weight_bits is 3",), "4 bits or more"),
    "accumulator": ({"max_hidden": 4112}, ("4112 products", "49 bits"), "accumulates 48"),
    "softmax sum": ({"max_tokens": 4096}, ("max_tokens is 4096", "64 bits"), "63 are there"),
    "out below in": ({"out_parallel": 8}, ("out_parallel is 8", "in_parallel 16"), "multiple of in_parallel"),
    "weight FIFO": (
        {"weight_fifo_beats": 1026, "fill_beats": 4}, ("weight_fifo_beats is 1026", "fill_beats beats, which is 4"),
        "multiple of it",
    ),
    "score rows": ({"score_rows": 5}, ("score_rows is 5", "tokens_parallel, which is 4"), "more than"),
    "cache lanes": (
        {"cache_lanes": 16, "in_parallel": 8}, ("cache_lanes is 16", "in_parallel, which is 8"), "whole addresses",
    ),
    "top-k": ({"max_experts": 3}, ("max_top_k is 4", "max_experts, which is 3"), "more than"),
    "no router": ({"max_experts": 0}, ("max_top_k is 4", "max_experts, which is 0"), "more than"),
    "one expert": ({"max_experts": 1, "max_top_k": 1}, ("max_experts is 1",), "nothing to choose"),
    "router without routes": ({"max_top_k": 0}, ("max_top_k is 0", "max_experts is 64"), "leaves out the router"),
    "stream": (
        {"tokens_parallel": 16}, ("tokens_parallel is 16", "in_parallel is 16", "the FIFO tiles has 4,608 bits"),
        "at most 4,096 bits",
    ),
    "maps": (
        {"max_map_width": 8, "max_hidden": 8192, "max_tokens": 1024, "tokens_parallel": 2, "weight_bits": 8,
         "cache_bits": 8},
        ("max_map_width is 8", "addresses"), "an address of a map is at most 32,767",
    ),
    "maps of one lane": (
        {"max_map_width": 64, "tokens_parallel": 1}, ("tokens_parallel is 1", "max_map_width 64"),
        "two neighbouring pixels",
    ),
    "query": ({"max_query": 176}, ("max_query is 176", "max_dim, which is 192"), "gathered"),
    "logits": (
        {"max_hidden": 96, "max_experts": 128}, ("max_hidden is 96", "max_experts, which is 128"), "logits",
    ),
}  # fmt: skip
# Every static_assert of config.h: sizes that break it, and words of its message.
UNSOUND: dict[str, tuple[dict[str, int], str]] = {
    "output tile": ({"OUT_PARALLEL": 24}, "whole memory words"),
    "image beat": ({"IN_PARALLEL": 4, "OUT_PARALLEL": 16}, "whole beats of an image"),
    "port width": ({"BEAT_BITS": 256}, "are narrower"),
    "ports": ({"WEIGHT_PORTS": 7}, "fewer ports"),
    "operands": ({"OPERAND_BITS": 19}, "narrow operand"),
    "keys and values": ({"CACHE_BITS": 19}, "no wider than activations"),
    "accumulator": ({"ACC_BITS": 49}, "the accumulator"),
    "variance": ({"VARIANCE_BITS": 65}, "variance needs more bits"),
    "softmax sum": ({"EXP_SUM_BITS": 39}, "softmax sum needs more bits"),
    "top-k": ({"MAX_TOP_K": 65}, "more experts than there are"),
    "query": ({"QUERY_WORDS": 11}, "gathered for an expert"),
    "logits": ({"MAX_EXPERTS": 1024}, "router's logits"),
    "narrow weights": ({"NARROW_BITS": 9}, "fit one place"),
    "parts": ({"OPERAND_PARTS": 1}, "make up an operand tile"),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_named_with_its_knobs(rule: str) -> None:
    knobs, named, because = BROKEN[rule]
    with pytest.raises(KnobError) as error:
        make_design(Knobs(**knobs), load_board("zcu104"))
    assert all(words in error.value.message for words in named)
    assert because in error.value.message


@pytest.mark.parametrize("rule", BROKEN)
def test_the_value_that_a_hint_gives_keeps_the_rule(rule: str) -> None:
    knobs, _, because = BROKEN[rule]
    with pytest.raises(KnobError) as error:
        make_design(Knobs(**knobs), load_board("zcu104"))
    example = re.search(r"for example (\w+)=(\d+)", error.value.hint)
    if example:
        mended = knobs | {example[1]: int(example[2])}
        try:
            make_design(Knobs(**mended), load_board("zcu104"))
        except KnobError as another:
            assert because not in another.message


def test_a_rule_is_kept_right_beside_where_it_breaks() -> None:
    board = load_board("zcu104")
    fine: list[dict[str, Any]] = [
        {"out_parallel": 32}, {"in_parallel": 8}, {"port_bits": 64}, {"weight_ports": 6}, {"weight_bits": 18},
        {"max_hidden": 4096}, {"max_tokens": 2048}, {"tokens_parallel": 14}, {"max_experts": 4}, {"max_query": 192},
        {"weight_fifo_beats": 1026}, {"weight_fifo_beats": 40960, "fill_beats": 4}, {"score_rows": 4},
        {"cache_lanes": 16}, {"cache_lanes": 8, "in_parallel": 8},
        {"cache_bits": 8}, {"cache_bits": 18}, {"activation_bits": 20, "cache_bits": 18},
        {"activation_bits": 20, "cache_bits": 16, "max_dim": 2048, "max_query": 2048, "max_hidden": 2048},
        {"expert_weight_bits": 8}, {"expert_weight_bits": 16}, {"mlp_weight_bits": 6, "attention_weight_bits": 6},
        {"mlp_weight_bits": 16, "attention_weight_bits": 8, "expert_weight_bits": 8},
        {"cache_lanes": 1, "in_parallel": 24, "out_parallel": 24}, {"max_hidden": 128, "max_experts": 128},
        {"max_experts": 0, "max_top_k": 0}, {"max_experts": 0, "max_top_k": 0, "max_query": 176},
    ]  # fmt: skip
    for knobs in fine:
        make_design(Knobs(**knobs), board)


def test_no_dimension_in_range_exceeds_the_arithmetic_of_layernorm_at_the_default_width() -> None:
    # The widest sums of features: the most of them, padded by the tile that fits worst.
    knobs = Knobs(activation_bits=18, max_dim=4096, max_query=4096, max_hidden=4096, out_parallel=120, in_parallel=8)
    assert Design(knobs, load_board("zcu104")).variance_bits <= 64


@pytest.mark.parametrize("knob", [knob.name for knob in knob_fields()])
def test_a_knob_outside_its_range_is_named_with_the_range(knob: str) -> None:
    field = next(f for f in knob_fields() if f.name == knob)
    for value in (field.metadata["low"] - 1, field.metadata["high"] + 1):
        with pytest.raises(KnobError, match=rf"'{knob}' is {value}, outside its range of {field.metadata['low']} to "):
            Knobs(**{knob: value})
    for wrong in (True, "4", None):
        with pytest.raises(KnobError, match=f"'{knob}' is {wrong!r}, which is not a number"):
            Knobs(**{knob: wrong})  # type: ignore[arg-type]
    if field.type == "int":
        with pytest.raises(KnobError, match=f"'{knob}' is 4.5, which is not a whole number"):
            Knobs(**{knob: 4.5})  # type: ignore[arg-type]
    if field.metadata["power_of_two"]:
        odd = 96 if field.metadata["high"] >= 96 else 3
        with pytest.raises(KnobError, match=f"is {odd}, which is not a power of two"):
            Knobs(**{knob: odd})


def test_unknown_knobs_and_malformed_settings_are_refused() -> None:
    with pytest.raises(KnobError, match="no knob 'tokens'") as error:
        Knobs().turned({"tokens": 4})
    assert "tokens_parallel" in error.value.hint
    for text in ("tokens_parallel", "tokens_parallel=many", "clock_mhz=fast"):
        with pytest.raises(KnobError):
            parse_knob(text)
    assert parse_knob("tokens_parallel=6") == ("tokens_parallel", 6)
    assert parse_knob("clock_mhz=212.5") == ("clock_mhz", 212.5)


def test_the_clock_is_no_part_of_a_design_s_identity_but_every_size_is() -> None:
    board = load_board("zcu104")
    basis = make_design(Knobs(), board)
    assert make_design(Knobs(clock_mhz=200.0), board).identity == basis.identity
    for knob in knob_fields():
        if knob.name not in ("clock_mhz", "decoder_activation_bits"):
            other = next(neighbours(knob.name, board))
            assert getattr(other.knobs, knob.name) != getattr(basis.knobs, knob.name)
            assert other.identity != basis.identity, knob.name
    # Weights that are said to be as wide as all others are those of a design that says nothing of them; and which kinds
    # are narrow is for the program to say.
    assert make_design(Knobs(expert_weight_bits=16), board).identity == basis.identity
    assert make_design(Knobs(cache_bits=18), board).identity == basis.identity
    # So are the formats of decoders' activations.
    assert make_design(Knobs(decoder_activation_bits=10), board).identity == basis.identity
    narrow = [make_design(Knobs(**{name: 8}), board).identity for name in NARROW_KNOBS]
    assert len(set(narrow)) == 1


def neighbours(name: str, board: Board) -> Iterator[Design]:
    """Default designs with one knob turned, as far as the rules allow."""
    value = getattr(Knobs(), name)
    for other in (value + 1, value - 1, value * 2 or 8, value // 2):
        with contextlib.suppress(KnobError):
            yield make_design(Knobs().turned({name: other}), board)


@pytest.fixture(scope="module")
def config() -> str:
    return render_sources(make_design(Knobs(), load_board("zcu104")))["src/config.h"]


def check_syntax(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "config.h"
    path.write_text(text, encoding="utf-8")
    command = [find_compiler(), "-std=c++14", "-fsyntax-only", "-x", "c++", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_rendered_sizes_stand_on_their_own(config: str, tmp_path: Path) -> None:
    assert check_syntax(config, tmp_path).returncode == 0
    assert config.count("static_assert(") == len(UNSOUND)


@pytest.mark.parametrize("rule", UNSOUND)
def test_sizes_edited_by_hand_fail_at_compile_time_with_a_sentence(config: str, tmp_path: Path, rule: str) -> None:
    sizes, words = UNSOUND[rule]
    for name, value in sizes.items():
        config, count = re.subn(rf"(constexpr int {name} = )-?\d+;", rf"\g<1>{value};", config)
        assert count == 1
    done = check_syntax(config, tmp_path)
    assert done.returncode != 0
    assert "static assertion failed" in done.stderr or "static_assert failed" in done.stderr
    assert words in done.stderr
