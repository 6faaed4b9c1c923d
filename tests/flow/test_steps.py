"""What a tool is doing, told from lines as the tools print them."""

from __future__ import annotations

import pytest

from edgemoe_gen.flow.steps import step_of, steps_in

LINES = (
    ("INFO: [HLS 200-1510] Running: csynth_design ", "reading the sources"),
    ("INFO: [HLS 200-10] Analyzing design file 'src/engine.cpp' ... ", "compiling engine.cpp"),
    ("INFO: [HLS 200-10] Starting code transformations ...", "transforming the code"),
    ("INFO: [HLS 200-42] -- Implementing module 'execute_Pipeline_tokens' ", "scheduling execute_Pipeline_tokens"),
    ("INFO: [BIND 205-100] Starting micro-architecture generation ...", "binding"),
    ("INFO: [HLS 200-10] -- Generating RTL for module 'fetch' ", "generating RTL of fetch"),
    ("INFO: [IMPL 213-8] Exporting RTL as a Vivado IP.", "packaging the IP"),
    ("INFO: [COSIM 212-302] Starting C TB testing ... ", "co-simulation: running the C test bench"),
    ("INFO: [COSIM 212-12] Generating RTL test bench ...", "co-simulation: generating the RTL test bench"),
    ('// RTL Simulation : 1 / 3 [12.34%] @ "80858000"', "RTL simulation: 1 of 3 transactions (12.34%)"),
    ('// RTL Simulation : 0 / 1 [n/a] @ "125000"', "RTL simulation: 0 of 1 transactions"),
    ("INFO: [COSIM 212-316] Starting C post checking ...", "co-simulation: comparing the results"),
    ("# create_bd_design edgemoe", "building the block design"),
    ("## validate_bd_design", "validating the block design"),
    ("[Fri Dec 25 13:51:25 2015] Launched synth_1...", "synthesis: started"),
    ("[Tue May 20 12:02:30 2025] Launched edgemoe_ps_0_synth_1...", "synthesis of edgemoe_ps_0"),
    ("Start Technology Mapping", "synthesis: technology mapping"),
    ("Command: place_design -directive Explore", "placing"),
    ("Phase 2.5 Global Placement Core", "phase 2.5: Global Placement Core"),
    ("Starting Routing Task", "routing"),
    ("Command: write_bitstream -force edgemoe_wrapper.bit", "writing the bitstream"),
    ("# report_timing_summary -file bitstream.partial/timing_summary.rpt", "report of timing"),
)


@pytest.mark.parametrize(("line", "step"), LINES)
def test_line_begins_a_step(line: str, step: str) -> None:
    assert step_of(line) == step


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Phase 2.5 Global Placement Core | Checksum: 1f2e3d4c",
        "Phase 2.5.1 UpdateTiming Before Physical Synthesis",
        '// RTL Simulation : "Inter-Transaction Progress" ["Intra-Transaction Progress"] @ "Simulation Time"',
        "INFO: [SCHED 204-61] Pipelining loop 'tokens'.",
        "# puts {Command: place_design}",
        "# set clock_mhz 300.0",
        "INFO: [Common 17-206] Exiting Vivado at Tue Sep 29 11:23:46 2026...",
    ],
)
def test_line_begins_none(line: str) -> None:
    assert step_of(line) is None


def test_block_gives_the_steps_of_all_its_lines_in_order() -> None:
    block = "\n".join(f"{line}\nINFO: [Common 17-1] nothing" for line, _ in LINES).encode() + b"\n\xff\xfe"
    assert list(steps_in(block)) == [step for _, step in LINES]
