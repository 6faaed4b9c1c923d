"""JUnit XML of kernel results, as a CI system reads it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from edgemoe_gen.base.errors import ConfigError
from edgemoe_gen.sim.checks import CaseResult
from edgemoe_gen.sim.junit import write_junit

RESULTS = [
    CaseResult("softmax", "longest rows", "random", 1e-5, 4e-5, 0.25),
    CaseResult("softmax", "recorded inputs", "recorded", 0.0, 0.0, 0.0, skipped="no checkpoint"),
    CaseResult("gelu", "every value", "extreme", 0.5, 1e-4, 1.0, where='gelu[3, 4] is 1 instead of 0.5 <&">'),
    CaseResult("gelu", "broken", "random", float("inf"), 0.0, 0.5, where="a process reads from an empty FIFO"),
]


@pytest.fixture
def root(tmp_path: Path) -> ElementTree.Element:
    path = tmp_path / "reports" / "kernels.xml"
    write_junit(RESULTS, path)
    assert [file.name for file in path.parent.iterdir()] == ["kernels.xml"]
    return ElementTree.parse(path).getroot()


def test_there_is_one_suite_a_kernel_and_one_test_case_a_case(root: ElementTree.Element) -> None:
    names = {suite.get("name"): [case.get("name") for case in suite] for suite in root.iter("testsuite")}
    assert names == {
        "softmax": ["longest rows (random)", "recorded inputs (recorded)"],
        "gelu": ["every value (extreme)", "broken (random)"],
    }


def test_counts_and_times_add_up(root: ElementTree.Element) -> None:
    counts = {name: root.get(name) for name in ("tests", "failures", "skipped", "time")}
    assert counts == {"tests": "4", "failures": "2", "skipped": "1", "time": "1.750"}
    assert [suite.get("failures") for suite in root.iter("testsuite")] == ["0", "2"]


def test_a_failure_says_error_bound_and_where(root: ElementTree.Element) -> None:
    messages = [failure.get("message", "") for failure in root.iter("failure")]
    assert messages[0] == 'largest error 0.5, bound 0.0001: gelu[3, 4] is 1 instead of 0.5 <&">'
    assert messages[1].startswith("largest error infinite") and messages[1].endswith("empty FIFO")


def test_a_skipped_case_gives_its_reason(root: ElementTree.Element) -> None:
    assert [skipped.get("message") for skipped in root.iter("skipped")] == ["no checkpoint"]


def test_a_report_that_can_not_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kernels.xml"
    path.write_text("old", encoding="utf-8")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ConfigError, match="disk full"):
        write_junit(RESULTS, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["kernels.xml"]
