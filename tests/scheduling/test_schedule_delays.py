"""The tables of delays are whole, and say where each figure is from."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from edgemoe_gen.hardware.latency import FAMILIES, family_names, read_family
from edgemoe_gen.scheduling.delays import SUFFIX, Delays, family_delays, read_delays
from edgemoe_gen.scheduling.delays_from_csv import Point, lines, points

TABLES = sorted(FAMILIES.glob(f"*{SUFFIX}"))
ROW = {
    "operator": "add", "width_bits": "8", "memory_width_x_depth": "", "core": "Adder", "delay_ns": "0.76",
    "grouping": "", "part": "xck26-sfvc784-2LV-c", "release": "2022.2", "occurrences": "3",
}  # fmt: skip


def delays() -> Delays:
    return family_delays("xczu7ev-ffvc1156-2-e")


def test_a_table_of_delays_is_no_family_of_its_own() -> None:
    assert TABLES
    assert all(f"{path.name.removesuffix(SUFFIX)}" in family_names() for path in TABLES)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_every_figure_says_where_it_is_from(path: Path) -> None:
    text = read_family(path)
    for name, operator in text["operators"].items():
        for point in operator["points"]:
            assert {"part", "release", "reports"} <= point.keys(), name
            assert point["reports"] >= 1
            assert 0 < point["ns"] < 10
    assert all(entry["why"] for entry in text["substitutes"].values())
    read_delays(path)


def test_widths_between_two_entries_are_interpolated() -> None:
    table = delays()
    widths = table.widths["compare"]
    low = next(a for a, b in itertools.pairwise(widths) if b - a == 2)
    between = (table.of("compare", low) + table.of("compare", low + 2)) / 2
    assert table.of("compare", low + 1) == pytest.approx(between)


def test_widths_outside_of_the_entries_take_the_nearest() -> None:
    table = delays()
    assert table.of("add", 1) == table.of("add", 2)
    assert table.of("add", 500) == table.ns["add"][-1]


@pytest.mark.parametrize(
    ("operator", "bits", "ns"),
    # As the estimated clocks of xczu9eg-ffvb1156-2-e, 2022.2, ask for: counters of two and three bits take 0.975 and
    # 1.100 ns with the 0.427 ns of their register.
    [("add", 2, 0.975 - 0.427), ("add", 3, 1.100 - 0.427)],
)
def test_grade_2_has_the_same_delays(operator: str, bits: int, ns: float) -> None:
    assert delays().of(operator, bits) == pytest.approx(ns, abs=0.01)  # reports cut to two decimals


def test_a_product_that_fits_no_dsp_takes_longer() -> None:
    table = delays()
    assert table.product(18, 27).latency < table.product(35, 32).latency
    assert table.product(27, 18) == table.product(18, 27)


def test_rows_of_reports_become_points() -> None:
    rows = [
        ROW,
        ROW | {"delay_ns": "0.77", "occurrences": "2"},
        ROW | {"release": "2024.2", "delay_ns": "0.90"},
        ROW | {"width_bits": "9", "release": "2024.2", "delay_ns": "0.78", "occurrences": "1"},
        ROW | {"grouping": "root node of the DSP", "delay_ns": "2.00"},
        ROW | {"part": "xcvu9p-flgb2104-2-i", "delay_ns": "0.70"},
    ]
    assert points(rows) == {"add": [Point(8, 0.77, "2022.2", 5), Point(9, 0.78, "2024.2", 1)]}


def test_points_are_written_as_the_table_has_them() -> None:
    text = "\n".join(lines({"add": [Point(8, 0.77, "2022.2", 5)]}))
    assert '{ bits = 8, ns = 0.77, part = "xck26-sfvc784-2LV-c", release = "2022.2", reports = 5 }' in text
