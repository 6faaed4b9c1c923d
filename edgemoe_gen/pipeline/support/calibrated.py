"""Calibration of a build, for verbs that run the same network: they need not calibrate again.

The stage `render` notes hashes of the network and pictures beside its binary points. The binary points are used if
these hashes still match and the folder is unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemoe_gen.base.build_files import ACCELERATOR, CALIBRATED, EXPECTED
from edgemoe_gen.base.documents import write_json
from edgemoe_gen.base.errors import EdgeMoEError
from edgemoe_gen.base.locks import STATE
from edgemoe_gen.design import Knobs
from edgemoe_gen.model import Model
from edgemoe_gen.numerics.widths import TOGETHER
from edgemoe_gen.pipeline.support.artefacts import read_numerics
from edgemoe_gen.pipeline.support.context import package_digest
from edgemoe_gen.pipeline.support.folders import NOTES
from edgemoe_gen.pipeline.support.state import digest_of, digest_text, read_state
from edgemoe_gen.project.config import DEFAULT_OUTPUT, Config
from edgemoe_gen.project.opening import Numerics, open_tasks

Images = Sequence[NDArray[np.float32]]


def note_calibration(config: Config, model: Model, knobs: Knobs, images: Images, folder: Path) -> None:
    """Writes the hashes of the network and pictures from which the binary points in a folder were chosen."""
    facts = {"network": _network(config, model, knobs), "pictures": _pictures(images)}
    write_json(folder / CALIBRATED.name, CALIBRATED.stamped(facts))


def kept_numerics(config: Config, model: Model, knobs: Knobs, images: Images | None) -> Numerics | None:
    """Calibration of the project's build; None if it is not of this network, these knobs and pictures.

    Args:
        config: names the build's folder.
        model: the network.
        knobs: of the design.
        images: network inputs to calibrate from; None takes whatever the build took.
    """
    output = config.output or Path(DEFAULT_OUTPUT)
    folder = output / ACCELERATOR
    try:
        facts = CALIBRATED.read(folder)
        if images is not None and facts["pictures"] != _pictures(images):
            return None
        if facts["network"] != _network(config, model, knobs):
            return None
        if read_state(output / STATE / NOTES)["render"].outputs != digest_of([folder], EXPECTED):
            return None
        return read_numerics(folder, model)
    except (OSError, ValueError, KeyError, TypeError, EdgeMoEError):  # so it is calibrated anew
        return None


def _network(config: Config, model: Model, knobs: Knobs) -> str:
    return digest_text(
        package_digest(), digest_of([model.source]), model.weights, config.model.ignore or (),
        model.spec.without_names(), knobs, open_tasks(config, model.spec), sorted(config.pinned.items()),
        config.rounding or TOGETHER, config.augment or 0,
    )  # fmt: skip


def _pictures(images: Images) -> str:
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()
