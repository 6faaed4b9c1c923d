"""Open synthesis: what it counts, that it is kept, and how it ends."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.errors import ConfigError, SimulationError
from edgemoe_gen.rtl import synthesis
from edgemoe_gen.rtl.synthesis import counted, module_sources, synthesise

PRODUCT = """\
module product (input wire ap_clk, input wire signed [17:0] a, input wire signed [17:0] b, output logic [35:0] p);
  always_ff @(posedge ap_clk) p <= a * b;
endmodule
"""


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEMOE_CACHE", str(tmp_path / "cache"))


def test_primitives_are_counted_by_what_they_take_of_the_device() -> None:
    cells = {"LUT2": 3, "LUT6": 4, "RAM32M16": 2, "SRLC32E": 5, "FDRE": 6, "FDSE": 1, "DSP48E2": 7, "CARRY4": 8}
    found = counted("m", cells | {"RAMB36E2": 2, "RAMB18E2": 1, "URAM288": 9, "MUXF7": 3})
    assert (found.lut, found.lutram, found.srl, found.luts, found.ff) == (7, 16, 5, 28, 7)
    assert (found.dsp, found.carry, found.ramb36, found.ramb18, found.uram) == (7, 8, 2, 1, 9)


def test_a_module_comes_with_the_modules_of_the_library_that_it_instantiates() -> None:
    files = module_sources("m", "module m;\n  edgemoe_fifo #(\n  ) x ();\nendmodule\n")
    assert list(files) == ["fifo.sv", "memory.sv", "m.sv"]


def test_without_yosys_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "PACKAGE", "no_such_package")
    with pytest.raises(ConfigError, match="no_such_package is not installed") as raised:
        synthesise({"product.sv": PRODUCT}, "product")
    assert "[rtl]" in raised.value.hint


@pytest.mark.slow
def test_a_product_is_one_dsp_and_is_synthesised_once(tmp_path: Path) -> None:
    pytest.importorskip("pyosys")
    steps: list[str] = []
    found = synthesise({"product.sv": PRODUCT}, "product", lambda text, _done, _all: steps.append(text))
    assert (found.module, found.dsp, found.lut) == ("product", 1, 0)
    assert steps[-1] == "synthesising product: finishing"
    before = len(steps)
    assert synthesise({"product.sv": PRODUCT}, "product", lambda text, _done, _all: steps.append(text)) == found
    assert len(steps) == before
    assert len(list((tmp_path / "cache").rglob("*.cells"))) == 1


def test_what_yosys_refuses_is_said_and_not_kept(tmp_path: Path) -> None:
    pytest.importorskip("pyosys")
    with pytest.raises(SimulationError, match=r"does not synthesise product: .*syntax error"):
        synthesise({"product.sv": PRODUCT.replace("endmodule", "end")}, "product")
    assert not list(tmp_path.rglob("*.cells"))


def test_an_interruption_ends_yosys(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyosys")
    children: list[subprocess.Popen[str]] = []

    class Kept(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **given: Any) -> None:
            super().__init__(*args, **given)
            children.append(self)

    monkeypatch.setattr(subprocess, "Popen", Kept)

    def interrupt(_text: str, _done: int, _all: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesise({"product.sv": PRODUCT}, "product", interrupt)
    (child,) = children
    assert child.returncode == -signal.SIGKILL  # ended by us, and waited for


# What Yosys 0.70 leaves to look-up tables or registers that the device has better places for: each with what it makes.
ADDED = """\
module small (input wire ap_clk, input wire signed [17:0] a, b, input wire signed [39:0] c, output logic [39:0] p);
  logic signed [17:0] x, y;
  logic signed [39:0] z, m;
  always_ff @(posedge ap_clk) begin
    x <= a; y <= b; m <= x * y; z <= c; p <= m + z;
  end
endmodule
"""
WITHOUT_DSP = """\
module small (input wire signed [7:0] a, b, output wire signed [15:0] p);
  (* use_dsp = "no" *) wire signed [15:0] product = a * b;
  assign p = product;
endmodule
"""
PAIR = """\
module small (input wire [4:0] a, output wire p, q);
  assign p = ^a;
  assign q = &a;
endmodule
"""
SUM = """\
module small (input wire [63:0] a, b, output wire [63:0] p);
  assign p = a + b;
endmodule
"""
PACKED = {
    # A DSP48E2 has room for both: the registers in it, the addition behind its product (UG579).
    "what is added to a product": (ADDED, {"dsp": 1, "lut": 40}),
    # Bound to look-up tables by the kernels, where DSPs are scarce.
    "a product that is to be none of a DSP": (WITHOUT_DSP, {"dsp": 1, "lut": 0}),
    # A LUT6 has two outputs for two functions of the same five inputs (UG574).
    "two functions of the same inputs": (PAIR, {"lut": 2}),
    # UltraScale+ has CARRY8 alone (UG574).
    "carry chains of eight bits": (SUM, {"lut": 64, "carry": 16}),
}


@pytest.mark.nightly
@pytest.mark.parametrize("name", PACKED)
def test_what_yosys_packs_less_well_than_the_device_could(name: str) -> None:
    pytest.importorskip("pyosys")
    text, counts = PACKED[name]
    found = synthesise({"small.sv": text}, "small")
    assert {what: getattr(found, what) for what in counts} == counts
    if text == ADDED:
        assert found.ff > 40  # besides, the registers of factors and product stay outside


@pytest.mark.nightly
def test_a_chain_asked_for_by_name_takes_no_look_up_tables() -> None:
    pytest.importorskip("pyosys")
    found = synthesise(
        module_sources(
            "small",
            "module small (input wire ap_clk, input wire [4:0] go, input wire [53:0] a, b, output wire [39:0] p);\n"
            "  edgemoe_dot #(.PRODUCTS(3), .A_BITS(18), .BITS(40)) x (.ap_clk, .go, .a, .b, .c(144'd0), .sum(p));\n"
            "endmodule\n",
        ),
        "small",
    )
    assert (found.dsp, found.lut, found.ff) == (3, 0, 0)
