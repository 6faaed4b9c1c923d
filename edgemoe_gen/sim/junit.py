"""Writes kernel results as JUnit XML, which every CI system shows: one suite a kernel, one test case a case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from edgemoe_gen.base.files import write_whole
from edgemoe_gen.sim.checks import CaseResult


def write_junit(results: Sequence[CaseResult], path: Path) -> None:
    """Writes all results to `path`: complete or not at all, folders made as needed.

    Raises:
        ConfigError: the file can't be written.
    """
    root = ElementTree.Element("testsuites", {"name": "edgemoe-gen csim", **_counts(results)})
    for kernel in dict.fromkeys(result.kernel for result in results):
        cases = [result for result in results if result.kernel == kernel]
        suite = ElementTree.SubElement(root, "testsuite", {"name": kernel, **_counts(cases)})
        for result in cases:
            _case(suite, result)
    ElementTree.indent(root)
    document = ElementTree.ElementTree(root)
    write_whole(path, lambda stream: document.write(stream, encoding="utf-8", xml_declaration=True))


def _case(suite: ElementTree.Element, result: CaseResult) -> None:
    names = {"classname": f"edgemoe_gen.{result.kernel}", "name": f"{result.case} ({result.inputs})"}
    case = ElementTree.SubElement(suite, "testcase", {**names, "time": f"{result.seconds:.3f}"})
    if result.skipped is not None:
        ElementTree.SubElement(case, "skipped", {"message": result.skipped})
        return
    figures = f"largest error {_figure(result.largest_error)}, bound {_figure(result.bound)}"
    if not result.passed:
        failure = ElementTree.SubElement(case, "failure", {"message": f"{figures}: {result.where}"})
        failure.text = f"{result.kernel}, {result.case}, {result.inputs} inputs\n{figures}\n{result.where}"
    ElementTree.SubElement(case, "system-out").text = figures


def _counts(results: Sequence[CaseResult]) -> dict[str, str]:
    return {
        "tests": str(len(results)),
        "failures": str(sum(not result.passed for result in results)),
        "errors": "0",
        "skipped": str(sum(result.skipped is not None for result in results)),
        "time": f"{sum(result.seconds for result in results):.3f}",
    }


def _figure(value: float) -> str:
    return "infinite" if math.isinf(value) else f"{value:.6g}"


__all__ = ["write_junit"]
