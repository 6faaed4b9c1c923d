"""The vendor's figures in the report: facts beside the estimate, headline, and the section of the page."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.report.document import headline
from edgemoe_gen.report.html import render_html, write_report
from edgemoe_gen.report.implementation import implementation_facts
from tests.flow.reports import vendor_reports as made
from tests.report.test_report_html import Balance, document, frame

ESTIMATE = {
    "resources": {
        "fits": True,
        "parts": [],
        "against": [
            {"resource": "DSP", "used": 1211, "available": 1728},
            {"resource": "BRAM36", "used": 100, "available": 312},
            {"resource": "URAM", "used": 64, "available": 96},
            {"resource": "LUT", "used": 50000, "available": 230400},
            {"resource": "FF", "used": 100000, "available": 460800},
        ],
    },
    "cycles": {"clock_mhz": 300.0, "cycles_per_frame": 1000},
}
DESIGN = {"board": {"part": "xczu7ev-ffvc1156-2-e"}, "knobs": {"clock_mhz": {"value": 300.0}}}


@pytest.fixture
def accelerator(tmp_path: Path) -> Path:
    folder = tmp_path / "accelerator"
    folder.mkdir()
    (folder / "estimate.json").write_text(json.dumps(ESTIMATE))
    (folder / "design.json").write_text(json.dumps(DESIGN))
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A build that went through all stages."""
    folder = tmp_path / "out"
    made.write_hls(folder / "hls" / "reports")
    made.write_bitstream(folder / "bitstream")
    (folder / "cosim").mkdir()
    (folder / "cosim" / "edgemoe_engine_cosim.rpt").write_text(made.cosim())
    return folder


def facts_of(accelerator: Path, results: Path) -> dict[str, Any]:
    facts = implementation_facts(accelerator, results)
    assert facts is not None
    return facts


def page_of(facts: dict[str, Any] | None, tmp_path: Path, stopped: str | None = None) -> str:
    """Text of the page, its tags taken out, well-formed."""
    plain = {**document([frame()]), "implementation": facts, "stopped_before": stopped}
    page = render_html({**plain, "headline": headline(plain)}, tmp_path, {})
    parser = Balance()
    parser.VOID = (*Balance.VOID, "col")
    parser.feed(page)
    assert parser.open == []
    body = page[page.index("<body>") :]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_without_reports_there_are_no_facts(accelerator: Path, tmp_path: Path) -> None:
    assert implementation_facts(accelerator, tmp_path) is None


def test_every_resource_stands_beside_its_estimate(accelerator: Path, results: Path) -> None:
    facts = facts_of(accelerator, results)
    rows = {row["resource"]: row for row in facts["resources"]}
    assert list(rows) == ["DSP", "BRAM36", "URAM", "LUT", "FF"]
    dsp = rows["DSP"]
    assert (dsp["available"], dsp["estimate"], dsp["synthesis"], dsp["implementation"], dsp["engine"]) == (
        1728, 1211, 1200, 1234, 1230,
    )  # fmt: skip
    assert dsp["implementation_ratio"] == pytest.approx(1234 / 1211)
    assert dsp["synthesis_ratio"] == pytest.approx(1200 / 1211)
    assert dsp["engine_ratio"] == pytest.approx(1230 / 1211)
    bram = rows["BRAM36"]  # 236 halves; 117.5 tiles; 98 tiles and 33 halves
    assert (bram["synthesis"], bram["implementation"], bram["engine"]) == (118, 117.5, 114.5)
    assert facts["fits"] is True and facts["warnings"] == []
    assert facts["tools"] == ["Vitis HLS 2023.2", "Vivado 2023.2"]


def test_every_group_names_its_tier(accelerator: Path, results: Path) -> None:
    facts = facts_of(accelerator, results)
    assert facts["tier"] == "vendor implementation"
    assert facts["clock"]["synthesis"]["tier"] == "vendor synthesis (C synthesis)"
    assert facts["clock"]["implementation"]["tier"] == facts["timing"]["tier"] == "vendor implementation"
    assert facts["latency"]["tier"] == facts["modules"]["tier"] == "vendor synthesis (C synthesis)"
    assert facts["power"]["tier"] == "estimate (Vivado, vector-less)"
    assert facts["cosim"]["tier"] == "RTL simulation"


def test_clock_timing_power_and_cosim_are_facts(accelerator: Path, results: Path) -> None:
    facts = facts_of(accelerator, results)
    clock = facts["clock"]
    assert (clock["asked_mhz"], clock["implementation"]["mhz"]) == (300.0, 300.0)
    assert clock["synthesis"]["estimated_mhz"] == pytest.approx(1000 / 2.433)
    assert clock["synthesis"]["slack_ns"] == pytest.approx(3.33 - 0.9 - 2.433)
    assert clock["implementation"]["achievable_mhz"] == pytest.approx(1000 / 3.213)
    assert (facts["timing"]["met"], facts["timing"]["wns_ns"], facts["timing"]["worst_path"]["levels"]) == (
        True,
        0.12,
        12,
    )
    assert (facts["power"]["total_w"], facts["power"]["confidence"]) == (7.654, "Medium")
    assert [row["name"] for row in facts["power"]["components"]] == [
        "Clocks",
        "CLB Logic",
        "DSPs",
        "PS8",
        "Static Power",
    ]
    assert facts["cosim"]["passed"] is True and facts["cosim"]["cycles"]["average"] == 2590


def test_power_from_simulated_activity_is_another_tier(accelerator: Path, results: Path) -> None:
    (results / "bitstream" / "power.rpt").write_text(made.power("run.saif"))
    assert facts_of(accelerator, results)["power"]["tier"] == "estimate (Vivado, simulated activity)"


def test_a_latency_that_depends_on_the_program_is_not_a_number(accelerator: Path, results: Path) -> None:
    latency = facts_of(accelerator, results)["latency"]
    assert (latency["cycles"], latency["ratio"], latency["said"]) == (None, None, "not known to C synthesis")
    made.write_hls(results / "known" / "hls" / "reports", latency="1208")
    known = facts_of(accelerator, results / "known")["latency"]
    assert (known["cycles"], known["ratio"]) == (1208, pytest.approx(1.208))
    assert known["milliseconds"] == pytest.approx(1208 * 3.33e-6)


def test_modules_have_latency_interval_and_loops(accelerator: Path, results: Path) -> None:
    rows = facts_of(accelerator, results)["modules"]["rows"]
    assert [row["name"] for row in rows] == ["edgemoe_engine", "loader", "mac_unit"]
    assert (rows[0]["latency"], rows[2]["latency"], rows[2]["interval"]) == ([None, None], [40, 40], [40, 40])
    assert (rows[2]["bram36"], rows[2]["dsp"]) == (1.5, 5)
    assert [(loop["name"], loop["ii"], loop["latency"]) for loop in rows[2]["loops"]] == [
        ("rows", 1, [18, 18]), ("columns", 2, [4, 400]),
    ]  # fmt: skip


def test_without_an_estimate_there_is_no_ratio_and_the_report_says_why(results: Path, tmp_path: Path) -> None:
    facts = facts_of(tmp_path / "nowhere", results)
    dsp = facts["resources"][0]
    assert (dsp["estimate"], dsp["implementation_ratio"], dsp["available"]) == (None, None, 1728)
    assert "estimate.json: not readable, so that nothing can be compared with it" in facts["warnings"]
    assert "timing met at 300 MHz" in facts["timing"]["sentence"]


def test_reports_of_another_device_are_pointed_out(accelerator: Path, results: Path) -> None:
    other = {**DESIGN, "board": {"part": "xck26-sfvc784-2LV-c"}}
    (accelerator / "design.json").write_text(json.dumps(other))
    warnings = facts_of(accelerator, results)["warnings"]
    assert (
        "timing_summary.rpt: is of the device xczu7ev-ffvc1156-2-e, but the board has xck26-sfvc784-2LV-c" in warnings
    )
    assert len(warnings) == 4


def test_devices_without_speed_grade_or_dash_are_the_board_s(accelerator: Path, results: Path) -> None:
    for name, device in (("timing_summary.rpt", "xczu7ev-ffvc1156"), ("utilization.rpt", "xczu7evffvc1156-2")):
        path = results / "bitstream" / name
        path.write_text(path.read_text().replace("xczu7ev-ffvc1156-2-e", device))
    assert facts_of(accelerator, results)["warnings"] == []


def test_headline_says_what_the_vendor_counted(accelerator: Path, results: Path) -> None:
    plain = {**document([frame()]), "implementation": facts_of(accelerator, results)}
    assert headline(plain) == (
        "fits ZCU104 (vendor implementation): 1,234 of 1,728 DSP · timing met at 300 MHz, +0.12 ns · "
        "MSE 2.0e-06 of the final tokens · 3 of 4 top-2 sets equal"
    )


@pytest.mark.parametrize(
    ("of_timing", "said"),
    [
        ({"slack": "-0.412"}, "timing failed at 300 MHz, −0.412 ns"),
        ({"hold": "-0.050"}, "timing failed at 300 MHz, hold −0.05 ns"),
        ({"state": "Fully Placed"}, "timing not known"),
    ],
)
def test_headline_does_not_hide_bad_timing(accelerator: Path, tmp_path: Path, of_timing: Any, said: str) -> None:
    made.write_bitstream(tmp_path / "bad" / "bitstream", **of_timing)
    plain = {**document([frame()]), "implementation": facts_of(accelerator, tmp_path / "bad")}
    assert f" · {said} · " in headline(plain)


def test_headline_of_c_synthesis_alone(accelerator: Path, tmp_path: Path) -> None:
    made.write_hls(tmp_path / "early" / "hls" / "reports")
    plain = {**document([frame()]), "implementation": facts_of(accelerator, tmp_path / "early")}
    assert headline(plain).startswith("fits ZCU104 (C synthesis): 1,200 of 1,728 DSP · clock 411 MHz · ")


def test_too_many_resources_do_not_fit(accelerator: Path, results: Path) -> None:
    used = {**made.SITES_USED, "DSPs": ("1800", "1728")}
    (results / "bitstream" / "utilization.rpt").write_text(made.utilisation(used))
    plain = {**document([frame()]), "implementation": facts_of(accelerator, results)}
    assert headline(plain).startswith("does not fit ZCU104 (vendor implementation): 1,800 of 1,728 DSP")
    page = render_html({**plain, "headline": ""}, results, {})
    assert '<div class="bar ticked over"><i style="width: 100.0%">' in page


def test_a_count_that_is_missing_leaves_open_whether_it_fits(accelerator: Path, results: Path) -> None:
    used = {name: count for name, count in made.SITES_USED.items() if name != "CLB LUTs"}
    (results / "bitstream" / "utilization.rpt").write_text(made.utilisation(used))
    for path in (results / "hls" / "reports").glob("*.xml"):
        path.unlink()
    facts = facts_of(accelerator, results)
    assert facts["fits"] is None and facts["warnings"] == ["utilization.rpt: no row CLB LUTs or Slice LUTs"]


def test_a_row_that_vivado_s_report_lacks_is_not_c_synthesis_s_figure(
    accelerator: Path, results: Path, tmp_path: Path
) -> None:
    used = {name: count for name, count in made.SITES_USED.items() if name != "DSPs"}
    (results / "bitstream" / "utilization.rpt").write_text(made.utilisation(used))
    facts = facts_of(accelerator, results)
    dsp = next(row for row in facts["resources"] if row["resource"] == "DSP")
    assert (facts["tier"], dsp["synthesis"], dsp["implementation"], dsp["used"]) == (
        "vendor implementation", 1200, None, None,
    )  # fmt: skip
    assert facts["fits"] is None
    plain = {**document([frame()]), "implementation": facts}
    assert headline(plain).startswith("not known whether it fits ZCU104 (vendor implementation): DSP not known · ")
    assert "DSP 1,728 1,211 1,200 0.99 × not in the report – 1,230 1.02 × –" in page_of(facts, tmp_path)


def test_a_device_without_uram_lacks_no_row_of_it(accelerator: Path, results: Path, tmp_path: Path) -> None:
    used = {name: count for name, count in made.SITES_USED.items() if name != "URAM"}
    (results / "bitstream" / "utilization.rpt").write_text(made.utilisation(used))
    estimate = json.loads((accelerator / "estimate.json").read_text())
    estimate["resources"]["against"][2] = {"resource": "URAM", "used": 0, "available": 0}
    (accelerator / "estimate.json").write_text(json.dumps(estimate))
    assert "not in the report" not in page_of(facts_of(accelerator, results), tmp_path)


def test_page_without_reports_says_that_nothing_was_measured(tmp_path: Path) -> None:
    page = page_of(None, tmp_path, "hls")
    assert "Stopped before synthesis (stage “hls”): no figure on this page was measured in hardware." in page
    assert "Synthesis and implementation" not in page


def test_page_shows_figures_estimate_ratio_and_verdict(accelerator: Path, results: Path, tmp_path: Path) -> None:
    page = page_of(facts_of(accelerator, results), tmp_path)
    assert "come from the vendor’s reports (Vitis HLS 2023.2, Vivado 2023.2); no figure on this page was" in page
    assert "Stopped before" not in page
    assert "Timing met at 300 MHz, +0.120 ns" in page
    assert "DSP 1,728 1,211 1,200 0.99 × 1,234 1.02 × 1,230 1.02 × 71 %" in page
    assert "slack beside the uncertainty −0.003 ns latency of a run not known to C synthesis" in page
    assert "Co-simulation of the short program RTL simulation result pass cycles of a run 2,570 – 2,600" in page
    assert "clock placed and routed for 300 MHz fastest clock that would meet 311.2 MHz" in page
    assert "Power estimate (Vivado, vector-less) total 7.654 W" in page
    assert "12 logic levels" in page and "29 % logic, 71 % routing" in page
    assert "mac_unit dataflow 40 40 1 – 2 2.433 5 1.5 0 800 900" in page
    assert "What the reports do not tell" not in page


def test_page_of_c_synthesis_alone_has_no_columns_of_vivado(accelerator: Path, tmp_path: Path) -> None:
    made.write_hls(tmp_path / "early" / "hls" / "reports")
    page = page_of(facts_of(accelerator, tmp_path / "early"), tmp_path, "bitstream")
    assert (
        "Stopped before stage “bitstream”. Figures of vendor synthesis (C synthesis) come from the vendor’s reports"
        in page
    )
    assert "resource available estimate C synthesis ratio share" in page
    assert "Worst path" not in page and "Power" not in page


def test_page_of_vivado_alone_has_no_modules(accelerator: Path, tmp_path: Path) -> None:
    made.write_bitstream(tmp_path / "late" / "bitstream", slack="-0.412")
    page = page_of(facts_of(accelerator, tmp_path / "late"), tmp_path)
    assert "Timing failed by 0.412 ns at 300 MHz" in page and "250 MHz would meet it" in page
    assert "of C synthesis" not in page


def test_page_shows_warnings_and_figures_that_are_missing(accelerator: Path, tmp_path: Path) -> None:
    folder = tmp_path / "torn" / "bitstream"
    folder.mkdir(parents=True)
    (folder / "utilization.rpt").write_text("torn")
    page = page_of(facts_of(accelerator, tmp_path / "torn"), tmp_path)
    assert "What the reports do not tell" in page
    assert "power.rpt: missing in bitstream" in page
    assert "utilization.rpt: no table with the columns Site Type, Used and Available" in page
    assert "not known whether it fits ZCU104 (vendor implementation): DSP not known · timing not known" in page
    assert "DSP 1,728 1,211 –" in page


def test_names_in_reports_are_text_not_markup(accelerator: Path, results: Path, tmp_path: Path) -> None:
    path = results / "bitstream" / "timing_summary.rpt"
    path.write_text(path.read_text().replace("row_U0", "<script>x"))
    plain = {**document([frame()]), "implementation": facts_of(accelerator, results)}
    page = render_html(plain, tmp_path, {})
    assert "<script>x" not in page and "&lt;script&gt;x" in page


def test_facts_are_json(accelerator: Path, results: Path, tmp_path: Path) -> None:
    plain = {**document([frame()]), "implementation": facts_of(accelerator, results)}
    write_report(plain, tmp_path, {}, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["implementation"] == json.loads(
        json.dumps(plain["implementation"])
    )
