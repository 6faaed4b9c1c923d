"""Parsers on real reports of the vendor's tools. All figures were read in the files by eye."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edgemoe_gen.flow.reports.clocks import achievable_clock_mhz, engine_clock, meets_timing, timing_sentence
from edgemoe_gen.flow.reports.collect import ImplementationFacts, read_synthesis
from edgemoe_gen.flow.reports.csynth import HlsResources, Loop, Span, read_csynth
from edgemoe_gen.flow.reports.power import Component, read_power
from edgemoe_gen.flow.reports.tables import Use
from edgemoe_gen.flow.reports.timing import Check, read_timing
from edgemoe_gen.flow.reports.utilisation import read_utilisation

DATA = Path(__file__).parents[3] / "../shared/data/reports"
ZCU104 = "xczu7ev-ffvc1156-2-e"


def real(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the shared data has no {name}")
    return path


def test_placed_utilisation_of_2023_2() -> None:
    report = read_utilisation(real("vivado/zcu104_full_util_placed.rpt"))
    assert report.warnings == ()
    assert (report.header.release, report.header.device, report.header.state) == ("2023.2", ZCU104, "Fully Placed")
    assert report.header.design == "vitis_design_wrapper"
    assert report.lut == Use(105965, 230400)
    assert report.lut_as_logic == Use(76929, 230400)
    assert report.lut_as_memory == Use(29036, 101760)
    assert report.ff == Use(149957, 460800)
    assert report.bram36 == Use(193, 312)
    assert report.ramb36 == Use(123, 312)
    assert report.ramb18 == Use(140, 624)
    assert report.uram == Use(1, 96)
    assert report.dsp == Use(1163, 1728)


def test_synthesised_utilisation_of_2023_2() -> None:
    report = read_utilisation(real("vivado/zcu104_full_util_synthed.rpt"))
    assert report.warnings == ()
    assert report.header.state == "Synthesized"
    assert report.lut == Use(113328, 230400)  # "CLB LUTs*"
    assert report.ff == Use(152576, 460800)
    assert report.bram36 == Use(193, 312)
    assert report.uram == Use(1, 96)
    assert report.dsp == Use(1163, 1728)


def test_power_of_2020_2() -> None:
    report = read_power(real("vivado/mpsq_power_routed.rpt"))
    assert report.warnings == ()
    assert (report.header.release, report.header.state) == ("2020.2", "routed")
    assert (report.total_w, report.dynamic_w, report.static_w) == (6.786, 0.943, 5.842)
    assert (report.junction_c, report.confidence, report.activity) == (28.0, "Low", None)
    assert len(report.components) == 15
    assert report.components[0] == Component("Clocks", 0, 0.22, "0.220")
    assert report.components[6] == Component("LUT as Shift Register", 1, None, "<0.001")
    assert report.components[12] == Component("I/O", 0, 0.198, "0.198")
    assert report.components[14] == Component("Total", 0, 6.786, "6.786")


def test_routed_timing_of_2023_2() -> None:
    path = real("vivado/zcu104_vitis_design_wrapper_timing_summary_routed.rpt")
    report = read_timing(path)
    assert report.warnings == ()
    assert (report.header.device, report.header.state) == ("xczu7ev-ffvc1156", "Routed")
    assert report.met is True
    assert report.setup == Check(0.49, 0.0, 0, 558419)
    assert report.hold == Check(0.004, 0.0, 0, 558419)
    assert report.pulse == Check(0.167, 0.0, 0, 192274)
    assert [(clock.name, clock.period_ns, clock.mhz) for clock in report.clocks] == [
        ("clk_pl_0", 10.0, 100.0),
        ("vitis_design_i/clk_wiz_0/inst/clk_in1", 10.0, 100.0),
        ("clk_out1_vitis_design_clk_wiz_0_0", 6.667, 150.0),
        ("clk_out2_vitis_design_clk_wiz_0_0", 3.333, 300.0),
        ("clk_out3_vitis_design_clk_wiz_0_0", 13.333, 75.0),
    ]
    assert [clock.setup.worst_ns for clock in report.clocks] == [None, None, 0.49, 0.578, 9.796]
    assert [clock.hold.worst_ns for clock in report.clocks] == [None, None, 0.004, 0.026, 0.015]
    assert [clock.pulse.worst_ns for clock in report.clocks] == [None, 2.0, 1.833, 0.167, 5.167]
    assert [clock.setup.endpoints for clock in report.clocks] == [None, None, 555267, 193, 2527]
    one, three = "clk_out1_vitis_design_clk_wiz_0_0", "clk_out3_vitis_design_clk_wiz_0_0"
    assert [(c.group, c.source, c.destination, c.setup.worst_ns, c.hold.worst_ns) for c in report.crossings] == [
        (None, three, one, 3.421, 0.039),
        (None, one, three, 4.197, 0.076),
        ("**async_default**", one, one, 4.778, 0.08),
    ]


def test_worst_path_of_2023_2() -> None:
    worst = read_timing(real("vivado/zcu104_vitis_design_wrapper_timing_summary_routed.rpt")).worst
    assert worst is not None
    assert (worst.slack_ns, worst.requirement_ns, worst.delay_ns, worst.levels) == (0.49, 6.667, 5.709, 19)
    assert (worst.logic_ns, worst.logic_percent) == (3.132, 54.86)
    assert (worst.route_ns, worst.route_percent) == (2.577, 45.14)
    assert worst.source is not None and worst.destination is not None
    assert worst.source.endswith("/mul_25s_25s_25_1_1_U215/tmp_product/DSP_A_B_DATA_INST/CLK")
    assert worst.destination.endswith("/mul_24ns_38ns_61_1_1_U208/tmp_product__0/DSP_A_B_DATA_INST/A[10]")
    assert worst.group == worst.source_clock == worst.destination_clock == "clk_out1_vitis_design_clk_wiz_0_0"
    assert worst.kind == "Setup (Max at Slow Process Corner)"


def test_verdict_of_2023_2() -> None:
    timing = read_timing(real("vivado/zcu104_vitis_design_wrapper_timing_summary_routed.rpt"))
    facts = ImplementationFacts(timing=timing)
    clock = engine_clock(facts)
    assert clock is not None and clock.name == "clk_out1_vitis_design_clk_wiz_0_0"
    assert meets_timing(facts) is True
    assert achievable_clock_mhz(facts) == pytest.approx(1000 / (6.667 - 0.49))
    assert timing_sentence(facts, 150.0) == "timing met at 150 MHz, +0.490 ns"


def test_routed_timing_of_2020_2_has_no_line_of_the_state() -> None:
    timing = read_timing(real("vivado/mpsq_timing_summary_routed.rpt"))
    assert timing.warnings == () and timing.header.state is None and timing.wires == ("routed",)
    assert (timing.met, timing.setup.worst_ns, timing.hold.worst_ns) == (False, -0.155, 0.002)
    power = read_power(real("vivado/mpsq_power_routed.rpt"))
    for facts in (ImplementationFacts(timing=timing), ImplementationFacts(timing=timing, power=power)):
        assert meets_timing(facts) is False
        # 3 ns and 0.155 ns more are 316.96 MHz; 1500 / 5 = 300 is the next that the processing system makes.
        assert achievable_clock_mhz(facts) == pytest.approx(1000 / 3.155)
        said = timing_sentence(facts, 333.333)
        assert said.startswith("timing failed by 0.155 ns at 333.3 MHz") and said.endswith("; 300 MHz would meet it")


def test_a_timing_report_of_a_megabyte_is_read_in_half_a_second() -> None:
    path = real("vivado/zcu104_vitis_design_wrapper_timing_summary_routed.rpt")
    start = time.perf_counter()
    read_timing(path)
    assert time.perf_counter() - start < 0.5


def test_csynth_of_the_whole_design_of_2022_1() -> None:
    report = read_csynth(real("vitis_hls/topk_sort.design.csynth.xml"))
    assert report.warnings == ()
    assert (report.release, report.part) == ("2022.1", "xck26-sfvc784-2LV-c")
    top = report.module
    assert top is not None
    assert (top.name, top.pipeline, top.best, top.average, top.worst) == ("topk_sort", "dataflow", 1208, 1208, 1208)
    assert top.interval == Span(1003, 1003)
    assert (top.target_ns, top.uncertainty_ns, top.estimated_ns) == (10.0, 2.7, 5.283)
    assert top.resources == HlsResources(bram18=0, dsp=0, ff=52110, lut=60979, uram=0)
    assert top.available == HlsResources(bram18=288, dsp=1248, ff=234240, lut=117120, uram=64)
    assert [
        (m.name, m.worst, m.interval.most, m.estimated_ns, m.resources.ff, m.resources.lut) for m in report.modules
    ] == [
        ("Loop_VITIS_LOOP_35_2_proc3", 1002, 1002, 1.867, 12748, 15600),
        ("Loop_VITIS_LOOP_68_5_proc", 101, 101, 3.705, 9481, 20903),
        ("Loop_VITIS_LOOP_90_8_proc", 103, 103, 3.018, 45, 588),
        ("topk_sort", 1208, 1003, 5.283, 52110, 60981),
    ]
    assert report.modules[2].loops == (
        Loop("VITIS_LOOP_90_8", 0, Span(100, 100), Span(101, 101), ii=1, iteration=Span(3, 3)),
    )
    assert report.modules[0].available == top.available


def test_csynth_of_one_module_of_2022_1() -> None:
    report = read_csynth(real("vitis_hls/topk_sort.loop68_csynth.xml"))
    module = report.module
    assert module is not None and report.modules == () and report.warnings == ()
    assert (module.name, module.pipeline, module.worst, module.interval) == (
        "Loop_VITIS_LOOP_68_5_proc", "no", 101, Span(101, 101),
    )  # fmt: skip
    assert module.loops == (Loop("VITIS_LOOP_68_5", 0, Span(99, 99), Span(99, 99), ii=1, iteration=Span(1, 1)),)
    assert module.resources == HlsResources(bram18=0, dsp=0, ff=9481, lut=20903, uram=0)


def test_csynth_of_the_top_of_2022_1() -> None:
    module = read_csynth(real("vitis_hls/topk_sort.top_csynth.xml")).module
    assert module is not None
    assert (module.name, module.worst, module.interval, module.loops) == ("topk_sort", 1208, Span(1003, 1003), ())
    assert (module.resources.lut, module.available.lut) == (60979, 117120)


def test_folder_of_2022_1() -> None:
    facts = read_synthesis(real("vitis_hls/topk_sort.design.csynth.xml").parent)
    assert facts.warnings == () and facts.top is not None
    assert (facts.top.name, facts.release, facts.part) == ("topk_sort", "2022.1", "xck26-sfvc784-2LV-c")
    assert [module.name for module in facts.modules] == [
        "Loop_VITIS_LOOP_35_2_proc3",
        "Loop_VITIS_LOOP_68_5_proc",
        "Loop_VITIS_LOOP_90_8_proc",
    ]
