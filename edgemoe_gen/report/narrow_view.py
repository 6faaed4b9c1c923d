"""Errors of narrow tensors, for the report and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgemoe_gen.report.numbers import counted, percent

NOTHING = "–"
COLUMNS = (
    "weights", ">bits", ">nearest, seen", ">nearest, unseen", ">together, seen", ">together, unseen",
    ">equal sets, seen", ">unseen",
)  # fmt: skip
_NEAREST, _TOGETHER = "nearest", "gptq"


def narrow_view(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Sentences, and the rows of the table under `COLUMNS`."""
    return {"sentences": sentences(facts), "columns": COLUMNS, "rows": [_row(row) for row in facts["kinds"]]}


def sentences(facts: Mapping[str, Any]) -> list[str]:
    """Pictures of both sets, layers with another rounding, saturated values, warnings."""
    pictures, found = facts["pictures"], []
    made = f", {pictures['made']} of both made of the others" if pictures["made"] else ""
    whose = "" if pictures["unseen_of_their_own"] or not pictures["unseen"] else "; made of the same pictures"
    seen = counted(pictures["seen"], "picture")
    found.append(f"{seen} for calibration, {pictures['unseen']} kept out and measured{whose}{made}.")
    few = facts["few_tokens"]
    if few:
        bias, nearest = (sum(row["rounding"] == way for row in few) for way in ("bias", _NEAREST))
        layers = counted(len(few), "layer")
        parts = [
            f"{number} with {how}"
            for number, how in ((bias, "a corrected bias"), (nearest, "the bias as it was"))
            if number
        ]
        found.append(
            f"{layers} with few tokens of calibration {'are' if len(few) != 1 else 'is'} rounded to nearest: "
            f"{', '.join(parts)}."
        )
    saturated = facts["saturated"]
    if saturated["of"]:
        worst = ", ".join(f"{name} ({number:,})" for name, number in list(saturated["tensors"].items())[:3])
        found.append(
            f"{saturated['values']:,} of {saturated['of']:,} values of the pictures kept out are beyond their formats"
            + (f", most in {worst}." if worst else ".")
        )
    return [*found, *facts["notes"]]


def _row(row: Mapping[str, Any]) -> Sequence[object]:
    def error(pictures: str, way: str) -> str:
        known = row[pictures].get(way)
        return NOTHING if known is None else percent(known["error"], 2)

    def equal(pictures: str) -> str:
        known = row[pictures].get(_TOGETHER) or row[pictures].get(_NEAREST)
        return NOTHING if known is None or known["sets_equal"] is None else percent(known["sets_equal"], 2)

    errors = [error(pictures, way) for way in (_NEAREST, _TOGETHER) for pictures in ("seen", "unseen")]
    return (row["kind"], row["bits"], *errors, equal("seen"), equal("unseen"))
