"""Host time of a frame: packing, decoding and the driver around the engine, on the simulated board under real PYNQ.

In: builds that reach a preview or an overlay (needs '.[pynq]'). Time in the engine, here C simulation, does not count.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from setting import NOTHING, show

from edgemoe_gen.api.board import PICTURE
from edgemoe_gen.measuring.session import look_up, open_frame, opened
from edgemoe_gen.model import load_model, read_spec_file
from edgemoe_gen.overlay.decoders import model_decoder

BAR_MILLISECONDS = 3.0  # a task
WARM_UP = 2
TIER = "wall clock of this machine"


@dataclass(frozen=True)
class HostTime:
    """One task: medians in milliseconds; `rest` is what a frame takes besides packing, engine and decoding."""

    task: str
    where: str
    pack: float
    decode: float
    rest: float
    in_numpy: float | None = None

    @property
    def total(self) -> float:
        """All of them."""
        return self.pack + self.decode + self.rest


def measure(build: Path, frames: int, network: tuple[Path, Path] | None) -> list[HostTime]:
    """Times of every task of a build; with a network (checkpoint and spec) also its decoders in NumPy."""
    installed = look_up(build)
    picture = open_frame(installed.manifest.folder / PICTURE, installed)
    model = None if network is None else load_model(network[0], None, read_spec_file(network[1]))
    found = []
    with opened(installed, simulated=True) as (accelerator, _):
        for name, task in installed.manifest.tasks.items():
            rows = []
            for _ in range(WARM_UP + frames):
                start = time.perf_counter()
                result = accelerator.run(picture, name)
                _classes = result.classes  # what a user does next; of class numbers it is nothing
                seconds = time.perf_counter() - start
                pack, engine, decode = (result.stages[stage] for stage in ("pack", "engine", "decode"))
                rows.append((pack, decode, seconds - pack - engine - decode))
            pack, decode, rest = (1e3 * float(value) for value in np.median(rows[WARM_UP:], axis=0))
            in_numpy = None
            if model is not None:
                decoder = model_decoder(model, name)
                assert decoder is not None
                decoder(result.tokens)
                start = time.process_time()
                decoder(result.tokens)
                in_numpy = 1e3 * (time.process_time() - start)
            found.append(HostTime(name, task.where, pack, decode, rest, in_numpy))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints; ends with an error if a task whose decoder runs on the engine misses the bar."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=Path, nargs="+", help="folder of a build, or of an overlay")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--network", type=Path, nargs=2, metavar=("CHECKPOINT", "SPEC"),
                        help="of the builds: shows what the decoders take in NumPy")  # fmt: skip
    given = parser.parse_args(arguments)
    network = None if given.network is None else (given.network[0], given.network[1])
    failed = []
    for build in given.build:
        times = measure(build, given.frames, network)
        rows = []
        for one in times:
            late = one.where != "host" and one.total > BAR_MILLISECONDS
            failed += [f"{build}: {one.task}"] if late else []
            numpy, ratio = NOTHING, NOTHING
            if one.in_numpy is not None:
                numpy, ratio = f"{one.in_numpy:.1f}", f"{one.in_numpy / one.decode:,.0f} x"
            rows.append(
                (one.task, one.where, f"{one.pack:.3f}", f"{one.decode:.3f}", f"{one.rest:.3f}", f"{one.total:.3f}",
                 numpy, ratio, "missed" if late else "met" if one.where != "host" else "", TIER)
            )  # fmt: skip
        heads = (
            "task", "decoder", "pack, ms", "decode, ms", "rest, ms", "host, ms", "decoder in NumPy, CPU ms", "ratio",
            f"<= {BAR_MILLISECONDS:g} ms", "tier",
        )  # fmt: skip
        show(f"{build}: medians of {given.frames} frames", heads, rows)
    if failed:
        raise SystemExit("missed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
