"""What follows from a timing report: verdict, fastest clock, clock to try again, sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.base.errors import TimingError
from edgemoe_gen.flow.reports import (
    ImplementationFacts,
    achievable_clock_mhz,
    clock_mhz,
    meets_timing,
    retry_clock_mhz,
    timing_sentence,
)
from edgemoe_gen.flow.reports.clocks import short_name
from edgemoe_gen.flow.reports.collect import read_implementation
from tests.flow.reports import vendor_reports as made


def routed(folder: Path, **of_timing: Any) -> ImplementationFacts:
    made.write_bitstream(folder / "bitstream", **of_timing)
    return read_implementation(folder / "bitstream")


def test_timing_is_met_when_sentence_and_slacks_say_so(tmp_path: Path) -> None:
    facts = routed(tmp_path)
    assert meets_timing(facts) is True
    assert clock_mhz(facts) == 300.0
    assert timing_sentence(facts, 300.0) == "timing met at 300 MHz, +0.120 ns"


def test_a_failed_design_names_slack_path_and_the_clock_that_would_meet(tmp_path: Path) -> None:
    facts = routed(tmp_path, slack="-0.412")
    assert meets_timing(facts) is False
    # 3.333 + 0.412 = 3.745 ns is 267.0 MHz; 1500 / 6 = 250 is the next that the processing system makes.
    assert achievable_clock_mhz(facts) == pytest.approx(267.02, abs=0.01)
    assert timing_sentence(facts, 300.0) == (
        "timing failed by 0.412 ns at 300 MHz: worst path from edgemoe_i/edgemoe_engine/inst/row_U0/a_reg[3]/C to "
        "edgemoe_i/edgemoe_engine/inst/mac_U0/sum_reg[31]/D (12 logic levels, 71% routing); 250 MHz would meet it"
    )


def test_a_negative_slack_outweighs_a_sentence_that_all_is_met(tmp_path: Path) -> None:
    facts = routed(tmp_path, slack="-0.100", verdict="All user specified timing constraints are met.")
    assert meets_timing(facts) is False


def test_a_failed_hold_check_is_not_mended_by_a_slower_clock(tmp_path: Path) -> None:
    facts = routed(tmp_path, hold="-0.050")
    assert meets_timing(facts) is False
    assert timing_sentence(facts, 300.0) == ("hold failed by 0.050 ns at 300 MHz: a slower clock does not mend that")


def test_a_path_between_clocks_promises_no_other_clock(tmp_path: Path) -> None:
    facts = routed(tmp_path, slack="0.100", inter="-0.700")
    assert meets_timing(facts) is False
    sentence = timing_sentence(facts, 300.0)
    assert sentence.startswith("timing failed by 0.700 ns at 300 MHz: worst path from edgemoe_i")
    assert "would meet" not in sentence
    assert achievable_clock_mhz(facts) == pytest.approx(1000 / (3.333 - 0.1))


@pytest.mark.parametrize("state", ["Synthesized", "Fully Placed", "Partially Routed", ""])
def test_delays_that_are_not_routed_give_no_verdict(tmp_path: Path, state: str) -> None:
    facts = routed(tmp_path, state=state)
    assert meets_timing(facts) is None and achievable_clock_mhz(facts) is None
    assert any("not routed" in warning for warning in facts.warnings)
    assert timing_sentence(facts, 300.0).startswith("timing is not known: timing_summary.rpt: of a design that is not")


def test_without_a_report_nothing_is_known(tmp_path: Path) -> None:
    facts = read_implementation(tmp_path)
    assert (meets_timing(facts), achievable_clock_mhz(facts), clock_mhz(facts)) == (None, None, None)
    assert timing_sentence(facts, 300.0).startswith("timing is not known: timing_summary.rpt: missing in ")


def test_a_report_without_a_verdict_is_not_taken_for_met(tmp_path: Path) -> None:
    assert meets_timing(routed(tmp_path, verdict="")) is None


def test_another_clock_than_was_asked_for_is_named(tmp_path: Path) -> None:
    facts = routed(tmp_path, period="5.333", mhz="187.500")
    assert timing_sentence(facts, 200.0) == "timing met at 187.5 MHz (200 MHz was asked for), +0.120 ns"


@pytest.mark.parametrize(
    ("fastest", "clock"),
    [
        (1500.0, 1500.0), (300.0, 300.0), (299.99, 250.0), (267.0, 250.0), (250.0, 250.0),
        (1000 / (3.333 + 0.667), 250.0),
        (249.9, 1500 / 7), (100.0, 100.0), (23.9, 1500 / 63), (1500 / 3969, 1500 / 3969), (1500 / 67, 1500 / 68),
    ],
)  # fmt: skip
def test_a_retry_takes_the_fastest_clock_that_two_dividers_make(fastest: float, clock: float) -> None:
    assert retry_clock_mhz(fastest) == pytest.approx(clock, rel=1e-9)


@pytest.mark.parametrize("fastest", [0.0, -1.0, 0.3, float("nan"), float("inf")])
def test_a_clock_that_cannot_be_made_is_an_error(fastest: float) -> None:
    with pytest.raises(TimingError, match="cannot make a clock"):
        retry_clock_mhz(fastest)


def test_long_names_keep_their_end() -> None:
    name = "/".join(f"part_{i:02}_of_a_long_name" for i in range(10)) + "/sum_reg[3]/D"
    short = short_name(name)
    assert short.startswith("…/part_") and short.endswith("/sum_reg[3]/D") and len(short) <= 74
    assert short_name("a/b") == "a/b"


def test_a_summary_without_the_line_of_the_state_is_judged_by_its_wires_and_the_other_reports(tmp_path: Path) -> None:
    """As releases up to 2022.2 write it."""
    met, missed = routed(tmp_path / "met", state=None), routed(tmp_path / "missed", state=None, slack="-0.412")
    assert met.timing is not None and met.timing.header.state is None
    assert timing_sentence(met, 300.0) == "timing met at 300 MHz, +0.120 ns" and met.warnings == ()
    assert meets_timing(missed) is False and achievable_clock_mhz(missed) == pytest.approx(267.02, abs=0.01)


@pytest.mark.parametrize("silent", ["wires", "others"])
def test_one_witness_of_routed_wires_is_enough(tmp_path: Path, silent: str) -> None:
    made.write_bitstream(tmp_path / "r", state=None, details=silent != "wires")
    if silent == "others":
        for name in ("utilization.rpt", "utilization_hierarchical.rpt", "power.rpt"):
            (tmp_path / "r" / name).unlink()
    assert meets_timing(read_implementation(tmp_path / "r")) is True


@pytest.mark.parametrize("wires", ["estimated", "unplaced"])
def test_wires_that_are_estimated_give_no_verdict_whatever_other_reports_say(tmp_path: Path, wires: str) -> None:
    facts = routed(tmp_path, state=None, wires=wires)
    assert meets_timing(facts) is None
    assert f"of a design that is not routed ({wires}, Routed, routed)" in timing_sentence(facts, 300.0)


def test_another_report_that_is_not_of_a_routed_design_takes_the_verdict(tmp_path: Path) -> None:
    made.write_bitstream(tmp_path / "r", state=None)
    (tmp_path / "r/utilization.rpt").write_text(made.utilisation(state="Fully Placed"))
    assert meets_timing(read_implementation(tmp_path / "r")) is None


def test_reports_of_another_design_are_no_witness(tmp_path: Path) -> None:
    made.write_bitstream(tmp_path / "r", state=None, details=False)
    for name in ("utilization.rpt", "utilization_hierarchical.rpt", "power.rpt"):
        path = tmp_path / "r" / name
        path.write_text(path.read_text().replace("edgemoe_wrapper", "another"))
    facts = read_implementation(tmp_path / "r")
    assert meets_timing(facts) is None and "no report says its state" in timing_sentence(facts, 300.0)
