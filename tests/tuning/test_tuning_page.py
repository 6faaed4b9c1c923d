"""The page of a search: what it holds, what it must not hold, and clicks on it in headless Chromium."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from edgemoe_gen.tuning.front import FIGURES, front_of
from edgemoe_gen.tuning.page import command_like, safe_json, tune_page
from edgemoe_gen.tuning.trial import CSIM, ESTIMATE, RULES, SYNTHESIS, TIERS, Figure, Outcome, Point

OBJECTIVES = ("latency", "error", "dsp", "memory", "ddr_bytes")
EVIL = "</script><script>alert(1)</script><!--.pth"


def outcome(tokens: int, bits: int, tier: str = ESTIMATE) -> Outcome:
    """More tokens are faster and larger, more bits are slower and exacter; 3 tokens are worse than 2 in all."""
    speed = {1: 1.0, 2: 2.0, 3: 1.5, 4: 4.0}[tokens]
    values = {
        "latency_ms": 2 * bits / speed,
        "error": 4.0**-bits,
        "dsp": 100.0 * tokens + bits,
        "memory_kib": 50.0 * bits + tokens,
        "ddr_bytes": 1e6 * bits + 1000 * tokens,
    }
    figures = {name: Figure(value, ESTIMATE) for name, value in values.items()}
    if tier in (CSIM, SYNTHESIS):
        figures["error"] = Figure(values["error"], CSIM)
    if tier == SYNTHESIS:
        figures["dsp"] = Figure(values["dsp"], SYNTHESIS)
    point = Point.of({"tokens_parallel": tokens, "weight_bits": bits})
    return Outcome(point, tier, figures=figures, knobs={**point.as_dict(), "clock_mhz": 300.0})


def document(checkpoint: str = "tiny.pth") -> dict[str, Any]:
    """A small search: six points on the front, one of them simulated, one synthesised; two beaten, one refused."""
    tiers = {(2, 8): CSIM, (4, 8): SYNTHESIS}
    found = [outcome(t, b, tiers.get((t, b), ESTIMATE)) for t in (1, 2, 3, 4) for b in (8, 16)]
    refused = Outcome(Point.of({"tokens_parallel": 8, "weight_bits": 8}), RULES, False, "more DSP than <there is>")
    front = []
    for number, entry in enumerate(front_of(found, OBJECTIVES), start=1):
        point = entry.point.as_dict()
        words = " ".join(f"--knob {name}={value}" for name, value in point.items())
        command = f"edgemoe-gen build 'my {checkpoint}' --board zcu104 {words}"
        front.append({"number": number, **entry.as_dict(), "command": command})
    return {
        "version": 1,
        "checkpoint": checkpoint,
        "network": {"tokens": 33, "dim": 32, "depth": 2, "image": {"height": 32, "width": 64}},
        "board": {"name": "zcu104", "title": "AMD ZCU104", "dsp": 1728},
        "tasks": ["semseg"],
        "pictures": 1,
        "tiers": list(TIERS),
        "figures": {n: {"title": k.title, "higher_is_better": k.higher_is_better} for n, k in FIGURES.items()},
        "space": {"tokens_parallel": [1, 2, 3, 4, 8], "weight_bits": [8, 16]},
        "chosen": {},
        "limits": [
            {"name": "dsp", "bound": 0.5, "allowed": 864.0, "default": False},
            {"name": "uram", "bound": 0.85, "allowed": 81.6, "default": True},
        ],
        "objectives": list(OBJECTIVES),
        "stopped": "trials",
        "tried": 9,
        "feasible": 8,
        "rejected": {"more DSP than <there is>": 1},
        "default": outcome(2, 16).as_dict(),
        "front": front,
        "outcomes": [entry.as_dict() for entry in [*found, refused]],
    }


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_page_has_feasible_points_front_first_and_counts_the_others() -> None:
    made = document()
    page = tune_page(made)
    assert "limit dsp 0.5 · limit uram 0.85 (default)" in page
    data = data_of(page)
    numbers = [point["number"] for point in data["points"]]
    assert numbers == [1, 2, 3, 4, 5, 6, None, None]
    assert [p["point"]["tokens_parallel"] for p in data["points"][6:]] == [3, 3]
    assert sum(point["default"] for point in data["points"]) == 1
    assert data["axes"] == ["latency_ms", "error", "dsp", "memory_kib", "ddr_bytes"]
    assert data["common"] == {"clock_mhz": 300.0}
    assert "more DSP than &lt;there is&gt; (1)" in page
    assert "2 of the front simulated, 1 of them synthesised, the others are estimates" in page
    assert data["points"][0]["command"] == made["front"][0]["command"]


def test_the_page_opens_on_the_point_that_the_closing_line_names() -> None:
    made = document()
    for best, first in ((None, 0), (4, 3)):
        made["best"] = best
        page = tune_page(made)
        data = data_of(page)
        assert data["first"] == first
        assert data["points"][first]["number"] == (best or 1)
        assert "choose(data.first);" in page


def test_the_default_design_is_shown_as_it_was_measured() -> None:
    made = document()
    made["default"] = outcome(2, 16, CSIM).as_dict()
    assert outcome(2, 16).as_dict() in made["outcomes"], "the search has an estimate of it"
    page = tune_page(made)
    shown = next(point for point in data_of(page)["points"] if point["default"])
    assert shown["tier"] == CSIM
    assert shown["figures"]["error"]["tier"] == CSIM
    assert "3 of the front simulated" in page


def test_importance_is_computed_where_a_document_has_none_and_chance_stands_beside_it() -> None:
    made = document()
    page = tune_page(made)
    assert "computed for this page" in page
    error = data_of(page)["importance"][1]
    assert error["title"] == "error, MSE"
    assert error["shares"] == pytest.approx({"tokens_parallel": 0, "weight_bits": 1}, abs=1e-9)
    assert error["chance"] == pytest.approx({"tokens_parallel": 3 / 7, "weight_bits": 1 / 7})
    given = {"latency": {"tokens_parallel": 0.25, "weight_bits": 0.5}}
    page = tune_page({**made, "importance": given})
    assert "computed for this page" not in page
    assert [entry["shares"] for entry in data_of(page)["importance"]] == list(given.values())


def test_a_beaten_point_gets_the_command_of_the_front_with_its_own_knobs() -> None:
    pattern = "edgemoe-gen build 'a b.pth' --board zcu104 --knob clock_mhz=200 --knob weight_bits=8"
    wanted = "edgemoe-gen build 'a b.pth' --board zcu104 --knob clock_mhz=200 --knob weight_bits=16"
    assert command_like(pattern, {"weight_bits": 16, "frames": 2}) == wanted
    assert command_like(None, {"weight_bits": 16}) is None


def test_text_of_a_document_stays_text_and_nothing_is_fetched() -> None:
    page = tune_page(document(EVIL))
    assert page.count("<script") == page.count("</script>") == 2
    assert "<!--" not in page
    assert EVIL in data_of(page)["points"][0]["command"]
    assert json.loads(safe_json({"a": "<&>\u2028", "b": [float("inf"), float("nan"), 1.5]})) == {
        "a": "<&>\u2028",
        "b": [None, None, 1.5],
    }
    assert not re.search(r"""(?:src|href|action)\s*=|url\(|@import|fetch\(|import\(""", page)
    assert set(re.findall(r"https?://[^\"'\s]+", page)) == {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xhtml",
    }
    assert "default-src 'none'" in page


def test_clicks_and_keys_choose_points(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="Chromium is driven over aiohttp")
    from tests.serving.headless_chromium import browser, find_chromium

    if find_chromium() is None:
        pytest.skip("there is no Chromium on this machine")
    made = document(EVIL)
    path = tmp_path / "tune.html"
    path.write_text(tune_page(made), encoding="utf-8")
    shots = Path(os.environ.get("EDGEMOE_SCREENSHOTS", tmp_path))
    commands = [entry["command"] for entry in made["front"]]
    command = "document.getElementById('command').textContent"
    title = "document.getElementById('name').textContent"

    async def look() -> None:
        async with browser(tmp_path) as page:
            await page.call("Page.navigate", url=path.as_uri())
            await page.until("document.getElementById('detail')?.dataset.point === '0'")
            assert await page.value(command) == commands[0]
            assert await page.value("document.querySelectorAll('#scatter [data-point]').length") == 8
            assert await page.value("document.querySelectorAll('#scatter .front').length") == 6
            assert await page.value("document.querySelectorAll('#parallel .way').length") == 8
            # A mark for each kind of tier: synthesised, simulated, estimated.
            marks = {"path": 1, "circle": 1, "rect": 6}
            for mark, many in marks.items():
                assert await page.value(f"document.querySelectorAll('#scatter {mark}[data-point]').length") == many

            # The default design is found: ring and name are drawn last.
            ends = "[...document.querySelector('#scatter svg').children].slice(-2).map(e => e.getAttribute('class'))"
            found = await page.value(ends)
            assert found[0] == "ring"
            assert "beside" in found[1]
            # All axes are in sight, however narrow the page is; each design has one line in each row.
            await page.value("void (document.querySelector('main').style.width = '250px')")
            await page.value("drawParallel()")
            wide = "document.querySelector('#parallel').parentElement.scrollWidth"
            assert await page.value(wide) == await page.value(wide.replace("scroll", "client"))
            rows = await page.value("document.querySelectorAll('#parallel .way').length") / 8
            assert rows > 1
            assert rows == int(rows)
            assert await page.value("document.querySelectorAll('#parallel .axis').length") == 7
            await page.value("void (document.querySelector('main').style.width = '')")
            await page.value("drawParallel()")

            await page.click("#scatter [data-point='3']")
            await page.until("document.getElementById('detail').dataset.point === '3'")
            assert await page.value(command) == commands[3]
            assert await page.value("document.querySelector('#parallel .chosen').dataset.point") == "3"
            rows = "[...document.querySelectorAll('#figures tr')].map(r => r.cells[2].textContent)"
            assert await page.value(f"{rows}.length") == 5

            await page.click("#scatter [data-point='6']")
            await page.until("document.getElementById('detail').dataset.point === '6'")
            assert await page.value(title) == "A beaten point"
            assert "tokens_parallel=3" in await page.value(command)

            await page.click("#rows tr:nth-child(2) button")
            await page.until(f"{title} === 'Point 2 of the front'")
            assert await page.value("document.querySelector('#rows .chosen button').textContent") == "2"

            await page.value("document.querySelector('#parallel svg').focus()")
            for kind in ("keyDown", "keyUp"):
                await page.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
            await page.until(f"{title} === 'Point 3 of the front'")
            assert await page.value("document.activeElement.closest('#parallel') !== null")

            middle = """(() => {
                const svg = document.querySelector("#parallel svg");
                const line = svg.querySelector("[data-point='4']").points;
                const [a, b] = [1, 2].map(k => line[k].matrixTransform(svg.getScreenCTM()));
                return [(a.x + b.x) / 2, (a.y + b.y) / 2];
            })()"""
            await page.value("document.querySelector('#parallel').scrollIntoView()")
            x, y = await page.value(middle)
            for kind in ("mousePressed", "mouseReleased"):
                await page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
            await page.until("document.getElementById('detail').dataset.point === '4'")

            await page.value("document.getElementById('x').value = 'dsp'")
            await page.value("void document.getElementById('x').dispatchEvent(new Event('change'))")
            await page.until("document.querySelector('#scatter svg').getAttribute('aria-label').includes('over DSP')")
            await page.click("#copy")
            await page.until("document.getElementById('said').textContent !== ''")
            await page.screenshot(shots / "tune.png")
            assert page.complaints == []

    asyncio.run(look())
