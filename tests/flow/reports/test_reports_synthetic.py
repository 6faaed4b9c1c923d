"""Parsers of the vendor's reports on layouts of several releases."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemoe_gen.flow.reports import read_cosim, read_implementation, read_synthesis
from edgemoe_gen.flow.reports.csynth import Span, read_csynth
from edgemoe_gen.flow.reports.power import read_power
from edgemoe_gen.flow.reports.tables import Use, number, read_tables
from edgemoe_gen.flow.reports.timing import read_timing
from edgemoe_gen.flow.reports.utilisation import read_hierarchy, read_utilisation
from tests.flow.reports import vendor_reports as made


def written(folder: Path, text: str, name: str = "report.rpt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1234", 1234), (" 1,234 ", 1234), ("117.5", 117.5), ("-0.412", -0.412), ("0", 0), ("<0.01", None),
        ("NA", None),
        ("---", None), ("", None), ("1 2", None), ("12,34", None), ("1e5", None), ("0x10", None), ("1.", None),
        ("९", None), ("9" * 5000, None),
    ],
)  # fmt: skip
def test_a_cell_is_a_number_only_when_it_is_nothing_else(cell: str, value: float | None) -> None:
    found = number(cell)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("extra", [(), ("Fixed",), ("Fixed", "Prohibited")])
@pytest.mark.parametrize("mark", ["", "*"])
def test_flat_utilisation_is_read_by_column_names(tmp_path: Path, extra: tuple[str, ...], mark: str) -> None:
    report = read_utilisation(written(tmp_path, made.utilisation(extra=extra, mark=mark)))
    assert report.warnings == ()
    assert report.lut == Use(98765, 230400)
    assert report.ff == Use(150001, 460800)
    assert report.bram36 == Use(117.5, 312)
    assert report.uram == Use(64, 96)
    assert report.dsp == Use(1234, 1728)
    assert (report.ramb36.used, report.ramb18.used) == (100, 35)
    assert (report.header.release, report.header.state) == ("2023.2", "Routed")


def test_slice_rows_of_older_families_are_the_same_resources(tmp_path: Path) -> None:
    used = {"Slice LUTs": ("10", "53200"), "Slice Registers": ("20", "106400"), "Block RAM Tile": ("0.5", "140"),
            "DSPs": ("0", "220")}  # fmt: skip
    report = read_utilisation(written(tmp_path, made.utilisation(used, extra=("Fixed",))))
    assert (report.lut.used, report.ff.used, report.bram36.used, report.dsp.used) == (10, 20, 0.5, 0)
    assert report.uram == Use()  # a device without UltraRAM: not known, which is not 0
    assert report.warnings == ()


def test_a_missing_row_is_none_and_named(tmp_path: Path) -> None:
    used = {name: count for name, count in made.SITES_USED.items() if name != "DSPs"}
    report = read_utilisation(written(tmp_path, made.utilisation(used)))
    assert report.dsp == Use()
    assert report.warnings == ("report.rpt: no row DSPs",)


def test_rows_that_contradict_each_other_give_no_figure(tmp_path: Path) -> None:
    text = made.utilisation() + "\n" + made.utilisation({**made.SITES_USED, "DSPs": ("1235", "1728")})
    report = read_utilisation(written(tmp_path, text))
    assert report.dsp == Use() and report.lut.used == 98765
    assert report.warnings == ("report.rpt: rows DSPs contradict each other",)


def test_an_unknown_column_title_gives_no_figure(tmp_path: Path) -> None:
    report = read_utilisation(written(tmp_path, made.utilisation().replace(" Used ", " Uses ")))
    assert report.lut == Use()
    assert report.warnings == ("report.rpt: no table with the columns Site Type, Used and Available",)


def test_a_table_that_goes_on_over_a_page_is_one(tmp_path: Path) -> None:
    lines = made.hierarchy().splitlines()
    top = next(i for i, line in enumerate(lines) if line.startswith("+"))
    head = lines[top : top + 3]
    split = [*lines[: top + 5], head[0], "", "", *head, *lines[top + 5 :]]
    whole = read_hierarchy(written(tmp_path, made.hierarchy()))
    paged = read_hierarchy(written(tmp_path, "\n".join(split)))
    assert len(paged.instances) == 6 and paged.instances == whole.instances
    again = read_tables("\n".join([*lines[: top + 5], *head[1:], *lines[top + 5 :]]))
    assert len(again) == 1 and len(again[0].rows) == 6


@pytest.mark.parametrize("title", ["DSP Blocks", "DSP48 Blocks"])
def test_hierarchy_has_depth_and_modules(tmp_path: Path, title: str) -> None:
    report = read_hierarchy(written(tmp_path, made.hierarchy(title)))
    engine = report.instances[3]
    assert (engine.name, engine.module, engine.depth) == ("edgemoe_engine", "edgemoe_engine_0", 2)
    assert (engine.lut, engine.ff, engine.dsp, engine.uram, engine.bram36) == (90000, 140000, 1230, 64, 114.5)
    assert [i.depth for i in report.instances] == [0, 1, 1, 2, 3, 2]
    assert report.warnings == ()


def test_hierarchy_without_ultraram_does_not_know_it(tmp_path: Path) -> None:
    report = read_hierarchy(written(tmp_path, made.hierarchy(uram=False)))
    assert report.instances[0].uram is None and report.instances[0].dsp == 1234


def test_counts_with_their_share_are_counts(tmp_path: Path) -> None:
    text = made.hierarchy().replace("|       1230 |", "| 1230(71.2%)|")
    report = read_hierarchy(written(tmp_path, text))
    assert [i.dsp for i in report.instances] == [1234, 0, 1234, 1230, 1230, 0] and report.warnings == ()


def test_a_cell_that_is_no_number_is_named(tmp_path: Path) -> None:
    report = read_hierarchy(written(tmp_path, made.hierarchy().replace(" 140000 ", " 14oooo ")))
    assert report.instances[3].ff is None and report.instances[0].ff == 150001
    assert report.warnings == (
        "report.rpt: no number in row edgemoe_engine, column FFs",
        "report.rpt: no number in row inst, column FFs",
    )


def test_a_module_without_a_count_of_dsp_is_named(tmp_path: Path) -> None:
    report = read_csynth(written(tmp_path, made.csynth().replace("<DSP>1200</DSP>", ""), "x_csynth.xml"))
    assert report.module is not None and report.module.resources.dsp is None
    assert report.warnings == ("x_csynth.xml, module edgemoe_engine: no number in AreaEstimates/Resources/DSP",)


def test_timing_that_is_met(tmp_path: Path) -> None:
    report = read_timing(written(tmp_path, made.timing()))
    assert report.warnings == ()
    assert report.met is True
    assert (report.setup.worst_ns, report.setup.failing, report.setup.endpoints) == (0.12, 0, 123456)
    assert (report.hold.worst_ns, report.pulse.worst_ns, report.pulse.endpoints) == (0.01, 0.4, 45678)
    clock, other = report.clocks
    assert (clock.name, clock.period_ns, clock.mhz, clock.setup.worst_ns) == ("clk_pl_0", 3.333, 300.0, 0.12)
    assert (other.setup.worst_ns, other.pulse.worst_ns) == (None, 2.0)


def test_timing_that_fails_names_its_worst_path(tmp_path: Path) -> None:
    report = read_timing(written(tmp_path, made.timing(slack="-0.412", inter="0.300")))
    assert report.met is False and report.warnings == ()
    assert (report.setup.worst_ns, report.setup.total_ns, report.setup.failing) == (-0.412, -1.5, 7)
    path = report.worst
    assert path is not None
    assert path.slack_ns == -0.412
    assert path.source == "edgemoe_i/edgemoe_engine/inst/row_U0/a_reg[3]/C"
    assert path.destination == "edgemoe_i/edgemoe_engine/inst/mac_U0/sum_reg[31]/D"
    assert (path.source_clock, path.destination_clock, path.group) == ("clk_pl_0", "clk_pl_0", "clk_pl_0")
    assert (path.levels, path.requirement_ns, path.delay_ns) == (12, 3.333, 3.6)
    assert (path.logic_ns, path.logic_percent, path.route_ns, path.route_percent) == (1.044, 29.0, 2.556, 71.0)
    crossing = report.crossings[0]
    assert (crossing.source, crossing.destination, crossing.setup.worst_ns) == ("other_clock", "clk_pl_0", 0.3)


def test_a_hold_path_is_never_the_worst_setup_path(tmp_path: Path) -> None:
    report = read_timing(written(tmp_path, made.timing(hold="-0.050")))
    assert report.worst is not None and report.worst.slack_ns == 0.12
    assert report.hold.worst_ns == -0.05 and report.met is False


def test_a_path_that_is_not_the_worst_is_not_taken_for_it(tmp_path: Path) -> None:
    text = made.timing(slack="-0.412").replace("Slack (VIOLATED) :            -0.412ns", "Slack (VIOLATED) : lost")
    report = read_timing(written(tmp_path, text))
    assert report.worst is None and report.setup.worst_ns == -0.412
    assert report.warnings == ("report.rpt: no path under Timing Details has the slack WNS (0.9 ns is the least)",)


def test_a_design_without_constraints_has_no_verdict(tmp_path: Path) -> None:
    text = made.timing(verdict="There are no user specified timing constraints.", details=False)
    report = read_timing(written(tmp_path, text))
    assert report.met is None and report.worst is None
    assert "report.rpt: the design has no timing constraints" in report.warnings


def test_figures_shifted_out_of_their_columns_are_left_out(tmp_path: Path) -> None:
    lines = made.timing().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  other_clock  "))
    lines[at] = lines[at].replace("2.000  ", "   2.000 ")
    report = read_timing(written(tmp_path, "\n".join(lines)))
    assert report.clocks[1].pulse.worst_ns is None
    assert "report.rpt: a row under Intra Clock Table does not fit its columns" in report.warnings


def test_power_is_read_and_bounds_are_not_figures(tmp_path: Path) -> None:
    report = read_power(written(tmp_path, made.power()))
    assert (report.total_w, report.dynamic_w, report.static_w, report.junction_c) == (7.654, 6.9, 0.754, 32.5)
    assert (report.confidence, report.activity, report.warnings) == ("Medium", None, ())
    shift = next(row for row in report.components if row.name == "LUT as Shift Register")
    assert (shift.depth, shift.watts, shift.shown) == (1, None, "<0.001")
    assert read_power(written(tmp_path, made.power("run.saif"))).activity == "run.saif"


@pytest.mark.parametrize("dsp", ["DSP", "DSP48E"])
def test_csynth_of_a_latency_that_depends_on_data(tmp_path: Path, dsp: str) -> None:
    report = read_csynth(written(tmp_path, made.csynth(dsp=dsp), "x_csynth.xml"))
    top = report.module
    assert top is not None and report.warnings == ()
    assert (top.best, top.average, top.worst, top.interval) == (None, None, None, Span())
    assert (top.resources.dsp, top.resources.bram36, top.available.dsp) == (1200, 118, 1728)
    assert (top.target_ns, top.uncertainty_ns, top.estimated_ns) == (3.33, 0.9, 2.433)
    assert (report.release, report.part, top.pipeline) == ("2023.2", "xczu7ev-ffvc1156-2-e", "dataflow")


def test_csynth_reads_nested_loops_and_ranges(tmp_path: Path) -> None:
    inner = made.loop("columns", ii="undef", trip="<range><min>0</min><max>64</max></range>", latency="?")
    loops = made.loop("rows", ii="2", latency="4 ~ 400", inner=inner)
    report = read_csynth(written(tmp_path, made.csynth(loops=loops), "x_csynth.xml"))
    assert report.module is not None
    rows, columns = report.module.loops
    assert (rows.name, rows.depth, rows.ii, rows.latency, rows.trip_count) == ("rows", 0, 2, Span(4, 400), Span(16, 16))
    assert (columns.name, columns.depth, columns.ii) == ("columns", 1, None)
    assert (columns.trip_count, columns.latency) == (Span(0, 64), Span())


def test_synthesis_folder_joins_the_design_with_its_modules(tmp_path: Path) -> None:
    made.write_hls(tmp_path / "reports")
    facts = read_synthesis(tmp_path / "reports", made.TOP)
    assert facts.warnings == () and facts.top is not None
    assert facts.top.name == made.TOP and facts.top.resources.dsp == 1200
    assert [module.name for module in facts.modules] == ["loader", "mac_unit"]
    loader, mac = facts.modules
    assert (loader.worst, loader.resources.dsp, loader.available.bram18) == (None, 5, 624)
    assert mac.interval == Span(40, 40) and [row.name for row in mac.loops] == ["rows", "columns"]
    assert facts.top.resources.uram == 64


def test_synthesis_without_the_whole_design_needs_the_tops_name(tmp_path: Path) -> None:
    made.write_hls(tmp_path / "reports")
    (tmp_path / "reports/csynth.xml").unlink()
    named = read_synthesis(tmp_path / "reports", made.TOP)
    assert named.top is not None and named.top.name == made.TOP
    unnamed = read_synthesis(tmp_path / "reports")
    assert unnamed.top is None and unnamed.warnings == ("reports: no report of a top function",)
    other = read_synthesis(tmp_path / "reports", "another")
    assert other.top is None and other.warnings == ("reports: no report of the top function another",)


def test_implementation_with_missing_reports_warns_of_each(tmp_path: Path) -> None:
    made.write_bitstream(tmp_path / "bitstream")
    assert read_implementation(tmp_path / "bitstream").warnings == ()
    for name in ("utilization.rpt", "power.rpt"):
        (tmp_path / "bitstream" / name).unlink()
    facts = read_implementation(tmp_path / "bitstream")
    assert facts.utilisation is None and facts.power is None and facts.timing is not None
    assert facts.warnings == ("utilization.rpt: missing in bitstream", "power.rpt: missing in bitstream")
    assert facts.timing.setup.worst_ns == 0.12


@pytest.mark.parametrize("total", [True, False])
def test_cosim_reads_columns_below_their_headings(tmp_path: Path, total: bool) -> None:
    report = read_cosim(written(tmp_path, made.cosim(total=total)))
    assert (report.status, report.passed, report.language, report.tool) == ("Pass", True, "Verilog", "xsim")
    assert (report.least, report.average, report.most) == (2570, 2590, 2600)
    assert report.interval_most is None
    assert report.total == (9001 if total else None)
    assert report.warnings == ()


def test_cosim_that_failed_says_so(tmp_path: Path) -> None:
    assert read_cosim(written(tmp_path, made.cosim("Fail"))).passed is False


def test_cosim_without_a_result_is_not_known(tmp_path: Path) -> None:
    report = read_cosim(written(tmp_path, made.cosim("NA")))
    assert report.passed is None and report.warnings == ("report.rpt: 0 rows with a status, but one is expected",)
