"""The pictures of a timed run: well-formed, without scripts, for light and dark, and to scale."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from edgemoe_gen.report.simulation import simulation_page
from edgemoe_gen.report.timeline import LEFT, RIGHT, WIDTH, roofline_svg, timeline_svg

NASTY = "<script>alert(1)</script>"


def facts(**changes: Any) -> dict[str, Any]:
    """Two processes in four spans of 25 cycles: one works in the first half, the other waits for DDR all the time."""
    nothing = [0.0] * 4
    made = {
        "tier": "timed simulation", "headline": NASTY, "board": "ZCU104", "family": "Zynq UltraScale+", "band": "usual",
        "clock_mhz": 100.0, "tasks": ["a"], "frames": 1,
        "cycles": 100, "cycles_per_frame": 100.0, "milliseconds_per_frame": 0.001,
        "by_stage": {"backbone": 60.0, "decoder": 40.0},
        "passed": True, "violations": [], "deadlock": None, "differences": [], "sizing": None,
        "groups": [{"group": "experts", "operations": 1, "cycles": 100, "share": 1.0, "compute": 50, "weights": 50,
                    "start_up": 0, "limit": "compute"}],
        "processes": [{"name": "multiply", "region": "operate", "busy_share": 0.5, "ddr_share": 0.0,
                       "starved_share": 0.0, "blocked_share": 0.0},
                      {"name": NASTY, "region": "engine", "busy_share": 0.0, "ddr_share": 1.0, "starved_share": 0.0,
                       "blocked_share": 0.0}],
        "fifos": [{"name": "weights[0]", "depth": 0, "highest": 4, "blocked": 1, "starved": 2}],
        "ports": [{"name": "weights_0", "bytes": 400, "bursts": 2, "waited": 9}],
        "ddr": {"share": 0.5, "bytes": 400, "busy": 50, "bytes_per_cycle": 8.0},
        "roofline": {"peak_macs_per_cycle": 64, "ddr_bytes_per_cycle": 8.0, "macs": 3200, "macs_per_cycle": 32.0,
                     "macs_per_byte": 8.0, "bound_cycles": 50.0, "compute_cycles": 50.0, "weight_cycles": 50.0,
                     "ratio_to_bound": 2.0, "limit": "compute"},
        "timeline": {
            "bins": 4,
            "rows": [{"name": "multiply", "region": "operate", "busy": [1.0, 1.0, 0.0, 0.0], "ddr": nothing,
                      "starved": nothing, "blocked": nothing},
                     {"name": NASTY, "region": "engine", "busy": nothing, "ddr": [1.0] * 4, "starved": nothing,
                      "blocked": nothing}],
            "layers": [{"block": 0, "group": "experts", "start": 0, "end": 60},
                       {"block": 1, "group": "layer norms", "start": 60, "end": 100}],
        },
    }  # fmt: skip
    return {**made, **changes}


class Balance(HTMLParser):
    """Checks that tags close in order, and counts them."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


def test_timeline_draws_each_state_where_it_was() -> None:
    picture = timeline_svg(facts())
    inner = WIDTH - LEFT - RIGHT
    busy = re.findall(r'<path class="busy" d="M([\d.]+) [\d.]+h([\d.]+)', picture)
    assert [(float(x), float(w)) for x, w in busy] == [(LEFT, inner / 2)]  # two spans of four, one rectangle
    ddr = re.findall(r'<path class="ddr" d="M([\d.]+) [\d.]+h([\d.]+)', picture)
    assert [(float(x), float(w)) for x, w in ddr] == [(LEFT, inner)]
    assert "50 %" in picture and "block 1: 40 cycles" in picture and "experts: 60 cycles" in picture


@pytest.mark.parametrize("draw", [timeline_svg, roofline_svg, simulation_page])
def test_pictures_are_well_formed_without_scripts_and_follow_light_and_dark(draw: Any) -> None:
    text = draw(facts())
    assert "script" not in Balance(text).seen
    assert "prefers-color-scheme: dark" in text
    assert NASTY not in text


def test_a_frame_limited_by_ddr_says_why_its_layers_are_limited_by_compute() -> None:
    why = "The bound of the frame is DDR: moving all weights takes longer"
    assert why not in simulation_page(facts())
    assert why in simulation_page(facts(roofline={**facts()["roofline"], "limit": "DDR"}))


def test_roofline_says_how_near_the_roof_the_run_is() -> None:
    # 32 MACs a cycle at 8 MACs a byte: the memory allows 8 x 8 = 64, which is also the unit's peak.
    assert "32 MACs a cycle, 50 % of the roof" in roofline_svg(facts())


def test_page_shows_deadlock_violations_and_sizes() -> None:
    page = simulation_page(
        facts(
            deadlock={"sentence": "deadlock in layer x: a waits for b"},
            violations=["memory m needs 2 ports"],
            sizing={"sizes": [{"name": "weights", "smallest": 7}]},
        )
    )
    assert "Deadlock in layer x: a waits for b" in page and "memory m needs 2 ports" in page
    assert "smallest that costs nothing" in page and '<td class="n">7</td>' in page and "∞" in page


def test_page_without_records_has_no_timeline() -> None:
    empty = facts()
    for row in empty["timeline"]["rows"]:
        row["busy"] = [0.0] * 4
    assert "What each process did" not in simulation_page(empty)
