"""Contents of an overlay's files, all of them verified before the chip is touched.

In: a manifest. Out: programs, weights by the engine's arguments, and the decoders of all tasks.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from .decoder import Decoder, decoders_of
from .errors import OverlayError
from .manifest import BUILD_AGAIN, Manifest


class Files:
    """All contents of an overlay for the board, and its decoders for the host.

    Attributes:
        programs: programs of one frame, variants included, by file.
        passes: programs of full passes of the weights, by task; {} where a pass is one frame.
        weights: weights by argument of the engine.
        decoders: decoders by task.

    Raises:
        OverlayError: a file is missing, damaged, or not of this overlay.
    """

    def __init__(self, manifest: Manifest) -> None:
        manifest.read(manifest.bitstream)
        manifest.read(manifest.handoff)
        self.programs = {
            own.program: manifest.read(own.program) for task in manifest.tasks.values() for own in task.every
        }
        self.passes = {
            name: manifest.read(task.shared.program) for name, task in manifest.tasks.items() if task.shared is not None
        }
        layout = manifest.weights
        data = memoryview(manifest.read(layout.file))
        self.weights: dict[str, Any] = {}
        place = layout.header_bytes
        for port in range(layout.ports):
            self.weights[f"weights_{port}"] = data[place : place + layout.port_bytes]
            place += layout.port_bytes
        self.weights["constants"] = data[place : place + layout.constant_bytes]
        if len(data) != place + layout.constant_bytes:
            raise OverlayError(
                f"{manifest.folder / layout.file} has {len(data):,} bytes, but the manifest tells of "
                f"{place + layout.constant_bytes:,}",
                BUILD_AGAIN,
            )
        self.decoders = read_decoders(manifest)


def read_decoders(manifest: Manifest) -> dict[str, Decoder]:
    """Decoders by task; {} where the network has none.

    Raises:
        OverlayError: the file is missing or damaged, or lacks a tensor.
    """
    if manifest.decoders is None:
        return {}
    path = manifest.folder / manifest.decoders
    kinds = {task.name: (task.decoder, task.decoder_tensors) for task in manifest.tasks.values() if task.decoder}
    try:
        with np.load(io.BytesIO(manifest.read(manifest.decoders)), allow_pickle=False) as archive:
            return decoders_of(manifest.decoder_facts, kinds, archive)
    except ValueError as error:
        raise OverlayError(f"{path} is no archive of plain arrays: {error}", BUILD_AGAIN) from error
