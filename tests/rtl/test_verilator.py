"""Building simulations: the cache, refused sources, a simulation that dies."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemoe_gen.base.errors import SimulationError
from edgemoe_gen.rtl import verilator

pytestmark = pytest.mark.usefixtures("simulator")
COUNTER = """module counter (input logic clk, output logic [7:0] count);
  always_ff @(posedge clk) count <= count + 8'd1;
endmodule
"""


def test_a_refused_source_is_said_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEMOE_CACHE", str(tmp_path))
    monkeypatch.setattr(verilator, "_runtime", Path)  # which takes long in an empty cache
    with pytest.raises(SimulationError, match=r"counter\.sv:2"):
        verilator.build({"counter.sv": COUNTER.replace("count +", "county +")}, "counter")
    assert not list(tmp_path.rglob("rtl-*"))


def test_a_simulation_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built = verilator.build({"counter.sv": COUNTER}, "counter")
    monkeypatch.setattr(verilator, "_link", lambda *_: pytest.fail("built again"))
    assert verilator.build({"counter.sv": COUNTER}, "counter") == built


def test_a_simulation_without_results_is_an_error(tmp_path: Path) -> None:
    built = verilator.build({"counter.sv": COUNTER}, "counter")
    with pytest.raises(SimulationError, match="without results"):
        verilator.run(built, "counter", "tests.rtl.no_such_module", tmp_path)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verilator, "missing", lambda: ("cocotb",))
    with pytest.raises(SimulationError, match="cocotb") as error:
        verilator.build({"counter.sv": COUNTER}, "counter")
    assert "[rtl]" in error.value.hint
