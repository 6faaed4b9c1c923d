"""Damaged reports: no exception, and no figure that stands nowhere in the report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemoe_gen.flow.reports import (
    achievable_clock_mhz,
    meets_timing,
    read_cosim,
    read_implementation,
    read_synthesis,
    timing_sentence,
)
from edgemoe_gen.flow.reports.csynth import read_csynth
from edgemoe_gen.flow.reports.power import read_power
from edgemoe_gen.flow.reports.timing import read_timing
from edgemoe_gen.flow.reports.utilisation import read_hierarchy, read_utilisation
from tests.flow.reports import vendor_reports as made

LOOPS = made.loop("rows", trip="2 ~ 40", inner=made.loop("columns", ii="undef", latency="?"))
REPORTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "utilisation": (read_utilisation, made.utilisation(mark="*")),
    "hierarchy": (read_hierarchy, made.hierarchy()),
    "timing": (read_timing, made.timing(slack="-0.412", inter="0.300")),
    "power": (read_power, made.power()),
    "csynth": (read_csynth, made.csynth(latency="1208", interval="1003", loops=LOOPS, modules=made.module("mac"))),
    "cosim": (read_cosim, made.cosim()),
}
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?", re.ASCII)


def figures(value: Any, key: str = "") -> Iterator[float]:
    """All numbers of a report but those that count indentation."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from figures(inner, name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from figures(inner, key)
    elif isinstance(value, int | float) and not isinstance(value, bool) and key != "depth":
        yield float(value)


def numbers_in(data: bytes) -> set[float]:
    return {float(text.replace(",", "")) for text in NUMBER.findall(data.decode("utf-8", errors="replace"))}


@pytest.mark.parametrize("kind", REPORTS)
def test_a_whole_report_has_figures_to_lose(tmp_path: Path, kind: str) -> None:
    read, text = REPORTS[kind]
    (tmp_path / "report").write_text(text)
    report = read(tmp_path / "report")
    assert report.warnings == () and len(list(figures(asdict(report)))) >= 4


@pytest.mark.parametrize("kind", REPORTS)
@pytest.mark.parametrize("data", [b"", b"  \n", b"\0\x7fELF\0", b"\xff\xfe\xff", b"no report", bytes(range(1, 256))])
def test_what_is_no_report_gives_no_figure_and_a_warning(tmp_path: Path, kind: str, data: bytes) -> None:
    path = tmp_path / "report"
    path.write_bytes(data)
    report = REPORTS[kind][0](path)
    assert list(figures(asdict(report))) == []
    assert report.warnings and all(warning.startswith("report") for warning in report.warnings)


@pytest.mark.parametrize("kind", REPORTS)
def test_a_file_that_is_not_there_is_a_warning(tmp_path: Path, kind: str) -> None:
    for path in (tmp_path / "missing", tmp_path):
        report = REPORTS[kind][0](path)
        assert list(figures(asdict(report))) == []
        assert "not readable" in report.warnings[0]


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_cut_off_anywhere_gives_only_figures_that_it_holds(tmp_path: Path, kind: str) -> None:
    read, text = REPORTS[kind]
    path, whole = tmp_path / "report", text.encode()
    path.write_bytes(whole)
    complete = set(figures(asdict(read(path))))
    for end in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:end])
        assert set(figures(asdict(read(path)))) <= complete


def test_entities_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE p [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>' + made.csynth().replace("dataflow", "&b;")
    path = tmp_path / "csynth.xml"
    path.write_text(bomb)
    report = read_csynth(path)
    assert report.module is None and report.warnings == ("csynth.xml: declares a document type",)


def test_loops_nested_without_end_are_cut_off(tmp_path: Path) -> None:
    depth = 3000
    loops = "<a><TripCount>7</TripCount>" * depth + "</a>" * depth
    path = tmp_path / "csynth.xml"
    path.write_text(made.csynth(loops=loops))
    report = read_csynth(path)
    assert report.module is not None and 1 < len(report.module.loops) < 100


@st.composite
def damage(draw: st.DrawFn, text: str) -> bytes:
    """A report with pieces deleted, doubled, moved, or replaced; the pieces that mean something more often."""
    data = text.encode()
    for _ in range(draw(st.integers(1, 6))):
        size = len(data)
        start = draw(st.integers(0, size))
        stop = min(size, start + draw(st.sampled_from([0, 1, 2, 10, 100, 1000])))
        piece = data[start:stop]
        how = draw(st.sampled_from(["delete", "double", "move", "noise", "token"]))
        if how == "delete":
            new = b""
        elif how == "double":
            new = piece + piece
        elif how == "move":
            data = data[:start] + data[stop:]
            start = stop = draw(st.integers(0, len(data)))
            new = piece
        elif how == "noise":
            new = draw(st.binary(max_size=8))
        else:
            tokens = [
                b"|",
                b"+",
                b"-",
                b"\n",
                b" ",
                b"  ",
                b"<0.01",
                b"NA",
                b"-9.5",
                b"1,234",
                b"~",
                b"?",
                b"<",
                b">",
                b"ns",
            ]
            new = draw(st.sampled_from(tokens))
        data = data[:start] + new + data[stop:]
    return data


@pytest.mark.parametrize("kind", REPORTS)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_no_damage_raises_or_makes_up_a_number(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    read, text = REPORTS[kind]
    damaged = data.draw(damage(text))
    path = tmp_path_factory.getbasetemp() / f"{kind}.damaged"
    path.write_bytes(damaged)
    report = read(path)
    known = numbers_in(damaged)
    made_up = [value for value in figures(asdict(report)) if abs(value) not in known]
    assert made_up == []


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_conclusions_from_damaged_reports_do_not_raise(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "conclusions"
    folder.mkdir(exist_ok=True)
    (folder / "timing_summary.rpt").write_bytes(data.draw(damage(REPORTS["timing"][1])))
    (folder / "csynth.xml").write_bytes(data.draw(damage(REPORTS["csynth"][1])))
    facts = read_implementation(folder)
    read_synthesis(folder, made.TOP)
    fastest = achievable_clock_mhz(facts)
    assert fastest is None or fastest > 0
    assert meets_timing(facts) in (True, False, None)
    assert timing_sentence(facts, 300.0).startswith(("timing", "hold", "pulse"))
