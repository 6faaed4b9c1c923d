"""Errors of a project's narrow tensors as JSON: for the report, `inspect --narrow` and the build's notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgemoe_gen.numerics.calibrate import Calibrated
from edgemoe_gen.numerics.narrow_errors import NarrowErrors, RoutedError
from edgemoe_gen.numerics.together import BIAS
from edgemoe_gen.numerics.widths import NEAREST, TOGETHER
from edgemoe_gen.pictures.calibration import CalibrationPictures

TIER = "estimate"


def narrow_facts(calibrated: Calibrated, pictures: CalibrationPictures, errors: NarrowErrors) -> dict[str, Any]:
    """Pictures, layers by way of rounding, errors by kind, and saturated values."""
    ways = [layer.how for layer in calibrated.layers.values()]
    return {
        "tier": TIER,
        "rounding": TOGETHER if calibrated.layers else NEAREST,
        "pictures": {
            "seen": len(pictures.seen),
            "unseen": len(pictures.unseen),
            "made": pictures.made,
            "unseen_of_their_own": pictures.of_their_own,
        },
        "layers": {way: ways.count(way) for way in (TOGETHER, BIAS, NEAREST)},
        "few_tokens": [
            {"layer": name, "tokens": layer.tokens, "rounding": layer.how}
            for name, layer in calibrated.layers.items()
            if layer.how != TOGETHER
        ],
        "kinds": [
            {"kind": row.kind, "bits": row.bits, "seen": _errors(row.seen), "unseen": _errors(row.unseen)}
            for row in errors.kinds
        ],
        "saturated": {
            "tensors": dict(sorted(errors.saturation.beyond.items(), key=lambda item: -item[1])),
            "values": sum(errors.saturation.beyond.values()),
            "of": errors.saturation.values,
        },
        "notes": list(pictures.notes),
    }


def _errors(by_way: Mapping[str, RoutedError]) -> dict[str, dict[str, float | None]]:
    return {
        way: {"error": found.forced, "free_error": found.free, "sets_equal": found.equal}
        for way, found in by_way.items()
    }
